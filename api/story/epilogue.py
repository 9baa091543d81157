"""What is proven once the last envelope is open: receipts, the whole log, and the views.

Receipts are asked for in both forms and judged by the offline verifier, which shares no code with
the platform; the sealed file and its list of pieces are judged with them. The log and the views
are checked after the platform has given its home back, as an auditor would find it.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from api.home import Home
from api.inspection import inspect_home
from api.story.script import Play
from api.wiring import open_reader
from crypto.notes import parse_checkpoint, parse_note
from ledger.errors import NotPublished
from ledger.proofs import TlogProof
from replay import verifier

SUFFIX = ".tlog-proof"
READ_WITHIN_S = 60


@dataclass(frozen=True)
class Given:
    """One receipt as it was given, and beside it what its depositor kept."""

    name: str
    first: bytes
    file: Path | None = None
    pieces: Path | None = None


async def prove_receipts(play: Play, folder: Path) -> int:
    """Publish, write every receipt in its published form, have each judged; return how many.

    Raises ``verifier.Refused`` for the first one that is not proven in either form.
    """
    platform = play.stage.platform
    await asyncio.to_thread(platform.publish)
    await asyncio.to_thread(
        platform.views.wait, platform.ledger.head() - 1, READ_WITHIN_S
    )  # what pages show next has caught up
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    whole, log_alone = (
        verifier.Policy(platform.policies[name].encode())
        for name in ("policy.txt", "policy-log.txt")
    )
    given = [*_deposits(play), *(Given(name, proof) for name, proof in play.tally.proofs)]
    for receipt in given:
        published = await _published(play, receipt)
        (folder / f"{receipt.name}{SUFFIX}").write_bytes(published)
        await asyncio.to_thread(_judge, receipt, published, whole, log_alone)
    play.stage.say(f"{len(given)} reçus et attestations vérifiés par le vérificateur autonome")
    return len(given)


def _deposits(play: Play) -> list[Given]:
    return [Given(sent.deposit, sent.proof, sent.file, sent.pieces) for sent in play.tally.sent]


async def _published(play: Play, receipt: Given) -> bytes:
    """Return a receipt under the first published checkpoint: over HTTP where it is a deposit's."""
    if receipt.file is None:
        index = TlogProof.parse(receipt.first).index
        return play.stage.platform.ledger.receipt(index, published=True)
    company = next(one.company for one in play.tally.sent if one.deposit == receipt.name)
    path = f"/api/v1/deposits/{receipt.name}/receipt?form=published"
    headers = play.stage.headers(company, "CY")
    answer = await play.stage.http.get(path, headers=headers)
    return bytes(play.stage.expect("receipt", answer, 200).content)


def _judge(
    receipt: Given, published: bytes, whole: verifier.Policy, log_alone: verifier.Policy
) -> None:
    proven = verifier.check_receipt(published, whole)
    first = verifier.check_receipt(receipt.first, log_alone)
    if first.leaf != proven.leaf:
        raise verifier.Refused("proof", reason="another entry", receipt=receipt.name)
    if receipt.file is not None:
        with receipt.file.open("rb") as file:
            verifier.check_file(file, proven.entry)
    if receipt.pieces is not None:
        verifier.check_pieces(receipt.pieces.read_bytes(), proven.entry)


def prove_home(place: Home, scratch: Path) -> dict[str, object]:
    """Return what fsck proves of the home, views rebuilt from zero included; raise LogUnsound."""
    shown = inspect_home(place, [], lambda _: None, scratch)
    with open_reader(place) as log:
        note = log.reader.published()
    if note is None:
        raise NotPublished
    found = parse_checkpoint(parse_note(note).text)
    return {
        "entries": found.size,
        "root": found.root.hex(),
        "origin": found.origin,
        "fsck": "ok" if shown["verdict"] == "sound" else str(shown["verdict"]),
        "projections_equal": shown["views"] == "equal",
    }

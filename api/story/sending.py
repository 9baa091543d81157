"""How the story's companies seal and send: with the command line's own sealer and sender.

Documents are made in a folder of their own, sealed there to a checked kit, and sent chunk by chunk
through the upload protocol; only troubles of the cast are played by hand.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.adapters.http import PlatformClient, client_name
from api.depositor.envelope_file import EnvelopeFile, Record
from api.depositor.kit import Kit
from api.depositor.sealing import SealedFile, Wish, pieces_of, seal
from api.depositor.sending import BASE, Sender, fetch_kit
from api.story.cast import LIMIT, Bid
from api.story.paperwork import Paper, offer
from api.story.records import Contract
from api.story.stage import BASE as URL
from api.story.stage import ActFailed, Stage

if TYPE_CHECKING:
    from api.depositor.sending import Sent as Received

HALF_CHUNK = 1 << 19
LOT = "0"


@dataclass(frozen=True)
class Sent:
    """A deposit that was received: its id, commitment, list of pieces, and first receipt."""

    deposit: str
    consultation: str
    company: str
    commitment: str
    file: Path
    pieces: Path
    proof: bytes


class LineCut(Exception):
    """The line of a company is cut: raised by the story inside its own client."""


class Bidders:
    """All companies of the story, each with its token, in one scratch folder."""

    def __init__(self, stage: Stage, scratch: Path) -> None:
        self._stage = stage
        self._scratch = scratch
        self._sealed: dict[tuple[str, str], SealedFile] = {}

    def client(self, bid: Bid) -> PlatformClient:
        """Return the client of a company over the application in this process."""
        from httpx2 import ASGITransport

        token = self._stage.token(bid.company.siret, "CY")
        return PlatformClient(URL, token, transport=ASGITransport(app=self._stage.app))

    async def seal(
        self, bid: Bid, contract: Contract, consultation: str, wish: Wish | None = None
    ) -> SealedFile:
        """Make and seal the documents of a bid, once for each intent."""
        wanted = wish or Wish("OFFER", (LOT,))
        known = self._sealed.get((bid.name, wanted.intent))
        if known is not None:
            return known
        async with self.client(bid) as http:
            kit = Kit.parse(json.dumps(await fetch_kit(http, consultation)).encode())
        folder = self._scratch / f"{bid.name}-{wanted.intent}"
        made = await asyncio.to_thread(self._make, bid, contract, kit, wanted, folder)
        self._sealed[bid.name, wanted.intent] = made
        return made

    def _make(self, bid: Bid, contract: Contract, kit: Kit, wish: Wish, folder: Path) -> SealedFile:
        dated = self._stage.platform.desk.clock.now().latest
        size = bid.size if wish.intent == "INITIAL" else bid.size // 2
        documents = folder / "documents"
        for paper in offer(contract, bid.company, bid.rank, size, dated):
            _write(documents, paper)
        pieces = pieces_of(sorted(documents.iterdir()))
        return seal(kit, wish, pieces, folder / "offre.pli", self._stage.platform.desk.rng, _warn)

    async def send(self, bid: Bid, consultation: str, sealed: SealedFile) -> Sent:
        """Send a sealed envelope, or what is missing of it; its receipt is verified on arrival."""
        async with self.client(bid) as http:
            received: Received = await Sender(http, client_name(), _quiet).deposit(sealed.path)
        return Sent(
            sealed.deposit,
            consultation,
            bid.company.siret,
            sealed.commitment,
            sealed.path,
            sealed.pieces,
            received.proven.proof,
        )

    async def cut_inside_a_chunk(self, bid: Bid, sealed: SealedFile) -> None:
        """Begin a transmission, store its first chunk, and lose the line inside the second."""
        async with self.client(bid) as http:
            with suppress(LineCut):
                await Sender(http, client_name(), _cut).deposit(sealed.path)
            record = Record.read(sealed.path)
            envelope = EnvelopeFile.check(sealed.path, record.commitment)
            path = f"{BASE}/{record.transmission}/chunks"
            leaf = {"pli-leaf": envelope.leaves[0].hex()}
            await http.call("PUT", f"{path}/0", content=envelope.chunk(0), headers=leaf)
            headers = self._stage.headers(bid.company.siret, "CY") | {
                "Pli-Leaf": envelope.leaves[1].hex(),
                "Content-Length": str(len(envelope.chunk(1))),
            }
            await self._stage.broken_off(f"{path}/1", headers, envelope.chunk(1)[:HALF_CHUNK])
            state = await http.call("GET", f"{BASE}/{record.transmission}")
        if state["state"] != "STALLED":
            raise ActFailed("interruption", 0, json.dumps(state))

    async def announce_too_large(self, bid: Bid, consultation: str) -> tuple[str, bytes]:
        """Announce more than the published limit; return the session's id and attestation."""
        stage, who = self._stage, (bid.company.siret, "CY")
        form = {
            "bytes": 2 * LIMIT,
            "client": client_name(),
            "consultation": consultation,
            "documents": 3,
            "kind": "OFFER",
            "lots": [LOT],
            "terms": "1",
        }
        answer = await stage.attempt(who, f"too-large-{bid.name}", BASE, form)
        told = stage.expect("too large", answer, 413).json()
        if told["code"] != "deposit.too-large":
            raise ActFailed("too large", 413, answer.text)
        state = await stage.get(f"{BASE}/{told['transmission']}", *who)
        return str(told["transmission"]), str(state["attestation"]).encode()


def _write(folder: Path, paper: Paper) -> None:
    path = folder / paper.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(paper.content)


def _quiet(_: int, __: int) -> None:
    """Say nothing: the story counts whole deposits."""


def _warn(_: str, __: str) -> None:
    """Say nothing: the story's own documents are readable."""


def _cut(_: int, __: int) -> None:
    raise LineCut

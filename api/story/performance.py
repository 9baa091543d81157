"""One performance of the story, from an empty home to a proven one, and its account.

The platform is opened here, played through its HTTP interface, and closed again before the last
proofs. What an interrupted performance left stays in the ledger; the next one has another name.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from api.adapters.custodian_processes import custodians_beside
from api.app import create_app
from api.home import Home
from api.platform import Platform
from api.settings import Settings
from api.story import account, opening_files
from api.story.cast import bids, complemented
from api.story.epilogue import prove_home, prove_receipts
from api.story.records import Contract
from api.story.script import Play, perform
from api.story.sending import Bidders
from api.story.stage import stage
from api.wiring import create_platform, has_log, open_platform
from domain.clock import instant_text

SCRATCH = "story-"
Say = Callable[[str], None]


def play_once(folder: Path, contracts: Sequence[Contract], say: Say) -> dict[str, Any]:
    """Play every act on a home, prove what came of it, and keep and return the account.

    Raises what an act is refused for; then nothing is kept, and a new performance may begin.
    """
    started = time.monotonic()
    bids(contracts)  # too few contracts are refused before anything is created
    place = Home(folder)
    if not has_log(place):
        create_platform(place)
    for left in folder.glob(f"{SCRATCH}*/"):  # of a performance that was killed: nobody reads it
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as scratch:
        # months of acts are played in seconds: no rate is meant for it; each key is made in its
        # act; no port is opened here, so there is no door to knock at
        settings = Settings(home=folder, rate_scale=1_000, keyset_pool=0, probe_s=0)
        with custodians_beside(place, settings) as roster:
            platform = open_platform(place, settings, roster=roster)
            try:
                platform.start()
                play, receipts = asyncio.run(_play(platform, contracts, say, Path(scratch)))
            finally:
                platform.close()
        say("registre relu octet par octet, vues reconstruites depuis zéro")
        proven = prove_home(place, Path(scratch))
    told = _told(play, receipts) | proven
    told["seconds"] = round(time.monotonic() - started)
    account.keep(folder, told)
    return told


async def _play(
    platform: Platform, contracts: Sequence[Contract], say: Say, scratch: Path
) -> tuple[Play, int]:
    name = f"story-{platform.desk.rng.bytes(4).hex()}"
    async with stage(name, platform, create_app(platform), say) as set_up:
        play = Play(set_up, contracts, Bidders(set_up, scratch))
        await perform(play)
        receipts = await prove_receipts(play, platform.home.folder / "receipts")
        shown = play.consultation(complemented(play.bids))
        sent = [one for one in play.tally.sent if one.consultation == shown]
        folder = platform.home.folder / "opening"
        await asyncio.to_thread(opening_files.write, platform, folder, shown, sent)
    return play, receipts


def _told(play: Play, receipts: int) -> dict[str, Any]:
    """Return what was counted while it happened."""
    tally = play.tally
    if play.deadline is None:
        raise ValueError("a finished story has reached its deadline")
    return {
        "story": play.stage.name,
        "names": [play.consultation(index) for index in range(len(play.contracts))],
        "deadline": instant_text(play.deadline),
        "consultations": len(play.contracts),
        "deposits": len(tally.sent),
        "refused_openings": tally.refused_openings,
        "refused_too_large": tally.refused_too_large,
        "resumed": tally.resumed,
        "withdrawn": tally.withdrawn,
        "superseded": tally.superseded,
        "late": tally.late,
        "opened": tally.opened,
        "unopenable": tally.unopenable,
        "receipts_verified": receipts,
        "level": "A0",
    }

"""A whole platform whose custodians are processes of three organisations, each its own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from doubles.bench import Bench
from doubles.clock import FixedClock
from doubles.custodian_process import CustodianProcess

from api.adapters.keys import signing_key
from crypto.notes import LOG

ORGANISATIONS = ("28590001200018", "20009320100016", "17590012300019")
AHEAD_DAYS = 400


class Independent:
    """A bench at level A1: its clock is a test's own, those of the custodians are the host's."""

    def __init__(self, folder: Path, days: int = 10, **settings: Any) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        deadline = f"{self.now + timedelta(days=days):%Y-%m-%dT12:00}"
        clock = FixedClock(self.now, timedelta(milliseconds=10))
        (folder / "pli").mkdir()
        self.bench = Bench(folder / "pli", clock=clock, deadline=deadline, **settings)
        self.bench.close()
        log = signing_key(self.bench.home.log_key, LOG).verifier()
        self.custodians = [
            CustodianProcess(folder / f"gardien-{n}", log, org)
            for n, org in enumerate(ORGANISATIONS, 1)
        ]
        for one in self.custodians:
            one.begin()
        for one in self.custodians:
            one.wait()
        roster = folder / "custodians.toml"
        roster.write_text("".join(one.member.table() for one in self.custodians))
        self.bench.settings = self.bench.settings.model_copy(update={"custodians": roster})
        self.bench.reopen()
        self.bench.register()

    def close(self) -> None:
        self.bench.close()
        for one in self.custodians:
            one.kill()

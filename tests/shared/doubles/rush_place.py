"""A platform before its deadline: a home with a published consultation, and envelopes for it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from doubles.bench import Bench
from doubles.crowd import ServerProcess
from doubles.rush import KeyOf, Rush, Told, same_key
from doubles.rush_stock import LOTS, Bid, Stock
from doubles.rush_verdict import Verdict, judge

from api.adapters.clock import HostClock
from api.cli import run

CHUNK_64K = 65_536
KILLS = (0.6, 0.725, 0.85)
"""When a server is killed: the first half of a rush is calm."""
LARGEST = {"max_file": 2**31, "max_total": 2**31}


class Place:
    """One home; rushes run against it one after the other, each judged by the whole log."""

    def __init__(self, folder: Path, *, size: int = CHUNK_64K, seed: int = 12) -> None:
        deadline = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT12:00")
        # the rates in force are those of a real platform
        self.bench = Bench(folder, clock=HostClock(250), deadline=deadline)
        self.bench.register()
        self.folder = folder
        self.seed = seed
        self.stock = Stock(self.bench, self.bench.publish(lots=LOTS, **LARGEST), size, seed)
        self.rushes = 0

    def sealed(self, count: int) -> list[Bid]:
        """Return so many new envelopes; before the first rush."""
        return self.stock.sealed(count)

    def ready(self) -> None:
        """Give the home to the servers."""
        self.bench.close()

    def rush(
        self,
        bids: Sequence[Bid],
        rate: float,
        kills: Sequence[float] = (),
        *,
        cuts: float = 0,
        before: str = "",
        key_of: KeyOf = same_key,
    ) -> tuple[Told, Verdict]:
        """Run one rush against a server of its own; return what was told and what became of it."""
        self.rushes += 1
        server = ServerProcess(self.bench.home.folder, before)
        try:
            seed = self.seed + self.rushes
            rush = Rush(server, rate=rate, seed=seed, kills=kills, cuts=cuts, key_of=key_of)
            told = rush.run(bids)
        finally:
            server.kill()
        return told, judge(self._exported(), self.bench.home.blobs, bids, told.receipts)

    def _exported(self) -> Path:
        """Publish what the killed server left, and export it as an auditor would."""
        self.bench.reopen()
        self.bench.platform.publish()
        self.bench.close()
        out = self.folder / f"export-{self.rushes}"
        with contextlib.redirect_stdout(io.StringIO()):
            status = run(["ledger", "export", "--home", str(self.bench.home.folder), str(out)])
        assert status == 0
        return out

    def close(self) -> None:
        """Give the stock back."""
        self.stock.close()

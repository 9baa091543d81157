"""Reads scale on streaming replicas: a hot standby serves the log, its proofs and its views (§13).

One primary takes the writes; everything asked here is answered by the standby.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

import pytest
from doubles.kill_child import save_of
from doubles.ledger import Bench, check_ledger
from doubles.postgres import OwnServer
from doubles.proofs import Proof

from crypto.policies import Policy
from ledger.errors import LedgerAbsent
from ledger.exported import prove_inclusion
from ledger.fail_stop import FailStop
from ledger.postgres import PostgresDatabase, existing
from ledger.proofs import TlogProof
from ledger.readers import LogReader, reader_of
from projections.runner import Runner
from projections.store import writer

pytestmark = pytest.mark.postgres
SAVES = 300


@pytest.fixture
def pair() -> Iterator[tuple[OwnServer, OwnServer]]:
    primary = OwnServer().create()
    primary.start()
    standby = primary.standby()
    try:
        standby.start()
        yield primary, standby
    finally:
        standby.close()
        primary.close()


class Views:
    """What a projection follows: the log as the standby has it."""

    def __init__(self, reader: LogReader) -> None:
        self.read = reader.read
        self.head = reader.size


def replica_of(database: PostgresDatabase) -> LogReader:
    """Return the log on the standby as soon as its schema has come over."""
    while True:
        with suppress(LedgerAbsent):
            existing(database, FailStop(lambda _: None))
            return reader_of(database)


def test_a_standby_serves_tiles_proofs_and_views(
    tmp_path: Path, pair: tuple[OwnServer, OwnServer], proof: Proof
) -> None:
    primary, standby = pair
    bench = Bench(tmp_path, database=PostgresDatabase(primary.url, "log")).create()
    ledger = bench.open(pause=0.05)
    replica = replica_of(PostgresDatabase(standby.url, "log"))
    lags: list[float] = []
    for number in range(1, SAVES + 1):
        position = ledger._store.sequencer.submit(save_of("s", 0, number)).first
        begun = time.monotonic()
        while replica.size() <= position:
            pass
        lags.append(time.monotonic() - begun)
    note = ledger.publish()
    while replica.published() != note:
        pass
    policy = Policy.parse(bench.policy).log_alone()
    files = replica.files()
    assert files.read("tile/0/000") == ledger.files().read("tile/0/000")
    prove_inclusion(files, policy, 17)
    proven = TlogProof.parse(replica.published_receipt(17)).verify(policy)
    assert proven.entry == ledger.row(17).entry
    engine = writer(tmp_path / "views.db")
    runner = Runner(Views(replica), engine)
    runner.catch_up()
    assert runner.stored() == replica.size() - 1
    engine.dispose()
    with pytest.raises(Exception, match="read-only"), replica.snapshot() as reads:
        reads.connection.execute("UPDATE head SET size = 0")
    replica.close()
    ledger.close()
    check_ledger(bench)
    worst = sorted(lags)[int(0.99 * len(lags))]
    counted = f"{SAVES} appends seen on the standby, lag median {1000 * median(lags):.1f} ms"
    proof("R3 standby", f"{counted}, p99 {1000 * worst:.1f} ms")

"""Entries of older schemas are read for ever: upcast on reading, their bytes never touched."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import orjson
import pytest
from doubles.entries import HandLedger, HandRow, rows_of
from eventsourcing.persistence import StoredEvent

from domain.aggregate import KINDS
from domain.custody import Custody
from domain.events.custody import Missed
from ledger.mapper import CanonicalTranscoder, LedgerMapper, plan_of

GOLDEN = Path(__file__).parents[1] / "golden"
CALLER = ("CU", "18590002500033", "18590002500033")
STREAM = "custody/older"


def golden(name: str) -> list[HandRow]:
    return list(rows_of((GOLDEN / f"{name}.ndjson").read_bytes()))


def told() -> HandLedger:
    """Tell what the golden stream holds: one missed proof of life of each schema version."""
    ledger = HandLedger()
    ledger.add(CALLER, STREAM, "ProofOfLifeMissed", {"custodian": "gardien-1"})
    fields = {"custodian": "gardien-2", "cause": "SILENT"}
    ledger.add(CALLER, STREAM, "ProofOfLifeMissed", fields, v=2)
    ledger.publish()
    return ledger


def test_the_golden_stream_is_what_is_told() -> None:
    assert told().ndjson() == (GOLDEN / "proof-of-life.ndjson").read_bytes()


def test_an_older_entry_becomes_an_event_of_today_and_stays_as_it_is() -> None:
    mapper = LedgerMapper(CanonicalTranscoder())
    custody = Custody.blank(STREAM)
    found = []
    for row in golden("proof-of-life"):
        if row.stream != STREAM:
            continue
        before = bytes(row.entry)
        event = mapper.to_domain_event(StoredEvent(STREAM, row.version, row.kind, row.entry))
        event.mutate(custody)  # type: ignore[attr-defined]
        found.append((orjson.loads(row.entry)["v"], event.cause))  # type: ignore[attr-defined]
        assert row.entry == before
    assert found == [(1, Missed.UNKNOWN), (2, Missed.SILENT)]
    assert custody.missing == {"gardien-1", "gardien-2"}


def test_without_the_upcast_the_older_entry_would_tell_less(monkeypatch) -> None:
    kind = KINDS["ProofOfLifeMissed"]
    monkeypatch.setattr(kind, "upcast_v1_v2", staticmethod(lambda data: None))
    (row,) = [row for row in golden("proof-of-life") if row.version == 1 and row.stream == STREAM]
    event = LedgerMapper(CanonicalTranscoder()).to_domain_event(
        StoredEvent(STREAM, row.version, row.kind, row.entry)
    )
    assert event.cause is None  # type: ignore[attr-defined]


def test_what_is_written_now_is_of_the_newest_version() -> None:
    assert plan_of(KINDS["ProofOfLifeMissed"]).version == 2


@pytest.mark.parametrize(
    "kind", sorted(name for name, event in KINDS.items() if event.class_version > 1)
)
def test_each_version_of_a_changed_kind_has_a_golden_entry(kind: str) -> None:
    seen = defaultdict(set)
    for path in GOLDEN.glob("*.ndjson"):
        for row in rows_of(path.read_bytes()):
            seen[row.kind].add(orjson.loads(row.entry)["v"])
    assert seen[kind] == set(range(1, KINDS[kind].class_version + 1))

"""What the domain records is what comes back from the bytes of the ledger's entries."""

from __future__ import annotations

import pytest
from doubles.platform import DEADLINE, MS, SECOND, THIRD, Platform
from eventsourcing.persistence import StoredEvent

from domain.aggregate import KINDS
from ledger.entry import splice
from ledger.mapper import CanonicalTranscoder, LedgerMapper, plan_of


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_canonical_form(kind: str) -> None:
    assert plan_of(KINDS[kind]).kind == kind


def test_a_whole_procedure_comes_back_equal() -> None:
    platform = Platform()
    platform.published(lots=("1", "2"))
    platform.deposit("a", lots=("1",))
    platform.deposit("b", SECOND, lots=("1",))
    platform.deposit("c", SECOND, lots=("1",), target="b")
    platform.deposit("late", THIRD, lots=("1",), at=DEADLINE + MS)
    platform.ready_to_open(lot="1")
    platform.open(lot="1")
    mapper = LedgerMapper(CanonicalTranscoder())
    for event in platform.files.rows:
        made = mapper.to_stored_event(event)
        stream, version = event.originator_id, event.originator_version
        entry = splice(made.state, made.topic, "0" * 64, "0" * 32, stream, version)
        back = mapper.to_domain_event(StoredEvent(stream, version, made.topic, entry))
        assert vars(back) == vars(event)
    assert len({event.TOPIC for event in platform.files.rows}) > 30

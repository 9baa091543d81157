"""What a lot may still open: envelopes and copies that count, and that no plan has named yet."""

from __future__ import annotations

from domain.commands.loading import copies_of, envelopes_of
from domain.commands.superseding import planned
from domain.consultation import Consultation
from domain.opening import OpeningSession
from domain.plan import compute_plan
from domain.ports import Desk


def still_sealed(
    desk: Desk, consultation: Consultation, session: OpeningSession, lot: str
) -> frozenset[str]:
    """Return the deposits and authorised electronic copies that wait for a later plan of a lot.

    Second envelopes, and what was admitted late: their lot's session may be complete meanwhile.
    """
    placed = planned([(one, tip.positions) for one, tip in envelopes_of(desk, consultation.name)])
    opens = {*compute_plan(lot, consultation.complements, placed).open}
    for copy, _ in copies_of(desk, consultation.name):
        if copy.state == "AUTHORISED" and lot in copy.received().lots:
            opens.add(copy.name)
    return frozenset(opens - {*session.planned()})

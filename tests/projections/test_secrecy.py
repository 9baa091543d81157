"""Before the plan of its lot nothing about a deposit can be asked, except by its own bidder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest
from doubles.procedures import COMPANIES, DEADLINE, NOW, ROUBAIX, Teller, tag

from projections.facts import Source
from projections.search import Filter
from projections.views import Views

FIRST, SECOND, THIRD, FOURTH = COMPANIES


def world(deposits: int, *, closed: bool) -> Teller:
    """Tell one consultation with this many deposits, all in one beat."""
    teller = Teller()
    teller.buyer(ROUBAIX, "Ville de Roubaix")
    told = teller.published(
        "c1", tenant=ROUBAIX, title="Menuiseries", deadline=DEADLINE, lots=(("1", "Un"),)
    )
    beat = teller.ledger.now
    companies = [*COMPANIES, *(f"9000000000000{digit}" for digit in range(3))]
    made = [teller.deposit(told, company) for company in companies[:deposits]]
    for company in companies[:deposits]:
        teller.backup(told, company)
        teller.backup(told, company, "PAPER")
    if made:
        teller.refused_by_custodian(told, made[0])
    teller.ledger.now = beat
    if closed:
        teller.closed(told, *made)
        teller.ledger.now = told.deadline.replace(minute=5)
        teller.convened(told, "1")
    return teller


def everything_public(views: Views) -> object:
    """Return all that anybody can read of this world, references and order included."""
    found = views.search.find(Filter(), NOW)
    return (
        [asdict(item) for item in found.items],
        views.consultations.read("c1", NOW),
        views.dossiers.versions("c1"),
        views.custody.of("c1"),
        views.openings.sessions("c1"),
        views.openings.minutes("c1", "1"),
        [(moment.kind, moment.reference, moment.detail) for moment in views.story_line.of("c1")],
        views.attempts.own("c1", tag("c1", "99999999999999")),
        views.deposits.own("c1", tag("c1", "99999999999999")),
    )


@pytest.mark.parametrize("closed", [False, True])
def test_worlds_with_0_1_and_7_deposits_look_the_same(
    views_of: Callable[[Source], Views], closed: bool
) -> None:
    worlds = [views_of(world(count, closed=closed).ledger) for count in (0, 1, 7)]
    seen = [repr(everything_public(views)).encode() for views in worlds]
    assert seen[0] == seen[1] == seen[2]


def test_the_comparison_of_worlds_would_see_a_difference(
    views_of: Callable[[Source], Views],
) -> None:
    teller = world(1, closed=True)
    seen = repr(everything_public(views_of(teller.ledger)))
    told = teller.ledger.rows[-1].stream.removeprefix("opening/").rpartition(".")[0]
    stream = next(row.stream for row in teller.ledger.rows if row.kind == "DepositSealed")
    act = teller.by("BU", ROUBAIX, ROUBAIX)
    act(
        f"opening/{told}.1",
        "OpeningPlanFixed",
        plan_no=1,
        kind="FIRST",
        open=[stream.removeprefix("deposit/")],
        superseded=[],
        withdrawn=[],
        late=[],
        undetermined=[],
    )
    assert repr(everything_public(views_of(teller.ledger))) != seen


def test_the_lot_that_waits_shows_nothing_while_the_other_is_opened(views: Views) -> None:
    name = "roubaix-menuiseries-2026"
    assert views.openings.minutes(name, "1") is not None
    assert views.openings.minutes(name, "2") is None
    line = views.story_line.of(name)
    assert "RegisterListed" not in [moment.kind for moment in line]
    assert [moment.reference for moment in line if moment.kind == "RegisterClosed"] == [None]
    assert {moment.lot for moment in line if moment.kind == "OpeningPlanFixed"} == {"1"}
    fourth = {
        row.deposit for row in views.deposits.own(name, tag(name, FOURTH)) if row.lots == ("2",)
    }
    assert fourth
    assert not fourth & {moment.deposit for moment in line}


def test_a_bidder_reads_its_own_deposits_and_attempts_only(views: Views) -> None:
    name = "roubaix-menuiseries-2026"
    mine = views.deposits.own(name, tag(name, FIRST))
    assert [(row.intent, row.state) for row in mine] == [
        ("INITIAL", "SUPERSEDED"),
        ("REPLACE", "OPENED"),
    ]
    assert mine[0].superseded_by == mine[1].deposit
    (gone,) = views.deposits.own(name, tag(name, THIRD))
    assert gone.state == "WITHDRAWN"
    states = [row.state for row in views.attempts.own(name, tag(name, FOURTH))]
    assert states == ["REFUSED", "COMPLETED", "COMPLETED"]
    refused = views.attempts.own(name, tag(name, FOURTH))[0]
    assert refused.code == "deposit.too-large"
    assert [message.code for message in refused.messages] == ["deposit.too-large"]
    own = views.of("siret of the first", lambda asked: tag(asked, FIRST))
    assert (own.deposits(name), own.attempts(name)[0].state) == (mine, "COMPLETED")
    assert not views.deposits.own("mel-balayage-2026", tag(name, SECOND))
    assert not views.deposits.own(name, "")

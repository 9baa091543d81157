"""Backup copies in the minutes: each with its decision, and none before the plan of its lots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from doubles.procedures import COMPANIES, DEADLINE, ROUBAIX, Teller, Told

from projections.facts import Fact, Source
from projections.views import Views

FIRST, SECOND, THIRD, FOURTH = COMPANIES
LOTS = (("1", "Un"), ("2", "Deux"))


def told_with_copies() -> tuple[Teller, Told, dict[str, str]]:
    """Tell one consultation of two lots with copies of each fate; lot 1 has its plan."""
    teller = Teller()
    teller.buyer(ROUBAIX, "Ville de Roubaix")
    told = teller.published("c1", tenant=ROUBAIX, title="Menuiseries", deadline=DEADLINE, lots=LOTS)
    copies = {
        "opened": teller.backup(told, FIRST),
        "aside": teller.backup(told, SECOND, "PAPER"),
        "unreadable": teller.backup(told, THIRD),
        "waiting": teller.backup(told, FOURTH, "USB"),
        "both lots": teller.backup(told, FIRST, "PAPER", ("1", "2")),
        "lot 2": teller.backup(told, SECOND, "PAPER", ("2",)),
    }
    teller.closed(told)
    teller.convened(told, "1")
    teller.planned(told, "1")
    act = teller.by("BU", ROUBAIX, ROUBAIX)
    for name in ("opened", "unreadable"):
        act(
            f"backup/{copies[name]}", "BackupCopyOpeningAuthorised", ground="LATE", evidence=["d#1"]
        )
    act(f"backup/{copies['opened']}", "BackupCopyOpened")
    act(f"backup/{copies['unreadable']}", "EnvelopeUnreadable", fault="STORAGE", cause="head")
    act(f"backup/{copies['aside']}", "BackupCopySetAside", reason="NO_GROUND")
    act(f"backup/{copies['aside']}", "BackupCopyDestroyed", witness="00")
    return teller, told, copies


def test_each_copy_stands_with_its_decision(views_of: Callable[[Source], Views]) -> None:
    teller, _, copies = told_with_copies()
    minutes = views_of(teller.ledger).openings.minutes("c1", "1")
    assert minutes is not None
    found = {copy.copy: copy for copy in minutes.copies}
    assert set(found) == {copies[name] for name in ("opened", "aside", "unreadable", "waiting")}
    opened, aside = found[copies["opened"]], found[copies["aside"]]
    assert (opened.state, opened.ground, opened.medium) == ("OPENED", "LATE", "ELECTRONIC")
    assert (aside.state, aside.reason, aside.seal_no) == ("DESTROYED", "NO_GROUND", "S-7")
    assert opened.decided_at is not None
    bad = found[copies["unreadable"]]
    assert (bad.state, bad.fault, bad.cause) == ("UNREADABLE", "STORAGE", "head")
    waiting = found[copies["waiting"]]
    assert (waiting.state, waiting.ground, waiting.decided_at) == ("RECEIVED", None, None)


def test_a_copy_for_a_lot_that_waits_is_told_of_no_lot(
    views_of: Callable[[Source], Views],
) -> None:
    teller, told, copies = told_with_copies()
    views = views_of(teller.ledger)
    assert views.openings.minutes("c1", "2") is None
    teller.convened(told, "2")
    teller.planned(told, "2")
    views = views_of(teller.ledger)
    for lot in ("1", "2"):
        minutes = views.openings.minutes("c1", lot)
        assert minutes is not None
        assert copies["both lots"] in {copy.copy for copy in minutes.copies}
    assert copies["lot 2"] in {copy.copy for copy in minutes.copies}


def test_what_a_desk_wrote_down_is_told_from_the_beginning_of_its_minute(
    views_of: Callable[[Source], Views],
) -> None:
    teller, _, copies = told_with_copies()
    minutes = views_of(teller.ledger).openings.minutes("c1", "1")
    assert minutes is not None
    for name, doubt in (("waiting", timedelta(seconds=30)), ("opened", timedelta(0))):
        (copy,) = [one for one in minutes.copies if one.copy == copies[name]]
        row = next(row for row in teller.ledger.rows if row.stream == f"backup/{copies[name]}")
        assert copy.received_at == datetime.fromisoformat(Fact(row).text("received_at")) - doubt

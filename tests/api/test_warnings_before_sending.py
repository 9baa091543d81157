"""What a depositor was warned of before sending stands in the session, once, and stops nothing."""

from __future__ import annotations

from typing import Any

from doubles.bench import Bench

from domain.transmission import TransmissionSession

WRONG_DRAWER = {"sibling_downloaded": "lille-2", "drawer_acknowledged": True}


def warned(bench: Bench, transmission: str) -> list[tuple[str, dict[str, Any]]]:
    bench.platform.views.catch_up()
    rows = bench.platform.ledger.stream(f"transmission/{transmission}")
    mapper = bench.platform.ledger.application.mapper
    return [
        (row.kind, mapper.transcoder.decode(row.entry)["data"])
        for row in rows
        if row.kind in {"DrawerMismatchWarned", "ReadabilityChecked"}
    ]


def test_both_warnings_are_recorded_once(bench: Bench) -> None:
    sealed = bench.seal(bench.publish())
    given = WRONG_DRAWER | {"readability": "UNREADABLE", "readability_acknowledged": True}
    started = [bench.announce(sealed, **given) for _ in range(2)]
    assert [answer.status_code for answer in started] == [201, 201]
    transmission = started[0].json()["transmission"]
    found = warned(bench, transmission)
    assert [kind for kind, _ in found] == ["DrawerMismatchWarned", "ReadabilityChecked"]
    assert (found[0][1]["downloaded"], found[0][1]["acknowledged"]) == ("lille-2", True)
    assert (found[1][1]["worst"], found[1][1]["acknowledged"]) == ("UNREADABLE", True)
    started_as = bench.platform.desk.files.find(TransmissionSession, f"transmission/{transmission}")
    assert started_as is not None
    assert started_as.start().sibling_downloaded == "lille-2"
    again = bench.announce(sealed, **(given | {"drawer_acknowledged": False}))
    assert (again.status_code, again.json()["code"]) == (422, "command.reused")


def test_without_a_warning_nothing_is_recorded(bench: Bench) -> None:
    at = bench.publish()
    for given in ({}, {"sibling_downloaded": "lille-2"}, {"readability_acknowledged": True}):
        started = bench.announce(bench.seal(at), **given)
        assert warned(bench, started.json()["transmission"]) == []


def test_an_announce_repeated_after_the_end_is_answered(bench: Bench) -> None:
    sealed = bench.seal(bench.publish())
    transmission = bench.announce(sealed).json()["transmission"]
    ended = bench.http.delete(
        f"/api/v1/transmissions/{transmission}",
        headers={"Authorization": f"Bearer {bench.tokens.company}"},
    )
    assert ended.json()["state"] == "FAILED"
    assert bench.announce(sealed, readability="OK").status_code == 201
    assert warned(bench, transmission) == []

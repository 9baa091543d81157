"""A view proves itself whole, or it is refused: forked, shortened, mixed and foreign ledgers."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

import pytest
from doubles.views import ORIGIN, ShownLedger

from crypto import merkle
from replay.custody_view import Known, Pin, Tip, VerifiedView, ViewRefused, check_view

STREAMS = ("consultation/c", "deposit/d")


def small() -> ShownLedger:
    ledger = ShownLedger()
    for number in range(5):
        ledger.write(STREAMS[number % 2], "Happened", number=number)
    return ledger


def known(ledger: ShownLedger, pin: Pin | None = None, **tips: Tip) -> Known:
    return Known(ledger.policy, ORIGIN, pin or Pin(), tips)


def seen(ledger: ShownLedger) -> VerifiedView:
    return check_view(ledger.show(STREAMS, 0), known(ledger))


def test_a_good_view_gives_streams_pin_and_tips() -> None:
    ledger = small()
    view = seen(ledger)
    assert view.pin == Pin(6, merkle.root(ledger.leaves()), ledger.rows[0].leaf.hex())
    assert [data["number"] for data in view.stream("deposit/d").data_of("Happened")] == [1, 3]
    assert view.tips == {name: Tip(*ledger.tip(name)) for name in STREAMS}
    assert view.note == ledger.note()


def test_the_next_view_continues_the_pinned_one() -> None:
    ledger = small()
    first = seen(ledger)
    for _ in range(9):
        ledger.write(STREAMS[0], "Happened", number=7)
    again = check_view(
        ledger.show(STREAMS, first.pin.size),
        Known(ledger.policy, ORIGIN, first.pin, first.tips),
    )
    assert again.pin.size == 15


def test_the_same_head_may_be_shown_twice() -> None:
    ledger = small()
    first = seen(ledger)
    check_view(ledger.show((), 6), Known(ledger.policy, ORIGIN, first.pin, first.tips))


def test_a_view_without_streams_pins_the_head_alone() -> None:
    ledger = small()
    assert check_view(ledger.show((), 0), known(ledger)).genesis == ""


def test_the_stream_log_may_be_shown() -> None:
    ledger = small()
    view = check_view(ledger.show(("log",), 0), known(ledger))
    assert view.genesis == ledger.rows[0].leaf.hex()


def test_a_missing_stream_is_refused_when_it_is_asked() -> None:
    ledger = small()
    view = check_view(ledger.show(STREAMS[:1], 0), known(ledger))
    with pytest.raises(ViewRefused, match="deposit/d is not in it"):
        view.stream("deposit/d")


def refused(ledger: ShownLedger, view: Any, against: Known | None = None) -> str:
    with pytest.raises(ViewRefused) as refusal:
        check_view(view, against or known(ledger))
    assert refusal.value.code == "view"
    return refusal.value.reason


def test_a_forked_ledger_is_refused() -> None:
    ledger = small()
    pin = seen(ledger).pin
    fork = ShownLedger()
    for number in range(9):
        fork.write(STREAMS[0], "Happened", number=number + 100)
    assert "does not lead to both" in refused(fork, fork.show((), pin.size), known(fork, pin))
    same_size = ShownLedger()
    for number in range(5):
        same_size.write(STREAMS[0], "Happened", number=number + 100)
    assert "roots contradict" in refused(same_size, same_size.show((), 6), known(same_size, pin))


def test_an_older_ledger_is_refused() -> None:
    ledger = small()
    pin = seen(ledger).pin
    older = small()
    older.rows = older.rows[:4]
    view = {**older.show((), 0), "consistency": []}
    assert "larger" in refused(older, view, known(older, pin))


def test_a_foreign_key_is_refused() -> None:
    ledger = small()
    foreign = ShownLedger(seed=bytes(32))
    assert "no key of a known log" in refused(foreign, foreign.show((), 0), known(ledger))


def test_another_origin_is_refused_even_under_a_configured_key() -> None:
    ledger = ShownLedger(origin="other.test/1")
    against = Known(ledger.policy, ORIGIN)
    assert "configured is" in refused(ledger, ledger.show((), 0), against)


def test_a_shortened_stream_is_refused() -> None:
    ledger = small()
    against = known(ledger, None, **{"deposit/d": Tip(3, "00" * 32)})
    assert "3 were seen" in refused(ledger, ledger.show(STREAMS, 0), against)


def test_a_stream_that_holds_another_entry_where_one_was_seen_is_refused() -> None:
    ledger = small()
    against = known(ledger, None, **{"deposit/d": Tip(2, "00" * 32)})
    assert "is not the one that was seen" in refused(ledger, ledger.show(STREAMS, 0), against)


def test_a_stream_of_another_log_is_refused() -> None:
    ledger = small()
    against = known(ledger, Pin(genesis="00" * 32))
    assert "another entry 0" in refused(ledger, ledger.show(STREAMS, 0), against)
    assert "another entry 0" in refused(ledger, ledger.show(("log",), 0), against)


Change = Callable[[dict[str, Any]], object]


def entry(stream: dict[str, Any], at: int) -> bytes:
    return base64.b64decode(stream["entries"][at])


def put(stream: dict[str, Any], at: int, data: bytes) -> None:
    stream["entries"][at] = base64.b64encode(data).decode()


CHANGES: dict[str, tuple[Change, str]] = {
    "a key more": (lambda view: view.update(more=1), "the keys are"),
    "no list of streams": (lambda view: view.update(streams="x"), "a list is expected"),
    "a stream that is none": (lambda view: view.update(streams=[1]), "a stream is an object"),
    "a note that is none": (lambda view: view.update(checkpoint=1), "a text is expected"),
    "a note cut": (lambda view: view.update(checkpoint="x\n"), "note"),
    "a proof too long": (lambda view: view.update(consistency=["00" * 32]), "must be empty"),
    "a hash in capitals": (lambda view: view.update(consistency=["AB" * 32]), "64 lower-case"),
    "a hash cut": (lambda view: view.update(consistency=["ab" * 31]), "64 lower-case"),
    "a hash that is none": (lambda view: view.update(consistency=["zz" * 32]), "hexadecimal"),
    "a key more in a stream": (lambda view: view["streams"][0].update(more=1), "the keys are"),
    "no entry": (lambda view: view["streams"][0].update(entries=[]), "at least one entry"),
    "a position that is none": (
        lambda view: view["streams"][0].update(position=True),
        "a position is an integer",
    ),
    "another position": (lambda view: view["streams"][0].update(position=0), "does not lead"),
    "no inclusion": (lambda view: view["streams"][0].update(inclusion=[]), "does not lead"),
    "first entry withheld": (lambda view: view["streams"][0]["entries"].pop(0), "at place 1"),
    "last entry withheld": (lambda view: view["streams"][0]["entries"].pop(), "does not lead"),
    "entry in the middle withheld": (
        lambda view: view["streams"][0]["entries"].pop(1),
        "at place 2",
    ),
    "an entry of another stream": (
        lambda view: put(view["streams"][0], 1, entry(view["streams"][1], 1)),
        "stands in",
    ),
    "an entry with a space": (
        lambda view: put(view["streams"][0], 1, entry(view["streams"][0], 1) + b" "),
        "space",
    ),
    "the wrong prev": (
        lambda view: put(
            view["streams"][0],
            0,
            entry(view["streams"][0], 0).replace(b'"number":0', b'"number":8'),
        ),
        "links to another entry",
    ),
    "a date that goes back": (
        lambda view: put(
            view["streams"][0],
            0,
            entry(view["streams"][0], 0).replace(b'"at":"2026', b'"at":"2027'),
        ),
        "links to another entry",
    ),
    "a stream twice": (
        lambda view: view["streams"].append(copy.deepcopy(view["streams"][0])),
        "twice",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_refused(change: str) -> None:
    ledger = small()
    view = copy.deepcopy(dict(ledger.show(STREAMS, 0)))
    alter, why = CHANGES[change]
    alter(view)
    assert why in refused(ledger, view)


def test_time_never_goes_back_inside_a_stream() -> None:
    ledger = small()
    ledger.now = ledger.now.replace(year=2025)
    ledger.write(STREAMS[0], "Happened", number=9)
    assert "back in time" in refused(ledger, ledger.show(STREAMS, 0))


@pytest.mark.parametrize("bit", [0, 7])
def test_any_changed_byte_of_an_entry_or_note_is_refused(bit: int) -> None:
    ledger = small()
    good = ledger.show(STREAMS[:1], 0)
    raw = entry(good["streams"][0], 1)
    for place in range(len(raw)):
        view = copy.deepcopy(dict(good))
        put(view["streams"][0], 1, raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :])
        refused(ledger, view)

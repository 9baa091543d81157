"""A box key is one ceremony's: whoever takes a custodian's home later computes no share again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from doubles.custodian_case import NAME
from doubles.local_custody import CANARY, CEREMONY, Bench
from doubles.remote_custody import HttpBench
from doubles.sizes import sized

from api.adapters import custodian_ceremony, keys
from api.adapters.custodian_box_notes import BoxNotes
from api.adapters.custodian_boxes import BOUND, LONGEST, PREFIX
from api.adapters.custodian_identity import KEYS_BOUND
from api.adapters.custodian_seat import NotAsked
from api.adapters.keys import Chest, ChestLocked
from api.adapters.local_custodian import LocalCustodian
from api.adapters.one_connection import OneConnection
from api.adapters.remote_custodian import NotBelieved
from crypto import sealed_box
from crypto.canonical import decode, encode
from crypto.keyset import Keyset
from domain.errors import ClockDistrusted
from domain.ports import CustodianSilent

FIRST = "custodian-1"


@pytest.fixture(params=[Bench, HttpBench])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.param(tmp_path)
    yield made
    closed(made)


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[HttpBench]:
    made = HttpBench(tmp_path)
    yield made
    closed(made)


def closed(bench: Any) -> None:
    for one in getattr(bench, "homes", [bench.port]):
        one.close()


def opens(bench: Bench, folder: Path, name: str = CEREMONY) -> int:
    """Return how many boxes of a ceremony the secrets of a home open, whoever has its credential.

    Every secret of its chest is tried, and what lies in the clear beside.
    """
    chest = Chest(folder, bench.credential(FIRST), bench.rng)
    tried = [bytes.fromhex((folder / "offline" / "recovery.key").read_text())]
    kept = decode(chest.get("keys", KEYS_BOUND + FIRST.encode()))
    tried += [bytes.fromhex(str(value)) for value in kept.values()]
    for one in chest.names(PREFIX):
        tried.append(chest.get(one, BOUND + bytes.fromhex(one.removeprefix(PREFIX))))
    boxes = [
        bytes.fromhex(box)
        for message in bench.messages(f"ceremony/{name}", "CeremonyShared")
        for box in message["boxes"]
    ]
    assert boxes
    return sum(sealed_box.unseal(box, secret) is not None for box in boxes for secret in tried)


def home(bench: Bench) -> Path:
    return bench.folder / FIRST


def copied(bench: Bench, to: Path) -> Path:
    shutil.copytree(home(bench), to)
    return to


def retire(bench: Bench, keyset: Keyset) -> None:
    bench.case.keyset = keyset.digest.hex()
    bench.case.published().assigned()
    bench.ledger.write(
        f"custody/{NAME}", "KeysetRetired", digest=keyset.digest.hex(), reason="finished"
    )
    bench.port.retire(keyset.digest.hex(), FIRST)


def test_nothing_in_a_home_opens_its_boxes_once_the_share_is_stored(
    bench: Any, tmp_path: Path
) -> None:
    bench.start()
    bench.round1()
    bench.round2()
    before = copied(bench, tmp_path / "before")
    assert opens(bench, home(bench)) == 3, "its share must still be computed"
    first = bench.confirmed()
    assert opens(bench, home(bench)) == 0
    assert opens(bench, before) == 3, "the control: with the secret kept they open"
    bench.reopen()
    assert opens(bench, home(bench)) == 0
    assert bench.confirmed() == first, "answered from what is kept"
    assert bench.port.round1(CEREMONY, FIRST)["index"] == 1
    assert bench.port.round2(CEREMONY, FIRST)["index"] == 1


def test_each_ceremony_has_a_key_of_its_own_and_the_roster_stays(bench: Any) -> None:
    roster = bench.port.roster()
    told = [bench.port.box(FIRST)]
    assert told == [roster[0].box_hex], "the first is that of the enrolment"
    for name in (CEREMONY, CANARY):
        made = bench.ceremony(name)
        assert made.ceremony.member(1).box.hex() == told[-1]
        told.append(bench.port.box(FIRST))
    assert len({*told}) == 3
    bench.reopen()
    assert bench.port.box(FIRST) == told[-1]
    assert bench.port.roster() == roster
    assert len(list(home(bench).glob("box-*"))) == 1


def test_two_ceremonies_at_once_share_a_key_until_both_have_ended(bench: Any) -> None:
    for step in (bench.start, bench.round1, bench.round2):
        for name in (CEREMONY, CANARY):
            step(name)
    bench.confirmed(CEREMONY)
    bench.reopen()
    assert opens(bench, home(bench), CANARY) == 3, "the other one goes on"
    bench.confirmed(CANARY)
    assert opens(bench, home(bench), CANARY) == opens(bench, home(bench)) == 0


def test_a_ceremony_that_begins_too_late_for_its_key_is_refused_and_held_again(bench: Any) -> None:
    late = "ef" * 16
    bench.start(late)
    bench.ceremony()
    with pytest.raises(CustodianSilent):
        bench.port.round1(late, FIRST)
    bench.ceremony(CANARY)


def test_the_refusal_says_that_the_key_is_not_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start(CANARY)
    bench.ceremony()
    with pytest.raises(NotAsked, match="names a box key that is not kept: hold another one"):
        bench.all[0].round1(CANARY)


def test_a_key_that_an_unfinished_ceremony_holds_goes_with_the_retired_share(
    bench: Any, tmp_path: Path
) -> None:
    for step in (bench.start, bench.round1, bench.round2):
        for name in (CANARY, CEREMONY):
            step(name)
    answers = bench.confirmed()
    before = copied(bench, tmp_path / "before")
    assert opens(bench, home(bench)) == 3, "whoever leaves a ceremony open keeps the key"
    held = bench.all[0]._seat.state.share(answers[0]["digest"])
    bench.case.keyset = held.digest
    bench.case.published().assigned()
    bench.ledger.write(f"custody/{NAME}", "KeysetRetired", digest=held.digest, reason="finished")
    for _ in range(2):
        bench.port.retire(held.digest, FIRST)
        assert opens(bench, home(bench)) == 0
    assert opens(bench, before) == 3
    with pytest.raises(CustodianSilent):
        bench.port.confirm(CANARY, FIRST)
    assert not list(home(bench).glob("share-*"))


def test_the_key_of_an_enrolment_goes_with_its_first_share(bench: Any, tmp_path: Path) -> None:
    """A home from before: the secret of its one box key lies among the keys, its share is held."""
    secret = _first(bench)
    keyset = bench.ceremony()
    _as_before(bench, secret)
    old = copied(bench, tmp_path / "old")
    assert opens(bench, old) == 3
    bench.reopen()
    assert bench.port.box(FIRST) == bench.port.roster()[0].box_hex
    assert set(_keys(bench)) == {"cosign", "sign"}
    retire(bench, keyset)
    assert opens(bench, home(bench)) == 0
    bench.ceremony(CANARY)
    assert opens(bench, old) == 3


def _keys(bench: Any) -> dict[str, Any]:
    chest = Chest(home(bench), bench.credential(FIRST), bench.rng)
    return dict(decode(chest.get("keys", KEYS_BOUND + FIRST.encode())))


def _first(bench: Any) -> bytes:
    """Return the box secret of the enrolment, before any ceremony."""
    boxes = bench.all[0]._seat.boxes
    return bytes(boxes.secret(boxes.current))


def _as_before(bench: Any, secret: bytes) -> None:
    """Make the home of the first custodian what it was before box keys ended."""
    seat = bench.all[0]._seat
    chest = Chest(home(bench), bench.credential(FIRST), bench.rng)
    chest.put("keys", KEYS_BOUND + FIRST.encode(), encode({**_keys(bench), "box": secret.hex()}))
    for name in chest.names(PREFIX):
        chest.destroy(name)
    for table in ("box_current", "box_given"):
        seat.state._db.rows(f"DELETE FROM {table}")  # noqa: S608 - names of this test


def test_a_crash_while_the_first_key_moves_is_made_good(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    secret = _first(bench)
    _as_before(bench, secret)
    for step in range(1, 9):
        with crash_at(step) as reached, suppress(Crash):
            bench.reopen()
        bench.open()
        assert set(_keys(bench)) == {"cosign", "sign"}
        assert not list(home(bench).glob("*.old"))
        assert bench.port.box(FIRST) == bench.port.roster()[0].box_hex
        if not reached:
            break
        _as_before(bench, secret)
    assert not reached
    assert step > 3, "the control: there were steps to crash at"


def test_keys_of_somebody_else_open_no_home(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.port.close()
    chest = Chest(home(bench), bench.credential(FIRST), bench.rng)
    for change in ({"box": "11" * 32}, {"sign": "11" * 32}):
        kept = _keys(bench)
        chest.put("keys", KEYS_BOUND + FIRST.encode(), encode({**kept, **change}))
        with pytest.raises(ChestLocked):
            bench.open()
        chest.put("keys", KEYS_BOUND + FIRST.encode(), encode(kept))
    bench.open()


# --- crashes


class Crash(BaseException):
    """The process ends here."""


@contextmanager
def crash_at(step: int) -> Iterator[list[int]]:
    """End the process before its n-th durable act; the list says whether it came so far."""
    left, reached = [step], []

    def ending(act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                reached.append(step)
                raise Crash
            return act(*given, **named)

        return acted

    acts = [
        (keys, "write_durably"),
        (keys, "destroy_file"),
        (custodian_ceremony, "write_durably"),
        (OneConnection, "transaction"),
        (BoxNotes, "give"),
        (BoxNotes, "make_current"),
        (BoxNotes, "forget"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        for place, name in acts:
            patch.setattr(place, name, ending(getattr(place, name)))
        yield reached


ROUNDS: list[tuple[str, Callable[[LocalCustodian], Any]]] = [
    ("round1", lambda one: one.round1(CEREMONY)),
    ("round2", lambda one: one.round2(CEREMONY)),
    ("confirm", lambda one: one.confirm(CEREMONY)),
]


@pytest.mark.parametrize("crashing", ["round1", "round2", "confirm"])
def test_after_a_crash_at_any_step_the_ceremony_goes_on_and_its_key_ends(
    tmp_path: Path, crashing: str
) -> None:
    steps = 0
    for step in range(1, 30, sized(push=3, full=1, night=1)):
        bench = Bench(tmp_path / str(step))
        bench.start()
        reached: list[int] = []
        for name, ask in ROUNDS:
            if name == crashing:
                with crash_at(step) as reached, suppress(Crash):
                    ask(bench.all[0])
                bench.reopen()
            if name == "confirm":
                before = opens(bench, home(bench))
                bench.confirmed()
                assert before in {0, 3}
            else:
                getattr(bench, name)()
        assert opens(bench, home(bench)) == 0
        assert not list(home(bench).glob("polynomial-*"))
        assert len(list(home(bench).glob("box-*"))) == 1
        assert len(list(home(bench).glob("share-*"))) == 1
        bench.port.close()
        if not reached:
            break
        steps = step
    assert not reached
    assert steps >= {"round1": 4, "round2": 1, "confirm": 4}[crashing], "the control"


def test_a_crash_between_the_share_and_the_end_of_the_key_is_made_good_by_the_start(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    bench.start()
    bench.round1()
    bench.round2()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Chest, "destroy", _crash)
        with pytest.raises(Crash):
            bench.all[0].confirm(CEREMONY)
    assert list(home(bench).glob("share-*"))
    assert opens(bench, home(bench)) == 3, "the control: the crash came in between"
    bench.reopen()
    assert opens(bench, home(bench)) == 0
    assert bench.all[0].confirm(CEREMONY)["index"] == 1


def _crash(*_: Any) -> None:
    raise Crash


def test_a_home_that_names_a_key_it_does_not_have_makes_another(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for again in (bench.reopen, lambda: None):
        lost = bench.port.box(FIRST)
        (home(bench) / f"box-{lost}.box").unlink()
        again()
        assert bench.port.box(FIRST) != lost
    bench.ceremony()


# --- ceremonies that come to no end


def test_a_ceremony_left_open_holds_its_key_for_a_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start()
    bench.round1()
    bench.round2()
    bench.clock.forward(LONGEST)
    bench.reopen()
    assert opens(bench, home(bench)) == 3, "the control"
    bench.clock.forward(timedelta(seconds=1))
    bench.reopen()
    assert opens(bench, home(bench)) == 0
    with pytest.raises(CustodianSilent):
        bench.port.confirm(CEREMONY, FIRST)


def test_without_a_time_nothing_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.start()
    right = bench.clock.now

    def lost() -> Any:
        raise ClockDistrusted("no sources")

    monkeypatch.setattr(bench.clock, "now", lost)
    bench.round1()
    bench.round2()
    bench.reopen()
    assert opens(bench, home(bench)) == 3
    monkeypatch.setattr(bench.clock, "now", right)
    bench.reopen()
    assert opens(bench, home(bench)) == 3, "its time begins when there is one"
    bench.clock.forward(LONGEST + timedelta(seconds=1))
    bench.reopen()
    assert opens(bench, home(bench)) == 0


# --- over HTTP


def test_a_box_key_is_believed_from_its_custodian_alone(remote: HttpBench) -> None:
    bench = remote
    apps = dict(bench.apps)
    assert len(bench.port.box(FIRST)) == 64, "the control"
    other = apps["http://custodian-2"]
    bench.out.apps = {**apps, "http://custodian-1": other}
    with pytest.raises(CustodianSilent):
        bench.port.box(FIRST)
    bench.out.apps = {name: app for name, app in apps.items() if name != "http://custodian-1"}
    with pytest.raises(CustodianSilent):
        bench.port.box(FIRST)
    with pytest.raises(CustodianSilent):
        bench.port.box("nobody")


@pytest.mark.parametrize("box", ["", "11" * 31, 7])
def test_an_identity_without_a_key_is_silence(
    remote: HttpBench, monkeypatch: pytest.MonkeyPatch, box: Any
) -> None:
    bench = remote
    one = bench.port.members[FIRST]
    told = {**one.identity(), "box": box}
    monkeypatch.setattr(one, "identity", lambda: told)
    with pytest.raises(NotBelieved):
        one.box()
    with pytest.raises(CustodianSilent):
        bench.port.box(FIRST)

"""The platform deposits at its own door: same way as everybody, no bid, and no minute lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.bench import SOON, START, Bench
from doubles.probing import MINUTE, STREAM, InnerDoor, Rounds, problem

from api import canary as own
from api.adapters.own_door import Answered, OwnDoor
from api.adapters.probe_book import ProbeBook
from api.facts import facts
from domain.errors import ClockDistrusted
from domain.events.health import Probe
from domain.health import ClockCheck, Probed
from ledger.errors import StorageFull

NAMES = ("lille-1", "lille-2", "lille-3")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a closed platform with an open consultation."""
    made = Bench(tmp_path_factory.mktemp("first"))
    made.register()
    made.publish()
    made.close()
    return made


@pytest.fixture(scope="module")
def shared(first: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    """Return a platform for all tests that leave it running."""
    made = first.twin(tmp_path_factory.mktemp("shared") / "twin")
    yield Rounds(made)
    made.close()


@pytest.fixture
def rounds(shared: Rounds) -> Rounds:
    shared.forget()
    return shared


@pytest.fixture
def fresh(first: Bench, tmp_path: Path) -> Iterator[Rounds]:
    """Return a platform of the test's own."""
    made = first.twin(tmp_path / "twin")
    yield Rounds(made)
    made.close()


def errors(rounds: Rounds) -> dict[str, str]:
    """Return the last error of each probe in what waits and what is recorded."""
    told = {one["probe"]: one["error"] for one in rounds.told() if one["kind"] == "ProbeFailed"}
    waiting = rounds.probing.waiting()
    return told | {one.probe.value: one.error for one in waiting if one.error is not None}


# -- a round


def test_a_round_tries_everything_and_leaves_nothing_in_the_log(rounds: Rounds) -> None:
    bench = rounds.bench
    size = bench.platform.ledger.head()
    views = bench.platform.views.catch_up()
    rounds.minute(3)
    assert bench.platform.ledger.head() == size
    assert bench.platform.views.catch_up() == views
    waiting = rounds.probing.waiting()
    assert {one.probe for one in waiting} == set(Probe)
    assert not any(one.error for one in waiting)
    assert len({one.at for one in waiting}) == 3
    asked = {path.partition("?")[0] for _, path in rounds.door.asked}
    assert "/consultations/lille-1" in asked
    assert any(path.endswith("/finish") for path in asked)


def test_a_probe_is_no_deposit_and_no_upload_of_anybody(rounds: Rounds) -> None:
    bench = rounds.bench
    at = "/api/v1/consultations/lille-1"
    blobs = sorted(bench.platform.vault._blobs.names())
    rounds.minute(2)
    rounds.probing.flush()
    assert not bench.platform.index.deposits("lille-1")
    assert not bench.platform.index.deposits(own.NAME)
    assert not bench.platform.uploads.running()
    assert rounds.probing.checks.canary is not None
    assert not rounds.probing.checks.canary.platform.uploads.of_owner(own.NAME), "rows do not grow"
    assert sorted(bench.platform.vault._blobs.names()) == blobs
    kept = [path for path in bench.home.probes.rglob("*") if path.is_file()]
    kept = [path for path in kept if not path.name.startswith("uploads.db")]
    assert [path.read_bytes() for path in kept] == [own.CONTENT], "the file to download"
    assert bench.get(f"{at}/kit", bench.tokens.company).status_code == 200
    streams = {row.stream for row in bench.platform.ledger.read(-1, 100_000)}
    assert not {name for name in streams if own.NAME in name or name.startswith("transmission/")}


def test_its_token_opens_its_five_operations_and_nothing_else(rounds: Rounds) -> None:
    bench = rounds.bench
    rounds.minute()
    canary = rounds.probing.checks.canary
    assert canary is not None
    for path in ("/api/v1/me", "/api/v1/deposits", "/api/v1/health/evidence"):
        assert bench.get(path, canary.token).status_code == 401
    assert bench.get(f"/api/v1/consultations/{own.NAME}").status_code == 404
    form = canary.sealed().form | {"consultation": "lille-1"}
    assert bench.post("/api/v1/transmissions", canary.token, form).status_code == 404
    file = "/api/v1/consultations/lille-1/dossier/files/pièces/RC.pdf"
    assert bench.get(file, canary.token).status_code == 404
    stranger = f"pli_{'0' * 64}"
    assert bench.post("/api/v1/transmissions", stranger, form).status_code == 401


def test_rounds_come_once_a_minute(rounds: Rounds) -> None:
    rounds.minute()
    count = len(rounds.probing.waiting())
    rounds.at += 59_000_000
    rounds.probing.tick()
    assert len(rounds.probing.waiting()) == count
    rounds.at += 1_000_000
    rounds.probing.tick()
    assert len(rounds.probing.waiting()) == 2 * count


# -- what fails


STEPS = {
    "announce": ("POST", "/transmissions"),
    "head": ("PUT", "/head"),
    "chunk": ("PUT", "/chunks/0"),
    "finish": ("POST", "/finish"),
}


def test_each_step_of_a_deposit_is_needed(rounds: Rounds) -> None:
    for step, (method, ending) in STEPS.items():
        rounds.forget()
        rounds.door.fault = lambda asked, path, wanted=method, end=ending: (
            problem(507, "platform.unavailable") if asked == wanted and path.endswith(end) else None
        )
        rounds.minute()
        assert errors(rounds) == {"DEPOSIT": f"{step} 507 platform.unavailable"}
        assert rounds.kinds() == ["ProbeFailed"], "a failure is written at once, a success waits"


def test_an_end_without_its_attestation_is_a_failure(rounds: Rounds) -> None:
    ended = {"state": "RECEIVING", "attestation": ""}
    rounds.door.fault = lambda _method, path: (
        Answered(200, json.dumps(ended).encode()) if path.endswith("/finish") else None
    )
    rounds.minute()
    assert errors(rounds) == {"DEPOSIT": "finish RECEIVING"}


def test_a_door_that_does_not_answer_is_a_failure(rounds: Rounds) -> None:
    def gone(_method: str, _path: str) -> Answered:
        raise ConnectionRefusedError

    rounds.door.fault = gone
    rounds.minute()
    found = errors(rounds)
    assert {"DEPOSIT", "DOWNLOAD", "LOGIN", "LINK"} == set(found)
    assert set(found.values()) == {"ConnectionRefusedError"}


def test_a_disk_full_of_promises_is_a_failure_of_deposits(rounds: Rounds) -> None:
    vault = rounds.bench.platform.vault
    vault.promised("of somebody", 2**62)
    rounds.minute()
    vault.release("of somebody")
    assert errors(rounds) == {"DEPOSIT": "announce 507 platform.unavailable"}


def test_a_log_that_cannot_commit_is_a_failure_of_deposits_and_of_storage(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise StorageFull

    rounds.minute()
    monkeypatch.setattr(type(rounds.bench.platform.ledger), "confirm", lambda _: full())
    canary = rounds.probing.checks.canary
    assert canary is not None
    monkeypatch.setattr(canary._files, "_confirm", full)
    rounds.minute()
    found = errors(rounds)
    assert found["STORAGE"] == StorageFull.code
    assert found["DEPOSIT"].startswith("announce 507")


def test_a_folder_that_cannot_be_written_fails_the_probe_and_stops_nothing(
    rounds: Rounds,
) -> None:
    rounds.minute()
    room = rounds.bench.home.probes / "canary" / "blobs"
    room.rename(room.with_name("away"))
    room.write_text("a file in the place of the folder")
    rounds.minute()
    found = errors(rounds)
    room.unlink()
    room.with_name("away").rename(room)
    assert found == {
        "DEPOSIT": "head 507 platform.unavailable",
        "DOWNLOAD": "platform.unavailable",
    }
    rounds.forget()
    rounds.minute()
    assert not errors(rounds)
    assert not rounds.bench.platform.vault._promised, "no room is held by what did not end"


def test_other_bytes_than_those_that_were_written_are_told(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds.door.fault = lambda _method, path: (
        Answered(200, b"other") if path.endswith(own.FILE) else None
    )
    read = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: b"other" if path.name == "written" else read(path)
    )
    rounds.minute()
    assert errors(rounds) == {"DOWNLOAD": "file differs", "STORAGE": "read differs"}


def test_a_stranger_whom_the_accounts_know_is_a_failure_of_logins(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds.bench.platform.accounts, "authenticate", lambda *_: None)
    rounds.minute()
    assert errors(rounds) == {"LOGIN": "a stranger was let in"}


def test_pages_that_are_refused_are_told_without_a_word_of_the_answer(rounds: Rounds) -> None:
    hostile = json.dumps({"code": 'x"\n\u202e<b>deposit.taken'}).encode()
    rounds.door.fault = lambda _method, path: (
        Answered(500, hostile)
        if path == "/login"
        else Answered(502, b"<html>")
        if path.endswith(own.FILE)
        else None
    )
    rounds.minute()
    assert errors(rounds) == {"LOGIN": "page 500 xbdeposit.taken", "DOWNLOAD": "file 502"}


def test_without_a_sound_clock_nothing_is_said(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def distrusted() -> None:
        raise ClockDistrusted("it jumped")

    rounds.bench.platform.views.catch_up()
    monkeypatch.setattr(rounds.bench.clock, "now", distrusted)
    rounds.at += 60_000_000
    with pytest.raises(ClockDistrusted):
        rounds.probing.tick()
    monkeypatch.undo()
    assert not rounds.probing.waiting()


# -- pages


@pytest.fixture
def three(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    """Return a platform with three open consultations, whose pages the door makes up."""
    monkeypatch.setattr(rounds.bench.platform.index, "awaited", lambda: dict.fromkeys(NAMES))
    rounds.door.fault = made_up
    rounds.probing.checks.asked = ""
    return rounds


def made_up(_method: str, path: str) -> Answered | None:
    return Answered(200, b"") if path.startswith("/consultations/") else None


def test_one_success_stands_for_all_pages_and_beside_a_failure_one_is_named(
    three: Rounds,
) -> None:
    rounds = three
    rounds.minute()
    links = [one for one in rounds.probing.waiting() if one.probe == Probe.LINK]
    assert [(one.path, one.error) for one in links] == [(None, None)]
    rounds.door.fault = lambda _method, path: (
        Answered(404, b"") if path == "/consultations/lille-2" else made_up("GET", path)
    )
    rounds.minute()
    assert errors(rounds) == {"LINK": "page 404"}
    links = [one for one in rounds.probing.waiting() if one.probe == Probe.LINK]
    assert [(one.path, one.error) for one in links] == [(None, None), ("lille-3", None)]
    (failed,) = (one for one in rounds.told() if one["kind"] == "ProbeFailed")
    assert failed["path"] == "lille-2"


def test_pages_for_which_a_round_has_no_time_come_first_in_the_next(three: Rounds) -> None:
    rounds = three

    def slow(method: str, path: str) -> Answered | None:
        rounds.at += 6_000_000 if path.startswith("/consultations/") else 0
        return made_up(method, path)

    rounds.door.fault = slow
    rounds.minute(2)
    asked = [path.rpartition("/")[2] for _, path in rounds.door.asked]
    pages = [name for name in asked if name in NAMES]
    assert pages == ["lille-1", "lille-2", "lille-3", "lille-1"]


def test_without_an_open_consultation_no_page_is_asked(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds.bench.platform.index, "awaited", dict)
    rounds.minute()
    assert Probe.LINK not in {one.probe for one in rounds.probing.waiting()}


# -- into the log


def test_a_beat_is_one_entry_per_kind_whatever_the_number_of_rounds(rounds: Rounds) -> None:
    rounds.minute(3)
    rounds.probing.flush()
    assert rounds.kinds() == ["ProbeSucceeded"] * 6 + ["ClockChecked"]
    assert all(len(one["instants"]) == 3 for one in rounds.told()[:6])
    rounds.probing.flush()
    assert len(rounds.kinds()) == 7
    assert not rounds.probing.waiting()


def test_before_a_closing_head_what_waits_is_recorded_and_covered(fresh: Rounds) -> None:
    bench = fresh.bench
    fresh.minute(2)
    bench.forward(SOON)
    told = facts(bench.platform.ledger, STREAM)
    assert [fact.kind for fact in told] == ["ProbeSucceeded"] * 6 + ["ClockChecked"]
    assert bench.platform.published_size() > told[-1].position


def test_a_closing_head_does_not_wait_for_probes_that_cannot_be_recorded(
    fresh: Rounds, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise StorageFull

    monkeypatch.setattr(fresh.probing, "flush", broken)
    fresh.bench.forward(SOON)
    assert fresh.bench.platform.published_size() > 0
    assert '"about":"probes"' in capfd.readouterr().err


def test_a_crash_loses_no_minute_and_writes_none_twice(
    fresh: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = fresh.bench
    fresh.minute(3)
    bench.close()
    bench.reopen()
    fresh.take()
    assert len(fresh.probing.waiting()) == 18
    # it dies after the commit and before the book knows
    monkeypatch.setattr(fresh.probing._book, "recorded", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fresh.probing.flush()
    assert len(fresh.kinds()) == 7
    bench.close()
    bench.reopen()
    fresh.take()
    fresh.minute()
    fresh.probing.flush()
    told = [one for one in fresh.told() if one["kind"] == "ProbeSucceeded"]
    deposits = [at for one in told if one["probe"] == "DEPOSIT" for at in one["instants"]]
    assert len(deposits) == len(set(deposits)) == 4


def test_what_the_log_did_not_take_is_taken_later_with_its_own_hour(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = rounds.bench
    rounds.door.fault = lambda _method, path: (
        problem(503, "x") if path.endswith("/transmissions") else None
    )

    def full(*_: object) -> None:
        raise StorageFull

    with monkeypatch.context() as broken:
        broken.setattr(bench.platform, "act", full)
        with pytest.raises(StorageFull):
            rounds.minute()
    failed_at = bench.clock.now().latest
    rounds.door.fault = lambda *_: None
    rounds.minute()
    rounds.probing.flush()
    (failed,) = (one for one in rounds.told() if one["kind"] == "ProbeFailed")
    assert failed["meta"]["occurred_at"] == failed_at.isoformat().replace("+00:00", "Z")


def test_the_journal_says_once_what_fails(
    rounds: Rounds, capfd: pytest.CaptureFixture[str]
) -> None:
    rounds.door.fault = lambda _method, path: (
        problem(503, "platform.busy") if path == "/login" else None
    )
    rounds.minute(3)
    rounds.door.fault = lambda *_: None
    rounds.minute()
    lines = [line for line in capfd.readouterr().err.splitlines() if "probe LOGIN" in line]
    assert len(lines) == 1


# -- the thread


class Bell:
    """A door whose answers ring."""

    def __init__(self, inner: InnerDoor, refuse: int) -> None:
        self.inner, self.left = inner, refuse
        self.knocked, self.sent = threading.Event(), threading.Event()

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answered:
        self.knocked.set()
        if self.left:
            self.left -= 1
            raise ConnectionRefusedError
        answer = self.inner.ask(method, path, body, **headers)
        if path.endswith("/finish"):
            self.sent.set()
        return answer


def test_it_waits_for_its_door_to_open_then_begins_and_ends(fresh: Rounds) -> None:
    fresh.bench.platform.views.catch_up()
    bell = fresh.door = Bell(InnerDoor(fresh.bench), refuse=2)
    fresh.take().start()
    assert bell.sent.wait(30)
    fresh.probing.stop()
    assert not errors(fresh), "a door that is being opened is no failure"
    assert "ProbeSucceeded" in fresh.kinds(), "what was found is recorded by the end"


def test_a_start_that_is_ended_before_the_door_opens_ends(fresh: Rounds) -> None:
    bell = fresh.door = Bell(InnerDoor(fresh.bench), refuse=10**9)
    fresh.take().start()
    assert bell.knocked.wait(30)
    fresh.probing.stop()
    assert not bell.sent.is_set()
    assert not fresh.probing._thread.is_alive()


def test_a_door_that_stays_shut_for_a_minute_is_a_failure(fresh: Rounds) -> None:
    fresh.bench.platform.views.catch_up()
    fresh.door = Bell(InnerDoor(fresh.bench), refuse=10**9)
    failed = threading.Event()

    def counted() -> int:
        fresh.at += 31_000_000
        return fresh.at

    fresh.take()._counter = counted
    add = fresh.probing._book.add

    def added(seen: list[Probed]) -> None:
        add(seen)
        failed.set()

    fresh.probing._book.add = added  # type: ignore[method-assign,assignment]
    fresh.probing.start()
    assert failed.wait(30)
    fresh.probing.stop()
    assert errors(fresh)["DEPOSIT"] == "ConnectionRefusedError"


def test_no_second_between_two_rounds_means_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path, probe_s=0)
    assert bench.platform.probing is not None
    bench.platform.probing.start()
    assert not bench.platform.probing._thread.is_alive()
    bench.platform.probing.stop()
    bench.close()


# -- the book


@pytest.fixture
def book(tmp_path: Path) -> Iterator[ProbeBook]:
    made = ProbeBook(tmp_path / "probes.db")
    yield made
    made.close()


def test_a_batch_is_the_same_until_it_is_recorded(book: ProbeBook) -> None:
    now = START
    good, bad = Probed(Probe.LOGIN, now, 3), Probed(Probe.LINK, now, 4, "a", "page 404")
    book.add([good, bad])
    made = book.gather("one", ClockCheck(1, 2, 3), failures=True)
    assert made is not None
    assert (made.key, made.seen, made.clock) == ("one", (bad,), ClockCheck(1, 2, 3))
    book.add([Probed(Probe.LINK, now + MINUTE, 4, "a", "page 404")])
    assert book.unfinished() == made
    book.recorded(made)
    assert book.unfinished() is None
    rest = book.gather("two", None, failures=False)
    assert rest is not None
    assert (len(rest.seen), rest.clock) == (2, None)
    book.recorded(rest)
    assert book.gather("three", None, failures=False) is None
    assert not book.waiting()


# -- the door


def test_nobody_listening_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError):  # noqa: PT011 - whichever the system gives
        OwnDoor("127.0.0.1", 1, seconds=2).ask("GET", "/checkpoint")


def test_every_address_is_reached_by_this_machine_itself() -> None:
    assert OwnDoor("0.0.0.0", 1)._host == "127.0.0.1"  # noqa: S104
    assert OwnDoor("::", 1)._host == "::1"
    assert OwnDoor("10.0.0.7", 1)._host == "10.0.0.7"


def test_the_fixed_keyset_is_sound_and_a_canary() -> None:
    found = own.canary_keyset()
    assert (found.k, found.n, found.ceremony.purpose) == (2, 3, "canary")

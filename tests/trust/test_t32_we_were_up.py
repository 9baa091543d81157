"""T32 "we were up": an outage of five minutes appears with at most 60 s of error at each end.

The platform listens on a real port and its probes knock there; the minutes are those of a clock
under test. Three outages: the server is gone and the probes go on, the upload door alone is broken,
and the whole process is gone. Each begins at another second after a probe. Controls: probes that
knock nowhere, and probes kept in memory until the beat; the same judgement must find both wanting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from doubles.bench import Bench
from doubles.ports import free_port
from doubles.probing import SECOND_US, InnerDoor, Rounds, problem
from doubles.proofs import Proof
from doubles.serving import listening
from doubles.sizes import sized

from api import health
from api.adapters.own_door import Answered, OwnDoor
from api.adapters.probe_book import ProbeBook
from domain.clock import instant_text
from replay.health import Verdict, Window

OUTAGE_S = 300
ERROR = timedelta(seconds=60)
OFFSETS = (23,) if sized(push=1, full=0, night=0) else (0, 1, 23, 37, 59)
"""Seconds between the last probe and the beginning of an outage."""
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = Bench(tmp_path_factory.mktemp("t32"))
    made.close()
    return made


@pytest.fixture
def bench(first: Bench, tmp_path: Path) -> Iterator[Bench]:
    made = first.twin(tmp_path / "twin")
    yield made
    made.close()


def live(rounds: Rounds, seconds: int, *, probing: bool = True) -> None:
    """Let seconds pass one by one, as the thread of the probes sees them."""
    for _ in range(seconds):
        rounds.bench.clock.forward(timedelta(seconds=1))
        rounds.at += SECOND_US
        if probing:
            rounds.probing.tick()


def now(rounds: Rounds) -> datetime:
    return rounds.bench.clock.now().latest


def offence(rounds: Rounds, start: datetime, end: datetime, verdict: Verdict) -> str | None:
    """Return what is wrong with the evidence about an outage between two instants."""
    log = health.log_of(rounds.bench.platform)

    def asked(begin: datetime, until: datetime) -> health.Answer:
        return health.evidence(log, Window(begin, until))

    told = asked(start - 2 * MINUTE, end + 2 * MINUTE)
    if told["verdict"] != verdict:
        return f"{told['verdict']} over the outage"
    for begin in (start - 2 * MINUTE, end + 2 * MINUTE):
        if asked(begin, begin + MINUTE)["verdict"] != Verdict.PROVEN:
            return f"not proven at {begin}, when it was up"
    if len(told["outages"]) != 1:
        return f"{len(told['outages'])} outages"
    (outage,) = told["outages"]
    began = outage.get("first_failed", outage["last_good"])
    if abs(datetime.fromisoformat(began) - start) > ERROR:
        return f"it began at {instant_text(start)}, the evidence says {began}"
    if abs(datetime.fromisoformat(outage["next_good"]) - end) > ERROR:
        return f"it ended at {instant_text(end)}, the evidence says {outage['next_good']}"
    return None


Break = Callable[[Rounds], None]


def interrupted(
    rounds: Rounds, offset: int, stop: Break, start: Break, *, probing: bool
) -> tuple[datetime, datetime]:
    """Run, be out for five minutes, run again; return the bounds of the outage."""
    live(rounds, 180 + offset)
    began = now(rounds)
    stop(rounds)
    live(rounds, OUTAGE_S, probing=probing)
    ended = now(rounds)
    start(rounds)
    live(rounds, 240)
    rounds.probing.flush()
    return began, ended


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_server_that_is_gone_for_five_minutes(bench: Bench, offset: int, proof: Proof) -> None:
    port = free_port()
    with ExitStack() as serving:
        serving.enter_context(listening(bench, port))
        rounds = Rounds(bench, OwnDoor("127.0.0.1", port))
        rounds.probing._await_door()
        began, ended = interrupted(
            rounds,
            offset,
            lambda _: serving.close(),
            lambda _: back(rounds, serving, port),
            probing=True,
        )
        assert offence(rounds, began, ended, Verdict.FAILED) is None
    proof("T32", f"a real server gone for {OUTAGE_S} s, {offset} s after a probe: seen within 60 s")


def back(rounds: Rounds, serving: ExitStack, port: int) -> None:
    serving.enter_context(listening(rounds.bench, port))
    rounds.probing._await_door()


@pytest.mark.parametrize("offset", OFFSETS[sized(push=len(OFFSETS), full=0, night=0) :])
def test_an_upload_door_that_is_broken_for_five_minutes(bench: Bench, offset: int) -> None:
    rounds = Rounds(bench)

    def broken(rounds: Rounds) -> None:
        rounds.door.fault = lambda method, path: (
            problem(507, "platform.unavailable") if "/chunks/" in path else None
        )

    began, ended = interrupted(rounds, offset, broken, mended, probing=True)
    assert offence(rounds, began, ended, Verdict.FAILED) is None


def mended(rounds: Rounds) -> None:
    rounds.door.fault = lambda method, path: None


def killed(rounds: Rounds) -> None:
    rounds.bench.close()


def restarted(rounds: Rounds) -> None:
    rounds.bench.reopen()
    rounds.take()


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_process_that_is_gone_for_five_minutes(bench: Bench, offset: int) -> None:
    """Nothing was written before: the whole of what was proven waited for the beat."""
    rounds = Rounds(bench)
    assert not rounds.kinds()
    began, ended = interrupted(rounds, offset, killed, restarted, probing=False)
    assert offence(rounds, began, ended, Verdict.UNPROVEN) is None


# -- controls


class Nowhere(InnerDoor):
    """What a monitor beside the door sees: everything is well."""

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answered:
        self.fault = lambda method, path: None
        return super().ask(method, path, body, **headers)


@pytest.mark.skipif(sized(push=True, full=False, night=False), reason="with the broken door")
def test_control_probes_that_do_not_take_the_door_see_no_outage(bench: Bench) -> None:
    rounds = Rounds(bench, Nowhere(bench))

    def broken(rounds: Rounds) -> None:
        rounds.door.fault = lambda method, path: problem(507, "platform.unavailable")

    began, ended = interrupted(rounds, 23, broken, mended, probing=True)
    assert offence(rounds, began, ended, Verdict.FAILED) == "PROVEN over the outage"


class Forgetful(ProbeBook):
    """A book in memory, as a beat kept in a list would be."""

    def __init__(self, _: Path) -> None:
        super().__init__(Path(":memory:"))


def test_control_a_beat_in_memory_loses_what_was_proven(bench: Bench) -> None:
    rounds = Rounds(bench)

    def forgetful(rounds: Rounds) -> None:
        rounds.probing._book.close()
        rounds.probing._book = Forgetful(Path())

    forgetful(rounds)

    def again(rounds: Rounds) -> None:
        restarted(rounds)
        forgetful(rounds)

    began, ended = interrupted(rounds, 23, killed, again, probing=False)
    found = offence(rounds, began, ended, Verdict.UNPROVEN)
    assert found is not None
    assert found.startswith("not proven at")

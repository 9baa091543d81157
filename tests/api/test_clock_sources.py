"""Clocks outside this host: what proves a time, what is absent, who asks, what settings name."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from doubles.memory import CountingRng

from api.adapters import clock_sources
from api.adapters.clock import EPOCH, boot_us
from api.adapters.clock_sources import (
    Asking,
    CustodianTime,
    KeptTime,
    StampedTime,
)
from crypto import statements
from crypto.errors import CryptoError, StatementRefused
from crypto.local_authority import TestAuthority
from crypto.stamp_errors import StampNonce, StampUntrusted
from crypto.timestamps import trust_store
from domain.errors import ClockDistrusted

REPLY = "application/timestamp-reply"
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
AT = datetime(2026, 12, 1, 12, 0, 7, tzinfo=UTC)
SECOND = 1_000_000
SEED = b"\x05" * 32
WAIT_S = 20


def us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


class Local:
    """An authority without a network, at a time of its own."""

    def __init__(self, seed: bytes = SEED, accuracy_ms: int = 1_500) -> None:
        self.authority = TestAuthority.of_seed(seed, SINCE)
        self.trusted = trust_store(self.authority.trusted())
        self.accuracy_ms = accuracy_ms
        self.kept: bytes | None = None
        self.asked: list[bytes] = []

    def stamp(self, request: bytes) -> bytes:
        self.asked.append(request)
        return self.kept or self.authority.answer(request, 1, AT, self.accuracy_ms)


# -- stamps of RFC 3161 --------------------------------------------------------------------------


def test_a_stamp_is_its_time_and_its_accuracy() -> None:
    told = StampedTime("tsa", Local(), CountingRng()).ask()
    assert told == (us(AT) - 1_500_000, us(AT) + 1_500_000)


def test_a_stamp_that_states_no_accuracy_is_good_to_a_second() -> None:
    told = StampedTime("tsa", Local(accuracy_ms=0), CountingRng()).ask()
    assert told == (us(AT) - SECOND, us(AT) + SECOND)


def test_each_question_is_a_new_one_and_an_old_answer_proves_nothing() -> None:
    authority = Local()
    teller = StampedTime("tsa", authority, CountingRng())
    teller.ask()
    teller.ask()
    assert len(set(authority.asked)) == 2
    authority.kept = authority.authority.answer(authority.asked[0], 1, AT, 0)
    with pytest.raises(CryptoError):
        teller.ask()


def test_a_stamp_of_another_authority_proves_nothing() -> None:
    authority, stranger = Local(), Local(b"\x06" * 32)
    authority.authority = stranger.authority
    with pytest.raises(StampUntrusted):
        StampedTime("tsa", authority, CountingRng()).ask()


def test_the_nonce_is_compared() -> None:
    """The same bytes are asked about twice: only the nonce tells the two answers apart."""

    class Repeating:
        def bytes(self, count: int) -> bytes:
            self.nonces = getattr(self, "nonces", 0) + (count == 8)
            return bytes([self.nonces if count == 8 else 9]) * count

    authority = Local()
    teller = StampedTime("tsa", authority, Repeating())
    teller.ask()
    authority.kept = authority.authority.answer(authority.asked[0], 1, AT, 0)
    with pytest.raises(StampNonce):
        teller.ask()


# -- custodians ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    earliest: int
    latest: int
    sig: bytes


class Custodian:
    def __init__(self, earliest: int = 1_000, latest: int = 1_250, seed: bytes = SEED) -> None:
        self.answer = (earliest, latest)
        self.seed = seed
        self.kept: Told | None = None

    def time(self, nonce: bytes) -> Told:
        signature = statements.sign(self.seed, statements.time(nonce, *self.answer))
        return self.kept or Told(*self.answer, signature)


def custodian_time(service: Custodian) -> CustodianTime:
    return CustodianTime("anna", statements.public_key(SEED), service, CountingRng())


def test_a_custodians_signed_interval_is_believed() -> None:
    assert custodian_time(Custodian()).ask() == (1_000_000, 1_250_000)


def test_an_interval_of_another_key_or_another_question_is_not_believed() -> None:
    with pytest.raises(StatementRefused):
        custodian_time(Custodian(seed=b"\x06" * 32)).ask()
    service = Custodian()
    service.kept = service.time(b"\x00" * 32)
    with pytest.raises(StatementRefused):
        custodian_time(service).ask()
    service.kept = None
    teller = custodian_time(service)
    changed = service.time(b"\x01" * 32)
    service.kept = replace(changed, latest=changed.latest + 1)
    with pytest.raises(StatementRefused):
        teller.ask()


def test_an_interval_that_ends_before_it_begins_is_none() -> None:
    with pytest.raises(ClockDistrusted):
        custodian_time(Custodian(2_000, 1_999)).ask()


# -- what was said, and its age ------------------------------------------------------------------


class Slow:
    """A clock that is 3 s on the way; it read 1,000 s somewhere between question and answer."""

    name = "slow"

    def __init__(self) -> None:
        self.boot = 50 * SECOND
        self.fails: Exception | None = None

    def ask(self) -> tuple[int, int]:
        self.boot += 3 * SECOND
        if self.fails:
            raise self.fails
        return 1_000 * SECOND, 1_000 * SECOND


def test_the_way_of_an_answer_is_doubt() -> None:
    """Read at the question, it is 1,003 s at the answer; read at the answer, 1,000 s."""
    slow = Slow()
    kept = KeptTime(slow, 60, boot=lambda: slow.boot)
    kept.refresh()
    drift = 2  # of 3 s, 1.5 ms, rounded outwards
    assert kept.interval(slow.boot, -1) == (1_000_000 - drift, 1_003_000 + drift)
    later = kept.interval(slow.boot + 20 * SECOND, -1)
    assert later == (1_020_000 - 12, 1_023_000 + 12)


def test_a_silent_source_is_named_once_and_kept_until_it_is_old(
    capsys: pytest.CaptureFixture[str],
) -> None:
    slow = Slow()
    kept = KeptTime(slow, 60, boot=lambda: slow.boot)
    kept.refresh()
    asked = slow.boot - 3 * SECOND
    slow.fails = OSError("no route")
    for _ in range(2):
        kept.refresh()
    assert kept.failure == "OSError"
    assert kept.wait_s() == 5
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["source"], line["code"]) for line in lines] == [
        ("clock.silent", "slow", "OSError")
    ]
    assert kept.interval(asked + 300 * SECOND, -1) is not None
    assert kept.interval(asked + 300 * SECOND + 1, -1) is None
    slow.fails = None
    kept.refresh()
    assert (kept.failure, kept.wait_s()) == (None, 60)


def test_what_was_asked_before_a_doubt_does_not_count() -> None:
    slow = Slow()
    kept = KeptTime(slow, 60, boot=lambda: slow.boot)
    assert kept.interval(slow.boot, -1) is None
    kept.refresh()
    asked = slow.boot - 3 * SECOND
    assert kept.interval(slow.boot, asked - 1) is not None
    assert kept.interval(slow.boot, asked) is None


# -- who asks ------------------------------------------------------------------------------------


class Counted:
    """A clock that says when it is asked."""

    name = "counted"

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)

    def ask(self) -> tuple[int, int]:
        self.asked.release()
        return 0, 0


def test_a_source_that_is_wanted_is_asked_in_the_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_sources, "PAUSE_S", 0.01)
    teller = Counted()
    kept = KeptTime(teller, 600)
    asking = Asking([kept])
    asking.start()
    try:
        for _ in range(3):
            kept.want()
            assert teller.asked.acquire(timeout=WAIT_S)
    finally:
        asking.stop()
    assert kept.interval(boot_us(), -1) is not None


def test_a_source_is_asked_each_period_without_being_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_sources, "PAUSE_S", 0.01)
    teller = Counted()
    asking = Asking([KeptTime(teller, 1)])
    asking.start()
    try:
        for _ in range(2):
            assert teller.asked.acquire(timeout=WAIT_S)
    finally:
        asking.stop()


def test_asking_that_never_began_ends_at_once() -> None:
    Asking([KeptTime(Counted(), 600)]).stop()

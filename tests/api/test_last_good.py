"""A service is asked by one at a time, and nobody stands in a queue behind a slow one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from api.adapters.http import NoAnswer, Outgoing
from api.adapters.last_good import LAST_GOOD, PAUSE, LastGood
from api.adapters.oidc import Asked, Client, Provider
from ledger.witness import Reply

HOUR = timedelta(hours=1)
LONG_S = 30.0
ISSUER = "https://id.example"


class Service:
    """Answers its own count, when it is let; counts who asks at once."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 2, 12, tzinfo=UTC)
        self.asked = self.inside = self.most = 0
        self.fails = False
        self.open = threading.Event()
        self.open.set()
        self.begun = threading.Event()

    def __call__(self) -> int:
        self.asked += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.begun.set()
        assert self.open.wait(LONG_S)
        self.inside -= 1
        if self.fails:
            raise NoAnswer("down")
        return self.asked

    def hold(self) -> None:
        self.open.clear()
        self.begun.clear()


@pytest.fixture
def service():
    made = Service()
    yield made
    made.open.set()


@pytest.fixture
def elsewhere(service: Service):
    """Run something in another thread; whatever happens, the service lets go at the end."""
    with ThreadPoolExecutor(8) as pool:

        def run(do: Callable[[], int]) -> Future[int]:
            return pool.submit(do)

        yield run
        service.open.set()


def kept(service: Service, wait_s: float = LONG_S) -> LastGood[int]:
    return LastGood(service, lambda: service.at, wait_s)


def test_a_copy_serves_until_its_age_and_is_asked_for_again(service: Service) -> None:
    held = kept(service)
    assert held.within(HOUR) == 1
    service.at += HOUR
    assert held.within(HOUR) == 1
    service.at += timedelta(seconds=1)
    assert held.within(HOUR) == 2


def test_one_asks_and_all_who_wait_get_that_answer(service: Service, elsewhere) -> None:
    held = kept(service)
    service.hold()
    first = elsewhere(lambda: held.within(HOUR))
    assert service.begun.wait(LONG_S)
    others = [elsewhere(lambda: held.within(HOUR)) for _ in range(5)]
    service.open.set()
    assert [one.result(LONG_S) for one in (first, *others)] == [1] * 6
    assert (service.asked, service.most) == (1, 1)


def test_the_last_good_copy_serves_at_once_while_somebody_asks(service: Service, elsewhere) -> None:
    held = kept(service)
    assert held.within(HOUR) == 1
    service.at += HOUR + timedelta(seconds=1)
    service.hold()
    slow = elsewhere(lambda: held.within(HOUR))
    assert service.begun.wait(LONG_S)
    assert held.within(HOUR) == 1, "from this thread, while the other one still asks"
    assert not slow.done()
    awaited = elsewhere(lambda: held.within(timedelta(minutes=1), patient=True))
    service.open.set()
    assert (slow.result(LONG_S), awaited.result(LONG_S)) == (2, 2)
    assert service.asked == 2


def test_nobody_waits_for_ever_and_no_copy_serves_for_ever(service: Service, elsewhere) -> None:
    held = kept(service, wait_s=0.01)
    service.hold()
    slow = elsewhere(lambda: held.within(HOUR))
    assert service.begun.wait(LONG_S)
    with pytest.raises(NoAnswer, match="already"):
        held.within(HOUR)
    service.open.set()
    assert slow.result(LONG_S) == 1
    service.at += LAST_GOOD
    service.fails = True
    assert held.within(HOUR) == 1, "the last instant of the last good copy"
    service.at += PAUSE
    with pytest.raises(NoAnswer, match="down"):
        held.within(HOUR)


def test_a_service_that_failed_is_left_alone_while_its_copy_serves(service: Service) -> None:
    held = kept(service)
    held.within(HOUR)
    service.at += HOUR + timedelta(seconds=1)
    service.fails = True
    for _ in range(3):
        assert held.within(HOUR) == 1
    assert service.asked == 2
    service.at += PAUSE
    assert held.within(HOUR) == 1
    assert service.asked == 3
    service.fails = False
    service.at += PAUSE
    assert held.within(HOUR) == 4


def test_whoever_waited_for_an_answer_that_failed_asks_for_no_second_one(
    service: Service, elsewhere
) -> None:
    held = kept(service)
    service.hold()
    service.fails = True
    first = elsewhere(lambda: held.within(HOUR))
    assert service.begun.wait(LONG_S)
    second = elsewhere(lambda: held.within(HOUR))
    service.open.set()
    for one in (first, second):
        with pytest.raises(NoAnswer):
            one.result(LONG_S)


class SlowProvider:
    """Tells its addresses, when it is let."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def exchange(self, method: str, url: str, body: bytes = b"", **headers: str) -> Reply:
        self.service()
        names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
        told = {name: f"https://id.example/{name}" for name in names}
        return Reply(200, "application/json", json.dumps(told | {"issuer": ISSUER}).encode())


def test_a_login_begins_while_another_one_asks_the_provider_again(
    service: Service, elsewhere, tmp_path: Path
) -> None:
    client = Client(ISSUER, "pli", tmp_path / "secret", "openid", "https://pli.example")
    http = cast("Outgoing", SlowProvider(service))
    provider = Provider(client, lambda: service.at, http)
    begun = provider.address(Asked("s", "n", "v"))
    assert begun.startswith("https://id.example/authorization_endpoint?")
    service.at += HOUR + timedelta(seconds=1)
    service.hold()
    slow = elsewhere(lambda: len(provider.address(Asked("s", "n", "v"))))
    assert service.begun.wait(LONG_S)
    assert provider.address(Asked("s", "n", "v")) == begun
    assert not slow.done()
    service.open.set()
    assert slow.result(LONG_S) == len(begun)

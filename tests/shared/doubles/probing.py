"""A platform whose probes knock at the application in this process, minute by minute."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from doubles.bench import Bench

from api.adapters.own_door import Answered
from api.facts import facts
from api.probe import Probing

MINUTE = timedelta(seconds=60)
SECOND_US = 1_000_000
STREAM = "health/main"


class InnerDoor:
    """The whole application, guards included; ``fault`` answers in its place, or raises."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.asked: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], Answered | None] = lambda method, path: None

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answered:
        self.asked.append((method, path))
        refused = self.fault(method, path)
        if refused is not None:
            return refused
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.bench.http.request(method, path, content=body or None, headers=named)
        return Answered(answer.status_code, answer.content)


def problem(status: int, code: str) -> Answered:
    """Return what the platform answers when it refuses."""
    return Answered(status, json.dumps({"code": code}).encode())


class Rounds:
    """Probes under a clock and a counter that go together; a round is made when asked for."""

    def __init__(self, bench: Bench, door: Any = None) -> None:
        self.bench = bench
        self.at = 0
        self.door = door or InnerDoor(bench)
        self.since = 0
        self.probing = self.take()

    def take(self) -> Probing:
        """Let the bench's platform, also one that was opened again, knock at this door."""
        made = self.bench.platform.probing
        assert made is not None
        made.checks.door = self.door
        made._counter = made.checks.counter = lambda: self.at
        self.probing = made
        return made

    def forget(self) -> None:
        """Let a test begin: nothing waits, nothing fails, and what was told before is not told."""
        self.door.fault = lambda method, path: None
        self.probing.flush()
        self.door.asked.clear()
        self.since = len(facts(self.bench.platform.ledger, STREAM))

    def minute(self, rounds: int = 1) -> None:
        """Let a minute pass, then make a round; so many times."""
        for _ in range(rounds):
            self.bench.clock.forward(MINUTE)
            self.at += 60 * SECOND_US
            self.bench.platform.views.catch_up()
            self.probing.tick()

    def kinds(self) -> list[str]:
        """Return the kinds of what the log was told of the platform's health."""
        return [str(one["kind"]) for one in self.told()]

    def told(self) -> list[dict[str, Any]]:
        """Return the data of those entries with their kind."""
        found = facts(self.bench.platform.ledger, STREAM)[self.since :]
        return [{"kind": fact.kind, **fact.data} for fact in found]

"""A log as a platform makes it: the lives of many procedures, written through the sequencer.

One life is the golden stream of the tests, from the draft to the opening, with its rarer events;
each copy has its own ids. Bytes, chains and tree are those of a real log; only durability is put
off while it is made, since making it is not what is measured.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.parcels import open_ledger
from ledger.application import Ledger
from ledger.entry import LOG_STREAM, Draft, checked_state, instant_text
from ledger.queue import Save

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "foundation.ndjson"
TOGETHER = 1_000


def lives(count: int) -> Iterator[Draft]:
    """Yield this many events, life after life."""
    events = [orjson.loads(line) for line in GOLDEN.read_bytes().splitlines()]
    events = [event for event in events if event["stream"] != LOG_STREAM]
    names = {event["stream"].partition("/")[2].partition(".")[0] for event in events}
    copies = itertools.chain.from_iterable(
        _copied(events, names, number) for number in itertools.count()
    )
    return itertools.islice(copies, count)


def _copied(events: list[dict[str, Any]], names: set[str], number: int) -> Iterator[Draft]:
    versions: dict[str, int] = {}
    at = instant_text(datetime.now(UTC))  # the whole life at one instant: time is not measured
    for event in events:
        kind, _, name = event["stream"].partition("/")
        known, dot, rest = name.partition(".")
        stream = f"{kind}/{known}-{number}{dot}{rest}"
        versions[stream] = versions.get(stream, 0) + 1
        state = checked_state(at, _renamed(event["data"], names, number), event["v"])
        yield Draft(stream, versions[stream], event["kind"], state)


def _renamed(value: Any, names: set[str], number: int) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return f"{value}-{number}" if value in names else value
    if isinstance(value, list):
        return [_renamed(each, names, number) for each in value]
    if isinstance(value, dict):
        return {key: _renamed(each, names, number) for key, each in value.items()}
    return value


def fill(ledger: Ledger, drafts: Iterator[Draft], name: str = "") -> None:
    """Append all drafts, many in one batch."""
    store = ledger._store
    for number, some in enumerate(iter(lambda: list(itertools.islice(drafts, TOGETHER)), [])):
        command = f"fill/{name}{number}"
        digest = hashlib.sha256(command.encode()).digest()
        store.sequencer.submit(Save(command, digest, some))


def log_of_lives(folder: Path, count: int) -> Ledger:
    """Return a ledger in this folder with so many events."""
    ledger = open_ledger(folder)
    ledger._store.writer.connection.execute("PRAGMA synchronous=OFF")
    fill(ledger, lives(count))
    return ledger

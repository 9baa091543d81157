"""Ledger rows made by hand: canonical entries, chained as the ledger chains them.

Everything derives from what the test writes, so the same calls give the same bytes anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

BEGINNING = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
ZEROS = "0" * 64


@dataclass(frozen=True)
class HandRow:
    """A row as ``Ledger.read`` returns it."""

    position: int
    stream: str
    version: int
    kind: str
    leaf: bytes
    entry: bytes


def instant_of(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def digest(*parts: object) -> str:
    """Return 64 hex that stand for a hash, a commitment or a key in hand-made events."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


class HandLedger:
    """An append-only list of rows which is its own ``read`` port."""

    def __init__(self, *, pad: int = 16) -> None:
        self.rows: list[HandRow] = []
        self.tips: dict[str, tuple[int, str]] = {}
        self.now = BEGINNING
        self.pad = pad
        origin = {
            "beat_s": 300,
            "clock": "simulated",
            "format": "pli-entry/1",
            "keys": ["ledger.test/1+00000000+AQ=="],
            "origin": "ledger.test/1",
            "pad": pad,
        }
        self._append("log", "LogCreated", origin)

    def read(self, after: int, limit: int) -> list[HandRow]:
        return self.rows[after + 1 : after + 1 + limit]

    def add(
        self,
        caller: tuple[str, str, str],
        stream: str,
        kind: str,
        fields: Mapping[str, object],
        v: int = 1,
    ) -> HandRow:
        """Append one domain event of (role, org, tenant), 250 ms after the one before."""
        role, org, tenant = caller
        self.now += timedelta(milliseconds=250)
        reading = {
            "earliest": instant_of(self.now - timedelta(milliseconds=20)),
            "latest": instant_of(self.now),
            "source": "HOST",
        }
        actor = {"auth": "TOKEN", "org": org, "person": digest("person", org, role), "role": role}
        meta = {
            "actor": actor,
            "clock": reading,
            "command": digest("command", len(self.rows))[:32],
            "correlation": digest("need", tenant)[:32],
            "occurred_at": instant_of(self.now),
            "rulebook": "2026-03",
            "tenant": tenant,
        }
        data = {name: plain_of(value) for name, value in fields.items() if value is not None}
        return self._append(stream, kind, {**data, "meta": meta}, v)

    def publish(self) -> int:
        """Pad to the next published size and return it."""
        self._append("log", "LogPadded", {})
        while len(self.rows) % self.pad:
            self._append("log", "LogPadded", {})
        return len(self.rows)

    def at(self, at: datetime) -> None:
        """Let time go on to this instant."""
        assert at >= self.now
        self.now = at

    def ndjson(self) -> bytes:
        return b"".join(row.entry + b"\n" for row in self.rows)

    def _append(self, stream: str, kind: str, data: Mapping[str, object], v: int = 1) -> HandRow:
        position = len(self.rows)
        first = self.rows[0].leaf.hex() if self.rows else ZEROS
        version, prev = self.tips.get(stream, (0, first))
        entry = {
            "at": instant_of(self.now),
            "data": data,
            "kind": kind,
            "prev": prev,
            "salt": digest("salt", position)[:32],
            "stream": stream,
            "v": v,
            "version": version + 1,
        }
        encoded = orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
        leaf = hashlib.sha256(b"\x00" + encoded).digest()
        row = HandRow(position, stream, version + 1, kind, leaf, encoded)
        self.rows.append(row)
        self.tips[stream] = (version + 1, leaf.hex())
        return row


class FileSource:
    """The ``read`` port over entries of a file, one a line."""

    def __init__(self, ndjson: bytes) -> None:
        self.rows = list(rows_of(ndjson))

    def read(self, after: int, limit: int) -> list[HandRow]:
        return self.rows[after + 1 : after + 1 + limit]


def rows_of(ndjson: bytes) -> Iterator[HandRow]:
    for position, line in enumerate(ndjson.splitlines()):
        entry = orjson.loads(line)
        leaf = hashlib.sha256(b"\x00" + line).digest()
        yield HandRow(position, entry["stream"], entry["version"], entry["kind"], leaf, line)


def plain_of(value: object) -> object:
    """Return a field as JSON holds it: instants as the ledger's text."""
    if isinstance(value, datetime):
        return instant_of(value)
    if isinstance(value, Mapping):
        return {key: plain_of(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain_of(item) for item in value]
    return value

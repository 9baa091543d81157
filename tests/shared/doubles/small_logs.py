"""Small logs made from entries as they are, sound or not, for whoever checks logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crypto import merkle
from crypto.canonical import Json, encode
from crypto.notes import LOG, Checkpoint, VerifierKey, note, sign
from crypto.policies import Policy, log_policy
from ledger.tiles import ENTRIES, tiles_of, write_bundle, write_tile

SEED = bytes(32)
ORIGIN = "log.example/1"
POLICY = Policy.parse(log_policy(VerifierKey.of_seed(ORIGIN, LOG, SEED)))
START = datetime(2026, 3, 2, 7, tzinfo=UTC)


def rows_of(entries: list[bytes]) -> list[list[bytes]]:
    """Return the hashes of each tile level."""
    rows = [[merkle.leaf_hash(entry) for entry in entries]]
    while len(rows[-1]) >= 256:
        row = rows[-1]
        rows.append([merkle.root(row[i : i + 256]) for i in range(0, len(row) - 255, 256)])
    return rows


def signed(entries: list[bytes], origin: str = ORIGIN) -> bytes:
    """Return the note of these entries."""
    head = Checkpoint(origin, len(entries), merkle.root(rows_of(entries)[0]))
    return note(head, [sign(head, ORIGIN, SEED)])


class Memory:
    """A served log in memory."""

    def __init__(self, entries: list[bytes]) -> None:
        rows = rows_of(entries)
        self.files = {"checkpoint": signed(entries)}
        for path in tiles_of(len(entries)):
            below = slice(path.n * 256, path.n * 256 + path.width)
            if path.level == ENTRIES:
                self.files[str(path)] = write_bundle(entries[below])
            else:
                self.files[str(path)] = write_tile(rows[path.level][below])

    def read(self, path: str) -> bytes | None:
        """Return the bytes at a path."""
        return self.files.get(path)


def at(seconds: int) -> str:
    """Return an instant, counted from the start of the log."""
    return f"{START + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%fZ}"


def entry(stream: str, version: int, prev: str, seconds: int, **data: Json) -> bytes:
    """Return the bytes of one entry."""
    fields: dict[str, Json] = {"data": data, "kind": "ProbeSucceeded", "prev": prev}
    fields |= {"at": at(seconds), "salt": "00" * 16, "stream": stream, "v": 1, "version": version}
    if stream == "log" and version == 1:
        fields["kind"] = "LogCreated"
    return encode(fields)


def log(count: int, streams: int = 3) -> list[bytes]:
    """Return the entries of a sound log: entry 0, then the streams in turn."""
    entries = [entry("log", 1, "0" * 64, 0, format="pli-entry/1", origin=ORIGIN)]
    genesis = merkle.leaf_hash(entries[0]).hex()
    tips = dict.fromkeys(range(streams), (0, genesis))
    for position in range(1, count):
        version, leaf = tips[position % streams]
        made = entry(f"probe/{position % streams}", version + 1, leaf, position)
        entries.append(made)
        tips[position % streams] = (version + 1, merkle.leaf_hash(made).hex())
    return entries

"""What one custodian remembers: pin, ends of streams, shares by name, its own log of answers.

`state.db` in the custodian's own folder; no secret is in it. One transaction holds the swap of the
pin and the answer that follows from it, with synchronous=FULL: when `answer` returns, both are
durable, and only then may the answer leave (`envelope.md` §10). Each line of the log of answers
names the SHA-256 of the line before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.adapters.custodian_box_notes import BOX_TABLES, BoxNotes
from api.adapters.one_connection import OneConnection
from crypto.canonical import Json, decode, encode
from crypto.digests import sha256
from crypto.notes import parse_checkpoint, parse_note
from ledger.witness import Remember
from replay.custodian_facts import Head
from replay.custody_view import Pin, Tip, VerifiedView

STATE = "state.db"
NOTHING = "0" * 64
SCHEMA = """
CREATE TABLE IF NOT EXISTS pin(
  id INTEGER PRIMARY KEY CHECK(id = 1), size INTEGER NOT NULL, root BLOB NOT NULL,
  genesis TEXT NOT NULL, note BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS tips(
  stream TEXT PRIMARY KEY, version INTEGER NOT NULL, leaf TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ceremonies(
  ceremony TEXT PRIMARY KEY, cid TEXT NOT NULL, place INTEGER NOT NULL, round1 BLOB, round2 BLOB);
CREATE TABLE IF NOT EXISTS shares(
  digest TEXT PRIMARY KEY, place INTEGER NOT NULL, ceremony BLOB NOT NULL, y TEXT NOT NULL,
  points TEXT NOT NULL, consultation TEXT NOT NULL DEFAULT '',
  destroyed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS witnessed(origin TEXT PRIMARY KEY, note BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS agreed(
  id INTEGER PRIMARY KEY CHECK(id = 1), size INTEGER NOT NULL, root TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS heads(size INTEGER PRIMARY KEY, root BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS evidence(note BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS partials(
  header TEXT PRIMARY KEY, partial BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers(seq INTEGER PRIMARY KEY, line BLOB NOT NULL);
CREATE TRIGGER IF NOT EXISTS answers_no_update BEFORE UPDATE ON answers
  BEGIN SELECT RAISE(ABORT, 'the log of answers is append-only'); END;
CREATE TRIGGER IF NOT EXISTS answers_no_delete BEFORE DELETE ON answers
  BEGIN SELECT RAISE(ABORT, 'the log of answers is append-only'); END;
"""


class StateError(Exception):
    """Root of what a custodian's memory refuses."""

    code = "custodian.state"


class PinMoved(StateError):
    """The pin is another one than the view was checked against."""

    code = "custodian.pin-moved"


class AnswersBroken(StateError):
    """The log of answers was changed."""

    code = "custodian.log-broken"

    def __init__(self, seq: int) -> None:
        super().__init__(f"line {seq} of the log of answers does not follow from the one before")
        self.seq = seq


@dataclass(frozen=True, slots=True)
class HeldShare:
    """What is public about a share: its keyset, its place, the consultation it is bound to."""

    digest: str
    place: int
    ceremony: Mapping[str, Json]
    y: bytes
    points: tuple[bytes, ...]
    consultation: str = ""
    destroyed: bool = False


@dataclass(frozen=True, slots=True)
class Rounds:
    """The messages of a ceremony that were sent, as canonical bytes."""

    cid: str
    place: int
    round1: bytes
    round2: bytes | None


class CustodianState:
    """The memory of one custodian; every thread may use it."""

    def __init__(self, path: Path) -> None:
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(SCHEMA + BOX_TABLES)
        self._db = OneConnection(db)
        self.boxes = BoxNotes(self._db)
        path.chmod(0o600)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # --- the view

    def pin(self) -> Pin:
        """Return the pinned tree, the empty one before the first view."""
        row = self._db.row("SELECT size, root, genesis FROM pin")
        return Pin(*row) if row else Pin()

    def agreed(self) -> Head | None:
        """Return the cosigned head that the pin is proven to continue, None before the first."""
        row = self._db.row("SELECT size, root FROM agreed")
        return Head(*row) if row else None

    def tips(self, streams: Iterable[str]) -> dict[str, Tip]:
        """Return the last seen ends of these streams, of those that were seen."""
        found = {}
        for name in streams:
            row = self._db.row("SELECT version, leaf FROM tips WHERE stream = ?", (name,))
            if row:
                found[name] = Tip(*row)
        return found

    # --- answers

    @contextmanager
    def answer(self, body: Mapping[str, Json], signature: bytes, at: str) -> Iterator[None]:
        """Append one answer or refusal; what the block writes becomes durable with it, or not."""
        with self._db.transaction():
            yield
            self._append(body, signature, at)

    def swap(self, expected: Pin, view: VerifiedView, cosigned: Head | None = None) -> None:
        """Take over a view, and which cosigned head it continues; PinMoved: it met another pin."""
        if self.pin() != expected:
            raise PinMoved("the pin moved while a view was being checked")
        new = view.pin
        self._db.rows(
            "INSERT OR REPLACE INTO pin(id, size, root, genesis, note) VALUES (1, ?, ?, ?, ?)",
            (new.size, new.root, new.genesis, view.note),
        )
        self._db.each(
            "INSERT OR REPLACE INTO tips(stream, version, leaf) VALUES (?, ?, ?)",
            [(name, tip.version, tip.leaf) for name, tip in view.tips.items()],
        )
        if cosigned is not None:
            row = (cosigned.size, cosigned.root)  # every later pin continues it as well
            self._db.rows("INSERT OR REPLACE INTO agreed(id, size, root) VALUES (1, ?, ?)", row)

    def answers(self) -> list[bytes]:
        """Return the lines of the log of answers, in order."""
        return [row[0] for row in self._db.rows("SELECT line FROM answers ORDER BY seq")]

    def answers_after(self, after: int, limit: int) -> list[bytes]:
        """Return so many lines at most after this number."""
        asked = "SELECT line FROM answers WHERE seq > ? ORDER BY seq LIMIT ?"
        return [row[0] for row in self._db.rows(asked, (after, limit))]

    def _append(self, body: Mapping[str, Json], signature: bytes, at: str) -> None:
        row = self._db.row("SELECT seq, line FROM answers ORDER BY seq DESC LIMIT 1")
        seq, prev = (row[0] + 1, sha256(row[1]).hex()) if row else (1, NOTHING)
        line = encode({"at": at, "body": body, "prev": prev, "seq": seq, "sig": signature.hex()})
        self._db.rows("INSERT INTO answers(seq, line) VALUES (?, ?)", (seq, line))

    # --- ceremonies and shares

    def rounds(self, ceremony: str) -> Rounds | None:
        """Return what was sent in a ceremony."""
        row = self._db.row(
            "SELECT cid, place, round1, round2 FROM ceremonies WHERE ceremony = ?", (ceremony,)
        )
        return Rounds(*row) if row else None

    def keep_rounds(self, ceremony: str, rounds: Rounds) -> None:
        """Remember the messages of a ceremony, inside `answer`."""
        self._db.rows(
            "INSERT OR REPLACE INTO ceremonies(ceremony, cid, place, round1, round2) "
            "VALUES (?, ?, ?, ?, ?)",
            (ceremony, rounds.cid, rounds.place, rounds.round1, rounds.round2),
        )

    def share(self, digest: str) -> HeldShare | None:
        """Return what is known of a share, destroyed ones too."""
        row = self._db.row(
            "SELECT digest, place, ceremony, y, points, consultation, destroyed FROM shares "
            "WHERE digest = ?",
            (digest,),
        )
        if row is None:
            return None
        points = tuple(bytes.fromhex(point) for point in row[4].split())
        return HeldShare(
            row[0], row[1], decode(row[2]), bytes.fromhex(row[3]), points, row[5], bool(row[6])
        )

    def shares(self) -> list[str]:
        """Return the digests of the live shares."""
        rows = self._db.rows("SELECT digest FROM shares WHERE destroyed = 0 ORDER BY digest")
        return [row[0] for row in rows]

    def share_of(self, ceremony: Mapping[str, Json]) -> HeldShare | None:
        """Return what is known of the share that a ceremony gave."""
        made = "SELECT digest FROM shares WHERE ceremony = ?"
        row = self._db.row(made, (encode(dict(ceremony)),))
        return self.share(row[0]) if row else None

    def keep_share(self, share: HeldShare) -> None:
        """Remember a share, its binding and whether it is destroyed, inside `answer`."""
        self._db.rows(
            "INSERT OR REPLACE INTO shares(digest, place, ceremony, y, points, consultation, "
            "destroyed) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                share.digest,
                share.place,
                encode(dict(share.ceremony)),
                share.y.hex(),
                " ".join(point.hex() for point in share.points),
                share.consultation,
                share.destroyed,
            ),
        )

    # --- partials

    def partial(self, header: str) -> bytes | None:
        """Return the partial that was given for this header, if one was."""
        row = self._db.row("SELECT partial FROM partials WHERE header = ?", (header,))
        return None if row is None else bytes(row[0])

    def keep_partial(self, header: str, partial: bytes) -> None:
        """Remember what was given for a header, inside `answer`; it is never another one."""
        self._db.rows(
            "INSERT OR IGNORE INTO partials(header, partial) VALUES (?, ?)", (header, partial)
        )

    # --- witness

    def witnessed(self, origin: str) -> bytes | None:
        """Return the note cosigned last for an origin."""
        row = self._db.row("SELECT note FROM witnessed WHERE origin = ?", (origin,))
        return None if row is None else bytes(row[0])

    def remember(self, swap: Remember) -> None:
        """Replace the cosigned note durably, or raise PinMoved if it is not the expected one."""
        head = parse_checkpoint(parse_note(swap.note).text)
        heads = "INSERT OR REPLACE INTO heads(size, root) VALUES (?, ?)"
        notes = "INSERT OR REPLACE INTO witnessed(origin, note) VALUES (?, ?)"
        with self._db.transaction():
            if self.witnessed(swap.origin) != swap.expected:
                raise PinMoved("the cosigned note moved while a request was being decided")
            self._db.rows(heads, (head.size, head.root))
            self._db.rows(notes, (swap.origin, swap.note))

    def cosigned(self, origin: str) -> Head | None:
        """Return the head cosigned last for an origin, None if nothing was."""
        note = self.witnessed(origin)
        if note is None:
            return None
        last = parse_checkpoint(parse_note(note).text)
        return Head(last.size, last.root.hex())

    def head(self, size: int) -> bytes | None:
        """Return the root that was cosigned at a size, None if nothing was."""
        row = self._db.row("SELECT root FROM heads WHERE size = ?", (size,))
        return None if row is None else bytes(row[0])

    def keep_evidence(self, note: bytes) -> None:
        """Keep a note signed by the log that contradicts another one."""
        self._db.rows("INSERT OR IGNORE INTO evidence(note) VALUES (?)", (note,))

    def evidence(self) -> list[bytes]:
        """Return the notes that contradict what was cosigned."""
        return [row[0] for row in self._db.rows("SELECT note FROM evidence ORDER BY rowid")]


def check_answers(lines: Iterable[bytes]) -> int:
    """Return how many lines the log has once each follows from the one before, else raise."""
    prev, seq = NOTHING, 0
    for line in lines:
        seq += 1
        fields = decode(line)
        if (fields.get("seq"), fields.get("prev")) != (seq, prev):
            raise AnswersBroken(seq)
        prev = sha256(line).hex()
    return seq

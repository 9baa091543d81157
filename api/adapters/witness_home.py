"""A witness that runs alone: its folder, its key, the logs it knows, what it cosigned last.

`witness.key` (mode 0600), `witness-next.key` while it is replaced, and `witness.db`. One
transaction with synchronous=FULL reads the note of an origin, and replaces it only if it is the one
that was decided on: a cosignature leaves after that commit, so that neither a crash nor a second
process can make it cosign two histories.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from pathlib import Path

from api.adapters.clock import wall_us
from api.adapters.keys import (
    Random,
    create_signing_key,
    destroy_file,
    read_secret,
    signing_key,
    supplant,
)
from crypto.notes import COSIGNATURE, LOG, VerifierKey
from ledger.witness import Answer, Remember, Witness, monitor_path

SECOND_US = 1_000_000
KEY = "witness.key"
NEXT_KEY = "witness-next.key"
STATE = "witness.db"
SCHEMA = """
CREATE TABLE IF NOT EXISTS logs(vkey TEXT PRIMARY KEY, origin TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cosigned(
  origin TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE, note BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence(note BLOB NOT NULL UNIQUE);
"""


class WitnessHomeError(Exception):
    """Root of what a witness of its own refuses, apart from requests."""

    code = "witness.home"


class WitnessAbsent(WitnessHomeError):
    """The folder holds no witness."""

    code = "witness.absent"

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: pli witness init --home {folder} --name NAME --log VKEY")
        self.folder = str(folder)


class WitnessExists(WitnessHomeError):
    """A witness of another name lives in this folder."""

    code = "witness.exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"this folder belongs to witness {name}")
        self.name = name


class NotALog(WitnessHomeError):
    """A key that is not the key of a log."""

    code = "witness.not-a-log"

    def __init__(self, vkey: str) -> None:
        super().__init__(f"{vkey[:80]} is not the key of a log")
        self.vkey = vkey


class RotationRefused(WitnessHomeError):
    """Nothing can take the place of the key: no name of its own, or no next key at all."""

    code = "witness.rotation"


class WitnessHome:
    """The state of one witness; every thread and every process may use it."""

    def __init__(self, folder: Path) -> None:
        if not (folder / KEY).is_file():
            raise WitnessAbsent(folder)
        self._folder = folder
        self._key = signing_key(folder / KEY, COSIGNATURE)
        following = folder / NEXT_KEY
        self._next = signing_key(following, COSIGNATURE) if following.is_file() else None
        self._lock = threading.Lock()  # one connection, one thread at a time
        path = folder / STATE
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)
        path.chmod(0o600)

    @classmethod
    def create(cls, folder: Path, name: str, random: Random) -> WitnessHome:
        """Make the key of a new witness; an interrupted creation is finished by the next one."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = create_signing_key(folder / KEY, name, COSIGNATURE, random.bytes(32))
        if key.name != name:
            raise WitnessExists(key.name)
        return cls(folder)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def key(self) -> VerifierKey:
        """Return the key that a policy names."""
        return self._key.verifier()

    def add_log(self, vkey: str) -> VerifierKey:
        """Know a log from now on, by one more of its keys; a running server sees it at once."""
        key = VerifierKey.parse(vkey)
        if key.kind != LOG:
            raise NotALog(vkey)
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO logs VALUES (?, ?)", (str(key), key.name))
        return key

    def drop_log(self, vkey: str) -> None:
        """Cosign nothing any more that only this key of a log signed; at once."""
        with self._lock:
            gone = self._db.execute("DELETE FROM logs WHERE vkey = ?", (vkey,)).rowcount
        if not gone:
            raise NotALog(vkey)

    def rotate(self, name: str, random: Random) -> VerifierKey:
        """Make a key that cosigns too, from the next start on, under a name of its own."""
        if name == self._key.name:
            raise RotationRefused(f"{name} is the name of the present key")
        key = create_signing_key(self._folder / NEXT_KEY, name, COSIGNATURE, random.bytes(32))
        if key.name != name:
            raise RotationRefused(f"{key.name} cosigns already")
        return key.verifier()

    def retire(self, random: Random) -> VerifierKey:
        """Let the next key take the place of the present one, which is destroyed."""
        if self._next is None:
            raise RotationRefused("no next key: pli witness rotate")
        data = read_secret(self._folder / NEXT_KEY)
        supplant(self._folder / KEY, data, random)
        destroy_file(self._folder / NEXT_KEY, random)
        return self._next.verifier()

    def logs(self) -> dict[str, tuple[VerifierKey, ...]]:
        """Return the keys of the logs it knows, by origin."""
        with self._lock:
            return self._logs()

    def answer(self, body: bytes) -> Answer:
        """Decide on one add-checkpoint request; what it must remember is durable on return."""
        now = wall_us() // SECOND_US
        with self._lock:
            # the write lock comes before the first read: nothing can move between the two
            self._db.execute("BEGIN IMMEDIATE")
            try:
                more = () if self._next is None else ((self._next.name, self._next.seed),)
                witness = Witness(self._key.name, self._key.seed, self._logs(), more)
                answer = witness.answer(body, self._cosigned, now)
                self._keep(answer)
                self._db.execute("COMMIT")
            except BaseException:
                # a failed COMMIT may have ended the transaction; no cosignature leaves either way
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            return answer

    def cosigned(self, path: str) -> bytes | None:
        """Return the note cosigned last that monitors find under this path."""
        with self._lock:
            row = self._db.execute("SELECT note FROM cosigned WHERE path = ?", (path,)).fetchone()
            return None if row is None else bytes(row[0])

    def evidence(self) -> list[bytes]:
        """Return the notes, signed by a log, that contradict what was cosigned."""
        with self._lock:
            found = self._db.execute("SELECT note FROM evidence ORDER BY rowid").fetchall()
            return [bytes(row[0]) for row in found]

    def _logs(self) -> dict[str, tuple[VerifierKey, ...]]:
        found = defaultdict(list)
        for vkey, origin in self._db.execute("SELECT vkey, origin FROM logs ORDER BY vkey"):
            found[origin].append(VerifierKey.parse(vkey))
        return {origin: tuple(keys) for origin, keys in found.items()}

    def _cosigned(self, origin: str) -> bytes | None:
        row = self._db.execute("SELECT note FROM cosigned WHERE origin = ?", (origin,)).fetchone()
        return None if row is None else bytes(row[0])

    def _keep(self, answer: Answer) -> None:
        if answer.remember is not None:
            self._swap(answer.remember)
        if answer.evidence is not None:
            self._db.execute("INSERT OR IGNORE INTO evidence VALUES (?)", (answer.evidence,))

    def _swap(self, swap: Remember) -> None:
        row = (swap.origin, monitor_path(swap.origin), swap.note)
        self._db.execute("INSERT OR REPLACE INTO cosigned VALUES (?, ?, ?)", row)

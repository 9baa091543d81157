"""What each running transmission has sent: its head, and which chunk is which blob, durably.

A row is written only after its blob is durable, so a row never lies. Rows of ended transmissions
stay as long as their bytes: a stored envelope is found through them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from api.adapters.grouped import GroupedDatabase
from ledger.ports import Halt

SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads(
  transmission TEXT PRIMARY KEY, consultation TEXT NOT NULL, owner TEXT NOT NULL,
  deposit TEXT UNIQUE, commitment TEXT, head TEXT, head_size INTEGER,
  body INTEGER, chunks INTEGER, refused INTEGER NOT NULL DEFAULT 0,
  ended INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS running ON uploads(ended) WHERE ended = 0;
CREATE TABLE IF NOT EXISTS parts(
  transmission TEXT NOT NULL, chunk INTEGER NOT NULL, leaf TEXT NOT NULL, blob TEXT NOT NULL,
  size INTEGER NOT NULL, PRIMARY KEY(transmission, chunk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dossier_files(
  consultation TEXT NOT NULL, sha256 TEXT NOT NULL,
  PRIMARY KEY(consultation, sha256)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS damaged(blob TEXT PRIMARY KEY, code TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Upload:
    """One transmission as far as its bytes are concerned."""

    transmission: str
    consultation: str
    owner: str
    deposit: str | None
    commitment: str | None
    head: str | None
    head_size: int
    body: int
    chunks: int
    refused: int
    ended: bool


@dataclass(frozen=True)
class Part:
    """One durable chunk: its index, leaf hash, blob name and size."""

    index: int
    leaf: str
    blob: str
    size: int


class Progress(NamedTuple):
    """How far the chunks of an upload have come."""

    chunks: int
    size: int
    highest: int


class Uploads:
    """The index of uploads of one home; whoever writes at once shares a commit."""

    def __init__(self, path: Path, halt: Halt | None = None) -> None:
        self._file = GroupedDatabase(path, SCHEMA, halt)

    def start(self, transmission: str, consultation: str, owner: str) -> None:
        """Remember whose transmission this is; a repetition changes nothing."""
        self._write(
            "INSERT OR IGNORE INTO uploads(transmission, consultation, owner) VALUES (?, ?, ?)",
            (transmission, consultation, owner),
        )

    def head(
        self,
        transmission: str,
        *,
        deposit: str,
        commitment: str,
        blob: str,
        sizes: tuple[int, int, int],
    ) -> None:
        """Remember the accepted head; sizes: of the head, of the body, number of chunks.

        An envelope may be sent again after a session that ended without it: it is found through
        the last session that announced it.
        """
        self._file.write(
            (
                "UPDATE uploads SET deposit = NULL WHERE deposit = ? AND ended = 1 "
                "AND transmission <> ?",
                (deposit, transmission),
            ),
            (
                "UPDATE uploads SET deposit = ?, commitment = ?, head = ?, head_size = ?, "
                "body = ?, chunks = ? WHERE transmission = ? AND head IS NULL",
                (deposit, commitment, blob, *sizes, transmission),
            ),
        )

    def add(self, transmission: str, part: Part) -> None:
        """Remember a durable chunk."""
        self._write(
            "INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?, ?)",
            (transmission, part.index, part.leaf, part.blob, part.size),
        )

    def refuse(self, transmission: str) -> None:
        """Count one refused head or chunk."""
        self._write(
            "UPDATE uploads SET refused = refused + 1 WHERE transmission = ?", (transmission,)
        )

    def end(self, transmission: str) -> None:
        """Remember that nothing more is accepted.

        The ledger says how it ended: what a power cut takes of this is noted again from there.
        """
        statement = "UPDATE uploads SET ended = 1 WHERE transmission = ?"
        self._write(statement, (transmission,), durable=False)

    def find(self, transmission: str) -> Upload | None:
        """Return one upload."""
        return self._one("transmission = ?", transmission)

    def own(self, transmission: str, owner: str) -> Upload | None:
        """Return one upload of this organisation; what is another's is not there."""
        return self._one(f"{OWNED} AND transmission = ?", owner, transmission)

    def own_deposit(self, deposit: str, owner: str) -> Upload | None:
        """Return the upload by which this organisation brought a deposit."""
        return self._one(f"{OWNED} AND deposit = ?", owner, deposit)

    def of_deposit(self, deposit: str) -> Upload | None:
        """Return the upload that brought this deposit."""
        return self._one("deposit = ?", deposit)

    def of_owner(self, owner: str) -> list[Upload]:
        """Return the uploads of one organisation that have a head."""
        rows = self._read(
            f"{SELECT} WHERE {OWNED} AND head IS NOT NULL ORDER BY transmission", (owner,)
        )
        return [_upload(row) for row in rows]

    def running(self) -> list[Upload]:
        """Return the uploads that have not ended, in no order that means anything."""
        return [_upload(row) for row in self._read(f"{SELECT} WHERE ended = 0", ())]

    def add_dossier_file(self, consultation: str, sha256: str) -> None:
        """Remember that a file was uploaded for the dossier of this consultation."""
        self._write("INSERT OR IGNORE INTO dossier_files VALUES (?, ?)", (consultation, sha256))

    def is_dossier_file(self, consultation: str, sha256: str) -> bool:
        """Say whether a file was uploaded for the dossier of this consultation."""
        found = self._read(
            "SELECT 1 FROM dossier_files WHERE consultation = ? AND sha256 = ?",
            (consultation, sha256),
        )
        return bool(found)

    def set_damaged(self, found: Mapping[str, str]) -> None:
        """Remember which blobs of sealed deposits are missing or altered, with its code."""
        known = self.damaged()
        for blob in known.keys() - found.keys():
            self._write("DELETE FROM damaged WHERE blob = ?", (blob,))
        for blob, code in sorted(found.items() - known.items()):
            self._write("INSERT OR REPLACE INTO damaged VALUES (?, ?)", (blob, code))

    def damaged(self) -> dict[str, str]:
        """Return the blobs that were last found missing or altered, each with its code."""
        rows = self._read("SELECT blob, code FROM damaged", ())
        return {str(blob): str(code) for blob, code in rows}

    def is_damaged(self, deposit: str) -> bool:
        """Say whether bytes of this deposit were last found missing or altered."""
        found = self._read(
            "SELECT 1 FROM damaged WHERE blob IN (SELECT head FROM uploads WHERE deposit = ? "
            "UNION ALL SELECT blob FROM parts JOIN uploads USING (transmission) "
            "WHERE deposit = ?) LIMIT 1",
            (deposit, deposit),
        )
        return bool(found)

    def sealed(self) -> list[tuple[str, str, str]]:
        """Return consultation, deposit and blob of each blob of whatever has come whole."""
        rows = self._read(
            "SELECT consultation, deposit, head FROM uploads WHERE ended = 1 AND head IS NOT NULL "
            "AND deposit IS NOT NULL UNION SELECT consultation, deposit, blob FROM parts "
            "JOIN uploads USING (transmission) WHERE ended = 1 AND deposit IS NOT NULL",
            (),
        )
        return [(str(row[0]), str(row[1]), str(row[2])) for row in rows]

    def parts(self, transmission: str) -> list[Part]:
        """Return the durable chunks by index."""
        rows = self._read(
            "SELECT chunk, leaf, blob, size FROM parts WHERE transmission = ? ORDER BY chunk",
            (transmission,),
        )
        return [Part(int(str(r[0])), str(r[1]), str(r[2]), int(str(r[3]))) for r in rows]

    def progress(self, transmission: str) -> Progress:
        """Return how many chunks are durable, how many bytes, and the highest index."""
        rows = self._read(
            "SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(MAX(chunk), -1) FROM parts "
            "WHERE transmission = ?",
            (transmission,),
        )
        return Progress(*(int(value) for value in rows[0]))

    def part(self, transmission: str, index: int) -> Part | None:
        """Return one durable chunk."""
        rows = self._read(
            "SELECT chunk, leaf, blob, size FROM parts WHERE transmission = ? AND chunk = ?",
            (transmission, index),
        )
        return next((Part(int(r[0]), str(r[1]), str(r[2]), int(r[3])) for r in rows), None)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _one(self, where: str, *values: str) -> Upload | None:
        rows = self._read(f"{SELECT} WHERE {where}", values)
        return _upload(rows[0]) if rows else None

    def _read(self, query: str, values: tuple[object, ...]) -> list[tuple[int | str, ...]]:
        return self._file.rows(query, values)

    def _write(self, statement: str, values: tuple[object, ...], *, durable: bool = True) -> None:
        self._file.write((statement, values), durable=durable)


OWNED = "owner = ? AND owner <> ''"
"""An erasure leaves rows without an owner: they are nobody's, whoever asks in nobody's name."""
SELECT = (
    "SELECT transmission, consultation, owner, deposit, commitment, head, head_size, body, chunks, "
    "refused, ended FROM uploads"
)


def missing(parts: Sequence[Part], chunks: int) -> list[tuple[int, int]]:
    """Return the ranges of chunks that are not here yet, both ends included."""
    gaps: list[tuple[int, int]] = []
    expected = 0
    for index in [*sorted(part.index for part in parts), chunks]:
        if index > expected:
            gaps.append((expected, index - 1))
        expected = index + 1
    return gaps


def _upload(row: tuple[int | str | None, ...]) -> Upload:
    t, consultation, owner, deposit, commitment, head, head_size, body, chunks, refused, ended = row
    return Upload(
        transmission=str(t),
        consultation=str(consultation),
        owner=str(owner),
        deposit=None if deposit is None else str(deposit),
        commitment=None if commitment is None else str(commitment),
        head=None if head is None else str(head),
        head_size=int(head_size or 0),
        body=int(body or 0),
        chunks=int(chunks or 0),
        refused=int(refused or 0),
        ended=bool(ended),
    )

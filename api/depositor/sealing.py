"""`pli seal`: documents on this disk become one envelope, without any network (`envelope.md` §7).

Nothing is overwritten, and the envelope appears under its name only after every chunk of it was
decrypted again. The key K is forgotten when sealing ends: not even this machine opens the envelope.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Protocol

from api.depositor.errors import (
    DocumentUnreadable,
    OutputExists,
    SealRefused,
    TooLarge,
    TooManyFiles,
)
from api.depositor.kit import Kit
from crypto.canonical import Json
from crypto.errors import NameRefused
from crypto.label import CANARY_KINDS, INTENTS
from crypto.package import NO_PADDING, PADME, Document, Manifest, PackageReader, make_manifest
from crypto.pli1 import Frame
from crypto.sealing import Documents, Draw, Plan, Sealer
from crypto.self_test import self_test

KINDS = ("APPLICATION", "OFFER", "BOTH", "FINAL_OFFER", "BACKUP", "REHEARSAL")
CHUNK = 1_048_576
LOOK_INSIDE = 64 * CHUNK
Warn = Callable[[str, str], None]
"""Told the name of a document and what about it looks wrong; nothing is refused for it."""


class Random(Protocol):
    """Random bytes of the system."""

    def bytes(self, count: int) -> bytes:
        """Return this many random bytes."""


@dataclass(frozen=True)
class Wish:
    """What the envelope is for."""

    kind: str
    lots: tuple[str, ...]
    intent: str = "INITIAL"
    target: str | None = None
    round: int = 1


@dataclass(frozen=True)
class Piece:
    """One document: the name inside the envelope, and where it lies."""

    name: str
    path: Path


@dataclass(frozen=True)
class SealedFile:
    """A sealed envelope on this disk and what belongs to it."""

    path: Path
    pieces: Path
    record: Path
    deposit: str
    commitment: str
    bytes: int
    documents: int


def pieces_of(paths: Sequence[Path]) -> list[Piece]:
    """Return the documents of files and folders, names in NFC; a folder keeps its inner paths."""
    found = []
    for path in paths:
        inside = (
            sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        )
        for one in inside:
            name = one.relative_to(path.parent).as_posix() if path.is_dir() else one.name
            found.append(Piece(unicodedata.normalize("NFC", name), one))
    return found


def seal(  # noqa: PLR0913, PLR0917 - the facts of one envelope
    kit: Kit, wish: Wish, pieces: Sequence[Piece], out: Path, random: Random, warn: Warn
) -> SealedFile:
    """Seal the documents into a new file `out`, its pieces and deposit record beside it."""
    self_test()
    check_wish(kit, wish)
    _check_count(kit, pieces)
    deposit = random.bytes(16).hex()
    made = SealedFile(
        path=out,
        pieces=out.with_name(f"{deposit}.pieces.json"),
        record=record_path(out),
        deposit=deposit,
        commitment="",
        bytes=0,
        documents=len(pieces),
    )
    for path in (made.path, made.record):
        if path.exists():
            raise OutputExists(str(path))
    manifest = _manifest(kit, pieces, random, warn)
    keyset = kit.canary if wish.kind in CANARY_KINDS else kit.keyset
    documents = Documents(len(manifest.documents), manifest.root)
    label = _label(kit, wish, deposit, keyset.digest.hex())
    sealer = Sealer(keyset, label, Draw.of(random.bytes(Draw.SIZE)), documents)
    temporary = out.with_name(out.name + ".part")
    try:
        plan = _write(sealer, manifest, pieces, temporary, kit)
        made = replace(made, commitment=plan.commitment.hex(), bytes=plan.file_size)
        _store(made.pieces, manifest.encoded)
        _store(made.record, _record(kit, wish, made))
        _give_name(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    return made


def record_path(envelope: Path) -> Path:
    """Return where the deposit record of an envelope lies."""
    return envelope.with_name(f"{envelope.stem}.deposit.json")


def check_wish(kit: Kit, wish: Wish) -> None:
    """Refuse what the consultation's own publication excludes, before any work."""
    if kit.bidder is None:
        raise SealRefused("the kit names no bidder: take it again with the company's token")
    if wish.kind not in KINDS:
        raise SealRefused(f"kind {wish.kind} is none of {', '.join(KINDS)}")
    if wish.intent not in INTENTS or (wish.intent == "INITIAL") != (wish.target is None):
        raise SealRefused("REPLACE and COMPLEMENT need --target, INITIAL has none")
    if wish.kind == "BACKUP" and (not kit.backup_electronic or wish.intent != "INITIAL"):
        raise SealRefused("this consultation takes no electronic backup copy, or it is no INITIAL")
    unknown = [lot for lot in wish.lots if lot not in kit.lots]
    if unknown or not wish.lots:
        raise SealRefused(f"lots {', '.join(unknown) or 'none'}; there are {', '.join(kit.lots)}")
    if len(wish.lots) > 1 and wish.kind != "APPLICATION":
        raise SealRefused("one envelope per lot; only an application may be for several")


def _check_count(kit: Kit, pieces: Sequence[Piece]) -> None:
    if not pieces:
        raise SealRefused("an envelope holds at least one document")
    if len(pieces) > kit.limits.max_files:
        raise TooManyFiles(kit.limits.max_files, len(pieces))
    seen: set[str] = set()
    for piece in pieces:
        if piece.name in seen:
            raise NameRefused(piece.name, "two documents have it")
        seen.add(piece.name)


def _manifest(kit: Kit, pieces: Sequence[Piece], random: Random, warn: Warn) -> Manifest:
    documents = []
    for piece in pieces:
        with _opened(piece) as file:
            size, digest = _hashed(file)
        if size > kit.limits.max_file:
            raise TooLarge("max_file", kit.limits.max_file, size)
        _look(kit, piece, warn)
        documents.append(Document(piece.name, random.bytes(16), digest, size))
    manifest = make_manifest(documents, PADME if kit.limits.padding == "PADME" else NO_PADDING)
    frame = Frame.of_plaintext(manifest.size)
    if frame.body > kit.limits.max_total:
        raise TooLarge("max_total", kit.limits.max_total, frame.body)
    return manifest


def _label(kit: Kit, wish: Wish, deposit: str, keyset: str) -> dict[str, Json]:
    if kit.bidder is None:
        raise SealRefused("the kit names no bidder")
    label: dict[str, Json] = {
        "bidder": kit.bidder.tag,
        "consultation": kit.consultation,
        "deposit": deposit,
        "dossier": kit.dossier_root,
        "intent": wish.intent,
        "keyset": keyset,
        "kind": wish.kind,
        "lots": sorted(set(wish.lots)),
        "not_before": kit.not_before,
        "round": wish.round,
        "v": 1,
    }
    if wish.target is not None:
        label["target"] = wish.target
    return label


def _write(
    sealer: Sealer, manifest: Manifest, pieces: Sequence[Piece], temporary: Path, kit: Kit
) -> Plan:
    """Write the envelope, then check every chunk of it by decrypting it."""
    with temporary.open("w+b") as file:
        plan = sealer.plan(PackageReader(manifest, _contents(pieces)), file, threads=2)
        if plan.file_size > kit.limits.max_total:
            raise TooLarge("max_total", kit.limits.max_total, plan.file_size)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        sealer.check(file, plan)
    return plan


def _give_name(temporary: Path, out: Path) -> None:
    """Give the finished file its name; a file that came there meanwhile is never replaced."""
    try:
        os.link(temporary, out)
    except FileExistsError as error:
        raise OutputExists(str(out)) from error
    except OSError:  # a file system without links
        if out.exists():
            raise OutputExists(str(out)) from None
        temporary.rename(out)
    _sync(out.parent)


def _record(kit: Kit, wish: Wish, made: SealedFile) -> bytes:
    record: dict[str, object] = {
        "bytes": made.bytes,
        "commitment": made.commitment,
        "deposit": made.deposit,
        "documents_count": made.documents,
        "intent": wish.intent,
        "kind": wish.kind,
        "kit": kit.public(),
        "lots": sorted(set(wish.lots)),
        "pieces": made.pieces.name,
        "round": wish.round,
        "v": 1,
    }
    if wish.target is not None:
        record["target"] = wish.target
    return json.dumps(record, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def _contents(pieces: Iterable[Piece]) -> Iterator[FileIO]:
    """Open each document when its turn comes, one at a time."""
    for piece in pieces:
        with _opened(piece) as file:
            yield file


def _opened(piece: Piece) -> FileIO:
    try:
        return piece.path.open("rb", buffering=0)
    except OSError as error:
        raise DocumentUnreadable(piece.name, error.strerror or str(error)) from error


def _hashed(file: FileIO) -> tuple[int, bytes]:
    state, size = hashlib.sha256(), 0
    buffer = memoryview(bytearray(CHUNK))
    while count := file.readinto(buffer):
        state.update(buffer[:count])
        size += count
    return size, state.digest()


def _look(kit: Kit, piece: Piece, warn: Warn) -> None:
    """Warn about what the buyer may not be able to read; a bid is never refused for it."""
    suffix = piece.path.suffix.lower().removeprefix(".")
    allowed = {one.lower().removeprefix(".") for one in kit.limits.formats}
    if allowed and suffix not in allowed:
        warn(piece.name, f"format .{suffix} : {', '.join(sorted(allowed))}")
    if suffix in {"zip", "docx", "xlsx", "odt", "ods"}:
        _look_in_zip(piece, warn)
    elif suffix == "pdf":
        with _opened(piece) as file:
            start = file.read(1024)
            file.seek(max(0, file.seek(0, os.SEEK_END) - 2048))
            if b"%PDF-" not in start or b"%%EOF" not in file.read():
                warn(piece.name, "PDF")


def _look_in_zip(piece: Piece, warn: Warn) -> None:
    try:
        with zipfile.ZipFile(piece.path) as archive:
            if any(member.flag_bits & 1 for member in archive.infolist()):
                warn(piece.name, "ZIP (mot de passe / password)")
            elif piece.path.stat().st_size <= LOOK_INSIDE and archive.testzip() is not None:
                warn(piece.name, "ZIP")
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        warn(piece.name, "ZIP")


def _store(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Files of a dossier: uploaded for one consultation, listed in its versions, downloaded by anybody.

A hash alone is no right to a file: it would fetch one of somebody else's draft.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api import views
from api.adapters.vault import Incoming
from api.errors import Absent, DossierInfected, NotUploaded
from api.journal import say
from api.platform import Platform
from domain.commands.download_dossier import DownloadDossier, download_dossier
from domain.dossier import Dossier
from domain.events.dossier import FileRow
from domain.ports import Principal
from domain.scanning import ScanVerdict


@dataclass(frozen=True)
class DossierFile:
    """One file of a dossier version."""

    version: int
    sha256: str
    size: int
    parts: Iterator[bytes]


def file_of(platform: Platform, consultation: str, name: str) -> DossierFile:
    """Return one file of the dossier in force."""
    shown = views.dossier(platform, consultation)
    rows = shown["files"] if isinstance(shown["files"], list) else []
    row = next((row for row in rows if row["name"] == name), None)
    stored = platform.vault.blob(str(row["sha256"])) if row else None
    if row is None or stored is None:
        raise Absent
    version = shown["version"] if isinstance(shown["version"], int) else 0
    return DossierFile(version, str(row["sha256"]), int(row["size"]), stored.parts())


def screen(platform: Platform, place: Incoming) -> None:
    """Return quietly unless the scanner finds malware in what came; raise DossierInfected.

    As at openings, no scanner and a silent one hold nothing up: a correction may be urgent.
    """
    scan = platform.desk.scanner.scan(place.parts(), place.size)
    if scan.verdict == ScanVerdict.MALWARE:
        say("malware.refused", engine=scan.engine, signature=scan.signature)
        raise DossierInfected("malware", engine=scan.engine, signature=scan.signature)


def rows_of(
    platform: Platform, consultation: str, files: Sequence[tuple[str, str]]
) -> tuple[FileRow, ...]:
    """Return rows for files (name, hash) which came for this very consultation."""
    held = platform.desk.files.find(Dossier, f"dossier/{consultation}")
    known = {row.sha256 for row in held.files} if held else set()
    rows = []
    for name, sha256 in files:
        mine = sha256 in known or platform.uploads.is_dossier_file(consultation, sha256)
        stored = platform.vault.blob(sha256) if mine else None
        if stored is None:
            raise NotUploaded("a file was not uploaded", name=name, sha256=sha256)
        rows.append(FileRow(name, sha256, stored.size))
    return tuple(rows)


def record_download(platform: Platform, file: DownloadDossier, principal: Principal | None) -> None:
    """Record a download. What a buyer reads of its own draft is none: nothing is published."""
    if platform.index.is_published(file.consultation):
        act = platform.own_act(platform.desk.rng.bytes(16).hex(), file.consultation)
        if principal is not None:
            act = platform.act_of(act.command_id, principal, file.consultation)
        platform.act(download_dossier, act, file)

"""Events of a dossier, the documents of a consultation (domain.md §4.4)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.aggregate import Event


@dataclass(frozen=True)
class FileRow:
    """One file of the dossier."""

    name: str
    sha256: str
    size: int


class DossierFilesListed(Event, kind="DossierFilesListed"):
    """One part, of at most 200 rows, of the files of a version."""

    version: int
    part: int
    files: list[FileRow]


class DossierVersionFrozen(Event, kind="DossierVersionFrozen"):
    """A version of the dossier is complete; ``root`` is the RFC 6962 tree over all its rows."""

    version: int
    parts: int
    count: int
    root: str


class DossierDownloaded(Event, kind="DossierDownloaded"):
    """Somebody took files; nobody has to say who they are."""

    version: int
    files: list[str]
    operator: str | None = None

"""Dossiers (DCE): every frozen version and its files, free for everybody once published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from projections.changes import Change, Put, folded
from projections.facts import Fact
from projections.reading import Reader, instant
from projections.tables import consultations, dossier_files, dossier_versions


@dataclass(frozen=True)
class DossierFile:
    """One file of a version."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Version:
    """One frozen version; ``root`` is the RFC 6962 tree over its rows."""

    version: int
    root: str
    frozen_at: datetime
    files: tuple[DossierFile, ...]


def _listed(fact: Fact) -> Iterator[Change]:
    for place, row in enumerate(fact.rows("files")):
        yield Put(
            dossier_files,
            {
                "consultation": fact.name,
                "version": fact.number("version"),
                "part": fact.number("part"),
                "place": place,
                "name": str(row["name"]),
                "size": int(str(row["size"])),
                "sha256": str(row["sha256"]),
            },
        )


def _frozen(fact: Fact) -> Iterator[Change]:
    yield Put(
        dossier_versions,
        {
            "consultation": fact.name,
            "version": fact.number("version"),
            "files": fact.number("count"),
            "root": fact.text("root"),
            "frozen_at": fact.at,
        },
    )


fold = folded({"DossierFilesListed": _listed, "DossierVersionFrozen": _frozen})


class Dossiers:
    """Reads the versions of published consultations."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def versions(self, consultation: str) -> tuple[Version, ...]:
        """Return every frozen version, newest first; nothing before the publication."""
        asked = (
            select(dossier_versions)
            .join(consultations, consultations.c.consultation == dossier_versions.c.consultation)
            .where(
                dossier_versions.c.consultation == consultation,
                consultations.c.published_at.is_not(None),
            )
            .order_by(dossier_versions.c.version.desc())
        )
        rows = (
            select(dossier_files)
            .where(dossier_files.c.consultation == consultation)
            .order_by(dossier_files.c.part, dossier_files.c.place)
        )
        with self._reader.connect() as connection:
            versions = list(connection.execute(asked).mappings())
            files = list(connection.execute(rows).mappings())
        return tuple(
            Version(
                row["version"],
                row["root"],
                instant(row["frozen_at"]),
                tuple(
                    DossierFile(file["name"], file["size"], file["sha256"])
                    for file in files
                    if file["version"] == row["version"]
                ),
            )
            for row in versions
        )

    def latest(self, consultation: str) -> Version | None:
        """Return the version in force, None where nothing is published."""
        return next(iter(self.versions(consultation)), None)

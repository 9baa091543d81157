"""The dossier of a consultation, version by version (domain.md §4.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crypto.merkle import leaf_hash, root
from crypto.names import MAX_LENGTH, check_name
from domain.aggregate import Aggregate, Meta, folds
from domain.errors import BadForm
from domain.events.dossier import (
    DossierDownloaded,
    DossierFilesListed,
    DossierVersionFrozen,
    FileRow,
)
from domain.identifiers import HEX64, check, check_text
from domain.plain import canonical

PART_ROWS = 200
PART_BYTES = 48_000


class Dossier(Aggregate):
    """Frozen versions of the documents that companies answer to."""

    TOPIC = "Dossier"
    PREFIX = "dossier"
    EVENTS = (DossierFilesListed, DossierVersionFrozen, DossierDownloaded)

    def begin(self) -> None:
        """Start without a version."""
        super().begin()
        self.roots: tuple[str, ...] = ()
        self.files: tuple[FileRow, ...] = ()
        self.listed: tuple[FileRow, ...] = ()

    @folds(DossierFilesListed)
    def _listed(self, event: DossierFilesListed) -> None:
        self.listed = (*self.listed, *event.files)

    @folds(DossierVersionFrozen)
    def _frozen(self, event: DossierVersionFrozen) -> None:
        self.roots = (*self.roots, event.root)
        self.files, self.listed = self.listed, ()

    def freeze(self, meta: Meta, files: Sequence[FileRow]) -> str:
        """Append the next version and return its root."""
        check_files(files)
        version = len(self.roots) + 1
        parts = list(in_parts(files))
        for number, part in enumerate(parts, 1):
            self.append(
                DossierFilesListed(**self.stamp(meta), version=version, part=number, files=part)
            )
        sealed = root([leaf_hash(canonical(row)) for row in files]).hex()
        self.append(
            DossierVersionFrozen(
                **self.stamp(meta),
                version=version,
                parts=len(parts),
                count=len(files),
                root=sealed,
            )
        )
        return sealed

    def changed_files(self, files: Sequence[FileRow]) -> list[str]:
        """Return the names which a new version adds, removes or changes."""
        return sorted({row.name for row in {*self.files} ^ {*files}})


def check_file_name(name: str) -> str:
    """Return the name if it stays in its folder, deceives nobody, and can be recorded as it is."""
    return check_text("files.name", check_name(name), MAX_LENGTH)


def check_files(files: Sequence[FileRow]) -> None:
    """Return quietly if the rows have lawful forms and different names."""
    for row in files:
        check_file_name(row.name)
        check(HEX64, "files.sha256", row.sha256)
        if row.size < 0:
            raise BadForm("files.size", "not negative")
    if not files or len({row.name for row in files}) < len(files):
        raise BadForm("files", "at least one, each name once")


def in_parts(files: Sequence[FileRow]) -> Iterator[list[FileRow]]:
    """Cut rows into parts of at most 200, fewer where names are long."""
    part: list[FileRow] = []
    room = PART_BYTES
    for row in files:
        size = len(canonical(row)) + 1
        if len(part) == PART_ROWS or size > room:
            yield part
            part, room = [], PART_BYTES
        part.append(row)
        room -= size
    yield part

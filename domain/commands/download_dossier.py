"""Record a download of the dossier: free, anonymous, complete (domain.md §4.4)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class DownloadDossier:
    """Record that somebody took files; nobody has to say who they are."""

    consultation: str
    version: int
    files: tuple[str, ...]
    operator: str | None = None


def download_dossier(desk: Desk, act: Act, command: DownloadDossier) -> Recorded:
    """Append DossierDownloaded."""
    raise NotImplementedError

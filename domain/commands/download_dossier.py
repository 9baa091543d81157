"""Record a download of the dossier: free, anonymous, complete (domain.md §4.4)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.commands.loading import found, public_consultation
from domain.dossier import Dossier
from domain.errors import NotFound
from domain.events.dossier import DossierDownloaded
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
    if earlier := desk.earlier(act, command):
        return earlier
    consultation = public_consultation(desk, command.consultation)
    dossier = found(desk, Dossier, command.consultation)
    if not 1 <= command.version <= len(dossier.roots):
        raise NotFound("dossier version", str(command.version))
    meta = desk.meta(act, desk.reading(dossier), consultation.tenant)
    dossier.append(
        DossierDownloaded(
            **dossier.stamp(meta),
            version=command.version,
            files=list(command.files),
            operator=command.operator,
        )
    )
    return desk.save(act, command, [dossier])

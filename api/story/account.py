"""The account of a finished story: counts for machines, a table of proofs for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "story.json"
ROWS = (
    ("consultations", "consultations réelles publiées, dossier complet, clé 2 sur 3"),
    ("deposits", "plis chiffrés reçus, chacun avec un reçu signé"),
    ("refused_openings", "ouvertures demandées avant l'heure : refusées et inscrites"),
    ("refused_too_large", "envoi trop gros : refusé avant le premier octet, limite publiée citée"),
    ("resumed", "envoi coupé au milieu d'un bloc, repris là où il s'était arrêté"),
    ("withdrawn", "pli retiré avant l'heure : resté fermé"),
    ("superseded", "pli remplacé : resté fermé"),
    ("late", "pli arrivé après l'heure : gardé fermé"),
    ("opened", "plis ouverts, plan calculé, deux gardiens sur trois"),
    ("unopenable", "plis illisibles, faute attribuée par preuve"),
    ("receipts_verified", "reçus et attestations vérifiés par le vérificateur autonome"),
    ("entries", "écritures sous le dernier point de contrôle publié"),
    ("fsck", "registre recalculé octet par octet"),
    ("projections_equal", "vues reconstruites depuis zéro, comparées octet par octet"),
)


def kept(home: Path) -> dict[str, Any] | None:
    """Return the account of a finished story of this home, None if there is none."""
    path = home / FILE
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def keep(home: Path, told: Mapping[str, Any]) -> None:
    """Keep the account: written aside, then renamed, so that half a story is never kept."""
    beside = home / f"{FILE}.part"
    beside.write_text(json.dumps(told, ensure_ascii=False, sort_keys=True, indent=1), "utf-8")
    beside.replace(home / FILE)


def table(told: Mapping[str, Any]) -> str:
    """Return the account as a table: what each act proved, and the assurance level in words."""
    lines = ["", "Ce que l'histoire a prouvé", ""]
    for name, text in ROWS:
        lines.append(f"  {_shown(told.get(name, '-')):>8}  {text}")
    lines += [
        "",
        f"  racine    {told['root']}",
        f"  niveau    {told['level']} : protège du vol de la base, pas de l'exploitant "
        "(trois gardiens locaux d'une même organisation)",
        f"  durée     {told['seconds']} s, dont l'attente réelle de la date limite",
        "",
        "  Les contrats sont réels et publiés ; leurs procédures sont jouées comme procédures",
        "  adaptées, avec le montant publié pour estimation, et les dépôts sont mis en scène.",
        "",
    ]
    return "\n".join(lines)


def _shown(value: object) -> str:
    """Return a count, or yes and no in words; a count of one is no yes."""
    if isinstance(value, bool):
        return "oui" if value else "NON"
    return str(value)

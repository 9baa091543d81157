"""One consultation as everybody reads it before a deposit, with its deadline in force.

The deadline is a projection of all extensions (rule T3): what an extension says can never be
ignored. Nothing here knows of deposits (rule N11).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, Select, func, select

from projections.reading import Reader, instant, instant_text
from projections.tables import buyers, consultations, corrections, lots, openings

WHOLE = "0"
"""The single lot of a consultation without lots (domain.md §0)."""


class Phase(StrEnum):
    """Where a consultation stands, in the words of a reader."""

    OPEN = "OPEN"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"
    OPENED = "OPENED"
    ENDED = "ENDED"


@dataclass(frozen=True)
class Limits:
    """The published technical limits in force; no other source exists (rule N17)."""

    max_file: int
    max_total: int
    max_files: int
    formats: tuple[str, ...]
    lead_time_min: int
    reference_rate: int
    padding: str


@dataclass(frozen=True)
class Lot:
    """One lot; ``state`` follows its opening session."""

    lot: str
    title: str
    estimated_cents: int | None


@dataclass(frozen=True)
class Criterion:
    """One award criterion, its weight in basis points."""

    name: str
    weight_bp: int


@dataclass(frozen=True)
class Correction:
    """A correction after publication: extension, limits, dossier, suspension."""

    kind: str
    at: datetime
    old_at: datetime | None
    new_at: datetime | None
    reason: str
    importance: str


@dataclass(frozen=True)
class Summary:
    """One line of the list."""

    consultation: str
    buyer: str
    buyer_name: str
    reference: str
    object: str
    nature: str
    procedure: str
    place: str
    cpv: str
    phase: Phase
    published_at: datetime
    deadline_at: datetime
    zone: str | None


@dataclass(frozen=True)
class Consultation:
    """One published consultation, with everything a company needs before it deposits."""

    summary: Summary
    technique: str
    estimated_cents: int | None
    deadline_local: str | None
    questions_until_at: datetime | None
    opening_not_before_at: datetime | None
    cool_down_s: int
    validity_days: int | None
    limits: Limits
    criteria: tuple[Criterion, ...]
    price_formula: str | None
    complements: str | None
    backup_electronic: bool
    mode: str | None
    key_fingerprint: str
    dossier_root: str
    reached_at: datetime | None
    lots: tuple[Lot, ...]
    corrections: tuple[Correction, ...]


class Consultations:
    """Reads one published consultation for everybody."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def read(self, consultation: str, now: datetime) -> Consultation | None:
        """Return a published consultation, None where there is none of that name."""
        asked = published_rows().where(consultations.c.consultation == consultation)
        with self._reader.connect() as connection:
            row = connection.execute(asked).mappings().first()
            return None if row is None else _detail(connection, row, instant_text(now))


class Drafts:
    """Reads what is not published, for one buyer (N14)."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def of(self, tenant: str) -> list[str]:
        """Return the names of a buyer's own unpublished consultations."""
        asked = select(consultations.c.consultation).where(
            consultations.c.tenant == tenant, consultations.c.published_at.is_(None)
        )
        with self._reader.connect() as connection:
            return sorted(str(name) for (name,) in connection.execute(asked))


def published_rows() -> Select[tuple[object, ...]]:
    """Return the question whose rows ``summary_of`` reads: published consultations only."""
    opened = (
        select(func.count())
        .where(
            openings.c.consultation == consultations.c.consultation,
            openings.c.completed_at.is_not(None),
        )
        .scalar_subquery()
    )
    joined = consultations.outerjoin(buyers, buyers.c.siret == consultations.c.tenant)
    columns = select(consultations, buyers.c.name.label("buyer_name"), opened.label("opened"))
    return columns.select_from(joined).where(consultations.c.published_at.is_not(None))


def phase_of(row: RowMapping, moment: str) -> Phase:
    """Return the phase of a row; a past deadline closes at once, whatever is recorded yet."""
    state = str(row["state"])
    if state == "PUBLISHED":
        return Phase.OPEN if str(row["deadline_at"]) >= moment else Phase.CLOSED
    if state == "CLOSED":
        return Phase.OPENED if row["opened"] else Phase.CLOSED
    return Phase(state)


def summary_of(row: RowMapping, moment: str) -> Summary:
    """Return one line of a list from a row of ``published_rows``."""
    return Summary(
        consultation=row["consultation"],
        buyer=row["tenant"],
        buyer_name=row["buyer_name"] or row["tenant"],
        reference=row["reference"],
        object=row["object"],
        nature=row["nature"],
        procedure=row["procedure"],
        place=row["place"],
        cpv=row["cpv"],
        phase=phase_of(row, moment),
        published_at=instant(row["published_at"]),
        deadline_at=instant(row["deadline_at"]),
        zone=row["zone"],
    )


def _detail(connection: Connection, row: RowMapping, moment: str) -> Consultation:
    summary = summary_of(row, moment)
    limits = json.loads(row["limits"])
    return Consultation(
        summary=summary,
        technique=row["technique"],
        estimated_cents=row["estimated_cents"],
        deadline_local=row["deadline_local"],
        questions_until_at=_maybe(row["questions_until_at"]),
        opening_not_before_at=_maybe(row["opening_not_before_at"]),
        cool_down_s=row["cool_down_s"] or 0,
        validity_days=row["validity_days"],
        limits=Limits(**{**limits, "formats": tuple(limits["formats"])}),
        criteria=tuple(Criterion(**item) for item in json.loads(row["criteria"] or "[]")),
        price_formula=row["price_formula"],
        complements=row["complements"],
        backup_electronic=bool(row["backup_electronic"]),
        mode=row["mode"],
        key_fingerprint=row["key_fingerprint"],
        dossier_root=row["dossier_root"],
        reached_at=_maybe(row["reached_at"]),
        lots=_lots(connection, summary),
        corrections=_corrections(connection, summary.consultation),
    )


def _lots(connection: Connection, summary: Summary) -> tuple[Lot, ...]:
    asked = select(lots).where(lots.c.consultation == summary.consultation).order_by(lots.c.place)
    found = [
        Lot(row["lot"], row["title"], row["estimated_cents"])
        for row in connection.execute(asked).mappings()
    ]
    return tuple(found) or (Lot(WHOLE, summary.object, None),)


def _corrections(connection: Connection, consultation: str) -> tuple[Correction, ...]:
    asked = select(corrections).where(corrections.c.consultation == consultation)
    made = []
    for row in connection.execute(asked.order_by(corrections.c.version)).mappings():
        detail = json.loads(row["detail"])
        made.append(
            Correction(
                kind=row["kind"],
                at=instant(row["at"]),
                old_at=_maybe(detail.get("old_at")),
                new_at=_maybe(detail.get("new_at") or detail.get("new_deadline_at")),
                reason=str(detail.get("reason", "")),
                importance=str(detail.get("importance", "")),
            )
        )
    return tuple(made)


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else instant(text)

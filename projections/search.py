"""The list of consultations: words without accents, filters, keyset pages (never offsets)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from projections.consultations import Phase, Summary, published_rows, summary_of
from projections.reading import Page, Reader, instant_text, page_of, plain, token_of
from projections.tables import buyers, consultations, lots, openings


@dataclass(frozen=True)
class Filter:
    """What a reader asks of the list; an empty field asks nothing."""

    words: str = ""
    phase: Phase | None = None
    nature: str = ""
    buyer: str = ""


class Search:
    """Lists published consultations for everybody."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def find(
        self, asked: Filter, now: datetime, after: str | None = None, limit: int = 20
    ) -> Page[Summary]:
        """Return one page of published consultations; ``now`` decides which are still open."""
        moment = instant_text(now)
        soonest = asked.phase is Phase.OPEN
        newest = asked.phase is None
        key = consultations.c.published_at if newest else consultations.c.deadline_at
        found = published_rows().where(*_conditions(asked, moment))
        found = _after(found, key, token_of(after), ascending=soonest)
        order = (key, consultations.c.consultation)
        found = found.order_by(*(order if soonest else (column.desc() for column in order)))
        with self._reader.connect() as connection:
            rows = list(connection.execute(found.limit(limit + 1)).mappings())
        return page_of(
            [summary_of(row, moment) for row in rows],
            [(str(row[key.name]), str(row["consultation"])) for row in rows],
            limit,
        )

    def buyers(self) -> list[tuple[str, str]]:
        """Return (siret, name) of every buyer that has published something, by name."""
        asked = (
            select(consultations.c.tenant, func.coalesce(buyers.c.name, consultations.c.tenant))
            .outerjoin(buyers, buyers.c.siret == consultations.c.tenant)
            .where(consultations.c.published_at.is_not(None))
            .distinct()
        )
        with self._reader.connect() as connection:
            found = [(str(siret), str(name)) for siret, name in connection.execute(asked)]
        return sorted(found, key=lambda pair: (plain(pair[1]), pair[0]))


def _conditions(asked: Filter, moment: str) -> Iterator[ColumnElement[bool]]:
    for word in plain(asked.words).split():
        like = f"%{word.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        in_lots = (
            select(lots.c.lot)
            .where(
                lots.c.consultation == consultations.c.consultation,
                lots.c.search.like(like, escape="!"),
            )
            .exists()
        )
        yield or_(
            consultations.c.search.like(like, escape="!"),
            buyers.c.search.like(like, escape="!"),
            in_lots,
        )
    if asked.nature:
        yield consultations.c.nature == asked.nature
    if asked.buyer:
        yield consultations.c.tenant == asked.buyer
    if asked.phase is not None:
        yield _in_phase(asked.phase, moment)


def _in_phase(phase: Phase, moment: str) -> ColumnElement[bool]:
    completed = (
        select(openings.c.lot)
        .where(
            openings.c.consultation == consultations.c.consultation,
            openings.c.completed_at.is_not(None),
        )
        .exists()
    )
    running = and_(consultations.c.state == "PUBLISHED", consultations.c.deadline_at >= moment)
    past = and_(consultations.c.state == "PUBLISHED", consultations.c.deadline_at < moment)
    return {
        Phase.OPEN: running,
        Phase.SUSPENDED: consultations.c.state == "SUSPENDED",
        Phase.CLOSED: or_(past, and_(consultations.c.state == "CLOSED", ~completed)),
        Phase.OPENED: and_(consultations.c.state == "CLOSED", completed),
        Phase.ENDED: consultations.c.state == "ENDED",
    }[phase]


def _after(
    found: Select[tuple[object, ...]],
    key: ColumnElement[str],
    token: tuple[str, str] | None,
    *,
    ascending: bool,
) -> Select[tuple[object, ...]]:
    if token is None:
        return found
    value, name = token
    further = key > value if ascending else key < value
    beyond = consultations.c.consultation
    same = and_(key == value, beyond > name if ascending else beyond < name)
    return found.where(or_(further, same))

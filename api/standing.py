"""Where a person or a bidder stands in the ledger, and how far those procedures have come.

Read from the entries themselves, whatever their kind: a commitment or a tag is 64 hexadecimal
digits that stand nowhere by chance.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from domain.erasure import Involvement
from domain.identifiers import NO_LOT

if TYPE_CHECKING:
    from projections.facts import LedgerRow

MARK = re.compile(rb"[0-9a-f]{64}")
STEP = 1_000
WHOLE = frozenset({"consultation", "dossier", "questions", "custody", "register"})
OF_A_LOT = frozenset({"opening", "evaluation", "award"})


class Log(Protocol):
    """What only reads the ledger."""

    def read(self, after: int, limit: int) -> Sequence[LedgerRow]:
        """Return rows after a position, in order."""


@dataclass(frozen=True)
class Place:
    """One entry that names somebody."""

    position: int
    stream: str
    version: int
    kind: str
    at: str
    fields: tuple[str, ...]
    consultation: str | None
    marks: frozenset[str]

    def shown(self) -> dict[str, object]:
        """Return what is told of it."""
        return {
            "position": self.position,
            "stream": self.stream,
            "version": self.version,
            "kind": self.kind,
            "at": self.at,
            "fields": list(self.fields),
        }


@dataclass
class Procedure:
    """The facts of one consultation that say how long its file is kept."""

    published: bool = False
    lots: set[str] = field(default_factory=set)
    ended: dict[str, date] = field(default_factory=dict)
    signed: dict[str, date] = field(default_factory=dict)
    closed: dict[str, date] = field(default_factory=dict)

    def involvement(self, consultation: str, *, bidder: bool) -> Involvement:
        """Return what the law asks of somebody in its file."""
        lots = self.lots or {NO_LOT}
        if not lots <= self.ended.keys() | self.signed.keys():
            return Involvement(consultation, bidder)
        whole = self.signed.keys() <= self.closed.keys()
        return Involvement(
            consultation,
            bidder,
            ended_on=max(self.ended.values(), default=None),
            signed_on=max(self.signed.values(), default=None),
            closed_on=max(self.closed.values(), default=None) if whole else None,
        )


@dataclass
class Standing:
    """What one pass over the ledger found."""

    places: list[Place] = field(default_factory=list)
    procedures: dict[str, Procedure] = field(default_factory=dict)
    _contracts: dict[str, tuple[str, str]] = field(default_factory=dict)

    def involved(self, tags: Collection[str]) -> list[Involvement]:
        """Return the published procedures in whose file the searched ones stand."""
        files: dict[str, bool] = {}
        for place in self.places:
            if place.consultation is not None:
                bids = bool(place.marks & set(tags))
                files[place.consultation] = files.get(place.consultation, False) or bids
        return [
            self.procedures[name].involvement(name, bidder=bidder)
            for name, bidder in sorted(files.items())
            if name in self.procedures and self.procedures[name].published
        ]

    def take(self, row: LedgerRow, wanted: Collection[str]) -> None:
        """Look at one entry."""
        marks = wanted & {found.decode() for found in MARK.findall(row.entry)}  # type: ignore[operator]
        if not marks and row.kind not in FACTS:
            return
        entry = orjson.loads(row.entry)
        if row.kind in FACTS:
            self._fact(row, entry)
        if marks:
            names = tuple(name for name, value in leaves(entry["data"]) if value in marks)
            consultation = _consultation(row.stream, entry["data"])
            place = (row.position, row.stream, row.version, row.kind, entry["at"])
            self.places.append(Place(*place, names, consultation, frozenset(marks)))

    def _fact(self, row: LedgerRow, entry: Mapping[str, Any]) -> None:
        data = entry["data"]
        if row.kind == "ContractClosed":
            consultation, lot = self._contracts.get(row.stream, ("", NO_LOT))
        else:
            consultation = _consultation(row.stream, data) or ""
            lot = data.get("lot", NO_LOT)
        known = self.procedures.setdefault(consultation, Procedure())
        day = date.fromisoformat(entry["at"][:10])
        if row.kind == "ConsultationPublished":
            known.published = True
        elif row.kind == "LotDefined":
            known.lots.add(lot)
        elif row.kind == "DeclaredWithoutFollowUp":
            known.ended |= dict.fromkeys(data["lots"] or known.lots or {NO_LOT}, day)
        elif row.kind == "LotCancelled":
            known.ended[lot] = day
        elif row.kind == "ContractSigned":
            known.signed[lot] = date.fromisoformat(data["signed_on"])
            self._contracts[row.stream] = (consultation, lot)
        else:
            known.closed[lot] = day


FACTS = frozenset(
    {
        "ConsultationPublished",
        "LotDefined",
        "DeclaredWithoutFollowUp",
        "LotCancelled",
        "ContractSigned",
        "ContractClosed",
    }
)


def find(log: Log, wanted: Collection[str]) -> Standing:
    """Return where these commitments and tags stand, by position."""
    standing, after, marks = Standing(), -1, frozenset(wanted)
    while rows := log.read(after, STEP):
        for row in rows:
            standing.take(row, marks)
        after = rows[-1].position
    return standing


def _consultation(stream: str, data: Mapping[str, Any]) -> str | None:
    named = data.get("consultation")
    if named is not None:
        return str(named)
    aggregate, _, name = stream.partition("/")
    if aggregate in WHOLE:
        return name
    return name.partition(".")[0] if aggregate in OF_A_LOT else None


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield each value below a field with its path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    else:
        yield path, value

"""Key ceremonies and the custody of one consultation: who holds, how many, at which level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from projections.changes import Amend, Change, Put, folded
from projections.facts import Fact
from projections.reading import Reader, instant
from projections.tables import ceremonies, custodians, custody


@dataclass(frozen=True)
class Custodian:
    """A holder of one share, and when it last proved that it still holds it."""

    custodian: str
    org: str
    alive_at: datetime | None
    lost: bool
    missed_at: datetime | None = None

    @property
    def missing(self) -> bool:
        """Whether it was asked in vain since it last proved that it holds its share."""
        if self.missed_at is None:
            return False
        return self.alive_at is None or self.missed_at > self.alive_at


@dataclass(frozen=True)
class Custody:
    """The keyset assigned to one consultation; ``placement`` is its level A0 or A1."""

    digest: str
    k: int
    n: int
    placement: str
    completed_at: datetime
    canary_at: datetime | None
    custodians: tuple[Custodian, ...]

    @property
    def in_danger(self) -> bool:
        """Whether fewer than k custodians give a sign of life."""
        return sum(one.lost or one.missing for one in self.custodians) > self.n - self.k


@dataclass(frozen=True)
class Ceremony:
    """How far one key ceremony has come."""

    ceremony: str
    purpose: str
    k: int
    n: int
    state: str
    digest: str | None


def _started(fact: Fact) -> Iterator[Change]:
    found = fact.data["ceremony"]
    begun = found if isinstance(found, dict) else {}
    yield Put(
        ceremonies,
        {
            "ceremony": fact.name,
            "purpose": str(begun.get("purpose", "")),
            "k": int(str(begun.get("k", 0))),
            "n": int(str(begun.get("n", 0))),
            "state": "STARTED",
            "started_at": fact.at,
        },
    )


def _progress(state: str) -> dict[str, str]:
    return {"state": state}


def _committed(fact: Fact) -> Iterator[Change]:
    yield Amend(ceremonies, {"ceremony": fact.name}, _progress("COMMITTED"))


def _shared(fact: Fact) -> Iterator[Change]:
    yield Amend(ceremonies, {"ceremony": fact.name}, _progress("SHARED"))


def _confirmed(fact: Fact) -> Iterator[Change]:
    yield Amend(ceremonies, {"ceremony": fact.name}, _progress("CONFIRMED"))


def _failed(fact: Fact) -> Iterator[Change]:
    yield Amend(ceremonies, {"ceremony": fact.name}, {"state": "FAILED", "ended_at": fact.at})


def _ready(fact: Fact) -> Iterator[Change]:
    row = {"state": "READY", "digest": fact.text("digest"), "ended_at": fact.at}
    yield Amend(ceremonies, {"ceremony": fact.name}, row)


def _retired(fact: Fact) -> Iterator[Change]:
    yield Amend(ceremonies, {"digest": fact.text("digest")}, {"state": "RETIRED"})


def _appointed(fact: Fact) -> Iterator[Change]:
    row = {"consultation": fact.name, "custodian": fact.text("custodian"), "org": fact.text("org")}
    yield Put(custodians, row)


def _assigned(fact: Fact) -> Iterator[Change]:
    yield Put(
        custody,
        {
            "consultation": fact.name,
            "digest": fact.text("digest"),
            "canary_digest": fact.text("canary_digest"),
            "k": fact.number("k"),
            "n": fact.number("n"),
            "placement": fact.text("placement"),
            "completed_at": fact.at,
        },
    )


def _canary(fact: Fact) -> Iterator[Change]:
    yield Amend(custody, {"consultation": fact.name}, {"canary_at": fact.at})


def _alive(fact: Fact) -> Iterator[Change]:
    yield Amend(custodians, _holder(fact), {"alive_at": fact.at})


def _missed(fact: Fact) -> Iterator[Change]:
    yield Amend(custodians, _holder(fact), {"missed_at": fact.at})


def _lost(fact: Fact) -> Iterator[Change]:
    yield Amend(custodians, _holder(fact), {"lost_at": fact.at})


def _holder(fact: Fact) -> dict[str, str]:
    return {"consultation": fact.name, "custodian": fact.text("custodian")}


fold = folded(
    {
        "CeremonyStarted": _started,
        "CeremonyCommitted": _committed,
        "CeremonyShared": _shared,
        "CeremonyConfirmed": _confirmed,
        "CeremonyFailed": _failed,
        "KeysetReady": _ready,
        "KeysetRetired": _retired,
        "CustodianAppointed": _appointed,
        "KeyCeremonyCompleted": _assigned,
        "CanaryDecrypted": _canary,
        "ProofOfLifeGiven": _alive,
        "ProofOfLifeMissed": _missed,
        "ShareReportedLost": _lost,
    }
)


class CustodyViews:
    """Reads custody, which is public: a depositor must know who could open."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def of(self, consultation: str) -> Custody | None:
        """Return the custody of a consultation, None before its keyset is assigned."""
        asked = select(custody).where(custody.c.consultation == consultation)
        holders = (
            select(custodians)
            .where(custodians.c.consultation == consultation)
            .order_by(custodians.c.custodian)
        )
        with self._reader.connect() as connection:
            row = connection.execute(asked).mappings().first()
            held = list(connection.execute(holders).mappings())
        if row is None:
            return None
        return Custody(
            digest=row["digest"],
            k=row["k"],
            n=row["n"],
            placement=row["placement"],
            completed_at=instant(row["completed_at"]),
            canary_at=instant(row["canary_at"]) if row["canary_at"] else None,
            custodians=tuple(
                Custodian(
                    custodian=holder["custodian"],
                    org=holder["org"],
                    alive_at=instant(holder["alive_at"]) if holder["alive_at"] else None,
                    lost=(holder["lost_at"] or "") > (holder["alive_at"] or ""),
                    missed_at=instant(holder["missed_at"]) if holder["missed_at"] else None,
                )
                for holder in held
            ),
        )

    def ceremonies(self) -> tuple[Ceremony, ...]:
        """Return every ceremony, by its name."""
        names = ("ceremony", "purpose", "k", "n", "state", "digest")
        asked = select(*(ceremonies.c[name] for name in names)).order_by(ceremonies.c.ceremony)
        with self._reader.connect() as connection:
            return tuple(Ceremony(**row) for row in connection.execute(asked).mappings())

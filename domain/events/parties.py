"""Events of buyers and of economic operators (domain.md §4.1, §4.2)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from domain.aggregate import Event


class BuyerKind(StrEnum):
    """What a public buyer is."""

    STATE = "STATE"
    REGION = "REGION"
    DEPARTMENT = "DEPARTMENT"
    EPCI = "EPCI"
    COMMUNE = "COMMUNE"
    HOSPITAL = "HOSPITAL"
    HOUSING = "HOUSING"
    OTHER = "OTHER"


class SizeClass(StrEnum):
    """Size of a company: the statistics need it, no rule does."""

    TPE = "TPE"
    PME = "PME"
    ETI = "ETI"
    GE = "GE"
    UNKNOWN = "UNKNOWN"


class ConsortiumForm(StrEnum):
    """How the members of a consortium answer for each other."""

    JOINT = "JOINT"
    SEVERAL = "SEVERAL"


class BuyerRegistered(Event, kind="BuyerRegistered"):
    """A public buyer has an account."""

    siret: str
    name: str
    buyer_kind: BuyerKind
    population: int | None = None
    department: str | None = None
    region: str | None = None


class RoleGranted(Event, kind="RoleGranted"):
    """A person holds a role from one date to another, both included."""

    person: str
    role: str
    scope: str
    valid_from: date
    valid_to: date | None = None


class RoleRevoked(Event, kind="RoleRevoked"):
    """A person no longer holds a role."""

    person: str
    role: str
    reason: str


class SignatureDelegated(Event, kind="SignatureDelegated"):
    """A signatory lets a person sign some acts, up to a ceiling, between two dates."""

    from_: str
    to: str
    act_types: list[str]
    ceiling_cents: int
    valid_from: date
    valid_to: date
    deliberation: str


class CommitteeElected(Event, kind="CommitteeElected"):
    """The commission d'appel d'offres is elected; it takes the place of the one before."""

    president: str
    titulars: list[str]
    substitutes: list[str]
    deliberation: str


class AccessGranted(Event, kind="AccessGranted"):
    """An organisation may read until a date; in the platform's own stream, the whole platform."""

    to: str
    scope: str
    until_on: date
    ground: str


class BuyerLeft(Event, kind="BuyerLeft"):
    """The buyer left with a complete export of the log at this size, which has this root."""

    size: int
    root: str


class OperatorRegistered(Event, kind="OperatorRegistered"):
    """A company has an account; one account serves all buyers."""

    name: str
    size_class: SizeClass
    size_source: str
    siret: str | None = None
    foreign_id: str | None = None
    region: str | None = None


class RepresentativeAdded(Event, kind="RepresentativeAdded"):
    """A person may act for the company."""

    person: str
    scope: str


class ConsortiumDeclared(Event, kind="ConsortiumDeclared"):
    """Companies bid together; the mandatary speaks for them and is one of the members."""

    form: ConsortiumForm
    mandatary: str
    members: list[str]


class OperatorExcluded(Event, kind="OperatorExcluded"):
    """A buyer excludes a company from its procedures until a date."""

    ground: str
    until_on: date

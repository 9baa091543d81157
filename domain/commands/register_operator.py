"""Register a company and who may act for it (domain.md §4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.events.parties import SizeClass
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class RegisterOperator:
    """Open the account of a company; exactly one of SIRET and foreign id."""

    name: str
    size_class: SizeClass
    size_source: str
    siret: str | None = None
    foreign_id: str | None = None
    region: str | None = None


@dataclass(frozen=True)
class AddRepresentative:
    """Let a person act for a company (``operator``: its SIRET or foreign id)."""

    operator: str
    person: str
    scope: str


def register_operator(desk: Desk, act: Act, command: RegisterOperator) -> Recorded:
    """Append OperatorRegistered in ``operator/<siret or foreign id>``."""
    raise NotImplementedError


def add_representative(desk: Desk, act: Act, command: AddRepresentative) -> Recorded:
    """Append RepresentativeAdded."""
    raise NotImplementedError

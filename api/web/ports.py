"""What the pages ask of the platform beside its read models; the wiring implements it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from domain.clock import Reading


class LedgerFacts(Protocol):
    """What everybody may know of the ledger: nothing beyond the last published checkpoint."""

    def published(self) -> bytes | None:
        """Return the last published note with its cosignatures, None before the first."""

    def policies(self) -> Mapping[str, str]:
        """Return the texts of ``policy.txt`` and ``policy-log.txt``."""

    def now(self) -> Reading:
        """Return a clock reading; pages count down to its latest instant."""


class Problem(Protocol):
    """What an error code is called."""

    @property
    def status(self) -> int:
        """The HTTP status it answers with."""

    @property
    def fr(self) -> str:
        """Its title in French."""

    @property
    def en(self) -> str:
        """Its title in English."""


@dataclass(frozen=True)
class Addresses:
    """Where the interface serves what pages link to."""

    dossier_file: str = "/api/v1/consultations/{consultation}/dossier/files/{name}"
    kit: str = "/api/v1/consultations/{consultation}/kit"
    keyset: str = "/api/v1/consultations/{consultation}/keyset"
    checkpoint: str = "/checkpoint"

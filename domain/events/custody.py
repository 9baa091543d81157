"""Events of key ceremonies and of assigned keysets (domain.md §4.9, envelope.md §2 and §14)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from domain.aggregate import Event


class Placement(StrEnum):
    """Whether no organisation reads alone and none blocks alone (envelope.md §11)."""

    A0 = "A0"
    A1 = "A1"


class CeremonyStarted(Event, kind="CeremonyStarted"):
    """The members and the threshold of a new keyset (envelope.md 2.1)."""

    ceremony: dict[str, Any]


class CeremonyCommitted(Event, kind="CeremonyCommitted"):
    """Round 1 of one custodian (2.2)."""

    index: int
    points: list[str]
    pop: str
    sig: str


class CeremonyShared(Event, kind="CeremonyShared"):
    """Round 2 of one custodian (2.3)."""

    index: int
    boxes: list[str]
    sig: str


class CeremonyConfirmed(Event, kind="CeremonyConfirmed"):
    """Round 3 of one custodian: the same keyset was found (2.4)."""

    index: int
    digest: str
    sig: str


class CeremonyComplained(Event, kind="CeremonyComplained"):
    """A custodian names another whose message does not verify."""

    index: int
    against: int
    reason: str
    sig: str


class CeremonyFailed(Event, kind="CeremonyFailed"):
    """The ceremony is over without a keyset."""

    reason: str


class KeysetReady(Event, kind="KeysetReady"):
    """The keyset is in the pool (2.6)."""

    digest: str
    document: dict[str, Any]


class KeysetRetired(Event, kind="KeysetRetired"):
    """The shares are to be erased."""

    digest: str
    reason: str


class ShareDestroyed(Event, kind="ShareDestroyed"):
    """A custodian states, signed, that its share is gone."""

    custodian: str
    digest: str
    sig: str


class CustodianAppointed(Event, kind="CustodianAppointed"):
    """A custodian holds a share for this consultation."""

    custodian: str
    org: str


class KeyCeremonyCompleted(Event, kind="KeyCeremonyCompleted"):
    """One keyset is assigned to one consultation, once."""

    public_key: str
    digest: str
    canary_digest: str
    k: int
    n: int
    custodians: list[str]
    placement: Placement


class CanaryDecrypted(Event, kind="CanaryDecrypted"):
    """The test envelope was opened end to end by these custodians."""

    custodians: list[str]


class ProofOfLifeGiven(Event, kind="ProofOfLifeGiven"):
    """A custodian proved that it still holds its share (2.7)."""

    custodian: str
    digest: str
    nonce: str
    proof: str


class Missed(StrEnum):
    """Why a proof of life is missing; UNKNOWN only where entries do not tell it."""

    SILENT = "SILENT"
    REFUSED = "REFUSED"
    WRONG = "WRONG"
    UNKNOWN = "UNKNOWN"


class ProofOfLifeMissed(Event, kind="ProofOfLifeMissed"):
    """A custodian gave no proof of life; since version 2 with the cause."""

    class_version = 2
    custodian: str
    cause: Missed | None = None

    @staticmethod
    def upcast_v1_v2(data: dict[str, Any]) -> None:
        """Say of an entry of version 1 that it does not tell the cause."""
        data["cause"] = Missed.UNKNOWN.value


class ShareReportedLost(Event, kind="ShareReportedLost"):
    """A custodian has lost its share."""

    custodian: str


class OpeningShareReleased(Event, kind="OpeningShareReleased"):
    """A custodian answered for one planned envelope; the bytes lie beside the envelope."""

    deposit: str
    lot: str
    custodian: str
    plan_no: int
    partial_hash: str


class CustodianRefused(Event, kind="CustodianRefused"):
    """A custodian's own, signed refusal."""

    custodian: str
    deposit: str
    code: str
    sig: str

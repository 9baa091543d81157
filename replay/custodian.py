"""What a custodian decides before it answers for one envelope (envelope.md §10).

`decide` is the whole decision over facts, first failure wins. What the ledger tells of them comes
from `replay.custodian_facts`; the custodian adds its own clock, keys and the capsule.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from crypto.label import CANARY_KINDS

Instant = TypeVar("Instant", int, datetime)
PRESENT = 2


class AnswerRefused(Exception):
    """Root of the reasons for which a custodian gives no partial; `code` goes into its answer."""

    code = "refused"


class UnknownKeyset(AnswerRefused):
    """No share of this keyset is held for this consultation."""

    code = "unknown-keyset"


class ShareGone(AnswerRefused):
    """The share was destroyed."""

    code = "destroyed"


class WrongPurpose(AnswerRefused):
    """A test under a keyset for bids, or a bid under a keyset for tests."""

    code = "purpose"


class NoClock(AnswerRefused):
    """The custodian's own clock gives no interval."""

    code = "clock"


class ViewUnproven(AnswerRefused):
    """The ledger that was shown is not proven to continue the one known."""

    code = "view"


class Cancelled(AnswerRefused):
    """The consultation ended or is suspended, or the keyset is retired."""

    code = "cancelled"


class TooEarly(AnswerRefused):
    """The opening time, or the hour in the label, is not certainly past."""

    code = "too-early"


class NotListed(AnswerRefused):
    """Not on time in the register, nor admitted, nor authorised."""

    code = "not-listed"


class NotPlanned(AnswerRefused):
    """No fixed, anchored plan with enough members present opens it."""

    code = "not-planned"


class OtherHeader(AnswerRefused):
    """The head is not the one that the ledger recorded."""

    code = "header"


class BadCapsule(AnswerRefused):
    """The capsule does not verify."""

    code = "capsule"


@dataclass(frozen=True, slots=True)
class Facts(Generic[Instant]):
    """All that the decision looks at; `clock` is None when there is no interval."""

    keyset_known: bool
    destroyed: bool
    purpose: str
    kind: str
    clock: tuple[Instant, Instant] | None
    view_ok: bool
    cancelled: bool
    opens: Instant
    not_before: Instant
    listed: bool
    planned: bool
    anchored: bool
    present: int
    header_matches: bool
    capsule_ok: bool


def decide(facts: Facts[Instant]) -> None:
    """Return quietly if the custodian gives its partial, else raise the first reason not to."""
    if not facts.keyset_known:
        raise UnknownKeyset
    if facts.destroyed:
        raise ShareGone
    canary = facts.purpose == "canary"
    if (facts.kind in CANARY_KINDS) != canary:
        raise WrongPurpose
    if not canary:
        _decide_time(facts)
        _decide_register(facts)
    if not facts.capsule_ok:
        raise BadCapsule


def _decide_time(facts: Facts[Instant]) -> None:
    if facts.clock is None:
        raise NoClock
    if not facts.view_ok:
        raise ViewUnproven
    if facts.cancelled:
        raise Cancelled
    # the label's hour holds whatever ledger is shown, at a first contact too
    if not facts.clock[0] > max(facts.opens, facts.not_before):
        raise TooEarly


def _decide_register(facts: Facts[Instant]) -> None:
    if not facts.listed:
        raise NotListed
    if not facts.planned or not facts.anchored or facts.present < PRESENT:
        raise NotPlanned
    if not facts.header_matches:
        raise OtherHeader

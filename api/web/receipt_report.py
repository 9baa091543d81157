"""A receipt judged step by step, by the same verifier that anybody can run without us."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import orjson

from replay.verifier import Policy, Proven, Refused, check_receipt

STEPS = ("form", "signature", "witnesses", "entry", "inclusion")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SIGNATURE_CODES = frozenset({"note", "checkpoint", "signature", "vkey"})
FORM_CODES = frozenset({"hash", "integer"})
INCLUSION_CODES = frozenset({"index", "root"})
FORM_REASONS = frozenset({"form", "entry", "base64"})


class Outcome(StrEnum):
    """What became of one step."""

    PROVEN = "proven"
    REFUSED = "refused"
    LATER = "later"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Step:
    """One numbered check."""

    name: str
    outcome: Outcome


@dataclass(frozen=True)
class ReceiptReport:
    """What a receipt proves, or at which step it stops; ``code`` is the verifier's own."""

    steps: tuple[Step, ...]
    code: str | None
    kind: str | None = None
    stream: str | None = None
    recorded_at: datetime | None = None
    origin: str | None = None
    facts: Mapping[str, object] | None = None
    cosigned: tuple[tuple[str, datetime], ...] = ()


CheckReceipt: TypeAlias = Callable[[bytes], ReceiptReport]


def receipt_checker(policy: str, policy_log: str) -> CheckReceipt:
    """Return the function that judges receipts under the two policies of this platform.

    A receipt in its first form is proven by the log's key alone; witnesses come with its published
    form, which the platform gives later (``ledger.md`` §7).
    """
    whole, log_only = Policy(policy.encode()), Policy(policy_log.encode())

    def check(receipt: bytes) -> ReceiptReport:
        try:
            return _proven(check_receipt(receipt, whole), Outcome.PROVEN)
        except Refused as refused:
            if refused.code != "quorum":
                return _refused(refused, Outcome.PROVEN)
        try:
            return _proven(check_receipt(receipt, log_only), Outcome.LATER)
        except Refused as refused:
            return _refused(refused, Outcome.LATER)

    return check


def _proven(found: Proven, witnesses: Outcome) -> ReceiptReport:
    outcomes = {**dict.fromkeys(STEPS, Outcome.PROVEN), "witnesses": witnesses}
    return ReceiptReport(
        steps=tuple(Step(name, outcomes[name]) for name in STEPS),
        code=None,
        kind=found.entry.kind,
        stream=found.entry.stream,
        recorded_at=datetime.fromisoformat(found.entry.at),
        origin=found.checkpoint.origin,
        facts=orjson.loads(found.entry.data),
        cosigned=tuple(
            (name, EPOCH + timedelta(seconds=seconds))
            for name, seconds in sorted(found.cosignatures.items())
        ),
    )


def _refused(refused: Refused, witnesses: Outcome) -> ReceiptReport:
    broken = STEPS.index(_step_of(refused))
    outcomes = [Outcome.PROVEN] * broken + [Outcome.REFUSED]
    outcomes += [Outcome.SKIPPED] * (len(STEPS) - len(outcomes))
    if broken > STEPS.index("witnesses"):
        outcomes[STEPS.index("witnesses")] = witnesses
    return ReceiptReport(
        steps=tuple(map(Step, STEPS, outcomes)),
        code=refused.code,
    )


def _step_of(refused: Refused) -> str:
    if refused.code in FORM_CODES:
        return "form"
    if refused.code == "proof":
        return "form" if refused.facts.get("reason") in FORM_REASONS else "inclusion"
    if refused.code in SIGNATURE_CODES:
        return "signature"
    if refused.code in INCLUSION_CODES:
        return "inclusion"
    return "entry"

"""The opening of one lot, step by step; a missing step refuses (domain.md §4.10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crypto.canonical import Json, encode
from crypto.digests import sha256
from domain.aggregate import Aggregate, Meta, folds
from domain.errors import OpeningOrder
from domain.events.deposit import EnvelopeOpened, OpeningRefused
from domain.events.opening import (
    AnchorPurpose,
    CheckpointAnchored,
    CustodyQuorumMissed,
    CustodyQuorumReached,
    OpeningCompleted,
    OpeningConvened,
    OpeningPlanFixed,
    PlanKind,
    PresenceRecorded,
)
from domain.plan import Plan
from domain.states import check_transition

PRESENT = 2


@dataclass(frozen=True)
class Outcome:
    """What became of one planned envelope, as the minutes tell it."""

    deposit: str
    event: str
    detail: str
    custodians: Sequence[Mapping[str, str]] = ()
    """What each custodian said when it was last asked for this envelope."""


class OpeningSession(Aggregate):
    """The session of one lot; its plans are computed, never chosen."""

    TOPIC = "OpeningSession"
    PREFIX = "opening"
    MACHINE = "opening"
    EVENTS = (
        OpeningConvened,
        PresenceRecorded,
        OpeningPlanFixed,
        CheckpointAnchored,
        CustodyQuorumReached,
        CustodyQuorumMissed,
        OpeningCompleted,
        OpeningRefused,
    )

    def begin(self) -> None:
        """Start before anything was convened."""
        super().begin()
        self.members: tuple[str, ...] = ()
        self.present: tuple[str, ...] = ()
        self.plans: tuple[OpeningPlanFixed, ...] = ()
        self.plan_version = 0
        self.anchors: tuple[CheckpointAnchored, ...] = ()
        self.minutes: tuple[str, ...] = ()
        self.refusals: tuple[OpeningRefused, ...] = ()
        self.missed: frozenset[str] = frozenset()

    @folds(OpeningConvened)
    def _convened(self, event: OpeningConvened) -> None:
        self.members = tuple(event.members)

    @folds(PresenceRecorded)
    def _present(self, event: PresenceRecorded) -> None:
        self.present = (*self.present, event.member)

    @folds(OpeningPlanFixed)
    def _planned(self, event: OpeningPlanFixed) -> None:
        self.plans, self.plan_version = (*self.plans, event), event.originator_version

    @folds(CheckpointAnchored)
    def _anchored(self, event: CheckpointAnchored) -> None:
        self.anchors = (*self.anchors, event)

    @folds(OpeningCompleted)
    def _completed(self, event: OpeningCompleted) -> None:
        self.minutes = (*self.minutes, event.minutes_hash)

    @folds(OpeningRefused)
    def _refused(self, event: OpeningRefused) -> None:
        self.refusals = (*self.refusals, event)

    @folds(CustodyQuorumMissed)
    def _missed(self, event: CustodyQuorumMissed) -> None:
        self.missed = self.missed | {event.meta.command}

    def plan(self) -> OpeningPlanFixed:
        """Return the plan in force, else refuse."""
        if not self.plans:
            raise OpeningOrder(self.name, "a plan")
        return self.plans[-1]

    def planned(self) -> frozenset[str]:
        """Return every deposit that any plan has named for opening."""
        return frozenset(deposit for plan in self.plans for deposit in plan.open)

    def require_present(self) -> None:
        """Return quietly if two different persons are present and a plan may come."""
        if self.state == "NEW":
            raise OpeningOrder(self.name, "convening")
        if len(set(self.present)) < PRESENT:
            raise OpeningOrder(self.name, "two persons present")
        check_transition(self.MACHINE, self.state, OpeningPlanFixed.TOPIC)

    def fix(self, meta: Meta, kind: PlanKind, plan: Plan, opens: tuple[str, ...]) -> None:
        """Append the computed plan; ``opens`` is what no earlier plan has named."""
        self.append(
            OpeningPlanFixed(
                **self.stamp(meta),
                plan_no=len(self.plans) + 1,
                kind=kind,
                open=list(opens),
                superseded=list(plan.superseded),
                withdrawn=list(plan.withdrawn),
                late=list(plan.late),
                undetermined=list(plan.undetermined),
            )
        )

    def anchor(
        self, meta: Meta, size: int, root: str, witnesses: tuple[str, ...], token: str | None
    ) -> None:
        """Append the checkpoint that stands behind the plan."""
        self.append(
            CheckpointAnchored(
                **self.stamp(meta),
                purpose=AnchorPurpose.CLOSING,
                size=size,
                root=root,
                witnesses=list(witnesses),
                token_hash=token,
            )
        )

    def complete(self, meta: Meta, outcomes: list[Outcome]) -> bytes:
        """Append the end of the plan; return its minutes, to be kept before the save.

        Without a quorum only if no envelope needed one: none is planned, or none can be read.
        """
        needed = [one for one in outcomes if one.event == EnvelopeOpened.TOPIC]
        if self.state == "WITNESSED" and needed:
            raise OpeningOrder(self.name, "a quorum of custodians")
        record = encode(self.minutes_of(outcomes))
        self.append(
            OpeningCompleted(
                **self.stamp(meta),
                plan_no=self.plan().plan_no,
                minutes_hash=sha256(record).hex(),
            )
        )
        return record

    def minutes_of(self, outcomes: list[Outcome]) -> dict[str, Json]:
        """Return the minutes of the plan in force; their canonical bytes are what is hashed."""
        plan = self.plan()
        return {
            "anchored_root": self.anchors[-1].root,
            "anchored_size": self.anchors[-1].size,
            "late": plan.late,
            "members": list(self.members),
            "opening": self.name,
            "outcomes": [
                {
                    "custodians": [dict(told) for told in one.custodians],
                    "deposit": one.deposit,
                    "detail": one.detail,
                    "event": one.event,
                }
                for one in sorted(outcomes, key=lambda one: one.deposit)
            ],
            "plan_no": plan.plan_no,
            "present": list(self.present),
            "superseded": plan.superseded,
            "undetermined": plan.undetermined,
            "withdrawn": plan.withdrawn,
        }

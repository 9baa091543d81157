"""One consultation from publication to an anchored plan, in a hand-made ledger, for custodians."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from doubles.entries import digest, instant_of
from doubles.views import ShownLedger

from crypto import canonical
from crypto.label import Label
from crypto.merkle import leaf_hash, root
from replay.custodian_facts import Question

NAME = "c-2026-0042"
LOT = "1"
DEADLINE = datetime(2026, 3, 2, 10, tzinfo=UTC)
COOL_DOWN = 60
OPENS = DEADLINE + timedelta(seconds=COOL_DOWN)
DEPOSIT = "22" * 16
LATE = "44" * 16


@dataclass
class Case:
    """Writes the acts of a procedure; each can be left out or told otherwise."""

    keyset: str = digest("keyset")
    canary: str = digest("canary")
    header_hash: str = digest("header")
    ledger: ShownLedger = field(default_factory=ShownLedger)

    @property
    def streams(self) -> tuple[str, str, str]:
        return f"consultation/{NAME}", f"custody/{NAME}", f"opening/{NAME}.{LOT}"

    def published(self, deadline: datetime = DEADLINE, **calendar: Any) -> Case:
        self.ledger.write(
            f"consultation/{NAME}",
            "CalendarSet",
            deadline_at=deadline,
            cool_down_s=COOL_DOWN,
            questions_until_at=deadline,
            validity_days=90,
            **calendar,
        )
        self.ledger.write(f"consultation/{NAME}", "ConsultationPublished", deadline_at=deadline)
        return self

    def assigned(self, keyset: str | None = None) -> Case:
        self.ledger.write(
            f"custody/{NAME}",
            "KeyCeremonyCompleted",
            digest=keyset or self.keyset,
            canary_digest=self.canary,
        )
        return self

    def sealed(self, deposit: str = DEPOSIT, kind: str = "DepositSealed", **told: Any) -> Case:
        facts = {"consultation": NAME, "header_hash": self.header_hash, "lots": [LOT], **told}
        self.ledger.write(f"deposit/{deposit}", kind, **facts)
        return self

    def rows(self, *deposits: tuple[str, bool]) -> list[dict[str, Any]]:
        made = []
        for deposit, on_time in deposits:
            version, leaf = self.ledger.tip(f"deposit/{deposit}")
            made.append(
                {
                    "deposit": deposit,
                    "header_hash": self.header_hash,
                    "leaf": leaf,
                    "on_time": on_time,
                    "version": version,
                }
            )
        return made

    def closed(self, rows: list[dict[str, Any]] | None = None, **told: Any) -> Case:
        rows = self.rows((DEPOSIT, True)) if rows is None else rows
        size = len(self.ledger.rows)
        stream = f"consultation/{NAME}"
        self.ledger.write(stream, "DeadlineReached", deadline_at=DEADLINE, evidence="clock")
        parts = [rows[at : at + 2] for at in range(0, len(rows), 2)]
        for number, part in enumerate(parts, 1):
            self.ledger.write(stream, "RegisterListed", part=number, deposits=part)
        said = {
            "count": len(rows),
            "list_root": root([leaf_hash(canonical.encode(row)) for row in rows]).hex(),
            "parts": len(parts),
            "root": digest("root"),
            "size": size,
            **told,
        }
        self.ledger.write(stream, "RegisterClosed", **said)
        return self

    def present(self, *members: str) -> Case:
        stream = f"opening/{NAME}.{LOT}"
        self.ledger.write(stream, "OpeningConvened", members=list(members))
        for member in members:
            self.ledger.write(stream, "PresenceRecorded", member=member, capacity="TITULAR")
        return self

    def planned(self, *deposits: str, plan_no: int = 1) -> Case:
        self.ledger.write(
            f"opening/{NAME}.{LOT}",
            "OpeningPlanFixed",
            plan_no=plan_no,
            kind="FIRST",
            open=list(deposits),
            superseded=[],
            withdrawn=[],
            late=[],
            undetermined=[],
        )
        return self

    def anchored(
        self, purpose: str = "CLOSING", size: int | None = None, head: str | None = None
    ) -> Case:
        size = len(self.ledger.rows) if size is None else size
        self.ledger.write(
            f"opening/{NAME}.{LOT}",
            "CheckpointAnchored",
            purpose=purpose,
            size=size,
            root=head or root(self.ledger.leaves()[:size]).hex(),
            witnesses=["custodian-1"],
        )
        return self

    def ready(self) -> Case:
        """Everything that an opening needs."""
        return (
            self.published()
            .assigned()
            .sealed()
            .closed()
            .present("a", "b")
            .planned(DEPOSIT)
            .anchored()
        )

    def question(self, **changes: Any) -> Question:
        label = Label.parse(self.label(**changes.pop("label", {})))
        told = {"header_hash": self.header_hash, "label": label, "lot": LOT, "plan_no": 1}
        return Question(**{**told, **changes})

    def label(self, **changes: Any) -> dict[str, Any]:
        return {
            "bidder": "11" * 32,
            "consultation": NAME,
            "deposit": DEPOSIT,
            "dossier": "33" * 32,
            "intent": "INITIAL",
            "keyset": self.keyset,
            "kind": "OFFER",
            "lots": [LOT],
            "not_before": instant_of(DEADLINE),
            "round": 1,
            "v": 1,
            **changes,
        }

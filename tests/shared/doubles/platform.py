"""A whole platform in memory: the real domain over doubles, with short names for its acts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from doubles.clock import NOON, FixedClock
from doubles.custody import NAMES, TokenCustodians, TokenUnsealing
from doubles.memory import (
    CountingRng,
    MemoryFiles,
    MemoryHeads,
    MemoryRegister,
    MemorySubjects,
    MemoryTurns,
    MemoryVault,
)

from domain.aggregate import Aggregate, Meta
from domain.backup_copy import BackupCopy
from domain.clock import LegalHour
from domain.commands import (
    deposit,
    draft,
    fix_opening_plan,
    open_envelopes,
    publish,
    reach_deadline,
    register_item,
    register_operator,
    transmit,
)
from domain.consultation import Consultation
from domain.custody import Custody, KeyCeremony
from domain.envelope import SealedEnvelope
from domain.events.backup_copy import Medium
from domain.events.consultation import Complements, Criterion, Limits, Nature, Padding
from domain.events.custody import (
    CanaryDecrypted,
    CeremonyStarted,
    KeyCeremonyCompleted,
    KeysetReady,
)
from domain.events.custody import Placement as Placed
from domain.events.dossier import FileRow
from domain.events.parties import SizeClass
from domain.events.transmission import DepositKind, EnvelopeKind, Intent
from domain.law import FILES, Law
from domain.opening import OpeningSession
from domain.ports import Act, Desk, Principal, Recorded
from domain.transmission import TransmissionSession

RULES = Path(__file__).resolve().parents[3] / "domain" / "rules"
BUYER = "21590512200010"
OTHER_BUYER = "21590350100017"
PLATFORM = "20009320100016"
FIRST = "55208131766522"
SECOND = "44306184100047"
THIRD = "35600000000048"
DEADLINE = NOON + timedelta(days=1)
HOUR = timedelta(hours=1)
MS = timedelta(milliseconds=1)
DIGEST = "d1" * 32
CANARY_DIGEST = "ca" * 32

A = TypeVar("A", bound=Aggregate)
C = TypeVar("C")


@cache
def law() -> Law:
    return Law.parse({name: (RULES / name).read_text() for name in FILES})


def hex_of(name: str, size: int = 64) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:size]


class Platform:
    """The desk, a clock that can be moved, and the acts of a procedure in one line each."""

    def __init__(self, files: MemoryFiles | None = None) -> None:
        self.clock = FixedClock()
        self.files = files or MemoryFiles()
        self.subjects = MemorySubjects()
        self.register = MemoryRegister(self.files)
        self.heads = MemoryHeads(self.files)
        self.vault = MemoryVault()
        self.custodians = TokenCustodians()
        self.unsealing = TokenUnsealing()
        self.acts = 0
        self.desk = Desk(
            files=self.files,
            clock=self.clock,
            rng=CountingRng(),
            subjects=self.subjects,
            register=self.register,
            heads=self.heads,
            turns=MemoryTurns(),
            vault=self.vault,
            unsealing=self.unsealing,
            custodians=self.custodians,
            law=law(),
            platform=PLATFORM,
            origin="pli.test/1",
        )

    # --- callers

    def act(self, role: str = "BU", org: str | None = None, command: str | None = None) -> Act:
        self.acts += 1
        home = {"PA": PLATFORM, "CY": FIRST}.get(role, BUYER)
        caller = Principal(org or home, role, f"person of {org or home}", "TOKEN")
        return Act(command or f"act-{self.acts}", caller, "need-1")

    def company(self, org: str = FIRST, command: str | None = None) -> Act:
        return self.act("CY", org, command)

    def meta(self, tenant: str = BUYER) -> Meta:
        return self.desk.meta(self.act("PA"), self.clock.now(), tenant)

    def load(self, kind: type[A], name: str) -> A:
        found = self.files.find(kind, f"{kind.PREFIX}/{name}")
        assert found is not None, f"{kind.PREFIX}/{name} has no events"
        return found

    def kinds(self, since: int = 0) -> list[str]:
        return [event.TOPIC for event in self.files.rows[since:]]

    def done(self, do: Callable[[Desk, Act, C], Recorded], act: Act, command: C) -> list[Any]:
        """Run a command and return the events that it recorded."""
        recorded = do(self.desk, act, command)
        return list(self.files.rows[recorded.first : recorded.first + recorded.count])

    # --- a consultation

    def draft(
        self,
        name: str = "C1",
        lots: tuple[str, ...] = (),
        deadline: datetime = DEADLINE,
        complements: Complements = Complements.ALL,
        cool_down_s: int = 60,
        **policy: Any,
    ) -> None:
        bu = self.act
        do = self.done
        do(
            draft.draft_consultation,
            bu(),
            draft.DraftConsultation(
                name, "2026-01", "Works", Nature.WORKS, "ADAPTED", "45000000", "Lille"
            ),
        )
        for lot in lots:
            do(draft.define_lot, bu(), draft.DefineLot(name, lot, f"Lot {lot}", 100_00))
        criteria = (Criterion("price", 6_000), Criterion("value", 4_000))
        do(
            draft.set_criteria,
            bu(),
            draft.SetCriteria(name, criteria, "PRICE_PROPORTIONAL_V1"),
        )
        calendar = draft.SetCalendar(
            name, deadline - HOUR, LegalHour(deadline), cool_down_s=cool_down_s
        )
        do(draft.set_calendar, bu(), calendar)
        limits = Limits(max_total=10_000_000, max_files=100, padding=Padding.NONE)
        do(draft.set_technical_limits, bu(), draft.SetTechnicalLimits(name, limits))
        do(
            draft.set_deposit_policy,
            bu(),
            draft.SetDepositPolicy(name, complements=complements, **policy),
        )
        files = (FileRow("RC.pdf", hex_of("RC"), 1000), FileRow("CCTP.pdf", hex_of("CCTP"), 2000))
        do(draft.freeze_dossier, bu(), draft.FreezeDossier(name, files))

    def custody(
        self, name: str = "C1", digest: str = DIGEST, k: int = 2, placed: Placed = Placed.A0
    ) -> None:
        """Give a consultation a keyset, assigned and tested, without cryptography."""
        made = KeyCeremony.blank(f"ceremony/{hex_of(digest, 32)}")
        members = [
            {"custodian": one, "index": at, "organisation": "platform"}
            for at, one in enumerate(NAMES, 1)
        ]
        ceremony = {"k": k, "n": len(NAMES), "members": members, "purpose": "consultation"}
        document = {"ceremony": ceremony, "y": "00" * 32}
        made.append(CeremonyStarted(**made.stamp(self.meta(PLATFORM)), ceremony=ceremony))
        made.append(
            KeysetReady(**made.stamp(self.meta(PLATFORM)), digest=digest, document=document)
        )
        self.put(made)
        custody = Custody.blank(f"custody/{name}")
        custody.append(
            KeyCeremonyCompleted(
                **custody.stamp(self.meta()),
                public_key="00" * 32,
                digest=digest,
                canary_digest=CANARY_DIGEST,
                k=k,
                n=len(NAMES),
                custodians=list(NAMES),
                placement=placed,
            )
        )
        custody.append(CanaryDecrypted(**custody.stamp(self.meta()), custodians=list(NAMES[:k])))
        self.put(custody)

    def put(self, *changed: Aggregate) -> None:
        """Record events that no command of a test is about."""
        self.acts += 1
        self.files.save(f"given-{self.acts}", b"given", changed)

    def published(
        self, name: str = "C1", placed: Placed = Placed.A0, **draft_values: Any
    ) -> Consultation:
        self.draft(name, **draft_values)
        self.custody(name, digest=hex_of(f"keyset {name}"), placed=placed)
        self.done(publish.publish, self.act(), publish.PublishConsultation(name))
        for siret in (FIRST, SECOND, THIRD):
            if not self.files.positions.get(f"operator/{siret}"):
                self.register_company(siret)
        return self.load(Consultation, name)

    def register_company(self, siret: str) -> None:
        self.done(
            register_operator.register_operator,
            self.company(siret),
            register_operator.RegisterOperator("Company", SizeClass.PME, "SIRENE", siret),
        )

    # --- deposits

    def start(
        self, name: str, org: str = FIRST, consultation: str = "C1", **values: Any
    ) -> Recorded:
        command = self.announce(name, consultation, **values)
        return transmit.start_transmission(self.desk, self.company(org), command)

    def announce(
        self, name: str, consultation: str = "C1", **values: Any
    ) -> transmit.StartTransmission:
        wanted: dict[str, Any] = {
            "kind": DepositKind.OFFER,
            "lots": self.load(Consultation, consultation).lot_names()[:1],
            "declared_bytes": 70_000,
            "declared_files": 3,
            "client": "cli/1",
            "terms_version": "1",
            **values,
        }
        return transmit.StartTransmission(f"t-{name}", consultation, **wanted)

    def head(self, name: str, **values: Any) -> transmit.EnvelopeHead:
        """Return the head of an envelope which fits the started transmission."""
        started = self.load(TransmissionSession, f"t-{name}").start()
        consultation = self.load(Consultation, started.consultation)
        custody = self.load(Custody, started.consultation)
        rehearsal = started.purpose == "REHEARSAL"
        assert custody.keyset
        head = transmit.EnvelopeHead(
            deposit=deposit_id(name),
            header_hash=hex_of(f"header {name}"),
            capsule_hash=hex_of(f"capsule {name}"),
            documents_root=hex_of(f"documents {name}"),
            documents_count=started.declared_files,
            bidder=started.bidder,
            consultation=started.consultation,
            dossier=consultation.dossier_root,
            intent=started.intent,
            keyset=custody.keyset.canary_digest if rehearsal else custody.keyset.digest,
            kind="REHEARSAL" if rehearsal else started.kind,
            lots=tuple(started.lots),
            not_before=consultation.deadlines[-1],
            round=started.round,
            target=started.target,
        )
        return replace(head, **values)

    def send(self, name: str, org: str = FIRST, **values: Any) -> Recorded:
        """Announce the head of a started transmission."""
        command = transmit.AnnounceEnvelope(
            f"t-{name}", self.head(name, **values), hex_of(f"commitment {name}"), 70_000, 1, 1000
        )
        return transmit.announce_envelope(self.desk, self.company(org), command)

    def sealing(self, name: str, **values: Any) -> deposit.SealDeposit:
        command = deposit.SealDeposit(
            transmission=f"t-{name}",
            head=self.head(name),
            commitment=hex_of(f"commitment {name}"),
            ciphertext_root=hex_of(f"root {name}"),
            bytes_total=70_000,
            receipt_id=f"receipt-{name}",
        )
        return replace(command, **values)

    def seal(self, name: str, org: str = FIRST, **values: Any) -> list[Any]:
        command = self.sealing(name, **values)
        return self.done(deposit.seal_deposit, self.company(org), command)

    def deposit(
        self,
        name: str,
        org: str = FIRST,
        at: datetime | None = None,
        target: str | None = None,
        **values: Any,
    ) -> SealedEnvelope:
        """Start, announce and seal; ``at``: when the last byte is there."""
        if target is not None:
            values["target"] = deposit_id(target)
            values.setdefault("intent", Intent.REPLACE)
        self.start(name, org, **values)
        self.send(name, org)
        if at is not None:
            self.clock.at = at
        self.seal(name, org)
        return self.load(SealedEnvelope, deposit_id(name))

    # --- backup copies

    def back_up(self, name: str, org: str = FIRST, at: datetime | None = None) -> BackupCopy:
        """Send an electronic backup copy; ``at``: when the last byte is there."""
        self.start(name, org, kind=EnvelopeKind.BACKUP)
        self.send(name, org)
        if at is not None:
            self.clock.at = at
        self.seal(name, org)
        return self.load(BackupCopy, deposit_id(name))

    def on_paper(self, name: str, org: str = FIRST, **values: Any) -> BackupCopy:
        """Let the desk write down a copy on paper, received in the minute of the clock."""
        minute = self.clock.at.replace(second=0, microsecond=0)
        wanted: dict[str, Any] = {
            "consultation": "C1",
            "lots": ("0",),
            "medium": Medium.PAPER,
            "label_ok": True,
            "received": LegalHour(minute),
            "desk": "accueil",
            "seal_no": "S-7",
            **values,
        }
        command = register_item.RegisterBackupCopy(copy=copy_id(name), bidder=org, **wanted)
        self.done(register_item.register_backup_copy, self.act("RD"), command)
        return self.load(BackupCopy, copy_id(name))

    # --- closing and opening

    def close(self, name: str = "C1") -> Consultation:
        self.clock.at = max(self.clock.at, self.load(Consultation, name).deadline + MS)
        self.done(reach_deadline.reach_deadline, self.act("PA"), reach_deadline.ReachDeadline(name))
        return self.load(Consultation, name)

    def convene(self, name: str = "C1", lot: str = "0") -> None:
        members = ("Mme A", "M. B", "Mme C")
        self.done(
            fix_opening_plan.convene_opening,
            self.act(),
            fix_opening_plan.ConveneOpening(name, lot, members),
        )
        for member in members[:2]:
            self.done(
                fix_opening_plan.record_presence,
                self.act(),
                fix_opening_plan.RecordPresence(name, lot, member),
            )

    def plan(self, name: str = "C1", lot: str = "0") -> OpeningSession:
        self.clock.at = max(self.clock.at, self.load(Consultation, name).opens_at() + MS)
        self.done(
            fix_opening_plan.fix_opening_plan,
            self.act(),
            fix_opening_plan.FixOpeningPlan(name, lot),
        )
        return self.load(OpeningSession, f"{name}.{lot}")

    def open(self, name: str = "C1", lot: str = "0", act: Act | None = None) -> OpeningSession:
        command = open_envelopes.OpenEnvelopes(name, lot)
        open_envelopes.open_envelopes(self.desk, act or self.act(), command)
        return self.load(OpeningSession, f"{name}.{lot}")

    def ready_to_open(self, name: str = "C1", lot: str = "0") -> OpeningSession:
        self.close(name)
        self.convene(name, lot)
        return self.plan(name, lot)


def copy_id(name: str) -> str:
    return hex_of(f"copy {name}", 32)


def deposit_id(name: str) -> str:
    return hex_of(f"deposit {name}", 32)

"""Whole procedures told as hand-made entries: published, corrected, deposited, opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from doubles.entries import HandLedger, digest

MEL = "20009320100016"
ROUBAIX = "21590512600011"
PLATFORM = "18590002500033"
MIB = 1024 * 1024
DEADLINE = datetime(2026, 3, 20, 16, 0, tzinfo=UTC)
LATER = datetime(2026, 4, 10, 10, 0, tzinfo=UTC)
NOW = datetime(2026, 3, 21, 9, 0, tzinfo=UTC)
"""A morning after the first deadline and before the second."""
LIMITS = {
    "formats": ["pdf", "odt", "xlsx", "zip"],
    "lead_time_min": 120,
    "max_file": 4 * 1024 * MIB,
    "max_files": 10_000,
    "max_total": 20 * 1024 * MIB,
    "padding": "PADME",
    "reference_rate": 125_000,
}


class Act(Protocol):
    """Appends one event, its fields by name."""

    def __call__(self, stream: str, kind: str, /, **fields: object) -> None: ...


@dataclass(frozen=True)
class Told:
    """What a test may want to know of a told consultation."""

    name: str
    tenant: str
    deadline: datetime
    lots: tuple[str, ...]


class Teller:
    """Writes the events of procedures into a hand-made ledger."""

    def __init__(self, ledger: HandLedger | None = None) -> None:
        self.ledger = ledger or HandLedger()

    def buyer(self, siret: str, name: str, kind: str = "COMMUNE") -> None:
        self.by("PA", PLATFORM, siret)(
            f"buyer/{siret}", "BuyerRegistered", siret=siret, name=name, buyer_kind=kind
        )
        self.by("BU", siret, siret)(
            f"buyer/{siret}",
            "RoleGranted",
            person=digest("person", siret, "BU"),
            role="BU",
            scope="*",
            valid_from="2026-01-01",
        )

    def company(self, siret: str, name: str) -> None:
        self.by("CY", siret, siret)(
            f"operator/{siret}",
            "OperatorRegistered",
            siret=siret,
            name=name,
            size_class="PME",
            size_source="DECLARED",
        )

    def draft(
        self,
        name: str,
        *,
        tenant: str,
        title: str,
        deadline: datetime,
        lots: tuple[tuple[str, str], ...] = (),
        nature: str = "WORKS",
        place: str = "59100 Roubaix",
    ) -> Told:
        act, stream = self.by("BU", tenant, tenant), f"consultation/{name}"
        act(
            stream,
            "ConsultationDrafted",
            reference=name.upper(),
            object=title,
            nature=nature,
            procedure="ADAPTED",
            estimated_cents=27_278_227,
            cpv="45421000",
            place=place,
            technique="NONE",
        )
        for lot, lot_title in lots:
            act(stream, "LotDefined", lot=lot, title=lot_title, estimated_cents=9_000_000)
        act(
            stream,
            "CriteriaSet",
            criteria=[
                {"name": "Prix", "weight_bp": 6000},
                {"name": "Valeur technique", "weight_bp": 4000},
            ],
            price_formula="PRICE_PROPORTIONAL_V1",
        )
        act(
            stream,
            "CalendarSet",
            questions_until_at=deadline - timedelta(days=6),
            deadline_at=deadline,
            deadline_local=local_of(deadline),
            zone="Europe/Paris",
            cool_down_s=60,
            validity_days=120,
        )
        act(stream, "TechnicalLimitsSet", **LIMITS)
        act(
            stream,
            "DepositPolicySet",
            complements="APPLICATION",
            backup_electronic=True,
            paper_exceptions=[],
            mode="SINGLE",
        )
        return Told(name, tenant, deadline, tuple(lot for lot, _ in lots) or ("0",))

    def dossier(self, told: Told, version: int, *files: tuple[str, int]) -> str:
        act, stream = self.by("BU", told.tenant, told.tenant), f"dossier/{told.name}"
        rows = [
            {"name": name, "sha256": digest(told.name, version, name), "size": size}
            for name, size in files
        ]
        root = digest("root", told.name, version)
        act(stream, "DossierFilesListed", version=version, part=1, files=rows)
        act(
            stream,
            "DossierVersionFrozen",
            version=version,
            parts=1,
            count=len(rows),
            root=root,
        )
        return root

    def custody(self, told: Told) -> str:
        act, stream = self.by("BU", told.tenant, told.tenant), f"custody/{told.name}"
        names = ["gardien-1", "gardien-2", "gardien-3"]
        keyset = digest("keyset", told.name)
        ceremony = digest("ceremony", told.name)[:32]
        begun = {"ceremony": ceremony, "k": 2, "n": 3, "purpose": "consultation", "v": 1}
        act(f"ceremony/{ceremony}", "CeremonyStarted", ceremony=begun)
        act(f"ceremony/{ceremony}", "KeysetReady", digest=keyset, document={"v": 1})
        for name in names:
            act(stream, "CustodianAppointed", custodian=name, org=PLATFORM)
        act(
            stream,
            "KeyCeremonyCompleted",
            public_key=digest("key", told.name),
            digest=keyset,
            canary_digest=digest("canary"),
            k=2,
            n=3,
            custodians=names,
            placement="A0",
        )
        act(stream, "CanaryDecrypted", custodians=names[:2])
        return keyset

    def published(self, name: str, **options: object) -> Told:
        told = self.draft(name, **options)  # type: ignore[arg-type]
        root = self.dossier(
            told, 1, ("Règlement de la consultation.pdf", 214_311), ("CCTP.pdf", 3 * MIB)
        )
        keyset = self.custody(told)
        self.by("BU", told.tenant, told.tenant)(
            f"consultation/{name}",
            "ConsultationPublished",
            notice_ids=[],
            dossier_root=root,
            limits=LIMITS,
            deadline_at=told.deadline,
            deadline_local=local_of(told.deadline),
            zone="Europe/Paris",
            key_fingerprint=keyset,
            procedure="ADAPTED",
        )
        return told

    def extended(self, told: Told, new_at: datetime, reason: str) -> Told:
        self.by("BU", told.tenant, told.tenant)(
            f"consultation/{told.name}",
            "DeadlineExtended",
            old_at=told.deadline,
            new_at=new_at,
            deadline_local=local_of(new_at),
            zone="Europe/Paris",
            reason=reason,
            triggered_by="BUYER",
        )
        return Told(told.name, told.tenant, new_at, told.lots)

    def deposit(
        self,
        told: Told,
        company: str,
        *,
        lot: str = "1",
        nth: int = 1,
        intent: str = "INITIAL",
        target: str | None = None,
        late_by_ms: int | None = None,
        size: int = 3 * MIB,
    ) -> str:
        bidder = tag(told.name, company)
        deposit = digest("deposit", told.name, company, lot, nth)[:32]
        transmission = digest("transmission", deposit)[:32]
        act = self.by("CY", company, told.tenant)
        act(
            f"transmission/{transmission}",
            "TransmissionStarted",
            consultation=told.name,
            lots=[lot],
            bidder=bidder,
            purpose="REAL",
            kind="OFFER",
            round=1,
            intent=intent,
            target=target,
            declared_bytes=size,
            declared_files=3,
            entry_consultation=told.name,
            client="cli/0.1.0",
            terms_version="1",
        )
        now = self.ledger.now
        act(
            f"transmission/{transmission}",
            "TransmissionCompleted",
            received_at=now,
            uncertainty_ms=20,
            ciphertext_root=digest("ciphertext", deposit),
            bytes_total=size,
            refused_parts=0,
        )
        act(
            f"deposit/{deposit}",
            "DepositSealed" if late_by_ms is None else "LateDepositRecorded",
            late_by_ms=late_by_ms,
            transmission=transmission,
            consultation=told.name,
            lots=[lot],
            bidder=bidder,
            kind="OFFER",
            round=1,
            intent=intent,
            target=target,
            header_hash=digest("header", deposit),
            commitment=digest("commitment", deposit),
            ciphertext_root=digest("ciphertext", deposit),
            bytes_total=size,
            capsule_hash=digest("capsule", deposit),
            documents_root=digest("documents", deposit),
            documents_count=3,
            announced_at=now,
            started_at=now,
            received_at=now,
            uncertainty_ms=20,
            receipt_id=digest("receipt", deposit)[:32],
        )
        return deposit

    def refused_announce(self, told: Told, company: str) -> str:
        transmission = digest("too large", told.name, company)[:32]
        stream, act = f"transmission/{transmission}", self.by("CY", company, told.tenant)
        act(
            stream,
            "TransmissionStarted",
            consultation=told.name,
            lots=["1"],
            bidder=tag(told.name, company),
            purpose="REAL",
            kind="OFFER",
            round=1,
            intent="INITIAL",
            declared_bytes=30 * 1024 * MIB,
            declared_files=12,
            entry_consultation=told.name,
            client="cli/0.1.0",
            terms_version="1",
        )
        act(
            stream,
            "FeasibilityRefused",
            limit="deposit.too-large",
            allowed=20 * 1024 * MIB,
            asked=30 * 1024 * MIB,
        )
        act(stream, "MessageShown", code="deposit.too-large", text="Trop grand", reason_id="1")
        return transmission

    def backup(
        self, told: Told, company: str, medium: str = "ELECTRONIC", lots: tuple[str, ...] = ("1",)
    ) -> str:
        """Let a backup copy come: by upload, or over the desk."""
        copy = digest("copy", told.name, company, medium, *lots)[:32]
        by_upload = medium == "ELECTRONIC"
        act = self.by(
            "CY" if by_upload else "RD", company if by_upload else told.tenant, told.tenant
        )
        act(
            f"backup/{copy}",
            "BackupCopyReceived",
            consultation=told.name,
            lots=list(lots),
            bidder=tag(told.name, company),
            medium=medium,
            label_ok=True,
            received_at=self.ledger.now,
            uncertainty_ms=20 if by_upload else 30_000,
            desk=None if by_upload else "accueil",
            seal_no=None if by_upload else "S-7",
            header_hash=digest("header", copy) if by_upload else None,
        )
        return copy

    def withdrawn(self, told: Told, company: str, deposit: str) -> None:
        self.by("CY", company, told.tenant)(f"deposit/{deposit}", "DepositWithdrawn")

    def superseded(self, told: Told, company: str, deposit: str, by: str, lot: str = "1") -> None:
        act = self.by("CY", company, told.tenant)
        act(f"deposit/{deposit}", "DepositSuperseded", by=by, lots=[lot])

    def refused_opening(self, told: Told, role: str, lot: str = "1") -> None:
        self.by(role, told.tenant, told.tenant)(
            f"opening/{told.name}.{lot}",
            "OpeningRefused",
            asked_by=digest("person", told.tenant, role),
            code="opening.too-early",
        )

    def refused_by_custodian(self, told: Told, deposit: str) -> None:
        self.by("CU", PLATFORM, told.tenant)(
            f"custody/{told.name}",
            "CustodianRefused",
            custodian="gardien-2",
            deposit=deposit,
            code="too-early",
            sig="0" * 128,
        )

    def closed(self, told: Told, *deposits: str) -> None:
        self.ledger.at(max(self.ledger.now, told.deadline + timedelta(seconds=1)))
        act, stream = self.by("PA", PLATFORM, told.tenant), f"consultation/{told.name}"
        act(stream, "DeadlineReached", deadline_at=told.deadline, evidence="HOST")
        parts = 0
        if deposits:
            parts = 1
            rows = [
                {
                    "deposit": deposit,
                    "header_hash": digest("header", deposit),
                    "leaf": self.ledger.tips[f"deposit/{deposit}"][1],
                    "on_time": True,
                    "version": self.ledger.tips[f"deposit/{deposit}"][0],
                }
                for deposit in sorted(deposits)
            ]
            act(stream, "RegisterListed", part=1, deposits=rows)
        act(
            stream,
            "RegisterClosed",
            parts=parts,
            count=len(deposits),
            list_root=digest("list", told.name),
            size=len(self.ledger.rows),
            root=digest("root", len(self.ledger.rows)),
        )
        self.ledger.publish()

    def convened(self, told: Told, lot: str) -> None:
        act, stream = self.by("BU", told.tenant, told.tenant), f"opening/{told.name}.{lot}"
        members = [digest("member", told.tenant, name) for name in range(3)]
        act(stream, "OpeningConvened", members=members)
        for member, capacity in zip(members, ("TITULAR", "TITULAR", "ADVISORY"), strict=True):
            act(stream, "PresenceRecorded", member=member, capacity=capacity)

    def planned(self, told: Told, lot: str, **lists: tuple[str, ...]) -> None:
        stream = f"opening/{told.name}.{lot}"
        names = ("open", "superseded", "withdrawn", "late", "undetermined")
        self.by("BU", told.tenant, told.tenant)(
            stream,
            "OpeningPlanFixed",
            plan_no=1,
            kind="FIRST",
            **{name: sorted(lists.get(name, ())) for name in names},
        )
        size = self.ledger.publish()
        self.by("PA", PLATFORM, told.tenant)(
            stream,
            "CheckpointAnchored",
            purpose="CLOSING",
            size=size,
            root=digest("root", size),
            witnesses=["gardien-1", "gardien-2", "gardien-3"],
        )

    def opened(
        self, told: Told, lot: str, companies: dict[str, str], unreadable: tuple[str, ...] = ()
    ) -> None:
        stream, custodians = f"opening/{told.name}.{lot}", ["gardien-1", "gardien-3"]
        act = self.by("BU", told.tenant, told.tenant)
        for nth, (deposit, company) in enumerate(sorted(companies.items())):
            for custodian in custodians:
                self.by("CU", PLATFORM, told.tenant)(
                    f"custody/{told.name}",
                    "OpeningShareReleased",
                    deposit=deposit,
                    lot=lot,
                    custodian=custodian,
                    plan_no=1,
                    partial_hash=digest("partial", deposit, custodian),
                )
            if not nth:
                act(stream, "CustodyQuorumReached", custodians=custodians)
            if deposit in unreadable:
                act(f"deposit/{deposit}", "EnvelopeUnreadable", fault="DEPOSITOR", cause="chunk")
                continue
            act(
                f"deposit/{deposit}",
                "EnvelopeOpened",
                plan_no=1,
                lots=[lot],
                custodians=custodians,
                operator=f"siret:{company}",
                form="PACKAGE",
                commitment_matches=True,
                documents_match=True,
                documents_count=3,
                external_references=0,
            )
        act(stream, "OpeningCompleted", plan_no=1, minutes_hash=digest("minutes", stream))

    def by(self, role: str, org: str, tenant: str) -> Act:
        """Return a way to append events of this caller."""

        def act(stream: str, kind: str, /, **fields: object) -> None:
            self.ledger.add((role, org, tenant), stream, kind, fields)

        return act


def tag(consultation: str, company: str) -> str:
    """Return a stand-in for the blinded tag of a company in one consultation."""
    return digest("tag", consultation, company)


def local_of(at: datetime) -> str:
    """Return the Paris text of an instant in winter, as a buyer would have written it."""
    return (at + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")


COMPANIES = {
    "40304303700031": "SAS Bouillon",
    "39495278200016": "Domoveil",
    "35600000000048": "La Poste",
    "55208131766522": "Électricité du Nord",
}


def whole_story(deadline: datetime = DEADLINE, *, later: datetime = LATER) -> Teller:
    """Tell what the first pages have to show: an open, a closed and an opened consultation."""
    teller = Teller()
    teller.buyer(MEL, "Métropole Européenne de Lille", "EPCI")
    teller.buyer(ROUBAIX, "Ville de Roubaix")
    for siret, name in COMPANIES.items():
        teller.company(siret, name)
    first, second, third, fourth = COMPANIES
    opened = teller.published(
        "roubaix-menuiseries-2026",
        tenant=ROUBAIX,
        title="Menuiseries extérieures des écoles : fourniture, pose et dépose",
        deadline=deadline,
        lots=(("1", "École Jules-Guesde"), ("2", "Hôtel de ville")),
    )
    waiting = teller.published(
        "mel-balayage-2026",
        tenant=MEL,
        title="Balayage mécanisé de la voirie métropolitaine",
        deadline=later,
        nature="SERVICES",
        place="59000 Lille",
    )
    teller.published(
        "mel-video-2026",
        tenant=MEL,
        title="Assistance à maîtrise d'ouvrage pour la vidéo-protection <script>alert(1)</script>",
        deadline=later + timedelta(days=9),
        nature="SERVICES",
        place="59650 Villeneuve-d'Ascq",
    )
    teller.draft("brouillon", tenant=MEL, title="Un projet qui n'est pas publié", deadline=later)
    waiting = teller.extended(
        waiting, later + timedelta(days=2), "Réponse tardive à une question importante"
    )
    initial = teller.deposit(opened, first)
    replacing = teller.deposit(opened, first, nth=2, intent="REPLACE", target=initial)
    teller.superseded(opened, first, initial, replacing)
    broken = teller.deposit(opened, second)
    gone = teller.deposit(opened, third)
    teller.withdrawn(opened, third, gone)
    teller.refused_announce(opened, fourth)
    other = teller.deposit(opened, fourth, lot="2")
    teller.deposit(waiting, second, lot="0")
    for role in ("BU", "PA"):
        teller.refused_opening(opened, role)
    teller.refused_by_custodian(opened, initial)
    teller.ledger.at(opened.deadline + timedelta(milliseconds=300))
    late = teller.deposit(opened, fourth, late_by_ms=550)
    teller.closed(opened, initial, replacing, broken, gone, late, other)
    teller.convened(opened, "1")
    teller.planned(
        opened,
        "1",
        open=(replacing, broken),
        superseded=(initial,),
        withdrawn=(gone,),
        late=(late,),
    )
    teller.opened(opened, "1", {replacing: first, broken: second}, unreadable=(broken,))
    teller.ledger.publish()
    return teller

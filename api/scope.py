"""What one caller reaches: every question of a route is bound here to its tenant (N14).

A route asks its ``Scope``; the unbound readers behind it are out of its sight (house rule). What is
foreign and what is absent take one path: the owner is part of the question, never a check on the
answer, so both answer 404 with the same bytes after the same work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api import (
    attestations,
    ceremonies,
    copies,
    dossiers,
    kits,
    members,
    minutes,
    openings,
    refusals,
    views,
)
from api.adapters.refusal_book import Head, Row
from api.adapters.vault import Incoming
from api.auth import Anyone, Caller, platform_of
from api.documents.minutes import document
from api.dossiers import DossierFile
from api.errors import Absent
from api.facts import facts
from api.leaving import TenantExport
from api.members import Members, Rows
from api.own_transmissions import OwnTransmission
from api.permissions import DECIDING, DRAFTING, LEAVING, READING, REGISTERING_ITEMS, SEEING_MEMBERS
from api.platform import AUDITOR, Platform
from api.uploading import session_of
from domain.backup_copy import BackupCopy
from domain.buyer import Buyer
from domain.commands.download_dossier import DownloadDossier
from domain.commands.open_envelopes import OpenEnvelopes
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.errors import NotAllowed
from domain.events.dossier import FileRow
from domain.opening import OpeningSession
from domain.ports import Act, Principal
from domain.tenure import EVERYTHING

Answer = dict[str, object]
COMPANY = "CY"
GRANTED = "granted"
NOBODY = ""
"""An owner that no object has: whoever calls without a token, or not for a company."""


@dataclass(frozen=True)
class Scope:
    """The platform as far as one caller reaches; without a principal, what everybody reads."""

    _platform: Platform
    principal: Principal | None

    @property
    def _org(self) -> str:
        """Return the buyer whose procedures are the caller's own: a company's are none (N14).

        A town that bids itself has one SIRET and two accounts; its bidder is no officer of it.
        """
        who = self.principal
        return who.org if who is not None and who.role != COMPANY else NOBODY

    @property
    def _company(self) -> str:
        who = self.principal
        return who.org if who is not None and who.role == COMPANY else NOBODY

    # -- consultations

    def consultation(self, name: str) -> Answer:
        """Return a published consultation, or a draft of the caller's own."""
        self._visible(name)
        return views.consultation(self._platform, name)

    def own(self, name: str) -> None:
        """Return quietly if the consultation is of the caller's organisation, else it is absent."""
        if self._platform.index.tenant_of(name) != self._org:
            raise Absent

    def equip(self, act: Act, name: str) -> None:
        """Hold the key ceremony of the caller's own consultation."""
        self.own(name)
        ceremonies.equip(self._platform, act, name)

    def open_canary(self, act: Act, name: str) -> None:
        """Let the custodians open the canary of the caller's own consultation."""
        self.own(name)
        ceremonies.open_canary(self._platform, act, name)

    def retire_keyset(self, act: Act, name: str, reason: str) -> Answer:
        """Let the custodians erase their shares; return who stated it, from the ledger."""
        self.own(name)
        ceremonies.retire(self._platform, act, name, reason)
        return ceremonies.retired(self._platform, name)

    def dossier(self, name: str) -> Answer:
        """Return the dossier version in force."""
        self._visible(name)
        return views.dossier(self._platform, name)

    def dossier_file(self, name: str, file: str) -> DossierFile:
        """Return one file of the dossier in force, and record that it was downloaded."""
        self._visible(name)
        found = dossiers.file_of(self._platform, name, file)
        taken = DownloadDossier(name, found.version, (file,), self._company or None)
        dossiers.record_download(self._platform, taken, self.principal)
        return found

    def drafter(self, name: str) -> None:
        """Return quietly if the caller may work on the dossier of its own consultation."""
        self.own(name)
        self._require(DRAFTING)

    def incoming(self) -> AbstractContextManager[Incoming]:
        """Give a place for a file of unknown size; what is not kept is dropped."""
        return self._platform.vault.incoming()

    def screen(self, place: Incoming) -> None:
        """Return quietly unless what came holds malware (ASVS 5.0, V5.4.3)."""
        dossiers.screen(self._platform, place)

    def uploaded(self, name: str, sha256: str) -> None:
        """Remember that this file came for the dossier of the caller's own consultation."""
        self.own(name)
        self._platform.uploads.add_dossier_file(name, sha256)

    def dossier_rows(
        self, name: str, files: Sequence[tuple[str, str]], act: str = DRAFTING
    ) -> tuple[FileRow, ...]:
        """Return rows for files (name, hash) which came for the caller's own consultation."""
        self.own(name)
        self._require(act)
        return dossiers.rows_of(self._platform, name, files)

    def kit(self, name: str) -> Answer:
        """Return all that is needed to seal; with a company's token, its own tag and salt too."""
        return kits.kit(self._platform, name, self._company)

    def opening(self, name: str, lot: str) -> Answer:
        """Return how far the opening of a lot is; what it holds, to its own buyer."""
        found = self._visible(name)
        own = found.tenant == self._org or self._audits(found.tenant, name)
        return openings.view(self._platform, found, lot, own=own)

    def plan(self, act: Act, name: str, lot: str) -> None:
        """Fix the opening plan of a lot of the caller's own consultation."""
        self.own(name)
        openings.plan(self._platform, act, name, lot)

    def open_plan(self, act: Act, command: OpenEnvelopes) -> None:
        """Let anybody try to open what a plan names: the rule refuses, and that is recorded."""
        openings.open_plan(self._platform, act, command)

    def minutes(self, name: str, lot: str) -> Answer:
        """Return the minutes of a lot, absent before its plan; names are for its own buyer."""
        found = self._visible(name)
        own = found.tenant == self._org or self._audits(found.tenant, name)
        return minutes.minutes(self._platform, found, lot, named=own)

    def minutes_document(self, name: str, lot: str) -> bytes:
        """Return the same as a PDF/A, with the records that the ledger names."""
        told = self.minutes(name, lot)
        return document(told, minutes.records(self._platform, told))

    # -- deposits and transmissions

    def deposits(self) -> list[str]:
        """Return the names of the company's own deposits, in order."""
        own = self._platform.uploads.of_owner(self._company)
        return sorted(
            upload.deposit for upload in own if upload.deposit and self._sealed(upload.deposit)
        )

    def deposit(self, name: str) -> SealedEnvelope:
        """Return a deposit of the company that calls."""
        mine = self._platform.uploads.own_deposit(name, self._company)
        found = self._sealed(name) if mine is not None else None
        if found is None:
            raise Absent
        return found

    def deposit_receipt(self, name: str) -> Answer:
        """Return the receipt of an own deposit with its mentions."""
        return attestations.deposit_receipt(self._platform, self.deposit(name))

    def damage(self, name: str) -> Answer:
        """Return what the caller must know of lost bytes of an own deposit."""
        consultation = self.deposit(name).sealed().consultation
        return attestations.damage(self._platform, name, consultation)

    def receipt_file(self, name: str, *, published: bool) -> bytes:
        """Return the receipt of an own deposit as a file."""
        self.deposit(name)
        position = facts(self._platform.ledger, f"deposit/{name}")[0].position
        return self._platform.ledger.receipt(position, published=published)

    def withdrawal(self, name: str) -> Answer:
        """Return how an own deposit was withdrawn."""
        state = self.deposit(name).state
        told = facts(self._platform.ledger, f"deposit/{name}")
        end = [fact for fact in told if fact.kind == "DepositWithdrawn"][-1]
        receipt = self._platform.ledger.receipt(end.position).decode()
        return {"deposit": name, "state": state, "withdrawn_at": end.at, "receipt": receipt}

    def began(self, name: str, consultation: str) -> bool:
        """Say whether an announce of the caller made a session; from here on it is its own."""
        if session_of(self._platform, name) is None:
            return False
        self._platform.uploads.start(name, consultation, self._company)
        return True

    def transmission(self, name: str) -> OwnTransmission:
        """Return a transmission of the company that calls."""
        upload = self._platform.uploads.own(name, self._company)
        if upload is None or self.principal is None:
            raise Absent
        sender = Caller(self.principal, self._platform).within(upload.consultation)
        return OwnTransmission(self._platform, sender, upload)

    # -- what a buyer may know of deposits, from the plan of their lot on

    def late_deposit(self, name: str) -> str:
        """Return whose need this deposit is, on which the caller decides: a plan has shown it."""
        home = self._platform.index.consultation_of(name)
        if home is None or not self.knows(name):
            raise Absent
        self._require(DECIDING)
        return home

    def need_of(self, name: str) -> str:
        """Return what ties an attempt on a deposit to others; of one that is not here, its name."""
        return self._platform.index.consultation_of(name) or name

    def knows(self, name: str) -> bool:
        """Say whether a deposit lies in an own consultation, in a lot whose plan is fixed (N11)."""
        home = self._platform.index.consultation_of(name)
        if home is None or self._platform.index.tenant_of(home) != self._org:
            return False
        sealed = self._sealed(name)
        sessions = [self._session(home, lot) for lot in sealed.sealed().lots] if sealed else []
        return any(session is not None and session.plans for session in sessions)

    def copies(self, name: str) -> Answer:
        """Return the backup copies that the caller may know and decide on, each with its ground."""
        self.own(name)
        self._require(DECIDING)
        found = views.found_consultation(self._platform, name)
        return {"consultation": name, "backup_copies": copies.known(self._platform, found)}

    def decides_on(self, name: str) -> str:
        """Return whose need this copy is, on which the caller decides: its lots have their plan."""
        found = self._known_copy(name)
        self._require(DECIDING)
        return found.received().consultation

    def copy(self, name: str) -> Answer:
        """Return one copy that the caller may know, as it stands now."""
        copy = self._known_copy(name)
        home = views.found_consultation(self._platform, copy.received().consultation)
        return copies.shown(self._platform, home, copy)

    def desk_register(self, name: str) -> Answer:
        """Return what the desk of the caller's own organisation wrote down."""
        self.own(name)
        self._require(REGISTERING_ITEMS)
        return {"consultation": name, **copies.at_the_desk(self._platform, name)}

    def own_copies(self) -> list[str]:
        """Return the names of the company's own electronic copies, in order."""
        mine = self._platform.uploads.of_owner(self._company)
        held = (upload.deposit for upload in mine if upload.deposit)
        return sorted(name for name in held if copies.found(self._platform, name))

    def own_copy(self, name: str) -> Answer:
        """Return the receipt of an electronic copy of the company that calls."""
        mine = self._platform.uploads.own_deposit(name, self._company)
        found = copies.found(self._platform, name) if mine is not None else None
        if found is None:
            raise Absent
        return attestations.copy_receipt(self._platform, found)

    def _known_copy(self, name: str) -> BackupCopy:
        """Return a copy of an own consultation all of whose lots have their plan (N11)."""
        home = self._platform.index.consultation_of(name)
        if home is None or self._platform.index.tenant_of(home) != self._org:
            raise Absent
        found = copies.found(self._platform, name)
        if found is None or not copies.planned(self._platform, found):
            raise Absent
        return found

    def opened(self, consultation: str, lot: str, deposit: str) -> Answer:
        """Return the list of documents of an opened envelope of the caller's own procedure."""
        self._opened(consultation, lot, deposit)
        return openings.documents(self._platform, deposit)

    def scan(self, act: Act, consultation: str, lot: str, deposit: str) -> Answer:
        """Scan the documents of an opened envelope of the caller's own procedure again."""
        self.own(consultation)
        self._opened(consultation, lot, deposit)
        return openings.scan(self._platform, act, deposit)

    def opened_document(
        self, consultation: str, lot: str, deposit: str, number: int
    ) -> tuple[str, int, Iterator[bytes]]:
        """Return name, size and bytes of one document of an opened envelope."""
        self._opened(consultation, lot, deposit)
        return openings.document(self._platform, deposit, number)

    # -- members of organisations

    def organisation(self, name: str) -> str:
        """Return the name under which an organisation's stream is sought, or refuse its form."""
        return members.organisation(self._platform, name)

    def members(self, siret: str) -> Members:
        """Return what the caller sees of a buyer's members: its own with names, else opened ones.

        An auditor is a member of nobody: also its own organisation's are opened to it, or not.
        """
        buyer = self._platform.desk.files.find(Buyer, f"buyer/{siret}")
        opened = self._audits(siret) or self._granted()
        if buyer is None or not (siret == self._org or opened):
            raise Absent
        granted = self._require(SEEING_MEMBERS) == GRANTED
        if granted and not opened:
            raise NotAllowed(AUDITOR, SEEING_MEMBERS)
        return Members(self._platform, buyer, not granted)

    def departure_export(self, siret: str) -> TenantExport:
        """Return the complete export of the caller's own organisation."""
        if siret != self._org:
            raise Absent
        self._require(LEAVING)
        return TenantExport.of(self._platform, siret)

    def representatives(self, operator: str, at: str | None) -> tuple[str, Rows]:
        """Return who could act for the company that calls, and the instant that was asked."""
        if operator != self._company:
            raise Absent
        return members.representatives(self._platform, operator, at)

    # -- the ledger, and what was refused

    def refusals(self) -> tuple[list[Row], Head | None]:
        """Return the refused accesses that the caller may list; to granted auditors their head."""
        if self.principal is None:
            raise Absent
        rows = refusals.visible(self._platform, self.principal)
        return rows, self._platform.refusals.head() if self._granted() else None

    def refusal(self, row: Row) -> Answer:
        """Return a refused access as the caller reads it: with names to the organisation itself."""
        subjects = self._platform.desk.subjects
        return refusals.shown(row, None if self._granted() else subjects.reveal)

    def entries(self, path: str) -> bytes:
        """Return an entry bundle, to an auditor who was granted the whole platform."""
        data = self._platform.served(path) if self._granted() else None
        if data is None:
            raise Absent
        return data

    def _visible(self, name: str) -> Consultation:
        """Return a published consultation, or an own one whose role may draft it."""
        index = self._platform.index
        public = index.is_published(name)
        if not public and index.tenant_of(name) != self._org:
            raise Absent
        if not public:
            self._require(DRAFTING)
        return views.found_consultation(self._platform, name)

    def _require(self, act: str) -> str:
        """Return how the role may do this with what is its own, else raise."""
        role = self.principal.role if self.principal else NOBODY
        return self._platform.desk.law.roles.require(role, act)

    def _granted(self) -> bool:
        return self.principal is not None and self._platform.may_read_entries(self.principal)

    def _audits(self, buyer: str, consultation: str = EVERYTHING) -> bool:
        who = self.principal
        return who is not None and self._platform.may_audit(who, buyer, consultation)

    def _sealed(self, deposit: str) -> SealedEnvelope | None:
        found = self._platform.desk.files.find(SealedEnvelope, f"deposit/{deposit}")
        return found if found is not None and found.facts is not None else None

    def _session(self, consultation: str, lot: str) -> OpeningSession | None:
        return self._platform.desk.files.find(OpeningSession, f"opening/{consultation}.{lot}")

    def _opened(self, consultation: str, lot: str, deposit: str) -> None:
        """Return quietly if the caller may read this opened bid; anything else is absent or 403.

        A company reads its own bid; an auditor what the buyer, and nobody else, opened to it.
        """
        mine = self._platform.uploads.own_deposit(deposit, self._company) is not None
        audited = self._audits(self._platform.index.tenant_of(consultation) or NOBODY, consultation)
        if not mine and not audited:
            self.own(consultation)
        session = self._session(consultation, lot)
        envelope, copy = self._sealed(deposit), copies.found(self._platform, deposit)
        opened = envelope is not None and lot in envelope.opened_lots
        opened = opened or (copy is not None and copy.state == "OPENED")
        if not opened or session is None or deposit not in session.planned():
            raise Absent
        if self._require(READING) == GRANTED and not audited:
            raise NotAllowed(AUDITOR, READING)


async def bound(request: Request, who: Anyone) -> Scope:
    """Return what the caller of this request reaches; there is nothing to wait for."""
    return Scope(who.platform if who else platform_of(request), who.principal if who else None)


Bound = Annotated[Scope, Depends(bound)]

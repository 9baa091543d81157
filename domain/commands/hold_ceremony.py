"""Make a keyset by joint generation, assign it once, retire it (envelope.md §2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from crypto import dkg
from crypto.canonical import Json
from crypto.ceremony import Ceremony
from crypto.errors import CryptoError
from crypto.keyset import Keyset
from domain.aggregate import Event, Stamp
from domain.commands.loading import RUNNING, custody_of, found, found_or_blank, opening_of
from domain.commands.still_sealed import still_sealed
from domain.consultation import Consultation
from domain.custody import Custody, KeyCeremony, check_strength
from domain.errors import BadForm, CeremonyAborted, KeysetNeeded, KeysetTaken, NotFound
from domain.events.custody import (
    CeremonyCommitted,
    CeremonyComplained,
    CeremonyConfirmed,
    CeremonyFailed,
    CeremonyShared,
    CeremonyStarted,
    CustodianAppointed,
    KeyCeremonyCompleted,
    KeysetReady,
    KeysetRetired,
    ShareDestroyed,
    ShareReportedLost,
)
from domain.identifiers import HEX32, check, check_text
from domain.placement import placement
from domain.ports import Act, CustodianSilent, CustodyComplaint, Desk, Recorded


class KeysetPurpose(StrEnum):
    """A canary keyset never opens a bid, a consultation keyset never answers a test."""

    CONSULTATION = "consultation"
    CANARY = "canary"


@dataclass(frozen=True)
class HoldCeremony:
    """Run the rounds of one ceremony among these custodians of the roster, in order of index."""

    ceremony: str
    custodians: tuple[str, ...]
    k: int = 2
    purpose: KeysetPurpose = KeysetPurpose.CONSULTATION


@dataclass(frozen=True)
class AssignKeyset:
    """Give a ready keyset, and the canary keyset of the same custodians, to a consultation."""

    consultation: str
    ceremony: str
    canary_ceremony: str


@dataclass(frozen=True)
class ReportShareLost:
    """Record that a custodian has lost its share."""

    consultation: str
    custodian: str


@dataclass(frozen=True)
class RetireKeyset:
    """Make the custodians erase the shares of a consultation's keyset."""

    consultation: str
    reason: str


def hold_ceremony(desk: Desk, act: Act, command: HoldCeremony) -> Recorded:
    """Append the rounds, one save each, up to KeysetReady or CeremonyFailed.

    A custodian that is silent before the start leaves nothing recorded: the same may be held again.
    """
    ceremony = found_or_blank(desk, KeyCeremony, check(HEX32, "ceremony", command.ceremony))
    if earlier := desk.earlier(act, command):
        if ceremony.failed:
            raise CeremonyAborted(command.ceremony, ceremony.failed)
        return earlier
    desk.law.roles.require(act.principal.role, RUNNING)
    check_strength(command.k, command.custodians)
    rounds = _Rounds(desk, act, command, ceremony)
    try:
        # a box key is one ceremony's from its first answer on: none starts in between
        with desk.turns.hold("box keys"):
            rounds.started()
            rounds.committed()
        rounds.shared()
        rounds.confirmed()
        return rounds.ready()
    except CustodyComplaint as complaint:
        raise rounds.complained(complaint) from complaint
    except (CustodianSilent, CryptoError) as failure:
        if isinstance(failure, CustodianSilent) and not ceremony.ceremony:
            raise
        raise rounds.failed(str(failure)) from failure


def assign_keyset(desk: Desk, act: Act, command: AssignKeyset) -> Recorded:
    """Append CustodianAppointed for each custodian and KeyCeremonyCompleted."""
    if earlier := desk.earlier(act, command):
        return earlier
    desk.law.roles.require(act.principal.role, RUNNING)
    consultation = found(desk, Consultation, command.consultation)
    ceremony = found(desk, KeyCeremony, command.ceremony)
    canary = found(desk, KeyCeremony, command.canary_ceremony)
    custody = check_unassigned(desk, command.consultation)
    _check_assignable(desk, ceremony, canary)
    meta = desk.meta(act, desk.reading(consultation, custody, ceremony), consultation.tenant)
    for member in ceremony.ceremony["members"]:
        custody.append(
            CustodianAppointed(
                **custody.stamp(meta), custodian=member["custodian"], org=member["organisation"]
            )
        )
    custody.append(
        KeyCeremonyCompleted(
            **custody.stamp(meta),
            public_key=ceremony.document["y"],
            digest=ceremony.digest,
            canary_digest=canary.digest,
            k=ceremony.ceremony["k"],
            n=ceremony.ceremony["n"],
            custodians=list(ceremony.custodians()),
            placement=placement(ceremony.ceremony["k"], ceremony.organisations()),
        )
    )
    return desk.save(act, command, [custody], {ceremony.id: ceremony.version})


def report_share_lost(desk: Desk, act: Act, command: ReportShareLost) -> Recorded:
    """Append ShareReportedLost."""
    if earlier := desk.earlier(act, command):
        return earlier
    desk.law.roles.require(act.principal.role, RUNNING)
    custody = found(desk, Custody, command.consultation)
    if custody.keyset is None or command.custodian not in custody.keyset.custodians:
        raise NotFound("custodian", command.custodian)
    meta = desk.meta(act, desk.reading(custody), custody.tenant)
    custody.append(ShareReportedLost(**custody.stamp(meta), custodian=command.custodian))
    return desk.save(act, command, [custody])


def retire_keyset(desk: Desk, act: Act, command: RetireKeyset) -> Recorded:
    """Append KeysetRetired, then ShareDestroyed for each custodian that states it.

    Nothing can be undone: what is unopened stays unreadable for ever. So no lot may wait.
    """
    if earlier := desk.earlier(act, command):
        return earlier
    desk.law.roles.require(act.principal.role, RUNNING)
    custody = found(desk, Custody, command.consultation)
    keyset = custody.keyset
    if keyset is None:
        raise NotFound("keyset of", command.consultation)
    check_unneeded(desk, found(desk, Consultation, command.consultation))
    meta = desk.meta(act, desk.reading(custody), custody.tenant)
    if not custody.retired:
        reason = check_text("reason", command.reason)
        custody.append(KeysetRetired(**custody.stamp(meta), digest=keyset.digest, reason=reason))
        desk.save(act.part("retired"), command, [custody])
    for custodian in [one for one in keyset.custodians if one not in custody.destroyed]:
        try:
            sig = desk.custodians.retire(keyset.digest, custodian)
        except CustodianSilent:
            continue
        custody.append(
            ShareDestroyed(
                **custody.stamp(meta), custodian=custodian, digest=keyset.digest, sig=sig
            )
        )
    if not custody.pending_events:
        raise CustodianSilent("of this keyset")
    return desk.save(act, command, [custody])


def check_unneeded(desk: Desk, consultation: Consultation) -> None:
    """Return quietly if no envelope waits for the keys: it ended, or every lot is opened.

    A lot whose session is complete may wait all the same: for its second envelopes, for what was
    admitted late, for a copy that was authorised.
    """
    if consultation.state == "ENDED":
        return
    for lot in consultation.lot_names():
        session = opening_of(desk, consultation.name, lot)
        if session.state != "COMPLETED" or still_sealed(desk, consultation, session, lot):
            raise KeysetNeeded(consultation.name, lot)


@dataclass
class _Rounds:
    """The rounds of one ceremony, one save each: a custodian reads the ledger before the next.

    After a crash the same act goes on where the stream ends.
    """

    desk: Desk
    act: Act
    command: HoldCeremony
    ceremony: KeyCeremony

    def started(self) -> None:
        """Announce members and threshold."""
        if self.ceremony.ceremony:
            return
        roster = {one.custodian: one for one in self.desk.custodians.roster()}
        if set(self.command.custodians) - set(roster):
            raise BadForm("custodians", "of the roster only")
        members: list[Json] = [
            {
                "box": self.desk.custodians.box(name),
                "custodian": name,
                "index": index,
                "organisation": roster[name].organisation,
                "sign": roster[name].sign_hex,
            }
            for index, name in enumerate(self.command.custodians, 1)
        ]
        document: dict[str, Json] = {
            "ceremony": self.command.ceremony,
            "k": self.command.k,
            "log": self.desk.origin,
            "members": members,
            "n": len(members),
            "purpose": self.command.purpose.value,
            "v": 1,
        }
        Ceremony.parse(document)
        self._append("started", [CeremonyStarted(**self._stamp(0), ceremony=document)])

    def committed(self) -> None:
        """Collect round 1; every message is checked before it is recorded."""
        if self.ceremony.committed:
            return
        made = Ceremony.parse(self.ceremony.ceremony)
        messages = [self.desk.custodians.round1(self.ceremony.name, name) for name in self._names()]
        dkg.check_commitments(made, messages)
        self._append(
            "round1",
            [CeremonyCommitted(**self._stamp(at), **one) for at, one in enumerate(messages)],
        )

    def shared(self) -> None:
        """Collect round 2."""
        if self.ceremony.shared:
            return
        messages = [self.desk.custodians.round2(self.ceremony.name, name) for name in self._names()]
        self._append(
            "round2", [CeremonyShared(**self._stamp(at), **one) for at, one in enumerate(messages)]
        )

    def confirmed(self) -> None:
        """Collect the confirmations: all n must come."""
        if self.ceremony.confirmed:
            return
        found_by = [
            self.desk.custodians.confirm(self.ceremony.name, name) for name in self._names()
        ]
        self._append(
            "round3",
            [CeremonyConfirmed(**self._stamp(at), **one) for at, one in enumerate(found_by)],
        )

    def ready(self) -> Recorded:
        """Build the keyset document, check it as any client would, put it into the pool."""
        made = Ceremony.parse(self.ceremony.ceremony)
        messages: list[Json] = [
            {"index": one.index, "points": one.points, "pop": one.pop, "sig": one.sig}
            for one in self.ceremony.committed
        ]
        y, shares = dkg.public_keys(made, dkg.check_commitments(made, messages))
        document: dict[str, Json] = {
            "acks": [one.sig for one in self.ceremony.confirmed],
            "ceremony": dict(self.ceremony.ceremony),
            "shares": [share.hex() for share in shares],
            "v": 1,
            "y": y.hex(),
        }
        digest = Keyset.parse(document).digest.hex()
        event = KeysetReady(**self._stamp(0), digest=digest, document=document)
        self.ceremony.append(event)
        return self.desk.save(self.act, self.command, [self.ceremony])

    def complained(self, complaint: CustodyComplaint) -> CeremonyAborted:
        """Record who complains against whom, and the end."""
        self.ceremony.append(
            CeremonyComplained(
                **self._stamp(0),
                index=complaint.index,
                against=complaint.against,
                reason=complaint.reason,
                sig=complaint.sig,
            )
        )
        return self.failed(str(complaint))

    def failed(self, reason: str) -> CeremonyAborted:
        """Record the end without a keyset."""
        self.ceremony.append(CeremonyFailed(**self._stamp(0), reason=reason))
        self.desk.save(self.act, self.command, [self.ceremony])
        return CeremonyAborted(self.ceremony.name, reason)

    def _names(self) -> tuple[str, ...]:
        return self.ceremony.custodians()

    def _stamp(self, after: int) -> Stamp:
        """Return what the event carries that comes ``after`` others not yet appended."""
        meta = self.desk.meta(self.act, self.desk.reading(self.ceremony), self.desk.platform)
        stamp = self.ceremony.stamp(meta)
        stamp["originator_version"] += after
        return stamp

    def _append(self, part: str, events: Sequence[Event]) -> None:
        for event in events:
            self.ceremony.append(event)
        self.desk.save(self.act.part(part), self.command, [self.ceremony])


def check_unassigned(desk: Desk, consultation: str) -> Custody:
    """Return the custody of a consultation which has no keyset yet."""
    custody = custody_of(desk, consultation)
    if custody.keyset is not None:
        raise KeysetTaken(custody.keyset.digest)
    return custody


def _check_assignable(desk: Desk, ceremony: KeyCeremony, canary: KeyCeremony) -> None:
    """Return quietly if the keyset is ready and free, and the canary is of the same custodians."""
    for made, purpose in ((ceremony, KeysetPurpose.CONSULTATION), (canary, KeysetPurpose.CANARY)):
        if not made.digest or made.ceremony["purpose"] != purpose:
            raise BadForm("ceremony", f"{made.name} has no ready keyset of purpose {purpose}")
    if ceremony.custodians() != canary.custodians():
        raise BadForm("canary_ceremony", "the same custodians in the same order")
    if desk.register.assigned(ceremony.digest) is not None:
        raise KeysetTaken(ceremony.digest)

"""Open one envelope: ask the custodians, check every answer, record what came of it (§4.10).

What was decrypted is scanned before the save that opens it: nobody can ask for it in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from crypto.digests import sha256
from crypto.errors import CryptoError
from domain.aggregate import Meta
from domain.backup_copy import BackupCopy
from domain.commands.detect_malware import scan_copy, scan_opened
from domain.commands.loading import custody_of, found
from domain.consultation import Consultation
from domain.custody import Custody, KeyCeremony
from domain.envelope import SealedEnvelope
from domain.errors import NotFound, OpeningOrder, QuorumMissed
from domain.events.custody import CustodianRefused, KeyCeremonyCompleted, OpeningShareReleased
from domain.events.deposit import EnvelopeOpened, EnvelopeUnreadable, Fault, Form
from domain.events.opening import CustodyQuorumMissed, CustodyQuorumReached
from domain.opening import OpeningSession
from domain.ports import (
    Act,
    CustodianRefusal,
    CustodianSilent,
    Desk,
    Recorded,
    StoredEnvelope,
    Unsealed,
)
from domain.verdict import Findings, OpeningVerdict, opening_verdict

NOT_ASKED: Mapping[str, str] = {"answer": "NOT_ASKED"}
SILENT: Mapping[str, str] = {"answer": "SILENT"}
MISSING = frozenset({"SILENT", "REFUSED", "BAD"})
NOTHING = Unsealed(
    key_ok=False, chunks_ok=False, package_ok=False, documents_match=False, documents_count=0
)


def document_of(desk: Desk, digest: str) -> Mapping[str, Any]:
    """Return the keyset document of this digest, from the ceremony that made it."""
    name = desk.register.ceremony(digest)
    if name is None:
        raise NotFound("keyset", digest)
    return found(desk, KeyCeremony, name).document


def planned_envelope(desk: Desk, name: str) -> SealedEnvelope | BackupCopy:
    """Return what a plan names: a deposit, else a backup copy."""
    envelope = desk.files.find(SealedEnvelope, f"{SealedEnvelope.PREFIX}/{name}")
    if envelope is None or envelope.facts is None:
        return found(desk, BackupCopy, name)
    return envelope


@dataclass
class Table:
    """What lies on the table while the envelopes of one lot are opened."""

    desk: Desk
    act: Act
    consultation: Consultation
    session: OpeningSession
    lot: str
    custody: Custody
    keyset: KeyCeremonyCompleted
    document: Mapping[str, Any]

    @classmethod
    def laid(
        cls, desk: Desk, act: Act, consultation: Consultation, session: OpeningSession, lot: str
    ) -> Table:
        """Return the table with the keyset of the consultation."""
        custody = custody_of(desk, consultation.name)
        if custody.keyset is None:
            raise OpeningOrder(session.name, "a keyset")
        document = document_of(desk, custody.keyset.digest)
        return cls(desk, act, consultation, session, lot, custody, custody.keyset, document)

    def meta(self) -> Meta:
        """Return metadata with a fresh reading: a long opening has many."""
        now = self.desk.reading(self.consultation, self.session, self.custody)
        return self.desk.meta(self.act, now, self.consultation.tenant)


def open_one(table: Table, deposit: str, act: Act, command: object) -> Recorded | None:
    """Open one planned envelope, save its outcome under this act; None: it has one already.

    1 examine the stored bytes; 2 gather k proven answers, keep them; 3 decrypt; 4 scan, record.
    """
    envelope = planned_envelope(table.desk, deposit)
    handled = envelope.handled(table.lot)
    if earlier := table.desk.earlier(act, command):
        if handled:
            return earlier
        raise QuorumMissed(
            table.keyset.k, unanswered(table.desk, table.session, table.lot, deposit)
        )
    if handled:
        return None
    recorded = envelope.commitment
    fingerprint = table.consultation.key_fingerprint
    examined = table.desk.unsealing.examine(deposit, recorded, fingerprint)
    meta = table.meta()
    answers = _answers(table, meta, deposit, examined)
    enough = len(answers) >= table.keyset.k
    unsealed = NOTHING
    if answers:
        # before the save that names their hashes: a crash here leaves answers that nobody names
        plan_no = table.session.plan().plan_no
        table.desk.vault.keep_partials(deposit, table.lot, plan_no, answers)
    if enough:
        unsealed = table.desk.unsealing.unseal(deposit, recorded, table.document, answers)
    verdict = opening_verdict(_findings(table, examined, answers, unsealed))
    if verdict.event == CustodyQuorumMissed.TOPIC:
        return _missed(table, meta, deposit, act, command)
    names = [table.keyset.custodians[index - 1] for index in sorted(answers)]
    if enough and table.session.state == "WITNESSED":
        table.session.append(CustodyQuorumReached(**table.session.stamp(meta), custodians=names))
    _record(table, meta, envelope, verdict, unsealed, names)
    return table.desk.save(act, command, [table.custody, table.session, envelope])


def _answers(table: Table, meta: Meta, deposit: str, examined: StoredEnvelope) -> dict[int, bytes]:
    """Ask custodian after custodian until k answers are proven; record each refusal.

    No event says who was silent or answered falsely, so what each one said is kept for the minutes.
    """
    answers: dict[int, bytes] = {}
    told = dict.fromkeys(table.keyset.custodians, NOT_ASKED)
    plan_no = table.session.plan().plan_no
    readable = examined.stored == "ok" and examined.head_ok
    for index, custodian in enumerate(table.keyset.custodians if readable else (), 1):
        if len(answers) == table.keyset.k:
            break
        try:
            partial = table.desk.custodians.partial(
                table.consultation.name, table.lot, deposit, plan_no, examined.head, custodian
            )
            table.desk.unsealing.check_partial(table.document, examined.head, index, partial)
        except CustodianRefusal as refusal:
            told[custodian] = {"answer": "REFUSED", "code": refusal.reason}
            _refused(table, meta, deposit, refusal)
        except CustodianSilent:
            told[custodian] = SILENT
        except CryptoError:
            told[custodian] = {"answer": "BAD"}
        else:
            told[custodian] = {"answer": "PROVEN"}
            answers[index] = partial
            _released(table, meta, deposit, custodian, partial)
    if readable and len(answers) < table.keyset.k:
        _add_kept(table, meta, deposit, examined, answers, told)
    rows = [{"custodian": name, **said} for name, said in told.items()]
    table.desk.vault.keep_sitting(deposit, table.lot, plan_no, rows)
    return answers


def _add_kept(  # noqa: PLR0913, PLR0917 - what one envelope was answered
    table: Table,
    meta: Meta,
    deposit: str,
    examined: StoredEnvelope,
    answers: dict[int, bytes],
    told: dict[str, Mapping[str, str]],
) -> None:
    """Add what a custodian that is silent now had answered under this very plan, and who did.

    Its share may be gone since. One that refuses now, or answers falsely, has changed its word.
    """
    kept = table.desk.vault.kept_partials(deposit, table.lot, table.session.plan().plan_no)
    for index, partial in kept:
        custodian = table.keyset.custodians[index - 1]
        if told[custodian] != SILENT or len(answers) == table.keyset.k:
            continue
        with suppress(CryptoError):
            table.desk.unsealing.check_partial(table.document, examined.head, index, partial)
            told[custodian] = {"answer": "KEPT"}
            answers[index] = partial
            _released(table, meta, deposit, custodian, partial)


def _refused(table: Table, meta: Meta, deposit: str, refusal: CustodianRefusal) -> None:
    table.custody.append(
        CustodianRefused(
            **table.custody.stamp(meta),
            custodian=refusal.custodian,
            deposit=deposit,
            code=refusal.reason,
            sig=refusal.sig,
        )
    )


def _released(table: Table, meta: Meta, deposit: str, custodian: str, partial: bytes) -> None:
    digest = sha256(partial).hex()
    if (deposit, table.lot, custodian, digest) in table.custody.released:
        return
    table.custody.append(
        OpeningShareReleased(
            **table.custody.stamp(meta),
            deposit=deposit,
            lot=table.lot,
            custodian=custodian,
            plan_no=table.session.plan().plan_no,
            partial_hash=digest,
        )
    )


def _findings(
    table: Table, examined: StoredEnvelope, answers: Mapping[int, bytes], unsealed: Unsealed
) -> Findings:
    return Findings(
        stored=examined.stored,
        head_ok=examined.head_ok,
        partials=len(answers),
        k=table.keyset.k,
        n=table.keyset.n,
        lost=len(table.custody.lost),
        key_ok=unsealed.key_ok,
        chunks_ok=unsealed.chunks_ok,
        package_ok=unsealed.package_ok,
    )


def unanswered(desk: Desk, session: OpeningSession, lot: str, deposit: str) -> tuple[str, ...]:
    """Return the custodians that gave no valid answer when last asked for a planned envelope."""
    told = desk.vault.sitting(deposit, lot, session.plan().plan_no)
    return tuple(row["custodian"] for row in told if row["answer"] in MISSING)


def _missed(table: Table, meta: Meta, deposit: str, act: Act, command: object) -> Recorded:
    """Record that too few answered, then refuse: it can be tried again by another act."""
    table.session.append(CustodyQuorumMissed(**table.session.stamp(meta)))
    table.desk.save(act, command, [table.custody, table.session])
    raise QuorumMissed(table.keyset.k, unanswered(table.desk, table.session, table.lot, deposit))


def _record(  # noqa: PLR0913, PLR0917 - the facts of one opened envelope
    table: Table,
    meta: Meta,
    envelope: SealedEnvelope | BackupCopy,
    verdict: OpeningVerdict,
    unsealed: Unsealed,
    names: list[str],
) -> None:
    """Append what came of the envelope."""
    if verdict.event == EnvelopeUnreadable.TOPIC:
        fault, cause = verdict.fault or Fault.STORAGE, verdict.cause or ""
        envelope.append(EnvelopeUnreadable(**envelope.stamp(meta), fault=fault, cause=cause))
        return
    if isinstance(envelope, BackupCopy):
        envelope.open(meta)
        scan_copy(table.desk, meta, envelope)
        return
    bidder = envelope.sealed().bidder
    envelope.append(
        EnvelopeOpened(
            **envelope.stamp(meta),
            plan_no=table.session.plan().plan_no,
            lots=[table.lot],
            custodians=names,
            operator=table.desk.subjects.operator_of(table.consultation.name, bidder),
            form=verdict.form or Form.RAW,
            commitment_matches=True,
            documents_match=unsealed.documents_match,
            documents_count=unsealed.documents_count,
            external_references=0,
        )
    )
    scan_opened(table.desk, meta, envelope)

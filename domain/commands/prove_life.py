"""Daily proof of life of every share, and the canary opened end to end (envelope.md 2.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from crypto.errors import CryptoError
from crypto.pli1 import commitment
from crypto.pli1_header import Header
from domain.aggregate import Meta
from domain.commands.loading import RUNNING, found
from domain.commands.unlocking import document_of
from domain.custody import Custody, KeyCeremony
from domain.errors import CanaryFailed, NotFound
from domain.events.custody import (
    CanaryDecrypted,
    KeyCeremonyCompleted,
    Missed,
    ProofOfLifeGiven,
    ProofOfLifeMissed,
)
from domain.ports import Act, CustodianRefusal, CustodianSilent, Desk, Recorded
from domain.unsealing import CANARY_BYTES


@dataclass(frozen=True)
class ProveLife:
    """Ask every custodian of a consultation's keyset for a proof of life."""

    consultation: str


@dataclass(frozen=True)
class ProvePoolLife:
    """Ask every custodian of a keyset in the pool for a proof of life."""

    ceremony: str


@dataclass(frozen=True)
class DecryptCanary:
    """Seal a fixed text to the canary keyset and open it with the custodians."""

    consultation: str


def prove_life(desk: Desk, act: Act, command: ProveLife) -> Recorded:
    """Append ProofOfLifeGiven or ProofOfLifeMissed for each custodian."""
    if earlier := desk.earlier(act, command):
        return earlier
    custody, keyset = _assigned(desk, act, command.consultation)
    meta = desk.meta(act, desk.reading(custody), custody.tenant)
    document = document_of(desk, keyset.digest)
    _ask(desk, meta, custody, keyset.digest, document)
    return desk.save(act, command, [custody])


def prove_pool_life(desk: Desk, act: Act, command: ProvePoolLife) -> Recorded:
    """Append the same in ``ceremony/<id>``."""
    if earlier := desk.earlier(act, command):
        return earlier
    desk.law.roles.require(act.principal.role, RUNNING)
    ceremony = found(desk, KeyCeremony, command.ceremony)
    if not ceremony.digest:
        raise NotFound("keyset of", command.ceremony)
    meta = desk.meta(act, desk.reading(ceremony), desk.platform)
    _ask(desk, meta, ceremony, ceremony.digest, ceremony.document)
    return desk.save(act, command, [ceremony])


def decrypt_canary(desk: Desk, act: Act, command: DecryptCanary) -> Recorded:
    """Append CanaryDecrypted, or refuse with ``custody.canary-failed``."""
    if earlier := desk.earlier(act, command):
        return earlier
    custody, keyset = _assigned(desk, act, command.consultation)
    document = document_of(desk, keyset.canary_digest)
    sealed = desk.unsealing.seal_canary(
        command.consultation, document, desk.rng.bytes(CANARY_BYTES)
    )
    answers = _canary_answers(desk, command.consultation, keyset, document, sealed)
    try:
        desk.unsealing.open_canary(sealed, document, answers)
    except CryptoError as failure:
        raise CanaryFailed(command.consultation, str(failure)) from failure
    names = [keyset.custodians[index - 1] for index in sorted(answers)]
    meta = desk.meta(act, desk.reading(custody), custody.tenant)
    custody.append(CanaryDecrypted(**custody.stamp(meta), custodians=names))
    return desk.save(act, command, [custody])


def _assigned(desk: Desk, act: Act, name: str) -> tuple[Custody, KeyCeremonyCompleted]:
    """Return the custody of a consultation and its keyset."""
    desk.law.roles.require(act.principal.role, RUNNING)
    custody = found(desk, Custody, name)
    if custody.keyset is None:
        raise NotFound("keyset of", name)
    return custody, custody.keyset


def _ask(
    desk: Desk,
    meta: Meta,
    place: Custody | KeyCeremony,
    digest: str,
    document: Mapping[str, Any],
) -> None:
    """Append a verified proof of life, or its absence, for each custodian."""
    for member in document["ceremony"]["members"]:
        custodian, index = member["custodian"], member["index"]
        try:
            nonce, proof = desk.custodians.alive(digest, custodian)
            desk.unsealing.check_alive(document, index, nonce, proof)
        except (CustodianSilent, CustodianRefusal, CryptoError) as failure:
            place.append(
                ProofOfLifeMissed(
                    **place.stamp(meta), custodian=custodian, cause=_cause_of(failure)
                )
            )
        else:
            place.append(
                ProofOfLifeGiven(
                    **place.stamp(meta),
                    custodian=custodian,
                    digest=digest,
                    nonce=nonce,
                    proof=proof,
                )
            )


def _cause_of(failure: Exception) -> Missed:
    if isinstance(failure, CustodianSilent):
        return Missed.SILENT
    return Missed.REFUSED if isinstance(failure, CustodianRefusal) else Missed.WRONG


def _canary_answers(
    desk: Desk,
    consultation: str,
    keyset: KeyCeremonyCompleted,
    document: Mapping[str, Any],
    sealed: bytes,
) -> dict[int, bytes]:
    """Return the first k proven answers for the test envelope."""
    header = Header.parse(commitment(BytesIO(sealed)).header)
    answers: dict[int, bytes] = {}
    for index, custodian in enumerate(keyset.custodians, 1):
        if len(answers) == keyset.k:
            break
        try:
            partial = desk.custodians.partial(
                consultation, "0", header.label.deposit, 0, header.head, custodian
            )
            desk.unsealing.check_partial(document, header.head, index, partial)
        except (CustodianSilent, CustodianRefusal, CryptoError):
            continue
        answers[index] = partial
    return answers

"""Is this announce feasible? Every published limit answers before the first byte (§4.6, §4.7)."""

from __future__ import annotations

from domain.announce import StartTransmission
from domain.commands.loading import envelopes_of
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.errors import (
    BackupNotOffered,
    BadForm,
    ComplementNotAllowed,
    DomainError,
    IntentRequired,
    TargetSuperseded,
)
from domain.events.consultation import Complements, Limits
from domain.events.transmission import EnvelopeKind, FeasibilityRefused, Intent, Purpose
from domain.identifiers import HEX32, ID, check, check_lots, check_text
from domain.limits import check_announce, limit_refusal
from domain.plan import complement_allowed
from domain.ports import Desk

ROUNDS = range(1, 100)
LOTS_OF_APPLICATION = 500


def check_form(consultation: Consultation, command: StartTransmission) -> None:
    """Return quietly if the announce has a lawful form; nothing is recorded of another."""
    check(ID, "transmission", command.transmission)
    check_text("client", command.client, 200)
    check_text("terms_version", command.terms_version, 64)
    check_lots(command.lots)
    most = LOTS_OF_APPLICATION if command.kind == EnvelopeKind.APPLICATION else 1
    if set(command.lots) - set(consultation.lot_names()) or len(command.lots) > most:
        raise BadForm("lots", f"at most {most} lots of this consultation")
    if command.round not in ROUNDS or command.declared_bytes < 1 or command.declared_files < 1:
        raise BadForm("announce", "round 1 to 99, at least one byte and one document")
    _check_intent_form(command)


def _check_intent_form(command: StartTransmission) -> None:
    if command.intent == Intent.UNDECLARED:
        raise BadForm("intent", "UNDECLARED exists in imports only")
    if (command.target is None) != (command.intent == Intent.INITIAL):
        raise BadForm("target", "present if and only if the intent is not INITIAL")
    if command.target is not None:
        check(HEX32, "target", command.target)
    if command.kind == EnvelopeKind.BACKUP and command.intent != Intent.INITIAL:
        raise BadForm("intent", "a backup copy replaces and complements nothing")


def check_feasible(
    desk: Desk, consultation: Consultation, command: StartTransmission, bidder: str
) -> None:
    """Return quietly if limits, intent and target allow this announce."""
    check_announce(consultation.limits or Limits(), command.declared_bytes, command.declared_files)
    if command.purpose == Purpose.REHEARSAL:
        return
    if command.kind == EnvelopeKind.BACKUP:
        # several copies may come: none replaces another, and at most those with a ground open
        if not consultation.backup_electronic:
            raise BackupNotOffered
        return
    mine = [
        envelope
        for envelope, _ in envelopes_of(desk, consultation.name, bidder)
        if (envelope.sealed().kind.value, envelope.sealed().round)
        == (command.kind.value, command.round)
    ]
    if command.intent == Intent.INITIAL:
        _check_first(mine, command.lots)
        return
    if not any(one.name == command.target and one.active_for(command.lots) for one in mine):
        raise TargetSuperseded(str(command.target))
    if command.intent == Intent.COMPLEMENT:
        _check_complement(consultation.complements, command.kind)


def _check_first(mine: list[SealedEnvelope], lots: tuple[str, ...]) -> None:
    for lot in lots:
        if any(envelope.active_for((lot,)) for envelope in mine):
            raise IntentRequired(lot)


def _check_complement(complements: Complements, kind: EnvelopeKind) -> None:
    if not complement_allowed(complements, kind):
        raise ComplementNotAllowed(complements)


def recorded_limit(refusal: DomainError) -> tuple[str, int, int]:
    """Return limit, allowed and asked as FeasibilityRefused keeps them; words count as 0 and 1."""
    facts = refusal.facts()
    allowed, asked = facts.get("allowed", 0), facts.get("asked", 1)
    limit = facts.get("limit", refusal.code.partition(".")[2])
    return str(limit), int(str(allowed)), int(str(asked))


def refusal_of(
    event: FeasibilityRefused, lots: list[str], target: str | None, complements: Complements
) -> DomainError:
    """Return the refusal which a recorded FeasibilityRefused means: a retry gets it again."""
    words: dict[str, DomainError] = {
        "intent-required": IntentRequired(lots[0]),
        "target-superseded": TargetSuperseded(str(target)),
        "complement-not-allowed": ComplementNotAllowed(complements),
        "not-offered": BackupNotOffered(),
    }
    return words.get(event.limit) or limit_refusal(event.limit, event.allowed, event.asked)

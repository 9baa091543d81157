"""Every reason for which the law or the platform's own rules refuse a command.

One class per reason, a stable dotted ``code``, the facts as attributes, a message with the values.
``facts()`` is what an answer may show beside the code: never a number, size or name of deposits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


class DomainError(Exception):
    """Root of every refusal raised by ``domain``."""

    code = "domain"
    text = "refused"

    def __post_init__(self) -> None:
        """Make the message from the facts."""
        super().__init__(self.text.format(**vars(self)))

    def facts(self) -> dict[str, object]:
        """Return the facts of this refusal by name."""
        return dict(vars(self))


refusal = dataclass(eq=False)


# --- commands and callers


@refusal
class CommandReused(DomainError):
    """The same command id came with another body (N3)."""

    code = "command.reused"
    text = "command {command} was already used for something else"
    command: str


@refusal
class NotFound(DomainError):
    """Absent or foreign: the answer is the same (N14)."""

    code = "object.not-found"
    text = "there is no {what} {name}"
    what: str
    name: str


@refusal
class AlreadyExists(DomainError):
    """A stream of this name exists; its first command had another id."""

    code = "object.exists"
    text = "{what} {name} exists already"
    what: str
    name: str


@refusal
class BadForm(DomainError):
    """A field of a command has no lawful form."""

    code = "command.form"
    text = "{field}: {reason}"
    field: str
    reason: str


@refusal
class BadSiret(DomainError):
    """Not 14 digits, wrong key, or all zeros (domain.md §0)."""

    code = "siret.invalid"
    text = "{siret} is no SIRET"
    siret: str


@refusal
class NotAllowed(DomainError):
    """The role of the caller has no right to this act (domain.md §5)."""

    code = "role.not-allowed"
    text = "role {role} may not: {act}"
    role: str
    act: str


@refusal
class RoleNotAdministered(DomainError):
    """Nobody grants a role which they do not administer."""

    code = "role.not-administered"
    text = "role {granter} does not administer role {role}"
    granter: str
    role: str


@refusal
class RoleIncompatible(DomainError):
    """One person would hold two roles that the table of roles keeps apart (domain.md §4.1)."""

    code = "role.incompatible"
    text = "role {role} cannot be held together with role {held}"
    role: str
    held: str


@refusal
class LastRepresentative(DomainError):
    """Nobody else acts for the company: whoever leaves names another one before."""

    code = "representative.last"
    text = "{operator} would have no representative"
    operator: str


@refusal
class DelegationExceeds(DomainError):
    """The giver does not hold all that is given (domain.md §4.1)."""

    code = "delegation.exceeds"
    text = "the delegation exceeds what its giver holds: {what}"
    what: str


@refusal
class CommitteeComposition(DomainError):
    """The committee has not the number of members that the rule asks (CGCT L1411-5)."""

    code = "committee.composition"
    text = "{required} titulars and as many substitutes are elected beside the president: {reason}"
    required: int
    reason: str


@refusal
class ExportUnproven(DomainError):
    """Size and root are those of no published state of the log."""

    code = "departure.unproven"
    text = "no published state of size {size} has the root {root}"
    size: int
    root: str


@refusal
class ExportIncomplete(DomainError):
    """Acts of the leaving buyer stand behind the export."""

    code = "departure.incomplete"
    text = "acts of {buyer} were recorded after an export of size {size}"
    buyer: str
    size: int


@refusal
class ProceduresWait(DomainError):
    """A lot of the buyer waits for its plan: until then an export would tell of deposits (N11)."""

    code = "departure.procedures-wait"
    text = "consultation {consultation} has a lot whose opening plan is not fixed"
    consultation: str


@refusal
class BuyerGone(DomainError):
    """The buyer has left the platform."""

    code = "buyer.left"
    text = "buyer {buyer} has left this platform"
    buyer: str


# --- state machines


@refusal
class WrongState(DomainError):
    """The state table of domain.md §6 has no such transition."""

    code = "state.wrong-state"
    text = "{event} is not possible in state {state}"
    event: str
    state: str


class ConsultationWrongState(WrongState):
    """The consultation is in another state."""

    code = "consultation.wrong-state"


class TransmissionWrongState(WrongState):
    """The transmission is in another state."""

    code = "transmission.wrong-state"


class DepositWrongState(WrongState):
    """The deposit is in another state."""

    code = "deposit.wrong-state"


class OpeningWrongState(WrongState):
    """The opening session is in another state."""

    code = "opening.wrong-state"


class BackupWrongState(WrongState):
    """The backup copy is in another state."""

    code = "backup.wrong-state"


# --- time and rules


@refusal
class ClockDistrusted(DomainError):
    """Too few sources agree, or the clock jumped (envelope.md 12.1, 12.2)."""

    code = "clock.distrusted"
    text = "the clock cannot be trusted: {reason}"
    reason: str


@refusal
class ClockWentBack(DomainError):
    """The reading lies wholly before the time already recorded (T5)."""

    code = "clock.went-back"
    text = "it may be {latest} at the latest, but {floor} is already recorded"
    latest: datetime | int
    floor: datetime | int


@refusal
class BadCalendarForm(DomainError):
    """Not a local text in whole minutes, or an unknown zone (T4)."""

    code = "calendar.form"
    text = "{local} in {zone} is not a legal hour"
    local: str
    zone: str


@refusal
class NoSuchHour(DomainError):
    """Such a local time occurs twice or never (T4)."""

    code = "calendar.no-such-hour"
    text = "{local} does not occur exactly once in {zone}"
    local: str
    zone: str


@refusal
class BeforePublication(DomainError):
    """The deadline is not after the publication."""

    code = "calendar.before-publication"
    text = "the deadline {deadline_at} is not after the publication, it may be {latest}"
    deadline_at: datetime
    latest: datetime


@refusal
class NoRule(DomainError):
    """No rule, or no procedure row, is in force at this date."""

    code = "rulebook.no-rule"
    text = "no rule {key} on {anchor}"
    key: str
    anchor: str


# --- consultation


@refusal
class PublicationIncomplete(DomainError):
    """Something that the publication needs is missing."""

    code = "publication.incomplete"
    text = "the publication lacks: {missing}"
    missing: tuple[str, ...]


@refusal
class DeadlineNotLater(DomainError):
    """The deadline moves only later (T3)."""

    code = "deadline.not-later"
    text = "the deadline {new_at} is not after {old_at}"
    old_at: datetime
    new_at: datetime


@refusal
class DeadlinePassed(DomainError):
    """The deadline is certainly past, or was reached (T3)."""

    code = "deadline.passed"
    text = "the deadline {deadline_at} has passed"
    deadline_at: datetime


@refusal
class DeadlineNotPassed(DomainError):
    """It may still be before the deadline: the register cannot close."""

    code = "deadline.not-passed"
    text = "the deadline {deadline_at} is not certainly past, it may be {earliest}"
    deadline_at: datetime
    earliest: datetime


@refusal
class CorrectionNeedsExtension(DomainError):
    """An important correction needs an extension or a reasoned waiver."""

    code = "correction.needs-extension"
    text = "an important correction of {consultation} needs an extension or a reasoned waiver"
    consultation: str


@refusal
class LimitsNotLower(DomainError):
    """A limit may only be relaxed after publication."""

    code = "limits.not-lower"
    text = "{limit}: {asked} is stricter than the published {allowed}"
    limit: str
    asked: str
    allowed: str


# --- deposits


@refusal
class DepositNotAuthorised(DomainError):
    """The caller has no right to represent this operator."""

    code = "deposit.not-authorised"
    text = "the caller may not act for {operator}"
    operator: str


@refusal
class DepositTooLarge(DomainError):
    """More bytes than the published limit: refused before the first byte."""

    code = "deposit.too-large"
    text = "{asked} bytes asked, {allowed} allowed by {limit}"
    limit: str
    allowed: int
    asked: int


@refusal
class TooManyFiles(DomainError):
    """More documents than the published limit: refused before the first byte."""

    code = "deposit.too-many-files"
    text = "{asked} documents asked, {allowed} allowed by {limit}"
    limit: str
    allowed: int
    asked: int


@refusal
class IntentRequired(DomainError):
    """A second deposit of the same lot, kind and round must say REPLACE or COMPLEMENT."""

    code = "deposit.intent-required"
    text = "a deposit of yours exists for lot {lot}: replace or complement it"
    lot: str


@refusal
class TargetSuperseded(DomainError):
    """The target of a replacement or complement is not active."""

    code = "deposit.target-superseded"
    text = "deposit {target} is not active any more"
    target: str


@refusal
class ComplementNotAllowed(DomainError):
    """The deposit policy of the consultation does not allow this complement."""

    code = "deposit.complement-not-allowed"
    text = "complements are limited to {complements}"
    complements: str


@refusal
class DepositTaken(DomainError):
    """The deposit id is in the log already: the depositor draws another (envelope.md §8)."""

    code = "deposit.taken"
    text = "deposit {deposit} was recorded already: seal again under a new id"
    deposit: str


@refusal
class DepositFrozen(DomainError):
    """Withdrawal is possible before the deadline only."""

    code = "deposit.frozen"
    text = "deposit {deposit} can no longer be withdrawn: the deadline {deadline_at} has passed"
    deposit: str
    deadline_at: datetime


@refusal
class EnvelopeMismatch(DomainError):
    """The sealed label is not what the transmission announced."""

    code = "envelope.mismatch"
    text = "the label's {field} is not what this transmission announced"
    field: str


@refusal
class CommitmentDiffers(DomainError):
    """The bytes received are not those announced."""

    code = "envelope.commitment"
    text = "transmission {transmission}: the bytes received are not those announced"
    transmission: str


@refusal
class EnvelopeIncomplete(DomainError):
    """Parts of the envelope have not arrived."""

    code = "transmission.incomplete"
    text = "transmission {transmission} lacks {what}"
    transmission: str
    what: str


@refusal
class PlatformUnavailable(DomainError):
    """Room or service is lacking: the platform's fault, never a limit."""

    code = "platform.unavailable"
    text = "the platform cannot take this transmission now: {reason}"
    reason: str


@refusal
class UnknownMessage(DomainError):
    """The message is not of the closed list."""

    code = "message.unknown"
    text = "no message {message}"
    message: str


@refusal
class MessageNotTrue(DomainError):
    """What the message asserts is not in the record."""

    code = "message.not-true"
    text = "message {message} asserts what the record does not hold"
    message: str


# --- custody and opening


@refusal
class CustodyTooWeak(DomainError):
    """Fewer than two shares would be enough, or too few persons (domain.md §4.9)."""

    code = "custody.too-weak"
    text = "{k} of {n} is too weak: {reason}"
    k: int
    n: int
    reason: str


@refusal
class BadPlacement(DomainError):
    """The threshold does not fit the number of shares (envelope.md §11)."""

    code = "placement"
    text = "a threshold of {k} does not fit {n} shares"
    k: int
    n: int


@refusal
class KeysetTaken(DomainError):
    """A keyset serves one consultation, once (envelope.md 2.6)."""

    code = "custody.keyset-taken"
    text = "keyset {digest} is not free"
    digest: str


@refusal
class CeremonyAborted(DomainError):
    """A custodian complained: nobody depends on this ceremony, a new one starts."""

    code = "ceremony.failed"
    text = "ceremony {ceremony} failed: {reason}"
    ceremony: str
    reason: str


@refusal
class CanaryFailed(DomainError):
    """The test envelope could not be opened end to end by the custodians."""

    code = "custody.canary-failed"
    text = "the canary of {consultation} did not open: {reason}"
    consultation: str
    reason: str


@refusal
class TooEarlyToOpen(DomainError):
    """The opening time of the consultation is not certainly past."""

    code = "opening.too-early"
    text = "envelopes open after {opens_at:%FT%TZ}, it may be {earliest:%FT%TZ}"
    opens_at: datetime
    earliest: datetime


@refusal
class OpeningNotAllowed(DomainError):
    """The caller has no right to open, whatever the hour."""

    code = "opening.not-allowed"
    text = "role {role} never opens envelopes"
    role: str


@refusal
class NotInPlan(DomainError):
    """Withdrawn, superseded, late and not admitted, unplanned, or not there: one answer."""

    code = "opening.not-in-plan"
    text = "deposit {deposit} is in no plan of lot {lot}"
    deposit: str
    lot: str


@refusal
class DocumentsGone(DomainError):
    """What was opened cannot be read: the key of its buyer is destroyed, or is not here."""

    code = "documents.gone"
    text = "the documents of deposit {deposit} can be read no more"
    deposit: str


@refusal
class DocumentsQuarantined(DomainError):
    """Malware was found in this envelope: it is kept as evidence, and gives out no document."""

    code = "documents.quarantined"
    text = "malware was found in deposit {deposit}; its documents are not handed out"
    deposit: str


@refusal
class KeysetNeeded(DomainError):
    """Shares are destroyed only when no envelope waits for them (envelope.md 2.6)."""

    code = "custody.keyset-needed"
    text = "lot {lot} of {consultation} is neither opened nor ended"
    consultation: str
    lot: str


@refusal
class OpeningOrder(DomainError):
    """A step of the opening is missing (domain.md §4.10)."""

    code = "opening.order"
    text = "the opening of {opening} needs first: {missing}"
    opening: str
    missing: str


@refusal
class QuorumMissed(DomainError):
    """Too few custodians answered; the opening can be tried again."""

    code = "custody.quorum-missed"
    text = "fewer than {needed} custodians gave a valid answer"
    needed: int
    missing: tuple[str, ...] = ()
    """Who gave none, as far as it is known: the event itself has no fields."""


# --- backup copies (domain.md §4.8)


@refusal
class BackupNotOffered(DomainError):
    """The deposit policy takes no electronic backup copy (annexe 6)."""

    code = "backup.not-offered"
    text = "this consultation takes no electronic backup copy"


@refusal
class BackupLate(DomainError):
    """The copy came after the deadline, or is in no closed register."""

    code = "backup.late"
    text = "the backup copy did not come by {deadline:%FT%TZ}"
    deadline: datetime


@refusal
class BackupUnlabelled(DomainError):
    """The copy does not bear the words that the law asks for."""

    code = "backup.unlabelled"
    text = "the backup copy is not labelled as one"


@refusal
class BackupMalware(DomainError):
    """The copy itself holds malware."""

    code = "backup.malware"
    text = "the backup copy holds malware"


@refusal
class NoBackupGround(DomainError):
    """None of the four grounds holds; signature, name and worth of an offer are never one."""

    code = "backup.no-ground"
    text = "nothing on record is a ground to open the backup copy"


@refusal
class BackupNotAuthorised(DomainError):
    """The copy is not authorised to be opened."""

    code = "backup.not-authorised"
    text = "the opening of the backup copy was not authorised"


@refusal
class BackupMayOpen(DomainError):
    """A copy with a ground is not set aside."""

    code = "backup.may-open"
    text = "a ground holds: the backup copy may be opened"


@refusal
class BackupElectronic(DomainError):
    """An electronic copy ends with its keyset, never by hand."""

    code = "backup.electronic"
    text = "an electronic backup copy ends with the keyset of its consultation"


# --- erasing personal data


@refusal
class ProcedureRuns(DomainError):
    """A bidder of a procedure that runs: without its tag its envelope would not open."""

    code = "erasure.procedure-runs"
    text = "a procedure that still runs needs what is held here"


@refusal
class BuyerIsNobody(DomainError):
    """A public buyer is no natural person: nothing personal is held under its number."""

    code = "erasure.buyer"
    text = "{name} is a public buyer: its people are erased, never itself"
    name: str


@refusal
class StillRepresented(DomainError):
    """Somebody still acts for the company, so that more would be held of it at once."""

    code = "erasure.represented"
    text = "{name} is still represented: erase its representatives first"
    name: str


@refusal
class ErasureRetained(DomainError):
    """The file of a procedure is kept by law (R2184-12, R2184-13); a reasoned ground overrides."""

    code = "erasure.retained"
    text = "the law keeps this until {until} (None: no end is known yet)"
    until: date | None

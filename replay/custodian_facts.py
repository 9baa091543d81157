"""What a proven view of the ledger tells a custodian about one envelope (envelope.md §10).

`shown` derives the facts on which `replay.custodian` decides. Nothing here trusts the platform: a
view that contradicts itself is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from crypto import canonical
from crypto.canonical import Json
from crypto.label import Label
from crypto.merkle import leaf_hash, root
from ledger.entry import Entry
from replay.custody_view import Stream, VerifiedView, ViewRefused

RECEIVED = frozenset({"DepositSealed", "LateDepositRecorded", "BackupCopyReceived"})


@dataclass(frozen=True, slots=True)
class Question:
    """For which envelope, under which plan of which lot, an answer is asked."""

    label: Label
    header_hash: str
    lot: str
    plan_no: int

    @property
    def streams(self) -> tuple[str, str, str, str]:
        """The streams that a view must show: consultation, custody, opening, deposit."""
        about, deposit = self.label.consultation, self.label.deposit
        kept = "backup" if self.label.kind == "BACKUP" else "deposit"
        return (
            f"consultation/{about}",
            f"custody/{about}",
            f"opening/{about}.{self.lot}",
            f"{kept}/{deposit}",
        )


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint that the ledger says it anchored: the view alone does not prove it."""

    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a verified view tells about a question; `head`: the closing head behind the plan."""

    assigned: str
    cancelled: bool
    opens: datetime
    listed: bool
    planned: bool
    head: Head | None
    present: int
    header_matches: bool


def shown(view: VerifiedView, question: Question) -> Shown:
    """Return the facts that the view tells; one that contradicts itself raises ViewRefused."""
    consultation, custody, opening, deposit = map(view.stream, question.streams)
    try:
        plan = _plan(opening, question)
        recorded = _recorded(deposit, question)
        return Shown(
            assigned=assigned_keyset(custody),
            cancelled=_cancelled(consultation, custody, question),
            opens=_opens(consultation),
            listed=_listed(consultation, deposit, question),
            planned=plan > 0 and recorded is not None and not _given_up(deposit, question),
            head=_anchored(consultation, opening, plan),
            present=_present(opening, plan),
            header_matches=recorded == question.header_hash,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ViewRefused(f"an entry has another form: {error!r}") from error


def assigned_keyset(custody: Stream) -> str:
    """Return the digest of the one keyset that this consultation was ever given, or nothing."""
    given = {str(data["digest"]) for data in custody.data_of("KeyCeremonyCompleted")}
    if len(given) > 1:
        raise ViewRefused("two keysets were assigned to one consultation")
    return given.pop() if given else ""


def _opens(consultation: Stream) -> datetime:
    """O = max(D, opening_not_before) + cool_down; D is the latest that was ever in force.

    A calendar set after the publication counts for nothing, and D never moves earlier: an entry
    that says so is a lie of whoever writes the ledger.
    """
    published = _versions(consultation, "ConsultationPublished")
    if not published:
        raise ViewRefused("the consultation was never published")
    drafted = [
        entry.data for entry in consultation.entries[: published[0]] if entry.kind == "CalendarSet"
    ]
    if not drafted:
        raise ViewRefused("the consultation has no calendar")
    fields = {
        "ConsultationPublished": "deadline_at",
        "DeadlineExtended": "new_at",
        "ConsultationResumed": "new_deadline_at",
    }
    hours = [
        _instant(entry.data[fields[entry.kind]])
        for entry in consultation.entries
        if entry.kind in fields
    ]
    calendar = drafted[-1]
    if "opening_not_before_at" in calendar:
        hours.append(_instant(calendar["opening_not_before_at"]))
    cool_down = _integer(calendar["cool_down_s"])
    if cool_down < 0:
        raise ValueError("nothing opens before the deadline")
    return max(hours) + timedelta(seconds=cool_down)


def _cancelled(consultation: Stream, custody: Stream, question: Question) -> bool:
    suspended = False
    for entry in consultation.entries:
        if entry.kind in {"ConsultationSuspended", "ConsultationResumed"}:
            suspended = entry.kind == "ConsultationSuspended"
    ended = any(
        not data["lots"] or question.lot in _list(data["lots"])
        for data in consultation.data_of("DeclaredWithoutFollowUp")
    )
    dropped = any(data["lot"] == question.lot for data in consultation.data_of("LotCancelled"))
    retired = any(
        data["digest"] == question.label.keyset for data in custody.data_of("KeysetRetired")
    )
    return suspended or ended or dropped or retired


def _listed(consultation: Stream, deposit: Stream, question: Question) -> bool:
    if question.label.kind == "BACKUP":
        return bool(deposit.data_of("BackupCopyOpeningAuthorised"))
    rows = _register(consultation)
    if rows is None:
        return False
    row = rows.get(question.label.deposit)
    if row is not None:
        _check_row(deposit, row)
        if row["on_time"] is True:
            return True
    # what came after the closing has no row: late whatever it says, until it is admitted
    return bool(deposit.data_of("LateDepositAdmitted"))


def _register(consultation: Stream) -> dict[str, Mapping[str, Json]] | None:
    """Return the rows of the closed register by deposit, once count and root agree; None: open."""
    closed = consultation.data_of("RegisterClosed")
    parts = consultation.data_of("RegisterListed")
    if not closed:
        if parts:
            raise ViewRefused("a register was listed and never closed")
        return None
    rows = [_mapping(row) for part in parts for row in _list(part["deposits"])]
    said = closed[0]
    found = root([leaf_hash(canonical.encode(dict(row))) for row in rows]).hex()
    if len(closed) > 1 or (said["parts"], said["count"]) != (len(parts), len(rows)):
        raise ViewRefused("parts or rows of the register are missing, or too many")
    if said["list_root"] != found:
        raise ViewRefused("the rows of the register are not those that were closed")
    return {str(row["deposit"]): row for row in rows}


def _check_row(deposit: Stream, row: Mapping[str, Json]) -> None:
    """Refuse a row that its deposit contradicts: hour, head, or last entry at the closing."""
    version = _integer(row["version"])
    if not 1 <= version <= len(deposit.leaves) or deposit.leaves[version - 1] != row["leaf"]:
        raise ViewRefused("the deposit's stream is not the one that the register closed")
    first = _receipt_entry(deposit)
    if first is None or (row["on_time"], row["header_hash"]) != (
        first.kind == "DepositSealed",
        first.data["header_hash"],
    ):
        raise ViewRefused("the register says otherwise than the deposit itself")


def _recorded(deposit: Stream, question: Question) -> str | None:
    """Return the header hash recorded for this deposit, if lot and consultation are its own."""
    entry = _receipt_entry(deposit)
    if entry is None or entry.data["consultation"] != question.label.consultation:
        return None
    return str(entry.data["header_hash"]) if question.lot in _list(entry.data["lots"]) else None


def _receipt_entry(deposit: Stream) -> Entry | None:
    """Return the entry by which the envelope was received; refused openings may stand before."""
    return next((entry for entry in deposit.entries if entry.kind in RECEIVED), None)


def _given_up(deposit: Stream, question: Question) -> bool:
    superseded = any(
        question.lot in _list(data["lots"]) for data in deposit.data_of("DepositSuperseded")
    )
    return superseded or bool(deposit.data_of("DepositWithdrawn"))


def _plan(opening: Stream, question: Question) -> int:
    """Return the version of the plan that opens the deposit, 0 if none does."""
    for version in _versions(opening, "OpeningPlanFixed"):
        data = opening.entries[version - 1].data
        if data["plan_no"] == question.plan_no:
            return version if question.label.deposit in _list(data["open"]) else 0
    return 0


def _anchored(consultation: Stream, opening: Stream, plan: int) -> Head | None:
    """Return the closing head anchored after the plan, if its size can be that of one.

    It covers the closed register, for a later plan also what came after the head before, and it
    stood before the entry that anchors it.
    """
    before = [size for _, size, _ in _closings(opening, 0, plan)]
    least = max([_register_end(consultation), *before])
    for version, size, head_root in _closings(opening, plan, len(opening.entries)):
        if least < size <= opening.latest(version):
            return Head(size, head_root)
    return None


def _closings(opening: Stream, start: int, end: int) -> list[tuple[int, int, str]]:
    """Return version, size and root of the closing heads anchored between two versions."""
    return [
        (entry.version, _integer(entry.data["size"]), str(entry.data["root"]))
        for entry in opening.entries[start:end]
        if entry.kind == "CheckpointAnchored" and entry.data["purpose"] == "CLOSING"
    ]


def _register_end(consultation: Stream) -> int:
    """Return the first position at which the closed register can end: exact where it is last.

    Its own checkpoint was there before; then came DeadlineReached, its parts, RegisterClosed.
    """
    for version in _versions(consultation, "RegisterClosed"):
        if version == len(consultation.entries):
            return consultation.position
        said = consultation.entries[version - 1].data
        return _integer(said["size"]) + _integer(said["parts"]) + 1
    return consultation.position


def _present(opening: Stream, plan: int) -> int:
    """Return how many different members were recorded before the plan."""
    return len(
        {
            str(entry.data["member"])
            for entry in opening.entries[:plan]
            if entry.kind == "PresenceRecorded"
        }
    )


def _versions(stream: Stream, kind: str) -> list[int]:
    return [entry.version for entry in stream.entries if entry.kind == kind]


def _instant(value: Json) -> datetime:
    if not isinstance(value, str):
        raise TypeError("an instant is a text")
    at = datetime.fromisoformat(value)
    if at.utcoffset() is None:
        raise ValueError("an instant says its zone")
    return at


def _integer(value: Json) -> int:
    if type(value) is not int:
        raise TypeError("an integer is expected")
    return value


def _list(value: Json) -> Sequence[Json]:
    if not isinstance(value, list):
        raise TypeError("a list is expected")
    return value


def _mapping(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise TypeError("an object is expected")
    return value

"""The entry, format ``pli-entry/1`` (ledger.md §1): its eight fields, its bytes, its leaf.

The bytes stored, served and hashed are the same; nobody hashes a re-encoding. ``parse`` accepts the
canonical bytes of one entry and refuses everything else, naming the rule that is broken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeAlias

from crypto import merkle
from crypto.canonical import Json, decode, encode
from crypto.log_errors import NotCanonical
from ledger.errors import EntryRefused

MAX_BYTES: Final = 65_535
MAX_VERSION: Final = 2**53 - 1
MAX_SCHEMA: Final = 65_535
LOG_STREAM: Final = "log"
LOG_KINDS: Final = frozenset(
    {"LogCreated", "LogPadded", "LogKeyChanged", "LogClosed", "LogAdopted"}
)
FIELDS: Final = ("at", "data", "kind", "prev", "salt", "stream", "v", "version")

_AT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d\.\d{6}Z", re.ASCII)
_KIND: Final = re.compile(r"[A-Z][A-Za-z0-9]{1,63}")
_PREV: Final = re.compile(r"[0-9a-f]{64}")
_SALT: Final = re.compile(r"[0-9a-f]{32}")
_STREAM: Final = re.compile(r"[a-z][a-z0-9-]{0,31}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")

Data: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as read; its bytes, not this object, are what is hashed."""

    at: str
    data: Data
    kind: str
    prev: str
    salt: str
    stream: str
    v: int
    version: int


class Row(NamedTuple):
    """One entry as stored: where it stands, and its bytes."""

    position: int
    stream: str
    version: int
    kind: str
    leaf: bytes
    entry: bytes


def parse(data: bytes) -> Entry:
    """Return the entry whose bytes these are, or raise EntryRefused with the broken rule."""
    try:
        fields = decode(data, nfc=True, limit=MAX_BYTES)
    except NotCanonical as refused:
        raise EntryRefused(refused.rule, str(refused)) from refused
    if tuple(fields) != FIELDS:
        raise EntryRefused("fields", f"the keys are {', '.join(fields)}"[:200])
    entry = Entry(**fields)  # type: ignore[arg-type]
    check_fields(entry)
    return entry


def check_fields(entry: Entry) -> None:
    """Check the rule of each field; the code of a refusal is the field's name."""
    _check_instant(entry.at)
    if type(entry.data) is not dict:
        raise EntryRefused("data", "it is no object")
    _check_text("kind", entry.kind, _KIND)
    _check_text("prev", entry.prev, _PREV)
    _check_text("salt", entry.salt, _SALT)
    _check_text("stream", entry.stream, _STREAM)
    _check_integer("v", entry.v, MAX_SCHEMA)
    _check_integer("version", entry.version, MAX_VERSION)


def _check_instant(at: object) -> None:
    if type(at) is not str or not _AT.fullmatch(at):
        raise EntryRefused("at", repr(at)[:80])
    try:
        datetime.fromisoformat(at)
    except ValueError as error:
        raise EntryRefused("at", f"{at} does not exist") from error


def _check_text(field: str, value: object, form: re.Pattern[str]) -> None:
    if type(value) is not str or not form.fullmatch(value):
        raise EntryRefused(field, repr(value)[:120])


def _check_integer(field: str, value: object, largest: int) -> None:
    if type(value) is not int or not 1 <= value <= largest:
        raise EntryRefused(field, repr(value)[:80])


def leaf(entry: bytes) -> bytes:
    """Return the leaf hash of an entry's bytes: SHA-256(0x00 || bytes)."""
    return merkle.leaf_hash(entry)


def splice(state: bytes, kind: str, prev: str, salt: str, stream: str, version: int) -> bytes:  # noqa: PLR0913, PLR0917 - the fields of an entry
    """Insert the sequencer's fields into canonical ``{"at":…,"data":…,"v":…}``.

    Both ends of the state are fixed text, so nothing is encoded twice; the last ``,"v":`` is the
    top one because ``v`` sorts after ``data``.
    """
    front, schema = state.rsplit(b',"v":', 1)
    return (
        front
        + f',"kind":"{kind}","prev":"{prev}","salt":"{salt}","stream":"{stream}","v":'.encode()
        + schema[:-1]
        + f',"version":{version}}}'.encode()
    )


class CheckedState(bytes):
    """Canonical ``{"at","data","v"}`` that was checked when it was written."""

    __slots__ = ()


class Draft(NamedTuple):
    """What a writer decides of an entry; the sequencer adds prev and salt."""

    stream: str
    version: int
    kind: str
    state: bytes

    @property
    def at(self) -> str:
        """The recording time that the writer asks for."""
        return self.state[_AT_PLACE].decode()


_AT_PLACE: Final = slice(7, 34)
_SPLICED_BYTES: Final = len(splice(b',"v":}', "", "0" * 64, "0" * 32, "", 0)) - len(',"v":}') - 1


def check_draft(draft: Draft) -> None:
    """Refuse what could not become an entry, before it waits for its turn."""
    _check_text("stream", draft.stream, _STREAM)
    _check_text("kind", draft.kind, _KIND)
    _check_integer("version", draft.version, MAX_VERSION)
    if (draft.kind in LOG_KINDS) != (draft.stream == LOG_STREAM):
        raise EntryRefused("kind", f"{draft.kind} does not belong into {draft.stream}")
    if not isinstance(draft.state, CheckedState):
        _check_state(draft.state)
    digits = len(str(draft.version))
    total = len(draft.state) + _SPLICED_BYTES + len(draft.kind) + len(draft.stream) + digits
    if total > MAX_BYTES:
        raise EntryRefused("size", f"{total} bytes, {MAX_BYTES} allowed")


def checked_state(at: str, data: Data, v: int) -> CheckedState:
    """Return the canonical state of an entry, or raise EntryRefused with the broken rule."""
    try:
        encoded = encode({"at": at, "data": data, "v": v}, nfc=True, limit=MAX_BYTES)
    except NotCanonical as refused:
        raise EntryRefused(refused.rule, str(refused)) from refused
    _check_instant(at)
    _check_integer("v", v, MAX_SCHEMA)
    return CheckedState(encoded)


def dated(state_bytes: bytes, at: str) -> bytes:
    """Return the state with a later recording time."""
    return state_bytes[: _AT_PLACE.start] + at.encode() + state_bytes[_AT_PLACE.stop :]


def instant_text(at: datetime) -> str:
    """Return an aware instant in the form of ``at``."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{utc.isoformat(timespec='microseconds').removesuffix('+00:00')}Z"


def _check_state(given: bytes) -> None:
    try:
        fields = decode(given, nfc=True, limit=MAX_BYTES)
    except NotCanonical as refused:
        raise EntryRefused(refused.rule, str(refused)) from refused
    if tuple(fields) != ("at", "data", "v"):
        raise EntryRefused("fields", f"the keys are {', '.join(fields)}"[:200])
    _check_instant(fields["at"])
    if type(fields["data"]) is not dict:
        raise EntryRefused("data", "it is no object")
    _check_integer("v", fields["v"], MAX_SCHEMA)

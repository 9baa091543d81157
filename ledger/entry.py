"""The entry, format ``pli-entry/1`` (ledger.md §1): its eight fields, its bytes, its leaf.

The bytes stored, served and hashed are the same; nobody hashes a re-encoding. ``parse`` accepts the
canonical bytes of one entry and refuses everything else, naming the rule that is broken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

import orjson

from crypto import merkle
from crypto.canonical import Json, decode
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


def state(at: str, data: Data, v: int) -> bytes:
    """Return the part of an entry which its writer decides, canonical."""
    return orjson.dumps({"at": at, "data": data, "v": v}, option=orjson.OPT_SORT_KEYS)

"""Saves and answers as canonical JSON: what two processes say to each other through the inbox.

What comes out of a database is checked again; it is never code (no pickle).
"""

from __future__ import annotations

from typing import Any, Final

from crypto.canonical import Json, decode, encode
from crypto.log_errors import NotCanonical
from ledger.entry import Draft
from ledger.errors import (
    CommandReused,
    EntryRefused,
    LedgerError,
    StorageFull,
    StreamMoved,
    TimeRefused,
)
from ledger.queue import Recorded, Save, SaveSlot
from ledger.recorder import checked_save

FACTS: Final[dict[type[LedgerError], tuple[str, ...]]] = {
    CommandReused: ("command",),
    EntryRefused: ("code", "detail"),
    StorageFull: (),
    StreamMoved: ("stream", "expected", "found"),
    TimeRefused: ("at", "bound"),
}
"""Each refusal of one save, with its facts in the order in which it is made of them."""
CLASSES: Final = {each.__name__: each for each in FACTS}


def save_bytes(save: Save) -> bytes:
    """Return a save as it waits in the inbox, or raise EntryRefused with the broken rule."""
    drafts: Json = [
        [each.stream, each.version, each.kind, each.state.decode()] for each in save.drafts
    ]
    try:
        return encode(
            {
                "command": save.command,
                "digest": save.digest.hex(),
                "drafts": drafts,
                "expect": [list(each) for each in save.expect.items()],
            }
        )
    except NotCanonical as refused:
        raise EntryRefused(refused.rule, str(refused)) from refused


def slot_of(body: bytes) -> SaveSlot:
    """Return the slot of a waiting save, failed already where its bytes are no save."""
    try:
        told: Any = decode(body)
        drafts = [Draft(a, b, c, state.encode()) for a, b, c, state in told["drafts"]]
        expect = {str(stream): int(version) for stream, version in told["expect"]}
        digest = bytes.fromhex(told["digest"])
        return SaveSlot(checked_save(told["command"], digest, drafts, expect))
    except (NotCanonical, LedgerError, LookupError, TypeError, ValueError, AttributeError) as error:
        slot = SaveSlot(Save("", b"", []))
        slot.fail(EntryRefused("inbox", f"{type(error).__name__}: {error}"[:200]))
        return slot


def answer_bytes(slot: SaveSlot) -> bytes:
    """Return what came of a settled save, or why nothing did."""
    try:
        found = slot.outcome()
    except LedgerError as refused:
        facts: list[Json] = [getattr(refused, name) for name in FACTS[type(refused)]]
        return encode({"facts": facts, "refused": type(refused).__name__})
    return encode({"count": found.count, "first": found.first, "repeated": found.repeated})


def outcome_of(body: bytes) -> Recorded | LedgerError:
    """Return what an answer says: a place in the log, or the refusal with its facts."""
    told: Any = decode(body)
    if "refused" in told:
        return CLASSES[told["refused"]](*told["facts"])
    return Recorded(told["first"], told["count"], told["repeated"])

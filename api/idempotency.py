"""One command id per wish of a caller: a retry finds its earlier answer, never a second act (N3).

A POST brings its own ``Idempotency-Key``. PUT and DELETE of a transmission need none: their id
derives from the session and the content, so the same bytes are the same command.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import Header

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=128,
        pattern=r"^[A-Za-z0-9._:-]+$",
        description="Command id: same key and body, same answer; other body, 422 command.reused",
    ),
]


def command_id(org: str, key: str, salt: str = "") -> str:
    """Return the command id of a caller's key: keys of two organisations never meet.

    ``salt``: of a bidder, hexadecimal. Entries carry this id, and who depositors' programs are
    makes their keys known; without it the id would be a hash of a SIRET, which a dictionary opens.
    """
    return _digest("pli/command/v1", org, key, *([salt] if salt else []))[:32]


def derived_id(session: str, act: str, *content: bytes) -> str:
    """Return the command id of an act on a transmission, from its session and content."""
    return _digest("pli/command/v1", session, act, *content)[:32]


def object_id(command: str, what: str) -> str:
    """Return the id of an object that this command makes: a retry makes the same one."""
    return _digest("pli/object/v1", command, what)[:32]


def as_uuid(hex32: str) -> str:
    """Return 32 hexadecimal digits in the form of a version 4 UUID."""
    v = hex32[:12] + "4" + hex32[13:16] + "89ab"[int(hex32[16], 16) % 4] + hex32[17:]
    return f"{v[:8]}-{v[8:12]}-{v[12:16]}-{v[16:20]}-{v[20:]}"


def _digest(*parts: str | bytes) -> str:
    running = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        running.update(len(data).to_bytes(8, "big") + data)
    return running.hexdigest()

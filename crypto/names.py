"""Names of documents (envelope 6): what sealing refuses, and what a reader is shown."""

from __future__ import annotations

import re
from typing import Final

from crypto.errors import NameRefused

MAX_LENGTH: Final = 255
# Backslash, controls, and marks that reverse or hide what is written.
_FORBIDDEN: Final = re.compile(
    "[\\\\\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def check_name(name: str) -> str:
    """Return the name if it stays in its folder and deceives nobody, else raise NameRefused."""
    if not 1 <= len(name) <= MAX_LENGTH:
        raise NameRefused(name, f"{len(name)} characters, not 1 to {MAX_LENGTH}")
    if found := _FORBIDDEN.search(name):
        raise NameRefused(name, f"the character U+{ord(found.group()):04X}")
    for segment in name.split("/"):
        if segment in {"", ".", ".."}:
            raise NameRefused(name, f"the segment {segment!r}")
    return name


def shown_name(name: str, place: int) -> str:
    """Return the name, or ``piece-0001`` and so on when the sealed name is not to be shown."""
    try:
        return check_name(name)
    except NameRefused:
        return f"piece-{place:04}"

"""One way from facts to a tagged PDF/A-3a, deterministic to the byte.

typst 0.15 ships its own fonts; system fonts are ignored, else two machines would differ.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import TypeAlias

Fact: TypeAlias = "str | int | bool | list[Fact] | dict[str, Fact]"

TEMPLATES = ("rules", "specification", "undertaking", "minutes", "receipt", "health")
LAYOUT = "layout"
# what the fonts inside typst can show: European scripts, punctuation, money, mathematics
SHOWN = (
    (0x20, 0x7E),
    (0xA0, 0x24F),
    (0x370, 0x3FF),
    (0x400, 0x4FF),
    (0x1E00, 0x1EFF),
    (0x2010, 0x2040),
    (0x2070, 0x20CF),
    (0x2190, 0x22FF),
)
UNSHOWN = "?"


def pdf(
    template: str,
    facts: Mapping[str, Fact],
    dated: datetime,
    attached: Mapping[str, str] | None = None,
) -> bytes:
    """Return the document ``template`` filled with ``facts``, dated with the event's instant.

    ``attached`` maps file names to texts (proofs are texts) that travel inside the PDF. Raises
    ``KeyError`` for an unknown template; texts are never typst code. A character that no font here
    can show becomes ``?``: PDF/A forbids a missing glyph, and a document must not fail for one.
    """
    if template not in TEMPLATES:
        raise KeyError(template)
    import typst  # 81 MB with its fonts: only where a document is really made

    utc = dated.astimezone(UTC)
    inputs = {
        "facts": json.dumps(displayable(dict(facts)), ensure_ascii=False, sort_keys=True),
        "attached": json.dumps(dict(attached or {}), ensure_ascii=False, sort_keys=True),
        "dated": json.dumps([utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second]),
    }
    source = source_of(LAYOUT) + "\n" + source_of(template)
    made = typst.compile(
        source.encode(),
        format="pdf",
        sys_inputs=inputs,
        ignore_system_fonts=True,
        pdf_standards=["a-3a"],
        timestamp=int(utc.timestamp()),
    )
    if not isinstance(made, bytes):
        raise TypeError("a document has one PDF, not a list of pages")
    return made


def displayable(fact: Fact) -> Fact:
    """Return the same fact with every character that cannot be shown replaced, in NFC."""
    if isinstance(fact, str):
        return "".join(map(_shown, unicodedata.normalize("NFC", fact)))
    if isinstance(fact, list):
        return [displayable(one) for one in fact]
    if isinstance(fact, dict):
        return {key: displayable(one) for key, one in fact.items()}
    return fact


def _shown(character: str) -> str:
    code = ord(character)
    if any(low <= code <= high and character.isprintable() for low, high in SHOWN):
        return character
    return " " if character.isspace() else UNSHOWN


def source_of(template: str) -> str:
    """Return the typst text of a template shipped with the product."""
    return files("api.documents").joinpath("templates", f"{template}.typ").read_text("utf-8")

"""Names of things: SIRET, streams, lots, ids (domain.md §0, envelope.md 1.1)."""

from __future__ import annotations

import re
import unicodedata

from domain.errors import BadForm, BadSiret

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
LOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", re.ASCII)
HEX32 = re.compile(r"[0-9a-f]{32}", re.ASCII)
HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
CPV = re.compile(r"[0-9]{8}", re.ASCII)
# What no entry can hold (U+0000, lone surrogates), and marks that make a text read otherwise.
DECEIVING = re.compile("[\0\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
LA_POSTE = "356000000"
NO_LOT = "0"


def check_siret(siret: str) -> str:
    """Return the SIRET: 14 digits, Luhn key, La Poste's own rule, not all zeros."""
    if not re.fullmatch(r"\d{14}", siret, re.ASCII) or siret == "0" * 14:
        raise BadSiret(siret)
    if luhn(siret) % 10 and not post_office(siret):
        raise BadSiret(siret)
    return siret


def check_organisation(field: str, name: str) -> str:
    """Return the SIRET or the foreign id of an organisation."""
    return check_siret(name) if re.fullmatch(r"\d{14}", name, re.ASCII) else check(ID, field, name)


def luhn(digits: str) -> int:
    """Return the Luhn sum: every second digit from the right doubled, nines cast out."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return sum(int(digit) for digit in digits[::-2]) + sum(doubled)


def post_office(siret: str) -> bool:
    """Say whether this is a La Poste office: there the plain sum is a multiple of 5."""
    return siret.startswith(LA_POSTE) and sum(map(int, siret)) % 5 == 0


def check(form: re.Pattern[str], field: str, value: str) -> str:
    """Return the value if it has this form."""
    if not form.fullmatch(value):
        raise BadForm(field, f"{value!r} has not the form {form.pattern}")
    return value


def check_text(field: str, value: str, limit: int = 4_000) -> str:
    """Return a text which is not empty and not too long for an entry."""
    if not value.strip() or len(value) > limit:
        raise BadForm(field, f"between 1 and {limit} characters")
    return check_written(field, value)


def check_written(field: str, value: str) -> str:
    """Return a text that an entry can hold as it is and that reads as it is written."""
    if found := DECEIVING.search(value):
        raise BadForm(field, f"the character U+{ord(found.group()):04X} is refused")
    if not unicodedata.is_normalized("NFC", value):
        raise BadForm(field, "not in Unicode normal form C (NFC)")
    return value


def check_lots(lots: tuple[str, ...]) -> tuple[str, ...]:
    """Return lot names: at least one, ascending, no repetition."""
    for lot in lots:
        check(LOT, "lots", lot)
    if not lots or list(lots) != sorted(set(lots)):
        raise BadForm("lots", "at least one, ascending, no repetition")
    return lots

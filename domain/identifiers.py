"""Names of things: SIRET, streams, lots, ids (domain.md §0, envelope.md 1.1)."""

from __future__ import annotations

import re

from domain.errors import BadForm, BadSiret

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
LOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", re.ASCII)
HEX32 = re.compile(r"[0-9a-f]{32}", re.ASCII)
HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
LA_POSTE = "356000000"
NO_LOT = "0"


def check_siret(siret: str) -> str:
    """Return the SIRET: 14 digits, Luhn key, La Poste's own rule, not all zeros."""
    if not re.fullmatch(r"\d{14}", siret, re.ASCII) or siret == "0" * 14:
        raise BadSiret(siret)
    if luhn(siret) % 10 and not post_office(siret):
        raise BadSiret(siret)
    return siret


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
    return value


def check_lots(lots: tuple[str, ...]) -> tuple[str, ...]:
    """Return lot names: at least one, ascending, no repetition."""
    for lot in lots:
        check(LOT, "lots", lot)
    if not lots or list(lots) != sorted(set(lots)):
        raise BadForm("lots", "at least one, ascending, no repetition")
    return lots

"""The contracts that a story plays: the built-in facts, or the usable records of a DECP file.

A record that cannot be played is passed over with its reasons, never dropped in silence: the codes
are those of the essential-data importer (buyer_siret_invalid, amount_missing …).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from importlib.resources import files
from typing import TypeAlias
from unicodedata import normalize

from domain.errors import BadSiret
from domain.identifiers import DECEIVING, check_siret

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
LARGEST = Decimal(10) ** 10
DATE = re.compile(r"(20\d\d-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?")
MOST_RECORDS = 40
# texts typed on Windows and published as Latin-1: their dashes and quotes became control characters
WINDOWS = {
    code: bytes([code]).decode("cp1252", errors="replace").replace("\ufffd", " ")
    for code in range(0x80, 0xA0)
}


@dataclass(frozen=True)
class Company:
    """A company that answers: its SIRET and the name that the record gives it."""

    siret: str
    name: str


@dataclass(frozen=True)
class Contract:
    """One real contract, as published; ``amount_cents`` becomes the estimate of the story."""

    reference: str
    buyer: Company
    buyer_kind: str
    object: str
    nature: str
    cpv: str
    place: str
    amount_cents: int
    holders: tuple[Company, ...]
    procedure: str
    source: str


@dataclass
class Selection:
    """What is played, and for each record passed over its index and the reasons."""

    contracts: list[Contract] = field(default_factory=list)
    passed_over: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)


class DataFileUnreadable(Exception):
    """The file is no DECP file: neither JSON with ``marches`` nor one JSON record a line."""

    code = "story.data-unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a DECP file that Pli can play: {reason}")
        self.reason = reason


def built_in() -> list[Contract]:
    """Return the twelve contracts whose facts Pli carries itself."""
    text = files("api.story").joinpath("contracts.toml").read_text("utf-8")
    return [
        Contract(
            reference=row["reference"],
            buyer=Company(row["buyer"]["siret"], row["buyer"]["name"]),
            buyer_kind=row["buyer"]["kind"],
            object=row["object"],
            nature=row["nature"],
            cpv=row["cpv"],
            place=row["place"]["name"],
            amount_cents=row["amount_cents"],
            holders=tuple(Company(one["siret"], one["name"]) for one in row["holders"]),
            procedure=row["procedure"],
            source=row["source"],
        )
        for row in tomllib.loads(text)["contract"]
    ]


def select(data: bytes, most: int = MOST_RECORDS) -> Selection:
    """Return the first ``most`` usable records of a DECP file, and why others were passed over.

    Takes the v1 and v2 JSON envelopes and NDJSON (one record a line). Raises
    ``DataFileUnreadable`` when the bytes are none of these.
    """
    chosen = Selection()
    seen: set[tuple[str, str]] = set()
    for index, record in enumerate(records(data)):
        if len(chosen.contracts) == most:
            break
        contract, reasons = read(record)
        if contract and (contract.buyer.siret, contract.reference) in seen:
            contract, reasons = None, ["key_conflict"]
        if contract is None:
            chosen.passed_over.append((index, tuple(reasons)))
            continue
        seen.add((contract.buyer.siret, contract.reference))
        chosen.contracts.append(contract)
    return chosen


def records(data: bytes) -> Iterator[Value]:
    """Yield the records in order; a line that is no JSON comes as the text ``not_json``."""
    text = data.decode("utf-8-sig", errors="replace")
    try:
        whole: Value = json.loads(text)
    except (ValueError, RecursionError):
        yield from lines(text)
        return
    if isinstance(whole, dict) and "marches" not in whole and text.lstrip().startswith("{"):
        whole = [whole] if "acheteur" in whole else whole
    listed = whole.get("marches") if isinstance(whole, dict) else whole
    if isinstance(listed, dict):
        listed = listed.get("marche")
    if not isinstance(listed, list):
        raise DataFileUnreadable("no list of contracts under « marches »")
    yield from listed


def lines(text: str) -> Iterator[Value]:
    """Yield one record a line; at least one line must be a JSON object, else no NDJSON file."""
    found = False
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            record: Value = json.loads(line)
        except (ValueError, RecursionError):
            record = "not_json"
        found = found or isinstance(record, dict)
        yield record
    if not found:
        raise DataFileUnreadable("neither JSON nor one JSON record a line")


def read(record: Value) -> tuple[Contract | None, list[str]]:
    """Return the contract of a record, or every reason why it cannot be played."""
    if not isinstance(record, dict):
        return None, ["not_json" if record == "not_json" else "not_an_object"]
    reasons: list[str] = []
    buyer = company(record.get("acheteur"), "nom")
    if buyer is None:
        reasons.append("buyer_siret_invalid")
    reference = trimmed(record.get("id"))
    if not reference:
        reasons.append("id_missing")
    title = trimmed(record.get("objet"))
    if not title:
        reasons.append("object_missing")
    cpv = re.sub(r"\s", "", trimmed(record.get("codeCPV")))[:8]
    if not re.fullmatch(r"\d{8}", cpv):
        reasons.append("cpv_malformed")
    if not DATE.fullmatch(trimmed(record.get("dateNotification"))):
        reasons.append("date_missing" if not record.get("dateNotification") else "date_invalid")
    cents = amount(record.get("montant"))
    if cents is None:
        reasons.append("amount_invalid")
    holders = tuple(holders_of(record.get("titulaires")))
    if not holders:
        reasons.append("holder_missing")
    if reasons or buyer is None or cents is None:
        return None, reasons
    return (
        Contract(
            reference=reference[:64],
            buyer=buyer,
            buyer_kind="OTHER",
            object=title[:1000],
            nature=nature(cpv),
            cpv=cpv,
            place=place(record.get("lieuExecution")),
            amount_cents=cents,
            holders=holders,
            procedure=trimmed(record.get("procedure")) or "inconnue",
            source=trimmed(record.get("_sourceFile")) or "file",
        ),
        [],
    )


def trimmed(value: Value) -> str:
    """Return a text that can be recorded, without outer and doubled white space.

    Integers count as text.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return ""
    return " ".join(DECEIVING.sub("", normalize("NFC", value.translate(WINDOWS))).split())


def company(value: Value, name: str) -> Company | None:
    """Return an organisation with a valid SIRET, else nothing."""
    if not isinstance(value, dict):
        return None
    siret = re.sub(r"\s", "", trimmed(value.get("id")))
    try:
        return Company(check_siret(siret), trimmed(value.get(name)) or siret)
    except BadSiret:
        return None


def holders_of(value: Value) -> Iterable[Company]:
    """Yield each holder with a valid SIRET once, in the order of the record."""
    seen: set[str] = set()
    for one in value if isinstance(value, list) else []:
        inner = one.get("titulaire", one) if isinstance(one, dict) else one
        holder = company(inner, "denominationSociale")
        if holder and holder.siret not in seen:
            seen.add(holder.siret)
            yield holder


def amount(value: Value) -> int | None:
    """Return integer cents, half-up, of a number or a text; nothing outside 1 EUR … 10^10."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = re.sub(r"\s", "", str(value)).replace(",", ".")
    try:
        euros = Decimal(text)
    except InvalidOperation:
        return None
    if not euros.is_finite() or not 1 <= euros < LARGEST:
        return None
    return int((euros * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def nature(cpv: str) -> str:
    """Return WORKS, SUPPLIES or SERVICES by the CPV division (regulation (EC) 213/2008)."""
    division = int(cpv[:2])
    if division == 45:
        return "WORKS"
    return "SUPPLIES" if division <= 44 or division == 48 else "SERVICES"


def place(value: Value) -> str:
    """Return the name of the place, else its code, else a word that says it is unknown."""
    if not isinstance(value, Mapping):
        return "non précisé"
    return trimmed(value.get("nom")) or trimmed(value.get("code")) or "non précisé"

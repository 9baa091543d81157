"""The label (envelope 3): what an envelope is for, bound by the proof of its capsule.

``not_before`` is a lower bound that custodians apply by themselves; it never binds the deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from crypto import canonical
from crypto.canonical import Json
from crypto.errors import CryptoError, FormRefused, HeaderRefused, PurposeRefused
from crypto.forms import IDENTIFIER, LOT, instant, integer, items, match, members, octets, word

INTENTS: Final = ("INITIAL", "REPLACE", "COMPLEMENT")
KINDS: Final = (
    "APPLICATION",
    "OFFER",
    "BOTH",
    "FINAL_OFFER",
    "BACKUP",
    "REHEARSAL",
    "CANARY",
)
CANARY_KINDS: Final = ("REHEARSAL", "CANARY")
MAX_LOTS: Final = 500
_KEYS: Final = (
    "bidder",
    "consultation",
    "deposit",
    "dossier",
    "intent",
    "keyset",
    "kind",
    "lots",
    "not_before",
    "round",
    "v",
)


@dataclass(frozen=True)
class Label:
    """A label of the specified form; ``encoded`` is its canonical bytes."""

    bidder: str
    consultation: str
    deposit: str
    dossier: str
    intent: str
    keyset: str
    kind: str
    lots: tuple[str, ...]
    not_before: str
    round: int
    target: str | None
    encoded: bytes

    @classmethod
    def parse(cls, value: Json) -> Label:
        """Return the label of the object, or raise HeaderRefused."""
        try:
            return _parse(value)
        except CryptoError as refusal:
            raise HeaderRefused(f"label: {refusal}") from refusal

    def check_purpose(self, purpose: str) -> None:
        """Return quietly if a keyset of this purpose is for envelopes of this kind."""
        if (self.kind in CANARY_KINDS) != (purpose == "canary"):
            raise PurposeRefused(self.kind, purpose)


def encode(label: Mapping[str, Json]) -> bytes:
    """Return the canonical bytes of a label whose form is not in question here."""
    return canonical.encode(label)


def _parse(value: Json) -> Label:
    targeted = isinstance(value, Mapping) and value.get("intent") in INTENTS[1:]
    fields = members(value, (*_KEYS, "target") if targeted else _KEYS)
    integer(fields["v"], 1, 1)
    kind = word(fields["kind"], KINDS)
    intent = word(fields["intent"], INTENTS)
    if kind == "BACKUP" and targeted:
        raise FormRefused("a backup copy is INITIAL only")
    return Label(
        bidder=octets(fields["bidder"], 32).hex(),
        consultation=match(fields["consultation"], IDENTIFIER),
        deposit=octets(fields["deposit"], 16).hex(),
        dossier=octets(fields["dossier"], 32).hex(),
        intent=intent,
        keyset=octets(fields["keyset"], 32).hex(),
        kind=kind,
        lots=_lots(fields["lots"], MAX_LOTS if kind == "APPLICATION" else 1),
        not_before=instant(fields["not_before"]),
        round=integer(fields["round"], 1, 99),
        target=octets(fields["target"], 16).hex() if targeted else None,
        encoded=canonical.encode(fields),
    )


def _lots(value: Json, most: int) -> tuple[str, ...]:
    lots = tuple(match(lot, LOT) for lot in items(value, 1, most))
    if any(one >= two for one, two in pairwise(lots)):
        raise FormRefused("the lots are not in ascending order, each once")
    return lots

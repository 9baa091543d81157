"""The kit, read and checked before anything is sealed to it (`docs/spec/kit.md`).

A kit comes from the platform, so nothing in it is believed that can be checked: keysets verify as
wholes, the tag of the bidder is recomputed, the publication is proven under the log's key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from api.depositor.errors import KitRefused
from crypto.blinding import bidder_tag
from crypto.canonical import Json
from crypto.errors import CryptoError
from crypto.forms import IDENTIFIER, LOT, instant, integer, match, octets, text, word
from crypto.keyset import Keyset
from crypto.policies import Policy
from ledger.entry import Entry, parse
from ledger.errors import LedgerError
from ledger.proofs import TlogProof

VERSION = 1
PADDINGS = ("NONE", "PADME")
LARGEST = 2**53 - 1


@dataclass(frozen=True)
class Bidder:
    """Who bids, blinded; the salt lets the bidder show later that the tag is his."""

    operator: str
    tag: str
    salt: bytes = field(repr=False)


@dataclass(frozen=True)
class Limits:
    """The published limits; no other limit exists."""

    max_file: int
    max_files: int
    max_total: int
    padding: str
    formats: tuple[str, ...]


@dataclass(frozen=True)
class Kit:
    """A kit all of whose claims that can be checked were checked; `raw` is what was read."""

    consultation: str
    reference: str
    object: str
    buyer: Mapping[str, str]
    lots: tuple[str, ...]
    not_before: str
    dossier_root: str
    limits: Limits
    keyset: Keyset
    canary: Keyset
    policy_log: str
    policy: str
    level: str
    bidder: Bidder | None
    server_url: str | None
    backup_electronic: bool
    raw: Mapping[str, Json]

    @property
    def organisations(self) -> tuple[str, ...]:
        """The organisations of the custodians, in order of index."""
        return tuple(member.organisation for member in self.keyset.ceremony.members)

    @classmethod
    def parse(cls, data: bytes) -> Kit:
        """Return the kit of these bytes, or raise KitRefused."""
        try:
            raw = json.loads(data)
            # half of a surrogate pair is a text to JSON, and has no bytes that could be checked
            json.dumps(raw, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise KitRefused(f"no JSON: {error}") from error
        if not isinstance(raw, dict):
            raise KitRefused("no JSON object")
        try:
            kit = _read(cast("Mapping[str, Json]", raw))
            _check_publication(kit)
        except (CryptoError, LedgerError) as refusal:
            raise KitRefused(str(refusal)) from refusal
        except (KeyError, TypeError, AttributeError) as error:
            raise KitRefused(f"a field is missing or malformed: {error}") from error
        return kit

    def public(self) -> dict[str, Json]:
        """Return the kit without the one secret in it."""
        shown = dict(self.raw)
        bidder = shown.get("bidder")
        if isinstance(bidder, Mapping):
            shown["bidder"] = {key: value for key, value in bidder.items() if key != "salt"}
        return shown


def _read(raw: Mapping[str, Json]) -> Kit:
    integer(raw["v"], VERSION, VERSION)
    consultation = match(raw["consultation"], IDENTIFIER)
    ledger = _object(raw["ledger"])
    url = raw.get("server_url")
    return Kit(
        consultation=consultation,
        reference=text(raw["reference"]),
        object=text(raw["object"]),
        buyer={key: text(value) for key, value in _object(raw["buyer"]).items()},
        lots=tuple(match(lot, LOT) for lot in _list(raw["lots"])),
        not_before=instant(raw["not_before"]),
        dossier_root=octets(raw["dossier_root"], 32).hex(),
        limits=_limits(_object(raw["limits"])),
        keyset=_keyset(raw["keyset"], "consultation"),
        canary=_keyset(raw["canary"], "canary"),
        policy_log=text(ledger["policy_log"]),
        policy=text(ledger["policy"]),
        level=word(raw["level"], ("A0", "A1")),
        bidder=_bidder(consultation, raw["bidder"]) if "bidder" in raw else None,
        server_url=None if url is None else text(url),
        backup_electronic=raw.get("backup_electronic") is True,
        raw=raw,
    )


def _limits(shown: Mapping[str, Json]) -> Limits:
    return Limits(
        max_file=integer(shown["max_file"], 1, LARGEST),
        max_files=integer(shown["max_files"], 1, LARGEST),
        max_total=integer(shown["max_total"], 1, LARGEST),
        padding=word(shown["padding"], PADDINGS),
        formats=tuple(text(one) for one in _list(shown.get("formats", []))),
    )


def _keyset(document: Json, purpose: str) -> Keyset:
    keyset = Keyset.parse(document)
    if keyset.ceremony.purpose != purpose:
        raise KitRefused(f"a keyset for {keyset.ceremony.purpose} stands where {purpose} is due")
    return keyset


def _bidder(consultation: str, shown: Json) -> Bidder:
    fields = _object(shown)
    salt = octets(fields["salt"], 16)
    bidder = Bidder(text(fields["operator"]), octets(fields["tag"], 32).hex(), salt)
    if bidder_tag(consultation, salt, bidder.operator) != bidder.tag:
        raise KitRefused(f"the tag is not the one of {bidder.operator} in {consultation}")
    return bidder


def _check_publication(kit: Kit) -> None:
    """Check that the ledger, where it is cited, published this consultation with this keyset."""
    policy = Policy.parse(kit.policy_log)
    proof = _object(kit.raw["ledger"]).get("publication")
    if proof is None:
        return
    entry = proven_entry(text(proof).encode(), policy)
    told = (entry.stream, entry.kind, entry.data.get("key_fingerprint"))
    due = (f"consultation/{kit.consultation}", "ConsultationPublished", kit.keyset.digest.hex())
    if told != due:
        raise KitRefused(f"the proof is about {told[0]} {told[1]} {told[2]}")


def proven_entry(proof: bytes, policy: Policy) -> Entry:
    """Return the entry inside a tlog-proof once it is proven under the policy."""
    return parse(TlogProof.parse(proof).verify(policy).entry)


def _object(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise KitRefused("an object is expected")
    return value


def _list(value: Json) -> Sequence[Json]:
    if not isinstance(value, list):
        raise KitRefused("a list is expected")
    return value

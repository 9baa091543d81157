"""The kit: all that a bidder needs to seal without any network (``envelope.md`` §7)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from api import attestations, views
from api.errors import Absent
from api.facts import facts
from api.platform import Platform
from crypto.padding import padme
from crypto.pli1_header import CHUNK, MAX_HEADER, PREFIX
from domain.clock import instant_text
from domain.commands.loading import operator_name
from domain.consultation import Consultation
from domain.custody import Custody
from domain.events.consultation import Limits, Padding
from ledger.errors import NotPublished

TAG = 16
MANIFEST_ROOM = 65_536
Answer = dict[str, object]


def kit(platform: Platform, name: str, company: str) -> Answer:
    """Return the kit; for a company ("": for anybody) the blinded tag and salt of its bids too."""
    found = _public(platform, name)
    limits = found.limits or Limits()
    shown = views.consultation(platform, name)
    body: Answer = {
        "v": 1,
        "consultation": name,
        "reference": shown.get("reference", ""),
        "object": shown.get("object", ""),
        "buyer": shown["buyer"],
        "lots": list(found.lot_names()),
        "keyset": keyset(platform, name),
        "canary": canary_keyset(platform, name),
        "level": attestations.level(platform, name),
        "not_before": instant_text(found.deadline),
        "deadline_at": shown["deadline_at"],
        "deadline_local": shown["deadline_local"],
        "opens_at": shown["opens_at"],
        "dossier_root": found.dossier_root,
        "limits": views.limits_of(found),
        "complements": str(found.complements),
        "backup_electronic": found.backup_electronic,
        "largest_plaintext": largest_plaintext(limits),
        "largest_documents": max(0, largest_plaintext(limits) - 8 - MANIFEST_ROOM),
        "ledger": _proof(platform, name),
    }
    if company:
        operator = operator_name(company)
        body["bidder"] = {
            "operator": operator,
            "tag": platform.desk.subjects.bidder_tag(name, operator),
            "salt": platform.bidder_salt(name, operator),
        }
    return body


def keyset(platform: Platform, name: str) -> Mapping[str, Any]:
    """Return the keyset document of a consultation (``envelope.md`` 2.5)."""
    custody = _custody(platform, name)
    return platform.keyset_document(custody.keyset.digest) if custody.keyset else {}


def canary_keyset(platform: Platform, name: str) -> Mapping[str, Any]:
    """Return the canary keyset document of the same custodians."""
    custody = _custody(platform, name)
    return platform.keyset_document(custody.keyset.canary_digest) if custody.keyset else {}


def largest_plaintext(limits: Limits) -> int:
    """Return the largest plaintext, padded as published, whose file fits ``max_total``."""
    low, high = 0, limits.max_total
    while low < high:
        middle = (low + high + 1) // 2
        if _file_size(middle, limits.padding) <= limits.max_total:
            low = middle
        else:
            high = middle - 1
    return low


def _file_size(plaintext: int, padding: Padding) -> int:
    """Return the size of a file with the longest header."""
    whole = padme(max(plaintext, 65_536)) if padding == Padding.PADME else plaintext
    return PREFIX + MAX_HEADER + whole + TAG * max(1, -(-whole // CHUNK))


def _public(platform: Platform, name: str) -> Consultation:
    if not platform.index.is_published(name):
        raise Absent
    return views.found_consultation(platform, name)


def _custody(platform: Platform, name: str) -> Custody:
    _public(platform, name)
    custody = platform.desk.files.find(Custody, f"custody/{name}")
    if custody is None or custody.keyset is None:
        raise Absent
    return custody


def _proof(platform: Platform, name: str) -> Answer:
    """Return how to check the log, and the proof that the publication stands in it.

    Only under a published checkpoint: an internal one tells the size of the log between two beats,
    so how much was deposited (N11). Before the next beat there is no proof to give.
    """
    told = facts(platform.ledger, f"consultation/{name}")
    published = next(fact for fact in told if fact.kind == "ConsultationPublished")
    shown: Answer = {
        "origin": platform.desk.origin,
        "policy": platform.policies["policy.txt"],
        "policy_log": platform.policies["policy-log.txt"],
    }
    with suppress(NotPublished):
        receipt = platform.ledger.receipt(published.position, published=True)
        shown["publication"] = receipt.decode()
    return shown

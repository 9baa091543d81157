"""A kit made in memory: keysets of a held ceremony, one published consultation, one bidder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from doubles.keysets import Held, held_ceremony
from doubles.views import ShownLedger

from crypto import merkle
from crypto.blinding import bidder_tag
from crypto.policies import log_policy
from ledger.proofs import TlogProof

NAME = "lille-1"
OPERATOR = "siret:55208131766522"
SALT = bytes(range(16))


@dataclass
class KitCase:
    """A kit, the custodians behind it, and the ledger that published it."""

    held: Held
    canary: Held
    ledger: ShownLedger
    raw: dict[str, Any]

    def bytes(self, **changes: Any) -> bytes:
        """Return the kit with fields changed; None removes one."""
        kept = {key: value for key, value in (self.raw | changes).items() if value is not None}
        return json.dumps(kept).encode()


@cache
def _ceremonies() -> tuple[Held, Held]:
    return held_ceremony(2, 3), held_ceremony(2, 3, seed="canary", purpose="canary")


def kit_case(**published: Any) -> KitCase:
    held, canary = _ceremonies()
    ledger = ShownLedger()
    facts = {"key_fingerprint": held.keyset.digest.hex(), **published}
    ledger.write(f"consultation/{NAME}", "ConsultationPublished", **facts)
    leaves = ledger.leaves()
    path = tuple(merkle.inclusion_proof(leaves, 1))
    proof = TlogProof(1, path, ledger.note(), ledger.rows[1].entry)
    policy = log_policy(ledger.vkey)
    raw: dict[str, Any] = {
        "bidder": {
            "operator": OPERATOR,
            "salt": SALT.hex(),
            "tag": bidder_tag(NAME, SALT, OPERATOR),
        },
        "buyer": {"name": "Ville de Lille", "siret": "20009320100016"},
        "canary": canary.keyset.document,
        "complements": "ALL",
        "consultation": NAME,
        "dossier_root": "33" * 32,
        "keyset": held.keyset.document,
        "ledger": {
            "origin": ledger.origin,
            "policy": policy,
            "policy_log": policy,
            "publication": bytes(proof).decode(),
        },
        "level": "A0",
        "limits": {
            "formats": [],
            "max_file": 4_000_000,
            "max_files": 4,
            "max_total": 5_000_000,
            "padding": "PADME",
        },
        "lots": ["001", "002"],
        "not_before": "2026-10-12T10:00:00.000000Z",
        "object": "Réfection d'une toiture",
        "reference": "REF-1",
        "v": 1,
    }
    return KitCase(held, canary, ledger, raw)

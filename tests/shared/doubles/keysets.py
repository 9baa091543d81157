"""Keysets made by a whole ceremony in memory, from a seed: the same seed gives the same keys."""

import hashlib
from dataclasses import dataclass
from typing import Any

from crypto import dkg, sealed_box, statements
from crypto.ceremony import Ceremony
from crypto.group import random_scalar
from crypto.keyset import Keyset


class Seeded:
    """An endless source of bytes that look random and are not."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        self._count += 1
        name = self._seed + self._count.to_bytes(8, "big")
        return hashlib.shake_256(name).digest(size)

    def scalar(self) -> bytes:
        """Return the next scalar."""
        return random_scalar(self.take(64))


@dataclass
class Held:
    """A ceremony that was held, with everybody's secrets and messages."""

    ceremony: Ceremony
    keyset: Keyset
    shares: dict[int, bytes]
    sign_seeds: list[bytes]
    box_secrets: list[bytes]
    polynomials: list[list[bytes]]
    round1: list[dict[str, Any]]
    round2: list[dict[str, Any]]
    source: Seeded


def ceremony_document(
    k: int, sign_seeds: list[bytes], box_secrets: list[bytes], purpose: str = "consultation"
) -> dict[str, Any]:
    """Return the object that starts a ceremony of these custodians."""
    members = [
        {
            "box": sealed_box.public_key(box).hex(),
            "custodian": f"custodian-{index}",
            "index": index,
            "organisation": f"organisation-{index}",
            "sign": statements.public_key(sign).hex(),
        }
        for index, (sign, box) in enumerate(zip(sign_seeds, box_secrets, strict=True), start=1)
    ]
    return {
        "ceremony": "0123456789abcdef0123456789abcdef",
        "k": k,
        "log": "ledger.pli.example/2026",
        "members": members,
        "n": len(members),
        "purpose": purpose,
        "v": 1,
    }


def held_ceremony(
    k: int,
    n: int,
    *,
    seed: str = "keyset",
    purpose: str = "consultation",
    polynomials: list[list[bytes]] | None = None,
) -> Held:
    """Hold all three rounds; only the ephemeral keys of the boxes differ from call to call."""
    source = Seeded(seed)
    sign_seeds = [source.take(32) for _ in range(n)]
    box_secrets = [source.take(32) for _ in range(n)]
    ceremony = Ceremony.parse(ceremony_document(k, sign_seeds, box_secrets, purpose))
    if polynomials is None:
        polynomials = [[source.scalar() for _ in range(k)] for _ in range(n)]
    everyone = range(1, n + 1)
    round1 = [
        dkg.commit(ceremony, i, polynomials[i - 1], source.scalar(), sign_seeds[i - 1])
        for i in everyone
    ]
    commitments = dkg.check_commitments(ceremony, round1)
    round2 = [
        dkg.share_out(ceremony, i, polynomials[i - 1], commitments, sign_seeds[i - 1])
        for i in everyone
    ]
    outcomes = [dkg.finish(ceremony, i, box_secrets[i - 1], round1, round2) for i in everyone]
    acks = [dkg.acknowledge(outcomes[0].digest, i, sign_seeds[i - 1]) for i in everyone]
    return Held(
        ceremony=ceremony,
        keyset=Keyset.parse(dkg.keyset_document(ceremony, outcomes[0], acks)),
        shares={outcome.index: outcome.share for outcome in outcomes},
        sign_seeds=sign_seeds,
        box_secrets=box_secrets,
        polynomials=polynomials,
        round1=round1,
        round2=round2,
        source=source,
    )


def label_for(keyset: Keyset, **changes: Any) -> dict[str, Any]:
    """Return a good label for this keyset, with these fields changed."""
    return {
        "bidder": "11" * 32,
        "consultation": "c-2026-0042",
        "deposit": "22" * 16,
        "dossier": "33" * 32,
        "intent": "INITIAL",
        "keyset": keyset.digest.hex(),
        "kind": "REHEARSAL" if keyset.ceremony.purpose == "canary" else "OFFER",
        "lots": ["1"],
        "not_before": "2026-10-12T10:00:00.000000Z",
        "round": 1,
        "v": 1,
        **changes,
    }

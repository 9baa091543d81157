"""The keyset document, proofs of life and recovery copies (envelope 2.5, 2.7, 2.8).

A client MUST check the document before it seals anything to it, and SHOULD compare the signature
keys inside with those that the custodians' organisations publish themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crypto import group, sealed_box, statements
from crypto.canonical import Json
from crypto.ceremony import Ceremony
from crypto.digests import H, u16
from crypto.dkg import keyset_digest
from crypto.dleq import check_knowledge, prove_knowledge
from crypto.errors import (
    CryptoError,
    LifeRefused,
    PolynomialRefused,
    ProofRefused,
    RecoveryRefused,
)
from crypto.forms import integer, items, members, octets
from crypto.group import check_point, check_scalar

_ALIVE: Final = "pli/v1/alive"
_RECOVERY_MAGIC: Final = b"PLR1"


@dataclass(frozen=True)
class Keyset:
    """A keyset that passed every check of envelope 2.5; ``digest`` is d."""

    ceremony: Ceremony
    y: bytes
    shares: tuple[bytes, ...]
    digest: bytes
    document: Mapping[str, Json]

    @property
    def k(self) -> int:
        """How many custodians open."""
        return self.ceremony.k

    @property
    def n(self) -> int:
        """How many custodians hold a share."""
        return self.ceremony.n

    def share(self, index: int) -> bytes | None:
        """Return the public share of this custodian, or None for an index outside 1 to n."""
        return self.shares[index - 1] if 1 <= index <= self.n else None

    @classmethod
    def parse(cls, document: Json) -> Keyset:
        """Return the keyset, or refuse: form, point, poly, signature, in this order."""
        fields = members(document, ("acks", "ceremony", "shares", "v", "y"))
        integer(fields["v"], 1, 1)
        ceremony = Ceremony.parse(fields["ceremony"])
        n = ceremony.n
        y = octets(fields["y"], 32)
        shares = tuple(octets(share, 32) for share in items(fields["shares"], n, n))
        signatures = [octets(signature, 64) for signature in items(fields["acks"], n, n)]
        for point in (y, *shares):
            check_point(point)
        _check_polynomial(ceremony.k, y, shares)
        digest = keyset_digest(ceremony, y, shares)
        for member, signature in zip(ceremony.members, signatures, strict=True):
            statements.check(
                member.sign, statements.acknowledgement(digest, member.index), signature
            )
        return cls(ceremony, y, shares, digest, fields)


def _check_polynomial(k: int, y: bytes, shares: tuple[bytes, ...]) -> None:
    """Y_1 … Y_(k-1) and any other share must give Y: then all lie on one polynomial."""
    first = {index: shares[index - 1] for index in range(1, k)}
    for m in range(k, len(shares) + 1):
        if group.interpolate_at_zero({**first, m: shares[m - 1]}) != y:
            raise PolynomialRefused(m)


def alive_nonce(note: bytes, index: int) -> bytes:
    """Return what makes today's proof of life new: the newest checkpoint note."""
    return H("pli/v1/alive-nonce", note, u16(index))


def prove_alive(keyset: Keyset, index: int, nonce: bytes, share: bytes, w: bytes) -> bytes:
    """Prove that one holds this share; the proof opens nothing."""
    public = _public_share(keyset, index)
    return prove_knowledge(_ALIVE, (keyset.digest, u16(index), nonce, public), share, w)


def check_alive(keyset: Keyset, index: int, nonce: bytes, proof: bytes) -> None:
    """Return quietly if this custodian held its share when the nonce was known."""
    public = _public_share(keyset, index)
    try:
        check_knowledge(_ALIVE, (keyset.digest, u16(index), nonce, public), public, proof)
    except ProofRefused as refusal:
        raise LifeRefused(index) from refusal


def recovery_copy(keyset: Keyset, index: int, share: bytes, recipient: bytes) -> bytes:
    """Return the share in a box for the custodian's offline key; the box draws its own key."""
    return sealed_box.seal(_recovery_prefix(keyset, index) + share, recipient)


def recover(keyset: Keyset, index: int, box: bytes, secret: bytes) -> bytes:
    """Return the share of a recovery copy; it is the right one, or RecoveryRefused."""
    public = keyset.share(index)
    message = sealed_box.unseal(box, secret)
    if public is None or message is None:
        raise RecoveryRefused(index)
    prefix = _recovery_prefix(keyset, index)
    if not message.startswith(prefix):
        raise RecoveryRefused(index)
    try:
        share = check_scalar(message[len(prefix) :])
    except CryptoError as refusal:
        raise RecoveryRefused(index) from refusal
    if group.multiply(share, group.BASE) != public:
        raise RecoveryRefused(index)
    return share


def _public_share(keyset: Keyset, index: int) -> bytes:
    public = keyset.share(index)
    if public is None:
        raise LifeRefused(index)
    return public


def _recovery_prefix(keyset: Keyset, index: int) -> bytes:
    return _RECOVERY_MAGIC + keyset.digest + u16(index)

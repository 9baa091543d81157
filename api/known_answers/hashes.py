"""Hashes, trees, canonical bytes, lengths, points and scalars."""

from __future__ import annotations

from api.known_answers.book import Book, Case, Out, raw
from crypto import blinding, canonical, group, merkle, padding, pli1_header
from crypto.digests import H64, HS, H


def constants(_book: Book, _case: Case) -> Out:
    """Return what the suite fixes."""
    return {
        "B": group.BASE.hex(),
        "G2": group.SECOND_BASE.hex(),
        "chunk": pli1_header.CHUNK,
        "suite": pli1_header.SUITE,
    }


def tagged_hash(_book: Book, case: Case) -> Out:
    """Hash parts under a tag."""
    parts = [bytes.fromhex(part) for part in case["parts"]]
    return {"digest": {32: H, 64: H64}[case["size"]](case["tag"], *parts).hex()}


def hash_to_scalar(_book: Book, case: Case) -> Out:
    """Hash parts to a scalar."""
    return {"scalar": HS(case["tag"], *map(bytes.fromhex, case["parts"])).hex()}


def canonical_bytes(_book: Book, case: Case) -> Out:
    """Read canonical bytes."""
    canonical.decode(raw(case, "bytes"))
    return {}


def tree(_book: Book, case: Case) -> Out:
    """Compute the root over leaf data."""
    leaves = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in case["leaves"]]
    return {"root": merkle.root(leaves).hex()}


def padme(_book: Book, case: Case) -> Out:
    """Round a length up."""
    length = case["length"]
    return {"floored": padding.padded(length), "padded": padding.padme(length)}


def bidder(_book: Book, case: Case) -> Out:
    """Compute a bidder tag."""
    salt = raw(case, "salt")
    return {"tag": blinding.bidder_tag(case["consultation"], salt, case["operator"])}


def point(_book: Book, case: Case) -> Out:
    """Check a point."""
    group.check_point(raw(case, "point"))
    return {}


def scalar(_book: Book, case: Case) -> Out:
    """Check a scalar."""
    group.check_scalar(raw(case, "scalar"))
    return {}

"""The same roots by another hand: merkletools over given leaf hashes, with RFC 6962's prefix.

Used for document trees and as second path over tiles before a checkpoint is signed (`ledger.md`
§5). It never verifies a proof: merkletools binds neither index nor size. Where the optional extra
is not installed, our own tree answers; a differential test holds the two together.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, Protocol

from crypto import merkle
from crypto.log_errors import HashLength


class _Digest(Protocol):
    def digest(self) -> bytes: ...


class _Tools(Protocol):
    """What we use of `merkletools.MerkleTools`."""

    hash_function: Callable[[bytes], _Digest]

    def add_leaf(self, values: list[str]) -> None: ...
    def make_tree(self) -> None: ...
    def get_merkle_root(self) -> str: ...


def load_tools() -> Callable[[], _Tools] | None:
    """Return the class of merkletools, or None where it is not installed."""
    with warnings.catch_warnings():
        # It looks for a SHA-3 package that ended with Python 3.5, warns, and does not need it.
        warnings.simplefilter("ignore")
        try:
            tools: Callable[[], _Tools] = import_module("merkletools").MerkleTools
        except ImportError:
            return None
    return tools


_TOOLS: Final = load_tools()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, by merkletools where it is installed."""
    return merkle.root(leaves) if _TOOLS is None else root_by_tools(_TOOLS(), leaves)


def root_by_tools(tools: _Tools, leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes as a fresh tree of merkletools computes it."""
    for leaf in leaves:
        if len(leaf) != merkle.HASH_BYTES:
            raise HashLength(len(leaf))
    if not leaves:
        return merkle.EMPTY_ROOT
    tools.hash_function = _hash_node
    tools.add_leaf([leaf.hex() for leaf in leaves])
    tools.make_tree()
    return bytes.fromhex(tools.get_merkle_root())


def _hash_node(children: bytes) -> _Digest:
    """Hash two joined children; without the prefix a two-leaf forgery would pass."""
    return hashlib.sha256(b"\x01" + children)

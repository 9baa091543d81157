"""Bounds of a key by sizes: product and verifier accept the same texts (S9)."""

from __future__ import annotations

import pytest

from crypto.errors import CryptoError
from crypto.notes import LOG, VerifierKey
from crypto.policies import Policy
from replay import verifier

KEY = VerifierKey.of_seed("log.example", LOG, bytes(32))
MOST = 2**63 - 1
BOUNDS = {
    "0": True,
    "7 8": True,
    "7 7": False,
    "8 7": False,
    "07": False,
    "+7": False,
    "7 8 9": False,
    "": False,
    str(10**16): True,
    f"7 {10**16}": True,
    f"7 {MOST}": True,
    f"7 {MOST + 1}": False,
    str(MOST - 1): True,
    str(MOST): False,
    str(MOST + 1): False,
}


@pytest.mark.parametrize("bounds", BOUNDS)
def test_both_read_the_same_bounds(bounds: str) -> None:
    text = f"log {KEY}\n#pli-valid {KEY} {bounds}\nquorum none\n"
    read = []
    for parse, refused in (
        (Policy.parse, CryptoError),
        (lambda one: verifier.Policy(one.encode()), verifier.Refused),
    ):
        try:
            parse(text)
        except refused:
            read.append(False)
        else:
            read.append(True)
    assert read == [BOUNDS[bounds]] * 2

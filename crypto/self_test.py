"""Start-up self-test (envelope 1.5): refuse to run on a library that lets forged proofs pass.

A system libsodium may be older than the one that was tested. CVE-2025-69277 was such a defect: a
point of order 2L was taken for valid, and a forged capsule then verified half of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nacl.bindings import crypto_core_ed25519_from_uniform

from crypto.digests import H
from crypto.errors import CapsuleRefused, PointRefused, SelfTestFailed
from crypto.group import SECOND_BASE, check_point
from crypto.threshold import check_capsule

_MIXED_ORDER: Final = bytes.fromhex(
    "b75d76aa2ed078c396cc832d1487006837c633421a39180fa6195bdc866d83ed"
)
_KEYSET: Final = bytes.fromhex("a29ac3cbda2cf70823f8693bbc9063702a3364beba94569699e186506e7ec327")
_LABEL: Final = (
    b'{"bidder":"82446b0e473b807f68f8f491684dc20843e5ce1a190b5c863af6c245cfa99e4e","consult'
    b'ation":"c-2026-0042","deposit":"e64b7747f96005dc2df8a9e179814a3a","dossier":"5d3df071'
    b'60cdb2f42e213d316b4d5bc78cc99cc3d31a8f14fe4659e83c3c8794","intent":"INITIAL","keyset"'
    b':"a29ac3cbda2cf70823f8693bbc9063702a3364beba94569699e186506e7ec327","kind":"OFFER","l'
    b'ots":["1"],"not_before":"2026-10-12T10:00:00.000000Z","round":1,"v":1}'
)
_CAPSULE: Final = bytes.fromhex(
    "62534c60797c272d9dcca60f73e0af8b007c31914e900e7743c02ae65ca6f6a6"
    "83f4b41cb16513176c9a499084ff4904b34b9a2b972233b2ea4d412a4abf517b"
    "d565d47047bb1da9d0f8a03d9d065a6ce5d3bf6837deaf4f7444b384d28c9b0e"
    "c19932f1a1b03a89080627311c34f0610fa7dcd69fc46e8a890ec36ec5ef4d0b"
)
_FORGED_CAPSULE: Final = bytes.fromhex(
    "8bacb39f8683d8d2623359f08c1f5074ff83ce6eb16ff188bc3fd519a3590959"
    "83f4b41cb16513176c9a499084ff4904b34b9a2b972233b2ea4d412a4abf517b"
    "fa6efb5a2b36fc4933faa2a09bb7ae922b8f6354d6bfe3c2f75cf762a7816f02"
    "f72199f9def207e9a9aaccbdffda5e3d8e213e43a0d685220919bfadcfcff00a"
)


@dataclass(frozen=True)
class Library:
    """What is put to the test: the calls on which every proof rests."""

    check_point: Callable[[bytes], bytes] = check_point
    from_uniform: Callable[[bytes], bytes] = crypto_core_ed25519_from_uniform
    check_capsule: Callable[[bytes, bytes, bytes], None] = check_capsule


def self_test(library: Library | None = None) -> None:
    """Return quietly if the installed library may be used, else raise SelfTestFailed.

    Server, custodian and command line call it before anything else.
    """
    tested = library or Library()
    # 1. A point of order 2L is refused.
    try:
        tested.check_point(_MIXED_ORDER)
    except PointRefused:
        pass
    else:
        raise SelfTestFailed("a point of order 2L passes")
    # 2. The second generator is what its seed gives: nobody chose it.
    if tested.from_uniform(H("pli/v1/gbar", b"second generator")) != SECOND_BASE:
        raise SelfTestFailed("the second generator comes out differently")
    # 3. A forged capsule whose equation holds, with points of order 2L, is refused.
    try:
        tested.check_capsule(_KEYSET, _LABEL, _FORGED_CAPSULE)
    except CapsuleRefused:
        pass
    else:
        raise SelfTestFailed("a forged capsule passes")
    # 4. A good capsule verifies.
    try:
        tested.check_capsule(_KEYSET, _LABEL, _CAPSULE)
    except CapsuleRefused as refusal:
        raise SelfTestFailed("a good capsule is refused") from refusal

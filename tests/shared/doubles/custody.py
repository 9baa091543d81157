"""Custodians and opened envelopes without cryptography, for tests of rules and for volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crypto.errors import LifeRefused, PartialRefused
from domain.ports import (
    CustodianIdentity,
    CustodianRefusal,
    CustodianSilent,
    StoredEnvelope,
    Unsealed,
)

NAMES = ("anna", "bruno", "chloe")
GOOD = Unsealed(
    key_ok=True, chunks_ok=True, package_ok=True, documents_match=True, documents_count=3
)


def answer(deposit: str, index: int) -> bytes:
    return f"{deposit}:{index}".encode()


class TokenCustodians:
    """Each gives a token for one envelope; ``moods`` makes one silent, false or refusing."""

    def __init__(self, names: tuple[str, ...] = NAMES) -> None:
        self.names = names
        self.moods: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []

    def roster(self) -> tuple[CustodianIdentity, ...]:
        return tuple(
            CustodianIdentity(name, "platform", f"{at:064x}", f"{at + 100:064x}")
            for at, name in enumerate(self.names, 1)
        )

    def box(self, custodian: str) -> str:
        raise AssertionError("these custodians hold no ceremonies")

    def round1(self, ceremony: str, custodian: str) -> dict[str, Any]:
        raise AssertionError("these custodians hold no ceremonies")

    round2 = confirm = round1

    def alive(self, digest: str, custodian: str) -> tuple[str, str]:
        if self.moods.get(custodian) == "silent":
            raise CustodianSilent(custodian)
        return "aa" * 32, "bb" * 64 if self.moods.get(custodian) != "false" else "00" * 64

    def retire(self, digest: str, custodian: str) -> str:
        if self.moods.get(custodian) == "silent":
            raise CustodianSilent(custodian)
        return "cc" * 64

    def partial(
        self, consultation: str, lot: str, deposit: str, plan_no: int, head: bytes, custodian: str
    ) -> bytes:
        self.asked.append((deposit, custodian))
        mood = self.moods.get(custodian, "gives")
        if mood == "silent":
            raise CustodianSilent(custodian)
        if mood == "refuses":
            raise CustodianRefusal(custodian, "too-early", "dd" * 64)
        return b"false" if mood == "false" else answer(deposit, self.names.index(custodian) + 1)


class TokenUnsealing:
    """Envelopes are good unless told otherwise; an answer is the token of its custodian."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredEnvelope] = {}
        self.results: dict[str, Unsealed] = {}

    def examine(self, deposit: str, recorded: str, keyset: str) -> StoredEnvelope:
        return self.stored.get(deposit, StoredEnvelope("ok", head_ok=True, head=deposit.encode()))

    def check_partial(
        self, document: Mapping[str, Any], head: bytes, index: int, partial: bytes
    ) -> None:
        if partial != answer(head.decode(), index):
            raise PartialRefused(index)

    def check_alive(self, document: Mapping[str, Any], index: int, nonce: str, proof: str) -> None:
        if proof == "00" * 64:
            raise LifeRefused(index)

    def unseal(
        self,
        deposit: str,
        recorded: str,
        document: Mapping[str, Any],
        partials: Mapping[int, bytes],
    ) -> Unsealed:
        assert len(partials) >= document["ceremony"]["k"], "an envelope opened without its quorum"
        return self.results.get(deposit, GOOD)

    def seal_canary(self, consultation: str, document: Mapping[str, Any], seed: bytes) -> bytes:
        raise AssertionError("no canary without cryptography")

    def open_canary(
        self, sealed: bytes, document: Mapping[str, Any], partials: Mapping[int, bytes]
    ) -> None:
        raise AssertionError("no canary without cryptography")

"""Commitments and private rows open to what was committed, and to nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from crypto.blinding import PersonalValue, bidder_tag, open_row, seal_row
from crypto.canonical import Json
from crypto.errors import CryptoError
from crypto.log_errors import BlindingRefused

VECTORS = Path(__file__).parents[1] / "vectors"
CASES = json.loads((VECTORS / "ledger" / "commitments.json").read_text())["cases"]
KEY, NONCE, SALT = b"k" * 32, b"n" * 24, b"\xab" * 32


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_known_answers(case: dict[str, str]) -> None:
    shown = json.loads(case["canonical"])
    personal = PersonalValue(shown["field"], shown["value"], bytes.fromhex(case["salt"]))
    key, nonce = bytes.fromhex(case["subject_key"]), bytes.fromhex(case["nonce"])
    assert personal.commitment().hex() == case["commitment"]
    assert seal_row(personal, key, nonce).hex() == case["ciphertext"]
    assert (
        open_row(personal.commitment(), key, nonce, bytes.fromhex(case["ciphertext"])) == personal
    )


def test_known_bidder_tags() -> None:
    found = json.loads((VECTORS / "envelope" / "hash.json").read_text())
    cases = found if isinstance(found, list) else found.get("cases", found.get("vectors"))
    cases = [case for case in cases if case["op"] == "bidder"]
    assert cases
    for case in cases:
        given_ = case["in"]
        tag = bidder_tag(given_["consultation"], bytes.fromhex(given_["salt"]), given_["operator"])
        assert tag == case["out"]["tag"]


@given(
    st.integers(0, 2**53 - 1) | st.text(st.characters(codec="ascii", min_codepoint=1)), st.data()
)
def test_another_commitment_or_bit_does_not_open(value: Json, data: st.DataObject) -> None:
    personal = PersonalValue("email", value, SALT)
    row = seal_row(personal, KEY, NONCE)
    assert open_row(personal.commitment(), KEY, NONCE, row) == personal
    other = PersonalValue("email", value, b"t" * 32)
    assert other.commitment() != personal.commitment()
    with pytest.raises(BlindingRefused):
        open_row(other.commitment(), KEY, NONCE, row)
    at = data.draw(st.integers(0, len(row) - 1))
    changed = row[:at] + bytes([row[at] ^ 1]) + row[at + 1 :]
    with pytest.raises(BlindingRefused):
        open_row(personal.commitment(), KEY, NONCE, changed)


@pytest.mark.parametrize(
    "plain",
    [
        b'{"field":"email","salt":"' + SALT.hex().encode() + b'","value":"other"}',
        b'{"field":"email","salt":"' + SALT.hex().upper().encode() + b'","value":1}',
        b'{"field":"email","salt":"' + b"zz" * 32 + b'","value":1}',
        b'{"field":"email","salt":"00","value":1}',
        b'{"field":"email","more":1,"salt":"00","value":1}',
        b'{"field":1,"salt":"00","value":1}',
        b'{"field": "email"}',
    ],
)
def test_whoever_has_the_key_cannot_put_another_value_beside(plain: bytes) -> None:
    commitment = PersonalValue("email", 1, SALT).commitment()
    aad = b"pli/private/v1\x00" + commitment
    row = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, aad, NONCE, KEY)
    with pytest.raises(CryptoError):
        open_row(commitment, KEY, NONCE, row)


def test_lengths_are_fixed() -> None:
    personal = PersonalValue("email", "a@b.example", SALT)
    with pytest.raises(BlindingRefused, match="salt"):
        PersonalValue("email", "a@b.example", b"").commitment()
    with pytest.raises(BlindingRefused, match="nonce"):
        seal_row(personal, KEY, b"")
    with pytest.raises(BlindingRefused, match="subject key"):
        open_row(personal.commitment(), b"", NONCE, b"")
    with pytest.raises(BlindingRefused, match="bidder"):
        bidder_tag("c-1", b"", "siret:1")

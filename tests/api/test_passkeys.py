"""Passkeys that were never made by an authenticator: each is refused, none is an error of ours."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn import base64url_to_bytes
from webauthn.helpers import bytes_to_base64url as written

from api.accounts import Accounts
from api.errors import PasskeyRefused
from api.passkeys import RelyingParty
from api.people import Passkey, Person

PARTY = RelyingParty("http://localhost:8400")
ADA = Person("person:ada", "ada@lille.example", "Ada")
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
CHALLENGE = bytes(32)
KEY_ID = b"k" * 16
POINT = bytes.fromhex(  # the generator of P-256: a point that lies on the curve
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
GOOD: dict[int, Any] = {1: 2, 3: -7, -1: 1, -2: POINT[:32], -3: POINT[32:]}
BAD = {
    **{f"without {name}": {k: v for k, v in GOOD.items() if k != name} for name in GOOD},
    "nothing": {},
    "texts": dict.fromkeys(GOOD, "x"),
    "nulls": dict.fromkeys(GOOD),
    "off the curve": GOOD | {-3: bytes(32)},
}


def told(kind: str) -> str:
    said = {"type": kind, "challenge": written(CHALLENGE), "origin": PARTY.origin}
    return written(json.dumps(said).encode())


def registration(key: dict[int, Any]) -> str:
    """Return the answer of somebody who writes the key of a passkey by hand."""
    head = hashlib.sha256(b"localhost").digest() + b"\x45" + bytes(4)
    data = head + bytes(16) + len(KEY_ID).to_bytes(2, "big") + KEY_ID + cbor2.dumps(key)
    made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
    response = {"clientDataJSON": told("webauthn.create"), "attestationObject": written(made)}
    return answer(response)


def answer(response: dict[str, Any]) -> str:
    name = written(KEY_ID)
    return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})


def registered(key: dict[int, Any]) -> Passkey:
    return PARTY.registered(registration(key), written(CHALLENGE), ADA, "1", NOW)


@pytest.mark.parametrize("name", BAD)
def test_a_key_that_is_none_is_refused(name: str) -> None:
    assert registered(GOOD).key_id == KEY_ID
    kept = Passkey(KEY_ID, ADA.person, cbor2.dumps(BAD[name]), 0, "1", NOW, None)
    data = hashlib.sha256(b"localhost").digest() + b"\x05" + b"\0\0\0\x01"
    login = {
        "clientDataJSON": told("webauthn.get"),
        "authenticatorData": written(data),
        "signature": written(bytes(70)),
        "userHandle": written(ADA.person.encode()),
    }
    with pytest.raises(PasskeyRefused):
        PARTY.proven(answer(login), written(CHALLENGE), kept)
    try:
        registered(BAD[name])  # a key of the right shape is believed until it signs
    except PasskeyRefused:
        return
    assert name in {"off the curve", "texts", "nulls"}


def signed_login(key: ec.EllipticCurvePrivateKey, **handle: str) -> str:
    """Return what an authenticator answers that holds this key, with the handle that it names."""
    said = told("webauthn.get")
    data = hashlib.sha256(b"localhost").digest() + b"\x05" + b"\0\0\0\x01"
    over = data + hashlib.sha256(base64url_to_bytes(said)).digest()
    signature = key.sign(over, ec.ECDSA(hashes.SHA256()))
    response = {"clientDataJSON": said, "authenticatorData": written(data)}
    return answer(response | {"signature": written(signature)} | handle)


def test_an_answer_names_the_person_to_whom_the_passkey_belongs() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_numbers()
    public = GOOD | {-2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
    kept = Passkey(KEY_ID, ADA.person, cbor2.dumps(public), 0, "1", NOW, None)
    challenge = written(CHALLENGE)
    good = signed_login(key, userHandle=written(ADA.person.encode()))
    assert PARTY.proven(good, challenge, kept) == 1
    for handle in ({}, {"userHandle": ""}, {"userHandle": written(b"person:bob")}):
        with pytest.raises(PasskeyRefused, match="another person"):
            PARTY.proven(signed_login(key, **handle), challenge, kept)


def test_the_id_of_somebody_elses_passkey_is_refused(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.db")
    accounts.people.add_passkey(registered(GOOD))
    with pytest.raises(PasskeyRefused):
        accounts.people.add_passkey(registered(GOOD))
    assert len(accounts.people.passkeys(ADA.person)) == 1
    accounts.close()

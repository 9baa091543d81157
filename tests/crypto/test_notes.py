"""Notes, keys and policies of C2SP: every known answer, and each refusal by its code."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import CryptoError
from crypto.log_errors import (
    Base64Refused,
    CheckpointRefused,
    IntegerRefused,
    NoteRefused,
    PolicyRefused,
    QuorumNotMet,
    SignatureRefused,
    VerifierKeyRefused,
)
from crypto.merkle import EMPTY_ROOT, leaf_hash
from crypto.notes import (
    COSIGNATURE,
    LOG,
    Checkpoint,
    VerifierKey,
    check_cosignature,
    check_signature,
    cosign,
    note,
    parse_checkpoint,
    parse_note,
    read_base64,
    read_decimal,
    sign,
    text,
)
from crypto.policies import Policy, log_policy, witness_policy

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
KEYS = {key["label"]: key for key in json.loads((VECTORS / "keys.json").read_text())["keys"]}
ORIGIN = "ledger.pli.example/2026"


def cases(file: str) -> list[dict[str, str]]:
    return list(json.loads((VECTORS / file).read_text())["cases"])


def seed(label: str) -> bytes:
    return bytes.fromhex(KEYS[label]["seed"])


def vkey(label: str) -> VerifierKey:
    return VerifierKey.parse(KEYS[label]["vkey"])


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key["label"])
def test_known_keys(key: dict[str, str]) -> None:
    made = VerifierKey.of_seed(key["name"], int(key["type"], 16), bytes.fromhex(key["seed"]))
    assert str(made) == key["vkey"]
    assert made.public.hex() == key["public"]
    assert VerifierKey.parse(key["vkey"]) == made


def test_the_worked_example_of_the_specification() -> None:
    root = bytes.fromhex("5a161a911636ab14916849838b6ef00a39bc60799cd778cc0ce2b015ac1f1af1")
    checkpoint = Checkpoint(ORIGIN, 2, root)
    signed = note(checkpoint, [sign(checkpoint, ORIGIN, seed("log key"))])
    assert signed == (VECTORS / "extra" / "checkpoints" / "2").read_bytes()
    assert signed.decode().splitlines()[-1] == (
        "— ledger.pli.example/2026 G7LVYtlhoj0gIJWPj+J/t+b7ZMhEAkDbgT1AU6Tp5DXkSPydNogPnfsnXzCBuy8"
        "qerSrykKxoF+wCxFWQMnEqYre3Qc="
    )


@pytest.mark.parametrize("case", cases("notes.json"), ids=lambda case: case["id"])
def test_known_notes(case: dict[str, str]) -> None:
    policy = Policy.parse(case["policy"])
    if case["expect"] == "accept":
        proven = policy.verify(case["note"].encode())
        assert proven.checkpoint.origin == ORIGIN
        return
    with pytest.raises(CryptoError) as refusal:
        policy.verify(case["note"].encode())
    assert refusal.value.code == case.get("code", refusal.value.code)


@pytest.mark.parametrize("case", cases("policies.json"), ids=lambda case: case["id"])
def test_known_policies(case: dict[str, str]) -> None:
    if case["expect"] == "accept":
        Policy.parse(case["policy"]).check_quorum(case["witnesses"])
    else:
        with pytest.raises((PolicyRefused, QuorumNotMet)):
            Policy.parse(case["policy"]).check_quorum(case["witnesses"])


@pytest.mark.parametrize("name", ["log", "one", "two-of-three"])
def test_policy_files(name: str) -> None:
    policy = Policy.parse((VECTORS / "policies" / f"{name}.txt").read_text())
    assert [str(key) for key in policy.logs] == [KEYS["log key"]["vkey"]]
    assert policy.log_alone().quorum == "none"


def test_written_policies_are_read_back() -> None:
    log, a, b = vkey("log key"), vkey("witness a"), vkey("witness b")
    alone = Policy.parse(log_policy(log))
    assert (alone.logs, alone.witnesses, alone.quorum) == ((log,), {}, "none")
    policy = Policy.parse(witness_policy(log, {"a": a, "b": b}, 2, "custodians"))
    assert policy.witnesses == {"a": a, "b": b}
    policy.check_quorum({"a", "b"})
    with pytest.raises(QuorumNotMet) as refusal:
        policy.check_quorum(["a"])
    assert (refusal.value.quorum, refusal.value.witnesses) == ("custodians", ("a",))


def test_addresses_in_a_policy_are_kept_by_key() -> None:
    policy = Policy.parse((VECTORS / "policies" / "two-of-three.txt").read_text())
    assert policy.urls[KEYS["log key"]["vkey"]] == "https://ledger.pli.example/2026"
    assert len(policy.urls) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("log", "nothing known"),
        ("log x", "verifier key"),
        (f"log {KEYS['log key']['vkey']} u v", "nothing known"),
        ("group g any", "nothing known"),
        ("group g 01 w", "threshold"),
        ("group g 0 w", "threshold"),
        ("group g ٣ w", "threshold"),
        (f"witness w {KEYS['witness b']['vkey']}", "taken"),
        (f"witness v {KEYS['witness a']['vkey'][:-4]}AAAA", "verifier key"),
        (f"witness v {KEYS['witness a']['vkey'][:-1]}", "base64"),
        ("quorum\xa0w", "nothing known"),
        ("\x7f", "control"),
    ],
)
def test_lines_that_a_policy_cannot_have(line: str, reason: str) -> None:
    above = f"witness w {KEYS['witness a']['vkey']}\n"
    with pytest.raises(PolicyRefused, match=reason) as refusal:
        Policy.parse(f"{above}{line}\nquorum none\n")
    assert refusal.value.line == 2


def test_one_quorum_only() -> None:
    with pytest.raises(PolicyRefused, match="second quorum"):
        Policy.parse("quorum none\nquorum none\n")
    group = f"witness w {KEYS['witness a']['vkey']}\ngroup g any w\n"
    with pytest.raises(PolicyRefused, match="member already"):
        Policy.parse(f"{group}group h any g w\nquorum h\n")


def test_the_earliest_time_of_a_witness_counts_once() -> None:
    checkpoint = Checkpoint(ORIGIN, 1, leaf_hash(b"entry"))
    a = KEYS["witness a"]["name"]
    lines = [cosign(text(checkpoint), a, seed("witness a"), time) for time in (30, 10, 20)]
    log = sign(checkpoint, ORIGIN, seed("log key"))
    policy = Policy.parse((VECTORS / "policies" / "one.txt").read_text())
    assert policy.verify(note(checkpoint, [*lines, log])).cosignatures == {"a": 10}


def test_a_key_never_verifies_in_the_place_of_another_kind() -> None:
    checkpoint = Checkpoint(ORIGIN, 1, leaf_hash(b"entry"))
    with pytest.raises(SignatureRefused, match="not the key of a log"):
        check_signature(vkey("witness a"), text(checkpoint), bytes(64))
    with pytest.raises(SignatureRefused, match="not the key of a witness"):
        check_cosignature(vkey("log key"), text(checkpoint), bytes(72))
    with pytest.raises(SignatureRefused, match="65 bytes are no signature"):
        check_signature(vkey("log key"), text(checkpoint), bytes(65))
    weak = VerifierKey(ORIGIN, LOG, b"\x01" + bytes(31))
    with pytest.raises(SignatureRefused, match="does not verify"):
        check_signature(weak, text(checkpoint), b"\x01" + bytes(63))


@given(st.data())
def test_no_bit_of_a_note_can_change(data: st.DataObject) -> None:
    policy = Policy.parse((VECTORS / "policies" / "one.txt").read_text())
    signed = bytearray((VECTORS / "log" / "checkpoint").read_bytes())
    policy.verify(bytes(signed))
    at = data.draw(st.integers(0, len(signed) - 1))
    signed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CryptoError):
        policy.verify(bytes(signed))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "space"),
        ("a b+00000000+", "space"),
        (f"a{chr(0x2003)}b+00000000+", "space"),
        ("name", "eight"),
        ("name+1BB2D562+", "eight"),
        (KEYS["log key"]["vkey"].replace("1bb2d562", "1bb2d563"), "another key"),
        ("n+00000000+" + base64.b64encode(b"\x02" + bytes(32)).decode(), "0x02"),
    ],
)
def test_text_that_is_no_verifier_key(key: str, reason: str) -> None:
    with pytest.raises(VerifierKeyRefused, match=reason):
        VerifierKey.parse(key)


@pytest.mark.parametrize("digits", ["", "+1", "-1", "01", "1_0", " 1", "1\n", "٣", str(2**63)])
def test_numbers_have_one_form(digits: str) -> None:
    with pytest.raises(IntegerRefused):
        read_decimal(digits)
    assert read_decimal(str(2**63 - 1)) == 2**63 - 1


@pytest.mark.parametrize("encoded", ["A", "AA==\n", "AB==", "A-==", "é", "AAAA="])
def test_base64_has_one_form(encoded: str) -> None:
    with pytest.raises(Base64Refused):
        read_base64(encoded)
    assert read_base64("AA==", 1) == b"\x00"
    with pytest.raises(Base64Refused, match="2 bytes"):
        read_base64("AA==", 2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\n\n",
        b"text\n",
        b"text\n\n",
        "text\n\n— name AAAAAAA=".encode(),
        "text\n\n—name AAAAAAA=\n".encode(),
        "text\n\n— na+me AAAAAAA=\n".encode(),
        "text\n\n— name\n".encode(),
        "text\n\n— name AAAAAA==\n".encode(),
        "te\txt\n\n— name AAAAAAA=\n".encode(),
        ("text\n\n" + "— name AAAAAAA=\n" * 101).encode(),
    ],
)
def test_bytes_that_are_no_note(data: bytes) -> None:
    with pytest.raises(NoteRefused):
        parse_note(data)


def test_a_note_is_read_into_its_lines() -> None:
    read = parse_note("text\n\n— name AAAAAAA=\n".encode())
    assert (read.text, [str(line) for line in read.signatures]) == ("text\n", ["— name AAAAAAA="])


@pytest.mark.parametrize("note_text", ["", "o\n1\n", f"o\n1\n{'A' * 43}=\n\n", "o p\n1\nx\n"])
def test_text_that_is_no_checkpoint(note_text: str) -> None:
    with pytest.raises(CheckpointRefused):
        parse_checkpoint(note_text)


def test_a_checkpoint_is_read_back() -> None:
    empty = Checkpoint("origin", 0, EMPTY_ROOT)
    assert parse_checkpoint(text(empty)) == empty
    with pytest.raises(CheckpointRefused, match="one root"):
        parse_checkpoint(text(Checkpoint("origin", 0, leaf_hash(b""))))
    assert VerifierKey.of_seed("w", COSIGNATURE, bytes(32)).kind == COSIGNATURE

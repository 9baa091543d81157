"""Signatures, notes and policies of the verifier at the edges that vectors do not reach."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest
from doubles.sizes import sized
from nacl.signing import SigningKey

from crypto.merkle import EMPTY_ROOT
from crypto.notes import COSIGNATURE, LOG, Checkpoint, VerifierKey, cosign, note, sign, text
from replay import verifier

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
SMALL = [  # the points of small order, canonical or with a y beyond the field
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
RFC8032 = [  # section 7.1, tests 1 to 3: seed, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
        "f9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
        "f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984"
        "dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def refusal(run, *arguments):
    with pytest.raises(verifier.Refused) as refused:
        run(*arguments)
    return refused.value


@pytest.mark.parametrize(("seed", "message", "signature"), RFC8032)
def test_rfc_8032(seed, message, signature):
    key = SigningKey(bytes.fromhex(seed)).verify_key.encode()
    verifier.check_ed25519(key, bytes.fromhex(message), bytes.fromhex(signature))


def test_random_signatures_hold_and_no_changed_one_does():
    rng = random.Random(8032)
    for number in range(sized(push=25, full=200, night=5000)):
        signing, message = SigningKey(rng.randbytes(32)), rng.randbytes(number)
        key, signature = signing.verify_key.encode(), signing.sign(message).signature
        verifier.check_ed25519(key, message, signature)
        scalar = int.from_bytes(signature[32:], "little")
        greater = signature[:32] + (scalar + verifier.ORDER).to_bytes(32, "little")
        assert refusal(verifier.check_ed25519, key, message, greater).facts == {"reason": "form"}
        bit = rng.randrange(512)
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refusal(verifier.check_ed25519, key, message, bytes(flipped)).code == "signature"
        refusal(verifier.check_ed25519, key, message + b"x", signature)
        refusal(verifier.check_ed25519, key, message, signature + b"x")
        refusal(verifier.check_ed25519, key, message, signature[:63])


@pytest.mark.parametrize("point", SMALL)
def test_points_of_small_order_or_not_canonical_are_refused(point):
    encoded = bytes.fromhex(point)
    refusal(verifier.decode_point, encoded)
    # With a key of small order, R = 0 and S = 0 would sign anything.
    refusal(verifier.check_ed25519, encoded, b"any", encoded + bytes(32))


def test_points_off_the_curve_are_refused():
    off = [n.to_bytes(32, "little") for n in range(2, 40)]
    refused = 0
    for encoded in off:
        try:
            verifier.decode_point(encoded)
        except verifier.Refused:
            refused += 1
    assert 10 < refused < 30  # about half of all y have no x


def test_the_sum_is_the_group_law():
    once = verifier.BASE
    twice = verifier.add_points(once, once)
    thrice = verifier.add_points(twice, once)
    again = verifier.add_points(once, twice)
    assert (thrice[0] * again[2] - again[0] * thrice[2]) % verifier.FIELD == 0


# notes and policies


ORIGIN = "log.example/1"
SEEDS = {name: hashlib.sha256(name.encode()).digest() for name in ("log", "a", "b", "c")}
LOG_VKEY = str(VerifierKey.of_seed(ORIGIN, LOG, SEEDS["log"]))
WITNESSES = {
    name: str(VerifierKey.of_seed(f"{name}.example", COSIGNATURE, SEEDS[name])) for name in "abc"
}
HEAD = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
POLICY = "".join(
    [
        f"log {LOG_VKEY}\n",
        *(f"witness {name} {key}\n" for name, key in WITNESSES.items()),
        "group two 2 a b c\n",
        "quorum two\n",
    ]
)


def note_of(*cosigned, time=1):
    lines = [sign(HEAD, ORIGIN, SEEDS["log"])]
    lines += [cosign(text(HEAD), f"{name}.example", SEEDS[name], time) for name in cosigned]
    return note(HEAD, lines)


def test_the_earliest_time_of_a_witness_counts():
    policy = verifier.Policy(POLICY.encode())
    both = [cosign(text(HEAD), "a.example", SEEDS["a"], time) for time in (9, 7, 8)]
    lines = [sign(HEAD, ORIGIN, SEEDS["log"]), *both]
    assert refusal(policy.verify, note(HEAD, lines)).code == "quorum"
    lines.append(cosign(text(HEAD), "b.example", SEEDS["b"], 2**63 - 1))
    checkpoint, seen = policy.verify(note(HEAD, lines))
    assert (checkpoint.size, seen) == (0, {"a": 7, "b": 2**63 - 1})


def test_a_time_beyond_63_bits_is_refused():
    policy = verifier.Policy(POLICY.encode())
    assert refusal(policy.verify, note_of("a", "b", time=2**63)).code == "signature"


def test_a_note_has_at_most_a_hundred_lines():
    policy = verifier.Policy(POLICY.encode())
    extra = sign(HEAD, "unknown.example", SEEDS["c"])
    many = note_of("a", "b") + f"{extra}\n".encode() * 97
    policy.verify(many)
    assert refusal(policy.verify, many + f"{extra}\n".encode()).code == "note"


@pytest.mark.parametrize("data", [b"", b"x", b"\xff\n\n", b"a\n\n\xe2\x80\x94 b", b"a\n\nb\n"])
def test_what_is_no_note(data):
    assert refusal(verifier.parse_note, data).code == "note"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("quorum two\n", "", "policy"),
        ("quorum two", "quorum two\nquorum two", "policy"),
        ("quorum two", "quorum two three", "policy"),
        ("quorum two", "\u00e9\u00e9", "policy"),
        ("quorum two", "\x7f", "policy"),
        ("group two 2 a b c", "group a 2 b c", "policy"),
        ("group two 2 a b c", "group two 4 a b c", "policy"),
        ("group two 2 a b c", "group two 0 a b c", "policy"),
        ("group two 2 a b c", "group two", "policy"),
        ("group two 2 a b c", "group two 02 a b c", "integer"),
        ("group two 2 a b c", "group one 1 a b\ngroup two 2 a c", "policy"),
        ("witness b", "witness a", "policy"),
        (f"log {LOG_VKEY}", f"log {LOG_VKEY}\nlog {LOG_VKEY}", "policy"),
        (LOG_VKEY, LOG_VKEY[:-1], "vkey"),
        (LOG_VKEY, LOG_VKEY[:-4], "vkey"),
        (LOG_VKEY, LOG_VKEY.replace("log.", "lag."), "vkey"),
        (LOG_VKEY, "x", "vkey"),
        (WITNESSES["a"], LOG_VKEY, "vkey"),
        ("witness a", "# \xe9 opaque bytes\n \twitness a", None),
        ("quorum two\n", "quorum two", None),
    ],
)
def test_policies_at_their_edges(old, new, code):
    changed = POLICY.replace(old, new, 1).encode("latin-1")
    if code:
        assert refusal(verifier.Policy, changed).code == code
    else:
        verifier.Policy(changed).verify(note_of("a", "c"))


def test_names_of_opaque_bytes_keep_their_identity():
    key = WITNESSES["a"].encode()
    policy = verifier.Policy(b"witness \xff " + key + b"\nquorum \xff\n")
    assert refusal(policy.check_quorum, []).code == "quorum"
    policy.check_quorum(["\udcff"])
    assert refusal(verifier.Policy, b"log \xff" + key + b"\nquorum none\n").code == "vkey"


@pytest.mark.parametrize("text_", ["", "+1", "01", "1_0", "1 ", "\u0661", "-1", str(2**63)])
def test_numbers_have_one_form(text_):
    assert refusal(verifier.read_decimal, text_).code == "integer"


def test_a_good_number():
    assert verifier.read_decimal(str(2**63 - 1)) == 2**63 - 1


def test_keys_of_the_vectors_are_read():
    for key in json.loads((VECTORS / "keys.json").read_text())["keys"]:
        kind = int(key["type"], 16)
        assert verifier.parse_vkey(key["vkey"], kind)[2].hex() == key["public"]
        assert refusal(verifier.parse_vkey, key["vkey"], 5 - kind).code == "vkey"

"""Any k custodians open and always to the same key, k - 1 never, and every lie is named."""

import pytest
from doubles.keysets import Seeded, held_ceremony, label_for
from doubles.sizes import sized
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import dleq, group, label, threshold
from crypto.errors import (
    CapsuleRefused,
    HeaderRefused,
    PartialRefused,
    ProofRefused,
    PurposeRefused,
    QuorumMissing,
    ScalarRefused,
)

COUNT = settings(max_examples=sized(push=15, full=100, night=1_000))
HELD = held_ceremony(3, 5)
LABEL = label.encode(label_for(HELD.keyset))
SOURCE = Seeded("threshold")
CAPSULE, KEY = threshold.encapsulate(HELD.keyset, LABEL, SOURCE.scalar(), SOURCE.scalar())
LOCK = threshold.Lock(HELD.keyset, LABEL, CAPSULE)
PARTIALS = {
    index: threshold.make_partial(LOCK, index, share, SOURCE.scalar())
    for index, share in HELD.shares.items()
}
SOME = st.lists(st.integers(1, 5), unique=True)


@COUNT
@given(SOME)
def test_k_of_n_open_and_fewer_never(indices):
    partials = [(index, PARTIALS[index]) for index in indices]
    if len(indices) < 3:
        with pytest.raises(QuorumMissing) as missing:
            threshold.combine(LOCK, partials)
        assert (missing.value.valid, missing.value.k) == (tuple(sorted(indices)), 3)
        assert missing.value.bad == ()
    else:
        combined = threshold.combine(LOCK, partials)
        assert combined == threshold.Combined(KEY, tuple(sorted(indices)[:3]), ())


@COUNT
@given(st.permutations(range(1, 6)), st.integers(0, 5))
def test_liars_are_named_and_do_not_prevent_the_others(order, liars):
    false = set(order[:liars])
    partials = [(i, PARTIALS[i % 5 + 1] if i in false else PARTIALS[i]) for i in order]
    if liars > 2:
        with pytest.raises(QuorumMissing) as missing:
            threshold.combine(LOCK, partials)
        assert set(missing.value.bad) == false
    else:
        combined = threshold.combine(LOCK, partials)
        assert (combined.key, set(combined.bad)) == (KEY, false)


@COUNT
@given(st.integers(0, 8 * threshold.CAPSULE_SIZE - 1))
def test_any_flipped_bit_of_a_capsule_is_refused(bit):
    flipped = bytearray(CAPSULE)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CapsuleRefused):
        threshold.check_capsule(HELD.keyset.digest, LABEL, bytes(flipped))


@COUNT
@given(st.integers(0, 8 * threshold.PARTIAL_SIZE - 1), st.integers(1, 5))
def test_any_flipped_bit_of_a_partial_is_refused(bit, index):
    threshold.check_partial(LOCK, index, PARTIALS[index])
    flipped = bytearray(PARTIALS[index])
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PartialRefused) as refused:
        threshold.check_partial(LOCK, index, bytes(flipped))
    assert refused.value.index == index


@pytest.mark.parametrize(
    "change",
    [{"lots": ["2"]}, {"bidder": "12" * 32}, {"not_before": "2026-10-12T10:00:00.000001Z"}],
)
def test_a_capsule_is_worth_nothing_under_another_label_or_keyset(change):
    other = label.encode(label_for(HELD.keyset, **change))
    with pytest.raises(CapsuleRefused):
        threshold.Lock(HELD.keyset, other, CAPSULE)
    with pytest.raises(CapsuleRefused):
        threshold.check_capsule(bytes(32), LABEL, CAPSULE)


def test_a_partial_for_one_envelope_opens_no_other():
    capsule, _ = threshold.encapsulate(HELD.keyset, LABEL, SOURCE.scalar(), SOURCE.scalar())
    other = threshold.Lock(HELD.keyset, LABEL, capsule)
    with pytest.raises(QuorumMissing) as missing:
        threshold.combine(other, PARTIALS.items())
    assert missing.value.bad == (1, 2, 3, 4, 5)


@given(st.integers(2, 2**64), st.integers(2, 2**64))
def test_a_proof_of_equality_holds_for_equal_logarithms_only(one, two):
    secret, other = group.public_scalar(one), group.public_scalar(two + one)
    bases = (group.BASE, group.SECOND_BASE)
    proof = dleq.prove_equal("test", b"", secret, bases, other)
    first = (group.BASE, group.multiply(secret, group.BASE))
    dleq.check_equal(
        "test", b"", first, (group.SECOND_BASE, group.multiply(secret, group.SECOND_BASE)), proof
    )
    unequal = (group.SECOND_BASE, group.multiply(other, group.SECOND_BASE))
    with pytest.raises(ProofRefused) as refused:
        dleq.check_equal("test", b"", first, unequal, proof)
    assert refused.value.tag == "test"


@pytest.mark.parametrize("which", [0, 1])
def test_nothing_is_proven_with_zero(which):
    values = [group.public_scalar(5), group.public_scalar(6)]
    values[which] = group.ZERO
    with pytest.raises(ScalarRefused):
        dleq.prove_equal("test", b"", values[0], (group.BASE, group.SECOND_BASE), values[1])
    with pytest.raises(ScalarRefused):
        dleq.prove_knowledge("test", (), values[0], values[1])


@pytest.mark.parametrize("proof", [b"", bytes(63), bytes(64), b"\x01" * 65])
def test_a_proof_has_two_scalars(proof):
    with pytest.raises(ProofRefused):
        dleq.check_knowledge("test", (), group.BASE, proof)


GOOD = label_for(HELD.keyset)


@pytest.mark.parametrize(
    "change",
    [
        {"v": True},
        {"v": 2},
        {"kind": "PROJECT"},
        {"kind": 1},
        {"intent": "REPLACE"},
        {"intent": "LATER"},
        {"intent": ["REPLACE"]},
        {"target": "44" * 16},
        {"intent": "REPLACE", "target": "44" * 15},
        {"kind": "BACKUP", "intent": "COMPLEMENT", "target": "44" * 16},
        {"bidder": "AA" * 32},
        {"bidder": "11" * 31 + "1"},
        {"consultation": "a/b"},
        {"consultation": "a" * 65},
        {"deposit": "22"},
        {"dossier": 3},
        {"keyset": ""},
        {"lots": []},
        {"lots": ["1", "2"]},
        {"lots": "1"},
        {"lots": ["a.b"]},
        {"kind": "APPLICATION", "lots": ["2", "1"]},
        {"kind": "APPLICATION", "lots": ["1", "1"]},
        {"kind": "APPLICATION", "lots": [f"{n:03}" for n in range(501)]},
        {"not_before": "2026-02-30T10:00:00.000000Z"},
        {"not_before": "2026-02-20T24:00:00.000000Z"},
        {"not_before": "2026-02-20T23:59:60.000000Z"},
        {"not_before": "0000-02-20T23:59:00.000000Z"},
        {"not_before": "2026-02-20T10:00:00.000000+"},
        {"not_before": "٢026-02-20T10:00:00.000000Z"},
        {"round": 0},
        {"round": 100},
        {"extra": 1},
    ],
)
def test_a_label_has_one_form(change):
    with pytest.raises(HeaderRefused):
        label.Label.parse({**GOOD, **change})


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"kind": "APPLICATION", "lots": [f"{n:03}" for n in range(500)]},
        {"intent": "REPLACE", "target": "44" * 16},
        {"intent": "COMPLEMENT", "target": "44" * 16, "round": 99},
        {"kind": "BACKUP", "lots": ["0"]},
    ],
)
def test_labels_of_good_form_are_read(change):
    value = {**GOOD, **change}
    found = label.Label.parse(value)
    assert found.encoded == label.encode(value)
    assert found.target == value.get("target")
    assert list(found.lots) == value["lots"]


@pytest.mark.parametrize(
    ("kind", "purpose", "good"),
    [
        ("OFFER", "consultation", True),
        ("OFFER", "canary", False),
        ("REHEARSAL", "canary", True),
        ("CANARY", "canary", True),
        ("CANARY", "consultation", False),
        ("BACKUP", "consultation", True),
    ],
)
def test_tests_and_bids_never_share_a_keyset(kind, purpose, good):
    found = label.Label.parse({**GOOD, "kind": kind})
    if good:
        found.check_purpose(purpose)
    else:
        with pytest.raises(PurposeRefused) as refused:
            found.check_purpose(purpose)
        assert (refused.value.kind, refused.value.purpose) == (kind, purpose)

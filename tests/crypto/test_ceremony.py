"""A ceremony gives everybody the same keyset, and whoever lies in it is named."""

import copy

import pytest
from doubles.keysets import Seeded, ceremony_document, held_ceremony
from doubles.sizes import sized
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import dkg, group, keyset, sealed_box, statements
from crypto.ceremony import Ceremony
from crypto.digests import H, u16
from crypto.errors import (
    BoxRefused,
    CeremonyComplaint,
    DegreeRefused,
    FormRefused,
    LifeRefused,
    RecoveryRefused,
    ScalarRefused,
    ShareRefused,
    StatementRefused,
)
from crypto.keyset import Keyset

COUNT = settings(max_examples=sized(push=6, full=40, night=400))
HELD = held_ceremony(2, 3)


@COUNT
@given(st.data())
def test_all_custodians_end_with_the_same_keyset(data):
    n = data.draw(st.integers(2, 6))
    k = data.draw(st.integers(2, n))
    held = held_ceremony(k, n, seed=f"{k}/{n}")
    for index, share in held.shares.items():
        assert group.multiply(share, group.BASE) == held.keyset.share(index)
    lowest = {index: held.keyset.share(index) for index in range(n - k + 1, n + 1)}
    assert group.interpolate_at_zero(lowest) == held.keyset.y
    assert (held.keyset.k, held.keyset.n) == (k, n)
    assert held.keyset.share(0) is held.keyset.share(n + 1) is None
    assert Keyset.parse(copy.deepcopy(held.keyset.document)) == held.keyset


def finish(held, *, round1=None, round2=None):
    return dkg.finish(
        held.ceremony, 1, held.box_secrets[0], round1 or held.round1, round2 or held.round2
    )


def resigned(held, sender, boxes):
    """Return a round-2 message with these boxes, signed by its sender."""
    transcript = H(
        "pli/v1/dkg-transcript",
        held.ceremony.cid,
        *(dkg.check_commitment(held.ceremony, message).digest for message in held.round1),
    )
    raw = [bytes.fromhex(box) for box in boxes]
    digest = H("pli/v1/dkg-round2", held.ceremony.cid, transcript, u16(sender), *raw)
    signature = statements.sign(held.sign_seeds[sender - 1], digest)
    return {"boxes": boxes, "index": sender, "sig": signature.hex()}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "box"),
        (b"short", "box"),
        ("unbound", "box"),
        ("long", "box"),
        ("not below L", "scalar"),
        ("zero", "share"),
    ],
)
def test_a_bad_box_names_its_sender(content, reason):
    bound = HELD.ceremony.cid + u16(2) + u16(1)
    contents = {
        "unbound": HELD.ceremony.cid + u16(2) + u16(2) + bytes(32),
        "long": bound + bytes(33),
        "not below L": bound + b"\xff" * 32,
        "zero": bound + bytes(32),
    }
    message = contents.get(content, content)
    box = b"nothing" if message is None else sealed_box.seal(message, HELD.ceremony.member(1).box)
    boxes = [box.hex(), *HELD.round2[1]["boxes"][1:]]
    with pytest.raises(CeremonyComplaint) as complaint:
        finish(HELD, round2=[HELD.round2[0], resigned(HELD, 2, boxes), HELD.round2[2]])
    assert (complaint.value.against, complaint.value.reason) == (2, reason)
    assert complaint.value.code == "complaint"
    cause = complaint.value.__cause__
    if isinstance(cause, BoxRefused | ShareRefused):
        assert (cause.sender, cause.recipient) == (2, 1)


def test_a_missing_message_and_one_at_another_place_name_who_should_stand_there():
    for round1 in (HELD.round1[:2], [*HELD.round1[:2], "nothing"]):
        with pytest.raises(CeremonyComplaint) as complaint:
            finish(HELD, round1=round1)
        assert (complaint.value.against, complaint.value.reason) == (3, "form")
    with pytest.raises(CeremonyComplaint) as complaint:
        finish(HELD, round2=[HELD.round2[1], HELD.round2[0], HELD.round2[2]])
    assert (complaint.value.against, complaint.value.reason) == (1, "form")


def test_true_is_no_index():
    message = {**HELD.round1[0], "index": True}
    with pytest.raises(CeremonyComplaint) as complaint:
        finish(HELD, round1=[message, *HELD.round1[1:]])
    assert (complaint.value.against, complaint.value.reason) == (1, "form")


def test_contributions_that_cancel_out_give_nobody_a_share():
    source = Seeded("cancelling")
    constant, slope = source.scalar(), source.scalar()
    minus = group.public_scalar(-1)
    share_of_1 = group.add_scalars(constant, slope)
    other_slope = source.scalar()
    other = group.add_scalars(
        group.multiply_scalars(share_of_1, minus), group.multiply_scalars(other_slope, minus)
    )
    with pytest.raises(ScalarRefused, match="zero"):
        held_ceremony(2, 2, polynomials=[[constant, slope], [other, other_slope]])


def test_what_is_committed_must_have_the_degree_of_the_ceremony():
    with pytest.raises(DegreeRefused) as refused:
        dkg.commit(HELD.ceremony, 1, HELD.polynomials[0][:1], bytes(32), HELD.sign_seeds[0])
    assert (refused.value.points, refused.value.k) == (1, 2)


@pytest.mark.parametrize("index", [0, 4, True])
def test_only_members_take_part(index):
    with pytest.raises(FormRefused):
        dkg.commit(HELD.ceremony, index, HELD.polynomials[0], bytes(32), HELD.sign_seeds[0])
    with pytest.raises(FormRefused):
        dkg.finish(HELD.ceremony, index, HELD.box_secrets[0], HELD.round1, HELD.round2)


@pytest.mark.parametrize("part", ["points", "pop", "sig"])
@pytest.mark.parametrize("bit", [0, 77, 254])
def test_any_flipped_bit_of_round_1_is_refused(part, bit):
    message = copy.deepcopy(HELD.round1[0])
    old = message[part][0] if part == "points" else message[part]
    flipped = bytearray.fromhex(old)
    flipped[bit // 8] ^= 1 << bit % 8
    message[part] = [flipped.hex(), *message[part][1:]] if part == "points" else flipped.hex()
    with pytest.raises(StatementRefused):
        dkg.check_commitment(HELD.ceremony, message)


DOCUMENT = ceremony_document(2, HELD.sign_seeds, HELD.box_secrets)


@pytest.mark.parametrize(
    "change",
    [
        {"k": 1},
        {"k": 4},
        {"n": 17},
        {"n": True},
        {"v": True},
        {"v": 2},
        {"purpose": "both"},
        {"purpose": 3},
        {"log": "-"},
        {"ceremony": "01"},
        {"members": DOCUMENT["members"][:2]},
        {"members": "abc"},
        {"members": DOCUMENT["members"][::-1]},
        {"members": [*DOCUMENT["members"][:2], {**DOCUMENT["members"][2], "custodian": "a/b"}]},
        {
            "members": [
                *DOCUMENT["members"][:2],
                {**DOCUMENT["members"][2], "custodian": "custodian-1"},
            ]
        },
        {"more": 1},
    ],
)
def test_a_ceremony_has_one_form(change):
    with pytest.raises(FormRefused):
        Ceremony.parse({**DOCUMENT, **change})
    with pytest.raises(FormRefused):
        Ceremony.parse([])


def test_a_ceremony_of_good_form_is_read():
    assert Ceremony.parse(DOCUMENT) == HELD.ceremony


@pytest.mark.parametrize("bit", [0, 100, 255, 256, 400, 511])
def test_a_proof_of_life_is_for_one_day_and_one_custodian(bit):
    nonce = keyset.alive_nonce(b"checkpoint note", 2)
    proof = keyset.prove_alive(HELD.keyset, 2, nonce, HELD.shares[2], HELD.source.scalar())
    keyset.check_alive(HELD.keyset, 2, nonce, proof)
    flipped = bytearray(proof)
    flipped[bit // 8] ^= 1 << bit % 8
    for index, asked, answer in (
        (2, nonce, bytes(flipped)),
        (1, nonce, proof),
        (9, nonce, proof),
        (2, keyset.alive_nonce(b"another note", 2), proof),
    ):
        with pytest.raises(LifeRefused) as refused:
            keyset.check_alive(HELD.keyset, index, asked, answer)
        assert refused.value.index == index


def test_a_recovery_copy_gives_the_share_back_and_nothing_else():
    secret = HELD.source.take(32)
    public = sealed_box.public_key(secret)
    box = keyset.recovery_copy(HELD.keyset, 2, HELD.shares[2], public)
    assert len(box) == 118
    assert keyset.recover(HELD.keyset, 2, box, secret) == HELD.shares[2]
    prefix = b"PLR1" + HELD.keyset.digest + u16(2)
    for index, found in (
        (1, box),
        (9, box),
        (2, box[:-1]),
        (2, keyset.recovery_copy(HELD.keyset, 2, HELD.shares[1], public)),
        (2, sealed_box.seal(prefix + b"\xff" * 32, public)),
        (2, sealed_box.seal(prefix + HELD.shares[2] + b"\x00", public)),
    ):
        with pytest.raises(RecoveryRefused) as refused:
            keyset.recover(HELD.keyset, index, found, secret)
        assert refused.value.index == index


def test_each_statement_is_worth_something_for_one_purpose_only():
    signed = [
        statements.acknowledgement(bytes(32), 1),
        statements.complaint(bytes(32), 1, 2, "share"),
        statements.complaint(bytes(32), 2, 1, "share"),
        statements.answer({"index": 1}),
        statements.time(bytes(16), 1, 2),
        statements.time(bytes(16), 1, 3),
    ]
    assert len(set(signed)) == len(signed)
    signature = statements.sign(HELD.sign_seeds[0], signed[0])
    public = statements.public_key(HELD.sign_seeds[0])
    statements.check(public, signed[0], signature)
    for digest, given_signature in ((signed[1], signature), (signed[0], signature[:-1])):
        with pytest.raises(StatementRefused) as refused:
            statements.check(public, digest, given_signature)
        assert refused.value.public == public

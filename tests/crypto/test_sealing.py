"""What is sealed opens, byte for byte; what was touched in any place does not."""

import io
import tracemalloc
from itertools import pairwise

import pytest
from doubles.keysets import Seeded, held_ceremony, label_for
from doubles.sizes import sized
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import canonical, pli1, pli1_header
from crypto.aead import Cipher
from crypto.errors import (
    CapsuleRefused,
    ChunkRefused,
    CommitmentMismatch,
    CryptoError,
    DocumentsChanged,
    FramingRefused,
    HeaderRefused,
    KeyRefused,
    KeysetMismatch,
    LabelMismatch,
    PurposeRefused,
    SuiteUnknown,
)
from crypto.pli1_header import CHUNK, Header
from crypto.sealing import Documents, Draw, Sealer
from crypto.streams import pieces, read_exactly

COUNT = settings(max_examples=sized(push=20, full=150, night=1_500))
HELD = held_ceremony(2, 3)
SOURCE = Seeded("sealing")
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7, 6 * CHUNK]


def sealer(**changes) -> Sealer:
    draw = Draw.of(SOURCE.take(Draw.SIZE))
    return Sealer(HELD.keyset, label_for(HELD.keyset, **changes), draw, Documents(1, bytes(32)))


def content(size: int) -> bytes:
    return Seeded(str(size)).take(size)


def sealed(size: int, threads: int = 1):
    envelope = sealer()
    file = io.BytesIO()
    plan = envelope.plan(io.BytesIO(content(size)), file, threads)
    return envelope, plan, file.getvalue()


def opened(envelope: Sealer, data: bytes, recorded: bytes, **changes) -> bytes:
    sink = io.BytesIO()
    given_label = changes.get("label", envelope.header.label.encoded)
    key = changes.get("key", envelope.key)
    pli1.open_envelope(io.BytesIO(data), given_label, key, recorded, sink)
    return sink.getvalue()


def opened_as_it_is(envelope: Sealer, data: bytes) -> bytes:
    """Open as if these bytes had been received in this state."""
    return opened(envelope, data, pli1.commitment(io.BytesIO(data)).commitment)


class Trickle:
    """A stream that never gives more than a few bytes at once, as a pipe may."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def readinto(self, buffer, /):
        return self._data.readinto(buffer[: self._step])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_what_is_sealed_opens(size, threads):
    envelope, plan, data = sealed(size, threads)
    assert len(data) == plan.file_size
    assert opened(envelope, data, plan.commitment) == content(size)
    found = pli1.commitment(io.BytesIO(data))
    assert (found.commitment, found.root, found.frame) == (plan.commitment, plan.root, plan.frame)
    assert found.frame.plaintext == size
    assert found.header == envelope.header.encoded
    envelope.check(io.BytesIO(data), plan)


@pytest.mark.parametrize("size", SIZES)
def test_both_passes_and_any_number_of_threads_give_the_same_bytes(size):
    envelope = sealer()
    plan = envelope.plan(io.BytesIO(content(size)))
    file = io.BytesIO()
    assert envelope.plan(io.BytesIO(content(size)), file, threads=3) == plan
    sent = list(envelope.send(Trickle(content(size), 400_001), plan))
    assert envelope.header.head + b"".join(sent) == file.getvalue()
    assert [len(chunk) for chunk in sent] == [plan.frame.size(i) for i in range(len(sent))]
    leaves = [pli1.chunk_leaf(chunk) for chunk in sent]
    assert leaves == [plan.leaf(index) for index in range(plan.frame.chunks)]
    assert pli1.commitment_of_leaves(envelope.header.hash, leaves) == plan.commitment


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"\x00",
        lambda data: data[:CHUNK],
        lambda data: data + bytes(CHUNK),
        lambda data: b"\x00" + data[1:] if data[0] else b"\x01" + data[1:],
    ],
)
def test_a_document_that_changed_between_the_passes_never_leaves(change):
    envelope = sealer()
    before = content(2 * CHUNK)
    plan = envelope.plan(io.BytesIO(before))
    with pytest.raises(DocumentsChanged, match="chunk"):
        list(envelope.send(io.BytesIO(change(before)), plan))


ENVELOPE, PLAN, DATA = sealed(CHUNK + 70)


@COUNT
@given(st.integers(0, len(DATA) - 1), st.integers(0, 7))
def test_any_flipped_bit_is_storages_fault_if_it_came_later_and_refused_anyway(place, bit):
    data = bytearray(DATA)
    data[place] ^= 1 << bit
    with pytest.raises(CommitmentMismatch) as refused:
        opened(ENVELOPE, bytes(data), PLAN.commitment)
    assert refused.value.recorded == PLAN.commitment
    with pytest.raises(CryptoError):
        opened_as_it_is(ENVELOPE, bytes(data))


@COUNT
@given(st.integers(0, len(DATA) - 1))
def test_no_shorter_file_opens(size):
    with pytest.raises(CommitmentMismatch):
        opened(ENVELOPE, DATA[:size], PLAN.commitment)


def test_the_first_reason_in_rank_is_given():
    forged = DATA[:-1] + bytes([DATA[-1] ^ 1])
    recorded = pli1.commitment(io.BytesIO(forged)).commitment
    other = label_for(HELD.keyset, lots=["2"])
    with pytest.raises(ChunkRefused) as chunk:
        opened(ENVELOPE, forged, recorded)
    assert chunk.value.index == 1
    with pytest.raises(KeyRefused):
        opened(ENVELOPE, forged, recorded, key=bytes(32))
    with pytest.raises(LabelMismatch):
        opened(ENVELOPE, forged, recorded, key=bytes(32), label=canonical.encode(other))
    with pytest.raises(CommitmentMismatch) as mismatch:
        opened(ENVELOPE, forged, PLAN.commitment, key=bytes(32), label=canonical.encode(other))
    assert mismatch.value.found == recorded


def test_after_a_bad_chunk_nothing_more_is_written():
    envelope, _, data = sealed(3 * CHUNK)
    start = len(envelope.header.head) + pli1.FULL
    forged = data[:start] + bytes([data[start] ^ 1]) + data[start + 1 :]
    sink = io.BytesIO()
    recorded = pli1.commitment(io.BytesIO(forged)).commitment
    with pytest.raises(ChunkRefused):
        pli1.open_envelope(
            io.BytesIO(forged), envelope.header.label.encoded, envelope.key, recorded, sink
        )
    assert sink.getvalue() == content(3 * CHUNK)[:CHUNK]


@pytest.mark.parametrize("body", [15, 0])
def test_a_body_too_short_for_a_tag_is_storages_fault(body):
    data = ENVELOPE.header.head + bytes(body)
    with pytest.raises(CommitmentMismatch) as refused:
        opened(ENVELOPE, data, PLAN.commitment)
    assert refused.value.found is None


def test_a_keyset_and_a_label_that_do_not_fit_seal_nothing():
    canary = held_ceremony(2, 3, seed="canary", purpose="canary").keyset
    draw = Draw.of(SOURCE.take(Draw.SIZE))
    with pytest.raises(KeysetMismatch) as mismatch:
        Sealer(HELD.keyset, label_for(canary), draw, Documents(1, bytes(32)))
    assert mismatch.value.expected == HELD.keyset.digest.hex()
    offer = label_for(canary, kind="OFFER")
    with pytest.raises(PurposeRefused):
        Sealer(canary, offer, draw, Documents(1, bytes(32)))
    with pytest.raises(HeaderRefused):
        Sealer(HELD.keyset, label_for(HELD.keyset), draw, Documents(0, bytes(32)))


def head_of(**changes) -> bytes:
    fields = {**canonical.decode(ENVELOPE.header.encoded), **changes}
    encoded = canonical.encode(fields)
    return b"PLI1" + len(encoded).to_bytes(4, "big") + encoded


def test_a_head_is_read_back():
    digest = HELD.keyset.digest
    assert pli1_header.check_head(ENVELOPE.header.head, digest) == ENVELOPE.header
    assert head_of() == ENVELOPE.header.head
    assert pli1_header.encode(ENVELOPE.header) == ENVELOPE.header.encoded


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"chunk": 4096}, HeaderRefused),
        ({"chunk": True}, HeaderRefused),
        ({"suite": "PLI2-x"}, SuiteUnknown),
        ({"suite": True}, HeaderRefused),
        ({"capsule": "00" * 127}, HeaderRefused),
        ({"capsule": "00" * 128}, CapsuleRefused),
        ({"commit": ""}, HeaderRefused),
        ({"documents_count": 0}, HeaderRefused),
        ({"more": 1}, HeaderRefused),
        ({"label": {**label_for(HELD.keyset), "round": 2}}, CapsuleRefused),
        ({"label": {**label_for(HELD.keyset), "keyset": "00" * 32}}, KeysetMismatch),
    ],
)
def test_a_server_accepts_no_other_head(change, refusal):
    with pytest.raises(refusal):
        pli1_header.check_head(head_of(**change), HELD.keyset.digest)


def test_a_header_is_at_most_64_kib():
    lots = [f"{number:03}".ljust(31, "x") for number in range(500)]
    wide = label_for(HELD.keyset, kind="APPLICATION", lots=lots)
    assert len(Header.parse(head_of(label=wide)[8:]).label.lots) == 500
    with pytest.raises(HeaderRefused, match="at most"):
        Header.parse(head_of(label={**wide, "lots": ["9" * 65_536]})[8:])
    with pytest.raises(FramingRefused, match="at most"):
        pli1_header.header_length(b"PLI1\x00\x01\x00\x01")
    with pytest.raises(FramingRefused, match="begin"):
        pli1_header.header_length(b"PLI1\x00\x01\x00")


@given(st.integers(0, 2**40))
def test_a_frame_gives_the_size_back(size):
    frame = pli1.Frame.of_plaintext(size)
    assert frame.plaintext == size
    assert pli1.Frame.of_body(frame.body) == frame
    assert frame.size(frame.chunks - 1) == frame.last
    if frame.chunks > 1:
        assert frame.size(0) == pli1.FULL


def test_no_file_has_more_than_a_tebibyte():
    assert pli1.Frame.of_plaintext(2**40).chunks == pli1.MAX_CHUNKS
    with pytest.raises(FramingRefused):
        pli1.Frame.of_plaintext(2**40 + 1)


@given(st.binary(max_size=60), st.integers(1, 9), st.integers(1, 7), st.integers(0, 3))
def test_pieces_are_the_stream_and_only_the_last_is_last(data, size, step, in_flight):
    found = []
    kept = []
    for piece in pieces(Trickle(data, step), size, room=2, in_flight=in_flight):
        assert len(piece.buffer) == size + 2
        found.append((piece.index, bytes(piece.view), piece.last))
        kept = [*kept, (piece, bytes(piece.view))][-in_flight - 1 :]
        assert all(bytes(old.view) == seen for old, seen in kept)
    assert b"".join(part for _, part, _ in found) == data
    assert [last for *_, last in found] == [False] * (len(found) - 1) + [True]
    assert all(after - before == 1 for (before, *_), (after, *_) in pairwise(found))


def test_reading_exactly_is_short_only_at_the_end():
    stream = Trickle(b"abcdef", 2)
    assert read_exactly(stream, 4) == b"abcd"
    assert read_exactly(stream, 4) == b"ef"


class Endless:
    """So many zeros, made on the way."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readinto(self, buffer, /):
        count = min(len(buffer), self.left)
        self.left -= count
        buffer[:count] = bytes(count)
        return count


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_stays_flat(threads):
    envelope = sealer()
    size = sized(push=48, full=256, night=2_048) * CHUNK
    tracemalloc.start()
    try:
        plan = envelope.plan(Endless(size), threads=threads)
        for _ in envelope.send(Endless(size), plan):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * CHUNK


def test_the_cipher_writes_nowhere_but_into_its_buffer():
    cipher = Cipher(bytes(32), b"header")
    buffer = bytearray(20)
    with pytest.raises(ValueError, match="32 bytes"):
        Cipher(bytes(31), b"")
    for attempt in (
        lambda: cipher.encrypt(buffer, 5, bytes(24)),
        lambda: cipher.encrypt(buffer, 4, bytes(23)),
        lambda: cipher.decrypt(buffer, 21, bytes(24)),
        lambda: cipher.decrypt(buffer, 15, bytes(24)),
    ):
        with pytest.raises(ValueError, match="in 20 bytes"):
            attempt()
    buffer[:4] = b"text"
    assert cipher.encrypt(buffer, 4, bytes(24)) == 20
    sealed_text = bytes(buffer)
    assert cipher.decrypt(buffer, 20, bytes(24)) == 4
    assert bytes(buffer[:4]) == b"text"
    forged = bytearray(sealed_text)
    assert cipher.decrypt(forged, 20, bytes(23) + b"\x01") is None
    assert b"text" not in forged

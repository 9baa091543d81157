"""A package gives every document back; names, lists and padding that lie are refused."""

import hashlib
import io

import pytest
from doubles.sizes import sized
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import canonical, merkle, padding
from crypto.errors import (
    DocumentsChanged,
    DocumentsRefused,
    NameRefused,
    PackageRefused,
    PaddingRefused,
)
from crypto.names import check_name, shown_name
from crypto.package import (
    Document,
    Manifest,
    PackageReader,
    documents_root,
    make_manifest,
    read_package,
)
from crypto.pli1_header import CHUNK
from crypto.streams import read_exactly

COUNT = settings(max_examples=sized(push=40, full=300, night=3_000))
CONTENTS = st.lists(st.binary(max_size=300), min_size=1, max_size=6)


def manifest_of(contents: list[bytes], how: str = "padme", names: list[str] | None = None):
    return make_manifest(
        [
            Document(
                names[place] if names else f"dossier/pièce {place}.pdf",
                bytes([place]) * 16,
                hashlib.sha256(content).digest(),
                len(content),
            )
            for place, content in enumerate(contents)
        ],
        how,
    )


def packed(manifest, contents: list[bytes]) -> bytes:
    return read_exactly(PackageReader(manifest, map(io.BytesIO, contents)), manifest.size + 1)


def read(data: bytes, root: bytes, count: int):
    return read_package(io.BytesIO(data), len(data), root, count)


@COUNT
@given(CONTENTS, st.sampled_from(["none", "padme"]), st.integers(1, 200))
def test_every_document_comes_back_where_it_is_said_to_be(contents, how, step):
    manifest = manifest_of(contents, how)
    reader = PackageReader(manifest, map(io.BytesIO, contents))
    parts = []
    while part := read_exactly(reader, step):
        parts.append(part)
    data = b"".join(parts)
    assert len(data) == manifest.size
    package = read(data, manifest.root, len(contents))
    assert package.manifest == manifest
    for content, document, offset in zip(
        contents, manifest.documents, package.offsets, strict=True
    ):
        assert data[offset : offset + document.size] == content
    if how == "padme":
        padding.check_padded(len(data))


@COUNT
@given(CONTENTS, st.sampled_from(["none", "padme"]), st.data())
def test_any_flipped_bit_is_refused(contents, how, data):
    manifest = manifest_of(contents, how)
    package = bytearray(packed(manifest, contents))
    place = data.draw(st.integers(0, len(package) - 1))
    package[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((PackageRefused, DocumentsRefused, PaddingRefused)):
        read(bytes(package), manifest.root, len(contents))


def test_each_document_has_its_own_proof():
    manifest = manifest_of([b"one", b"two", b"three"])
    leaves = [document.leaf for document in manifest.documents]
    assert leaves[1] == merkle.leaf_hash(canonical.encode(manifest.documents[1].encoded))
    assert documents_root(manifest.documents) == merkle.root(leaves) == manifest.root
    proof = merkle.inclusion_proof(leaves, 1)
    merkle.check_inclusion(leaves[1], 1, 3, proof, manifest.root)


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"", "4 bytes shorter"), (b"abc", "1 bytes shorter"), (b"abcde", "long")],
)
def test_a_document_that_changed_is_not_packed(content, match):
    manifest = manifest_of([b"abcd", b"x"])
    with pytest.raises(DocumentsChanged, match=match):
        packed(manifest, [content, b"x"])


def test_a_document_too_few_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="shorter"):
        packed(manifest_of([b"abcd", b"x"]), [b"abcd"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:7],
        lambda data: b"PLP2" + data[4:],
        lambda data: data[:4] + b"\x01\x00\x00\x01" + data[8:],
        lambda data: data[:4] + len(data).to_bytes(4, "big") + data[8:],
        lambda data: data[:-1],
    ],
)
def test_what_is_no_package_is_said_to_be_none(damage):
    manifest = manifest_of([b"abcd"], "none")
    with pytest.raises(PackageRefused):
        read(damage(packed(manifest, [b"abcd"])), manifest.root, 1)


def with_manifest(manifest: dict, content: bytes = b"abcd") -> bytes:
    encoded = canonical.encode(manifest)
    return b"PLP1" + len(encoded).to_bytes(4, "big") + encoded + content


GOOD = canonical.decode(manifest_of([b"abcd"], "none").encoded)
PIECE = GOOD["documents"][0]


@pytest.mark.parametrize(
    "change",
    [
        {"v": True},
        {"padding": "zero"},
        {"documents": []},
        {"documents": "abcd"},
        {"documents": [{**PIECE, "size": -1}]},
        {"documents": [{**PIECE, "size": True}]},
        {"documents": [{**PIECE, "size": 2**53 - 1}]},
        {"documents": [{**PIECE, "name": 1}]},
        {"documents": [{**PIECE, "sha256": "00"}]},
        {"documents": ["abcd"]},
    ],
)
def test_a_manifest_has_one_form(change):
    with pytest.raises(PackageRefused):
        read(with_manifest({**GOOD, **change}), bytes(32), 1)


def test_a_manifest_is_at_most_16_mib():
    piece = {**PIECE, "name": "n" * 20_000}
    encoded = canonical.encode({**GOOD, "documents": [piece] * 850})
    with pytest.raises(PackageRefused, match="a manifest of"):
        Manifest.parse(encoded)


def test_reasons_come_in_order():
    manifest = manifest_of([b"abcd"], "none")
    data = packed(manifest, [b"abcd"])
    with pytest.raises(DocumentsRefused, match="2 announced"):
        read(data, manifest.root, 2)
    with pytest.raises(DocumentsRefused, match="list"):
        read(data, bytes(32), 1)
    with pytest.raises(DocumentsRefused, match="another SHA-256"):
        read(data[:-1] + b"e" + b"\x00", manifest.root, 1)
    with pytest.raises(PaddingRefused, match="were due") as refused:
        read(data + b"\x00", manifest.root, 1)
    assert refused.value.size == len(data) + 1


def test_padding_is_looked_at_to_its_last_byte():
    contents = [bytes(3 * CHUNK)]
    manifest = manifest_of(contents)
    data = packed(manifest, contents)
    assert len(data) > 3 * CHUNK + 60_000
    read(data, manifest.root, 1)
    with pytest.raises(PaddingRefused, match="not zero"):
        read(data[:-1] + b"\x01", manifest.root, 1)


def test_a_stream_that_ends_early_is_refused():
    manifest = manifest_of([b"abcd"], "none")
    data = packed(manifest, [b"abcd"])
    with pytest.raises(DocumentsRefused, match="another SHA-256"):
        read_package(io.BytesIO(data[:-1]), len(data), manifest.root, 1)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 256,
        "a\\b",
        "/a",
        "a/",
        "a//b",
        ".",
        "a/..",
        "./a",
        "a\x00",
        "\x7f",
        "\x9f",
        "\u202ea",
    ],
)
def test_names_that_could_leave_or_deceive_are_not_sealed_and_not_shown(name):
    with pytest.raises(NameRefused) as refused:
        manifest_of([b""], names=[name])
    assert refused.value.name == name
    assert shown_name(name, 12) == "piece-0012"


@COUNT
@given(st.text(max_size=30))
def test_a_shown_name_is_always_a_good_one(name):
    assert check_name(shown_name(name, 1))


def test_good_names_are_shown():
    for name in ("offre.pdf", "lot 1/mémoire.pdf", "...", "a" * 255):
        assert shown_name(name, 1) == name


@given(st.integers(2, 2**50))
def test_padme_tells_little_and_costs_little(length):
    padded = padding.padme(length)
    assert length <= padded <= length * 1.12
    assert padding.padme(padded) == padded
    assert bin(padded).rstrip("0").count("1") <= padded.bit_length().bit_length() + 1


@given(st.integers(0, 2**40))
def test_a_padded_size_is_one_that_the_server_accepts(length):
    padding.check_padded(padding.padded(length))
    if padding.padded(length) != length:
        with pytest.raises(PaddingRefused):
            padding.check_padded(length)

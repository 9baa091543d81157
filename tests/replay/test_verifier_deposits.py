"""What stands beside a receipt: the sealed file and the list of its pieces, or nothing."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest

from api.known_answers.book import Book
from crypto.package import Document, make_manifest
from crypto.pli1 import commitment
from replay import verifier

DOCUMENT = json.loads((Path(__file__).parents[1] / "vectors/envelope/file.json").read_text())
BOOK = Book(DOCUMENT)
FULL = verifier.FULL_CHUNK
COMMITS = [
    pytest.param(vector, id=vector["id"])
    for vector in DOCUMENT["vectors"]
    if vector["op"] == "commit"
]


def recorded(**data):
    return verifier.Entry("", json.dumps(data, separators=(",", ":")), "DepositSealed", *"abcde")


def refusal(run, *arguments):
    with pytest.raises(verifier.Refused) as refused:
        run(*arguments)
    return refused.value


@pytest.mark.parametrize("vector", COMMITS)
def test_commitments_of_the_published_files(vector):
    file = io.BytesIO(BOOK.file(vector["in"]["file"]))
    if vector["expect"] == "ok":
        assert verifier.deposit_commitment(file) == vector["out"]["commitment"]
    else:
        assert f"refuse:{refusal(verifier.deposit_commitment, file).code}" == vector["expect"]


@pytest.mark.parametrize("body", [16, 17, FULL, FULL + 17, 2 * FULL + 1000])
@pytest.mark.parametrize("header", [0, 1, 65_536])
def test_commitments_agree_with_the_platform(body, header):
    data = b"PLI1" + header.to_bytes(4, "big") + bytes(header) + b"\x05" * body
    assert verifier.deposit_commitment(io.BytesIO(data)) == (
        commitment(io.BytesIO(data)).commitment.hex()
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PLI2" + bytes(4) + bytes(16),
        b"PLI1" + bytes(4) + bytes(15),
        b"PLI1" + bytes(4) + bytes(FULL + 16),
        b"PLI1" + (9).to_bytes(4, "big") + bytes(8),
        b"PLI1" + (65_537).to_bytes(4, "big") + bytes(70_000),
        b"PLI1" + b"\xff" * 4 + bytes(70_000),
    ],
)
def test_what_is_no_sealed_file(data):
    assert refusal(verifier.deposit_commitment, io.BytesIO(data)).code == "framing"


def test_a_file_is_compared_with_what_was_recorded():
    data = b"PLI1" + bytes(4) + bytes(100)
    value = verifier.deposit_commitment(io.BytesIO(data))
    assert verifier.check_file(io.BytesIO(data), recorded(commitment=value)) == value
    other = io.BytesIO(data[:-1] + b"\x01")
    assert refusal(verifier.check_file, other, recorded(commitment=value)).code == "commitment"
    for none in (recorded(), recorded(commitment=value.upper()), recorded(commitment=1)):
        assert refusal(verifier.check_file, io.BytesIO(data), none).code == "commitment"


MANIFEST = make_manifest(
    [
        Document(name, hashlib.sha256(name.encode()).digest()[:16], bytes(32), size)
        for name, size in (("offre/BPU.xlsx", 12), ("Mémoire « technique ».pdf", 0))
    ],
    "padme",
)
LISTED = recorded(documents_count=2, documents_root=MANIFEST.root.hex())


def test_the_list_of_pieces_is_the_recorded_one():
    pieces = verifier.check_pieces(MANIFEST.encoded, LISTED)
    assert [piece["name"] for piece in pieces] == ["offre/BPU.xlsx", "Mémoire « technique ».pdf"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("BPU", "BPV", "documents"),
        ('"size":12', '"size":13', "documents"),
        ('"size":12', '"size":true', "package"),
        ('"size":12', '"size":"12"', "package"),
        ('"size":12', '"sizes":12', "package"),
        ('"size":12', '"size":12.0', "number"),
        ('"v":1', '"v": 1', "space"),
        ('"v":1', '"v":1,"w":1', "package"),
        ('"documents":[', '"documents":[1,', "package"),
        ('"documents":[', '"documents":{"a":[', "syntax"),
    ],
)
def test_another_list_is_refused(old, new, code):
    changed = MANIFEST.encoded.replace(old.encode(), new.encode(), 1)
    assert refusal(verifier.check_pieces, changed, LISTED).code == code


def test_lists_of_another_shape_are_refused():
    assert refusal(verifier.check_pieces, b'{"documents":1,"padding":"none","v":1}', LISTED).code
    for other in (recorded(), recorded(documents_count=1, documents_root=MANIFEST.root.hex())):
        assert refusal(verifier.check_pieces, MANIFEST.encoded, other).code == "documents"

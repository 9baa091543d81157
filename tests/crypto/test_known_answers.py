"""Every published known answer of the envelope comes out of product code, refusals included."""

import json
from pathlib import Path

import pytest

from api.cli.vectors import OPERATIONS, answer, run
from api.known_answers.book import Book

FOLDER = Path(__file__).parents[1] / "vectors" / "envelope"
FILES = sorted(FOLDER.glob("*.json"))
BOOKS = {path: json.loads(path.read_bytes()) for path in FILES}
RUNNABLE = {path: Book(document) for path, document in BOOKS.items()}
VECTORS = [(path, vector) for path, document in BOOKS.items() for vector in document["vectors"]]


@pytest.mark.parametrize(("path", "vector"), VECTORS, ids=[vector["id"] for _, vector in VECTORS])
def test_known_answer(path, vector):
    got, out = answer(RUNNABLE[path], vector["op"], vector["in"])
    assert got == vector["expect"]
    assert {key: out.get(key) for key in vector.get("out", {})} == vector.get("out", {})


def test_every_operation_is_met():
    assert {vector["op"] for _, vector in VECTORS} == set(OPERATIONS)
    assert len(VECTORS) == 551


def test_one_line_per_vector_and_what_is_expected_is_not_looked_at(tmp_path):
    document = json.loads((FOLDER / "group.json").read_bytes())
    honest = list(run(FOLDER / "group.json"))
    for vector in document["vectors"]:
        vector["expect"] = "ok" if vector["expect"] != "ok" else "refuse:point"
    lying = tmp_path / "group.json"
    lying.write_text(json.dumps(document))
    assert list(run(lying)) == honest
    assert [json.loads(line)["id"] for line in honest] == [
        vector["id"] for vector in document["vectors"]
    ]


def test_an_unknown_operation_is_said_to_be_unknown():
    assert answer(RUNNABLE[FILES[0]], "fly", {}) == ("refuse:unknown-operation", {})


def test_a_defect_is_not_reported_as_a_refusal():
    with pytest.raises(KeyError):
        answer(RUNNABLE[FILES[0]], "point", {})

"""T25: a body that two readers could read differently is refused, on every route that reads one.

The routes come from the published contract, so a route that is added is asked too. The control is a
reader that is as lax as the standard library's: it must be caught by the same list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import Bench
from doubles.proofs import Proof

import api.strict
from api.strict import parse

DEEP = 100_000
SILENT = {
    "doubled key": b'{"siret":"1","siret":"2"}',
    "doubled key, escaped": b'{"name":"a","n\\u0061me":"b"}',
    "doubled key, inside": b'{"a":{"b":1,"b":2}}',
    "NaN": b'{"population":NaN}',
    "Infinity": b'{"population":-Infinity}',
    "fraction": b'{"population":1.0}',
    "exponent": b'{"population":1e3}',
    "negative zero": b'{"population":-0}',
    "huge integer": b'{"population":' + b"9" * 5_000 + b"}",
    "large integer": b'{"population":' + b"9" * 30 + b"}",
    "UTF-16": '{"name":"a"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"name":"a"}',
    "more values than any form": b'{"a":[' + b"[]," * 60_000 + b"1]}",
    "deep list": b'{"a":' + b"[" * 60 + b"]" * 60 + b"}",
}
NONE_AT_ALL = {
    "deep list, open": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "trailing comma": b'{"name":"a",}',
    "single quotes": b"{'name':'a'}",
    "comment": b'{"name":"a"}//',
    "two values": b'{"name":"a"}{"name":"b"}',
    "half a code": b'{"name":"\xff"}',
    "control in a text": b'{"name":"a\nb"}',
    "no object": b'"name"',
    "a list": b"[]",
    "nothing": b"",
}
SURROGATES = {
    "half a surrogate": b'{"name":"\\ud800"}',
    "half a surrogate as key": b'{"\\udc00":1}',
    "half a surrogate, inside": b'{"criteria":[{"name":"\\ud800"}]}',
}
BODIES = SILENT | NONE_AT_ALL | SURROGATES


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("ambiguous"))
    made.register()
    made.publish()
    yield made
    made.close()


def body_routes(bench: Bench) -> list[tuple[str, str]]:
    """Return method and address of every operation of the contract that reads a JSON body."""
    paths = bench.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


def address(path: str) -> str:
    values = {"consultation": "lille-1", "lot": "0", "deposit": "0" * 32, "siret": "20009320100016"}
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def test_every_body_route_refuses_them_all(bench: Bench, proof: Proof) -> None:
    routes = body_routes(bench)
    assert len(routes) >= 20
    before = bench.platform.ledger.head()
    asked = 0
    for method, path in routes:
        for name, body in BODIES.items():
            asked += 1
            headers = {
                "Authorization": f"Bearer {bench.tokens.buyer}",
                "Idempotency-Key": f"ambiguous-{asked}",
                "Content-Type": "application/json",
            }
            answer = bench.http.request(method, address(path), content=body, headers=headers)
            assert answer.status_code in {400, 403, 422}, (method, path, name, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            json.loads(answer.content.decode())
            if name not in SURROGATES:
                assert answer.status_code != 422 or name == "nothing", (path, name, answer.text)
    assert bench.platform.ledger.head() == before, "a refused body recorded something"
    proof("T25", f"{len(routes)} routes x {len(BODIES)} bodies, {asked} refused, 0 errors of ours")


def taken(reader: Callable[[bytes], object]) -> set[str]:
    """Return which of the silent ambiguities a reader takes."""
    found = set()
    for name, body in SILENT.items():
        try:
            reader(body)
        except (ValueError, RecursionError):
            continue
        found.add(name)
    return found


def test_the_control_takes_what_we_refuse(bench: Bench, monkeypatch: Any) -> None:
    assert taken(parse) == set()
    lax = taken(json.loads)
    assert lax >= {"doubled key", "NaN", "fraction", "negative zero", "UTF-16", "deep list"}
    monkeypatch.setattr(api.strict, "parse", json.loads)
    answer = bench.http.post(
        "/api/v1/buyers",
        content=b'{"siret":"21590350100017","name":"a","name":"Ville","buyer_kind":"COMMUNE"}',
        headers={
            "Authorization": f"Bearer {bench.tokens.admin}",
            "Idempotency-Key": "the-lax-reader",
            "Content-Type": "application/json",
        },
    )
    assert answer.status_code != 400, "the lax reader would have been seen by the test above"


def test_what_is_plain_is_read(tmp_path: Path) -> None:
    assert parse('{"a":[{"b":"é"},1,-1,null,true],"c":{}}'.encode()) == {
        "a": [{"b": "é"}, 1, -1, None, True],
        "c": {},
    }

"""Every route is documented, has a row in the table of permissions, and answers in one way."""

from __future__ import annotations

import re
from typing import Any

import pytest
from doubles.bench import Bench

from api.openapi import FORMATS
from api.permissions import OPERATIONS
from api.routes import all_routers

METHODS = {"get", "post", "put", "delete"}


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation | {"path": path, "method": method}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }


@pytest.fixture(scope="module")
def document(tmp_path_factory) -> dict[str, Any]:
    bench = Bench(tmp_path_factory.mktemp("contract"))
    found = bench.get("/openapi.json").json()
    bench.close()
    return dict(found)


def test_operation_ids_are_the_names_of_functions(document: dict[str, Any]) -> None:
    names = [route.name for router in all_routers() for route in router.routes]
    assert len(names) == len(set(names))
    assert sorted(operations(document)) == sorted(names)


def test_every_route_has_a_row_and_every_row_a_route(document: dict[str, Any]) -> None:
    assert sorted(OPERATIONS) == sorted(operations(document))


def test_every_status_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        statuses = set(operation["responses"])
        assert {"422", "500", "503"} <= statuses, name
        if operation["method"] != "get":
            assert {"400", "401", "409", "413"} <= statuses, name
        for status, answer in operation["responses"].items():
            if status[0] in "45":
                assert list(answer["content"]) == ["application/problem+json"], (name, status)
    assert "HTTPValidationError" not in str(document)


def test_a_post_documents_its_key_and_its_token(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        if operation["method"] != "post":
            continue
        names = {parameter["name"]: parameter for parameter in operation["parameters"]}
        assert names["Idempotency-Key"]["required"], name
        assert operation["security"], name


def test_reads_have_a_strong_etag_and_writes_heed_it(bench: Bench) -> None:
    at = bench.draft()
    first = bench.get(at, bench.tokens.buyer)
    tag = first.headers["etag"]
    assert not tag.startswith("W/")
    same = bench.get(at, bench.tokens.buyer, **{"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    form = {"lot": "1", "title": "Un lot", "estimated_cents": 1}
    headers = {"Authorization": f"Bearer {bench.tokens.buyer}", "Idempotency-Key": "etag-key-1"}
    good = bench.http.post(f"{at}/lots", json=form, headers=headers | {"If-Match": tag})
    assert good.status_code == 201
    form = {"lot": "2", "title": "Un autre", "estimated_cents": 1}
    headers["Idempotency-Key"] = "etag-key-2"
    stale = bench.http.post(f"{at}/lots", json=form, headers=headers | {"If-Match": tag})
    assert stale.status_code == 412


def test_lists_go_page_by_page(bench: Bench) -> None:
    for number in range(3):
        bench.publish(f"lille-{number}")
    path, seen = "/api/v1/consultations?limit=2", []
    while path:
        answer = bench.get(path)
        seen += [row["id"] for row in answer.json()["consultations"]]
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == ["lille-0", "lille-1", "lille-2"]
    assert bench.get("/api/v1/consultations?after=nonsense!").status_code == 400
    assert bench.get("/api/v1/consultations?limit=101").status_code == 422


def test_the_dossier_is_free_whole_and_an_attachment(bench: Bench) -> None:
    at = bench.publish()
    rows = bench.get(f"{at}/dossier").json()["files"]
    assert [row["name"] for row in rows] == ["pièces/RC.pdf"]
    got = bench.get(f"{at}/dossier/files/pièces/RC.pdf")
    assert got.content == b"%PDF-1.7 reglement de la consultation"
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert bench.get(f"{at}/dossier/files/absent.pdf").status_code == 404


def test_a_correction_moves_the_dossier(bench: Bench) -> None:
    at = bench.publish()
    headers = {"Authorization": f"Bearer {bench.tokens.buyer}"}
    put = bench.http.put(f"{at}/dossier/files/RC-2.pdf", content=b"new", headers=headers)
    files = [{"name": "RC-2.pdf", "sha256": put.json()["sha256"]}]
    minor = {"files": files, "importance": "MINOR", "reason": "coquille"}
    done = bench.done(f"{at}/dossier/corrections", bench.tokens.buyer, minor)
    assert done["version"] == 2
    weighty = minor | {"importance": "IMPORTANT"}
    answer = bench.post(f"{at}/dossier/corrections", bench.tokens.buyer, weighty)
    assert answer.json()["code"] == "correction.needs-extension"


def test_a_foreign_buyer_uploads_nothing(bench: Bench) -> None:
    at = bench.draft()
    headers = {"Authorization": f"Bearer {bench.tokens.other}"}
    answer = bench.http.put(f"{at}/dossier/files/x.pdf", content=b"x", headers=headers)
    assert answer.status_code == 404
    missing = [{"name": "x.pdf", "sha256": "0" * 64}]
    answer = bench.post(f"{at}/dossier", bench.tokens.buyer, {"files": missing})
    assert answer.json()["code"] == "dossier.not-uploaded"


def test_life_of_a_consultation_after_publication(bench: Bench) -> None:
    at = bench.publish()
    buyer = bench.tokens.buyer
    later = {"deadline": {"local": "2026-11-20T12:00"}, "reason": "demande"}
    moved = bench.done(f"{at}/extensions", buyer, later)
    assert moved["deadline_at"] == "2026-11-20T11:00:00.000000Z"
    wider = bench.done(f"{at}/corrections/limits", buyer, {"max_files": 10, "reason": "large"})
    assert wider["limits"]["max_files"] == 10
    bench.done(f"{at}/suspensions", buyer, {"reason": "recours"})
    resumed = bench.done(f"{at}/resumptions", buyer, {"deadline": {"local": "2026-12-01T12:00"}})
    assert resumed["state"] == "PUBLISHED"
    answer = bench.post(f"{at}/corrections/limits", buyer, {"max_files": 1, "reason": "non"})
    assert answer.json()["code"] == "limits.not-lower"


def test_the_kit_of_a_stranger_names_no_bidder(bench: Bench) -> None:
    at = bench.publish()
    assert "bidder" not in bench.get(f"{at}/kit").json()
    own = bench.get(f"{at}/kit", bench.tokens.company).json()
    assert own["bidder"]["operator"] == "siret:55208131766522"
    assert own["keyset"] == bench.get(f"{at}/keyset").json()
    assert own["canary"] == bench.get(f"{at}/canary-keyset").json()


def test_roles_are_granted_by_events(bench: Bench) -> None:
    form = {"person": "ada@lille.example", "role": "CO", "valid_from": "2026-11-01"}
    bench.done("/api/v1/buyers/20009320100016/roles", bench.tokens.buyer, form)
    answer = bench.post("/api/v1/buyers/20009320100016/roles", bench.tokens.company, form)
    assert answer.status_code == 404, "a foreign buyer is absent, whoever asks"
    wrong = form | {"valid_from": "2026-02-31"}
    answer = bench.post("/api/v1/buyers/20009320100016/roles", bench.tokens.buyer, wrong)
    assert answer.status_code == 422


def test_a_method_that_is_not_there_is_told_those_that_are(bench: Bench) -> None:
    at = bench.publish()
    for method in ("TRACE", "PATCH", "DELETE", "OPTIONS"):
        answer = bench.http.request(method, f"{at}/dossier")
        assert answer.status_code == 405, method
        assert answer.headers["allow"] == "GET, POST"
    assert bench.http.request("TRACE", "/checkpoint").headers["allow"] == "GET"


def test_no_other_origin_may_read_an_answer(bench: Bench) -> None:
    at = bench.publish()
    foreign = {"Origin": "https://elsewhere.example"}
    for answer in (bench.get(at, **foreign), bench.get("/checkpoint", **foreign)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_body_that_nests_without_end_is_no_json(bench: Bench) -> None:
    at = bench.draft()
    named = {"Authorization": f"Bearer {bench.tokens.buyer}", "Idempotency-Key": "nested-key"}
    named |= {"Content-Type": "application/json"}
    answer = bench.http.post(f"{at}/lots", content=b'{"a":' * 100_000, headers=named)
    assert (answer.status_code, answer.json()["code"]) == (400, "request.json")


def test_whoever_follows_the_document_is_never_told_of_a_form(document: dict[str, Any]) -> None:
    """What no pattern can say is a format, and each format is explained."""
    used = set(re.findall(r"'format': '([a-z-]+)'", str(document)))
    assert set(FORMATS) <= used <= set(FORMATS) | {"binary", "date", "date-time"}
    assert all(name in document["info"]["description"] for name in FORMATS)
    conditional = [row for row in operations(document).values() if "412" in row["responses"]]
    assert len(conditional) > 5
    for row in conditional:
        assert "If-Match" in {parameter["name"] for parameter in row["parameters"]}
    assert operations(document)["read_kit"]["security"][0] == {}
    assert {} not in operations(document)["read_who_i_am"]["security"]

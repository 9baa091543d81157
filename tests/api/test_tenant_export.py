"""The export of a buyer that leaves: whole, proven offline, nothing of others, nothing sealed."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from doubles.bench import BUYER, COMPANY, OTHER_BUYER, SOON, Bench
from doubles.sizes import sized

from api.cli import run
from api.leaving import TenantExport
from crypto.canonical import encode
from crypto.notes import parse_checkpoint, parse_note
from ledger.proofs import TileHashes
from ledger.receipt import make_receipt
from ledger.tiles import write_bundle
from replay import export_verifier, verifier

AT = f"/api/v1/buyers/{BUYER}"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A platform of two buyers, each with an opened bid, and of one whose bids are still sealed."""
    bench: Any = Bench(tmp_path_factory.mktemp("leaving"))
    bench.register()
    at = bench.publish()
    bench.deposit(bench.seal(at))
    bench.forward(SOON)
    opening = bench.attend()
    bench.done(f"{opening}/plan", bench.tokens.buyer)
    bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})
    exclusion = {"ground": "résiliation", "until_on": "2027-12-31"}
    bench.done(f"/api/v1/operators/{COMPANY}/exclusions", bench.tokens.buyer, exclusion)
    kept, bench.tokens.buyer = bench.tokens.buyer, bench.tokens.other
    bench.deadline = "2027-01-04T12:00"
    bench.draft("roubaix-1")
    bench.tokens.buyer = kept
    member = bench.token(BUYER, "CO")
    bench.platform.anchoring.now()
    bench.platform.publish()
    bench.member = member
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def folder(left: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export as its officer downloads it, unpacked."""
    answer = left.get(f"{AT}/export", left.tokens.buyer)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    place = tmp_path_factory.mktemp("export")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(place)
    return place


@pytest.fixture(scope="module")
def policy(left: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policy that a reader got by another way."""
    place = tmp_path_factory.mktemp("policy") / "policy.txt"
    place.write_text(left.platform.policies["policy.txt"])
    return place


def judged(place: Path, policy: Path) -> dict[str, Any]:
    """Return what is proven, or raise Refused."""
    return export_verifier.Export(place, verifier.Policy(policy.read_bytes())).check()


def entries(place: Path) -> list[dict[str, Any]]:
    found = []
    for file in sorted((place / "streams").iterdir()):
        found += [orjson.loads(data) for data in export_verifier.bundle(file.read_bytes())]
    return found


def test_an_export_is_whole_and_verifies_offline(
    left: Bench, folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    rows = left.platform.ledger.read(-1, 10_000)
    spoken = re.compile(rb'"(?:org|tenant)":"%b"' % BUYER.encode())
    own = [row for row in rows if spoken.search(row.entry)]
    assert {row.kind for row in own if row.stream.startswith("operator/")} == {"OperatorExcluded"}
    assert len(manifest["singles"]) == 1, "what it spoke in the stream of a company"
    assert manifest["entries"] == len([row for row in own if row.position < manifest["size"]])
    assert run(["verify", "export", str(folder), "--policy", str(policy), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["tenant"], told["left_out"]) == ("proven", BUYER, 0)
    assert told["entries"] == manifest["entries"]
    assert told["named_files"] >= 4, "a dossier, minutes, a sealed file and its list"
    assert run(["verify", "export", str(folder), "--policy", str(policy)]) == 0
    assert capsys.readouterr().out.startswith("PROUVÉ")
    assert {path.suffix for path in (folder / "anchors").iterdir()} == {".note", ".tsr"}
    proof = next((folder / "proofs").iterdir())
    assert run(["verify", "receipt", str(proof), "--policy", str(policy)]) == 0, "and each alone"


def test_nothing_of_another_tenant_and_no_foreign_person_is_within(folder: Path) -> None:
    found = entries(folder)
    assert {row["data"]["meta"]["tenant"] for row in found} == {BUYER}
    whole = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert OTHER_BUYER.encode() not in whole
    assert b"roubaix" not in whole
    values = [json.loads(line) for line in (folder / "private.ndjson").read_text().splitlines()]
    assert {"ada", "bob"} <= {row["value"] for row in values}
    sealing = {
        row["data"]["meta"]["actor"]["person"]
        for row in found
        if row["kind"] in {"DepositSealed", "TransmissionStarted"}
    }
    assert sealing
    assert not sealing & {row["commitment"] for row in values}, "the bidder's people stay its own"


def test_two_exports_under_one_checkpoint_are_the_same(left: Bench, folder: Path) -> None:
    parts = {file.path: b"".join(file.parts()) for file in again(left)}
    assert (
        hashlib.sha256(parts["manifest.json"]).digest()
        == hashlib.sha256((folder / "manifest.json").read_bytes()).digest()
    )


def again(bench: Bench) -> Any:
    return TenantExport.of(bench.platform, BUYER).files()


def test_who_may_take_it(left: Any) -> None:
    assert left.get(f"{AT}/export").status_code == 401
    assert left.get(f"{AT}/export", left.tokens.other).status_code == 404
    assert left.get(f"{AT}/export", left.member).status_code == 403


def test_a_flipped_bit_anywhere_is_refused(folder: Path, policy: Path, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    shutil.copytree(folder, place)
    judged(place, policy)
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for at in {0, len(data) // 2, len(data) - 1}:
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            with pytest.raises(verifier.Refused):
                judged(place, policy)
        path.write_bytes(data)
    judged(place, policy)


def retold(place: Path, **changed: object) -> None:
    """Write the manifest that a forger would write for what lies here now."""
    told = json.loads((place / "manifest.json").read_bytes()) | changed
    told["files"] = [
        {
            "path": path.relative_to(place).as_posix(),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "size": path.stat().st_size,
        }
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    ]
    (place / "manifest.json").write_bytes(encode(told))


BELIEVED = ("tables/", "anchors/", "policy", "LISEZMOI.txt", "manifest.json")
"""What only the manifest speaks of."""


def test_no_manifest_makes_a_changed_file_believed(
    folder: Path, policy: Path, tmp_path: Path
) -> None:
    """The keys of the policy and the hashes in proven entries judge, whatever is listed."""
    place, flips = tmp_path / "copy", sized(push=2, full=8, night=64)
    shutil.copytree(folder, place)
    draw, count, told = random.Random(4), 0, (place / "manifest.json").read_bytes()
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        if path.relative_to(place).as_posix().startswith(BELIEVED):
            continue
        data = path.read_bytes()
        for _ in range(flips):
            at, bit = draw.randrange(len(data)), 1 << draw.randrange(8)
            path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            retold(place)
            with pytest.raises(verifier.Refused):
                judged(place, policy)
            count += 1
        path.write_bytes(data)
    (place / "manifest.json").write_bytes(told)
    judged(place, policy)
    assert count > 80


def test_no_manifest_makes_another_story_believed(
    left: Bench, folder: Path, policy: Path, tmp_path: Path
) -> None:
    """Entries of others, a gap, an entry left over, a person or a file that no entry names."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    foreign = next(
        row for row in left.platform.ledger.read(-1, 1_000) if row.stream == f"buyer/{OTHER_BUYER}"
    )
    served = left.platform.ledger.files()
    note = (folder / "checkpoint").read_bytes()
    proof = make_receipt(foreign, note, TileHashes(served.size, served.tile))
    number = manifest["streams"].index("consultation/lille-1")
    whole = list(export_verifier.bundle((folder / f"streams/{number}").read_bytes()))
    value = {"commitment": "0" * 64, "field": "person", "salt": "0" * 64, "value": "x"}
    stories: dict[str, tuple[dict[str, bytes], dict[str, object]]] = {
        "tenant": ({}, {"tenant": OTHER_BUYER}),
        "checkpoint": ({}, {"size": manifest["size"] - 1}),
        "chain": ({f"streams/{number}": write_bundle(whole[1:])}, {}),
        "proof": ({}, {"singles": []}),
        "manifest": ({}, {"entries": manifest["entries"] + 1}),
        "value": ({"private.ndjson": encode(value) + b"\n"}, {}),
        "file": ({f"files/{hashlib.sha256(b'x').hexdigest()}": b"x"}, {}),
    }
    for code, (files, changed) in stories.items():
        place = tmp_path / code
        shutil.copytree(folder, place)
        for path, data in files.items():
            (place / path).write_bytes(data)
        retold(place, **changed)
        with pytest.raises(verifier.Refused) as refusal:
            judged(place, policy)
        assert refusal.value.code == code
    place = tmp_path / "foreign"
    shutil.copytree(folder, place)
    (place / f"proofs/{foreign.position}.tlog-proof").write_bytes(proof)
    singles = sorted([*manifest["singles"], foreign.position])
    retold(place, singles=singles, entries=manifest["entries"] + 1)
    with pytest.raises(verifier.Refused) as refusal:
        judged(place, policy)
    assert refusal.value.code == "tenant", "it is proven, and is nobody's business here"


def test_what_the_manifest_alone_says_is_pinned_by_its_hash(
    folder: Path, policy: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Who changes a table and the manifest with it is seen by whoever kept the hash."""
    place = tmp_path / "copy"
    shutil.copytree(folder, place)
    pinned = hashlib.sha256((place / "manifest.json").read_bytes()).hexdigest()
    table = place / "tables" / "acts.csv"
    old = hashlib.sha256(table.read_bytes()).hexdigest()
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    told = (place / "manifest.json").read_text()
    changed = told.replace(old, hashlib.sha256(table.read_bytes()).hexdigest())
    (place / "manifest.json").write_text(changed)
    words = ["verify", "export", str(place), "--policy", str(policy)]
    assert run(words) == 0, "the control: without the hash it is believed"
    assert run([*words, "--manifest", pinned, "--lang", "en"]) == 1
    assert "REFUSED" in capsys.readouterr().out
    assert run([*words[:-1], str(place / "none"), "--json"]) == 3
    assert run(words[:3]) == 2


def test_an_officer_leaves_with_it_and_the_operator_writes_the_same(
    left: Bench, folder: Path, policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = left
    note = parse_checkpoint(parse_note(bench.get("/checkpoint").content).text)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert (note.size, note.root.hex()) == (manifest["size"], manifest["root"])
    body = {"size": manifest["size"], "root": manifest["root"]}
    bench.done(f"{AT}/departure", bench.tokens.buyer, body)
    assert bench.get(f"{AT}/export", bench.tokens.buyer).status_code == 401
    bench.close()
    out, home = tmp_path / "out", ["--home", str(bench.home.folder)]
    assert run(["export", "tenant", BUYER, str(out), *home, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["root"] == manifest["root"]
    for path in folder.rglob("*"):
        if path.is_file():
            assert (out / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert run(["export", "tenant", BUYER, str(out), *home]) == 1, "never over another one"
    assert run(["export", "tenant", "13001653800014", str(tmp_path / "none"), *home]) == 1
    reason = ["--reason", "archives remises"]
    assert run(["privacy", "erase-buyer", BUYER, *reason, *home]) == 0
    assert run(["export", "tenant", BUYER, str(tmp_path / "later"), *home]) == 0
    lacking = json.loads((tmp_path / "later" / "manifest.json").read_bytes())
    (deposit,) = (path.name for path in (folder / "deposits").iterdir())
    assert lacking["left_out"] == [{"name": f"deposits/{deposit}", "reason": "erased"}]
    assert judged(tmp_path / "later", policy)["entries"] == manifest["entries"], "all the same"
    bench.reopen()

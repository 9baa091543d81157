"""A whole platform whose blobs lie in a bucket, in two copies, and what its operator does with it.

From deposit to opening on a bucket: `tests/trust/test_t10_lost_blobs.py`.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from doubles.bench import COMPANY, RIVAL, Bench
from doubles.object_store import SECRET, server
from doubles.reader import Reader, joined

from api.adapters.blobs import place_of
from api.adapters.object_store import ObjectStore
from api.cli import doctor, run
from api.home import Home
from api.scheduler import Scheduler
from api.scrubbing import LOOK_S

pytestmark = pytest.mark.s3


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("PLI_BLOBS", server().setting())
    monkeypatch.setenv("PLI_BLOBS_COPY", str(tmp_path / "copy"))
    opened = Bench(tmp_path)
    opened.register()
    yield opened
    opened.close()


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def stored(setting: str) -> ObjectStore:
    place = place_of(setting)
    assert not isinstance(place, Path)
    return ObjectStore(place, patience_s=5)


def test_what_an_operator_does(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    at = bench.publish()
    deposit = bench.deposit(bench.seal(at, size=9_000))["deposit"]
    home, setting = str(bench.home.folder), str(bench.settings.blobs)
    bucket = stored(setting)
    # both places hold every blob, the home none
    names = set(bucket.names())
    assert names == files_in(tmp_path / "copy")
    assert len(names) >= 3
    assert not files_in(bench.home.blobs)
    assert run(["doctor", "--home", home, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["blobs"] == f"{place_of(setting)} and {tmp_path / 'copy'}"
    assert set(bucket.names()) == names, "the probe has gone"
    for verb in ("fsck", "scrub"):
        assert run(["ledger", verb, "--home", home]) == 0
    # one copy is lost, one altered: beside the server this is said, and the server mends it
    lost, altered = sorted(names)[:2]
    obstore.delete(bucket._store, f"{lost[:2]}/{lost}")
    (tmp_path / "copy" / altered[:2] / altered).write_bytes(b"other")
    capsys.readouterr()
    assert run(["ledger", "scrub", "--home", home, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {one["code"] for one in found} == {"blob-copy"}
    assert {one["detail"].split()[2].rstrip(":") for one in found} == {lost, altered}
    # nothing is missing, so nobody is told to deposit again
    own = bench.get(f"/api/v1/deposits/{deposit}", bench.tokens.company).json()
    assert "stored" not in own
    for name in (lost, altered):
        assert bench.platform.vault.read(name)
        with bench.platform.blobs.open(name):
            pass
    assert list(bench.platform.blobs.scrub()) == [(name, name) for name in sorted(names)]
    assert run(["ledger", "scrub", "--home", home]) == 0
    bench.platform.publish()
    # a backup holds them all; it is restored to where the settings say then
    capsys.readouterr()
    assert run(["backup", str(tmp_path / "b.tar"), "--home", home, "--with-keys"]) == 0
    with tarfile.open(tmp_path / "b.tar") as tar:
        kept = {Path(one).name for one in tar.getnames() if one.startswith("blobs/")}
    assert kept == names
    elsewhere = server().setting()
    monkeypatch.setenv("PLI_BLOBS", elsewhere)
    monkeypatch.delenv("PLI_BLOBS_COPY")
    new = tmp_path / "new"
    mark = ["--mark", str(bench.home.highwater / "mark")]
    assert run(["restore", str(tmp_path / "b.tar"), "--home", str(new), *mark]) == 0
    assert set(stored(elsewhere).names()) == names
    assert not files_in(new / "blobs")
    assert run(["ledger", "fsck", "--home", str(new)]) == 0
    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err


def test_the_depositor_reads_on_its_page_what_was_lost(bench: Bench, tmp_path: Path) -> None:
    at = bench.publish()
    deposit = bench.deposit(bench.seal(at))["deposit"]
    mine = joined(bench, COMPANY, "CY", "ada@nord.example")
    other = joined(bench, RIVAL, "CY", "bob@flandre.example")
    page = "/consultations/lille-1/deposit"
    bench.platform.views.catch_up()
    before = mine.get(page)
    assert before.status_code == 200
    assert deposit not in before.text
    counted = [0]
    scheduler = Scheduler(bench.platform, lambda: counted[0])
    store = stored(str(bench.settings.blobs))
    for name in list(store.names()):
        obstore.delete(store._store, f"{name[:2]}/{name}")
        (tmp_path / "copy" / name[:2] / name).unlink()
    counted[0] += LOOK_S * 1_000_000
    scheduler.tick()
    text = mine.get(page).text
    assert deposit in text
    assert "Déposez-le de nouveau" in text
    assert "Deposit it again" in mine.get(f"{page}?lang=en").text
    for reader in (other, Reader(bench)):
        assert deposit not in reader.get(page).text
        assert "Déposez-le de nouveau" not in reader.get(page).text


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"credentials": "exposed"}, "keys.exposed"),
        ({"bucket": "no-such-bucket"}, "vault.bucket"),
        ({"overwrites": "yes"}, "If-None-Match"),
        ({"endpoint": "https://127.0.0.1:9"}, "vault.unreachable"),
    ],
)
def test_the_doctor_names_what_is_wrong_with_a_bucket(
    changed: dict[str, str], wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.touch(mode=0o600)
    keys.write_bytes(server().credentials.read_bytes())
    if "credentials" in changed:
        keys.chmod(0o644)
    if "overwrites" in changed:
        monkeypatch.setattr(ObjectStore, "keeps_what_is_there", lambda *_: False)
    bucket = changed.get("bucket", "pli")
    endpoint = changed.get("endpoint", server().endpoint)
    monkeypatch.setenv("PLI_BLOBS", f"s3://{bucket}/x?endpoint={endpoint}&credentials={keys}")
    told = doctor._outcome(lambda: doctor._blobs(Home(tmp_path)))
    assert told.startswith("!")
    assert wrong in told
    assert SECRET not in told


def test_the_doctor_names_what_is_wrong_with_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLI_BLOBS", str(tmp_path / "blobs-elsewhere"))
    ask = lambda: doctor._outcome(lambda: doctor._blobs(Home(tmp_path)))  # noqa: E731
    assert "absent" in ask()
    (tmp_path / "blobs-elsewhere").mkdir(mode=0o755)
    assert "chmod 700" in ask()
    (tmp_path / "blobs-elsewhere").chmod(0o700)
    assert ask() == str(tmp_path / "blobs-elsewhere")

"""Backup beside a server, restore of a platform: proven, refused where older, continued."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from doubles.bench import SOON, Bench

from api.adapters.archive import MANIFEST
from api.backups import PREDECESSOR, backup, restore
from api.cli import run
from api.home import Home, HomeAbsent
from api.inspection import inspect_home
from api.settings import Settings
from api.wiring import open_platform, open_reader
from crypto.notes import parse_checkpoint, parse_note
from ledger.errors import BackupDamaged, MarkMissing

pytestmark = pytest.mark.counted

Members = list[tuple[tarfile.TarInfo, bytes]]


def filled(bench: Bench) -> Bench:
    """Deposit, close and publish, so that every kind of file is there."""
    at = bench.publish()
    bench.deposit(bench.seal(at))
    bench.forward(SOON)
    bench.platform.anchoring.tick()
    bench.platform.publish()
    return bench


def mark_of(bench: Bench, path: Path) -> Path:
    shutil.copy(bench.home.highwater / "mark", path)
    return path


def last(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return dict(json.loads(capsys.readouterr().out))


def inside(archive: Path) -> Members:
    with tarfile.open(archive) as tar:
        return [(one, tar.extractfile(one).read()) for one in tar]  # type: ignore[union-attr]


def test_a_stopped_platform_goes_on_elsewhere(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(bench)
    out, new = str(tmp_path / "b.tar"), tmp_path / "new"
    bench.platform.close()
    capsys.readouterr()
    home = str(bench.home.folder)
    assert run(["backup", out, "--home", home, "--with-keys", "--json"]) == 0
    made = last(capsys)
    assert Path(out).stat().st_mode & 0o077 == 0, "keys lie in it"
    mark = mark_of(bench, tmp_path / "mark")
    assert run(["restore", out, "--home", str(new), "--mark", str(mark), "--json"]) == 0
    found = last(capsys)
    assert (found["size"], found["root"]) == (made["size"], made["root"])
    assert (found["goes_on"], found["policy"]) == (True, "of the archive")
    assert found["witnesses"] == ["custodian-1", "custodian-2", "custodian-3"]
    platform = open_platform(Home(new), Settings(home=new), clock=bench.clock)
    size = platform.published_size()
    platform.publish()
    assert platform.published_size() > size
    platform.close()
    told = inspect_home(Home(new), [], lambda _: None, tmp_path)
    assert told["verdict"] == "sound"
    assert told["stamps"] == 1
    bench.reopen()


def test_a_backup_without_keys_is_read_and_proven_but_does_not_go_on(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(bench)
    (bench.home.blobs / "ab").mkdir(exist_ok=True)
    (bench.home.blobs / "ab" / "half.new").write_bytes(b"of a write in progress")
    out, new = tmp_path / "b.tar", tmp_path / "new"
    assert run(["backup", str(out), "--home", str(bench.home.folder)]) == 0
    names = {entry.name for entry, _ in inside(out)}
    databases = {"ledger.db", "private.db", "uploads.db", "accounts.db", "refusals.db"}
    assert databases | {"policy.txt", "keys/timestamps.pem"} <= names
    secret = {name for name in names if name.startswith(("keys/", "custodians/"))}
    assert secret == {"keys/timestamps.pem"}
    assert not any(name.startswith(("views", "highwater")) for name in names)
    assert not any(name.endswith((".new", "-wal", "-shm")) for name in names)
    seeds = [(bench.home.keys / name).read_bytes() for name in ("log.key", "subjects.key")]
    assert not any(seed.strip() in data for seed in seeds for _, data in inside(out))
    assert run(["backup", str(out), "--home", str(bench.home.folder)]) == 1, "it is there already"
    capsys.readouterr()
    assert run(["restore", str(out), "--home", str(new)]) == 0
    assert "adopt" in capsys.readouterr().err
    assert run(["restore", str(out), "--home", str(new)]) == 1, "it is there already"
    assert run(["replay", "consultation/lille-1", "--home", str(new)]) == 0
    with open_reader(Home(new)) as log:
        assert log.head() == bench.platform.ledger.head()
    shutil.copytree(bench.home.keys, new / "keys", dirs_exist_ok=True)
    shutil.copytree(bench.home.custodians, new / "custodians")
    with pytest.raises(MarkMissing):
        open_platform(Home(new), Settings(home=new))


def test_a_home_without_keys_and_policies_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"")
    with pytest.raises(HomeAbsent):
        Home(tmp_path).kept_policies()


@pytest.mark.parametrize("source", ["mark", "witness", "pin"])
def test_an_older_backup_is_refused_and_goes_on_as_a_successor_only(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    filled(bench)
    out = str(tmp_path / "b.tar")
    backup(bench.home, Path(out), clock=bench.clock)
    bench.platform.publish()
    kept = tmp_path / "kept"
    if source == "witness":
        witnesses = bench.platform.ledger._publisher._witnesses
        kept.write_bytes(witnesses[0].checkpoint() or b"")
    elif source == "pin":
        kept.write_bytes(bench.platform.ledger.published() or b"")
    else:
        mark_of(bench, kept)
    new = tmp_path / "new"
    given = [f"--{source}", str(kept)]
    capsys.readouterr()
    assert run(["restore", out, "--home", str(new), *given]) == 1
    assert "[backup.older]" in capsys.readouterr().err
    assert not new.exists()
    if source == "mark":
        given = ["--pin", str(kept)]
    origin = bench.platform.desk.origin
    as_successor = ["restore", out, "--home", str(new), "--successor", *given]
    assert run([*as_successor, "--origin", origin]) == 1, "two histories under one name"
    assert run([*as_successor, "--origin", "pli.example/next", "--json"]) == 0
    with open_reader(Home(new)) as log:
        rows = log.stream("log")
        link = json.loads(rows[1].entry)
    assert link["kind"] == "LogAdopted"
    assert link["data"]["reason"] == f"successor of {origin}: older backup"
    before = Home(new / PREDECESSOR)
    with open_reader(before) as log, log.reader.snapshot() as reads:
        from ledger.recovery import load_levels

        levels = load_levels(reads)
    assert levels.root(link["data"]["size"]).hex() == link["data"]["root"]
    platform = open_platform(Home(new), Settings(home=new))
    assert platform.desk.origin == "pli.example/next"
    platform.publish()
    platform.close()
    assert inspect_home(Home(new), [], lambda _: None, tmp_path)["verdict"] == "sound"
    assert run([*as_successor, "--origin", "pli.example/next"]) == 1, "it is there already"


def test_the_mark_of_another_history_is_refused(bench: Bench, tmp_path: Path) -> None:
    """A fork that somebody kept a pin of is no older backup: it is another log."""
    filled(bench)
    bench.platform.close()
    fork = tmp_path / "fork"
    shutil.copytree(bench.home.folder, fork)
    bench.reopen()
    bench.platform.publish()
    other = open_platform(Home(fork), Settings(home=fork), clock=bench.clock)
    other.publish()
    pin = other.ledger.published() or b""
    other.close()
    out = tmp_path / "b.tar"
    made = backup(bench.home, out, clock=bench.clock)
    assert parse_checkpoint(parse_note(pin).text).size <= made.head.size
    from ledger.fsck import LogUnsound
    from ledger.transfer import Evidence

    with pytest.raises(LogUnsound) as refused:
        restore(out, Home(tmp_path / "new"), evidence=[Evidence("the pin", pin)])
    assert refused.value.counts == {"pin": 1}
    assert not (tmp_path / "new").exists()


def rewritten(archive: Path, change: Callable[[Members], Members]) -> Path:
    place = archive.with_name("changed.tar")
    with tarfile.open(place, "w") as tar:
        for entry, data in change(inside(archive)):
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return place


def flipped(members: Members) -> Members:
    return [
        (entry, data[:-1] + bytes([data[-1] ^ 1]) if entry.name == "ledger.db" else data)
        for entry, data in members
    ]


def climbing(members: Members) -> Members:
    extra = tarfile.TarInfo("../outside")
    return [(extra, b"x"), *members]


def linked(members: Members) -> Members:
    members[0][0].type = tarfile.SYMTYPE
    members[0][0].linkname = "/etc/passwd"
    return [(members[0][0], b""), *members[1:]]


CHANGES: dict[str, Callable[[Members], Members]] = {
    "one bit of the ledger": flipped,
    "a file is missing": lambda members: members[1:],
    "a file is longer": lambda members: [(members[0][0], members[0][1] + b"x"), *members[1:]],
    "a name that climbs": climbing,
    "a link": linked,
    "a file twice": lambda members: [members[0], *members],
    "no manifest": lambda members: members[:-1],
    "after the manifest": lambda members: [*members, members[0]],
    "no policy": lambda members: [one for one in members if one[0].name != "policy.txt"],
    "another manifest": lambda members: [
        *members[:-1],
        (members[-1][0], members[-1][1].replace(b"keys no", b"keys yes")),
    ],
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_changed_archive_is_refused(bench: Bench, tmp_path: Path, name: str) -> None:
    bench.platform.publish()
    out = tmp_path / "b.tar"
    backup(bench.home, out, clock=bench.clock)
    assert inside(out)[-1][0].name == MANIFEST
    changed = rewritten(out, CHANGES[name])
    with pytest.raises(BackupDamaged):
        restore(changed, Home(tmp_path / "new"))
    left = {path.name for path in tmp_path.iterdir()}
    assert not [each for each in left if "new" in each], "nothing is left behind"
    assert restore(out, Home(tmp_path / "new")).goes_on is False, "the control: unchanged"


def test_no_archive_at_all(tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "junk").write_bytes(os.urandom(20_000))
    with pytest.raises(BackupDamaged):
        restore(tmp_path / "junk", Home(tmp_path / "new"))
    with pytest.raises(BackupDamaged):
        restore(tmp_path / "absent", Home(tmp_path / "new"))
    bench.platform.publish()
    out = tmp_path / "b.tar"
    backup(bench.home, out, clock=bench.clock)
    with out.open("r+b") as file:
        file.truncate(out.stat().st_size // 2)
    with pytest.raises(BackupDamaged):
        restore(out, Home(tmp_path / "new"))


def test_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["restore", str(tmp_path / "b"), "--home", str(tmp_path / "new")]
    assert run([*given, "--successor"]) == 2
    assert run([*given, "--origin", "x"]) == 2
    assert run([*given, "--pin", str(tmp_path / "absent")]) == 3
    assert "[file.unreadable]" in capsys.readouterr().err


def test_an_interrupted_backup_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        blob = bench.home.blobs / "ab" / ("not a name" * 2)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(b"x")
        with pytest.raises(BackupDamaged):
            backup(bench.home, Path(folder) / "b.tar", clock=bench.clock)
        assert list(Path(folder).iterdir()) == []

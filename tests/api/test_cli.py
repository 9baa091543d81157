"""The command line: light, exact exit statuses, codes on stderr in both languages."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from doubles.bench import BUYER, SOON, Bench

from api.accounts import Accounts
from api.adapters.scrub import MISSING, blobs
from api.cli import COMMANDS, run
from ledger.vault import BlobFolder

HEAVY = {"fastapi", "starlette", "sqlalchemy", "typst", "granian", "pydantic", "jinja2", "nacl"}


def full() -> Exception:
    """Return what SQLite raises on a full disk."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def modules_after(*arguments: str) -> set[str]:
    code = (
        "import sys, api.cli; api.cli.run(sys.argv[1:]); "
        "print(' '.join(sorted({n.split('.')[0] for n in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_help_and_the_verifier_import_nothing_heavy(tmp_path: Path) -> None:
    assert not modules_after("--help") & (HEAVY | {"typer"})
    policy = tmp_path / "policy.txt"
    policy.write_text("quorum none\n")
    receipt = tmp_path / "receipt"
    receipt.write_text("x")
    assert not modules_after("verify", "receipt", str(receipt), "--policy", str(policy)) & HEAVY


def test_every_command_is_a_file_and_every_file_a_command() -> None:
    folder = Path(__file__).resolve().parents[2] / "api" / "cli"
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert files == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert capsys.readouterr().out.strip()


def test_usage_is_two(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLI_LANG", "en")
    assert run([]) == 2
    assert run(["nothing"]) == 2
    assert "unknown verb" in capsys.readouterr().err
    assert run(["serve", "--port", "zero"]) == 2
    assert run(["ledger", "fsck", "--home", "a", "--dir", "b"]) == 2
    assert run(["replay", "consultation/x", "--at", "yesterday"]) == 2


def test_an_absent_home_is_three_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["serve"], ["ledger", "checkpoint"], ["ledger", "fsck"], ["rebuild"]):
        assert run([*words, "--home", str(tmp_path / "none")]) == 3
        told = capsys.readouterr().err
        assert "[home.absent]" in told
        assert "pli story" in told


def test_refusals_speak_french_and_english(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = ["--home", str(tmp_path / "home")]
    assert run(["ledger", "init", *home, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["origin"].startswith("pli.localhost/")
    assert run(["ledger", "init", *home]) == 1
    for lang, title in (("fr", "SIRET incorrect"), ("en", "Wrong SIRET")):
        monkeypatch.setenv("PLI_LANG", lang)
        assert run(["token", "create", *home, "--role", "BU", "--org", "1"]) == 1
        told = capsys.readouterr().err
        assert title in told
        assert "[siret.invalid]" in told


def test_a_token_is_shown_once_and_can_be_revoked(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(bench.home.folder)]
    words = ["token", "create", *home, "--role", "BU", "--org", "20009320100016"]
    assert run([*words, "--days", "3", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert bench.get("/api/v1/me", made["token"]).json()["role"] == "BU"
    assert run(["token", "revoke", made["id"], *home]) == 0
    assert bench.get("/api/v1/me", made["token"]).status_code == 401


def test_a_second_server_on_the_same_home_is_three(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--home", str(bench.home.folder), "--port", "8499"]) == 3
    assert "[ledger.locked]" in capsys.readouterr().err


def test_reading_commands_run_beside_the_server(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(bench.home.folder)]
    assert run(["ledger", "checkpoint", *home, "--json"]) == 3
    assert run(["ledger", "export", str(tmp_path / "none"), *home]) == 3
    at = bench.publish()
    bench.deposit(bench.seal(at))
    bench.platform.publish()
    bench.platform.views.catch_up()
    capsys.readouterr()
    assert run(["ledger", "checkpoint", *home, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"origin", "size", "root", "vkey", "note"}
    assert run(["ledger", "fsck", *home, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["views"] == "equal"
    out = tmp_path / "export"
    assert run(["ledger", "export", str(out), *home]) == 0
    policy = ["--policy", str(out / "policy.txt")]
    assert run(["ledger", "fsck", "--dir", str(out), *policy]) == 0
    assert run(["verify", "log", str(out), *policy]) == 0
    assert run(["ledger", "export", str(out), *home]) == 1
    assert run(["rebuild", *home, "--json"]) == 0
    assert run(["rebuild", *home, "--status", "--json"]) == 0
    assert run(["rebuild", *home, "--status"]) == 0


def test_fsck_names_a_damaged_blob_and_a_missing_one(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    at = bench.publish()
    bench.deposit(bench.seal(at))
    home = ["--home", str(bench.home.folder)]
    head, part = sorted(
        path for path in bench.home.blobs.rglob("*") if path.is_file() and path.stat().st_size > 500
    )
    damaged = head.read_bytes()
    head.write_bytes(damaged[:-1] + b"?")
    assert run(["ledger", "fsck", *home, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["counts"] == {"blob": 1}
    head.write_bytes(damaged)
    part.unlink()
    assert run(["ledger", "fsck", *home, "--json"]) == 1
    assert "missing" in json.loads(capsys.readouterr().out)["finding"]


def test_fsck_of_a_home_that_never_served_is_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path / "home"), "--json"]
    assert run(["ledger", "init", *home]) == 0
    capsys.readouterr()
    assert run(["ledger", "fsck", *home]) == 0
    assert json.loads(capsys.readouterr().out)["views"] == "not built yet"
    assert run(["rebuild", *home]) == 0


def test_a_blob_that_comes_during_fsck_is_not_missing(bench: Bench) -> None:
    at = bench.publish()
    bench.deposit(bench.seal(at))
    known = sum(path.is_file() for path in bench.home.blobs.rglob("*"))
    found = blobs(BlobFolder(bench.home.blobs), bench.home.uploads)
    for _ in range(known):
        next(found)
    bench.deposit(bench.seal(at, token=bench.tokens.rival), bench.tokens.rival)
    assert MISSING not in dict(found).values()
    assert len(list(blobs(BlobFolder(bench.home.blobs), bench.home.uploads))) > known


def test_replay_shows_what_was(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    at = bench.publish()
    before = bench.platform.ledger.head() - 1
    bench.clock.forward(timedelta(hours=1))
    deposit = bench.deposit(bench.seal(at))["deposit"]
    bench.clock.forward(timedelta(hours=1))
    bench.done(f"/api/v1/deposits/{deposit}/withdrawal", bench.tokens.company, {})
    home = ["--home", str(bench.home.folder), "--json"]
    assert run(["replay", f"deposit/{deposit}", *home]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["aggregate"]["state"] == "WITHDRAWN"
    assert run(["replay", f"deposit/{deposit}", "--at", "2026-11-02T10:30:00Z", *home]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["aggregate"]["state"] == "SEALED"
    assert run(["replay", f"deposit/{deposit}", "--position", str(before), *home]) == 1
    assert "[replay.nothing-there]" in capsys.readouterr().err
    assert run(["replay", "consultation/lille-1", "--position", str(before), *home]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["aggregate"]["state"] == "PUBLISHED"
    assert shown["views"]
    _ = SOON


def test_doctor_says_whether_this_machine_will_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", "--home", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cryptography"] == "ok"


@pytest.mark.parametrize(
    "wrong", [["--origin", "bad origin!"], ["--origin", "x+y"], ["--organisation", "a b"]]
)
def test_a_refused_init_writes_nothing(
    tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    assert run(["ledger", "init", "--home", str(home), *wrong]) == 1
    told = capsys.readouterr().err
    assert "[origin]" in told or "[command.form]" in told
    assert not home.exists()
    assert run(["ledger", "init", "--home", str(home)]) == 0


def test_files_that_cannot_be_used_are_three_with_a_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, binary = tmp_path / "file", tmp_path / "binary"
    file.write_text("x")
    binary.write_bytes(b"\xd0\x00\xff")
    absent = str(tmp_path / "absent")
    for words in (
        ["ledger", "init", "--home", str(file)],
        ["ledger", "fsck", "--dir", str(tmp_path), "--policy", absent],
        ["ledger", "fsck", "--home", str(tmp_path), "--pin", absent],
        ["vectors", absent],
        ["vectors", str(tmp_path)],
        ["vectors", str(file)],
        ["vectors", str(binary)],
    ):
        assert run(words) == 3, words
        assert "[file.unreadable]" in capsys.readouterr().err
    words = ["ledger", "fsck", "--dir", str(tmp_path), "--policy", str(binary)]
    assert run(words) == 1
    assert "[policy]" in capsys.readouterr().err


def test_a_home_whose_database_is_none_is_three(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts = bench.home.folder / "accounts.db"
    bench.close()
    accounts.write_bytes(b"no database" * 1000)
    words = ["token", "create", "--home", str(bench.home.folder), "--org", BUYER]
    assert run([*words, "--role", "BU"]) == 3
    assert "[file.unreadable]" in capsys.readouterr().err
    assert run([*words, "--role", "XX"]) == 2
    assert "--role" in capsys.readouterr().err
    accounts.unlink()
    bench.reopen()


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "planted"), full()],
)
def test_a_full_disk_has_its_code_everywhere(
    tmp_path: Path,
    error: Exception,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = ["--home", str(tmp_path / "home")]
    assert run(["ledger", "init", *home]) == 0

    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(Accounts, "create", failing)
    assert run(["token", "create", *home, "--org", BUYER, "--role", "BU"]) == 3
    assert "[ledger.storage-full]" in capsys.readouterr().err


def test_an_error_of_ours_is_not_called_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what is no error of the disk still shows where it came from."""
    home = ["--home", str(tmp_path / "home")]
    assert run(["ledger", "init", *home]) == 0
    monkeypatch.setattr(Accounts, "create", None)
    with pytest.raises(TypeError):
        run(["token", "create", *home, "--org", BUYER, "--role", "BU"])


def test_a_terminal_without_accents_is_written_to() -> None:
    program = [sys.executable, "-c", "from api.cli import main; main()", "--help"]
    ascii_only = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PLI_LANG": "fr"}
    done = subprocess.run(
        program, capture_output=True, text=True, check=False, env=os.environ | ascii_only
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Crée" not in done.stdout
    assert "Cr?e" in done.stdout


def test_one_malformed_vector_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"id": "good", "op": "padme", "in": {"length": 1000}}
    vectors = [
        3,
        {},
        {"id": "a", "op": "padme"},
        {"id": "b", "op": "padme", "in": {}},
        {"id": "c", "op": ["padme"], "in": {}},
        {"id": "d", "op": "point", "in": {"bytes": 4}},
        {"id": "e", "op": "fly", "in": {}},
        good,
    ]
    file, absent = tmp_path / "vectors.json", tmp_path / "absent.json"
    file.write_text(json.dumps({"vectors": vectors}))
    assert run(["vectors", str(absent), str(file)]) == 3
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in told] == [None, None, "a", "b", "c", "d", "e", "good"]
    assert {row["got"] for row in told[:6]} == {"refuse:form"}
    assert told[6]["got"] == "refuse:unknown-operation"
    assert told[7]["got"] == "ok"
    assert run(["vectors", str(file)]) == 0

"""The embedded custodians as processes: started, restarted, ended with the platform's process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from doubles.bench import Bench
from doubles.clock import FixedClock

from api.adapters.custodian_health import look_at
from api.adapters.custodian_home import CustodianAbsent, identity_of, is_served
from api.adapters.custodian_processes import (
    SERVING,
    Beside,
    CustodianDidNotStart,
    CustodianProcess,
    custodians_beside,
)
from api.adapters.custodian_roster import read_roster
from api.adapters.custodians import create_local, credential_files, local_names
from api.adapters.rng import SystemRng
from api.cli import run
from api.home import Home
from api.settings import Settings
from crypto import notes
from crypto.notes import VerifierKey
from ledger.errors import LedgerLocked

LOG = VerifierKey.of_seed("pli.example/processes", notes.LOG, bytes(32))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The custodians of a home, and nothing else of it."""
    place = Home(tmp_path / "home").create()
    create_local(
        place.custodians,
        organisation="platform",
        log=LOG,
        credential=credential_files(place.keys),
        random=SystemRng(),
    )
    return place


def first(home: Home) -> CustodianProcess:
    folder = home.custodians / "custodian-1"
    return CustodianProcess(folder, home.keys / "custodian-1.credential")


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what another process brings about, with a deadline."""
    never = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        never.wait(0.02)
    raise AssertionError("it never came about")


def unlocked(folder: Path) -> bool:
    return not is_served(folder)


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/v1/identity", timeout=5).is_success
    except httpx2.HTTPError:
        return False


def doctor(home: Home, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    run(["doctor", "--home", str(home.folder), "--json"])
    return str(json.loads(capsys.readouterr().out)["custodians"])


def test_the_platform_asks_its_custodians_over_http_and_ends_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLI_OIDC_CLIENT_ID", "only-for-the-platform")
    folders = [bench.home.custodians / name for name in local_names(bench.home.custodians)]
    bench.close()
    with custodians_beside(bench.home, bench.settings) as roster:
        assert [one.custodian for one in roster] == local_names(bench.home.custodians)
        assert {one.organisation for one in roster} == {"platform"}
        told = json.loads((bench.home.custodians / SERVING).read_text())
        assert told == [one.url for one in roster]
        assert not any(unlocked(folder) for folder in folders)
        bench.reopen(roster)
        at = bench.publish()
        note = bench.platform.publish(closing=True)
        assert note.count(b"/custodian-") == 3, "all of them cosign"
        custody = bench.platform.index.in_custody()
        assert (custody, at.rsplit("/", 1)[1]) == (["lille-1"], "lille-1")
        running = list(children(os.getpid()))
        assert len(running) >= len(roster)
        for child in running:
            assert b"only-for-the-platform" not in environment(child)
        said = doctor(bench.home, capsys)
        assert all(f"{one.custodian} " in said for one in roster), said
        assert said.count("±") == len(roster)
        ahead = FixedClock(bench.clock.at + timedelta(days=400))
        assert "its clock is -" in str(look_at(roster[0], ahead.now, SystemRng()))
        gone = replace(roster[0], url="http://127.0.0.1:1")
        assert "network.no-answer" in look_at(gone, ahead.now, SystemRng()).fault
        another = replace(roster[0], sign=roster[1].sign)
        assert "custodian.not-believed" in look_at(another, ahead.now, SystemRng()).fault
        bench.close()
    (bench.home.custodians / SERVING).write_text(json.dumps(told))  # as a kill leaves it
    assert doctor(bench.home, capsys) == "of this home, not running"
    (bench.home.custodians / SERVING).unlink()
    assert all(unlocked(folder) for folder in folders)
    assert not (bench.home.custodians / SERVING).exists()
    bench.reopen()


def children(parent: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            yield int(path.parent.name)


def environment(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return b""


def test_a_custodian_that_dies_is_started_again(home: Home) -> None:
    process = first(home)
    process.wait()
    url = process.member.url
    before = httpx2.get(f"{url}/v1/identity").content
    port = url.rsplit(":", 1)[1].encode()
    dead = next(one for one in children(os.getpid()) if port in command(one))
    os.kill(dead, signal.SIGKILL)

    def looked_after() -> bool:
        process.look()
        return answers(url)

    until(looked_after)
    assert httpx2.get(f"{url}/v1/identity").content == before
    assert dead not in set(children(os.getpid()))
    process.stop()
    assert not answers(url)


class Looked:
    """In the place of a custodian's process: says that somebody looks."""

    member = None

    def __init__(self) -> None:
        self.twice = threading.Semaphore(0)

    def look(self) -> None:
        self.twice.release()


def test_a_thread_looks_after_them_until_its_block_ends() -> None:
    one: Any = Looked()
    with Beside([one]).watched():
        assert one.twice.acquire(timeout=30)
        assert one.twice.acquire(timeout=30)
        assert "custodians" in {each.name for each in threading.enumerate()}
    assert "custodians" not in {each.name for each in threading.enumerate()}


def command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def test_custodians_end_when_the_process_that_feeds_them_is_killed(home: Home) -> None:
    folder = home.custodians / "custodian-1"
    program = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from api.adapters.custodian_processes import CustodianProcess\n"
        "folder, credential = map(Path, sys.argv[1:])\n"
        "CustodianProcess(folder, credential).wait()\n"
        "print('up', flush=True)\n"
        "threading.Event().wait()\n"
    )
    credential = home.keys / "custodian-1.credential"
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(folder), str(credential)], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    assert not unlocked(folder)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: unlocked(folder))


def test_one_that_cannot_start_says_so(home: Home, tmp_path: Path) -> None:
    with pytest.raises(CustodianDidNotStart):
        CustodianProcess(home.custodians / "custodian-1", tmp_path / "another").wait()
    with pytest.raises(CustodianAbsent):
        identity_of(tmp_path)


def test_a_second_platform_starts_no_custodian_and_settings_may_want_none(bench: Bench) -> None:
    with pytest.raises(LedgerLocked), custodians_beside(bench.home, bench.settings):
        raise AssertionError("never reached")
    for settings in (
        Settings(custodians_apart=False),
        Settings(custodians=bench.home.folder / "roster.toml"),
    ):
        with custodians_beside(bench.home, settings) as roster:
            assert roster == ()


def test_the_commands_make_show_and_prove_a_custodian(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vkey = str(LOG)

    def told(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["custodian", *map(str, arguments)])
        return status, *capsys.readouterr()

    tables = ""
    for n in (1, 2):
        folder = tmp_path / f"gardien-{n}"
        made = ("init", folder, "--organisation", f"org-{n}", "--log-key", vkey)
        assert told(*made)[0] == 0
        assert told(*made)[0] == 0, "done again: the same custodian"
        assert (tmp_path / f"gardien-{n}.credential").stat().st_mode & 0o777 == 0o600
        tables += told("show", folder, "--url", f"https://g{n}.example.org")[1]
    roster = tmp_path / "custodians.toml"
    roster.write_text(tables)
    assert [one.organisation for one in read_roster(roster)] == ["org-1", "org-2"]
    other = told("init", folder, "--organisation", "org-9", "--log-key", vkey)
    assert (other[0], "[custodian.exists]" in other[2]) == (1, True)
    wrong = told("init", tmp_path / "x", "--organisation", "org-9", "--log-key", "nonsense")
    assert (wrong[0], (tmp_path / "x").exists()) == (2, False)
    absent = told("serve", tmp_path / "nothing")
    assert (absent[0], "[custodian.absent]" in absent[2]) == (3, True)
    assert told("log", folder)[:2] == (0, "")
    lines = tmp_path / "keys.txt"
    lines.write_text(f"log {vkey}\n")
    assert told("trust", folder, lines)[1].strip() == vkey
    lines.write_text("log other.example+00000000+AAAA\n")
    assert told("trust", folder, lines)[0] == 1
    phrase = tmp_path / "phrase"
    phrase.write_text("quatre mots choisis au hasard\n")
    phrase.chmod(0o600)
    closed = tmp_path / "gardien-3"
    made = ("init", closed, "--organisation", "o", "--log-key", vkey, "--passphrase", phrase)
    assert told(*made)[0] == 0
    assert (closed / "argon2id.json").is_file()

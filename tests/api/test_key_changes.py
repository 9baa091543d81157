"""The key of a platform's log changes by the command line: policies, custodians, backups follow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import Bench
from doubles.clock import FixedClock

from api.adapters.clock import host_time
from api.adapters.keys import KeyFileAbsent, create_signing_key, signing_key
from api.backups import backup
from api.cli import run
from api.home import Home
from api.inspection import inspect_home
from api.key_changes import NoNextKey, OverlapRuns, keys_of, retire, rotate
from api.settings import Settings
from api.wiring import change_log_key, open_platform
from crypto.log_errors import PolicyRefused
from crypto.notes import LOG, parse_note
from crypto.policies import Policy
from replay import verifier

pytestmark = pytest.mark.counted

DAY = timedelta(days=1)


def now(days: int = 0) -> FixedClock:
    """Return the host's clock so many days from now: the commands read that one."""
    return FixedClock(host_time() + days * DAY, timedelta(milliseconds=10))


def stopped(bench: Bench, act: Callable[[], Any]) -> Any:
    """Do something to a home that nobody serves, then serve it again."""
    bench.close()
    try:
        return act()
    finally:
        bench.reopen()


def signers(note: bytes) -> int:
    """Return how many lines of the log stand below a checkpoint."""
    origin = note.decode().split("\n", 1)[0]
    return sum(line.name == origin for line in parse_note(note).signatures)


def judged(bench: Bench, receipt: bytes, folder: Path) -> int:
    """Return the exit status of the independent verifier, under the policy that is served now."""
    (folder / "r.tlog-proof").write_bytes(receipt)
    (folder / "p.txt").write_text(bench.platform.policies["policy.txt"])
    given = ["receipt", str(folder / "r.tlog-proof"), "--policy", str(folder / "p.txt")]
    return verifier.main(given)


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    """Return a platform on the host's own time, which the commands write with too."""
    made = Bench(tmp_path, clock=now())
    yield made
    made.close()


def test_a_key_is_replaced_and_every_proof_holds(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = bench.platform.ledger
    bench.platform.publish()
    old = bench.platform.ledger.receipt(0, published=True)
    home = str(bench.home.folder)
    assert run(["keys", "rotate", "--home", home]) == 3, "a server runs"
    assert "ledger.locked" in capsys.readouterr().err
    assert stopped(bench, lambda: run(["keys", "rotate", "--home", home, "--json"])) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [sorted(row) for row in shown["keys"]] == [["from", "vkey"], ["from", "vkey"]]
    # both sign; the custodians cosign and the policy lists both
    note = bench.platform.publish()
    assert signers(note) == 2
    served = Policy.parse(bench.platform.policies["policy.txt"])
    assert len(served.logs) == 2
    assert sorted(served.verify(note).cosignatures) == ["custodian-1", "custodian-2", "custodian-3"]
    both = bench.platform.ledger.receipt(ledger.genesis.pad, published=True)
    assert run(["keys", "list", "--home", home]) == 0
    assert capsys.readouterr().out.count("log pli.example/tests") == 2
    # 30 days, then it ends
    with pytest.raises(OverlapRuns):
        retire(bench.home, now(29))
    assert run(["keys", "retire", "--home", home]) == 1
    assert "key.overlap" in capsys.readouterr().err
    first = bench.home.log_key.read_bytes()
    stopped(bench, lambda: retire(bench.home, now(31)))
    assert not bench.home.next_log_key.exists()
    assert bench.home.log_key.read_bytes() != first
    note = bench.platform.publish()
    assert signers(note) == 1
    assert judged(bench, old, tmp_path) == judged(bench, both, tmp_path) == 0
    (tmp_path / "built").mkdir()
    assert inspect_home(bench.home, [], lambda _: None, tmp_path / "built")["verdict"] == "sound"
    out = tmp_path / "export"
    assert run(["ledger", "export", str(out), "--home", home]) == 0
    assert verifier.main(["log", str(out), "--policy", str(out / "policy.txt")]) == 0
    # a backup is signed by the key in force, and the home goes on elsewhere
    archive, new = tmp_path / "b.tar", tmp_path / "new"
    backup(bench.home, archive, clock=bench.clock, keys=True)
    mark = shutil.copy(bench.home.highwater / "mark", tmp_path / "mark")
    bench.close()
    assert run(["restore", str(archive), "--home", str(new), "--mark", str(mark)]) == 0
    platform = open_platform(Home(new), Settings(home=new), clock=bench.clock)
    assert signers(platform.publish()) == 1
    platform.close()
    bench.reopen()


def test_an_emergency_does_not_wait(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(bench.home.folder)
    bench.close()
    assert run(["keys", "retire", "--home", home]) == 1
    assert "key.no-next" in capsys.readouterr().err
    assert run(["keys", "rotate", "--home", home]) == 0
    assert run(["keys", "retire", "--home", home, "--emergency"]) == 0
    assert "#pli-valid" in capsys.readouterr().out
    bench.reopen()
    assert signers(bench.platform.publish()) == 1
    # and again: the third key
    stopped(bench, lambda: rotate(bench.home))
    assert signers(bench.platform.publish()) == 2
    assert len(keys_of(bench.home).since) == 3


def test_what_was_interrupted_is_finished_by_the_same_command(bench: Bench) -> None:
    bench.close()
    old = signing_key(bench.home.log_key, LOG)
    create_signing_key(bench.home.next_log_key, old.name, LOG, bytes(32))  # and no entry yet
    with pytest.raises(NoNextKey):
        retire(bench.home, now(31))
    assert rotate(bench.home) == rotate(bench.home)
    change_log_key(bench.home, retired=str(old.verifier()))  # and the files are the old ones
    bench.reopen()
    assert signers(bench.platform.publish()) == 1
    bench.close()
    retire(bench.home, now(31))
    assert not bench.home.next_log_key.exists()
    assert signing_key(bench.home.log_key, LOG).seed == bytes(32)
    bench.reopen()
    assert signers(bench.platform.publish()) == 1


def test_an_operators_policy_must_follow(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(bench.home.folder)
    bench.close()
    bench.home.policy.write_text("\n".join([*keys_of(bench.home).lines(), "quorum none", ""]))
    rotate(bench.home)
    assert run(["ledger", "anchor", "--status", "--home", home]) == 3
    assert "platform.policy" in capsys.readouterr().err
    bench.home.policy.write_text("\n".join([*keys_of_log(bench.home), "quorum none", ""]))
    assert run(["ledger", "anchor", "--status", "--home", home]) in {0, 1}
    bench.home.policy.unlink()
    bench.reopen()


def keys_of_log(place: Home) -> list[str]:
    """Return what a policy must say, whatever the one that lies there says."""
    place.policy.rename(place.folder / "aside")
    try:
        return keys_of(place).lines()
    finally:
        (place.folder / "aside").rename(place.policy)


def test_a_custodian_believes_nothing_that_drops_its_first_key(bench: Bench) -> None:
    bench.close()
    told = bench.home.custodians / "custodian-1" / "log-keys.txt"
    told.write_text("quorum none\n")
    with pytest.raises(PolicyRefused):
        open_platform(bench.home, bench.settings, clock=bench.clock)
    told.unlink()
    bench.reopen()


def test_a_home_without_keys_changes_none(bench: Bench, tmp_path: Path) -> None:
    bench.platform.publish()
    archive, new = tmp_path / "b.tar", Home(tmp_path / "new")
    backup(bench.home, archive, clock=bench.clock)
    assert run(["restore", str(archive), "--home", str(new.folder)]) == 0
    with pytest.raises(KeyFileAbsent):
        keys_of(new)

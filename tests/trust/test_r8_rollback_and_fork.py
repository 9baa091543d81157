"""R8: a restored old backup, a refilled one and two histories are each seen, with evidence (H13).

An insider with the log's own key restores the store and the lock store beside it at every backup
point, refills it and signs again. The chain is valid: a verifier that only checks chains finds
nothing, and that is the positive control. Receipts, witnesses and monitors find every one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from doubles.counter import Counter
from doubles.crowd import end_with_successors
from doubles.ledger import START, Bench
from doubles.ports import free_port, wait_listening
from doubles.proofs import Proof
from doubles.rng import SeededRng
from doubles.sizes import sized
from doubles.witness_process import PROGRAM, WitnessProcess, pli

from api.adapters.clock import HostClock
from api.adapters.http import Outgoing
from api.adapters.keys import signing_key
from api.adapters.witnesses import RemoteWitness
from api.cli import run
from api.home import Home
from api.settings import Settings
from api.wiring import create_platform, open_platform
from crypto.notes import LOG, parse_checkpoint, parse_note
from crypto.policies import Policy
from ledger.errors import AnotherHistory, WitnessAhead
from ledger.exported import hashes_of
from ledger.fsck import LogUnsound, fsck
from ledger.proofs import TlogProof
from ledger.readers import open_reader
from ledger.sqlite import connect
from replay.monitor import Evidence, Kind, Watch, compare, judge

POINTS = sized(push=10, full=40, night=100)
PER_POINT = sized(push=4, full=6, night=2)
FORKS = sized(push=1, full=5, night=100)
"""Different histories written after each backup point."""
DIGEST = bytes(32)


def size_of(note: bytes) -> int:
    return parse_checkpoint(parse_note(note).text).size


@dataclass
class Backup:
    """The store as it was, and the lock store beside it."""

    size: int
    folder: Path
    mark: bytes | None


@dataclass
class History:
    """What happened truly: backups on the way, and the receipts that people hold."""

    bench: Bench
    backups: list[Backup]
    receipts: list[bytes]


def save(bench: Bench, names: list[str]) -> list[bytes]:
    """Append one entry a name; return the receipts."""
    ledger = bench.open()
    try:
        receipts = []
        for name in names:
            made = Counter(name=name, timestamp=START, meta={})
            found = ledger.save(f"save-{name}", DIGEST, [made])
            receipts.append(ledger.receipt(found.first))
        return receipts
    finally:
        ledger.close()


def new_bench(folder: Path) -> Bench:
    folder.mkdir()
    return Bench(folder, pad=16).create()


def true_history(folder: Path) -> History:
    bench = new_bench(folder / "true")
    made = History(bench, [], [])
    for point in range(POINTS):
        names = [f"true-{point}-{n}" for n in range(PER_POINT)]
        made.receipts += save(bench, names)
        copy = folder / f"backup-{point}"
        shutil.copytree(bench.folder, copy)
        mark = bench.high_water.load()
        assert mark is not None
        made.backups.append(Backup(size_of(mark), copy, mark))
    made.receipts += save(bench, [f"true-last-{n}" for n in range(PER_POINT)])
    return made


def refill(backup: Backup, folder: Path, count: int, seed: int) -> Bench:
    """Restore a backup with its lock store and write another history, longer than the true one."""
    shutil.copytree(backup.folder, folder)
    forged = Bench(folder, pad=16)
    forged.rng = SeededRng(10_000 + seed)
    forged.high_water.note = backup.mark
    ledger = forged.open()
    made = [Counter(name=f"forged-{n}", timestamp=START, meta={}) for n in range(count)]
    ledger.save("forged", DIGEST, made)
    ledger.publish()
    ledger.close()
    return forged


@dataclass
class Found:
    """What the checks found over all histories."""

    caught: int = 0
    touched: int = 0
    quiet: int = 0
    missed_by_chains: int = 0


def judge_history(
    found: Found, true: History, backup: Backup, forged: Bench, policy: Policy
) -> None:
    """Hold every receipt against one forged history."""
    reader = open_reader(forged.folder, connect)
    files = reader.files()
    note = files.read("checkpoint")
    assert note is not None
    # the positive control: chains, leaves, tiles and signature are all sound
    found.missed_by_chains += fsck(files, policy).checkpoint.size == size_of(note)
    tree = hashes_of(files, size_of(note))
    for receipt in true.receipts:
        pin = TlogProof.parse(receipt).note
        evidence = compare(policy, pin, note, tree)
        if size_of(pin) <= backup.size:
            assert evidence is None, "a receipt of the common part accuses nobody"
            found.quiet += 1
            continue
        found.touched += 1
        assert evidence is not None
        assert evidence.kind is Kind.FORK
        judge(Evidence.parse(bytes(evidence)), policy)
        if receipt is true.receipts[-1]:
            with pytest.raises(LogUnsound):
                fsck(files, policy, [pin])
        found.caught += 1
    reader.close()


def test_every_backup_point_and_every_receipt(tmp_path: Path, proof: Proof) -> None:
    true = true_history(tmp_path)
    total = len(true.receipts) + 16
    policy = Policy.parse(true.bench.policy)
    found = Found()
    for seed in range(len(true.backups) * FORKS):
        backup = true.backups[seed // FORKS]
        forged = refill(backup, tmp_path / "forged", total, seed)
        judge_history(found, true, backup, forged, policy)
        shutil.rmtree(forged.folder)
    forks = len(true.backups) * FORKS
    assert found.missed_by_chains == forks
    assert (found.caught, found.quiet > 0) == (found.touched, True)
    counted = (
        f"{forks} histories after {len(true.backups)} backup points x {len(true.receipts)} "
        f"receipts: {found.caught} of {found.touched} caught, {found.quiet} of the common part "
        f"quiet; chains alone missed {found.missed_by_chains} of {forks}"
    )
    proof("R8", counted)


# -- witnesses as processes


@pytest.fixture
def witnesses(tmp_path: Path) -> Iterator[list[WitnessProcess]]:
    log = Bench(tmp_path / "none").signer.key
    made = [WitnessProcess(tmp_path / f"w{n}", f"w{n}.example", log) for n in (1, 2)]
    yield made
    for each in made:
        each.kill()


def remote(bench: Bench, *running: WitnessProcess) -> list[RemoteWitness]:
    out = Outgoing([each.url for each in running])
    return [RemoteWitness(each.key, each.url, bench.signer.key, out) for each in running]


def publish(bench: Bench) -> bytes:
    ledger = bench.open()
    try:
        return ledger.publish()
    finally:
        ledger.close()


def cosigners(note: bytes) -> set[str]:
    return {line.name for line in parse_note(note).signatures if line.name.endswith(".example")}


def test_witnesses_refuse_the_other_history_also_after_a_restart(
    tmp_path: Path, witnesses: list[WitnessProcess]
) -> None:
    one, two = (each.start() for each in witnesses)
    true = new_bench(tmp_path / "true")
    save(true, ["common"])
    shutil.copytree(true.folder, tmp_path / "forged")
    forged = Bench(tmp_path / "forged", pad=16)
    forged.rng = SeededRng(77)
    forged.high_water.note = true.high_water.load()
    save(forged, ["forged"])
    save(true, ["true"])
    # each history finds a witness that has seen nothing yet
    true.witnesses, forged.witnesses = remote(true, one), remote(forged, two)  # type: ignore[assignment]
    assert cosigners(publish(true)) == {"w1.example"}
    assert cosigners(publish(forged)) == {"w2.example"}
    for _ in range(2):
        # a start beside the witness of the other history is refused
        for bench, foreign in ((true, two), (forged, one)):
            bench.witnesses = remote(bench, foreign)  # type: ignore[assignment]
            with pytest.raises(AnotherHistory, match=foreign.key.name):
                bench.open()
            # and the insider who starts without asking gets no cosignature, same size or larger
            bench.witnesses = []
            ledger = bench.open()
            ledger._publisher._witnesses = remote(bench, foreign)
            assert cosigners(ledger.publish()) == set()
            ledger.close()
        assert size_of(one.cosigned(true.signer.name) or b"") == 16
        one.restart()
        two.restart()
    assert len(one.evidence()) == len(two.evidence()) == 2


def test_a_restored_lock_store_does_not_deceive_a_witness(
    tmp_path: Path, witnesses: list[WitnessProcess]
) -> None:
    one = witnesses[0].start()
    true = new_bench(tmp_path / "true")
    save(true, ["a"])
    shutil.copytree(true.folder, tmp_path / "old")
    mark = true.high_water.load()
    true.witnesses = remote(true, one)  # type: ignore[assignment]
    publish(true)
    old = Bench(tmp_path / "old", pad=16)
    old.high_water.note = mark
    # the control: store and lock store agree with each other, and nothing is noticed
    old.open().close()
    old.witnesses = remote(old, one)  # type: ignore[assignment]
    one.restart()
    with pytest.raises(WitnessAhead, match=one.key.name):
        old.open()


def test_planted_a_witness_whose_state_is_restored_cosigns_both_and_the_monitor_sees_it(
    tmp_path: Path, witnesses: list[WitnessProcess]
) -> None:
    one = witnesses[0]
    one.save(tmp_path / "before")
    true = new_bench(tmp_path / "true")
    save(true, ["common"])
    shutil.copytree(true.folder, tmp_path / "forged")
    forged = Bench(tmp_path / "forged", pad=16)
    forged.rng = SeededRng(78)
    forged.high_water.note = true.high_water.load()
    notes = []
    for bench in (true, forged):
        one.start()
        bench.witnesses = remote(bench, one)  # type: ignore[assignment]
        save(bench, [f"in-{bench.folder.name}"])
        notes.append(publish(bench))
        one.kill()
        one.restore(tmp_path / "before")
    assert [cosigners(note) for note in notes] == [{"w1.example"}] * 2, (
        "it forgot, and cosigned both"
    )
    reader = open_reader(forged.folder, connect)
    files = reader.files()
    policy = Policy.parse(Bench(tmp_path / "none").policy)
    watch = Watch(policy, files.read, {}, {"pin": notes[0]}, 7_200, lambda: None)
    found = watch.poll(None, int(START.timestamp()))
    assert [each.kind for each in found.alarms] == [Kind.FORK]
    judge(found.alarms[0], policy)
    reader.close()


# -- a monitor and two servers, as processes


class Served:
    """``pli serve`` of one home on a port that another copy takes over later."""

    def __init__(self, home: Path, port: int) -> None:
        command = ["serve", "--home", str(home), "--port", str(port)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PLI_CUSTODIANS_APART": "false", "PLI_KEYSET_POOL": "0"},
        )
        wait_listening(self.process, port)

    def stop(self) -> None:
        end_with_successors(self.process)


@contextlib.contextmanager
def served(home: Path, port: int) -> Iterator[None]:
    running = Served(home, port)
    try:
        yield
    finally:
        running.stop()


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    """Run one command here; return its exit status and the object it printed."""
    capsys.readouterr()
    status = run([*map(str, arguments), "--json"])
    shown = capsys.readouterr().out
    return status, json.loads(shown) if shown else None


def publish_home(home: Path, times: int, policy: Path | None = None) -> bytes:
    settings = Settings(home=home, reserve_bytes=0, policy_file=policy)
    platform = open_platform(Home(home), settings, clock=HostClock(250))
    try:
        for _ in range(times):
            platform.publish()
        return platform.ledger.published() or b""
    finally:
        platform.close()


def test_a_monitor_raises_its_alarm_within_one_poll_with_evidence_for_everybody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    home, port = tmp_path / "home", free_port()
    create_platform(Home(home), origin="pli.example/r8", pad=16)
    publish_home(home, 1)
    shutil.copytree(home, tmp_path / "old")
    log = signing_key(home / "keys" / "log.key", LOG).verifier()
    one = WitnessProcess(tmp_path / "w1", "w1.example", log).start()
    request.addfinalizer(one.kill)
    policy = tmp_path / "policy.txt"
    policy.write_text(f"log {log}\nwitness w1 {one.key} {one.url}\nquorum w1\n")
    publish_home(home, 2, policy)
    for name, times in (("same", 2), ("longer", 5)):
        shutil.copytree(tmp_path / "old", tmp_path / name)
        publish_home(tmp_path / name, times)
    pin = tmp_path / "pin"
    pin.write_bytes(publish_home(home, 0))
    url = f"http://127.0.0.1:{port}"
    options = ["--url", url, "--policy", policy, "--state", tmp_path / "state", "--once"]

    with served(home, port):
        done = pli("monitor", *options)  # once as its own process
        assert (done.returncode, done.stdout[:5]) == (0, "quiet")
        status, found = told(capsys, "monitor", *options)
        assert (status, found["verdict"], found["problems"]) == (0, "quiet", {})
        assert found["quorum"] is True
    for name, kind in (("same", "fork"), ("longer", "fork"), ("old", "rollback")):
        with served(tmp_path / name, port):
            status, found = told(capsys, "monitor", *options)
            if name == "longer":
                # a new monitor knows only what the witness and a pin tell it
                fresh = ["--url", url, "--policy", policy, "--state", tmp_path / "new", "--once"]
                at, new = told(capsys, "monitor", *fresh, "--pin", pin)
        assert (status, found["verdict"]) == (1, "alarm")
        alarm, second = found["alarms"]
        assert (alarm["kind"], alarm["source"]) == (kind, "own memory")
        assert (second["kind"], second["source"]) == (kind, "witness w1")
        status, judged = told(capsys, "monitor", "judge", alarm["evidence"], "--policy", policy)
        assert (status, judged["kind"]) == (0, kind)
    sources = [each["source"].split()[0] for each in new["alarms"]]
    assert (at, sources) == (1, ["witness", "pin"])
    # nobody there is no alarm before the limit, and the true log is still what is remembered
    status, found = told(capsys, "monitor", *options)
    assert (status, list(found["problems"])) == (0, ["log"])
    evidence = Path(alarm["evidence"])
    evidence.write_bytes(evidence.read_bytes().replace(b'"rollback"', b'"fork"'))
    assert told(capsys, "monitor", "judge", evidence, "--policy", policy)[0] == 1
    assert told(capsys, "monitor", "judge", tmp_path / "none", "--policy", policy)[0] == 3
    assert told(capsys, "monitor", "judge", evidence)[0] == 2
    assert told(capsys, "monitor", "--url", url)[0] == 2
    policy.write_bytes(b"\xff")
    assert told(capsys, "monitor", *options)[0] == 3

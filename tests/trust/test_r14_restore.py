"""R14: a backup under load restores to a witnessed root and loses nothing acknowledged before.

1. Four threads save into the real ledger of a home. When a count is reached a checkpoint is
   published and cosigned, then a backup is made while the threads go on.
2. Every command acknowledged before the backup began is in the restored log; its root at the
   witnessed size is the one that the witnesses cosigned; the independent verifier believes it.
3. The log has gone on: whoever holds its mark, a witness's checkpoint or a pin stops the restore.

Controls: a restore that is shown an old mark goes on, and forks (the witnesses then refuse it); a
command that was lost is seen.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from doubles.clock import FixedClock
from doubles.ledger import START
from doubles.proofs import Proof
from doubles.sizes import sized

from api.backups import backup, restore
from api.cli import run
from api.home import Home
from api.settings import Settings
from api.wiring import create_platform, open_platform, open_reader
from crypto.notes import parse_checkpoint, parse_note
from crypto.policies import Policy
from ledger.entry import Draft, checked_state, instant_text
from ledger.errors import BackupOlder, WitnessAhead
from ledger.queue import Save
from ledger.transfer import Evidence

EVENTS = sized(push=20_000, full=100_000, night=5_000_000)
THREADS = 4
A_SAVE = 10
"""Events in one save: as many as a deposit with its transmission."""


@dataclass
class Load:
    """Threads that save until they are told to stop; what was acknowledged, under one condition."""

    sequencer: object
    stopping: threading.Event = field(default_factory=threading.Event)
    moved: threading.Condition = field(default_factory=threading.Condition)
    acknowledged: list[str] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)

    def run(self, thread: int) -> None:
        try:
            number = 0
            while not self.stopping.is_set():
                command = f"load-{thread}/{number}"
                self.sequencer.submit(save_of(thread, number, command))  # type: ignore[attr-defined]
                number += 1
                with self.moved:
                    self.acknowledged.append(command)
                    self.moved.notify_all()
        except BaseException as error:
            with self.moved:
                self.broken.append(error)
                self.moved.notify_all()
            raise

    def wait_for(self, saves: int) -> list[str]:
        with self.moved:
            assert self.moved.wait_for(
                lambda: len(self.acknowledged) >= saves or self.broken, 3_600
            )
            assert not self.broken
            return list(self.acknowledged)


def save_of(thread: int, number: int, command: str) -> Save:
    stream = f"counter/{thread}"
    state = checked_state(instant_text(START), {"n": number, "text": "x" * 500}, 1)
    first = number * A_SAVE + 1
    drafts = [Draft(stream, version, "Counted", state) for version in range(first, first + A_SAVE)]
    return Save(command, hashlib.sha256(command.encode()).digest(), drafts)


@dataclass
class Moment:
    """What was known when the backup was made, and at the end."""

    home: Home
    archive: Path
    before: list[str]
    witnessed: bytes
    mark_then: bytes
    mark_now: bytes
    pin_now: bytes
    witness_now: bytes
    entries: int
    meanwhile: int


@pytest.fixture(scope="module")
def moment(tmp_path_factory: pytest.TempPathFactory) -> Moment:
    folder = tmp_path_factory.mktemp("r14")
    home = Home(folder / "home")
    clock = FixedClock(START)
    create_platform(home, origin="pli.example/r14", pad=256, clock=clock)
    platform = open_platform(home, Settings(home=home.folder, reserve_bytes=0), clock=clock)
    ledger = platform.ledger
    load = Load(ledger._store.sequencer)
    threads = [threading.Thread(target=load.run, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        load.wait_for(EVENTS // A_SAVE)
        witnessed = platform.publish(closing=True)
        for attempt in range(10):
            archive = folder / f"{attempt}.tar"
            before = load.wait_for(0)
            made = backup(home, archive, clock=clock)
            after = load.wait_for(0)
            if len(after) > len(before):  # saves were acknowledged while it was made
                break
        load.wait_for(len(after) + 20)
    finally:
        load.stopping.set()
        for thread in threads:
            thread.join()
    pin = platform.publish(closing=True)
    witness = ledger._publisher._witnesses[0].checkpoint() or b""
    platform.close()
    assert made.mark is not None
    return Moment(
        home=home,
        archive=archive,
        before=before,
        witnessed=witnessed,
        mark_then=made.mark,
        mark_now=(home.highwater / "mark").read_bytes(),
        pin_now=pin,
        witness_now=witness,
        entries=made.head.size,
        meanwhile=len(after) - len(before),
    )


def lost(place: Home, acknowledged: list[str]) -> set[str]:
    """Return the acknowledged commands that a log does not hold."""
    with open_reader(place) as log, log.reader.snapshot() as reads:
        found = reads.connection.execute("SELECT key FROM commands").fetchall()
    return set(acknowledged) - {key for (key,) in found}


def test_a_backup_under_load_restores_to_a_witnessed_root(
    moment: Moment, tmp_path: Path, proof: Proof
) -> None:
    assert moment.meanwhile > 0, "the control of the load: it went on during the backup"
    policy = _policy(moment.home)
    begun = time.monotonic()
    new = Home(tmp_path / "new")
    pin = Evidence("the pin", moment.witnessed)
    found = restore(moment.archive, new, policy=policy, evidence=[pin])
    took = time.monotonic() - begun
    proof("R14", f"restored {found.head.size} entries in {took:.1f} s")
    assert found.head.size >= EVENTS
    assert lost(new, moment.before) == set()
    checkpoint = Policy.parse(policy).verify(moment.witnessed).checkpoint
    assert found.witnessed.checkpoint == checkpoint
    assert len(found.witnessed.cosignatures) == 3
    export, trusted = tmp_path / "export", tmp_path / "policy.txt"
    trusted.write_text(policy)
    assert run(["ledger", "export", str(export), "--home", str(new.folder)]) == 0
    assert run(["verify", "log", str(export), "--policy", str(trusted)]) == 0


def test_a_lost_command_would_be_seen(moment: Moment) -> None:
    """The control of the count."""
    assert lost(moment.home, [*moment.before, "never/recorded"]) == {"never/recorded"}


@pytest.mark.parametrize("source", ["mark_now", "pin_now", "witness_now"])
def test_whoever_knows_more_stops_the_restore(moment: Moment, tmp_path: Path, source: str) -> None:
    kept = getattr(moment, source)
    known = parse_checkpoint(parse_note(kept).text).size
    assert known > moment.entries
    new = Home(tmp_path / "new")
    mark = kept if source == "mark_now" else None
    evidence = [] if mark else [Evidence(source, kept)]
    with pytest.raises(BackupOlder) as refused:
        restore(moment.archive, new, mark=mark, evidence=evidence)
    assert (refused.value.size, refused.value.known) == (moment.entries, known)
    assert not new.folder.exists()


def test_a_restore_that_looks_at_no_mark_would_fork_the_log(moment: Moment, tmp_path: Path) -> None:
    """The control: with the mark of the moment of the backup nothing refuses, and a fork begins.

    The witnesses, whose state is not in the backup, then refuse to go along; so does whoever kept
    a later checkpoint.
    """
    new = Home(tmp_path / "new")
    assert restore(moment.archive, new, mark=moment.mark_then).goes_on
    shutil.copytree(moment.home.keys, new.keys, dirs_exist_ok=True)
    shutil.copytree(moment.home.custodians, new.custodians)
    with pytest.raises(WitnessAhead):
        open_platform(new, Settings(home=new.folder, reserve_bytes=0))


def _policy(home: Home) -> str:
    with open_reader(home) as log:
        return log.policies["policy.txt"]

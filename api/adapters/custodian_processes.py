"""Custodians of an embedded platform as processes of their own: started, watched, ended with it.

Each has its folder, its key, its clock reading and its port on the loopback address; it ends by
itself when this process does, however that dies, because its standard input ends then. One that
dies alone is started again. Level A0 all the same: one organisation, one machine.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from api.adapters.clock import boot_us
from api.adapters.custodian_home import identity_of
from api.adapters.custodian_roster import Member, Roster
from api.adapters.custodians import local_names
from api.adapters.keys import write_durably
from api.home import Home
from api.journal import say
from api.settings import Settings
from ledger.opened_store import check_unlocked

PROGRAM = "from api.cli import main; main()"
HOST = "127.0.0.1"
START_S = 30.0
STEP_S = 0.02
AGAIN_US = 1_000_000
"""One that dies at each start costs no more than that."""
LOOK_S = 0.5
SERVING = "serving.json"
OWN_SETTINGS = frozenset({"PLI_CLOCK_BOUND_MS", "PLI_LANG"})
"""What a custodian is told of this process's environment; secrets of the platform are not."""


class CustodianDidNotStart(Exception):
    """A custodian of this home left, or does not listen: what it said stands on stderr."""

    code = "custodian.not-started"


class CustodianProcess:
    """One custodian in a process of its own, started again when it dies and somebody looks."""

    def __init__(self, folder: Path, credential: Path) -> None:
        self._folder = folder
        self._credential = credential
        self._port = _free_port()
        self.member = Member.of(identity_of(folder), f"http://{HOST}:{self._port}")
        self._process = self._spawn()
        self._died_at: int | None = None

    def wait(self) -> None:
        """Return once it listens, or raise CustodianDidNotStart."""
        for _ in range(int(START_S / STEP_S)):
            if self._process.poll() is not None:
                break
            with suppress(OSError), socket.create_connection((HOST, self._port), 1):
                return
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STEP_S)
        self.stop()
        raise CustodianDidNotStart(f"{self.member.custodian} ({self._folder})")

    def stop(self) -> None:
        """End it and wait for its end."""
        _stop_feeding(self._process)
        try:
            self._process.wait(START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def look(self) -> None:
        """Start it again where it died more than a second ago; waits for nothing."""
        if self._process.poll() is None:
            return
        if self._died_at is None:
            _stop_feeding(self._process)
            self._died_at = boot_us()
        elif boot_us() - self._died_at >= AGAIN_US:
            self._begin_again()

    def _begin_again(self) -> None:
        self._died_at = boot_us()
        try:
            self._process = self._spawn()
        except OSError as error:  # too many processes, no memory: tried at a later look
            say("alarm", about=self.member.custodian, code=type(error).__name__)
        else:
            self._died_at = None
            say("custodian.restarted", custodian=self.member.custodian)

    def _spawn(self) -> subprocess.Popen[bytes]:
        serve = ["custodian", "serve", str(self._folder), "--port", str(self._port)]
        options = ["--credential", str(self._credential), "--while-fed"]
        return subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, *serve, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=_environment(os.environ),
            start_new_session=True,  # what a terminal interrupts ends this process first
        )


class Beside:
    """The custodians that run beside a platform, all of one home; none where it wants none."""

    def __init__(self, running: Sequence[CustodianProcess] = ()) -> None:
        self._running = running
        self.roster: Roster = tuple(one.member for one in running)

    def look(self) -> None:
        """Start those again that died; to be asked now and then, by one thread."""
        for one in self._running:
            one.look()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look in a thread of its own for the length of a block."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(LOOK_S):
                self.look()

        watching = threading.Thread(target=watch, name="custodians", daemon=True)
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()


@contextmanager
def custodian_processes(place: Home) -> Iterator[Beside]:
    """Run the custodians of a home beside this process for the length of a block."""
    running: list[CustodianProcess] = []
    told = place.custodians / SERVING
    try:
        for name in local_names(place.custodians):
            credential = place.keys / f"{name}.credential"
            running.append(CustodianProcess(place.custodians / name, credential))
        for one in running:
            one.wait()
        write_durably(told, json.dumps([one.member.url for one in running]).encode())
        yield Beside(running)
    finally:
        told.unlink(missing_ok=True)
        for one in running:
            one.stop()


@contextmanager
def custodians_unwatched(place: Home, settings: Settings) -> Iterator[Beside]:
    """Run the custodians of a home unless the settings name others, or want them as objects.

    No thread is started: whoever holds them looks. Refuses with LedgerLocked before anything
    starts where another process serves this home.
    """
    if settings.custodians is not None or not settings.custodians_apart:
        yield Beside()
        return
    check_unlocked(place.folder)
    with custodian_processes(place) as beside:
        yield beside


@contextmanager
def custodians_beside(place: Home, settings: Settings) -> Iterator[Roster]:
    """Run them as ``custodians_unwatched`` does, and look after them in a thread."""
    with custodians_unwatched(place, settings) as beside, beside.watched():
        yield beside.roster


def _stop_feeding(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in given.items()
        if not name.startswith("PLI_") or name in OWN_SETTINGS
    }

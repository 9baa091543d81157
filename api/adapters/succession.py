"""Who serves, one process after the other: each forked from one that has everything imported.

That first process serves nothing. It starts no thread, opens nothing of the home and holds no key,
so what is forked from it is a new process in all that counts; it only waits. Where the one that
serves is struck down (kill -9, a fault in native code), the next begins at once instead of after
seconds of imports (docs/adr/0036). One that leaves by itself is not followed: a clean end, a
refusal and a fail-stop are ends of the whole, with the same exit status. Linux: the kernel ends
whoever serves with its first process, however that dies.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

from api.journal import say

PR_SET_PDEATHSIG: Final = 1
ASKED: Final = (signal.SIGTERM, signal.SIGINT)
NOTED: Final = (*ASKED, signal.SIGCHLD)
NO_STRIKE: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals by which somebody asks a process to end; one that dies of them is not followed."""
LOOK_S: Final = 1.0
"""Between two looks at what runs beside."""
LONG_S: Final = 10.0
"""Whoever served for so long did not die of its start."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
MOST: Final = 8
"""So many in a row that did not serve for long are no accident: the whole ends, for its unit."""


class StruckDown(Exception):
    """Process after process died soon after its start; the last signal stands here."""

    code = "platform.struck-down"


class Succession:
    """``serve`` runs in a process of its own and returns its exit status; ``look`` runs here."""

    def __init__(self, serve: Callable[[], int], look: Callable[[], None]) -> None:
        self._serve = serve
        self._look = look
        self._asked = False
        self._woken = -1

    def run(self) -> int:
        """Let one after the other serve; return the exit status of the last.

        Raises StruckDown where none lasts.
        """
        gc.freeze()  # what is shared with every successor is walked over, and so copied, by none
        struck = 0
        with self._signals():
            while True:
                begun = time.monotonic()
                ended = self._served()
                if self._asked or not _struck_down(ended):
                    return _exit_status(ended, asked=self._asked)
                struck = 1 if time.monotonic() - begun >= LONG_S else struck + 1
                name = signal.Signals(os.WTERMSIG(ended)).name
                if struck == MOST:
                    raise StruckDown(name)
                say("server.restarted", signal=name)
                self._wait(pause_before(struck))
                if self._asked:
                    return 0

    def _served(self) -> int:
        """Let one serve; return how it ended, as ``os.waitpid`` says it."""
        child = self._fork()
        told = False
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
            if self._asked and not told:
                os.kill(child, signal.SIGTERM)
                told = True
            self._wait(LOOK_S)
            self._look()

    def _fork(self) -> int:
        # a signal between the fork and its own handlers would be noted by nobody
        signal.pthread_sigmask(signal.SIG_BLOCK, NOTED)
        try:
            first = os.getpid()
            child = os.fork()
            if child == 0:
                self._succeed(first)
            return child
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, NOTED)

    def _succeed(self, first: int) -> NoReturn:
        """Be the next; nothing of the first process's own stack ever goes on here."""
        status = 1
        try:
            _end_with(first)
            signal.set_wakeup_fd(-1)
            for each in NOTED:
                signal.signal(each, signal.SIG_DFL)
            # a terminal interrupts both: the first process hears it, and asks
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, NOTED)
            status = self._serve()
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _wait(self, seconds: float) -> None:
        """Return after so long, or once a signal came."""
        select.select([self._woken], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._woken, 64)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Note signals by handlers, which a program that is executed does not inherit."""
        self._woken, waking = os.pipe()
        for end in (self._woken, waking):
            os.set_blocking(end, False)
        before = {each: signal.signal(each, self._note) for each in NOTED}
        former = signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(former)
            for each, handler in before.items():
                signal.signal(each, handler)
            os.close(self._woken)
            os.close(waking)

    def _note(self, number: int, _: object) -> None:
        self._asked = self._asked or number in ASKED


def pause_before(struck: int) -> float:
    """Return how long to wait after so many in a row that died young, in seconds."""
    return 0 if struck == 1 else min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (struck - 2))


def _struck_down(status: int) -> bool:
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) not in NO_STRIKE


def _exit_status(status: int, *, asked: bool) -> int:
    """Return the exit status of a process as that of the whole.

    One that was asked to end before it could listen to that died of the asking: a clean end.
    """
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    return 0 if asked and number in NO_STRIKE else 128 + number


def _end_with(first: int) -> None:
    """Have the kernel kill this process when the first one is gone."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != first:  # it was gone before the kernel knew
        os._exit(1)

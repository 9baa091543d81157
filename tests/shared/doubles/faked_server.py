"""``pli serve`` as a process of its own whose wall clock another process sets (H9, libfaketime).

Only the wall is faked: the counter since boot is the machine's. The hands lie in a file that the
library reads at each question, so a jump is there at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from doubles.crowd import end_with_successors
from doubles.ports import free_port

SERVE = "from api.cli import main; main()"
STARTED = "started"
WAIT_S = 60
PLACES = tuple(
    f"{place}/faketime/libfaketimeMT.so.1"
    for place in ("usr/lib/*", "usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib/*")
)


def library() -> str | None:
    """Return the library that the program ``faketime`` loads before others, None without it.

    It is looked for, not asked for: the program makes a semaphore named after its process, and
    several that ask at once do not all get one.
    """
    if shutil.which("faketime") is None:
        return None
    found = (path for place in PLACES for path in Path("/").glob(place))
    return next(map(str, found), None)


class FakedServer:
    """A server of one home; ``program`` may plant a bug before it begins."""

    def __init__(self, home: Path, folder: Path, program: str = SERVE) -> None:
        folder.mkdir(exist_ok=True)
        self.home = home
        self.hands = folder / "hands"
        self.port = free_port()
        self.program = program
        self.said: list[dict[str, Any]] = []
        self.told = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def set(self, seconds: int) -> None:
        """Put the wall clock so far from the machine's, in one step."""
        beside = self.hands.with_suffix(".new")
        beside.write_text(f"{seconds:+d}\n")
        beside.replace(self.hands)

    def start(self, seconds: int = 0) -> None:
        self.set(seconds)
        self.said.clear()
        loaded = library()
        assert loaded is not None
        faked = {
            "LD_PRELOAD": loaded,
            "FAKETIME_TIMESTAMP_FILE": str(self.hands),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "PLI_CUSTODIANS_APART": "false",
            "PLI_KEYSET_POOL": "0",
            "PLI_PROBE_S": "0",
        }
        command = ["serve", "--home", str(self.home), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.program, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | faked,
            text=True,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr,))
        self.reader.start()
        try:
            self._begun()
        except BaseException:
            self.kill()
            raise

    def _begun(self) -> None:
        self.hears(STARTED)
        for _ in range(600):
            assert self.process.poll() is None, f"the server left by itself: {self.said}"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            self.pause()
        raise AssertionError("the server does not listen")

    def pause(self) -> None:
        """Let the server work for a moment, or until it says something."""
        with self.told:
            self.told.wait(0.05)

    def _read(self, lines: Any) -> None:
        with lines:
            for line in lines:
                with self.told:
                    with contextlib.suppress(ValueError):
                        here = line.startswith("Pli :")
                        self.said.append({"event": STARTED} if here else json.loads(line))
                    self.told.notify_all()

    def hears(self, event: str, **facts: str) -> None:
        """Wait until the journal says this."""

        def there() -> bool:
            return any({"event": event, **facts}.items() <= line.items() for line in self.said)

        with self.told:
            assert self.told.wait_for(there, WAIT_S), f"{event} was never said: {self.said[-5:]}"

    def kill(self) -> None:
        end_with_successors(self.process)
        self.reader.join()

"""Witnesses as processes of their own on free ports of this machine: started, killed, restarted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
from doubles.ports import free_port, wait_listening

from api.adapters.rng import SystemRng
from api.adapters.witness_home import WitnessHome
from crypto.notes import VerifierKey
from ledger.witness import monitor_path

PROGRAM = "from api.cli import main; main()"


def pli(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


class WitnessProcess:
    """``pli witness serve`` in its own process; `kill` is kill -9."""

    def __init__(self, folder: Path, name: str, *logs: VerifierKey) -> None:
        self.folder = folder
        home = WitnessHome.create(folder, name, SystemRng())
        self.key = home.key()
        for log in logs:
            home.add_log(str(log))
        home.close()
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> WitnessProcess:
        command = ["witness", "serve", "--home", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_listening(self.process, self.port)
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def ask(self, body: bytes) -> httpx2.Response:
        return httpx2.post(f"{self.url}/add-checkpoint", content=body, timeout=20)

    def cosigned(self, origin: str) -> bytes | None:
        answer = httpx2.get(f"{self.url}/{monitor_path(origin)}", timeout=20)
        return answer.content if answer.status_code == 200 else None

    def evidence(self) -> list[bytes]:
        home = WitnessHome(self.folder)
        try:
            return home.evidence()
        finally:
            home.close()

    def save(self, copy: Path) -> None:
        """Copy the whole state of a witness that does not run."""
        assert self.process is None
        shutil.copytree(self.folder, copy)

    def restore(self, copy: Path) -> None:
        """Put an older state in the place of the present one, of a witness that does not run."""
        assert self.process is None
        shutil.rmtree(self.folder)
        shutil.copytree(copy, self.folder)

"""Custodians as processes, each with a clock of its own: started, killed, restarted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx2
from doubles.ports import free_port, wait_listening

from api.adapters.custodian_home import Unlocking, identity_of
from api.adapters.custodian_identity import create_custodian
from api.adapters.custodian_roster import Member
from api.adapters.rng import SystemRng
from crypto.notes import VerifierKey

SKEWED = """
import api.adapters.clock as clock
real = clock.wall_us
clock.HostClock.__init__.__kwdefaults__["wall"] = lambda: real() + {skew_us}
"""
LYING = """
import api.adapters.local_custodian as custodian
custodian.make_partial = lambda lock, index, share, w: bytes(96)
"""
PROGRAM = "from api.cli import main; main()"


class CustodianProcess:
    """``pli custodian serve``; `kill` is kill -9. `skew_s`: how fast its clock is."""

    def __init__(
        self,
        folder: Path,
        log: VerifierKey,
        organisation: str,
        *,
        skew_s: int = 0,
        before: str = "",
        inside: tuple[str, ...] = (),
        host: str = "127.0.0.1",
    ) -> None:
        self.folder = folder
        self.credential = Unlocking().of(folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_custodian(
            folder,
            custodian=folder.name,
            organisation=organisation,
            log=log,
            credential=self.credential,
            random=SystemRng(),
        )
        self.host = host
        self.port = free_port()
        self.skew_s = skew_s
        self.before = before
        self.inside = inside
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def member(self) -> Member:
        return Member.of(identity_of(self.folder), self.url)

    def begin(self) -> None:
        """Start without waiting: several start side by side."""
        program = SKEWED.format(skew_us=self.skew_s * 1_000_000) + self.before + PROGRAM
        command = ["custodian", "serve", str(self.folder), "--port", str(self.port)]
        command += ["--clock-bound-ms", "250"]  # a container's kernel may vouch for nothing
        self.process = subprocess.Popen(
            [*self.inside, sys.executable, "-c", program, *command, "--host", self.host],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> CustodianProcess:
        assert self.process is not None
        wait_listening(self.process, self.port, self.host)
        return self

    def start(self) -> CustodianProcess:
        self.begin()
        return self.wait()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"{self.url}{path}", timeout=20)

    def post(self, path: str, body: bytes) -> httpx2.Response:
        return httpx2.post(f"{self.url}{path}", content=body, timeout=20)

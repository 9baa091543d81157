"""Network namespaces of this machine as hosts of a test: each with its own addresses and one line.

They need root and the program `ip`; where either is missing the tests say so and are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

NET = "10.213"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


@dataclass(frozen=True)
class Namespace:
    """One host: its name, its number, the end of its line on this side."""

    name: str
    number: int

    @property
    def line(self) -> str:
        return f"p{os.getpid() % 100_000}x{self.number}"

    @property
    def address(self) -> str:
        return f"{NET}.{self.number}.2"

    @property
    def inside(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def add(self) -> None:
        ip("netns", "add", self.name)
        ip("link", "add", self.line, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("addr", "add", f"{NET}.{self.number}.1/30", "dev", self.line)
        ip("link", "set", self.line, "up")
        for words in (
            ("addr", "add", f"{self.address}/30", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            ip("-n", self.name, *words)

    def cut(self) -> None:
        """Take the line away: what is sent is lost, nothing refuses it."""
        ip("link", "set", self.line, "down")

    def mend(self) -> None:
        ip("link", "set", self.line, "up")

    def remove(self) -> None:
        # the line first: with its namespace it would end too, but later
        for words in (["link", "del", self.line], ["netns", "del", self.name]):
            subprocess.run(["ip", *words], check=False, capture_output=True, timeout=30)


@contextmanager
def namespaces(count: int) -> Iterator[list[Namespace]]:
    """Make so many hosts; nothing of them stays."""
    made: list[Namespace] = []
    try:
        for number in range(1, count + 1):
            made.append(Namespace(f"pli-{os.getpid()}-{number}", number))
            made[-1].add()
        yield made
    finally:
        for one in made:
            one.remove()


def reason_without() -> str:
    """Return why there are none here, nothing where there are."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "not met: namespaces (root makes them)"
    if shutil.which("ip") is None:
        return "not met: namespaces (the program ip is absent)"
    try:
        with namespaces(1):
            return ""
    except (OSError, subprocess.SubprocessError) as error:
        return f"not met: namespaces ({type(error).__name__})"

"""What a monitor reaches and keeps: a log and witnesses over HTTP, and a folder of its own.

The folder holds the last checkpoint (replaced by compare-and-swap, durably), `pins/` and
`evidence/`. Evidence is durable before anybody is told of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from api.adapters.http import NoAnswer, Outgoing
from api.adapters.keys import write_durably
from api.adapters.witnesses import RemoteWitness
from crypto.digests import sha256
from crypto.policies import Policy
from ledger.high_water import FolderHighWater
from replay.monitor import Cosigned, Evidence, Memory, pin_of


class RemoteLog:
    """A log behind its address, as C2SP tlog-tiles serves it."""

    def __init__(self, url: str, out: Outgoing) -> None:
        self._url = url.rstrip("/")
        self._out = out

    def read(self, path: str) -> bytes | None:
        """Return the bytes at a path, None where the log has nothing there."""
        reply = self._out.exchange("GET", f"{self._url}/{path}")
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise NoAnswer(f"status {reply.status}")
        return reply.body


def sources(url: str, policy: Policy) -> tuple[RemoteLog, Mapping[str, Cosigned]]:
    """Return the log at an address, and the witnesses of its policy that have one."""
    urls = {name: policy.urls.get(str(key)) for name, key in policy.witnesses.items()}
    known = {name: address for name, address in urls.items() if address is not None}
    out = Outgoing([url, *known.values()])
    asked = {
        name: RemoteWitness(policy.witnesses[name], address, policy.logs[0], out).checkpoint
        for name, address in known.items()
    }
    return RemoteLog(url, out), asked


class MonitorFolder:
    """The state of one monitor."""

    def __init__(self, folder: Path) -> None:
        self._pins, self._evidence = folder / "pins", folder / "evidence"
        for each in (folder, self._pins, self._evidence):
            each.mkdir(parents=True, exist_ok=True)
        self._mark = FolderHighWater(folder)
        self._stored: bytes | None = None

    def load(self) -> Memory | None:
        """Return what is remembered, None before the first checkpoint."""
        self._stored = self._mark.load()
        return None if self._stored is None else Memory.parse(self._stored)

    def swap(self, memory: Memory) -> None:
        """Remember durably; raise HighWaterMoved if another monitor writes in this folder."""
        new = bytes(memory)
        if new != self._stored:
            self._mark.swap(self._stored, new)
            self._stored = new

    def collect(self, files: Iterable[bytes], policy: Policy) -> None:
        """Keep checkpoints and receipts as pins, once they are proven to be of this log."""
        for data in files:
            note = pin_of(data)
            policy.log_alone().verify(note)
            write_durably(self._pins / f"{sha256(note).hex()[:16]}.note", note)

    def pins(self) -> dict[str, bytes]:
        """Return the collected notes by name."""
        paths = sorted(self._pins.glob("*.note"))
        return {f"pin {path.stem}": path.read_bytes() for path in paths}

    def keep(self, evidence: Evidence) -> Path:
        """Write one evidence file durably and return its path."""
        data = bytes(evidence)
        path = self._evidence / f"{evidence.kind.value}-{sha256(data).hex()[:16]}.json"
        write_durably(path, data, 0o644)
        return path

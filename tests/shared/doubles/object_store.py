"""A real S3 (SeaweedFS), started once by whoever first needs it: a prefix of its own for each test.

It runs unprivileged on free ports of the loopback, in a temporary folder that goes with it. It does
not heed SIGTERM in time, so it is ended with SIGKILL: nothing that it holds is needed afterwards.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doubles.ports import ABOVE, free_port

from api.adapters.blobs import Bucket
from api.adapters.object_store import BlobsUnreachable, ObjectStore

ACCESS, SECRET = "pli-tests", "pli-tests-secret"
BUCKET = "pli"
DEADLINE_S = 60
ON_S3 = pytest.mark.s3
_NUMBERS = itertools.count(1)
_STARTED: list[Server | str] = []


class Server:
    """One server in a temporary folder, with one bucket."""

    def __init__(self, weed: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="s3-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.weed = weed
        identities = self.folder / "identities.json"
        may = ["Read", "Write", "List", "Tagging"]
        keys = [{"accessKey": ACCESS, "secretKey": SECRET}]
        told = {"identities": [{"name": "pli", "credentials": keys, "actions": may}]}
        identities.write_text(json.dumps(told))
        self.credentials = self.folder / "credentials"
        self.credentials.touch(mode=0o600)
        self.credentials.write_text(
            f"[default]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n"
        )
        s3, self.master, volume, filer = _ports(4)
        self.endpoint = f"http://127.0.0.1:{s3}"
        data = self.folder / "data"
        data.mkdir()
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    str(weed),
                    "server",
                    f"-dir={data}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    f"-master.port={self.master}",
                    "-master.volumeSizeLimitMB=64",
                    f"-volume.port={volume}",
                    "-volume.max=0",
                    f"-filer.port={filer}",
                    "-s3",
                    f"-s3.port={s3}",
                    "-s3.port.iceberg=0",
                    f"-s3.config={identities}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            )
        atexit.register(self.kill)
        self._until_it_answers()

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()

    def place(self, bucket: str = BUCKET, **changed: object) -> Bucket:
        """Return a place that nobody has used."""
        given = {
            "endpoint": self.endpoint,
            "credentials": self.credentials,
            "prefix": f"t{os.getpid()}-{next(_NUMBERS)}",
        }
        return Bucket(bucket, **(given | changed))  # type: ignore[arg-type]

    def setting(self) -> str:
        """Return what `PLI_BLOBS` is for a place that nobody has used."""
        place = self.place()
        return f"{place}?endpoint={self.endpoint}&credentials={self.credentials}"

    def _until_it_answers(self) -> None:
        ends = time.monotonic() + DEADLINE_S
        shell = [str(self.weed), "shell", f"-master=127.0.0.1:{self.master}"]
        asked = f"s3.bucket.create -name {BUCKET}\n".encode()
        while True:
            if self.process.poll() is not None or time.monotonic() > ends:
                raise OSError((self.folder / "log").read_text()[-2_000:])
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    shell,
                    input=asked,
                    capture_output=True,
                    timeout=10,
                    check=False,
                    env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
                )
            with contextlib.suppress(Exception):
                ObjectStore(self.place(), patience_s=5).put(b"first")
                return


class Silent:
    """A place that does not answer."""

    def __getattr__(self, _name: str) -> Callable[..., Any]:
        def ask(*_: object) -> Any:
            raise BlobsUnreachable

        return ask


def _ports(count: int) -> list[int]:
    """Return free ports; the server also takes each of them plus 10,000.

    Both lie below the range from which a kernel takes ports for its own ends of connections.
    """
    found: list[int] = []
    while len(found) < count:
        port = free_port(below=ABOVE + 10_000)
        with contextlib.suppress(OSError), socket.socket() as far:
            far.bind(("127.0.0.1", port + 10_000))
            if port not in found:
                found.append(port)
    return found


def server() -> Server:
    """Return the server of this process, or skip where it cannot be had."""
    if not _STARTED:
        weed = Path(sys.executable).with_name("weed")
        try:
            _STARTED.append(Server(weed))
        except OSError as error:
            _STARTED.append(str(error).strip().rpartition("\n")[2][:200])
    found = _STARTED[0]
    if isinstance(found, str):
        pytest.skip(f"not met: weed (a real object store): {found}")
    return found

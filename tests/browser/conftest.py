"""The pages served by a real server over hand-made entries, and Chromium to read them."""

from __future__ import annotations

import asyncio
import os
import runpy
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.pages import HandFacts, Served, pages_over, views_over
from doubles.ports import free_port
from doubles.procedures import NOW, whole_story
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    facts = HandFacts(whole_story().ledger, NOW)
    views, engine = views_over(facts.ledger, tmp_path_factory.mktemp("views") / "views.db")
    web, port = pages_over(views, facts), free_port()
    loop = asyncio.new_event_loop()
    server = Server(
        web, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False
    )
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(),))
    thread.start()
    answers(port)
    yield Served(f"http://127.0.0.1:{port}", facts)
    loop.call_soon_threadsafe(server.stop)
    thread.join()
    loop.close()
    engine.dispose()


def answers(port: int) -> None:
    """Return once the server takes connections."""
    pause = threading.Event()
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            pause.wait(0.025)
        else:
            return
    pytest.fail("the server did not start")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield Chromium; its event loop ends with these tests, others here run loops of their own."""
    finder = runpy.run_path(str(Path(__file__).with_name("chromium.py")))
    path = finder["found"]()
    if path is None:
        if os.environ.get("PLI_STRICT") == "1":
            pytest.fail("not met: chromium")
        pytest.skip("not met: chromium")
    with sync_playwright() as tools:
        started = tools.chromium.launch(executable_path=path, args=finder["flags"](), headless=True)
        yield started
        started.close()


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where screenshots go: PLI_SCREENSHOTS keeps them."""
    kept = os.environ.get("PLI_SCREENSHOTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder

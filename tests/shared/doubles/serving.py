"""A platform under test that listens, for browsers; and the rules by which its pages are judged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from doubles.bench import Bench
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.sync_api import Browser, Page

RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "RGAAv4"],
    }
}


@contextmanager
def listening(bench: Bench, port: int) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    server = Server(
        bench.app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,
        log_enabled=False,
    )
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(),))
    thread.start()
    yield
    loop.call_soon_threadsafe(server.stop)
    thread.join()
    loop.close()


@contextmanager
def reading(browser: Browser, **options: object) -> Iterator[tuple[Page, list[str]]]:
    chosen = {"locale": "fr", "viewport": {"width": 1180, "height": 900}} | options
    context = browser.new_context(reduced_motion="reduce", **chosen)  # type: ignore[arg-type]
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page, said
    context.close()

"""The pages over hand-made entries: a real ledger's formats, two witnesses, a fixed clock."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from doubles.entries import HandLedger
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.routing import BaseRoute, Mount, Route

from api.entrance import Entrance
from api.headers import ResponseHeaders
from api.pages import build
from api.platform import Platform
from api.problem_texts import TEXTS
from api.web.assets import PREFIX
from api.web.pages import site
from api.web.ports import Addresses
from api.web.receipt_report import receipt_checker
from api.web.rendering import Renderer
from crypto import merkle, notes
from domain.clock import ClockSource, Reading
from projections import store
from projections.runner import Runner
from projections.views import Views

NAME = "ledger.test/1"
SEED = hashlib.sha256(b"log key of hand-made pages").digest()
WITNESSES = {
    name: hashlib.sha256(name.encode()).digest() for name in ("gardien-1", "gardien-2", "gardien-3")
}


@dataclass
class HandFacts:
    """A published checkpoint over hand-made entries, and an instant that stands still."""

    ledger: HandLedger
    instant: datetime
    size: int = 0

    def __post_init__(self) -> None:
        self.size = len(self.ledger.rows) // self.ledger.pad * self.ledger.pad
        self.leaves = [row.leaf for row in self.ledger.rows[: self.size]]
        self.checkpoint = notes.Checkpoint(NAME, self.size, merkle.root(self.leaves))

    def published(self) -> bytes | None:
        return self.note(witnesses=True)

    def note(self, *, witnesses: bool) -> bytes:
        text = notes.text(self.checkpoint)
        lines = [notes.sign(self.checkpoint, NAME, SEED)]
        seconds = int(self.instant.timestamp())
        if witnesses:
            lines += [notes.cosign(text, name, seed, seconds) for name, seed in WITNESSES.items()]
        return notes.note(self.checkpoint, lines)

    def policies(self) -> Mapping[str, str]:
        log = f"log {notes.VerifierKey.of_seed(NAME, notes.LOG, SEED)}\n"
        rows = [
            f"witness {name} {notes.VerifierKey.of_seed(name, notes.COSIGNATURE, seed)}\n"
            for name, seed in WITNESSES.items()
        ]
        group = f"group gardiens 2 {' '.join(WITNESSES)}\nquorum gardiens\n"
        return {
            "policy.txt": log + "".join(rows) + group,
            "policy-log.txt": log + "quorum none\n",
        }

    def now(self) -> Reading:
        earliest = self.instant - timedelta(milliseconds=20)
        return Reading(ClockSource.HOST, earliest, self.instant)

    def receipt(self, position: int, *, witnesses: bool = True) -> bytes:
        """Return a C2SP tlog-proof of one entry, which carries the entry."""
        proof = merkle.inclusion_proof(self.leaves, position)
        lines: Sequence[bytes] = [
            b"c2sp.org/tlog-proof@v1",
            b"extra " + base64.b64encode(self.ledger.rows[position].entry),
            b"index %d" % position,
            *(base64.b64encode(value) for value in proof),
        ]
        return b"\n".join(lines) + b"\n\n" + self.note(witnesses=witnesses)

    def receipt_of(self, kind: str, *, witnesses: bool = True) -> bytes:
        """Return the receipt of the first entry of a kind."""
        position = next(row.position for row in self.ledger.rows if row.kind == kind)
        return self.receipt(position, witnesses=witnesses)


def page_routes(router: Any) -> Iterator[BaseRoute]:
    """Yield every page and mount of an application, those of included routers too."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from page_routes(inner)


def views_over(ledger: HandLedger, path: Path) -> tuple[Views, Engine]:
    """Build the views of a ledger; the engine is the caller's to dispose of."""
    writing = store.writer(path)
    Runner(ledger, writing).catch_up()
    writing.dispose()
    reading = store.reader(path)
    return Views.over(reading), reading


def pages_over(views: Views, facts: HandFacts) -> FastAPI:
    """Return the pages with the response headers of the real application."""
    policies = facts.policies()
    checker = receipt_checker(policies["policy.txt"], policies["policy-log.txt"])
    web = site(views, Renderer(facts, Addresses()), check_receipt=checker, problem_texts=TEXTS)
    web.add_middleware(ResponseHeaders)  # type: ignore[arg-type]
    return web


def addresses(platform: Platform, entrance: Entrance) -> set[str]:
    """Return the path of every page, of the built files, and of the interface's description."""
    found = page_routes(build(platform, entrance))
    paths = {route.path for route in found if isinstance(route, Route | Mount)}
    return {*paths, PREFIX, "/openapi.json"}


@dataclass(frozen=True)
class Served:
    """Where the pages are, and the facts behind them."""

    address: str
    facts: HandFacts

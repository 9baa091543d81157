"""What the platform tries on itself: each check answers with what is wrong, or with nothing (T32).

DEPOSIT sends a synthetic envelope through the platform's own door; DOWNLOAD takes a file there;
LOGIN asks for the page of entrance and its accounts; LINK asks for the page of each open
consultation; STORAGE commits, writes, syncs and reads again; CLOCK asks for a sound reading.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.canary import CONTENT, FILE, NAME, Canary
from api.errors import LoginRequired, code_of
from domain.commands.probe import MOST_ERROR
from domain.events.health import Probe

if TYPE_CHECKING:
    from api.adapters.own_door import Answered, Door
    from api.adapters.probe_room import ProbeRoom
    from api.platform import Platform

SECOND_US = 1_000_000
PAGES_US = 10 * SECOND_US
"""How long the pages of one round may take; those that were not asked come first in the next."""
SENT = "/api/v1/transmissions"
STRANGER = "pli_" + "0" * 64


@dataclass(frozen=True)
class Found:
    """What one check found, of a path where it has several."""

    error: str | None = None
    path: str | None = None


Check = Callable[[], Sequence[Found]]


class Checks:
    """Knocks at the platform's own door; owned by whoever makes a round, one at a time."""

    def __init__(
        self, platform: Platform, door: Door, room: ProbeRoom, counter: Callable[[], int]
    ) -> None:
        self._platform = platform
        self._room = room
        self.door = door
        self.counter = counter
        self.canary: Canary | None = None
        self.asked = ""
        """The last page that was asked for."""

    def all(self) -> Mapping[Probe, Check]:
        """Return the checks of a round in their order."""
        return {
            Probe.DEPOSIT: self.deposit,
            Probe.DOWNLOAD: self.download,
            Probe.LOGIN: self.login,
            Probe.STORAGE: self.storage,
            Probe.CLOCK: self.clock,
            Probe.LINK: self.links,
        }

    def deposit(self) -> Sequence[Found]:
        """Announce, head, chunk, finish: each must be answered as a depositor needs it."""
        canary = self._own()
        try:
            return [Found(self._sent(canary))]
        finally:
            canary.forget()

    def _sent(self, canary: Canary) -> str | None:
        made = canary.sealed()
        bearer = f"Bearer {canary.token}"
        key = f"probe-{self._platform.desk.rng.bytes(8).hex()}"
        told = self.door.ask(
            "POST",
            SENT,
            json.dumps(made.form).encode(),
            Authorization=bearer,
            Content_Type="application/json",
            Idempotency_Key=key,
        )
        if told.status != 201:
            return _refused("announce", told)
        at = f"{SENT}/{json.loads(told.body)['transmission']}"
        told = self.door.ask(
            "PUT", f"{at}/head", made.head, Authorization=bearer, Pli_Commitment=made.commitment
        )
        if told.status != 201:
            return _refused("head", told)
        told = self.door.ask(
            "PUT", f"{at}/chunks/0", made.chunk, Authorization=bearer, Pli_Leaf=made.leaf
        )
        if told.status != 201:
            return _refused("chunk", told)
        told = self.door.ask(
            "POST", f"{at}/finish", Authorization=bearer, Idempotency_Key=f"{key}-end"
        )
        if told.status != 200:
            return _refused("finish", told)
        shown = json.loads(told.body)
        whole = shown["state"] == "COMPLETED" and bool(shown["attestation"])
        return None if whole else f"finish {shown['state']}"

    def download(self) -> Sequence[Found]:
        """Take a file of a dossier, byte for byte."""
        canary = self._own()
        canary.stock()
        told = self.door.ask(
            "GET",
            f"/api/v1/consultations/{NAME}/dossier/files/{FILE}",
            Authorization=f"Bearer {canary.token}",
        )
        if told.status != 200:
            return [Found(_refused("file", told))]
        return [Found(None if told.body == CONTENT else "file differs")]

    def login(self) -> Sequence[Found]:
        """Ask for the page of entrance, and the accounts for somebody whom they do not know."""
        told = self.door.ask("GET", "/login")
        if told.status != 200:
            return [Found(_refused("page", told))]
        try:
            self._platform.accounts.authenticate(STRANGER, self._platform.now())
        except LoginRequired:
            return [Found()]
        return [Found("a stranger was let in")]

    def storage(self) -> Sequence[Found]:
        """Commit on the log's database, then write, sync and read a file of the home."""
        self._platform.ledger.confirm()
        return [Found(self._room.tried(self._platform.desk.rng.bytes(4096)))]

    def clock(self) -> Sequence[Found]:
        """Ask for a reading, which the step check accepts or refuses."""
        self._platform.desk.clock.now()
        return [Found()]

    def links(self) -> Sequence[Found]:
        """Ask for the page of each open consultation, beginning after the last that was asked.

        Without a failure one success stands for all of them; beside a failure, one that succeeded
        is named, because another path that works is a fact (``disputes.md`` §3).
        """
        names = sorted(self._platform.index.awaited())
        if not names:
            return []
        # a page that was published this very moment is in the views a little later
        self._platform.views.wait(self._platform.ledger.head() - 1)
        after = [name for name in names if name > self.asked]
        begun = self.counter()
        good, bad = "", []
        for name in [*after, *names[: len(names) - len(after)]]:
            error = self._page(name)
            self.asked = name
            if error is None:
                good = name
            else:
                bad.append(Found(error, name))
            if self.counter() - begun > PAGES_US:
                break
        return [*bad, *([Found(None, good)] if good else [])] if bad else [Found()]

    def _page(self, name: str) -> str | None:
        try:
            told = self.door.ask("GET", f"/consultations/{name}")
        except OSError as error:
            return code_of_failure(error)
        return None if told.status == 200 else _refused("page", told)

    def _own(self) -> Canary:
        if self.canary is None:
            self.canary = Canary(self._platform, self._room.canary)
        return self.canary


def _refused(step: str, told: Answered) -> str:
    """Return where a probe was refused: our own words and a code, nothing of the answer's text."""
    try:
        code = str(json.loads(told.body)["code"])
    except (ValueError, KeyError, TypeError):
        code = ""
    plain = "".join(char for char in code if char.isascii() and (char.isalnum() or char in ".-"))
    return f"{step} {told.status} {plain}".strip()[:MOST_ERROR]


def code_of_failure(error: BaseException) -> str:
    """Return what a failure is called in an entry: its code, or the name of its class."""
    known = isinstance(getattr(error, "code", None), str)
    return (code_of(error) if known else type(error).__name__)[:MOST_ERROR]

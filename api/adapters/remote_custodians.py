"""The port `Custodians` over HTTP: each custodian a service, believed by the keys of the roster.

A question carries the views that the custodian must see; one that knows another tree says from
which size a proof must begin, and is asked again. What does not come in time, is not signed by the
configured key, or answers something else than was asked is silence (`CustodianSilent`), told to the
operator with its code; a signed refusal is a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from api.adapters.clock import boot_us
from api.adapters.custodian_questions import MOST_VIEWS
from api.adapters.custodian_roster import Roster
from api.adapters.custodian_service import REFUSED, SAID, VIEW_WANTED, WANTING
from api.adapters.http import NoAnswer, Outgoing
from api.adapters.remote_custodian import (
    SIGNATURE_BYTES,
    Body,
    NotBelieved,
    RemoteCustodian,
)
from api.journal import say
from crypto.canonical import Json
from crypto.errors import CryptoError
from crypto.forms import integer, match, members, octets
from crypto.keyset import alive_nonce
from crypto.label import CANARY_KINDS
from crypto.notes import parse_checkpoint, parse_note
from crypto.pli1_header import PREFIX, Header
from crypto.threshold import PARTIAL_SIZE
from domain.ports import CustodianIdentity, CustodianRefusal, CustodianSilent, CustodyComplaint
from replay.custodian_facts import Question

ATTEMPTS: Final = 6
MOST_MEMBERS: Final = 16
SLOW_US: Final = 1_000_000
REST_US: Final = 5_000_000
"""Whose silence took long is not asked again for so long: its silence is the answer meanwhile."""
Heard = TypeVar("Heard")
CODE: Final = re.compile(r"[a-z][a-z-]{0,31}")


class Shows(Protocol):
    """What a view of the ledger is made of."""

    def head(self) -> int:
        """Return the number of entries."""

    def view(self, streams: Sequence[str], since: int) -> dict[str, Json]:
        """Return whole streams under one checkpoint that is provably later than a size."""

    def consistency(self, old: int, size: int) -> list[str]:
        """Return the proof that a tree continues a smaller one, in hex."""


class RemoteCustodians:
    """The custodians of a roster, behind the domain's port; every thread may use it."""

    def __init__(
        self,
        roster: Roster,
        out: Outgoing,
        ledger: Callable[[], Shows],
        consultation_of: Callable[[str], str | None],
        counter: Callable[[], int] = boot_us,
    ) -> None:
        self.members = {one.custodian: RemoteCustodian(one, out) for one in roster}
        self._ledger = ledger
        self._consultation_of = consultation_of
        self._counter = counter
        # what follows are hints that cost one question more when wrong: no lock
        self._pins: dict[str, int] = {}
        self._said: dict[str, str] = {}
        self._rests: dict[str, int] = {}

    def close(self) -> None:
        """Do nothing: a custodian that runs elsewhere is not ours to end."""

    def roster(self) -> tuple[CustodianIdentity, ...]:
        """Return who they are, as the roster says."""
        return tuple(one.member.public for one in self.members.values())

    def box(self, custodian: str) -> str:
        """Return the box key for the next ceremony, in hex."""
        return self._heard(custodian, RemoteCustodian.box)

    def round1(self, ceremony: str, custodian: str) -> dict[str, Json]:
        """Return the round-1 message."""
        return self._round(ceremony, "round1", custodian)

    def round2(self, ceremony: str, custodian: str) -> dict[str, Json]:
        """Return the round-2 message, or raise CustodyComplaint."""
        return self._round(ceremony, "round2", custodian)

    def confirm(self, ceremony: str, custodian: str) -> dict[str, Json]:
        """Return the acknowledgement, or raise CustodyComplaint."""
        return self._round(ceremony, "confirm", custodian)

    def alive(self, digest: str, custodian: str) -> tuple[str, str]:
        """Return nonce and proof of life; the nonce is that of the checkpoint shown now."""
        consultation = self._consultation_of(digest)
        asked = _Asked(
            path=f"/v1/keysets/{digest}/alive",
            facts={"consultation": consultation or ""},
            streams=[f"custody/{consultation}"] if consultation else [],
            about={"digest": digest},
        )
        answer = self._answer(custodian, asked)
        if answer.status == REFUSED:
            raise self._refusal(custodian, answer.body)
        with _reading(custodian):
            nonce, proof = str(answer.body["nonce"]), str(answer.body["proof"])
            # an old proof of a share that was lost since then would have an old nonce
            shown = {alive_nonce(answer.note, n).hex() for n in range(1, MOST_MEMBERS + 1)}
            if nonce not in shown:
                raise NotBelieved("a proof of life for another checkpoint than was shown")
            return nonce, proof

    def retire(self, digest: str, custodian: str) -> str:
        """Erase the share that the ledger retires; return the signed statement."""
        consultation = self._consultation_of(digest) or ""
        asked = _Asked(
            path=f"/v1/keysets/{digest}/retire",
            facts={"consultation": consultation},
            streams=[f"custody/{consultation}"],
            about={"digest": digest},
        )
        answer = self._answer(custodian, asked)
        if answer.status == REFUSED or set(answer.body) != {"custodian", "digest", "signature"}:
            raise CustodianSilent(custodian)
        return str(answer.body["signature"])

    def partial(  # noqa: PLR0913, PLR0917 - the port's own facts
        self, consultation: str, lot: str, deposit: str, plan_no: int, head: bytes, custodian: str
    ) -> bytes:
        """Return the 96 bytes for one planned envelope, or raise CustodianRefusal."""
        label = Header.parse(head[PREFIX:]).label
        test = label.kind in CANARY_KINDS
        asked = _Asked(
            path=f"/v1/keysets/{label.keyset}/partials",
            facts={
                "consultation": consultation,
                "deposit": deposit,
                "head": head.hex(),
                "lot": lot,
                "plan_no": plan_no,
            },
            streams=[] if test else Question(label, "", lot, plan_no).streams,
            about={"deposit": deposit},
            views=not test,
        )
        answer = self._answer(custodian, asked)
        if answer.status == REFUSED:
            raise self._refusal(custodian, answer.body)
        with _reading(custodian):
            if answer.body.get("plan_no") != plan_no:
                raise NotBelieved("an answer for another plan")
            return octets(answer.body["partial"], PARTIAL_SIZE)

    def _round(self, ceremony: str, step: str, custodian: str) -> dict[str, Json]:
        asked = _Asked(
            path=f"/v1/ceremonies/{ceremony}/{step}",
            facts={},
            streams=[f"ceremony/{ceremony}"],
            about={"ceremony": ceremony},
        )
        answer = self._answer(custodian, asked)
        message = answer.body.get("message")
        with _reading(custodian):
            if answer.status == REFUSED and answer.body.get("step") == "complaint":
                raise _complaint(message)
            if answer.status != SAID or answer.body.get("step") != step:
                raise NotBelieved(f"refused: {answer.body.get('code')}")
            if not isinstance(message, dict):
                raise NotBelieved("a round without a message")
            return message

    def _answer(self, custodian: str, asked: _Asked) -> _Answer:
        """Return a verified answer or refusal to this very question, or raise CustodianSilent."""
        return self._heard(custodian, lambda one: self._asked(one, asked))

    def _heard(self, custodian: str, ask: Callable[[RemoteCustodian], Heard]) -> Heard:
        one = self.members.get(custodian)
        begun = self._counter()
        if one is None or begun < self._rests.get(custodian, 0):
            raise CustodianSilent(custodian)
        try:
            answer = ask(one)
        except NoAnswer as error:
            self._note(custodian, error.code)
            now = self._counter()
            if now - begun >= SLOW_US:  # an opening must not wait so long for each envelope
                self._rests[custodian] = now + REST_US
            raise CustodianSilent(custodian) from error
        self._said.pop(custodian, None)
        return answer

    def _asked(self, one: RemoteCustodian, asked: _Asked) -> _Answer:
        name = one.member.custodian
        wanted: list[int] = []
        for _ in range(ATTEMPTS):
            views, note, size = self._views(asked, self._pins.get(name, 0), wanted)
            status, body = one.ask(asked.path, {**asked.facts, "views": views})
            if status != WANTING:
                if any(body.get(key) != value for key, value in asked.about.items()):
                    raise NotBelieved("an answer to another question")
                if asked.views and status == SAID:
                    self._pins[name] = size
                return _Answer(status, body, note)
            self._pins[name], since = _wish(body, self._ledger().head())
            if since != self._pins[name]:  # from what it cosigned, and from a head it missed
                wanted.append(since)
        raise NotBelieved("it always wants another proof")

    def _views(
        self, asked: _Asked, pin: int, wanted: Sequence[int]
    ) -> tuple[list[Json], bytes, int]:
        """Return the views of a question, all under one checkpoint, its note and its size."""
        if not asked.views:
            return [], b"", 0
        ledger = self._ledger()
        first = ledger.view(asked.streams, min(max(pin, *wanted, 0), ledger.head()))
        note = str(first["checkpoint"]).encode()
        size = parse_checkpoint(parse_note(note).text).size
        proof = ledger.consistency(min(pin, size), size)
        views: list[Json] = [{**first, "consistency": proof, "since": pin}]
        for since in wanted[1 - MOST_VIEWS :]:
            proof = ledger.consistency(since, size)
            views.append({**first, "consistency": proof, "since": since, "streams": []})
        return views, note, size

    def _refusal(self, custodian: str, body: Body) -> CustodianRefusal:
        with _reading(custodian):
            code = match(body.get("code", ""), CODE)
        return CustodianRefusal(custodian, code, str(body["signature"]))

    def _note(self, custodian: str, code: str) -> None:
        """Say in the journal why a custodian is silent, once until it is something else."""
        if self._said.get(custodian) != code:
            self._said[custodian] = code
            say("alarm", about=custodian, code=code)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question: where to, its own facts, the streams to show, what an answer must repeat."""

    path: str
    facts: Body
    streams: Sequence[str]
    about: Body
    views: bool = True


@dataclass(frozen=True, slots=True)
class _Answer:
    """A verified answer, and the checkpoint that was shown with its question."""

    status: int
    body: Body
    note: bytes


@contextmanager
def _reading(custodian: str) -> Iterator[None]:
    """Take a signed answer without the form of one for silence."""
    try:
        yield
    except (CryptoError, NoAnswer, KeyError) as error:
        raise CustodianSilent(custodian) from error


def _wish(body: Body, head: int) -> tuple[int, int]:
    """Return the pinned size and the size from which a proof is wanted; both lie in our tree."""
    try:
        if body.get("code") != VIEW_WANTED:
            raise NotBelieved(f"code {body.get('code')!r}")
        return integer(body.get("pin", -1), 0, head), integer(body.get("since", -1), 0, head)
    except CryptoError as error:
        raise NotBelieved(f"it knows a tree that is not ours: {error}") from error


def _complaint(message: Json | None) -> CustodyComplaint:
    fields = members(message or {}, ("against", "index", "reason", "sig"))
    return CustodyComplaint(
        integer(fields["index"], 1, MOST_MEMBERS),
        integer(fields["against"], 1, MOST_MEMBERS),
        match(fields["reason"], CODE),
        octets(fields["sig"], SIGNATURE_BYTES).hex(),
    )

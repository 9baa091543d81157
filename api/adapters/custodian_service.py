"""One custodian as a service: questions in, signed answers and signed refusals out.

Everything that is decided is decided by `LocalCustodian`; this file gives it the views that came
with the question, and puts what it says into `{"body":…,"sig":HEX128}` (`envelope.md` §10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from api.adapters.custodian_questions import PartialQuestion, ShareQuestion, Views
from api.adapters.custodian_seat import Complaint, NotAsked, Refused, ViewWanted
from api.adapters.local_custodian import Asked, LocalCustodian
from api.adapters.pushed_views import PushedViews
from crypto.canonical import Json, encode
from ledger.witness import Answer, monitor_path
from replay.custody_view import ViewRefused

SAID: Final = 200
REFUSED: Final = 403
WANTING: Final = 409
VIEW_WANTED: Final = "view-wanted"
NOT_ASKED: Final = "not-asked"
CLOCK: Final = "clock"
MOST_DETAIL: Final = 200
"""Characters of a reason: what a stranger sends must not fill the log of answers."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
Body = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Said:
    """What leaves: 200 an answer, 403 a refusal, 409 a view is missing; all signed."""

    status: int
    body: bytes


class CustodianService:
    """A custodian and the views that are sent to it; every thread may use it."""

    def __init__(self, custodian: LocalCustodian, views: PushedViews) -> None:
        self._custodian = custodian
        self._views = views
        self.name = custodian.identity.custodian

    def close(self) -> None:
        """Let go of its files."""
        self._custodian.close()

    def identity(self) -> Said:
        """Return who it is: name, organisation, keys, the log that it believes."""
        own = self._custodian.identity
        return self._signed(
            SAID,
            {
                "box": self._custodian.box.hex(),
                "cosign": str(own.cosign),
                "custodian": own.custodian,
                "log": str(own.log),
                "organisation": own.organisation,
                "origin": own.log.name,
                "recovery": own.recovery.hex(),
                "sign": own.sign.hex(),
                "v": 1,
            },
        )

    def time(self, nonce: bytes) -> Said:
        """Return its own time as a signed interval in ms, or the refusal `clock`."""
        now = self._custodian.time()
        if now is None:
            return self._refuse(CLOCK, {})
        earliest = (now.earliest - EPOCH) // MILLISECOND
        latest = -((EPOCH - now.latest) // MILLISECOND)
        signature = self._custodian.state_time(nonce, earliest, latest)
        body: dict[str, Json] = {
            "custodian": self.name,
            "earliest": earliest,
            "latest": latest,
            "nonce": nonce.hex(),
        }
        return Said(SAID, encode({"body": body, "sig": signature.hex()}))

    def ceremony(self, name: str, step: str, views: Views) -> Said:
        """Return the message of a round: `round1`, `round2` or `confirm`."""
        custodian = self._custodian
        rounds = {
            "round1": custodian.round1,
            "round2": custodian.round2,
            "confirm": custodian.confirm,
        }
        about: dict[str, Json] = {"ceremony": name}

        def work() -> Body:
            return self._of_ceremony(name, step, rounds[step](name))

        return self._decided(views, about, work)

    def alive(self, digest: str, question: ShareQuestion) -> Said:
        """Return today's proof of life of a share."""

        def work() -> Body:
            nonce, proof = self._custodian.alive(digest, question.consultation or None)
            return self._about(digest, nonce=nonce.hex(), proof=proof.hex())

        return self._decided(question.views, {"digest": digest}, work)

    def retire(self, digest: str, question: ShareQuestion) -> Said:
        """Erase the share that the ledger retires, and state it."""

        def work() -> Body:
            self._custodian.retire(digest, question.consultation)
            return self._about(digest)

        return self._decided(question.views, {"digest": digest}, work)

    def partial(self, digest: str, question: PartialQuestion) -> Said:
        """Return the 96 bytes for one planned envelope, or the first reason not to."""
        asked = Asked(
            question.consultation,
            question.lot,
            question.deposit,
            question.plan_no,
            question.head,
            digest,
        )

        def work() -> Body:
            partial = self._custodian.partial(asked)
            return {
                "custodian": self.name,
                "deposit": asked.deposit,
                "index": self._custodian.index_of(digest),
                "partial": partial.hex(),
                "plan_no": asked.plan_no,
            }

        return self._decided(question.views, {"deposit": asked.deposit}, work)

    def view(self, view: Mapping[str, Json]) -> Said:
        """Take over a view that proves itself; say the size that is pinned then."""

        def work() -> Body:
            return {"custodian": self.name, "size": self._custodian.take_over(view)}

        return self._decided({}, {}, work)

    def witness(self, body: bytes) -> Answer:
        """Answer an add-checkpoint request."""
        return self._custodian.witness(body)

    def cosigned(self, path: str) -> bytes | None:
        """Return the note cosigned last that monitors find under this path."""
        known = monitor_path(self._custodian.identity.log.name)
        return self._custodian.cosigned() if path == known else None

    def log(self, after: int, limit: int) -> bytes:
        """Return the lines of its own log after a number, one a line of text."""
        return b"".join(line + b"\n" for line in self._custodian.answers_after(after, limit))

    def _decided(self, views: Views, about: Body, work: Callable[[], Body]) -> Said:
        try:
            with self._views.of(views):
                return self._signed(SAID, work())
        except ViewWanted as wanted:
            # nothing was decided, so nothing is recorded: the same question comes again
            return self._signed(WANTING, self._wanting(wanted))
        except Refused as refusal:
            body: dict[str, Json] = {**about, "code": refusal.reason, "custodian": self.name}
            return Said(REFUSED, encode({"body": body, "sig": refusal.sig}))
        except Complaint as complaint:
            message: dict[str, Json] = {
                "against": complaint.against,
                "index": complaint.index,
                "reason": complaint.reason,
                "sig": complaint.sig,
            }
            return self._signed(
                REFUSED, self._of_ceremony(str(about["ceremony"]), "complaint", message)
            )
        except NotAsked as refusal:
            return self._refuse(NOT_ASKED, about, str(refusal))
        except ViewRefused as refusal:
            return self._refuse(refusal.code, about, str(refusal))

    def _wanting(self, wanted: ViewWanted) -> Body:
        return {
            "code": VIEW_WANTED,
            "custodian": self.name,
            "pin": self._custodian.pinned(),
            "since": wanted.since,
        }

    def _refuse(self, code: str, about: Body, detail: str = "") -> Said:
        body: dict[str, Json] = {**about, "code": code, "custodian": self.name}
        if detail:
            body["detail"] = detail[:MOST_DETAIL]
        return Said(REFUSED, encode({"body": body, "sig": self._custodian.state(body).hex()}))

    def _of_ceremony(self, name: str, step: str, message: Body) -> Body:
        return {"ceremony": name, "custodian": self.name, "message": message, "step": step}

    def _about(self, digest: str, **facts: Json) -> Body:
        return {"custodian": self.name, "digest": digest, **facts}

    def _signed(self, status: int, body: Body) -> Said:
        return Said(status, encode({"body": body, "sig": self._custodian.sign(body).hex()}))

"""One custodian behind its address: what it says is verified here, and nowhere else.

Every answer must be signed by the key of the roster and speak for the custodian that was asked;
anything else is no answer (`NoAnswer`), whoever sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from api.adapters.custodian_roster import Member
from api.adapters.custodian_service import REFUSED, SAID, WANTING
from api.adapters.http import NoAnswer, Outgoing
from crypto import statements
from crypto.canonical import Json, decode, encode
from crypto.errors import CryptoError
from crypto.forms import LARGEST, integer, members, octets
from ledger.witness import Reply

SIGNATURE_BYTES: Final = 64
BOX_BYTES: Final = 32
Body = Mapping[str, Json]


class NotBelieved(NoAnswer):
    """An answer that is not signed by the configured key, or is none to what was asked."""

    code = "custodian.not-believed"


@dataclass(frozen=True, slots=True)
class SignedTime:
    """A custodian's time: the true time lies in [earliest, latest], ms since 1970; its words."""

    custodian: str
    organisation: str
    earliest: int
    latest: int
    nonce: bytes
    sig: bytes


class RemoteCustodian:
    """One custodian behind its address; its answers are verified here and nowhere else."""

    def __init__(self, member: Member, out: Outgoing) -> None:
        self.member = member
        self._out = out

    def identity(self) -> Body:
        """Return what it says about itself, once it is what the roster says, else NotBelieved."""
        reply = self._out.exchange("GET", f"{self.member.url}/v1/identity")
        body = self._signed(reply, SAID)
        own = self.member.public
        told = (body.get("organisation"), body.get("sign"), body.get("cosign"))
        if told != (own.organisation, own.sign_hex, str(self.member.cosign)):
            raise NotBelieved(f"{own.custodian} says otherwise than the roster who it is")
        return body

    def box(self) -> str:
        """Return the box key that it keeps for the next ceremony, in hex; signed as all it says.

        The key of the roster is that of its enrolment. An old answer sent again names a key that
        the custodian does not keep: it refuses that ceremony.
        """
        try:
            return octets(self.identity().get("box", ""), BOX_BYTES).hex()
        except CryptoError as error:
            raise NotBelieved(f"its box key: {error}") from error

    def time(self, nonce: bytes) -> SignedTime:
        """Return its signed time for a fresh nonce of 32 bytes, or raise NoAnswer.

        It holds at one instant between question and answer: the caller adds how long both took.
        """
        question = encode({"nonce": nonce.hex()})
        reply = self._out.exchange("POST", f"{self.member.url}/v1/time", question)
        try:
            fields = members(decode(reply.body), ("body", "sig"))
            body = members(fields["body"], ("custodian", "earliest", "latest", "nonce"))
            earliest = integer(body["earliest"], 0, LARGEST)
            latest = integer(body["latest"], earliest, LARGEST)
            signature = octets(fields["sig"], SIGNATURE_BYTES)
            statements.check(self.member.sign, statements.time(nonce, earliest, latest), signature)
        except CryptoError as error:
            raise NotBelieved(f"status {reply.status}: {error}") from error
        own = self.member
        return SignedTime(own.custodian, own.organisation, earliest, latest, nonce, signature)

    def ask(self, path: str, question: Body) -> tuple[int, Body]:
        """Return status and body of a signed answer (200), refusal (403) or wish (409)."""
        reply = self._out.exchange("POST", f"{self.member.url}{path}", encode(dict(question)))
        return reply.status, self._signed(reply, SAID, REFUSED, WANTING)

    def _signed(self, reply: Reply, *statuses: int) -> Body:
        if reply.status not in statuses:
            raise NoAnswer(f"status {reply.status}")
        try:
            fields = members(decode(reply.body), ("body", "sig"))
            body = fields["body"]
            if not isinstance(body, dict):
                raise NotBelieved("the body is no object")
            signature = octets(fields["sig"], SIGNATURE_BYTES)
            statements.check(self.member.sign, statements.answer(body), signature)
        except CryptoError as error:
            raise NotBelieved(str(error)) from error
        if body.get("custodian") != self.member.custodian:
            raise NotBelieved(f"it speaks for {body.get('custodian')!r}")
        return {**body, "signature": signature.hex()}

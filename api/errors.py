"""Codes of the three error trees and of the API itself → problem+json (RFC 9457), in fr and en.

Nothing parses a text: the class carries the code, the code carries status and titles. A code
without texts is a red test. Facts of the ledger's errors never leave: they may hold positions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from enum import Enum

from api.problem_texts import TEXTS, Text
from crypto.errors import CryptoError
from domain.errors import DomainError, NotFound
from ledger.errors import EntryRefused

MEDIA_TYPE = "application/problem+json"
RESERVED = frozenset({"type", "title", "status", "code", "detail"})
LANGUAGES = ("fr", "en")


class ApiError(Exception):
    """What the HTTP interface itself refuses, before any rule is asked."""

    code = "platform.error"

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts


class NotJson(ApiError):
    """The body is no JSON object that this interface reads."""

    code = "request.json"


class BadForm(ApiError):
    """A field of the request is unknown, absent or of a wrong type."""

    code = "request.form"


class KeyRequired(ApiError):
    """A POST came without a usable Idempotency-Key."""

    code = "request.key-required"


class ProofMissing(ApiError):
    """A custodian gives no proof of life before a deadline: said in the journal, by the day."""

    code = "custody.proof-missing"


class BadPageToken(ApiError):
    """The ``after`` of a list was not given by us."""

    code = "request.page"

    def __init__(self, after: str) -> None:
        super().__init__("the page token was not given by this platform", after=after[:64])


class MethodNotAllowed(ApiError):
    """The path exists, not for this method."""

    code = "request.method"


class UnsupportedMedia(ApiError):
    """The content type is none that the route reads."""

    code = "request.media"


class TooLarge(ApiError):
    """The body is larger than the route reads."""

    code = "request.too-large"


class TooSlow(ApiError):
    """The body came slower than the minimum rate over a whole window."""

    code = "request.too-slow"


class TooOften(ApiError):
    """An account or address asked more often than the table of rates allows."""

    code = "request.too-often"


class Busy(ApiError):
    """Every place for requests of this class is taken, and the queue is full."""

    code = "platform.busy"


class LoginRequired(ApiError):
    """No valid token came with the request."""

    code = "login.required"


class SessionEnded(LoginRequired):
    """The session is unknown, was ended, or ended by itself."""

    code = "login.session-ended"


class LoginTooOld(LoginRequired):
    """The act asks for a newer proof of identity than the session's."""

    code = "login.too-old"


class LoginTooWeak(LoginRequired):
    """The role asks for a passkey or an identity provider; the session was proven by less."""

    code = "login.too-weak"


class LoginRefused(ApiError):
    """What was given to log in is not right; nobody learns which part."""

    code = "login.refused"


class LoginLimited(ApiError):
    """Too many attempts to log in, for this account or from this address."""

    code = "login.limited"

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many attempts", retry_after=retry_after)
        self.retry_after = retry_after


class SeatNotInForce(ApiError):
    """The ledger does not say, or says no more, that this person holds this role."""

    code = "seat.not-in-force"


class OutOfScope(ApiError):
    """The token was made for less than this."""

    code = "token.scope"


class Forged(ApiError):
    """A request with a cookie came from elsewhere, or without the token of its page."""

    code = "request.forged"


class InvitationEnded(ApiError):
    """The invitation was used, withdrawn, or has ended."""

    code = "invitation.ended"


class EmailRefused(ApiError):
    """What was given is no e-mail address."""

    code = "account.email"


class AddressTaken(ApiError):
    """Somebody has an account under this e-mail address."""

    code = "account.address-taken"


class IdentityTaken(ApiError):
    """The identity of the provider belongs to another account."""

    code = "account.identity-taken"


class LastProof(ApiError):
    """It is the last means by which this person can come in."""

    code = "account.last-proof"


class PasswordRefused(ApiError):
    """The password is too short, too long, or too easy to guess."""

    code = "account.password"


class PasskeyRefused(ApiError):
    """The answer of the authenticator does not prove what was asked."""

    code = "login.passkey-refused"


class NotAllowed(ApiError):
    """The object is the caller's, but not for this role."""

    code = "role.not-allowed"


class Absent(ApiError):
    """The object does not exist, or belongs to somebody else: nobody can tell which."""

    code = NotFound.code

    def __init__(self) -> None:
        super().__init__("absent")


class VersionDiffers(ApiError):
    """The If-Match version is not the current one."""

    code = "request.version"


class ChunkDiffers(ApiError):
    """The bytes of a chunk do not have the announced leaf."""

    code = "chunk.differs"


class ChunkElsewhere(ApiError):
    """A chunk was stored at that index with other bytes, or lies outside the envelope."""

    code = "chunk.conflict"


class ChunkOutside(ApiError):
    """The index lies outside the announced envelope."""

    code = "chunk.range"


class ChunkSize(ApiError):
    """A chunk has another length than its place demands."""

    code = "chunk.size"


class HeadDiffers(ApiError):
    """Another head was accepted before for this transmission."""

    code = "transmission.head-conflict"


class HeadMissing(ApiError):
    """Chunks are accepted only after the head."""

    code = "transmission.head-missing"


class NotUploaded(ApiError):
    """A dossier names a file whose bytes were not uploaded before."""

    code = "dossier.not-uploaded"


class DossierInfected(ApiError):
    """The scanner found malware in a file of a dossier: nothing of it is kept."""

    code = "dossier.malware"


class Incomplete(ApiError):
    """Finish was asked while chunks are missing."""

    code = "transmission.incomplete"


def language_of(accept: str | None, default: str = "fr") -> str:
    """Return fr or en, the first that an Accept-Language header prefers."""
    best, weight = default, 0.0
    for part in (accept or "").split(","):
        name, _, parameters = part.strip().partition(";")
        quality = re.fullmatch(r"\s*q=([01](?:\.\d{1,3})?)\s*", parameters)
        q = float(quality.group(1)) if quality else 1.0
        short = name.strip().lower().split("-")[0]
        if short in LANGUAGES and q > weight:
            best, weight = short, q
    return best


def text_of(code: str) -> Text:
    """Return status and titles of a code; an unknown code is an error of the platform."""
    return TEXTS.get(code, TEXTS["platform.error"])


def code_of(error: BaseException) -> str:
    """Return the stable code of an error of any of our trees."""
    if isinstance(error, EntryRefused):
        return "entry.refused"  # its own code is the word of a rule, for those who check a log
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else "platform.error"


def facts_of(error: BaseException) -> dict[str, object]:
    """Return the facts that may leave with an error, in JSON's types, absent never null.

    Absent and foreign carry none: their bytes are equal. The ledger's carry none: they may hold
    positions, which never leave.
    """
    if isinstance(error, Absent | NotFound):
        return {}
    if isinstance(error, ApiError):
        own: Mapping[str, object] = error.facts
    elif isinstance(error, DomainError):
        own = error.facts()
    elif isinstance(error, CryptoError):
        own = vars(error)
    else:
        return {}
    shown = {
        name: _plain(value)
        for name, value in own.items()
        if value is not None and not name.startswith("_") and name not in RESERVED
    }
    return shown | ({"detail": _text(error)} if str(error) else {})


def problem(error: BaseException, language: str) -> tuple[int, dict[str, object]]:
    """Return status and body of the problem document of an error."""
    code = code_of(error)
    text = text_of(code)
    body: dict[str, object] = {
        "type": f"/problems/{code}",
        "title": text.fr if language == "fr" else text.en,
        "status": text.status,
        "code": code,
    }
    return text.status, body | facts_of(error)


def headers_of(status: int, error: BaseException | None = None) -> Mapping[str, str]:
    """Return the headers that go with a status: when to come again, how to log in."""
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="pli"'}
    if status in {429, 503}:
        known = error.facts.get("retry_after") if isinstance(error, ApiError) else None
        return {"Retry-After": str(known or 5)}
    return {}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {_text(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    return _atom(value)


def _atom(value: object) -> object:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool | int):
        return value
    return _text(value)


def _text(value: object) -> str:
    """Return a text that has a UTF-8 form: half a surrogate of a caller's text has none."""
    return str(value).encode("utf-8", "replace").decode()

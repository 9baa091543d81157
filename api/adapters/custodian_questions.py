"""What is asked of a custodian over HTTP, read strictly: canonical JSON, closed forms, bounds.

Whoever reaches the service may ask; a body of another form is refused before anything is decided.
The object of a view is the one of `envelope.md` §10; with a question it also says `since`, the size
from which its `consistency` proves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crypto.canonical import Json, decode
from crypto.forms import IDENTIFIER, LARGEST, LOT, integer, items, match, members, octets

MOST_VIEWS: Final = 4
NONCE_BYTES: Final = 32
DIGEST_BYTES: Final = 32
CEREMONY_BYTES: Final = 16
DEPOSIT_BYTES: Final = 16
VIEW_KEYS: Final = ("checkpoint", "consistency", "streams")
Views = Mapping[int, Mapping[str, Json]]


@dataclass(frozen=True, slots=True)
class ShareQuestion:
    """A question about one share; `consultation`: whose custody is shown, '' for none."""

    views: Views
    consultation: str = ""


@dataclass(frozen=True, slots=True)
class PartialQuestion:
    """A question for the answer to one envelope; the head is everything before chunk 0."""

    views: Views
    consultation: str
    deposit: str
    head: bytes
    lot: str
    plan_no: int


def read_time(body: bytes) -> bytes:
    """Return the nonce of a question for the time, or raise CryptoError."""
    return octets(members(decode(body), ("nonce",))["nonce"], NONCE_BYTES)


def read_round(body: bytes) -> Views:
    """Return the views that come with a round of a ceremony, or raise CryptoError."""
    return _views(members(decode(body), ("views",))["views"])


def read_view(body: bytes) -> Mapping[str, Json]:
    """Return a view that is shown without a question, or raise CryptoError; it is not judged."""
    return members(decode(body), VIEW_KEYS)


def read_share(body: bytes) -> ShareQuestion:
    """Return a question about a share, or raise CryptoError."""
    fields = members(decode(body), ("consultation", "views"))
    about = fields["consultation"]
    return ShareQuestion(_views(fields["views"]), match(about, IDENTIFIER) if about else "")


def read_partial(body: bytes) -> PartialQuestion:
    """Return a question for one envelope, or raise CryptoError."""
    keys = ("consultation", "deposit", "head", "lot", "plan_no", "views")
    fields = members(decode(body), keys)
    return PartialQuestion(
        views=_views(fields["views"]),
        consultation=match(fields["consultation"], IDENTIFIER),
        deposit=octets(fields["deposit"], DEPOSIT_BYTES).hex(),
        head=octets(fields["head"]),
        lot=match(fields["lot"], LOT),
        plan_no=integer(fields["plan_no"], 0, LARGEST),
    )


def _views(value: Json) -> Views:
    """Return the views by the size from which each proves; a later one of a size counts."""
    found: dict[int, Mapping[str, Json]] = {}
    for item in items(value, 0, MOST_VIEWS):
        fields = members(item, (*VIEW_KEYS, "since"))
        since = integer(fields["since"], 0, LARGEST)
        found[since] = {key: fields[key] for key in VIEW_KEYS}
    return found

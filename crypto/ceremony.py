"""The object that starts a key ceremony (envelope 2.1): who, how many, for which purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crypto import canonical
from crypto.canonical import Json
from crypto.digests import H
from crypto.errors import FormRefused
from crypto.forms import IDENTIFIER, ORIGIN, integer, items, match, members, octets, word

PURPOSES: Final = ("canary", "consultation")
_KEYS: Final = ("ceremony", "k", "log", "members", "n", "purpose", "v")
_MEMBER_KEYS: Final = ("box", "custodian", "index", "organisation", "sign")


@dataclass(frozen=True)
class Member:
    """One custodian of a ceremony with its public keys."""

    index: int
    custodian: str
    organisation: str
    sign: bytes
    box: bytes


@dataclass(frozen=True)
class Ceremony:
    """A ceremony whose form was checked; ``cid`` binds every later message to it."""

    ceremony: str
    k: int
    n: int
    log: str
    purpose: str
    members: tuple[Member, ...]
    cid: bytes
    document: Mapping[str, Json]

    @classmethod
    def parse(cls, document: Json) -> Ceremony:
        """Return the ceremony of the object, or raise FormRefused."""
        fields = members(document, _KEYS)
        integer(fields["v"], 1, 1)
        n = integer(fields["n"], 2, 16)
        k = integer(fields["k"], 2, n)
        people = tuple(
            _member(entry, index)
            for index, entry in enumerate(items(fields["members"], n, n), start=1)
        )
        for what in ("custodian", "sign", "box"):
            if len({getattr(member, what) for member in people}) != n:
                raise FormRefused(f"two members have the same {what}")
        return cls(
            ceremony=octets(fields["ceremony"], 16).hex(),
            k=k,
            n=n,
            log=match(fields["log"], ORIGIN),
            purpose=word(fields["purpose"], PURPOSES),
            members=people,
            cid=H("pli/v1/ceremony", canonical.encode(fields)),
            document=fields,
        )

    def member(self, index: int) -> Member:
        """Return the member with this index, 1 to n, or raise FormRefused."""
        return self.members[integer(index, 1, self.n) - 1]


def _member(entry: Json, index: int) -> Member:
    fields = members(entry, _MEMBER_KEYS)
    return Member(
        index=integer(fields["index"], index, index),
        custodian=match(fields["custodian"], IDENTIFIER),
        organisation=match(fields["organisation"], IDENTIFIER),
        sign=octets(fields["sign"], 32),
        box=octets(fields["box"], 32),
    )

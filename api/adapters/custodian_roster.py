"""The roster: which custodians an installation asks, where, and under which keys it believes them.

A TOML file that the operator's setting names; `pli custodian show` prints the table of one
custodian, which its organisation hands over. Trust comes from this file alone: what answers at an
address and is not signed by the key written here is silence.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from api.adapters.custodian_identity import Identity
from crypto.canonical import Json
from crypto.errors import CryptoError
from crypto.forms import IDENTIFIER, items, match, members, octets, text
from crypto.keys import LogKeys
from crypto.notes import COSIGNATURE, VerifierKey
from crypto.policies import witnessed_policy
from domain.ports import CustodianIdentity

KEYS: Final = ("box", "cosign", "custodian", "organisation", "sign", "url")
KEY_BYTES: Final = 32
LEAST: Final = 2
MOST: Final = 16
QUORUM_GROUP: Final = "custodians"


class RosterUnusable(Exception):
    """The configured roster is absent, cannot be read, or names no lawful set of custodians."""

    code = "platform.roster"


@dataclass(frozen=True, slots=True)
class Member:
    """One custodian: where it answers, and the keys under which it is believed."""

    url: str
    custodian: str
    organisation: str
    sign: bytes
    box: bytes
    cosign: VerifierKey

    @classmethod
    def of(cls, identity: Identity, url: str) -> Member:
        """Return the member that a custodian of this identity is."""
        return cls(
            url=url,
            custodian=identity.custodian,
            organisation=identity.organisation,
            sign=identity.sign,
            box=identity.box,
            cosign=identity.cosign,
        )

    @property
    def public(self) -> CustodianIdentity:
        """Return it in the words of the domain."""
        return CustodianIdentity(self.custodian, self.organisation, self.sign.hex(), self.box.hex())

    def table(self) -> str:
        """Return its table in a roster file."""
        rows = {
            "custodian": self.custodian,
            "organisation": self.organisation,
            "url": self.url,
            "sign": self.sign.hex(),
            "box": self.box.hex(),
            "cosign": str(self.cosign),
        }
        return "".join(
            ["[[custodian]]\n", *(f'{name} = "{value}"\n' for name, value in rows.items())]
        )


Roster = tuple[Member, ...]


def read_roster(path: Path) -> Roster:
    """Return the custodians of a roster file, or raise RosterUnusable."""
    try:
        found = tomllib.loads(path.read_bytes().decode())
        table = members(found, ("custodian",))
        roster = tuple(_member(one) for one in items(table["custodian"], LEAST, MOST))
    except (OSError, ValueError, RecursionError, CryptoError) as error:
        raise RosterUnusable(f"{path.name}: {error}") from error
    for what in ("custodian", "sign", "box", "cosign", "url"):
        if len({getattr(member, what) for member in roster}) != len(roster):
            raise RosterUnusable(f"{path.name}: two custodians have the same {what}")
    return roster


def _member(value: Json) -> Member:
    fields = members(value, KEYS)
    cosign = VerifierKey.parse(text(fields["cosign"]))
    if cosign.kind != COSIGNATURE:
        raise RosterUnusable(f"{cosign.name} is no key of a witness")
    url = text(fields["url"])
    if not url.startswith(("https://", "http://")):
        raise RosterUnusable(f"{url[:80]} is no http address")
    return Member(
        url=url.rstrip("/"),
        custodian=match(fields["custodian"], IDENTIFIER),
        organisation=match(fields["organisation"], IDENTIFIER),
        sign=octets(fields["sign"], KEY_BYTES),
        box=octets(fields["box"], KEY_BYTES),
        cosign=cosign,
    )


def policy_of(keys: LogKeys, roster: Sequence[Member]) -> str:
    """Return the text of `policy.txt`: this log, and a majority of these custodians."""
    witnesses: Mapping[str, VerifierKey] = {one.custodian: one.cosign for one in roster}
    return witnessed_policy(keys.lines(), witnesses, len(roster) // 2 + 1, QUORUM_GROUP)

"""Which custodians answer now, and how far their clocks are from this host's: for `pli doctor`.

Nothing is decided by it. Both clocks are intervals; they agree where the intervals meet.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from api.adapters.custodian_home import identity_of, is_served
from api.adapters.custodian_processes import SERVING
from api.adapters.custodian_questions import NONCE_BYTES
from api.adapters.custodian_roster import Member, Roster, read_roster
from api.adapters.custodians import local_names
from api.adapters.http import NoAnswer, Outgoing
from api.adapters.keys import Random
from api.adapters.remote_custodian import RemoteCustodian
from api.home import Home
from api.settings import Settings
from domain.clock import Reading
from domain.errors import ClockDistrusted

LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """What one custodian answered: the code of what fails, or the distance of its clock in ms."""

    custodian: str
    fault: str = ""
    offset_ms: int = 0
    width_ms: int = 0

    def __str__(self) -> str:
        """Return it in a line of the doctor."""
        if self.fault:
            return f"{self.custodian}: {self.fault}"
        return f"{self.custodian} {self.offset_ms / 1000:+.3f} s ±{self.width_ms / 2000:.3f} s"


def reachable(place: Home, settings: Settings) -> Roster | None:
    """Return the custodians that a platform asks: of its roster, or its running processes.

    None: they are objects of whatever process opens the home, and nothing listens.
    """
    if settings.custodians is not None:
        return read_roster(settings.custodians)
    told = place.custodians / SERVING
    folders = [place.custodians / name for name in local_names(place.custodians)]
    # the file of a platform that was killed says where its custodians were
    if not told.is_file() or not any(map(is_served, folders)):
        return None
    urls = json.loads(told.read_text())
    return tuple(
        Member.of(identity_of(folder), url) for folder, url in zip(folders, urls, strict=True)
    )


def look_at(member: Member, now: Callable[[], Reading], random: Random) -> Look:
    """Ask one custodian who it is and what time it has."""
    one = RemoteCustodian(member, Outgoing([member.url], seconds=LOOK_S))
    try:
        one.identity()
        before = now()
        told = one.time(random.bytes(NONCE_BYTES))
        after = now()
    except (NoAnswer, ClockDistrusted) as error:
        return Look(member.custodian, f"{error.code} ({error})"[:120])
    earliest, latest = _ms(before.earliest.timestamp()), _ms(after.latest.timestamp())
    middle = (_ms(before.middle().timestamp()) + _ms(after.middle().timestamp())) // 2
    offset = (told.earliest + told.latest) // 2 - middle
    if told.earliest > latest or told.latest < earliest:
        return Look(member.custodian, f"its clock is {offset / 1000:+.3f} s off")
    return Look(member.custodian, "", offset, told.latest - told.earliest)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)

"""The clock of the settings: the host alone (A0), or a majority of it and clocks outside (A1, A2).

``PLI_CLOCK_SOURCES`` names the outside ones: ``custodians`` (each custodian service of the roster),
``tsa`` (the authority of the anchors), the address of one more authority under the same roots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from api.adapters.clock import HostSource, SourcedClock
from api.adapters.clock_sources import Asking, CustodianTime, KeptTime, StampedTime, Teller
from api.adapters.custodian_roster import Roster
from api.adapters.http import Outgoing
from api.adapters.remote_custodian import RemoteCustodian
from api.adapters.timestamps import http_timestamper
from api.settings import Settings
from domain.ports import Rng

CUSTODIANS = "custodians"
AUTHORITY = "tsa"


class SourcesUnusable(Exception):
    """A source of time that the settings name is not there, or is no source."""

    code = "clock.sources"


def clocks_of(roster: Roster, organisation: str, random: Rng) -> list[CustodianTime]:
    """Return the custodians of a roster as clocks; those of this organisation tell this host's."""
    elsewhere = [one for one in roster if one.organisation != organisation]
    out = Outgoing([one.url for one in elsewhere])
    return [
        CustodianTime(one.custodian, one.sign, RemoteCustodian(one, out), random)
        for one in elsewhere
    ]


def clock_of(
    settings: Settings, random: Rng, custodians: Sequence[CustodianTime] = ()
) -> tuple[SourcedClock, Asking]:
    """Return the clock and what asks its outside sources; raise SourcesUnusable.

    ``custodians``: those of other hosts alone; one beside this process tells this host's time.
    Where the settings name nothing, all of them are sources.
    """
    tellers = list(_tellers(settings, random, custodians))
    kept = [KeptTime(teller, settings.clock_ask_s) for teller in tellers]
    host = HostSource(None if kept else settings.clock_bound_ms)
    return SourcedClock(host, kept), Asking(kept)


def begun_clock(
    settings: Settings, random: Rng, custodians: Sequence[CustodianTime] = ()
) -> tuple[SourcedClock, Asking]:
    """Return the same once everybody was asked, and the first reading taken if there can be one."""
    clock, asking = clock_of(settings, random, custodians)
    asking.once()
    clock.begin()
    return clock, asking


def _tellers(
    settings: Settings, random: Rng, custodians: Sequence[CustodianTime]
) -> Iterator[Teller]:
    named = settings.clock_sources or (CUSTODIANS if custodians else "")
    for word in dict.fromkeys(named.replace(",", " ").split()):
        if word == CUSTODIANS:
            if not custodians:
                raise SourcesUnusable("custodians: none runs as a service elsewhere")
            yield from custodians
            continue
        url = settings.tsa_url if word == AUTHORITY else word
        if url is None or not url.startswith(("http://", "https://")):
            raise SourcesUnusable(f"{word}: custodians, tsa with PLI_TSA_URL, or an address")
        yield StampedTime(word, http_timestamper(url, settings.tsa_certificates), random)

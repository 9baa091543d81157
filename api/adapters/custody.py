"""Who holds the shares of an installation: custodians of the home in this process, or services.

The wiring takes either: a port for the domain, and the witnesses that the custodians are as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from api.adapters import custodians as local
from api.adapters.custodian_roster import Roster
from api.adapters.custodian_seat import Clock, Show
from api.adapters.http import Outgoing
from api.adapters.keys import Random
from api.adapters.remote_custodians import RemoteCustodians, Shows
from api.adapters.witnesses import RemoteWitness
from api.home import Home
from crypto.policies import Policy
from domain.ports import Custodians
from ledger.ports import Witness

Assigned = Callable[[str], str | None]


class HeldCustodians(Custodians, Protocol):
    """The domain's port, with the files or lines behind it."""

    def close(self) -> None:
        """Let go of what it holds."""


@dataclass(frozen=True)
class Custody:
    """The port, and the witnesses of the platform's log that stand behind it."""

    port: HeldCustodians
    witnesses: Sequence[Witness]


def local_custody(
    place: Home, *, clock: Clock, rng: Random, show: Show, assigned: Assigned
) -> Custody:
    """Return the custodians of a home as objects of this process."""
    held = local.open_local(
        place.custodians,
        credential=local.credential_files(place.keys),
        clock=clock,
        random=rng,
        show=show,
    )
    witnesses = [local.LocalWitness(one) for one in held]
    return Custody(local.LocalCustodians(held, assigned), witnesses)


def remote_custody(
    roster: Roster,
    *,
    seconds: float,
    log: Policy,
    ledger: Callable[[], Shows],
    assigned: Assigned,
) -> Custody:
    """Return the custodians of a roster; ``log``: the keys under which their notes are read."""
    urls = [one.url for one in roster]
    port = RemoteCustodians(roster, Outgoing(urls, seconds=seconds), ledger, assigned)
    lines, trusted = Outgoing(urls), log.log_alone()
    witnesses = [RemoteWitness(one.cosign, one.url, log.logs[0], lines, trusted) for one in roster]
    return Custody(port, witnesses)

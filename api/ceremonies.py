"""A keyset for a consultation: held with the custodians of this installation, 2 of 3, and assigned.

The canary keyset of the same custodians is made once and shared by all consultations; its purpose
is for ever: it can never open a bid (``envelope.md`` 2.1).
"""

from __future__ import annotations

from api import views
from api.auth import Caller
from api.errors import Absent
from api.idempotency import object_id
from api.platform import Platform
from domain.commands.hold_ceremony import (
    AssignKeyset,
    HoldCeremony,
    KeysetPurpose,
    assign_keyset,
    hold_ceremony,
)
from domain.custody import KeyCeremony
from domain.ports import Act

CANARY = "canary-1"
THRESHOLD = 2


def equip(who: Caller, act: Act, consultation: str) -> dict[str, object]:
    """Hold the ceremonies that are missing and assign the keyset; repeatable as a whole."""
    platform = who.platform
    found = views.found_consultation(platform, consultation)
    if found.tenant != who.org:
        raise Absent
    ceremony = object_id(act.command_id, "ceremony")[:24]
    hold(platform, CANARY, KeysetPurpose.CANARY)
    hold(platform, ceremony, KeysetPurpose.CONSULTATION)
    platform.act(assign_keyset, act.part("assign"), AssignKeyset(consultation, ceremony, CANARY))
    return views.consultation(platform, consultation)


def hold(platform: Platform, ceremony: str, purpose: KeysetPurpose) -> None:
    """Hold one ceremony among all custodians unless its keyset is ready."""
    with platform.desk.turns.hold(f"ceremony {ceremony}"):
        held = platform.desk.files.find(KeyCeremony, f"ceremony/{ceremony}")
        if held is not None and held.digest:
            return
        custodians = tuple(each.custodian for each in platform.desk.custodians.roster())
        act = platform.own_act(object_id(ceremony, "hold"), ceremony)
        platform.act(hold_ceremony, act, HoldCeremony(ceremony, custodians, THRESHOLD, purpose))

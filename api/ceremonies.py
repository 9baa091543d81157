"""A keyset for a consultation: held with the custodians of this installation, 2 of 3, and assigned.

The canary keyset of the same custodians is made once and shared by all consultations; its purpose
is for ever: it can never open a bid (``envelope.md`` 2.1).
"""

from __future__ import annotations

from itertools import count

from api.idempotency import object_id
from api.platform import Platform
from domain.commands.hold_ceremony import (
    AssignKeyset,
    HoldCeremony,
    KeysetPurpose,
    RetireKeyset,
    assign_keyset,
    check_unassigned,
    hold_ceremony,
    retire_keyset,
)
from domain.commands.loading import own_consultation
from domain.commands.prove_life import (
    DecryptCanary,
    ProvePoolLife,
    decrypt_canary,
    prove_pool_life,
)
from domain.custody import Custody, KeyCeremony
from domain.ports import Act

CANARY = object_id("canary", "ceremony")
POOLED = "pool"
THRESHOLD = 2


def equip(platform: Platform, act: Act, consultation: str) -> None:
    """Hold the ceremonies that are missing and assign the keyset; repeatable as a whole.

    The buyer asks, the platform runs: no role of a buyer holds or assigns keys.
    """
    own_consultation(platform.desk, act, consultation)
    if _from_pool(platform, act, consultation):
        return
    ceremony = object_id(act.command_id, "ceremony")
    assigning = platform.own_act(act.part("assign").command_id, consultation)
    command = AssignKeyset(consultation, ceremony, CANARY)
    if platform.desk.earlier(assigning, command) is None:
        # a ceremony is long work: none is held where it could not be assigned
        check_unassigned(platform.desk, consultation)
        hold(platform, CANARY, KeysetPurpose.CANARY)
        hold(platform, ceremony, KeysetPurpose.CONSULTATION)
    platform.act(assign_keyset, assigning, command)


def _from_pool(platform: Platform, act: Act, consultation: str) -> bool:
    """Assign a keyset that waits, whose custodians are all alive; say whether there was one.

    A repetition finds the keyset that it was given before.
    """
    assigning = platform.own_act(act.part("assign").command_id, consultation)
    with platform.desk.turns.hold("keyset pool"):
        custody = platform.desk.files.find(Custody, f"custody/{consultation}")
        given = custody.keyset if custody is not None else None
        if given is not None:
            name = platform.index.ceremony(given.digest)
            command = AssignKeyset(consultation, name or "", CANARY)
            return platform.desk.earlier(assigning, command) is not None
        waiting = platform.index.pool(_signs(platform), THRESHOLD, alive=True)
        if not waiting or not _pools(platform):
            return False
        hold(platform, CANARY, KeysetPurpose.CANARY)
        platform.act(assign_keyset, assigning, AssignKeyset(consultation, waiting[0], CANARY))
        return True


def stock(platform: Platform) -> bool:
    """Hold one more ceremony if the pool is below its size; say whether one was held.

    Each has a number for its name, so that one which a crash cut is finished, never left.
    """
    index = platform.index
    wanted = platform.settings.keyset_pool if _pools(platform) else 0
    if len(index.pool(_signs(platform), THRESHOLD)) >= wanted:
        return False
    hold(platform, CANARY, KeysetPurpose.CANARY)
    names = (object_id(f"{POOLED} {number}", "ceremony") for number in count())
    name = next(one for one in names if not index.ceremony_ended(one))
    hold(platform, name, KeysetPurpose.CONSULTATION)
    return True


def prove_stock(platform: Platform, ceremony: str, when: str) -> None:
    """Ask for a proof of life of a keyset that waits, once for this day or hour."""
    act = platform.own_act(object_id(ceremony, f"life {when}"), ceremony)
    platform.act(prove_pool_life, act, ProvePoolLife(ceremony))


def waiting(platform: Platform) -> list[str]:
    """Return the ceremonies of the keysets that wait for a consultation."""
    return platform.index.pool(_signs(platform), THRESHOLD)


def _pools(platform: Platform) -> bool:
    """Say whether keysets are made ahead: with several writers each could give away the same."""
    return platform.settings.keyset_pool > 0 and platform.settings.writers == 1


def _signs(platform: Platform) -> list[str]:
    return [one.sign_hex for one in platform.desk.custodians.roster()]


def open_canary(platform: Platform, act: Act, consultation: str) -> None:
    """Let the custodians open the canary of a consultation, as its buyer asks."""
    own_consultation(platform.desk, act, consultation)
    asked = platform.own_act(act.part("canary").command_id, consultation)
    platform.act(decrypt_canary, asked, DecryptCanary(consultation))


def retire(platform: Platform, act: Act, consultation: str, reason: str) -> None:
    """Let the custodians erase their shares of a consultation's key, as its buyer asks.

    After the last appeal, or a cancellation (``envelope.md`` 2.6): when that is, the buyer says. A
    custodian that is silent is asked again by the same request under another key.
    """
    own_consultation(platform.desk, act, consultation)
    custody = platform.desk.files.find(Custody, f"custody/{consultation}")
    named = custody.keyset.custodians if custody and custody.keyset else ()
    if custody and named and custody.destroyed >= {*named}:
        return
    asked = platform.own_act(act.part("retire").command_id, consultation)
    platform.act(retire_keyset, asked, RetireKeyset(consultation, reason))


def retired(platform: Platform, consultation: str) -> dict[str, object]:
    """Return which custodians have stated that their share is erased, and which have not."""
    custody = platform.desk.files.find(Custody, f"custody/{consultation}")
    assert custody is not None  # noqa: S101 - whatever is published has its keys
    assert custody.keyset is not None  # noqa: S101
    named = custody.keyset.custodians
    return {
        "consultation": consultation,
        "retired": custody.retired,
        "destroyed": [name for name in named if name in custody.destroyed],
        "awaited": [name for name in named if name not in custody.destroyed],
    }


def hold(platform: Platform, ceremony: str, purpose: KeysetPurpose) -> None:
    """Hold one ceremony among all custodians unless its keyset is ready."""
    with platform.desk.turns.hold(f"ceremony {ceremony}"):
        held = platform.desk.files.find(KeyCeremony, f"ceremony/{ceremony}")
        if held is not None and held.digest:
            return
        custodians = tuple(each.custodian for each in platform.desk.custodians.roster())
        act = platform.own_act(object_id(ceremony, "hold"), ceremony)
        platform.act(hold_ceremony, act, HoldCeremony(ceremony, custodians, THRESHOLD, purpose))

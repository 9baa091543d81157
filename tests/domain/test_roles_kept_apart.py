"""Roles that one person never holds together: every pair, both orders, dates that meet or not."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations

import pytest
from doubles.memory import VersionConflict
from doubles.platform import BUYER, OTHER_BUYER, PLATFORM, Platform, law

from domain.buyer import Buyer
from domain.commands import delegate_signature, elect_committee, manage_members
from domain.commands.keeping_apart import ROLES
from domain.errors import RoleIncompatible, RoleNotAdministered
from domain.events.parties import BuyerKind, RoleGranted
from domain.ports import Act

TODAY = date(2026, 12, 1)
DAY = timedelta(days=1)
KEPT_APART = {frozenset({"PA", other}) for other in ("BU", "CU", "CO", "SI")}
HELD = [role for role in law().roles.titles if role not in {"CY", "OB", "PR", "AD"}]


def started() -> Platform:
    made = Platform()
    for siret in (BUYER, OTHER_BUYER):
        form = manage_members.RegisterBuyer(siret, "Ville", BuyerKind.COMMUNE)
        made.done(manage_members.register_buyer, made.act("PA"), form)
    return made


def giver(platform: Platform, role: str, org: str) -> tuple[Act, str]:
    """Return who gives a role, and in whose stream it stands."""
    if role == "PA":
        return platform.act("PA"), PLATFORM
    return platform.act("BU", org), org


def give(
    platform: Platform, person: str, role: str, first: date, last: date | None, org: str = BUYER
) -> None:
    act, home = giver(platform, role, org)
    command = manage_members.GrantRole(home, person, role, first, last)
    platform.done(manage_members.grant_role, act, command)


@pytest.mark.parametrize(("earlier", "later"), list(permutations(HELD, 2)))
def test_every_pair_in_both_orders(earlier: str, later: str) -> None:
    platform = started()
    give(platform, "Mme A", earlier, TODAY, TODAY + 9 * DAY)
    if frozenset({earlier, later}) in KEPT_APART:
        with pytest.raises(RoleIncompatible) as refused:
            give(platform, "Mme A", later, TODAY + 9 * DAY, None)
        assert (refused.value.role, refused.value.held) == (later, earlier)
    else:
        give(platform, "Mme A", later, TODAY + 9 * DAY, None)
    give(platform, "Mme A", later, TODAY + 10 * DAY, None)
    give(platform, "M. B", later, TODAY, None)


SPANS = [
    ((0, 9), (0, 9), True),
    ((0, 9), (9, 20), True),
    ((0, 9), (10, 20), False),
    ((9, 20), (0, 9), True),
    ((10, 20), (0, 9), False),
    ((0, None), (500, None), True),
    ((500, None), (0, None), True),
    ((500, None), (0, 499), False),
    ((3, 4), (0, 9), True),
    ((0, 9), (3, 4), True),
]


@pytest.mark.parametrize(("earlier", "later", "meet"), SPANS)
@pytest.mark.parametrize("order", [("PA", "CU"), ("CU", "PA")])
@pytest.mark.parametrize("org", [BUYER, PLATFORM])
def test_only_dates_that_meet_are_refused(
    earlier: tuple[int, int | None],
    later: tuple[int, int | None],
    meet: bool,
    order: tuple[str, str],
    org: str,
) -> None:
    platform = started()

    def between(days: tuple[int, int | None]) -> tuple[date, date | None]:
        first, last = days
        return TODAY + first * DAY, None if last is None else TODAY + last * DAY

    give(platform, "Mme A", order[0], *between(earlier), org=org)
    if meet:
        with pytest.raises(RoleIncompatible):
            give(platform, "Mme A", order[1], *between(later), org=org)
    else:
        give(platform, "Mme A", order[1], *between(later), org=org)


def test_a_revoked_role_keeps_nothing_apart() -> None:
    platform = started()
    give(platform, "Mme A", "PA", TODAY, None)
    revoke = manage_members.RevokeRole(PLATFORM, "Mme A", "PA", "mutation")
    platform.done(manage_members.revoke_role, platform.act("PA"), revoke)
    give(platform, "Mme A", "CU", TODAY, None)
    with pytest.raises(RoleIncompatible):
        give(platform, "Mme A", "PA", TODAY, None)


def test_a_seat_or_a_delegation_is_a_role_like_any_other() -> None:
    platform = started()
    give(platform, "Mme A", "PA", TODAY, None)
    give(platform, "M. S", "SI", TODAY, None)
    others = tuple(f"titulaire {number}" for number in range(4))
    seats = elect_committee.ElectCommittee(BUYER, "M. P", ("Mme A", *others), (), "D-1")
    with pytest.raises(RoleIncompatible):
        platform.done(elect_committee.elect_committee, platform.act(), seats)
    delegation = delegate_signature.DelegateSignature(
        BUYER, "M. S", "Mme A", ("CONTRACT",), 100, TODAY, TODAY, "D-2"
    )
    with pytest.raises(RoleIncompatible):
        platform.done(delegate_signature.delegate_signature, platform.act(), delegation)
    seats = elect_committee.ElectCommittee(BUYER, "M. P", ("M. T", *others), (), "D-1")
    platform.done(elect_committee.elect_committee, platform.act(), seats)
    for person in ("M. P", "M. T", "M. S"):
        with pytest.raises(RoleIncompatible):
            give(platform, person, "PA", TODAY, None)


def test_administrators_stand_in_the_platforms_own_stream_only() -> None:
    platform = started()
    for org in (BUYER, OTHER_BUYER):
        command = manage_members.GrantRole(org, "Mme A", "PA", TODAY)
        with pytest.raises(RoleNotAdministered):
            platform.done(manage_members.grant_role, platform.act("PA"), command)


def test_two_who_give_apart_roles_at_once_see_each_other() -> None:
    """The stream that was looked at must not move until the role stands, on any machine."""
    platform = started()
    act, home = giver(platform, "CU", BUYER)
    held = []

    def meanwhile() -> None:
        platform.files.before_commit = lambda: None
        other = Buyer.blank(f"buyer/{PLATFORM}")
        person = platform.subjects.remember("person", "Mme A", "Mme A")
        stamp = other.stamp(platform.meta(PLATFORM))
        other.append(RoleGranted(**stamp, person=person, role="PA", scope="*", valid_from=TODAY))
        platform.put(other)

    hold = platform.desk.turns.hold

    class Turns:
        def hold(self, name: str):
            held.append(name)
            return hold(name)

    object.__setattr__(platform.desk, "turns", Turns())
    find = platform.files.find
    looked = []

    def moving(kind: type[Buyer], stream: str):
        found = find(kind, stream)
        looked.append(stream)
        if stream == f"buyer/{PLATFORM}" and looked.count(stream) == 1:
            meanwhile()
        return found

    platform.files.find = moving  # type: ignore[method-assign,assignment]
    command = manage_members.GrantRole(home, "Mme A", "CU", TODAY)
    with pytest.raises(VersionConflict):
        manage_members.grant_role(platform.desk, act, command)
    with pytest.raises(RoleIncompatible):
        manage_members.grant_role(platform.desk, act, command)
    assert held == [ROLES, ROLES]

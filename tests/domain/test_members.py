"""Buyers, roles by events, companies: nobody grants what they do not administer (§4.1, §5)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from doubles.platform import BUYER, FIRST, OTHER_BUYER, PLATFORM, Platform

from domain.buyer import Buyer
from domain.commands import manage_members, register_operator
from domain.errors import (
    AlreadyExists,
    BadForm,
    BadSiret,
    CommandReused,
    DepositNotAuthorised,
    DomainError,
    NotAllowed,
    NotFound,
    RoleIncompatible,
    RoleNotAdministered,
)
from domain.events.parties import BuyerKind, SizeClass
from domain.operator import EconomicOperator
from domain.ports import Act

TODAY = date(2026, 12, 1)
ROUBAIX = manage_members.RegisterBuyer(BUYER, "Roubaix", BuyerKind.COMMUNE, population=98_000)


@pytest.fixture
def platform() -> Platform:
    made = Platform()
    made.done(manage_members.register_buyer, made.act("PA"), ROUBAIX)
    return made


def grant(person: str, role: str, **values: object) -> manage_members.GrantRole:
    return manage_members.GrantRole(BUYER, person, role, TODAY, **values)  # type: ignore[arg-type]


def give(platform: Platform, act: Act, command: manage_members.GrantRole) -> Buyer:
    platform.done(manage_members.grant_role, act, command)
    return platform.load(Buyer, BUYER)


def test_a_buyer_is_registered_once_and_a_retry_changes_nothing() -> None:
    platform = Platform()
    act = platform.act("PA")
    (event,) = platform.done(manage_members.register_buyer, act, ROUBAIX)
    assert (event.TOPIC, event.population, event.region) == ("BuyerRegistered", 98_000, None)
    again = manage_members.register_buyer(platform.desk, act, ROUBAIX)
    assert again.repeated
    with pytest.raises(AlreadyExists):
        manage_members.register_buyer(platform.desk, platform.act("PA"), ROUBAIX)
    other = manage_members.RegisterBuyer(OTHER_BUYER, "Lille", BuyerKind.COMMUNE)
    with pytest.raises(CommandReused):
        manage_members.register_buyer(platform.desk, act, other)
    assert platform.load(Buyer, BUYER).registered


@pytest.mark.parametrize(
    ("siret", "role", "refusal"), [("123", "PA", BadSiret), (BUYER, "BU", NotAllowed)]
)
def test_who_registers_a_buyer(siret: str, role: str, refusal: type[DomainError]) -> None:
    platform = Platform()
    command = manage_members.RegisterBuyer(siret, "Name", BuyerKind.OTHER)
    with pytest.raises(refusal):
        manage_members.register_buyer(platform.desk, platform.act(role), command)


def test_the_platform_grants_the_first_officer_only(platform: Platform) -> None:
    buyer = give(platform, platform.act("PA"), grant("Mme A", "BU"))
    (holder,) = buyer.holders("BU", platform.clock.at)
    assert platform.subjects.reveal(holder) == "Mme A"
    with pytest.raises(RoleNotAdministered):
        give(platform, platform.act("PA"), grant("M. B", "BU"))
    give(platform, platform.act("BU"), grant("M. B", "BU"))


@pytest.mark.parametrize(
    ("act", "role", "refusal"),
    [
        (("PA", None), "CU", RoleNotAdministered),
        (("PA", None), "CY", RoleNotAdministered),
        (("BU", None), "PA", RoleNotAdministered),
        (("BU", OTHER_BUYER), "DR", NotFound),
        (("CY", FIRST), "CY", NotFound),
        (("CY", BUYER), "CY", RoleNotAdministered),
        (("CU", OTHER_BUYER), "DR", NotFound),
        (("CU", None), "DR", NotAllowed),
    ],
)
def test_nobody_grants_a_role_they_do_not_administer(
    platform: Platform, act: tuple[str, str | None], role: str, refusal: type[DomainError]
) -> None:
    with pytest.raises(refusal):
        give(platform, platform.act(*act), grant("Mme A", role))


def test_a_platform_administrator_never_holds_a_buyers_key_roles(platform: Platform) -> None:
    home = manage_members.RegisterBuyer(PLATFORM, "Pli", BuyerKind.OTHER)
    platform.done(manage_members.register_buyer, platform.act("PA"), home)
    administrator = manage_members.GrantRole(PLATFORM, "root", "PA", TODAY)
    platform.done(manage_members.grant_role, platform.act("PA"), administrator)
    with pytest.raises(RoleIncompatible):
        give(platform, platform.act("PA"), grant("root", "BU"))
    give(platform, platform.act("PA"), grant("Mme A", "BU"))
    with pytest.raises(RoleIncompatible):
        platform.done(
            manage_members.grant_role,
            platform.act("PA"),
            manage_members.GrantRole(PLATFORM, "Mme A", "PA", TODAY),
        )


def test_who_had_which_role_at_an_instant(platform: Platform) -> None:
    start = platform.clock.at
    command = grant("Mme A", "CU", valid_to=TODAY + timedelta(days=10))
    give(platform, platform.act("BU"), command)
    give(platform, platform.act("BU"), grant("Mme A", "DR"))
    platform.clock.at = start + timedelta(days=2)
    revoke = manage_members.RevokeRole(BUYER, "Mme A", "CU", "she left")
    act = platform.act("BU")
    (event,) = platform.done(manage_members.revoke_role, act, revoke)
    assert manage_members.revoke_role(platform.desk, act, revoke).repeated
    buyer = platform.load(Buyer, BUYER)
    assert buyer.holders("CU", start - timedelta(seconds=1)) == ()
    assert buyer.holders("CU", start) == (event.person,)
    assert buyer.holders("CU", platform.clock.at) == ()
    assert buyer.holders("DR", platform.clock.at) == (event.person,), "one commitment per person"
    with pytest.raises(NotFound):
        manage_members.revoke_role(platform.desk, platform.act("BU"), revoke)


def test_a_role_ends_on_its_last_day(platform: Platform) -> None:
    buyer = give(platform, platform.act("BU"), grant("Mme A", "CU", valid_to=TODAY))
    assert buyer.holders("CU", platform.clock.at)
    assert not buyer.holders("CU", platform.clock.at + timedelta(days=1))
    with pytest.raises(BadForm, match="valid_to"):
        give(platform, platform.act("BU"), grant("B", "CU", valid_to=TODAY - timedelta(days=1)))


def test_a_retried_grant_is_not_doubled(platform: Platform) -> None:
    act = platform.act("BU")
    give(platform, act, grant("Mme A", "CU"))
    assert manage_members.grant_role(platform.desk, act, grant("Mme A", "CU")).repeated


# --- companies


def company(**values: object) -> register_operator.RegisterOperator:
    wanted: dict[str, object] = {"siret": FIRST, **values}
    return register_operator.RegisterOperator(
        "Company",
        SizeClass.PME,
        "SIRENE",
        **wanted,  # type: ignore[arg-type]
    )


def test_a_company_registers_itself(platform: Platform) -> None:
    act = platform.company()
    (event,) = platform.done(register_operator.register_operator, act, company())
    assert event.originator_id == f"operator/{FIRST}"
    assert register_operator.register_operator(platform.desk, act, company()).repeated
    add = register_operator.AddRepresentative(FIRST, "M. C", "all tenders")
    act = platform.company()
    (added,) = platform.done(register_operator.add_representative, act, add)
    assert platform.subjects.reveal(added.person) == "M. C"
    assert register_operator.add_representative(platform.desk, act, add).repeated
    (seat,) = platform.load(EconomicOperator, FIRST).in_force(platform.clock.at)
    assert (seat.person, seat.role, seat.scope) == (added.person, "CY", "all tenders")


def test_the_platform_registers_a_foreign_company(platform: Platform) -> None:
    command = company(siret=None, foreign_id="BE0123456789")
    (event,) = platform.done(register_operator.register_operator, platform.act("PA"), command)
    assert event.originator_id == "operator/BE0123456789"


@pytest.mark.parametrize(
    ("values", "role", "refusal"),
    [
        ({"siret": None}, "PA", BadForm),
        ({"foreign_id": "BE1"}, "PA", BadForm),
        ({"siret": "12"}, "PA", BadSiret),
        ({"siret": None, "foreign_id": "a b"}, "PA", BadForm),
        ({"siret": BUYER}, "CY", DepositNotAuthorised),
        ({}, "BU", NotAllowed),
    ],
)
def test_a_company_needs_one_name_and_its_own_caller(
    platform: Platform, values: dict[str, object], role: str, refusal: type[DomainError]
) -> None:
    with pytest.raises(refusal):
        register_operator.register_operator(platform.desk, platform.act(role), company(**values))

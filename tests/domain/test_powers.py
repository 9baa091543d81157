"""Delegations, committees, access, departure, consortia and exclusions (domain.md §4.1, §4.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from doubles.platform import BUYER, FIRST, OTHER_BUYER, PLATFORM, SECOND, Platform, hex_of, law

from domain.buyer import Buyer
from domain.commands import (
    declare_consortium,
    delegate_signature,
    draft,
    elect_committee,
    exclude_operator,
    grant_access,
    leave_platform,
    manage_members,
    register_operator,
)
from domain.committee import elected, quorum
from domain.errors import (
    AlreadyExists,
    BadForm,
    BadSiret,
    BuyerGone,
    CommitteeComposition,
    DelegationExceeds,
    DomainError,
    ExportIncomplete,
    ExportUnproven,
    NotAllowed,
    NotFound,
    ProceduresWait,
    RoleNotAdministered,
)
from domain.events.consultation import Nature
from domain.events.parties import BuyerKind, ConsortiumForm, SizeClass
from domain.operator import EconomicOperator
from domain.ports import Principal

TODAY = date(2026, 12, 1)
DAY = timedelta(days=1)
SECOND_ = timedelta(seconds=1)


@pytest.fixture
def platform() -> Platform:
    made = Platform()
    for siret in (BUYER, OTHER_BUYER):
        form = manage_members.RegisterBuyer(siret, "Ville", BuyerKind.COMMUNE, population=98_000)
        made.done(manage_members.register_buyer, made.act("PA"), form)
    return made


def buyer_of(platform: Platform) -> Buyer:
    return platform.load(Buyer, BUYER)


def give(platform: Platform, person: str, role: str, first: int = 0, last: int | None = 99) -> None:
    until = None if last is None else TODAY + last * DAY
    command = manage_members.GrantRole(BUYER, person, role, TODAY + first * DAY, until)
    platform.done(manage_members.grant_role, platform.act(), command)


def revoke(platform: Platform, person: str, role: str) -> None:
    command = manage_members.RevokeRole(BUYER, person, role, "mutation")
    platform.done(manage_members.revoke_role, platform.act(), command)


# --- delegations

GIVEN = delegate_signature.DelegateSignature(
    BUYER,
    "Mme S",
    "M. D",
    ("CONTRACT",),
    9_000_000,
    TODAY,
    TODAY + 30 * DAY,
    "arrêté 2026-12",
)


def delegate(platform: Platform, act: Any = None, **values: Any) -> Any:
    command = replace(GIVEN, **values)
    (event,) = platform.done(delegate_signature.delegate_signature, act or platform.act(), command)
    return event


def signers(platform: Platform, at: datetime | None = None) -> list[str | None]:
    held = buyer_of(platform).holders("SI", at or platform.clock.at)
    return sorted(str(platform.subjects.reveal(one)) for one in held)


def test_a_delegation_gives_the_signature_and_a_retry_changes_nothing(platform: Platform) -> None:
    give(platform, "Mme S", "SI")
    act = platform.act()
    event = delegate(platform, act)
    assert platform.subjects.reveal(event.from_) == "Mme S"
    assert event.from_ == buyer_of(platform).grants[0].person, "one commitment per person"
    assert platform.subjects.reveal(event.to) == "M. D"
    assert delegate_signature.delegate_signature(platform.desk, act, GIVEN).repeated
    assert signers(platform) == ["M. D", "Mme S"]
    (one,) = buyer_of(platform).delegated(platform.clock.at)
    assert (one.act_types, one.ceiling_cents) == (("CONTRACT",), 9_000_000)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"giver": "inconnu"}, "power"),
        ({"valid_to": TODAY + 100 * DAY}, "dates"),
        ({"valid_from": TODAY - DAY}, "dates"),
    ],
)
def test_a_delegation_never_exceeds_the_role(
    platform: Platform, values: dict[str, Any], what: str
) -> None:
    give(platform, "Mme S", "SI", last=99)
    with pytest.raises(DelegationExceeds) as refused:
        delegate(platform, **values)
    assert refused.value.what == what
    delegate(platform, valid_to=TODAY + 99 * DAY)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"ceiling_cents": 9_000_001}, "ceiling_cents"),
        ({"act_types": ("AMENDMENT", "CONTRACT")}, "act_types"),
        ({"valid_to": TODAY + 31 * DAY}, "dates"),
        ({"valid_from": TODAY - DAY}, "dates"),
    ],
)
def test_a_second_delegation_never_exceeds_the_first(
    platform: Platform, values: dict[str, Any], what: str
) -> None:
    give(platform, "Mme S", "SI", last=None)
    delegate(platform)
    with pytest.raises(DelegationExceeds) as refused:
        delegate(platform, giver="M. D", receiver="Mme E", **values)
    assert refused.value.what == what
    delegate(platform, giver="M. D", receiver="Mme E")
    assert signers(platform) == ["M. D", "Mme E", "Mme S"]


def test_what_a_person_holds_at_an_instant(platform: Platform) -> None:
    give(platform, "Mme S", "SI", first=1)
    give(platform, "Mme S", "DR")
    reveal, now = platform.subjects.reveal, platform.clock.at
    assert set(buyer_of(platform).roles_of("Mme S", now, reveal)) == {"DR"}
    assert set(buyer_of(platform).roles_of("Mme S", now + DAY, reveal)) == {"DR", "SI"}
    assert buyer_of(platform).roles_of("M. D", now, reveal) == {}


def test_a_person_who_was_erased_is_named_no_more(platform: Platform) -> None:
    give(platform, "Mme S", "SI")
    give(platform, "M. D", "DR")
    reveal = platform.subjects.reveal
    (old,) = buyer_of(platform).holders("SI", platform.clock.at)
    assert buyer_of(platform).persons(reveal).keys() == {"Mme S", "M. D"}

    def erased(commitment: str) -> str | None:
        return None if commitment == old else reveal(commitment)

    assert buyer_of(platform).persons(erased).keys() == {"M. D"}
    assert buyer_of(platform).roles_of("Mme S", platform.clock.at, erased) == {}


def test_what_a_delegation_rests_on_ends_it(platform: Platform) -> None:
    give(platform, "Mme S", "SI")
    delegate(platform)
    delegate(platform, giver="M. D", receiver="Mme E")
    before = platform.clock.at
    platform.clock.forward(timedelta(hours=1))
    revoke(platform, "Mme S", "SI")
    assert signers(platform) == []
    assert signers(platform, before) == ["M. D", "Mme E", "Mme S"]
    with pytest.raises(DelegationExceeds, match="dates"):
        delegate(platform, giver="M. D", receiver="M. F")
    with pytest.raises(DelegationExceeds, match="power"):
        delegate(platform)


def test_a_delegation_is_revoked_like_a_role(platform: Platform) -> None:
    give(platform, "Mme S", "SI")
    delegate(platform)
    revoke(platform, "M. D", "SI")
    assert signers(platform) == ["Mme S"]
    with pytest.raises(DelegationExceeds, match="power"):
        delegate(platform, giver="M. D", receiver="Mme E")


def test_a_delegation_that_begins_later_waits(platform: Platform) -> None:
    give(platform, "Mme S", "SI")
    delegate(platform, valid_from=TODAY + 2 * DAY)
    assert signers(platform) == ["Mme S"]
    assert signers(platform, platform.clock.at + 2 * DAY) == ["M. D", "Mme S"]


def test_a_signatory_delegates_only_what_is_theirs(platform: Platform) -> None:
    give(platform, "Mme S", "SI")
    mine = replace(platform.act("SI"), principal=Principal(BUYER, "SI", "Mme S", "TOKEN"))
    other = replace(platform.act("SI"), principal=Principal(BUYER, "SI", "M. Z", "TOKEN"))
    delegate(platform, mine)
    with pytest.raises(RoleNotAdministered):
        delegate(platform, other)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"act_types": ()}, "act_types"),
        ({"act_types": ("CONTRACT", "AMENDMENT")}, "act_types"),
        ({"act_types": ("HOUSE",)}, "act_types"),
        ({"ceiling_cents": 0}, "ceiling_cents"),
        ({"valid_to": TODAY - DAY}, "valid_to"),
        ({"receiver": "Mme S"}, "receiver"),
        ({"receiver": " "}, "person"),
        ({"deliberation": ""}, "deliberation"),
    ],
)
def test_the_form_of_a_delegation(platform: Platform, values: dict[str, Any], field: str) -> None:
    give(platform, "Mme S", "SI")
    with pytest.raises(BadForm) as refused:
        delegate(platform, **values)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("role", "org", "refusal"),
    [
        ("CU", None, NotAllowed),
        ("PA", PLATFORM, NotFound),
        ("PA", BUYER, NotAllowed),
        ("BU", OTHER_BUYER, NotFound),
    ],
)
def test_who_delegates(
    platform: Platform, role: str, org: str | None, refusal: type[DomainError]
) -> None:
    with pytest.raises(refusal):
        delegate(platform, platform.act(role, org))


# --- the committee

TITULARS = tuple(f"titulaire {number}" for number in range(5))
SUBSTITUTES = tuple(f"suppléant {number}" for number in range(5))


def elect(platform: Platform, act: Any = None, **values: Any) -> Any:
    command = replace(
        elect_committee.ElectCommittee(BUYER, "Mme P", TITULARS, SUBSTITUTES, "2026-07"), **values
    )
    (event,) = platform.done(elect_committee.elect_committee, act or platform.act(), command)
    return event


def test_members_sit_until_the_next_election(platform: Platform) -> None:
    act = platform.act()
    first = elect(platform, act)
    assert elect_committee.elect_committee(
        platform.desk,
        act,
        elect_committee.ElectCommittee(BUYER, "Mme P", TITULARS, SUBSTITUTES, "2026-07"),
    ).repeated
    early = platform.clock.at
    assert buyer_of(platform).committee(early - SECOND_) is None
    assert len(buyer_of(platform).holders("CO", early)) == 11
    give(platform, "M. J", "CO")
    platform.clock.forward(DAY)
    second = elect(platform, president="M. Q")
    buyer = buyer_of(platform)
    assert buyer.committee(early).president == first.president
    assert buyer.committee(platform.clock.at).president == second.president
    assert second.titulars == first.titulars, "one commitment per person"
    held = {platform.subjects.reveal(one) for one in buyer.holders("CO", platform.clock.at)}
    assert held == {"M. Q", "M. J", *TITULARS, *SUBSTITUTES}
    assert "Mme P" in {platform.subjects.reveal(one) for one in buyer.holders("CO", early)}


def test_a_member_who_resigns_sits_no_more(platform: Platform) -> None:
    elect(platform)
    revoke(platform, "titulaire 3", "CO")
    held = buyer_of(platform).holders("CO", platform.clock.at)
    assert "titulaire 3" not in {platform.subjects.reveal(one) for one in held}
    assert len(held) == 10


@pytest.mark.parametrize(
    "values",
    [
        {"titulars": TITULARS[:4]},
        {"titulars": (*TITULARS, "un de trop")},
        {"substitutes": (*SUBSTITUTES, "un de trop")},
        {"substitutes": TITULARS[:1]},
        {"president": TITULARS[0]},
    ],
)
def test_the_composition_is_that_of_the_rule(platform: Platform, values: dict[str, Any]) -> None:
    with pytest.raises(CommitteeComposition) as refused:
        elect(platform, **values)
    assert refused.value.required == 5
    elect(platform, substitutes=SUBSTITUTES[:2])


@pytest.mark.parametrize(
    ("kind", "population", "titulars"),
    [
        (BuyerKind.COMMUNE, 3_499, 3),
        (BuyerKind.COMMUNE, 3_500, 5),
        (BuyerKind.COMMUNE, None, 5),
        (BuyerKind.EPCI, 3_499, 5),
        (BuyerKind.REGION, 6_000_000, 5),
        (None, None, 5),
    ],
)
def test_small_communes_elect_three(
    kind: BuyerKind | None, population: int | None, titulars: int
) -> None:
    assert elected(law().rules, kind, population, TODAY) == titulars


@pytest.mark.parametrize(("voters", "required"), [(6, 4), (4, 3), (5, 3), (1, 1)])
def test_the_quorum_is_more_than_half(voters: int, required: int) -> None:
    assert quorum(law().rules, voters, TODAY) == required


def test_a_committee_counts_its_voters(platform: Platform) -> None:
    elect(platform)
    committee = buyer_of(platform).committee(platform.clock.at)
    assert committee is not None
    assert (committee.voters, committee.deliberation) == (6, "2026-07")


# --- access

AUDITOR = SECOND


def access(platform: Platform, act: Any = None, **values: Any) -> None:
    command = replace(
        grant_access.GrantAccess(BUYER, AUDITOR, "*", TODAY + 9 * DAY, "contrôle"), **values
    )
    platform.done(grant_access.grant_access, act or platform.act(), command)


def test_access_ends_on_its_last_day_or_by_a_later_word(platform: Platform) -> None:
    act = platform.act()
    access(platform, act)
    command = grant_access.GrantAccess(BUYER, AUDITOR, "*", TODAY + 9 * DAY, "contrôle")
    assert grant_access.grant_access(platform.desk, act, command).repeated
    buyer = buyer_of(platform)
    given = platform.clock.at
    midnight = datetime(2026, 12, 10, 23, tzinfo=UTC)  # the end of 10 December in Paris
    edges = [(given - SECOND_, False), (given, True), (midnight - SECOND_, True)]
    for at, opened in [*edges, (midnight, False), (midnight + SECOND_, False)]:
        assert bool(buyer.access(AUDITOR, at)) is opened, at
    assert buyer.access(AUDITOR, given, "C1") is None
    assert buyer.access(FIRST, given) is None
    platform.clock.forward(DAY)
    access(platform, until_on=TODAY)
    buyer = buyer_of(platform)
    assert buyer.access(AUDITOR, platform.clock.at) is None
    assert buyer.access(AUDITOR, given), "then it was open"
    with pytest.raises(BadForm, match="past"):
        access(platform, until_on=TODAY)


def test_access_to_one_consultation_is_given_by_its_buyer(platform: Platform) -> None:
    platform.draft()
    access(platform, scope="C1")
    assert buyer_of(platform).access(AUDITOR, platform.clock.at, "C1")
    with pytest.raises(NotFound):
        access(platform, scope="C9")
    with pytest.raises(NotFound):
        access(platform, platform.act("BU", OTHER_BUYER), buyer=OTHER_BUYER, scope="C1")


def test_the_platform_opens_its_whole_log_in_its_own_stream(platform: Platform) -> None:
    access(platform, platform.act("PA"), buyer=PLATFORM, scope="platform")
    assert platform.load(Buyer, PLATFORM).access(AUDITOR, platform.clock.at, "platform")
    with pytest.raises(BadForm, match="scope"):
        access(platform, platform.act("PA"), buyer=PLATFORM)
    with pytest.raises(NotFound):
        access(platform, platform.act("PA"), scope="platform")
    with pytest.raises(NotFound):
        access(platform, scope="platform")


@pytest.mark.parametrize(
    ("values", "refusal"),
    [({"to": "12345678901234"}, BadSiret), ({"to": "a b"}, BadForm), ({"ground": ""}, BadForm)],
)
def test_the_form_of_an_access(
    platform: Platform, values: dict[str, Any], refusal: type[DomainError]
) -> None:
    with pytest.raises(refusal):
        access(platform, **values)
    access(platform, to="EU-audit.1")


# --- departure


def leave(platform: Platform, size: int | None = None, root: str = "", act: Any = None) -> None:
    held = len(platform.files.rows) if size is None else size
    command = leave_platform.LeavePlatform(BUYER, held, root or f"{held:064x}")
    platform.done(leave_platform.leave_platform, act or platform.act(), command)


def test_a_buyer_leaves_with_all_that_is_there(platform: Platform) -> None:
    give(platform, "Mme S", "SI")
    delegate(platform)
    elect(platform)
    before = platform.clock.at
    size = len(platform.files.rows)
    access(platform, platform.act("BU", OTHER_BUYER), buyer=OTHER_BUYER)
    platform.clock.forward(DAY)
    act = platform.act()
    leave(platform, size, act=act)
    known = leave_platform.LeavePlatform(BUYER, size, f"{size:064x}")
    assert leave_platform.leave_platform(platform.desk, act, known).repeated
    buyer = buyer_of(platform)
    assert buyer.in_force(platform.clock.at) == ()
    assert buyer.delegated(platform.clock.at) == ()
    assert buyer.committee(platform.clock.at) is None
    assert len(buyer.in_force(before)) == 13
    assert buyer.roles_between("Mme S", TODAY, None, platform.subjects.reveal) == {}
    for again in (lambda: leave(platform), lambda: give(platform, "A", "BU")):
        with pytest.raises(BuyerGone):
            again()
    drafted = draft.DraftConsultation(
        "C1", "2026-01", "Works", Nature.WORKS, "ADAPTED", "45000000", "Lille"
    )
    with pytest.raises(BuyerGone):
        draft.draft_consultation(platform.desk, platform.act(), drafted)


def test_an_export_that_lacks_an_act_does_not_let_a_buyer_go(platform: Platform) -> None:
    size = len(platform.files.rows)
    give(platform, "Mme S", "SI")
    with pytest.raises(ExportIncomplete):
        leave(platform, size)
    with pytest.raises(ExportUnproven):
        leave(platform, size + 1, hex_of("other"))
    with pytest.raises(ExportUnproven):
        leave(platform, size + 2)
    with pytest.raises(ExportUnproven):
        leave(platform, 0)
    with pytest.raises(BadForm):
        leave(platform, size + 1, "short")
    with pytest.raises(NotFound):
        leave(platform, act=platform.act("BU", OTHER_BUYER))
    leave(platform, size + 1)


def test_an_exclusion_that_the_buyer_spoke_is_an_act_of_it(platform: Platform) -> None:
    size = len(platform.files.rows)
    exclude(platform)
    with pytest.raises(ExportIncomplete):
        leave(platform, size)


def test_the_platform_does_not_leave_itself() -> None:
    platform = Platform()
    command = leave_platform.LeavePlatform(PLATFORM, 1, "0" * 64)
    with pytest.raises(BadForm):
        leave_platform.leave_platform(platform.desk, platform.act("BU", PLATFORM), command)


# --- companies


def register(platform: Platform, siret: str = FIRST) -> None:
    form = register_operator.RegisterOperator("Company", SizeClass.PME, "SIRENE", siret)
    platform.done(register_operator.register_operator, platform.company(siret), form)


def consortium(platform: Platform, act: Any = None, **values: Any) -> Any:
    members = tuple(sorted((FIRST, SECOND)))
    command = replace(
        declare_consortium.DeclareConsortium(ConsortiumForm.JOINT, FIRST, members), **values
    )
    (event,) = platform.done(
        declare_consortium.declare_consortium, act or platform.company(), command
    )
    return event


def test_a_consortium_stands_with_its_mandatary(platform: Platform) -> None:
    register(platform)
    act = platform.company()
    event = consortium(platform, act)
    assert event.originator_id == f"operator/{FIRST}"
    command = declare_consortium.DeclareConsortium(
        ConsortiumForm.JOINT, FIRST, tuple(sorted((FIRST, SECOND)))
    )
    assert declare_consortium.declare_consortium(platform.desk, act, command).repeated
    (held,) = platform.load(EconomicOperator, FIRST).consortia
    assert (held.form, held.mandatary, held.members) == ("JOINT", FIRST, command.members)


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"members": (FIRST,)}, BadForm),
        ({"members": (FIRST, SECOND)}, BadForm),
        ({"members": ("BE0123456789", SECOND)}, BadForm),
        ({"members": (SECOND, "BE0123456789")}, BadForm),
        ({"members": ("12345678901234", FIRST)}, BadSiret),
        ({"mandatary": SECOND}, NotFound),
    ],
)
def test_the_form_of_a_consortium(
    platform: Platform, values: dict[str, Any], refusal: type[DomainError]
) -> None:
    register(platform)
    assert FIRST > SECOND, "the members of the second case are not in order"
    with pytest.raises(refusal):
        consortium(platform, **values)


def exclude(platform: Platform, act: Any = None, **values: Any) -> Any:
    command = replace(exclude_operator.ExcludeOperator(FIRST, "L2141-7", TODAY + 9 * DAY), **values)
    (event,) = platform.done(exclude_operator.exclude_operator, act or platform.act(), command)
    return event


def test_an_exclusion_binds_its_buyer_until_its_date(platform: Platform) -> None:
    register(platform)
    act = platform.act()
    exclude(platform, act)
    known = exclude_operator.ExcludeOperator(FIRST, "L2141-7", TODAY + 9 * DAY)
    assert exclude_operator.exclude_operator(platform.desk, act, known).repeated
    company = platform.load(EconomicOperator, FIRST)
    said = platform.clock.at
    assert company.exclusion(BUYER, said - SECOND_) is None
    found = company.exclusion(BUYER, said)
    assert found is not None
    assert (found.buyer, found.ground) == (BUYER, "L2141-7")
    assert company.exclusion(OTHER_BUYER, said) is None
    assert company.exclusion(BUYER, said + 9 * DAY)
    assert company.exclusion(BUYER, said + 10 * DAY) is None
    platform.clock.forward(DAY)
    exclude(platform, until_on=TODAY)
    assert platform.load(EconomicOperator, FIRST).exclusion(BUYER, platform.clock.at) is None
    with pytest.raises(BadForm, match="past"):
        exclude(platform, until_on=TODAY)


def test_an_excluded_company_deposits_all_the_same(platform: Platform) -> None:
    """Nothing stops a deposit but time, published limits and identity (domain.md §4.6)."""
    platform.published()
    exclude(platform)
    platform.deposit("a")
    assert platform.kinds()[-1] == "DepositSealed"


def test_nobody_learns_from_an_exclusion_who_has_an_account(platform: Platform) -> None:
    exclude(platform)
    exclude(platform, act=platform.act("BU", OTHER_BUYER))
    for act in (lambda: consortium(platform), lambda: represent(platform)):
        with pytest.raises(NotFound):
            act()
    register(platform)
    with pytest.raises(AlreadyExists):
        register(platform)
    represent(platform)


def represent(platform: Platform) -> None:
    add = register_operator.AddRepresentative(FIRST, "M. C", "*")
    platform.done(register_operator.add_representative, platform.company(), add)


@pytest.mark.parametrize(
    ("role", "org", "refusal"),
    [("CY", FIRST, NotAllowed), ("PA", BUYER, NotAllowed), ("BU", "40304303700031", NotFound)],
)
def test_who_excludes(
    platform: Platform, role: str, org: str | None, refusal: type[DomainError]
) -> None:
    with pytest.raises(refusal):
        exclude(platform, platform.act(role, org))


# --- the platform and the officers of a buyer


def test_the_platform_takes_no_officer_away(platform: Platform) -> None:
    give(platform, "Mme A", "BU")
    command = manage_members.RevokeRole(BUYER, "Mme A", "BU", "prise de contrôle")
    with pytest.raises(RoleNotAdministered):
        manage_members.revoke_role(platform.desk, platform.act("PA"), command)


def test_a_role_that_begins_later_can_be_revoked(platform: Platform) -> None:
    give(platform, "Mme A", "CU", first=5)
    revoke(platform, "Mme A", "CU")
    assert buyer_of(platform).holders("CU", platform.clock.at + 6 * DAY) == ()
    with pytest.raises(NotFound):
        revoke(platform, "Mme A", "CU")


def test_a_first_officer_who_begins_later_is_the_first(platform: Platform) -> None:
    give(platform, "Mme A", "BU", first=5)
    command = manage_members.GrantRole(BUYER, "M. B", "BU", TODAY)
    with pytest.raises(RoleNotAdministered):
        manage_members.grant_role(platform.desk, platform.act("PA"), command)


def test_a_buyer_with_a_lot_without_a_plan_does_not_leave(platform: Platform) -> None:
    """The reason is asked first: whether a deposit came behind an export shows nowhere (N11)."""
    platform.published()
    platform.deposit("a")
    size = len(platform.files.rows)
    for asked in (1, size, size + 9):
        with pytest.raises(ProceduresWait):
            leave(platform, asked)
    platform.close()
    platform.clock.at += timedelta(hours=1)
    platform.convene()
    with pytest.raises(ProceduresWait):
        leave(platform)
    platform.plan()
    leave(platform)
    assert platform.kinds()[-1] == "BuyerLeft"

"""Who represents a company, from when to when; who names the first one (domain.md §4.2, §5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from doubles.platform import BUYER, FIRST, PLATFORM, SECOND, Platform
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from domain.commands import exclude_operator, manage_members, register_operator
from domain.errors import (
    BadForm,
    DomainError,
    LastRepresentative,
    NotAllowed,
    NotFound,
    RoleNotAdministered,
)
from domain.events.parties import BuyerKind, SizeClass
from domain.operator import EconomicOperator
from domain.ports import AT_HOME, Act

STEP = timedelta(seconds=1)
UNSHRUNK = (Phase.explicit, Phase.generate)


@pytest.fixture
def platform() -> Platform:
    made = Platform()
    for siret in (FIRST, SECOND):
        form = register_operator.RegisterOperator("Company", SizeClass.PME, "SIRENE", siret)
        made.done(register_operator.register_operator, made.company(siret), form)
    return made


def add(platform: Platform, person: str, act: Act | None = None, operator: str = FIRST) -> None:
    command = register_operator.AddRepresentative(operator, person, "*")
    platform.done(register_operator.add_representative, act or platform.company(operator), command)
    platform.clock.forward(STEP)


def remove(platform: Platform, person: str, act: Act | None = None, operator: str = FIRST) -> None:
    command = register_operator.RemoveRepresentative(operator, person, "départ")
    act = act or platform.company(operator)
    (event,) = platform.done(register_operator.remove_representative, act, command)
    assert (event.TOPIC, event.role, event.reason) == ("RoleRevoked", "CY", "départ")
    platform.clock.forward(STEP)


def company_of(platform: Platform) -> EconomicOperator:
    return platform.load(EconomicOperator, FIRST)


def people(platform: Platform) -> set[str]:
    return set(company_of(platform).people(platform.clock.at, platform.subjects.reveal))


def at_home(platform: Platform) -> Act:
    act = platform.act("PA")
    return replace(act, principal=replace(act.principal, auth=AT_HOME))


def test_a_representation_ends_and_what_was_before_stays_true(platform: Platform) -> None:
    add(platform, "Mme A")
    add(platform, "M. B")
    both = platform.clock.at
    platform.clock.forward(STEP)
    ended = platform.clock.at
    remove(platform, "M. B")
    company, reveal = company_of(platform), platform.subjects.reveal
    assert set(company.people(both, reveal)) == {"Mme A", "M. B"}
    assert set(company.people(ended - timedelta(microseconds=1), reveal)) == {"Mme A", "M. B"}
    for at in (ended, ended + STEP):
        assert set(company.people(at, reveal)) == {"Mme A"}
    add(platform, "M. B")
    assert people(platform) == {"Mme A", "M. B"}
    assert len({one.person for one in company_of(platform).grants}) == 2, "one name for each"


def test_a_removal_repeated_is_one(platform: Platform) -> None:
    add(platform, "Mme A")
    add(platform, "M. B")
    act = platform.company()
    remove(platform, "M. B", act)
    command = register_operator.RemoveRepresentative(FIRST, "M. B", "départ")
    assert register_operator.remove_representative(platform.desk, act, command).repeated
    with pytest.raises(NotFound):
        remove(platform, "M. B")


def test_the_last_one_stays_until_another_is_named(platform: Platform) -> None:
    add(platform, "Mme A")
    with pytest.raises(LastRepresentative):
        remove(platform, "Mme A")
    add(platform, "Mme A")
    with pytest.raises(LastRepresentative):
        remove(platform, "Mme A")  # named twice, and one person all the same
    add(platform, "M. B")
    remove(platform, "Mme A")
    assert people(platform) == {"M. B"}


def test_the_platform_names_the_first_one_only(platform: Platform) -> None:
    add(platform, "Mme A", platform.act("PA"))
    with pytest.raises(RoleNotAdministered):
        add(platform, "Mme A2", platform.act("PA"))
    add(platform, "M. B")
    remove(platform, "Mme A")
    with pytest.raises(RoleNotAdministered):
        add(platform, "Mme A2", platform.act("PA"))


def test_the_operator_of_the_home_names_one_more_and_the_entry_says_so(platform: Platform) -> None:
    add(platform, "Mme A")
    add(platform, "M. Z", at_home(platform))
    event = platform.files.rows[-1]
    assert (event.meta.actor.org, event.meta.actor.role) == (PLATFORM, "PA")
    assert event.meta.actor.auth == AT_HOME
    assert people(platform) == {"Mme A", "M. Z"}
    with pytest.raises(NotFound):
        remove(platform, "M. Z", at_home(platform))


def test_a_company_whose_people_were_erased_gets_a_first_one_again(platform: Platform) -> None:
    add(platform, "Mme A")
    desk, subjects = platform.desk, platform.subjects

    class Erased:
        def __getattr__(self, name: str) -> object:
            return getattr(subjects, name)

        def reveal(self, commitment: str) -> str | None:
            found = subjects.reveal(commitment)
            return None if found == "Mme A" else found

    platform.desk = replace(desk, subjects=Erased())  # type: ignore[arg-type]
    add(platform, "M. B", platform.act("PA"))
    with pytest.raises(LastRepresentative):
        remove(platform, "M. B")  # nobody else is left to act


@pytest.mark.parametrize(
    ("role", "org", "refusal"),
    [
        ("CY", SECOND, NotFound),
        ("PA", None, NotFound),
        ("BU", BUYER, NotFound),
        ("BU", FIRST, NotAllowed),
        ("PA", FIRST, NotAllowed),
    ],
)
def test_only_the_company_removes(
    platform: Platform, role: str, org: str | None, refusal: type[DomainError]
) -> None:
    add(platform, "Mme A")
    add(platform, "M. B")
    with pytest.raises(refusal):
        remove(platform, "M. B", platform.act(role, org))


def test_the_form_of_a_removal(platform: Platform) -> None:
    add(platform, "Mme A")
    add(platform, "M. B")
    command = register_operator.RemoveRepresentative(FIRST, "M. B", " ")
    with pytest.raises(BadForm):
        platform.done(register_operator.remove_representative, platform.company(), command)


def test_an_unregistered_company_has_nobody_to_remove() -> None:
    platform = Platform()
    ville = manage_members.RegisterBuyer(BUYER, "Ville", BuyerKind.COMMUNE)
    platform.done(manage_members.register_buyer, platform.act("PA"), ville)
    until = platform.clock.at.date()
    excluded = exclude_operator.ExcludeOperator(FIRST, "motif", until)
    platform.done(exclude_operator.exclude_operator, platform.act(), excluded)
    with pytest.raises(NotFound):
        remove(platform, "Mme A")


class LifeOfACompany(RuleBasedStateMachine):
    """Additions and removals by the three who try; the oracle is a set of names and its history."""

    @initialize()
    def begin(self) -> None:
        self.platform = Platform()
        form = register_operator.RegisterOperator("Company", SizeClass.PME, "SIRENE", FIRST)
        do = register_operator.register_operator
        self.platform.done(do, self.platform.company(), form)
        self.acting: set[str] = set()
        self.told = [(self.platform.clock.at, frozenset[str]())]
        self.platform.clock.forward(STEP)

    @rule(person=st.sampled_from("ABC"), who=st.sampled_from(("CY", "PA", AT_HOME)))
    def add(self, person: str, who: str) -> None:
        act = at_home(self.platform) if who == AT_HOME else self.platform.act(who)
        try:
            add(self.platform, person, act)
        except RoleNotAdministered:
            assert who == "PA"
            assert self.acting
            return
        assert who != "PA" or not self.acting
        self.acting.add(person)
        self.told.append((self.platform.clock.at - STEP, frozenset(self.acting)))

    @rule(person=st.sampled_from("ABC"))
    def remove(self, person: str) -> None:
        try:
            remove(self.platform, person)
        except NotFound:
            assert person not in self.acting
            return
        except LastRepresentative:
            assert self.acting == {person}
            return
        assert self.acting > {person}
        self.acting.remove(person)
        self.told.append((self.platform.clock.at - STEP, frozenset(self.acting)))

    @invariant()
    def replayed(self) -> None:
        company, reveal = company_of(self.platform), self.platform.subjects.reveal
        for at, names in self.told:
            assert set(company.people(at, reveal)) == names


def test_a_life_of_representatives_agrees_with_an_oracle() -> None:
    found = settings(max_examples=25, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(LifeOfACompany, settings=found)


def test_the_oracle_sees_a_platform_that_names_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same life, without the rule of the first one."""
    monkeypatch.setattr(register_operator, "_check_first", lambda *_: None)
    found = settings(
        max_examples=50, stateful_step_count=15, deadline=None, derandomize=True, phases=UNSHRUNK
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(LifeOfACompany, settings=found)

"""A state machine over the members of two buyers and of the platform, with an oracle of its own.

The oracle keeps no aggregate: for each person it keeps what was said, in order, and asks each time
who holds what. Replay of every instant that was looked at must give what it said then.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from doubles.clock import NOON
from doubles.platform import BUYER, OTHER_BUYER, PLATFORM, SECOND, Platform
from doubles.sizes import sized
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.buyer import Buyer
from domain.commands import delegate_signature, elect_committee, grant_access, manage_members
from domain.errors import DomainError
from domain.events.parties import BuyerKind
from domain.tenure import Grant

REACHED: Counter[str] = Counter()
WANTED = {
    "access open",
    "access over",
    "delegation.exceeds",
    "delegation rests no more",
    "expired",
    "object.not-found",
    "revoked then granted again",
    "role.incompatible",
    "seat lost at an election",
    "sub-delegation",
}
PEOPLE = ("A", "B", "C", "D")
CROWD = tuple(f"élu {number}" for number in range(6))
ROLES = ("SI", "PA", "CU", "BU", "DR")
ORGS = (BUYER, OTHER_BUYER)
TODAY = NOON.date()
PARIS_WINTER = timedelta(hours=1)  # the whole test lies in December: one offset, no zone database


def day_of(at: datetime) -> date:
    return (at + PARIS_WINTER).date()


@dataclass
class Said:
    """One thing that was said of one person in one organisation, and when it was taken back."""

    org: str
    person: str
    role: str
    at: datetime
    first: date
    last: date
    seat: bool = False
    giver: str = ""
    types: frozenset[str] = frozenset()
    ceiling: int = 0
    until: datetime | None = None


@dataclass
class Memory:
    """The oracle: everything said, asked by brute force."""

    said: list[Said] = field(default_factory=list)

    def alive(self, one: Said, at: datetime) -> bool:
        over = one.until is not None and one.until <= at
        return one.at <= at and not over and one.first <= day_of(at) <= one.last

    def holds(self, org: str, at: datetime) -> set[tuple[str, str]]:
        """Return (person, role) pairs in force; a delegation climbs to a signatory, or falls."""
        here = [one for one in self.said if one.org == org and self.alive(one, at)]
        return {(one.person, one.role) for one in here if not one.giver or self.rests(one, here)}

    def rests(self, one: Said, here: list[Said]) -> bool:
        """Climb from giver to giver, over earlier delegations only, each at least as wide."""
        for above in here:
            if above.person != one.giver or above.role != "SI":
                continue
            if not above.giver:
                return True
            earlier = self.said.index(above) < self.said.index(one)
            wider = above.types >= one.types and above.ceiling >= one.ceiling
            if earlier and wider and self.rests(above, here):
                return True
        return False

    def clashes(self, person: str, role: str, first: date, last: date, org: str) -> bool:
        """Say whether this person holds, on a shared day, what the role excludes, anywhere."""
        if role == "PA":
            excluded, where = {"BU", "CU", "CO", "SI"}, {*ORGS, PLATFORM}
        elif role in {"BU", "CU", "CO", "SI"}:
            excluded, where = {"PA"}, {org, PLATFORM}
        else:
            return False
        return any(
            one.person == person
            and one.role in excluded
            and one.org in where
            and one.until is None
            and one.first <= last
            and first <= one.last
            for one in self.said
        )

    def may_give(self, asked: Said) -> bool:
        """Say whether the giver holds all of it on each day: day by day, not by intervals."""
        noon = datetime(asked.first.year, asked.first.month, asked.first.day, 11, tzinfo=UTC)
        days = (asked.last - asked.first).days + 1
        standing = [one for one in self.said if one.org == asked.org and one.until is None]
        return any(
            all(
                self._carries(source, asked, noon + timedelta(days=n), standing)
                for n in range(days)
            )
            for source in standing
            if (source.person, source.role) == (asked.giver, "SI")
        )

    def _carries(self, source: Said, asked: Said, at: datetime, standing: list[Said]) -> bool:
        if not source.first <= day_of(at) <= source.last:
            return False
        if not source.giver:
            return True
        wide = source.types >= asked.types and source.ceiling >= asked.ceiling
        that_day = [one for one in standing if one.first <= day_of(at) <= one.last]
        return wide and self.rests(source, that_day)


FAR = date(9999, 12, 31)
people = st.sampled_from(PEOPLE)
orgs = st.sampled_from(ORGS)
starts = st.sampled_from((0, 0, -1, 1, 3))
places = st.integers(0, 10**6)
lengths = st.sampled_from((0, 1, 3, 6, 6))
types = st.sampled_from([("CONTRACT",), ("AMENDMENT", "CONTRACT")])
ceilings = st.sampled_from([100, 200])


class LifeOfMembers(RuleBasedStateMachine):
    """Grants, revocations, elections, delegations and access, hours and days apart."""

    @initialize()
    def begin(self) -> None:
        self.platform = Platform()
        self.memory = Memory()
        self.instants = [NOON - timedelta(days=1), NOON]
        self.answers: dict[tuple[str, datetime], set[tuple[str, str]]] = {}
        self.opened: list[tuple[str, datetime, date]] = []
        for siret in ORGS:
            form = manage_members.RegisterBuyer(siret, "Ville", BuyerKind.COMMUNE, 2_000)
            self.platform.done(manage_members.register_buyer, self.platform.act("PA"), form)
        self.grant("A", "SI", BUYER, 0, 6)

    @property
    def now(self) -> datetime:
        return self.platform.clock.at

    def attempt(self, do: Any, act: Any, command: Any) -> str | None:
        """Do an act a second later; return the code of its refusal."""
        self.platform.clock.forward(timedelta(seconds=1))
        self.instants.append(self.now)
        try:
            self.platform.done(do, act, command)
        except DomainError as refusal:
            REACHED[refusal.code] += 1
            return refusal.code
        return None

    def home(self, role: str, org: str) -> tuple[Any, str]:
        if role == "PA":
            return self.platform.act("PA"), PLATFORM
        return self.platform.act("BU", org), org

    @rule(person=people, role=st.sampled_from(ROLES), org=orgs, start=starts, length=lengths)
    def grant(self, person: str, role: str, org: str, start: int, length: int) -> None:
        act, home = self.home(role, org)
        first = day_of(self.now) + timedelta(days=start)
        last = FAR if length == 6 else first + timedelta(days=length)
        to = None if last == FAR else last
        again = any(
            (one.org, one.person, one.role) == (home, person, role) and one.until
            for one in self.memory.said
        )
        clash = self.memory.clashes(person, role, first, last, home)
        command = manage_members.GrantRole(home, person, role, first, to)
        code = self.attempt(manage_members.grant_role, act, command)
        assert code == ("role.incompatible" if clash else None)
        if code is None:
            self.memory.said.append(Said(home, person, role, self.now, first, last))
            REACHED["revoked then granted again"] += again

    @precondition(lambda self: any(one.until for one in self.memory.said))
    @rule(place=places, length=lengths)
    def grant_again(self, place: int, length: int) -> None:
        gone = [one for one in self.memory.said if one.until and one.role in ROLES]
        if gone:
            one = gone[place % len(gone)]
            self.grant(one.person, one.role, one.org, 0, length)

    @precondition(lambda self: self.memory.said)
    @rule(place=places)
    def revoke_one(self, place: int) -> None:
        one = self.memory.said[place % len(self.memory.said)]
        self.revoke(one.person, one.role, one.org)

    @precondition(lambda self: self.signing())
    @rule(place=places, receiver=people, length=lengths, wide=st.booleans())
    def delegate_on(self, place: int, receiver: str, length: int, wide: bool) -> None:
        """Let somebody who signs delegate the least there is, or all acts for too long."""
        one = self.signing()[place % len(self.signing())]
        if one.person == receiver:
            return
        start = max(0, (one.first - day_of(self.now)).days)
        days = min(length, max(0, (one.last - day_of(self.now)).days - start))
        kinds = ("AMENDMENT", "CONTRACT") if wide else ("CONTRACT",)
        days, limit = (6, 200) if wide else (days, 100)
        self.delegate([one.person, receiver], one.org, start, days, kinds, limit)

    def signing(self) -> list[Said]:
        return [one for one in self.memory.said if one.role == "SI" and one.until is None]

    @rule(person=people, role=st.sampled_from((*ROLES, "CO")), org=orgs)
    def revoke(self, person: str, role: str, org: str) -> None:
        act, home = self.home(role, org)
        mine = [
            one
            for one in self.memory.said
            if (one.org, one.person, one.role, one.until) == (home, person, role, None)
        ]
        lasting = any(one.last >= day_of(self.now + timedelta(seconds=1)) for one in mine)
        command = manage_members.RevokeRole(home, person, role, "mutation")
        code = self.attempt(manage_members.revoke_role, act, command)
        assert code == (None if lasting else "object.not-found")
        if code is None:
            for one in mine:
                one.until = self.now

    @rule(
        pair=st.permutations(PEOPLE),
        org=orgs,
        start=starts,
        length=st.integers(0, 5),
        kinds=types,
        ceiling=ceilings,
    )
    def delegate(
        self,
        pair: list[str],
        org: str,
        start: int,
        length: int,
        kinds: tuple[str, ...],
        ceiling: int,
    ) -> None:
        giver, receiver = pair[:2]
        first = day_of(self.now) + timedelta(days=start)
        last = first + timedelta(days=length)
        asked = Said(
            org,
            receiver,
            "SI",
            self.now + timedelta(seconds=1),
            first,
            last,
            giver=giver,
            types=frozenset(kinds),
            ceiling=ceiling,
        )
        wanted = None
        if self.memory.clashes(receiver, "SI", first, last, org):
            wanted = "role.incompatible"
        if not self.memory.may_give(asked):
            wanted = "delegation.exceeds"
        command = delegate_signature.DelegateSignature(
            org, giver, receiver, kinds, ceiling, first, last, "arrêté"
        )
        code = self.attempt(
            delegate_signature.delegate_signature, self.platform.act("BU", org), command
        )
        assert code == wanted
        if code is None:
            held = [one for one in self.memory.said if one.person == giver and one.role == "SI"]
            REACHED["sub-delegation"] += all(one.giver for one in held)
            self.memory.said.append(asked)

    @rule(member=people, org=orgs)
    def elect(self, member: str, org: str) -> None:
        first = day_of(self.now + timedelta(seconds=1))
        clash = self.memory.clashes(member, "CO", first, FAR, org)
        command = elect_committee.ElectCommittee(
            org, CROWD[0], (member, *CROWD[1:3]), CROWD[3:4], "délibération"
        )
        code = self.attempt(elect_committee.elect_committee, self.platform.act("BU", org), command)
        assert code == ("role.incompatible" if clash else None)
        if code is None:
            for one in self.memory.said:
                if one.org == org and one.seat and one.until is None:
                    one.until = self.now
                    REACHED["seat lost at an election"] += 1
            self.memory.said += [
                Said(org, person, "CO", self.now, first, FAR, seat=True)
                for person in (CROWD[0], member, *CROWD[1:4])
            ]

    @rule(org=orgs, length=st.integers(0, 4))
    def open_access(self, org: str, length: int) -> None:
        until = day_of(self.now + timedelta(seconds=1)) + timedelta(days=length)
        command = grant_access.GrantAccess(org, SECOND, "*", until, "contrôle")
        assert not self.attempt(grant_access.grant_access, self.platform.act("BU", org), command)
        self.opened.append((org, self.now, until))

    @rule(hours=st.sampled_from([1, 11, 24, 72]))
    def wait(self, hours: int) -> None:
        self.platform.clock.forward(timedelta(hours=hours))
        self.instants.append(self.now)

    def held(self, org: str, at: datetime, state: Buyer | None = None) -> set[tuple[str, str]]:
        found = state or self.platform.files.find(Buyer, f"buyer/{org}")
        if found is None:
            return set()
        reveal = self.platform.subjects.reveal
        return {(str(reveal(one.person)), one.role) for one in found.in_force(at)}

    @invariant()
    def who_holds_what_is_what_the_oracle_says(self) -> None:
        for org in (*ORGS, PLATFORM):
            found = self.held(org, self.now)
            assert found == self.memory.holds(org, self.now)
            self.answers[org, self.now] = found
        self.count()

    def count(self) -> None:
        for one in self.memory.said:
            REACHED["expired"] += one.until is None and one.last < day_of(self.now)
            if one.giver and self.memory.alive(one, self.now):
                here = [each for each in self.memory.said if self.memory.alive(each, self.now)]
                mine = [each for each in here if each.org == one.org]
                REACHED["delegation rests no more"] += not self.memory.rests(one, mine)

    @invariant()
    def no_administrator_opens_or_signs(self) -> None:
        administrators = {person for person, _ in self.memory.holds(PLATFORM, self.now)}
        for org in ORGS:
            others = {who for who, role in self.held(org, self.now) if role != "DR"}
            assert not administrators & others

    @invariant()
    def access_is_open_until_its_last_word(self) -> None:
        for org in ORGS:
            told = [until for name, _, until in self.opened if name == org]
            opened = bool(told) and day_of(self.now) <= told[-1]
            found = self.platform.load(Buyer, org).access(SECOND, self.now)
            assert bool(found) is opened
            REACHED["access open" if opened else "access over"] += bool(told)

    def teardown(self) -> None:
        """Ask again for every instant: from today's state, and from the stream up to then."""
        for (org, at), said in self.answers.items():
            assert self.held(org, at) == said, "what is recorded later changes no answer"
            then = Buyer.blank(f"buyer/{org}")
            for event in self.platform.files.stream(then.id):
                if event.timestamp <= at:
                    event.mutate(then)
            assert self.held(org, at, then) == said


def test_members_live_as_the_oracle_says() -> None:
    REACHED.clear()
    examples = sized(push=60, full=1_500, night=20_000)
    run_state_machine_as_test(
        LifeOfMembers,
        settings=settings(max_examples=examples, stateful_step_count=25, deadline=None),
    )
    missing = WANTED - {name for name, count in REACHED.items() if count}
    assert not missing, f"never reached: {sorted(missing)} of {dict(REACHED)}"


@pytest.mark.parametrize("planted", ["revocation", "date", "giver"])
def test_planted_the_oracle_sees_a_role_that_is_held_too_long(
    planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Grant.held

    def lax(self: Grant, at: datetime) -> bool:
        if planted == "revocation":
            return held(Grant(**{**vars(self), "revoked_at": None}), at)
        return held(Grant(**{**vars(self), "valid_to": None}), at)

    def all_delegations(self: Buyer, at: datetime) -> tuple[Any, ...]:
        return tuple(one for one in self.delegations if one.tenure.held(at))

    if planted == "giver":
        monkeypatch.setattr(Buyer, "delegated", all_delegations)
    else:
        monkeypatch.setattr(Grant, "held", lax)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            LifeOfMembers,
            settings=settings(
                max_examples=300, stateful_step_count=25, deadline=None, phases=[Phase.generate]
            ),
        )

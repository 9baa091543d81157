"""The entrance: how a person comes in, proves it again, changes seat and leaves.

Password, passkey and identity provider end in one place: a session with a new secret. Whoever is
unknown costs the same work and gets the same answer as whoever is wrong (ASVS 6.3.8).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from api import grants, passwords
from api.errors import (
    Absent,
    EmailRefused,
    LastProof,
    LoginRefused,
    LoginTooWeak,
    PasskeyRefused,
    SeatNotInForce,
)
from api.login_limits import LoginLimits
from api.passkeys import RelyingParty, written
from api.people import Passkey, Person, Seat, plain_email
from api.sessions import Bounds, Session
from domain.ports import Principal

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.adapters.oidc import Identity, Provider
    from api.invitations import Invitation
    from api.platform import Platform

PASSKEY, OIDC, PASSWORD = "passkey", "oidc", "password"
CHALLENGE_BYTES = 32


@dataclass(frozen=True)
class Visitor:
    """Who reads a page: a person, their session, the seats they may take now."""

    person: Person
    session: Session
    secret: str
    seats: tuple[Seat, ...]

    @property
    def seat(self) -> Seat | None:
        """The seat in which this session acts, None once the ledger gives it no more."""
        wanted = (self.session.org, self.session.role)
        return next((seat for seat in self.seats if (seat.org, seat.role) == wanted), None)


class Entrance:
    """One door for all means to log in; threads share it."""

    def __init__(self, platform: Platform, provider: Provider | None = None) -> None:
        self.platform = platform
        self.provider = provider
        self.limits = LoginLimits()
        self.party = RelyingParty(platform.settings.origin)
        settings = platform.settings
        self.bounds = Bounds(
            idle=timedelta(seconds=settings.session_idle_s),
            absolute=timedelta(seconds=settings.session_absolute_s),
            fresh=timedelta(seconds=settings.session_fresh_s),
        )
        self.breached = settings.breached
        if self.breached is not None:
            self.breached.holds("")  # else told at the start
        self._accounts = platform.accounts
        self._people = platform.accounts.people
        self._sessions = platform.accounts.sessions
        self._random = platform.desk.rng.bytes

    # -- who is here

    def visitor(self, secret: str) -> Visitor:
        """Return who holds this session, or raise SessionEnded."""
        session = self._sessions.find(secret, self._now(), self.bounds)
        person = self._people.find(session.person)
        return Visitor(person, session, secret, self.seats(person.person))

    def principal(self, secret: str) -> tuple[Principal | None, Session]:
        """Return the caller behind a session, None while it has no seat; raise if that ended."""
        session = self._sessions.find(secret, self._now(), self.bounds)
        if session.org is None or session.role is None:
            return None, session
        self.platform.seats.require(session.person, session.org, session.role)
        return Principal(session.org, session.role, session.person, session.method), session

    def fresh(self, session: Session) -> bool:
        """Say whether this session may open and sign without a new proof."""
        return session.fresh(self._now(), self.bounds)

    def strong(self, session: Session) -> bool:
        """Say whether the session's proof is enough for the role in which it acts."""
        asked = session.role and self.platform.settings.asks_strong_login(session.role)
        return not asked or session.method != PASSWORD

    def check_strong(self, session: Session) -> None:
        """Return quietly if the session's proof is enough for its role; raise LoginTooWeak."""
        if not self.strong(session):
            raise LoginTooWeak("prove by more who you are", role=session.role)

    def seats(self, person: str) -> tuple[Seat, ...]:
        """Return the seats that a person may take now, the first one first."""
        known = self._people.seats(person)
        found: dict[Seat, None] = {}
        for org in dict.fromkeys(seat.org for seat in known):
            for seat in known:
                if seat.org == org and self._in_force(person, seat):
                    found[Seat(seat.org, seat.role)] = None
            for role in sorted(self.platform.seats.roles(person, org)):
                found[Seat(org, role)] = None
        return tuple(found)

    # -- coming in

    def by_password(self, email: str, password: str, address: str) -> str:
        """Return the secret of a new session, or raise LoginRefused, the same for any reason."""
        person = self.checked_password(email, password, address)
        return self._begin(person, PASSWORD)

    def checked_password(self, email: str, password: str, address: str) -> str:
        """Return whose address and password these are; count the attempt before any work."""
        try:
            plain = plain_email(email)
        except EmailRefused:
            plain = ""
        counted = {
            "password from an address": address,
            "password of an account from an address": f"{plain} {address}",
            "password of an account": plain,
        }
        for name, who in counted.items():
            self.limits.count(name, who)
        person = self._check(self._people.by_email(plain), password)
        for name in list(counted)[1:]:
            self.limits.forgive(name, counted[name])
        return person

    def password_again(self, visitor: Visitor, password: str) -> str:
        """Return who gave the password of a session's person; only this session pays for errors."""
        self.limits.count("password of a session", visitor.session.session_id)
        return self._check(visitor.person, password)

    def begin_passkey(self, browser: str, address: str) -> str:
        """Return the options of a login by passkey, as JSON."""
        self.limits.count("login begun from an address", address)
        challenge = self._random(CHALLENGE_BYTES)
        self._await(browser, PASSKEY, "login", challenge=written(challenge))
        return self.party.login(challenge)

    def by_passkey(self, browser: str, key_id: bytes, answer: str) -> str:
        """Return the secret of a new session for the person whose key answered."""
        return self._begin(self.checked_passkey(browser, key_id, answer), PASSKEY)

    def checked_passkey(self, browser: str, key_id: bytes, answer: str) -> str:
        """Return whose passkey answered what this browser was asked, once."""
        _, secrets = self._take(browser, PASSKEY, "login")
        key = self._people.passkey(key_id)
        if key is None:
            raise PasskeyRefused("unknown passkey")
        count = self.party.proven(answer, secrets["challenge"], key)
        self._people.used_passkey(key.key_id, count, self._now())
        return key.person

    def by_identity(self, identity: Identity) -> str:
        """Return the secret of a new session for the person whom a provider vouches for."""
        person = self._people.by_identity(identity.issuer, identity.subject)
        if person is None:
            raise LoginRefused("this identity is bound to no account")
        return self._begin(person, OIDC, identity.id_token)

    # -- staying

    def prove(self, visitor: Visitor, person: str, method: str, id_token: str | None = None) -> str:
        """Note a new proof of identity; raise LoginRefused if it is somebody else's."""
        if person != visitor.person.person:
            raise LoginRefused("this is another person's proof")
        return self._sessions.prove(visitor.session, method, self._now(), self._random, id_token)

    def take_seat(self, visitor: Visitor, org: str, role: str) -> str:
        """Let the session act in another seat that is in force; return its new secret."""
        if Seat(org, role) not in visitor.seats:
            raise SeatNotInForce("the ledger does not give this role now", org=org, role=role)
        return self._sessions.take_seat(visitor.session, (org, role), self._random)

    # -- passkeys and passwords of one's own

    def begin_registration(self, browser: str, person: Person, purpose: str) -> str:
        """Return the options of a new passkey for a person, as JSON."""
        challenge = self._random(CHALLENGE_BYTES)
        self._await(
            browser, "registration", purpose, challenge=written(challenge), person=person.person
        )
        return self.party.registration(person, self._people.passkeys(person.person), challenge)

    def registered(
        self, browser: str, answer: str, purpose: str, person: Person, label: str
    ) -> Passkey:
        """Return the new passkey that an answer proves."""
        _, secrets = self._take(browser, "registration", purpose)
        return self.party.registered(answer, secrets["challenge"], person, label, self._now())

    def asks_current(self, visitor: Visitor) -> bool:
        """Say whether a new password needs the one in force: not after a stronger proof."""
        by_password = visitor.session.method == PASSWORD
        return by_password and self._people.password(visitor.person.person) is not None

    def forget_passkey(self, person: Person, key_id: bytes) -> None:
        """Forget a passkey, unless it is all by which this person can still come in."""
        name, people = person.person, self._people
        others = [key for key in people.passkeys(name) if key.key_id != key_id]
        if not others and people.password(name) is None and not people.identities(name):
            raise LastProof("nothing else would let this person in")
        people.remove_passkey(name, key_id)

    # -- invitations

    def invitation(self, secret: str, address: str) -> Invitation:
        """Return an invitation that waits; count who asks, so that none can be searched for."""
        self.limits.count("invitation opened from an address", address)
        return self._accounts.invitations.find(secret, self._now())

    def newcomer(self, invitation: Invitation) -> Person:
        """Return the person whom an invitation makes; kept when it is accepted."""
        return Person(invitation.person, invitation.email, invitation.name)

    def accept(self, invitation: Invitation, bind: Callable[[Person, datetime], None]) -> Person:
        """Make a new person with a seat and the means to log in that ``bind`` keeps; once."""
        now, person = self._now(), self.newcomer(invitation)
        with self._accounts.file.together():
            self._accounts.invitations.spend(invitation)
            self._people.add(person, now)
            bind(person, now)
            grants.grant_seat(self.platform, invitation, person.person, now)
        return person

    def add_seat(self, invitation: Invitation, person: Person) -> Seat:
        """Give the seat of an invitation to somebody who has an account; once."""
        with self._accounts.file.together():
            self._accounts.invitations.spend(invitation)
            return grants.grant_seat(self.platform, invitation, person.person, self._now())

    def enter(self, person: str, method: str, id_token: str | None = None) -> str:
        """Return the secret of a new session for somebody who has just proven who they are."""
        return self._begin(person, method, id_token)

    def may_invite(self, host: Principal, org: str, role: str) -> None:
        """Return quietly if this caller may give this seat, else raise what the rules say."""
        roles = self.platform.desk.law.roles
        mark = roles.require(host.role, "grant roles")
        roles.require_administers(host.role, role)
        if mark != "first one" and host.org != org:
            raise Absent

    # -- inner

    def _check(self, person: Person | None, password: str) -> str:
        kept = self._people.password(person.person) if person else None
        renewed = passwords.check_password(kept, password)
        if person is None:
            raise LoginRefused("these credentials are refused")
        if renewed is not None:
            self._people.keep_password(person.person, renewed, self._now())
        return person.person

    def _begin(self, person: str, method: str, id_token: str | None = None) -> str:
        seats = self.seats(person)
        return self._sessions.begin(
            person,
            method,
            self._now(),
            self._random,
            bounds=self.bounds,
            seat=(seats[0].org, seats[0].role) if seats else None,
            id_token=id_token,
        )

    def _in_force(self, person: str, seat: Seat) -> bool:
        try:
            self.platform.seats.require(person, seat.org, seat.role)
        except SeatNotInForce:
            return False
        return True

    def _await(self, browser: str, kind: str, purpose: str, **secrets: str) -> None:
        self._sessions.await_answer(browser, kind, purpose, secrets, self._now())

    def _take(self, browser: str, kind: str, purpose: str) -> tuple[str, dict[str, str]]:
        found = self._sessions.take_answer(browser, kind, self._now())
        if found is None or found[0] != purpose:
            raise PasskeyRefused("this browser was not asked, or was asked too long ago")
        return found

    def _now(self) -> datetime:
        return self.platform.now()

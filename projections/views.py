"""All read models of one ``views.db``, by who may ask: everybody, or one organisation (N14).

``PublicViews`` is all that pages hold; what belongs to somebody is asked through ``Views.of``,
whose questions take no organisation: it is bound before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine

from projections.attempts import Attempt, Attempts
from projections.checkpoints import Checkpoints
from projections.consultations import Consultations, Drafts
from projections.custody import CustodyViews
from projections.deposits import Deposit, Deposits
from projections.dossiers import Dossiers
from projections.members import Member, Members
from projections.openings import Openings
from projections.reading import Reader
from projections.search import Search
from projections.story_line import StoryLine


@dataclass(frozen=True)
class PublicViews:
    """The questions that everybody may ask: nothing unpublished, no deposit before its plan."""

    consultations: Consultations
    search: Search
    dossiers: Dossiers
    openings: Openings
    custody: CustodyViews
    checkpoints: Checkpoints
    story_line: StoryLine

    @classmethod
    def over(cls, engine: Engine) -> PublicViews:
        """Return the public views read through this engine (``store.reader``)."""
        reader = Reader(engine)
        return cls(
            consultations=Consultations(reader),
            search=Search(reader),
            dossiers=Dossiers(reader),
            openings=Openings(reader),
            custody=CustodyViews(reader),
            checkpoints=Checkpoints(reader),
            story_line=StoryLine(reader),
        )


@dataclass(frozen=True)
class OwnViews:
    """The questions of one organisation about what is its own."""

    _views: Views
    _org: str
    _tag_of: Callable[[str], str]

    def drafts(self) -> list[str]:
        """Return the names of its unpublished consultations."""
        return self._views.drafts.of(self._org)

    def members(self, on: date) -> tuple[Member, ...]:
        """Return who holds a role in it on a day."""
        return self._views.members.of(self._org, on)

    def deposits(self, consultation: str) -> tuple[Deposit, ...]:
        """Return its deposits in one consultation, oldest first."""
        return self._views.deposits.own(consultation, self._tag_of(consultation))

    def attempts(self, consultation: str) -> tuple[Attempt, ...]:
        """Return its attempts in one consultation, oldest first."""
        return self._views.attempts.own(consultation, self._tag_of(consultation))


@dataclass(frozen=True)
class Views(PublicViews):
    """All read models; only the wiring, replay and ``OwnViews`` hold them unbound."""

    drafts: Drafts
    members: Members
    attempts: Attempts
    deposits: Deposits

    @classmethod
    def over(cls, engine: Engine) -> Views:
        """Return all views read through this engine (``store.reader``)."""
        reader = Reader(engine)
        return cls(
            **vars(PublicViews.over(engine)),
            drafts=Drafts(reader),
            members=Members(reader),
            attempts=Attempts(reader),
            deposits=Deposits(reader),
        )

    def of(self, org: str, tag_of: Callable[[str], str]) -> OwnViews:
        """Return what one organisation may ask; ``tag_of``: its blinded tag in a consultation."""
        return OwnViews(self, org, tag_of)

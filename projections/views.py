"""All read models of one ``views.db``, as pages, routes and replay hold them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from projections.attempts import Attempts
from projections.checkpoints import Checkpoints
from projections.consultations import Consultations
from projections.custody import CustodyViews
from projections.deposits import Deposits
from projections.dossiers import Dossiers
from projections.members import Members
from projections.openings import Openings
from projections.reading import Reader
from projections.search import Search
from projections.story_line import StoryLine


@dataclass(frozen=True)
class Views:
    """The questions that may be asked; each is bound to what its asker may see."""

    consultations: Consultations
    search: Search
    dossiers: Dossiers
    openings: Openings
    custody: CustodyViews
    checkpoints: Checkpoints
    story_line: StoryLine
    members: Members
    attempts: Attempts
    deposits: Deposits

    @classmethod
    def over(cls, engine: Engine) -> Views:
        """Return the views read through this engine (``store.reader``)."""
        reader = Reader(engine)
        return cls(
            consultations=Consultations(reader),
            search=Search(reader),
            dossiers=Dossiers(reader),
            openings=Openings(reader),
            custody=CustodyViews(reader),
            checkpoints=Checkpoints(reader),
            story_line=StoryLine(reader),
            members=Members(reader),
            attempts=Attempts(reader),
            deposits=Deposits(reader),
        )

"""The pages of one platform: its read models, its last checkpoint, its clock, joined."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from api import health
from api.problem_texts import TEXTS
from api.web.pages import site
from api.web.receipt_report import receipt_checker
from api.web.rendering import Renderer
from projections.store import reader
from projections.views import PublicViews

if TYPE_CHECKING:
    from fastapi import FastAPI

    from api.entrance import Entrance
    from api.platform import Platform
    from domain.clock import Reading


class PlatformFacts:
    """What everybody may know of the ledger; behind the pages' port LedgerFacts."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def published(self) -> bytes | None:
        """Return the last published note with its cosignatures, None before the first."""
        return self._platform.ledger.published()

    def policies(self) -> Mapping[str, str]:
        """Return the texts of both policies."""
        return self._platform.policies

    def now(self) -> Reading:
        """Return a clock reading."""
        return self._platform.desk.clock.now()


def build(platform: Platform, entrance: Entrance) -> FastAPI:
    """Return the pages as one application."""
    policies = platform.policies
    return site(
        PublicViews.over(reader(platform.home.views)),
        Renderer(PlatformFacts(platform), default=platform.settings.lang),
        check_receipt=receipt_checker(policies["policy.txt"], policies["policy-log.txt"]),
        problem_texts=TEXTS,
        entrance=entrance,
        state=partial(health.state, platform),
    )

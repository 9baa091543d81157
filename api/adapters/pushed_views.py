"""Views that come with a question: a custodian that runs alone fetches nothing (`envelope.md` §10).

Whoever asks sends what the custodian must see; views prove themselves, so it does not matter who.
What is missing is said by the size of a tree: from there a proof must begin.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from api.adapters.custodian_seat import ViewWanted
from crypto.canonical import Json


class PushedViews:
    """The `Show` of a custodian to whom views are sent; each thread has those of its question."""

    def __init__(self) -> None:
        self._sent = threading.local()

    @contextmanager
    def of(self, views: Mapping[int, Mapping[str, Json]]) -> Iterator[None]:
        """Show these views, by the size from which each one proves, for the length of a block."""
        self._sent.views = views
        try:
            yield
        finally:
            self._sent.views = {}

    def __call__(self, streams: Sequence[str], since: int) -> Mapping[str, Json]:
        """Return the view that was sent with a proof from this size, or raise ViewWanted."""
        view: Mapping[str, Json] | None = getattr(self._sent, "views", {}).get(since)
        if view is None:
            raise ViewWanted(since)
        return view

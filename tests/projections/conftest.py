"""A views file over hand-made entries, for every test of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from doubles.procedures import Teller, whole_story

from projections import store
from projections.facts import Source
from projections.runner import Runner
from projections.views import Views


@pytest.fixture
def told() -> Teller:
    return whole_story()


@pytest.fixture
def views_of(tmp_path: Path) -> Iterator[Callable[[Source], Views]]:
    """Return a function that builds the views of a source and gives them back to read."""
    engines = []

    def built(source: Source) -> Views:
        path = tmp_path / f"views-{len(engines)}.db"
        engines.append(store.writer(path))
        Runner(source, engines[-1]).catch_up()
        engines.append(store.reader(path))
        return Views.over(engines[-1])

    yield built
    for engine in engines:
        engine.dispose()


@pytest.fixture
def views(told: Teller, views_of: Callable[[Source], Views]) -> Views:
    return views_of(told.ledger)

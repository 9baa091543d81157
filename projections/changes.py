"""What a fact changes in the views, as values: folds are pure, one place writes.

A fold is a function from one fact to changes. It reads no table, so it cannot depend on where a
batch began, and the order of changes is the order of the ledger. `projections.writing` writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from sqlalchemy import Table

from projections.facts import Fact

Cell: TypeAlias = str | int | bool | None
Row: TypeAlias = Mapping[str, Cell]


class Put(NamedTuple):
    """These columns stand in the row of this key, whatever stood in them before."""

    table: Table
    row: Row


class Amend(NamedTuple):
    """Columns of the rows which match change; no such row is no error."""

    table: Table
    where: Row
    row: Row


Change: TypeAlias = Put | Amend
Fold: TypeAlias = Callable[[Fact], Iterable[Change]]
Handler: TypeAlias = Callable[[Fact], Iterator[Change]]


class ByKind:
    """The fold that hands each kind to its handler and passes over all others."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.handlers = handlers

    def __call__(self, fact: Fact) -> Iterable[Change]:
        """Return what this fact changes."""
        handler = self.handlers.get(fact.kind)
        return handler(fact) if handler else ()


def folded(handlers: Mapping[str, Handler]) -> ByKind:
    """Return the fold of these handlers."""
    return ByKind(handlers)


class Routes(dict[str, tuple[Fold, ...]]):
    """For each kind the folds that look at it, so that a fact is not offered to all others."""

    def __init__(self, folds: Iterable[Fold]) -> None:
        super().__init__()
        self._folds = tuple(folds)

    def __missing__(self, kind: str) -> tuple[Fold, ...]:
        """Return the folds of a kind not met before, in their order."""
        offered = (_offered(fold, kind) for fold in self._folds)
        found = self[kind] = tuple(fold for fold in offered if fold is not None)
        return found


def _offered(fold: Fold, kind: str) -> Fold | None:
    return fold.handlers.get(kind) if isinstance(fold, ByKind) else fold

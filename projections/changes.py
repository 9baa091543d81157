"""What a fact changes in the views, as values: folds are pure, one place writes.

A fold is a function from one fact to changes. It reads no table, so it cannot depend on where a
batch began, and the order of changes is the order of the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from sqlalchemy import Connection, Table, bindparam, update
from sqlalchemy.dialects.sqlite import insert

from projections.facts import Fact

Cell: TypeAlias = str | int | bool | None
Row: TypeAlias = Mapping[str, Cell]


@dataclass(frozen=True)
class Put:
    """These columns stand in the row of this key, whatever stood in them before."""

    table: Table
    row: Row


@dataclass(frozen=True)
class Amend:
    """Columns of the rows which match change; no such row is no error."""

    table: Table
    where: Row
    row: Row


Change: TypeAlias = Put | Amend
Fold: TypeAlias = Callable[[Fact], Iterable[Change]]
Handler: TypeAlias = Callable[[Fact], Iterator[Change]]


def folded(handlers: Mapping[str, Handler]) -> Fold:
    """Return the fold that hands each kind to its handler and passes over all others."""

    def fold(fact: Fact) -> Iterable[Change]:
        handler = handlers.get(fact.kind)
        return handler(fact) if handler else ()

    return fold


def write(connection: Connection, changes: Iterable[Change]) -> None:
    """Write changes in their order; neighbours of one shape go in one statement."""
    for shape, group in groupby(changes, key=_shape):
        kind, table, where, row = shape
        if kind is Put:
            _put(connection, table, row, group)
        else:
            _amend(connection, table, where, row, group)


Shape: TypeAlias = tuple[type, Table, tuple[str, ...], tuple[str, ...]]


def _shape(change: Change) -> Shape:
    where = tuple(change.where) if isinstance(change, Amend) else ()
    return type(change), change.table, where, tuple(change.row)


def _put(
    connection: Connection, table: Table, columns: tuple[str, ...], group: Iterable[Change]
) -> None:
    keys = [column.name for column in table.primary_key]
    statement = insert(table)
    kept = {name: statement.excluded[name] for name in columns if name not in keys}
    if kept:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=kept)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, [dict(change.row) for change in group])


def _amend(
    connection: Connection,
    table: Table,
    where: tuple[str, ...],
    columns: tuple[str, ...],
    group: Iterable[Change],
) -> None:
    statement = update(table).values({name: bindparam(f"new_{name}") for name in columns})
    for name in where:
        statement = statement.where(table.c[name].is_not_distinct_from(bindparam(f"key_{name}")))
    rows = [
        {f"new_{name}": value for name, value in change.row.items()}
        | {f"key_{name}": value for name, value in change.where.items()}
        for change in group
        if isinstance(change, Amend)
    ]
    connection.execute(statement, rows)

"""Writes the changes of a batch: folded in memory first, then one statement for each shape of row.

A row that is put and amended within one batch is written once. What becomes of a table depends on
the order of its own changes alone, so tables are written one after the other; within a table, rows
of different keys in any order. A change by anything but a key is a barrier: what came before it is
written before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from sqlalchemy import Connection, Table, bindparam, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import DBAPICursor

from projections.changes import Amend, Cell, Change, Put, Row

Key: TypeAlias = tuple[Cell, ...]
Columns: TypeAlias = tuple[str, ...]
_DIALECT = sqlite.dialect(paramstyle="qmark")


def write(connection: Connection, changes: Iterable[Change]) -> None:
    """Write changes as if in their order, inside the open transaction."""
    cursor = connection.connection.cursor()
    try:
        held: dict[Table, _Pending] = {}
        for change in changes:
            pending = held.get(change.table)
            if pending is None:
                pending = held[change.table] = _Pending(change.table, cursor)
            if isinstance(change, Put):
                pending.put(change.row)
            else:
                pending.amend(change)
        for pending in held.values():
            pending.flush()
    finally:
        cursor.close()


class _Pending:
    """What a batch will write to one table: at most one change of each key, then the others."""

    def __init__(self, table: Table, cursor: DBAPICursor) -> None:
        self._table = table
        self._cursor = cursor
        self._names = frozenset(column.name for column in table.primary_key)
        self._key = _getter(tuple(column.name for column in table.primary_key))
        self._puts: dict[Key, dict[str, Cell]] = {}
        self._amends: dict[Key, Amend] = {}
        self._others: list[Amend] = []

    def put(self, row: Row) -> None:
        key = self._key(row)
        # A row that is amended may not exist, so amending and putting are two statements.
        if self._others or key in self._amends:
            self.flush()
        before = self._puts.get(key)
        self._puts[key] = {**before, **row} if before else dict(row)

    def amend(self, change: Amend) -> None:
        if change.where.keys() != self._names:
            self._others.append(change)
            return
        if self._others:
            self.flush()
        key = self._key(change.where)
        put = self._puts.get(key)
        if put is not None:
            put.update(change.row)
            return
        before = self._amends.get(key)
        if before is not None:
            change = Amend(change.table, change.where, {**before.row, **change.row})
        self._amends[key] = change

    def flush(self) -> None:
        """Write what waits, and forget it."""
        puts: dict[Columns, list[Row]] = {}
        for row in self._puts.values():
            puts.setdefault(tuple(row), []).append(row)
        for columns, rows in puts.items():
            statement = _put(self._table, columns)
            self._cursor.executemany(statement.text, [statement.values(row) for row in rows])
        for change in (*self._amends.values(), *self._others):
            text = _amend(self._table, tuple(change.where), tuple(change.row))
            self._cursor.execute(text, (*change.row.values(), *change.where.values()))
        self._puts, self._amends, self._others = {}, {}, []


class _Statement(NamedTuple):
    text: str
    values: Callable[[Row], Key]


@lru_cache(maxsize=1024)
def _put(table: Table, columns: Columns) -> _Statement:
    keys = [column.name for column in table.primary_key]
    statement = insert(table).values({name: bindparam(name) for name in columns})
    kept = {name: statement.excluded[name] for name in columns if name not in keys}
    compiled = (
        statement.on_conflict_do_update(index_elements=keys, set_=kept)
        if kept
        else statement.on_conflict_do_nothing(index_elements=keys)
    ).compile(dialect=_DIALECT)
    return _Statement(str(compiled), _getter(tuple(compiled.positiontup or ())))


@lru_cache(maxsize=1024)
def _amend(table: Table, where: Columns, columns: Columns) -> str:
    """Return the statement; its values are those of the columns, then those of the condition."""
    statement = update(table).ordered_values(
        *((table.c[name], bindparam(f"new_{name}")) for name in columns)
    )
    for name in where:
        statement = statement.where(table.c[name].is_not_distinct_from(bindparam(f"key_{name}")))
    return str(statement.compile(dialect=_DIALECT))


def _getter(names: Columns) -> Callable[[Row], Key]:
    """Return what takes these values out of a row, always as a tuple."""
    if len(names) == 1:
        (name,) = names
        return lambda row: (row[name],)
    return itemgetter(*names)

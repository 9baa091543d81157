"""Kinds of procedure are rows of one table, never classes (architecture.md §5)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import NoRule


@dataclass(frozen=True)
class Procedure:
    """One kind of procedure; its delays are keys of the rule book."""

    code: str
    title: Mapping[str, str]
    formal: bool
    candidates: str
    stages: tuple[str, ...]
    optional: tuple[str, ...]
    min_days: Mapping[str, str]
    decp: str
    ocds: str


@dataclass(frozen=True)
class Procedures:
    """All kinds of procedure, by code."""

    rows: Mapping[str, Procedure]

    @classmethod
    def parse(cls, text: str) -> Procedures:
        """Read the table."""
        found = [
            Procedure(
                code=row["code"],
                title=row["title"],
                formal=row["formal"],
                candidates=row["candidates"],
                stages=tuple(row["stages"]),
                optional=tuple(row["optional"]),
                min_days=row["min_days"],
                decp=row["decp"],
                ocds=row["ocds"],
            )
            for row in tomllib.loads(text)["procedure"]
        ]
        return cls({procedure.code: procedure for procedure in found})

    def of(self, code: str) -> Procedure:
        """Return the row of this code, else ``rulebook.no-rule``."""
        if code not in self.rows:
            raise NoRule(f"procedure.{code}", "any date")
        return self.rows[code]

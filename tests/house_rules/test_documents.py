"""Documents tell the truth: what they name exists, and what exists is named.

Paths, commands with their options, settings and the codes that stop a process are compared with the
code, so that a guide cannot outlive what it describes.
"""

from __future__ import annotations

import importlib
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from api.cli import COMMANDS, ENVIRONMENT, REFUSED
from api.problem_texts import TEXTS
from api.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
# what a build, a run or a command makes; git holds none of it
MADE = ("api/web/static", "frontend/node_modules", "var/")
# the design that came before the code, cited by section; docs/spec/README.md says so
DESIGN = {
    f"{name}.md"
    for name in ("architecture", "domain", "envelope", "interop", "ledger", "product", "stack")
} | {"trust.md"}
TOPS = "domain|crypto|ledger|projections|replay|api|frontend|tests|benchmarks|docs|\\.ci"
PATH = re.compile(rf"(?:{TOPS})/[\w./*-]*|[\w-]+\.(?:md|toml)")
# environment that is no setting of a server: language, the depositor's side, the checks
OTHER_VARIABLES = {"PLI_LANG", "PLI_TOKEN", "PLI_URL", "PLI_SIZE", "PLI_STRICT", "PLI_CHROMIUM"}
OTHER_VARIABLES |= {"PLI_ADVISORIES"}
ADR = re.compile(
    r"# (\d{4}) .+\n\n\*\*Context\.\*\*.+?\*\*Decision\.\*\*.+?\*\*(?:Cost|Consequence)\.\*\*",
    re.DOTALL,
)


def spans(text: str) -> Iterator[str]:
    """Yield what stands in backticks, blocks and indented lines included."""
    yield from re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    yield from re.findall(r"(?m)^    (\S.*)$", text)
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def paths_in(text: str) -> set[str]:
    """Return what stands alone in backticks and has the form of a path of the repository."""
    found = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return {path for path in found if PATH.fullmatch(path)}


def absent(paths: Iterable[str], page: Path) -> list[str]:
    """Return the paths that lead nowhere, from the root or from the page's own folder."""
    return sorted(
        path
        for path in paths
        if path not in DESIGN
        and not path.startswith(MADE)
        and not any(
            next(base.glob(path.rstrip("/")), None) for base in (ROOT, page.parent, DOCS / "spec")
        )
    )


def uses_of_pli(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return (verb, options) of every command that a page shows."""
    found = []
    for span in spans(text):
        for line in span.replace("\\\n", " ").splitlines():
            for words in re.findall(r"(?:^|[\s|;])pli ([a-z]+)([^|;#]*)", " " + line):
                found.append((words[0], tuple(re.findall(r"--[a-z][a-z-]*", words[1]))))
    return found


def options_of(verb: str) -> set[str]:
    """Return the options that a verb knows, those of its nouns included."""
    if verb == "verify":
        files = (ROOT / "replay" / name for name in ("verifier.py", "export_verifier.py"))
        return {found for file in files for found in re.findall(r'"(--[a-z-]+)"', file.read_text())}
    import typer

    waiting = [typer.main.get_command(importlib.import_module(f"api.cli.{verb}").app)]
    found = {"--help"}
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        found.update(word for one in command.params for word in getattr(one, "opts", ()))
    return found


def strange_commands(text: str) -> list[str]:
    """Return the verbs and options that a page shows and the program does not know."""
    wrong = []
    for verb, options in uses_of_pli(text):
        if verb not in COMMANDS:
            wrong.append(verb)
        else:
            wrong += [f"{verb} {one}" for one in options if one not in options_of(verb)]
    return wrong


def settings() -> set[str]:
    return {f"PLI_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_is_named_exists(page: Path) -> None:
    assert not absent(paths_in(page.read_text()), page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    assert not strange_commands(page.read_text())


def test_every_setting_is_in_the_operations_document() -> None:
    shown = set(re.findall(r"PLI_[A-Z_]+", (DOCS / "operations.md").read_text()))
    assert not settings() - shown
    assert not shown - settings() - OTHER_VARIABLES


def test_every_code_of_the_environment_says_what_to_do() -> None:
    """Exit status 3 wakes a person: the code stands in the operations document."""
    text = (DOCS / "operations.md").read_text()
    stops = {code for code in TEXTS if code.startswith(ENVIRONMENT) and code not in REFUSED}
    assert not sorted(code for code in stops if f"`{code}`" not in text)


def test_every_guide_has_its_twin() -> None:
    french = {path.name for path in (DOCS / "guide" / "fr").glob("*.md")}
    english = {path.name for path in (DOCS / "guide" / "en").glob("*.md")}
    assert french == english
    assert {"acheteur.md", "entreprise.md", "gardien.md", "auditeur.md", "exploitant.md"} <= french


def test_every_decision_has_context_decision_and_cost() -> None:
    pages = sorted((DOCS / "adr").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert len(numbers) == len(set(numbers)), "a decision has a number of its own"
    for page in pages:
        found = ADR.match(page.read_text())
        assert found, f"{page.name}: Context, Decision and Cost, in this order"
        assert found.group(1) == page.name[:4]


def test_the_index_of_formats_names_every_format() -> None:
    index = (DOCS / "spec" / "README.md").read_text()
    pages = {path.name for path in (DOCS / "spec").iterdir()} - {"README.md"}
    assert not sorted(page for page in pages if f"`{page}`" not in index)
    for word in DESIGN:
        assert f"`{word}`" in index, f"the index says what {word} is"


def test_the_glossary_is_in_order_and_whole() -> None:
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \| ([^|]+?) \|$", _glossary(), re.MULTILINE)
    words = [row[0].lower() for row in rows if row[0] not in {"English", "---"}]
    assert words == sorted(words, key=lambda word: re.sub(r"[^a-z]", " ", word))
    assert len(words) == len(set(words)) > 40
    assert not [line for line in _glossary().splitlines() if line.startswith("|") and "||" in line]


def _glossary() -> str:
    return (DOCS / "glossary.md").read_text()


def test_planted_untruths_are_seen() -> None:
    page = DOCS / "planted.md"
    text = "See `ledger/nowhere.py` and `adr/0001-literal-folder-names.md`, not `a/b` or `x.y`."
    assert absent(paths_in(text), page) == ["ledger/nowhere.py"]
    shown = "Run `pli shred` or:\n\n    pli seal --kit k --colour red\n"
    assert sorted(strange_commands(shown)) == ["seal --colour", "shred"]
    assert not ADR.match("# 0001 A title\n\n**Context.** x\n**Decision.** y\n")


def test_documents_are_committed() -> None:
    known = subprocess.run(
        ["git", "ls-files", "docs"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    if not known:
        pytest.skip("no repository here: a source archive")
    missing = {path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md")} - set(known)
    assert not missing

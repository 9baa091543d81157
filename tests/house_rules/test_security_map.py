"""The map of ASVS 5.0 is whole and true: every requirement is answered, every test it names exists.

Levels 1 and 2 are answered everywhere, level 3 in chapters 11, 14, 15 and 16. The numbers of the
standard are facts and stand below by section; its sentences are not copied.
"""

from __future__ import annotations

import ast
import csv
import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "security.md"
MAP = ROOT / "docs" / "security" / "asvs.csv"
PACKAGES = ("domain", "crypto", "ledger", "projections", "replay", "api")
COLUMNS = ["id", "level", "chapter", "requirement", "status"]
SECTIONS = (
    "Data and its protection",
    "Keys and algorithms",
    "Ways in",
    "Requests and their limits",
    "What is written down",
    "Outgoing connections",
    "Dependencies",
    "Residual risks",
)
CRYPTOGRAPHY = {
    *("nacl", "cryptography", "hashlib", "hmac", "argon2", "joserfc", "authlib", "webauthn"),
    *("rfc3161_client", "secrets", "ssl", "crypt", "Crypto", "pyhanko", "signxml"),
}
# section: its requirements of level 1 and 2, and of level 3 in chapters 11, 14, 15 and 16
REQUIRED = """
1.1:1,2 1.2:1,2,3,4,5,6,7,8,9 1.3:1,2,3,4,5,6,7,8,9,10,11 1.4:1,2,3 1.5:1,2 2.1:1,2,3 2.2:1,2,3
2.3:1,2,3,4 2.4:1 3.2:1,2 3.3:1,2,3,4 3.4:1,2,3,4,5,6 3.5:1,2,3,4,5 3.7:1,2 4.1:1,2,3 4.2:1
4.3:1,2 4.4:1,2,3,4 5.1:1 5.2:1,2,3 5.3:1,2 5.4:1,2,3 6.1:1,2,3 6.2:1,2,3,4,5,6,7,8,9,10,11,12
6.3:1,2,3,4 6.4:1,2,3,4 6.5:1,2,3,4,5 6.6:1,2,3 6.8:1,2,3,4 7.1:1,2,3 7.2:1,2,3,4 7.3:1,2
7.4:1,2,3,4,5 7.5:1,2 7.6:1,2 8.1:1,2 8.2:1,2,3 8.3:1 8.4:1 9.1:1,2,3 9.2:1,2,3,4 10.1:1,2
10.2:1,2 10.3:1,2,3,4 10.4:1,2,3,4,5,6,7,8,9,10,11 10.5:1,2,3,4,5 10.6:1,2 10.7:1,2,3
11.1:1,2,3,4 11.2:1,2,3,4,5 11.3:1,2,3,4,5 11.4:1,2,3,4 11.5:1,2 11.6:1,2 11.7:1,2 12.1:1,2,3
12.2:1,2 12.3:1,2,3,4 13.1:1 13.2:1,2,3,4,5 13.3:1,2 13.4:1,2,3,4,5 14.1:1,2
14.2:1,2,3,4,5,6,7,8 14.3:1,2,3 15.1:1,2,3,4,5 15.2:1,2,3,4,5 15.3:1,2,3,4,5,6,7 15.4:1,2,3,4
16.1:1 16.2:1,2,3,4,5 16.3:1,2,3,4 16.4:1,2,3 16.5:1,2,3,4 17.1:1 17.2:1,2,3,4 17.3:1,2
"""


def required() -> list[str]:
    """Return the id of every requirement that must be answered, in order."""
    found = []
    for line in REQUIRED.split():
        section, _, numbers = line.partition(":")
        found += [f"V{section}.{number}" for number in numbers.split(",")]
    return found


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@cache
def functions_of(path: str) -> frozenset[str]:
    file = ROOT / path
    if not (path.startswith("tests/") and file.is_file()):
        return frozenset()
    found = ast.walk(ast.parse(file.read_text()))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in found if isinstance(node, functions))


def untrue(answers: Iterable[dict[str, str]]) -> list[str]:
    """Return what is wrong with each answer: no test of that name, no reason, no words."""
    wrong = []
    for row in answers:
        status, key = row["status"], row["id"]
        path, separator, test = status.partition("::")
        reasoned = status.startswith(("n/a because ", "gap: ")) and len(status) > 20
        if not reasoned and not (separator and test in functions_of(path)):
            wrong.append(f"{key}: {status}")
        if len(row["requirement"]) < 8:
            wrong.append(f"{key}: no words of our own")
    return wrong


def gaps(document: str) -> set[str]:
    return set(re.findall(r"^\| (V\d+\.\d+\.\d+) \| .{20,} \|$", document, re.MULTILINE))


def test_every_requirement_is_answered_once() -> None:
    answers = rows(MAP.read_text("utf-8"))
    assert list(answers[0]) == COLUMNS
    assert [row["id"] for row in answers] == required()
    assert len(answers) == 276
    assert {row["level"] for row in answers} == {"1", "2", "3"}


def test_every_answer_is_true() -> None:
    assert not untrue(rows(MAP.read_text("utf-8")))


def test_every_gap_is_told_and_nothing_told_is_closed() -> None:
    open_rows = {row["id"] for row in rows(MAP.read_text("utf-8")) if row["status"][:3] == "gap"}
    assert gaps(DOCUMENT.read_text("utf-8")) == open_rows


def test_planted_untruths_are_seen() -> None:
    text = "\n".join(
        [
            ",".join(COLUMNS),
            "V1.1.1,2,V1,words that say it,tests/trust/test_nowhere.py::test_it",
            f"V1.1.2,2,V1,words that say it,{Path(__file__).relative_to(ROOT)}::test_absent",
            "V1.2.1,1,V1,words that say it,n/a because",
            "V1.2.2,1,V1,x,gap: nothing shows it until the next version",
            f"V1.2.3,1,V1,words that say it,{Path(__file__).relative_to(ROOT)}::required",
        ]
    )
    wrong = [line.partition(":")[0] for line in untrue(rows(text))]
    assert wrong == ["V1.1.1", "V1.1.2", "V1.2.1", "V1.2.2"]


def test_the_security_document_has_every_section() -> None:
    """What the standard wants documented stands in these sections, each with its own text."""
    parts = re.split(r"^## (.+)$", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert not [name for name in SECTIONS if len(found.get(name, "")) < 200]


def imports(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_every_library_of_cryptography_is_in_the_inventory() -> None:
    """Discovery by syntax: what computes with keys or hashes is imported from one of these."""
    listed = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    sources = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    used = set().union(*(imports(path.read_text("utf-8")) for path in sources)) & CRYPTOGRAPHY
    assert {"nacl", "hashlib"} <= used <= listed
    assert imports("import nacl.signing\nfrom joserfc import jwt") == {"nacl", "joserfc"}


PUBLIC_NUMBERS = {
    "group.check_point",
    "local_authority._certificate",
    "local_authority._key",
    "notes.check_cosignature",
    "package._read_manifest",
    "pli1_header.header_length",
    "timestamps._judged",
    "timestamps.request",
}
"""Where cryptography makes a number of bytes: lengths, times, public encodings; of a secret only
the seed of the test authority, whose stamps have no legal value."""


def numbers_from_bytes(source: str) -> set[str]:
    """Return the functions that call ``int.from_bytes``: Python computes with what they make."""
    return {
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and "int.from_bytes(" in ast.unparse(node)
    }


def test_no_secret_becomes_a_number_of_python() -> None:
    """V11.2.4: what depends on a secret is computed by libsodium and OpenSSL in constant time."""
    found = {
        f"{path.stem}.{name}"
        for path in (ROOT / "crypto").glob("*.py")
        for name in numbers_from_bytes(path.read_text("utf-8"))
    }
    assert found == PUBLIC_NUMBERS
    assert numbers_from_bytes("def f(k): return int.from_bytes(k) % 7") == {"f"}


def test_nothing_of_development_is_shipped() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert sorted(build["targets"]["wheel"]["packages"]) == sorted(PACKAGES)
    assert not [name for name in build["targets"]["sdist"]["include"] if "test" in name]
    sources = {path: path.read_text("utf-8") for path in (ROOT / "api").rglob("*.py")}
    assert not [path for path, text in sources.items() if re.search(r"\bdebug\s*=\s*True", text)]
    made = sources[ROOT / "api" / "app.py"]
    assert "docs_url=None" in made
    assert "redoc_url=None" in made

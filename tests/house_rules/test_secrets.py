"""No secret stands in the repository: no key, no token, nothing that chance made and a name hides.

Three nets: forms that only secrets have; values given to names such as `password` or `token` that
look drawn by lot; and long texts of high entropy anywhere, but where hashes and known answers
belong. What a test needs as a secret it makes, or derives from a public label.
"""

from __future__ import annotations

import math
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORMS = {
    "private key (PEM)": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "key file of a note": re.compile(r"PRIVATE\+KEY\+[^\s<{+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{40,}"),
    "token of Pli": re.compile(r"\bpli_[0-9a-f]{64}\b"),
    "token of a forge or cloud": re.compile(r"\b(?:gh[pousr]_|glpat-|AKIA|xox[abp]-)[\w-]{16,}"),
    "JSON Web Token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    "address with a password": re.compile(
        r"\b[a-z]{3,12}://[^\s/:@\"'<{]+:[^\s/@\"'<{]{6,}@[\w.-]+"
    ),
}
NAMED = re.compile(
    r"""(?ix)\b[\w.-]*(?:secret|token|passw(?:or)?d|passphrase|credential|api_?key|private_?key)\w*
    ["']?\s*[:=]\s*(?:b?["'])([A-Za-z0-9+/_=-]{20,})["']"""
)
LONG = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{40,}={0,2}(?![A-Za-z0-9+/_=-])")
HEXADECIMAL = re.compile(r"[0-9a-f]+")
DRAWN_BITS = 3.6  # a symbol: of a word or a path it is below, of 20 random characters above
LONG_BITS = 4.6
# hashes of packages, known answers with public labels, events of released versions
KNOWN = (
    "requirements.lock",
    "requirements-dev.lock",
    "frontend/package-lock.json",
    "tests/vectors/",
    "tests/golden/",
    "tests/fuzz/seeds/",
    "tests/crypto/",
)
# keys of no log that exists: where the fuzzer of key files starts
SEEDS = frozenset({"tests/fuzz/seeds/keys/file-log", "tests/fuzz/seeds/keys/file-witness"})
TEXT = frozenset(
    {".py", ".ts", ".toml", ".md", ".json", ".txt", ".yml", ".yaml", ".cfg", ".html", ""}
)


def entropy(text: str) -> float:
    """Return the bits of each symbol, counted over the text itself."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def secrets_in(text: str, *, known: bool = False) -> Iterator[tuple[str, str]]:
    """Yield what looks like a secret, and why; ``known``: a place of hashes and known answers."""
    for name, form in FORMS.items():
        for found in form.finditer(text):
            yield name, found.group()
    if known:
        return
    for found in NAMED.finditer(text):
        value = found.group(1)
        if any(map(str.isdigit, value)) and entropy(value) >= DRAWN_BITS:
            yield "value under a secret's name", value
    for found in LONG.finditer(text):
        value = found.group()
        if not HEXADECIMAL.fullmatch(value) and entropy(value) >= LONG_BITS and drawn(value):
            yield "long text of high entropy", value


def drawn(value: str) -> bool:
    """Say whether a long text has what paths and names lack: all kinds of characters, mixed."""
    kinds = (str.isupper, str.islower, str.isdigit)
    changes = sum(
        a.isupper() != b.isupper() or a.isdigit() != b.isdigit() for a, b in pairwise(value)
    )
    return all(any(map(kind, value)) for kind in kinds) and changes > len(value) / 3


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def findings() -> Iterator[str]:
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix not in TEXT or path == Path(__file__) or name in SEEDS:
            continue
        known = name.startswith(KNOWN)
        for why, value in secrets_in(path.read_text(errors="replace"), known=known):
            yield f"{name}: {why}: {value[:24]}…"


def test_no_secret_is_committed() -> None:
    assert not list(findings())


def test_no_file_of_a_home_is_committed() -> None:
    """Keys, credentials and databases have no place here, whatever their content."""
    wrong = {".key", ".credential", ".box", ".db", ".p12", ".pfx", ".jks", ".kdbx"}
    names = {path.relative_to(ROOT).as_posix() for path in tracked()}
    assert not {name for name in names if Path(name).suffix in wrong or Path(name).name == ".env"}


DRAWN = "q7Rk2vX9" + "bT4mZ8wL1" + "cN6yH3sD5" + "fJ0gP"


@pytest.mark.parametrize(
    "planted",
    [
        "-----BEGIN " + "PRIVATE KEY-----",
        "-----BEGIN EC " + "PRIVATE KEY-----",
        "PRIVATE" + "+KEY+log.example+1bb2d562+" + "A" * 44,
        "pli" + "_" + "ab" * 32,
        "gh" + "p_" + "a1" * 18,
        "ey" + "JhbGciOiJIUzI1NiJ9." + "ey" + "JzdWIiOiIxMjM0NTYifQ." + "c2lnbmF0dXJl",
        "postgresql" + "://pli:hunter22@db.example/pli",
        f'client_secret = "{DRAWN[:24]}"',
        f"password: '{DRAWN[:22]}'",
        f"x = '{DRAWN + DRAWN[::-1]}'",
    ],
)
def test_each_planted_secret_is_seen(planted: str) -> None:
    assert list(secrets_in(planted))


@pytest.mark.parametrize(
    "harmless",
    [
        "https://user@host.example/path",
        "postgresql://pli@db.example/pli",
        "token = create_token_for_this_test_only",
        'secret = "derived_from_a_public_label"',
        "sha256:" + "0123456789abcdef" * 4,
        "tests/house_rules/test_documents.py::test_every_path_that_is_named_exists",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    ],
)
def test_what_only_looks_like_one_is_not(harmless: str) -> None:
    assert not list(secrets_in(harmless))

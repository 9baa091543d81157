"""Every error class of the product has a code of its own that says something, in two languages.

``tests/api/test_errors.py`` looks at the texts; here it is the classes: none without a code, none
that another reason shares by accident, none outside the list of texts that people are shown.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from api.problem_texts import TEXTS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "crypto", "ledger", "projections", "replay", "api")
CODE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)*")
ROOTS = {
    "api.adapters.custodian_home.CustodianHomeError",
    "api.adapters.custodian_seat.CustodianError",
    "api.adapters.custodian_state.StateError",
    "api.adapters.keys.KeysError",
    "api.adapters.witness_home.WitnessHomeError",
    "api.depositor.errors.DepositorError",
    "api.errors.ApiError",
    "api.home.HomeError",
    "api.key_changes.KeyChangeError",
    "api.privacy.PrivacyError",
    "crypto.errors.CryptoError",
    "crypto.stamp_errors.StampError",
    "domain.errors.DomainError",
    "ledger.errors.LedgerError",
    "projections.errors.ProjectionError",
}
# whose code comes with the case: it is given to the constructor
CODE_OF_THE_CASE = {
    "api.depositor.errors.ServerRefused": "the code is the one that the platform answered",
    "ledger.errors.EntryRefused": "the code is the broken rule of the entry",
    "replay.verifier.Refused": "one class in one file: the code says which check failed",
}
# caught where it is raised from, so that nobody ever meets it
INTERNAL = {
    "api.story.sending.LineCut": "the story cuts a line on purpose, and resumes",
    "api.web.administration.fields.Faulty": "the page of the form tells each fault by its field",
    "projections.reading.BadToken": "the page of the list answers as absent in its place",
}
# one code, several classes: because the specification names both reasons by one word
SHARED = {
    "capsule": "envelope.md gives head check and custodian one code",
    "ceremony.complaint": "the port's class, and the seat's own that becomes it",
    "command.reused": "found by the ledger, decided by the domain",
    "commitment": "of a sealed file and of a blinded field: two families of known answers",
    "custodian.refused": "the port's class, and the seat's own that becomes it",
    "deposit.too-large": "refused by the sealer before, by the platform again",
    "deposit.too-many-files": "refused by the sealer before, by the platform again",
    "hash": "known answers call a wrong base64 and a wrong length of a hash by one code",
    "header": "envelope.md gives file and custodian one code",
    "key": "of an envelope and of a key file: two families of known answers",
    "object.not-found": "absent and foreign are one answer, by the domain and by the interface",
    "proof": "of a tree and of a threshold: two families of known answers",
    "purpose": "envelope.md gives ceremony and custodian one code",
    "quorum": "of partials and of witnesses: two families of known answers",
    "role.not-allowed": "by the table of roles, or by the interface before it",
    "signature": "of a note and of a custodian's statement: two families of known answers",
    "transmission.incomplete": "by the rules, or by the interface before it",
    "view": "the custodian's reason, and what the reading of a view raises",
}
# the custodian's reasons travel inside a signed refusal; people are told `custodian.refused`
SILENT_MODULES = (
    "replay.custodian",
    "replay.custodian_facts",
    "replay.custody_view",
    "replay.verifier",
)


def load() -> None:
    for package in PACKAGES:
        folder = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(folder, f"{package}."):
            importlib.import_module(module.name)


def below(kind: type[BaseException]) -> Iterable[type[BaseException]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def ours() -> list[type[BaseException]]:
    load()
    return sorted(
        {kind for kind in below(BaseException) if kind.__module__.split(".")[0] in PACKAGES},
        key=full_name,
    )


def full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def local(kind: type) -> bool:
    return "<locals>" in kind.__qualname__


def without_own_code(kinds: Iterable[type]) -> list[str]:
    """Return the classes whose code is inherited, absent or no code."""
    return [
        full_name(kind)
        for kind in kinds
        if full_name(kind) not in CODE_OF_THE_CASE | INTERNAL
        and not (isinstance(code := vars(kind).get("code"), str) and CODE.fullmatch(code))
        and not isinstance(code, property)
    ]


def shared(kinds: Iterable[type]) -> dict[str, list[str]]:
    """Return the codes that several classes have."""
    found: dict[str, list[str]] = defaultdict(list)
    for kind in kinds:
        if isinstance(code := vars(kind).get("code"), str):
            found[code].append(full_name(kind))
    return {code: names for code, names in found.items() if len(names) > 1}


@pytest.fixture(scope="module")
def kinds() -> list[type]:
    return [kind for kind in ours() if not local(kind)]


def test_every_error_has_a_code_of_its_own(kinds: list[type]) -> None:
    assert not without_own_code(kinds)


def test_no_two_reasons_share_a_code_by_accident(kinds: list[type]) -> None:
    found = shared(kinds)
    assert not {code: names for code, names in found.items() if code not in SHARED}
    assert not set(SHARED) - set(found), "an exception that nothing needs any more"


def test_every_code_that_people_may_see_has_texts(kinds: list[type]) -> None:
    seen = {
        vars(kind)["code"]: full_name(kind)
        for kind in kinds
        if isinstance(vars(kind).get("code"), str)
        and full_name(kind) not in ROOTS
        and kind.__module__ not in SILENT_MODULES
    }
    assert not {code: name for code, name in seen.items() if code not in TEXTS}


def test_every_error_says_what_it_means(kinds: list[type]) -> None:
    assert not [full_name(kind) for kind in kinds if not (kind.__doc__ or "").strip()]


def test_every_text_is_the_text_of_something(kinds: list[type]) -> None:
    """A code that nobody can meet is a promise without a product."""
    known = {vars(kind).get("code") for kind in kinds}
    files = [*(ROOT / "domain").rglob("*.*"), *(ROOT / "api").rglob("*.py")]
    sources = "".join(path.read_text() for path in files if path.suffix in {".py", ".toml"})
    spelled = {code for code in TEXTS if f'"{code}"' in sources or f"'{code}'" in sources}
    machines = {code for code in TEXTS if code.endswith(".wrong-state")}
    assert not set(TEXTS) - known - spelled - machines


class Bare(Exception):
    """Planted: no code."""


class Shouting(Exception):
    """Planted: no code of our form."""

    code = "Deposit_Late"


class First(Exception):
    """Planted."""

    code = "planted.reason"


class Second(Exception):
    """Planted: the code of another one."""

    code = "planted.reason"


@pytest.mark.parametrize("kind", [Bare, Shouting])
def test_planted_an_error_without_a_code_is_seen(kind: type) -> None:
    assert without_own_code([kind]) == [full_name(kind)]


def test_planted_a_shared_code_is_seen() -> None:
    assert set(shared([First, Second])) == {"planted.reason"} - set(SHARED)

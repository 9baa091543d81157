"""Every code of the three trees has a status and both texts; absent and foreign are one answer."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import crypto
import domain
import ledger
from api import errors
from api.problem_texts import TEXTS
from crypto.errors import CryptoError
from domain.errors import BadSiret, DomainError, NotFound
from ledger.errors import EntryRefused


def trees() -> list[type[Exception]]:
    for package in (crypto, domain, ledger):
        for module in pkgutil.iter_modules(package.__path__):
            if "error" in module.name:
                importlib.import_module(f"{package.__name__}.{module.name}")
    from ledger.errors import LedgerError

    return [DomainError, CryptoError, errors.ApiError, LedgerError]


def classes() -> list[type[Exception]]:
    found, waiting = [], trees()
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "code" in vars(kind):
            found.append(kind)
    return sorted(found, key=lambda kind: f"{kind.__module__}.{kind.__name__}")


def roots() -> set[str]:
    return {"domain", "crypto", "ledger"}


def test_no_rule_of_an_entry_is_an_error_of_the_platform() -> None:
    """What callers send may break a rule of entries: that is their request, never a 500."""
    rules = "utf8 syntax space order key number range escape nul null depth size nfc fields data"
    for rule in rules.split():
        status, body = errors.problem(EntryRefused(rule, "at position 7"), "en")
        assert (status, body["code"]) == (422, "entry.refused")
        assert "7" not in str(body)


def test_every_code_has_both_texts() -> None:
    codes = {kind.code for kind in classes() if isinstance(kind.code, str)} - roots()
    assert not sorted(codes - set(TEXTS))


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_texts_are_texts(code: str) -> None:
    text = TEXTS[code]
    assert 400 <= text.status <= 599
    assert text.fr.strip()
    assert text.en.strip()
    assert text.fr != text.en


def test_absent_and_foreign_have_the_same_bytes() -> None:
    absent = errors.problem(errors.Absent(), "fr")
    assert absent == errors.problem(NotFound("deposit", "abc"), "fr")
    assert set(absent[1]) == {"type", "title", "status", "code"}


def test_facts_go_with_the_problem() -> None:
    status, body = errors.problem(BadSiret("123"), "en")
    assert status == 422
    assert body["siret"] == "123"
    assert body["type"] == "/problems/siret.invalid"
    assert body["title"] == "Wrong SIRET"


def test_facts_of_the_ledger_never_leave() -> None:
    class Unknown(Exception):
        code = "ledger.something"

        def __init__(self) -> None:
            super().__init__("position 7")
            self.position = 7

    _, body = errors.problem(Unknown(), "en")
    assert "position" not in body
    assert "detail" not in body


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        (None, "fr"),
        ("", "fr"),
        ("en", "en"),
        ("en-GB,fr;q=0.9", "en"),
        ("fr;q=0.3,en;q=0.5", "en"),
        ("de", "fr"),
        ("en;q=0", "fr"),
    ],
)
def test_the_language_is_the_first_preferred(accept: str | None, language: str) -> None:
    assert errors.language_of(accept) == language

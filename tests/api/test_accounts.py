"""Tokens are kept hashed, end on time, and are refused the same way whatever is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.accounts import Accounts
from api.errors import LoginRequired

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ORG = "20009320100016"


def counter():
    state = {"n": 0}

    def draw(size: int) -> bytes:
        state["n"] += 1
        return state["n"].to_bytes(size, "big")

    return draw


@pytest.fixture
def accounts(tmp_path: Path):
    opened = Accounts(tmp_path / "accounts.db")
    yield opened
    opened.close()


def test_a_token_stands_for_its_account_until_it_expires(accounts: Accounts) -> None:
    token, made = accounts.create(ORG, "BU", 30, NOW, counter())
    assert token.startswith("pli_")
    found = accounts.authenticate(token, NOW + timedelta(days=29, hours=23))
    assert (found.org, found.role, found.token_id) == (ORG, "BU", made.token_id)
    with pytest.raises(LoginRequired):
        accounts.authenticate(token, NOW + timedelta(days=30))


def test_a_wrong_or_revoked_token_is_nobody(accounts: Accounts) -> None:
    token, made = accounts.create(ORG, "CY", 1, NOW, counter())
    with pytest.raises(LoginRequired):
        accounts.authenticate(token + "0", NOW)
    accounts.revoke(made.token_id)
    with pytest.raises(LoginRequired):
        accounts.authenticate(token, NOW)


def test_the_secret_is_not_kept(accounts: Accounts, tmp_path: Path) -> None:
    token, _ = accounts.create(ORG, "CY", 1, NOW, counter())
    accounts.close()
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert token.encode() not in held
    assert token[4:].encode() not in held


def test_a_grant_waits_until_the_ledger_holds_it(accounts: Accounts) -> None:
    _, made = accounts.create(ORG, "BU", 1, NOW, counter())
    assert [row.token_id for row in accounts.pending()] == [made.token_id]
    accounts.granted(made.token_id)
    assert accounts.pending() == []


def test_the_note_of_a_tokens_last_use_waits_for_no_disk(accounts: Accounts) -> None:
    token, made = accounts.create(ORG, "CY", 30, NOW, counter())
    said: list[str] = []
    accounts.file._db.set_trace_callback(said.append)
    accounts.authenticate(token, NOW)
    accounts.revoke(made.token_id)
    kinds = [line.split("=")[-1] if line.startswith("PRAGMA") else line[:6] for line in said]
    assert kinds == ["SELECT", "NORMAL", "UPDATE", "FULL", "UPDATE"]


def test_a_town_that_bids_itself_keeps_its_two_accounts_apart(accounts: Accounts) -> None:
    """One SIRET, two tenants: who prepares its bid is no matter of its purchasing unit (N14)."""
    kept, draw = {}, counter()
    for role in ("BU", "CY"):
        _, made = accounts.invitations.create((ORG, role), f"{role}@lille.example", role, NOW, draw)
        kept[role] = made.invitation_id
    for role, other in (("BU", "CY"), ("CY", "BU")):
        company = role == "CY"
        found = accounts.invitations.of(ORG, "person:ada", NOW, company=company)
        assert [one.role for one in found] == [role]
        accounts.invitations.withdraw(ORG, "person:ada", kept[other], company=company)
    for role in ("BU", "CY"):
        company = role == "CY"
        assert accounts.invitations.of(ORG, "person:ada", NOW, company=company), "it still waits"
        accounts.invitations.withdraw(ORG, "person:ada", kept[role], company=company)
        assert accounts.invitations.of(ORG, "person:ada", NOW, company=company) == []

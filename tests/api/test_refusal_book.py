"""Every refused access can be listed by who may know of it, and by nobody else (art. 2 I)."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import BUYER, COMPANY, OTHER_BUYER, RIVAL, Bench
from doubles.reader import Reader, joined, officer

from api.adapters.personal_rows import stores_of
from api.adapters.refusal_book import (
    CALLERS,
    KEYS_OF_CALLER,
    OTHERS,
    Refusal,
    RefusalBook,
    RefusalsDamaged,
    checked,
)
from api.cli import run
from domain.ports import Principal

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
ONE = Refusal("read_x", 403, "role.not-allowed", "token:0123456789abcdef", "BU", BUYER, BUYER)


class Hours:
    """An hour that moves when it is told."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def book(tmp_path: Path, hours: Hours) -> Iterator[RefusalBook]:
    made = RefusalBook(tmp_path / "refusals.db", b"k" * 32, hours)
    yield made
    made.close()


def noted(book: RefusalBook, *refusals: Refusal) -> None:
    for one in refusals:
        book.note(lambda one=one: one)  # type: ignore[misc]
    book.settle()


def other(number: int, **changed: Any) -> Refusal:
    facts = {"operation": f"act_{number}"} | changed
    return Refusal(**(vars(ONE) | facts))


def test_the_first_is_a_row_at_once_and_a_flood_is_a_few(book: RefusalBook) -> None:
    noted(book, ONE)
    assert [(row.count, row.refusal) for row in book.rows()] == [(1, ONE)]
    noted(book, *[ONE] * 4_095)
    counts = [row.count for row in book.rows()]
    assert sum(counts) == 4_096
    assert len(counts) == 13


def test_what_was_counted_is_written_with_the_hour_and_at_the_end(
    tmp_path: Path, hours: Hours
) -> None:
    path = tmp_path / "refusals.db"
    first = RefusalBook(path, b"k" * 32, hours)
    noted(first, *[ONE] * 3)
    hours.at += timedelta(hours=1)
    noted(first, *[ONE] * 7)
    first.close()
    rows, head = checked(path)
    total: dict[str, int] = {}
    for row in rows:
        total[row.hour] = total.get(row.hour, 0) + row.count
    assert total == {"2026-11-02T12Z": 3, "2026-11-02T13Z": 7}
    second = RefusalBook(path, b"k" * 32, hours)
    noted(second, ONE)
    assert second.head().size == head.size + 1, "a new process goes on with the same chain"
    second.close()
    checked(path, head)


def test_callers_and_their_keys_are_capped(book: RefusalBook, hours: Hours) -> None:
    noted(book, *map(other, range(KEYS_OF_CALLER + 500)))
    rows = book.rows()
    assert len(rows) < KEYS_OF_CALLER + 12
    book_of = [row for row in rows if row.refusal.operation == OTHERS]
    assert {row.refusal.caller for row in book_of} == {ONE.caller}
    hours.at += timedelta(hours=1)
    book._keys = {f"address {number}": 1 for number in range(CALLERS)}
    book._hour = hours.at.strftime("%Y-%m-%dT%HZ")
    noted(book, other(1, caller="one more"))
    assert book.rows()[-1].refusal.caller == OTHERS


def test_a_flood_that_waits_is_counted_without_its_facts(
    book: RefusalBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    book._lost = 41
    noted(book, ONE)
    assert [(row.refusal.caller, row.count) for row in book.rows()] == [
        (ONE.caller, 1),
        (OTHERS, 41),
    ]


def test_a_row_that_cannot_be_written_is_tried_with_the_next(
    book: RefusalBook, capsys: pytest.CaptureFixture[str]
) -> None:
    book._db.execute(
        "CREATE TRIGGER full BEFORE INSERT ON refusals BEGIN SELECT RAISE(ABORT,'');END"
    )
    noted(book, ONE)
    assert '"event":"refusals.failed"' in capsys.readouterr().err
    book._db.execute("DROP TRIGGER full")
    noted(book, ONE)
    assert [row.count for row in book.rows()] == [2]


Harm = Callable[[sqlite3.Connection], Any]
HARMS: dict[str, Harm] = {
    "changed": lambda db: db.execute("UPDATE refusals SET row = replace(row, '403', '404')"),
    "no row": lambda db: db.execute("UPDATE refusals SET row = '{}' WHERE number = 3"),
    "tenant": lambda db: db.execute("UPDATE refusals SET tenant = 'x' WHERE number = 1"),
    "first away": lambda db: db.execute("DELETE FROM refusals WHERE number = 0"),
    "middle away": lambda db: db.execute("DELETE FROM refusals WHERE number = 1"),
    "tail away": lambda db: db.execute("DELETE FROM refusals WHERE number >= 2"),
    "all away": lambda db: db.execute("DELETE FROM refusals"),
}


def without_fence(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("DROP TRIGGER refusals_stay")
    database.execute("DROP TRIGGER refusals_last")
    return database


@pytest.mark.parametrize("harm", HARMS)
def test_a_book_that_was_altered_is_refused(tmp_path: Path, hours: Hours, harm: str) -> None:
    path = tmp_path / "refusals.db"
    made = RefusalBook(path, b"k" * 32, hours)
    noted(made, *map(other, range(4)))
    head = made.head()
    made.close()
    assert checked(path, head)[1] == head
    database = sqlite3.connect(path)
    for sql in ("UPDATE refusals SET tenant = ''", "DELETE FROM refusals"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(sql)
    database.close()
    database = without_fence(path)
    HARMS[harm](database)
    database.close()
    with pytest.raises(RefusalsDamaged):
        checked(path, head)


def test_a_book_that_was_written_anew_is_seen_by_the_pin_alone(
    tmp_path: Path, hours: Hours
) -> None:
    """The control: without a pin a whole forgery is a good chain."""
    heads = []
    for name, count in (("true", 3), ("forged", 2)):
        made = RefusalBook(tmp_path / name, b"k" * 32, hours)
        noted(made, *map(other, range(5 - count, 5)), *[other(9)] * (3 - count))
        heads.append(made.head())
        made.close()
    checked(tmp_path / "forged")
    with pytest.raises(RefusalsDamaged, match="another history"):
        checked(tmp_path / "forged", heads[0])


# -- over the interface


def listed(bench: Bench, token: str) -> list[dict[str, Any]]:
    bench.platform.refusals.settle()
    answer = bench.get("/api/v1/refusals?limit=100", token)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["refusals"])


def tried(bench: Bench) -> str:
    """Let everybody try what is not theirs; return the deposit that was tried."""
    at = bench.publish()
    draft = bench.draft("lille-2")
    deposit = str(bench.deposit(bench.seal(at))["deposit"])
    bench.get(draft, bench.tokens.other)
    bench.post(f"{draft}/publication", bench.tokens.other, {})
    bench.get(draft)
    bench.get(draft, bench.tokens.company)
    bench.get("/api/v1/consultations/none")
    bench.get("/api/v1/me", "pli_wrong")
    bench.post("/api/v1/buyers", bench.tokens.buyer, {})
    for token in (bench.tokens.rival, bench.tokens.buyer, bench.tokens.admin):
        bench.get(f"/api/v1/deposits/{deposit}", token)
    return deposit


def test_who_lists_what(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deposit = tried(bench)
    mine = listed(bench, bench.tokens.buyer)
    told = {(row["operation"], row["code"], row.get("role")) for row in mine}
    assert told == {
        ("read_consultation", "object.not-found", "BU"),
        ("publish_consultation", "object.not-found", "BU"),
        ("read_consultation", "object.not-found", None),
    }
    assert listed(bench, bench.tokens.other) == []
    assert "head" not in bench.get("/api/v1/refusals", bench.tokens.buyer).json()
    for token in (bench.tokens.admin, bench.tokens.company, bench.tokens.custodian):
        assert bench.get("/api/v1/refusals", token).status_code == 403
    assert bench.get("/api/v1/refusals").status_code == 401
    auditor = bench.token(BUYER, "AU")
    assert listed(bench, auditor) == mine
    monkeypatch.setattr(type(bench.platform), "may_read_entries", lambda _self, _who: True)
    every = listed(bench, auditor)
    operations = {row["operation"] for row in every}
    assert operations >= {"read_deposit", "read_who_i_am", "register_buyer", "list_refusals"}
    text = json.dumps(every)
    assert not [
        sign for sign in (COMPANY, RIVAL, deposit, "pli_wrong", "testclient") if sign in text
    ]
    head = bench.get("/api/v1/refusals", auditor).json()["head"]
    capsys.readouterr()
    home = ["--home", str(bench.home.folder), "--json"]
    pin = f"{head['size']}:{head['hash']}"
    assert run(["ledger", "refusals", *home, "--pin", pin]) == 0
    assert json.loads(capsys.readouterr().out)["refusals"] == every
    assert run(["ledger", "refusals", *home, "--pin", f"{head['size']}:{'0' * 64}"]) == 1
    assert "[refusals.damaged]" in capsys.readouterr().err
    assert run(["ledger", "refusals", *home, "--pin", "x"]) == 2


def test_a_token_that_ended_at_what_is_public_is_told_to_no_buyer(bench: Bench) -> None:
    """It may be a bidder's: a buyer would count who comes to its consultation."""
    at = bench.publish()
    draft = bench.draft("lille-2")
    for path in (at, "/api/v1/openings/lille-1/0", f"{at}/dossier"):
        bench.get(path, "pli_wrong")
    assert listed(bench, bench.tokens.buyer) == []
    bench.post(f"{draft}/publication", "pli_wrong", {})
    assert [row["operation"] for row in listed(bench, bench.tokens.buyer)] == [
        "publish_consultation"
    ]


def test_an_erasure_reaches_the_book(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = bench.draft("lille-2")
    accounts = bench.platform.accounts
    person = accounts.authenticate(bench.tokens.other, bench.clock.at).person
    bench.get(draft, bench.tokens.other)
    assert [row["caller"] for row in listed(bench, bench.tokens.buyer)] == [person]
    accounts.invitations.create(
        (OTHER_BUYER, "FI"),
        "ada@lille.example",
        "Ada",
        bench.clock.at,
        bench.platform.desk.rng.bytes,
        host=Principal(OTHER_BUYER, "BU", person, "token"),
    )
    (store, _) = stores_of(bench.home.folder)
    told = [row for row in store.held(person) if row["table"] == "invitations"]
    assert [(row["host_person"], "email" in row) for row in told] == [(person, False)]
    bench.platform.privacy.erase(person, "asked for", "order of the court")
    (row,) = listed(bench, bench.tokens.buyer)
    assert re.fullmatch("[0-9a-f]{64}", row["caller"])
    for file in (path for path in bench.home.folder.rglob("*") if path.is_file()):
        assert person.encode() not in file.read_bytes(), file.name


def test_what_a_buyer_lists_is_the_same_whoever_deposits(bench: Bench) -> None:
    """Two worlds in one: before and after companies deposit, and fumble on their way."""
    at = bench.publish()
    bench.get(bench.draft("lille-2"), bench.tokens.other)
    before = bench.get("/api/v1/refusals", bench.tokens.buyer).content
    bench.platform.refusals.settle()
    before = bench.get("/api/v1/refusals", bench.tokens.buyer).content
    for token in (bench.tokens.company, bench.tokens.rival):
        bench.deposit(bench.seal(at, token=token), token)
        bench.get(f"/api/v1/deposits/{'0' * 32}", token)
        bench.post("/api/v1/openings/lille-1/0/plan", token)
        bench.get(f"{at}/none", token)
        bench.get("/api/v1/consultations/lille-2", token)
    bench.platform.refusals.settle()
    assert bench.get("/api/v1/refusals", bench.tokens.buyer).content == before


def test_a_home_of_an_earlier_version_gets_its_key_and_book(bench: Bench) -> None:
    bench.close()
    (bench.home.keys / "refusals.key").unlink()
    bench.home.refusals.unlink()
    bench.reopen()
    bench.get("/api/v1/me", "pli_wrong")
    bench.platform.refusals.settle()
    assert [row.refusal.operation for row in bench.platform.refusals.rows()] == ["read_who_i_am"]
    assert (bench.home.keys / "refusals.key").stat().st_mode & 0o77 == 0


@pytest.fixture
def auditor(bench: Bench) -> str:
    """The token of an auditor to whom the platform opened its log."""
    home = bench.platform.desk.platform
    form = {"to": "audit", "scope": "platform", "until_on": "2027-12-31", "ground": "contrôle"}
    bench.done(f"/api/v1/buyers/{home}/accesses", bench.tokens.admin, form)
    return bench.token("audit", "AU")


def test_failed_logins_and_forged_requests_are_kept_without_whose_they_are(
    bench: Bench, auditor: str
) -> None:
    email = "ada@lille.example"
    ada = joined(bench, BUYER, "DR", email, host=officer(bench))
    begun = len(listed(bench, auditor))
    stranger = Reader(bench)
    for wrong in (email, "nobody@lille.example", "no address"):
        assert stranger.sign_in(wrong, "une autre phrase entière").status_code == 403
    assert stranger.post("/login", {"email": email}).status_code == 403
    assert ada.http.delete("/api/v1/transmissions/x").status_code == 403
    assert ada.http.post("/account/seat", headers={"origin": "https://evil.example"}).is_error
    assert stranger.get(f"/invitation/{'0' * 64}").status_code == 404
    found = listed(bench, auditor)[begun:]
    kept: dict[tuple[str, str], int] = {}
    for row in found:
        place = (str(row["operation"]), str(row["code"]))
        kept[place] = kept.get(place, 0) + int(str(row["count"]))
    # of three equal ones the third waits for the fourth, the end of the hour, or the close
    assert kept == {
        ("/login", "login.refused"): 2,
        ("/login", "request.forged"): 1,
        ("forged_request", "request.forged"): 2,
        ("/invitation/{secret}", "invitation.ended"): 1,
    }
    assert len({row["caller"] for row in found}) == 1, "one address, blinded"
    text = json.dumps(found)
    assert not [sign for sign in (email, "phrase", "testclient", "0" * 64) if sign in text]
    assert "login" not in json.dumps(listed(bench, bench.tokens.buyer)), "of no tenant"


def test_strangers_do_not_fill_the_book(bench: Bench, auditor: str) -> None:
    ada = joined(bench, BUYER, "DR", "ada@lille.example", host=officer(bench))
    before = len(bench.platform.refusals.rows())
    for number in range(100):
        assert ada.http.post(f"/account/{number}").status_code == 403
    stranger = Reader(bench)
    page = stranger.token("/login", "/login")
    for number in range(60):
        stranger.post(
            "/login", {"csrf": page, "email": f"a{number}@lille.example", "password": "x"}
        )
    bench.platform.refusals.settle()
    assert len(bench.platform.refusals.rows()) - before < 20
    book = bench.platform.refusals
    assert len(book._keys) < 5, "one key an address, of which the book holds a bounded number"

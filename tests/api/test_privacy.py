"""Personal data by the command line: told, erased, kept by the law, finished after a crash."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from doubles.bench import BUYER, COMPANY, SOON, Bench
from doubles.reader import Reader, invited, joined, officer
from doubles.rng import SeededRng

from api.adapters.keys import KeyFileAbsent
from api.adapters.personal_rows import stores_of
from api.adapters.rng import SystemRng
from api.adapters.scrub import connect_reading
from api.adapters.subjects_key import SubjectsKeyFile
from api.backups import backup
from api.cli import run
from api.home import Home
from api.inspection import inspect_home
from api.people import Passkey
from api.privacy import Privacy
from api.standing import find
from api.wiring import subjects_of
from crypto.notes import parse_checkpoint, parse_note
from domain.erasure import Involvement
from domain.errors import ErasureRetained, StillRepresented
from domain.ports import Principal
from ledger.errors import SubjectKeysLocked
from ledger.sqlite import connect
from ledger.subject_keys import NOBODY, Erasure
from ledger.subjects import Subjects

pytestmark = pytest.mark.counted

PAUL = "Paul Éluard"


def subjects(bench: Bench) -> Subjects:
    found = bench.platform.desk.subjects
    assert isinstance(found, Subjects)
    return found


def person_of(bench: Bench, role: str) -> str:
    rows = stores_of(bench.home.folder)[0]
    with rows._opened() as database:
        found = database.execute("SELECT person FROM tokens WHERE role = ?", (role,)).fetchone()
    return str(found[0])


def pli(bench: Bench, *words: str) -> int:
    return run(["privacy", *words, "--home", str(bench.home.folder)])


def test_what_is_held_is_told_beside_a_server(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.publish()
    officer = person_of(bench, "BU")
    assert pli(bench, "export", officer, "--json") == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [row["value"] for row in shown["held"]] == [officer]
    assert [row["table"] for row in shown["accounts"]] == ["tokens"]
    assert "hash" not in shown["accounts"][0]
    places = {(row["stream"], row["kind"]): row["fields"] for row in shown["ledger"]}
    assert places["consultation/lille-1", "ConsultationPublished"] == ["meta.actor.person"]
    assert pli(bench, "export", officer) == 0
    assert f"subject: {officer}" in capsys.readouterr().out
    assert pli(bench, "export", "nobody") == 1
    assert "privacy.nothing-held" in capsys.readouterr().err


def test_an_erasure_needs_the_lock_and_the_law(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    at = bench.publish()
    bench.deposit(bench.seal(at))
    officer = person_of(bench, "BU")
    assert pli(bench, "erase", officer, "--reason", "asked for") == 3
    assert "ledger.locked" in capsys.readouterr().err
    bench.platform.close()
    assert pli(bench, "erase", officer, "--reason", "asked for") == 1
    assert "erasure.retained" in capsys.readouterr().err
    company = f"siret:{COMPANY}"
    assert pli(bench, "erase", company, "--reason", "x", "--despite", "y") == 1
    assert "erasure.procedure-runs" in capsys.readouterr().err
    ground = ("--despite", "order of the court")
    assert pli(bench, "erase", officer, "--reason", "asked for", *ground, "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert done["commitments"] == 1
    assert pli(bench, "erase", officer, "--reason", "again") == 1
    assert "privacy.nothing-held" in capsys.readouterr().err
    bench.reopen()
    (row,) = bench.platform.ledger.stream(done["stream"])
    assert orjson.loads(row.entry)["data"]["reason"] == "asked for (order of the court)"
    assert bench.get("/api/v1/me", bench.tokens.buyer).status_code == 401, "its account is gone"


def test_a_company_without_a_bid_leaves_after_its_people(bench: Bench) -> None:
    at = bench.publish()
    bench.kit(at)
    erase, size = bench.platform.privacy.erase, bench.platform.ledger.head()
    with pytest.raises(StillRepresented):
        erase(f"siret:{COMPANY}", "asked for", "no ground is enough")
    assert bench.platform.ledger.head() == size
    assert subjects(bench).held(f"siret:{COMPANY}")
    erase(person_of(bench, "CY"), "asked for")
    done = erase(f"siret:{COMPANY}", "asked for")
    assert done.commitments == 1
    assert subjects(bench).held(f"siret:{COMPANY}") == []
    assert stores_of(bench.home.folder)[0].held(f"siret:{COMPANY}") == []


@pytest.mark.parametrize("held", [False, True])
def test_a_public_buyer_is_no_person(
    bench: Bench, capsys: pytest.CaptureFixture[str], held: bool
) -> None:
    """Not even as a bidder: a town that bids has a register of its own, and no privacy."""
    if held:
        subjects(bench).bidder_tag("lille-1", f"siret:{BUYER}")
    bench.platform.close()
    words = ("--reason", "x", "--despite", "y")
    assert pli(bench, "erase", f"siret:{BUYER}", *words) == 1
    assert "erasure.buyer" in capsys.readouterr().err
    assert pli(bench, "erase", "siret:13001653800014", *words) == 1
    assert "privacy.nothing-held" in capsys.readouterr().err, "the control: no buyer of this number"
    bench.reopen()


def test_a_depositor_is_told_and_erased_under_every_name(bench: Bench) -> None:
    """In each need a company's person acts under one name more, which is theirs all the same."""
    at = bench.publish()
    bench.deposit(bench.seal(at))
    depositor = person_of(bench, "CY")
    subjects(bench).remember("person", f"{depositor}0 lille-1", f"{depositor}0 lille-1")
    rows = subjects(bench).held(depositor, f"{depositor} ")
    names = {str(row.value) for row in rows}
    assert f"{depositor} lille-1" in names
    privacy = bench.platform.privacy
    with pytest.raises(ErasureRetained):
        privacy.erase(depositor, "asked for")
    done = privacy.erase(depositor, "asked for", "order of the court")
    assert done.commitments == len(rows) >= 1
    assert all(subjects(bench).reveal(row.commitment) is None for row in rows)
    assert [row.value for row in subjects(bench).held(f"{depositor}0 lille-1")], "somebody else's"
    for file in (path for path in bench.home.folder.rglob("*") if path.is_file()):
        told = file.read_bytes().replace(f"{depositor}0".encode(), b"")
        assert depositor.encode() not in told, file.name


def test_a_person_who_signs_in_is_told_without_secrets_and_ends_with_the_erasure(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    host = officer(bench)
    ada = joined(bench, BUYER, "BU", "ada@lille.example", host=host)
    bob = joined(bench, BUYER, "DR", "bob@lille.example", "Bob Petit", host=host)
    accounts, now = bench.platform.accounts, bench.clock.at
    person = accounts.people.by_email("ada@lille.example")
    assert person is not None
    name, draw = person.person, SystemRng().bytes
    accounts.people.bind_identity(name, "https://id.example", "subject-7", now)
    accounts.people.add_passkey(Passkey(b"key id", name, b"public key", 0, "clef", now, None))
    session = bench.app.state.entrance.enter(name, "oidc", "an.id.token")
    token, _ = accounts.create(BUYER, "BU", 30, now, draw, owner=name)
    invited(bench, BUYER, "CO", "eve@lille.example", "Eve Grand", Principal(BUYER, "BU", name, "x"))
    accounts.sessions.await_answer("browser", "registration", "x", {"person": name}, now)
    assert pli(bench, "export", name, "--json") == 0
    told = capsys.readouterr().out
    tables = {row["table"] for row in json.loads(told)["accounts"]}
    assert tables == {
        *("people", "passwords", "passkeys", "identities", "seats", "sessions", "tokens"),
        "invitations",
    }
    password = accounts.people.password(name)
    secrets = ["an.id.token", password, b"public key".hex(), session, token, ada.cookie]
    assert not [secret for secret in secrets if secret is None or secret in told]
    assert "Eve" not in told, "whom she invited is another person"
    assert "subject-7" in told
    bench.platform.privacy.erase(name, "asked for")
    for cookie in (ada.cookie, session):
        reader = Reader(bench)
        reader.http.cookies.set("pli", cookie)
        assert reader.get("/api/v1/me").status_code == 401
        assert reader.get("/account").status_code == 303
    assert bench.get("/api/v1/me", token).status_code == 401
    assert not bench.platform.seats.roles(name, BUYER), "the ledger names nobody any more"
    held = b"".join(path.read_bytes() for path in bench.home.folder.glob("accounts.db*"))
    assert name.encode() not in held
    assert bob.get("/api/v1/me").status_code == 200


class Fails:
    """A store that fails once, where it stands in the order of an erasure."""

    name = "fails"

    def __init__(self) -> None:
        self.erased: list[str] = []

    def held(self, subject: str) -> list[dict[str, object]]:
        return []

    def erase(self, subject: str) -> None:
        self.erased.append(subject)
        if len(self.erased) == 1:
            raise OSError("the disk is away")


def test_a_crash_is_finished_by_the_next_start(bench: Bench) -> None:
    subjects(bench).remember("member", PAUL, PAUL)
    privacy = Privacy(bench.platform, subjects(bench), [Fails()])
    with pytest.raises(OSError, match="away"):
        privacy.erase(PAUL, "asked for")
    (begun,) = subjects(bench).pending()
    assert begun.subject == PAUL
    bench.close()
    bench.reopen()
    assert subjects(bench).pending() == []
    assert subjects(bench).held(PAUL) == []
    assert len(bench.platform.ledger.stream(f"erasure/{begun.tag}")) == 1


def test_a_crash_before_the_last_step_records_nothing_twice(bench: Bench) -> None:
    subjects(bench).remember("member", PAUL, PAUL)
    subjects(bench).remember("member", "Ada", "Ada")
    done = bench.platform.privacy.erase("Ada", "asked for")
    store = Fails()
    privacy = Privacy(bench.platform, subjects(bench), [store])
    with pytest.raises(OSError, match="away"):
        privacy.erase(PAUL, "asked for")
    # asked again in the same process: what was begun is finished and told
    again = privacy.erase(PAUL, "asked for")
    assert again.position > done.position
    entry = orjson.loads(bench.platform.ledger.stream(again.stream)[0].entry)
    commitments = tuple(entry["data"]["commitments"])
    tag = again.stream.partition("/")[2]
    # as if the last line had not been reached
    subjects(bench)._keys.begin(Erasure(tag, PAUL, NOBODY, "asked for", commitments))
    size = bench.platform.ledger.head()
    assert [name for name, _ in privacy.resume()] == [PAUL]
    assert bench.platform.ledger.head() == size


def test_an_old_backup_beside_the_new_keys_reads_the_living_only(
    bench: Bench, tmp_path: Path
) -> None:
    one = subjects(bench).remember("member", PAUL, PAUL)
    other = subjects(bench).remember("member", "Ada", "Ada")
    bench.platform.publish()
    archive, old_keys = tmp_path / "old.tar", tmp_path / "old-keys"
    backup(bench.home, archive, clock=bench.clock)
    bench.close()
    shutil.copytree(bench.home.keys, old_keys)
    bench.reopen()
    bench.platform.privacy.erase(PAUL, "asked for")
    bench.close()
    new = Home(tmp_path / "new")
    assert run(["restore", str(archive), "--home", str(new.folder)]) == 0
    with pytest.raises(KeyFileAbsent):
        subjects_of(new, SystemRng(), connect)
    shutil.copytree(bench.home.keys, new.keys, dirs_exist_ok=True)
    read = subjects_of(new, SystemRng(), connect_reading)
    assert (read.reveal(one), read.reveal(other)) == (None, "Ada")
    read.close()
    # control: with the keys of that day, the erased person is read
    shutil.copytree(old_keys, new.keys, dirs_exist_ok=True)
    read = subjects_of(new, SystemRng(), connect_reading)
    assert (read.reveal(one), read.reveal(other)) == (PAUL, "Ada")
    read.close()
    # the old database of keys alone is worth nothing under the new wrapping key
    shutil.copy(bench.home.keys / "subjects.key", new.keys / "subjects.key")
    with pytest.raises(SubjectKeysLocked):
        subjects_of(new, SystemRng(), connect_reading)
    bench.reopen()


def test_rows_that_an_older_backup_brings_back_are_swept(bench: Bench, tmp_path: Path) -> None:
    one = subjects(bench).remember("member", PAUL, PAUL)
    bench.close()
    shutil.copy(bench.home.private, tmp_path / "private.db")
    bench.reopen()
    bench.platform.privacy.erase(PAUL, "asked for")
    bench.close()
    shutil.copy(tmp_path / "private.db", bench.home.private)
    assert inspect_home(bench.home, [], lambda _: None, tmp_path)["verdict"] == "sound"
    assert one.encode() in bench.home.private.read_bytes()
    bench.reopen()
    assert one.encode() not in bench.home.private.read_bytes()


class Row(NamedTuple):
    """A row of the ledger, as a follower sees it."""

    position: int
    stream: str
    version: int
    kind: str
    entry: bytes


class Rows:
    """A ledger of rows that no code writes yet."""

    def __init__(self, *given: tuple[str, str, dict[str, object]]) -> None:
        self.rows = [
            Row(at, stream, 1, kind, orjson.dumps({"at": f"2026-01-{at + 1:02}T", "data": data}))
            for at, (stream, kind, data) in enumerate(given)
        ]

    def read(self, after: int, limit: int) -> list[Any]:
        return self.rows[after + 1 : after + 1 + limit]


MARK, TAG = "ab" * 32, "cd" * 32
DRAFT = [
    ("consultation/C1", "LotDefined", {"lot": "1"}),
    ("consultation/C1", "LotDefined", {"lot": "2"}),
    ("consultation/C1", "ConsultationPublished", {"meta": {"actor": {"person": MARK}}}),
]
SIGNED: dict[str, object] = {"consultation": "C1", "lot": "1", "signed_on": "2026-05-01"}


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ([], Involvement("C1", False)),
        ([("contract/1", "ContractSigned", SIGNED)], Involvement("C1", False)),
        (
            [("deposit/d", "DepositSealed", {"consultation": "C1", "bidder": TAG})],
            Involvement("C1", True),
        ),
        (
            [("consultation/C1", "DeclaredWithoutFollowUp", {"lots": ["1", "2"]})],
            Involvement("C1", False, ended_on=date(2026, 1, 4)),
        ),
        (
            [
                ("contract/1", "ContractSigned", SIGNED),
                ("consultation/C1", "LotCancelled", {"lot": "2"}),
            ],
            Involvement("C1", False, date(2026, 1, 5), date(2026, 5, 1)),
        ),
        (
            [
                ("contract/1", "ContractSigned", SIGNED),
                ("consultation/C1", "LotCancelled", {"lot": "2"}),
                ("contract/1", "ContractClosed", {}),
            ],
            Involvement("C1", False, date(2026, 1, 5), date(2026, 5, 1), date(2026, 1, 6)),
        ),
    ],
)
def test_the_ledger_tells_how_far_a_procedure_has_come(
    later: list[tuple[str, str, dict[str, object]]], expected: Involvement
) -> None:
    standing = find(Rows(*DRAFT, *later), {MARK, TAG})
    assert standing.involved({TAG}) == [expected]


def test_a_draft_or_a_stream_of_its_own_binds_nobody() -> None:
    named: dict[str, object] = {"members": [MARK]}
    rows = Rows(("consultation/C2", "CriteriaSet", named), ("buyer/1", "RoleGranted", named))
    standing = find(rows, {MARK})
    assert [place.fields for place in standing.places] == [("members[0]",)] * 2
    assert standing.involved(()) == []
    lot = Rows(("opening/C3.1", "OpeningConvened", named))
    assert [place.consultation for place in find(lot, {MARK}).places] == ["C3"]


def test_a_key_that_is_replaced_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "subjects.key"
    path.write_text(f"{bytes(32).hex()}\n")
    path.chmod(0o600)
    kept = tmp_path / "another-name"
    os.link(path, kept)  # what a raw disk would still hold
    keys = SubjectsKeyFile(path, SeededRng(1))
    keys.add(b"\1" * 32)
    assert keys.keys() == [bytes(32), b"\1" * 32]
    assert bytes(32).hex() not in kept.read_text("latin-1")
    keys.keep(b"\1" * 32)
    assert keys.keys() == [b"\1" * 32]
    # a crash between the second name and the follower
    former = tmp_path / "subjects.key.old"
    os.link(path, former)
    keys.keep(b"\1" * 32)
    assert (keys.keys(), former.exists()) == ([b"\1" * 32], False)
    # and one after it
    former.write_text("the key before")
    keys.keep(b"\1" * 32)
    assert not former.exists()


# --- what was opened for a buyer


def test_the_documents_of_a_buyer_end_with_its_key(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    at = bench.publish()
    name = bench.deposit(bench.seal(at))["deposit"]
    bench.forward(SOON)
    place = bench.attend()
    bench.done(f"{place}/plan", bench.tokens.buyer)
    bench.done(f"{place}/envelopes", bench.tokens.buyer, {})
    listed = f"{place}/envelopes/{name}/documents"
    assert bench.get(f"{listed}/1", bench.tokens.buyer).status_code == 200
    key = (bench.home.keys / f"buyer-{BUYER}.key").read_bytes().strip()
    bench.close()
    reason = ["--reason", "archives remises"]
    assert pli(bench, "erase-buyer", BUYER, *reason) == 1
    assert "privacy.buyer-present" in capsys.readouterr().err
    assert key in (bench.home.keys / f"buyer-{BUYER}.key").read_bytes()
    bench.reopen()
    left(bench)
    bench.close()
    for _ in range(2):
        assert pli(bench, "erase-buyer", BUYER, *reason, "--json") == 0
        told = json.loads(capsys.readouterr().out)
    assert not [path for path in bench.home.keys.iterdir() if key in path.read_bytes()]
    bench.reopen()
    (entry,) = bench.platform.ledger.stream(told["stream"])
    said = orjson.loads(entry.entry)["data"]
    assert said["reason"] == f"opened documents of buyer {BUYER}: archives remises"
    assert said["commitments"] == []
    own = bench.get(f"{listed}/1", bench.tokens.company)
    assert (own.status_code, own.json()["code"]) == (409, "documents.gone")
    (envelope,) = bench.get(f"{place}/minutes").json()["envelopes"]
    assert envelope["scan"] == {"verdict": "NOT_SCANNED", "reason": "gone"}
    answers = [row["answer"] for row in envelope["custodians"]]
    assert answers == ["PROVEN", "PROVEN"], "what the ledger holds is told for ever"


def test_an_erasure_that_a_crash_cut_short_is_recorded_at_the_next_start(bench: Bench) -> None:
    left(bench)
    bench.platform.vault.destroy_key(BUYER, "archives remises")
    bench.close()
    bench.reopen()
    kinds = [row.kind for row in bench.platform.ledger.read(-1, 10_000)]
    assert kinds.count("DataErased") == 1
    bench.close()
    bench.reopen()
    kinds = [row.kind for row in bench.platform.ledger.read(-1, 10_000)]
    assert kinds.count("DataErased") == 1


def left(bench: Bench) -> None:
    """Let the tests' buyer leave with a complete export."""
    note = parse_checkpoint(parse_note(bench.platform.publish()).text)
    body = {"size": note.size, "root": note.root.hex()}
    bench.done(f"/api/v1/buyers/{BUYER}/departure", bench.tokens.buyer, body)

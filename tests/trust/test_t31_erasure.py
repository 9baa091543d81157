"""T31: an erased person is nowhere on the disk, and every proof stays whole.

Of a person and of a bidder in a real platform: value, salts, key, what wraps it, and each of them
as it lies encrypted are searched in every file of the home, WAL, index and free pages included.
Then the ledger is proven again by fsck, by the independent verifier and by an old receipt, and
views built anew are byte-equal. Control: DELETE alone, which leaves them all on the disk.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import BUYER, COMPANY, SOON, Bench
from doubles.proofs import Proof

from api.cli import run
from api.inspection import inspect_home
from crypto import blinding
from ledger.subject_keys import _sealing
from ledger.subjects import Subjects
from replay import verifier

PERSON = "Jeanne-Œuvrard d'Artagnan"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.register()
    yield made
    made.close()


def subjects_of(bench: Bench) -> Subjects:
    found = bench.platform.desk.subjects
    assert isinstance(found, Subjects)
    return found


def traces(bench: Bench, subject: str) -> dict[str, bytes]:
    """Return every byte string that would tell of a subject or open what is held of it."""
    found: dict[str, bytes] = {"subject": subject.encode()}
    subjects = subjects_of(bench)
    number = subjects._keys.find(subject)
    assert number is not None
    key = subjects._keys.key_of(number)
    assert key is not None
    wrapping = subjects._keys._key
    found |= {"key": key, "wrapping key": wrapping, "derived": _sealing(wrapping)}
    with closing(sqlite3.connect(bench.home.subject_keys)) as raw:
        row = raw.execute("SELECT wrapped, nonce, name FROM subjects WHERE id = ?", (number,))
        found |= dict(zip(("wrapped key", "nonce of it", "name hash"), row.fetchone(), strict=True))
    with closing(sqlite3.connect(bench.home.private)) as raw:
        rows = raw.execute("SELECT * FROM rows WHERE subject = ?", (number,)).fetchall()
    for at, (commitment, _, nonce, ciphertext) in enumerate(rows):
        opened = blinding.open_row(bytes.fromhex(commitment), key, nonce, ciphertext)
        found |= {f"salt {at}": opened.salt, f"nonce {at}": nonce, f"row {at}": ciphertext}
        if isinstance(opened.value, str):
            found[f"value {at}"] = opened.value.encode()
        else:
            found[f"tag salt {at}"] = bytes.fromhex(opened.value["salt"])
    return found


def seen(home: Path, wanted: dict[str, bytes]) -> set[str]:
    """Return the names of what some file of a home still holds, plain or in hexadecimal."""
    files = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    return {
        name
        for name, value in wanted.items()
        if any(value in data or value.hex().encode() in data for data in files)
    }


def lived(bench: Bench) -> None:
    """A procedure in the past with one bid, and a person whose name is only here."""
    at = bench.publish()
    bench.deposit(bench.seal(at))
    bench.forward(SOON)
    subjects_of(bench).remember("member", PERSON, PERSON)
    subjects_of(bench).remember("person", PERSON, PERSON)


def everybody(bench: Bench) -> dict[str, str]:
    """Return what the living are revealed as, by commitment."""
    subjects = subjects_of(bench)
    rows = [row.commitment.hex() for row in subjects.private_rows()]
    return {one: str(subjects.reveal(one)) for one in rows}


def proven(bench: Bench, folder: Path) -> dict[str, Any]:
    """Prove the whole log twice, by fsck and by the verifier alone, views included."""
    bench.platform.publish()
    bench.close()
    folder.mkdir()
    shown = inspect_home(bench.home, [], lambda entries: None, folder)
    export = folder / "export"
    assert run(["ledger", "export", str(export), "--home", str(bench.home.folder)]) == 0
    policy = str(export / "policy.txt")
    assert verifier.main(["log", str(export), "--policy", policy]) == 0
    bench.reopen()
    return shown


def test_an_erased_person_is_nowhere_and_the_ledger_is_whole(
    bench: Bench, tmp_path: Path, proof: Proof, capsys: pytest.CaptureFixture[str]
) -> None:
    lived(bench)
    before = proven(bench, tmp_path / "before")
    size = bench.platform.published_size()
    root = hashlib.sha256(bench.platform.ledger.published() or b"").digest()
    receipt = bench.platform.ledger.receipt(size - 1, published=True)
    wanted = traces(bench, PERSON)
    subjects_of(bench).remember("person", "Paul", "paul")
    living = everybody(bench)
    there = seen(bench.home.folder, wanted)
    # what is encrypted is there as such only; what tells it is nowhere in clear even now
    assert there == {
        name for name in wanted if name.split()[0] in {"nonce", "row", "wrapped", "name"}
    } | {"wrapping key"}
    done = bench.platform.privacy.erase(PERSON, "right to erasure")
    assert seen(bench.home.folder, wanted) == set()
    gone = {one for one in living if subjects_of(bench).reveal(one) is None}
    assert len(gone) == done.commitments == 2
    assert everybody(bench) == {one: told for one, told in living.items() if one not in gone}
    after = proven(bench, tmp_path / "after")
    assert (before["verdict"], after["verdict"]) == ("sound", "sound")
    assert (before["views"], after["views"]) == ("equal", "equal")
    (tmp_path / "old.tlog-proof").write_bytes(receipt)
    policy = tmp_path / "after" / "export" / "policy.txt"
    assert (
        verifier.main(["receipt", str(tmp_path / "old.tlog-proof"), "--policy", str(policy)]) == 0
    )
    assert (
        hashlib.sha256(bench.platform.ledger.published_covering(size - 1) or b"").digest() == root
    )
    rows = bench.platform.ledger.stream(done.stream)
    assert [row.kind for row in rows] == ["DataErased"]
    capsys.readouterr()
    files = sum(path.is_file() for path in bench.home.folder.rglob("*"))
    proof(
        "T31", f"{len(wanted)} byte strings of an erased person in 0 of {files} files; log proven"
    )


def test_control_delete_alone_leaves_it_on_the_disk(bench: Bench, proof: Proof) -> None:
    lived(bench)
    wanted = traces(bench, PERSON)
    number = subjects_of(bench)._keys.find(PERSON)
    for path, table, column in (
        (bench.home.private, "rows", "subject"),
        (bench.home.subject_keys, "subjects", "id"),
    ):
        with closing(sqlite3.connect(path)) as raw:  # no secure_delete, WAL as it is
            raw.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))  # noqa: S608
            raw.commit()
    left = seen(bench.home.folder, wanted)
    assert {"row 0", "row 1", "wrapped key", "wrapping key"} <= left
    # and with what is left, the row opens again
    key = blinding.open_row(
        *_lost(bench, wanted),
    )
    assert bytes.fromhex(key.value["key"]) == wanted["key"]
    proof("T31 control", f"DELETE alone leaves {len(left)} of {len(wanted)} byte strings")


def _lost(bench: Bench, wanted: dict[str, bytes]) -> tuple[bytes, bytes, bytes, bytes]:
    """Return what opens the wrapped key again, cut out of the raw file."""
    for path in bench.home.keys.glob("subjects.db*"):
        data = path.read_bytes()
        at = data.find(wanted["nonce of it"] + wanted["wrapped key"])
        if at > 0:
            commitment = data[at - 32 : at]
            return commitment, wanted["derived"], wanted["nonce of it"], wanted["wrapped key"]
    raise AssertionError("the wrapped key is nowhere")


def test_a_company_leaves_once_its_procedure_is_no_more_kept(bench: Bench) -> None:
    """A bidder of a procedure that runs stays; the reason names nobody's bid."""
    lived(bench)
    company = f"siret:{COMPANY}"
    assert BUYER not in company
    with pytest.raises(Exception, match="still runs"):
        bench.platform.privacy.erase(company, "asked for", "order of the court")
    assert subjects_of(bench).held(company)

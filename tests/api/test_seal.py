"""`pli seal`: any two custodians open it, nothing else does; what cannot be sealed is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from doubles.keysets import Held
from doubles.kits import KitCase, kit_case
from doubles.local_custody import SeededRng

from api.cli import run
from api.depositor.envelope_file import EnvelopeFile, Record, manifest_of
from api.depositor.errors import (
    DepositorError,
    DocumentUnreadable,
    KitRefused,
    OutputExists,
    SealRefused,
    TooLarge,
    TooManyFiles,
)
from api.depositor.kit import Kit
from api.depositor.sealing import Piece, SealedFile, Wish, pieces_of, seal
from crypto.errors import CryptoError, DocumentsChanged, HeaderRefused, NameRefused
from crypto.package import read_package
from crypto.pli1 import open_envelope
from crypto.threshold import Lock, combine, make_partial

OFFER = Wish("OFFER", ("001",))


@pytest.fixture
def case() -> KitCase:
    return kit_case()


@pytest.fixture
def kit(case: KitCase) -> Kit:
    return Kit.parse(case.bytes())


@pytest.fixture
def documents(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "documents"
    (folder / "plans").mkdir(parents=True)
    contents = {"offre.txt": b"un prix", "vide.txt": b"", "plans/a.bin": bytes(range(256)) * 6000}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder]


def quiet(name: str, about: str) -> None:
    raise AssertionError(f"{name}: {about}")


def make(
    kit: Kit, files: list[Path], out: Path, wish: Wish = OFFER, warn: Any = quiet
) -> SealedFile:
    return seal(kit, wish, pieces_of(files), out, SeededRng(str(out)), warn)


def opened(held: Held, made: SealedFile, indices: tuple[int, ...]) -> dict[str, bytes]:
    """Open a sealed file as an opening does, with the answers of these custodians."""
    file = EnvelopeFile.check(made.path, made.commitment)
    header = file.header
    lock = Lock(held.keyset, header.label.encoded, header.capsule)
    partials = [
        (index, make_partial(lock, index, held.shares[index], held.source.scalar()))
        for index in indices
    ]
    plain = BytesIO()
    with made.path.open("rb") as sealed:
        key = combine(lock, partials).key
        recorded = bytes.fromhex(made.commitment)
        shown = open_envelope(sealed, header.label.encoded, key, recorded, plain)
    plain.seek(0)
    found = read_package(
        plain, shown.frame.plaintext, header.documents_root, header.documents_count
    )
    content = plain.getvalue()
    pairs = zip(found.manifest.documents, found.offsets, strict=True)
    return {one.name: content[at : at + one.size] for one, at in pairs}


@pytest.mark.parametrize("indices", [(1, 2), (1, 3), (2, 3), (1, 2, 3)])
def test_any_two_custodians_open_what_was_sealed(
    case: KitCase, kit: Kit, documents: list[Path], tmp_path: Path, indices: tuple[int, ...]
) -> None:
    made = make(kit, documents, tmp_path / "offre.pli")
    found = opened(case.held, made, indices)
    assert found["documents/offre.txt"] == b"un prix"
    assert found["documents/vide.txt"] == b""
    assert found["documents/plans/a.bin"] == bytes(range(256)) * 6000


@pytest.mark.parametrize("index", [1, 2, 3])
def test_one_custodian_alone_opens_nothing(
    case: KitCase, kit: Kit, documents: list[Path], tmp_path: Path, index: int
) -> None:
    made = make(kit, documents, tmp_path / "offre.pli")
    with pytest.raises(CryptoError) as refusal:
        opened(case.held, made, (index,))
    assert refusal.value.code == "quorum"


def test_what_is_left_beside_the_envelope(kit: Kit, documents: list[Path], tmp_path: Path) -> None:
    made = make(kit, documents, tmp_path / "offre.pli")
    record = Record.read(made.path)
    assert (record.deposit, record.commitment) == (made.deposit, made.commitment)
    assert record.bytes == made.bytes == made.path.stat().st_size
    assert "salt" not in record.kit["bidder"]  # type: ignore[operator]
    file = EnvelopeFile.check(made.path, record.commitment)
    assert file.size == made.bytes
    assert file.header.label.not_before == kit.not_before
    listed = manifest_of(record, file.header)
    assert [row["name"] for row in listed] == [
        "documents/offre.txt",
        "documents/plans/a.bin",
        "documents/vide.txt",
    ]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        "documents",
        "offre.pli",
        "offre.deposit.json",
        f"{made.deposit}.pieces.json",
    }


def test_two_seals_of_equal_documents_have_nothing_in_common(
    kit: Kit, documents: list[Path], tmp_path: Path
) -> None:
    one = make(kit, documents, tmp_path / "a.pli")
    two = make(kit, documents, tmp_path / "b.pli")
    assert one.deposit != two.deposit
    assert one.commitment != two.commitment
    assert one.pieces.read_bytes() != two.pieces.read_bytes()
    assert one.bytes == two.bytes, "padding hides what the salts would tell"


def test_small_offers_all_have_one_size(kit: Kit, tmp_path: Path) -> None:
    sizes = set()
    for number, size in enumerate((1, 900, 20_000)):
        path = tmp_path / f"{number}.txt"
        path.write_bytes(bytes(size))
        sizes.add(make(kit, [path], tmp_path / f"{number}.pli").bytes)
    assert len(sizes) == 1


def test_a_rehearsal_is_sealed_to_the_canary_keyset(
    case: KitCase, kit: Kit, documents: list[Path], tmp_path: Path
) -> None:
    made = make(kit, documents, tmp_path / "essai.pli", Wish("REHEARSAL", ("001",)))
    header = EnvelopeFile.check(made.path, made.commitment).header
    assert header.label.keyset == case.canary.keyset.digest.hex()


def test_a_replacement_names_its_target(kit: Kit, documents: list[Path], tmp_path: Path) -> None:
    wish = Wish("OFFER", ("001",), "REPLACE", "ab" * 16)
    made = make(kit, documents, tmp_path / "offre.pli", wish)
    label = EnvelopeFile.check(made.path, made.commitment).header.label
    assert (label.intent, label.target) == ("REPLACE", "ab" * 16)
    assert json.loads(made.record.read_bytes())["target"] == "ab" * 16


# --- refused before anything is sealed


def refused(
    kit: Kit, files: list[Path], tmp_path: Path, wish: Wish = OFFER
) -> DepositorError | CryptoError:
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises((DepositorError, CryptoError)) as refusal:
        make(kit, files, tmp_path / "offre.pli", wish, lambda name, about: None)
    assert {path.name for path in tmp_path.iterdir()} == before, "something was left behind"
    return refusal.value


@pytest.mark.parametrize(
    "wish",
    [
        Wish("BACKUP", ("001",)),
        Wish("CANARY", ("001",)),
        Wish("OFFER", ("003",)),
        Wish("OFFER", ()),
        Wish("OFFER", ("001", "002")),
        Wish("OFFER", ("001",), "REPLACE"),
        Wish("OFFER", ("001",), "INITIAL", "ab" * 16),
        Wish("OFFER", ("001",), "UNDECLARED", "ab" * 16),
    ],
    ids=str,
)
def test_a_wish_that_the_consultation_excludes(
    kit: Kit, documents: list[Path], tmp_path: Path, wish: Wish
) -> None:
    assert isinstance(refused(kit, documents, tmp_path, wish), SealRefused)


@pytest.mark.parametrize(
    "wish", [Wish("OFFER", ("001",), round=100), Wish(*("OFFER", ("001",)), "REPLACE", "x")]
)
def test_a_malformed_wish(kit: Kit, documents: list[Path], tmp_path: Path, wish: Wish) -> None:
    assert isinstance(refused(kit, documents, tmp_path, wish), HeaderRefused)


def test_an_application_may_be_for_several_lots(
    kit: Kit, documents: list[Path], tmp_path: Path
) -> None:
    made = make(kit, documents, tmp_path / "c.pli", Wish("APPLICATION", ("002", "001")))
    assert EnvelopeFile.check(made.path, made.commitment).header.label.lots == ("001", "002")


def test_without_a_bidder_nothing_is_sealed(
    case: KitCase, documents: list[Path], tmp_path: Path
) -> None:
    kit = Kit.parse(case.bytes(bidder=None))
    assert isinstance(refused(kit, documents, tmp_path), SealRefused)


def test_no_document_and_too_many(kit: Kit, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert isinstance(refused(kit, [empty], tmp_path), SealRefused)
    for number in range(5):
        (empty / f"{number}.txt").write_bytes(b"x")
    assert isinstance(refused(kit, [empty], tmp_path), TooManyFiles)


def test_a_document_and_a_whole_that_are_too_large(kit: Kit, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "a.bin").write_bytes(bytes(4_000_001))
    refusal = refused(kit, [folder], tmp_path)
    assert isinstance(refusal, TooLarge)
    assert (refusal.limit, refusal.allowed, refusal.asked) == ("max_file", 4_000_000, 4_000_001)
    (folder / "a.bin").write_bytes(bytes(4_000_000))
    (folder / "b.bin").write_bytes(bytes(1_500_000))
    refusal = refused(kit, [folder], tmp_path)
    assert isinstance(refusal, TooLarge)
    assert refusal.limit == "max_total"


def test_the_header_counts_for_the_limit(case: KitCase, tmp_path: Path) -> None:
    limits = case.raw["limits"]
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(100))
    at_most = 65_536 + 16
    kit = Kit.parse(case.bytes(limits={**limits, "max_total": at_most}))
    assert isinstance(refused(kit, [file], tmp_path), TooLarge)


@pytest.mark.parametrize("name", ["a\x01b", "a\u202eb", "a\\b"])
def test_a_bad_name(kit: Kit, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    (folder / name).write_bytes(b"x")
    assert isinstance(refused(kit, [folder], tmp_path), NameRefused)


def test_one_name_twice(kit: Kit, tmp_path: Path) -> None:
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "offre.txt")
        paths[-1].write_bytes(b"x")
    assert isinstance(refused(kit, paths, tmp_path), NameRefused)


def test_names_are_composed(tmp_path: Path) -> None:
    path = tmp_path / "pie\u0300ce.txt"
    path.write_bytes(b"x")
    assert [piece.name for piece in pieces_of([path])] == ["pi\u00e8ce.txt"]


def test_a_document_that_is_gone(kit: Kit, tmp_path: Path) -> None:
    with pytest.raises(DocumentUnreadable):
        seal(kit, OFFER, [Piece("a", tmp_path / "none")], tmp_path / "o.pli", SeededRng(), quiet)


@pytest.mark.parametrize("name", ["offre.pli", "offre.deposit.json"])
def test_nothing_is_replaced(kit: Kit, documents: list[Path], tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    assert isinstance(refused(kit, documents, tmp_path), OutputExists)
    assert (tmp_path / name).read_bytes() == b"mine"


def test_a_document_that_changes_meanwhile_stops_everything(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"one")

    def grow(name: str, about: str) -> None:
        path.write_bytes(b"one and more")

    with pytest.raises(DocumentsChanged):
        seal(kit, OFFER, pieces_of([path]), tmp_path / "o.pli", SeededRng(), grow)
    assert {one.name for one in tmp_path.iterdir()} == {"a.pdf"}


# --- warned about, sealed all the same


def test_what_may_be_unreadable_is_told(case: KitCase, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(b"no pdf")
    (folder / "b.zip").write_bytes(b"no zip")
    with zipfile.ZipFile(folder / "c.zip", "w") as archive:
        archive.writestr("x.txt", "good")
    (folder / "d.pdf").write_bytes(b"%PDF-1.7\nall good\n%%EOF\n")
    told: list[str] = []
    kit = Kit.parse(case.bytes())
    make(kit, [folder], tmp_path / "a.pli", warn=lambda name, about: told.append(name))
    assert told == ["odd/a.pdf", "odd/b.zip"]
    limits = {**case.raw["limits"], "formats": [".PDF"]}
    told.clear()
    strict = Kit.parse(case.bytes(limits=limits))
    make(strict, [folder], tmp_path / "b.pli", warn=lambda name, about: told.append(about))
    assert [about for about in told if about.startswith("format")] == ["format .zip : pdf"] * 2


def test_damaged_and_locked_archives_are_told(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.txt", "good" * 100)
    good = path.read_bytes()
    told: list[str] = []

    def hear(name: str, about: str) -> None:
        told.append(about)

    path.write_bytes(good.replace(b"goodgood", b"goodbaad", 1))
    make(kit, [path], tmp_path / "a.pli", warn=hear)
    flagged = good.replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"
    )
    path.write_bytes(flagged)
    make(kit, [path], tmp_path / "b.pli", warn=hear)
    assert told == ["ZIP", "ZIP (mot de passe / password)"]


# --- the kit is checked


def tampered(case: KitCase, **changes: Any) -> str:
    with pytest.raises(KitRefused) as refusal:
        Kit.parse(case.bytes(**changes))
    return refusal.value.reason


def test_a_kit_that_is_none() -> None:
    for data in (b"", b"[]", b"{}", b'{"v":2}', b'{"v":true}'):
        with pytest.raises(KitRefused):
            Kit.parse(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"keyset": None},
        {"consultation": "a b"},
        {"lots": "001"},
        {"lots": ["a b"]},
        {"not_before": "2026-10-12"},
        {"dossier_root": "AB" * 32},
        {"limits": []},
        {"limits": {"padding": "PADME"}},
        {"level": "A9"},
        {"ledger": {}},
        {"server_url": 7},
        {"buyer": "Lille"},
    ],
    ids=str,
)
def test_a_malformed_field(case: KitCase, changes: dict[str, Any]) -> None:
    tampered(case, **changes)


def test_a_swapped_key_or_a_keyset_of_the_other_purpose(case: KitCase) -> None:
    document = case.raw["keyset"]
    assert "signature" in tampered(case, keyset={**document, "acks": document["acks"][::-1]})
    assert "stands where" in tampered(case, keyset=case.raw["canary"])
    assert "stands where" in tampered(case, canary=case.raw["keyset"])


def test_a_tag_of_somebody_else(case: KitCase) -> None:
    bidder = {**case.raw["bidder"], "operator": "siret:20009320100016"}
    assert "tag is not the one" in tampered(case, bidder=bidder)


def test_a_publication_of_another_key_or_log(case: KitCase) -> None:
    other = kit_case(key_fingerprint="00" * 32)
    assert "the proof is about" in tampered(case, ledger=other.raw["ledger"])
    ledger = {**case.raw["ledger"], "publication": case.raw["ledger"]["publication"] + "x"}
    tampered(case, ledger=ledger)
    del ledger["publication"]
    Kit.parse(case.bytes(ledger=ledger))


# --- the file is checked again before it leaves


def test_a_changed_envelope_never_leaves(kit: Kit, documents: list[Path], tmp_path: Path) -> None:
    made = make(kit, documents, tmp_path / "offre.pli")
    good = made.path.read_bytes()
    file = EnvelopeFile.check(made.path, made.commitment)
    made.path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(SealRefused, match="changed since"):
        EnvelopeFile.check(made.path, made.commitment)
    with pytest.raises(DocumentsChanged):
        file.chunk(len(file.leaves) - 1)
    made.path.unlink()
    with pytest.raises(DocumentUnreadable):
        EnvelopeFile.check(made.path, made.commitment)


def test_a_broken_record_or_list_is_refused(
    kit: Kit, documents: list[Path], tmp_path: Path
) -> None:
    made = make(kit, documents, tmp_path / "offre.pli")
    record = Record.read(made.path)
    header = EnvelopeFile.check(made.path, made.commitment).header
    good = made.pieces.read_bytes()
    made.pieces.write_bytes(good.replace(b"vide", b"plein"))
    with pytest.raises(SealRefused, match="is not the list"):
        manifest_of(record, header)
    made.pieces.unlink()
    with pytest.raises(DocumentUnreadable):
        manifest_of(record, header)
    for broken in (b"{", b"[]", b'{"kit":1}'):
        made.record.write_bytes(broken)
        with pytest.raises(KitRefused):
            Record.read(made.path)
    made.record.unlink()
    with pytest.raises(DocumentUnreadable):
        Record.read(made.path)


# --- the command


def command(*words: object) -> int:
    return run([str(word) for word in words])


def test_the_command_seals(
    case: KitCase, documents: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kit = tmp_path / "kit.json"
    kit.write_bytes(case.bytes())
    out = tmp_path / "offre.pli"
    words = ("seal", "--kit", kit, "--kind", "OFFER", "--lot", "001", "--out", out)
    assert command(*words, "--json", *documents) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["commitment"] == Record.read(out).commitment
    assert command(*words, *documents) == 1
    assert "[seal.exists]" in capsys.readouterr().err
    assert command(*words[:-1], tmp_path / "b.pli", *documents) == 0
    told = capsys.readouterr()
    assert "organisation-1, organisation-2, organisation-3" in told.err
    assert case.held.keyset.digest.hex() in told.err
    assert "engagement" in told.out


def test_the_command_refuses_with_codes(
    case: KitCase, documents: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kit = tmp_path / "kit.json"
    kit.write_bytes(case.bytes())
    out = tmp_path / "offre.pli"
    words = ("seal", "--kit", kit, "--kind", "OFFER", "--out", out)
    assert command(*words, *documents) == 1
    assert "[seal.refused]" in capsys.readouterr().err
    assert command("seal", "--kit", kit, "--kind", "OFFER", *documents) == 2
    assert command(*words, tmp_path / "none") == 2
    kit.write_bytes(b"{}")
    assert command(*words, *documents) == 1
    assert "[kit.refused]" in capsys.readouterr().err


def test_sealing_imports_neither_web_nor_database_and_opens_no_socket(
    case: KitCase, documents: list[Path], tmp_path: Path
) -> None:
    kit = tmp_path / "kit.json"
    kit.write_bytes(case.bytes())
    code = (
        "import sys, socket\n"
        "def closed(*_, **__): raise AssertionError('the network was touched')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = closed\n"
        "from api.cli import run\n"
        "status = run(sys.argv[1:])\n"
        "heavy = {'fastapi', 'starlette', 'sqlalchemy', 'granian', 'httpx2', 'typst', 'sqlite3'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))\n"
        "sys.exit(status)\n"
    )
    words = ["seal", "--kit", kit, "--kind", "OFFER", "--lot", "001", "--out", tmp_path / "o.pli"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words), *map(str, documents)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"

"""What was opened and what custodians answered lies locked beside the envelope, each for good."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.adapters import locked_file
from api.adapters.buyer_keys import BuyerKeys
from api.adapters.locked_file import FULL, HEAD, MAGIC, PIECE, LockedFile
from api.adapters.rng import SystemRng
from api.adapters.uploads import Uploads
from api.adapters.vault import EnvelopeVault
from domain.errors import DocumentsGone
from ledger.errors import BlobDiffers
from ledger.vault import Vault as Blobs

DEPOSIT = "22" * 16
OTHER = "33" * 16
TOWN, NEIGHBOUR = "20009320100016", "21590350100017"
KEY, BOUND, NONCE = b"k" * 32, b"for this", b"n" * 16
WORDS = b"prix global et forfaitaire"


def vault(folder: Path, commitment: str = "ab" * 32) -> EnvelopeVault:
    uploads = SimpleNamespace(of_deposit=lambda _: SimpleNamespace(commitment=commitment))
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    tenants = {DEPOSIT: TOWN, OTHER: NEIGHBOUR}
    return EnvelopeVault(
        Blobs(folder / "blobs"),
        cast("Uploads", uploads),
        folder / "envelopes",
        0,
        lambda: "fresh",
        BuyerKeys(keys, SystemRng(), tenants.get),
    )


def test_an_answer_that_is_kept_is_never_replaced(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    assert kept.partials(DEPOSIT) == []
    kept.keep_partials(DEPOSIT, "1", 1, {3: b"\x03"})
    kept.keep_partials(DEPOSIT, "1", 1, {1: b"\x01", 3: b"\x33"})
    kept.keep_partials(DEPOSIT, "2", 1, {1: b"\x01", 2: b"\x02"})
    kept.keep_partials(OTHER, "2", 1, {1: b"\xff"})
    again = vault(tmp_path)
    assert again.partials(DEPOSIT) == [
        {"index": 1, "partial": "01"},
        {"index": 2, "partial": "02"},
        {"index": 3, "partial": "03"},
        {"index": 3, "partial": "33"},
    ]
    assert again.kept_partials(DEPOSIT, "2", 1) == [(1, b"\x01"), (2, b"\x02")]
    assert again.kept_partials(DEPOSIT, "2", 2) == []


# --- the file itself


def locked(data: bytes, cut: int = 7_001) -> bytes:
    out = io.BytesIO()
    file = LockedFile.create(out, KEY, BOUND, NONCE, "it")
    for start in range(0, len(data), cut):
        assert file.write(memoryview(data)[start : start + cut]) == len(data[start : start + cut])
    file.finish()
    return out.getvalue()


def read(data: bytes, key: bytes = KEY, bound: bytes = BOUND) -> bytes:
    return LockedFile.whole(io.BytesIO(data), key, bound, "it").readall()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pieces so small that a short text has many."""
    monkeypatch.setattr(locked_file, "PIECE", 64)
    monkeypatch.setattr(locked_file, "FULL", 80)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 5])
def test_what_is_written_comes_back_and_none_of_it_stands_there(size: int) -> None:
    data = (WORDS * (size // len(WORDS) + 1))[:size]
    kept = locked(data)
    assert read(kept) == data
    assert kept.startswith(MAGIC + NONCE)
    assert len(kept) == HEAD + size + 16 * max(1, -(-size // PIECE))
    assert WORDS not in kept


@given(st.binary(max_size=300), st.integers(0, 320), st.integers(0, 320))
def test_any_range_is_read_without_the_rest(data: bytes, start: int, count: int) -> None:
    file = io.BufferedReader(LockedFile.whole(io.BytesIO(locked(data)), KEY, BOUND, "it"), 16)
    file.seek(start)
    assert file.read(count) == data[start : start + count]
    assert file.seek(0, os.SEEK_END) == len(data)


def test_whoever_writes_it_reads_it_back() -> None:
    file = LockedFile.create(io.BytesIO(), KEY, BOUND, NONCE, "it")
    file.write(WORDS)
    assert file.writable()
    assert file.seek(5) == 5
    assert (file.read(6), file.tell()) == (WORDS[5:11], 11)
    with pytest.raises(io.UnsupportedOperation):
        file.write(b"more")
    with pytest.raises(io.UnsupportedOperation):
        file.seek(-1)


@pytest.mark.usefixtures("small")
def test_every_flipped_bit_is_refused() -> None:
    kept = locked(WORDS * 6)
    assert read(kept) == WORDS * 6
    for place in range(len(kept)):
        flipped = bytearray(kept)
        flipped[place] ^= 1
        with pytest.raises(BlobDiffers):
            read(bytes(flipped))


@pytest.mark.usefixtures("small")
def test_no_piece_is_moved_left_out_or_cut_off() -> None:
    kept = locked(WORDS * 6)
    head, body = kept[:HEAD], kept[HEAD:]
    pieces = [body[start : start + 80] for start in range(0, len(body), 80)]
    assert len(pieces) >= 3
    swapped = [pieces[1], pieces[0], *pieces[2:]]
    for other in (swapped, pieces[:-1], pieces[1:], [*pieces, pieces[-1]], pieces[:1]):
        with pytest.raises(BlobDiffers):
            read(head + b"".join(other))
    for end in range(len(kept) - 1):
        with pytest.raises(BlobDiffers):
            read(kept[:end])


@pytest.mark.parametrize("changed", [{"key": b"x" * 32}, {"bound": b"for that"}])
def test_it_opens_under_its_own_key_and_for_its_own_purpose(changed: dict[str, bytes]) -> None:
    with pytest.raises(BlobDiffers):
        read(locked(WORDS), **changed)


@pytest.mark.usefixtures("small")
def test_a_cipher_that_ignores_places_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with one nonce for all pieces, two of them change places unnoticed."""
    monkeypatch.setattr(locked_file, "chunk_nonce", lambda nonce, _i, _l: nonce + bytes(8))
    kept = locked(bytes(64) + b"\x01" * 64 + bytes(64))
    assert read(kept[:HEAD] + kept[HEAD + 80 : HEAD + 160] * 2 + kept[HEAD + 160 :])


# --- a home


def opened(kept: EnvelopeVault, deposit: str = DEPOSIT, data: bytes = WORDS * 9) -> None:
    with kept.plaintext(deposit) as place:
        place.write(memoryview(data))


def gone() -> bytes:
    """Return bytes that nobody can read."""
    found = memoryview(WORDS)
    found.release()
    return found  # type: ignore[return-value]


def text_of(kept: EnvelopeVault, deposit: str = DEPOSIT) -> bytes:
    return b"".join(
        part for one in kept.opened(deposit) for part in kept.opened_parts(deposit, one)
    )


def holds(folder: Path, words: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and words in read_all(path)]


def read_all(path: Path) -> bytes:
    return path.read_bytes()


def test_nothing_that_was_opened_stands_in_a_home_in_clear(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    opened(kept)
    kept.keep_partials(DEPOSIT, "1", 1, {1: b"an answer of ninety-six bytes"})
    kept.keep_scan(DEPOSIT, b'{"words":"an engine"}')
    assert text_of(kept) == WORDS * 9
    for words in (WORDS, b"an answer of", b"an answer of".hex().encode(), b"an engine"):
        assert holds(tmp_path, words) == []
    (tmp_path / "planted").write_bytes(b".." + WORDS)
    assert holds(tmp_path, WORDS) == ["planted"], "the control"


def test_a_failed_opening_leaves_nothing(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    with pytest.raises(ValueError, match="released"):
        opened(kept, data=gone())
    assert kept.opened(DEPOSIT) == []
    assert list((tmp_path / "envelopes" / "incoming").iterdir()) == []


def test_each_buyer_has_a_key_and_its_end_is_the_end_of_its_documents(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    opened(kept)
    opened(kept, OTHER)
    files = sorted((tmp_path / "keys").iterdir())
    assert [path.name for path in files] == [f"buyer-{TOWN}.key", f"buyer-{NEIGHBOUR}.key"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    keys = BuyerKeys(tmp_path / "keys", SystemRng(), lambda _: TOWN)
    secret = files[0].read_bytes().strip()
    for _ in range(2):
        keys.destroy(TOWN, "it left")
        assert keys.gone() == [(TOWN, "it left")]
    assert holds(tmp_path, secret) == []
    again = vault(tmp_path)
    for asked in (again.opened, text_of_town(again), lambda one: opened(again, one)):
        with pytest.raises(DocumentsGone):
            asked(DEPOSIT)
    assert text_of(again, OTHER) == WORDS * 9


def text_of_town(kept: EnvelopeVault) -> Callable[[str], bytes]:
    return lambda deposit: text_of(kept, deposit)


def test_a_deposit_of_no_buyer_has_no_key(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        opened(vault(tmp_path), "44" * 16)


def test_a_document_stands_for_its_own_deposit_alone(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    opened(kept)
    with pytest.raises(BlobDiffers):
        text_of(vault(tmp_path, commitment="cd" * 32))


# --- what an earlier version left in clear


def cleared(folder: Path) -> None:
    """Leave a home as an earlier version did."""
    envelopes = folder / "envelopes"
    for part in ("opened", "partials"):
        (envelopes / part).mkdir(parents=True)
    (envelopes / "opened" / DEPOSIT).write_bytes(WORDS * 40_000)
    answers = [{"index": 1, "partial": WORDS.hex()}]
    (envelopes / "partials" / f"{DEPOSIT}.1.1.json").write_text(json.dumps(answers))
    (envelopes / "partials" / f"{DEPOSIT}.1.1.json.new").write_text("[")


@pytest.mark.parametrize("at_once", [True, False])
def test_what_lay_in_clear_is_locked_and_overwritten(tmp_path: Path, at_once: bool) -> None:
    cleared(tmp_path)
    beside = tmp_path / "still open"
    os.link(tmp_path / "envelopes" / "opened" / DEPOSIT, beside)
    kept = vault(tmp_path)
    if at_once:
        assert kept.lock_all() == 2
    assert text_of(kept) == WORDS * 40_000
    assert kept.partials(DEPOSIT) == [{"index": 1, "partial": WORDS.hex()}]
    assert kept.lock_all() == 0
    assert beside.stat().st_size == len(WORDS) * 40_000
    assert holds(tmp_path, WORDS) == [], "not even in the blocks that the file had"
    assert holds(tmp_path, WORDS.hex().encode()) == []


def test_a_crash_before_the_clear_bytes_go_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared(tmp_path)
    monkeypatch.setattr("api.adapters.opened.destroy_file", broken)
    with pytest.raises(OSError, match="power"):
        vault(tmp_path).lock_all()
    monkeypatch.undo()
    kept = vault(tmp_path)
    assert text_of(kept) == WORDS * 40_000
    assert kept.lock_all() == 1


def broken(*_: object) -> None:
    raise OSError("power")


def test_the_largest_piece_fits_its_buffer() -> None:
    assert FULL == PIECE + 16

"""Blobs in a folder, in a bucket, in two places at once: one port, one behaviour.

The bucket is one of a real object store. What is planted (a store that overwrites, a store that
trusts what lies there) shows that these tests would see it.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import obstore
import pytest
from doubles.object_store import ON_S3, Server, Silent, server

from api.adapters import object_store
from api.adapters.blobs import (
    Blobs,
    Bucket,
    FolderElsewhere,
    ObjectDriverAbsent,
    PlaceRefused,
    blobs_of,
    place_of,
    places_of,
    reads_of,
)
from api.adapters.bucket_keys import CredentialsAbsent, keys_of
from api.adapters.keys import KeyFileAbsent, KeyFileExposed
from api.adapters.object_store import (
    PIECE,
    BlobsDenied,
    BlobsUnreachable,
    BucketAbsent,
    ObjectStore,
)
from api.adapters.probe_room import ProbeRoom, tries_of
from api.adapters.scrub import held, kept_blob
from api.adapters.two_copies import TwoCopies
from api.home import Home
from api.settings import Settings
from ledger.errors import BlobDiffers, BlobMissing, LedgerError, NameRefused
from ledger.vault import Vault

DATA = b"pli " * 1000
NAME = hashlib.sha256(DATA).hexdigest()
NOBODY = "0" * 64
Plant = Callable[[str, bytes | None], None]


class Planted:
    """A store, and what changes or removes a blob behind its back."""

    def __init__(self, store: Blobs, plant: Plant) -> None:
        self.store = store
        self.plant = plant


def folder(path: Path, kind: type[Vault] = Vault) -> Planted:
    vault = kind(path)

    def plant(name: str, data: bytes | None) -> None:
        place = vault.path(name)
        place.unlink(missing_ok=True)
        if data is not None:
            place.write_bytes(data)

    return Planted(vault, plant)


def bucket(started: Server, kind: type[ObjectStore] = ObjectStore) -> Planted:
    store = kind(started.place(), patience_s=5)

    def plant(name: str, data: bytes | None) -> None:
        key = f"{name[:2]}/{name}"
        if data is None:
            obstore.delete(store._store, key)
        else:
            obstore.put(store._store, key, data)

    return Planted(store, plant)


def both(first: Planted, second: Planted, scratch: Path) -> Planted:
    def plant(name: str, data: bytes | None) -> None:
        first.plant(name, data)
        second.plant(name, data)

    return Planted(TwoCopies(first.store, second.store, scratch), plant)


KINDS = [
    "folder",
    "elsewhere",
    "two folders",
    pytest.param("s3", marks=ON_S3),
    pytest.param("folder and s3", marks=ON_S3),
]


@pytest.fixture(params=KINDS)
def planted(request: pytest.FixtureRequest, tmp_path: Path) -> Planted:
    made: dict[str, Callable[[], Planted]] = {
        "folder": lambda: folder(tmp_path / "a"),
        "elsewhere": lambda: folder(tmp_path / "a", FolderElsewhere),
        "two folders": lambda: both(folder(tmp_path / "a"), folder(tmp_path / "b"), tmp_path),
        "s3": lambda: bucket(server()),
        "folder and s3": lambda: both(folder(tmp_path / "a"), bucket(server()), tmp_path),
    }
    return made[request.param]()


# -- one port


def test_a_blob_is_named_by_its_hash_and_read_as_it_was(planted: Planted) -> None:
    store = planted.store
    assert (store.size(NAME), list(store.names())) == (None, [])
    assert store.put(DATA) == NAME
    assert store.put(iter([DATA[:7], b"", DATA[7:]])) == NAME, "equal bytes share a name"
    empty = store.put(b"")
    assert (store.size(NAME), store.size(empty)) == (len(DATA), 0)
    assert (store.get(NAME), store.get(empty)) == (DATA, b"")
    with store.open(NAME) as file:
        file.seek(2)
        assert file.read(6) == DATA[2:8]
        file.seek(0)
        assert file.read() == DATA
    assert list(store.names()) == sorted([NAME, empty])
    assert list(store.names(NAME[:2])) == [NAME]
    assert list(store.scrub()) == [(name, name) for name in sorted([NAME, empty])]
    assert list(store.scrub(NAME[:2])) == [(NAME, NAME)]
    assert kept_blob(store, NAME) == DATA


def test_what_is_missing_altered_or_no_name_is_told(planted: Planted) -> None:
    store = planted.store
    for ask in (store.open, store.get):
        with pytest.raises(BlobMissing):
            ask(NOBODY)
    for ask in (store.open, store.get, store.size):
        with pytest.raises(NameRefused):
            ask("../" + NAME[3:])
    store.put(DATA)
    planted.plant(NAME, b"other")
    with pytest.raises(BlobDiffers):
        store.get(NAME)
    with store.open(NAME) as file:
        assert file.read() == b"other", "as it lies there: who judges it must see it"
    assert list(store.scrub()) == [(NAME, hashlib.sha256(b"other").hexdigest())]
    assert kept_blob(store, NAME) is None
    assert kept_blob(store, "not a name") is None


def test_a_repetition_never_acknowledges_a_damaged_blob(planted: Planted) -> None:
    """Positive control: `Trusting`, below, does."""
    planted.store.put(DATA)
    for damage in (b"other", None):
        planted.plant(NAME, damage)
        assert planted.store.put(DATA) == NAME
        assert planted.store.get(NAME) == DATA


def test_a_file_of_this_machine_is_taken_over(planted: Planted, tmp_path: Path) -> None:
    source = tmp_path / "received"
    with source.open("xb") as file:
        file.write(DATA)
        planted.store.sync(file, source)
    planted.store.adopt(NAME, source)
    assert not source.exists()
    assert planted.store.get(NAME) == DATA


def test_a_large_blob_comes_and_goes_in_parts(planted: Planted) -> None:
    part = bytes(range(256)) * 4096
    whole = hashlib.sha256(part * 9)
    name = planted.store.put(part for _ in range(9))
    assert name == whole.hexdigest()
    assert planted.store.size(name) == 9 * len(part) > PIECE
    assert planted.store.put(part * 9) == name
    assert list(planted.store.scrub(name[:2])) == [(name, name)]
    planted.plant(name, part)
    assert planted.store.put(part for _ in range(9)) == name
    assert list(planted.store.scrub(name[:2])) == [(name, name)]


def test_a_source_that_breaks_leaves_nothing(planted: Planted) -> None:
    class Cut(Exception):
        pass

    def cut() -> Iterator[bytes]:
        yield b"first"
        raise Cut

    with pytest.raises(Cut):
        planted.store.put(cut())
    assert list(planted.store.names()) == []


def test_what_is_held_is_told_without_reading_it(planted: Planted) -> None:
    name = planted.store.put(DATA)
    here = held(planted.store, {name, NOBODY})
    assert (here(name), here(NOBODY)) == (True, False)


def race(store: Blobs) -> set[str]:
    """Put the same bytes from eight threads at once; return the names told."""
    told: set[str] = set()
    ready = threading.Barrier(8)

    def put() -> None:
        ready.wait(30)
        told.add(store.put(DATA))

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return told


def test_of_many_writers_each_is_told_the_same_name(planted: Planted) -> None:
    assert race(planted.store) == {NAME}
    assert planted.store.get(NAME) == DATA


# -- a bucket


def versions(planted: Planted) -> Any:
    return obstore.head(planted.store._store, f"{NAME[:2]}/{NAME}")  # type: ignore[attr-defined]


class Overwriting(ObjectStore):
    """Planted: every put writes."""

    def _create(self, name: str, data: bytes) -> None:
        obstore.put(self._store, f"{name[:2]}/{name}", data)


class Trusting(ObjectStore):
    """Planted: a name that is taken is believed."""

    def _is_sound(self, name: str) -> bool:
        return True


class Counted:
    """The library, counting what it writes that was not there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written = 0
        self.lose = 0
        self._put = obstore.put
        self._lock = threading.Lock()
        monkeypatch.setattr(object_store.obstore, "put", self.put)

    def put(self, *call: Any, **named: Any) -> Any:
        done = self._put(*call, **named)
        with self._lock:
            self.written += 1
            if self.lose:
                self.lose -= 1
                raise object_store.refusals.GenericError("planted: the answer is lost")
        return done


@pytest.mark.s3
def test_under_a_race_an_object_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    planted, control = bucket(server()), bucket(server(), Overwriting)
    counted = Counted(monkeypatch)
    race(planted.store)
    assert counted.written == 1
    race(control.store)
    assert counted.written == 1 + 8, "positive control: eight writes are seen"


@pytest.mark.s3
def test_planted_a_store_that_trusts_acknowledges_a_damaged_blob() -> None:
    planted = bucket(server(), Trusting)
    planted.store.put(DATA)
    planted.plant(NAME, b"other")
    assert planted.store.put(DATA) == NAME
    with pytest.raises(BlobDiffers):
        planted.store.get(NAME)


@pytest.mark.s3
def test_a_lost_answer_is_cleared_up_by_the_same_put(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = bucket(server())
    counted = Counted(monkeypatch)
    counted.lose = 1
    with pytest.raises(BlobsUnreachable):
        planted.store.put(DATA)
    assert planted.store.put(DATA) == NAME
    assert planted.store.get(NAME) == DATA
    assert counted.written == 1


@pytest.mark.s3
def test_a_creation_is_refused_twice_and_the_probe_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(server().place())
    store.check()
    assert store.tried(b"probe") is None
    real = obstore.put

    def overwriting(*call: Any, mode: str) -> Any:
        return real(*call)

    monkeypatch.setattr(object_store.obstore, "put", overwriting)
    assert store.tried(b"probe") == "read differs", "positive control: a store that overwrites"
    assert not list(obstore.list(store._store).collect())
    assert list(store.names()) == []


@pytest.mark.s3
def test_what_is_wrong_with_a_place_is_told_without_a_word_of_the_service(
    tmp_path: Path,
) -> None:
    started = server()
    wrong = tmp_path / "keys"
    wrong.touch(mode=0o600)
    wrong.write_text("[x]\naws_access_key_id = pli-tests\naws_secret_access_key = another\n")
    told: list[tuple[Bucket, type[LedgerError]]] = [
        (started.place(credentials=wrong), BlobsDenied),
        (started.place("no-such-bucket"), BucketAbsent),  # but a put, which might make it
        (started.place(endpoint="http://127.0.0.1:9"), BlobsUnreachable),
    ]
    for place, refusal in told:
        store = ObjectStore(place, patience_s=1)
        put = partial(store.put, DATA)
        asks = [store.check, put, partial(store.get, NAME), partial(store.size, NAME)]
        for ask in [*asks, lambda names=store.names: list(names())]:
            with pytest.raises((refusal, BlobsDenied) if ask is put else refusal) as raised:
                ask()
            assert raised.value.__suppress_context__
            for secret in ("pli-tests", "another", "127.0.0.1"):
                assert secret not in str(raised.value)


def test_a_service_that_never_answers_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "word")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        place = Bucket("abc", endpoint=f"http://127.0.0.1:{listening.getsockname()[1]}")
        store = ObjectStore(place, patience_s=0.2)
        for ask in (partial(store.put, DATA), partial(store.get, NAME), store.check):
            with pytest.raises(BlobsUnreachable):
                ask()


# -- two copies


@pytest.mark.parametrize("lost", ["first", "second"])
@pytest.mark.parametrize("damage", [b"other", None], ids=["altered", "missing"])
def test_one_sound_copy_is_enough_and_mends_the_other(
    tmp_path: Path, lost: str, damage: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = {"first": folder(tmp_path / "a"), "second": folder(tmp_path / "b")}
    store = TwoCopies(copies["first"].store, copies["second"].store, tmp_path)
    reading = TwoCopies(copies["first"].store, copies["second"].store, tmp_path, mends=False)
    store.put(DATA)
    assert list(store.scrub()) == [(NAME, NAME)]
    assert store.weak() == []
    for heal in ("read", "scrub", "look"):
        copies[lost].plant(NAME, damage)
        # whoever only reads says it and changes nothing
        assert list(reading.scrub()) == [(NAME, NAME)]
        assert [(name, lost in fault) for name, fault in reading.weak()] == [(NAME, True)]
        assert capsys.readouterr().err == ""
        with pytest.raises((BlobMissing, BlobDiffers)):
            copies[lost].store.get(NAME)
        if heal == "read" and lost == "first":
            assert store.get(NAME) == DATA
        elif heal == "look" and damage is None:
            assert store.level({NAME}) == {NAME}
        else:
            assert list(store.scrub()) == [(NAME, NAME)]
        assert copies[lost].store.get(NAME) == DATA
        (line,) = capsys.readouterr().err.splitlines()
        assert (json.loads(line)["event"], json.loads(line)["copy"]) == ("blob.repaired", lost)
        assert [name for name, _ in store.weak()] == [NAME]
        assert store.weak() == []


def test_a_place_that_does_not_answer_is_no_damage(tmp_path: Path) -> None:
    sound, silent = folder(tmp_path / "a"), Silent()
    sound.store.put(DATA)
    for first, second in ((sound.store, silent), (silent, sound.store)):
        store = TwoCopies(first, second, tmp_path)  # type: ignore[arg-type]
        assert (store.get(NAME), store.size(NAME)) == (DATA, len(DATA))
        # it may lie where nobody answers: no word of missing
        for ask in (store.get, store.open, store.size):
            with pytest.raises(BlobsUnreachable):
                ask(NOBODY)
        # and nothing is acknowledged that lies in one place alone
        for ask in (partial(store.put, b"new"), partial(store.put, iter([b"new"]))):
            with pytest.raises(BlobsUnreachable):
                ask()
        for ask in (partial(list, store.scrub()), partial(store.level, {NAME})):
            with pytest.raises(BlobsUnreachable):
                ask()


def test_a_copy_that_cannot_be_mended_takes_nothing_from_who_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = folder(tmp_path / "a"), folder(tmp_path / "b")
    store = TwoCopies(first.store, second.store, tmp_path)
    store.put(DATA)
    first.plant(NAME, b"other")

    def refuse(_: object) -> str:
        raise BlobsUnreachable

    monkeypatch.setattr(first.store, "put", refuse)
    assert store.get(NAME) == DATA
    assert "vault.unreachable" in capsys.readouterr().err


# -- settings


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/srv/pli", Path("/srv/pli")),
        ("s3://pli-bids", Bucket("pli-bids")),
        ("s3://pli-bids/a/b/", Bucket("pli-bids", "a/b")),
        (
            "s3://pli-bids/x?endpoint=https://s3.example:443&region=fr-par&credentials=/etc/pli/s3",
            Bucket("pli-bids", "x", "https://s3.example:443", "fr-par", Path("/etc/pli/s3")),
        ),
    ],
)
def test_a_setting_names_a_place(text: str, place: object) -> None:
    assert place_of(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "gs://bucket",
        "s3:/bucket",
        "s3://",
        "s3://B",
        "s3://key:secret@bucket",
        "s3://[bucket",
        "s3://bucket/../x",
        "s3://bucket?secret=x",
        "s3://bucket?endpoint",
        "s3://bucket?region=a&region=b",
        "s3://bucket?endpoint=ftp://x",
        "s3://bucket?endpoint=https://u@x",
        "s3://bucket#x",
    ],
)
def test_what_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(PlaceRefused):
        place_of(text)


def test_two_copies_lie_in_two_places(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for settings in (
        Settings(blobs_copy=str(home.blobs)),
        Settings(blobs="s3://abc/x", blobs_copy="s3://abc/x"),
    ):
        with pytest.raises(PlaceRefused):
            places_of(home, settings)
    pair = Settings(blobs=str(tmp_path / "a"), blobs_copy=str(tmp_path / "b"))
    assert places_of(home, pair) == (tmp_path / "a", tmp_path / "b")
    name = blobs_of(home, pair).put(DATA)
    assert reads_of(home, pair).get(name) == DATA


def test_keys_come_from_a_file_of_its_owner_else_from_the_environment(tmp_path: Path) -> None:
    given = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "word"}
    assert keys_of(None, given) == ("id", "word", "")
    assert keys_of(None, given | {"AWS_SESSION_TOKEN": "t"}) == ("id", "word", "t")
    file = tmp_path / "keys"
    with pytest.raises(KeyFileAbsent):
        keys_of(file, given)
    for text in ("", "nothing", "[x]\naws_access_key_id = id\n", "[x]\n[x]\n", "\udcff"):
        file.touch(mode=0o600)
        file.write_text(text, errors="surrogateescape")
        with pytest.raises(CredentialsAbsent):
            keys_of(file, given)
    file.write_text("[x]\naws_access_key_id = i%d\naws_secret_access_key = w\n")
    assert keys_of(file, {}) == ("i%d", "w", "")
    file.chmod(0o644)
    with pytest.raises(KeyFileExposed):
        keys_of(file, {})
    with pytest.raises(CredentialsAbsent):
        keys_of(None, {})


def test_without_the_library_the_setting_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "api.adapters.object_store")
    with pytest.raises(ObjectDriverAbsent, match=r"pli\[s3\]"):
        blobs_of(Home(tmp_path), Settings(blobs="s3://abc"))


@pytest.mark.s3
def test_the_storage_probe_tries_every_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without each of them nobody can deposit, so a success that skips one would be a lie (T32)."""
    home, far = Home(tmp_path / "home"), tmp_path / "far"
    assert tries_of(home, Settings()) == []
    settings = Settings(blobs=server().setting(), blobs_copy=str(far))
    room = ProbeRoom(home.probes, tries_of(home, settings))
    assert room.tried(b"probe") is None
    assert list(reads_of(home, settings).names()) == [], "nothing of it stays"
    monkeypatch.setattr(ObjectStore, "keeps_what_is_there", lambda *_: False)
    assert room.tried(b"probe") == "read differs"
    monkeypatch.undo()
    silent = Settings(blobs="s3://abc?endpoint=http://127.0.0.1:9", blobs_copy=str(far))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "word")
    with pytest.raises(BlobsUnreachable):
        ProbeRoom(home.probes, tries_of(home, silent)).tried(b"probe")

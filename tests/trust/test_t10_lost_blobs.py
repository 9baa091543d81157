"""T10: lost or altered blobs are listed exactly, told before the deadline, and block one lot only.

Of two worlds: the folder of the home, and the bucket of a real object store. Who deposited is told,
and nobody else; what is deposited again opens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest
from doubles.bench import SOON, Bench, shown
from doubles.object_store import ON_S3, Silent, server
from doubles.sizes import sized

from api import scrubbing
from api.adapters.blobs import place_of
from api.adapters.object_store import ObjectStore
from api.adapters.scrub import needed_by
from api.cli import run
from api.depositor.sealing import Wish
from api.facts import facts
from api.scheduler import Scheduler
from api.scrubbing import LOOK_S
from ledger.errors import BlobMissing
from ledger.vault import Vault

S3 = pytest.param("s3", marks=ON_S3)
PLACES = [S3, "folder"]
OTHER = b"not what was sealed"


class World:
    """A platform, the blobs under it as their holder may change them, and a counter to move."""

    def __init__(self, bench: Bench, read: Callable[[str], bytes], plant: Callable[..., None]):
        self.bench = bench
        self.read = read
        self.plant = plant
        self.at = 0
        self.scheduler = Scheduler(bench.platform, lambda: self.at)

    def look(self) -> None:
        """Let five minutes pass."""
        self.at += LOOK_S * 1_000_000
        self.scheduler.tick()

    def blobs_of(self, deposit: str) -> list[str]:
        named = needed_by(self.bench.home.uploads)
        return sorted(blob for blob, stream in named.items() if stream == f"deposit/{deposit}")

    def scrubbed(self, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
        """Return code and stream of what one scrub of the whole home finds."""
        capsys.readouterr()
        run(["ledger", "scrub", "--home", str(self.bench.home.folder), "--json"])
        found = json.loads(capsys.readouterr().out)["findings"]
        return [(one["code"], one["detail"].split()[2]) for one in found]


@pytest.fixture(params=PLACES)
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    if request.param == "s3":
        setting = server().setting()
        monkeypatch.setenv("PLI_BLOBS", setting)
        store = ObjectStore(place_of(setting), patience_s=5)  # type: ignore[arg-type]

        def plant(name: str, data: bytes | None) -> None:
            key = f"{name[:2]}/{name}"
            if data is None:
                obstore.delete(store._store, key)
            else:
                obstore.put(store._store, key, data)

    bench = Bench(tmp_path)
    bench.register()
    if request.param == "s3":
        yield World(bench, store.get, plant)
        assert not [path for path in bench.home.blobs.rglob("*") if path.is_file()]
    else:
        folder = Vault(bench.home.blobs)

        def plant(name: str, data: bytes | None) -> None:
            folder.path(name).unlink(missing_ok=True)
            if data is not None:
                folder.path(name).write_bytes(data)

        yield World(bench, folder.get, plant)
    bench.close()


def test_each_lost_or_altered_blob_is_listed_and_told_to_its_depositor_alone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    bench, company, rival = world.bench, world.bench.tokens.company, world.bench.tokens.rival
    at = bench.publish()
    mine = bench.deposit(bench.seal(at, size=1_200_000))["deposit"]
    others = bench.deposit(bench.seal(at, token=rival), rival)["deposit"]
    blobs = world.blobs_of(mine)
    assert len(blobs) >= 3, "head and chunks"
    world.look()
    assert world.scrubbed(capsys) == []
    whole = bench.get(f"/api/v1/deposits/{mine}", company).json()
    before = [bench.get(path, rival).content for path in seen_by_others(mine, others)]
    for blob in blobs:
        data = world.read(blob)
        for damage, code in ((None, "sealed-missing"), (OTHER, "sealed-altered")):
            world.plant(blob, damage)
            assert world.scrubbed(capsys) == [("blob" if damage else "sealed-missing", blob)], (
                "the list is exact after one scrub"
            )
            world.look()
            told = capsys.readouterr().err
            assert [json.loads(line)["code"] for line in told.splitlines()] == [code]
            assert not any(name in told for name in (mine, blob, "lille-1"))
            own = bench.get(f"/api/v1/deposits/{mine}", company).json()
            assert own.pop("stored") == "damaged"
            assert own.pop("deposit_again_until") == "2026-11-12T11:00:00.000000Z"
            assert own == whole
            (row,) = bench.get("/api/v1/deposits", company).json()["deposits"]
            assert row["stored"] == "damaged"
            # nobody else learns it
            now = [bench.get(path, rival).content for path in seen_by_others(mine, others)]
            assert now == before
        world.plant(blob, data)
        world.look()
        assert capsys.readouterr().err == ""
        assert bench.get(f"/api/v1/deposits/{mine}", company).json() == whole
    assert world.scrubbed(capsys) == []


def seen_by_others(mine: str, own: str) -> list[str]:
    """Return what a rival may ask: the damaged deposit, its own ones, the consultation."""
    return [
        f"/api/v1/deposits/{mine}",
        f"/api/v1/deposits/{own}",
        "/api/v1/deposits",
        "/api/v1/consultations/lille-1",
    ]


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_a_look_that_reads_nothing_misses_what_was_altered(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positive control: only reading again finds altered bytes before the deadline."""
    bench = world.bench
    deposit = bench.deposit(bench.seal(bench.publish()))["deposit"]
    world.plant(world.blobs_of(deposit)[0], OTHER)
    monkeypatch.setattr(scrubbing, "READ_AGAIN", 0)
    world.look()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(scrubbing, "READ_AGAIN", 1)
    for _ in world.blobs_of(deposit):
        world.look()
    assert "sealed-altered" in capsys.readouterr().err


@pytest.mark.parametrize("world", PLACES[: sized(push=1, full=2, night=2)], indirect=True)
def test_the_opening_of_one_lot_is_blocked_and_what_is_deposited_again_opens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, company, rival = world.bench, world.bench.tokens.company, world.bench.tokens.rival
    at = bench.publish(lots=2)
    lost = bench.deposit(bench.seal(at, wish=Wish("OFFER", ("001",))))["deposit"]
    sealed = bench.seal(at, token=rival, wish=Wish("OFFER", ("002",)))
    first = bench.deposit(sealed, rival)["deposit"]
    for deposit in (lost, first):
        world.plant(world.blobs_of(deposit)[-1], None)
    world.look()
    # the rival heeds what it is told; the company does not
    heard = bench.get(f"/api/v1/deposits/{first}", rival).json()
    assert (heard["stored"], "deposit_again_until" in heard) == ("damaged", True)
    wish = Wish("OFFER", ("002",), "REPLACE", first)
    second = bench.deposit(bench.seal(at, token=rival, wish=wish), rival)["deposit"]
    bench.forward(SOON)
    world.look()
    assert "deposit_again_until" not in bench.get(f"/api/v1/deposits/{lost}", company).json()
    kinds = {}
    for lot in ("001", "002"):
        opening = bench.attend(lot=lot)
        bench.done(f"{opening}/plan", bench.tokens.buyer)
        # a store that does not answer has lost nothing: the hour waits, and nothing is recorded
        size = bench.platform.ledger.head()
        monkeypatch.setattr(bench.platform.vault, "_blobs", Silent())
        answer = bench.post(f"{opening}/envelopes", bench.tokens.buyer, {})
        assert (answer.status_code, shown(answer)) == (503, "vault.unreachable")
        assert bench.platform.ledger.head() == size
        monkeypatch.setattr(bench.platform.vault, "_blobs", bench.platform.blobs)
        outcomes = bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})["outcomes"]
        kinds |= {row["deposit"]: row["event"] for row in outcomes}
    assert kinds[lost] != "EnvelopeOpened"
    assert kinds[second] == "EnvelopeOpened"
    told = facts(bench.platform.ledger, f"deposit/{lost}")
    (unreadable,) = [fact.data for fact in told if fact.kind == kinds[lost]]
    assert "bytes-missing" in unreadable.values(), unreadable
    with pytest.raises(BlobMissing):
        world.read(world.blobs_of(lost)[-1])

"""By itself: the home is read again in a week, missing envelopes are told, room is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from doubles.bench import Bench

from api.adapters.reserve import Reserve
from api.adapters.scrub import ScrubPlace, needed_by
from api.cli import run
from api.home import Home
from api.scheduler import Scheduler
from api.scrubbing import LOOK_S
from api.settings import Settings
from api.wiring import create_platform, open_platform
from ledger.errors import StorageFull
from ledger.scrub import PASS_S, Slice, slices

pytestmark = pytest.mark.counted

MIB = 1024 * 1024


class Counter:
    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += int(seconds * 1_000_000)


def test_a_lost_envelope_is_told_before_the_deadline(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    at = bench.publish()
    bench.deposit(bench.seal(at))
    counter = Counter()
    scheduler = Scheduler(bench.platform, counter)
    counter.forward(LOOK_S)
    scheduler.tick()
    assert "scrub" not in capsys.readouterr().err
    home = bench.home
    names = sorted(needed_by(home.uploads))
    assert len(names) >= 2
    for name in names:
        path = home.blobs / name[:2] / name
        data = path.read_bytes()
        path.unlink()
        counter.forward(LOOK_S)
        scheduler.tick()
        told = capsys.readouterr().err
        assert '"event":"scrub.found","code":"sealed-missing"' in told
        assert "deposit" not in told
        assert name not in told
        assert run(["ledger", "scrub", "--home", str(home.folder), "--json"]) == 1
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert (finding["code"], name in finding["detail"]) == ("sealed-missing", True)
        path.write_bytes(data)
    assert run(["ledger", "scrub", "--home", str(home.folder)]) == 0
    assert capsys.readouterr().out == "verdict: sound\n"


def test_the_whole_home_is_read_in_seven_days(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    platform = bench.platform
    counter = Counter()
    scheduler = Scheduler(platform, counter)
    place = ScrubPlace(platform.home.scrub)
    seen = [place.load()]
    pieces = slices(platform.ledger.head())
    for _ in range(pieces):
        counter.forward(PASS_S / pieces + 1)
        scheduler._scrub.tick()
        seen.append(place.load())
    assert len(set(seen)) == pieces
    assert seen[-1] == Slice()
    assert "scrub" not in capsys.readouterr().err
    platform.home.scrub.write_text("elsewhere 7\n")
    assert place.load() == Slice()
    platform.home.scrub.write_text("blobs many\n")
    assert place.load() == Slice()


def test_room_is_kept_given_up_and_taken_again(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", MIB)
    assert not reserve.held
    assert reserve.hold()
    assert reserve.hold()
    assert reserve.held
    reserve.release()
    assert not reserve.held
    (tmp_path / "reserve").write_bytes(b"cut short")
    assert not reserve.held
    assert reserve.hold()
    assert not Reserve(tmp_path / "huge", 1 << 60).hold()
    assert not (tmp_path / "huge").exists()


def test_a_full_disk_frees_the_room_of_the_log(bench: Bench) -> None:
    reserve = Reserve(bench.home.reserve, MIB)
    bench.platform.reserve = reserve
    bench.scheduler._scrub._looked_at = -LOOK_S * 1_000_000
    bench.tick()
    assert reserve.held
    bench.platform.note_ledger_error(StorageFull())
    assert not reserve.held


def test_the_mark_lies_where_the_setting_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "other-volume"
    monkeypatch.setenv("PLI_HIGHWATER", str(elsewhere))
    place = Home(tmp_path / "home")
    create_platform(place, simulated=True)
    assert (elsewhere / "mark").is_file()
    assert not list(place.highwater.iterdir())
    open_platform(place, Settings(home=place.folder, reserve_bytes=0)).close()
    assert run(["ledger", "fsck", "--home", str(place.folder)]) == 0
    assert run(["ledger", "scrub", "--home", str(place.folder)]) == 0

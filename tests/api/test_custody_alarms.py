"""A share that gives no sign of life is an alarm days before the deadline, wherever one looks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from doubles.bench import Bench

from api.adapters.lives import STALE, Lives
from api.cli import run
from api.facts import facts
from api.scheduler import HOUR_S, Scheduler

DAY = timedelta(days=1)


class Counter:
    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        return self.at


def alarms(bench: Bench) -> list[tuple[str, ...]]:
    now = bench.clock.now().earliest
    return [one.missing for one in bench.platform.index.custody_alarms(now)]


def kinds(bench: Bench) -> list[str]:
    return [fact.kind for fact in facts(bench.platform.ledger, "custody/lille-1")]


def test_a_silent_custodian_is_told_in_journal_figures_and_page_and_asked_again(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.publish()
    counter = Counter()
    bench.scheduler = Scheduler(bench.platform, counter)
    bench.tick()
    assert alarms(bench) == []
    assert "preuve de vie manquante" not in page(bench), "the control: all are alive"
    held = bench.platform.desk.custodians._custodians  # type: ignore[attr-defined]
    gone = held.pop("custodian-3")
    capsys.readouterr()
    bench.forward(DAY)
    assert alarms(bench) == [("custodian-3",)]
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {"alarm"} == {one["event"] for one in told if one["code"] == "custody.proof-missing"}
    figures = metrics(bench)
    assert "pli_custody_missing 1.0" in figures
    assert "pli_custody_danger 0.0" in figures
    assert "preuve de vie manquante" in page(bench)
    # asked again after an hour, not at each tick
    missed = kinds(bench).count("ProofOfLifeMissed")
    bench.tick()
    assert kinds(bench).count("ProofOfLifeMissed") == missed
    held["custodian-3"] = gone
    counter.at += HOUR_S * 1_000_000
    bench.forward(timedelta(hours=1))
    assert kinds(bench).count("ProofOfLifeMissed") == missed
    assert alarms(bench) == []
    assert "preuve de vie manquante" not in page(bench)
    # two of three are more than n - k: whoever reads the page is told
    for name in ("custodian-2", "custodian-3"):
        held.pop(name)
    bench.forward(DAY)
    assert alarms(bench) == [("custodian-2", "custodian-3")]
    assert "pli_custody_danger 1.0" in metrics(bench)
    shown = page(bench)
    assert 'role="alert"' in shown
    assert "Moins de 2 gardiens" in shown


def page(bench: Bench) -> str:
    bench.platform.views.catch_up()
    return str(bench.http.get("/consultations/lille-1", headers={"Accept-Language": "fr"}).text)


def metrics(bench: Bench) -> str:
    from api.metrics import Metrics

    return Metrics(bench.platform).text().decode()


def test_silence_of_two_days_is_an_alarm_and_a_passed_deadline_is_none() -> None:
    at = datetime(2026, 11, 2, tzinfo=UTC)
    lives = Lives()
    meta = {"meta": {"occurred_at": at.isoformat()}}
    lives.assigned("c", {"custodians": ["x", "y", "z"], "k": 2, "n": 3, **meta})
    deadline = at + timedelta(days=9)
    assert lives.alarm("c", deadline, at + STALE) is None
    found = lives.alarm("c", deadline, at + STALE + timedelta(seconds=1))
    assert found is not None
    assert found.missing == ("x", "y", "z")
    assert found.in_danger
    assert lives.alarm("c", deadline, deadline + timedelta(seconds=1)) is None
    assert lives.alarm("another", deadline, at) is None
    later = {"meta": {"occurred_at": (at + STALE).isoformat()}}
    for name in "xyz":
        lives.given("c", {"custodian": name, **later})
    lives.lost("c", {"custodian": "z"})
    lives.missed("pool", {"custodian": "z"})
    found = lives.alarm("c", deadline, at + STALE + DAY)
    assert found is not None
    assert (found.missing, found.in_danger) == (("z",), False)
    lives.given("c", {"custodian": "z", **later})
    assert lives.alarm("c", deadline, at + STALE + DAY) is None, "restored, it proved its life"


def test_doctor_names_the_consultation_and_the_custodian(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = datetime.now(UTC) + timedelta(days=20)
    clock = None
    bench = Bench(tmp_path, clock=clock, deadline=f"{later:%Y-%m-%dT12:00}")
    bench.clock.at = datetime.now(UTC)
    bench.register()
    bench.publish()
    bench.tick()
    capsys.readouterr()
    assert told_by_doctor(bench, capsys) == "ok"
    bench.platform.desk.custodians._custodians.clear()  # type: ignore[attr-defined]
    bench.forward(DAY)
    said = told_by_doctor(bench, capsys)
    assert said.startswith("! doctor.wanting: lille-1, ")
    assert said.endswith("POSTPONE IT")
    bench.close()


def told_by_doctor(bench: Bench, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    run(["doctor", "--home", str(bench.home.folder), "--json"])
    return str(json.loads(capsys.readouterr().out)["custody"])

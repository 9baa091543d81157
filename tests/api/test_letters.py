"""Letters to a buyer's agents: what concerns them, once, over a real relay; never what came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from doubles.bench import BUYER, SOON, Bench
from doubles.reader import joined, officer
from doubles.relay import Relay

from api.adapters.smtp import Smtp
from api.notices import Notice
from api.postman import FOOT, TEXTS, Postman
from api.scheduler import HOUR_S, Scheduler
from api.settings import Settings
from api.wiring import open_platform

DAY = timedelta(days=1)
OPENING = "/api/v1/openings/lille-1/0"
ADA = "ada@lille.example"


@pytest.fixture
def relay() -> Iterator[Relay]:
    made = Relay()
    yield made
    made.close()


@pytest.fixture
def postman(bench: Bench, relay: Relay) -> Postman:
    joined(bench, BUYER, "BU", ADA, host=officer(bench))
    return Postman(bench.platform, Smtp(relay.url), "pli@lille.example")


def subjects(relay: Relay) -> list[tuple[str, str]]:
    return [(to, str(letter["Subject"])) for to, letter in relay.taken]


def silenced(bench: Bench, *names: str) -> dict[str, object]:
    held = bench.platform.desk.custodians._custodians  # type: ignore[attr-defined]
    return {name: held.pop(name) for name in names}


def test_the_opening_is_announced_once_to_who_opens_whenever_the_relay_takes_it(
    bench: Bench, relay: Relay, postman: Postman, capsys: pytest.CaptureFixture[str]
) -> None:
    joined(bench, BUYER, "RD", "rita@lille.example", host=officer(bench))
    bench.publish()
    bench.tick()
    postman.tick()
    assert relay.taken == [], "the control: nothing is due before the hour"
    bench.forward(SOON)
    capsys.readouterr()
    relay.refuses = True
    postman.tick()
    Postman(bench.platform, Smtp("smtp://127.0.0.1:1"), "pli@lille.example").tick()
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    codes = [one["code"] for one in told if one["event"] == "mail.failed"]
    assert codes == ["SMTPDataError", "ConnectionRefusedError"]
    assert relay.taken == []
    relay.refuses = False
    for _ in range(2):
        postman.tick()
    assert subjects(relay) == [(ADA, "REF-lille-1 : l'ouverture des plis est possible")]
    ((_, letter),) = relay.taken
    assert letter["To"] == ADA
    assert letter["From"] == "Pli <pli@lille.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    lines = letter.get_content().splitlines()
    assert f"{bench.settings.origin}/consultations/lille-1" in lines
    assert FOOT["fr"] in lines
    # a reference with lines makes no header
    facts = {"reference": "R\r\nBcc: eve@example.org", "deadline": "d", "opens_at": "o"}
    postman._tell(Notice("k", "opening", BUYER, "lille-1", "/", facts))
    letter = relay.taken[-1][1]
    assert letter["Bcc"] is None
    assert str(letter["Subject"]).startswith("R Bcc: eve@example.org")
    # a platform with a relay has a postman, who knows after a restart what was told
    folder = bench.home.folder
    assert [one for one in bench.platform.runners if isinstance(one, Postman)] == []
    bench.close()
    again = open_platform(bench.home, Settings(home=folder, smtp=relay.url), clock=bench.clock)
    (hired,) = [one for one in again.runners if isinstance(one, Postman)]
    hired.tick()
    assert len(relay.taken) == 2
    # whoever was erased, or holds the role no more, is told nothing
    ada = again.accounts.people.by_email(ADA)
    assert ada is not None
    assert ada.person in again.seats.holders(BUYER, "BU")
    again.accounts.people._file.do("DELETE FROM people WHERE person = ?", ada.person)
    hired._tell(Notice("another", "opening", BUYER, "lille-1", "/", facts))
    assert len(relay.taken) == 2
    assert again.seats.holders("00000000000000", "BU") == []
    hired.start()
    hired.stop()
    again.close()


def test_silent_custodians_and_a_missed_quorum_are_told_with_names_and_no_deposit(
    bench: Bench, relay: Relay, postman: Postman
) -> None:
    deposit = bench.deposit(bench.seal(bench.publish()))["deposit"]
    ticks = [0]
    bench.scheduler = Scheduler(bench.platform, lambda: ticks[0])
    bench.tick()
    silenced(bench, "custodian-3")
    bench.forward(DAY)
    postman.tick()
    silenced(bench, "custodian-2")
    ticks[0] += HOUR_S * 1_000_000  # whoever is missing is asked again then
    bench.forward(DAY)
    for _ in range(2):
        postman.tick()
    assert [subject for _, subject in subjects(relay)] == [
        "REF-lille-1 : un gardien de clé ne donne pas signe de vie",
        "REF-lille-1 : l'ouverture est en danger, reportez la date limite",
    ]
    assert "custodian-2, custodian-3" in relay.taken[1][1].get_content()
    bench.forward(SOON)
    bench.attend()
    bench.done(f"{OPENING}/plan", bench.tokens.buyer)
    assert bench.post(f"{OPENING}/envelopes", bench.tokens.buyer, {}).status_code == 503
    postman.tick()
    letter = relay.taken[-1][1]
    assert letter["Subject"] == "REF-lille-1 : trop peu de gardiens ont répondu"
    assert "custodian-2, custodian-3" in letter.get_content()
    assert all(deposit[:8] not in str(one) for _, one in relay.taken)


def test_before_the_plan_letters_are_the_same_for_none_and_for_many(tmp_path: Path) -> None:
    """N11: everything in a letter but the names that the clock of the relay gives."""
    worlds = []
    for deposits in (0, 2):
        relay = Relay()
        folder = tmp_path / str(deposits)
        folder.mkdir()
        bench = Bench(folder)
        bench.register()
        joined(bench, BUYER, "BU", ADA, host=officer(bench))
        postman = Postman(bench.platform, Smtp(relay.url), "pli@lille.example")
        at = bench.publish()
        for token in (bench.tokens.company, bench.tokens.rival)[:deposits]:
            bench.deposit(bench.seal(at, token=token), token)
        bench.tick()
        silenced(bench, "custodian-3")
        bench.forward(DAY)
        postman.tick()
        bench.forward(SOON)
        postman.tick()
        worlds.append([(to, str(one["Subject"]), one.get_content()) for to, one in relay.taken])
        bench.close()
        relay.close()
    assert worlds[0] == worlds[1]
    assert len(worlds[0]) == 2


def test_every_text_stands_in_both_languages() -> None:
    assert TEXTS["fr"].keys() == TEXTS["en"].keys()
    facts = dict.fromkeys(("reference", "deadline", "opens_at", "custodians", "lot"), "x")
    for texts in TEXTS.values():
        for pair in texts.values():
            assert all(part.format_map(facts) for part in pair)

"""A whole platform whose log stands in PostgreSQL: from publication to opened documents, then read.

The home keeps keys, blobs, views and private rows; the address of the server comes from the
environment, and no message repeats it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.bench import SOON, Bench
from doubles.postgres import server

from api.cli import run
from api.home import DriverAbsent
from api.inspection import inspect_home
from api.settings import Settings
from api.wiring import database_of, has_log
from replay import verifier

pytestmark = pytest.mark.postgres


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    database = server().database()
    monkeypatch.setenv("PLI_DATABASE_URL", server().url)
    monkeypatch.setenv("PLI_DATABASE_SCHEMA", database.schema)
    opened = Bench(tmp_path)
    opened.register()
    yield opened
    opened.close()


def test_from_publication_to_opened_documents_and_back_through_the_log(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = bench.publish()
    sent = bench.deposit(bench.seal(at))
    bench.forward(SOON)
    opening = bench.attend()
    bench.done(f"{opening}/plan", bench.tokens.buyer)
    opened = bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})
    assert {row["event"] for row in opened["outcomes"]} == {"EnvelopeOpened"}
    assert not (bench.home.folder / "ledger.db").exists()
    assert has_log(bench.home)
    # beside the running platform, as an auditor on the spot would
    told = inspect_home(bench.home, [], lambda _: None, bench.scratch)
    assert told["verdict"] == "sound"
    home = str(bench.home.folder)
    out = tmp_path / "export"
    assert run(["ledger", "export", "--home", home, str(out)]) == 0
    assert run(["ledger", "checkpoint", "--home", home, "--json"]) == 0
    assert run(["replay", "consultation/lille-1", "--home", home, "--json"]) == 0
    shown = capsys.readouterr()
    assert server().url not in shown.out + shown.err
    arguments = ["log", str(out), "--policy", str(out / "policy.txt"), "--json"]
    assert verifier.main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "proven"
    policy = verifier.Policy((out / "policy-log.txt").read_bytes())
    assert verifier.check_receipt(sent["receipt"].encode(), policy).entry.kind == "DepositSealed"


def test_a_restart_continues_the_log(bench: Bench) -> None:
    size = bench.platform.ledger.head()
    bench.close()
    bench.reopen()
    assert bench.platform.ledger.head() == size
    bench.publish()
    assert bench.platform.ledger.head() > size


def test_without_the_driver_the_setting_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ledger.postgres", None)
    with pytest.raises(DriverAbsent):
        database_of(Settings(database_url="postgresql://nowhere"))  # type: ignore[arg-type]
    assert database_of(Settings()) is None


def test_the_address_of_the_server_is_a_secret() -> None:
    settings = Settings(database_url="postgresql://user:word@host/log")  # type: ignore[arg-type]
    assert "user:word" not in repr(settings)

"""`pli witness` over HTTP: the known requests, bounds on bodies, two asking at once, kill -9."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from doubles.rng import SeededRng
from doubles.witness_process import WitnessProcess, pli
from starlette.testclient import TestClient

from api.adapters.keys import create_signing_key
from api.adapters.witness_home import NotALog, WitnessAbsent, WitnessExists, WitnessHome
from api.cli import run
from api.routes.witness import BODY_LIMIT, create_witness_app
from crypto.notes import (
    COSIGNATURE,
    LOG,
    Checkpoint,
    VerifierKey,
    check_cosignature,
    note,
    parse_checkpoint,
    parse_note,
    sign,
)
from ledger.exported import LogFolder, hashes_of
from ledger.proofs import consistency
from ledger.witness import Request, Witness, monitor_path

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
KNOWN = json.loads((VECTORS / "witness.json").read_text())
LOG_KEY = VerifierKey.parse(KNOWN["log"])
KEY = VerifierKey.parse(KNOWN["witness"])


def request(old: int, size: int) -> bytes:
    tree = hashes_of(LogFolder(VECTORS / "log"), 613)
    signed = (VECTORS / "extra" / "checkpoints" / str(size)).read_bytes()
    return bytes(Request(old, tuple(consistency(old, size, tree)), signed))


def size_of(stored: bytes | None) -> int:
    return parse_checkpoint(parse_note(stored).text).size if stored else 0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[WitnessProcess]:
    """A witness process with the key and the log of the known answers."""
    folder = tmp_path / "witness"
    create_signing_key(folder / "witness.key", KEY.name, COSIGNATURE, bytes.fromhex(KNOWN["seed"]))
    witness = WitnessProcess(folder, KEY.name, LOG_KEY)
    assert witness.key == KEY
    try:
        yield witness.start()
    finally:
        witness.kill()


def test_the_known_requests_in_order_over_http_with_kills_between(
    running: WitnessProcess,
) -> None:
    for at, step in enumerate(KNOWN["steps"]):
        if at % 9 == 8:
            running.restart()
        answer = running.ask(step["request"].encode())
        assert answer.status_code == step["status"], step["id"]
        if answer.status_code == 200:
            text = Request.parse(step["request"].encode()).note
            (line,) = parse_note(parse_note(text).text.encode() + b"\n" + answer.content).signatures
            check_cosignature(KEY, parse_note(text).text, line.signature)
        else:
            assert answer.text == step.get("body", answer.text), step["id"]
        if "content_type" in step:
            assert answer.headers["content-type"] == step["content_type"]
        assert size_of(running.cosigned(LOG_KEY.name)) == step["size_after"], step["id"]
    refused = [step for step in KNOWN["steps"] if step["status"] == 422]
    kept = {Request.parse(step["request"].encode()).note for step in refused}
    assert set(running.evidence()) == kept


def test_what_was_cosigned_survives_kill_9(running: WitnessProcess) -> None:
    assert running.ask(request(0, 300)).status_code == 200
    running.restart()
    again = running.ask(request(0, 613))
    assert (again.status_code, again.text) == (409, "300\n")
    assert running.ask(request(300, 613)).status_code == 200


def fork(size: int, seed: bytes) -> bytes:
    """Return a first request for a history of this root, signed by the test log."""
    head = Checkpoint("log.example/fork", size, bytes([size]) * 32)
    return bytes(Request(0, (), note(head, [sign(head, head.origin, seed)])))


def test_of_many_histories_asked_at_once_one_is_cosigned(tmp_path: Path) -> None:
    log = VerifierKey.of_seed("log.example/fork", LOG, bytes(32))
    home = WitnessHome.create(tmp_path, "w", SeededRng())
    home.add_log(str(log))
    others = [home, *(WitnessHome(tmp_path) for _ in range(3))]
    with ThreadPoolExecutor(4) as pool:
        asked = [(others[n % 4], fork(n, bytes(32))) for n in range(1, 25)]
        answers = list(pool.map(lambda each: each[0].answer(each[1]), asked))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 23
    for each in others:
        each.close()


def test_planted_a_witness_that_forgets_cosigns_two_histories() -> None:
    log = VerifierKey.of_seed("log.example/fork", LOG, bytes(32))
    forgetful = Witness("w", bytes(32), {log.name: (log,)})
    answers = [forgetful.answer(fork(n, bytes(32)), lambda origin: None, 1) for n in (1, 2)]
    assert [answer.status for answer in answers] == [200, 200]


def test_a_log_or_a_key_that_is_added_is_known_by_the_running_server(
    running: WitnessProcess,
) -> None:
    seed = bytes(32)
    body = fork(1, seed)
    assert running.ask(body).status_code == 404
    vkey = VerifierKey.of_seed("log.example/fork", LOG, seed)
    added = pli("witness", "add-log", "--home", running.folder, "--log", vkey)
    assert added.stdout == "log.example/fork\n"
    assert running.ask(body).status_code == 200
    assert running.ask(fork(2, bytes(31) + b"1")).status_code == 403


@pytest.fixture
def web(tmp_path: Path) -> Iterator[TestClient]:
    home = WitnessHome.create(tmp_path / "w", "w.example", SeededRng())
    home.add_log(str(LOG_KEY))
    with TestClient(create_witness_app(home)) as client:
        yield client
    home.close()


def test_bodies_are_bounded_and_paths_are_hashes(web: TestClient) -> None:
    url = "/add-checkpoint"
    assert web.post(url, content=b"x" * BODY_LIMIT).status_code == 400
    assert web.post(url, content=b"x" * (BODY_LIMIT + 1)).status_code == 413
    parts = (b"x" * 1_000 for _ in range(70))
    assert web.post(url, content=parts).status_code == 413
    assert web.get(f"/{monitor_path('nobody')}").status_code == 404
    assert web.get("/../checkpoint").status_code == 404
    assert web.get(f"/{'A' * 64}/checkpoint").status_code == 422
    assert web.get("/openapi.json").status_code == 404


def test_a_slow_body_is_cut_and_told_why(tmp_path: Path) -> None:
    home = WitnessHome.create(tmp_path / "w", "w.example", SeededRng())
    app = create_witness_app(home, window_s=0.05)
    sent: list[MutableMapping[str, Any]] = []
    parts = iter([{"type": "http.request", "body": b"old", "more_body": True}])

    async def receive() -> MutableMapping[str, Any]:
        for part in parts:
            return dict(part)
        return await asyncio.get_running_loop().create_future()  # the rest never comes

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/add-checkpoint", "headers": []}
    asyncio.run(app({**scope, "query_string": b"", "http_version": "1.1"}, receive, send))
    assert sent[0]["status"] == 408
    home.close()


def test_the_commands_make_a_witness_and_tell_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["witness", *map(str, arguments)])
        return status, *capsys.readouterr()

    home = tmp_path / "w"
    wrong = told("init", "--home", home, "--name", "w.example", "--log", "nonsense")
    assert (wrong[0], home.exists()) == (2, False)
    assert told("init", "--home", home, "--name", "w w", "--log", LOG_KEY)[0] == 2
    options = ("--home", home, "--name", "w.example", "--log", LOG_KEY)
    made = json.loads(told("init", *options, "--json")[1])
    assert VerifierKey.parse(made["vkey"]).name == "w.example"
    assert made["logs"] == [LOG_KEY.name]
    # done again: the same key
    assert told("init", *options)[1].strip() == made["vkey"]
    absent = told("serve", "--home", tmp_path / "nothing")
    assert (absent[0], "[witness.absent]" in absent[2]) == (3, True)
    assert told("evidence", "--home", home, tmp_path / "found")[0] == 0


def test_evidence_is_written_out(running: WitnessProcess, tmp_path: Path) -> None:
    for step in KNOWN["steps"]:
        running.ask(step["request"].encode())
    found = pli("witness", "evidence", "--home", running.folder, tmp_path / "found")
    assert found.returncode == 1
    assert {Path(line).read_bytes() for line in found.stdout.split()} == set(running.evidence())


def test_a_folder_belongs_to_one_witness_and_knows_logs_only(tmp_path: Path) -> None:
    with pytest.raises(WitnessAbsent):
        WitnessHome(tmp_path)
    home = WitnessHome.create(tmp_path, "w1", SeededRng())
    with pytest.raises(NotALog):
        home.add_log(str(KEY))
    assert home.logs() == {}
    assert home.add_log(str(LOG_KEY)) == LOG_KEY
    assert home.logs() == {LOG_KEY.name: (LOG_KEY,)}
    home.close()
    with pytest.raises(WitnessExists):
        WitnessHome.create(tmp_path, "w2", SeededRng())


def test_a_state_that_cannot_be_written_lets_no_cosignature_leave(tmp_path: Path) -> None:
    home = WitnessHome.create(tmp_path / "w", "w.example", SeededRng())
    home.add_log(str(LOG_KEY))
    home._db.execute("DROP TABLE cosigned")
    with pytest.raises(Exception, match="no such table"):
        home.answer(request(0, 300))
    home.close()


def test_a_witness_changes_its_key_and_drops_that_of_a_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, origin = str(tmp_path / "w"), LOG_KEY.name
    assert run(["witness", "init", "--home", folder, "--name", "w/1", "--log", str(LOG_KEY)]) == 0
    first = VerifierKey.parse(capsys.readouterr().out.strip())
    assert run(["witness", "retire", "--home", folder]) == 1
    assert run(["witness", "rotate", "--home", folder, "--name", "w/1"]) == 1
    assert run(["witness", "rotate", "--home", folder, "--name", "no name"]) == 2
    capsys.readouterr()
    assert run(["witness", "rotate", "--home", folder, "--name", "w/2"]) == 0
    second = VerifierKey.parse(capsys.readouterr().out.strip())
    assert run(["witness", "rotate", "--home", folder, "--name", "w/3"]) == 1, "one at a time"
    witness = WitnessHome(Path(folder))
    text = parse_note(Request.parse(request(0, 256)).note).text
    answer = witness.answer(request(0, 256))
    keys = (first, second)
    assert cosigned_by(keys, text, answer.body) == {first, second}
    # a log that asks under the other name is told the same
    assert cosigned_by(keys, text, witness.answer(request(256, 256)).body) == {first, second}
    assert size_of(witness.cosigned(monitor_path(origin))) == 256
    witness.close()
    before = (Path(folder) / "witness.key").read_bytes()
    capsys.readouterr()
    assert run(["witness", "retire", "--home", folder]) == 0
    assert VerifierKey.parse(capsys.readouterr().out.strip()) == second
    witness = WitnessHome(Path(folder))
    assert witness.key() == second
    assert not any(before in path.read_bytes() for path in Path(folder).iterdir())
    text = parse_note(Request.parse(request(256, 613)).note).text
    assert cosigned_by(keys, text, witness.answer(request(256, 613)).body) == {second}
    assert run(["witness", "drop-log", "--home", folder, "--log", str(LOG_KEY)]) == 0
    assert witness.answer(request(613, 613)).status == 404
    assert run(["witness", "drop-log", "--home", folder, "--log", str(LOG_KEY)]) == 1
    witness.close()


def cosigned_by(keys: tuple[VerifierKey, ...], text: str, body: bytes) -> set[VerifierKey]:
    """Return the keys whose lines stand in an answer, each verified."""
    found: set[VerifierKey] = set()
    for line in parse_note(text.encode() + b"\n" + body).signatures:
        key = next(one for one in keys if (one.name, one.key_id) == (line.name, line.key_id))
        check_cosignature(key, text, line.signature)
        found.add(key)
    return found

"""T28, N11, N15: one line a happening whatever its texts hold; journal and figures know no deposit.

The control writes texts as they are: the same judgement must see more lines than happenings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from doubles.bench import BUYER, COMPANY, RIVAL, Bench
from doubles.proofs import Proof

from api.journal import HAPPENINGS, LONGEST, say
from api.settings import Settings

HOSTILE = [
    "a\r\nb",
    "a\nPli : deposit accepted",
    "\x1b[2J\x1b[31mred",
    "\x9b31m",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "\u2028\u2029\x85\x0b\x0c",
    "\x00\x07\x08\x7f",
    "\ud800",
    '"},{"event":"forged"}',
    "é" * 1_000,
]
SIGNS = (BUYER, COMPANY, RIVAL, "transmissions", "deposits", "Bearer")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("journal"), metrics=True)
    made.register()
    yield made
    made.close()


def judged(text: str, happenings: int) -> None:
    """Raise unless this is one printable JSON line a happening, and nothing else."""
    lines = text.splitlines()
    if len(lines) != happenings:
        raise AssertionError(f"{len(lines)} lines for {happenings} happenings")
    for line in lines:
        if not all(" " <= sign <= "~" for sign in line):
            raise AssertionError("a sign that a terminal obeys")
        assert list(json.loads(line))[:2] == ["at", "event"]


def test_hostile_texts_are_one_line_each(capsys: pytest.CaptureFixture[str], proof: Proof) -> None:
    for text in HOSTILE:
        say("alarm", about=text, code=text)
        say("unexpected", kind=text, trace=[{"file": text, "in": text, "line": 1}])
    told = capsys.readouterr().err
    judged(told, 2 * len(HOSTILE))
    assert max(map(len, told.splitlines())) < 6 * LONGEST * 3 + 200
    proof("T28", f"{2 * len(HOSTILE)} happenings with hostile texts, one line each")


def test_the_control_is_seen() -> None:
    with pytest.raises(AssertionError, match="lines for"):
        judged("".join(f"pli : alarm {text}\n" for text in HOSTILE[:2]), 2)
    with pytest.raises(AssertionError, match="obeys"):
        judged(json.dumps({"at": "", "event": "\u202e"}, ensure_ascii=False) + "\n", 1)


def test_what_no_row_names_is_never_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError):
        say("deposit.received", code="x")
    with pytest.raises(KeyError):
        say("alarm", code="x", about="x", person="x")
    assert capsys.readouterr().err == ""
    named = set().union(*HAPPENINGS.values())
    assert not named & {"org", "siret", "person", "email", "address", "path", "token", "name"}


def test_an_error_of_ours_tells_no_text_of_a_caller(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("\r\nforged", BUYER, "ada@lille.example")

    monkeypatch.setattr(bench.platform, "act", broken)
    form = {"siret": BUYER, "name": "a\r\nb", "buyer_kind": "COMMUNE"}
    capsys.readouterr()
    answer = bench.post("/api/v1/buyers", bench.tokens.admin, form | {"name": "Ville"})
    told = capsys.readouterr().err
    assert answer.status_code == 500
    judged(told, 1)
    assert not [sign for sign in (*SIGNS, bench.tokens.admin, "forged", "ada@") if sign in told]


def figures(bench: Bench) -> dict[str, str]:
    """Return the figures by their name and labels, without the times that answers took."""
    answer = bench.get("/metrics", bench.tokens.admin)
    assert answer.status_code == 200, answer.text
    rows = [line.rsplit(" ", 1) for line in answer.text.splitlines() if line[0] != "#"]
    return {
        name: value for name, value in rows if "_seconds" not in name and "_created" not in name
    }


def test_no_figure_tells_of_a_deposit(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    at = bench.publish()
    figures(bench)
    before = figures(bench)
    capsys.readouterr()
    for token in (bench.tokens.company, bench.tokens.rival):
        envelope = bench.seal(at, token=token)
        bench.deposit(envelope, token)
        bench.get("/api/v1/deposits", token)
        bench.get("/api/v1/me", token)
        bench.get(f"/api/v1/deposits/{'0' * 32}", token)
    bench.get(f"/api/v1/deposits/{'0' * 32}", bench.tokens.buyer)
    assert capsys.readouterr().err == ""
    after = figures(bench)
    own = 'pli_answers_total{operation="read_metrics",status="200"}'
    assert {name for name in after if after[name] != before.get(name)} == {own}
    text = bench.get("/metrics", bench.tokens.admin).text
    assert not [sign for sign in (*SIGNS, bench.tokens.admin) if sign in text]
    assert "process_" not in text
    assert "python_" not in text
    bench.get(at, bench.tokens.buyer)
    moved = figures(bench)
    read = 'pli_answers_total{operation="read_consultation",status="200"}'
    assert float(moved[read]) == float(after.get(read, 0)) + 1, "the control: others are counted"


def test_figures_are_for_the_administrator_and_only_where_asked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench.get("/metrics").status_code == 401
    for token in (bench.tokens.buyer, bench.tokens.company, bench.tokens.custodian):
        assert bench.get("/metrics", token).status_code == 403
    off = bench.settings.model_copy(update={"metrics": False})
    monkeypatch.setattr(bench.platform, "settings", off)
    assert bench.get("/metrics", bench.tokens.admin).status_code == 404
    assert Settings(home=bench.home.folder).metrics is False

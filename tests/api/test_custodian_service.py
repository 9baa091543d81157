"""A custodian over HTTP: the same decisions, all signed; forms, bounds, what is not believed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from doubles.custodian_case import DEPOSIT, NAME, OPENS
from doubles.local_custody import CANARY, CEREMONY
from doubles.remote_custody import Bridged, HttpBench
from doubles.views import ShownLedger

from api.adapters.custodian_home import CustodianHome, CustodianLocked
from api.adapters.custodian_roster import RosterUnusable, policy_of, read_roster
from api.adapters.custodian_service import NOT_ASKED
from api.adapters.custodian_state import check_answers
from api.adapters.http import NoAnswer
from api.adapters.remote_custodian import NotBelieved
from api.adapters.remote_custodians import REST_US, SLOW_US
from api.cli import run
from api.custodian import SMALL_LIMIT, VIEW_LIMIT
from crypto import merkle, statements
from crypto.canonical import encode
from crypto.keys import LogKeys
from crypto.keyset import Keyset, check_alive
from crypto.policies import Policy
from crypto.threshold import Lock, check_partial
from domain.errors import ClockDistrusted
from domain.ports import CustodianRefusal, CustodianSilent, CustodyComplaint
from ledger.witness import Request, monitor_path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[HttpBench]:
    made = HttpBench(tmp_path)
    yield made
    for home in made.homes:
        home.close()


@pytest.fixture
def keyset(bench: HttpBench) -> Keyset:
    return bench.ceremony()


def said(answer: Any, sign: bytes, status: int = 200) -> dict[str, Any]:
    """Return the body of an answer whose signature verifies."""
    assert answer.status_code == status, answer.text
    told = json.loads(answer.content)
    assert set(told) == {"body", "sig"}
    statements.check(sign, statements.answer(told["body"]), bytes.fromhex(told["sig"]))
    return dict(told["body"])


def first(bench: HttpBench) -> Any:
    return next(iter(bench.apps.values()))


def sign_of(bench: HttpBench) -> bytes:
    return bench.homes[0].identity.sign


def test_ceremony_and_answers_over_http_are_those_of_the_objects(
    bench: HttpBench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    lock = Lock(keyset, sealed.header.label.encoded, sealed.header.capsule)
    for index in (1, 2, 3):
        check_partial(lock, index, bench.partial(sealed, index))
    nonce, proof = bench.port.alive(keyset.digest.hex(), bench.names[0])
    check_alive(keyset, 1, bytes.fromhex(nonce), bytes.fromhex(proof))


def test_every_refusal_is_signed_and_stands_in_the_log(bench: HttpBench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    bench.clock.at = OPENS
    with pytest.raises(CustodianRefusal) as refusal:
        bench.partial(sealed)
    assert refusal.value.reason == "too-early"
    lines = first(bench).get("/v1/log").content.splitlines()
    assert check_answers(lines) == len(lines)
    last = json.loads(lines[-1])
    assert (last["body"]["code"], last["sig"]) == ("too-early", refusal.value.sig)
    body = {"code": "too-early", "custodian": bench.names[0], "deposit": DEPOSIT}
    statements.check(sign_of(bench), statements.answer(body), bytes.fromhex(refusal.value.sig))
    after = first(bench).get(f"/v1/log?after={len(lines) - 1}").content.splitlines()
    assert after == lines[-1:]


def test_a_wish_for_another_proof_decides_and_records_nothing(
    bench: HttpBench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    bench.port._pins.clear()
    before = len(bench.homes[0].custodian.answers())
    asked = len(bench.out.asked)
    bench.partial(sealed)
    assert len(bench.out.asked) - asked == 3, "from its pin, from the closing head, the answer"
    assert len(bench.homes[0].custodian.answers()) == before + 1


def test_a_closing_head_that_was_never_cosigned_is_proven_by_a_second_view(
    bench: HttpBench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    wanted = []
    views = bench.port._views

    def noted(asked: Any, pin: int, since: Any) -> Any:
        wanted.append(list(since))
        return views(asked, pin, since)

    bench.port._views = noted
    bench.partial(sealed)
    assert any(wanted)


def test_identity_and_time_are_signed(bench: HttpBench) -> None:
    own = said(first(bench).get("/v1/identity"), sign_of(bench))
    identity = bench.homes[0].identity
    assert (own["custodian"], own["origin"], own["v"]) == (bench.names[0], bench.ledger.origin, 1)
    assert own["recovery"] == identity.recovery.hex()
    nonce = bytes(range(32))
    told = bench.port.members[bench.names[0]].time(nonce)
    now = int(bench.clock.at.timestamp() * 1000)
    assert told.earliest <= now <= told.latest
    assert (told.nonce, told.organisation) == (nonce, identity.organisation)
    line = json.loads(first(bench).get("/v1/log").content.splitlines()[-1])
    assert line["body"] == {
        "earliest": told.earliest,
        "latest": told.latest,
        "nonce": nonce.hex(),
    }
    for member in bench.port.members.values():
        assert member.identity()["custodian"] == member.member.custodian


def test_without_a_clock_the_time_is_refused_and_the_refusal_signed(bench: HttpBench) -> None:
    def broken() -> Any:
        raise ClockDistrusted("it jumped")

    bench.clock.now = broken  # type: ignore[method-assign]
    answer = first(bench).post("/v1/time", content=encode({"nonce": "00" * 32}))
    assert said(answer, sign_of(bench), 403) == {"code": "clock", "custodian": bench.names[0]}
    with pytest.raises(NoAnswer):
        bench.port.members[bench.names[0]].time(bytes(32))
    assert first(bench).post("/add-checkpoint", content=b"x").status_code == 503


def test_it_witnesses_checkpoints_for_logs_and_monitors(bench: HttpBench) -> None:
    bench.start()
    note = bench.ledger.note()
    answer = first(bench).post("/add-checkpoint", content=bytes(Request(0, (), note)))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    path = monitor_path(bench.ledger.origin)
    assert first(bench).get(f"/{path}").content.startswith(note)
    assert first(bench).get(f"/{monitor_path('another')}").status_code == 404


def test_anyone_may_send_a_view_and_a_shorter_one_never_replaces_it(bench: HttpBench) -> None:
    stream = f"ceremony/{CEREMONY}"
    bench.start()
    shown = dict(bench.ledger.show([stream], 0))
    assert said(first(bench).post("/v1/views", content=encode(shown)), sign_of(bench))["size"] == 2
    bench.ledger.write(stream, "CeremonyFailed", reason="x")
    longer = dict(bench.ledger.show([stream], 2))
    said(first(bench).post("/v1/views", content=encode(longer)), sign_of(bench))
    shorter = _cut(bench.ledger, stream)
    refused = said(first(bench).post("/v1/views", content=encode(shorter)), sign_of(bench), 403)
    assert refused["code"] == "view"


def _cut(ledger: ShownLedger, stream: str) -> dict[str, Any]:
    """Return a view in which the last entry of a stream is left out, under the newest tree."""
    shown = dict(ledger.show([], len(ledger.rows)))
    rows = [row for row in ledger.rows if row.stream == stream][:-1]
    whole = ledger.stream(stream)
    path = merkle.inclusion_proof(ledger.leaves(), rows[-1].position)
    return shown | {
        "streams": [
            {
                "entries": whole["entries"][:-1],
                "inclusion": [step.hex() for step in path],
                "position": rows[-1].position,
            }
        ]
    }


def test_a_stream_that_was_not_asked_for_is_refused(bench: HttpBench) -> None:
    """Else a stranger could show it shorter than it was seen, under another question."""
    ceremony = f"ceremony/{CEREMONY}"
    bench.start()
    bench.ledger.write("custody/other", "CustodianAppointed", custodian="x", org="y")
    views = [dict(bench.ledger.show([ceremony, "custody/other"], 0)) | {"since": 0}]
    path = f"/v1/ceremonies/{CEREMONY}/round1"
    refused = said(first(bench).post(path, content=encode({"views": views})), sign_of(bench), 403)
    assert refused["code"] == "view"


FORMLESS = [
    ("/v1/time", b"{}", 422),
    ("/v1/time", b'{"nonce": "00"}', 422),
    ("/v1/time", encode({"nonce": "00" * 31}), 422),
    ("/v1/views", b"[]", 422),
    ("/v1/views", encode({"checkpoint": "x"}), 422),
    ("/v1/ceremonies/xyz/round1", encode({"views": []}), 404),
    (f"/v1/ceremonies/{CEREMONY}/round4", encode({"views": []}), 404),
    (f"/v1/ceremonies/{CEREMONY}/round1", encode({"views": [1]}), 422),
    (f"/v1/keysets/{'00' * 32}/burn", encode({"views": []}), 404),
    ("/v1/keysets/00/alive", encode({"views": []}), 404),
    (f"/v1/keysets/{'00' * 32}/alive", encode({"consultation": "", "views": [1]}), 422),
    (f"/v1/keysets/{'00' * 32}/partials", encode({"views": []}), 422),
    ("/v1/time", b"x" * (SMALL_LIMIT + 1), 413),
    ("/v1/nothing", b"", 404),
]


def test_what_has_no_form_is_refused_and_recorded_nowhere(bench: HttpBench) -> None:
    for path, body, status in FORMLESS:
        assert first(bench).post(path, content=body).status_code == status, (path, body[:40])
    assert bench.homes[0].custodian.answers() == []


def test_a_view_may_be_larger_than_other_bodies_and_is_bounded(bench: HttpBench) -> None:
    headers = {"content-length": str(VIEW_LIMIT + 1)}
    answer = first(bench).post("/v1/views", content=b"x", headers=headers)
    assert answer.status_code == 413
    assert first(bench).post("/v1/views", content=b"x" * (SMALL_LIMIT + 1)).status_code == 422
    assert first(bench).get("/v1/log?after=-1").status_code == 422


def test_a_question_about_nothing_it_holds_is_refused_with_a_signature(bench: HttpBench) -> None:
    bench.case.assigned("cd" * 32)
    question = {"consultation": "", "views": []}
    path = f"/v1/keysets/{'ab' * 32}/alive"
    refused = said(first(bench).post(path, content=encode(question)), sign_of(bench), 403)
    assert refused["code"] == NOT_ASKED
    assert len(bench.homes[0].custodian.answers()) == 1
    with pytest.raises(CustodianRefusal):
        bench.port.alive("ab" * 32, bench.names[0])
    with pytest.raises(CustodianSilent):
        bench.port.retire("ab" * 32, bench.names[0])
    with pytest.raises(CustodianSilent):
        bench.port.round2(CEREMONY, "nobody")


def test_a_complaint_comes_over_the_line(bench: HttpBench) -> None:
    ceremony = bench.start()
    bench.round1()
    for name in bench.names:
        message: dict[str, Any] = bench.port.round2(CEREMONY, name)
        if name == bench.names[1]:
            message["boxes"][0] = message["boxes"][0][::-1]
        bench.ledger.write(f"ceremony/{CEREMONY}", "CeremonyShared", **message)
    with pytest.raises(CustodyComplaint) as refusal:
        bench.port.confirm(CEREMONY, bench.names[0])
    signed = statements.complaint(ceremony.cid, 1, 2, refusal.value.reason)
    statements.check(ceremony.member(1).sign, signed, bytes.fromhex(refusal.value.sig))


# --- what the platform does not believe


def swapped(bench: HttpBench) -> None:
    """Another key answers at the address of the first custodian."""
    urls = list(bench.apps)
    bench.out.apps[urls[0]] = bench.apps[urls[1]]


def silent(bench: HttpBench) -> None:
    del bench.out.apps[next(iter(bench.apps))]


class Lying(Bridged):
    """Changes what comes back from the first custodian."""

    def __init__(self, inner: Bridged, change: Any) -> None:
        super().__init__(inner.apps)
        self.change = change

    def _connect(self, method: str, url: str, body: bytes, headers: Any) -> Any:
        reply = super()._connect(method, url, body, headers)
        return replace(reply, body=self.change(reply.body)) if "custodian-1" in url else reply


def test_a_swapped_key_and_an_absent_custodian_are_silence(
    bench: HttpBench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    for harm in (swapped, silent):
        bench.out.apps = dict(bench.apps)
        assert len(bench.partial(sealed)) == 96, "the control: it answers"
        harm(bench)
        with pytest.raises(CustodianSilent):
            bench.partial(sealed)
        with pytest.raises(CustodianSilent):
            bench.port.alive(keyset.digest.hex(), bench.names[0])
        with pytest.raises(NoAnswer):
            bench.port.members[bench.names[0]].identity()
        with pytest.raises(NoAnswer):
            bench.port.members[bench.names[0]].time(bytes(32))
        assert len(bench.partial(sealed, 2)) == 96


def test_a_silence_that_took_long_is_not_waited_for_again_at_once(
    bench: HttpBench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    now = [0]
    bench.port._counter = lambda: now[0]
    answering = bench.out.apps.pop(next(iter(bench.apps)))
    connect = bench.out._connect

    def slow(*given: Any) -> Any:
        now[0] += SLOW_US
        return connect(*given)

    bench.out._connect = slow  # type: ignore[method-assign]
    with pytest.raises(CustodianSilent):
        bench.partial(sealed)
    bench.out.apps[next(iter(bench.apps))] = answering
    asked = len(bench.out.asked)
    with pytest.raises(CustodianSilent):
        bench.partial(sealed)
    assert len(bench.out.asked) == asked, "nobody was asked"
    now[0] += REST_US
    assert len(bench.partial(sealed)) == 96


CHANGES = [
    lambda body: body.replace(b'"index":1', b'"index":2'),
    lambda body: b"{}",
    lambda body: b"",
    lambda body: body.replace(b'"sig":"', b'"sig":"00', 1),
    lambda body: b'{"body":[],"sig":"00"}',
]


def test_changed_answers_are_silence(bench: HttpBench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    for change in CHANGES:
        for one in bench.port.members.values():
            one._out = Lying(bench.out, change)
        with pytest.raises(CustodianSilent):
            bench.partial(sealed)
    for one in bench.port.members.values():
        one._out = Lying(bench.out, lambda body: body)
    assert len(bench.partial(sealed)) == 96, "the control: nothing else was wrong"


def test_an_old_answer_is_no_answer_to_a_new_question(bench: HttpBench, keyset: Keyset) -> None:
    kept: list[bytes] = []

    def repeated(body: bytes) -> bytes:
        if b'"proof"' in body:
            kept.append(body)
        return kept[0] if kept else body

    digest, name = keyset.digest.hex(), bench.names[0]
    bench.case.published().assigned(digest)
    for one in bench.port.members.values():
        one._out = Lying(bench.out, repeated)
    bench.port.alive(digest, name)
    bench.ledger.write("consultation/other", "Happened")
    with pytest.raises(CustodianSilent):
        bench.port.alive(digest, name)
    with pytest.raises(CustodianSilent):
        bench.port.alive("ab" * 32, name)


def test_a_custodian_that_knows_more_than_our_ledger_is_not_believed(
    bench: HttpBench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    bench.partial(sealed)
    bench.ledger.rows = bench.ledger.rows[:-1]
    bench.port._pins.clear()
    with pytest.raises(CustodianSilent) as refusal:
        bench.partial(sealed)
    assert isinstance(refusal.value.__cause__, NotBelieved)


# --- homes, rosters, restore


def test_a_share_that_its_chest_does_not_give_back_is_silence_and_an_alarm(
    bench: HttpBench, keyset: Keyset, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.case.assigned(keyset.digest.hex())
    bench.port.alive(keyset.digest.hex(), bench.names[0])
    for share in (bench.folder / bench.names[0]).glob("share-*"):
        share.unlink()
    capsys.readouterr()
    with pytest.raises(CustodianSilent):
        bench.port.alive(keyset.digest.hex(), bench.names[0])
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {one["code"] for one in told} == {"keys.absent", "network.no-answer"}


def test_two_services_never_share_a_folder(
    bench: HttpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.adapters.custodian_home.LOCK_S", 0.1)
    folder = bench.folder / bench.names[0]
    with pytest.raises(CustodianLocked):
        CustodianHome(folder, bench.credential(bench.names[0]), bench.clock, bench.rng)
    bench.reopen()


def test_a_share_comes_back_from_its_copy_also_without_its_memory(
    bench: HttpBench, keyset: Keyset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = bench.ready(keyset)
    first_answer = bench.partial(sealed)
    name = bench.names[0]
    folder, digest = bench.folder / name, keyset.digest.hex()
    document = tmp_path / "keyset.json"
    document.write_bytes(encode(dict(keyset.document)))
    for home in bench.homes:
        home.close()
    for gone in (*folder.glob("share-*"), *folder.glob("state.db*")):
        gone.unlink()
    bench.open()
    with pytest.raises(CustodianRefusal):
        bench.partial(sealed)
    for home in bench.homes:
        home.close()

    def restored(place: Path, of: str = name) -> int:
        words = [place, bench.folder / of / "recovery-1" / f"{digest}.plr1"]
        options = {
            "--offline-key": folder / "offline" / "recovery.key",
            "--keyset": document,
            "--credential": tmp_path / "keys" / f"{place.name}.credential",
        }
        given = [*words, *(word for option in options.items() for word in option)]
        return run(["custodian", "restore", *map(str, given)])

    assert restored(folder, bench.names[1]) == 1, "the copy of another custodian"
    assert "[recovery]" in capsys.readouterr().err
    assert restored(folder) == 0
    assert capsys.readouterr().out.strip() == digest
    bench.open()
    again = bench.partial(sealed)
    assert again != first_answer, "its memory is lost, its share is not"
    check_partial(Lock(keyset, sealed.header.label.encoded, sealed.header.capsule), 1, again)


def test_a_roster_names_two_custodians_at_least_each_once(bench: HttpBench, tmp_path: Path) -> None:
    file = tmp_path / "custodians.toml"
    tables = [one.member.table() for one in bench.port.members.values()]
    file.write_text("".join(tables))
    roster = read_roster(file)
    assert roster == tuple(one.member for one in bench.port.members.values())
    keys = LogKeys({str(bench.ledger.vkey): 0}, {})
    policy = Policy.parse(policy_of(keys, roster))
    assert set(policy.witnesses) == set(bench.names)
    wrong = [
        "",
        tables[0],
        tables[0] * 2,
        tables[0] + tables[1].replace("url", "address"),
        tables[0] + tables[1].replace("http://", "ftp://"),
        tables[0] + tables[1].replace('sign = "', 'sign = "zz'),
        "[[custodian]]\nx",
        "custodian = 1",
    ]
    for text in wrong:
        file.write_text(text)
        with pytest.raises(RosterUnusable):
            read_roster(file)
    with pytest.raises(RosterUnusable):
        read_roster(tmp_path / "absent.toml")


def test_a_canary_needs_no_view(bench: HttpBench) -> None:
    keyset = bench.ceremony(CANARY, "canary")
    sealed = bench.sealed(keyset, kind="CANARY")
    asked = len(bench.out.asked)
    assert len(bench.port.partial(NAME, "1", DEPOSIT, 0, sealed.head, bench.names[0])) == 96
    assert len(bench.out.asked) == asked + 1


def test_the_hour_is_judged_by_the_custodian_itself(bench: HttpBench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    bench.clock.at = OPENS - timedelta(days=1)
    with pytest.raises(CustodianRefusal) as refusal:
        bench.partial(sealed)
    assert refusal.value.reason == "too-early"

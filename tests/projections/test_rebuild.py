"""Views built again are equal to the byte, and golden streams keep their views for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from doubles.entries import FileSource, HandLedger
from doubles.procedures import DEADLINE, LATER, ROUBAIX, Teller, whole_story
from sqlalchemy import update

from projections import store
from projections.rebuild import dump_of, prepared, rebuild
from projections.runner import Runner
from projections.tables import tracking

GOLDEN = Path(__file__).parents[1] / "golden"


def test_views_built_again_equal_those_that_followed(tmp_path: Path) -> None:
    live = tmp_path / "live.db"
    engine = store.writer(live)
    ledger = HandLedger()
    runner = Runner(ledger, engine, batch=5)
    for row in whole_story().ledger.rows[1:]:
        ledger.rows.append(row)
        runner.step()
    engine.dispose()
    rebuild(ledger, tmp_path / "again.db")
    assert dump_of(tmp_path / "again.db") == dump_of(live)


def test_views_of_another_version_are_replaced_whole(told: Teller, tmp_path: Path) -> None:
    path = tmp_path / "views.db"
    first = prepared(told.ledger, path)
    wanted = dump_of(path)
    with first.begin() as connection:
        connection.execute(update(tracking).values(version=store.VERSION - 1, position=3))
    first.dispose()
    (tmp_path / "views.db.next").write_bytes(b"what a crash left")
    prepared(told.ledger, path).dispose()
    assert dump_of(path) == wanted
    assert not (tmp_path / "views.db.next").exists()


def test_views_of_this_version_are_kept(told: Teller, tmp_path: Path) -> None:
    path = tmp_path / "views.db"
    prepared(told.ledger, path).dispose()
    wanted = dump_of(path)
    prepared(HandLedger(), path).dispose()
    assert dump_of(path) == wanted


def test_a_file_without_our_tables_is_not_current(tmp_path: Path) -> None:
    (tmp_path / "views.db").touch()
    assert not store.current(tmp_path / "views.db")


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.ndjson")))
def test_golden_streams_give_the_same_views(name: str, tmp_path: Path) -> None:
    rebuild(FileSource((GOLDEN / f"{name}.ndjson").read_bytes()), tmp_path / "views.db")
    golden = GOLDEN / f"{name}.views-{store.VERSION}.txt"
    assert dump_of(tmp_path / "views.db") == golden.read_bytes()


def test_there_is_a_golden_stream_of_this_version_of_the_views() -> None:
    assert list(GOLDEN.glob(f"*.views-{store.VERSION}.txt"))


def golden_story() -> Teller:
    """Tell what the first golden stream holds: the whole story, then the rarer events."""
    teller = whole_story(DEADLINE, later=LATER)
    rare(teller)
    return teller


def rare(teller: Teller) -> None:
    told = teller.draft("c-rare", tenant=ROUBAIX, title="Rares", deadline=LATER)
    act, custodian = teller.by("BU", ROUBAIX, ROUBAIX), teller.by("CU", ROUBAIX, ROUBAIX)
    begun = {"ceremony": "c0", "k": 2, "n": 3, "purpose": "canary", "v": 1}
    act("ceremony/c0", "CeremonyStarted", ceremony=begun)
    custodian("ceremony/c0", "CeremonyCommitted", index=1, points=["00"], pop="00", sig="00")
    custodian("ceremony/c0", "CeremonyShared", index=1, boxes=["00"], sig="00")
    custodian("ceremony/c0", "CeremonyConfirmed", index=1, digest="d0", sig="00")
    act("ceremony/c0", "CeremonyFailed", reason="complaint")
    teller.custody(told)
    stream = f"custody/{told.name}"
    life = {"custodian": "gardien-1", "digest": "d0", "nonce": "00", "proof": "00"}
    custodian(stream, "ProofOfLifeGiven", **life)
    custodian(stream, "ProofOfLifeMissed", custodian="gardien-2")
    custodian(stream, "ShareReportedLost", custodian="gardien-3")
    act(stream, "KeysetRetired", digest="d0", reason="end")
    admitted = teller.deposit(told, "40304303700031", lot="0", late_by_ms=9)
    kept = teller.deposit(told, "39495278200016", lot="0", late_by_ms=9)
    reasoned = {"ground": "PLATFORM", "reasons": "panne", "findings": "00"}
    act(f"deposit/{admitted}", "LateDepositAdmitted", **reasoned)
    act(f"deposit/{kept}", "LateDepositRejected", reasons="aucune")
    act(f"deposit/{kept}", "OpeningRefused", asked_by="p", code="opening.not-in-plan")
    act("anchors/main", "CheckpointAnchored", purpose="DAILY", size=16, root="00", witnesses=[])
    session = "transmission/t-rare"
    company = teller.by("CY", "40304303700031", ROUBAIX)
    started = {"consultation": told.name, "lots": ["0"], "bidder": "b", "purpose": "REHEARSAL"}
    company(
        session,
        "TransmissionStarted",
        **started,
        kind="OFFER",
        round=1,
        intent="INITIAL",
        declared_bytes=9,
        declared_files=1,
        entry_consultation=told.name,
        client="cli/0.1.0",
        terms_version="1",
    )
    company(session, "ChunksStored", first=0, last=1, bytes_total=5)
    company(session, "TransmissionStalled", last_chunk=1, cause="NETWORK")
    company(session, "TransmissionResumed", from_chunk=2)
    company(session, "TransmissionFailed", code="chunk", cause="CLIENT", refused_parts=1)
    act("transmission/t-gone", "TransmissionExpired", refused_parts=0)
    teller.ledger.publish()


def test_rare_events_leave_their_states(views_of) -> None:
    views = views_of(golden_story().ledger)
    assert {row.ceremony: row.state for row in views.custody.ceremonies()}["c0"] == "FAILED"
    found = views.custody.of("c-rare")
    assert [(row.alive_at is not None, row.lost) for row in found.custodians] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    (attempt,) = views.attempts.own("c-rare", "b")
    assert (attempt.state, attempt.cause, attempt.bytes_total) == ("FAILED", "CLIENT", 5)

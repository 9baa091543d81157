"""Three local custodians: ceremony, answers, refusals, restart from disk, death of a share."""

from __future__ import annotations

import sqlite3
import stat
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from doubles.custodian_case import COOL_DOWN, DEADLINE, DEPOSIT, LATE, NAME, OPENS
from doubles.entries import digest, instant_of
from doubles.local_custody import CANARY, CEREMONY, CONTENT, Bench
from doubles.views import SEED, ShownLedger
from nacl.pwhash import argon2id

from api.adapters.custodian_ceremony import share_bound, share_name
from api.adapters.custodian_seat import NotAsked
from api.adapters.custodian_state import AnswersBroken, CustodianState, PinMoved, check_answers
from api.adapters.custodians import LocalWitness, published_policy
from api.adapters.keys import Chest, ChestLocked, KeyFileAbsent, KeyFileExposed, Passphrase
from api.adapters.local_custodian import LocalCustodian
from crypto import canonical, merkle, statements
from crypto.ceremony import Ceremony
from crypto.errors import QuorumMissing, RecoveryRefused
from crypto.keys import LogKeys
from crypto.keyset import Keyset, check_alive
from crypto.log_errors import QuorumNotMet
from crypto.pli1 import open_envelope
from crypto.pli1_header import Header
from crypto.policies import Policy
from crypto.threshold import Lock, check_partial, combine, make_partial
from domain.errors import ClockDistrusted
from domain.ports import CustodianRefusal, CustodianSilent, CustodyComplaint
from ledger.witness import Remember, Request


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def keyset(bench: Bench) -> Keyset:
    return bench.ceremony()


# --- ceremony


def test_a_ceremony_gives_a_keyset_that_any_two_open_and_one_never(
    bench: Bench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    partials = [(index, bench.partial(sealed, index)) for index in (1, 2, 3)]
    lock = Lock(keyset, sealed.header.label.encoded, sealed.header.capsule)
    for index, partial in partials:
        check_partial(lock, index, partial)
        with pytest.raises(QuorumMissing):
            combine(lock, [(index, partial)])
        others = [pair for pair in partials if pair[0] != index]
        assert combine(lock, others).key == sealed.key
    sink = BytesIO()
    open_envelope(
        BytesIO(sealed.file), sealed.header.label.encoded, sealed.key, sealed.commitment, sink
    )
    assert sink.getvalue().endswith(CONTENT)


def test_repeated_rounds_give_the_same_bytes_also_after_a_restart(bench: Bench) -> None:
    bench.start()
    first = [bench.port.round1(CEREMONY, name) for name in bench.names]
    bench.reopen()
    assert [bench.port.round1(CEREMONY, name) for name in bench.names] == first
    bench.round1()
    second = [bench.port.round2(CEREMONY, name) for name in bench.names]
    bench.reopen()
    assert [bench.port.round2(CEREMONY, name) for name in bench.names] == second
    bench.round2()
    confirmed = bench.confirmed()
    bench.reopen()
    assert bench.confirmed() == confirmed
    assert not list(bench.folder.glob("*/polynomial-*"))


def test_a_false_share_is_named_in_a_signed_complaint(bench: Bench) -> None:
    ceremony = bench.start()
    bench.round1()
    for name in bench.names:
        message: dict[str, Any] = bench.port.round2(CEREMONY, name)
        if name == bench.names[1]:
            message["boxes"][0] = message["boxes"][0][::-1]
        bench.ledger.write(f"ceremony/{CEREMONY}", "CeremonyShared", **message)
    with pytest.raises(CustodyComplaint) as refusal:
        bench.port.confirm(CEREMONY, bench.names[0])
    complaint = refusal.value
    assert (complaint.index, complaint.against, complaint.reason) == (1, 2, "signature")
    signed = statements.complaint(ceremony.cid, 1, 2, "signature")
    statements.check(ceremony.member(1).sign, signed, bytes.fromhex(complaint.sig))
    with pytest.raises(CustodianSilent):
        bench.port.round2(CEREMONY, "nobody")


def test_a_false_commitment_is_named_before_any_box_is_made(bench: Bench) -> None:
    bench.start()
    for name in bench.names:
        message: dict[str, Any] = bench.port.round1(CEREMONY, name)
        if name == bench.names[2]:
            message["pop"] = "00" * 64
        bench.ledger.write(f"ceremony/{CEREMONY}", "CeremonyCommitted", **message)
    with pytest.raises(CustodyComplaint) as refusal:
        bench.port.round2(CEREMONY, bench.names[0])
    assert (refusal.value.against, refusal.value.reason) == (3, "signature")


def test_a_custodian_gives_no_box_before_all_have_committed(bench: Bench) -> None:
    bench.start()
    message = bench.port.round1(CEREMONY, bench.names[0])
    bench.ledger.write(f"ceremony/{CEREMONY}", "CeremonyCommitted", **message)
    with pytest.raises(CustodyComplaint):
        bench.port.round2(CEREMONY, bench.names[0])


@pytest.mark.parametrize("call", ["round2", "confirm"])
def test_no_round_is_skipped(bench: Bench, call: str) -> None:
    bench.start()
    with pytest.raises(CustodianSilent):
        getattr(bench.port, call)(CEREMONY, bench.names[0])


def test_a_ceremony_that_lies_about_its_members_or_name_is_not_joined(bench: Bench) -> None:
    good = dict(bench.start().document)
    members: Any = [dict(member) for member in good["members"]]  # type: ignore[union-attr]
    other = {
        "01" * 16: {**good, "ceremony": "02" * 16},
        "03" * 16: {**good, "ceremony": "03" * 16, "log": "other.test/1"},
        "04" * 16: {**good, "ceremony": "04" * 16, "members": _with(members, 0, sign="11" * 32)},
        "05" * 16: {**good, "ceremony": "05" * 16, "members": _with(members, 0, custodian="x")},
    }
    for name, ceremony in other.items():
        bench.ledger.write(f"ceremony/{name}", "CeremonyStarted", ceremony=ceremony)
        with pytest.raises(CustodianSilent):
            bench.port.round1(name, bench.names[0])
    bench.ledger.write(f"ceremony/{CEREMONY}", "CeremonyStarted", ceremony=good)
    with pytest.raises(CustodianSilent):
        bench.port.round1(CEREMONY, bench.names[0])


def _with(members: list[dict[str, Any]], at: int, **changes: Any) -> list[dict[str, Any]]:
    return [{**one, **changes} if place == at else one for place, one in enumerate(members)]


# --- answers


def refuses(bench: Bench, sealed: Any, custodian: int = 1, plan_no: int = 1) -> str:
    with pytest.raises(CustodianRefusal) as refusal:
        bench.partial(sealed, custodian, plan_no)
    said = refusal.value
    body: dict[str, Any] = {"code": said.reason, "custodian": said.custodian, "deposit": DEPOSIT}
    identity = next(one for one in bench.port.roster() if one.custodian == said.custodian)
    statements.check(
        bytes.fromhex(identity.sign_hex), statements.answer(body), bytes.fromhex(said.sig)
    )
    return said.reason


def test_it_never_opens_before_the_hour_by_its_own_clock(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    bench.clock.at = OPENS
    assert refuses(bench, sealed) == "too-early"
    bench.clock.at = OPENS - timedelta(days=1)
    bench.clock.width = timedelta(days=9)
    assert refuses(bench, sealed) == "too-early"
    bench.clock.at, bench.clock.width = OPENS + timedelta(microseconds=1), timedelta(0)
    assert len(bench.partial(sealed)) == 96


def test_the_hour_in_the_label_holds_against_a_forged_ledger(bench: Bench, keyset: Keyset) -> None:
    late = DEADLINE + timedelta(days=30)
    sealed = bench.ready(keyset, not_before=instant_of(late))
    assert refuses(bench, sealed) == "too-early"
    bench.clock.at = late
    assert refuses(bench, sealed) == "too-early"
    bench.clock.at = late + timedelta(microseconds=1)
    bench.partial(sealed)


def test_without_a_clock_it_answers_nothing(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)

    def broken() -> Any:
        raise ClockDistrusted("it jumped")

    bench.clock.now = broken  # type: ignore[method-assign]
    assert refuses(bench, sealed) == "clock"


def test_a_forked_or_foreign_ledger_is_refused_and_the_pin_stays(
    bench: Bench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    bench.partial(sealed)
    honest = bench.ledger
    fork = ShownLedger()
    fork.rows, fork.tips, fork.now = honest.rows[:-1], dict(honest.tips), honest.now
    fork.tips.pop(f"opening/{NAME}.1")
    for _ in range(5):
        fork.write("consultation/other", "Happened")
    bench.ledger = fork
    assert refuses(bench, sealed) == "view"
    foreign = ShownLedger(seed=bytes(32))
    foreign.rows, foreign.tips = honest.rows, honest.tips
    bench.ledger = foreign
    assert refuses(bench, sealed) == "view"
    bench.ledger = honest
    bench.partial(sealed)


def test_a_stream_shown_shorter_than_before_is_refused(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    bench.ledger.write(f"deposit/{DEPOSIT}", "OpeningRefused", asked_by="x", code="y")
    bench.partial(sealed)
    bench.ledger.rows[-1] = bench.ledger.rows[-1]
    honest = bench.ledger.stream

    def shorter(name: str) -> Any:
        shown = honest(name)
        if name.startswith("deposit/"):
            rows = [row for row in bench.ledger.rows if row.stream == name][:-1]
            path = merkle.inclusion_proof(bench.ledger.leaves(), rows[-1].position)
            shown = {
                "entries": shown["entries"][:-1],
                "inclusion": [step.hex() for step in path],
                "position": rows[-1].position,
            }
        return shown

    bench.ledger.stream = shorter  # type: ignore[method-assign]
    assert refuses(bench, sealed) == "view"


def test_a_register_without_the_row_is_not_listed(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.sealed(keyset)
    bench.case.header_hash = sealed.header.hash.hex()
    case = bench.case.published().assigned().sealed().sealed(LATE)
    case.closed(case.rows((LATE, True))).present("a", "b").planned(DEPOSIT).anchored()
    assert refuses(bench, sealed) == "not-listed"


def test_an_unplanned_envelope_or_another_plan_is_refused(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    assert refuses(bench, sealed, plan_no=2) == "not-planned"


def test_one_member_present_is_too_few(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.sealed(keyset)
    bench.case.header_hash = sealed.header.hash.hex()
    case = bench.case.published().assigned().sealed().closed().present("a")
    case.planned(DEPOSIT).anchored()
    assert refuses(bench, sealed) == "not-planned"


def test_a_suspended_consultation_opens_nothing(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    bench.ledger.write(f"consultation/{NAME}", "ConsultationSuspended", reason="x")
    assert refuses(bench, sealed) == "cancelled"


def test_a_ledger_that_contradicts_itself_is_refused(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    bench.case.assigned(digest("another"))
    assert refuses(bench, sealed) == "view"


def test_another_header_than_the_recorded_one_is_refused(bench: Bench, keyset: Keyset) -> None:
    bench.ready(keyset)
    other = bench.sealed(keyset, dossier="99" * 32)
    assert refuses(bench, other) == "header"


def test_a_head_that_is_none_or_of_another_deposit_is_refused(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    for head in (b"", sealed.head[:-1], sealed.head + b"x", b"PLI1\x00\x00\x00\x02{}"):
        with pytest.raises(CustodianRefusal) as refusal:
            bench.port.partial(NAME, "1", DEPOSIT, 1, head, bench.names[0])
        assert refusal.value.reason == "header"
    with pytest.raises(CustodianRefusal) as refusal:
        bench.port.partial(NAME, "1", LATE, 1, sealed.head, bench.names[0])
    assert refusal.value.reason == "header"


def test_a_bad_capsule_is_refused_last(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.sealed(keyset)
    capsule = sealed.header.capsule
    forged = sealed.header.encoded.replace(
        capsule.hex().encode(), (capsule[:-1] + bytes([capsule[-1] ^ 1])).hex().encode()
    )
    head = b"PLI1" + len(forged).to_bytes(4, "big") + forged
    bench.case.header_hash = Header.parse(forged).hash.hex()
    bench.case.ready()
    with pytest.raises(CustodianRefusal) as refusal:
        bench.port.partial(NAME, "1", DEPOSIT, 1, head, bench.names[0])
    assert refusal.value.reason == "capsule"


def test_an_unknown_keyset_is_refused(bench: Bench, keyset: Keyset, tmp_path: Path) -> None:
    stranger = Bench(tmp_path / "other")
    stranger.rng.bytes(7)
    sealed = bench.ready(stranger.ceremony("ef" * 16))
    assert refuses(bench, sealed) == "unknown-keyset"
    stranger.port.close()


def test_a_keyset_serves_one_consultation_for_ever(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    other = "c-2026-0043"
    bench.ledger.write(f"custody/{other}", "KeyCeremonyCompleted", digest=keyset.digest.hex())
    first = bench.all[0]
    first.alive(keyset.digest.hex(), other)
    assert refuses(bench, sealed) == "unknown-keyset"
    second = bench.all[1]
    bench.partial(sealed, 2)
    with pytest.raises(NotAsked, match="was assigned to"):
        second.alive(keyset.digest.hex(), other)


def test_a_keyset_that_the_ledger_gave_to_nobody_opens_nothing(
    bench: Bench, keyset: Keyset
) -> None:
    sealed = bench.sealed(keyset)
    bench.case.header_hash = sealed.header.hash.hex()
    case = bench.case.published().sealed().closed().present("a", "b")
    case.planned(DEPOSIT).anchored().assigned(digest("another"))
    assert refuses(bench, sealed) == "unknown-keyset"


# --- tests under a canary keyset


def test_purposes_never_mix(bench: Bench, keyset: Keyset) -> None:
    canary = bench.ceremony(CANARY, "canary")
    probe = bench.sealed(canary, kind="CANARY")
    bench.clock.at = DEADLINE - timedelta(days=9)
    partials = [(index, bench.partial(probe, index)) for index in (1, 3)]
    lock = Lock(canary, probe.header.label.encoded, probe.header.capsule)
    assert combine(lock, partials).key == probe.key
    rehearsal = bench.sealed(canary, kind="REHEARSAL")
    bench.partial(rehearsal)
    relabelled = _relabelled(rehearsal.header, b'"kind":"REHEARSAL"', b'"kind":"OFFER"')
    assert _asked(bench, relabelled) == "purpose"
    bench.clock.at = OPENS + timedelta(hours=1)
    bid = bench.ready(keyset)
    assert (
        _asked(bench, _relabelled(bid.header, b'"kind":"OFFER"', b'"kind":"CANARY"')) == "purpose"
    )


def _relabelled(header: Any, old: bytes, new: bytes) -> bytes:
    encoded = header.encoded.replace(old, new)
    return b"PLI1" + len(encoded).to_bytes(4, "big") + encoded


def _asked(bench: Bench, head: bytes) -> str:
    with pytest.raises(CustodianRefusal) as refusal:
        bench.port.partial(NAME, "1", DEPOSIT, 1, head, bench.names[0])
    return str(refusal.value.reason)


# --- durable before it leaves


def crash(*_: object) -> None:
    raise OSError("power lost")


def answers_first(self: LocalCustodian, asked: Any, header: Any, held: Any, seen: Any) -> bytes:
    """Answer as the product does, but with the pin swapped after the answer has left."""
    bound = share_bound(bytes.fromhex(held.digest), held.place)
    share = self._seat.chest.get(share_name(held.digest), bound)
    keyset = Keyset(Ceremony.parse(held.ceremony), held.y, held.points, b"", {})
    keyset = replace(keyset, digest=bytes.fromhex(held.digest))
    lock = Lock(keyset, header.label.encoded, header.capsule)
    return make_partial(lock, held.place, share, self._scalar())


# --- the closing head


def planned(bench: Bench, keyset: Keyset) -> Any:
    """Everything up to the plan; what is anchored then is the test's."""
    sealed = bench.sealed(keyset)
    bench.case.header_hash = sealed.header.hash.hex()
    case = bench.case.published().assigned().sealed().closed()
    case.present("a", "b").planned(DEPOSIT)
    return sealed


def test_a_closing_head_that_it_cosigned_is_believed_and_no_other_of_that_size(
    bench: Bench, keyset: Keyset
) -> None:
    sealed = planned(bench, keyset)
    LocalWitness(bench.all[0]).add_checkpoint(asked(bench.ledger, 0))
    size = len(bench.ledger.rows)
    bench.case.anchored(size=size, head="ab" * 32)
    assert refuses(bench, sealed) == "not-planned", "another root than the one it cosigned"


def test_a_head_that_it_cosigned_needs_no_proof_of_its_own(bench: Bench, keyset: Keyset) -> None:
    sealed = planned(bench, keyset)
    LocalWitness(bench.all[0]).add_checkpoint(asked(bench.ledger, 0))
    bench.case.anchored()
    bench.reopen()
    show, looks = bench.ledger.show, []

    def seen(streams: Any, since: int) -> Any:
        looks.append(list(streams))
        return show(streams, since)

    bench.ledger.show = seen  # type: ignore[method-assign]
    assert bench.partial(sealed)
    assert looks[1:] == [[]], "one proof: that the view continues what it cosigned"
    assert bench.partial(sealed)
    assert looks[3:] == [], "which it knows from then on"
    assert bench.partial(sealed, 2)
    assert looks[4:] == [[]], "the second one missed the closing head"


def test_a_closing_head_that_it_missed_is_proven_by_one_more_look(
    bench: Bench, keyset: Keyset
) -> None:
    sealed = planned(bench, keyset)
    bench.case.anchored()
    assert bench.partial(sealed)


@pytest.mark.parametrize("head", ["ab" * 32, "no root"])
def test_a_closing_head_of_another_tree_is_refused(bench: Bench, keyset: Keyset, head: str) -> None:
    sealed = planned(bench, keyset)
    bench.case.anchored(head=head)
    assert refuses(bench, sealed) == "not-planned"


def test_a_proof_that_ends_in_another_tree_than_the_view_counts_for_nothing(
    bench: Bench, keyset: Keyset
) -> None:
    sealed = planned(bench, keyset)
    bench.case.anchored()
    show = bench.ledger.show

    def grown(streams: Any, since: int) -> Any:
        if not streams:
            bench.ledger.write("buyer/x", "BuyerRegistered", name="x")
        return show(streams, since)

    bench.ledger.show = grown  # type: ignore[method-assign]
    assert refuses(bench, sealed) == "not-planned"
    bench.ledger.show = show  # type: ignore[method-assign]
    assert bench.partial(sealed), "asked again, it answers"


def test_the_pin_is_swapped_durably_before_the_answer_leaves(
    bench: Bench, keyset: Keyset, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = bench.ready(keyset)
    first = bench.all[0]
    before = len(first.answers())

    with monkeypatch.context() as broken:
        broken.setattr(CustodianState, "swap", crash)
        with pytest.raises(OSError, match="power lost"):
            bench.partial(sealed)
        broken.setattr(LocalCustodian, "_answer", answers_first)
        assert bench.partial(sealed), "the planted mistake is seen"
    bench.reopen()
    assert len(bench.all[0].answers()) == before, "no answer was recorded, and none had left"
    given = bench.partial(sealed)
    bench.reopen()
    lines = bench.all[0].answers()
    assert canonical.decode(lines[-1])["body"]["partial"] == given.hex()  # type: ignore[index]
    state = CustodianState(bench.folder / bench.names[0] / "state.db")
    assert state.pin().size == len(bench.ledger.rows)
    state.close()


def test_every_answer_and_refusal_is_signed_and_chained(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    refuses(bench, sealed, plan_no=9)
    bench.partial(sealed)
    lines = bench.all[0].answers()
    assert check_answers(lines) == len(lines) == 5
    sign = bytes.fromhex(bench.port.roster()[0].sign_hex)
    for line in lines:
        fields: Any = canonical.decode(line)
        statements.check(sign, statements.answer(fields["body"]), bytes.fromhex(fields["sig"]))
    with pytest.raises(AnswersBroken):
        check_answers(lines[1:])
    with pytest.raises(AnswersBroken):
        check_answers([lines[0].replace(b"round1", b"round9"), *lines[1:]])


def test_asked_again_a_custodian_repeats_its_answer_and_logs_it(
    bench: Bench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    given = bench.partial(sealed)
    assert bench.partial(sealed) == given
    bench.reopen()
    assert bench.partial(sealed) == given, "the ledger names the hash of these bytes"
    told = [canonical.decode(line)["body"] for line in bench.all[0].answers()[-3:]]
    assert [body["partial"] for body in told] == [given.hex()] * 3  # type: ignore[index, call-overload]
    bench.case.ledger.write("consultation/c-2026-0042", "ConsultationSuspended", reason="x")
    assert refuses(bench, sealed) == "cancelled", "a repeated answer is decided anew"


def test_the_log_of_answers_is_append_only(bench: Bench, keyset: Keyset) -> None:
    db = sqlite3.connect(bench.folder / bench.names[0] / "state.db")
    for statement in ("DELETE FROM answers", "UPDATE answers SET line = x''"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
    db.close()


# --- life and death of a share


def test_life_is_proven_before_the_hour_and_opens_nothing(bench: Bench, keyset: Keyset) -> None:
    bench.case.keyset = keyset.digest.hex()
    bench.case.published().assigned()
    bench.clock.at = DEADLINE - timedelta(days=9)
    for index, name in enumerate(bench.names, 1):
        nonce, proof = bench.port.alive(keyset.digest.hex(), name)
        check_alive(keyset, index, bytes.fromhex(nonce), bytes.fromhex(proof))
    with pytest.raises(CustodianSilent):
        bench.port.alive(digest("none"), bench.names[0])


def test_a_retired_share_is_gone_for_ever(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    name = bench.names[0]
    bench.partial(sealed)
    with pytest.raises(CustodianSilent):
        bench.port.retire(keyset.digest.hex(), name)
    assert list(bench.folder.glob(f"{name}/share-*"))
    bench.ledger.write(
        f"custody/{NAME}", "KeysetRetired", digest=keyset.digest.hex(), reason="finished"
    )
    signature = bench.port.retire(keyset.digest.hex(), name)
    body: dict[str, Any] = {"custodian": name, "digest": keyset.digest.hex()}
    sign = bytes.fromhex(bench.port.roster()[0].sign_hex)
    statements.check(sign, statements.answer(body), bytes.fromhex(signature))
    assert bench.port.retire(keyset.digest.hex(), name) == signature
    assert not list(bench.folder.glob(f"{name}/**/*{keyset.digest.hex()}*"))
    bench.reopen()
    assert refuses(bench, sealed) == "destroyed"
    with pytest.raises(CustodianSilent):
        bench.port.alive(keyset.digest.hex(), name)
    bench.confirmed()
    assert refuses(bench, sealed) == "destroyed", "confirming again brings no share back"
    with pytest.raises(CustodianSilent):
        bench.port.retire(digest("none"), name)


def test_a_lost_share_comes_back_from_its_recovery_copy(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    folder = bench.folder / bench.names[0]
    (folder / f"share-{keyset.digest.hex()}.box").unlink()
    with pytest.raises(CustodianSilent):
        bench.partial(sealed)
    copies = [
        (folder / place / f"{keyset.digest.hex()}.plr1") for place in ("recovery-1", "recovery-2")
    ]
    assert {len(copy.read_bytes()) for copy in copies} == {118}
    offline = bytes.fromhex((folder / "offline" / "recovery.key").read_text())
    with pytest.raises(RecoveryRefused):
        bench.all[1].restore(keyset.digest.hex(), copies[0].read_bytes(), offline)
    bench.all[0].restore(keyset.digest.hex(), copies[1].read_bytes(), offline)
    bench.partial(sealed)


# --- files at rest


def test_secrets_are_for_their_owner_alone(bench: Bench, keyset: Keyset) -> None:
    secrets = [*bench.folder.glob("*/*.box"), *bench.folder.glob("*/offline/*")]
    assert len(secrets) == 3 * 4
    for path in [*secrets, *bench.folder.glob("*/state.db"), *bench.folder.glob("*/*/*.plr1")]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    path = bench.folder / bench.names[0] / "keys.box"
    path.chmod(0o644)
    with pytest.raises(KeyFileExposed):
        bench.reopen()


def test_no_share_lies_in_the_clear(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    bench.partial(sealed)
    folder = bench.folder / bench.names[0]
    chest = Chest(folder, bench.credential(bench.names[0]), bench.rng)
    name = share_name(keyset.digest.hex())
    share = chest.get(name, share_bound(keyset.digest, 1))
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert share not in data, path
            assert share.hex().encode() not in data, path
    for bound in (share_bound(keyset.digest, 2), share_bound(bytes(32), 1)):
        with pytest.raises(ChestLocked):
            chest.get(name, bound)


CHEAP = {"operations": argon2id.OPSLIMIT_MIN, "memory": argon2id.MEMLIMIT_MIN}


def test_a_wrong_passphrase_opens_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda name: Passphrase(f"correct {name}", **CHEAP))
    keyset = bench.ceremony()
    sealed = bench.ready(keyset)
    bench.port.close()
    bench.open()
    bench.partial(sealed)
    with pytest.raises(ChestLocked):
        bench.reopen(Passphrase("wrong", **CHEAP))
    assert "correct" not in repr(Passphrase("correct"))


def test_a_lost_or_broken_credential_opens_nothing(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "keys" / f"{bench.names[0]}.credential"
    good = path.read_bytes()
    for broken in (b"zz\n", b"00\n"):
        path.write_bytes(broken)
        with pytest.raises(ChestLocked):
            bench.reopen()
    path.write_bytes(good)
    bench.open()
    bench.port.close()
    path.unlink()
    with pytest.raises(KeyFileAbsent):
        bench.open()


def test_folders_that_exist_are_left_alone(bench: Bench) -> None:
    before = bench.port.roster()
    bench.port.close()
    Bench(bench.folder.parent)
    bench.open()
    assert bench.port.roster() == before


def test_the_platform_signs_nothing_with_a_custodians_key(bench: Bench) -> None:
    assert SEED not in {one._seat.secrets.sign for one in bench.all}
    assert "sign" not in repr(bench.all[0]._seat.secrets)
    assert COOL_DOWN == 60


# --- witness of the platform's log


def asked(ledger: ShownLedger, old: int) -> bytes:
    steps = tuple(merkle.consistency_proof(ledger.leaves(), old))
    return bytes(Request(old, steps, ledger.note()))


def test_each_custodian_cosigns_what_continues_what_it_knew(bench: Bench) -> None:
    bench.case.published()
    keys = LogKeys.of({"keys": [str(bench.ledger.vkey)]})
    policy = Policy.parse(published_policy(keys, bench.folder))
    witnesses = [LocalWitness(one) for one in bench.all]
    with pytest.raises(QuorumNotMet):
        policy.verify(bench.ledger.note())
    lines = [each.add_checkpoint(asked(bench.ledger, 0)) for each in witnesses]
    assert {reply.status for reply in lines} == {200}
    note = bench.ledger.note() + lines[0].body
    with pytest.raises(QuorumNotMet):
        policy.verify(note)
    assert len(policy.verify(note + lines[2].body).cosignatures) == 2
    assert {each.key.name for each in witnesses} == {
        f"{bench.ledger.origin}/{name}" for name in bench.names
    }


def test_a_witness_remembers_through_a_restart_and_keeps_evidence_of_a_fork(bench: Bench) -> None:
    bench.case.published()
    assert bench.all[0].witness(asked(bench.ledger, 0)).status == 200
    known = len(bench.ledger.rows)
    bench.reopen()
    witness = LocalWitness(bench.all[0])
    kept = witness.checkpoint()
    assert kept is not None
    assert kept.startswith(bench.ledger.note())
    fork = ShownLedger()
    for _ in range(known - 1):
        fork.write("consultation/other", "Happened")
    assert witness.add_checkpoint(asked(fork, known)).status == 422
    state = CustodianState(bench.folder / bench.names[0] / "state.db")
    assert state.evidence() == [fork.note()]
    state.close()
    assert witness.add_checkpoint(asked(bench.ledger, 0)).status == 409
    bench.case.assigned()
    assert witness.add_checkpoint(asked(bench.ledger, known)).status == 200


def test_a_witness_without_a_clock_cosigns_nothing(bench: Bench) -> None:
    def broken() -> Any:
        raise ClockDistrusted("it jumped")

    bench.clock.now = broken  # type: ignore[method-assign]
    assert bench.all[0].witness(asked(bench.ledger, 0)).status == 503
    assert LocalWitness(bench.all[0]).checkpoint() is None


def test_a_cosigned_note_that_moved_is_never_overwritten(bench: Bench) -> None:
    state = CustodianState(bench.folder / bench.names[0] / "state.db")
    bench.case.published()
    one, two = bench.ledger.note(1), bench.ledger.note(2)
    state.remember(Remember("x", None, one))
    with pytest.raises(PinMoved):
        state.remember(Remember("x", None, two))
    assert state.witnessed("x") == one
    assert (state.head(1), state.head(2)) == (merkle.root(bench.ledger.leaves()[:1]), None)
    state.close()


def test_a_pin_that_moved_is_never_overwritten(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    bench.partial(sealed)
    state = CustodianState(bench.folder / bench.names[0] / "state.db")
    pin = state.pin()
    seen = bench.all[0]._seat.look()
    with pytest.raises(PinMoved), state.answer({"x": 1}, b"", "now"):
        state.swap(replace(pin, size=pin.size - 1), seen.view)
    assert state.pin() == pin
    assert state.shares() == [keyset.digest.hex()]
    state.close()

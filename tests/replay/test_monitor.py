"""What a monitor decides: quiet growth, forks, rollbacks, silence, and what an evidence proves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from doubles.small_logs import ORIGIN, POLICY, SEED, Memory, entry, log, signed

from crypto import merkle
from crypto.log_errors import InconsistentTrees
from crypto.merkle import EMPTY_ROOT
from crypto.notes import COSIGNATURE, LOG, Checkpoint, VerifierKey, cosign, join_note, note, sign
from crypto.notes import parse_note as parse
from crypto.policies import Policy, witness_policy
from ledger.exported import hashes_of
from ledger.proofs import TlogProof
from replay import monitor
from replay.monitor import (
    Evidence,
    EvidenceRefused,
    Kind,
    MemoryRefused,
    Outcome,
    Watch,
    compare,
    judge,
    pin_of,
)

LIMIT = 7_200
NOW = 1_800_000_000
LONG = log(600)


def other(count: int, since: int) -> list[bytes]:
    """Return a log which leaves the true one at a position: the chain there is its own."""
    entries = LONG[:since]
    return entries + [entry("probe/x", n + 1, "0" * 64, n) for n in range(count - since)]


def watch(served: list[bytes], **changed: object) -> Watch:
    made = Watch(POLICY, Memory(served).read, {}, {}, LIMIT, lambda: None)
    return replace(made, **changed)  # type: ignore[arg-type]


def after(size: int, now: int = NOW) -> monitor.Memory:
    found = watch(LONG[:size]).poll(None, now)
    assert found.alarms == ()
    return found.memory


def kinds(outcome: Outcome) -> list[Kind]:
    return [each.kind for each in outcome.alarms]


def test_growth_is_quiet_and_remembered() -> None:
    memory = after(1)
    for size in (1, 2, 255, 256, 257, 513, 600):
        found = watch(LONG[:size]).poll(memory, NOW + size)
        assert (found.alarms, found.size, dict(found.problems)) == ((), size, {})
        assert found.quorum
        assert found.memory.note == (signed(LONG[:size]) if size > 1 else memory.note)
        memory = monitor.Memory.parse(bytes(found.memory))
    assert memory.since == NOW + 600


@pytest.mark.parametrize("size", [300, 301, 511, 512, 513, 600])
@pytest.mark.parametrize("since", [0, 1, 299])
def test_a_fork_is_seen_at_each_size_and_proven(size: int, since: int) -> None:
    memory = after(300)
    found = watch(other(size, since)).poll(memory, NOW)
    assert kinds(found) == [Kind.FORK]
    assert found.memory == memory, "what was seen first stays"
    again = Evidence.parse(bytes(found.alarms[0]))
    assert again == found.alarms[0]
    assert judge(again, POLICY) == "two signatures of the log"


def test_a_rollback_is_seen_and_judged_by_its_order() -> None:
    found = watch(LONG[:299]).poll(after(300), NOW)
    assert kinds(found) == [Kind.ROLLBACK]
    evidence = found.alarms[0]
    assert judge(evidence, POLICY).endswith("word for their order")
    with pytest.raises(EvidenceRefused, match="not smaller"):
        judge(replace(evidence, first=evidence.second, second=evidence.first), POLICY)


def test_an_honest_log_cannot_be_accused() -> None:
    first, second = signed(LONG[:256]), signed(LONG[:600])
    tree = hashes_of(Memory(LONG), 600)
    root, proof = merkle.root([merkle.leaf_hash(one) for one in LONG[:256]]), ()
    good = Evidence(
        Kind.FORK, first, second, root=root, proof=tuple(monitor.consistency(256, 600, tree))
    )
    for accused in (
        good,
        replace(good, root=bytes(32)),
        replace(good, root=b""),
        replace(good, proof=proof),
        replace(good, first=second, second=first),
        replace(good, first=first, second=first),
        replace(good, first=b"nothing"),
        replace(good, second=signed(LONG[:600], "other.example/1")),
        replace(good, kind=Kind.SILENCE),
    ):
        with pytest.raises(EvidenceRefused):
            judge(accused, POLICY)


def test_evidence_of_two_logs_is_none() -> None:
    name = "second.example/1"
    both = Policy(
        (*POLICY.logs, VerifierKey.of_seed(name, LOG, bytes(31) + b"1")), {}, {}, "none", {}
    )
    head = Checkpoint(name, 2, bytes(32))
    foreign = note(head, [sign(head, name, bytes(31) + b"1")])
    with pytest.raises(EvidenceRefused, match="two logs"):
        judge(Evidence(Kind.FORK, signed(LONG[:2]), foreign), both)
    with pytest.raises(InconsistentTrees):
        compare(both, foreign, signed(LONG[:2]), hashes_of(Memory(LONG[:2]), 2))


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"at":1}', bytes(Evidence(Kind.FORK)).replace(b"fork", b"spoon"),
             bytes(Evidence(Kind.FORK)).replace(b"/1", b"/2")],
)  # fmt: skip
def test_other_files_are_no_evidence(data: bytes) -> None:
    with pytest.raises(EvidenceRefused):
        Evidence.parse(data)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"note":"x"}'])
def test_a_damaged_memory_is_told(data: bytes) -> None:
    with pytest.raises(MemoryRefused):
        monitor.Memory.parse(data)


def test_silence_counts_from_the_last_new_checkpoint() -> None:
    memory = after(300)
    same = watch(LONG[:300])
    assert same.poll(memory, NOW + LIMIT).alarms == ()
    found = same.poll(memory, NOW + LIMIT + 1)
    assert kinds(found) == [Kind.SILENCE]
    assert found.age_s == LIMIT + 1
    assert Evidence.parse(bytes(found.alarms[0])).first == signed(LONG[:300])
    assert watch(LONG[:301]).poll(memory, NOW + LIMIT + 1).alarms == ()


def test_a_log_that_answers_nothing_or_nonsense_grows_silent() -> None:
    def broken(path: str) -> bytes | None:
        raise OSError("refused")

    memory = after(300)
    for read in (broken, lambda path: None, lambda path: b"x" * 70_000, lambda path: b"x"):
        assert kinds(watch(LONG, read=read).poll(memory, NOW)) == []
        found = watch(LONG, read=read).poll(memory, NOW + LIMIT + 1)
        assert (kinds(found), list(found.problems)) == ([Kind.SILENCE], ["log"])
    # also where nothing was ever seen: from the first poll on, and the file has no note
    start = watch(LONG, read=broken).poll(None, NOW).memory
    assert start.note == b""
    assert kinds(watch(LONG, read=broken).poll(start, NOW + LIMIT + 1)) == [Kind.SILENCE]
    assert watch(LONG).poll(start, NOW).memory.note == signed(LONG)


def test_tiles_that_do_not_lead_to_the_checkpoint_move_nothing() -> None:
    memory = after(300)
    lying, wrong = Memory(LONG), Memory(other(600, 10))
    for read in (
        lambda path: lying.read(path) if path == "checkpoint" else None,
        lambda path: (lying if path == "checkpoint" else wrong).read(path),
    ):
        found = watch(LONG, read=read).poll(memory, NOW)
        assert (found.alarms, list(found.problems)) == ((), ["own memory"])
        assert found.memory == memory


# -- witnesses and pins


NAMES = ("w1", "w2")
SEEDS = {name: name.encode() * 16 for name in NAMES}
WITNESSED = Policy.parse(
    witness_policy(
        VerifierKey.of_seed(ORIGIN, LOG, SEED),
        {name: VerifierKey.of_seed(name, COSIGNATURE, seed) for name, seed in SEEDS.items()},
        2,
        "all",
    )
)


def cosigned(entries: list[bytes], *names: str, time: int = NOW) -> bytes:
    read = parse(signed(entries))
    lines = [str(one) for one in read.signatures]
    return join_note(read.text, lines + [cosign(read.text, n, SEEDS[n], time) for n in names])


def serving(entries: list[bytes], *names: str, time: int = NOW) -> Memory:
    served = Memory(entries)
    served.files["checkpoint"] = cosigned(entries, *names, time=time)
    return served


def test_witnesses_that_saw_another_history_are_heard() -> None:
    for theirs in (other(300, 100), other(600, 100), other(100, 50)):
        one = watch(
            LONG,
            policy=WITNESSED,
            read=serving(LONG, "w1").read,
            witnesses={"w1": lambda seen=theirs: cosigned(seen, "w1"), "w2": lambda: None},
        )
        found = one.poll(None, NOW)
        assert kinds(found) == [Kind.FORK]
        assert found.alarms[0].source == "witness w1"
        assert not found.quorum
        assert found.memory.note == b""
        judge(found.alarms[0], WITNESSED)


def test_a_witness_ahead_is_waited_for_once() -> None:
    served = {"now": serving(LONG[:300], "w1", "w2")}
    one = watch(
        LONG,
        policy=WITNESSED,
        read=lambda path: served["now"].read(path),  # noqa: PLW0108 - `now` changes
        witnesses={"w1": lambda: cosigned(LONG[:512], "w1")},
    )
    found = one.poll(None, NOW)
    assert kinds(found) == [Kind.ROLLBACK]
    assert (found.size, found.quorum) == (300, True)

    def published() -> None:
        served["now"] = serving(LONG[:512], "w1", "w2")

    assert replace(one, pause=published).poll(None, NOW).alarms == ()


def test_one_bad_source_hides_nothing() -> None:
    def down() -> bytes | None:
        raise OSError("no answer")

    one = watch(
        LONG,
        policy=WITNESSED,
        read=serving(LONG, "w1", "w2").read,
        witnesses={"w1": down, "w2": lambda: b"nonsense"},
        pins={"pin a": signed(LONG[:7], "log.example/2"), "pin b": signed(other(9, 3))},
    )
    found = one.poll(after(300), NOW)
    assert {"w1", "w2", "pin a"} == set(found.problems)
    assert [each.source for each in found.alarms] == ["pin b"]


def test_an_old_cosignature_makes_a_new_monitor_see_the_silence() -> None:
    read = serving(LONG, "w1", "w2", time=NOW - LIMIT - 1).read
    assert kinds(watch(LONG, policy=WITNESSED, read=read).poll(None, NOW)) == [Kind.SILENCE]
    ahead = serving(LONG, "w1", "w2", time=NOW + 10**9).read
    memory = watch(LONG, policy=WITNESSED, read=ahead).poll(None, NOW).memory
    later = watch(LONG, policy=WITNESSED, read=ahead).poll(memory, NOW + LIMIT + 1)
    assert kinds(later) == [Kind.SILENCE], "a witness whose clock runs ahead hides no silence"


def test_pins_are_checkpoints_or_receipts_and_wait_above_the_public_size() -> None:
    receipt = bytes(TlogProof(0, (), signed(LONG[:400]), LONG[0]))
    assert pin_of(receipt) == pin_of(signed(LONG[:400])) == signed(LONG[:400])
    pins = {"pin": signed(other(400, 350))}
    assert watch(LONG[:399], pins=pins).poll(None, NOW).alarms == ()
    assert kinds(watch(LONG[:400], pins=pins).poll(None, NOW)) == [Kind.FORK]
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    pins = {"pin": note(empty, [sign(empty, ORIGIN, SEED)])}
    assert watch(LONG, pins=pins).poll(None, NOW).alarms == ()

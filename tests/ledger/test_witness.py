"""Both sides of a witness: the known requests in order, and what a log believes of an answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from crypto.errors import CryptoError
from crypto.log_errors import ProofError, SignatureRefused, WitnessAnswer
from crypto.merkle import EMPTY_ROOT, leaf_hash
from crypto.notes import (
    LOG,
    Checkpoint,
    VerifierKey,
    check_cosignature,
    cosign,
    note,
    parse_checkpoint,
    parse_note,
    sign,
)
from ledger.exported import LogFolder, hashes_of
from ledger.proofs import consistency
from ledger.witness import (
    SIZE_TYPE,
    Reply,
    Request,
    Witness,
    ask_witness,
    monitor_path,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
KNOWN = json.loads((VECTORS / "witness.json").read_text())
LOG_KEY = VerifierKey.parse(KNOWN["log"])
KEY = VerifierKey.parse(KNOWN["witness"])
TIME = KNOWN["time"]


def witness() -> Witness:
    return Witness(KEY.name, bytes.fromhex(KNOWN["seed"]), {LOG_KEY.name: (LOG_KEY,)})


class Running:
    """A witness with its state in memory: stored by compare-and-swap before it answers."""

    def __init__(self) -> None:
        self.notes: dict[str, bytes] = {}
        self.asked: list[Request] = []

    def size(self) -> int:
        stored = self.notes.get(LOG_KEY.name)
        return parse_checkpoint(parse_note(stored).text).size if stored else 0

    def __call__(self, body: bytes) -> Reply:
        self.asked.append(Request.parse(body))
        answer = witness().answer(body, self.notes.get, TIME)
        if answer.remember:
            assert self.notes.get(answer.remember.origin) == answer.remember.expected
            self.notes[answer.remember.origin] = answer.remember.note
        return Reply(answer.status, answer.content_type, answer.body)


def prove(first: int, second: int) -> Sequence[bytes]:
    return consistency(first, second, hashes_of(LogFolder(VECTORS / "log"), 613))


def checkpoint(size: int) -> bytes:
    return (VECTORS / "extra" / "checkpoints" / str(size)).read_bytes()


def test_the_known_requests_in_order() -> None:
    running = Running()
    assert str(witness().key()) == KNOWN["witness"]
    for step in KNOWN["steps"]:
        answer = witness().answer(step["request"].encode(), running.notes.get, TIME)
        if answer.remember:
            running.notes[answer.remember.origin] = answer.remember.note
        assert answer.status == step["status"], step["id"]
        assert answer.body.decode() == step.get("body", answer.body.decode()), step["id"]
        assert answer.content_type == step.get("content_type", answer.content_type), step["id"]
        assert running.size() == step["size_after"], step["id"]
        assert (answer.evidence is not None) == (answer.status == 422), step["id"]


def test_what_is_remembered_is_a_note_of_the_log_and_the_witness() -> None:
    running = Running()
    ask_witness(running, KEY, checkpoint(300), 0, prove)
    stored = parse_note(running.notes[LOG_KEY.name])
    assert [line.name for line in stored.signatures] == [LOG_KEY.name, KEY.name]
    assert check_cosignature(KEY, stored.text, stored.signatures[1].signature) == TIME


def test_a_log_asks_and_is_told_the_size() -> None:
    running = Running()
    assert ask_witness(running, KEY, checkpoint(300), 0, prove).time == TIME
    found = ask_witness(running, KEY, checkpoint(613), 100, prove)
    assert [request.old for request in running.asked] == [0, 100, 300]
    assert running.size() == 613
    signed = parse_note(checkpoint(613)).text
    assert found.line == cosign(signed, KEY.name, bytes.fromhex(KNOWN["seed"]), TIME)


def test_a_log_that_fell_behind_its_witness_is_told() -> None:
    running = Running()
    ask_witness(running, KEY, checkpoint(613), 0, prove)
    with pytest.raises(WitnessAnswer, match="cosigned size 613") as refusal:
        ask_witness(running, KEY, checkpoint(300), 0, prove)
    assert (refusal.value.witness, refusal.value.status) == (KEY.name, 409)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(404, "text/plain", b"unknown origin\n"), WitnessAnswer),
        (Reply(409, "text/plain", b"0\n"), WitnessAnswer),
        (Reply(409, SIZE_TYPE, b"x\n"), CryptoError),
        (Reply(200, "text/plain", b""), CryptoError),
        (Reply(200, "text/plain", b"\xff\n"), CryptoError),
        (Reply(200, "text/plain", "— other AAAAAAA=\n".encode()), WitnessAnswer),
        (Reply(200, "text/plain", f"— {KEY.name} yQCDTAAA\n".encode()), SignatureRefused),
    ],
)
def test_other_answers_are_no_cosignature(reply: Reply, error: type[CryptoError]) -> None:
    with pytest.raises(error):
        ask_witness(lambda body: reply, KEY, checkpoint(300), 0, prove)


def test_a_witness_that_knows_two_keys_wants_one_good_and_none_bad() -> None:
    new = VerifierKey.of_seed(LOG_KEY.name, LOG, bytes(32))
    both = Witness(KEY.name, bytes(32), {LOG_KEY.name: (LOG_KEY, new)})
    grown = Checkpoint(LOG_KEY.name, 1, leaf_hash(b"entry"))
    good = sign(grown, new.name, bytes(32))
    request = bytes(Request(0, (), note(grown, [good])))
    assert both.answer(request, lambda origin: None, TIME).status == 200
    bad = sign(Checkpoint(LOG_KEY.name, 2, leaf_hash(b"entry")), new.name, bytes(32))
    request = bytes(Request(0, (), note(grown, [good, bad])))
    assert both.answer(request, lambda origin: None, TIME).status == 403


def test_an_empty_log_is_cosigned_too() -> None:
    empty = Checkpoint("o", 0, EMPTY_ROOT)
    one = Witness("w", bytes(32), {"o": (VerifierKey.of_seed("o", LOG, bytes(32)),)})
    request = bytes(Request(0, (), note(empty, [sign(empty, "o", bytes(32))])))
    assert one.answer(request, lambda origin: None, TIME).status == 200


def test_bytes_that_are_no_request() -> None:
    for body in (b"", b"old 1\n", "old 1é\n\n".encode(), b"new 1\n\n"):
        with pytest.raises(ProofError):
            Request.parse(body)
        assert witness().answer(body, lambda origin: None, TIME).status == 400


def test_monitors_find_an_origin_by_its_hash() -> None:
    assert monitor_path("") == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/checkpoint"
    )

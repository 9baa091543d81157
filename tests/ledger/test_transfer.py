"""Manifests of backups are read strictly, and nothing later may be known of what is restored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from doubles.ledger import LocalWitness, SeedSigner

from crypto.log_errors import SignatureRefused
from crypto.notes import (
    Checkpoint,
    cosign,
    join_note,
    note,
    parse_checkpoint,
    parse_note,
    sign_text,
)
from crypto.policies import Policy, log_policy, witness_policy
from ledger.errors import AnotherHistory, BackupDamaged, BackupOlder, BackupUnwitnessed
from ledger.transfer import (
    FORMAT,
    Evidence,
    FileRow,
    Manifest,
    check_newest,
    is_file_name,
    join_manifest,
    last_witnessed,
    read_manifest,
)

SIGNER = SeedSigner()
KEYS = [SIGNER.key]
POLICY = Policy.parse(log_policy(SIGNER.key))
HEAD = Checkpoint(SIGNER.name, 300, b"\x01" * 32)
ROWS = (FileRow("blobs/ab/abcd", 5, "ab" * 32), FileRow("ledger.db", 4096, "cd" * 32))
MANIFEST = Manifest(HEAD, "2026-03-02T07:00:00.000000Z", False, b"a note\n", ROWS)


def signed(text: str, signer: SeedSigner = SIGNER) -> bytes:
    return join_note(text, [sign_text(text, signer.name, signer.seed)])


def published(size: int, origin: str = SIGNER.name, root: bytes = b"\x01" * 32) -> bytes:
    checkpoint = Checkpoint(origin, size, root)
    signer = SeedSigner(origin)
    return note(checkpoint, [signer.sign(checkpoint)])


@pytest.mark.parametrize(
    "manifest", [MANIFEST, replace(MANIFEST, keys=True, mark=None), replace(MANIFEST, files=())]
)
def test_a_manifest_comes_back_equal(manifest: Manifest) -> None:
    line = sign_text(manifest.text(), SIGNER.name, SIGNER.seed)
    assert read_manifest(join_manifest(manifest, line), KEYS) == manifest


def test_a_manifest_is_never_a_checkpoint() -> None:
    from crypto.errors import CryptoError

    with pytest.raises(CryptoError):
        parse_checkpoint(parse_note(signed(MANIFEST.text())).text)


TEXT = MANIFEST.text()


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(FORMAT, "pli-backup/2"),
        f"{FORMAT}\n",
        TEXT.replace("size 300", "length 300"),
        TEXT.replace("size 300", "size 0300"),
        TEXT.replace("keys no", "keys perhaps"),
        TEXT.replace("mark ", "mark !"),
        TEXT.replace("ledger.db", "../ledger.db"),
        TEXT.replace("ledger.db", "/etc/passwd"),
        TEXT.replace("cd" * 32, "CD" * 32),
        TEXT.replace("4096 ledger.db", "4096 ledger.db extra"),
        TEXT + f"{'cd' * 32} 1 a-first\n",
        TEXT + f"{'cd' * 32} 1 ledger.db\n",
        TEXT.replace("4096", "-1"),
        TEXT.replace(f"origin {SIGNER.name}", "origin other.example/log"),
    ],
)
def test_a_manifest_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(BackupDamaged):
        read_manifest(signed(text), KEYS)


def test_a_manifest_of_another_hand_is_refused() -> None:
    with pytest.raises(BackupDamaged):
        read_manifest(signed(TEXT, SeedSigner(seed=bytes(32))), KEYS)
    changed = signed(TEXT).replace(b"300", b"301")
    with pytest.raises(BackupDamaged):
        read_manifest(changed, KEYS)
    with pytest.raises(BackupDamaged):
        read_manifest(b"junk", KEYS)


@pytest.mark.parametrize("name", ["", ".", "..", "a/../b", "a//b", "/a", "a/", ".a", "a b", "é"])
def test_names_that_leave_the_folder(name: str) -> None:
    assert not is_file_name(name)
    assert is_file_name("blobs/ab/cd.ef-1_2")


def test_what_is_known_may_be_as_new_but_not_newer() -> None:
    check_newest(HEAD, POLICY, [])
    check_newest(HEAD, POLICY, [Evidence("the pin", published(300))])
    for source in ("the high-water mark", "the witness w1", "the pin"):
        with pytest.raises(BackupOlder) as refused:
            check_newest(HEAD, POLICY, [Evidence(source, published(301))])
        assert (refused.value.known, refused.value.source) == (301, source)


def test_evidence_of_another_log_is_no_evidence() -> None:
    other = SeedSigner("other.example/log")
    both = Policy((SIGNER.key, other.key), {}, {}, "none", {})
    with pytest.raises(AnotherHistory):
        check_newest(HEAD, both, [Evidence("the pin", published(10, other.name))])
    with pytest.raises(SignatureRefused):
        check_newest(HEAD, POLICY, [Evidence("the pin", published(10, other.name))])


def test_the_newest_checkpoint_with_enough_witnesses() -> None:
    witness = LocalWitness()
    policy = Policy.parse(witness_policy(SIGNER.key, {"w1": witness.key}, 1, "group"))
    notes = []
    for size in (100, 200, 300):
        bare = published(size)
        lines = [str(line) for line in parse_note(bare).signatures]
        if size != 300:
            text = parse_note(bare).text
            lines.append(cosign(text, witness.decision.name, witness.decision.seed, 7))
        notes.append(join_note(parse_note(bare).text, lines))
    assert last_witnessed(policy, notes).checkpoint.size == 200
    for none in ([], [notes[2]]):
        with pytest.raises(BackupUnwitnessed):
            last_witnessed(policy, none)

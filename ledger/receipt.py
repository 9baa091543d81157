"""Receipts: entry, inclusion proof and checkpoint in one C2SP tlog-proof (ledger.md §7).

A receipt is checked here before it leaves, by the ordinary verifier. It knows no procurement; the
mentions that people read are made elsewhere.
"""

from __future__ import annotations

from crypto import merkle
from crypto.notes import Checkpoint, parse_checkpoint, parse_note
from ledger.entry import Row, leaf
from ledger.proofs import HashAt, TlogProof, inclusion


def checkpoint_of(note: bytes) -> Checkpoint:
    """Return what one of our own notes says."""
    return parse_checkpoint(parse_note(note).text)


def make_receipt(row: Row, note: bytes, hash_at: HashAt) -> bytes:
    """Return the proof that an entry stands in the log under a checkpoint of ours."""
    checkpoint = checkpoint_of(note)
    proof = inclusion(row.position, checkpoint.size, hash_at)
    merkle.check_inclusion(leaf(row.entry), row.position, checkpoint.size, proof, checkpoint.root)
    return bytes(TlogProof(row.position, tuple(proof), note, row.entry))

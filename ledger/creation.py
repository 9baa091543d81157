"""How a log begins, how a lost mark is restored, how its keys change (`pli ledger`, `pli keys`).

A log is created by `create` only, never because a table is empty.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from crypto.canonical import Json
from crypto.keys import LogKeys
from crypto.notes import Checkpoint, VerifierKey
from ledger.chains import FORMAT
from ledger.checkpointer import Checkpointer, read_mark
from ledger.entry import LOG_STREAM, Data, Draft, checked_state, instant_text
from ledger.errors import LedgerExists, MarkMissing, MarkUnexpected
from ledger.log_keys import LogSigners, add_key, read_log_keys, retire_key
from ledger.opened_store import OpenedStore
from ledger.ports import Ports
from ledger.recovery import check_ancestor, check_mark, read_genesis
from ledger.second_path import SecondPath
from ledger.store import Reads

PAD = 256
BEAT_S = 3_600


def create(
    folder: Path, ports: Ports, *, pad: int = PAD, beat_s: int = BEAT_S, simulated: bool = False
) -> None:
    """Write entry 0 and sign size 1; what was begun and interrupted is finished."""
    with OpenedStore(folder, ports, create=True) as store:
        size = store.sequencer.levels.size
        mark = ports.high_water.load()
        if mark is not None:
            raise LedgerExists(str(folder)) if size else MarkUnexpected(size)
        if size > 1:
            raise MarkMissing(size)
        key = ports.signer.key
        if size == 0:
            data: dict[str, Json] = {
                "beat_s": beat_s,
                "clock": "simulated" if simulated else "real",
                "format": FORMAT,
                "keys": [str(key)],
                "origin": key.name,
                "pad": pad,
            }
            _append(store, ports, 1, "LogCreated", data)
        with store.readers.snapshot() as reads:
            signers = log_signers(reads, ports)
            read_genesis(reads, signers.keys, key)
        _checkpointer(store, ports, signers).sign_head()


def adopt(folder: Path, ports: Ports, *, note: bytes, reason: str) -> None:
    """Restore a lost mark from a checkpoint that the log signed and the store still contains."""
    with OpenedStore(folder, ports) as store:
        levels = store.sequencer.levels
        if ports.high_water.load() is not None:
            raise MarkUnexpected(levels.size)
        with store.readers.snapshot() as reads:
            signers = log_signers(reads, ports)
            read_genesis(reads, signers.keys, ports.signer.key)
            version = reads.stream(LOG_STREAM, backwards=True, limit=1)[0].version
        signed = read_mark(signers, note)
        check_ancestor(levels, signed, "the checkpoint to adopt")
        ports.high_water.swap(None, note)
        checkpoint = signed.checkpoint
        data: dict[str, Json] = {
            "reason": reason,
            "root": checkpoint.root.hex(),
            "size": checkpoint.size,
        }
        _append(store, ports, version + 1, "LogAdopted", data)


def succeed(folder: Path, ports: Ports, before: Checkpoint, reason: str) -> None:
    """Name the log that this new one continues, as its second entry (ledger.md §5).

    Entries of a log belong to its entry 0, so none is copied: the log before stays whole, beside.
    """
    with OpenedStore(folder, ports) as store:
        if store.sequencer.levels.size != 1:
            raise LedgerExists(str(folder))
        data: dict[str, Json] = {
            "reason": f"successor of {before.origin}: {reason}",
            "root": before.root.hex(),
            "size": before.size,
        }
        _append(store, ports, 2, "LogAdopted", data)
        with store.readers.snapshot() as reads:
            signers = log_signers(reads, ports)
        _checkpointer(store, ports, signers).sign_head()


def change_key(
    folder: Path,
    ports: Ports,
    *,
    added: VerifierKey | None = None,
    retired: str | None = None,
) -> LogKeys:
    """Let a key sign from now on too, or no more; sign the size from which it holds.

    What was begun and interrupted is finished: a key that was added already is signed with.
    """
    with OpenedStore(folder, ports) as store:
        with store.readers.snapshot() as reads:
            before = log_signers(reads, ports)
            read_genesis(reads, before.keys, ports.signer.key)
            check_mark(store.sequencer.levels, before, ports.high_water.load())
            if added is not None and str(added) not in before.keys.since:
                add_key(store.sequencer, reads, before.keys, added)
            if retired is not None:
                before.check_able(without=retired)
                retire_key(store.sequencer, reads, before.keys, retired)
        with store.readers.snapshot() as reads:
            signers = log_signers(reads, ports)
        _checkpointer(store, ports, signers).sign_head()
        return signers.keys


def log_signers(reads: Reads, ports: Ports) -> LogSigners:
    """Return the keys of a log, and those of them that these ports can sign with."""
    return LogSigners(read_log_keys(reads, ports.signer.key), (ports.signer, *ports.signers))


def _append(store: OpenedStore, ports: Ports, version: int, kind: str, data: Data) -> None:
    state = checked_state(instant_text(ports.clock.now().latest), data, 1)
    command = f"{LOG_STREAM}/{kind}/{version}"
    draft = Draft(LOG_STREAM, version, kind, state)
    store.append(command, hashlib.sha256(state).digest(), draft)


def _checkpointer(store: OpenedStore, ports: Ports, signers: LogSigners) -> Checkpointer:
    return Checkpointer(
        sequencer=store.sequencer,
        snapshot=store.readers.snapshot,
        second_path=SecondPath(),
        signers=signers,
        high_water=ports.high_water,
        fail_stop=store.fail_stop,
    )

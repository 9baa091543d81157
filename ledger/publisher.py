"""Published checkpoints: padded, signed, stored, cosigned (ledger.md §2 and §8).

Every public size is a multiple of ``pad`` and larger than the one before, so that a beat with no
deposit and one with seven look the same. Published with the cosignatures that came in time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from crypto.errors import CryptoError
from ledger.checkpointer import Checkpointer, Signed
from ledger.errors import LedgerError
from ledger.ports import Witness
from ledger.proofs import consistency
from ledger.sequencer import Sequencer
from ledger.sqlite import SqliteWriter
from ledger.witness import Cosignature, ask_witness


class Publisher:
    """Pads, signs, stores and has cosigned what everybody may see."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        *,
        checkpointer: Checkpointer,
        sequencer: Sequencer,
        store: SqliteWriter,
        witnesses: Sequence[Witness],
        pad: int,
        published: int,
    ) -> None:
        self._checkpointer = checkpointer
        self._sequencer = sequencer
        self._store = store
        self._witnesses = witnesses
        self._pad = pad
        self._publishing = threading.Lock()
        self._published = published  # under _publishing
        self._known: dict[str, int] = {}  # size that each witness cosigned last; _publishing
        self.silent: dict[str, str] = {}
        """Why each witness gave no cosignature the last time."""

    def publish(self) -> tuple[int, bytes]:
        """Return size and note of a new published checkpoint with the cosignatures that came."""
        with self._publishing:
            signed = self._checkpointer.sign_padded(self._pad, self._published)
            size = signed.checkpoint.size
            self._sequencer.alone(lambda: self._store.publish(size, signed.note))
            before, self._published = self._published, size
            lines = self._cosign(signed, before)
            return size, signed.note + b"".join(f"{line}\n".encode() for line in lines)

    def _cosign(self, signed: Signed, before: int) -> list[str]:
        """Ask all witnesses in parallel; store and return the lines that came, by name."""
        if not self._witnesses:
            return []
        with ThreadPoolExecutor(len(self._witnesses)) as pool:
            answers = list(pool.map(lambda each: self._ask(each, signed, before), self._witnesses))
        lines = {}
        for witness, answer in zip(self._witnesses, answers, strict=True):
            name = witness.key.name
            if isinstance(answer, str):
                self.silent[name] = answer
                continue
            self.silent.pop(name, None)
            self._known[name] = signed.checkpoint.size
            lines[name] = answer.line
            self._keep(signed.checkpoint.size, name, answer.line)
        return [lines[name] for name in sorted(lines)]

    def _keep(self, size: int, witness: str, line: str) -> None:
        self._sequencer.alone(lambda: self._store.cosigned(size, witness, line))

    def _ask(self, witness: Witness, signed: Signed, before: int) -> Cosignature | str:
        """Return the cosignature of one witness, or why there is none."""
        levels = self._sequencer.levels
        try:
            return ask_witness(
                witness.add_checkpoint,
                witness.key,
                signed.note,
                self._known.get(witness.key.name, before),
                lambda old, size: consistency(old, size, levels.hash_at),
            )
        except (CryptoError, LedgerError, OSError) as error:
            return str(error)

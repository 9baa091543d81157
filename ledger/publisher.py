"""Published checkpoints: padded, signed, stored, cosigned (ledger.md §2 and §8).

Every public size is a multiple of ``pad`` and larger than the one before, so that a beat with no
deposit and one with seven look the same. Published with the cosignatures that came in time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from crypto.errors import CryptoError
from ledger.checkpointer import Checkpointer, Signed, nobody_else
from ledger.errors import LedgerError
from ledger.ports import Witness
from ledger.proofs import consistency
from ledger.sequencer import Sequencer
from ledger.store import Writer
from ledger.witness import Cosignature, ask_witness


class Publisher:
    """Pads, signs, stores and has cosigned what everybody may see."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        *,
        checkpointer: Checkpointer,
        sequencer: Sequencer,
        store: Writer,
        witnesses: Sequence[Witness],
        pad: int,
        turn: Callable[[str], AbstractContextManager[None]] = nobody_else,
    ) -> None:
        self._checkpointer = checkpointer
        self._sequencer = sequencer
        self._store = store
        self._witnesses = witnesses
        self._pad = pad
        self._publishing = threading.Lock()
        self._turn = turn
        self._published = 0  # under _publishing
        self._known: dict[str, int] = {}  # size that each witness cosigned last; _publishing
        self.silent: dict[str, str] = {}
        """Why each witness gave no cosignature the last time."""

    def publish(self) -> bytes:
        """Return the note of a new published checkpoint with the cosignatures that came."""
        with self._publishing, self._turn("publish"):
            newest = self._sequencer.alone(self._store.last_checkpoint)
            self._published = 0 if newest is None else newest[0]
            signed = self._checkpointer.sign_padded(self._pad, self._published)
            size = signed.checkpoint.size
            lines = self._cosign(signed)
            self._sequencer.alone(lambda: self._store.publish(size, signed.note, lines))
            self._published = size
            return signed.note + b"".join(f"{lines[name]}\n".encode() for name in sorted(lines))

    def _cosign(self, signed: Signed) -> dict[str, str]:
        """Ask all witnesses in parallel; return the lines that came, by name."""
        if not self._witnesses:
            return {}
        with ThreadPoolExecutor(len(self._witnesses)) as pool:
            answers = list(pool.map(lambda each: self._ask(each, signed), self._witnesses))
        lines = {}
        for witness, answer in zip(self._witnesses, answers, strict=True):
            name = witness.key.name
            if isinstance(answer, str):
                self.silent[name] = answer
            else:
                self.silent.pop(name, None)
                self._known[name] = signed.checkpoint.size
                lines[name] = answer.line
        return lines

    def _ask(self, witness: Witness, signed: Signed) -> Cosignature | str:
        """Return the cosignature of one witness, or why there is none."""
        levels = self._sequencer.levels
        try:
            return ask_witness(
                witness.add_checkpoint,
                witness.key,
                signed.note,
                self._known.get(witness.key.name, self._published),
                lambda old, size: consistency(old, size, levels.hash_at),
            )
        except (CryptoError, LedgerError, OSError) as error:
            return str(error)

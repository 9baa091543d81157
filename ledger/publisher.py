"""Published checkpoints: padded, signed, stored, cosigned (ledger.md §2 and §8).

Every public size is a multiple of ``pad`` and larger than the one before, so that a beat with no
deposit and one with seven look the same. Published with the cosignatures that came in time.

A closing head below its quorum is *owed*: a witness that was silent is asked for it before it is
asked for anything larger, because a witness never goes back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

from crypto.errors import CryptoError
from crypto.notes import parse_checkpoint, parse_note
from ledger.checkpointer import Checkpointer, Signed, nobody_else
from ledger.errors import LedgerError
from ledger.ports import Witness
from ledger.proofs import consistency
from ledger.sequencer import Sequencer
from ledger.store import Writer
from ledger.witness import ask_witness


@dataclass
class _Wanted:
    """A published checkpoint and the witnesses whose line it has."""

    signed: Signed
    have: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        return self.signed.checkpoint.size


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
        self._owed: dict[int, _Wanted] = {}  # closing heads below their quorum; _publishing
        self.silent: dict[str, str] = {}
        """Why each witness gave no cosignature the last time."""

    def publish(self) -> bytes:
        """Return the note of a new published checkpoint with the cosignatures that came."""
        with self._publishing, self._turn("publish"):
            newest = self._sequencer.alone(self._store.last_checkpoint)
            self._published = 0 if newest is None else newest[0]
            signed = self._checkpointer.sign_padded(self._pad, self._published)
            size = signed.checkpoint.size
            found = self._cosign([*self._in_order(), _Wanted(signed)])
            lines = found.pop(size, {})
            self._sequencer.alone(lambda: self._store.publish(size, signed.note, lines))
            self._published = size
            self._add(found)
            return signed.note + b"".join(f"{lines[name]}\n".encode() for name in sorted(lines))

    def owe(self, note: bytes) -> None:
        """Remember a published note that lacks cosignatures, until it is settled."""
        with self._publishing:
            self._owe(note)

    def settle(self, size: int) -> None:
        """Forget what was owed: the quorum is there."""
        with self._publishing:
            self._owed.pop(size, None)

    def complete(self, *notes: bytes) -> None:
        """Ask again for the cosignatures that published notes lack, and store what comes."""
        with self._publishing:
            for note in notes:
                self._owe(note)
            self._add(self._cosign(self._in_order()))

    def _owe(self, note: bytes) -> None:
        read = parse_note(note)
        signed = Signed(parse_checkpoint(read.text), note)
        have = {line.name for line in read.signatures}
        self._owed[signed.checkpoint.size] = _Wanted(signed, have)

    def _in_order(self) -> list[_Wanted]:
        return [self._owed[size] for size in sorted(self._owed)]

    def _add(self, found: Mapping[int, Mapping[str, str]]) -> None:
        for size, lines in found.items():
            self._sequencer.alone(partial(self._store.add_cosignatures, size, lines))
            self._owed[size].have.update(lines)

    def _cosign(self, wanted: Sequence[_Wanted]) -> dict[int, dict[str, str]]:
        """Ask all witnesses in parallel; return the lines that came, by size and name."""
        found: dict[int, dict[str, str]] = {}
        if not self._witnesses:
            return found
        with ThreadPoolExecutor(len(self._witnesses)) as pool:
            answers = list(pool.map(lambda each: self._ask(each, wanted), self._witnesses))
        for witness, lines in zip(self._witnesses, answers, strict=True):
            for size, line in lines.items():
                found.setdefault(size, {})[witness.key.name] = line
        return found

    def _ask(self, witness: Witness, wanted: Sequence[_Wanted]) -> dict[int, str]:
        """Return the lines of one witness by size, the oldest first; note why one is missing."""
        name, levels = witness.key.name, self._sequencer.levels
        lines: dict[int, str] = {}
        for each in (one for one in wanted if name not in one.have):
            try:
                lines[each.size] = ask_witness(
                    witness.add_checkpoint,
                    witness.key,
                    each.signed.note,
                    min(each.size, self._known.get(name, self._published)),
                    lambda old, size: consistency(old, size, levels.hash_at),
                ).line
            except (CryptoError, LedgerError) as error:
                self.silent[name] = str(error)
            except OSError as error:  # it would not answer the next question either
                self.silent[name] = str(error)
                break
            else:
                self.silent.pop(name, None)
                self._known[name] = each.size
        return lines

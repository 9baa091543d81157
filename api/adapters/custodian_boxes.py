"""The box keys of a custodian: one for each ceremony, destroyed with it.

The boxes with shares stay in the ledger for ever (`CeremonyShared`), so the secret that opens them
must not: whoever took it later would compute a share again that was destroyed. One key is the
*current* one, which the custodian names to whoever starts a ceremony. The first answer for a
ceremony gives the key to it, and a new one becomes current. A key that is not current and belongs
to no ceremony that goes on is overwritten (`sweep`), and `forget` ends one whoever still uses it.

A secret lies in the chest before the memory names it, and leaves the memory before the chest: what
a crash leaves over is a secret that nothing names, and the next sweep destroys it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from api.adapters.custodian_box_notes import BoxNotes
from api.adapters.keys import Chest, Random
from crypto import sealed_box

BOX_BYTES: Final = 32
BOUND: Final = b"pli/custodian/box/v1\x00"
PREFIX: Final = "box-"
LONGEST: Final = timedelta(days=30)
"""A ceremony that has not come to its end by then keeps no key any more."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Boxes:
    """The box keys in one chest; their owner holds its lock."""

    chest: Chest
    notes: BoxNotes
    random: Random
    now: Callable[[], datetime | None]

    @property
    def current(self) -> bytes:
        """Return the public key that is noted for the next ceremony."""
        return self.notes.current()

    def begin(self, first: bytes | None) -> None:
        """Have a current key, from this secret if there was none yet; destroy what is left over.

        A home that was copied while it changed may name a key that it does not have.
        """
        if not self.current or not self.kept(self.current):
            self._renew(first or self.random.bytes(BOX_BYTES))
        self.sweep()

    def named(self) -> bytes:
        """Return the public key for the next ceremony; a lost one has a follower first."""
        if not self.kept(self.current):
            self._renew(self.random.bytes(BOX_BYTES))
        return self.current

    def kept(self, public: bytes) -> bool:
        """Say whether the secret of this key is still here."""
        return self.chest.holds(_name(public))

    def secret(self, public: bytes) -> bytes:
        """Return the secret of a key that is kept."""
        return self.chest.get(_name(public), BOUND + public)

    def give(self, ceremony: str, public: bytes) -> None:
        """Keep a key for a ceremony until that ends; the next one will have another."""
        self.notes.give(ceremony, public, self._second())
        if public == self.current:
            self._renew(self.random.bytes(BOX_BYTES))

    def forget(self, public: bytes) -> None:
        """Destroy a key now, also if a ceremony that goes on would need it."""
        if public == self.current:
            self._renew(self.random.bytes(BOX_BYTES))
        self.notes.forget(public)
        self.chest.destroy(_name(public))

    def sweep(self) -> None:
        """Destroy every key that is not current and that no ceremony needs any more."""
        now = self._second()
        if now:
            self.notes.expire(now, int(LONGEST.total_seconds()))
        needed = {_name(public) for public in (self.current, *self.notes.given())}
        for name in self.chest.names(PREFIX):
            if name not in needed:
                self.chest.destroy(name)

    def _renew(self, secret: bytes) -> None:
        public = sealed_box.public_key(secret)
        self.chest.put(_name(public), BOUND + public, secret)
        # a crash before this line leaves a secret that nothing names
        self.notes.make_current(public)

    def _second(self) -> int:
        """Return the custodian's own time in seconds since 1970, 0 if its clock gives none."""
        now = self.now()
        return 0 if now is None else (now - EPOCH) // timedelta(seconds=1)


def _name(public: bytes) -> str:
    return f"{PREFIX}{public.hex()}"

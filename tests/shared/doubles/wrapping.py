"""The key that wraps the keys of subjects, in memory; a step of it can fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class MemoryWrapping:
    """The wrapping keys of one home; `fails` names the step that fails once."""

    held: list[bytes] = field(default_factory=list)
    fails: str = ""

    def keys(self) -> Sequence[bytes]:
        return list(self.held)

    def add(self, key: bytes) -> None:
        self.held.append(key)
        self._fail("add")

    def keep(self, key: bytes) -> None:
        if len(self.held) > 1:
            self._fail("keep")
        self.held = [key]

    def _fail(self, step: str) -> None:
        if self.fails == step:
            self.fails = ""
            raise OSError(f"{step} fails")

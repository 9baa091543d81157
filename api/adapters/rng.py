"""Random bytes of the operating system, the only source behind the port Rng."""

from __future__ import annotations

import secrets


class SystemRng:
    """The operating system's generator."""

    def bytes(self, count: int) -> bytes:
        """Return this many fresh random bytes."""
        return secrets.token_bytes(count)

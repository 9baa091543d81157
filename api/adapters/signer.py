"""The log's own key behind the port Signer: a key file of mode 0600 outside the database."""

from __future__ import annotations

from crypto import notes
from crypto.keys import SigningKey


class FileSigner:
    """Signs checkpoints with the key of a file that was read at start."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @property
    def key(self) -> notes.VerifierKey:
        """Return the public half; its name is the origin of the log."""
        return self._key.verifier()

    def sign(self, checkpoint: notes.Checkpoint) -> str:
        """Return the signature line of a checkpoint."""
        return notes.sign(checkpoint, self._key.name, self._key.seed)

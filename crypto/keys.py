"""Bytes of the key files of a log or witness, and which log keys are valid at which size.

A key file is one line, the signer key of C2SP's signed notes:
`PRIVATE+KEY+<name>+<identifier>+<base64 of type and seed>`. Files are read by adapters; they stand
outside the database and its backups, mode 0600.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from crypto import notes
from crypto.canonical import Json
from crypto.errors import CryptoError
from crypto.log_errors import KeyFileRefused
from crypto.policies import NO_QUORUM, VALID

_PREFIX: Final = "PRIVATE+KEY+"
_SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The secret half of a verifier key; its seed never shows in a representation."""

    name: str
    kind: int
    seed: bytes = field(repr=False)

    def verifier(self) -> notes.VerifierKey:
        """Return the public half."""
        return notes.VerifierKey.of_seed(self.name, self.kind, self.seed)


def write_key_file(key: SigningKey) -> bytes:
    """Return the bytes of a key file."""
    encoded = notes.write_base64(bytes([key.kind]) + key.seed)
    return f"{_PREFIX}{key.name}+{key.verifier().key_id.hex()}+{encoded}\n".encode()


def read_key_file(data: bytes, kind: int) -> SigningKey:
    """Return the key of this type that a file holds, or raise KeyFileRefused."""
    try:
        content = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise KeyFileRefused("it is not one line of ASCII") from error
    if not content.startswith(_PREFIX) or not content.endswith("\n"):
        raise KeyFileRefused(f"it does not start with {_PREFIX} or its line does not end")
    name, _, rest = content[len(_PREFIX) : -1].partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        secret = notes.read_base64(encoded, 1 + _SEED_BYTES)
    except CryptoError:
        # The message of the first error could show a part of the secret.
        raise KeyFileRefused("its last field is not a type and a seed in base64") from None
    key = SigningKey(name, secret[0], secret[1:])
    if key.kind != kind:
        raise KeyFileRefused(f"a key of type 0x{key.kind:02x} in place of 0x{kind:02x}")
    if not notes.is_key_name(name) or key.verifier().key_id.hex() != key_id:
        raise KeyFileRefused("name and identifier do not belong to this key")
    return key


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The log keys that entry 0 and each `LogKeyChanged` name, with their range of sizes."""

    since: Mapping[str, int]
    until: Mapping[str, int]

    @classmethod
    def of(cls, created: Mapping[str, Json], changes: Iterable[Mapping[str, Json]] = ()) -> LogKeys:
        """Follow the data of `LogCreated` and of the `LogKeyChanged` entries, in order."""
        keys = created.get("keys")
        if not isinstance(keys, (list, tuple)):
            raise KeyFileRefused("the keys of a log are a list of verifier keys")
        since = {_vkey(key): 0 for key in keys}
        until: dict[str, int] = {}
        for change in changes:
            size = change.get("from_size")
            if type(size) is not int:
                raise KeyFileRefused("a change of keys names the size from which it holds")
            if "added" in change:
                since[_vkey(change["added"])] = size
            if "retired" in change:
                until[_vkey(change["retired"])] = size
        return cls(since, until)

    def ranges(self) -> dict[str, tuple[int, int | None]]:
        """Return first size and end of each key, oldest first."""
        return {vkey: (first, self.until.get(vkey)) for vkey, first in self.since.items()}

    def lines(self) -> list[str]:
        """Return what a policy says of these keys, oldest first."""
        found = []
        for vkey, (first, end) in self.ranges().items():
            found.append(f"log {vkey}")
            if first or end is not None:
                bounds = [str(first)] if end is None else [str(first), str(end)]
                found.append(" ".join([VALID, vkey, *bounds]))
        return found

    def policy(self) -> str:
        """Return the text of a policy with this log and no witness."""
        return "".join(f"{line}\n" for line in [*self.lines(), f"quorum {NO_QUORUM}"])

    def at(self, size: int) -> frozenset[str]:
        """Return the vkeys that may sign a checkpoint of this size."""
        return frozenset(
            vkey
            for vkey, first in self.since.items()
            if first <= size and (vkey not in self.until or size < self.until[vkey])
        )


def _vkey(value: Json) -> str:
    if type(value) is not str or notes.VerifierKey.parse(value).kind != notes.LOG:
        raise KeyFileRefused(f"{value!r} is not the key of a log")
    return value

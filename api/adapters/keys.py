"""Key files and the chest of a custodian: secrets on disk, mode 0600, outside every database.

Every write is durable before it returns: temporary file, fsync, rename, fsync of the folder. What
lies in a chest is encrypted (XChaCha20-Poly1305, `envelope.md` 2.8) under a key that comes from a
credential file of the service or, by Argon2id, from a passphrase; the additional data bind each
secret to its purpose, so that one file cannot stand for another.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nacl import bindings
from nacl.exceptions import CryptoError as SodiumError
from nacl.pwhash import argon2id

from crypto.canonical import Json, decode, encode
from crypto.keys import SigningKey, read_key_file, write_key_file

KEY_BYTES = 32
NONCE_BYTES = 24
SALT_BYTES = 16
PART = 1024 * 1024
"""Bytes overwritten at once: an opened envelope may have many gigabytes."""


class KeysError(Exception):
    """Root of what a key file refuses."""

    code = "keys"


class KeyFileExposed(KeysError):
    """A secret that others on this machine may read: nothing is done with it."""

    code = "keys.exposed"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} may be read by others: chmod 600")
        self.path = str(path)


class KeyFileAbsent(KeysError):
    """A secret that should lie here does not."""

    code = "keys.absent"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} is absent")
        self.path = str(path)


class ChestLocked(KeysError):
    """The passphrase or credential does not open what lies here."""

    code = "keys.locked"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} does not open: another passphrase or credential, or changed bytes"
        )
        self.name = name


class Random(Protocol):
    """Random bytes of the system."""

    def bytes(self, count: int) -> bytes:
        """Return this many random bytes."""


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file by these bytes; after the return they survive a power cut."""
    temporary = path.with_name(path.name + ".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.fchmod(handle, mode)  # a file left by an earlier crash keeps its mode otherwise
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names of a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_secret(path: Path) -> bytes:
    """Return the bytes of a file that only its owner may read."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise KeyFileAbsent(path) from error
    if mode & 0o077:
        raise KeyFileExposed(path)
    return path.read_bytes()


def signing_key(path: Path, kind: int) -> SigningKey:
    """Return the key of a key file; it is of this type or refused."""
    return read_key_file(read_secret(path), kind)


def create_signing_key(path: Path, name: str, kind: int, seed: bytes) -> SigningKey:
    """Store a new key file and return its key; a file that exists is never replaced."""
    if path.exists():
        return signing_key(path, kind)
    key = SigningKey(name, kind, seed)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(path, write_key_file(key))
    return key


class Credential(Protocol):
    """Where the key of a chest comes from."""

    def unlock(self, folder: Path, random: Random) -> bytes:
        """Return the 32 bytes that open the chest in this folder."""


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """A key in a file of the service's credential store; made at the first use."""

    path: Path

    def unlock(self, folder: Path, random: Random) -> bytes:
        """Return the key of the file."""
        if not self.path.exists() and not (folder / "keys.box").exists():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_durably(self.path, random.bytes(KEY_BYTES).hex().encode() + b"\n")
        text = read_secret(self.path).decode("ascii", "replace").strip()
        try:
            key = bytes.fromhex(text)
        except ValueError as error:
            raise ChestLocked(self.path.name) from error
        if len(key) != KEY_BYTES:
            raise ChestLocked(self.path.name)
        return key


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase, stretched by Argon2id; salt and cost stand beside the chest."""

    text: str = field(repr=False)
    operations: int = argon2id.OPSLIMIT_MODERATE
    memory: int = argon2id.MEMLIMIT_MODERATE

    def unlock(self, folder: Path, random: Random) -> bytes:
        """Return the key that the passphrase gives with the stored salt and cost."""
        path = folder / "argon2id.json"
        if not path.exists():
            cost: dict[str, Json] = {
                "memory": self.memory,
                "operations": self.operations,
                "salt": random.bytes(SALT_BYTES).hex(),
            }
            write_durably(path, encode(cost))
        kept = decode(path.read_bytes())
        return argon2id.kdf(
            KEY_BYTES,
            self.text.encode(),
            bytes.fromhex(str(kept["salt"])),
            opslimit=int(str(kept["operations"])),
            memlimit=int(str(kept["memory"])),
        )


class Chest:
    """Secrets of one custodian in one folder, each encrypted and bound to its purpose."""

    def __init__(self, folder: Path, credential: Credential, random: Random) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._random = random
        self._key = credential.unlock(folder, random)

    def holds(self, name: str) -> bool:
        """Say whether there is a secret of this name."""
        return self._path(name).exists()

    def put(self, name: str, bound: bytes, secret: bytes) -> None:
        """Store a secret durably, in place of an older one."""
        write_durably(self._path(name), self._sealed(bound, secret))

    def get(self, name: str, bound: bytes) -> bytes:
        """Return a secret, or raise ChestLocked."""
        data = read_secret(self._path(name))
        try:
            secret: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                data[NONCE_BYTES:], bound, data[:NONCE_BYTES], self._key
            )
        except (SodiumError, ValueError) as error:
            raise ChestLocked(name) from error
        return secret

    def replace(self, name: str, bound: bytes, secret: bytes) -> None:
        """Store a secret durably and overwrite the older one."""
        supplant(self._path(name), self._sealed(bound, secret), self._random)

    def let_go(self, name: str) -> None:
        """Overwrite what a crash left of the older one."""
        let_go(self._path(name), self._random)

    def names(self, prefix: str) -> list[str]:
        """Return the names of the secrets that begin so."""
        return sorted(path.stem for path in self._folder.glob(f"{prefix}*.box"))

    def destroy(self, name: str) -> None:
        """Overwrite and remove a secret; absent already is as good.

        A disk that remaps blocks may keep the old ciphertext: its key is not on that disk when the
        credential lies elsewhere.
        """
        path = self._path(name)
        if not path.exists():
            return
        destroy_file(path, self._random)

    def _sealed(self, bound: bytes, secret: bytes) -> bytes:
        nonce = self._random.bytes(NONCE_BYTES)
        sealed: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            secret, bound, nonce, self._key
        )
        return nonce + sealed

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.box"


def destroy_file(path: Path, random: Random) -> None:
    """Overwrite a file with random bytes, durably, then remove its name."""
    left = path.stat().st_size
    with path.open("r+b") as file:
        while left:
            left -= file.write(random.bytes(min(left, PART)))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    sync_folder(path.parent)


def supplant(path: Path, data: bytes, random: Random) -> None:
    """Replace a secret by other bytes, durably, and overwrite what it was.

    A name that is only replaced leaves the former bytes on the disk; so they keep a second name
    until they are overwritten, after a crash by the next call or by `let_go`.
    """
    let_go(path, random)
    os.link(path, _former(path))
    write_durably(path, data)
    let_go(path, random)


def let_go(path: Path, random: Random) -> None:
    """Overwrite what a secret was before, unless a crash came before it had a follower."""
    former = _former(path)
    if not former.exists():
        return
    if former.samefile(path):
        former.unlink()
        sync_folder(path.parent)
    else:
        destroy_file(former, random)


def _former(path: Path) -> Path:
    return path.with_name(f"{path.name}.old")

"""C2SP signed notes, checkpoints, cosignatures and verifier keys.

Formats: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature. Only Ed25519: type 0x01 of a log,
0x04 of a cosignature/v1. Base64 must re-encode to itself and a number has one form, so that one
checkpoint has one text. Reading a note proves nothing: `crypto.policies` verifies it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nacl.exceptions import CryptoError as SodiumError
from nacl.signing import SigningKey, VerifyKey

from crypto.log_errors import (
    Base64Refused,
    CheckpointRefused,
    IntegerRefused,
    NoteRefused,
    SignatureRefused,
    VerifierKeyRefused,
)
from crypto.merkle import EMPTY_ROOT, HASH_BYTES

LOG: Final = 0x01
COSIGNATURE: Final = 0x04

KEY_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_TIME_BYTES: Final = 8
_MAX_SIGNATURES: Final = 100
_MAX_NUMBER: Final = 2**63 - 1
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says about itself: its name, its size, its root.

    Extension lines of other logs are read (`Note.text` keeps them signed), never written here.
    """

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One line below a note; nothing is known of its truth."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """Return the line, without newline."""
        return f"— {self.name} {write_base64(self.key_id + self.signature)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A note as read: the signed text with its last newline, and its signature lines."""

    text: str
    signatures: tuple[SignatureLine, ...]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name and its purpose: what C2SP calls a vkey."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before each signature of this key."""
        hashed = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(hashed).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        """Return the vkey text."""
        encoded = write_base64(bytes([self.kind]) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a vkey; its identifier must be the one that name and key give."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        if not is_key_name(name):
            raise VerifierKeyRefused(text, "a key name has no space and no plus")
        if not _KEY_ID.fullmatch(key_id):
            raise VerifierKeyRefused(text, "the identifier is not eight lower-case digits")
        data = read_base64(encoded, 1 + _KEY_BYTES)
        key = cls(name, data[0], data[1:])
        if key.kind not in {LOG, COSIGNATURE}:
            raise VerifierKeyRefused(text, f"type 0x{key.kind:02x} is not known")
        if key.key_id.hex() != key_id:
            raise VerifierKeyRefused(text, "the identifier belongs to another key")
        return key

    @classmethod
    def of_seed(cls, name: str, kind: int, seed: bytes) -> VerifierKey:
        """Return the verifier key that belongs to a secret seed."""
        return cls(name, kind, bytes(SigningKey(seed).verify_key))


def text(checkpoint: Checkpoint) -> str:
    """Return the three lines that are signed."""
    root = write_base64(checkpoint.root)
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n"


def note(checkpoint: Checkpoint, lines: Sequence[str]) -> bytes:
    """Return the note of a checkpoint above the given signature lines."""
    return join_note(text(checkpoint), lines)


def join_note(note_text: str, lines: Sequence[str]) -> bytes:
    """Return the note of a signed text above the given signature lines."""
    return (note_text + "\n" + "".join(f"{line}\n" for line in lines)).encode()


def sign(checkpoint: Checkpoint, name: str, seed: bytes) -> str:
    """Return the log's signature line, without newline."""
    return sign_text(text(checkpoint), name, seed)


def sign_text(note_text: str, name: str, seed: bytes) -> str:
    """Return the log's signature line below another text, which must not read as a checkpoint."""
    key = VerifierKey.of_seed(name, LOG, seed)
    return _line(key, SigningKey(seed).sign(note_text.encode()).signature)


def cosign(note_text: str, name: str, seed: bytes, time: int) -> str:
    """Return a cosignature/v1 line, without newline; time is in POSIX seconds."""
    key = VerifierKey.of_seed(name, COSIGNATURE, seed)
    signature = SigningKey(seed).sign(_cosigned(note_text, time)).signature
    return _line(key, time.to_bytes(_TIME_BYTES, "big") + signature)


def check_signature(key: VerifierKey, note_text: str, signature: bytes) -> None:
    """Return quietly if this is the log's signature of the text, else raise SignatureRefused."""
    if key.kind != LOG:
        raise SignatureRefused(key.name, "the key is not the key of a log")
    _verify(key, note_text.encode(), signature)


def check_cosignature(key: VerifierKey, note_text: str, signature: bytes) -> int:
    """Return the time at which a witness cosigned the text, else raise SignatureRefused."""
    if key.kind != COSIGNATURE:
        raise SignatureRefused(key.name, "the key is not the key of a witness")
    time = int.from_bytes(signature[:_TIME_BYTES], "big")
    _verify(key, _cosigned(note_text, time), signature[_TIME_BYTES:])
    return time


def parse_note(data: bytes) -> Note:
    """Read a signed note strictly: LF, no other control character, at least one signature."""
    try:
        content = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteRefused(f"byte {error.start} is not UTF-8") from error
    if control := _CONTROL.search(content):
        raise NoteRefused(f"control character at {control.start()}")
    body, blank, tail = content.rpartition("\n\n")
    if not blank:
        raise NoteRefused("no empty line before the signatures")
    if not tail.endswith("\n"):
        raise NoteRefused("no signature, or its last line does not end")
    lines = tail[:-1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise NoteRefused(f"{len(lines)} signatures, {_MAX_SIGNATURES} are read")
    return Note(body + "\n", tuple(_parse_line(line) for line in lines))


def parse_checkpoint(note_text: str) -> Checkpoint:
    """Read the text of a note as a checkpoint; extension lines are allowed and ignored."""
    lines = note_text.split("\n")
    if len(lines) < 4 or "" in lines[:-1] or lines[-1]:
        raise CheckpointRefused("it needs an origin, a size and a root, one a line")
    origin = lines[0]
    if not is_key_name(origin):
        raise CheckpointRefused(f"{origin[:80]!r} cannot be an origin")
    size = read_decimal(lines[1])
    root = read_base64(lines[2], HASH_BYTES)
    if size == 0 and root != EMPTY_ROOT:
        raise CheckpointRefused("size 0 has one root only")
    return Checkpoint(origin, size, root)


def read_decimal(digits: str) -> int:
    """Read a number below 2^63 in its only form (no sign, space, underscore, leading zero)."""
    if not _DECIMAL.fullmatch(digits) or int(digits) > _MAX_NUMBER:
        raise IntegerRefused(digits)
    return int(digits)


def read_base64(encoded: str, length: int | None = None) -> bytes:
    """Read standard base64 which re-encodes to itself, of this length where one is given."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Base64Refused(encoded) from error
    # Decoders accept spare bits in the last digit: the same bytes would have several texts.
    if write_base64(data) != encoded:
        raise Base64Refused(encoded)
    if length is not None and len(data) != length:
        raise Base64Refused(encoded, length)
    return data


def write_base64(data: bytes) -> str:
    """Return the standard base64 text of bytes."""
    return base64.b64encode(data).decode()


def is_key_name(name: str) -> bool:
    """Tell whether C2SP allows this key name: not empty, no Unicode space, no plus.

    JSON can bring half of a surrogate pair into a text; no such text has bytes to be signed.
    """
    return bool(name) and "+" not in name and not any(map(_is_no_name, name))


def _is_no_name(sign: str) -> bool:
    return sign.isspace() or "\ud800" <= sign <= "\udfff"


def _parse_line(line: str) -> SignatureLine:
    dash, _, rest = line.partition(" ")
    name, space, encoded = rest.partition(" ")
    if dash != "—" or not space or not is_key_name(name):
        raise NoteRefused(f"{line[:80]!r} is no signature line")
    data = read_base64(encoded)
    if len(data) <= KEY_ID_BYTES:
        raise NoteRefused(f"the signature of {name!r} is empty")
    return SignatureLine(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])


def _line(key: VerifierKey, signature: bytes) -> str:
    return str(SignatureLine(key.name, key.key_id, signature))


def _cosigned(note_text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{note_text}".encode()


def _verify(key: VerifierKey, message: bytes, signature: bytes) -> None:
    if len(signature) != _SIGNATURE_BYTES:
        raise SignatureRefused(key.name, f"{len(signature)} bytes are no signature")
    try:
        VerifyKey(key.public).verify(message, signature)
    except SodiumError as error:
        raise SignatureRefused(key.name, "it does not verify") from error

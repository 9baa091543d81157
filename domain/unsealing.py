"""The cryptography of an opening: TDH2 answers, PLI1 files, packages, the canary (envelope.md).

Nothing here decides: it says what the bytes are worth, and ``verdict`` draws the conclusion. The
plaintext goes to the vault's temporary place and is published only after the last chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from crypto.canonical import Json
from crypto.errors import (
    ChunkRefused,
    CryptoError,
    DocumentsRefused,
    FramingRefused,
    KeyRefused,
    PackageRefused,
    PaddingRefused,
)
from crypto.keyset import Keyset, check_alive
from crypto.package import read_package
from crypto.pli1 import Opened, commitment, open_envelope
from crypto.pli1_header import MAGIC, PREFIX, Header, check_head, header_length
from crypto.sealing import Documents, Draw, Sealer
from crypto.streams import Reader, read_exactly
from crypto.threshold import Lock, check_partial, combine
from domain.ports import Place, StoredEnvelope, Unsealed, Vault

CANARY_TEXT: Final = b"Pli canary: if you can read this, the custodians answer.\n"
CANARY_BYTES: Final = Draw.SIZE + 16
FAR_PAST: Final = "2000-01-01T00:00:00.000000Z"


@dataclass(frozen=True)
class ThresholdUnsealing:
    """The port ``Unsealing`` over a vault."""

    vault: Vault

    def examine(self, deposit: str, recorded: str, keyset: str) -> StoredEnvelope:
        """Recompute the commitment of the stored bytes, then check the head."""
        stored = self.vault.sealed(deposit)
        if stored is None:
            return StoredEnvelope("missing", head_ok=False)
        with stored as file:
            try:
                committed = commitment(file)
            except FramingRefused:
                return StoredEnvelope("differs", head_ok=False)
        if committed.commitment.hex() != recorded:
            return StoredEnvelope("differs", head_ok=False)
        head = MAGIC + len(committed.header).to_bytes(4, "big") + committed.header
        try:
            check_head(head, bytes.fromhex(keyset))
        except CryptoError:
            return StoredEnvelope("ok", head_ok=False)
        return StoredEnvelope("ok", head_ok=True, head=head)

    def check_partial(
        self, document: Mapping[str, Any], head: bytes, index: int, partial: bytes
    ) -> None:
        """Return quietly if the answer is proven for this envelope, else raise."""
        check_partial(_lock(Keyset.parse(document), head), index, partial)

    def check_alive(self, document: Mapping[str, Any], index: int, nonce: str, proof: str) -> None:
        """Return quietly if the custodian holds its share, else raise (2.7)."""
        check_alive(Keyset.parse(document), index, bytes.fromhex(nonce), bytes.fromhex(proof))

    def unseal(
        self,
        deposit: str,
        recorded: str,
        document: Mapping[str, Any],
        partials: Mapping[int, bytes],
    ) -> Unsealed:
        """Combine the answers, decrypt into the vault, check the package."""
        head = self._head(deposit)
        lock = _lock(Keyset.parse(document), head)
        key = combine(lock, partials.items()).key
        try:
            with self.vault.plaintext(deposit) as sink, self._stored(deposit) as file:
                opened = open_envelope(file, lock.label, key, bytes.fromhex(recorded), sink)
                return _package(opened, sink)
        except (KeyRefused, ChunkRefused) as refusal:
            return Unsealed(
                key_ok=isinstance(refusal, ChunkRefused),
                chunks_ok=False,
                package_ok=False,
                documents_match=False,
                documents_count=0,
            )

    def seal_canary(self, consultation: str, document: Mapping[str, Any], seed: bytes) -> bytes:
        """Return a ``.pli`` of the fixed text, made from ``CANARY_BYTES`` random bytes."""
        keyset = Keyset.parse(document)
        label: dict[str, Json] = {
            "bidder": "0" * 64,
            "consultation": consultation,
            "deposit": seed[Draw.SIZE :].hex(),
            "dossier": "0" * 64,
            "intent": "INITIAL",
            "keyset": keyset.digest.hex(),
            "kind": "CANARY",
            "lots": ["0"],
            "not_before": FAR_PAST,
            "round": 1,
            "v": 1,
        }
        draw = Draw.of(seed[: Draw.SIZE])
        sealer = Sealer(keyset, label, draw, Documents(1, bytes(32)))
        sealed = BytesIO()
        sealer.plan(BytesIO(CANARY_TEXT), sealed)
        return sealed.getvalue()

    def open_canary(
        self, sealed: bytes, document: Mapping[str, Any], partials: Mapping[int, bytes]
    ) -> None:
        """Return quietly if the answers open the fixed text, else raise."""
        committed = commitment(BytesIO(sealed))
        header = Header.parse(committed.header)
        lock = _lock(Keyset.parse(document), header.head)
        key = combine(lock, partials.items()).key
        found = BytesIO()
        open_envelope(BytesIO(sealed), lock.label, key, committed.commitment, found)
        if found.getvalue() != CANARY_TEXT:
            raise PackageRefused("the canary holds another text")

    def _stored(self, deposit: str) -> AbstractContextManager[Reader]:
        """Return the stored file, which was there a moment ago."""
        stored = self.vault.sealed(deposit)
        if stored is None:
            raise LookupError(f"the stored bytes of {deposit} vanished")
        return stored

    def _head(self, deposit: str) -> bytes:
        """Return everything before chunk 0 of a file whose head was checked."""
        with self._stored(deposit) as file:
            prefix = read_exactly(file, PREFIX)
            return prefix + read_exactly(file, header_length(prefix))


def _lock(keyset: Keyset, head: bytes) -> Lock:
    """Return what answers are given for: a checked head under its keyset."""
    header = check_head(head, keyset.digest)
    return Lock(keyset, header.label.encoded, header.capsule)


def _package(opened: Opened, plaintext: Place) -> Unsealed:
    """Check the package; a bad one loses no bid, it is handed over as one raw document."""
    header = opened.header
    plaintext.seek(0)
    try:
        read_package(
            plaintext, opened.frame.plaintext, header.documents_root, header.documents_count
        )
    except (PackageRefused, DocumentsRefused, PaddingRefused) as refusal:
        match = isinstance(refusal, PaddingRefused)
        return Unsealed(
            key_ok=True, chunks_ok=True, package_ok=False, documents_match=match, documents_count=1
        )
    return Unsealed(
        key_ok=True,
        chunks_ok=True,
        package_ok=True,
        documents_match=True,
        documents_count=header.documents_count,
    )

"""One file of vectors: its keysets by name, its sealed files by id, its plaintexts by recipe.

``expect`` and ``out`` are never read: what comes out is what the product does.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from crypto import pli1
from crypto.keyset import Keyset
from crypto.sealing import Documents, Draw, Plan, Sealer

Case = Mapping[str, Any]
Out = dict[str, Any]


class Book:
    """The keysets and vectors of one file, which operations refer to."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._keysets: Mapping[str, Any] = document.get("keysets", {})
        self._cases: dict[str, Case] = {
            each["id"]: each["in"]
            for each in document["vectors"]
            if isinstance(each, dict) and isinstance(each.get("id"), str) and "in" in each
        }
        self.keyset = cache(self._keyset)
        self.sealed = lru_cache(maxsize=2)(self._sealed)

    def _keyset(self, name: str) -> Keyset:
        return Keyset.parse(self._keysets[name])

    def _sealed(self, name: str) -> tuple[Sealer, Plan, bytes]:
        """Return what the vector of this id seals, with the bytes of the file."""
        return seal(self, self._cases[name])

    def file(self, recipe: Mapping[str, Any]) -> bytes:
        """Return the bytes of a file: sealed, then edited, or with crafted chunks."""
        sealer, _, data = self.sealed(recipe["seal"])
        if "chunks" in recipe:
            cipher = pli1.payload_cipher(sealer.key, sealer.header.hash)
            data = sealer.header.head
            for index, last, plain in recipe["chunks"]:
                content = plaintext(plain)
                buffer = bytearray(content + bytes(16))
                nonce = pli1.chunk_nonce(sealer.header.nonce, index, last)
                cipher.encrypt(buffer, len(content), nonce)
                data += buffer
        for edit in recipe.get("edits", ()):
            data = _edited(data, edit, len(sealer.header.head))
        return data


def seal(book: Book, case: Case) -> tuple[Sealer, Plan, bytes]:
    """Seal the plaintext of a vector with its fixed random values."""
    draw = Draw(raw(case, "r"), raw(case, "w"), raw(case, "nonce"))
    documents = Documents(case["documents_count"], raw(case, "documents_root"))
    sealer = Sealer(book.keyset(case["keyset"]), case["label"], draw, documents)
    file = io.BytesIO()
    plan = sealer.plan(io.BytesIO(plaintext(case["plaintext"])), file)
    return sealer, plan, file.getvalue()


def plaintext(recipe: Mapping[str, Any]) -> bytes:
    """Return the plaintext: hex and zeros, or generated from a seed."""
    if "hex" in recipe:
        return bytes.fromhex(recipe["hex"]) + bytes(recipe.get("zeros", 0))
    seed, size = recipe["gen"].encode(), recipe["size"]
    blocks = (
        hashlib.sha256(seed + number.to_bytes(8, "big")).digest()
        for number in range(-(-size // 32))
    )
    return b"".join(blocks)[:size]


def raw(case: Case, name: str) -> bytes:
    """Return the bytes of a hex field."""
    return bytes.fromhex(case[name])


def _edited(data: bytes, edit: Mapping[str, Any], head: int) -> bytes:
    if "flip" in edit:
        place, mask = edit["flip"]
        return data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
    if "cut" in edit:
        return data[: edit["cut"]]
    if "append" in edit:
        return data + bytes.fromhex(edit["append"])
    starts = range(head, len(data), pli1.FULL)
    chunks = [data[start : start + pli1.FULL] for start in starts]
    return data[:head] + b"".join(chunks[number] for number in edit["order"])

"""Envelopes that were sealed before the rush begins: the real sealer, a company and a lot for each.

Nothing is sealed while the rush runs, since its clients share the machine with the server. The
bytes lie in one file, so that a long rush holds none of them in memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from doubles.bench import Bench
from doubles.crowd import Request

from api.depositor.kit import Kit
from crypto.package import Document, Manifest, PackageReader, make_manifest
from crypto.sealing import Documents, Draw, Plan, Sealer
from domain.commands.loading import operator_name
from domain.identifiers import luhn

ROOM = 1_024
"""What the package needs beside its one document, so that the whole is not padded further."""
LOTS = 10
"""Lots of the consultation: so many envelopes come from each company."""


@dataclass(frozen=True)
class Bid:
    """One sealed envelope, its company's token, and where its bytes lie."""

    deposit: str
    token: str
    bidder: str
    lot: str
    form: bytes
    commitment: str
    head: bytes
    leaves: tuple[str, ...]
    sizes: tuple[int, ...]
    begin: int
    stock: BinaryIO

    def chunk(self, index: int) -> bytes:
        """Return one chunk of ciphertext."""
        self.stock.seek(self.begin + sum(self.sizes[:index]))
        return self.stock.read(self.sizes[index])

    def announce(self, key: str) -> Request:
        """Return the announce under a key."""
        rows = (("Content-Type", "application/json"), ("Idempotency-Key", key))
        return Request("POST", "/api/v1/transmissions", (self._token(), *rows), self.form)

    def announce_head(self, transmission: str) -> Request:
        """Return the head of a transmission that was started."""
        row = ("Pli-Commitment", self.commitment)
        path = f"/api/v1/transmissions/{transmission}/head"
        return Request("PUT", path, (self._token(), row), self.head)

    def chunks(self, transmission: str) -> Iterator[Request]:
        """Yield its chunks, in order."""
        for index, leaf in enumerate(self.leaves):
            path = f"/api/v1/transmissions/{transmission}/chunks/{index}"
            yield Request("PUT", path, (self._token(), ("Pli-Leaf", leaf)), self.chunk(index))

    def _token(self) -> tuple[str, str]:
        return ("Authorization", f"Bearer {self.token}")


class Stock:
    """The envelopes of one consultation; each is taken once."""

    def __init__(self, bench: Bench, at: str, size: int, seed: int) -> None:
        self._bench = bench
        self._kit = bench.kit(at)
        self._chance = random.Random(seed)
        self._document = self._chance.randbytes(size - ROOM)
        self._manifest = self._packed()
        self._file = (bench.scratch / "stock").open("w+b")
        self._companies = 0

    def sealed(self, count: int) -> list[Bid]:
        """Register the companies, seal so many envelopes, and return them in a drawn order."""
        found = [bid for _ in range(-(-count // LOTS)) for bid in self._of_company()][:count]
        self._file.flush()
        self._chance.shuffle(found)
        return found

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _packed(self) -> Manifest:
        digest = hashlib.sha256(self._document).digest()
        document = Document("offre.pdf", self._chance.randbytes(16), digest, len(self._document))
        return make_manifest([document], "padme")

    def _of_company(self) -> list[Bid]:
        self._companies += 1
        siret = siret_of(self._companies)
        form = {"siret": siret, "name": f"Entreprise {self._companies}"}
        self._bench.done("/api/v1/operators", self._bench.tokens.admin, form)
        token = self._bench.token(siret, "CY")
        subjects = self._bench.platform.desk.subjects
        tag = subjects.bidder_tag(self._kit.consultation, operator_name(siret))
        return [self._sealed(token, tag, lot) for lot in self._kit.lots]

    def _sealed(self, token: str, tag: str, lot: str) -> Bid:
        deposit = self._chance.randbytes(16).hex()
        documents = Documents(1, self._manifest.root)
        draw = Draw.of(self._chance.randbytes(Draw.SIZE))
        label = label_of(self._kit, deposit, tag, lot)
        sealer = Sealer(self._kit.keyset, label, draw, documents)
        begin = self._file.seek(0, io.SEEK_END)
        package = PackageReader(self._manifest, [io.BytesIO(self._document)])
        plan = sealer.plan(package, self._file)
        return Bid(
            deposit=deposit,
            token=token,
            bidder=tag,
            lot=lot,
            form=json.dumps(form_of(self._kit, lot, plan)).encode(),
            commitment=plan.commitment.hex(),
            head=sealer.header.head,
            leaves=tuple(plan.leaf(index).hex() for index in range(plan.frame.chunks)),
            sizes=tuple(plan.frame.size(index) for index in range(plan.frame.chunks)),
            begin=begin + len(sealer.header.head),
            stock=self._file,
        )


def siret_of(number: int) -> str:
    """Return the SIRET of a company that no register has."""
    stem = f"9{number:012}"
    return next(stem + digit for digit in "0123456789" if luhn(stem + digit) % 10 == 0)


def label_of(kit: Kit, deposit: str, tag: str, lot: str) -> dict[str, object]:
    """Return what the envelope is for."""
    return {
        "bidder": tag,
        "consultation": kit.consultation,
        "deposit": deposit,
        "dossier": kit.dossier_root,
        "intent": "INITIAL",
        "keyset": kit.keyset.digest.hex(),
        "kind": "OFFER",
        "lots": [lot],
        "not_before": kit.not_before,
        "round": 1,
        "v": 1,
    }


def form_of(kit: Kit, lot: str, plan: Plan) -> dict[str, object]:
    """Return the form of the announce."""
    return {
        "consultation": kit.consultation,
        "kind": "OFFER",
        "lots": [lot],
        "bytes": plan.file_size,
        "documents": 1,
        "client": "rush/1",
        "terms": "1",
    }

"""Three local custodians in a folder over a hand-made ledger, from ceremony to opening."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from doubles.clock import FixedClock
from doubles.custodian_case import DEPOSIT, NAME, OPENS, Case
from doubles.keysets import Seeded

from api.adapters.custodians import LocalCustodians, create_local, credential_files, open_local
from api.adapters.keys import Credential
from api.adapters.local_custodian import LocalCustodian
from crypto import dkg
from crypto.ceremony import Ceremony
from crypto.keyset import Keyset
from crypto.package import Document, PackageReader, make_manifest
from crypto.pli1_header import Header
from crypto.sealing import Documents, Draw, Sealer

CEREMONY = "ab" * 16
CANARY = "cd" * 16
AFTER = OPENS.replace(microsecond=1)
CONTENT = b"offre"


class SeededRng:
    """The port of random bytes, the same in every run."""

    def __init__(self, seed: str = "custodians") -> None:
        self._source = Seeded(seed)

    def bytes(self, count: int) -> bytes:
        return self._source.take(count)


@dataclass
class Sealed:
    """An envelope with what its depositor knew."""

    file: bytes
    header: Header
    key: bytes
    commitment: bytes

    @property
    def head(self) -> bytes:
        return self.header.head


class Bench:
    """Custodians, their ledger and their clock; `reopen` is a new process on the same disk."""

    def __init__(self, folder: Path, credential: Any = None) -> None:
        self.case = Case()
        self.ledger = self.case.ledger
        self.clock = FixedClock(AFTER)
        self.rng = SeededRng()
        self.folder = folder / "custodians"
        self.credential = credential or credential_files(folder / "keys")
        create_local(
            self.folder,
            organisation="21590350100017",
            log=self.ledger.vkey,
            credential=self.credential,
            random=self.rng,
        )
        self.open()

    def open(self) -> None:
        self.all: list[LocalCustodian] = open_local(
            self.folder,
            credential=self.credential,
            clock=self.clock,
            random=self.rng,
            show=self.show,
        )
        self.port = LocalCustodians(self.all, lambda digest: NAME)

    def show(self, streams: Sequence[str], since: int) -> Mapping[str, Any]:
        """Show the ledger that stands here now; a test may put another one in its place."""
        return self.ledger.show(streams, since)

    def reopen(self, credential: Credential | None = None) -> None:
        self.port.close()
        if credential is not None:
            self.credential = lambda name: credential
        self.open()

    @property
    def names(self) -> list[str]:
        return [one.custodian for one in self.port.roster()]

    def start(self, name: str = CEREMONY, purpose: str = "consultation", k: int = 2) -> Ceremony:
        members = [
            {
                "box": self.port.box(one.custodian),
                "custodian": one.custodian,
                "index": index,
                "organisation": one.organisation,
                "sign": one.sign_hex,
            }
            for index, one in enumerate(self.port.roster(), 1)
        ]
        ceremony = {
            "ceremony": name,
            "k": k,
            "log": self.ledger.origin,
            "members": members,
            "n": len(members),
            "purpose": purpose,
            "v": 1,
        }
        self.ledger.write(f"ceremony/{name}", "CeremonyStarted", ceremony=ceremony)
        return Ceremony.parse(ceremony)

    def round1(self, name: str = CEREMONY) -> None:
        for one in self.names:
            message = self.port.round1(name, one)
            self.ledger.write(f"ceremony/{name}", "CeremonyCommitted", **message)

    def round2(self, name: str = CEREMONY) -> None:
        for one in self.names:
            message = self.port.round2(name, one)
            self.ledger.write(f"ceremony/{name}", "CeremonyShared", **message)

    def confirmed(self, name: str = CEREMONY) -> list[dict[str, Any]]:
        return [self.port.confirm(name, one) for one in self.names]

    def ceremony(self, name: str = CEREMONY, purpose: str = "consultation") -> Keyset:
        ceremony = self.start(name, purpose)
        self.round1(name)
        self.round2(name)
        answers = self.confirmed(name)
        stream = f"ceremony/{name}"
        messages = self.messages(stream, "CeremonyCommitted")
        commitments = dkg.check_commitments(ceremony, messages)
        y, shares = dkg.public_keys(ceremony, commitments)
        outcome = dkg.Outcome(1, b"", bytes.fromhex(str(answers[0]["digest"])), y, shares)
        acks = [bytes.fromhex(str(answer["sig"])) for answer in answers]
        return Keyset.parse(dkg.keyset_document(ceremony, outcome, acks))

    def messages(self, stream: str, kind: str) -> list[dict[str, Any]]:
        found = []
        for row in self.ledger.rows:
            if (row.stream, row.kind) == (stream, kind):
                data = json.loads(row.entry)["data"]
                found.append({key: value for key, value in data.items() if key != "meta"})
        return found

    def sealed(self, keyset: Keyset, **label: Any) -> Sealed:
        self.case.keyset = keyset.digest.hex()
        source = Seeded("sealing" + str(sorted(label.items())))
        sha = __import__("hashlib").sha256(CONTENT).digest()
        manifest = make_manifest(
            [Document("offre.txt", source.take(16), sha, len(CONTENT))], "none"
        )
        documents = Documents(len(manifest.documents), manifest.root)
        draw = Draw.of(source.take(Draw.SIZE))
        sealer = Sealer(keyset, self.case.label(**label), draw, documents)
        out = BytesIO()
        plan = sealer.plan(PackageReader(manifest, [BytesIO(CONTENT)]), out)
        return Sealed(out.getvalue(), sealer.header, sealer.key, plan.commitment)

    def ready(self, keyset: Keyset, **label: Any) -> Sealed:
        """Everything up to the anchored plan, for one envelope under this keyset."""
        sealed = self.sealed(keyset, **label)
        self.case.header_hash = sealed.header.hash.hex()
        self.case.ready()
        return sealed

    def partial(self, sealed: Sealed, custodian: int = 1, plan_no: int = 1) -> bytes:
        name = self.names[custodian - 1]
        return self.port.partial(NAME, "1", DEPOSIT, plan_no, sealed.head, name)

"""A depositor that is the platform itself: what its probes send, and where that ends.

Its requests take the one way of every depositor, guards, rules, custody of bytes and seal included,
over a consultation that exists in this process alone. It is a rehearsal: never a bid, in no
register, no view, no count. Its keyset is fixed and its shares were thrown away: nobody opens what
is sealed to it. Its chunks lie in a folder of their own and are dropped after each probe.
"""

from __future__ import annotations

import hmac
import json
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from api.adapters.activity import Activity
from api.adapters.canary_files import CanaryFiles
from api.adapters.probe_room import CanaryRoom
from api.adapters.turns import LocalTurns
from crypto.canonical import Json
from crypto.keyset import Keyset
from crypto.sealing import Documents, Draw, Sealer
from domain.aggregate import Aggregate, Event
from domain.clock import instant_text
from domain.consultation import Consultation
from domain.custody import Custody
from domain.dossier import Dossier
from domain.events.consultation import ConsultationPublished, Limits
from domain.events.custody import KeyCeremonyCompleted, Placement
from domain.events.dossier import FileRow
from domain.events.parties import OperatorRegistered, SizeClass
from domain.operator import EconomicOperator
from domain.ports import Act, Desk, Principal
from replay.health import Seen
from replay.health_record import Record

if TYPE_CHECKING:
    from api.platform import Platform

NAME = "pli-canary"
"""Of the company and of its consultation, both in memory only."""
FILE = "sonde.txt"
CONTENT = "Sonde de la plateforme : ce fichier est téléchargé chaque minute.\n".encode()
SENT_BYTES = 65_536
"""The smallest padded size (``envelope.md`` §6)."""
UNTIL = datetime(9998, 12, 31, tzinfo=UTC)
TAG = "0" * 64
OPERATIONS = frozenset(
    {
        "start_transmission",
        "announce_envelope",
        "store_chunk",
        "finish_transmission",
        "download_dossier_file",
    }
)
"""What its token opens, and nothing else."""


@dataclass(frozen=True)
class Sealed:
    """One synthetic envelope: the form of its announce, and its bytes."""

    form: dict[str, Any]
    head: bytes
    commitment: str
    chunk: bytes
    leaf: str


class Canary:
    """The platform over a consultation of its own; one probe uses it at a time."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self._rng = platform.desk.rng
        self._keyset = canary_keyset()
        self._room = CanaryRoom(folder, platform.vault, self._rng)
        self._room.clear()
        desk = replace(platform.desk, subjects=Nobody(), turns=LocalTurns())
        base, self._dossier = _base(desk, self._keyset)
        self._files = CanaryFiles(base, platform.ledger.confirm, platform.ledger.receipt)
        self.token = f"pli_{self._rng.bytes(32).hex()}"
        self.principal = Principal(NAME, "CY", "probe", "token")
        self.platform = replace(
            platform,
            desk=replace(desk, files=self._files, vault=self._room.vault),
            ledger=cast("Any", self._files),
            uploads=self._room.uploads,
            vault=self._room.vault,
            index=cast("Any", CanaryIndex()),
            bidder_salt=lambda _consultation, _operator: "",
            activity=Activity(),
            runners=[],
            closers=(),
        )

    def knows(self, token: str, operation: str) -> bool:
        """Say whether this is its own token, for one of its own operations."""
        return operation in OPERATIONS and hmac.compare_digest(token.encode(), self.token.encode())

    def sealed(self) -> Sealed:
        """Return a new envelope: sealed to the canary keyset, as a rehearsal is."""
        label: dict[str, Json] = {
            "bidder": TAG,
            "consultation": NAME,
            "deposit": self._rng.bytes(16).hex(),
            "dossier": self._dossier,
            "intent": "INITIAL",
            "keyset": self._keyset.digest.hex(),
            "kind": "REHEARSAL",
            "lots": ["0"],
            "not_before": instant_text(UNTIL),
            "round": 1,
            "v": 1,
        }
        draw = Draw.of(self._rng.bytes(Draw.SIZE))
        sealer = Sealer(self._keyset, label, draw, Documents(1, bytes(32)))
        made = BytesIO()
        plan = sealer.plan(BytesIO(bytes(SENT_BYTES)), made)
        head = sealer.header.head
        form = {
            "consultation": NAME,
            "kind": "OFFER",
            "lots": ["0"],
            "bytes": plan.file_size,
            "documents": 1,
            "client": "probe/1",
            "terms": "1",
            "purpose": "REHEARSAL",
        }
        chunk = made.getvalue()[len(head) :]
        return Sealed(form, head, plan.commitment.hex(), chunk, plan.leaf(0).hex())

    def stock(self) -> None:
        """Keep the file that its dossier lists."""
        self._room.vault.put(CONTENT)

    def forget(self) -> None:
        """Let go of what a probe left: its events, its rows, its chunks."""
        self._files.forget()
        self._room.clear(keep=sha256(CONTENT).hexdigest())

    def close(self) -> None:
        """Give its rows back."""
        self._room.close()


class Nobody:
    """Personal data of nobody: behind the port Subjects, without a row."""

    def remember(self, field: str, value: str, subject: str) -> str:
        """Return a commitment behind which nothing is."""
        _ = (field, value, subject)
        return TAG

    def reveal(self, commitment: str) -> str | None:
        """Return nothing."""
        _ = commitment
        return None

    def bidder_tag(self, consultation: str, operator: str) -> str:
        """Return the tag of nobody."""
        _ = (consultation, operator)
        return TAG

    def operator_of(self, consultation: str, tag: str) -> str:
        """Return its one name."""
        _ = (consultation, tag)
        return NAME


class CanaryIndex:
    """Which consultations there are: one, and nothing is recorded of it."""

    def health(self) -> Record:
        """Return an empty record."""
        return Record()

    def deposit_probes(self, since: datetime, until: datetime) -> list[Seen]:
        """Return nothing: what a probe finds is never its own evidence."""
        _ = (since, until)
        return []

    def is_published(self, consultation: str) -> bool:
        """Say whether this is the one."""
        return consultation == NAME

    def tenant_of(self, consultation: str) -> str | None:
        """Return nothing: no buyer stands behind it."""
        _ = consultation
        return None


def canary_keyset() -> Keyset:
    """Return the keyset to which probes are sealed; nobody holds a share of it."""
    return Keyset.parse(json.loads(pkgutil.get_data("api", "canary_keyset.json") or b""))


def _base(desk: Desk, keyset: Keyset) -> tuple[Sequence[Event], str]:
    """Return the events of the consultation, and the root of its dossier."""
    act = Act(NAME, Principal(desk.platform, "PA", "platform", "scheduler"), NAME)
    meta = desk.meta(act, desk.clock.now(), NAME)
    dossier = Dossier.blank(f"dossier/{NAME}")
    row = FileRow(FILE, sha256(CONTENT).hexdigest(), len(CONTENT))
    root = dossier.freeze(meta, [row])
    company = EconomicOperator.blank(f"operator/{NAME}")
    company.append(
        OperatorRegistered(
            **company.stamp(meta),
            name="Sonde de la plateforme",
            size_class=SizeClass.UNKNOWN,
            size_source="DECLARED",
            foreign_id=NAME,
        )
    )
    custody = Custody.blank(f"custody/{NAME}")
    custody.append(
        KeyCeremonyCompleted(
            **custody.stamp(meta),
            public_key=keyset.y.hex(),
            digest=keyset.digest.hex(),
            canary_digest=keyset.digest.hex(),
            k=keyset.k,
            n=keyset.n,
            custodians=[member.custodian for member in keyset.ceremony.members],
            placement=Placement.A0,
        )
    )
    consultation = Consultation.blank(f"consultation/{NAME}")
    consultation.append(
        ConsultationPublished(
            **consultation.stamp(meta),
            notice_ids=[],
            dossier_root=root,
            limits=Limits(),
            deadline_at=UNTIL,
            key_fingerprint=keyset.digest.hex(),
            procedure="ADAPTED",
        )
    )
    made: Sequence[Aggregate] = (dossier, company, custody, consultation)
    events = [event for each in made for event in each.collect_events()]
    return cast("list[Event]", events), root

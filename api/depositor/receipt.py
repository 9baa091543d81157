"""What a deposit gave: a receipt, believed only once it proves this very envelope (`ledger.md` §7).

`check_receipt` returns what is proven. `words` is the readable receipt with the five mentions of
`domain.md` §7: 1 to 4 come with the platform's answer, 5 is the depositor's own list of documents,
checked against `documents_root`. The PDF of a receipt is made from the same `Proven`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.depositor.envelope_file import EnvelopeFile
from api.depositor.errors import ReceiptRefused
from api.depositor.kit import proven_entry
from crypto.canonical import Json
from crypto.errors import CryptoError
from crypto.merkle import root
from crypto.policies import Policy
from ledger.entry import Entry
from ledger.errors import LedgerError

RECEIVED = {"DepositSealed": True, "LateDepositRecorded": False}
REHEARSAL, BACKUP = "REHEARSAL", "BACKUP"


@dataclass(frozen=True)
class Proven:
    """A deposit whose receipt was verified; `mentions` is what the platform says beside it."""

    deposit: str
    kind: str
    consultation: str
    transmission: str
    on_time: bool
    received_at: str
    uncertainty_ms: int
    commitment: str
    level: str
    keyset: str
    organisations: Sequence[str]
    recorded_at: str
    documents: Sequence[Mapping[str, Json]]
    mentions: Mapping[str, Json]
    proof: bytes

    def shown(self) -> dict[str, object]:
        """Return the object that `--json` prints."""
        shown: dict[str, object] = dict(vars(self))
        shown["proof"] = self.proof.decode()
        shown["organisations"] = list(self.organisations)
        shown["documents"] = list(self.documents)
        return shown


@dataclass(frozen=True)
class Due:
    """What the entry of a receipt must say of one envelope."""

    stream: str
    kinds: frozenset[str]
    fields: Mapping[str, Json]


def check_receipt(
    proof: bytes, policy: Policy, envelope: EnvelopeFile, transmission: str = ""
) -> Entry:
    """Return the entry that a receipt proves once it is about this envelope, else raise.

    A rehearsal makes no deposit: its proof is the end of its ``transmission``.
    """
    try:
        entry = proven_entry(proof, policy)
    except (CryptoError, LedgerError) as refusal:
        raise ReceiptRefused(str(refusal)) from refusal
    due = _due(envelope, transmission)
    if entry.stream != due.stream or entry.kind not in due.kinds:
        raise ReceiptRefused(f"it proves {entry.kind} in {entry.stream}")
    wrong = sorted(name for name, value in due.fields.items() if entry.data.get(name) != value)
    if wrong:
        raise ReceiptRefused(f"it says otherwise about {', '.join(wrong)}")
    return entry


def _due(envelope: EnvelopeFile, transmission: str) -> Due:
    header, label = envelope.header, envelope.header.label
    if label.kind == REHEARSAL:
        fields: dict[str, Json] = {
            "bytes_total": envelope.size,
            "ciphertext_root": root(list(envelope.leaves)).hex(),
        }
        return Due(f"transmission/{transmission}", frozenset({"TransmissionCompleted"}), fields)
    fields = {
        "bidder": label.bidder,
        "commitment": envelope.commitment,
        "consultation": label.consultation,
        "header_hash": header.hash.hex(),
        "lots": list(label.lots),
    }
    if label.kind == BACKUP:
        fields["medium"] = "ELECTRONIC"
        return Due(f"backup/{label.deposit}", frozenset({"BackupCopyReceived"}), fields)
    fields |= {
        "bytes_total": envelope.size,
        "documents_count": header.documents_count,
        "documents_root": header.documents_root.hex(),
    }
    return Due(f"deposit/{label.deposit}", frozenset(RECEIVED), fields)


def local_hour(at: str, zone: str) -> str:
    """Return an instant as people write it, in a zone, with its offset from UTC."""
    from zoneinfo import ZoneInfo

    return datetime.fromisoformat(at).astimezone(ZoneInfo(zone)).strftime("%d/%m/%Y %H:%M:%S %z")


WORDS = {
    "fr": {
        "title": "ACCUSÉ DE RÉCEPTION ÉLECTRONIQUE",
        "late": "REÇU HORS DÉLAI : gardé scellé",
        REHEARSAL: "RÉPÉTITION : ce n'est pas un dépôt",
        BACKUP: "COPIE DE SAUVEGARDE : gardée scellée tant qu'aucun motif ne permet de l'ouvrir",
        "depositor": "1. Déposant",
        "buyer": "2. Acheteur",
        "object": "3. Consultation",
        "hour": "4. Reçu le",
        "documents": "5. Documents",
        "commitment": "Engagement",
        "keyset": "Clé de la consultation",
        "level": "Niveau d'assurance",
        "deposit": "Dépôt",
        "A0": "protège du vol de la base, pas de l'opérateur",
        "A1": "gardiens indépendants",
        "A2": "gardiens indépendants, horodatage extérieur, scellé hors de la plateforme",
    },
    "en": {
        "title": "ELECTRONIC ACKNOWLEDGEMENT OF RECEIPT",
        "late": "RECEIVED LATE: kept sealed",
        REHEARSAL: "REHEARSAL: this is no deposit",
        BACKUP: "BACKUP COPY: kept sealed unless a legal ground lets it open",
        "depositor": "1. Depositor",
        "buyer": "2. Buyer",
        "object": "3. Consultation",
        "hour": "4. Received on",
        "documents": "5. Documents",
        "commitment": "Commitment",
        "keyset": "Key of the consultation",
        "level": "Assurance level",
        "deposit": "Deposit",
        "A0": "protects from theft of the database, not from the operator",
        "A1": "independent custodians",
        "A2": "independent custodians, an outside time stamp, sealed outside the platform",
    },
}


def words(proven: Proven, language: str, zone: str = "Europe/Paris") -> str:
    """Return the readable receipt: the five mentions, then what an auditor will ask for."""
    say = WORDS[language]
    hour = f"{local_hour(proven.received_at, zone)} ({zone})"
    lines = [say["title"], ""]
    if proven.kind in say:
        lines = [say[proven.kind], "", *lines]
    if not proven.on_time:
        lines += [say["late"], ""]
    lines += [
        f"{say['depositor']} : {_party(proven.mentions.get('depositor'))}",
        f"{say['buyer']} : {_party(proven.mentions.get('buyer'))}",
        f"{say['object']} : {_consultation(proven)}",
        f"{say['hour']} : {hour} = {proven.received_at} ± {proven.uncertainty_ms} ms",
        f"{say['documents']} : {len(proven.documents)}",
    ]
    lines += [f"   {one['name']}  {one['size']}  {one['sha256']}" for one in proven.documents]
    lines += [
        "",
        f"{say['deposit']} : {proven.deposit}",
        f"{say['commitment']} : {proven.commitment}",
        f"{say['keyset']} : {proven.keyset} ({', '.join(proven.organisations)})",
        f"{say['level']} : {proven.level}, {say[proven.level]}",
    ]
    return "\n".join(lines) + "\n"


def _party(shown: Json | None) -> str:
    if not isinstance(shown, Mapping):
        return "?"
    return " ".join(str(shown[key]) for key in ("name", "siret") if key in shown)


def _consultation(proven: Proven) -> str:
    shown = proven.mentions.get("consultation")
    title = shown.get("title", "") if isinstance(shown, Mapping) else ""
    about = proven.mentions.get("object", "")
    return " — ".join(str(part) for part in (title, about, proven.consultation) if part)

"""The papers of the story: a dossier (DCE) made from the record, and the documents of an offer.

Each document says that it enacts a published contract; nothing in it pretends to be the real file.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from datetime import datetime

from api.documents.render import Fact, pdf
from api.story.records import Company, Contract

NOTICE = (
    "Document joué par Pli à partir des données essentielles publiées d'un contrat réel "
    "({source}). La procédure est jouée comme procédure adaptée, le montant publié sert "
    "d'estimation, et les dépôts sont mis en scène : ce document n'est pas celui de l'acheteur."
)
DOCUMENTS = ("Acte d'engagement", "Mémoire technique", "Annexes")
STAMP = (2026, 1, 1, 0, 0, 0)  # a fixed date inside archives: the same offer, the same bytes
CHUNK = 1 << 20


@dataclass(frozen=True)
class Paper:
    """One file: its name in the dossier or the offer, and its bytes."""

    name: str
    content: bytes


def euros(cents: int) -> str:
    """Return an amount as French readers write it: ``272 782,27 € HT``."""
    whole = f"{cents // 100:,}".replace(",", "\u202f")
    return f"{whole},{cents % 100:02d}\u00a0€ HT"


def dossier(contract: Contract, dated: datetime) -> list[Paper]:
    """Return the files of the consultation (DCE): rules, specification, deed of undertaking."""
    facts = shared(contract)
    consultation: Fact = [
        ["Acheteur", f"{contract.buyer.name} (SIRET {contract.buyer.siret})"],
        ["Objet", contract.object],
        ["Code CPV", contract.cpv],
        ["Lieu d'exécution", contract.place],
        ["Montant estimé", euros(contract.amount_cents)],
        ["Procédure", "Procédure adaptée (MAPA), lot unique"],
    ]
    rules = facts | {
        "title": "Règlement de la consultation",
        "consultation": consultation,
        "deposit": [
            ["Date limite", "Celle de l'avis publié, prolongations comprises"],
            ["Remise", "Électronique, sur le profil d'acheteur ; copie de sauvegarde admise"],
            ["Signature", "Demandée au seul attributaire, sur le marché final"],
        ],
        "criteria": [["Prix", "60 %"], ["Valeur technique", "40 %"]],
    }
    specification = facts | {
        "title": "Cahier des charges",
        "object": contract.object,
        "execution": [["Lieu", contract.place], ["Estimation", euros(contract.amount_cents)]],
        "documents": list(DOCUMENTS),
    }
    blank: Fact = [["Dénomination", "à compléter"], ["SIRET", "à compléter"]]
    undertaking = facts | {
        "title": "Acte d'engagement",
        "consultation": consultation,
        "company": blank,
        "price": [["Montant", "à compléter"]],
    }
    return [
        Paper("01-reglement-de-la-consultation.pdf", pdf("rules", rules, dated)),
        Paper("02-cahier-des-charges.pdf", pdf("specification", specification, dated)),
        Paper("03-acte-d-engagement.pdf", pdf("undertaking", undertaking, dated)),
    ]


def offer(
    contract: Contract, company: Company, rank: int, size: int, dated: datetime
) -> list[Paper]:
    """Return the documents of one offer, about ``size`` bytes in all.

    The price is the published one for the real holder and grows with ``rank`` for the others. The
    bulk is a readable ZIP of bytes derived from names only, so that a story can be told again.
    """
    price = contract.amount_cents + contract.amount_cents * rank * 7 // 100
    facts = shared(contract) | {
        "title": "Acte d'engagement",
        "consultation": [["Acheteur", contract.buyer.name], ["Objet", contract.object]],
        "company": [["Dénomination", company.name], ["SIRET", company.siret]],
        "price": [["Montant", euros(price)]],
    }
    deed = Paper("acte-engagement.pdf", pdf("undertaking", facts, dated))
    seed = f"{contract.reference}/{company.siret}/{rank}"
    bulk = max(size - len(deed.content) - 400, 1)
    return [deed, Paper("annexes/memoire-technique.zip", archive(seed, bulk))]


def archive(seed: str, size: int) -> bytes:
    """Return a stored ZIP with one member of ``size`` bytes that no compressor shortens."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
        member = zipfile.ZipInfo("plans.bin", STAMP)
        with packed.open(member, "w") as target:
            for start in range(0, size, CHUNK):
                length = min(CHUNK, size - start)
                target.write(hashlib.shake_128(f"{seed}/{start}".encode()).digest(length))
    return out.getvalue()


def shared(contract: Contract) -> dict[str, Fact]:
    """Return the facts that every paper of a contract carries."""
    return {
        "reference": f"{contract.buyer.name}, {contract.reference}",
        "notice": NOTICE.format(source=contract.source),
    }

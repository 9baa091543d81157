"""The minutes of an opening as people file them: PDF/A-3a in French, and a table for spreadsheets.

The document only says what the facts say (``api/minutes.py``); they travel inside it as JSON, with
the canonical record whose SHA-256 the ledger holds. Its date is that of the session's last entry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from api.documents.render import Fact, pdf
from api.documents.sheets import Value, sheet
from api.spreadsheets import written
from api.web import words
from api.web.texts import Language, languages

Row = Mapping[str, Any]
FACTS_FILE = "proces-verbal.json"
RECORD_FILE = "proces-verbal-{plan_no}.canonique.json"
HEADER = 110
COLUMNS = (
    *("plan_no", "deposit", "verdict", "kind", "received_at", "late_by_ms", "event", "at"),
    *("company", "siret", "form", "documents_count", "commitment_matches", "documents_match"),
    *("fault", "cause", "malware", "scan", "custodians", "commitment", "proof", "leaf"),
)
NOTICE = (
    "Procès-verbal établi à partir des écritures du registre. Chaque heure est l'heure légale à "
    "laquelle l'écriture a été faite ; chaque pli y est désigné par son identifiant."
)
UNFINISHED = " La séance n'est pas terminée : ce document est un état provisoire."
ANSWERS = {
    "PROVEN": "a répondu, réponse prouvée",
    "REFUSED": "a refusé",
    "SILENT": "n'a pas répondu",
    "KEPT": "n'a plus répondu ; sa réponse prouvée d'avant compte",
    "BAD": "a donné une réponse fausse",
    "NOT_ASKED": "n'a pas été sollicité : assez de réponses étaient prouvées",
}


OPENED = frozenset({"EnvelopeOpened", "BackupCopyOpened"})


def document(minutes: Row, records: Mapping[str, str]) -> bytes:
    """Return the PDF/A of these minutes; ``records``: canonical records by their file name."""
    dated = datetime.fromisoformat(str(minutes["as_of"]))
    facts = json.dumps(minutes, ensure_ascii=False, sort_keys=True, indent=1)
    return pdf("minutes", told(minutes), dated, {FACTS_FILE: facts, **records})


def told(minutes: Row) -> dict[str, Fact]:
    """Return what the template says, in French."""
    done = minutes["state"] == "COMPLETED"
    buyer = minutes["buyer"]
    envelopes = minutes["envelopes"]
    return {
        "title": "Procès-verbal d'ouverture des plis",
        "reference": _short(f"{buyer.get('name', buyer['siret'])}, {minutes['reference']}"),
        "notice": NOTICE + ("" if done else UNFINISHED),
        "consultation": _consultation(minutes),
        "course": _course(minutes),
        "present": _present(minutes),
        "level": words.PLACEMENTS.get(minutes["custody"].get("placement", ""), "Non précisé"),
        "opened": [_opened(one) for one in envelopes if one.get("event") in OPENED],
        "unreadable": [
            _unreadable(one) for one in envelopes if one.get("event") == "EnvelopeUnreadable"
        ],
        "closed": [_closed(one) for one in envelopes if "event" not in one],
        "answers": [row for one in envelopes for row in _answers(one)],
        "scans": [_scan(one) for one in envelopes if one.get("event") in OPENED],
        "refusals": [_refusal(one) for one in minutes["refusals"]],
        "proof": _proof(minutes),
    }


def table(minutes: Row) -> str:
    """Return the envelopes as spreadsheets of our readers open them: no cell is a formula."""
    return written(COLUMNS, map(_cells, minutes["envelopes"]))


def workbook(minutes: Row) -> bytes:
    """Return the same table as XLSX; numbers are numbers, and every text is a text."""
    cells = map(_cells, minutes["envelopes"])
    rows = ([_value(row.get(name)) for name in COLUMNS] for row in cells)
    title = f"{minutes['consultation']} {minutes['lot']}"
    return sheet(title, COLUMNS, rows, datetime.fromisoformat(str(minutes["as_of"])))


def _value(cell: object) -> Value:
    return cell if cell is None or isinstance(cell, int) else str(cell)


def _cells(envelope: Row) -> dict[str, object]:
    company = envelope.get("operator", {})
    proof = envelope.get("proof", {})
    scan = envelope.get("scan", {})
    return {
        **envelope,
        "company": company.get("name", ""),
        "siret": company.get("siret", ""),
        "malware": envelope.get("malware", {}).get("signature", ""),
        "scan": scan.get("verdict", ""),
        "custodians": ", ".join(
            f"{one['custodian']} {one['answer']}" for one in envelope.get("custodians", ())
        ),
        "proof": proof.get("entry", ""),
        "leaf": proof.get("leaf", ""),
    }


@cache
def _french() -> Language:
    return languages()["fr"]


def _short(text: str) -> str:
    """Return what fits above each page."""
    return text if len(text) <= HEADER else f"{text[: HEADER - 1]}…"


def _hour(text: object) -> str:
    return _french().short(datetime.fromisoformat(str(text)))


def _consultation(minutes: Row) -> list[Fact]:
    buyer = minutes["buyer"]
    lot = minutes["lot"]
    rows: list[Fact] = [
        ["Acheteur", f"{buyer.get('name', '')} (SIRET {buyer['siret']})".strip()],
        ["Référence", str(minutes["reference"])],
        ["Objet", str(minutes["object"])],
        ["Lot", "Marché unique" if lot == "0" else f"{lot} : {minutes.get('lot_title', '')}"],
        ["Date et heure limites", _hour(minutes["deadline_at"])],
    ]
    if "opens_at" in minutes:
        rows.append(["Aucun pli ouvert avant", _hour(minutes["opens_at"])])
    return rows


def _course(minutes: Row) -> list[Fact]:
    rows: list[Fact] = []
    if "convened_at" in minutes:
        rows.append(["Séance convoquée", _hour(minutes["convened_at"])])
    for plan in minutes["plans"]:
        counts = ", ".join(
            f"{len(plan[name])} {label}" for name, label in _LISTED.items() if plan[name]
        )
        rows.append(
            [f"Plan n° {plan['plan_no']}", f"{_hour(plan['at'])} : {counts or 'aucun pli'}"]
        )
    if "quorum" in minutes:
        quorum = minutes["quorum"]
        names = ", ".join(quorum["custodians"])
        rows.append(["Quorum des gardiens", f"{_hour(quorum['at'])} : {names}"])
    rows += [["Quorum manqué", _hour(at)] for at in minutes["quorum_missed"]]
    for plan in minutes["plans"]:
        if "completed_at" in plan:
            rows.append([f"Fin du plan n° {plan['plan_no']}", _hour(plan["completed_at"])])
    return rows


_LISTED = {
    "open": "à ouvrir",
    "superseded": "remplacé(s)",
    "withdrawn": "retiré(s)",
    "late": "hors délai",
    "undetermined": "à trancher",
}


def _person(row: Row) -> str:
    return str(row.get("name") or f"personne {str(row['commitment'])[:16]}…")


def _present(minutes: Row) -> list[Fact]:
    capacity = words.CAPACITIES
    rows: list[Fact] = [
        [_person(one), capacity.get(one["capacity"], one["capacity"]), _hour(one["recorded_at"])]
        for one in minutes["present"]
    ]
    here = {one["commitment"] for one in minutes["present"]}
    return rows + [
        [_person(one), "convoquée, absente", ""]
        for one in minutes["members"]
        if one["commitment"] not in here
    ]


def _opened(one: Row) -> Fact:
    if "backup_copy" in one:
        return _copy(one)
    company = one.get("operator", {})
    name = company.get("name", company.get("operator", "non publié"))
    checks = [
        "pli identique à celui reçu"
        if one.get("commitment_matches")
        else "pli DIFFÉRENT de celui reçu",
        "liste conforme" if one.get("documents_match") else "liste DIFFÉRENTE",
    ]
    kind = words.DEPOSIT_KINDS.get(one.get("kind", ""), one.get("kind", ""))
    received = _hour(one["received_at"])
    return [
        one["deposit"],
        f"{name}\n{kind}",
        str(one.get("documents_count", "")),
        received,
        ", ".join(checks),
    ]


def _copy(one: Row) -> Fact:
    """Return an opened backup copy; it opened on a ground, under its recorded commitment."""
    ground = words.BACKUP_GROUNDS.get(one.get("ground", ""), one.get("ground", ""))
    name = f"copie de sauvegarde\n{ground}"
    return [one["deposit"], name, "", _hour(one["received_at"]), "pli identique à celui reçu"]


def _unreadable(one: Row) -> Fact:
    fault = words.FAULTS.get(one.get("fault", ""), one.get("fault", ""))
    proof = one.get("proof", {})
    return [
        one["deposit"],
        f"{fault} ({one.get('cause', '')})",
        f"{proof.get('entry', '')}\n{one.get('commitment', '')}",
    ]


def _closed(one: Row) -> Fact:
    reason = words.VERDICTS.get(one["verdict"], one["verdict"])
    if one["verdict"] == "open":
        reason = "Dans le plan, pas encore ouvert"
    late = f", {one['late_by_ms']} ms de retard" if "late_by_ms" in one else ""
    return [one["deposit"], f"{reason}{late}"]


def _answers(one: Row) -> list[Fact]:
    return [
        [
            one["deposit"],
            str(row["custodian"]),
            ANSWERS.get(row["answer"], row["answer"])
            + (f" : {words.REFUSALS.get(row['code'], row['code'])}" if row.get("code") else ""),
        ]
        for row in one.get("custodians", ())
    ]


def _scan(one: Row) -> Fact:
    if "malware" in one:
        found = one["malware"]
        return [
            one["deposit"],
            f"LOGICIEL MALVEILLANT dans {found['file']} : {found['signature']} "
            f"({found['engine']}) ; pli mis en quarantaine, gardé comme preuve",
        ]
    scan = one.get("scan", {})
    if scan.get("verdict") == "CLEAN":
        return [one["deposit"], f"rien trouvé, {_hour(scan['at'])} ({scan.get('engine', '')})"]
    reason = words.NOT_SCANNED.get(scan.get("reason", ""), scan.get("reason", ""))
    return [one["deposit"], f"non analysé : {reason}"]


def _refusal(one: Row) -> Fact:
    role = words.ROLES.get(one["role"], one["role"])
    who = f"{role} {one['custodian']}" if "custodian" in one else role
    return [_hour(one["at"]), who, words.REFUSALS.get(one["code"], one["code"])]


def _proof(minutes: Row) -> list[Fact]:
    rows: list[Fact] = []
    if "closing_head" in minutes:
        head = minutes["closing_head"]
        names = ", ".join(head["witnesses"])
        rows += [
            ["État du registre à la clôture", f"{head['size']} écritures, racine {head['root']}"],
            ["Contresigné par", names or "personne"],
        ]
        if "token_hash" in head:
            rows.append(["Empreinte de l'horodatage", str(head["token_hash"])])
    keys = minutes["custody"]
    if "digest" in keys:
        rows += [
            ["Clé de la consultation", str(keys["digest"])],
            [
                "Gardiens",
                f"{', '.join(keys['custodians'])} ; {keys['k']} sur {keys['n']} suffisent",
            ],
            ["Niveau", str(keys["placement"])],
        ]
    for plan in minutes["plans"]:
        if "minutes_hash" in plan:
            label = f"Empreinte du procès-verbal du plan n° {plan['plan_no']}"
            rows.append([label, str(plan["minutes_hash"])])
    return rows


def names_of(plans: Sequence[Row]) -> dict[str, str]:
    """Return the file name of each plan's canonical record, by the hash in the ledger."""
    return {
        str(plan["minutes_hash"]): RECORD_FILE.format(plan_no=plan["plan_no"])
        for plan in plans
        if "minutes_hash" in plan
    }

"""Evidence of the platform's health for people: a page of text, a PDF that carries it, a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from api.spreadsheets import written

Answer = Mapping[str, Any]
COLUMNS = ("at", "what", "name", "path", "result", "detail", "source")
VERDICTS = {
    "fr": {
        "PROVEN": "PROUVÉ : la plateforme pouvait recevoir pendant toute la période.",
        "FAILED": "DÉFAILLANCE : pendant la période, la plateforme a failli.",
        "UNPROVEN": "NON PROUVÉ : rien n'établit que la plateforme pouvait recevoir.",
    },
    "en": {
        "PROVEN": "PROVEN: the platform was able to receive during the whole window.",
        "FAILED": "FAILED: during the window the platform failed.",
        "UNPROVEN": "UNPROVEN: nothing shows that the platform was able to receive.",
    },
}
GROUNDS = {
    "fr": {
        "PROBE": "essai échoué",
        "LINK": "page muette",
        "INCIDENT": "incident déclaré",
        "SERVER": "panne de la plateforme",
    },
    "en": {
        "PROBE": "failed probe",
        "LINK": "dead page",
        "INCIDENT": "declared incident",
        "SERVER": "failure of the platform",
    },
}
TEXTS = {
    "fr": {
        "from": "De",
        "to": "à",
        "silence": "Sans essai réussi",
        "deposits": "Dépôts reçus (seulement là où tout plan d'ouverture est arrêté)",
        "proofs": "Écritures prouvées",
        "withheld": "preuves retenues jusqu'aux ouvertures",
        "later": "pas encore publiées",
        "rest": "Le registre ne porte pas encore d'essai de la fin de la période : les succès y "
        "entrent à chaque battement (une heure).",
    },
    "en": {
        "from": "From",
        "to": "to",
        "silence": "Without a successful probe",
        "deposits": "Deposits received (only where every opening plan is fixed)",
        "proofs": "Proven entries",
        "withheld": "proofs withheld until the openings",
        "later": "not published yet",
        "rest": "The ledger holds no probe of the end of the window yet: successes enter it at "
        "each beat (one hour).",
    },
}
MEANING = (
    "Règle : échec si, dans la période, un essai de dépôt, de stockage ou de connexion a échoué, "
    "si une page de consultation était muette sans autre chemin, si un incident la recouvre ou si "
    "une transmission a échoué par la faute de la plateforme ; prouvé si rien de cela n'est et si "
    "chaque instant suit de 120 secondes au plus un essai de dépôt réussi ; sinon non prouvé. Le "
    "silence ne compte jamais en faveur de la plateforme."
)
NOTICE = (
    "Ce document ne dit que ce que porte le registre. Avant l'ouverture des plis il ne dit rien "
    "des dépôts : ni transmission interrompue, ni nombre."
)


def told(found: Answer, language: str) -> str:
    """Return the evidence as one page of text."""
    words, grounds = TEXTS[language], GROUNDS[language]
    proofs = found["proofs"]
    lines = [
        VERDICTS[language][found["verdict"]],
        f"{words['from']} {found['from']} {words['to']} {found['to']} ({found['origin']})",
        *(f"  {one['at']}  {grounds[one['ground']]}: {one['what']}" for one in found["reasons"]),
        *(f"  {words['silence']}: {one['from']} – {one['to']}" for one in found["silences"]),
        *([words["rest"]] if "rest_comes_with_the_next_beat" in found else []),
        f"{words['deposits']}: {sum(found['deposits_received'].values())}",
        f"{words['proofs']}: {len(proofs['receipts'])}; "
        f"{words['later']}: {len(proofs['not_published_yet'])}; "
        f"{words['withheld']}: {len(proofs['withheld_until_openings'])}",
    ]
    return "\n".join(lines) + "\n"


def csv_text(found: Answer) -> str:
    """Return the facts as spreadsheets of our readers open them: no cell is a formula."""
    rows = (dict(zip(COLUMNS, row, strict=True)) for row in sorted(_rows(found)))
    return written(COLUMNS, rows)


def pdf(found: Answer) -> bytes:
    """Return the evidence as a PDF/A that carries the whole of it, dated by the window's end."""
    from api.documents.render import pdf as rendered

    probes = found["probes"]
    names = sorted({one["probe"] for one in probes})
    proofs = found["proofs"]
    facts: dict[str, Any] = {
        "title": "Preuve de l'état de la plateforme",
        "reference": found["origin"],
        "notice": NOTICE,
        "question": [
            ["Du (UTC)", found["from"]],
            ["Au (UTC)", found["to"]],
            ["Registre", found["origin"]],
            ["Règle", found["rule"]],
        ],
        "verdict": VERDICTS["fr"][found["verdict"]],
        "meaning": MEANING,
        "reasons": [
            [one["at"], GROUNDS["fr"][one["ground"]], one["what"], one["source"]]
            for one in found["reasons"]
        ],
        "silences": [[one["from"], one["to"]] for one in found["silences"]],
        "probes": [[name, _counted(name, probes)] for name in names] or [["Essais", "aucun"]],
        "others": [
            ["Incidents déclarés", str(len(found["incidents"]))],
            ["Pannes de transmission révélées", str(len(found["server_failures"]))],
            ["Dépôts reçus, plans arrêtés", str(sum(found["deposits_received"].values()))],
        ],
        "proof": [
            ["Écritures prouvées", str(len(proofs["receipts"]))],
            ["Pas encore publiées", str(len(proofs["not_published_yet"]))],
            ["Retenues jusqu'aux ouvertures", str(len(proofs["withheld_until_openings"]))],
        ],
    }
    whole = json.dumps(dict(found), ensure_ascii=False, sort_keys=True, indent=1)
    return rendered("health", facts, datetime.fromisoformat(found["to"]), {"preuve.json": whole})


def _counted(name: str, probes: list[Answer]) -> str:
    mine = [one for one in probes if one["probe"] == name]
    failed = sum(not one["ok"] for one in mine)
    return f"{len(mine) - failed} réussis, {failed} échoués"


def _rows(found: Answer) -> Iterator[tuple[str, ...]]:
    for one in found["probes"]:
        result = "ok" if one["ok"] else "failed"
        yield (
            one["at"],
            "probe",
            one["probe"],
            one.get("path", ""),
            result,
            one.get("error", ""),
            one["source"],
        )
    for one in found["incidents"]:
        yield (
            one["from"],
            "incident",
            one["scope"],
            "",
            one.get("to", ""),
            one["cause"],
            one["source"],
        )
    for one in found["server_failures"]:
        yield (one["at"], "server", one["event"], "", "", one.get("code", ""), one["source"])
    for one in found["silences"]:
        yield (one["from"], "silence", "DEPOSIT", "", one["to"], "", "")
    yield (found["to"], "verdict", found["verdict"], "", "", "", "")

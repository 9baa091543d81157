"""Who decides for a buyer: a signatory, whom it delegates to, and the committee, by function.

Nobody real is named, and no real deliberation: the references say that this is an exercise.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from domain.clock import local_date
from domain.committee import elected
from domain.events.parties import BuyerKind

if TYPE_CHECKING:
    from api.story.records import Contract
    from api.story.stage import Stage

SIGNATORY, DELEGATE = "autorite-signataire", "direction-de-la-commande-publique"
PRESIDENT = "presidence-de-la-commission"
REFERENCE = "exercice, sans délibération réelle"
CEILING_CENTS = 22_100_000
DELEGATION_DAYS = 365


async def entitle(stage: Stage, contract: Contract) -> None:
    """Give a buyer its signatory, a delegation of signature and its committee."""
    siret = contract.buyer.siret
    who, path = (siret, "BU"), f"/api/v1/buyers/{siret}"
    today = local_date(stage.platform.desk.clock.now().latest)
    first, last = today.isoformat(), (today + timedelta(days=DELEGATION_DAYS)).isoformat()
    role = {"person": SIGNATORY, "role": "SI", "valid_from": first}
    await stage.act(who, f"signatory-{siret}", f"{path}/roles", role)
    delegation = {
        "giver": SIGNATORY,
        "receiver": DELEGATE,
        "act_types": ["CONTRACT"],
        "ceiling_cents": CEILING_CENTS,
        "valid_from": first,
        "valid_to": last,
        "deliberation": REFERENCE,
    }
    await stage.act(who, f"delegation-{siret}", f"{path}/delegations", delegation)
    seats = elected(stage.platform.desk.law.rules, BuyerKind(contract.buyer_kind), None, today)
    committee = {
        "president": PRESIDENT,
        "titulars": [f"titulaire-{number}" for number in range(1, seats + 1)],
        "substitutes": [f"suppleance-{number}" for number in range(1, seats + 1)],
        "deliberation": REFERENCE,
    }
    shown = await stage.act(who, f"committee-{siret}", f"{path}/committee", committee)
    stage.say(
        f"commission d'appel d'offres élue ({shown['voters']} voix, quorum {shown['quorum']}) et "
        f"signature déléguée : {contract.buyer.name}"
    )

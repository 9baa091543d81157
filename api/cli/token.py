"""``pli token create|revoke``: credentials of callers, beside a running server or not.

The token is shown once and kept only hashed; its right takes effect when the process that holds
the ledger has recorded the grant, at the token's first use.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

Home = Annotated[Path, typer.Option(help="Dossier de la plateforme / folder of the platform")]
AsJson = Annotated[bool, typer.Option("--json", help="Un objet JSON / one JSON object")]


@app.command()
def create(
    role: Annotated[str, typer.Option(help="Rôle à deux lettres / two-letter role: BU, CY, PA…")],
    org: Annotated[str, typer.Option(help="SIRET")],
    home: Home = Path("var/home"),
    days: Annotated[int, typer.Option(min=1, max=3660, help="Validité en jours / days")] = 365,
    as_json: AsJson = False,
) -> None:
    """Create a token for a role in an organisation and print it once."""
    from api.adapters.clock import host_time
    from api.adapters.rng import SystemRng
    from api.home import Home as Place
    from api.law import check_role
    from domain.errors import BadForm
    from domain.identifiers import check_siret

    try:
        check_role(role)
    except BadForm as refusal:
        raise typer.BadParameter(refusal.reason, param_hint="--role") from refusal
    siret = check_siret(org)
    place = Place(home).existing()
    accounts = place.accounts()
    token, account = accounts.create(siret, role, days, host_time(), SystemRng().bytes)
    accounts.close()
    shown = {
        "token": token,
        "id": account.token_id,
        "role": role,
        "org": siret,
        "expires_at": account.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    print(json.dumps(shown) if as_json else token)


@app.command()
def revoke(token_id: str, home: Home = Path("var/home")) -> None:
    """End a token at once, by the id that was shown with it."""
    from api.home import Home as Place

    accounts = Place(home).existing().accounts()
    accounts.revoke(token_id)
    accounts.close()

"""``pli token create|invite|revoke``: credentials of callers, beside a running server or not.

A token, or the link of an invitation, is shown once and kept only hashed; its right takes effect
when the process that holds the ledger has recorded the grant, at the first use.
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

    siret = _seat(role, org)
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
def invite(
    role: Annotated[str, typer.Option(help="Rôle à deux lettres / two-letter role: PA, BU, CY…")],
    org: Annotated[str, typer.Option(help="SIRET, ou platform / or platform")],
    email: Annotated[str, typer.Option(help="Adresse électronique / e-mail address")],
    name: Annotated[str, typer.Option(help="Nom / name")],
    home: Home = Path("var/home"),
    days: Annotated[int, typer.Option(min=1, max=30, help="Validité en jours / days")] = 7,
    as_json: AsJson = False,
) -> None:
    """Invite a person for a seat and print the link once: how the first one comes in."""
    from api.adapters.clock import host_time
    from api.adapters.rng import SystemRng
    from api.home import Home as Place
    from api.settings import Settings
    from domain.identifiers import check_text

    siret = _seat(role, org)
    place = Place(home).existing()
    accounts = place.accounts()
    try:
        secret, made = accounts.invitations.create(
            (siret, role),
            email,
            check_text("name", name, 120),
            host_time(),
            SystemRng().bytes,
            days=days,
        )
    finally:
        accounts.close()
    link = f"{Settings().origin}/invitation/{secret}"
    shown = {
        "link": link,
        "role": role,
        "org": siret,
        "expires_at": made.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    print(json.dumps(shown) if as_json else link)


@app.command()
def revoke(token_id: str, home: Home = Path("var/home")) -> None:
    """End a token at once, by the id that was shown with it."""
    from api.home import Home as Place

    accounts = Place(home).existing().accounts()
    accounts.revoke(token_id)
    accounts.close()


def _seat(role: str, org: str) -> str:
    """Return the organisation of a seat if it can be one, else leave with a word on the option."""
    from api.law import check_role
    from domain.errors import BadForm
    from domain.identifiers import ID, check, check_siret

    try:
        check_role(role)
    except BadForm as refusal:
        raise typer.BadParameter(refusal.reason, param_hint="--role") from refusal
    # the platform itself has an id, not always a SIRET
    return check(ID, "org", org) if role == "PA" else check_siret(org)

"""``pli export tenant SIRET DIR``: everything that one buyer takes along when it leaves (I-16).

It reads keys and stored files, so it needs the lock: a running server gives the same to the buyer's
officer, as GET /api/v1/buyers/{siret}/export. ``pli verify export`` judges what was written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HomeOption = Annotated[Path, typer.Option("--home", help="Dossier de la plateforme / its folder")]
AsJson = Annotated[bool, typer.Option("--json", help="Un objet JSON / one JSON object")]
DEFAULT = Path("var/home")


@app.callback()
def export() -> None:
    """Write what somebody takes along."""


@app.command()
def tenant(
    buyer: Annotated[str, typer.Argument(metavar="SIRET")],
    out: Annotated[Path, typer.Argument(help="Dossier vide ou absent / empty or absent folder")],
    home: HomeOption = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Write the complete export of a buyer, under the last published checkpoint."""
    from api.home import Home
    from api.leaving import TenantExport
    from api.settings import Settings
    from api.wiring import open_platform

    platform = open_platform(Home(home).existing(), Settings(home=home))
    try:
        shown = TenantExport.of(platform, buyer).write(out)
    finally:
        platform.close()
    told = " · ".join(f"{name}: {value}" for name, value in shown.items())
    print(json.dumps(shown) if as_json else told)

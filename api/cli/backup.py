"""``pli backup OUT``: a home in one file, also beside a running server (``ledger.md`` §5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def backup(
    out: Annotated[Path, typer.Argument(help="Fichier à créer / file to make")],
    home: Annotated[Path, typer.Option(help="Dossier de la plateforme / its folder")] = Path(
        "var/home"
    ),
    with_keys: Annotated[
        bool,
        typer.Option("--with-keys", help="Clés et gardiens aussi / keys, custodians too"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Write a platform into one file: ledger, blobs, private rows; views are never needed."""
    from api.adapters.clock import HostClock
    from api.backups import backup as write
    from api.home import Home
    from api.settings import Settings

    clock = HostClock(Settings().clock_bound_ms)
    made = write(Home(home).existing(), out, clock=clock, keys=with_keys)
    shown = {
        "out": str(out),
        "origin": made.head.origin,
        "size": made.head.size,
        "root": made.head.root.hex(),
        "files": len(made.files),
        "keys": made.keys,
    }
    told = " · ".join(f"{name}: {value}" for name, value in shown.items())
    print(json.dumps(shown) if as_json else told)

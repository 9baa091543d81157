"""``pli rebuild``: the views again from zero, compared byte by byte with the live ones."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def rebuild(
    home: Annotated[Path, typer.Option()] = Path("var/home"),
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Build the views from zero beside the live ones and compare; exit 1 if they differ."""
    from api.home import Home
    from api.wiring import open_reader
    from replay.rebuild import compare

    place = Home(home).existing()
    with open_reader(place) as log, tempfile.TemporaryDirectory() as scratch:
        found = compare(log, place.views, Path(scratch) / "views.db")
    shown = {
        "entries": found.position + 1,
        "sha256": hashlib.sha256(found.rebuilt).hexdigest(),
        "equal": found.equal,
    }
    print(json.dumps(shown) if as_json else f"{shown['entries']} entries, equal: {found.equal}")
    raise typer.Exit(0 if found.equal else 1)

"""``pli rebuild``: the views again from zero, compared byte by byte with the live ones.

``--status`` only tells where the live ones stand. Views of an older version are not rebuilt here:
the server builds the new ones beside them when it starts, and swaps.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.home import Home

EVERY = 50_000

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def rebuild(
    home: Annotated[Path, typer.Option()] = Path("var/home"),
    as_json: Annotated[bool, typer.Option("--json")] = False,
    status: Annotated[bool, typer.Option("--status")] = False,
) -> None:
    """Build the views from zero beside the live ones and compare; exit 1 if they differ."""
    from api.home import Home
    from api.wiring import open_reader
    from replay.rebuild import compare

    place = Home(home).existing()
    if status:
        _tell_status(place, as_json=as_json)
        return
    with open_reader(place) as log, tempfile.TemporaryDirectory() as scratch:
        found = compare(log.reader, place.views, Path(scratch) / "views.db", _progress)
    shown = {
        "entries": found.position + 1,
        "sha256": hashlib.sha256(found.rebuilt).hexdigest(),
        "equal": found.equal,
    }
    print(json.dumps(shown) if as_json else f"{shown['entries']} entries, equal: {found.equal}")
    raise typer.Exit(0 if found.equal else 1)


def _tell_status(place: Home, *, as_json: bool) -> None:
    from dataclasses import asdict

    from api.wiring import open_reader
    from projections.status import status

    with open_reader(place) as log:
        found = status(log, log.head(), place.views)
    if as_json:
        print(json.dumps([asdict(each) for each in found]))
        return
    for each in found:
        lag = f"{each.lag_entries} entries, {each.lag_seconds:.3f} s behind"
        print(f"{each.name} version {each.version} at position {each.position}: {lag}")


def _progress(position: int) -> None:
    if (position + 1) % EVERY == 0:
        print(f"{position + 1} entries", file=sys.stderr)

"""``pli keys list|rotate|retire``: which keys sign the log, and how one takes the place of another.

``rotate`` and ``retire`` write to the log, so they need the lock: stop the server, change, start.
Other keys change otherwise (docs/operations.md): a witness's in its own folder, those of a
time-stamping authority and of OpenID Connect in files that the settings name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crypto.keys import LogKeys

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HomeOption = Annotated[Path, typer.Option("--home", help="Dossier de la plateforme / its folder")]
AsJson = Annotated[bool, typer.Option("--json", help="Un objet JSON / one JSON object")]
DEFAULT = Path("var/home")


@app.command("list")
def list_keys(home: HomeOption = DEFAULT, as_json: AsJson = False) -> None:
    """Show the keys of the log with their sizes, as a policy says it; beside a server too."""
    from api.home import Home
    from api.key_changes import keys_of

    _tell(keys_of(Home(home).existing()), as_json)


@app.command()
def rotate(home: HomeOption = DEFAULT, as_json: AsJson = False) -> None:
    """Make a new key of the log; both sign from now on, for 30 days."""
    from api.home import Home
    from api.key_changes import rotate as change

    _tell(change(Home(home).existing()), as_json)


@app.command()
def retire(
    home: HomeOption = DEFAULT,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="Sans attendre 30 jours / without the 30 days")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """End the old key of the log: it counts no more and its file is destroyed."""
    from api.adapters.clock import HostClock
    from api.home import Home
    from api.key_changes import retire as change
    from api.settings import Settings

    clock = HostClock(Settings().clock_bound_ms)
    _tell(change(Home(home).existing(), clock, emergency=emergency), as_json)


def _tell(keys: LogKeys, as_json: bool) -> None:
    if not as_json:
        print("\n".join(keys.lines()))
        return
    rows = [
        {"vkey": vkey, "from": first} | ({} if end is None else {"end": end})
        for vkey, (first, end) in keys.ranges().items()
    ]
    print(json.dumps({"keys": rows, "policy": keys.lines()}))

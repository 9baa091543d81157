"""``pli privacy export|erase SUBJECT|erase-buyer SIRET``: what is held, and its end (T31).

A subject is named as the platform names it: ``token:…`` of an account, ``siret:…`` of a company, a
member's name. ``export`` only reads, beside a running server too; ``erase`` writes, so it needs the
lock: stop the server, erase, start again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HomeOption = Annotated[Path, typer.Option("--home", help="Dossier de la plateforme / its folder")]
AsJson = Annotated[bool, typer.Option("--json", help="Un objet JSON / one JSON object")]
DEFAULT = Path("var/home")


@app.command()
def export(subject: str, home: HomeOption = DEFAULT, as_json: AsJson = False) -> None:
    """Show everything that is held of a subject, and where it stands in the ledger."""
    from api.adapters.personal_rows import stores_of
    from api.adapters.rng import SystemRng
    from api.adapters.scrub import connect_reading
    from api.home import Home
    from api.privacy import extract
    from api.wiring import open_reader, subjects_of

    place = Home(home).existing()
    with (
        open_reader(place) as log,
        closing(subjects_of(place, SystemRng(), connect_reading)) as subjects,
    ):
        found = extract(subject, subjects, stores_of(place.folder), log)
    found.check()
    shown = found.shown()
    print(json.dumps(shown, ensure_ascii=False) if as_json else _told(shown))


@app.command()
def erase(
    subject: str,
    reason: Annotated[str, typer.Option(help="Pourquoi, inscrit au registre / why, recorded")],
    home: HomeOption = DEFAULT,
    despite: Annotated[
        str | None,
        typer.Option(help="Motif qui l'emporte sur la conservation légale / overriding ground"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Destroy what is held of a subject and record that it was done; exit 1 where it is refused.

    The reason enters the ledger for ever: it names nobody.
    """
    from api.home import Home
    from api.settings import Settings
    from api.wiring import open_platform

    platform = open_platform(Home(home).existing(), Settings(home=home))
    try:
        done = platform.privacy.erase(subject, reason, despite)
    finally:
        platform.close()
    shown = {
        "stream": done.stream,
        "commitments": done.commitments,
        "position": done.position,
    }
    print(json.dumps(shown) if as_json else f"effacé / erased: {_line(shown)}")


@app.command("erase-buyer")
def erase_buyer(
    buyer: str,
    reason: Annotated[str, typer.Option(help="Pourquoi, inscrit au registre / why, recorded")],
    home: HomeOption = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Make all that was opened for a buyer that has left unreadable, and record it.

    Its key is destroyed; destroy older copies of ``keys/`` too: they alone still read it.
    """
    from api.home import Home
    from api.settings import Settings
    from api.wiring import open_platform

    platform = open_platform(Home(home).existing(), Settings(home=home))
    try:
        done = platform.privacy.erase_buyer(buyer, reason)
    finally:
        platform.close()
    shown = {"stream": done.stream, "position": done.position}
    print(json.dumps(shown) if as_json else f"effacé / erased: {_line(shown)}")


def _told(shown: Mapping[str, object]) -> str:
    """Return an extract as lines, one for each thing that is held."""
    lines = []
    for name, value in shown.items():
        if isinstance(value, list):
            lines.append(f"{name}: {len(value)}")
            lines += [f"  {_line(row)}" for row in value]
        else:
            lines.append(f"{name}: {value}")
    return "\n".join(lines)


def _line(row: Mapping[str, object]) -> str:
    return " · ".join(f"{name}: {_shown(value)}" for name, value in row.items())


def _shown(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)

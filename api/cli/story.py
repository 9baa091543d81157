"""``pli story``: the whole life of real consultations, played on this machine and then proven.

It never serves. Once finished it appends nothing: the account kept in ``story.json`` is printed
again. A story that was interrupted stays as history, and a new one begins with new names.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def story(
    home: Annotated[Path, typer.Option(help="Dossier de la plateforme / folder")] = Path(
        "var/home"
    ),
    data: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Fichier DECP à jouer / DECP file to play"),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Jouer au plus une fois / play once at most (default)")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Un objet JSON / one JSON object")
    ] = False,
) -> None:
    """Play the story, or print the finished one again."""
    from api.story import account
    from api.story.performance import play_once
    from api.story.records import MOST_RECORDS, built_in, select

    _ = once  # a finished story is never played twice; the word says so in scripts
    told = account.kept(home)
    if told is None:
        contracts = built_in()
        if data is not None:
            chosen = select(data.read_bytes(), MOST_RECORDS)
            for index, reasons in chosen.passed_over:
                print(f"enregistrement {index} écarté : {', '.join(reasons)}", file=sys.stderr)
            contracts = chosen.contracts
        told = play_once(home, contracts, lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(told, ensure_ascii=False) if as_json else account.table(told))

"""``pli restore ARCHIVE``: a home out of a backup, proven before it is one (``ledger.md`` §5)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ledger.transfer import Evidence

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
Notes = Annotated[list[Path] | None, typer.Option(help="Point de contrôle gardé / kept checkpoint")]
READ_ONLY = {
    "fr": "à lire et à prouver seulement : aucun repère (--mark) n'a survécu ; "
    "« pli ledger adopt » le rétablit, sous la responsabilité de qui le lance",
    "en": "to be read and proven only: no mark (--mark) has survived; "
    "'pli ledger adopt' restores it, on the responsibility of whoever runs it",
}


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="Sauvegarde / backup")],
    home: Annotated[Path, typer.Option(help="Dossier à créer / folder to make")],
    policy: Annotated[Path | None, typer.Option(help="policy.txt")] = None,
    mark: Annotated[Path | None, typer.Option(help="highwater/mark")] = None,
    pin: Notes = None,
    witness: Notes = None,
    successor: Annotated[bool, typer.Option("--successor")] = False,
    origin: Annotated[str | None, typer.Option(help="Du successeur / of the successor")] = None,
    reason: Annotated[str, typer.Option(help="Pourquoi / why")] = "older backup",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Restore a backup if nothing later is known of its log; else only as a successor."""
    from api.backups import restore as bring_back
    from api.backups import restore_as_successor
    from api.cli import language
    from api.home import Home

    if successor != (origin is not None) or (successor and mark is not None):
        raise typer.BadParameter("--successor --origin NAME, sans/without --mark")
    text = None if policy is None else _read(policy).decode("utf-8", "replace")
    kept = [*_evidence("pin", pin), *_evidence("witness", witness)]
    if origin is not None:
        found = restore_as_successor(
            archive, Home(home), origin=origin, reason=reason, policy=text, evidence=kept
        )
    else:
        note = None if mark is None else _read(mark)
        found = bring_back(archive, Home(home), policy=text, mark=note, evidence=kept)
    shown = found.shown()
    told = " · ".join(f"{name}: {value}" for name, value in shown.items())
    print(json.dumps(shown) if as_json else told)
    if not found.goes_on:
        print(f"pli : {READ_ONLY[language()]}", file=sys.stderr)


def _evidence(source: str, paths: list[Path] | None) -> list[Evidence]:
    from ledger.transfer import Evidence

    return [Evidence(f"the {source} {path.name}", _read(path)) for path in paths or []]


def _read(path: Path) -> bytes:
    from api.cli import FileUnreadable

    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadable(str(path)) from error

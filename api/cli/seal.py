"""``pli seal --kit kit.json --kind OFFER --lot 1 --out offre.pli FILES…``: without any network.

Neither web framework nor database is imported. Documents that the buyer may be unable to read are
warned about, never refused; what the published limits exclude is refused before anything is sealed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli.kit import AsJson, tell_keys

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def seal(
    files: Annotated[
        list[Path], typer.Argument(exists=True, help="Documents, dossiers / documents, folders")
    ],
    kit: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, help="Nécessaire de dépôt / kit of the consultation"
        ),
    ],
    kind: Annotated[
        str, typer.Option(help="APPLICATION, OFFER, BOTH, FINAL_OFFER, BACKUP, REHEARSAL")
    ],
    out: Annotated[Path, typer.Option(help="Pli à écrire / envelope to write")],
    lot: Annotated[list[str] | None, typer.Option(help="Lot ; « 0 » sans lots / no lots")] = None,
    intent: Annotated[str, typer.Option(help="INITIAL, REPLACE, COMPLEMENT")] = "INITIAL",
    target: Annotated[str | None, typer.Option(help="Dépôt visé / targeted deposit")] = None,
    round_: Annotated[int, typer.Option("--round", min=1, max=99)] = 1,
    as_json: AsJson = False,
) -> None:
    """Seal documents into one envelope."""
    from api.adapters.rng import SystemRng
    from api.depositor.kit import Kit
    from api.depositor.sealing import Wish, pieces_of
    from api.depositor.sealing import seal as make

    checked = Kit.parse(kit.read_bytes())
    lots = tuple(lot) if lot else tuple(checked.lots[:1] if len(checked.lots) == 1 else ())
    wish = Wish(kind, lots, intent, target, round_)
    made = make(checked, wish, pieces_of(files), out, SystemRng(), warn)
    shown = {
        "bytes": made.bytes,
        "commitment": made.commitment,
        "deposit": made.deposit,
        "documents": made.documents,
        "keyset": checked.keyset.digest.hex(),
        "level": checked.level,
        "out": str(made.path),
        "pieces": str(made.pieces),
    }
    if as_json:
        print(json.dumps(shown))
        return
    print(f"{made.path}  {made.bytes}")
    print(f"dépôt / deposit {made.deposit}\nengagement / commitment {made.commitment}")
    tell_keys(checked.keyset.digest.hex(), checked.organisations, checked.level)


def warn(name: str, about: str) -> None:
    """Warn about one document; it is sealed all the same."""
    print(f"! {name} : lisible par l'acheteur ? / readable? {about}", file=sys.stderr)

"""``pli witness init|add-log|drop-log|rotate|retire|serve|evidence``: cosigns a neighbour's log.

It has its own folder, key and state and needs nothing of a platform (`ledger.md` §8).
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HomeOption = Annotated[Path, typer.Option("--home", help="Dossier du témoin / its folder")]
LogOption = Annotated[
    list[str], typer.Option("--log", help="Clé d'un registre / key of a log (vkey)")
]
AsJson = Annotated[bool, typer.Option("--json", help="Un objet JSON / one JSON object")]


@app.command()
def init(
    home: HomeOption,
    name: Annotated[str, typer.Option(help="Nom du témoin, une adresse sans schéma / its name")],
    log: LogOption,
    as_json: AsJson = False,
) -> None:
    """Create a witness that knows these logs, and show its key for a policy."""
    from api.adapters.rng import SystemRng
    from api.adapters.witness_home import WitnessHome
    from crypto.errors import CryptoError
    from crypto.notes import VerifierKey, is_key_name

    if not is_key_name(name):
        raise typer.BadParameter("--name")
    try:
        for vkey in log:
            VerifierKey.parse(vkey)  # nothing is created beside a wrong key
    except CryptoError as error:
        raise typer.BadParameter(f"--log: {error}") from error
    witness = WitnessHome.create(home, name, SystemRng())
    try:
        origins = [witness.add_log(vkey).name for vkey in log]
        key = str(witness.key())
    finally:
        witness.close()
    shown = {"home": str(home), "name": name, "vkey": key, "logs": origins}
    print(json.dumps(shown) if as_json else key)


@app.command("add-log")
def add_log(home: HomeOption, log: LogOption) -> None:
    """Let the witness know more logs, or one more key of a log; a running server sees it."""
    from api.adapters.witness_home import WitnessHome

    witness = WitnessHome(home)
    try:
        for vkey in log:
            print(witness.add_log(vkey).name)
    finally:
        witness.close()


@app.command("drop-log")
def drop_log(home: HomeOption, log: LogOption) -> None:
    """Forget a key of a log that has ended; what it alone signs is refused at once."""
    from api.adapters.witness_home import WitnessHome

    witness = WitnessHome(home)
    try:
        for vkey in log:
            witness.drop_log(vkey)
    finally:
        witness.close()


@app.command()
def rotate(
    home: HomeOption,
    name: Annotated[str, typer.Option(help="Nom de la nouvelle clé / name of the new key")],
) -> None:
    """Make a second key of this witness and show it; both cosign from the next start on."""
    from api.adapters.rng import SystemRng
    from api.adapters.witness_home import WitnessHome
    from crypto.notes import is_key_name

    if not is_key_name(name):
        raise typer.BadParameter("--name")
    witness = WitnessHome(home)
    try:
        print(witness.rotate(name, SystemRng()))
    finally:
        witness.close()


@app.command()
def retire(home: HomeOption) -> None:
    """Destroy the first key of this witness; the second takes its place from the next start on."""
    from api.adapters.rng import SystemRng
    from api.adapters.witness_home import WitnessHome

    witness = WitnessHome(home)
    try:
        print(witness.retire(SystemRng()))
    finally:
        witness.close()


@app.command()
def evidence(
    home: HomeOption,
    out: Annotated[Path, typer.Argument(help="Dossier / folder")],
) -> None:
    """Write the signed notes that contradict what was cosigned, a file each; exit 1 if any."""
    from api.adapters.keys import write_durably
    from api.adapters.witness_home import WitnessHome
    from crypto.digests import sha256

    witness = WitnessHome(home)
    try:
        notes = witness.evidence()
    finally:
        witness.close()
    out.mkdir(parents=True, exist_ok=True)
    for note in notes:
        write_durably(out / f"{sha256(note).hex()[:16]}.note", note, 0o644)
        print(out / f"{sha256(note).hex()[:16]}.note")
    raise typer.Exit(1 if notes else 0)


@app.command()
def serve(
    home: HomeOption,
    host: Annotated[str, typer.Option(help="Adresse / address")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8410,
) -> None:
    """Serve a witness until a signal."""
    from api.adapters.witness_home import WitnessHome
    from api.cli.serve import serve_until_signal
    from api.routes.witness import create_witness_app

    witness = WitnessHome(home)
    try:
        print(f"{witness.key()} : http://{host}:{port}/", file=sys.stderr, flush=True)
        asyncio.run(serve_until_signal(create_witness_app(witness), host, port))
    finally:
        witness.close()

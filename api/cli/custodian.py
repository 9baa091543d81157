"""``pli custodian init|show|serve|trust|restore|log``: holds one share of each key, by itself.

It has its own folder, keys, clock and memory and needs nothing of a platform (`envelope.md` §10).
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

Folder = Annotated[Path, typer.Argument(help="Dossier du gardien / the custodian's folder")]
CredentialOption = Annotated[
    Path | None,
    typer.Option("--credential", help="Fichier de la clé du coffre / file with the chest's key"),
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase", help="Fichier d'une phrase secrète / file with a passphrase"),
]

UNSYNCHRONISED = (
    "horloge non synchronisée, aucune réponse avant / clock not synchronised, no answer until then"
)


@app.command()
def init(
    folder: Folder,
    organisation: Annotated[str, typer.Option(help="Qui le tient / who runs it: a SIRET")],
    log_key: Annotated[str, typer.Option(help="Clé du registre / key of the log (vkey)")],
    name: Annotated[
        str | None, typer.Option(help="Nom, sinon celui du dossier / name, else the folder's")
    ] = None,
    credential: CredentialOption = None,
    passphrase: PassphraseOption = None,
) -> None:
    """Create a custodian of one log; its keys are encrypted by a credential or a passphrase."""
    from api.adapters.custodian_home import CustodianExists, Unlocking, identity_of
    from api.adapters.custodian_identity import create_custodian
    from api.adapters.rng import SystemRng
    from crypto.errors import CryptoError
    from crypto.forms import IDENTIFIER, match
    from crypto.notes import LOG, VerifierKey
    from crypto.self_test import self_test

    self_test()
    called = name or folder.resolve().name
    try:
        for word in (called, organisation):
            match(word, IDENTIFIER)
        log = VerifierKey.parse(log_key)
    except CryptoError as error:
        raise typer.BadParameter(str(error)) from error
    if log.kind != LOG:
        raise typer.BadParameter("--log-key")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    create_custodian(
        folder,
        custodian=called,
        organisation=organisation,
        log=log,
        credential=Unlocking(credential, passphrase).of(folder),
        random=SystemRng(),
    )
    made = identity_of(folder)
    if (made.custodian, made.organisation, made.log) != (called, organisation, log):
        raise CustodianExists(f"{folder} belongs to {made.custodian} of {made.organisation}")
    print(f"{made.custodian}: {folder / 'offline'}", file=sys.stderr)


@app.command()
def show(
    folder: Folder,
    url: Annotated[str, typer.Option(help="Où il répond / where it answers")],
) -> None:
    """Print the table of this custodian for the roster of a platform (``PLI_CUSTODIANS``)."""
    from api.adapters.custodian_home import identity_of
    from api.adapters.custodian_roster import Member

    print(Member.of(identity_of(folder), url).table(), end="")


@app.command()
def trust(
    folder: Folder,
    keys: Annotated[Path, typer.Argument(help="Lignes de / lines of: pli keys list")],
) -> None:
    """Believe these keys of the log from the next start on; its first key must stand there."""
    from api.adapters.custodian_home import install_log_keys

    for key in install_log_keys(folder, keys.read_text()).logs:
        print(key)


@app.command()
def restore(
    folder: Folder,
    copy: Annotated[Path, typer.Argument(help="Copie de secours / recovery copy (.plr1)")],
    offline_key: Annotated[Path, typer.Option(help="Clé hors ligne / the offline key")],
    keyset: Annotated[Path, typer.Option(help="Document public du jeu / keyset document")],
    credential: CredentialOption = None,
    passphrase: PassphraseOption = None,
) -> None:
    """Put a lost share back from its recovery copy; the service must not run."""
    from api.adapters.clock import HostClock
    from api.adapters.custodian_home import CustodianHome, Unlocking
    from api.adapters.keys import read_secret
    from api.adapters.rng import SystemRng
    from crypto.canonical import decode
    from crypto.keyset import Keyset

    document = Keyset.parse(decode(keyset.read_bytes().rstrip(b"\n")))
    offline = bytes.fromhex(read_secret(offline_key).decode().strip())
    home = CustodianHome(
        folder, Unlocking(credential, passphrase).of(folder), HostClock(0), SystemRng()
    )
    try:
        home.custodian.restore_from(document, copy.read_bytes(), offline)
    finally:
        home.close()
    print(document.digest.hex())


@app.command()
def log(folder: Folder) -> None:
    """Print the log of answers and refusals once its chain is proven; exit 1 if it is broken."""
    from api.adapters.custodian_home import identity_of
    from api.adapters.custodian_state import STATE, CustodianState, check_answers

    identity_of(folder)
    state = CustodianState(folder / STATE)
    try:
        lines = state.answers()
    finally:
        state.close()
    count = check_answers(lines)
    for line in lines:
        print(line.decode())
    print(f"{count} : ok", file=sys.stderr)


@app.command()
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Adresse / address")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8420,
    credential: CredentialOption = None,
    passphrase: PassphraseOption = None,
    clock_bound_ms: Annotated[
        int | None,
        typer.Option(
            min=0,
            envvar="PLI_CLOCK_BOUND_MS",
            help="Écart garanti si le noyau ne dit rien / the operator's own bound",
        ),
    ] = None,
    while_fed: Annotated[
        bool, typer.Option("--while-fed", help="Finit avec son entrée / end with standard input")
    ] = False,
) -> None:
    """Serve one custodian until a signal; only one process serves a folder.

    Alone it believes the host's clock only where kernel or operator vouch for it (12.1).
    """
    from api.adapters.clock import EMBEDDED_BOUND_MS, HostClock, kernel_bound_us
    from api.adapters.custodian_home import CustodianHome, Unlocking
    from api.adapters.rng import SystemRng
    from api.cli.serve import serve_until_signal
    from api.custodian import create_custodian_app
    from crypto.self_test import self_test

    self_test()
    bound = EMBEDDED_BOUND_MS if while_fed and clock_bound_ms is None else clock_bound_ms
    clock = HostClock(bound)
    home = CustodianHome(folder, Unlocking(credential, passphrase).of(folder), clock, SystemRng())
    try:
        if not while_fed:
            name = home.identity.custodian
            print(f"{name} : http://{host}:{port}/", file=sys.stderr, flush=True)
            if bound is None and kernel_bound_us() is None:
                print(UNSYNCHRONISED, file=sys.stderr, flush=True)
        app = create_custodian_app(home.service)
        asyncio.run(serve_until_signal(app, host, port, while_fed=while_fed))
    finally:
        home.close()
    if while_fed:  # all is durable; threads of a server that was stopped at its start may still run
        os._exit(0)

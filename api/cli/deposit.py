"""``pli deposit offre.pli``: send a sealed envelope, or resume; end with a verified receipt.

The receipt (``<deposit>.tlog-proof``) lies beside the envelope; the same for people is printed and
kept as ``<deposit>.recu.txt``. Running the command again is always right: it sends what is missing.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.kit import DEFAULT_URL, AsJson, Token, TokenFile, Url, token_of

if TYPE_CHECKING:
    from api.depositor.sending import Sent

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def deposit(
    envelope: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Pli scellé / sealed envelope")
    ],
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Politique de vérification / policy of one's own"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send an envelope and keep its verified receipt."""
    import asyncio

    from api.adapters.http import PlatformClient, client_name
    from api.cli import language
    from api.depositor.envelope_file import Record
    from api.depositor.receipt import words
    from api.depositor.sending import Sender
    from crypto.policies import Policy
    from crypto.self_test import self_test

    self_test()
    known = Record.read(envelope).kit.get("server_url")
    base = url or os.environ.get("PLI_URL") or (known if isinstance(known, str) else DEFAULT_URL)
    believed = None if policy is None else Policy.parse(policy.read_text(encoding="utf-8"))

    async def send() -> Sent:
        async with PlatformClient(base, token_of(token, token_file)) as http:
            return await Sender(http, client_name(), progress).deposit(envelope, believed)

    sent = asyncio.run(send())
    readable = words(sent.proven, language())
    kept = sent.proof.with_name(f"{sent.proven.deposit}.recu.txt")
    kept.write_text(readable, encoding="utf-8")
    if as_json:
        print(json.dumps(sent.proven.shown() | {"receipt": str(sent.proof)}, ensure_ascii=False))
    else:
        print(readable, end="")


def progress(held: int, total: int) -> None:
    """Say on stderr how much the platform holds."""
    end = "\n" if held == total else ""
    share = 100 * held // total
    print(f"\r{share:3} %  {held} / {total}", end=end, file=sys.stderr, flush=True)

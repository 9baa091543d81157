"""``pli kit CONSULTATION --out kit.json``: take what sealing needs, check it, keep it.

With a company's token (``--token``, ``--token-file`` or ``PLI_TOKEN``) the kit carries the blinded
tag of its bids; without one it shows the consultation's keys and limits and seals nothing.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

DEFAULT_URL = "http://127.0.0.1:8400"
Url = Annotated[str | None, typer.Option(help="Adresse de la plateforme / its address (PLI_URL)")]
Token = Annotated[str | None, typer.Option(help="Jeton de l'entreprise / token (PLI_TOKEN)")]
TokenFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Fichier du jeton / file of the token"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Un objet JSON / one JSON object")]


@app.command()
def kit(
    consultation: Annotated[str, typer.Argument(help="Consultation")],
    out: Annotated[Path, typer.Option(help="Fichier à écrire / file to write")] = Path("kit.json"),
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take the kit of a consultation and check it."""
    import asyncio

    from api.adapters.http import PlatformClient
    from api.depositor.kit import Kit
    from api.depositor.sending import fetch_kit
    from crypto.self_test import self_test

    self_test()
    base = url or os.environ.get("PLI_URL") or DEFAULT_URL

    async def fetch() -> dict[str, object]:
        async with PlatformClient(base, token_of(token, token_file)) as http:
            return await fetch_kit(http, consultation)

    body = asyncio.run(fetch()) | {"server_url": base}
    data = json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
    checked = Kit.parse(data)
    temporary = out.with_name(out.name + ".part")
    temporary.write_bytes(data)
    temporary.chmod(0o600)  # the salt of the bidder's tag is in it
    temporary.replace(out)
    shown = {
        "bidder": checked.bidder is not None,
        "consultation": checked.consultation,
        "keyset": checked.keyset.digest.hex(),
        "level": checked.level,
        "not_before": checked.not_before,
        "organisations": list(checked.organisations),
        "out": str(out),
    }
    print(json.dumps(shown) if as_json else out)
    if not as_json:
        tell_keys(checked.keyset.digest.hex(), checked.organisations, checked.level)


def token_of(token: str | None, token_file: Path | None) -> str | None:
    """Return the token of the command, of its file, or of the environment."""
    if token_file is not None:
        return token_file.read_text(encoding="utf-8").strip()
    return token or os.environ.get("PLI_TOKEN")


def tell_keys(digest: str, organisations: tuple[str, ...], level: str) -> None:
    """Say on stderr to whose keys one seals: a swapped key is seen here, or too late."""
    print(f"clé / key {digest}", file=sys.stderr)
    print(f"gardiens / custodians {', '.join(organisations)} ; {level}", file=sys.stderr)

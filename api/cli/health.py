"""``pli health evidence|declare``: was the platform able to receive, and what it says itself.

``evidence`` only reads and may run beside a server; its exit status is 0 when the window is PROVEN,
else 1. ``declare`` asks a running platform with the token of an administrator.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from api.cli.kit import DEFAULT_URL, Token, TokenFile, Url, token_of

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

Hour = Annotated[str, typer.Option(help="AAAA-MM-JJTHH:MM, heure légale / legal local hour")]
ZoneOption = Annotated[str, typer.Option("--zone", help="Fuseau / time zone (IANA)")]
ZONE = "Europe/Paris"


@app.command()
def evidence(
    start: Annotated[str, typer.Option("--from", help="Début / beginning: 2026-03-02T11:30")],
    end: Annotated[str, typer.Option("--to", help="Fin / end: 2026-03-02T12:00")],
    home: Annotated[Path, typer.Option(help="Dossier de la plateforme / its folder")] = Path(
        "var/home"
    ),
    zone: ZoneOption = ZONE,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Tout, pour qui lit tout le registre / for an auditor of it"),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Un objet JSON / one JSON object")
    ] = False,
    pdf: Annotated[Path | None, typer.Option(help="Écrit ce PDF / write this PDF")] = None,
    csv: Annotated[Path | None, typer.Option(help="Écrit ce CSV / write this CSV")] = None,
) -> None:
    """Say whether the platform was able to receive in a window, and prove it."""
    from api import health, health_report
    from api.cli import language
    from api.home import Home
    from api.wiring import open_reader
    from domain.clock import LegalHour
    from ledger.export import log_vkey

    asked = health.window(LegalHour.written(start, zone).at, LegalHour.written(end, zone).at)
    with open_reader(Home(home).existing()) as log:
        origin = log_vkey(log.reader).partition("+")[0]
        from_log = health.Log(log, log.reader.published_receipt, origin)
        found = health.evidence(from_log, asked, whole=whole)
    if pdf is not None:
        pdf.write_bytes(health_report.pdf(found))
    if csv is not None:
        csv.write_text(health_report.csv_text(found), encoding="utf-8", newline="")
    print(
        json.dumps(found, ensure_ascii=False) if as_json else health_report.told(found, language()),
        end="\n" if as_json else "",
    )
    raise typer.Exit(0 if found["verdict"] == "PROVEN" else 1)


@app.command()
def declare(
    start: Annotated[str, typer.Option("--from", help="Début / beginning: 2026-03-02T11:30")],
    cause: Annotated[str, typer.Option(help="Cause, telle qu'elle sera lue / as it will be read")],
    end: Annotated[str | None, typer.Option("--to", help="Fin / end: 2026-03-02T12:00")] = None,
    scope: Annotated[
        str, typer.Option(help="PLATFORM, DEPOSIT, DOWNLOAD, LOGIN, PAGES")
    ] = "PLATFORM",
    zone: ZoneOption = ZONE,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
) -> None:
    """Declare an incident on a running platform, or its end: same beginning and scope."""
    import asyncio
    from hashlib import sha256

    from api.adapters.http import PlatformClient

    body: dict[str, object] = {
        "start": {"local": start, "zone": zone},
        "scope": scope,
        "cause": cause,
    }
    if end is not None:
        body["end"] = {"local": end, "zone": zone}
    base = url or os.environ.get("PLI_URL") or DEFAULT_URL

    async def send() -> dict[str, object]:
        async with PlatformClient(base, token_of(token, token_file)) as http:
            named = sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]
            key = {"Idempotency-Key": f"incident-{named}"}
            return await http.call("POST", "/api/v1/health/incidents", json=body, headers=key)

    print(json.dumps(asyncio.run(send()), ensure_ascii=False))

"""``pli replay STREAM``: an aggregate, and the views about it, as they were.

For ``buyer/…`` also the roles in force then, for ``operator/…`` who represented the company: "who
could open on 3 March at 12:00?".

Reads the ledger without its lock, so it may run beside the server. Example:
``pli replay consultation/roubaix-1 --at 2026-03-02T09:00:00Z --json``.
"""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def replay(
    stream: Annotated[str, typer.Argument(help="consultation/…, deposit/…, opening/….<lot>…")],
    home: Annotated[Path, typer.Option()] = Path("var/home"),
    at: Annotated[str | None, typer.Option(help="instant, RFC 3339")] = None,
    position: Annotated[int | None, typer.Option(min=0, help="position in the log")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show an aggregate and the views about it as they were."""
    from api.home import Home
    from api.wiring import open_reader
    from replay import roles, timeline

    if at is not None and position is not None:
        raise typer.BadParameter("--at ou --position / --at or --position")
    instant = None if at is None else _instant(at)
    with open_reader(Home(home).existing()) as log:
        last = log.head() - 1
        until = last if position is None else min(position, last)
        if instant is not None:
            until = timeline.moment_of(log, instant).position
        shown = timeline.state_at(log, stream, until, log.event_of)
        held = roles.roles_at(log, stream, until, log.event_of, instant)
        with tempfile.TemporaryDirectory() as scratch:
            subject = stream.partition("/")[2]
            views = timeline.views_at(log, until, Path(scratch) / "views.db", subject)
    answer = {"position": until, "aggregate": shown, "views": views}
    if stream.startswith(("buyer/", "operator/")):
        answer["roles"] = held
    print(json.dumps(answer, ensure_ascii=False, indent=None if as_json else 2))


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(text) from error
    if found.tzinfo is None:
        raise typer.BadParameter(f"{text}: 2026-03-02T09:00:00Z")
    return found.astimezone(UTC)

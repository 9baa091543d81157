"""``pli ledger init|fsck|scrub|export|checkpoint|anchor|adopt|refusals`` (``ledger.md`` §10).

``fsck``, ``scrub``, ``export`` and ``checkpoint`` only read: they need no lock and may run beside
a server.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.cli import FileUnreadable

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HomeOption = Annotated[Path, typer.Option("--home", help="Dossier de la plateforme / its folder")]
AsJson = Annotated[bool, typer.Option("--json", help="Un objet JSON / one JSON object")]
DEFAULT = Path("var/home")


@app.command()
def init(
    home: HomeOption = DEFAULT,
    origin: Annotated[str | None, typer.Option(help="Nom du registre / name of the log")] = None,
    organisation: Annotated[
        str, typer.Option(help="Organisation de la plateforme / its organisation")
    ] = "platform",
    as_json: AsJson = False,
) -> None:
    """Create the keys, the custodians and the log of a new platform."""
    from api.home import Home
    from api.wiring import create_platform

    name = create_platform(Home(home), origin=origin, organisation=organisation)
    print(json.dumps({"home": str(home), "origin": name}) if as_json else name)


@app.command()
def checkpoint(home: HomeOption = DEFAULT, as_json: AsJson = False) -> None:
    """Show the last published checkpoint; exit 3 where there is none yet."""
    from api.home import Home
    from api.wiring import open_reader
    from crypto.notes import parse_checkpoint, parse_note
    from ledger.errors import NotPublished
    from ledger.export import log_vkey

    with open_reader(Home(home).existing()) as log:
        note = log.reader.published()
        if note is None:
            raise NotPublished
        found = parse_checkpoint(parse_note(note).text)
        shown = {
            "origin": found.origin,
            "size": found.size,
            "root": found.root.hex(),
            "vkey": log_vkey(log.reader),
            "note": note.decode(),
        }
    print(json.dumps(shown) if as_json else note.decode(), end="\n" if as_json else "")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="Dossier vide ou absent / empty or absent folder")],
    home: HomeOption = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Write the last published log as static files: checkpoint, tiles, vkey, policies."""
    from api.home import Home
    from api.inspection import stamps
    from api.wiring import open_reader
    from crypto.policies import Policy
    from ledger.export import export as write

    place = Home(home).existing()
    with open_reader(place) as log:
        with log.reader.snapshot() as reads:
            stamped = stamps(reads, place, Policy.parse(log.policies["policy.txt"]).logs)
        size = write(log.reader, out, log.policies, anchors=stamped)
    print(json.dumps({"size": size, "out": str(out)}) if as_json else f"{size} → {out}")


@app.command()
def anchor(
    home: HomeOption = DEFAULT,
    status: Annotated[
        bool, typer.Option("--status", help="Sans rien horodater / ask only")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a checkpoint and have it time-stamped; exit 1 where an anchor is overdue.

    It writes, so it needs the lock: a running server is asked by POST /api/v1/ledger/anchors.
    """
    from api.home import Home
    from api.settings import Settings
    from api.wiring import open_platform

    platform = open_platform(Home(home).existing(), Settings(home=home))
    try:
        if not status:
            platform.anchoring.now()
        found = platform.anchoring.status()
    finally:
        platform.close()
    shown = found.shown()
    print(json.dumps(shown) if as_json else _told(shown))
    raise typer.Exit(1 if found.alarm else 0)


@app.command()
def adopt(
    checkpoint_file: Annotated[Path, typer.Option("--checkpoint", help="Note signée / its note")],
    reason: Annotated[str, typer.Option(help="Pourquoi / why")],
    home: HomeOption = DEFAULT,
) -> None:
    """Restore a lost high-water mark from a checkpoint that the log signed."""
    from api.home import Home
    from api.wiring import adopt_mark

    adopt_mark(Home(home).existing(), _read(checkpoint_file), reason)


@app.command()
def fsck(
    home: Annotated[Path | None, typer.Option(help="Une plateforme / a platform")] = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="Un export / an export")] = None,
    policy: Annotated[Path | None, typer.Option(help="policy.txt")] = None,
    pin: Annotated[list[Path] | None, typer.Option(help="Point de contrôle / checkpoint")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a home, or an exported log under a policy; exit 0 sound, 1 refused."""
    from ledger.fsck import LogUnsound

    if (home is None) == (folder is None) and home is not None:
        raise typer.BadParameter("--home ou --dir / --home or --dir")
    if folder is not None and policy is None:
        raise typer.BadParameter("--dir demande --policy / --dir needs --policy")
    pins = [_read(path) for path in pin or []]
    try:
        shown = (
            _fsck_folder(folder, _text(policy), pins)
            if folder is not None and policy is not None
            else _fsck_home(home or DEFAULT, pins)
        )
    except LogUnsound as unsound:
        shown = {"verdict": "refused", "finding": str(unsound), "counts": dict(unsound.counts)}
    print(json.dumps(shown) if as_json else _told(shown))
    raise typer.Exit(0 if shown["verdict"] == "sound" else 1)


@app.command()
def scrub(home: HomeOption = DEFAULT, as_json: AsJson = False) -> None:
    """Read everything again and name what has changed; exit 0 sound, 1 damaged."""
    from api.home import Home
    from api.inspection import scrub_home
    from api.settings import Settings

    found = list(scrub_home(Home(home).existing(), Settings().highwater))
    shown = [
        {name: value for name, value in asdict(one).items() if value is not None} for one in found
    ]
    verdict = "damaged" if found else "sound"
    if as_json:
        print(json.dumps({"verdict": verdict, "findings": shown}))
    else:
        print("\n".join([*map(_told, shown), f"verdict: {verdict}"]))
    raise typer.Exit(1 if found else 0)


@app.command()
def refusals(
    home: HomeOption = DEFAULT,
    pin: Annotated[
        str | None, typer.Option(help="Tête conservée / head kept before: SIZE:HASH")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List refused accesses, once their chain is proven; exit 1 where it is not."""
    from api.adapters.refusal_book import Head, checked
    from api.home import Home
    from api.refusals import shown

    kept = None
    if pin is not None:
        size, _, name = pin.partition(":")
        if not size.isdecimal():
            raise typer.BadParameter("SIZE:HASH", param_hint="--pin")
        kept = Head(int(size), name)
    place = Home(home).existing()
    rows, head = checked(place.refusals, kept) if place.holds(place.refusals) else ([], Head(0, ""))
    found = [shown(row) for row in rows]
    last: dict[str, object] = {"head": f"{head.size}:{head.hash}"}
    print(
        json.dumps({"refusals": found, **last})
        if as_json
        else "\n".join(map(_told, [*found, last]))
    )


def _fsck_home(home: Path, pins: list[bytes]) -> dict[str, object]:
    from api.home import Home
    from api.inspection import inspect_home

    with tempfile.TemporaryDirectory() as scratch:
        return inspect_home(Home(home).existing(), pins, _progress, Path(scratch))


def _fsck_folder(folder: Path, policy: str, pins: list[bytes]) -> dict[str, object]:
    from api.inspection import inspect_folder

    return inspect_folder(folder, policy, pins, _progress)


def _progress(entries: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{entries}", end="", file=sys.stderr, flush=True)


def _told(shown: Mapping[str, object]) -> str:
    return " · ".join(f"{name}: {value}" for name, value in shown.items())


def _text(policy: Path) -> str:
    """Return the text of a policy; bytes that are no text are refused as the verifier does."""
    from crypto.log_errors import PolicyRefused

    try:
        return _read(policy).decode()
    except UnicodeDecodeError as error:
        raise PolicyRefused(1, "no UTF-8") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadable(str(path)) from error

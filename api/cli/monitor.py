"""``pli monitor``: watch a log from outside; ``pli monitor judge``: check an evidence file.

A monitor needs the address, a policy that its own operator chose, and a folder. It leaves with 1 at
the first alarm, after the evidence is on disk: what it then starts is its service manager's work.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.adapters.monitored import MonitorFolder
    from crypto.policies import Policy
    from replay.monitor import Outcome, Watch

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

GRACE_S = 6
"""A checkpoint is cosigned up to 5 s before it is published."""
AsJson = Annotated[bool, typer.Option("--json", help="Un objet JSON / one JSON object")]
PolicyOption = Annotated[Path | None, typer.Option("--policy", help="policy.txt")]


@app.callback(invoke_without_command=True)
def monitor(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(help="Adresse du registre / of the log")] = None,
    policy: PolicyOption = None,
    state: Annotated[Path | None, typer.Option(help="Dossier du moniteur / its folder")] = None,
    every: Annotated[int, typer.Option(min=1, help="Secondes / seconds")] = 60,
    once: Annotated[bool, typer.Option("--once", help="Une seule fois / one poll")] = False,
    pin: Annotated[
        list[Path] | None, typer.Option(help="Point de contrôle ou reçu / checkpoint or receipt")
    ] = None,
    beat: Annotated[int, typer.Option(min=1, help="Secondes d'un battement / of a beat")] = 3600,
    beats: Annotated[int, typer.Option(min=1, help="Silence admis / silence allowed")] = 2,
    as_json: AsJson = False,
) -> None:
    """Compare what a log serves with all that was seen of it; exit 1 on an alarm."""
    if context.invoked_subcommand is not None:
        return
    if url is None or policy is None or state is None:
        raise typer.BadParameter("--url, --policy, --state")
    from api.adapters.monitored import MonitorFolder, sources
    from replay.monitor import Watch

    known = _policy(policy)
    folder = MonitorFolder(state)
    folder.collect([_read(path) for path in pin or []], known)
    log, witnesses = sources(url, known)
    pause = lambda: time.sleep(GRACE_S)  # noqa: E731 - the port of a wait
    watch = Watch(known, log.read, witnesses, folder.pins(), beat * beats, pause)
    while True:
        alarmed = _poll(watch, folder, as_json)
        if alarmed or once:
            raise typer.Exit(1 if alarmed else 0)
        time.sleep(every)


@app.command()
def judge(
    evidence: Annotated[Path, typer.Argument(help="Fichier de preuve / evidence file")],
    policy: PolicyOption = None,
    as_json: AsJson = False,
) -> None:
    """Check an evidence file under a policy: exit 0 where it proves what it says, else 1."""
    from replay.monitor import Evidence
    from replay.monitor import judge as judged

    if policy is None:
        raise typer.BadParameter("--policy")
    found = Evidence.parse(_read(evidence))
    stands_on = judged(found, _policy(policy))
    shown = {"verdict": "proven", "kind": found.kind.value, "stands_on": stands_on}
    print(json.dumps(shown) if as_json else f"{found.kind.value}: {stands_on}")


def _poll(watch: Watch, folder: MonitorFolder, as_json: bool) -> bool:
    outcome = watch.poll(folder.load(), int(time.time()))
    # evidence first: a crash after it repeats the alarm, a crash before it loses nothing
    files = [str(folder.keep(each)) for each in outcome.alarms]
    folder.swap(outcome.memory)
    print(_told(outcome, files, as_json), flush=True)
    for source, problem in outcome.problems.items():
        print(f"pli : {source}: {problem}", file=sys.stderr, flush=True)
    return bool(files)


def _told(outcome: Outcome, files: list[str], as_json: bool) -> str:
    shown = {
        "verdict": "alarm" if files else "quiet",
        "alarms": [
            {"kind": each.kind.value, "source": each.source, "evidence": path}
            for each, path in zip(outcome.alarms, files, strict=True)
        ],
        "size": outcome.size,
        "quorum": outcome.quorum,
        "age_s": outcome.age_s,
        "problems": dict(outcome.problems),
    }
    if as_json:
        return json.dumps(shown)
    alarms = [f"{each.kind.value} ({each.source})" for each in outcome.alarms]
    return " · ".join([str(shown["verdict"]), f"size {outcome.size}", *alarms, *files])


def _policy(path: Path) -> Policy:
    from api.cli import FileUnreadable
    from crypto.policies import Policy

    try:
        return Policy.parse(_read(path).decode())
    except UnicodeDecodeError as error:
        raise FileUnreadable(str(path)) from error


def _read(path: Path) -> bytes:
    from api.cli import FileUnreadable

    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadable(str(path)) from error

"""``pli doctor``: whether this machine and this home can run Pli, one line a check.

What is missing, open to others, in the environment, ended or due is named; exit 3 if anything is.
It only reads, beside a running server too; in a bucket it makes one probe object, which goes.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.home import Home

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


NO_LIST = "no list of breached ones"


@app.command()
def doctor(
    home: Annotated[Path, typer.Option()] = Path("var/home"),
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Check the cryptographic library, the clock, and the home if there is one."""
    checks: dict[str, Callable[[], str]] = {
        "python": platform.python_version,
        "sqlite": lambda: sqlite3.sqlite_version,
        "cryptography": _cryptography,
        "clock": lambda: _clock(home),
        "identity": _identity_provider,
        "passwords": _passwords,
        "scanner": _scanner,
        "lines": _lines,
        "home": lambda: _home(home),
        "environment": _environment,
        **_of_home(home),
    }
    found = {name: _outcome(check) for name, check in checks.items()}
    good = all(not text.startswith("!") for text in found.values())
    shown = "\n".join(f"{name:<13}{text}" for name, text in found.items())
    print(json.dumps(found) if as_json else shown)
    raise typer.Exit(0 if good else 3)


def _outcome(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        code = getattr(error, "code", type(error).__name__)
        return f"! {code}: {error}"


def _cryptography() -> str:
    from crypto.self_test import self_test

    self_test()
    return "ok"


def _clock(home: Path) -> str:
    """Ask every source once, and say what the reading is worth and who has a part in it."""
    from api.adapters.clock import kernel_bound_us
    from api.adapters.custodian_roster import read_roster
    from api.adapters.custodians import local_names, organisation_of
    from api.adapters.rng import SystemRng
    from api.clocks import begun_clock, clocks_of
    from api.home import Home
    from api.settings import Settings

    settings, random, own = Settings(), SystemRng(), Home(home).custodians
    roster = read_roster(settings.custodians) if settings.custodians is not None else ()
    organisation = organisation_of(own) if local_names(own) else ""
    clock, _ = begun_clock(settings, random, clocks_of(roster, organisation, random))
    told = clock.facts()
    names = ["host", *(one.name for one in clock.outside)]
    silent = [name for name in names if name not in told.sources]
    if silent:
        raise Wanting(f"{', '.join(silent)}: silent, unsynchronised, or says another hour")
    host = "setting" if kernel_bound_us() is None else "kernel"
    return f"±{told.uncertainty_ms / 1000:.3f} s ({host}), by {', '.join(told.sources)}"


def _passwords() -> str:
    from api.settings import Settings

    settings = Settings()
    if settings.breached is not None:
        return settings.breached.check()
    if settings.secure:
        raise Wanting(f"{NO_LIST}: PLI_BREACHED_PASSWORDS or PLI_BREACHED_RANGE")
    return NO_LIST


def _scanner() -> str:
    """Say whether dossiers and opened documents are scanned; the engine itself is not asked."""
    from api.settings import Settings

    return Settings().clamd or "none: dossiers and opened documents are not scanned"


def _lines() -> str:
    """Say how many lines can be open at once; the hard limit of open files bounds them."""
    from api.cli.serve import OPEN, files_wanted, lines_of, most_possible

    most = lines_of(most_possible())
    if most < OPEN:
        raise Wanting(f"{most} lines at once instead of {OPEN}: LimitNOFILE={files_wanted()}")
    return str(most)


def _identity_provider() -> str:
    from api.settings import Settings

    settings = Settings()
    if settings.oidc_issuer is None:
        return "none"
    from api.adapters.oidc import Client

    return Client.of(settings).issuer


def _home(home: Path) -> str:
    from api.home import Home

    place = Home(home)
    if not place.ledger.is_file():
        return f"none in {home}"
    from api.wiring import open_reader

    with open_reader(place) as log:
        return f"{home}: {log.head()} entries"


class Wanting(Exception):
    """Something of a home is not as it should be: what and what to do."""

    code = "doctor.wanting"


def _environment() -> str:
    from api.adapters.exposure import secrets_in

    return _sound(secrets_in(os.environ))


def _calls(place: Home) -> str:
    """Say which services are called without TLS, as a setting allows; another one is refused."""
    from api.adapters.blobs import endpoints
    from api.adapters.custodian_roster import read_roster
    from api.adapters.exposure import check_lines, in_plain, lines_of
    from api.settings import Settings
    from crypto.policies import Policy

    settings = Settings()
    policy = settings.policy_file or place.policy
    urls = list(Policy.parse(policy.read_text()).urls.values()) if place.holds(policy) else []
    urls += endpoints(place, settings)
    if settings.custodians is not None:
        urls += [one.url for one in read_roster(settings.custodians)]
    check_lines(settings, urls)
    plain = in_plain(lines_of(settings, urls))
    return f"without TLS: {', '.join(plain)}" if plain else "ok"


def _blobs(place: Home) -> str:
    """Say where blobs lie; each place is there, private, and keeps what was created once."""
    from api.adapters.blobs import Bucket, object_store, places_of
    from api.adapters.rng import SystemRng
    from api.settings import Settings

    places = places_of(place, Settings())
    for one in places:
        if isinstance(one, Bucket):
            store = object_store(one)
            store.check()
            if not store.keeps_what_is_there(SystemRng().bytes(32)):
                raise Wanting(f"{one} overwrites what is there: it does not heed If-None-Match")
        elif not one.is_dir():
            raise Wanting(f"{one} is absent: start once")
        elif one != place.blobs and one.stat().st_mode & 0o077:  # the home's own: "modes"
            raise Wanting(f"{one}: chmod 700")
    return " and ".join("of this home" if one == place.blobs else str(one) for one in places)


def _of_home(folder: Path) -> dict[str, Callable[[], str]]:
    """Return the checks of a home, none where there is none."""
    from api.adapters import exposure
    from api.adapters.clock import host_time
    from api.adapters.timestamps import trusted_roots
    from api.home import Home
    from api.key_changes import OVERLAP, newest_since
    from api.settings import Settings

    place = Home(folder)
    if not place.ledger.is_file() and not place.log_key.is_file():
        return {}
    now = host_time()

    def certificates() -> str:
        roots = trusted_roots(place.keys, Settings().tsa_certificates)
        return _sound(exposure.ending(roots, now))

    return {
        "custodians": lambda: _custodians(place),
        "custody": lambda: _custody(place),
        "blobs": lambda: _blobs(place),
        "modes": lambda: _sound(exposure.open_to_others(place)),
        "files": lambda: _sound(exposure.missing(place)),
        "calls": lambda: _calls(place),
        "certificates": certificates,
        "tokens": lambda: _sound(exposure.tokens_ending(place.folder / "accounts.db", now)),
        "rotation": lambda: _sound(exposure.rotation_due(place, newest_since(place), OVERLAP, now)),
    }


def _custodians(place: Home) -> str:
    """Return who answers, with the distance of each clock, or raise Wanting."""
    from api.adapters.clock import HostClock
    from api.adapters.custodian_health import look_at, reachable
    from api.adapters.rng import SystemRng
    from api.settings import Settings

    settings = Settings()
    roster = reachable(place, settings)
    if roster is None:
        return "of this home, not running"
    clock = HostClock(settings.clock_bound_ms)
    looks = [look_at(one, clock.now, SystemRng()) for one in roster]
    _sound([str(one) for one in looks if one.fault])
    return " · ".join(map(str, looks))


def _custody(place: Home) -> str:
    """Return that every keyset that must open is alive, or raise Wanting with who is missing."""
    from api.adapters.clock import host_time
    from api.adapters.index import LedgerIndex
    from api.wiring import open_reader

    if not place.holds(place.ledger):
        return "in a database"
    with open_reader(place) as log:
        alarms = LedgerIndex(log.reader).custody_alarms(host_time())
    return _sound(
        [
            f"{one.consultation}, {one.deadline:%Y-%m-%d %H:%M}Z: no proof of life of "
            f"{', '.join(one.missing)}{' — POSTPONE IT' if one.in_danger else ''}"
            for one in alarms
        ]
    )


def _sound(faults: Sequence[str]) -> str:
    if faults:
        raise Wanting(" · ".join(faults))
    return "ok"

"""What a home lacks, shows to others, or lets grow old: found by looking at it, nothing is changed.

One function for each question of ``pli doctor``; each returns what is wrong, one sentence a fault,
with what to do. No secret is read further than its mode, its presence and its end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from api.adapters.archive import PUBLIC
from api.adapters.custodians import local_names
from api.adapters.oidc import is_loopback
from api.errors import ApiError
from api.home import Home
from api.settings import Settings
from crypto.timestamps import Certificates

OTHERS = 0o077
SOON = timedelta(days=30)
TOKENS_SOON = timedelta(days=14)
LOG_KEY_AGE = timedelta(days=730)
POSTGRES = frozenset({"postgres", "postgresql"})
OVER_TLS = frozenset({"https", "smtps", "starttls"})
ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "PASSPHRASE")


def open_to_others(home: Home) -> list[str]:
    """Return the folders and key files of a home that somebody else may enter or read."""
    found = [
        f"{path.relative_to(home.folder.parent)}: chmod 700"
        for path in (home.folder, home.keys, home.custodians, home.highwater, *kept(home))
        if path.is_dir() and path.stat().st_mode & OTHERS
    ]
    for path in _secrets(home):
        if path.stat().st_mode & OTHERS:
            found.append(f"{path.relative_to(home.folder)}: chmod 600")
    return found


def kept(home: Home) -> tuple[Path, ...]:
    """Return the folders of what a backup must hold beside keys: blobs, and what was opened."""
    return (home.blobs, home.envelopes)


def _secrets(home: Home) -> Iterator[Path]:
    """Yield every file that holds a secret; the databases too where the folder is open."""
    public = {home.folder / name for name in PUBLIC}
    for path in sorted(home.keys.glob("*")):
        if path.is_file() and path not in public:
            yield path
    for pattern in ("*.box", "state.db", "offline/*"):
        yield from (path for path in sorted(home.custodians.glob(f"*/{pattern}")) if path.is_file())
    if home.folder.stat().st_mode & OTHERS:
        yield from sorted(home.folder.glob("*.db*"))


def missing(home: Home) -> list[str]:
    """Return the files without which a home cannot start, or not tell who is who."""
    wanted = [home.log_key, home.keys / "subjects.key"]
    wanted += [home.keys / f"{name}.credential" for name in local_names(home.custodians)]
    if home.private.is_file():
        wanted.append(home.subject_keys)
    found = [f"{path.relative_to(home.folder)} is absent" for path in wanted if not path.is_file()]
    former = sorted(home.keys.glob("*.old"))
    return found + [f"keys/{path.name} is not destroyed yet: start once" for path in former]


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """Return the variables of this process that hold a secret, which its children inherit."""
    found = []
    for name, value in sorted(environment.items()):
        if not name.startswith("PLI_") or not value:
            continue
        if any(word in name and not name.endswith("_FILE") for word in SECRET_WORDS):
            found.append(f"{name} is a secret in the environment: give it in a file")
        elif "://" in value and urlsplit(value).password:
            found.append(f"{name} holds a password: keep it in a passfile of the service")
    return found


def in_plain(urls: Iterable[str], allowed: Collection[str] = ()) -> list[str]:
    """Return the services on other machines that are called without TLS; no password is shown."""
    found = []
    for url in urls:
        place = urlsplit(url)
        query = parse_qs(place.query)
        # libpq takes hosts from the query too; a path is a socket of this machine
        named = [place.hostname or "", *query.get("host", ()), *query.get("hostaddr", ())]
        away = [
            host
            for one in named
            for host in one.split(",")
            if host and not host.startswith("/") and not is_loopback(host) and host not in allowed
        ]
        mode = query.get("sslmode", ["prefer"])[-1]
        if place.scheme not in OVER_TLS and not (place.scheme in POSTGRES and mode in ENCRYPTED):
            found += [f"{place.scheme}://{host}" for host in away]
    return found


class PlainLine(ApiError):
    """A service on another machine would be called without TLS, and no setting allows it."""

    code = "network.plain"


def lines_of(settings: Settings, others: Iterable[str]) -> list[str]:
    """Return the addresses of every service that a platform calls by its settings, and others."""
    named = [
        settings.tsa_url or "",
        settings.smtp or "",
        *settings.clock_sources.replace(",", " ").split(),
        *others,
    ]
    if settings.database_url is not None:
        named.append(settings.database_url.get_secret_value())
    if settings.clamd is not None and not settings.clamd.startswith("/"):
        named.append(f"tcp://{settings.clamd}")
    return [url for url in named if "://" in url]


def check_lines(settings: Settings, others: Iterable[str]) -> None:
    """Return quietly if each line to another machine is encrypted or allowed, else raise PlainLine.

    clamd speaks no TLS: over a network it wants a tunnel, or to be named (ASVS 5.0, V12.3.1).
    """
    strange = in_plain(lines_of(settings, others), settings.plain_lines())
    if strange:
        raise PlainLine(f"{', '.join(strange)}: use https or sslmode, or PLI_PLAIN_HOSTS")


def ending(certificates: Certificates, now: datetime) -> list[str]:
    """Return the roots of time stamps that have ended or end soon."""
    return [
        f"{one.subject.rfc4514_string()} ends on {one.not_valid_after_utc:%Y-%m-%d}"
        for one in certificates
        if one.not_valid_after_utc <= now + SOON
    ]


def tokens_ending(accounts: Path, now: datetime) -> list[str]:
    """Return how many tokens in force end within two weeks, and which."""
    if not accounts.is_file():
        return []
    with closing(sqlite3.connect(f"file:{quote(str(accounts))}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT id, expires_at FROM tokens WHERE revoked = 0").fetchall()
    return [
        f"token {token} ends on {ends[:10]}"
        for token, ends in rows
        if now < datetime.fromisoformat(ends) <= now + TOKENS_SOON
    ]


def rotation_due(
    home: Home, since: datetime | None, overlap: timedelta, now: datetime
) -> list[str]:
    """Return which change of the log's key is due; ``since``: when its newest key came."""
    if since is None:
        return []
    if home.next_log_key.is_file():
        due = since + overlap <= now
        return ["both keys have signed long enough: pli keys retire"] if due else []
    old = since + LOG_KEY_AGE <= now
    return [f"the key of the log is of {since:%Y-%m-%d}: pli keys rotate"] if old else []

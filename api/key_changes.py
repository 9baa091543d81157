"""The log's key changes by events: a new one beside the old, then the old one ends (ledger.md §2).

Both sign for 30 days, so that everybody can take the new policy; in an emergency the old one ends
at once. The files are `keys/log.key` and, while both sign, `keys/log-next.key`. Every step may be
done twice: what was interrupted is finished by the same command.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from api.adapters.keys import (
    KeyFileAbsent,
    create_signing_key,
    destroy_file,
    read_secret,
    signing_key,
    supplant,
)
from api.adapters.rng import SystemRng
from api.home import Home
from api.wiring import change_log_key, log_keys_of, open_reader
from crypto.keys import LogKeys
from crypto.notes import LOG, VerifierKey
from domain.ports import Clock
from ledger.entry import parse
from ledger.log_keys import added_at

OVERLAP = timedelta(days=30)
SEED_BYTES = 32


class KeyChangeError(Exception):
    """Root of what a change of keys refuses."""

    code = "key"


class NoNextKey(KeyChangeError):
    """Nothing signs beside the key that should end."""

    code = "key.no-next"


class OverlapRuns(KeyChangeError):
    """Both keys have not signed for 30 days yet: somebody may know the old one only."""

    code = "key.overlap"

    def __init__(self, until: str) -> None:
        super().__init__(f"both sign until {until}; --emergency ends the old key at once")
        self.until = until


def keys_of(place: Home) -> LogKeys:
    """Return the keys of the log of a home, beside a running server too."""
    with open_reader(place) as log:
        keys = log_keys_of(place, log.reader)
    if keys is None:
        raise KeyFileAbsent(place.log_key)
    return keys


def newest_since(place: Home) -> datetime | None:
    """Return when the newest key of the log came, None of a home without keys."""
    with open_reader(place) as log, log.reader.snapshot() as reads:
        keys = log_keys_of(place, log.reader)
        if keys is None:
            return None
        begun = datetime.fromisoformat(parse(reads.rows(0, 1)[0].entry).at)
        return added_at(reads, list(keys.since)[-1]) or begun


def rotate(place: Home) -> LogKeys:
    """Make a new key that signs from now on beside the old one."""
    old = signing_key(place.log_key, LOG)
    new = create_signing_key(place.next_log_key, old.name, LOG, SystemRng().bytes(SEED_BYTES))
    return change_log_key(place, added=new.verifier())


def retire(place: Home, clock: Clock, *, emergency: bool = False) -> LogKeys:
    """End the old key: it counts no more, its file is overwritten, the new one takes its name."""
    if not place.holds(place.next_log_key):
        raise NoNextKey(f"pli keys rotate --home {place.folder}")
    old = signing_key(place.log_key, LOG).verifier()
    new = signing_key(place.next_log_key, LOG).verifier()
    known = keys_of(place)
    if str(old) not in known.until and old != new:
        if not emergency:
            _check_overlap(place, new, clock)
        known = change_log_key(place, retired=str(old))
    # after this line the log itself refuses the old key; a crash is followed by the same steps
    _let_go(place)
    return known


def _check_overlap(place: Home, new: VerifierKey, clock: Clock) -> None:
    with open_reader(place) as log, log.reader.snapshot() as reads:
        since = added_at(reads, str(new))
    if since is None:
        raise NoNextKey(f"pli keys rotate --home {place.folder}")
    if clock.now().earliest < since + OVERLAP:
        raise OverlapRuns(f"{since + OVERLAP:%Y-%m-%d}")


def _let_go(place: Home) -> None:
    """Give the new key the name of the old one, whose bytes are overwritten first."""
    supplant(place.log_key, read_secret(place.next_log_key), SystemRng())
    destroy_file(place.next_log_key, SystemRng())

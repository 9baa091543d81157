"""Time-stamping authorities behind the port Timestamper: one over HTTP, and the local test one.

The local one says loudly what it is. It lets a home without any outside service show the whole
path, and proves nothing against whoever holds the home.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.adapters.http import NoAnswer, Outgoing
from api.adapters.keys import Random, read_secret, write_durably
from crypto.local_authority import TestAuthority
from crypto.stamp_errors import TrustStoreRefused
from crypto.timestamps import MAX_ANSWER, Certificates, trust_store
from domain.ports import Clock

QUERY = "application/timestamp-query"
REPLY = "application/timestamp-reply"
SEED_BYTES = 32
SERIAL_BYTES = 8
KEY_FILE = "timestamps.key"
ROOT_FILE = "timestamps.pem"
WARNING = (
    "pli : horodatage de TEST, sans aucune valeur légale (ni eIDAS) : PLI_TSA_URL nomme une vraie "
    "autorité / TEST time stamps without any legal value (no eIDAS): PLI_TSA_URL names a real one"
)


class HttpTimestamper:
    """An authority reached over HTTP (RFC 3161 §3.4)."""

    warning: str | None = None

    def __init__(self, url: str, trusted: Certificates) -> None:
        self.trusted = trusted
        self._url = url
        self._out = Outgoing([url], limit=MAX_ANSWER)

    def stamp(self, request: bytes) -> bytes:
        """Return the answer to a request; OSError: no answer, or none of this protocol."""
        answer = self._out.exchange("POST", self._url, request, content_type=QUERY, accept=REPLY)
        kind = answer.content_type.partition(";")[0].strip().lower()
        if answer.status != 200 or kind != REPLY:
            raise NoAnswer(f"{answer.status} {kind[:80]}")
        return answer.body


class LocalTimestamper:
    """The test authority of one home; its key lies among the keys of the home."""

    warning: str | None = WARNING

    def __init__(self, authority: TestAuthority, clock: Clock, random: Random) -> None:
        self.trusted: Certificates = (authority.root,)
        self._authority = authority
        self._clock = clock
        self._random = random

    def stamp(self, request: bytes) -> bytes:
        """Return the answer to a request."""
        now = self._clock.now()
        width = now.latest - now.earliest
        # whole seconds are stated, so that a stamp may be one second off besides the clock's bound
        accuracy_ms = 1_000 + width // timedelta(milliseconds=1) + 1
        serial = int.from_bytes(self._random.bytes(SERIAL_BYTES), "big") >> 1
        return self._authority.answer(request, serial, now.earliest, accuracy_ms)


def local_timestamper(keys: Path, clock: Clock, random: Random) -> LocalTimestamper:
    """Return the test authority of a home; its key is made at the first use."""
    path = keys / KEY_FILE
    if not path.exists():
        since = clock.now().earliest.astimezone(UTC).replace(microsecond=0) - timedelta(days=1)
        seed = random.bytes(SEED_BYTES).hex()
        write_durably(path, f"{seed}\n{since:%Y-%m-%dT%H:%M:%S}Z\n".encode())
    seed, since_text = read_secret(path).decode().split()
    authority = TestAuthority.of_seed(bytes.fromhex(seed), datetime.fromisoformat(since_text))
    if not (keys / ROOT_FILE).exists():
        write_durably(keys / ROOT_FILE, authority.trusted(), mode=0o644)
    return LocalTimestamper(authority, clock, random)


def http_timestamper(url: str, certificates: Path | None) -> HttpTimestamper:
    """Return an authority over HTTP; without its roots nothing could be believed of it."""
    if certificates is None:
        raise TrustStoreRefused("PLI_TSA_URL needs PLI_TSA_CERTIFICATES")
    return HttpTimestamper(url, _read(certificates))


def timestamper_of(
    keys: Path, url: str | None, certificates: Path | None, clock: Clock, random: Random
) -> HttpTimestamper | LocalTimestamper:
    """Return the configured authority, else the test authority of the home."""
    if url is not None:
        return http_timestamper(url, certificates)
    return local_timestamper(keys, clock, random)


def trusted_roots(keys: Path, certificates: Path | None) -> Certificates:
    """Return the roots under which kept stamps are judged: configured ones, then the test one.

    Stamps of the test authority stay proven as what they are after a real one was configured.
    """
    found = _read(certificates) if certificates is not None else ()
    root = keys / ROOT_FILE
    return found + (_read(root) if root.exists() else ())


def _read(path: Path) -> Certificates:
    try:
        return trust_store(path.read_bytes())
    except OSError as error:
        raise TrustStoreRefused(f"{path.name}: {error.strerror}") from error

"""The only place that builds objects: a home becomes a platform, or a log that is only read.

Order of a start: self-test of the cryptography, lock and recovery of the ledger, then what reads
it. Whatever refuses, refuses before a port is opened.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import domain
from api.adapters import custodians as custody
from api.adapters.activity import Activity
from api.adapters.clock import HostClock
from api.adapters.follower import ViewsFollower
from api.adapters.heads import LedgerHeads
from api.adapters.index import LedgerIndex
from api.adapters.keys import create_signing_key, read_secret, signing_key, write_durably
from api.adapters.local_custodian import LocalCustodian
from api.adapters.rng import SystemRng
from api.adapters.signer import FileSigner
from api.adapters.turns import LocalTurns
from api.adapters.uploads import Uploads
from api.adapters.vault import EnvelopeVault
from api.home import Home, check_origin
from api.law import shipped_law
from api.platform import Platform
from api.scheduler import Scheduler
from api.settings import Settings
from api.uploading import keep_promises
from crypto.notes import LOG
from crypto.policies import Policy
from crypto.self_test import self_test
from domain.identifiers import ID, check
from domain.ports import Clock, Desk, Rng
from domain.unsealing import ThresholdUnsealing
from ledger.application import Ledger
from ledger.creation import BEAT_S, PAD, adopt, create
from ledger.errors import LedgerHalted, OutcomeUnknown, StreamMoved
from ledger.high_water import FolderHighWater
from ledger.mapper import CanonicalTranscoder, LedgerMapper
from ledger.ports import Halt, Ports, never_halt
from ledger.readers import LogReader
from ledger.readers import open_reader as open_log
from ledger.sqlite import Connection, connect
from ledger.subjects import Subjects
from ledger.vault import Vault as Blobs
from projections.rebuild import prepared
from projections.runner import Runner

if TYPE_CHECKING:
    from crypto.canonical import Json
    from domain.aggregate import Event
    from projections.facts import LedgerRow

ORGANISATION = "platform"
SUBJECT_KEY_BYTES = 32
Connect = Callable[[str], Connection]


def register_kinds() -> None:
    """Import every event and aggregate, so that each kind of the log is known to the mapper."""
    for found in pkgutil.walk_packages(domain.__path__, "domain."):
        importlib.import_module(found.name)


def create_platform(  # noqa: PLR0913 - the facts of a new platform
    place: Home,
    *,
    origin: str | None = None,
    organisation: str = ORGANISATION,
    pad: int = PAD,
    beat_s: int = BEAT_S,
    simulated: bool = False,
    rng: Rng | None = None,
    clock: Clock | None = None,
) -> str:
    """Make the keys, the custodians and the log of a new platform; return its origin.

    An interrupted creation is finished by the next one: the log's first entry comes last.
    """
    self_test()
    random = rng or SystemRng()
    name = check_origin(origin or f"pli.localhost/{random.bytes(4).hex()}")
    check(ID, "organisation", organisation)
    place.create()  # nothing is written before what was given is lawful
    key = create_signing_key(place.keys / "log.key", name, LOG, random.bytes(32))
    subjects = place.keys / "subjects.key"
    if not subjects.exists():
        write_durably(subjects, random.bytes(SUBJECT_KEY_BYTES).hex().encode() + b"\n")
    custody.create_local(
        place.custodians,
        organisation=organisation,
        log=key.verifier(),
        credential=custody.credential_files(place.keys),
        random=random,
    )
    ports = _ports(place, clock or HostClock(Settings().clock_bound_ms), random, connect)
    create(place.folder, ports, pad=pad, beat_s=beat_s, simulated=simulated)
    place.accounts().close()
    return key.name


def adopt_mark(place: Home, note: bytes, reason: str) -> None:
    """Restore a lost high-water mark from a checkpoint that the log signed."""
    clock = HostClock(Settings().clock_bound_ms)
    adopt(place.folder, _ports(place, clock, SystemRng(), connect), note=note, reason=reason)


def open_platform(
    place: Home,
    settings: Settings,
    *,
    clock: Clock | None = None,
    rng: Rng | None = None,
    connect: Connect = connect,
) -> Platform:
    """Return the platform of a home, opened for writing, not yet started."""
    self_test()
    register_kinds()
    random = rng or SystemRng()
    time = clock or HostClock(settings.clock_bound_ms)
    return _Opening(place, settings, time, random, connect).platform()


def open_reader(place: Home) -> ReadOnlyLog:
    """Return the log of a home for reading only, also beside a running server."""
    register_kinds()
    return ReadOnlyLog(open_log(place.folder, connect), policies_of(place))


def subjects_of(place: Home, rng: Rng, connect: Connect, halt: Halt = never_halt) -> Subjects:
    """Return the private rows of a home, under the key that lies outside their file."""
    key = bytes.fromhex(read_secret(place.keys / "subjects.key").decode().strip())
    return Subjects(place.private, key=key, rng=rng, connect=connect, halt=halt)


def policies_of(place: Home) -> Mapping[str, str]:
    """Return the texts of the two policies of a home: with its custodians, and the log alone."""
    from crypto.policies import log_policy

    key = signing_key(place.keys / "log.key", LOG).verifier()
    full = custody.published_policy(key, place.custodians)
    return {"policy.txt": full, "policy-log.txt": log_policy(key)}


class ReadOnlyLog:
    """A log that is only read: what replay, export and fsck work on."""

    def __init__(self, reader: LogReader, policies: Mapping[str, str]) -> None:
        self.reader = reader
        self.policies = policies
        self._mapper = LedgerMapper(CanonicalTranscoder())

    def __enter__(self) -> ReadOnlyLog:
        """Use the log for the length of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the connections back."""
        self.reader.close()

    def read(self, after: int, limit: int) -> Sequence[LedgerRow]:
        """Return rows after a position, in order."""
        return self.reader.read(after, limit)

    def stream(self, name: str, until: int | None = None) -> Sequence[LedgerRow]:
        """Return the rows of one stream, up to a position."""
        return self.reader.stream(name, until)

    def head(self) -> int:
        """Return the number of entries."""
        return self.reader.size()

    def event_of(self, row: LedgerRow) -> Event:
        """Return the event of an entry, brought up to its present class."""
        from eventsourcing.persistence import StoredEvent

        stored = StoredEvent(row.stream, row.version, row.kind, row.entry)
        return cast("Event", self._mapper.to_domain_event(stored))


class _Opening:
    """The objects of one platform while they are joined; each is built once."""

    def __init__(
        self, place: Home, settings: Settings, clock: Clock, rng: Rng, connect: Connect
    ) -> None:
        self.place = place
        self.settings = settings
        self.clock = clock
        self.rng = rng
        self.connect = connect
        self.built: Platform | None = None

    def platform(self) -> Platform:
        """Join everything; what was opened is closed again where a later part refuses."""
        place = self.place
        local = custody.open_local(
            place.custodians,
            credential=custody.credential_files(place.keys),
            clock=self.clock,
            random=self.rng,
            show=self._show,
        )
        ports = _ports(place, self.clock, self.rng, self.connect)
        self.ledger = Ledger(
            place.folder,
            clock=ports.clock,
            rng=ports.rng,
            signer=ports.signer,
            high_water=ports.high_water,
            witnesses=[custody.LocalWitness(one) for one in local],
            connect=self.connect,
            halt=self._halt,
            policy=policies_of(place)["policy.txt"],
        )
        try:
            return self._joined(local)
        except BaseException:
            self.ledger.close()
            raise

    def _joined(self, local: Sequence[LocalCustodian]) -> Platform:
        place, ledger = self.place, self.ledger
        index = LedgerIndex(ledger, local[0].identity.organisation)
        custodians = custody.LocalCustodians(local, index.assigned)
        subjects = subjects_of(place, self.rng, self.connect, self._halt)
        uploads = Uploads(place.uploads)
        vault = EnvelopeVault(
            Blobs(place.blobs, halt=self._halt),
            uploads,
            place.envelopes,
            self.settings.reserve_bytes,
            lambda: self.rng.bytes(8).hex(),
        )
        desk = Desk(
            files=ledger,
            clock=self.clock,
            rng=self.rng,
            subjects=subjects,
            register=index,
            heads=LedgerHeads(ledger, Policy.parse(ledger.policies["policy.txt"])),
            turns=LocalTurns(),
            vault=vault,
            unsealing=ThresholdUnsealing(vault),
            custodians=custodians,
            law=shipped_law(),
            platform=local[0].identity.organisation,
            origin=ledger.origin,
        )
        views = prepared(ledger, place.views)
        runner = Runner(ledger, views)
        accounts = place.accounts()
        platform = Platform(
            settings=self.settings,
            home=place,
            ledger=ledger,
            desk=desk,
            accounts=accounts,
            uploads=uploads,
            vault=vault,
            index=index,
            activity=Activity(),
            views=runner,
            moved=(StreamMoved, OutcomeUnknown),
            fatal=(LedgerHalted,),
            bidder_salt=subjects.bidder_salt,
            beat_s=ledger.genesis.beat_s,
        )
        platform.closers = [
            ledger.close,
            custodians.close,
            subjects.close,
            uploads.close,
            accounts.close,
        ]
        platform.runners = [ViewsFollower(ledger, runner, views), Scheduler(platform)]
        keep_promises(platform)
        self.built = platform
        return platform

    def _show(self, streams: Sequence[str], since: int) -> Mapping[str, Json]:
        return self.ledger.view(streams, since)

    def _halt(self, failure: LedgerHalted) -> None:
        if self.built is not None:
            self.built.note_ledger_error(failure)


def _ports(place: Home, clock: Clock, rng: Rng, connect: Connect) -> Ports:
    key = signing_key(place.keys / "log.key", LOG)
    return Ports(
        clock=clock,
        rng=rng,
        signer=FileSigner(key),
        high_water=FolderHighWater(place.highwater),
        connect=connect,
    )

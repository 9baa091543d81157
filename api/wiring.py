"""The only place that builds objects: a home becomes a platform, or a log that is only read.

Order of a start: self-test of the cryptography, lock and recovery of the ledger, then what reads
it. Whatever refuses, refuses before a port is opened.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import domain
from api.adapters import custodians as custody
from api.adapters.activity import Activity
from api.adapters.anchor_book import AnchorBook
from api.adapters.blobs import blobs_of, endpoints, places_of
from api.adapters.bodies import Allowance
from api.adapters.buyer_keys import BuyerKeys
from api.adapters.clock import HostClock, boot_us, host_time
from api.adapters.clock_sources import Asking
from api.adapters.custodian_roster import Roster, policy_of, read_roster
from api.adapters.custody import Custody, local_custody, remote_custody
from api.adapters.exposure import check_lines
from api.adapters.follower import ViewsFollower
from api.adapters.heads import LedgerHeads
from api.adapters.index import LedgerIndex
from api.adapters.keys import (
    KeyFileAbsent,
    create_signing_key,
    read_secret,
    signing_key,
    write_durably,
)
from api.adapters.own_door import OwnDoor
from api.adapters.personal_rows import stores_of
from api.adapters.probe_book import ProbeBook
from api.adapters.probe_room import ProbeRoom, tries_of
from api.adapters.refusal_book import RefusalBook
from api.adapters.reserve import Reserve
from api.adapters.rng import SystemRng
from api.adapters.scanner import scanner_of
from api.adapters.signer import FileSigner
from api.adapters.smtp import Smtp
from api.adapters.subjects_key import SubjectsKeyFile
from api.adapters.timestamps import timestamper_of
from api.adapters.turns import LocalTurns
from api.adapters.uploads import Uploads
from api.adapters.vault import EnvelopeVault
from api.adapters.witnesses import read_policy, remote_witnesses
from api.anchoring import Anchoring
from api.clocks import begun_clock, clocks_of
from api.home import DriverAbsent, Home, check_origin
from api.journal import say
from api.law import shipped_law
from api.platform import Platform
from api.postman import Postman
from api.privacy import Privacy
from api.probe import Probing
from api.rates import Rates
from api.scheduler import Scheduler
from api.settings import Settings
from api.uploading import keep_promises
from crypto.keys import LogKeys
from crypto.notes import LOG, Checkpoint, VerifierKey
from crypto.policies import Policy
from crypto.self_test import self_test
from domain.identifiers import ID, check
from domain.ports import Clock, Desk, Rng
from domain.unsealing import ThresholdUnsealing
from ledger.application import Ledger
from ledger.creation import BEAT_S, PAD, adopt, change_key, create, succeed
from ledger.errors import LedgerAbsent, LedgerHalted, OutcomeUnknown, StreamMoved
from ledger.fail_stop import FailStop
from ledger.high_water import FolderHighWater
from ledger.log_keys import read_log_keys
from ledger.mapper import CanonicalTranscoder, LedgerMapper
from ledger.ports import Halt, Ports, never_halt
from ledger.readers import LogReader, reader_of
from ledger.readers import open_reader as open_log
from ledger.sqlite import connect
from ledger.store import Connection
from ledger.subject_keys import SubjectKeys
from ledger.subjects import Subjects
from projections.rebuild import prepared
from projections.runner import Runner

if TYPE_CHECKING:
    from api.adapters.oidc import Provider
    from crypto.canonical import Json
    from domain.aggregate import Event
    from ledger.postgres import PostgresDatabase
    from projections.facts import LedgerRow

ORGANISATION = "platform"
SUBJECT_KEY_BYTES = 32
SUBJECTS_KEY = "subjects.key"
REFUSALS_KEY = "refusals.key"
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
    key = create_signing_key(place.log_key, name, LOG, random.bytes(32))
    subjects = place.keys / SUBJECTS_KEY
    if not subjects.exists():
        write_durably(subjects, random.bytes(SUBJECT_KEY_BYTES).hex().encode() + b"\n")
    custody.create_local(
        place.custodians,
        organisation=organisation,
        log=key.verifier(),
        credential=custody.credential_files(place.keys),
        random=random,
    )
    settings = Settings()
    time = clock or HostClock(settings.clock_bound_ms)
    ports = _ports(place, time, random, connect, settings.highwater)
    create(place.folder, ports, pad=pad, beat_s=beat_s, simulated=simulated)
    place.accounts().close()
    return key.name


def adopt_mark(place: Home, note: bytes, reason: str) -> None:
    """Restore a lost high-water mark from a checkpoint that the log signed."""
    settings = Settings()
    clock = HostClock(settings.clock_bound_ms)
    ports = _ports(place, clock, SystemRng(), connect, settings.highwater)
    adopt(place.folder, ports, note=note, reason=reason)


def change_log_key(
    place: Home, *, added: VerifierKey | None = None, retired: str | None = None
) -> LogKeys:
    """Let a key of the log sign from now on too, or no more; whoever verifies here is told."""
    settings = Settings()
    clock = HostClock(settings.clock_bound_ms)
    ports = _ports(place, clock, SystemRng(), connect, settings.highwater)
    keys = change_key(place.folder, ports, added=added, retired=retired)
    custody.trust_log_keys(place.custodians, keys)
    return keys


def create_successor(place: Home, origin: str, before: Checkpoint, reason: str) -> None:
    """Make a new platform whose log names the one that it continues."""
    create_platform(place, origin=origin)
    settings = Settings()
    clock = HostClock(settings.clock_bound_ms)
    ports = _ports(place, clock, SystemRng(), connect, settings.highwater)
    succeed(place.folder, ports, before, reason)


def open_platform(  # noqa: PLR0913 - what a platform is made of
    place: Home,
    settings: Settings,
    *,
    clock: Clock | None = None,
    rng: Rng | None = None,
    connect: Connect = connect,
    roster: Roster = (),
) -> Platform:
    """Return the platform of a home, opened for writing, not yet started.

    Custodians: those of the roster, else of the setting's, else of the home, in this process.
    """
    self_test()
    register_kinds()
    random = rng or SystemRng()
    if not roster and settings.custodians is not None:
        roster = read_roster(settings.custodians)
    others = [one.url for one in roster] + endpoints(place, settings)
    check_lines(settings, others)  # before anybody is called
    if clock is not None:
        return _Opening(place, settings, clock, random, connect, Asking(()), roster).platform()
    elsewhere = clocks_of(roster, custody.organisation_of(place.custodians), random)
    time, asking = begun_clock(settings, random, elsewhere)
    return _Opening(place, settings, time, random, connect, asking, roster).platform()


def open_reader(place: Home) -> ReadOnlyLog:
    """Return the log of a home for reading only, also beside a running server."""
    register_kinds()
    log = _reader(place)
    return ReadOnlyLog(log, policies_of(place, keys=log_keys_of(place, log)))


def _reader(place: Home) -> LogReader:
    database = database_of(Settings())
    return open_log(place.folder, connect) if database is None else reader_of(database)


def log_keys_of(place: Home, log: LogReader) -> LogKeys | None:
    """Return the keys of a log and their ranges; None of a home that was restored without keys."""
    if not place.holds(place.log_key):
        return None
    with log.snapshot() as reads:
        return read_log_keys(reads, signing_key(place.log_key, LOG).verifier())


def has_log(place: Home) -> bool:
    """Say whether a log was begun here, in the file of the home or in the configured schema."""
    database = database_of(Settings())
    if database is None:
        return place.holds(place.ledger)
    from ledger.postgres import existing

    try:
        existing(database, FailStop(never_halt))
    except LedgerAbsent:
        return False
    return True


MOST_FENCED: Final = 2
"""Writer processes that record side by side; with more, their batches shrink (ledger.md §4)."""


def database_of(settings: Settings) -> PostgresDatabase | None:
    """Return the schema in which the log stands, None where it is a file of the home."""
    if settings.database_url is None:
        return None
    try:
        from ledger.postgres import PostgresDatabase
    except ImportError as error:
        raise DriverAbsent(str(error)) from error
    return PostgresDatabase(
        settings.database_url.get_secret_value(),
        settings.database_schema,
        elected=settings.writers > MOST_FENCED,
    )


def provider_of(settings: Settings) -> Provider | None:
    """Return the identity provider of the settings, None where none is named."""
    if settings.oidc_issuer is None:
        return None
    from api.adapters.oidc import Client, Provider

    return Provider(Client.of(settings), host_time)


def subjects_of(place: Home, rng: Rng, connect: Connect, halt: Halt = never_halt) -> Subjects:
    """Return the private rows of a home, under the keys that lie outside their file."""
    if place.holds(place.private) and not place.holds(place.subject_keys):
        raise KeyFileAbsent(place.subject_keys)  # a new one would make all that is known unreadable
    keys = SubjectKeys(
        place.sheltered(place.subject_keys),
        wrapping=SubjectsKeyFile(place.keys / SUBJECTS_KEY, rng),
        rng=rng,
        connect=connect,
        halt=halt,
    )
    try:
        return Subjects(place.private, keys=keys, rng=rng, connect=connect, halt=halt)
    except BaseException:
        keys.close()
        raise


def policies_of(
    place: Home, settings: Settings | None = None, *, keys: LogKeys | None
) -> Mapping[str, str]:
    """Return the texts of the two policies of a home: with its witnesses, and the log alone.

    The operator's own policy comes first; without one, the custodians are the witnesses: those of
    the roster, else of the home. A restored home without keys has both as files.
    """
    if keys is None:
        return place.kept_policies()
    given = settings or Settings()
    if given.policy_file is not None or place.holds(place.policy):
        full = read_policy(given.policy_file or place.policy, keys)
    elif given.custodians is not None:
        full = policy_of(keys, read_roster(given.custodians))
    else:
        full = custody.published_policy(keys, place.custodians)
    return {"policy.txt": full, "policy-log.txt": keys.policy()}


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

    def __init__(  # noqa: PLR0913, PLR0917 - what a platform is made of
        self,
        place: Home,
        settings: Settings,
        clock: Clock,
        rng: Rng,
        connect: Connect,
        asking: Asking,
        roster: Roster,
    ) -> None:
        self.asking = asking
        self.place = place
        self.settings = settings
        self.clock = clock
        self.rng = rng
        self.connect = connect
        self.roster = roster
        self.built: Platform | None = None

    def platform(self) -> Platform:
        """Join everything; what was opened is closed again where a later part refuses."""
        place = self.place
        mark = self.settings.highwater
        ports = _ports(place, self.clock, self.rng, self.connect, mark)
        with closing(_reader(place)) as log:
            keys = log_keys_of(place, log)
        policy = policies_of(place, self.settings, keys=keys)["policy.txt"]
        check_lines(self.settings, Policy.parse(policy).urls.values())
        held = self._custody(policy)
        remote = remote_witnesses(
            Policy.parse(policy), ports.signer.key, [one.key for one in held.witnesses]
        )
        self.ledger = Ledger(
            place.folder,
            clock=ports.clock,
            rng=ports.rng,
            signer=ports.signer,
            high_water=ports.high_water,
            witnesses=[*held.witnesses, *remote],
            connect=self.connect,
            database=database_of(self.settings),
            halt=self._halt,
            policy=policy,
            signers=ports.signers,
        )
        try:
            return self._joined(held)
        except BaseException:
            self.ledger.close()
            raise

    def _custody(self, policy: str) -> Custody:
        """Return who holds the shares, and witnesses: what they need of the ledger comes later."""
        if self.roster:
            return remote_custody(
                self.roster,
                seconds=self.settings.custodian_timeout_s,
                log=Policy.parse(policy),
                ledger=lambda: self.ledger,
                assigned=self._assigned,
            )
        return local_custody(
            self.place, clock=self.clock, rng=self.rng, show=self._show, assigned=self._assigned
        )

    def _assigned(self, digest: str) -> str | None:
        return self.index.assigned(digest)

    def _joined(self, held: Custody) -> Platform:
        place, ledger = self.place, self.ledger
        index = self.index = LedgerIndex(ledger)
        subjects = subjects_of(place, self.rng, self.connect, ledger.stop)
        uploads = Uploads(place.uploads, ledger.stop)
        blobs = blobs_of(place, self.settings, halt=ledger.stop)
        vault = EnvelopeVault(
            blobs,
            uploads,
            place.envelopes,
            self.settings.reserve_bytes,
            lambda: self.rng.bytes(8).hex(),
            BuyerKeys(place.keys, self.rng, index.buyer_of),
            [one for one in places_of(place, self.settings) if isinstance(one, Path)],
        )
        book = AnchorBook(ledger)
        desk = Desk(
            files=ledger,
            clock=self.clock,
            rng=self.rng,
            subjects=subjects,
            register=index,
            heads=LedgerHeads(ledger, Policy.parse(ledger.policies["policy.txt"]), book.token),
            turns=LocalTurns(),
            vault=vault,
            unsealing=ThresholdUnsealing(vault),
            custodians=held.port,
            law=shipped_law(),
            platform=custody.organisation_of(place.custodians),
            origin=ledger.origin,
            scanner=scanner_of(self.settings.clamd),
        )
        views = prepared(ledger, place.views)
        runner = Runner(ledger, views)
        accounts = place.accounts()
        refusals = RefusalBook(place.refusals, self._refusals_key(), host_time)
        anchoring = Anchoring(
            desk=desk,
            ledger=ledger,
            index=index,
            book=book,
            store=vault.put,
            timestamper=timestamper_of(
                place.keys,
                self.settings.tsa_url,
                self.settings.tsa_certificates,
                self.clock,
                self.rng,
            ),
            counter=boot_us,
        )
        platform = Platform(
            settings=self.settings,
            home=place,
            ledger=ledger,
            desk=desk,
            accounts=accounts,
            uploads=uploads,
            vault=vault,
            blobs=blobs,
            index=index,
            activity=Activity(),
            anchoring=anchoring,
            views=runner,
            moved=(StreamMoved, OutcomeUnknown),
            fatal=(LedgerHalted,),
            bidder_salt=subjects.bidder_salt,
            beat_s=ledger.genesis.beat_s,
            provider=provider_of(self.settings),
            refusals=refusals,
            bodies=Allowance(place.envelopes),
            rates=Rates(self.settings.rate_scale),
        )
        platform.closers = [
            ledger.close,
            held.port.close,
            subjects.close,
            uploads.close,
            accounts.close,
            refusals.close,
        ]
        platform.probing = self._probing(platform)
        platform.closers = [*platform.closers, platform.probing.close]
        platform.runners = [
            self.asking,
            ViewsFollower(ledger, runner, views),
            Scheduler(platform),
            anchoring,
            platform.probing,
        ]
        if self.settings.smtp is not None:
            mailer = Smtp(self.settings.smtp)
            platform.runners.append(Postman(platform, mailer, self.settings.mail_from))
        if self.settings.reserve_bytes:
            platform.reserve = Reserve(place.reserve, self.settings.reserve_bytes)
        keep_promises(platform)
        _lock_clear_files(platform)
        platform.privacy = Privacy(platform, subjects, stores_of(place.folder))
        platform.privacy.resume()
        self.built = platform
        return platform

    def _probing(self, platform: Platform) -> Probing:
        return Probing(
            platform,
            door=OwnDoor(self.settings.host, self.settings.port),
            book=ProbeBook(self.place.probe_book),
            room=ProbeRoom(self.place.probes, tries_of(self.place, self.settings)),
            counter=boot_us,
        )

    def _refusals_key(self) -> bytes:
        """Return the key under which callers are blinded; a home of an earlier version gets one."""
        path = self.place.keys / REFUSALS_KEY
        if not path.exists():
            write_durably(path, self.rng.bytes(32).hex().encode() + b"\n")
        return bytes.fromhex(read_secret(path).decode().strip())

    def _show(self, streams: Sequence[str], since: int) -> Mapping[str, Json]:
        return self.ledger.view(streams, since)

    def _halt(self, failure: LedgerHalted) -> None:
        if self.built is not None:
            self.built.note_ledger_error(failure)


def _lock_clear_files(platform: Platform) -> None:
    """Lock what an earlier version opened in clear; where it fails, each waits until it is asked.

    A full disk holds up no start: a deadline may be near.
    """
    try:
        platform.vault.lock_all()
    except OSError as error:
        say("chore.failed", chore="clear documents", code=type(error).__name__)


def _ports(place: Home, clock: Clock, rng: Rng, connect: Connect, highwater: Path | None) -> Ports:
    key, *others = (
        FileSigner(signing_key(path, LOG))
        for path in (place.log_key, place.next_log_key)
        if path == place.log_key or place.holds(path)
    )
    return Ports(
        clock=clock,
        rng=rng,
        signer=key,
        signers=others,
        high_water=FolderHighWater(highwater or place.highwater),
        connect=connect,
        database=database_of(Settings()),
    )

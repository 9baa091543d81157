"""Every parser of bytes or texts that others send, as a target of the fuzzer (goal S4).

A target takes any bytes and returns quietly: its parsers read them, or refuse them by an error of
their own tree. Whatever else comes out is a bug. ``COVERED`` says which function each target
drives; ``ELSEWHERE`` says of the others why nobody outside can feed them. A house rule compares
both with the code, so that a new parser cannot come without a target.

A target imports what it drives when it is made, so that one process instruments only that.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Run = Callable[[bytes], None]
VECTORS = Path(__file__).resolve().parents[2] / "vectors"
LEDGER = VECTORS / "ledger"
SEEDS = VECTORS.parent / "fuzz" / "seeds"


@dataclass(frozen=True)
class Target:
    """How a target is made, and the functions that it drives."""

    make: Callable[[], Run]
    covers: tuple[str, ...]


def quietly(run: Run, *refusals: type[Exception]) -> Run:
    """Return a target for which these errors, and no others, are an answer."""

    def target(data: bytes) -> None:
        try:
            run(data)
        except refusals:
            return

    return target


def each(*runs: Run) -> Run:
    """Return a target that gives its bytes to several parsers."""

    def target(data: bytes) -> None:
        for run in runs:
            run(data)

    return target


def words(data: bytes) -> str:
    """Return any bytes as a text: every text can be reached."""
    return data.decode("utf-8", "surrogateescape")


def canonical() -> Run:
    from crypto.canonical import decode, decode_value, encode, encode_value
    from crypto.log_errors import NotCanonical

    def whole(data: bytes) -> None:
        assert encode(decode(data, nfc=True), nfc=True) == data

    def value(data: bytes) -> None:
        assert encode_value(decode_value(data)) == data

    return each(quietly(whole, NotCanonical), quietly(value, NotCanonical))


def header() -> Run:
    from crypto.errors import CryptoError
    from crypto.pli1 import read_header
    from crypto.pli1_header import Header, check_head

    return each(
        quietly(lambda data: bytes_equal(Header.parse(data).encoded, data), CryptoError),
        quietly(lambda data: bytes_unused(read_header(io.BytesIO(data))), CryptoError),
        quietly(lambda data: bytes_unused(check_head(data, bytes(32))), CryptoError),
    )


def envelope() -> Run:
    from crypto.errors import CryptoError
    from crypto.pli1 import commitment, open_envelope
    from crypto.pli1_header import Header

    key = bytes.fromhex((SEEDS / "envelope.hex").read_text().strip())

    def opened(data: bytes) -> None:
        found = commitment(io.BytesIO(data))
        bound = Header.parse(found.header).label.encoded
        open_envelope(io.BytesIO(data), bound, key, found.commitment, io.BytesIO())

    return quietly(opened, CryptoError)


def package() -> Run:
    from crypto.errors import CryptoError
    from crypto.package import Manifest, read_package

    def whole(data: bytes) -> None:
        root, count, content = data[:32], data[32:33], data[33:]
        size = len(content)
        read_package(io.BytesIO(content), size, root, int.from_bytes(count, "big"))

    return each(
        quietly(whole, CryptoError),
        quietly(lambda data: bytes_unused(Manifest.parse(data)), CryptoError),
    )


def keyset() -> Run:
    from crypto.canonical import decode
    from crypto.ceremony import Ceremony
    from crypto.errors import CryptoError
    from crypto.keyset import Keyset
    from crypto.label import Label

    def of(parse: Callable[[Any], object]) -> Run:
        return quietly(lambda data: bytes_unused(parse(decode(data))), CryptoError)

    return each(of(Ceremony.parse), of(Keyset.parse), of(Label.parse))


def keys() -> Run:
    from crypto.errors import CryptoError
    from crypto.keys import read_key_file
    from crypto.notes import VerifierKey

    def vkey(data: bytes) -> None:
        text = words(data)
        assert str(VerifierKey.parse(text)) == text

    return each(
        quietly(lambda data: bytes_unused(read_key_file(data, 1)), CryptoError),
        quietly(lambda data: bytes_unused(read_key_file(data, 4)), CryptoError),
        quietly(vkey, CryptoError),
    )


def note() -> Run:
    from crypto.errors import CryptoError
    from crypto.keys import LogKeys
    from crypto.notes import parse_checkpoint, parse_note, read_base64, read_decimal
    from crypto.policies import Policy
    from ledger.checkpointer import read_mark
    from ledger.errors import LedgerError
    from ledger.log_keys import LogSigners

    policy = Policy.parse((LEDGER / "policies" / "two-of-three.txt").read_text())
    signers = LogSigners(LogKeys({str(policy.logs[0]): 0}, {}), [])

    def judged(data: bytes) -> None:
        policy.verify(data)
        read_mark(signers, data)

    return each(
        quietly(lambda data: bytes_unused(parse_checkpoint(parse_note(data).text)), CryptoError),
        quietly(judged, CryptoError, LedgerError),
        quietly(lambda data: bytes_unused(read_decimal(words(data))), CryptoError),
        quietly(lambda data: bytes_unused(read_base64(words(data))), CryptoError),
    )


def policy() -> Run:
    from api.adapters.witnesses import PolicyUnusable, read_policy
    from crypto.errors import CryptoError
    from crypto.keys import LogKeys
    from crypto.policies import Policy

    checkpoint = (LEDGER / "log" / "checkpoint").read_bytes()
    alone = Policy.parse((LEDGER / "policies" / "log.txt").read_text())
    keys = LogKeys({str(alone.logs[0]): 0}, {})
    file = Path(tempfile.mkdtemp()) / "policy.txt"

    def configured(data: bytes) -> None:
        file.write_bytes(data)
        read_policy(file, keys)

    return each(
        quietly(
            lambda data: bytes_unused(Policy.parse(words(data)).verify(checkpoint)), CryptoError
        ),
        quietly(configured, PolicyUnusable),
    )


def stamp() -> Run:
    from crypto.local_authority import read_request
    from crypto.stamp_errors import StampError
    from crypto.timestamps import trust_store, verify

    anchors = LEDGER / "extra" / "anchors"
    trusted = trust_store((anchors / "ca.pem").read_bytes())
    stamped = (anchors / "613.note").read_bytes()
    return each(
        quietly(lambda data: bytes_unused(verify(data, stamped, trusted)), StampError),
        quietly(lambda data: bytes_unused(read_request(data)), StampError),
    )


def entry() -> Run:
    from ledger.entry import parse
    from ledger.errors import LedgerError
    from ledger.links import read_link

    def linked(data: bytes) -> None:
        link = read_link(data)
        whole = parse(data)
        assert (link.at, link.prev, link.stream, link.version) == (
            whole.at,
            whole.prev,
            whole.stream,
            whole.version,
        )

    def unlinked(data: bytes) -> None:
        try:
            parse(data)
        except LedgerError:
            return
        read_link(data)  # what one reads the other reads

    return each(quietly(linked, LedgerError), unlinked)


def tiles() -> Run:
    from crypto.errors import CryptoError
    from ledger.errors import LedgerError
    from ledger.tiles import TilePath, read_bundle, read_tile, write_bundle

    def path(data: bytes) -> None:
        text = words(data)
        assert str(TilePath.parse(text)) == text

    def bundle(data: bytes) -> None:
        assert write_bundle(read_bundle(data)) == data

    refusals = (CryptoError, LedgerError)
    return each(
        quietly(path, *refusals),
        quietly(bundle, *refusals),
        quietly(
            lambda data: bytes_unused(read_bundle(data[1:], data[0] if data else 0)), *refusals
        ),
        quietly(lambda data: bytes_unused(read_tile(data, len(data) // 32)), *refusals),
    )


def proof() -> Run:
    from crypto.errors import CryptoError
    from crypto.policies import Policy
    from ledger.errors import LedgerError
    from ledger.proofs import TlogProof

    trusted = Policy.parse((LEDGER / "policies" / "two-of-three.txt").read_text())

    def judged(data: bytes) -> None:
        found = TlogProof.parse(data)
        assert bytes(found) == data
        found.verify(trusted)

    return quietly(judged, CryptoError, LedgerError)


def witness() -> Run:
    """What others ask of a witness or of a custodian, and the roster that names custodians."""
    from api.adapters import custodian_questions as questions
    from api.adapters.custodian_roster import RosterUnusable, read_roster
    from crypto.errors import CryptoError
    from crypto.notes import parse_note
    from ledger.errors import LedgerError
    from ledger.witness import Request

    file = Path(tempfile.mkdtemp()) / "custodians.toml"

    def asked(data: bytes) -> None:
        found = Request.parse(data)
        assert bytes(found) == data
        parse_note(found.note)

    def roster(data: bytes) -> None:
        file.write_bytes(data)
        read_roster(file)

    readers = (
        questions.read_time,
        questions.read_round,
        questions.read_view,
        questions.read_share,
        questions.read_partial,
    )
    return each(
        quietly(asked, CryptoError, LedgerError),
        *(quietly(_taken(read), CryptoError) for read in readers),
        quietly(roster, RosterUnusable),
    )


def _taken(read: Callable[[bytes], object]) -> Run:
    return lambda data: bytes_unused(read(data))


def manifest() -> Run:
    from crypto.notes import VerifierKey, join_note, sign_text
    from crypto.policies import Policy
    from ledger.errors import LedgerError
    from ledger.transfer import read_manifest

    row = json.loads((LEDGER / "keys.json").read_text())["keys"][0]
    seed = bytes.fromhex(row["seed"])
    key = VerifierKey.of_seed(row["name"], 1, seed)
    trusted = Policy.parse((LEDGER / "policies" / "log.txt").read_text()).logs

    def signed(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        read_manifest(join_note(text, [sign_text(text, key.name, seed)]), [key])

    return each(
        quietly(lambda data: bytes_unused(read_manifest(data, trusted)), LedgerError),
        quietly(signed, LedgerError),
    )


def archive() -> Run:
    from api.adapters.archive import manifest_of, policy_of, unpack
    from ledger.errors import LedgerError
    from ledger.transfer import FileRow

    folder = Path(tempfile.mkdtemp())
    file = folder / "backup.tar"

    def unpacked(data: bytes) -> None:
        file.write_bytes(data)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            unpack(file, (FileRow("policy.txt", 0, "0" * 64),), Path(place) / "home")

    def read(data: bytes) -> None:
        file.write_bytes(data)
        manifest_of(file)

    def trusted(data: bytes) -> None:
        file.write_bytes(data)
        policy_of(file, "policy.txt")

    return each(*(quietly(run, LedgerError) for run in (unpacked, read, trusted)))


def evidence() -> Run:
    from crypto.policies import Policy
    from replay.monitor import Evidence, EvidenceRefused, Memory, MemoryRefused, judge

    trusted = Policy.parse((LEDGER / "policies" / "log.txt").read_text())
    return each(
        quietly(
            lambda data: bytes_unused(judge(Evidence.parse(data), trusted)),
            EvidenceRefused,
        ),
        quietly(lambda data: bytes_unused(Memory.parse(data)), MemoryRefused),
    )


def verifier() -> Run:
    from replay import export_verifier as departure
    from replay import verifier as offline

    trusted = offline.Policy((LEDGER / "policies" / "log.txt").read_bytes())
    receipt = (LEDGER / "extra" / "proofs" / "423.tlog-proof").read_bytes()
    sealed = offline.check_receipt(receipt, trusted).entry

    def log(data: bytes) -> None:
        """Cut the bytes into a checkpoint and one file for all tiles and bundles."""
        head, _, rest = data.partition(b"\xff\xff")
        offline.check_log(lambda path: head if path == "checkpoint" else rest, trusted)

    def entries(data: bytes) -> None:
        found = b"".join(len(one).to_bytes(2, "big") + one for one in departure.bundle(data))
        assert found == data

    runs: tuple[Run, ...] = (
        entries,
        lambda data: bytes_unused(departure.parse_manifest(data)),
        lambda data: bytes_unused(offline.check_receipt(data, trusted)),
        lambda data: bytes_unused(offline.Policy(data)),
        lambda data: bytes_unused(offline.parse_object(data)),
        lambda data: bytes_unused(offline.read_entry(data)),
        lambda data: bytes_unused(offline.check_pieces(data, sealed)),
        lambda data: bytes_unused(offline.check_file(io.BytesIO(data), sealed)),
        lambda data: bytes_unused(offline.decode_point(data)),
        log,
    )
    return each(*(quietly(run, offline.Refused) for run in runs))


def kit() -> Run:
    from api.depositor.envelope_file import Record, record_path
    from api.depositor.kit import Kit, KitRefused

    folder = Path(tempfile.mkdtemp())
    sealed = folder / "offre.pli"

    def record(data: bytes) -> None:
        record_path(sealed).write_bytes(data)
        Record.read(sealed)

    return each(
        quietly(lambda data: bytes_unused(Kit.parse(data)), KitRefused),
        quietly(record, KitRefused),
    )


def contracts() -> Run:
    from api.story.records import DataFileUnreadable, select

    return quietly(lambda data: bytes_unused(select(data)), DataFileUnreadable)


def request() -> Run:
    from starlette.requests import ClientDisconnect

    from api.caching import matches
    from api.errors import ApiError, language_of
    from api.forms import Form, LocalHour
    from api.paging import key_of
    from api.routes import all_routers
    from api.strict import StrictRequest
    from domain.errors import DomainError
    from domain.identifiers import check_siret

    all_routers()
    forms = sorted(subclasses(Form), key=lambda form: form.__name__)

    def posted(data: bytes) -> None:
        """The first byte chooses the form; the rest is the body of a POST."""

        async def receive() -> Mapping[str, object]:
            return {"type": "http.request", "body": data[1:], "more_body": False}

        asked = StrictRequest({"type": "http", "headers": []}, receive)
        try:
            asked.json().send(None)
        except StopIteration as end:
            form = forms[data[0] % len(forms)] if data else forms[0]
            found = form.model_validate(end.value)
            if isinstance(found, LocalHour):
                found.legal()

    return each(
        # the route answers 400 to whatever the reader of a body raises
        quietly(posted, ValueError, RecursionError, ClientDisconnect, DomainError),
        quietly(lambda data: bytes_unused(key_of(words(data))), ApiError),
        quietly(lambda data: bytes_unused(check_siret(words(data))), DomainError),
        lambda data: bytes_unused(language_of(words(data))),
        lambda data: bytes_unused(matches(words(data), '"0"')),
    )


def subclasses(form: type) -> list[Any]:
    return [one for sub in form.__subclasses__() for one in (sub, *subclasses(sub))]


def bytes_unused(_: object) -> None:
    """Take what was read: that it could be read is all."""


def scanner() -> Run:
    from api.adapters.breached import BreachedListUnready, parse_range
    from api.adapters.scanner import parse_answer, shown
    from crypto.canonical import encode

    def answered(data: bytes) -> None:
        scan = parse_answer(data, shown(data, 100))
        # whatever an engine says, an entry can hold it
        encode({"engine": scan.engine, "signature": scan.signature}, nfc=True)
        assert scan.signature or scan.verdict != "MALWARE"

    ranged = quietly(lambda data: bytes_unused(parse_range(data)), BreachedListUnready)
    return each(answered, ranged)


def bytes_equal(found: bytes, given: bytes) -> None:
    assert found == given


def planted() -> Run:
    """The control: a parser whose bug lies behind a magic and a word of the dictionary."""

    def parse(data: bytes) -> None:
        if not data.startswith(b"PLI1") or len(data) < 12:
            return
        if b'"suite"' in data[8:]:
            raise IndexError("planted")

    return quietly(parse, ValueError)


TARGETS: Mapping[str, Target] = {
    "canonical": Target(canonical, ("crypto.canonical:decode", "crypto.canonical:decode_value")),
    "header": Target(header, ("crypto.pli1_header:Header.parse", "crypto.pli1:read_header")),
    "envelope": Target(envelope, ("crypto.pli1:read_header",)),
    "package": Target(package, ("crypto.package:Manifest.parse", "crypto.package:read_package")),
    "keyset": Target(
        keyset,
        (
            "crypto.ceremony:Ceremony.parse",
            "crypto.keyset:Keyset.parse",
            "crypto.label:Label.parse",
        ),
    ),
    "keys": Target(keys, ("crypto.keys:read_key_file", "crypto.notes:VerifierKey.parse")),
    "note": Target(
        note,
        (
            "crypto.notes:parse_note",
            "crypto.notes:parse_checkpoint",
            "crypto.notes:read_base64",
            "crypto.notes:read_decimal",
            "ledger.checkpointer:read_mark",
        ),
    ),
    "policy": Target(
        policy, ("crypto.policies:Policy.parse", "api.adapters.witnesses:read_policy")
    ),
    "stamp": Target(stamp, ("crypto.local_authority:read_request",)),
    "entry": Target(entry, ("ledger.entry:parse", "ledger.links:read_link")),
    "tiles": Target(
        tiles,
        ("ledger.tiles:TilePath.parse", "ledger.tiles:read_tile", "ledger.tiles:read_bundle"),
    ),
    "proof": Target(proof, ("ledger.proofs:TlogProof.parse", "ledger.proofs:read_hashes")),
    "witness": Target(
        witness,
        (
            "ledger.witness:Request.parse",
            "api.adapters.custodian_questions:read_time",
            "api.adapters.custodian_questions:read_round",
            "api.adapters.custodian_questions:read_view",
            "api.adapters.custodian_questions:read_share",
            "api.adapters.custodian_questions:read_partial",
            "api.adapters.custodian_roster:read_roster",
        ),
    ),
    "manifest": Target(manifest, ("ledger.transfer:read_manifest",)),
    "archive": Target(archive, ()),
    "evidence": Target(evidence, ("replay.monitor:Evidence.parse", "replay.monitor:Memory.parse")),
    "verifier": Target(
        verifier,
        (
            "replay.export_verifier:parse_manifest",
            "replay.verifier:decode_point",
            "replay.verifier:read_base64",
            "replay.verifier:read_decimal",
            "replay.verifier:read_number",
            "replay.verifier:parse_vkey",
            "replay.verifier:parse_note",
            "replay.verifier:parse_checkpoint",
            "replay.verifier:parse_object",
            "replay.verifier:read_entry",
        ),
    ),
    "kit": Target(kit, ("api.depositor.kit:Kit.parse", "api.depositor.envelope_file:Record.read")),
    "contracts": Target(contracts, ("api.story.records:read",)),
    "request": Target(request, ("api.strict:parse",)),
    "scanner": Target(
        scanner, ("api.adapters.breached:parse_range", "api.adapters.scanner:parse_answer")
    ),
}
PLANTED = Target(planted, ())
OWN = "a file of the home itself, secret or written beside its database: nobody sends one"
STREAM = "copies bytes of a stream and reads no form in them"
SHIPPED = "a table of the package itself: it is read at the start, nobody sends one"
ELSEWHERE: Mapping[str, str] = {
    "domain.messages:Messages.parse": SHIPPED,
    "domain.procedures:Procedures.parse": SHIPPED,
    "domain.roles:Roles.parse": SHIPPED,
    "domain.rulebook:RuleBook.parse": SHIPPED,
    "domain.law:Law.parse": SHIPPED,
    "api.adapters.custodian_identity:read_identity": OWN,
    "api.adapters.keys:read_secret": OWN,
    "api.adapters.refusal_book:Row.parse": OWN,
    "crypto.streams:read_exactly": STREAM,
    "crypto.streams:read_into": STREAM,
    "ledger.mapper:CanonicalTranscoder.decode": "entries that were checked when they were written",
}


def target_of(name: str) -> Target:
    """Return a target, the planted one included."""
    return PLANTED if name == "planted" else TARGETS[name]

"""Malware in what was opened: told in one save with the opening, never in the way of it (§4.7)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from doubles.backups import anchored, ask, late_with_copy
from doubles.platform import OTHER_BUYER, SECOND, Platform, deposit_id

from domain import scanning
from domain.backup_copy import BackupCopy
from domain.commands import open_envelopes
from domain.commands.detect_malware import DetectMalware, detect_malware
from domain.envelope import SealedEnvelope
from domain.errors import DepositWrongState, NotAllowed, NotFound, QuorumMissed
from domain.events.deposit import MalwareDetected
from domain.events.transmission import DepositKind
from domain.opening import OpeningSession
from domain.scanning import NoScanner, NotScanned, Piece, Scan, ScanVerdict, look, looked

WORM = b"worm"
ENGINE = "Double 1"


class Double:
    """Finds its worm; ``away``: from which document on it is silent."""

    def __init__(self, away: int = 99) -> None:
        self.away = away
        self.seen: list[bytes] = []

    def scan(self, parts: Iterable[bytes], size: int) -> Scan:
        data = b"".join(parts)
        assert len(data) == size
        self.seen.append(data)
        if len(self.seen) >= self.away:
            return Scan(ScanVerdict.NOT_SCANNED, reason=NotScanned.SILENT)
        if data == b"large":
            return Scan(ScanVerdict.NOT_SCANNED, ENGINE, reason=NotScanned.SIZE)
        bad = WORM in data
        signature = "Test.Worm" if bad else ""
        return Scan(ScanVerdict.MALWARE if bad else ScanVerdict.CLEAN, ENGINE, signature)


@pytest.fixture
def platform() -> Platform:
    made = Platform()
    object.__setattr__(made.desk, "scanner", Double())
    made.published()
    return made


def opened(platform: Platform, *documents: bytes, lot: str = "0") -> SealedEnvelope:
    platform.deposit("a")
    platform.vault.documents[deposit_id("a")] = list(documents)
    platform.ready_to_open(lot=lot)
    platform.open(lot=lot)
    return platform.load(SealedEnvelope, deposit_id("a"))


def test_malware_is_told_in_the_save_that_opens(platform: Platform) -> None:
    envelope = opened(platform, b"offer", b"a worm", b"another worm")
    assert envelope.state == "QUARANTINED"
    kinds = platform.kinds()
    at = kinds.index("MalwareDetected")
    assert kinds[at - 1] == "EnvelopeOpened"
    event = platform.files.rows[at]
    assert isinstance(event, MalwareDetected)
    assert (event.file, event.engine, event.signature) == ("piece-0002", ENGINE, "Test.Worm")
    assert event.meta.command == platform.files.rows[at - 1].meta.command, "one save"
    (trace,) = platform.vault.scans[deposit_id("a")]
    told = looked(trace)
    assert told.trace == trace
    assert told.trace_hash == event.trace_hash
    assert [scan.verdict for _, scan in told.scans] == ["CLEAN", "MALWARE", "MALWARE"]
    assert platform.load(OpeningSession, "C1.0").state == "COMPLETED"


def test_what_is_clean_stays_open_and_its_trace_is_kept(platform: Platform) -> None:
    envelope = opened(platform, b"offer", b"large")
    assert (envelope.state, envelope.malware) == ("OPENED", None)
    (trace,) = platform.vault.scans[deposit_id("a")]
    told = looked(trace)
    assert [scan.reason for _, scan in told.scans] == [None, NotScanned.SIZE]
    assert told.malware is None


def test_a_silent_scanner_never_holds_up_an_opening(platform: Platform) -> None:
    double = Double(away=2)
    object.__setattr__(platform.desk, "scanner", double)
    envelope = opened(platform, b"offer", b"a worm", b"third")
    assert envelope.state == "OPENED"
    assert len(double.seen) == 2, "after its silence it is not waited for again"
    told = looked(platform.vault.scans[deposit_id("a")][0])
    assert [scan.verdict for _, scan in told.scans] == ["CLEAN", "NOT_SCANNED", "NOT_SCANNED"]


def test_without_a_scanner_nothing_is_scanned() -> None:
    platform = Platform()
    platform.published()
    assert isinstance(platform.desk.scanner, NoScanner)
    assert opened(platform, b"a worm").state == "OPENED"
    told = looked(platform.vault.scans[deposit_id("a")][0])
    assert [scan.reason for _, scan in told.scans] == [NotScanned.NONE]


def test_an_opening_without_plaintext_is_not_scanned(platform: Platform) -> None:
    opened(platform)
    assert platform.vault.scans == {}


def test_a_later_scan_finds_what_the_first_missed(platform: Platform) -> None:
    object.__setattr__(platform.desk, "scanner", Double(away=1))
    opened(platform, b"a worm")
    command = DetectMalware(deposit_id("a"))
    before = len(platform.files.rows)
    assert detect_malware(platform.desk, platform.act(), command) is None
    assert len(platform.files.rows) == before, "nothing is recorded where nothing is found"
    object.__setattr__(platform.desk, "scanner", Double())
    act = platform.act()
    recorded = detect_malware(platform.desk, act, command)
    assert recorded is not None
    assert detect_malware(platform.desk, act, command) == type(recorded)(
        recorded.first, recorded.count, repeated=True
    )
    assert platform.load(SealedEnvelope, deposit_id("a")).state == "QUARANTINED"
    assert len(platform.vault.scans[deposit_id("a")]) == 3, "no trace is replaced"
    with pytest.raises(DepositWrongState):
        detect_malware(platform.desk, platform.act(), command)


def test_only_the_buyers_officers_scan_again(platform: Platform) -> None:
    opened(platform, b"a worm")
    command = DetectMalware(deposit_id("a"))
    with pytest.raises(NotFound):
        detect_malware(platform.desk, platform.act("BU", OTHER_BUYER), command)
    with pytest.raises(NotAllowed):
        detect_malware(platform.desk, platform.act("DR"), command)
    with pytest.raises(NotFound):
        detect_malware(platform.desk, platform.act(), DetectMalware(deposit_id("nobody's")))


def test_a_sealed_envelope_cannot_be_scanned(platform: Platform) -> None:
    platform.deposit("a")
    with pytest.raises(DepositWrongState):
        detect_malware(platform.desk, platform.act(), DetectMalware(deposit_id("a")))


def test_a_later_lot_of_a_quarantined_envelope_ends_in_its_minutes() -> None:
    platform = Platform()
    object.__setattr__(platform.desk, "scanner", Double())
    platform.published(lots=("1", "2"))
    platform.deposit("a", lots=("1", "2"), kind=DepositKind.APPLICATION)
    platform.vault.documents[deposit_id("a")] = [b"a worm"]
    platform.close()
    for lot in ("1", "2"):
        platform.convene(lot=lot)
        platform.plan(lot=lot)
        assert platform.open(lot=lot).state == "COMPLETED"
    kinds = platform.kinds()
    assert (kinds.count("EnvelopeOpened"), kinds.count("MalwareDetected")) == (1, 1)
    assert platform.load(SealedEnvelope, deposit_id("a")).opened_lots == {"1"}


def test_the_minutes_say_who_was_silent_false_or_refused(platform: Platform) -> None:
    platform.custodians.moods |= {"anna": "silent", "bruno": "false"}
    platform.deposit("a", SECOND)
    platform.ready_to_open()
    with pytest.raises(QuorumMissed):
        platform.open()
    said = {
        row["custodian"]: row["answer"] for row in platform.vault.sitting(deposit_id("a"), "0", 1)
    }
    assert said == {"anna": "SILENT", "bruno": "BAD", "chloe": "PROVEN"}
    platform.custodians.moods |= {"anna": "refuses", "bruno": "gives"}
    command = open_envelopes.OpenEnvelopes("C1", "0")
    open_envelopes.open_envelopes(platform.desk, platform.act(), command)
    told = platform.vault.sitting(deposit_id("a"), "0", 1)
    assert told[0] == {"custodian": "anna", "answer": "REFUSED", "code": "too-early"}
    assert [row["answer"] for row in told[1:]] == ["PROVEN", "PROVEN"]


def test_a_piece_is_named_by_its_place() -> None:
    pieces = [Piece(place, 1, lambda: iter((b"x",))) for place in (1, 12_345)]
    names = [file for file, _ in look(Double(), pieces, "2026-11-02T09:00:00.000000Z").scans]
    assert names == ["piece-0001", "piece-12345"]


def test_no_more_of_an_envelope_is_scanned_than_an_opening_can_wait_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scanning, "WHOLE", 10)
    texts = [b"six...", b"seven..", b"four"]
    pieces = [Piece(at, len(one), lambda one=one: iter((one,))) for at, one in enumerate(texts, 1)]  # type: ignore[misc]
    scans = [scan for _, scan in look(Double(), pieces, "2026-11-02T09:00:00.000000Z").scans]
    assert [scan.verdict for scan in scans] == ["CLEAN", "NOT_SCANNED", "CLEAN"]
    assert scans[1].reason == NotScanned.SIZE


@pytest.mark.parametrize("document", [b"offer", b"a worm"])
def test_an_electronic_backup_copy_is_scanned_as_it_opens(document: bytes) -> None:
    platform = Platform()
    object.__setattr__(platform.desk, "scanner", Double())
    platform.published(backup_electronic=True)
    name = late_with_copy(platform)
    platform.vault.documents[name] = [document]
    ask(platform, name)
    platform.plan()
    anchored(platform)
    platform.open()
    copy = platform.load(BackupCopy, name)
    (trace,) = platform.vault.scans[name]
    assert copy.state == ("SET_ASIDE" if WORM in document else "OPENED")
    assert copy.infected == (WORM in document) == (looked(trace).malware is not None)
    kinds = [event.TOPIC for event in platform.files.stream(copy.id)]
    found = ["BackupCopyMalwareDetected", "BackupCopySetAside"] if copy.infected else []
    assert kinds[kinds.index("BackupCopyOpened") + 1 :] == found

"""T27: a key counts for the sizes between its events, and for no other (ledger.md §2).

One log lives under an old key, then under both, then under the new one. Every pair of a signer and
a size is judged by the product and by the independent verifier, of receipts, checkpoints, exports
and pins. Control: the same policy without its bounds believes the old key for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from doubles.kill_child import save_of
from doubles.ledger import Bench, SeedSigner, check_ledger
from doubles.proofs import Proof

from crypto import notes
from crypto.errors import CryptoError
from crypto.keys import LogKeys
from crypto.notes import Checkpoint, VerifierKey
from crypto.policies import Policy
from ledger.creation import change_key
from ledger.errors import ForeignKey, KeyUnknown, StoreDamaged
from ledger.export import export
from ledger.exported import LogFolder
from ledger.fsck import LogUnsound, fsck
from ledger.log_keys import CHANGED, added_at, read_log_keys
from ledger.proofs import TlogProof, inclusion
from ledger.tree import Levels
from replay import verifier

pytestmark = pytest.mark.counted

OLD = SeedSigner()
NEW = SeedSigner(seed=hashlib.sha256(b"pli test vector next key").digest())
BOTH = (OLD, NEW)


class Life:
    """A log whose key was replaced: a receipt and an export of each of its three times."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "home").mkdir()
        self.bench = Bench(folder / "home").create()
        self.receipts: list[bytes] = []
        self.exports: list[Path] = []
        self.live("before")
        self.bench.signers = [NEW]
        change_key(self.bench.folder, self.bench.ports(), added=NEW.key)
        self.live("both")
        self.bench.signer, self.bench.signers = NEW, []
        self.bench.signers = [OLD]
        self.keys = change_key(self.bench.folder, self.bench.ports(), retired=str(OLD.key))
        self.bench.signers = []
        self.live("after")
        (self.since,) = (size for size in self.keys.since.values() if size)
        (self.until,) = self.keys.until.values()

    def live(self, name: str) -> None:
        """Record two entries, keep a receipt, publish, export."""
        ledger = self.bench.open()
        for number in (1, 2):
            ledger._store.sequencer.submit(save_of(name, 0, number))
        self.receipts.append(ledger.receipt(ledger.head() - 1))
        ledger.publish()
        out = self.folder / f"export-{name}"
        export(ledger.reader, out, ledger.policies)
        self.exports.append(out)
        ledger.close()

    @property
    def loose(self) -> str:
        """The same keys, as a policy lists them that nobody bounded."""
        lines = [line for line in self.keys.lines() if line.startswith("log ")]
        return "".join(f"{line}\n" for line in [*lines, "quorum none"])

    def receipt_by(self, size: int, *signers: SeedSigner) -> bytes:
        """Return a receipt for entry 0 under a checkpoint that these keys sign."""
        with closing(self.bench.reader()) as reader, reader.snapshot() as reads:
            leaves = reads.leaves(0, reads.head().size)
            row = reads.rows(0, 1)[0]
        levels = Levels()
        levels.adopt(levels.grow(leaves))
        checkpoint = Checkpoint(OLD.name, size, levels.root(size))
        note = notes.note(checkpoint, [one.sign(checkpoint) for one in signers])
        return bytes(TlogProof(0, tuple(inclusion(0, size, levels.hash_at)), note, row.entry))


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return Life(tmp_path_factory.mktemp("life"))


def by_product(policy: str, receipt: bytes) -> str:
    """Return the code of the refusal, nothing if the receipt is believed."""
    try:
        Policy.parse(policy).verify(TlogProof.parse(receipt).note)
    except CryptoError as refusal:
        return refusal.code
    return ""


def by_verifier(policy: str, receipt: bytes) -> str:
    """Return the same, as the independent verifier says it."""
    try:
        verifier.check_receipt(receipt, verifier.Policy(policy.encode()))
    except verifier.Refused as refusal:
        return refusal.code
    return ""


JUDGES: tuple[Callable[[str, bytes], str], ...] = (by_product, by_verifier)


def test_old_and_new_key_before_and_after(life: Life, proof: Proof) -> None:
    """Every signer at the sizes around both changes: −1, 0, +1."""
    assert [life.keys.at(size) for size in (life.since - 1, life.since, life.until)] == [
        {str(OLD.key)},
        {str(OLD.key), str(NEW.key)},
        {str(NEW.key)},
    ]
    judged = 0
    for size in {edge + step for edge in (life.since, life.until) for step in (-1, 0, 1)}:
        for signers in ((OLD,), (NEW,), BOTH):
            receipt = life.receipt_by(size, *signers)
            good = bool(life.keys.at(size) & {str(one.key) for one in signers})
            for judge in JUDGES:
                expected = "" if good else "signature"
                assert judge(life.keys.policy(), receipt) == expected, (size, signers)
                judged += 1
    # control: without its bounds the policy believes the old key for ever, and the new one before
    wrong = [(life.until, OLD), (life.since - 1, NEW)]
    assert not any(judge(life.loose, life.receipt_by(*one)) for one in wrong for judge in JUDGES)
    proof("T27", f"{judged} verdicts on 3 signers at the edges of 2 changes; 4 controls believed")


def test_proofs_made_before_stay_proven(life: Life) -> None:
    for receipt in life.receipts:
        assert not any(judge(life.keys.policy(), receipt) for judge in JUDGES)
    lines = [
        [line.key_id for line in notes.parse_note(TlogProof.parse(one).note).signatures]
        for one in life.receipts
    ]
    old, new = OLD.key.key_id, NEW.key.key_id
    assert lines == [[old], [old, new], [new]]


def log_by_product(folder: Path, policy: str, *pins: bytes) -> bool:
    try:
        fsck(LogFolder(folder), Policy.parse(policy), pins)
    except LogUnsound:
        return False
    return True


def log_by_verifier(folder: Path, policy: str, *pins: bytes) -> bool:
    def read(path: str) -> bytes | None:
        file = folder / path
        return file.read_bytes() if file.is_file() else None

    try:
        verifier.check_log(read, verifier.Policy(policy.encode()), *pins)
    except verifier.Refused:
        return False
    return True


@pytest.mark.parametrize("judge", [log_by_product, log_by_verifier])
def test_the_log_itself_ends_its_key(
    life: Life, judge: Callable[..., bool], tmp_path: Path
) -> None:
    """A reader with an outdated policy is saved by the entries: they say when the key ended."""
    policy = life.keys.policy()
    first, _, last = life.exports
    assert all(judge(folder, policy) for folder in life.exports)
    pin = (life.exports[0] / "checkpoint").read_bytes()
    assert judge(last, policy, pin)
    good = (last / "checkpoint").read_bytes()
    checkpoint = notes.parse_checkpoint(notes.parse_note(good).text)
    try:
        (last / "checkpoint").write_bytes(notes.note(checkpoint, [OLD.sign(checkpoint)]))
        assert not judge(last, policy)
        assert not judge(last, life.loose)
    finally:
        (last / "checkpoint").write_bytes(good)
    # a log that has not heard of the end yet, under a policy that has: bounded by size alone
    assert judge(first, life.loose)
    head = notes.parse_checkpoint(notes.parse_note((first / "checkpoint").read_bytes()).text)
    late = notes.note(head, [NEW.sign(head)])
    assert not judge(last, policy, late), "a pin by a key that was not there yet"


def test_a_home_whose_mark_the_ended_key_signed_is_unsound(life: Life) -> None:
    assert check_home(life) > 0
    mark = life.bench.high_water.note
    checkpoint = notes.parse_checkpoint(notes.parse_note(mark).text)
    life.bench.high_water.note = notes.note(checkpoint, [OLD.sign(checkpoint)])
    try:
        with pytest.raises(LogUnsound, match="own entries"):
            check_home(life)
        with pytest.raises(ForeignKey):
            life.bench.open()
    finally:
        life.bench.high_water.note = mark


def check_home(life: Life) -> int:
    """Check the home under keys that nobody bounded, so that only the entries can refuse."""
    from ledger.home_check import Home, fsck_home

    with closing(life.bench.reader()) as reader, reader.snapshot() as reads:
        home = Home(origin=OLD.name, reads=reads, mark=life.bench.high_water.load())
        return fsck_home(home, Policy.parse(life.loose)).head.size


@pytest.mark.parametrize(
    "data", [{"added": "nonsense"}, {"retired": "nonsense"}, {"retired": str(OLD.key)}]
)
def test_a_change_that_says_nothing_is_refused_by_both(
    tmp_path: Path, data: dict[str, str]
) -> None:
    """Of the last one the size is no number."""
    (tmp_path / "home").mkdir()
    bench = Bench(tmp_path / "home").create()
    ledger = bench.open()
    size = "1" if data.get("retired") == str(OLD.key) else 2
    ledger._store.sequencer.note(CHANGED, "by hand", b"", lambda _: {**data, "from_size": size})
    ledger.publish()
    export(ledger.reader, tmp_path / "out", ledger.policies)
    ledger.close()
    policy = f"log {OLD.key}\nquorum none\n"
    assert not log_by_product(tmp_path / "out", policy)
    assert not log_by_verifier(tmp_path / "out", policy)


# changing


def keys_of(bench: Bench) -> LogKeys:
    with closing(bench.reader()) as reader, reader.snapshot() as reads:
        return read_log_keys(reads, OLD.key)


def test_a_change_is_made_once_and_never_leaves_a_log_without_key(tmp_path: Path) -> None:
    bench = Bench(tmp_path).create()
    bench.signers = [NEW]
    ports = bench.ports()
    stranger = VerifierKey.of_seed("other.example/log", notes.LOG, bytes(32))
    with pytest.raises(ForeignKey):
        change_key(tmp_path, ports, added=stranger)
    with pytest.raises(ForeignKey, match="no key in force"):
        change_key(tmp_path, ports, retired=str(OLD.key))
    with pytest.raises(KeyUnknown):
        change_key(tmp_path, ports, retired=str(NEW.key))
    once = change_key(tmp_path, ports, added=NEW.key)
    assert change_key(tmp_path, ports, added=NEW.key) == once == keys_of(bench)
    with closing(bench.reader()) as reader, reader.snapshot() as reads:
        assert added_at(reads, str(NEW.key)) is not None
        assert added_at(reads, str(OLD.key)) is None
    change_key(tmp_path, ports, retired=str(OLD.key))
    with pytest.raises(KeyUnknown):
        change_key(tmp_path, ports, retired=str(OLD.key))
    with pytest.raises(ForeignKey):
        change_key(tmp_path, ports, retired=str(NEW.key))
    # who has only the old key cannot go on
    bench.signers = []
    with pytest.raises(ForeignKey, match="no key in force"):
        bench.open()
    bench.signer = NEW
    bench.open().close()
    assert check_ledger_size(bench) > 2


def check_ledger_size(bench: Bench) -> int:
    with closing(bench.reader()) as reader:
        return reader.size()


def test_a_change_that_cannot_be_read_is_no_start(tmp_path: Path) -> None:
    """Else a flipped bit would give an ended key its power back."""
    bench = Bench(tmp_path, pad=256).create()
    bench.signers = [NEW]
    change_key(tmp_path, bench.ports(), added=NEW.key)
    ledger = bench.open()
    for _ in range(2):  # the start reads back the last tile only
        ledger.publish()
    ledger.close()
    bench.damage("UPDATE events SET entry = CAST('{}' AS BLOB) WHERE kind = 'LogKeyChanged'")
    with pytest.raises(StoreDamaged, match="change of keys"):
        bench.open()


def test_a_log_without_changes_has_the_policy_it_always_had(tmp_path: Path) -> None:
    bench = Bench(tmp_path).create()
    assert keys_of(bench).policy() == f"log {OLD.key}\nquorum none\n"
    bench.open().close()
    assert check_ledger(bench) == 1


# the line in a policy

LINES = f"log {OLD.key}\n#pli-valid "


@pytest.mark.parametrize(
    "text",
    [
        f"{LINES}{OLD.key}",
        f"{LINES}{OLD.key} 1 2 3",
        f"{LINES}{OLD.key} 01",
        f"{LINES}{OLD.key} 1 x",
        f"{LINES}{OLD.key} 5 5",
        f"{LINES}{OLD.key} 5 4",
        f"{LINES}{NEW.key} 1",
        f"{LINES}nonsense 1",
        f"{LINES}{OLD.key} 1\n#pli-valid {OLD.key} 1",
    ],
)
def test_a_bound_that_says_nothing_is_refused_by_both(text: str) -> None:
    whole = f"{text}\nquorum none\n"
    with pytest.raises(CryptoError) as refused:
        Policy.parse(whole)
    assert refused.value.code == "policy"
    with pytest.raises(verifier.Refused) as also:
        verifier.Policy(whole.encode())
    assert also.value.code in {"policy", "integer"}


@pytest.mark.parametrize("line", ["#pli-validity is a word", "# pli-valid x", "#anything"])
def test_other_comments_stay_comments(line: str) -> None:
    text = f"{line}\nlog {OLD.key}\nquorum none\n"
    assert Policy.parse(text).valid == {}
    assert verifier.Policy(text.encode()).names == {"none"}


def test_a_witness_counts_for_its_sizes_only() -> None:
    seeds = {name: hashlib.sha256(name.encode()).digest() for name in ("first", "second")}
    keys = {
        name: VerifierKey.of_seed("town.example", notes.COSIGNATURE, seed)
        for name, seed in seeds.items()
    }
    text = (
        f"log {OLD.key}\nwitness first {keys['first']}\n#pli-valid {keys['first']} 0 10\n"
        f"witness second {keys['second']}\n#pli-valid {keys['second']} 10\n"
        "group town any first second\nquorum town\n"
    )
    for size, name in ((9, "first"), (10, "first"), (9, "second"), (10, "second")):
        checkpoint = Checkpoint(OLD.name, size, bytes(32))
        line = notes.cosign(notes.text(checkpoint), "town.example", seeds[name], 1)
        note = notes.note(checkpoint, [OLD.sign(checkpoint), line])
        for verify in (Policy.parse(text).verify, verifier.Policy(text.encode()).verify):
            if (size < 10) == (name == "first"):
                verify(note)
                continue
            with pytest.raises((CryptoError, verifier.Refused)) as refused:
                verify(note)
            assert refused.value.code == "quorum"

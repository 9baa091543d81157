"""The opening with real cryptography: a ceremony, sealed files, partials, every fault of §13."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import pytest
from doubles.keysets import Seeded
from doubles.platform import FIRST, SECOND, Platform, deposit_id, hex_of

from crypto import dkg, sealed_box, statements
from crypto.canonical import Json
from crypto.ceremony import Ceremony
from crypto.errors import CryptoError, PackageRefused
from crypto.keyset import Keyset, prove_alive
from crypto.package import Document, PackageReader, make_manifest
from crypto.pli1_header import check_head
from crypto.sealing import Documents, Draw, Sealer
from crypto.threshold import Lock, make_partial
from domain.clock import instant_text
from domain.commands import (
    announce,
    deposit,
    hold_ceremony,
    open_envelopes,
    prove_life,
    publish,
)
from domain.consultation import Consultation
from domain.custody import Custody, KeyCeremony
from domain.envelope import SealedEnvelope
from domain.errors import (
    BadForm,
    CanaryFailed,
    CeremonyAborted,
    CustodyTooWeak,
    KeysetNeeded,
    KeysetTaken,
    NotFound,
    OpeningOrder,
    PublicationIncomplete,
    QuorumMissed,
)
from domain.ports import CustodianIdentity, CustodianRefusal, CustodianSilent, CustodyComplaint
from domain.transmission import TransmissionSession
from domain.unsealing import ThresholdUnsealing

NAMES = ("anna", "bruno", "chloe")
CEREMONY, CANARY = hex_of("ceremony", 32), hex_of("canary", 32)


@dataclass
class Keeper:
    """One custodian with real keys."""

    name: str
    index: int
    random: Seeded
    sign: bytes = b""
    box: bytes = b""
    polynomials: dict[str, list[bytes]] = field(default_factory=dict)
    shares: dict[str, bytes] = field(default_factory=dict)


class Keepers:
    """Custodians who compute, over the ceremonies and keysets in the memory ledger."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.moods: dict[str, str] = {}
        self.keepers = {name: self._keeper(name, at) for at, name in enumerate(NAMES, 1)}

    def _keeper(self, name: str, index: int) -> Keeper:
        random = Seeded(name)
        return Keeper(name, index, random, random.take(32), random.take(32))

    def roster(self) -> tuple[CustodianIdentity, ...]:
        return tuple(
            CustodianIdentity(
                one.name,
                "platform",
                statements.public_key(one.sign).hex(),
                sealed_box.public_key(one.box).hex(),
            )
            for one in self.keepers.values()
        )

    def _made(self, name: str) -> tuple[KeyCeremony, Ceremony]:
        stream = self.platform.load(KeyCeremony, name)
        return stream, Ceremony.parse(stream.ceremony)

    def box(self, custodian: str) -> str:
        self._mood(custodian, "silent-0")
        return sealed_box.public_key(self.keepers[custodian].box).hex()

    def round1(self, ceremony: str, custodian: str) -> dict[str, Any]:
        self._mood(custodian, "silent-1")
        keeper = self.keepers[custodian]
        _, made = self._made(ceremony)
        keeper.polynomials[ceremony] = [keeper.random.scalar() for _ in range(made.k)]
        message = dkg.commit(
            made, keeper.index, keeper.polynomials[ceremony], keeper.random.scalar(), keeper.sign
        )
        return dict(message)

    def _messages(self, events: Any, *names: str) -> list[Json]:
        return [{name: getattr(event, name) for name in names} for event in events]

    def round2(self, ceremony: str, custodian: str) -> dict[str, Any]:
        keeper = self.keepers[custodian]
        stream, made = self._made(ceremony)
        first = self._messages(stream.committed, "index", "points", "pop", "sig")
        commitments = dkg.check_commitments(made, first)
        message = dkg.share_out(
            made, keeper.index, keeper.polynomials[ceremony], commitments, keeper.sign
        )
        return dict(message)

    def confirm(self, ceremony: str, custodian: str) -> dict[str, Any]:
        if self.moods.get(custodian) == "complains":
            raise CustodyComplaint(2, 1, "share", "ee" * 64)
        keeper = self.keepers[custodian]
        stream, made = self._made(ceremony)
        first = self._messages(stream.committed, "index", "points", "pop", "sig")
        second = self._messages(stream.shared, "index", "boxes", "sig")
        outcome = dkg.finish(made, keeper.index, keeper.box, first, second)
        keeper.shares[outcome.digest.hex()] = outcome.share
        sig = dkg.acknowledge(outcome.digest, keeper.index, keeper.sign)
        return {"index": keeper.index, "digest": outcome.digest.hex(), "sig": sig.hex()}

    def alive(self, digest: str, custodian: str) -> tuple[str, str]:
        self._mood(custodian, "silent")
        if self.moods.get(custodian) == "refuses":
            raise CustodianRefusal(custodian, "view", "ff" * 64)
        keeper = self.keepers[custodian]
        nonce, keyset = keeper.random.take(32), self._keyset(digest)
        share = keeper.shares[digest]
        w = keeper.random.scalar()
        proof = prove_alive(keyset, keeper.index, nonce, share, w)
        if self.moods.get(custodian) == "false":
            nonce = bytes(32)
        return nonce.hex(), proof.hex()

    def retire(self, digest: str, custodian: str) -> str:
        self._mood(custodian, "silent")
        del self.keepers[custodian].shares[digest]
        return "aa" * 64

    def partial(
        self, consultation: str, lot: str, deposit: str, plan_no: int, head: bytes, custodian: str
    ) -> bytes:
        self._mood(custodian, "silent")
        if self.moods.get(custodian) == "refuses":
            raise CustodianRefusal(custodian, "view", "ff" * 64)
        keeper = self.keepers[custodian]
        label = head[8:]
        digest = next(each for each in keeper.shares if each.encode() in label)
        header = check_head(head, bytes.fromhex(digest))
        lock = Lock(self._keyset(digest), header.label.encoded, header.capsule)
        share = keeper.shares[digest]
        if self.moods.get(custodian) == "false":
            share = keeper.random.scalar()
        w = Seeded(f"{custodian} {deposit}").scalar()
        if self.moods.get(custodian) == "anew":
            w = keeper.random.scalar()
        return make_partial(lock, keeper.index, share, w)

    def _keyset(self, digest: str) -> Keyset:
        name = self.platform.register.ceremony(digest)
        assert name is not None
        return Keyset.parse(self.platform.load(KeyCeremony, name).document)

    def _mood(self, custodian: str, mood: str) -> None:
        if self.moods.get(custodian) == mood:
            raise CustodianSilent(custodian)


class Sealed:
    """A platform whose custodians and envelopes are real."""

    def __init__(self) -> None:
        self.platform = Platform()
        self.keepers = Keepers(self.platform)
        unsealing = ThresholdUnsealing(self.platform.vault)
        self.platform.desk = replace(
            self.platform.desk, custodians=self.keepers, unsealing=unsealing
        )

    def hold(self, name: str = CEREMONY, purpose: str = "consultation") -> Any:
        command = hold_ceremony.HoldCeremony(
            name, NAMES, purpose=hold_ceremony.KeysetPurpose(purpose)
        )
        return self.platform.done(
            hold_ceremony.hold_ceremony, self.platform.act("PA", command=f"hold {name}"), command
        )

    def assign(self, consultation: str = "C1") -> Any:
        return self.platform.done(
            hold_ceremony.assign_keyset,
            self.platform.act("PA"),
            hold_ceremony.AssignKeyset(consultation, CEREMONY, CANARY),
        )

    def canary(self) -> Any:
        command = prove_life.DecryptCanary("C1")
        return self.platform.done(prove_life.decrypt_canary, self.platform.act("PA"), command)

    def published(self) -> None:
        self.platform.draft()
        self.hold()
        self.hold(CANARY, "canary")
        self.assign()
        self.canary()
        command = publish.PublishConsultation("C1")
        self.platform.done(publish.publish, self.platform.act(), command)
        for siret in (FIRST, SECOND):
            self.platform.register_company(siret)

    def deposit(self, name: str, org: str = FIRST, plaintext: bytes | None = None) -> None:
        """Seal a real file and bring it in through the commands."""
        content = f"offer {name}".encode()
        sha = __import__("hashlib").sha256(content).digest()
        manifest = make_manifest([Document("offer.pdf", b"s" * 16, sha, len(content))], "none")
        reader = PackageReader(manifest, [BytesIO(content)])
        source = BytesIO(plaintext) if plaintext is not None else reader
        consultation = self.platform.load(Consultation, "C1")
        tag = self.platform.subjects.bidder_tag("C1", f"siret:{org}")
        label: dict[str, Json] = {
            "bidder": tag,
            "consultation": "C1",
            "deposit": deposit_id(name),
            "dossier": consultation.dossier_root,
            "intent": "INITIAL",
            "keyset": consultation.key_fingerprint,
            "kind": "OFFER",
            "lots": ["0"],
            "not_before": instant_text(consultation.deadline),
            "round": 1,
            "v": 1,
        }
        keyset = self.keepers._keyset(consultation.key_fingerprint)
        draw = Draw.of(Seeded(name).take(Draw.SIZE))
        sealer = Sealer(keyset, label, draw, Documents(1, manifest.root))
        file = BytesIO()
        plan = sealer.plan(source, file)
        self.platform.start(name, org, declared_bytes=plan.file_size, declared_files=1)
        head = announce.EnvelopeHead(
            deposit=deposit_id(name),
            header_hash=sealer.header.hash.hex(),
            capsule_hash=hex_of(name),
            documents_root=manifest.root.hex(),
            documents_count=1,
            bidder=tag,
            consultation="C1",
            dossier=consultation.dossier_root,
            intent="INITIAL",
            keyset=consultation.key_fingerprint,
            kind="OFFER",
            lots=("0",),
            not_before=consultation.deadline,
            round=1,
        )
        commitment = plan.commitment.hex()
        sent = announce.AnnounceEnvelope(
            f"t-{name}", head, commitment, plan.file_size, 1, len(sealer.header.head)
        )
        company = self.platform.company
        self.platform.done(announce.announce_envelope, company(org), sent)
        self.platform.vault.stored[deposit_id(name)] = file.getvalue()
        command = deposit.SealDeposit(
            f"t-{name}", head, commitment, plan.root.hex(), plan.file_size, "r"
        )
        self.platform.done(deposit.seal_deposit, company(org), command)
        assert self.platform.load(TransmissionSession, f"t-{name}").state == "COMPLETED"


@pytest.fixture
def world() -> Sealed:
    return Sealed()


def outcome(world: Sealed, name: str) -> Any:
    return world.platform.load(SealedEnvelope, deposit_id(name)).outcome


def test_a_whole_procedure_opens_what_was_sealed(world: Sealed) -> None:
    world.published()
    world.deposit("a")
    world.deposit("b", SECOND)
    world.platform.ready_to_open()
    session = world.platform.open()
    assert session.state == "COMPLETED"
    for name, siret in (("a", FIRST), ("b", SECOND)):
        opened = outcome(world, name)
        assert (opened.TOPIC, opened.form, opened.operator) == (
            "EnvelopeOpened",
            "PACKAGE",
            f"siret:{siret}",
        )
        assert f"offer {name}".encode() in world.platform.vault.opened[deposit_id(name)]
        assert sorted(world.platform.vault.partials[deposit_id(name)]) == [1, 2]
    custody = world.platform.load(Custody, "C1")
    assert len(custody.released) == 4


def test_a_false_answer_is_left_out_and_another_asked(world: Sealed) -> None:
    world.published()
    world.deposit("a")
    world.platform.ready_to_open()
    world.keepers.moods["anna"] = "false"
    world.platform.open()
    assert outcome(world, "a").custodians == ["bruno", "chloe"]


def test_a_refusing_custodian_is_recorded_and_a_missed_quorum_is_tried_again(
    world: Sealed,
) -> None:
    world.published()
    world.deposit("a")
    world.platform.ready_to_open()
    world.keepers.moods.update(anna="refuses", bruno="silent")
    act = world.platform.act()
    for _ in range(2):
        with pytest.raises(QuorumMissed, match="fewer than 2") as told:
            world.platform.open(act=act)
        assert told.value.missing == ("anna", "bruno")
    assert world.platform.kinds()[-3:] == [
        "CustodianRefused",
        "OpeningShareReleased",
        "CustodyQuorumMissed",
    ]
    del world.keepers.moods["bruno"]
    assert world.platform.open().state == "COMPLETED"
    assert world.platform.kinds().count("OpeningShareReleased") == 2, "chloe's stood already"


@pytest.mark.parametrize("mood", ["repeats", "anew"])
def test_the_ledger_names_every_answer_that_is_kept_and_no_other(world: Sealed, mood: str) -> None:
    world.published()
    world.deposit("a")
    world.platform.ready_to_open()
    world.keepers.moods.update(anna=mood, bruno="silent", chloe="silent")
    with pytest.raises(QuorumMissed):
        world.platform.open()
    del world.keepers.moods["bruno"]
    assert world.platform.open().state == "COMPLETED"
    vault, custody = world.platform.vault, world.platform.load(Custody, "C1")
    kept = {
        (deposit, lot, hashlib.sha256(data).hexdigest()) for deposit, lot, _, data in vault.kept
    }
    named = {(deposit, lot, digest) for deposit, lot, _, digest in custody.released}
    assert kept == named
    assert len(kept) == (2 if mood == "repeats" else 3)


def test_an_answer_that_was_given_counts_when_its_custodian_is_silent_for_ever(
    world: Sealed,
) -> None:
    world.published()
    world.deposit("a")
    world.platform.ready_to_open()
    world.keepers.moods.update(bruno="silent", chloe="silent")
    with pytest.raises(QuorumMissed):
        world.platform.open()
    world.keepers.moods.update(anna="silent")
    del world.keepers.moods["bruno"]
    for name in ("anna", "chloe"):
        lost = hold_ceremony.ReportShareLost("C1", name)
        world.platform.done(hold_ceremony.report_share_lost, world.platform.act("PA"), lost)
    assert world.platform.open().state == "COMPLETED"
    assert outcome(world, "a").custodians == ["anna", "bruno"]
    assert world.platform.kinds().count("OpeningShareReleased") == 2, "anna's stood already"
    told = {
        row["custodian"]: row["answer"]
        for row in next(iter(world.platform.vault.sittings.values()))
    }
    assert told == {"anna": "KEPT", "bruno": "PROVEN", "chloe": "SILENT"}


def test_a_kept_answer_is_proven_again_before_it_counts(world: Sealed) -> None:
    world.published()
    world.deposit("a")
    world.platform.ready_to_open()
    world.keepers.moods.update(bruno="silent", chloe="silent")
    with pytest.raises(QuorumMissed):
        world.platform.open()
    (kept,) = world.platform.vault.answers.values()
    kept[:] = [(index, bytes(96)) for index, _ in kept]
    world.keepers.moods.update(anna="silent")
    del world.keepers.moods["bruno"]
    with pytest.raises(QuorumMissed):
        world.platform.open()


@pytest.mark.parametrize("mood", ["refuses", "false"])
def test_what_was_given_counts_not_against_what_is_said_now(world: Sealed, mood: str) -> None:
    world.published()
    world.deposit("a")
    world.platform.ready_to_open()
    world.keepers.moods.update(bruno="silent", chloe="silent")
    with pytest.raises(QuorumMissed):
        world.platform.open()
    world.keepers.moods.update(anna=mood)
    del world.keepers.moods["bruno"]
    with pytest.raises(QuorumMissed):
        world.platform.open()


STORED = {
    "bytes-missing": lambda data: None,
    "bytes-differ": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "bytes-cut": lambda data: data[:20],
}


@pytest.mark.parametrize("fault", sorted(STORED))
def test_changed_bytes_are_the_storages_fault(world: Sealed, fault: str) -> None:
    world.published()
    world.deposit("a")
    world.deposit("b", SECOND)
    stored = world.platform.vault.stored
    changed = STORED[fault](stored[deposit_id("a")])
    if changed is None:
        del stored[deposit_id("a")]
    else:
        stored[deposit_id("a")] = changed
    world.platform.ready_to_open()
    assert world.platform.open().state == "COMPLETED"
    found = outcome(world, "a")
    assert (found.fault, found.cause) == (
        "STORAGE",
        "bytes-missing" if changed is None else "bytes-differ",
    )
    assert outcome(world, "b").TOPIC == "EnvelopeOpened"


def test_a_head_that_the_server_should_have_refused_is_the_storages_fault(world: Sealed) -> None:
    world.published()
    world.deposit("a")
    unsealing = ThresholdUnsealing(world.platform.vault)
    recorded = world.platform.load(SealedEnvelope, deposit_id("a")).sealed().commitment
    found = unsealing.examine(deposit_id("a"), recorded, "11" * 32)
    assert (found.stored, found.head_ok) == ("ok", False)


@pytest.mark.parametrize("plaintext", [b"", b"no package", b"PLP1\x00\x00\x00\x02{}"])
def test_a_bad_package_loses_no_bid(world: Sealed, plaintext: bytes) -> None:
    world.published()
    world.deposit("a", plaintext=plaintext)
    world.platform.ready_to_open()
    world.platform.open()
    assert outcome(world, "a").form == "RAW"
    assert world.platform.vault.opened[deposit_id("a")] == plaintext


def test_a_wrong_key_and_a_wrong_chunk_are_the_depositors(world: Sealed) -> None:
    world.published()
    world.deposit("a")
    platform = world.platform
    vault = platform.vault
    good = vault.stored[deposit_id("a")]
    document = world.keepers._keyset(platform.load(Consultation, "C1").key_fingerprint).document
    unsealing = ThresholdUnsealing(vault)
    from crypto.pli1 import commitment

    def tried(data: bytes) -> Any:
        vault.stored[deposit_id("a")] = data
        head = unsealing._head(deposit_id("a"))
        partials = {
            at: world.keepers.partial("C1", "0", deposit_id("a"), 1, head, name)
            for at, name in enumerate(NAMES[:2], 1)
        }
        recorded = commitment(BytesIO(data)).commitment.hex()
        return unsealing.unseal(deposit_id("a"), recorded, document, partials)

    flipped = good[:-1] + bytes([good[-1] ^ 1])
    assert (tried(flipped).key_ok, tried(flipped).chunks_ok) == (True, False)
    at = good.index(b'"commit":"') + len(b'"commit":"')
    other = good[:at] + (b"0" if good[at : at + 1] != b"0" else b"1") + good[at + 1 :]
    assert tried(other).key_ok is False
    del vault.stored[deposit_id("a")]
    with pytest.raises(LookupError, match="vanished"):
        unsealing._stored(deposit_id("a"))


# --- ceremonies


def test_a_ceremony_is_resumed_where_its_stream_ends(world: Sealed) -> None:
    world.keepers.moods["bruno"] = "silent-1"
    act = world.platform.act("PA")
    command = hold_ceremony.HoldCeremony(CEREMONY, NAMES)
    for _ in range(2):
        with pytest.raises(CeremonyAborted, match="bruno does not answer"):
            hold_ceremony.hold_ceremony(world.platform.desk, act, command)
    assert world.platform.kinds() == ["CeremonyStarted", "CeremonyFailed"]


def test_a_silence_before_the_start_leaves_nothing_and_the_same_is_held_later(
    world: Sealed,
) -> None:
    world.keepers.moods["bruno"] = "silent-0"
    act = world.platform.act("PA")
    command = hold_ceremony.HoldCeremony(CEREMONY, NAMES)
    with pytest.raises(CustodianSilent):
        hold_ceremony.hold_ceremony(world.platform.desk, act, command)
    assert world.platform.kinds() == []
    world.keepers.moods.clear()
    hold_ceremony.hold_ceremony(world.platform.desk, act, command)
    assert world.platform.kinds()[-1] == "KeysetReady"


def test_a_lost_answer_does_not_hold_the_rounds_twice(world: Sealed) -> None:
    lost = iter([False, True, False, True, False, True, False, False])

    class Lost(Exception):
        pass

    def crash() -> None:
        if next(lost, False):
            raise Lost

    world.platform.files.after_commit = crash
    command = hold_ceremony.HoldCeremony(CEREMONY, NAMES)
    act = world.platform.act("PA")
    for _ in range(5):
        try:
            hold_ceremony.hold_ceremony(world.platform.desk, act, command)
        except Lost:
            continue
    kinds = world.platform.kinds()
    assert kinds.count("CeremonyStarted") == kinds.count("KeysetReady") == 1
    assert kinds.count("CeremonyCommitted") == kinds.count("CeremonyConfirmed") == 3


def test_a_complaint_ends_the_ceremony_and_names_the_author(world: Sealed) -> None:
    world.keepers.moods["bruno"] = "complains"
    with pytest.raises(CeremonyAborted, match="complains against 1"):
        world.hold()
    assert world.platform.kinds()[-2:] == ["CeremonyComplained", "CeremonyFailed"]


@pytest.mark.parametrize(
    ("custodians", "k", "refusal"),
    [
        (NAMES, 1, CustodyTooWeak),
        (NAMES, 4, CustodyTooWeak),
        (("anna", "anna", "bruno"), 2, CustodyTooWeak),
        (("anna", "bruno", "nobody"), 2, BadForm),
    ],
)
def test_a_weak_ceremony_never_starts(
    world: Sealed, custodians: tuple[str, ...], k: int, refusal: type[Exception]
) -> None:
    command = hold_ceremony.HoldCeremony(CEREMONY, custodians, k)
    with pytest.raises(refusal):
        hold_ceremony.hold_ceremony(world.platform.desk, world.platform.act("PA"), command)
    assert world.platform.kinds() == []


def test_a_keyset_is_assigned_once(world: Sealed) -> None:
    world.published()
    with pytest.raises(KeysetTaken):
        world.assign()
    world.platform.draft("C2")
    with pytest.raises(KeysetTaken):
        world.assign("C2")


def test_a_keyset_needs_a_canary_of_the_same_custodians(world: Sealed) -> None:
    world.platform.draft()
    world.hold()
    command = hold_ceremony.AssignKeyset("C1", CEREMONY, CEREMONY)
    with pytest.raises(BadForm, match="purpose canary"):
        world.platform.done(hold_ceremony.assign_keyset, world.platform.act("PA"), command)
    turned = hold_ceremony.HoldCeremony(
        CANARY, NAMES[::-1], purpose=hold_ceremony.KeysetPurpose.CANARY
    )
    for at, name in enumerate(NAMES[::-1], 1):
        world.keepers.keepers[name].index = at
    world.platform.done(hold_ceremony.hold_ceremony, world.platform.act("PA"), turned)
    with pytest.raises(BadForm, match="the same custodians"):
        world.assign()


def test_life_is_proven_by_every_share_and_absence_is_recorded(world: Sealed) -> None:
    world.published()
    world.keepers.moods["chloe"] = "silent"
    command = prove_life.ProveLife("C1")
    found = world.platform.done(prove_life.prove_life, world.platform.act("PA"), command)
    assert [event.TOPIC for event in found] == [
        "ProofOfLifeGiven",
        "ProofOfLifeGiven",
        "ProofOfLifeMissed",
    ]
    custody = world.platform.load(Custody, "C1")
    assert custody.missing == {"chloe"}
    assert not custody.in_danger()
    world.keepers.moods = {"bruno": "silent"}
    world.platform.done(prove_life.prove_life, world.platform.act("PA"), command)
    assert world.platform.load(Custody, "C1").missing == {"bruno"}
    world.keepers.moods = {"bruno": "silent", "anna": "silent"}
    world.platform.done(prove_life.prove_life, world.platform.act("PA"), command)
    assert world.platform.load(Custody, "C1").in_danger()


@pytest.mark.parametrize(
    ("mood", "cause"), [("silent", "SILENT"), ("refuses", "REFUSED"), ("false", "WRONG")]
)
def test_a_missing_proof_of_life_has_a_cause(world: Sealed, mood: str, cause: str) -> None:
    world.published()
    world.keepers.moods["anna"] = mood
    command = prove_life.ProveLife("C1")
    found = world.platform.done(prove_life.prove_life, world.platform.act("PA"), command)
    assert [event.cause for event in found if event.TOPIC == "ProofOfLifeMissed"] == [cause]


def test_a_keyset_in_the_pool_lives_too(world: Sealed) -> None:
    world.hold()
    command = prove_life.ProvePoolLife(CEREMONY)
    act = world.platform.act("PA")
    found = world.platform.done(prove_life.prove_pool_life, act, command)
    assert {event.originator_id for event in found} == {f"ceremony/{CEREMONY}"}
    assert prove_life.prove_pool_life(world.platform.desk, act, command).repeated


def test_life_needs_a_keyset(world: Sealed) -> None:
    desk, act = world.platform.desk, world.platform.act
    world.keepers.moods["bruno"] = "silent-1"
    with pytest.raises(CeremonyAborted):
        world.hold()
    with pytest.raises(NotFound):
        prove_life.prove_pool_life(desk, act("PA"), prove_life.ProvePoolLife(CEREMONY))
    with pytest.raises(NotFound):
        prove_life.prove_life(desk, act("PA"), prove_life.ProveLife("C1"))


def test_the_canary_must_open_end_to_end(world: Sealed) -> None:
    world.platform.draft()
    world.hold()
    world.hold(CANARY, "canary")
    world.assign()
    world.keepers.moods.update(anna="silent", bruno="false")
    with pytest.raises(CanaryFailed):
        world.canary()
    with pytest.raises(PublicationIncomplete, match="canary"):
        publish.publish(
            world.platform.desk, world.platform.act(), publish.PublishConsultation("C1")
        )
    world.keepers.moods.clear()
    (event,) = world.canary()
    assert event.custodians == ["anna", "bruno"]


def test_another_text_is_no_canary(world: Sealed) -> None:
    world.hold(CANARY, "canary")
    document = world.platform.load(KeyCeremony, CANARY).document
    unsealing = ThresholdUnsealing(world.platform.vault)
    seed = Seeded("canary").take(160)
    import domain.unsealing as module

    right = module.CANARY_TEXT
    try:
        module.CANARY_TEXT = b"another text"  # type: ignore[misc]
        sealed = unsealing.seal_canary("C1", document, seed)
    finally:
        module.CANARY_TEXT = right  # type: ignore[misc]
    head = sealed[: 8 + int.from_bytes(sealed[4:8], "big")]
    partials = {
        at: world.keepers.partial("C1", "0", "x", 0, head, name)
        for at, name in enumerate(NAMES[:2], 1)
    }
    with pytest.raises(PackageRefused, match="another text"):
        unsealing.open_canary(sealed, document, partials)
    with pytest.raises(CryptoError):
        unsealing.open_canary(sealed, document, {1: partials[1]})


def test_a_retired_keyset_is_gone_for_ever(world: Sealed) -> None:
    world.published()
    retire, command = hold_ceremony.retire_keyset, hold_ceremony.RetireKeyset("C1", "it is over")
    platform = world.platform
    platform.ready_to_open()
    with pytest.raises(KeysetNeeded, match="lot 0 of C1"):
        retire(platform.desk, platform.act("PA"), command)
    assert "KeysetRetired" not in platform.kinds()
    platform.open()
    for name in NAMES:
        world.keepers.moods[name] = "silent"
    act = platform.act("PA")
    with pytest.raises(CustodianSilent):
        retire(platform.desk, act, command)
    assert platform.kinds()[-1] == "KeysetRetired"
    del world.keepers.moods["anna"]
    platform.done(retire, act, command)
    assert retire(platform.desk, act, command).repeated
    world.keepers.moods.clear()
    events = platform.done(retire, platform.act("PA"), command)
    assert [event.custodian for event in events] == ["bruno", "chloe"]
    custody = platform.load(Custody, "C1")
    assert custody.retired
    assert custody.destroyed == set(NAMES)


def test_the_keys_of_what_ended_are_needed_by_nobody(world: Sealed) -> None:
    world.published()
    consultation = world.platform.load(Consultation, "C1")
    with pytest.raises(KeysetNeeded):
        hold_ceremony.check_unneeded(world.platform.desk, consultation)
    consultation.state = "ENDED"
    hold_ceremony.check_unneeded(world.platform.desk, consultation)


def test_acts_of_custody_are_repeatable(world: Sealed) -> None:
    platform = world.platform
    platform.draft()
    world.hold()
    world.hold(CANARY, "canary")
    for do, command in (
        (hold_ceremony.assign_keyset, hold_ceremony.AssignKeyset("C1", CEREMONY, CANARY)),
        (prove_life.decrypt_canary, prove_life.DecryptCanary("C1")),
        (prove_life.prove_life, prove_life.ProveLife("C1")),
    ):
        act = platform.act("PA")
        do(platform.desk, act, command)  # type: ignore[operator]
        assert do(platform.desk, act, command).repeated  # type: ignore[operator]


def test_keysets_that_do_not_exist(world: Sealed) -> None:
    platform = world.platform
    desk = platform.desk
    platform.draft()
    with pytest.raises(NotFound):
        hold_ceremony.retire_keyset(
            desk, platform.act("PA"), hold_ceremony.RetireKeyset("C1", "over")
        )
    custody = Custody.blank("custody/C1")
    from domain.events.custody import ProofOfLifeMissed

    custody.append(ProofOfLifeMissed(**custody.stamp(platform.meta()), custodian="x"))
    platform.put(custody)
    assert not platform.load(Custody, "C1").in_danger()
    assert platform.load(Custody, "C1").needed() == 0
    for do, command in (
        (hold_ceremony.retire_keyset, hold_ceremony.RetireKeyset("C1", "over")),
        (hold_ceremony.report_share_lost, hold_ceremony.ReportShareLost("C1", "x")),
        (prove_life.prove_life, prove_life.ProveLife("C1")),
    ):
        with pytest.raises(NotFound):
            do(desk, platform.act("PA"), command)  # type: ignore[operator]


def test_shares_that_are_lost_make_an_envelope_unreadable(world: Sealed) -> None:
    world.published()
    world.deposit("a")
    world.platform.ready_to_open()
    world.keepers.moods.update(anna="silent", bruno="silent")
    for name in ("anna", "bruno"):
        command = hold_ceremony.ReportShareLost("C1", name)
        act = world.platform.act("PA")
        world.platform.done(hold_ceremony.report_share_lost, act, command)
        assert hold_ceremony.report_share_lost(world.platform.desk, act, command).repeated
    with pytest.raises(NotFound):
        hold_ceremony.report_share_lost(
            world.platform.desk,
            world.platform.act("PA"),
            hold_ceremony.ReportShareLost("C1", "nobody"),
        )
    session = world.platform.open()
    assert (outcome(world, "a").fault, outcome(world, "a").cause) == ("CUSTODY", "shares-lost")
    assert session.state == "COMPLETED", "no quorum can come, and none is needed for the minutes"
    one = open_envelopes.OpenEnvelopes("C1", "0", deposit_id("a"))
    with pytest.raises(OpeningOrder, match="not yet completed"):
        open_envelopes.open_envelopes(world.platform.desk, world.platform.act(), one)


@pytest.mark.parametrize("sign", ["life", "answer"])
def test_a_share_that_shows_itself_again_is_not_lost_any_more(world: Sealed, sign: str) -> None:
    world.published()
    world.deposit("a")
    world.deposit("b", SECOND)
    world.platform.ready_to_open()
    platform, desk = world.platform, world.platform.desk
    for name in ("anna", "bruno"):
        command = hold_ceremony.ReportShareLost("C1", name)
        platform.done(hold_ceremony.report_share_lost, platform.act("PA"), command)
    assert platform.load(Custody, "C1").lost == {"anna", "bruno"}
    if sign == "life":  # both were restored from their recovery copies
        prove_life.prove_life(desk, platform.act("PA"), prove_life.ProveLife("C1"))
    else:
        one = open_envelopes.OpenEnvelopes("C1", "0", deposit_id("a"))
        open_envelopes.open_envelopes(desk, platform.act(), one)
    assert not platform.load(Custody, "C1").lost
    world.keepers.moods.update(anna="silent", bruno="silent")
    with pytest.raises(QuorumMissed):
        world.platform.open()
    world.keepers.moods.clear()
    world.platform.open()
    assert outcome(world, "b").TOPIC == "EnvelopeOpened", "a moment of silence lost no bid"

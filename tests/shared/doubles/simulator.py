"""The seeded simulator: a whole procedure per seed, faults at every edge, an oracle beside it.

Real domain and commands over adapters in memory that lose answers, repeat commands, crash before
or after the commit, misread the clock within its bounds and step it back. The first 40 steps are
the safety part (anything goes wrong, nothing false may be recorded); then faults stop and the
liveness part must finish: every envelope that the oracle wants open gets its outcome.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from doubles.clock import NOON
from doubles.custody import NAMES
from doubles.memory import MemoryFiles
from doubles.oracle import EPOCH, TICK, Oracle, Violation, expected_plan, must, ticks
from doubles.platform import (
    FIRST,
    SECOND,
    THIRD,
    Platform,
    deposit_id,
    hex_of,
)

from domain.clock import ClockSource, LegalHour, Reading
from domain.commands.announce import announce_envelope, start_transmission
from domain.commands.decide_late import (
    AdmitLateDeposit,
    RejectLateDeposit,
    admit_late_deposit,
    reject_late_deposit,
)
from domain.commands.deposit import SealDeposit, seal_deposit
from domain.commands.extend import ExtendDeadline, extend
from domain.commands.fix_opening_plan import (
    AnchorPlan,
    ConveneOpening,
    FixOpeningPlan,
    RecordPresence,
    anchor_plan,
    convene_opening,
    fix_opening_plan,
    record_presence,
)
from domain.commands.hold_ceremony import ReportShareLost, report_share_lost
from domain.commands.open_envelopes import (
    OpenDeposit,
    OpenEnvelopes,
    open_deposit,
    open_envelopes,
)
from domain.commands.reach_deadline import ReachDeadline, reach_deadline
from domain.commands.suspend import (
    ResumeConsultation,
    SuspendConsultation,
    resume,
    suspend,
)
from domain.commands.transmit import (
    AnnounceEnvelope,
    EnvelopeHead,
    FailTransmission,
    ShowMessage,
    StallTransmission,
    StartTransmission,
    fail_transmission,
    show_message,
    stall_transmission,
)
from domain.commands.withdraw import WithdrawDeposit, withdraw
from domain.consultation import Consultation
from domain.errors import DomainError
from domain.events.consultation import Complements
from domain.events.transmission import DepositKind, Intent, StallCause
from domain.ports import Act, Desk, Recorded, StoredEnvelope, Unsealed

STEPS = 40
AROUND_D = 14
AFTER_D = 22
REPLAYED = 4
"""Every so many seeds all streams are replayed and compared at the end."""
COMPANIES = (FIRST, SECOND, THIRD)
SECOND_TICKS = 1_000_000
EDGES = (-SECOND_TICKS, -1000, -1, 0, 0, 0, 1, 1, 1000, SECOND_TICKS)
WIDTHS = (0, 0, 0, 1, 1000, 250_000, 2_000_000)
NAME = "C1"
FAULTS = (
    (StoredEnvelope("missing", head_ok=False), None),
    (StoredEnvelope("differs", head_ok=False), None),
    (StoredEnvelope("ok", head_ok=False), None),
    (None, {"key_ok": False, "chunks_ok": False}),
    (None, {"chunks_ok": False}),
    (None, {"package_ok": False}),
)


class Lost(Exception):
    """The answer to a save did not arrive: it may or may not be recorded."""


@dataclass(frozen=True)
class Variant:
    """One kind of consultation to begin from."""

    lots: tuple[str, ...]
    complements: Complements
    cool_down_s: int


VARIANTS = tuple(
    Variant(lots, complements, cool_down)
    for lots in ((), ("1", "2"))
    for complements in Complements
    for cool_down in (0, 60)
)


@cache
def published(variant: Variant) -> MemoryFiles:
    """Return the ledger of a published consultation; every seed goes on from a copy."""
    platform = Platform()
    platform.published(
        NAME,
        lots=variant.lots,
        complements=variant.complements,
        cool_down_s=variant.cool_down_s,
    )
    return platform.files


class QuickDesk(Desk):
    """The real desk with a quick digest: the real one took a quarter of the time of a seed."""

    def digest(self, act: Act, command: object) -> bytes:
        return str(hash((type(command), command, act.principal.org, act.principal.role))).encode()


class SteppedClock:
    """One reading per step: an interval that holds the true time, unless it was set back."""

    def __init__(self) -> None:
        self.reading = Reading(ClockSource.QUORUM, NOON, NOON)

    def now(self) -> Reading:
        return self.reading


@dataclass
class Sending:
    """A transmission on its way, with what its sealing needs."""

    name: str
    org: str
    head: EnvelopeHead


class Simulation:
    """One seed."""

    ORACLE: type[Oracle] = Oracle

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.replays = seed % REPLAYED == 0
        self.variant = VARIANTS[seed % len(VARIANTS)]
        self.platform = Platform(published(self.variant).fork())
        self.clock: Any = self.made_clock()
        self.desk = QuickDesk(**{**vars(self.platform.desk), "clock": self.clock})
        self.platform.desk = self.desk
        self.platform.acts = 1_000_000
        self.files = self.platform.files
        cool_down = self.variant.cool_down_s * SECOND_TICKS
        self.oracle = self.ORACLE(NAME, self.variant.complements, cool_down)
        self.codes: Counter[str] = Counter()
        self.sendings: list[Sending] = []
        self.trace: list[tuple[int, str, Any, str]] = []
        self.read = 0
        self.count = 0
        self.faults = True
        self.phases = self._acts_by_phase()
        self.now = ticks(NOON) + SECOND_TICKS
        self.files.before_commit = self._before
        self.files.after_commit = self._after
        self.lots = self.variant.lots or ("0",)
        self.tags: dict[str, str] = {}
        self._read_events()
        self.keyset = hex_of(f"keyset {NAME}")

    def made_clock(self) -> Any:
        """Return the clock of this seed; it has a ``reading``."""
        return SteppedClock()

    # --- running

    def run(self) -> Counter[str]:
        """Play the seed; return what was reached, or raise ``Violation``."""
        for step in range(STEPS):
            self._move(step)
            self._look()
            self.random.choice(self.phases[(step >= AROUND_D) + (step >= AFTER_D)])()
        self._finish()
        if self.replays:
            self._replay()
        return self.codes + Counter(self.oracle.seen)

    def _move(self, step: int) -> None:
        """Let true time pass, most often to an edge of D or O."""
        luck = self.random.random()
        if step < AROUND_D or luck < 0.4:
            self.now += self.random.choice((0, 1, 1000, SECOND_TICKS))
            return
        goal = self.oracle.deadline if not self.oracle.reached else self.oracle.opens()
        if luck < 0.9:
            self.now = max(self.now, goal + self.random.choice(EDGES))
        elif step >= AFTER_D:
            self.now = max(self.now, goal + 10 * SECOND_TICKS)

    def _look(self) -> None:
        """Read the clock: an honest interval, sometimes a narrow one at an edge, or set back."""
        before, after = self.random.choice(WIDTHS), self.random.choice(WIDTHS)
        earliest, latest = self.now - before, self.now + after
        if self.faults and self.random.random() < 0.04:
            back = self.random.choice((1000, SECOND_TICKS, 5 * SECOND_TICKS))
            earliest, latest = earliest - back - after, latest - back - after
        self.oracle.now = self.now
        self.clock.reading = Reading(
            ClockSource.QUORUM, EPOCH + earliest * TICK, EPOCH + latest * TICK
        )

    def _acts_by_phase(self) -> tuple[list[Callable[[], object]], ...]:
        """Return what may happen before, around and after the deadline."""
        early = [self.begin, self.begin, self.finish, self.finish, self.take_back, self.move_d]
        late = [self.finish, self.begin, self.close, self.close, self.attempt, self.take_back]
        end = [self.gather, self.gather, self.plan, self.plan, self.attempt, self.attempt]
        odd = [self.halt, self.go_on, self.break_something, self.stall, self.say, self.decide]
        return (
            [*early, *early, *early, *odd, self.attempt],
            [*late, *late, *early, *odd, self.close],
            [*end, *end, *late, *odd, self.anchor, self.close, self.touch, self.upset],
        )

    def _before(self) -> None:
        if self.faults and self.random.random() < 0.02:
            raise Lost("before the commit")

    def _after(self) -> None:
        if self.faults and self.random.random() < 0.02:
            raise Lost("after the commit")

    def do(self, function: Callable[[Any, Act, Any], Recorded], command: Any, act: Act) -> str:
        """Run a command with faults around it; return "" or the code of its refusal."""
        outcome = self._try(function, command, act)
        while outcome == "lost":
            outcome = self._try(function, command, act)
        if self.faults and self.random.random() < 0.1:
            self._repeat(function, command, act, outcome)
        self.codes[outcome or "done"] += 1
        return outcome

    def _try(self, function: Callable[[Any, Act, Any], Recorded], command: Any, act: Act) -> str:
        outcome = ""
        try:
            function(self.desk, act, command)
        except DomainError as refusal:
            outcome = refusal.code
        except Lost:
            outcome = "lost"
        self.trace.append((self.now, function.__name__, command, outcome or "done"))
        self._read_events()
        return outcome

    def _repeat(
        self,
        function: Callable[[Any, Act, Any], Recorded],
        command: Any,
        act: Act,
        outcome: str,
    ) -> None:
        """Send the same command again: the same answer, and nothing more in the ledger."""
        size = len(self.files.rows)
        again = self._try(function, command, act)
        if act.command_id in self.files.commands:
            must(again == outcome, f"{function.__name__}: first {outcome!r}, again {again!r}")
            must(len(self.files.rows) == size, f"{function.__name__} was done twice")

    def _read_events(self) -> None:
        for position in range(self.read, len(self.files.rows)):
            self.oracle.take(self.files.rows[position], position)
        self.read = len(self.files.rows)

    # --- acts

    def act(self, role: str, org: str | None = None) -> Act:
        return self.platform.act(role, org)

    def begin(self) -> None:
        """Announce a deposit and its head."""
        self.count += 1
        name = f"d{self.count}"
        org = self.random.choice(COMPANIES)
        intent = self.random.choice((Intent.INITIAL, Intent.INITIAL, *Intent))
        target = None
        known = list(self.oracle.deposits.values())
        if intent in {Intent.REPLACE, Intent.COMPLEMENT} and known:
            chosen = self.random.choice(known)
            target, kind = chosen.name, chosen.event.kind
            lots = tuple(chosen.event.lots)
            if self.random.random() < 0.9:
                org = next(org for org in COMPANIES if self.tag(org) == chosen.event.bidder)
            if len(lots) > 1 and self.random.random() < 0.5:
                lots = lots[:1]
        else:
            intent = Intent.INITIAL if intent != Intent.UNDECLARED else intent
            kind = self.random.choice((DepositKind.OFFER, DepositKind.APPLICATION))
            both = kind == DepositKind.APPLICATION and self.random.random() < 0.5
            lots = self.lots if both else (self.random.choice(self.lots),)
        size = 70_000 if self.random.random() < 0.97 else 10_000_001
        command = StartTransmission(
            f"t-{name}", NAME, kind, lots, size, 3, "cli/1", "1", intent=intent, target=target
        )
        if self.do(start_transmission, command, self.act("CY", org)):
            return
        head = self._head(name, org, command)
        sent = AnnounceEnvelope(f"t-{name}", head, hex_of(name), 70_000, 1, 1000)
        if not self.do(announce_envelope, sent, self.act("CY", org)):
            self.sendings.append(Sending(name, org, head))

    def tag(self, org: str) -> str:
        if org not in self.tags:
            self.tags[org] = self.desk.subjects.bidder_tag(NAME, f"siret:{org}")
        return self.tags[org]

    def _head(self, name: str, org: str, command: StartTransmission) -> EnvelopeHead:
        consultation = self.platform.load(Consultation, NAME)
        return EnvelopeHead(
            deposit=deposit_id(name),
            header_hash=hex_of(name),
            capsule_hash=hex_of(name),
            documents_root=hex_of(name),
            documents_count=3,
            bidder=self.tag(org),
            consultation=NAME,
            dossier=consultation.dossier_root,
            intent=command.intent,
            keyset=self.keyset,
            kind=command.kind,
            lots=command.lots,
            not_before=self.random.choice(consultation.deadlines),
            round=1,
            target=command.target,
        )

    def finish(self) -> None:
        """Let the last byte of some transmission arrive."""
        if not self.sendings:
            return
        sending = self.sendings.pop(self.random.randrange(len(self.sendings)))
        sound = self.random.random() < 0.95
        command = SealDeposit(
            transmission=f"t-{sending.name}",
            head=sending.head,
            commitment=hex_of(sending.name if sound else "other bytes"),
            ciphertext_root=hex_of(sending.name),
            bytes_total=70_000,
            receipt_id=f"r-{sending.name}",
        )
        outcome = self.do(seal_deposit, command, self.act("CY", sending.org))
        if outcome.startswith("clock."):
            self.sendings.append(sending)
            return
        must(outcome in {"", "envelope.commitment"}, f"a whole envelope was refused: {outcome}")
        must((outcome == "") == (deposit_id(sending.name) in self.oracle.deposits), "not recorded")

    def take_back(self) -> None:
        if self.oracle.deposits:
            known = self.random.choice(list(self.oracle.deposits.values()))
            org = self.random.choice(COMPANIES)
            self.do(withdraw, WithdrawDeposit(known.name), self.act("CY", org))

    def move_d(self) -> None:
        step = self.random.choice((-60, 0, 1, 60))
        hour = LegalHour(EPOCH + (self.oracle.deadline + step * SECOND_TICKS) * TICK)
        if self.random.random() < 0.3:
            self.do(extend, ExtendDeadline(NAME, hour, "more time"), self.act("BU"))

    def halt(self) -> None:
        if self.random.random() < 0.3:
            self.do(suspend, SuspendConsultation(NAME, "a question"), self.act("BU"))

    def go_on(self) -> None:
        later = max(self.oracle.deadline, self.now) // SECOND_TICKS + self.random.choice((0, 5))
        command = ResumeConsultation(NAME, LegalHour(EPOCH + timedelta(seconds=later)))
        if self.oracle.suspended:
            self.do(resume, command, self.act("BU"))

    def close(self) -> None:
        self.do(reach_deadline, ReachDeadline(NAME), self.act("PA"))

    def stall(self) -> None:
        if self.sendings:
            name = f"t-{self.random.choice(self.sendings).name}"
            command = StallTransmission(name, 0, StallCause.NETWORK)
            self.do(stall_transmission, command, self.act("PA"))

    def say(self) -> None:
        if self.sendings:
            sending = self.random.choice(self.sendings)
            message = self.random.choice(("deposit.closed", "deposit.already-sent", "nonsense"))
            command = ShowMessage(f"t-{sending.name}", message, "…", "r1")
            self.do(show_message, command, self.act("CY", sending.org))

    def break_something(self) -> None:
        """Make a custodian silent or false, a stored envelope bad, or lose a share."""
        luck = self.random.random()
        if luck < 0.5:
            mood = self.random.choice(("gives", "silent", "false", "refuses"))
            self.platform.custodians.moods[self.random.choice(NAMES)] = mood
        elif luck < 0.6:
            lost = ReportShareLost(NAME, self.random.choice(NAMES))
            self.do(report_share_lost, lost, self.act("PA"))
        elif luck < 0.8 and self.oracle.deposits:
            name = self.random.choice(list(self.oracle.deposits))
            stored, result = self.random.choice(FAULTS)
            if stored is not None:
                self.platform.unsealing.stored[name] = stored
            if result is not None:
                good = {"key_ok": True, "chunks_ok": True, "package_ok": True}
                values = {**good, **result}
                self.platform.unsealing.results[name] = Unsealed(
                    **values, documents_match=False, documents_count=1
                )
        elif self.sendings:
            sending = self.sendings.pop()
            command = FailTransmission(f"t-{sending.name}", "cancelled", StallCause.CLIENT)
            self.do(fail_transmission, command, self.act("CY", sending.org))

    def upset(self) -> None:
        """Make two custodians silent, false or refusing: the quorum is missed for a while."""
        for name in self.random.sample(NAMES, 2):
            self.platform.custodians.moods[name] = self.random.choice(("silent", "refuses"))

    def gather(self) -> None:
        """Convene a lot, or note one more person present."""
        lot = self.random.choice(self.lots)
        self.do(convene_opening, ConveneOpening(NAME, lot, ("A", "B")), self.act("BU"))
        for who in self.random.choice((("A",), ("A", "A"), ("A", "B"), ("B", "C"))):
            self.do(record_presence, RecordPresence(NAME, lot, who), self.act("BU"))

    def plan(self) -> None:
        command = FixOpeningPlan(NAME, self.random.choice(self.lots))
        self.do(fix_opening_plan, command, self.act("BU"))

    def anchor(self) -> None:
        self.do(anchor_plan, AnchorPlan(NAME, self.random.choice(self.lots)), self.act("BU"))

    def attempt(self) -> None:
        """Try to open: as anybody, one envelope or all."""
        role = self.random.choice(("BU", "BU", "CU", "PA", "AU"))
        deposit = None
        if self.oracle.deposits and self.random.random() < 0.3:
            deposit = self.random.choice(list(self.oracle.deposits))
        lot = self.random.choice(self.lots)
        outcome = self.do(open_envelopes, OpenEnvelopes(NAME, lot, deposit), self.act(role))
        earliest = ticks(self.clock.reading.earliest)
        early = not self.oracle.may_open(earliest, f"opening/{NAME}.{lot}")
        if not outcome.startswith("clock."):
            self.judge_attempt(outcome, early)

    def judge_attempt(self, outcome: str, early: bool) -> None:
        must((outcome == "opening.too-early") == early, f"too early or not: {outcome!r}")

    def touch(self) -> None:
        """Ask for an envelope outside any lot: refused, whatever the hour."""
        if self.oracle.deposits:
            command = OpenDeposit(self.random.choice(list(self.oracle.deposits)))
            must(self.do(open_deposit, command, self.act("BU")) != "", "opened without a lot")

    def decide(self) -> None:
        late = [one for one in self.oracle.deposits.values() if one.late and not one.admitted]
        if late:
            name = self.random.choice(late).name
            if self.random.random() < 0.7:
                admit = AdmitLateDeposit(name, "PLATFORM", "the platform failed", "f1")
                self.do(admit_late_deposit, admit, self.act("BU"))
            else:
                self.do(reject_late_deposit, RejectLateDeposit(name, "late"), self.act("BU"))

    # --- the end

    def _finish(self) -> None:
        """Liveness: faults stop, everything that can finish does."""
        self.faults = False
        self.platform.custodians.moods.clear()
        self._rest()
        if self.oracle.suspended:
            self.go_on_surely()
        self._rest()
        for _ in list(self.sendings):
            self.finish()
        must(not self.sendings, "a whole envelope was not taken")
        if not self.oracle.reached:
            self.close()
        must(self.oracle.reached, "the register did not close")
        self.now = max(self.now, self.oracle.opens())
        for lot in self.lots:
            self._open_lot(lot)

    def _rest(self) -> None:
        self.now = max(self.now, self.oracle.deadline, *self.oracle.floors.values())
        self.now += 10 * SECOND_TICKS
        self.clock.reading = Reading(
            ClockSource.HOST, EPOCH + self.now * TICK, EPOCH + self.now * TICK
        )
        self.oracle.now = self.now

    def go_on_surely(self) -> None:
        hour = LegalHour(EPOCH + timedelta(seconds=self.now // SECOND_TICKS + 2))
        must(self.do(resume, ResumeConsultation(NAME, hour), self.act("BU")) == "", "not resumed")

    def _open_lot(self, lot: str) -> None:
        """Convene, plan and open until nothing is left to plan."""
        self._rest()
        self.do(convene_opening, ConveneOpening(NAME, lot, ("A", "B")), self.act("BU"))
        for who in ("A", "B"):
            self.do(record_presence, RecordPresence(NAME, lot, who), self.act("BU"))
        for turn in range(2):
            if turn == 1:
                self.decide()
            self.do(fix_opening_plan, FixOpeningPlan(NAME, lot), self.act("BU"))
            self.do(anchor_plan, AnchorPlan(NAME, lot), self.act("BU"))
            self.do(open_envelopes, OpenEnvelopes(NAME, lot), self.act("BU"))
        wanted = expected_plan(lot, self.variant.complements, list(self.oracle.deposits.values()))
        for name in sorted(wanted["open"]):
            known = self.oracle.deposits[name]
            done = known.opened or known.failed
            must(done, f"{name} of lot {lot} was never opened")

    def _replay(self) -> None:
        """The streams alone give the same aggregates."""
        for stream in self.files.positions:
            if self.files.rebuilt(stream) != self.files.live[stream]:
                raise Violation(f"{stream}: replay gives another state")


def simulate(seed: int, kind: type[Simulation] = Simulation) -> Counter[str]:
    """Run one seed; a violation names the seed and shows the trace."""
    simulation = kind(seed)
    try:
        return simulation.run()
    except Exception as broken:
        last = simulation.trace[-25:]
        steps = "\n".join(f"{at} {name} {command} -> {got}" for at, name, command, got in last)
        raise Violation(f"seed {seed}: {broken!r}\n{steps}") from broken

"""T13 and T12: custodians in processes of their own: any k open, no k-1; liars, silence, clocks.

Each custodian is `pli custodian serve` with its own folder, port, organisation and clock. Every
test of what cannot happen has a control in which it does.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import BUYER, shown
from doubles.custodian_process import LYING, CustodianProcess
from doubles.entries import instant_of
from doubles.independent import AHEAD_DAYS, Independent
from doubles.local_custody import Sealed
from doubles.namespaces import Namespace, namespaces, reason_without
from doubles.remote_custody import ProcessBench

from api.adapters.custodian_state import check_answers
from api.facts import facts
from crypto.errors import PartialRefused, QuorumMissing
from crypto.keyset import Keyset
from crypto.threshold import Lock, check_partial, combine
from domain.ports import CustodianRefusal, CustodianSilent

AHEAD = AHEAD_DAYS * 86_400


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[Namespace]]:
    """Three hosts of their own where this machine can make them, else none."""
    if reason_without():
        yield []
        return
    with namespaces(3) as made:
        yield made


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, hosts: list[Namespace]) -> Iterator[Opened]:
    """Three honest custodians, each on its host, and one envelope whose hour is past."""
    bench = ProcessBench(tmp_path_factory.mktemp("honest"), hosts=hosts, seconds=3)
    keyset = bench.ceremony()
    yield Opened(bench, keyset, bench.ready(keyset))
    bench.close()


@dataclass(frozen=True)
class Opened:
    """Custodians, their keyset, and an envelope that is sealed to it."""

    bench: ProcessBench
    keyset: Keyset
    sealed: Sealed

    @property
    def lock(self) -> Lock:
        return Lock(self.keyset, self.sealed.header.label.encoded, self.sealed.header.capsule)

    def partials(self, *indices: int) -> list[tuple[int, bytes]]:
        return [(index, self.bench.partial(self.sealed, index)) for index in indices]


def test_any_two_of_three_open_and_one_alone_never(honest: Opened) -> None:
    partials = honest.partials(1, 2, 3)
    for size in range(4):
        for chosen in combinations(partials, size):
            if size < honest.keyset.k:
                with pytest.raises(QuorumMissing):
                    combine(honest.lock, chosen)
                with pytest.raises(QuorumMissing):
                    combine(honest.lock, [*chosen, *chosen])
            else:
                found = combine(honest.lock, chosen)
                assert found.key == honest.sealed.key, "the control: k of them do"
    members: Any = honest.keyset.document["ceremony"]
    assert len({one["organisation"] for one in members["members"]}) == 3


def test_a_silent_custodian_is_told_and_the_others_open(honest: Opened) -> None:
    bench, first = honest.bench, honest.partials(1)
    bench.processes[0].kill()
    with pytest.raises(CustodianSilent, match="custodian-1"):
        honest.partials(1)
    assert combine(honest.lock, honest.partials(2, 3)).key == honest.sealed.key
    bench.processes[0].start()
    assert honest.partials(1) == first, "killed by kill -9, it repeats its answer"
    lines = bench.processes[0].get("/v1/log").content.splitlines()
    assert check_answers(lines) == len(lines)
    assert sum(b'"partial"' in line for line in lines) >= 2, "asked again, recorded again"


def test_planted_a_custodian_without_its_memory_repeats_nothing(
    honest: Opened, tmp_path: Path
) -> None:
    """The control of the test above: what is repeated comes from its memory."""
    bench, told = honest.bench, honest.bench.processes[1]
    shutil.copytree(told.folder, tmp_path / told.folder.name)
    shutil.copy(f"{told.folder}.credential", tmp_path)
    for forgotten in (tmp_path / told.folder.name).glob("state.db*"):
        forgotten.unlink()
    member = told.member
    forgetful = CustodianProcess(
        tmp_path / told.folder.name, bench.ledger.vkey, member.organisation
    ).start()
    bench.processes[1] = forgetful
    try:
        bench.reach()
        with pytest.raises(CustodianRefusal, match="unknown-keyset"):
            honest.partials(2)
    finally:
        forgetful.kill()
        bench.processes[1] = told
        bench.reach()


def test_a_line_that_is_cut_is_silence(honest: Opened, hosts: list[Namespace]) -> None:
    if not hosts:
        pytest.skip(reason_without())
    assert len({one.host for one in honest.bench.processes}) == 3
    hosts[0].cut()
    with pytest.raises(CustodianSilent):
        honest.partials(1)
    assert combine(honest.lock, honest.partials(2, 3)).key == honest.sealed.key
    hosts[0].mend()
    honest.bench.processes[0].wait()  # until neighbours have found each other again
    assert len(honest.partials(1)) == 1, "the control: the line was all"


def ready_in(bench: ProcessBench, keyset: Keyset, ahead: timedelta) -> Sealed:
    """Everything up to the anchored plan, as a ledger tells it whose hour is still to come."""
    deadline = (datetime.now(UTC) + ahead).replace(microsecond=0)
    sealed = bench.sealed(keyset, not_before=instant_of(deadline - timedelta(days=30)))
    bench.case.header_hash = sealed.header.hash.hex()
    case = bench.case.published(deadline).assigned().sealed().closed().present("a", "b")
    case.planned(sealed.header.label.deposit).anchored()
    return sealed


def refusals(bench: ProcessBench, sealed: Sealed) -> list[str]:
    """Return what each custodian says: nothing where it answered."""
    said = []
    for index in (1, 2, 3):
        try:
            bench.partial(sealed, index)
        except CustodianRefusal as refusal:
            said.append(refusal.reason)
        else:
            said.append("")
    return said


def test_one_fast_clock_opens_nothing_alone_and_a_false_answer_is_named(tmp_path: Path) -> None:
    """A ledger says that the hour is past, which is 60 days ahead; one custodian believes it."""
    bench = ProcessBench(tmp_path, skews=(AHEAD, 0, 0), before=(LYING, "", ""))
    try:
        keyset = bench.ceremony()
        opened = Opened(bench, keyset, ready_in(bench, keyset, timedelta(days=60)))
        assert refusals(bench, opened.sealed) == ["", "too-early", "too-early"]
        false = opened.partials(1)
        # the control: custodians with fast clocks are colluding ones, and k of them would open
        for one in bench.processes[1:]:
            one.skew_s = AHEAD
            one.restart()
        assert refusals(bench, opened.sealed) == ["", "", ""]
        true = opened.partials(2, 3)
        with pytest.raises(PartialRefused):
            check_partial(opened.lock, *false[0])
        check_partial(opened.lock, *true[0])
        found = combine(opened.lock, [*false, *true])
        assert (found.bad, found.used, found.key) == ((1,), (2, 3), opened.sealed.key)
        with pytest.raises(QuorumMissing):
            combine(opened.lock, [*false, true[0]])
    finally:
        bench.close()


# --- a whole platform at level A1


@pytest.fixture
def independent(tmp_path: Path) -> Iterator[Independent]:
    made = Independent(tmp_path)
    yield made
    made.close()


def test_a_platform_whose_clock_is_400_days_ahead_opens_nothing(independent: Independent) -> None:
    bench = independent.bench
    at = bench.publish()
    assert bench.kit(at).level == "A1"
    bench.tick()
    daily = [fact.kind for fact in facts(bench.platform.ledger, "custody/lille-1")]
    assert daily.count("ProofOfLifeGiven") == 3, "each day, over the line"
    assert daily.count("CanaryDecrypted") == 2, "by the buyer before, and by the day"
    envelope = bench.seal(at)
    name = bench.announce(envelope, client="pli-cli/1").json()["transmission"]
    bench.head(name, envelope)
    received = bench.chunk(name, envelope, 0).json()
    assert (received["state"], received["level"]) == ("COMPLETED", "A1")
    # sealed by a client that is not the platform's, and stamped outside: A2
    bench.platform.settings = bench.settings.model_copy(update={"tsa_url": "https://tsa.example"})
    path = f"/api/v1/deposits/{envelope.made.deposit}"
    assert bench.get(path, bench.tokens.company).json()["level"] == "A2"
    bench.forward(timedelta(days=AHEAD_DAYS))
    bench.tokens.buyer = bench.token(BUYER, "BU")  # what was given in the year before has ended
    session = bench.attend()
    bench.done(f"{session}/plan", bench.tokens.buyer)
    refused = bench.post(f"{session}/envelopes", bench.tokens.buyer, {})
    assert (refused.status_code, shown(refused)) == (503, "custody.quorum-missed")
    told = facts(bench.platform.ledger, "custody/lille-1")
    codes = [fact.data["code"] for fact in told if fact.kind == "CustodianRefused"]
    assert codes == ["too-early"] * 3
    # the control: custodians whose clocks are ahead as well open the same envelope
    for one in independent.custodians[:2]:
        one.skew_s = AHEAD
        one.restart()
    opened = bench.done(f"{session}/envelopes", bench.tokens.buyer, {})
    assert [one["event"] for one in opened["outcomes"]] == ["EnvelopeOpened"]

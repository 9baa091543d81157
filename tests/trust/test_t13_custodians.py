"""T13 and T12: custodians in processes of their own: any k open, no k-1; liars, silence, clocks.

Each custodian is `pli custodian serve` with its own folder, port, organisation and clock. Every
test of what cannot happen has a control in which it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import BUYER, shown
from doubles.custodian_process import LYING
from doubles.entries import instant_of
from doubles.independent import AHEAD_DAYS, Independent
from doubles.local_custody import Sealed
from doubles.namespaces import namespaces, reason_without
from doubles.remote_custody import ProcessBench

from api.facts import facts
from crypto.errors import PartialRefused, QuorumMissing
from crypto.keyset import Keyset
from crypto.threshold import Lock, check_partial, combine
from domain.ports import CustodianRefusal, CustodianSilent

AHEAD = AHEAD_DAYS * 86_400
Start = Callable[..., ProcessBench]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made: list[ProcessBench] = []

    def begin(**given: Any) -> ProcessBench:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(ProcessBench(folder, **given))
        return made[-1]

    yield begin
    for bench in made:
        bench.close()


def lock_of(keyset: Keyset, sealed: Sealed) -> Lock:
    return Lock(keyset, sealed.header.label.encoded, sealed.header.capsule)


def ready_in(bench: ProcessBench, keyset: Keyset, ahead: timedelta) -> Sealed:
    """Everything up to the anchored plan, as a ledger tells it whose hour is still to come."""
    deadline = (datetime.now(UTC) + ahead).replace(microsecond=0)
    sealed = bench.sealed(keyset, not_before=instant_of(deadline - timedelta(days=30)))
    bench.case.header_hash = sealed.header.hash.hex()
    case = bench.case.published(deadline).assigned().sealed().closed().present("a", "b")
    case.planned(sealed.header.label.deposit).anchored()
    return sealed


def test_any_two_of_three_open_and_one_alone_never(start: Start) -> None:
    bench = start()
    keyset = bench.ceremony()
    sealed = bench.ready(keyset)
    lock = lock_of(keyset, sealed)
    partials = [(index, bench.partial(sealed, index)) for index in (1, 2, 3)]
    for size in range(4):
        for chosen in combinations(partials, size):
            if size < keyset.k:
                with pytest.raises(QuorumMissing):
                    combine(lock, chosen)
                with pytest.raises(QuorumMissing):
                    combine(lock, [*chosen, *chosen])
            else:
                assert combine(lock, chosen).key == sealed.key, "the control: k of them do"
    organisations = {one["organisation"] for one in keyset.document["ceremony"]["members"]}
    assert len(organisations) == 3


def test_a_lying_custodian_is_named_and_a_silent_one_too(start: Start) -> None:
    bench = start(before=(LYING, "", ""))
    keyset = bench.ceremony()
    sealed = bench.ready(keyset)
    lock = lock_of(keyset, sealed)
    partials = [(index, bench.partial(sealed, index)) for index in (1, 2, 3)]
    with pytest.raises(PartialRefused):
        check_partial(lock, *partials[0])
    check_partial(lock, *partials[1])  # the control: an honest one is not
    found = combine(lock, partials)
    assert (found.bad, found.used, found.key) == ((1,), (2, 3), sealed.key)
    bench.processes[1].kill()
    with pytest.raises(CustodianSilent, match="custodian-2"):
        bench.partial(sealed, 2)
    with pytest.raises(QuorumMissing):
        combine(lock, [partials[0], partials[2]])


def test_a_custodian_that_was_killed_repeats_its_answer(start: Start) -> None:
    bench = start()
    keyset = bench.ceremony()
    sealed = bench.ready(keyset)
    first = bench.partial(sealed)
    lines = bench.processes[0].get("/v1/log").content
    bench.processes[0].restart()
    assert bench.partial(sealed) == first
    again = bench.processes[0].get("/v1/log").content
    assert again.startswith(lines)
    assert len(again) > len(lines), "asked again, recorded again"
    bench.processes[0].kill()
    for forgotten in bench.processes[0].folder.glob("state.db*"):
        forgotten.unlink()
    bench.processes[0].start()
    with pytest.raises(CustodianRefusal):  # the control: without its memory it would not
        bench.partial(sealed)


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


@pytest.mark.parametrize(
    ("skews", "expected"),
    [
        ((AHEAD, 0, 0), ["", "too-early", "too-early"]),
        # the control: k fast clocks are k colluding custodians
        ((AHEAD, AHEAD, 0), ["", "", "too-early"]),
    ],
)
def test_one_fast_clock_opens_nothing_alone(
    start: Start, skews: tuple[int, int, int], expected: list[str]
) -> None:
    bench = start(skews=skews)
    keyset = bench.ceremony()
    sealed = ready_in(bench, keyset, timedelta(days=60))
    assert refusals(bench, sealed) == expected
    assert (expected.count("") >= keyset.k) == (skews[1] == AHEAD)


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


# --- each on a host of its own


def test_custodians_on_three_hosts_and_one_line_that_is_cut(tmp_path: Path) -> None:
    if reason := reason_without():
        pytest.skip(reason)
    with namespaces(3) as hosts:
        bench = ProcessBench(tmp_path, hosts=hosts, seconds=3)
        try:
            keyset = bench.ceremony()
            sealed = bench.ready(keyset)
            lock = lock_of(keyset, sealed)
            assert len({one.url.rsplit(":", 1)[0] for one in bench.processes}) == 3
            hosts[0].cut()
            with pytest.raises(CustodianSilent):
                bench.partial(sealed, 1)
            partials = [(index, bench.partial(sealed, index)) for index in (2, 3)]
            assert combine(lock, partials).key == sealed.key
            hosts[0].mend()
            check_partial(lock, 1, bench.partial(sealed, 1))  # the control: the line was all
        finally:
            bench.close()

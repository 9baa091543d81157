"""A platform whose policy names witnesses of other organisations, each its own process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from doubles.bench import SOON, Bench, shown
from doubles.ledger import SeedSigner
from doubles.witness_process import WitnessProcess

from api.adapters.http import NoAnswer, Outgoing
from api.adapters.keys import signing_key
from api.adapters.witnesses import PolicyUnusable, RemoteWitness, read_policy
from api.scheduler import LATE_S, Scheduler
from api.settings import Settings
from api.wiring import open_reader, policies_of
from crypto.keys import LogKeys
from crypto.log_errors import QuorumNotMet
from crypto.notes import LOG, VerifierKey
from crypto.policies import Policy
from ledger.errors import WitnessAhead

OPENING = "/api/v1/openings/lille-1/0"


def policy_of(log: VerifierKey, witnesses: list[WitnessProcess], k: int) -> str:
    lines = [f"log {log}"]
    lines += [f"witness w{n} {one.key} {one.url}" for n, one in enumerate(witnesses, 1)]
    names = " ".join(f"w{n}" for n in range(1, len(witnesses) + 1))
    return "\n".join([*lines, f"group outside {k} {names}", "quorum outside", ""])


class Town:
    """A bench of the platform and three witnesses, two of which are the quorum."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder / "pli")
        self.log = signing_key(self.bench.home.keys / "log.key", LOG).verifier()
        self.witnesses = [
            WitnessProcess(folder / f"w{n}", f"w{n}.example", self.log) for n in (1, 2, 3)
        ]
        self.bench.home.policy.write_text(policy_of(self.log, self.witnesses, 2))
        self.counter = 0
        self.reopen()

    def reopen(self) -> None:
        self.bench.close()
        self.bench.reopen()
        self.bench.scheduler = Scheduler(self.bench.platform, lambda: self.counter)

    def names(self, note: bytes | None) -> set[str]:
        assert note is not None
        policy = Policy.parse(self.bench.home.policy.read_text()).without_quorum()
        return set(policy.verify(note).cosignatures)

    def close(self) -> None:
        self.bench.close()
        for each in self.witnesses:
            each.kill()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    (tmp_path / "pli").mkdir()
    made = Town(tmp_path)
    yield made
    made.close()


def test_with_one_witness_down_the_quorum_still_publishes_and_is_served(town: Town) -> None:
    for each in town.witnesses[:2]:
        each.start()
    note = town.bench.platform.publish(closing=True)
    assert town.names(note) == {"w1", "w2"}
    served = town.bench.get("/checkpoint").content
    assert town.names(served) == {"w1", "w2"}
    assert served.count("— pli.example/tests/custodian-".encode()) == 3, "the local ones too"
    assert town.bench.platform.policies["policy.txt"] == town.bench.home.policy.read_text()
    with open_reader(town.bench.home) as log:
        assert log.policies["policy.txt"] == town.bench.home.policy.read_text()


def test_below_the_quorum_nothing_opens_until_a_late_cosignature(town: Town) -> None:
    bench = town.bench
    town.witnesses[0].start()
    bench.register()
    at = bench.publish()
    bench.deposit(bench.seal(at))
    bench.forward(SOON)
    convene = (f"{OPENING}/convocation", bench.tokens.buyer, {"members": ["ada", "bob"]})
    assert shown(bench.post(*convene)) == "opening.order"
    head = bench.platform.ledger.published()
    # another head in between and a restart: still owed
    with pytest.raises(QuorumNotMet):
        bench.platform.publish(closing=True)
    town.reopen()
    bench.tick()
    town.witnesses[1].start()
    bench.tick()  # asked only every LATE_S
    assert bench.post(*convene).json()["missing"] == "the witnessed closing head"
    town.counter += LATE_S * 1_000_000
    bench.forward(timedelta(seconds=LATE_S))
    bench.done(*convene)
    closing = bench.platform.index.closings()[0]
    completed = bench.platform.ledger.published_covering(closing)
    assert town.names(head) == {"w1"}
    assert town.names(completed) == {"w1", "w2"}


def test_a_store_that_a_remote_witness_has_seen_further_is_refused(town: Town) -> None:
    home, bench = town.bench.home, town.bench
    for each in town.witnesses[:2]:
        each.start()
    bench.close()
    old = {path: path.read_bytes() for path in home.folder.rglob("*") if path.is_file()}
    bench.reopen()
    bench.platform.publish()
    bench.close()
    # everything of the home goes back, the mark and the local custodians included
    for path in home.folder.rglob("*"):
        if path.is_file():
            path.unlink()
    for path, data in old.items():
        path.write_bytes(data)
        path.chmod(0o600)
    with pytest.raises(WitnessAhead, match=r"w[12]\.example"):
        bench.reopen()


def test_what_answers_for_a_witness_is_believed_only_with_the_logs_signature(
    town: Town, tmp_path: Path
) -> None:
    one = town.witnesses[0].start()
    stranger = SeedSigner("other.example").key
    liar = RemoteWitness(one.key, one.url, town.log, Outgoing([one.url]))
    assert liar.checkpoint() is None
    town.bench.platform.publish()
    assert liar.checkpoint() == one.cosigned(town.log.name)
    other = VerifierKey(town.log.name, LOG, stranger.public)
    with pytest.raises(NoAnswer, match="no key of a known log in force"):
        RemoteWitness(one.key, one.url, other, Outgoing([one.url])).checkpoint()
    with pytest.raises(NoAnswer, match="status 405"):
        # a path that exists for another method
        RemoteWitness(
            one.key, f"{one.url}/add-checkpoint?", town.log, Outgoing([one.url])
        ).checkpoint()


def test_a_policy_is_one_for_this_log_or_nothing_starts(town: Town, tmp_path: Path) -> None:
    path, keys = tmp_path / "policy.txt", LogKeys.of({"keys": [str(town.log)]})
    for text in ("nonsense\n", f"log {SeedSigner('other.example').key}\nquorum none\n"):
        path.write_text(text)
        with pytest.raises(PolicyUnusable):
            read_policy(path, keys)
    settings = Settings(home=town.bench.home.folder, policy_file=tmp_path / "absent.txt")
    with pytest.raises(PolicyUnusable):
        policies_of(town.bench.home, settings, keys=keys)
    path.write_text(f"log {town.log}\nquorum none\n")
    chosen = Settings(home=town.bench.home.folder, policy_file=path)
    assert policies_of(town.bench.home, chosen, keys=keys)["policy.txt"] == path.read_text()

"""The same bench of custodians, asked over HTTP: services in this process, or in their own ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doubles.custodian_case import NAME
from doubles.custodian_process import CustodianProcess
from doubles.in_process import Client
from doubles.local_custody import Bench
from doubles.views import ShownLedger

from api.adapters.custodian_home import CustodianHome
from api.adapters.custodian_roster import Member, Roster
from api.adapters.custodians import local_names
from api.adapters.http import NoAnswer, Outgoing
from api.adapters.remote_custodians import RemoteCustodians
from api.custodian import create_custodian_app
from crypto import merkle
from ledger.witness import Reply


class Shown:
    """A hand-made ledger in the form that a platform's own has."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    @property
    def ledger(self) -> ShownLedger:
        return self.bench.ledger

    def head(self) -> int:
        return len(self.ledger.rows)

    def view(self, streams: Sequence[str], since: int) -> dict[str, Any]:
        return dict(self.bench.show(streams, since))

    def consistency(self, old: int, size: int) -> list[str]:
        leaves = self.ledger.leaves()[:size]
        return [step.hex() for step in merkle.consistency_proof(leaves, old)]


class Bridged(Outgoing):
    """Exchanges with applications in this process; a host that is taken away is silent."""

    def __init__(self, apps: Mapping[str, Client]) -> None:
        super().__init__(apps)
        self.apps = dict(apps)
        self.asked: list[str] = []

    def _connect(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        base, _, path = url.removeprefix("http://").partition("/")
        app = self.apps.get(f"http://{base}")
        self.asked.append(path)
        if app is None:
            raise NoAnswer("nobody listens")
        found = app.request(method, f"/{path}", content=body or None)
        return Reply(found.status_code, found.headers.get("content-type", ""), found.content)


class HttpBench(Bench):
    """The custodians of the bench behind their HTTP interface, without sockets."""

    def open(self) -> None:
        self.homes = [
            CustodianHome(self.folder / name, self.credential(name), self.clock, self.rng)
            for name in local_names(self.folder)
        ]
        self.all = [home.custodian for home in self.homes]
        roster = [
            Member.of(home.identity, f"http://{home.identity.custodian}") for home in self.homes
        ]
        self.apps = {
            member.url: Client(create_custodian_app(home.service))
            for member, home in zip(roster, self.homes, strict=True)
        }
        self.out = Bridged(self.apps)
        self.port: Any = self.ported(tuple(roster))

    def ported(self, roster: Roster) -> RemoteCustodians:
        return RemoteCustodians(roster, self.out, lambda: Shown(self), lambda digest: NAME)

    def reopen(self, credential: Any = None) -> None:
        for home in self.homes:
            home.close()
        if credential is not None:
            self.credential = lambda name: credential
        self.open()


class ProcessBench(Bench):
    """The custodians as processes, each of another organisation, each with its own clock."""

    def __init__(self, folder: Path, **given: Any) -> None:
        self.given = given
        super().__init__(folder)

    def open(self) -> None:
        organisations = self.given.get("organisations", ("org-1", "org-2", "org-3"))
        skews = self.given.get("skews", (0, 0, 0))
        before = self.given.get("before", ("", "", ""))
        hosts = self.given.get("hosts")
        self.processes = [
            CustodianProcess(
                self.folder.parent / "apart" / f"custodian-{n}",
                self.ledger.vkey,
                organisations[n - 1],
                skew_s=skews[n - 1],
                before=before[n - 1],
                **({"host": hosts[n - 1].address, "inside": hosts[n - 1].inside} if hosts else {}),
            )
            for n in (1, 2, 3)
        ]
        for one in self.processes:
            one.begin()
        for one in self.processes:
            one.wait()
        self.reach()

    def reach(self) -> None:
        roster = tuple(one.member for one in self.processes)
        out = Outgoing([one.url for one in roster], seconds=self.given.get("seconds", 20))
        self.port: Any = RemoteCustodians(roster, out, lambda: Shown(self), lambda digest: NAME)

    def close(self) -> None:
        for one in self.processes:
            one.kill()

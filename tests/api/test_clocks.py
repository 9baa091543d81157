"""The clock that the settings name: who is a source, what refuses a start, what is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from doubles.authority import Server, authority_over_http
from doubles.clock import NOON, FixedClock

from api.adapters.clock import HostClock, kernel_bound_us
from api.adapters.clock_sources import CustodianTime, SignedInterval, StampedTime, clock_facts
from api.adapters.custodian_roster import Member
from api.adapters.rng import SystemRng
from api.adapters.timestamps import http_timestamper
from api.cli import run
from api.clocks import SourcesUnusable, begun_clock, clock_of, clocks_of
from api.home import Home
from api.settings import Settings
from api.wiring import create_platform, open_platform
from crypto.local_authority import TestAuthority
from crypto.notes import VerifierKey
from domain.clock import ClockSource
from domain.errors import ClockDistrusted

REPLY = "application/timestamp-reply"
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
WAIT_S = 20


@contextmanager
def authorities(tmp_path: Path, *seeds: int) -> Iterator[tuple[list[Server], Path]]:
    """Serve authorities of true time; their roots stand in one file."""
    with ExitStack() as stack:
        served, roots = [], b""
        for seed in seeds:
            authority = TestAuthority.of_seed(bytes([seed]) * 32, SINCE)

            def answer(body: bytes, authority: TestAuthority = authority) -> tuple[int, str, bytes]:
                return 200, REPLY, authority.answer(body, 1, datetime.now(UTC), 1_500)

            served.append(stack.enter_context(authority_over_http(answer)))
            roots += authority.trusted()
        path = tmp_path / "roots.pem"
        path.write_bytes(roots)
        yield served, path


def test_the_settings_name_two_authorities(tmp_path: Path) -> None:
    with authorities(tmp_path, 1, 2) as (served, roots):
        settings = Settings(
            tsa_url=served[0].url,
            tsa_certificates=roots,
            clock_sources=f"tsa, {served[1].url}",
        )
        clock, asking = begun_clock(settings, SystemRng())
        assert clock.quorum == 2
        assert [one.name for one in clock.outside] == ["tsa", served[1].url]
        reading = clock.now()
        assert reading.source == ClockSource.QUORUM
        assert reading.earliest <= datetime.now(UTC) <= reading.latest + timedelta(seconds=WAIT_S)
        assert {"tsa", served[1].url} <= set(clock_facts(clock).sources)
        for one in served:
            one.answer = lambda _body: (503, "text/plain", b"")
        asking.once()
        assert [one.failure for one in clock.outside] == ["network.no-answer"] * 2  # type: ignore[attr-defined]
        assert clock.now().source == ClockSource.QUORUM, "the last word is seconds old"


def test_where_nobody_answers_there_is_no_reading_and_no_wait(tmp_path: Path) -> None:
    with authorities(tmp_path, 1) as (served, roots):
        served[0].answer = lambda _body: (503, "text/plain", b"")
        settings = Settings(tsa_url=served[0].url, tsa_certificates=roots, clock_sources="tsa")
        clock, _ = begun_clock(settings, SystemRng())
    with pytest.raises(ClockDistrusted):
        clock.now()


class Silent:
    """A custodian that does not answer."""

    def time(self, nonce: bytes) -> SignedInterval:
        raise OSError("nobody there")


def test_custodians_elsewhere_are_sources() -> None:
    services = [CustodianTime(name, b"", Silent(), SystemRng()) for name in ("a", "b", "c")]
    for settings in (Settings(clock_sources="custodians"), Settings()):
        clock, _ = clock_of(settings, SystemRng(), services)
        assert (clock.quorum, len(clock.outside)) == (3, 3)
    assert clock_of(Settings(), SystemRng())[0].quorum == 1


def test_custodians_of_this_organisation_tell_this_hosts_time() -> None:
    roster = [
        Member(f"http://127.0.0.1:{port}", name, org, bytes(32), bytes(32), cast("VerifierKey", 0))
        for port, name, org in ((1, "own", "pli"), (2, "mairie", "lille"), (3, "notaire", "nord"))
    ]
    found = clocks_of(roster, "pli", SystemRng())
    assert [one.name for one in found] == ["mairie", "notaire"]
    clock, _ = clock_of(Settings(), SystemRng(), found)
    assert (clock.quorum, len(clock.outside)) == (2, 2)
    assert clocks_of(roster[:1], "pli", SystemRng()) == []


@pytest.mark.parametrize("sources", ["custodians", "tsa", "ntp.example.org", "host"])
def test_a_source_that_is_not_there_refuses_the_start(sources: str) -> None:
    with pytest.raises(SourcesUnusable, match=sources.partition(".")[0]) as refused:
        clock_of(Settings(clock_sources=sources), SystemRng())
    assert refused.value.code == "clock.sources"


def test_a_platform_is_opened_on_the_clocks_of_its_settings(tmp_path: Path) -> None:
    place = Home(tmp_path / "home")
    create_platform(place, origin="pli.example/clocks")
    with authorities(tmp_path, 1, 2) as (served, roots):
        settings = Settings(
            home=place.folder,
            reserve_bytes=0,
            tsa_certificates=roots,
            clock_sources=",".join(one.url for one in served),
        )
        platform = open_platform(place, settings)
        try:
            platform.start()
            assert platform.desk.clock.now().source == ClockSource.QUORUM
            head = platform.ledger.head()
            platform.publish()
            assert platform.ledger.head() > head
        finally:
            platform.close()
    with pytest.raises(SourcesUnusable):
        open_platform(place, Settings(home=place.folder, clock_sources="tsa"))


def test_the_doctor_names_each_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def clock_line() -> str:
        run(["doctor", "--home", str(tmp_path / "none"), "--json"])
        return str(json.loads(capsys.readouterr().out)["clock"])

    assert clock_line().endswith("by host")
    with authorities(tmp_path, 1, 2) as (served, roots):
        monkeypatch.setenv("PLI_TSA_CERTIFICATES", str(roots))
        monkeypatch.setenv("PLI_CLOCK_SOURCES", ",".join(one.url for one in served))
        told = clock_line()
        synchronised = kernel_bound_us() is not None
        assert told.startswith("±") is synchronised
        assert told.endswith(f"{served[0].url}, {served[1].url}") or "host: silent" in told
        served[1].answer = lambda _body: (503, "text/plain", b"")
        assert clock_line().startswith("! ")


def test_facts_of_any_clock() -> None:
    assert clock_facts(HostClock(250, kernel=lambda: None)).sources == ("host",)
    fixed = clock_facts(FixedClock(NOON, timedelta(milliseconds=9)))
    assert (fixed.offset_ms, fixed.uncertainty_ms, fixed.sources) == (0, 5, ("QUORUM",))


def test_the_http_client_of_an_authority_is_the_one_of_the_anchors(tmp_path: Path) -> None:
    with authorities(tmp_path, 3) as (served, roots):
        teller = StampedTime("tsa", http_timestamper(served[0].url, roots), SystemRng())
        low, high = teller.ask()
        assert high - low == 3 * SECOND
        assert served[0].asked[0][0] == "application/timestamp-query"

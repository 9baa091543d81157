"""The second fence: a role that reads the log on PostgreSQL sees one tenant, or nothing (T17)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from doubles.bench import BUYER, OTHER_BUYER, SOON, Bench
from doubles.postgres import server

from api.tenant_fence import statements
from ledger.fences import POLICY
from ledger.tables import postgres_grants

pytestmark = [pytest.mark.counted, pytest.mark.postgres]
NOTHING_LEAVES = ("deposit/", "transmission/")


@pytest.fixture
def log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Bench, psycopg.Connection, str]]:
    """A platform with two buyers and a deposit, and its owner's connection."""
    schema = server().database().schema
    monkeypatch.setenv("PLI_DATABASE_URL", server().url)
    monkeypatch.setenv("PLI_DATABASE_SCHEMA", schema)
    bench = Bench(tmp_path)
    bench.register()
    bench.deposit(bench.seal(bench.publish("lille-1")))
    bench.tokens.buyer = bench.tokens.other
    bench.draft("roubaix-1")
    with server().connect() as owner:
        owner.execute(f"CREATE ROLE reader_{schema}")
        owner.execute(f"CREATE ROLE writer_{schema}")
        owner.execute(f'SET search_path TO "{schema}"')
        owner.execute(f'GRANT USAGE ON SCHEMA "{schema}" TO writer_{schema}')
        for statement in postgres_grants(f"writer_{schema}"):
            owner.execute(statement)
        for statement in statements(schema, f"reader_{schema}", [f"writer_{schema}"]):
            owner.execute(statement)
        yield bench, owner, schema
    bench.close()


def seen(owner: psycopg.Connection, schema: str, tenant: str | None) -> list[tuple[str, str]]:
    """Return (stream, tenant) of every entry that the reader of a tenant gets."""
    owner.execute(f"SET ROLE reader_{schema}")
    if tenant is not None:
        owner.execute("SELECT set_config('pli.tenant', %s, false)", (tenant,))
    try:
        rows = owner.execute("SELECT stream, entry FROM events").fetchall()
    finally:
        owner.execute("RESET ROLE")
        owner.execute("RESET pli.tenant")
    return [(stream, json.loads(bytes(entry))["data"]["meta"]["tenant"]) for stream, entry in rows]


def test_a_reader_sees_its_tenant_and_no_deposit(
    log: tuple[Bench, psycopg.Connection, str],
) -> None:
    bench, owner, schema = log
    assert seen(owner, schema, None) == seen(owner, schema, "") == []
    for tenant, name in ((BUYER, "lille-1"), (OTHER_BUYER, "roubaix-1")):
        rows = seen(owner, schema, tenant)
        assert {whose for _, whose in rows} == {tenant}
        assert f"consultation/{name}" in {stream for stream, _ in rows}
        assert not [stream for stream, _ in rows if stream.startswith(NOTHING_LEAVES)]
    # the platform goes on: its register closes, and nothing of the procedure is shown from there
    before = len(seen(owner, schema, BUYER))
    bench.forward(SOON)
    bench.platform.publish()
    kinds = owner.execute(
        "SELECT kind FROM events WHERE stream = 'consultation/lille-1'"
    ).fetchall()
    assert ("RegisterClosed",) in kinds
    after = [stream for stream, _ in seen(owner, schema, BUYER)]
    assert len([one for one in after if one == "consultation/lille-1"]) <= before


def test_a_table_of_the_readers_own_takes_the_place_of_none(
    log: tuple[Bench, psycopg.Connection, str],
) -> None:
    """A temporary table is found before every other: the fence must not ask it."""
    bench, owner, schema = log
    bench.forward(SOON)
    bench.platform.publish()
    asked = f"SELECT count(*) FROM \"{schema}\".events WHERE kind = 'RegisterClosed'"  # noqa: S608
    assert owner.execute(asked).fetchone() == (1,)
    owner.execute(f"SET ROLE reader_{schema}")
    owner.execute("SELECT set_config('pli.tenant', %s, false)", (BUYER,))
    assert owner.execute(asked).fetchone() == (0,)
    owner.execute("CREATE TEMP TABLE events (stream text, version bigint, kind text)")
    assert owner.execute(asked).fetchone() == (0,)
    owner.execute("RESET ROLE")


def test_a_reader_counts_nobody_and_a_writer_is_not_fenced(
    log: tuple[Bench, psycopg.Connection, str],
) -> None:
    _, owner, schema = log
    owner.execute(f"SET ROLE reader_{schema}")
    assert owner.execute("SELECT count(*) FROM events").fetchone() == (0,)
    for forbidden in (
        "SELECT position FROM events",
        "SELECT leaf FROM events",
        "SELECT ctid FROM events",
        "SELECT * FROM events",
        "SELECT * FROM head",
        "SELECT * FROM tiles",
        "SELECT * FROM commands",
        "SELECT * FROM checkpoints",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(forbidden)
    owner.execute("RESET ROLE")
    owner.execute(f"SET ROLE writer_{schema}")
    whole = owner.execute("SELECT count(*) FROM events").fetchone()
    owner.execute("RESET ROLE")
    assert whole == owner.execute("SELECT count(*) FROM events").fetchone()


def test_without_its_policy_the_leak_is_seen(log: tuple[Bench, psycopg.Connection, str]) -> None:
    """The control: the same question, the fence replaced by one that asks nothing."""
    _, owner, schema = log
    owner.execute(f"DROP POLICY {POLICY} ON events")
    assert seen(owner, schema, BUYER) == [], "without any policy the fence is shut"
    owner.execute(
        f"CREATE POLICY {POLICY} ON events FOR SELECT TO reader_{schema}"
        " USING (kind NOT IN ('LogCreated', 'LogPadded'))"
    )
    assert {whose for _, whose in seen(owner, schema, BUYER)} >= {BUYER, OTHER_BUYER}

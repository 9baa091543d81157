"""No entry and no row of the log names a bidder to whoever tries each SIRET (N11, ledger.md §11).

A SIRET has 14 digits: an unsalted hash of one, beside values that the log shows, is a name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from doubles.bench import COMPANY, RIVAL, Bench

import api.auth
import domain.ports
from api.idempotency import command_id
from api.uploading import stall
from domain.announce import StartTransmission
from domain.commands.loading import operator_name
from domain.events.transmission import EnvelopeKind, Intent, Purpose, StallCause
from domain.plain import digest
from ledger.command_rows import bare_digest
from ledger.entry import Row


def entries(bench: Bench, kind: str) -> Iterator[dict[str, Any]]:
    for row in bench.platform.ledger.read(-1, 10_000):
        if row.kind == kind:
            yield {"stream": row.stream} | json.loads(row.entry)["data"]


def clear(bench: Bench) -> list[Row]:
    """Return the entries of a procedure in which the company stands in clear.

    A download of a dossier names who made it with a company's token (domain.md §4.4).
    """
    names = ("consultation/", "custody/", "deposit/", "opening/", "transmission/")
    rows = bench.platform.ledger.read(-1, 10_000)
    return [row for row in rows if row.stream.startswith(names) and COMPANY.encode() in row.entry]


def found_by_ids(bench: Bench, deposit: str) -> list[str]:
    """Try the one key that every depositor's program sends, as a reader of entries would."""
    seen = {one["meta"]["command"] for one in entries(bench, "TransmissionStarted")}
    return [one for one in (RIVAL, COMPANY) if command_id(one, f"deposit-{deposit}") in seen]


def found_by_digests(bench: Bench) -> list[str]:
    """Make the digest of each announce again, as a reader of the database would."""
    with bench.platform.ledger._store.readers.snapshot() as reads:
        rows = reads.connection.execute("SELECT digest FROM commands").fetchall()
    kept = {bare_digest(bytes(row[0])) for row in rows}
    [one] = entries(bench, "TransmissionStarted")
    command = StartTransmission(
        transmission=one["stream"].partition("/")[2],
        consultation=one["consultation"],
        kind=EnvelopeKind(one["kind"]),
        lots=tuple(one["lots"]),
        declared_bytes=one["declared_bytes"],
        declared_files=one["declared_files"],
        client=one["client"],
        terms_version=one["terms_version"],
        round=one["round"],
        intent=Intent(one["intent"]),
        purpose=Purpose(one["purpose"]),
    )
    tried = {org: digest(command, org=org, role="CY") for org in (RIVAL, COMPANY)}
    return [org for org, made in tried.items() if made in kept]


def test_neither_ids_nor_digests_of_commands_name_a_bidder(bench: Bench) -> None:
    envelope = bench.seal(bench.publish())
    deposit = bench.deposit(envelope)["deposit"]
    assert found_by_ids(bench, deposit) == []
    assert found_by_digests(bench) == []
    tried = [f"/api/v1/deposits/{deposit}/opening", "/api/v1/openings/lille-1/0/envelopes"]
    for path in tried:
        assert bench.post(path, bench.tokens.company, {}).status_code in {403, 404, 409}
    assert [row.kind for row in clear(bench)] == [], "also of whoever asks to open too early"


def test_the_control_finds_the_bidder_where_nothing_is_salted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.auth.Caller, "_salt", lambda _self, _correlation: "")
    monkeypatch.setattr(domain.ports, "COMPANY", "nobody")
    envelope = bench.seal(bench.publish())
    deposit = bench.deposit(envelope)["deposit"]
    assert found_by_ids(bench, deposit) == [COMPANY]
    assert found_by_digests(bench) == [COMPANY]


def test_a_retry_is_the_same_command_after_a_restart_too(bench: Bench) -> None:
    envelope = bench.seal(bench.publish())
    first = bench.announce(envelope).json()["transmission"]
    size = bench.platform.ledger.head()
    bench.close()
    bench.reopen()
    assert bench.announce(envelope).json()["transmission"] == first
    assert bench.platform.ledger.head() == size


def test_a_name_that_is_no_consultation_makes_no_row(bench: Bench) -> None:
    form = {"consultation": "nowhere-1", "kind": "OFFER", "lots": ["0"], "bytes": 1_000_000}
    form |= {"documents": 1, "client": "test/1", "terms": "1"}
    assert bench.post("/api/v1/transmissions", bench.tokens.company, form).status_code == 404
    held = bench.platform.privacy._subjects.held(operator_name(COMPANY))
    assert [row.consultation for row in held if row.consultation] == []


def test_a_stall_tells_of_no_two_consultations_that_one_company_sends_to_both(
    bench: Bench,
) -> None:
    for at in (bench.publish(), bench.publish("lille-2")):
        envelope = bench.seal(at)
        name = bench.announce(envelope).json()["transmission"]
        assert bench.head(name, envelope).status_code == 201
    for upload in bench.platform.uploads.running():
        stall(bench.platform, upload, StallCause.NETWORK)
    told = [one["meta"]["actor"]["person"] for one in entries(bench, "TransmissionStalled")]
    assert len(told) == 2
    reveal = bench.platform.desk.subjects.reveal
    assert [COMPANY in str(reveal(one)) for one in told] == [False, False]

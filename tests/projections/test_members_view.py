"""Members, delegations, committees and companies as views; their golden stream."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

from doubles.entries import FileSource, HandLedger, digest
from doubles.procedures import MEL, ROUBAIX, Teller
from sqlalchemy import select

from domain.buyer import Buyer
from ledger.mapper import CanonicalTranscoder, LedgerMapper
from projections import store
from projections.rebuild import dump_of, rebuild
from projections.runner import Runner
from projections.tables import accesses, buyers, consortia, exclusions

GOLDEN = Path(__file__).parents[1] / "golden" / "members.ndjson"
COMPANY, PARTNER = "40304303700031", "39495278200016"
DAY = date(2026, 3, 2)


def who(name: str) -> str:
    return digest("person", name)


def told() -> Teller:
    """Tell what the golden stream holds: every kind of a buyer's and of a company's stream."""
    teller = Teller(HandLedger())
    for siret, name in ((MEL, "Métropole"), (ROUBAIX, "Ville de Roubaix")):
        teller.buyer(siret, name)
    teller.company(COMPANY, "Travaux du Nord")
    stream, act = f"buyer/{MEL}", teller.by("BU", MEL, MEL)
    role = {"scope": "*", "valid_from": "2026-03-01"}
    act(stream, "RoleGranted", person=who("S"), role="SI", **role, valid_to="2027-03-01")
    act(stream, "RoleGranted", person=who("C"), role="CU", **role)
    span = {"valid_from": "2026-03-01", "valid_to": "2026-09-01", "deliberation": "arrêté 12"}
    given = {"act_types": ["AMENDMENT", "CONTRACT"], "ceiling_cents": 9_000_000, **span}
    act(stream, "SignatureDelegated", **{"from": who("S")}, to=who("D"), **given)
    narrower = {**given, "act_types": ["CONTRACT"], "ceiling_cents": 1_000_000}
    act(stream, "SignatureDelegated", **{"from": who("D")}, to=who("E"), **narrower)
    for president in ("P", "Q"):
        act(
            stream,
            "CommitteeElected",
            president=who(president),
            titulars=[who(f"T{number}") for number in range(5)],
            substitutes=[who("R0")],
            deliberation=f"2026-{president}",
        )
    act(stream, "RoleRevoked", person=who("C"), role="CU", reason="mutation")
    act(stream, "RoleGranted", person=who("C"), role="CU", **role)
    act(stream, "RoleRevoked", person=who("E"), role="SI", reason="départ")
    act(stream, "RoleRevoked", person=who("T1"), role="CO", reason="démission")
    ground = {"scope": "*", "until_on": "2026-06-30", "ground": "contrôle"}
    act(stream, "AccessGranted", to="13001653800014", **ground)
    company = teller.by("CY", COMPANY, COMPANY)
    home = f"operator/{COMPANY}"
    company(home, "RepresentativeAdded", person=who("M"), scope="*")
    pair = {"form": "JOINT", "mandatary": COMPANY, "members": sorted((COMPANY, PARTNER))}
    company(home, "ConsortiumDeclared", **pair)
    excluded = {"ground": "L2141-7", "until_on": "2027-01-01"}
    teller.by("BU", MEL, COMPANY)(home, "OperatorExcluded", **excluded)
    leaving = teller.by("BU", ROUBAIX, ROUBAIX)
    leaving(f"buyer/{ROUBAIX}", "BuyerLeft", size=16, root="00" * 32)
    teller.ledger.publish()
    return teller


def test_the_golden_stream_is_what_is_told() -> None:
    assert told().ledger.ndjson() == GOLDEN.read_bytes()


def test_the_views_say_what_was_recorded(views_of) -> None:
    views = views_of(told().ledger).members
    held = views.of(MEL, DAY)
    assert [(row.role, row.basis) for row in held[:2]] == [("BU", "GRANT"), ("SI", "GRANT")]
    seats = [row.person for row in held if row.basis == "ELECTION"]
    assert seats == [who(name) for name in ("Q", "T0", "T2", "T3", "T4", "R0")]
    assert [row.person for row in held if row.role == "CU"] == [who("C")]
    (one,) = views.delegations(MEL, DAY)
    assert (one.giver, one.receiver, one.ceiling_cents) == (who("S"), who("D"), 9_000_000)
    assert one.act_types == ("AMENDMENT", "CONTRACT")
    assert views.delegations(MEL, one.valid_to + timedelta(days=1)) == ()
    committee = views.committee(MEL)
    assert committee is not None
    assert (committee.president, committee.deliberation) == (who("Q"), "2026-Q")
    assert len(committee.titulars) == 5
    assert committee.substitutes == (who("R0"),)
    assert views.committee(ROUBAIX) is None
    (person,) = views.representatives(COMPANY)
    assert (person.person, person.scope) == (who("M"), "*")
    assert views.of(ROUBAIX, DAY) == (), "it has left"


def test_who_was_removed_represents_the_company_no_more(views_of) -> None:
    teller = told()
    act, home = teller.by("CY", COMPANY, COMPANY), f"operator/{COMPANY}"
    for person in ("N", "O"):
        act(home, "RepresentativeAdded", person=who(person), scope="*")
    act(home, "RoleRevoked", person=who("M"), role="CY", reason="départ")
    act(home, "RoleRevoked", person=who("N"), role="CY", reason="départ")
    act(home, "RepresentativeAdded", person=who("M"), scope="all")
    shown = views_of(teller.ledger).members.representatives(COMPANY)
    assert [(row.person, row.scope) for row in shown] == [(who("O"), "*"), (who("M"), "all")]


def test_access_consortia_and_exclusions_have_rows(tmp_path: Path) -> None:
    engine = store.writer(tmp_path / "views.db")
    Runner(told().ledger, engine).catch_up()
    with engine.connect() as connection:
        read = {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in (accesses, buyers, consortia, exclusions)
        }
    engine.dispose()
    assert [row["to"] for row in read["accesses"]] == ["13001653800014"]
    assert [row["buyer"] for row in read["exclusions"]] == [MEL]
    assert [row["form"] for row in read["consortia"]] == ["JOINT"]
    assert [row["siret"] for row in read["buyers"] if row["left_at"]] == [ROUBAIX]


def test_rebuilt_equals_live_in_batches_of_any_size(tmp_path: Path) -> None:
    rebuild(FileSource(GOLDEN.read_bytes()), tmp_path / "again.db")
    wanted = dump_of(tmp_path / "again.db")
    for batch in (1, 2, 3, 5, 7):
        path = tmp_path / f"live-{batch}.db"
        engine = store.writer(path)
        Runner(FileSource(GOLDEN.read_bytes()), engine, batch=batch).catch_up()
        engine.dispose()
        assert dump_of(path) == wanted, batch


def test_the_view_and_the_stream_say_the_same(views_of) -> None:
    """Two readings of one stream: rows of a day, and the aggregate at an instant of that day."""
    from eventsourcing.persistence import StoredEvent

    ledger = told().ledger
    mapper = LedgerMapper(CanonicalTranscoder())
    buyer = Buyer.blank(f"buyer/{MEL}")
    for row in ledger.rows:
        if row.stream == buyer.id:
            stored = StoredEvent(row.stream, row.version, row.kind, row.entry)
            mapper.to_domain_event(stored).mutate(buyer)  # type: ignore[attr-defined]
    at = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
    views = views_of(ledger).members
    rows = {(row.person, row.role) for row in views.of(MEL, DAY)}
    rows |= {(row.receiver, "SI") for row in views.delegations(MEL, DAY)}
    assert rows == {(grant.person, grant.role) for grant in buyer.in_force(at)}

"""The tables of ``views.db``: everything here is computed from entries and may be dropped at will.

Instants are the ledger's own text, lists are canonical JSON, so that two views of one ledger are
equal to the byte. ``position`` orders rows and never leaves a query.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, Text

metadata = MetaData()


def _table(title: str, /, *keys: Column[str] | Column[int], **columns: type) -> Table:
    kinds = {str: Text, int: Integer, bool: Boolean}
    for key in keys:
        key.primary_key = True
        key.nullable = False
    rest: list[Column[str] | Column[int] | Column[bool]] = [
        Column(column, kinds[kind]) for column, kind in columns.items()
    ]
    return Table(title, metadata, *keys, *rest, sqlite_with_rowid=False)


def _text(name: str) -> Column[str]:
    return Column(name, Text)


def _number(name: str) -> Column[int]:
    return Column(name, Integer)


tracking = _table("tracking", _text("name"), version=int, position=int)

buyers = _table(
    "buyers",
    _text("siret"),
    name=str,
    kind=str,
    department=str,
    search=str,
    population=int,
    region=str,
    left_at=str,
)

operators = _table("operators", _text("operator"), name=str, size_class=str)

members = _table(
    "members",
    _text("org"),
    _number("version"),
    _number("place"),
    person=str,
    role=str,
    scope=str,
    basis=str,
    valid_from=str,
    valid_to=str,
    granted_at=str,
    revoked_at=str,
)

delegations = _table(
    "delegations",
    _text("org"),
    _number("version"),
    giver=str,
    receiver=str,
    act_types=str,
    ceiling_cents=int,
    deliberation=str,
    valid_from=str,
    valid_to=str,
    granted_at=str,
    revoked_at=str,
)

committees = _table(
    "committees",
    _text("org"),
    _number("version"),
    president=str,
    titulars=str,
    substitutes=str,
    deliberation=str,
    elected_at=str,
)

accesses = _table(
    "accesses",
    _text("org"),
    _number("version"),
    to=str,
    scope=str,
    ground=str,
    until_on=str,
    granted_at=str,
)

representatives = _table(
    "representatives",
    _text("operator"),
    _number("version"),
    person=str,
    scope=str,
    added_at=str,
    revoked_at=str,
)

consortia = _table(
    "consortia", _text("operator"), _number("version"), form=str, members=str, declared_at=str
)

exclusions = _table(
    "exclusions",
    _text("operator"),
    _number("version"),
    buyer=str,
    ground=str,
    until_on=str,
    recorded_at=str,
)

consultations = _table(
    "consultations",
    _text("consultation"),
    tenant=str,
    state=str,
    reference=str,
    object=str,
    nature=str,
    procedure=str,
    technique=str,
    cpv=str,
    place=str,
    estimated_cents=int,
    published_at=str,
    deadline_at=str,
    deadline_local=str,
    zone=str,
    questions_until_at=str,
    opening_not_before_at=str,
    cool_down_s=int,
    validity_days=int,
    limits=str,
    criteria=str,
    price_formula=str,
    complements=str,
    backup_electronic=bool,
    mode=str,
    key_fingerprint=str,
    dossier_root=str,
    reached_at=str,
    closed_at=str,
    search=str,
)
Index("consultations_published", consultations.c.published_at)
Index("consultations_deadline", consultations.c.deadline_at)

lots = _table(
    "lots",
    _text("consultation"),
    _text("lot"),
    title=str,
    estimated_cents=int,
    place=int,
    search=str,
)

corrections = _table(
    "corrections", _text("consultation"), _number("version"), kind=str, at=str, detail=str
)

dossier_versions = _table(
    "dossier_versions",
    _text("consultation"),
    _number("version"),
    files=int,
    root=str,
    frozen_at=str,
)

dossier_files = _table(
    "dossier_files",
    _text("consultation"),
    _number("version"),
    _number("part"),
    _number("place"),
    name=str,
    size=int,
    sha256=str,
)

ceremonies = _table(
    "ceremonies",
    _text("ceremony"),
    purpose=str,
    k=int,
    n=int,
    state=str,
    digest=str,
    started_at=str,
    ended_at=str,
)

custody = _table(
    "custody",
    _text("consultation"),
    digest=str,
    canary_digest=str,
    k=int,
    n=int,
    placement=str,
    completed_at=str,
    canary_at=str,
)

custodians = _table(
    "custodians",
    _text("consultation"),
    _text("custodian"),
    org=str,
    alive_at=str,
    missed_at=str,
    lost_at=str,
)

attempts = _table(
    "attempts",
    _text("transmission"),
    consultation=str,
    bidder=str,
    purpose=str,
    kind=str,
    lots=str,
    round=int,
    intent=str,
    target=str,
    declared_bytes=int,
    declared_files=int,
    state=str,
    started_at=str,
    ended_at=str,
    bytes_total=int,
    refused_parts=int,
    code=str,
    cause=str,
    allowed=int,
    asked=int,
    position=int,
)
Index("attempts_bidder", attempts.c.bidder)

messages = _table("messages", _text("transmission"), _number("version"), at=str, code=str, text=str)

deposits = _table(
    "deposits",
    _text("deposit"),
    consultation=str,
    tenant=str,
    bidder=str,
    transmission=str,
    kind=str,
    round=int,
    intent=str,
    target=str,
    bytes_total=int,
    documents_count=int,
    documents_root=str,
    commitment=str,
    started_at=str,
    received_at=str,
    uncertainty_ms=int,
    late_by_ms=int,
    state=str,
    withdrawn_at=str,
    receipt_id=str,
    operator=str,
    form=str,
    commitment_matches=bool,
    documents_match=bool,
    opened_at=str,
    fault=str,
    cause=str,
    position=int,
)
Index("deposits_bidder", deposits.c.bidder)
Index("deposits_consultation", deposits.c.consultation)

deposit_lots = _table("deposit_lots", _text("deposit"), _text("lot"), state=str, superseded_by=str)

backup_copies = _table(
    "backup_copies",
    _text("copy"),
    consultation=str,
    medium=str,
    label_ok=bool,
    received_at=str,
    uncertainty_ms=int,
    seal_no=str,
    state=str,
    ground=str,
    reason=str,
    fault=str,
    cause=str,
    decided_at=str,
    position=int,
)
Index("backup_copies_consultation", backup_copies.c.consultation)

backup_lots = _table("backup_lots", _text("copy"), _text("lot"))

openings = _table(
    "openings",
    _text("consultation"),
    _text("lot"),
    state=str,
    convened_at=str,
    members=int,
    planned_at=str,
    quorum_at=str,
    quorum=str,
    completed_at=str,
)

presences = _table(
    "presences", _text("consultation"), _text("lot"), _number("version"), capacity=str, at=str
)

plans = _table(
    "plans",
    _text("consultation"),
    _text("lot"),
    _number("plan_no"),
    kind=str,
    at=str,
    open=str,
    superseded=str,
    withdrawn=str,
    late=str,
    undetermined=str,
    completed_at=str,
    minutes_hash=str,
)

refusals = _table(
    "refusals",
    _text("stream"),
    _number("version"),
    consultation=str,
    lot=str,
    deposit=str,
    asked_by=str,
    role=str,
    code=str,
    at=str,
    position=int,
)

shares = _table(
    "shares",
    _text("consultation"),
    _text("lot"),
    _text("deposit"),
    _text("custodian"),
    _number("plan_no"),
    partial_hash=str,
    at=str,
)

anchors = _table(
    "anchors",
    _text("stream"),
    _number("version"),
    purpose=str,
    size=int,
    root=str,
    witnesses=str,
    token_hash=str,
    at=str,
)

story = _table(
    "story",
    _number("position"),
    stream=str,
    version=int,
    kind=str,
    at=str,
    consultation=str,
    lot=str,
    deposit=str,
    role=str,
    detail=str,
)
Index("story_consultation", story.c.consultation)
Index("story_deposit", story.c.deposit)

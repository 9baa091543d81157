"""Deposits: only their depositor sees them before the plan of their lot; to others: absent."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import PlainTextResponse

from api.auth import Known
from api.downloads import disposition
from api.errors import Absent
from api.forms import Form, Text
from api.idempotency import Key
from api.openapi import reads, writes
from api.paging import LARGEST, After, cut, link
from api.scope import Bound
from api.strict import StrictRoute
from domain.commands import decide_late, withdraw
from domain.commands import open_envelopes as opening
from domain.envelope import SealedEnvelope
from domain.errors import DomainError

router = APIRouter(prefix="/api/v1/deposits", tags=["deposits"], route_class=StrictRoute)

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Answer = dict[str, object]


class WithdrawalForm(Form):
    """Why, if the depositor wants to say."""

    reason: Text | None = None


class AdmissionForm(Form):
    """A reasoned admission of a late deposit."""

    ground: Text
    reasons: Text
    findings: Text


class RejectionForm(Form):
    """Why a late deposit stays closed."""

    reasons: Text


@router.get("", responses=reads(400, 401, 403))
def list_deposits(
    who: Known,
    scope: Bound,
    response: Response,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST)] = 50,
) -> Answer:
    """List the caller's own deposits."""
    page = cut([(name, name) for name in scope.deposits()], after, limit)
    response.headers.update(link(router.prefix, page, limit))
    return {"deposits": [_shown(scope.deposit(name)) | scope.damage(name) for name in page.rows]}


@router.get("/{deposit}", responses=reads(401))
def read_deposit(who: Known, scope: Bound, deposit: Id) -> Answer:
    """Read one own deposit with its receipt."""
    return scope.deposit_receipt(deposit)


@router.get("/{deposit}/receipt", response_class=PlainTextResponse, responses=reads(401))
def read_receipt(
    who: Known,
    scope: Bound,
    deposit: Id,
    form: Annotated[Literal["first", "published"], Query()] = "first",
) -> PlainTextResponse:
    """Give the receipt as a file: its first form, or under the published checkpoint."""
    proof = scope.receipt_file(deposit, published=form == "published")
    return PlainTextResponse(proof, headers=disposition(f"{deposit}.tlog-proof"))


@router.post("/{deposit}/withdrawal", status_code=201, responses=writes())
def withdraw_deposit(
    who: Known, scope: Bound, key: Key, deposit: Id, form: WithdrawalForm
) -> Answer:
    """Withdraw a deposit before the deadline; what it replaced stays replaced."""
    consultation = scope.deposit(deposit).sealed().consultation
    command = withdraw.WithdrawDeposit(deposit, form.reason)
    who.platform.act(withdraw.withdraw, who.act(key, consultation), command)
    return scope.withdrawal(deposit)


@router.post("/{deposit}/admission", status_code=201, responses=writes())
def admit_late_deposit(
    who: Known, scope: Bound, key: Key, deposit: Id, form: AdmissionForm
) -> Answer:
    """Put a late deposit into a later plan, with reasons."""
    need = scope.late_deposit(deposit)
    command = decide_late.AdmitLateDeposit(deposit, form.ground, form.reasons, form.findings)
    who.platform.act(decide_late.admit_late_deposit, who.act(key, need), command)
    return {"deposit": deposit, "state": "SEALED"}


@router.post("/{deposit}/rejection", status_code=201, responses=writes())
def reject_late_deposit(
    who: Known, scope: Bound, key: Key, deposit: Id, form: RejectionForm
) -> Answer:
    """Keep a late deposit closed, with reasons."""
    need = scope.late_deposit(deposit)
    command = decide_late.RejectLateDeposit(deposit, form.reasons)
    who.platform.act(decide_late.reject_late_deposit, who.act(key, need), command)
    return {"deposit": deposit, "state": "KEPT_CLOSED"}


@router.post("/{deposit}/opening", status_code=201, responses=writes())
def open_deposit(who: Known, scope: Bound, key: Key, deposit: Id) -> Answer:
    """Ask for one envelope outside any plan: always refused, and recorded.

    Whoever may not know yet that it exists is answered as if it did not (N11).
    """
    act = who.act(key, scope.need_of(deposit))
    try:
        who.platform.act(opening.open_deposit, act, opening.OpenDeposit(deposit))
    except DomainError as refusal:
        if scope.knows(deposit):
            raise
        raise Absent from refusal
    raise Absent


def _shown(found: SealedEnvelope) -> Answer:
    sealed = found.sealed()
    return {
        "deposit": found.name,
        "state": found.state,
        "consultation": sealed.consultation,
        "lots": list(sealed.lots),
        "kind": str(sealed.kind),
        "intent": str(sealed.intent),
        "on_time": not found.was_late(),
        "transmission": sealed.transmission,
    }

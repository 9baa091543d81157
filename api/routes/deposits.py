"""Deposits: only their depositor sees them before the plan of their lot; to others: absent."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import PlainTextResponse

from api import attestations
from api.auth import Caller, Known
from api.errors import Absent
from api.facts import facts
from api.forms import Form, Text
from api.idempotency import Key
from api.openapi import reads, writes
from api.paging import LARGEST, After, cut, link
from api.strict import StrictRoute
from domain.commands import decide_late, withdraw
from domain.commands import open_envelopes as opening
from domain.envelope import SealedEnvelope

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
    response: Response,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST)] = 50,
) -> Answer:
    """List the caller's own deposits."""
    platform = who.platform
    own = sorted(upload.deposit or "" for upload in platform.uploads.of_owner(who.org))
    sealed = [name for name in own if _sealed(who, name) is not None]
    page = cut([(name, name) for name in sealed], after, limit)
    response.headers.update(link(router.prefix, page, limit))
    return {"deposits": [_shown(who, name) for name in page.rows]}


@router.get("/{deposit}", responses=reads(401))
def read_deposit(who: Known, deposit: Id) -> Answer:
    """Read one own deposit with its receipt."""
    return attestations.deposit_receipt(who.platform, _own(who, deposit))


@router.get("/{deposit}/receipt", response_class=PlainTextResponse, responses=reads(401))
def read_receipt(
    who: Known,
    deposit: Id,
    form: Annotated[Literal["first", "published"], Query()] = "first",
) -> PlainTextResponse:
    """Give the receipt as a file: its first form, or under the published checkpoint."""
    _own(who, deposit)
    position = facts(who.platform.ledger, f"deposit/{deposit}")[0].position
    proof = who.platform.ledger.receipt(position, published=form == "published")
    name = f"{deposit}.tlog-proof"
    return PlainTextResponse(
        proof, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.post("/{deposit}/withdrawal", status_code=201, responses=writes())
def withdraw_deposit(who: Known, key: Key, deposit: Id, form: WithdrawalForm) -> Answer:
    """Withdraw a deposit before the deadline; what it replaced stays replaced."""
    found = _own(who, deposit)
    consultation = found.sealed().consultation
    command = withdraw.WithdrawDeposit(deposit, form.reason)
    who.platform.act(withdraw.withdraw, who.act(key, consultation), command)
    told = facts(who.platform.ledger, f"deposit/{deposit}")
    ends = [fact for fact in told if fact.kind == "DepositWithdrawn"]
    return {
        "deposit": deposit,
        "state": _own(who, deposit).state,
        "withdrawn_at": ends[-1].at,
        "receipt": who.platform.ledger.receipt(ends[-1].position).decode(),
    }


@router.post("/{deposit}/admission", status_code=201, responses=writes())
def admit_late_deposit(who: Known, key: Key, deposit: Id, form: AdmissionForm) -> Answer:
    """Put a late deposit into a later plan, with reasons."""
    command = decide_late.AdmitLateDeposit(deposit, form.ground, form.reasons, form.findings)
    who.platform.act(decide_late.admit_late_deposit, who.act(key, deposit), command)
    return {"deposit": deposit, "state": "SEALED"}


@router.post("/{deposit}/rejection", status_code=201, responses=writes())
def reject_late_deposit(who: Known, key: Key, deposit: Id, form: RejectionForm) -> Answer:
    """Keep a late deposit closed, with reasons."""
    command = decide_late.RejectLateDeposit(deposit, form.reasons)
    who.platform.act(decide_late.reject_late_deposit, who.act(key, deposit), command)
    return {"deposit": deposit, "state": "KEPT_CLOSED"}


@router.post("/{deposit}/opening", status_code=201, responses=writes())
def open_deposit(who: Known, key: Key, deposit: Id) -> Answer:
    """Ask for one envelope outside any plan: always refused, and recorded."""
    command = opening.OpenDeposit(deposit)
    who.platform.act(opening.open_deposit, who.act(key, deposit), command)
    return {"deposit": deposit}


def _sealed(who: Caller, deposit: str) -> SealedEnvelope | None:
    found = who.platform.desk.files.find(SealedEnvelope, f"deposit/{deposit}")
    return found if found is not None and found.facts is not None else None


def _own(who: Caller, deposit: str) -> SealedEnvelope:
    upload = who.platform.uploads.of_deposit(deposit)
    mine = upload is not None and upload.owner == who.org and who.principal.role == "CY"
    found = _sealed(who, deposit) if mine else None
    if found is None:
        raise Absent
    return found


def _shown(who: Caller, deposit: str) -> Answer:
    found = _own(who, deposit)
    sealed = found.sealed()
    return {
        "deposit": deposit,
        "state": found.state,
        "consultation": sealed.consultation,
        "lots": list(sealed.lots),
        "kind": str(sealed.kind),
        "intent": str(sealed.intent),
        "on_time": not found.was_late(),
        "transmission": sealed.transmission,
    }

"""Consultations: drafted, published, corrected by their buyer; read by everybody."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from api import kits, views
from api.auth import Here, Known
from api.caching import etagged, unchanged
from api.forms import Cents, Form, IdText, LocalHour, LotText, Short, Text, instant
from api.idempotency import Key, object_id
from api.openapi import reads, writes
from api.paging import LARGEST, After, cut, link
from api.platform import C, UseCase
from api.scope import Bound
from api.strict import StrictRoute
from domain.commands import correct, draft, extend, publish, suspend
from domain.events.consultation import Complements, Criterion, EnvelopeMode, Limits, Nature, Padding

router = APIRouter(prefix="/api/v1/consultations", tags=["consultations"], route_class=StrictRoute)

Id = Annotated[IdText, Path()]
Answer = dict[str, object]


class DraftForm(Form):
    """What is bought, by which procedure."""

    id: IdText | None = None
    reference: Short
    object: Text
    nature: Literal["WORKS", "SUPPLIES", "SERVICES"]
    procedure: Short
    cpv: Short
    place: Short
    technique: Short = "NONE"
    estimated_cents: Cents | None = None


class LotForm(Form):
    """One lot."""

    lot: LotText
    title: Text
    estimated_cents: Cents


class CriterionForm(Form):
    """One criterion and its weight in basis points."""

    name: Short
    weight_bp: Annotated[int, Field(ge=0, le=10_000)]


class CriteriaForm(Form):
    """How offers will be judged."""

    criteria: list[CriterionForm]
    price_formula: Short


class CalendarForm(Form):
    """The hours, as local texts in whole minutes."""

    questions_until: LocalHour
    deadline: LocalHour
    opening_not_before: LocalHour | None = None
    cool_down_s: Annotated[int, Field(ge=0, le=86_400)] = 60
    validity_days: Annotated[int, Field(ge=1, le=3_650)] = 120


class LimitsForm(Form):
    """Technical limits; what is absent has the published default."""

    max_file: Cents = Limits.max_file
    max_total: Cents = Limits.max_total
    max_files: Cents = Limits.max_files
    formats: Annotated[list[Short], Field(default_factory=list)]
    lead_time_min: Cents = Limits.lead_time_min
    reference_rate: Cents = Limits.reference_rate
    padding: Literal["NONE", "PADME"] = "PADME"

    def limits(self) -> Limits:
        """Return them as the domain's value."""
        return Limits(
            max_file=self.max_file,
            max_total=self.max_total,
            max_files=self.max_files,
            formats=list(self.formats),
            lead_time_min=self.lead_time_min,
            reference_rate=self.reference_rate,
            padding=Padding(self.padding),
        )


class PolicyForm(Form):
    """What depositors may do."""

    complements: Literal["NONE", "APPLICATION", "ALL"] = "APPLICATION"
    backup_electronic: bool = False
    paper_exceptions: Annotated[list[Short], Field(default_factory=list)]
    mode: Literal["SINGLE", "DOUBLE_ENVELOPE"] = "SINGLE"


class PublishForm(Form):
    """The notices under which the consultation is announced."""

    notice_ids: Annotated[list[Short], Field(default_factory=list)]


class CorrectedLimitsForm(LimitsForm):
    """Relaxed limits, with the reason."""

    reason: Text


class ExtensionForm(Form):
    """A later deadline."""

    deadline: LocalHour
    reason: Text
    triggered_by: Short = "BUYER"


class ReasonForm(Form):
    """A reason."""

    reason: Text


class ResumptionForm(Form):
    """The deadline with which the consultation goes on."""

    deadline: LocalHour


class Acting:
    """One command on the caller's own consultation, if it is as the caller read it (If-Match)."""

    def __init__(
        self, request: Request, who: Known, scope: Bound, key: Key, consultation: Id
    ) -> None:
        self.name = consultation
        self._request = request
        self._who = who
        self._scope = scope
        self._key = key

    def done(self, use_case: UseCase[C], command: C) -> Answer:
        """Run a command and return how the consultation is now."""
        self._scope.own(self.name)
        unchanged(self._request, lambda: self._scope.consultation(self.name))
        self._who.platform.act(use_case, self._who.act(self._key, self.name), command)
        return self._scope.consultation(self.name)


On = Annotated[Acting, Depends()]


@router.get("", responses=reads(400))
def list_consultations(
    here: Here,
    response: Response,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST)] = 50,
) -> Answer:
    """List the published consultations."""
    page = cut([(name, name) for name in here.index.published()], after, limit)
    response.headers.update(link(router.prefix, page, limit))
    return {"consultations": [views.consultation(here, name) for name in page.rows]}


@router.get("/{consultation}", responses=reads(304, 401))
def read_consultation(request: Request, scope: Bound, consultation: Id) -> Response:
    """Read one consultation: drafts by their buyer only, published ones by everybody."""
    return etagged(request, scope.consultation(consultation))


@router.get("/{consultation}/kit", responses=reads(401))
def read_kit(scope: Bound, consultation: Id) -> Answer:
    """Give all that is needed to seal without a network."""
    return scope.kit(consultation)


@router.get("/{consultation}/keyset", responses=reads(401))
def read_keyset(here: Here, consultation: Id) -> Answer:
    """Give the keyset document to which bids are sealed."""
    return dict(kits.keyset(here, consultation))


@router.get("/{consultation}/canary-keyset", responses=reads(401))
def read_canary_keyset(here: Here, consultation: Id) -> Answer:
    """Give the canary keyset of the same custodians, for rehearsals."""
    return dict(kits.canary_keyset(here, consultation))


@router.post("", status_code=201, responses=writes())
def draft_consultation(who: Known, scope: Bound, key: Key, form: DraftForm) -> Answer:
    """Open the file of a consultation; the caller's organisation is its buyer."""
    name = form.id or object_id(who.act(key, "").command_id, "consultation")[:16]
    command = draft.DraftConsultation(
        consultation=name,
        reference=form.reference,
        object=form.object,
        nature=Nature(form.nature),
        procedure=form.procedure,
        cpv=form.cpv,
        place=form.place,
        technique=form.technique,
        estimated_cents=form.estimated_cents,
    )
    who.platform.act(draft.draft_consultation, who.act(key, name), command)
    return scope.consultation(name)


@router.post("/{consultation}/lots", status_code=201, responses=writes(412))
def define_lot(on: On, form: LotForm) -> Answer:
    """Define one lot; without any, the consultation is the single lot "0"."""
    command = draft.DefineLot(on.name, form.lot, form.title, form.estimated_cents)
    return on.done(draft.define_lot, command)


@router.post("/{consultation}/criteria", status_code=201, responses=writes(412))
def set_criteria(on: On, form: CriteriaForm) -> Answer:
    """Say how offers will be judged."""
    rows = tuple(Criterion(row.name, row.weight_bp) for row in form.criteria)
    command = draft.SetCriteria(on.name, rows, form.price_formula)
    return on.done(draft.set_criteria, command)


@router.post("/{consultation}/calendar", status_code=201, responses=writes(412))
def set_calendar(on: On, form: CalendarForm) -> Answer:
    """Set the hours."""
    command = draft.SetCalendar(
        on.name,
        questions_until_at=form.questions_until.legal().at,
        deadline=form.deadline.legal(),
        opening_not_before_at=instant(form.opening_not_before),
        cool_down_s=form.cool_down_s,
        validity_days=form.validity_days,
    )
    return on.done(draft.set_calendar, command)


@router.post("/{consultation}/limits", status_code=201, responses=writes(412))
def set_technical_limits(on: On, form: LimitsForm) -> Answer:
    """Set the limits that publication will make enforceable."""
    command = draft.SetTechnicalLimits(on.name, form.limits())
    return on.done(draft.set_technical_limits, command)


@router.post("/{consultation}/deposit-policy", status_code=201, responses=writes(412))
def set_deposit_policy(on: On, form: PolicyForm) -> Answer:
    """Say what depositors may do."""
    command = draft.SetDepositPolicy(
        on.name,
        complements=Complements(form.complements),
        backup_electronic=form.backup_electronic,
        paper_exceptions=tuple(form.paper_exceptions),
        mode=EnvelopeMode(form.mode),
    )
    return on.done(draft.set_deposit_policy, command)


@router.post("/{consultation}/ceremony", status_code=201, responses=writes())
def assign_keyset(who: Known, scope: Bound, key: Key, consultation: Id) -> Answer:
    """Hold the key ceremony of this consultation with the custodians, 2 of 3."""
    scope.equip(who.act(key, consultation), consultation)
    return scope.consultation(consultation)


@router.post("/{consultation}/canary", status_code=201, responses=writes())
def decrypt_canary(who: Known, scope: Bound, key: Key, consultation: Id) -> Answer:
    """Open the canary end to end with the same custodians; at most 24 h old at publication."""
    scope.open_canary(who.act(key, consultation), consultation)
    return scope.consultation(consultation)


@router.post("/{consultation}/keyset/retirement", status_code=201, responses=writes())
def retire_keyset(who: Known, scope: Bound, key: Key, consultation: Id, form: ReasonForm) -> Answer:
    """Let the custodians erase their shares, for ever; only once no lot waits to be opened."""
    return scope.retire_keyset(who.act(key, consultation), consultation, form.reason)


@router.post("/{consultation}/publication", status_code=201, responses=writes(412))
def publish_consultation(on: On, form: PublishForm) -> Answer:
    """Make the consultation public, once nothing is missing."""
    command = publish.PublishConsultation(on.name, tuple(form.notice_ids))
    return on.done(publish.publish, command)


@router.post("/{consultation}/corrections/limits", status_code=201, responses=writes(412))
def correct_limits(on: On, form: CorrectedLimitsForm) -> Answer:
    """Relax limits after publication."""
    command = correct.CorrectLimits(on.name, form.limits(), form.reason)
    return on.done(correct.correct_limits, command)


@router.post("/{consultation}/extensions", status_code=201, responses=writes(412))
def extend_deadline(on: On, form: ExtensionForm) -> Answer:
    """Move the deadline later."""
    command = extend.ExtendDeadline(on.name, form.deadline.legal(), form.reason, form.triggered_by)
    return on.done(extend.extend, command)


@router.post("/{consultation}/suspensions", status_code=201, responses=writes(412))
def suspend_consultation(on: On, form: ReasonForm) -> Answer:
    """Stop the clock of a consultation."""
    command = suspend.SuspendConsultation(on.name, form.reason)
    return on.done(suspend.suspend, command)


@router.post("/{consultation}/resumptions", status_code=201, responses=writes(412))
def resume_consultation(on: On, form: ResumptionForm) -> Answer:
    """Go on with a later deadline."""
    command = suspend.ResumeConsultation(on.name, form.deadline.legal())
    return on.done(suspend.resume, command)

"""What readers are told: deadlines in force, limits, files, minutes, roles, the line of facts."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from doubles.entries import HandLedger
from doubles.procedures import COMPANIES, DEADLINE, LATER, LIMITS, MEL, NOW, ROUBAIX, Teller

from projections import attempts
from projections.consultations import Limits, Phase
from projections.errors import ProjectionError
from projections.facts import Fact
from projections.reading import BadToken, instant, instant_text
from projections.search import Filter
from projections.views import Views

NAME = "roubaix-menuiseries-2026"
SWEEP = "mel-balayage-2026"


def names(views: Views, asked: Filter) -> list[str]:
    return [item.consultation for item in views.search.find(asked, NOW).items]


def test_the_deadline_in_force_is_the_last_extension(views: Views) -> None:
    found = views.consultations.read(SWEEP, NOW)
    assert found is not None
    assert found.summary.deadline_at == LATER + timedelta(days=2)
    assert found.deadline_local == "2026-04-12T11:00"
    (correction,) = found.corrections
    assert (correction.kind, correction.old_at) == ("DeadlineExtended", LATER)
    assert correction.reason.startswith("Réponse tardive")


def test_one_consultation_has_what_a_company_needs(views: Views) -> None:
    found = views.consultations.read(NAME, NOW)
    assert found is not None
    assert found.summary.buyer_name == "Ville de Roubaix"
    assert found.summary.phase is Phase.OPENED
    assert found.limits == Limits(**{**LIMITS, "formats": tuple(LIMITS["formats"])})  # type: ignore[dict-item]
    assert [(lot.lot, lot.title) for lot in found.lots] == [
        ("1", "École Jules-Guesde"),
        ("2", "Hôtel de ville"),
    ]
    assert [row.weight_bp for row in found.criteria] == [6000, 4000]
    assert found.reached_at is not None


def test_a_consultation_without_lots_is_its_single_lot(views: Views) -> None:
    found = views.consultations.read(SWEEP, NOW)
    assert found is not None
    assert [lot.lot for lot in found.lots] == ["0"]


def test_drafts_are_read_by_their_own_buyer_only(views: Views) -> None:
    assert views.consultations.read("brouillon", NOW) is None
    assert views.dossiers.versions("brouillon") == ()
    assert views.story_line.of("brouillon") == ()
    assert views.of(MEL, str).drafts() == ["brouillon"]
    assert views.of(ROUBAIX, str).drafts() == []
    assert views.consultations.read("absent", NOW) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", 3),
        ("ecole guesde", 1),
        ("MÉTROPOLE", 2),
        ("roubaix menuiseries", 1),
        ("balayage 59000", 1),
        ("100%", 0),
        ("_", 0),
        ("projet", 0),
    ],
)
def test_words_are_found_without_accents_or_capitals(
    views: Views, words: str, expected: int
) -> None:
    assert len(names(views, Filter(words=words))) == expected


def test_filters_agree_with_the_phase_that_is_shown(views: Views) -> None:
    assert names(views, Filter(phase=Phase.OPEN)) == [SWEEP, "mel-video-2026"]
    assert names(views, Filter(phase=Phase.OPENED)) == [NAME]
    assert names(views, Filter(phase=Phase.CLOSED)) == []
    assert names(views, Filter(nature="WORKS")) == [NAME]
    assert names(views, Filter(buyer=ROUBAIX)) == [NAME]
    for phase in Phase:
        found = views.search.find(Filter(phase=phase), NOW).items
        assert all(item.phase is phase for item in found)


def test_a_past_deadline_closes_before_anything_is_recorded(views: Views) -> None:
    after = LATER + timedelta(days=2, microseconds=1)
    found = views.search.find(Filter(phase=Phase.CLOSED), after)
    assert [item.consultation for item in found.items] == [SWEEP]
    at = views.search.find(Filter(phase=Phase.OPEN), LATER + timedelta(days=2)).items
    assert SWEEP in [item.consultation for item in at]


@pytest.mark.parametrize("phase", [None, Phase.OPEN])
def test_pages_show_every_consultation_once(views: Views, phase: Phase | None) -> None:
    whole = [item.consultation for item in views.search.find(Filter(phase=phase), NOW).items]
    seen: list[str] = []
    after = None
    for _ in range(len(whole)):
        page = views.search.find(Filter(phase=phase), NOW, after, limit=1)
        seen += [item.consultation for item in page.items]
        after = page.after
    assert seen == whole
    assert after is None


@pytest.mark.parametrize("token", ["x", "!!", "WzFd", "bnVsbA"])
def test_a_page_token_of_somebody_else_is_refused(views: Views, token: str) -> None:
    with pytest.raises(BadToken):
        views.search.find(Filter(), NOW, token)


def test_buyers_stand_by_name(views: Views) -> None:
    assert views.search.buyers() == [
        (MEL, "Métropole Européenne de Lille"),
        (ROUBAIX, "Ville de Roubaix"),
    ]


def test_the_dossier_lists_its_files_in_order(views: Views) -> None:
    latest = views.dossiers.latest(NAME)
    assert latest is not None
    assert latest.version == 1
    assert [file.name for file in latest.files] == ["Règlement de la consultation.pdf", "CCTP.pdf"]
    assert latest.files[0].size == 214_311
    assert views.dossiers.latest("absent") is None


def test_custody_names_its_holders_and_level(views: Views) -> None:
    found = views.custody.of(NAME)
    assert found is not None
    assert (found.k, found.n, found.placement) == (2, 3, "A0")
    assert [holder.custodian for holder in found.custodians] == [
        "gardien-1",
        "gardien-2",
        "gardien-3",
    ]
    assert found.canary_at is not None
    assert {row.state for row in views.custody.ceremonies()} == {"READY"}
    assert views.custody.of("absent") is None


def test_the_minutes_tell_every_verdict_and_every_refused_try(views: Views) -> None:
    found = views.openings.minutes(NAME, "1")
    assert found is not None
    assert found.state == "COMPLETED"
    assert [(row.verdict, row.state) for row in found.envelopes] == [
        ("superseded", "SEALED"),
        ("open", "OPENED"),
        ("open", "UNREADABLE"),
        ("withdrawn", "WITHDRAWN"),
        ("late", "LATE"),
    ]
    assert found.envelopes[1].commitment_matches is True
    assert found.envelopes[1].answers == ("gardien-1", "gardien-3")
    assert (found.envelopes[2].fault, found.envelopes[2].cause) == ("DEPOSITOR", "chunk")
    assert found.envelopes[4].late_by_ms == 550
    assert [(row.role, row.code) for row in found.refusals] == [
        ("BU", "opening.too-early"),
        ("PA", "opening.too-early"),
        ("CU", "too-early"),
    ]
    assert found.closing is not None
    assert found.closing.witnesses == ("gardien-1", "gardien-2", "gardien-3")
    assert found.presences == ("TITULAR", "TITULAR", "ADVISORY")
    assert found.plans[0].minutes_hash
    assert found.quorum == ("gardien-1", "gardien-3")


@pytest.mark.parametrize(("stream", "rows"), [("deposit/x", 0), ("transmission/x", 1)])
def test_a_refused_withdrawal_is_no_attempt_to_deposit(stream: str, rows: int) -> None:
    told = {"code": "deposit.frozen", "text": "trop tard", "reason_id": "1"}
    row = HandLedger().add(("CY", "55208131766522", "20009320100016"), stream, "MessageShown", told)
    assert len(list(attempts.fold(Fact(row)))) == rows


def test_anchored_checkpoints_are_told_once(views: Views) -> None:
    (anchor,) = views.checkpoints.anchored()
    assert anchor.size % 16 == 0
    assert anchor.purpose == "CLOSING"


def test_the_line_keeps_the_order_of_the_ledger(views: Views) -> None:
    line = views.story_line.of(NAME)
    kinds = [moment.kind for moment in line]
    for earlier, later in (
        ("ConsultationDrafted", "ConsultationPublished"),
        ("ConsultationPublished", "DepositSealed"),
        ("DepositSealed", "DeadlineReached"),
        ("DeadlineReached", "OpeningPlanFixed"),
        ("OpeningPlanFixed", "EnvelopeOpened"),
        ("EnvelopeOpened", "OpeningCompleted"),
    ):
        assert kinds.index(earlier) < kinds.index(later)
    assert line[0].reference == f"consultation/{NAME}#1"
    assert all(one.at <= two.at for one, two in pairwise(line))


def test_roles_are_held_from_a_day_to_a_day_until_revoked(
    told: Teller,
    views_of,
) -> None:
    day = date(2026, 5, 1)
    act = told.by("BU", MEL, MEL)
    grant = {"person": "p", "role": "CO", "scope": "*"}
    act(f"buyer/{MEL}", "RoleGranted", **grant, valid_from="2026-05-02")
    act(f"buyer/{MEL}", "RoleGranted", **grant, valid_from="2026-01-01", valid_to="2026-05-01")
    views = views_of(told.ledger)
    assert [row.role for row in views.of(MEL, str).members(day)] == ["BU", "CO"]
    assert [row.valid_to for row in views.members.of(MEL, day)][1] == day
    act(f"buyer/{MEL}", "RoleRevoked", person="p", role="CO", reason="départ")
    act(f"buyer/{MEL}", "RoleGranted", **grant, valid_from="2026-04-01")
    views = views_of(told.ledger)
    assert [row.valid_from for row in views.members.of(MEL, day)][1:] == [date(2026, 4, 1)]
    assert views.members.of(ROUBAIX, date(2025, 1, 1)) == ()
    buyer = views.members.buyer(MEL)
    assert buyer is not None
    assert buyer.kind == "EPCI"
    assert views.members.buyer(next(iter(COMPANIES))) is None


def test_corrections_after_publication_are_kept_with_their_reasons(
    told: Teller,
    views_of,
) -> None:
    act, stream = told.by("BU", MEL, MEL), f"consultation/{SWEEP}"
    act(stream, "LimitsCorrected", limits={**LIMITS, "max_files": 20_000}, reason="volume")
    act(
        stream,
        "DossierCorrected",
        new_root="ab" * 32,
        changed_files=["CCTP.pdf"],
        lots=["0"],
        importance="IMPORTANT",
        reason="plan",
    )
    act(stream, "ExtensionWaived", correction="1", reason="mineure")
    act(stream, "ConsultationSuspended", reason="référé")
    found = views_of(told.ledger).consultations.read(SWEEP, NOW)
    assert found.limits.max_files == 20_000
    assert found.dossier_root == "ab" * 32
    assert found.summary.phase is Phase.SUSPENDED
    act(stream, "ConsultationResumed", new_deadline_at=LATER + timedelta(days=30))
    found = views_of(told.ledger).consultations.read(SWEEP, NOW)
    assert found.summary.deadline_at == LATER + timedelta(days=30)
    assert found.deadline_local is None
    assert [row.kind for row in found.corrections] == [
        "DeadlineExtended",
        "LimitsCorrected",
        "DossierCorrected",
        "ExtensionWaived",
        "ConsultationSuspended",
        "ConsultationResumed",
    ]
    assert found.corrections[2].importance == "IMPORTANT"


def test_instants_keep_their_text() -> None:
    text = "2026-03-02T07:00:05.813362Z"
    assert instant_text(instant(text)) == text
    assert instant(instant_text(DEADLINE)) == DEADLINE


def test_reasons_have_codes() -> None:
    codes = [kind.code for kind in ProjectionError.__subclasses__()]
    assert sorted(codes) == ["projection.behind", "projection.gap", "projection.moved"]

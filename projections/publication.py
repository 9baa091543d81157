"""What each event of a consultation changes, from the draft to the closed register.

The deadline in force is a projection of all extensions (rule T3).
"""

from __future__ import annotations

from collections.abc import Iterator

from projections.changes import Amend, Change, Put, Row, folded
from projections.facts import Fact, canonical
from projections.reading import plain
from projections.tables import consultations, corrections, lots


def _drafted(fact: Fact) -> Iterator[Change]:
    words = (fact.text("reference"), fact.text("object"), fact.text("place"), fact.text("cpv"))
    yield Put(
        consultations,
        {
            "consultation": fact.name,
            "tenant": fact.tenant,
            "state": "DRAFTED",
            "reference": fact.text("reference"),
            "object": fact.text("object"),
            "nature": fact.text("nature"),
            "procedure": fact.text("procedure"),
            "technique": fact.text("technique"),
            "cpv": fact.text("cpv"),
            "place": fact.text("place"),
            "estimated_cents": fact.count("estimated_cents"),
            "search": plain(" ".join(words)),
        },
    )


def _lot(fact: Fact) -> Iterator[Change]:
    yield Put(
        lots,
        {
            "consultation": fact.name,
            "lot": fact.text("lot"),
            "title": fact.text("title"),
            "estimated_cents": fact.count("estimated_cents"),
            "place": fact.version,
            "search": plain(fact.text("title")),
        },
    )


def _criteria(fact: Fact) -> Iterator[Change]:
    row: Row = {"criteria": fact.json("criteria"), "price_formula": fact.maybe("price_formula")}
    yield Amend(consultations, {"consultation": fact.name}, row)


def _calendar(fact: Fact) -> Iterator[Change]:
    yield Amend(
        consultations,
        {"consultation": fact.name},
        {
            "questions_until_at": fact.maybe("questions_until_at"),
            "opening_not_before_at": fact.maybe("opening_not_before_at"),
            "cool_down_s": fact.number("cool_down_s"),
            "validity_days": fact.count("validity_days"),
            **_deadline(fact, "deadline_at"),
        },
    )


def _deadline(fact: Fact, field: str) -> dict[str, str | None]:
    return {
        "deadline_at": fact.text(field),
        "deadline_local": fact.maybe("deadline_local"),
        "zone": fact.maybe("zone"),
    }


def _policy(fact: Fact) -> Iterator[Change]:
    row: Row = {
        "complements": fact.text("complements"),
        "backup_electronic": bool(fact.data["backup_electronic"]),
        "mode": fact.text("mode"),
    }
    yield Amend(consultations, {"consultation": fact.name}, row)


def _published(fact: Fact) -> Iterator[Change]:
    yield Amend(
        consultations,
        {"consultation": fact.name},
        {
            "state": "PUBLISHED",
            "published_at": fact.at,
            "procedure": fact.text("procedure"),
            "limits": fact.json("limits"),
            "key_fingerprint": fact.text("key_fingerprint"),
            "dossier_root": fact.text("dossier_root"),
            **_deadline(fact, "deadline_at"),
        },
    )


def _limits(fact: Fact) -> Iterator[Change]:
    yield Amend(consultations, {"consultation": fact.name}, {"limits": fact.json("limits")})
    yield _correction(fact)


def _dossier(fact: Fact) -> Iterator[Change]:
    row: Row = {"dossier_root": fact.text("new_root")}
    yield Amend(consultations, {"consultation": fact.name}, row)
    yield _correction(fact)


def _extended(fact: Fact) -> Iterator[Change]:
    yield Amend(consultations, {"consultation": fact.name}, _deadline(fact, "new_at"))
    yield _correction(fact)


def _waived(fact: Fact) -> Iterator[Change]:
    yield _correction(fact)


def _suspended(fact: Fact) -> Iterator[Change]:
    yield Amend(consultations, {"consultation": fact.name}, {"state": "SUSPENDED"})
    yield _correction(fact)


def _resumed(fact: Fact) -> Iterator[Change]:
    row: Row = {"state": "PUBLISHED", **_deadline(fact, "new_deadline_at")}
    yield Amend(consultations, {"consultation": fact.name}, row)
    yield _correction(fact)


def _reached(fact: Fact) -> Iterator[Change]:
    yield Amend(consultations, {"consultation": fact.name}, {"reached_at": fact.at})


def _closed(fact: Fact) -> Iterator[Change]:
    row: Row = {"state": "CLOSED", "closed_at": fact.at}
    yield Amend(consultations, {"consultation": fact.name}, row)


def _correction(fact: Fact) -> Change:
    detail = {name: value for name, value in fact.data.items() if name not in {"meta", "limits"}}
    return Put(
        corrections,
        {
            "consultation": fact.name,
            "version": fact.version,
            "kind": fact.kind,
            "at": fact.at,
            "detail": canonical(detail),
        },
    )


fold = folded(
    {
        "ConsultationDrafted": _drafted,
        "LotDefined": _lot,
        "CriteriaSet": _criteria,
        "CalendarSet": _calendar,
        "DepositPolicySet": _policy,
        "ConsultationPublished": _published,
        "LimitsCorrected": _limits,
        "DossierCorrected": _dossier,
        "DeadlineExtended": _extended,
        "ExtensionWaived": _waived,
        "ConsultationSuspended": _suspended,
        "ConsultationResumed": _resumed,
        "DeadlineReached": _reached,
        "RegisterClosed": _closed,
    }
)

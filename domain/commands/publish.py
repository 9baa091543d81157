"""Publish a consultation, once nothing is missing (domain.md §4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import Reading, date_after, local_date
from domain.commands.loading import custody_of, own_consultation
from domain.consultation import Consultation
from domain.custody import Custody
from domain.dossier import Dossier
from domain.errors import BeforePublication, PublicationIncomplete
from domain.events.consultation import ConsultationPublished
from domain.law import Law
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class PublishConsultation:
    """Make the consultation public."""

    consultation: str
    notice_ids: tuple[str, ...] = ()


def publish(desk: Desk, act: Act, command: PublishConsultation) -> Recorded:
    """Append ConsultationPublished, or refuse with ``publication.incomplete``."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation = own_consultation(desk, act, command.consultation)
    consultation.require(ConsultationPublished, "DRAFTED")
    dossier = desk.files.find(Dossier, f"dossier/{command.consultation}")
    custody = custody_of(desk, command.consultation)
    now = desk.reading(consultation, custody)
    missing = _missing(consultation, dossier, custody, now, desk.law)
    calendar, limits, keyset = consultation.calendar, consultation.limits, custody.keyset
    if missing or not (calendar and limits and keyset and dossier):
        raise PublicationIncomplete(tuple(missing))
    if calendar.deadline_at <= now.latest:
        raise BeforePublication(calendar.deadline_at, now.latest)
    consultation.append(
        ConsultationPublished(
            **consultation.stamp(desk.meta(act, now, consultation.tenant)),
            notice_ids=list(command.notice_ids),
            dossier_root=dossier.roots[-1],
            limits=limits,
            deadline_at=calendar.deadline_at,
            deadline_local=calendar.deadline_local,
            zone=calendar.zone,
            key_fingerprint=keyset.digest,
            procedure=consultation.procedure,
        )
    )
    expect = {dossier.id: dossier.version, custody.id: custody.version}
    return desk.save(act, command, [consultation], expect)


def _missing(
    consultation: Consultation, dossier: Dossier | None, custody: Custody, now: Reading, law: Law
) -> list[str]:
    """Return what the publication lacks (domain.md §4.3)."""
    there = {
        "dossier": dossier is not None and bool(dossier.roots),
        "calendar": _lawful_calendar(consultation, now, law),
        "criteria": consultation.criteria is not None,
        "limits": consultation.limits is not None,
        "key ceremony": custody.keyset is not None,
        "canary": custody.canary_fresh(now.latest),
    }
    return [name for name, present in there.items() if not present]


def _lawful_calendar(consultation: Consultation, now: Reading, law: Law) -> bool:
    """Say whether the hours leave the days which the procedure demands from today."""
    calendar = consultation.calendar
    if calendar is None or calendar.questions_until_at > calendar.deadline_at:
        return False
    today, last = local_date(now.latest), local_date(calendar.deadline_at)
    delays = law.procedures.of(consultation.procedure).min_days.values()
    return all(last >= date_after(today, law.rules.at(key, today).value) for key in delays)

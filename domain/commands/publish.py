"""Publish a consultation, once nothing is missing (domain.md §4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class PublishConsultation:
    """Make the consultation public."""

    consultation: str
    notice_ids: tuple[str, ...] = ()


def publish(desk: Desk, act: Act, command: PublishConsultation) -> Recorded:
    """Append ConsultationPublished, or refuse with ``publication.incomplete``."""
    raise NotImplementedError

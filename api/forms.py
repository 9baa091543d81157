"""Forms of requests: exact types, no unknown field; the domain judges what they mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from domain.clock import LegalHour
from domain.errors import BadForm
from domain.identifiers import check_written


def written(text: str) -> str:
    """Return a text that can be recorded as it is; pydantic refuses what raises ValueError."""
    try:
        return check_written("text", text)
    except BadForm as refusal:
        raise ValueError(refusal.reason) from refusal


IdText = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
LotText = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$")]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RECORDABLE: JsonDict = {"format": "recordable"}
"""What ``written`` asks, as the published schema says it."""
Text = Annotated[
    str,
    Field(min_length=1, max_length=4000, json_schema_extra=RECORDABLE),
    AfterValidator(written),
]
Short = Annotated[
    str,
    Field(min_length=1, max_length=300, json_schema_extra=RECORDABLE),
    AfterValidator(written),
]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", json_schema_extra={"format": "date"})]
Cents = Annotated[int, Field(ge=0, le=2**53 - 1)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
At = Annotated[
    str | None,
    Query(
        max_length=40,
        description="Instant, RFC 3339; absent: now",
        json_schema_extra={"format": "date-time"},
    ),
]


class Form(BaseModel):
    """A request body: an unknown field or another type is refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LocalHour(Form):
    """A legal hour as a person writes it: whole minutes and a zone (T4)."""

    local: Annotated[
        str,
        Field(
            max_length=40,
            examples=["2026-03-31T12:00"],
            json_schema_extra={"format": "legal-hour"},
        ),
    ]
    zone: Annotated[str, Field(max_length=60, json_schema_extra={"format": "time-zone"})] = (
        "Europe/Paris"
    )

    def legal(self) -> LegalHour:
        """Return the hour that this text means; raise ``calendar.form`` or no-such-hour."""
        return LegalHour.written(self.local, self.zone)


def instant(text: LocalHour | None) -> datetime | None:
    """Return the UTC instant of an optional hour."""
    return None if text is None else text.legal().at.astimezone(UTC)

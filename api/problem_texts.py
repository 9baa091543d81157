"""What every error code is called, in French and English, and the HTTP status it answers with.

Statuses: 401 no login · 403 own object, not allowed · 404 absent or foreign · 409 state ·
412 version · 413 limit · 422 form · 429 and 503 come again · 507 storage.
"""

from __future__ import annotations

import pkgutil
import tomllib
from typing import NamedTuple


class Text(NamedTuple):
    """Status and titles of one code."""

    status: int
    fr: str
    en: str


def _read() -> dict[str, Text]:
    data = pkgutil.get_data("api", "problems.toml")
    rows = tomllib.loads((data or b"").decode())
    return {code: Text(*row) for code, row in rows.items()}


TEXTS = _read()

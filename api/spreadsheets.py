"""Tables for people: CSV as spreadsheets of our readers open it, no cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for a formula."""
MARK = "\ufeff"


def written(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as a table with a heading; what a row lacks is an empty cell."""
    text = io.StringIO()
    table = csv.writer(text, delimiter=";", lineterminator="\r\n")
    table.writerow(columns)
    for row in rows:
        table.writerow([_plain(str(row.get(name, ""))) for name in columns])
    return MARK + text.getvalue()


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell

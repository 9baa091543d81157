"""Tables for spreadsheets, as XLSX: every text is a text, whatever it begins with.

A cell has the type of its value, so no text of anybody's is read as a formula, a number or a link.
One that begins like a formula also carries the mark by which a spreadsheet keeps it a text when it
is edited. Made in memory: no copy lies on a disk. Same rows, same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime

from xlsxwriter import Workbook  # type: ignore[import-untyped]

from api.spreadsheets import FORMULA

LONGEST = 32_767
"""Characters of one cell."""
OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
Value = str | int | None


def sheet(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Value]], dated: datetime
) -> bytes:
    """Return a workbook of one sheet, its first row the names of the columns."""
    made = io.BytesIO()
    book = Workbook(made, OPTIONS)
    book.set_properties({"title": title, "created": dated.replace(tzinfo=None)})
    page = book.add_worksheet()
    head, text = book.add_format({"bold": True}), book.add_format({"quote_prefix": True})
    for column, name in enumerate(columns):
        page.write_string(0, column, name, head)
    last = 0
    for last, row in enumerate(rows, 1):
        for column, value in enumerate(row):
            if isinstance(value, bool):
                page.write_boolean(last, column, value)
            elif isinstance(value, int):
                page.write_number(last, column, value)
            elif value:
                marked = text if value.startswith(FORMULA) else None
                page.write_string(last, column, _short(value), marked)
    page.freeze_panes(1, 0)
    page.autofilter(0, 0, last, len(columns) - 1)
    book.close()
    return made.getvalue()


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

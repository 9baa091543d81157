"""French, then English: catalogues read at start, dates, sums, sizes and time left in words.

French is the source text. After a change of a text: ``pybabel extract -F api/web/locale/babel.cfg
-k say -k count:1,2 -o pli.pot api/web``, then ``pybabel update -N -D pli -i pli.pot -d
api/web/locale``; a missing, fuzzy or obsolete message is a red test.
"""

from __future__ import annotations

import io
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal

LANGUAGES = ("fr", "en")
LEGAL_ZONE = "Europe/Paris"
THIN = re.compile(r" (?=[:;?!»])|(?<=«) ")
"""Where French sets a space that never breaks."""

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Language:
    """One language of the pages: its catalogue, and how it writes dates and figures."""

    code: str
    catalogue: GNUTranslations

    def say(self, message: str, **values: object) -> str:
        """Return a message in this language, its values set in."""
        text = self.catalogue.gettext(message)
        return text % values if values else text

    def count(self, one: str, many: str, number: int) -> str:
        """Return the singular or the plural that this language uses for a number."""
        return self.catalogue.ngettext(one, many, number) % {"num": self.number(number)}

    def day(self, at: datetime, zone: str | None = None) -> str:
        """Return a legal date with its hour, minutes, and seconds where there are some."""
        clock = "HH:mm:ss" if at.second else "HH:mm"
        pattern = {"fr": f"EEEE d MMMM y 'à' {clock}", "en": f"EEEE d MMMM y 'at' {clock}"}
        return self._format(at, pattern[self.code], zone or LEGAL_ZONE)

    def short(self, at: datetime) -> str:
        """Return a legal date and hour for tables, to the second."""
        return self._format(at, "dd/MM/y HH:mm:ss", LEGAL_ZONE)

    def date(self, on: date) -> str:
        """Return a legal date for tables."""
        return format_date(on, "dd/MM/y", locale=self.code)

    def universal(self, at: datetime) -> str:
        """Return an instant in universal time, to the second."""
        return self._format(at, "y-MM-dd HH:mm:ss 'UTC'", "UTC")

    def euros(self, cents: int) -> str:
        """Return a sum."""
        return format_currency(Decimal(cents) / 100, "EUR", locale=self.code)

    def number(self, number: int) -> str:
        """Return a whole number with its groups."""
        return format_decimal(number, locale=self.code)

    def percent(self, basis_points: int) -> str:
        """Return basis points as a percentage."""
        written = format_decimal(Decimal(basis_points) / 100, locale=self.code)
        return f"{written} %" if self.code == "fr" else f"{written}%"

    def size(self, count: int) -> str:
        """Return a size of a file as people read it, in powers of ten."""
        units = (
            ("o", "Ko", "Mo", "Go", "To") if self.code == "fr" else ("B", "kB", "MB", "GB", "TB")
        )
        scaled, unit = Decimal(count), 0
        while scaled >= 1000 and unit < len(units) - 1:
            scaled, unit = scaled / 1000, unit + 1
        rounded = scaled.quantize(Decimal("1") if not unit or scaled >= 100 else Decimal("0.1"))
        return f"{format_decimal(rounded, locale=self.code)} {units[unit]}"

    def left(self, deadline: datetime, now: datetime) -> str:
        """Return the time before a deadline in words, as ``countdown.ts`` goes on counting it."""
        rest = deadline - now
        if rest < timedelta(0):
            return self.say("La date limite est passée")
        if rest < MINUTE:
            return self.say("Il reste moins d'une minute")
        days, hours, minutes = rest // DAY, rest % DAY // HOUR, rest % HOUR // MINUTE
        first = self.count("%(num)s jour", "%(num)s jours", days)
        second = self.count("%(num)s heure", "%(num)s heures", hours)
        if not days:
            first, second = second, self.count("%(num)s minute", "%(num)s minutes", minutes)
        return self.say("Il reste %(first)s et %(second)s", first=first, second=second)

    def _format(self, at: datetime, pattern: str, zone: str) -> str:
        local = at.astimezone(UTC).astimezone(ZoneInfo(zone))
        return format_datetime(local, pattern, locale=self.code)


@cache
def languages() -> Mapping[str, Language]:
    """Read both catalogues, once."""
    return {code: Language(code, _catalogue(code)) for code in LANGUAGES}


def _catalogue(code: str) -> GNUTranslations:
    source = pkgutil.get_data("api.web", f"locale/{code}/LC_MESSAGES/pli.po") or b""
    catalogue = read_po(io.BytesIO(source), locale=code)
    if code == "fr":
        for message in catalogue:
            if message.id and message.string:
                message.string = _set(message.string)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    return GNUTranslations(io.BytesIO(compiled.getvalue()))


def _set(text: str | list[str] | tuple[str, ...]) -> str | list[str]:
    if isinstance(text, str):
        return THIN.sub("\u00a0", text)
    return [THIN.sub("\u00a0", form) for form in text]

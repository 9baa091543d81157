"""Fields of a form, and what was entered: every fault is told beside its field, all at once.

A form never converts in silence: sums are read from euros to whole cents, dates and hours are legal
ones (T4, T8), a choice must be one of those that were offered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from api.web.words import N_
from domain.clock import LEGAL_ZONE, LegalHour
from domain.errors import BadCalendarForm, BadForm, BadSiret, NoSuchHour
from domain.identifiers import HEX64, check_siret, check_text

EUROS = re.compile(r"(\d{1,13})(?:[.,](\d{2}))?")
GROUPING = re.compile(r"[\s\u00a0\u202f']")
LONGEST_SIZE = 15
MISSING = N_("Remplissez ce champ.")
UNREADABLE = N_(
    "Ce texte est trop long ou contient des signes invisibles. Raccourcissez-le ou retapez-le."
)
NO_DATE = N_("Ce n'est pas une date. Écrivez le jour, le mois et l'année.")
NO_HOUR = N_("Cette heure n'existe pas ce jour-là, ou existe deux fois. Choisissez-en une autre.")
NO_SUM = N_("Ce n'est pas une somme. Écrivez des euros, par exemple 90 000 ou 90 000,50.")
NO_SIRET = N_("Ce n'est pas un SIRET. Vérifiez les 14 chiffres.")
NO_CHOICE = N_("Choisissez une des propositions.")
NO_CHOICES = N_("Cochez au moins une case.")
NO_NUMBER = N_("Écrivez un nombre entier.")
NO_ROOT = N_("Une racine a 64 chiffres hexadécimaux. Recopiez-la en entier.")


@dataclass(frozen=True)
class Option:
    """One choice; ``word``: its text is ours and is translated, else it came from outside."""

    value: str
    text: str
    word: bool = False


@dataclass(frozen=True)
class Field:
    """One question of a form."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    required: bool = True
    options: Sequence[Option] = ()
    longest: int = 300
    default: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    """What the label and the hint say beside their words."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a field, and what to do."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)


class Faulty(Exception):
    """What was entered cannot be recorded; each fault stands under the name of its field."""

    def __init__(self, faults: Mapping[str, Fault]) -> None:
        super().__init__(", ".join(sorted(faults)))
        self.faults = faults


class Entered:
    """What somebody entered: reads fields, keeps every fault, raises them together."""

    def __init__(self, values: Mapping[str, str], asked: Sequence[Field]) -> None:
        self._values = values
        self._asked = {one.name: one for one in asked}
        self._faults: dict[str, Fault] = {}

    def check(self) -> None:
        """Return quietly if every field that was read is sound, else raise Faulty."""
        if self._faults:
            raise Faulty(self._faults)

    def check_all(self) -> None:
        """Return quietly if every field of the form is sound, whatever its act asks of them."""
        read = {
            "text": self.text,
            "number": self.number,
            "root": self.root,
        }
        for one in self._asked.values():
            if one.required or self.raw(one.name):
                read[one.kind](one.name)
        self.check()

    def fault(self, name: str, text: str, **values: object) -> None:
        """Remember what is wrong with a field; its first fault counts."""
        self._faults.setdefault(name, Fault(text, values))

    def raw(self, name: str) -> str:
        """Return a field without outer spaces, "" where nothing was entered."""
        return self._values.get(name, "").strip()

    def text(self, name: str) -> str:
        """Return a text that an entry can hold."""
        given = self._needed(name)
        if given:
            try:
                check_text(name, given, self._asked[name].longest)
            except BadForm:
                self.fault(name, UNREADABLE)
        return given

    def day(self, name: str) -> date:
        """Return a date."""
        given = self._needed(name)
        return (self._day(name, given) if given else None) or date.min

    def day_or_none(self, name: str) -> date | None:
        """Return a date, None where nothing was entered."""
        given = self.raw(name)
        return self._day(name, given) if given else None

    def hour(self, day: str, hour: str) -> datetime:
        """Return the instant of a legal date and hour."""
        given = f"{self._needed(day)}T{self._needed(hour)}"
        try:
            return LegalHour.written(given, LEGAL_ZONE).at
        except NoSuchHour:
            self.fault(hour, NO_HOUR)
        except BadCalendarForm:
            self.fault(day, NO_DATE)
        return datetime.min.replace(tzinfo=UTC)

    def cents(self, name: str) -> int:
        """Return a sum in cents, which was written in euros."""
        given = self._needed(name)
        found = EUROS.fullmatch(GROUPING.sub("", given).removesuffix("€"))
        if found is None:
            if given:
                self.fault(name, NO_SUM)
            return 0
        return 100 * int(found[1]) + int(found[2] or 0)

    def number(self, name: str) -> int:
        """Return a whole number."""
        given = GROUPING.sub("", self._needed(name))
        if not given.isascii() or not given.isdigit() or len(given) > LONGEST_SIZE:
            self.fault(name, NO_NUMBER)
            return 0
        return int(given)

    def number_or_none(self, name: str) -> int | None:
        """Return a whole number, None where nothing was entered."""
        return self.number(name) if self.raw(name) else None

    def siret(self, name: str) -> str:
        """Return a SIRET; people write it in groups."""
        given = GROUPING.sub("", self._needed(name))
        if given:
            try:
                check_siret(given)
            except BadSiret:
                self.fault(name, NO_SIRET)
        return given

    def root(self, name: str) -> str:
        """Return the root of a log."""
        given = GROUPING.sub("", self._needed(name)).lower()
        if given and not HEX64.fullmatch(given):
            self.fault(name, NO_ROOT)
        return given

    def chosen(self, name: str) -> str:
        """Return a choice that was offered."""
        given = self.raw(name)
        if given not in {one.value for one in self._asked[name].options}:
            self.fault(name, NO_CHOICE)
        return given

    def ticked(self, name: str) -> tuple[str, ...]:
        """Return the boxes that were ticked, in their order; at least one."""
        offered = (one.value for one in self._asked[name].options)
        found = tuple(sorted(one for one in offered if self.raw(f"{name}-{one}")))
        if not found:
            self.fault(name, NO_CHOICES)
        return found

    def _needed(self, name: str) -> str:
        given = self.raw(name)
        if not given:
            self.fault(name, MISSING)
        return given

    def _day(self, name: str, given: str) -> date | None:
        try:
            return date.fromisoformat(given)
        except ValueError:
            self.fault(name, NO_DATE)
            return None

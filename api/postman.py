"""Sends each notice once to each agent whom it concerns, in a thread of its own.

A relay that is slow or away holds up nothing: what was not taken is tried again a minute later, to
whoever holds the role then. A letter is noted after the relay took it: a crash between the two
sends it again, with the same Message-ID.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from api.errors import LoginRequired
from api.journal import say
from api.notices import CUSTODY, OPENING, QUORUM, Notice, due
from api.web.texts import languages

if TYPE_CHECKING:
    from api.people import Person
    from api.platform import Platform

ROUND_S = 60
OFFICER = "BU"
SUBJECT_MOST = 150
Texts = Mapping[str, tuple[str, str]]
TEXTS: Mapping[str, Texts] = {
    "fr": {
        OPENING: (
            "{reference} : l'ouverture des plis est possible",
            "La date limite ({deadline}) est passée et le registre est clos. La séance d'ouverture "
            "peut commencer depuis {opens_at}.",
        ),
        f"{CUSTODY}-missing": (
            "{reference} : un gardien de clé ne donne pas signe de vie",
            "Preuve de vie manquante : {custodians}. Les gardiens qui restent suffisent à ouvrir ; "
            "l'exploitant de la plateforme est prévenu.",
        ),
        f"{CUSTODY}-danger": (
            "{reference} : l'ouverture est en danger, reportez la date limite",
            "Preuve de vie manquante : {custodians}. Sans eux aucun pli ne pourrait être ouvert : "
            "reportez la date limite ({deadline}) ou tenez une nouvelle cérémonie des clés.",
        ),
        QUORUM: (
            "{reference} : trop peu de gardiens ont répondu",
            "Pendant l'ouverture du lot {lot}, ces gardiens n'ont pas donné de réponse valable : "
            "{custodians}. L'ouverture peut être reprise dès qu'ils répondent.",
        ),
    },
    "en": {
        OPENING: (
            "{reference}: the envelopes may be opened",
            "The deadline ({deadline}) is past and the register is closed. The opening may begin "
            "since {opens_at}.",
        ),
        f"{CUSTODY}-missing": (
            "{reference}: a custodian gives no sign of life",
            "Proof of life missing: {custodians}. Those who are left are enough to open; the "
            "operator of the platform has been told.",
        ),
        f"{CUSTODY}-danger": (
            "{reference}: the opening is in danger, postpone the deadline",
            "Proof of life missing: {custodians}. Without them no envelope could be opened: "
            "postpone the deadline ({deadline}) or hold a new key ceremony.",
        ),
        QUORUM: (
            "{reference}: too few custodians answered",
            "During the opening of lot {lot} these custodians gave no valid answer: {custodians}. "
            "The opening can be tried again as soon as they answer.",
        ),
    },
}
FOOT = {
    "fr": "Ce message est envoyé par la plateforme ; il ne dit rien des plis reçus.",
    "en": "This message is sent by the platform; it says nothing of envelopes received.",
}


class Mailer(Protocol):
    """What takes letters."""

    def send(self, letter: EmailMessage) -> None:
        """Hand a letter over; raise OSError where it was not taken."""


@dataclass
class Postman:
    """One round a minute; `tick` is a round."""

    platform: Platform
    mailer: Mailer
    sender: str

    def __post_init__(self) -> None:
        """Prepare the thread, which `start` begins."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="postman", daemon=True)

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it: no longer than one letter takes."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(ROUND_S):
            self.tick()

    def tick(self) -> None:
        """Send what is due and was not sent; the first letter that is not taken ends the round."""
        try:
            for notice in due(self.platform):
                self._tell(notice)
        except OSError as error:  # also what the relay itself refuses
            say("mail.failed", code=type(error).__name__)
        except Exception as error:
            self.platform.note_ledger_error(error)
            say("mail.failed", code=getattr(error, "code", type(error).__name__))

    def _tell(self, notice: Notice) -> None:
        people = self.platform.accounts.people
        for reference in self.platform.seats.holders(notice.tenant, OFFICER):
            if self._stopping.is_set() or people.was_told(reference, notice.key):
                continue
            try:
                person = people.find(reference)
            except LoginRequired:
                continue  # known by a token alone: there is no address
            self.mailer.send(self._letter(notice, person))
            people.told(reference, notice.key, self.platform.now())

    def _letter(self, notice: Notice, person: Person) -> EmailMessage:
        settings = self.platform.settings
        hour = languages()[settings.lang].short
        facts = {
            name: hour(fact) if isinstance(fact, datetime) else fact
            for name, fact in notice.facts.items()
        }
        subject, text = (part.format_map(facts) for part in TEXTS[settings.lang][notice.kind])
        host = urlsplit(settings.origin).hostname
        name = sha256(f"{notice.key}\n{person.person}".encode()).hexdigest()[:32]
        letter = EmailMessage()
        letter["From"] = Address("Pli", addr_spec=self.sender)
        letter["To"] = Address(addr_spec=person.email)
        # a reference is the buyer's own text: no line of it becomes a header
        letter["Subject"] = " ".join(subject.split())[:SUBJECT_MOST]
        letter["Date"] = format_datetime(self.platform.now())
        letter["Message-ID"] = f"<{name}@{host}>"
        letter["Auto-Submitted"] = "auto-generated"
        foot = FOOT[settings.lang]
        letter.set_content(f"{text}\n\n{settings.origin}{notice.path}\n\n-- \n{foot}\n")
        return letter

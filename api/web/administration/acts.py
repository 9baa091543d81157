"""One act as a form: its page, who may do it, what it asks, what it records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from api.errors import code_of
from api.web.administration.fields import Entered, Fault, Faulty, Field, Option
from api.web.administration.seated import HOME, Seated
from api.web.words import N_, ROLES
from domain.errors import BadForm, DelegationExceeds, NotFound
from domain.ports import Act

Asks = Callable[[Seated], Sequence[Field]]
Records = Callable[[Seated, Act, Entered], None]
Allows = Callable[[Seated], bool]


@dataclass(frozen=True)
class Form:
    """An act of administration.

    ``marks``: how a role may be marked in the table of acts to see it; ``sure``: what is told
    before an act that cannot be undone; ``places``: this form's field for one of its command;
    ``about``: the field that names a consultation, a deposit or a copy, whose need the act serves.
    """

    name: str
    title: str
    button: str
    lead: str
    marks: frozenset[str]
    asks: Asks
    records: Records
    done: str
    fresh: bool = True
    allows: Allows = lambda _: True
    sure: str = ""
    places: Mapping[str, str] | None = None
    following: str = HOME
    about: str = ""
    file: tuple[str, str] | None = None
    """Where something to take along first is downloaded, and what the link says."""

    @property
    def path(self) -> str:
        """The address of its page."""
        return f"{HOME}/{self.name}"

    def need(self, who: Seated, entered: Entered) -> str:
        """Return what ties the act to others: its consultation, else the organisation.

        An act of a company in a consultation never carries its SIRET (N11).
        """
        named, index = entered.raw(self.about), who.platform.index
        return named if index.is_published(named) else index.consultation_of(named) or who.org

    def offered(self, who: Seated) -> bool:
        """Say whether somebody may do this act."""
        return who.mark(self.path) in self.marks and self.allows(who)


def known_persons(who: Seated) -> tuple[Option, ...]:
    """Return the persons of the organisation as choices."""
    return tuple(Option(person, text) for person, text in who.known.items())


def roles_of(codes: Sequence[str]) -> tuple[Option, ...]:
    """Return roles as choices."""
    return tuple(Option(code, ROLES.get(code, code), word=True) for code in codes)


POWERS: Mapping[str, tuple[str, str]] = {
    "power": (
        "giver",
        N_("Cette personne ne détient pas la signature. Choisissez un signataire."),
    ),
    "dates": (
        "valid_from",
        N_("Le délégant ne détient pas ce pouvoir chacun de ces jours. Raccourcissez la période."),
    ),
    "act_types": (
        "act_types",
        N_("Le délégant ne peut pas signer tous ces actes. Décochez ceux qu'il n'a pas reçus."),
    ),
    "ceiling_cents": (
        "ceiling",
        N_("Ce plafond dépasse celui du délégant. Abaissez-le."),
    ),
}
FORMS: Mapping[str, str] = {
    "valid_to": N_("La fin précède le début. Corrigez l'une des deux dates."),
    "until_on": N_("Cette date est passée. Choisissez aujourd'hui ou un jour à venir."),
    "receiver": N_("Personne ne se délègue à soi-même. Choisissez quelqu'un d'autre."),
    "ceiling_cents": N_("Le plafond est d'un centime au moins."),
    "from_at": N_("Un incident se déclare une fois commencé. Corrigez le jour ou l'heure."),
    "to_at": N_("La fin suit le début et n'est pas à venir. Corrigez l'une des deux."),
    "members": N_("Un groupement compte de 2 à 50 entreprises, chacune une seule fois."),
    "mandatary": N_("Votre entreprise doit être l'un des membres."),
}
CODES: Mapping[str, tuple[str, str]] = {
    "role.incompatible": (
        "role",
        N_("Cette personne tient ces jours-là un rôle incompatible. Mettez-y fin d'abord."),
    ),
    "role.not-administered": (
        "role",
        N_("Ce n'est pas à vous de donner ou de retirer ce rôle."),
    ),
    "representative.last": (
        "person",
        N_("Personne d'autre ne représente l'entreprise. Invitez d'abord quelqu'un."),
    ),
    "object.exists": (
        "siret",
        N_("Cette organisation est déjà inscrite. Rien n'est à refaire."),
    ),
    "siret.invalid": ("siret", N_("Ce n'est pas un SIRET. Vérifiez les 14 chiffres.")),
    "account.email": ("email", N_("Ce n'est pas une adresse électronique. Vérifiez-la.")),
    "departure.unproven": (
        "root",
        N_("Aucun état publié n'a cette taille et cette racine. Recopiez celles de l'export."),
    ),
    "departure.incomplete": (
        "size",
        N_("Des actes ont été inscrits après cet export. Refaites-le, puis recopiez sa taille."),
    ),
}
ABSENT: Mapping[str, tuple[str, str]] = {
    "role": ("holding", N_("Ce rôle a déjà pris fin. Choisissez-en un autre.")),
    "representative": (
        "person",
        N_("Cette personne ne représente plus l'entreprise. Choisissez-en une autre."),
    ),
    "consultation": (
        "scope",
        N_("Votre organisation n'a pas de consultation de ce nom. Vérifiez-le."),
    ),
}
BAD_TEXT = N_("Cette saisie est refusée. Vérifiez-la.")


def faults_of(refusal: Exception, form: Form, asked: Sequence[Field]) -> Faulty | None:
    """Return beside which field a refusal is told and what to do; None where no field is at fault.

    What the rule says decides: the same rule is behind the interface.
    """
    where, text = "", ""
    if isinstance(refusal, DelegationExceeds):
        where, text = POWERS[refusal.what]
    elif isinstance(refusal, BadForm):
        where, text = refusal.field, FORMS.get(refusal.field, BAD_TEXT)
    elif isinstance(refusal, NotFound):
        where, text = ABSENT.get(refusal.what, ("", ""))
    else:
        where, text = CODES.get(code_of(refusal), ("", ""))
    where = (form.places or {}).get(where, where)
    if where not in {one.name for one in asked}:
        return None
    return Faulty({where: Fault(text)})

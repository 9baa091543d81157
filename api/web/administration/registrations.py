"""Organisations that join, companies that bid together, and people who are invited.

The platform's administrator registers buyers and companies and invites a buyer's first officer; a
company registers itself, under one account for all buyers (domain.md §4.1, §4.2).
"""

from __future__ import annotations

from api import grants
from api.web.administration.acts import Form, roles_of
from api.web.administration.fields import Entered, Field, Option
from api.web.administration.seated import ADMINISTRATOR, HOME, Seated
from api.web.words import BUYER_KINDS, CONSORTIUM_FORMS, N_, SIZE_CLASSES
from domain.buyer import Buyer
from domain.commands import declare_consortium as consortia
from domain.commands import manage_members
from domain.commands import register_operator as operators
from domain.errors import BadForm, BadSiret
from domain.events.parties import BuyerKind, ConsortiumForm, SizeClass
from domain.identifiers import check_organisation
from domain.operator import EconomicOperator
from domain.ports import Act
from domain.tenure import COMPANY

YES, OWN = "Y", "o"
NAMES = 300
NOT_LISTED = N_("Une de ces lignes n'est ni un SIRET ni un identifiant étranger. Vérifiez-les.")
UNREGISTERED = N_("Cette organisation n'est pas inscrite. Inscrivez-la d'abord.")
HAS_PEOPLE = N_("Cette entreprise a déjà un représentant, qui invite lui-même les autres.")
HAS_OFFICER = N_("Cet acheteur a déjà un responsable, qui donne lui-même les autres rôles.")


def _words(table: dict[str, str]) -> list[Option]:
    return [Option(code, text, word=True) for code, text in table.items()]


def _buyer_fields(_: Seated) -> list[Field]:
    return [
        Field("siret", N_("SIRET"), "siret", longest=20),
        Field("name", N_("Nom de l'organisation"), longest=NAMES),
        Field("buyer_kind", N_("Nature"), "select", options=_words(dict(BUYER_KINDS))),
        Field(
            "population",
            N_("Population (facultatif)"),
            "number",
            hint=N_("Pour une commune : elle décide du nombre d'élus de la commission."),
            required=False,
            longest=20,
        ),
        Field("department", N_("Département (facultatif)"), required=False, longest=60),
        Field("region", N_("Région (facultatif)"), required=False, longest=60),
    ]


def _optional(entered: Entered, name: str) -> str | None:
    return entered.text(name) if entered.raw(name) else None


def _register_buyer(who: Seated, act: Act, entered: Entered) -> None:
    siret = entered.siret("siret")
    name, kind = entered.text("name"), entered.chosen("buyer_kind")
    population = entered.number_or_none("population")
    department, region = _optional(entered, "department"), _optional(entered, "region")
    entered.check()
    command = manage_members.RegisterBuyer(
        siret, name, BuyerKind(kind), population, department, region
    )
    who.platform.act(manage_members.register_buyer, act, command)
    grants.retry(who.platform, siret)


def _company_fields(who: Seated) -> list[Field]:
    own = who.org if who.role == COMPANY else ""
    return [
        *([] if own else [Field("siret", N_("SIRET"), "siret", longest=20)]),
        Field("name", N_("Nom de l'organisation"), longest=NAMES),
        Field("size_class", N_("Taille"), "select", options=_words(dict(SIZE_CLASSES))),
        Field("region", N_("Région (facultatif)"), required=False, longest=60),
    ]


def _register_company(who: Seated, act: Act, entered: Entered) -> None:
    siret = who.org if who.role == COMPANY else entered.siret("siret")
    name, size = entered.text("name"), entered.chosen("size_class")
    region = _optional(entered, "region")
    entered.check()
    command = operators.RegisterOperator(name, SizeClass(size), "DECLARED", siret, None, region)
    who.platform.act(operators.register_operator, act, command)
    grants.retry(who.platform, siret)


def _may_register(who: Seated) -> bool:
    return who.role == ADMINISTRATOR or who.company is None


def _consortium_fields(_: Seated) -> list[Field]:
    return [
        Field("form", N_("Forme"), "select", options=_words(dict(CONSORTIUM_FORMS))),
        Field(
            "members",
            N_("Autres membres"),
            "area",
            hint=N_("Un SIRET ou un identifiant étranger par ligne. Vous êtes le mandataire."),
            longest=3_500,
        ),
    ]


def _declare(who: Seated, act: Act, entered: Entered) -> None:
    form, text = entered.chosen("form"), entered.raw("members")
    if not text:
        entered.text("members")
    named = {line.replace(" ", "") for line in text.splitlines() if line.strip()} | {who.org}
    try:
        members = tuple(sorted(check_organisation("members", one) for one in named))
    except (BadForm, BadSiret):
        entered.fault("members", NOT_LISTED)
    entered.check()
    command = consortia.DeclareConsortium(ConsortiumForm(form), who.org, members)
    who.platform.act(consortia.declare_consortium, act, command)


def _invitation_fields(who: Seated) -> list[Field]:
    given = sorted(who.platform.desk.law.roles.administers.get(who.role, ()))
    org = Field(
        "org",
        N_("SIRET de l'acheteur ou de l'entreprise"),
        "siret",
        hint=N_(
            "Pour le premier responsable d'un acheteur, ou le premier représentant d'une "
            "entreprise. Vide : votre propre organisation."
        ),
        required=False,
        longest=20,
    )
    return [
        Field("name", N_("Prénom et nom"), longest=120),
        Field("email", N_("Adresse électronique"), "email", longest=254),
        Field("role", N_("Rôle"), "select", options=roles_of(given)),
        *([org] if who.role == ADMINISTRATOR else []),
    ]


def invite(who: Seated, entered: Entered) -> str:
    """Return the link of a new invitation, which is shown this once."""
    name, email, role = entered.text("name"), entered.text("email"), entered.chosen("role")
    org = entered.siret("org") if entered.raw("org") else who.org
    entered.check()
    if who.role == ADMINISTRATOR and (org != who.org or role == COMPANY):
        _check_joinable(who, org, role, entered)
    platform = who.platform
    who.entrance.may_invite(who.principal, org, role)
    secret, _ = platform.accounts.invitations.create(
        (org, role), email, name, platform.now(), platform.desk.rng.bytes, host=who.principal
    )
    return f"{platform.settings.origin}/invitation/{secret}"


def _check_joinable(who: Seated, org: str, role: str, entered: Entered) -> None:
    """Return quietly if an invitation of the platform can be accepted as things stand."""
    files, reveal = who.platform.desk.files, who.reveal
    if role == COMPANY:
        company = files.find(EconomicOperator, f"operator/{org}")
        if company is None or not company.registered:
            entered.fault("org", UNREGISTERED)
        elif company.people(who.now, reveal):
            entered.fault("org", HAS_PEOPLE)
        entered.check()
        return
    buyer = files.find(Buyer, f"buyer/{org}")
    if buyer is None or not buyer.registered:
        entered.fault("org", UNREGISTERED)
    elif role == manage_members.OFFICER and any(
        one.role == role and one.meets(who.today, None) for one in buyer.grants
    ):
        entered.fault("org", HAS_OFFICER)
    entered.check()


def _removal_fields(who: Seated) -> list[Field]:
    acting = {} if who.company is None else who.company.people(who.now, who.reveal)
    return [
        Field(
            "person",
            N_("Représentant"),
            "select",
            hint=N_("Ses sessions et ses jetons n'agiront plus pour l'entreprise."),
            options=[Option(one, text) for one, text in who.known.items() if one in acting],
        ),
        Field("reason", N_("Motif"), "area", longest=1_000),
    ]


def _remove(who: Seated, act: Act, entered: Entered) -> None:
    person, reason = entered.chosen("person"), entered.text("reason")
    entered.check()
    command = operators.RemoveRepresentative(who.org, person, reason)
    who.platform.act(operators.remove_representative, act, command)


def _link_only(_who: Seated, _act: Act, _entered: Entered) -> None:
    """Record nothing: the seat is recorded once the person accepts."""


INVITATION = Form(
    "invitations",
    N_("Inviter une personne"),
    N_("Créer l'invitation"),
    N_("Elle choisira elle-même comment prouver son identité. Le lien sert une fois."),
    frozenset({YES, OWN, "first one"}),
    _invitation_fields,
    _link_only,
    "",
)
REGISTRATIONS = (
    Form(
        "buyers",
        N_("Inscrire un acheteur"),
        N_("Inscrire cet acheteur"),
        N_("Invitez ensuite son premier responsable, qui donnera les autres rôles."),
        frozenset({YES}),
        _buyer_fields,
        _register_buyer,
        N_("L'acheteur est inscrit. Invitez maintenant son premier responsable."),
        following=f"{HOME}/invitations",
    ),
    Form(
        "companies",
        N_("Inscrire une entreprise"),
        N_("Inscrire cette entreprise"),
        N_("Un seul compte sert auprès de tous les acheteurs."),
        frozenset({YES, OWN}),
        _company_fields,
        _register_company,
        N_("L'entreprise est inscrite au registre."),
        allows=_may_register,
    ),
    Form(
        "representatives",
        N_("Retirer un représentant"),
        N_("Retirer ce représentant"),
        N_("Ce qui a été fait au nom de l'entreprise reste au registre. Les plis restent déposés."),
        frozenset({OWN}),
        _removal_fields,
        _remove,
        N_("La fin de la représentation est inscrite au registre."),
        fresh=False,
        allows=lambda who: who.company is not None,
    ),
    Form(
        "consortia",
        N_("Déclarer un groupement"),
        N_("Déclarer ce groupement"),
        N_("Votre entreprise dépose pour tous les membres avec son propre compte."),
        frozenset({OWN}),
        _consortium_fields,
        _declare,
        N_("Le groupement est inscrit au registre."),
        allows=lambda who: who.company is not None,
    ),
)

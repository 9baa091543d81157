"""What the officers of a buyer record: roles, delegations, accesses, the departure.

The use cases of the domain judge; here only stands what each one asks (domain.md §4.1).
"""

from __future__ import annotations

from api.web.administration.acts import Form, known_persons, roles_of
from api.web.administration.fields import Entered, Field, Option
from api.web.administration.seated import ADMINISTRATOR, Seated
from api.web.words import ACT_TYPES, N_
from domain.commands import delegate_signature as delegating
from domain.commands import grant_access as opening
from domain.commands import leave_platform as leaving
from domain.commands import manage_members
from domain.ports import Act
from domain.tenure import COMPANY, EVERYTHING, SIGNATORY

FIRST_ONLY = {"BU", COMPANY}
"""What an administrator gives by an invitation alone, to the first one of an organisation."""
YES, FIRST, OWN, WIDE = "Y", "first one", "own", "platform"


def registered(who: Seated) -> bool:
    """Say whether the organisation has a stream in which acts are recorded."""
    return who.role == ADMINISTRATOR or (who.buyer is not None and who.buyer.registered)


def _may_give(who: Seated) -> list[str]:
    given = set(who.platform.desk.law.roles.administers.get(who.role, ()))
    return sorted(given - FIRST_ONLY if who.role == ADMINISTRATOR else given)


def _role_fields(who: Seated) -> list[Field]:
    return [
        Field("person", N_("Personne"), "select", options=known_persons(who)),
        Field("role", N_("Rôle"), "select", options=roles_of(_may_give(who))),
        Field("valid_from", N_("Premier jour"), "date", default=who.today.isoformat()),
        Field(
            "valid_to",
            N_("Dernier jour (facultatif)"),
            "date",
            hint=N_("Ce jour compris. Sans date, le rôle dure jusqu'à ce qu'on le retire."),
            required=False,
        ),
    ]


def _grant_role(who: Seated, act: Act, entered: Entered) -> None:
    command = manage_members.GrantRole(
        buyer=who.org,
        person=entered.chosen("person"),
        role=entered.chosen("role"),
        valid_from=entered.day("valid_from"),
        valid_to=entered.day_or_none("valid_to"),
    )
    entered.check()
    who.platform.act(manage_members.grant_role, act, command)


def _holdings(who: Seated) -> list[Option]:
    """Return the roles that this person may take back, each once, named by holder and role."""
    may = who.platform.desk.law.roles.administers.get(who.role, frozenset())
    found: dict[str, Option] = {}
    for one in who.grants():
        name = who.name(one.person)
        if one.role in may and name:
            code = f"{one.role} {one.person}"
            found.setdefault(code, Option(code, f"{name} ({one.role})"))
    return list(found.values())


def _revocation_fields(who: Seated) -> list[Field]:
    return [
        Field(
            "holding",
            N_("Personne et rôle"),
            "select",
            hint=N_("Le rôle prend fin aussitôt, qu'il ait été donné, élu ou délégué."),
            options=_holdings(who),
        ),
        Field("reason", N_("Motif"), "area", longest=1_000),
    ]


def _revoke_role(who: Seated, act: Act, entered: Entered) -> None:
    role, _, commitment = entered.chosen("holding").partition(" ")
    reason = entered.text("reason")
    entered.check()
    person = who.reveal(commitment) or ""
    command = manage_members.RevokeRole(who.org, person, role, reason)
    who.platform.act(manage_members.revoke_role, act, command)


def _delegation_fields(who: Seated) -> list[Field]:
    own = who.mark("/administration/delegations") == OWN
    signing = {who.reveal(one.person) for one in who.grants() if one.role == SIGNATORY}
    givers = [
        Option(person, text)
        for person, text in who.known.items()
        if person in signing and (not own or person == who.principal.person)
    ]
    return [
        Field(
            "giver",
            N_("Délégant"),
            "select",
            hint=N_("Un signataire, ou une personne qui a reçu elle-même une délégation."),
            options=givers,
        ),
        Field("receiver", N_("Délégataire"), "select", options=known_persons(who)),
        Field(
            "act_types",
            N_("Actes que le délégataire pourra signer"),
            "checks",
            options=[
                Option(code, ACT_TYPES.get(code, code), word=True)
                for code in sorted(who.platform.desk.law.roles.act_types)
            ],
        ),
        Field("ceiling", N_("Plafond en euros, par acte"), "euros", longest=20),
        Field("valid_from", N_("Premier jour"), "date", default=who.today.isoformat()),
        Field("valid_to", N_("Dernier jour, compris"), "date"),
        Field(
            "deliberation",
            N_("Délibération ou arrêté"),
            hint=N_("Sa référence, telle qu'elle figure au registre des actes."),
        ),
    ]


def _delegate(who: Seated, act: Act, entered: Entered) -> None:
    command = delegating.DelegateSignature(
        buyer=who.org,
        giver=entered.chosen("giver"),
        receiver=entered.chosen("receiver"),
        act_types=entered.ticked("act_types"),
        ceiling_cents=entered.cents("ceiling"),
        valid_from=entered.day("valid_from"),
        valid_to=entered.day("valid_to"),
        deliberation=entered.text("deliberation"),
    )
    entered.check()
    who.platform.act(delegating.delegate_signature, act, command)


def _access_fields(who: Seated) -> list[Field]:
    fields = [
        Field("to", N_("SIRET de l'organisation qui contrôle"), "siret", longest=20),
        Field(
            "scope",
            N_("Identifiant de la consultation (facultatif)"),
            hint=N_("Sans identifiant, tous les dossiers de votre organisation."),
            required=False,
            longest=64,
        ),
        Field(
            "until_on",
            N_("Dernier jour, compris"),
            "date",
            hint=N_("Une date plus proche, donnée plus tard, met fin à un accès."),
        ),
        Field("ground", N_("Fondement du contrôle"), "area", longest=1_000),
    ]
    return [one for one in fields if one.name != "scope" or who.role != ADMINISTRATOR]


def _grant_access(who: Seated, act: Act, entered: Entered) -> None:
    scope = entered.raw("scope") or EVERYTHING
    command = opening.GrantAccess(
        buyer=who.org,
        to=entered.siret("to"),
        scope=opening.PLATFORM_WIDE if who.role == ADMINISTRATOR else scope,
        until_on=entered.day("until_on"),
        ground=entered.text("ground"),
    )
    entered.check()
    who.platform.act(opening.grant_access, act, command)


def _departure_fields(_: Seated) -> list[Field]:
    return [
        Field(
            "size",
            N_("Taille de l'export"),
            "number",
            hint=N_("Le nombre d'écritures que donne le point de contrôle de l'export."),
            longest=20,
        ),
        Field("root", N_("Racine de l'export"), "root", longest=100),
    ]


def _leave(who: Seated, act: Act, entered: Entered) -> None:
    command = leaving.LeavePlatform(who.org, entered.number("size"), entered.root("root"))
    entered.check()
    who.platform.act(leaving.leave_platform, act, command)


BUYER_FORMS = (
    Form(
        "roles",
        N_("Donner un rôle"),
        N_("Donner ce rôle"),
        N_("À une personne que votre organisation connaît déjà. Invitez d'abord toute autre."),
        frozenset({YES, FIRST}),
        _role_fields,
        _grant_role,
        N_("Le rôle est inscrit au registre."),
        allows=registered,
    ),
    Form(
        "revocations",
        N_("Retirer un rôle"),
        N_("Retirer ce rôle"),
        N_("Ce qui a été fait dans ce rôle reste au registre."),
        frozenset({YES, FIRST}),
        _revocation_fields,
        _revoke_role,
        N_("La fin du rôle est inscrite au registre."),
        fresh=False,
        allows=registered,
    ),
    Form(
        "delegations",
        N_("Déléguer la signature"),
        N_("Inscrire la délégation"),
        N_("Jamais plus que ce que le délégant détient : ses actes, son plafond, ses dates."),
        frozenset({YES, OWN}),
        _delegation_fields,
        _delegate,
        N_("La délégation est inscrite au registre."),
        allows=registered,
        places={"ceiling_cents": "ceiling", "role": "receiver"},
    ),
    Form(
        "accesses",
        N_("Ouvrir un accès à un auditeur"),
        N_("Ouvrir l'accès"),
        N_("L'organisation désignée pourra lire, jamais agir, jusqu'à la date choisie."),
        frozenset({YES, WIDE}),
        _access_fields,
        _grant_access,
        N_("L'accès est inscrit au registre."),
        allows=registered,
    ),
    Form(
        "departure",
        N_("Quitter la plateforme"),
        N_("Continuer"),
        N_("Avec un export complet de vos écritures et de vos pièces, qui doit être prouvé."),
        frozenset({YES}),
        _departure_fields,
        _leave,
        N_("Le départ est inscrit au registre."),
        allows=registered,
        sure=N_(
            "Un départ ne se défait pas : tous les rôles de votre organisation prennent fin "
            "aussitôt, le vôtre compris, et elle ne publiera plus rien ici."
        ),
        following="/account",
        file=("/administration/departure/export", N_("Télécharger l'export complet (ZIP)")),
    ),
)

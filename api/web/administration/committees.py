"""The election of the commission d'appel d'offres: its composition is told before it is refused.

Elected people need no account: whoever is not known is named by the text itself (CGCT L1411-5).
"""

from __future__ import annotations

from api.web.administration.acts import Form, known_persons
from api.web.administration.buyers import YES, registered
from api.web.administration.fields import Entered, Field
from api.web.administration.seated import Seated
from api.web.words import N_
from domain.commands import elect_committee as electing
from domain.committee import elected
from domain.ports import Act

NAMES = 120
NUMBERED = N_("Titulaire %(number)s")
SPARE = N_("Suppléant %(number)s")


def seats(who: Seated) -> int:
    """Return how many titulars the buyer elects beside the president."""
    kind = None if who.buyer is None else who.buyer.kind
    population = None if who.buyer is None else who.buyer.population
    return elected(who.platform.desk.law.rules, kind, population, who.today)


def _committee_fields(who: Seated) -> list[Field]:
    number, persons = seats(who), known_persons(who)
    return [
        Field(
            "president",
            N_("Président"),
            "person",
            hint=N_(
                "Choisissez une personne connue, ou écrivez le prénom et le nom d'un élu sans "
                "compte."
            ),
            options=persons,
            longest=NAMES,
        ),
        *(
            Field(
                f"titular-{one}",
                NUMBERED,
                "person",
                options=persons,
                longest=NAMES,
                values={"number": one},
            )
            for one in range(1, number + 1)
        ),
        *(
            Field(
                f"substitute-{one}",
                SPARE,
                "person",
                required=False,
                options=persons,
                longest=NAMES,
                values={"number": one},
            )
            for one in range(1, number + 1)
        ),
        Field("deliberation", N_("Délibération qui constate l'élection")),
    ]


TWICE = N_("Cette personne a déjà un siège plus haut. Écrivez quelqu'un d'autre.")


def _elect(who: Seated, act: Act, entered: Entered) -> None:
    named: dict[str, str] = {}
    number = seats(who)
    for name in (
        "president",
        *(f"titular-{one}" for one in range(1, number + 1)),
        *(f"substitute-{one}" for one in range(1, number + 1) if entered.raw(f"substitute-{one}")),
    ):
        person = who.person(entered.text(name))
        if person and person in named.values():
            entered.fault(name, TWICE)
        named[name] = person
    command = electing.ElectCommittee(
        who.org,
        named["president"],
        tuple(person for name, person in named.items() if name.startswith("titular")),
        tuple(person for name, person in named.items() if name.startswith("substitute")),
        entered.text("deliberation"),
    )
    entered.check()
    who.platform.act(electing.elect_committee, act, command)


COMMITTEE_FORMS = (
    Form(
        "committee",
        N_("Inscrire l'élection de la commission d'appel d'offres"),
        N_("Inscrire l'élection"),
        N_("Elle prend la place de la commission précédente."),
        frozenset({YES}),
        _committee_fields,
        _elect,
        N_("L'élection est inscrite au registre."),
        allows=registered,
        places={"role": "president"},
    ),
)

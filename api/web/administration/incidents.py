"""The platform's administrator says that it failed; the buyers of open consultations are told."""

from __future__ import annotations

from functools import partial

from api.web.administration.acts import Form
from api.web.administration.fields import Entered, Field, Option
from api.web.administration.seated import Seated
from api.web.words import EXTENTS, N_
from domain.commands import declare_incident as incidents
from domain.ports import Act

MOST_CAUSE = 400


def _fields(_: Seated) -> list[Field]:
    return [
        Field("from_day", N_("Début : jour"), "date"),
        Field("from_hour", N_("Début : heure de Paris"), "time"),
        Field(
            "to_day",
            N_("Fin : jour (facultatif)"),
            "date",
            hint=N_(
                "Laissez la fin vide si l'incident dure. Pour la dire plus tard, reprenez le même "
                "début et la même étendue."
            ),
            required=False,
        ),
        Field("to_hour", N_("Fin : heure de Paris (facultatif)"), "time", required=False),
        Field(
            "scope",
            N_("Étendue"),
            "select",
            options=[Option(code, text, word=True) for code, text in EXTENTS.items()],
        ),
        Field("cause", N_("Ce qui s'est passé"), "area", longest=MOST_CAUSE),
    ]


def _declare(who: Seated, act: Act, entered: Entered) -> None:
    start = entered.hour("from_day", "from_hour")
    ended = bool(entered.raw("to_day") or entered.raw("to_hour"))
    end = entered.hour("to_day", "to_hour") if ended else None
    scope, cause = entered.chosen("scope"), entered.text("cause")
    entered.check()
    command = incidents.DeclareIncident(from_at=start, scope=scope, cause=cause, to_at=end)
    told = partial(incidents.declare_incident, alerted=who.platform.index.awaited())
    who.platform.act(told, act, command)


INCIDENT = Form(
    name="incidents",
    title=N_("Déclarer un incident"),
    button=N_("Déclarer"),
    lead=N_(
        "Un incident déclaré est une écriture du registre, visible de tous sur la page de santé. "
        "Il compte contre la plateforme dans toute contestation de cette période."
    ),
    marks=frozenset({incidents.DECLARE}),
    asks=_fields,
    records=_declare,
    done=N_("L'incident est déclaré. Les acheteurs des consultations ouvertes sont prévenus."),
    places={"from_at": "from_day", "to_at": "to_day"},
)

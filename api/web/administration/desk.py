"""What the desk of a buyer writes down: backup copies on paper, samples, what came outside.

It concerns published consultations of the desk's own organisation alone (domain.md §4.8).
"""

from __future__ import annotations

from collections.abc import Iterator

from api.idempotency import as_uuid, object_id
from api.web.administration.acts import Form
from api.web.administration.fields import Entered, Field, Option
from api.web.administration.seated import HOME, Seated
from api.web.words import MEDIA, N_, OUTSIDE_ITEMS
from domain.clock import LegalHour
from domain.commands import register_item
from domain.consultation import Consultation
from domain.events.backup_copy import Medium, OutOfBandItem
from domain.ports import Act

REGISTER, COPIES = f"{HOME}/register", f"{HOME}/copies"
YES = "Y"
LABELLED = {"YES": N_("Oui, elle est lisible"), "NO": N_("Non, elle manque")}


def words(table: dict[str, str]) -> list[Option]:
    """Return our own words as choices, by their code."""
    return [Option(code, text, word=True) for code, text in table.items()]


def own_consultations(who: Seated) -> Iterator[Consultation]:
    """Yield the published consultations of the reader's organisation."""
    for name in who.platform.index.published_of(who.org):
        found = who.platform.desk.files.find(Consultation, f"consultation/{name}")
        if found is not None:
            yield found


def _consultation(who: Seated) -> Field:
    options = [Option(one.name, f"{one.reference} – {one.title}") for one in own_consultations(who)]
    return Field("consultation", N_("Consultation"), "select", options=options)


def _hour(who: Seated) -> list[Field]:
    return [
        Field("day", N_("Reçu le"), "date", default=who.today.isoformat()),
        Field("hour", N_("À (heure de Paris)"), "time"),
    ]


def _copy_fields(who: Seated) -> list[Field]:
    lots = Field(
        "lots", N_("Lots"), "area", hint=N_("Un lot par ligne ; 0 sans allotissement."), default="0"
    )
    return [
        _consultation(who),
        lots,
        Field("bidder", N_("SIRET de l'entreprise"), "siret", longest=20),
        Field(
            "medium",
            N_("Support"),
            "select",
            options=words({code: MEDIA[code] for code in (Medium.PAPER, Medium.USB)}),
        ),
        Field(
            "label_ok",
            N_("Mention « copie de sauvegarde » sur le pli"),
            "select",
            options=words(LABELLED),
        ),
        *_hour(who),
        Field("desk", N_("Guichet"), longest=200),
        Field("seal_no", N_("Numéro de scellé (facultatif)"), required=False, longest=100),
    ]


def _register_copy(who: Seated, act: Act, entered: Entered) -> None:
    named = {line.strip() for line in entered.text("lots").splitlines() if line.strip()}
    command = register_item.RegisterBackupCopy(
        copy=as_uuid(object_id(act.command_id, "backup")),
        consultation=entered.chosen("consultation"),
        lots=tuple(sorted(named)),
        bidder=entered.siret("bidder"),
        medium=Medium(entered.chosen("medium") or Medium.PAPER),
        label_ok=entered.chosen("label_ok") == "YES",
        received=LegalHour(entered.hour("day", "hour")),
        desk=entered.text("desk"),
        seal_no=entered.text("seal_no") if entered.raw("seal_no") else None,
    )
    entered.check()
    who.platform.act(register_item.register_backup_copy, act, command)


def _item_fields(who: Seated) -> list[Field]:
    return [
        _consultation(who),
        Field("item", N_("Ce qui est arrivé"), "select", options=words(dict(OUTSIDE_ITEMS))),
        Field("bidder", N_("SIRET de l'entreprise"), "siret", longest=20),
        Field("channel", N_("Par quelle voie"), longest=200),
        *_hour(who),
        Field(
            "ground",
            N_("Motif (facultatif)"),
            "area",
            hint=N_("Obligatoire pour un pli papier ou une offre arrivée hors de la plateforme."),
            required=False,
            longest=1_000,
        ),
    ]


def _register_item(who: Seated, act: Act, entered: Entered) -> None:
    command = register_item.RegisterItem(
        consultation=entered.chosen("consultation"),
        item=OutOfBandItem(entered.chosen("item") or OutOfBandItem.SAMPLE),
        bidder=entered.siret("bidder"),
        channel=entered.text("channel"),
        received=LegalHour(entered.hour("day", "hour")),
        ground=entered.text("ground") if entered.raw("ground") else None,
    )
    entered.check()
    who.platform.act(register_item.register_item, act, command)


DESK_FORMS = (
    Form(
        "backup-copies",
        N_("Inscrire une copie de sauvegarde reçue au guichet"),
        N_("Inscrire la copie"),
        N_("Sur papier ou sur support numérique ; une copie électronique arrive d'elle-même."),
        frozenset({YES}),
        _copy_fields,
        _register_copy,
        N_("La copie de sauvegarde est inscrite au registre."),
        fresh=False,
        places={"received": "hour", "medium": "medium"},
        following=REGISTER,
        about="consultation",
    ),
    Form(
        "register-items",
        N_("Inscrire un échantillon, une maquette ou un pli papier"),
        N_("Inscrire"),
        N_("Tout ce qui arrive hors de la plateforme pour une consultation publiée."),
        frozenset({YES}),
        _item_fields,
        _register_item,
        N_("Ce qui est arrivé est inscrit au registre."),
        fresh=False,
        places={"received": "hour"},
        following=REGISTER,
        about="consultation",
    ),
)

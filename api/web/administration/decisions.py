"""What the buyer decides on late envelopes and backup copies, and what a company withdraws.

A choice names only what its reader may know: nothing of a deposit or a copy before the plan of its
lots (N11). The ground of a decision on a copy is computed by the rule, never entered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from api import copies
from api.scope import Scope
from api.web.administration.acts import Form
from api.web.administration.desk import COPIES, own_consultations, words
from api.web.administration.fields import Entered, Field, Option
from api.web.administration.seated import Seated
from api.web.words import N_
from domain.commands import decide_late, open_backup, withdraw
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.ports import Act

YES, REASONED, OWN = "Y", "reasoned", "o"
LATE_DECISIONS = {"ADMIT": N_("Admettre ce pli"), "REJECT": N_("Le garder fermé")}
COPY_DECISIONS = {
    "AUTHORISE": N_("Autoriser l'ouverture, si le registre en donne le motif"),
    "OPEN": N_("Constater l'ouverture d'une copie papier ou sur support, déjà autorisée"),
    "SET_ASIDE": N_("Écarter la copie, pour le motif que donne le registre"),
    "DESTROY": N_("Constater la destruction d'une copie papier ou sur support, déjà écartée"),
}


def _late_deposits(who: Seated) -> Iterator[Option]:
    """Yield the undecided late deposits that a plan has shown to the reader."""
    scope = Scope(who.platform, who.principal)
    for consultation in own_consultations(who):
        for tip in who.platform.index.deposits(consultation.name):
            name = tip.stream.partition("/")[2]
            found = who.platform.desk.files.find(SealedEnvelope, tip.stream)
            if found is not None and found.state == "LATE" and scope.knows(name):
                lots = ", ".join(found.sealed().lots)
                yield Option(name, f"{consultation.reference} · {lots} · {name[:8]}")


def _late_fields(who: Seated) -> list[Field]:
    return [
        Field(
            "deposit",
            N_("Pli reçu hors délai"),
            "select",
            hint=N_("Consultation, lot, début du numéro de dépôt."),
            options=list(_late_deposits(who)),
        ),
        Field("decision", N_("Décision"), "select", options=words(LATE_DECISIONS)),
        Field(
            "ground",
            N_("Fondement de l'admission"),
            hint=N_("Pour admettre : par exemple un dysfonctionnement de la plateforme."),
            required=False,
        ),
        Field("reasons", N_("Motifs"), "area", longest=4_000),
        Field(
            "findings",
            N_("Constats sur lesquels la décision repose"),
            "area",
            hint=N_("Pour admettre : références d'écritures du registre, constats, sondes."),
            required=False,
            longest=4_000,
        ),
    ]


def _decide_late(who: Seated, act: Act, entered: Entered) -> None:
    deposit, reasons = entered.chosen("deposit"), entered.text("reasons")
    if entered.chosen("decision") == "ADMIT":
        command = decide_late.AdmitLateDeposit(
            deposit, entered.text("ground"), reasons, entered.text("findings")
        )
        entered.check()
        who.platform.act(decide_late.admit_late_deposit, act, command)
        return
    entered.check()
    who.platform.act(
        decide_late.reject_late_deposit, act, decide_late.RejectLateDeposit(deposit, reasons)
    )


def _own_deposits(who: Seated) -> Iterator[Option]:
    """Yield the company's own deposits that can still be withdrawn."""
    scope = Scope(who.platform, who.principal)
    for name in scope.deposits():
        found = scope.deposit(name)
        about = found.sealed().consultation
        consultation = who.platform.desk.files.find(Consultation, f"consultation/{about}")
        if found.state == "SEALED" and consultation is not None and not consultation.reached:
            lots = ", ".join(found.sealed().lots)
            yield Option(name, f"{consultation.reference} · {lots} · {name[:8]}")


def _withdrawal_fields(who: Seated) -> list[Field]:
    return [
        Field(
            "deposit",
            N_("Pli à retirer"),
            "select",
            hint=N_("Consultation, lot, début du numéro de dépôt."),
            options=list(_own_deposits(who)),
        ),
        Field("reason", N_("Motif (facultatif)"), "area", required=False, longest=1_000),
    ]


def _withdraw(who: Seated, act: Act, entered: Entered) -> None:
    reason = entered.text("reason") if entered.raw("reason") else None
    command = withdraw.WithdrawDeposit(entered.chosen("deposit"), reason)
    entered.check()
    who.platform.act(withdraw.withdraw, act, command)


def _copies(who: Seated) -> Iterator[Option]:
    """Yield the copies that the reader may know and that are neither opened nor destroyed."""
    for consultation in own_consultations(who):
        for one in copies.known(who.platform, consultation):
            if one["state"] in {"RECEIVED", "AUTHORISED", "SET_ASIDE"}:
                name, bidder = str(one["backup_copy"]), str(one["bidder"])
                yield Option(name, f"{consultation.reference} · {bidder} · {name[:8]}")


def _decision_fields(who: Seated) -> list[Field]:
    return [
        Field(
            "copy",
            N_("Copie de sauvegarde"),
            "select",
            hint=N_("Consultation, entreprise, début du numéro de la copie."),
            options=list(_copies(who)),
        ),
        Field("decision", N_("Décision"), "select", options=words(COPY_DECISIONS)),
        Field(
            "witness",
            N_("Témoin de la destruction"),
            hint=N_("Seulement pour une destruction."),
            required=False,
            longest=200,
        ),
    ]


def _decide_copy(who: Seated, act: Act, entered: Entered) -> None:
    copy, decision = entered.chosen("copy"), entered.chosen("decision")
    witness = entered.text("witness") if decision == "DESTROY" else ""
    entered.check()
    platform = who.platform
    acts: dict[str, Callable[[], object]] = {
        "AUTHORISE": lambda: platform.act(
            open_backup.authorise_backup_copy_opening,
            act,
            open_backup.AuthoriseBackupCopyOpening(copy),
        ),
        "OPEN": lambda: platform.act(
            open_backup.open_backup_copy, act, open_backup.OpenBackupCopy(copy)
        ),
        "SET_ASIDE": lambda: platform.act(
            open_backup.set_aside_backup_copy, act, open_backup.SetAsideBackupCopy(copy)
        ),
        "DESTROY": lambda: platform.act(
            open_backup.destroy_backup_copy, act, open_backup.DestroyBackupCopy(copy, witness)
        ),
    }
    acts[decision]()


DECISION_FORMS = (
    Form(
        "withdrawals",
        N_("Retirer un pli déposé"),
        N_("Retirer ce pli"),
        N_(
            "Avant la date limite seulement, et pour toujours. Ce que ce pli avait remplacé reste "
            "remplacé : déposez de nouveau si vous voulez concourir."
        ),
        frozenset({OWN}),
        _withdrawal_fields,
        _withdraw,
        N_("Le retrait est inscrit au registre."),
        about="deposit",
    ),
    Form(
        "late-deposits",
        N_("Décider d'un pli reçu hors délai"),
        N_("Inscrire la décision"),
        N_("Un pli admis s'ouvre avec le plan suivant de son lot. La décision est motivée."),
        frozenset({YES, REASONED}),
        _late_fields,
        _decide_late,
        N_("La décision est inscrite au registre."),
        about="deposit",
    ),
    Form(
        "copy-decisions",
        N_("Décider d'une copie de sauvegarde"),
        N_("Inscrire la décision"),
        N_("Le motif est calculé à partir du registre : il ne se choisit pas."),
        frozenset({YES, REASONED}),
        _decision_fields,
        _decide_copy,
        N_("La décision sur la copie est inscrite au registre."),
        following=COPIES,
        about="copy",
    ),
)

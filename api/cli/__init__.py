"""``pli VERB [NOUN]``: the front door of the command line; each verb is one file beside this one.

Exit status everywhere: 0 done or proven, 1 refused or not proven, 2 usage, 3 environment. Messages
go to stderr with their stable code, in French or English. Nothing heavy is imported before a verb
is known: each ``api/cli/<verb>.py`` shows a typer application named ``app`` and imports inside.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("Sert les pages et l'interface", "Serve the pages and the interface"),
    "story": ("Joue toute l'histoire sur des données réelles", "Play the whole story on real data"),
    "seal": ("Scelle une offre, sans réseau", "Seal an offer, without any network"),
    "deposit": ("Dépose un pli scellé, ou reprend l'envoi", "Send a sealed envelope, or resume"),
    "kit": ("Prend le nécessaire de dépôt d'une consultation", "Get the kit of a consultation"),
    "token": ("Crée ou révoque un jeton d'accès", "Create or revoke an access token"),
    "verify": ("Vérifie hors ligne un reçu ou un registre", "Verify a receipt or a log offline"),
    "vectors": ("Rejoue des réponses connues", "Run known answers"),
    "replay": ("Montre un objet tel qu'il était", "Show an object as it was"),
    "ledger": ("Crée, contrôle, exporte le registre", "Create, check, export the ledger"),
    "export": ("Exporte tout d'un acheteur qui part", "Export all of a buyer that leaves"),
    "backup": ("Sauvegarde une plateforme en marche", "Back up a running platform"),
    "restore": ("Restaure une sauvegarde et la prouve", "Restore a backup and prove it"),
    "custodian": ("Tient une part de chaque clé", "Hold one share of each key"),
    "witness": ("Cosigne le registre d'un voisin", "Cosign the log of a neighbour"),
    "monitor": ("Surveille un registre du dehors", "Watch a log from outside"),
    "privacy": (
        "Montre ou efface ce qui est tenu d'une personne",
        "Show or erase what is held of a person",
    ),
    "health": (
        "Prouve l'état de la plateforme à une heure",
        "Prove how the platform was at an hour",
    ),
    "keys": ("Change les clés du registre", "Change the keys of the log"),
    "rebuild": ("Reconstruit les vues depuis zéro", "Rebuild the views from zero"),
    "doctor": ("Dit si ce poste peut faire tourner Pli", "Say whether this machine can run Pli"),
}
# codes which speak of the machine, not of the request: exit 3
ENVIRONMENT = (
    "home.absent",
    "platform.",
    "ledger.",
    "network.",
    "clock.",
    "keys.",
    "vault.",
    "self-test",
    "witness.absent",
    "custodian.absent",
    "custodian.locked",
    "custodian.not-started",
    "file.",
    "input.",
)
REFUSED = frozenset({"ledger.exists", "ledger.export-exists"})


class FileUnreadable(Exception):
    """A file that was named, or one of the home, cannot be read or written."""

    code = "file.unreadable"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave the process with its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a terminal that cannot show é still shows the rest
            stream.reconfigure(errors="replace")
    sys.exit(run(given))


def run(given: list[str]) -> int:
    """Run one command and return its exit status."""
    if given[:1] == ["--version"]:
        from importlib.metadata import version

        print(f"pli {version('pli')}")
        return 0
    if not given or given[0] in {"-h", "--help", "help"}:
        print(overview(language()))
        return 0 if given else 2
    if given[0] not in COMMANDS:
        print(unknown(given[0], language()), file=sys.stderr)
        return 2
    return _run_verb(given[0], given[1:])


def language() -> str:
    """Return the language of messages: PLI_LANG, else the locale, else French."""
    wanted = next(
        (os.environ[name] for name in ("PLI_LANG", "LC_ALL", "LANG") if os.environ.get(name)), ""
    )
    return "en" if wanted.lower().startswith("en") else "fr"


def overview(lang: str) -> str:
    """Return the list of commands, one a line."""
    head = {
        "fr": "Usage : pli VERBE [NOM] [OPTIONS]   (pli VERBE --help pour chaque verbe)",
        "en": "Usage: pli VERB [NOUN] [OPTIONS]   (pli VERB --help for each verb)",
    }[lang]
    rows = [f"  {name:<10}{texts[lang == 'en']}" for name, texts in COMMANDS.items()]
    return "\n".join([head, "", *rows])


def unknown(name: str, lang: str) -> str:
    """Return what to say about a verb that does not exist."""
    if lang == "fr":
        return f"pli : verbe inconnu « {name} » ; pli --help les montre [usage]"
    return f'pli: unknown verb "{name}"; pli --help shows them [usage]'


def report(error: Exception, lang: str) -> int:
    """Tell a refusal on stderr with its code; return the exit status it stands for."""
    from api.errors import code_of, text_of

    code = code_of(error)
    text = text_of(code)
    title = text.fr if lang == "fr" else text.en
    detail = f" : {error}" if lang == "fr" else f": {error}"
    print(f"pli : {title}{detail if str(error) else ''} [{code}]", file=sys.stderr)
    return exit_status(code)


def exit_status(code: str) -> int:
    """Return 3 for what the machine lacks, 1 for what was refused."""
    return 3 if code.startswith(ENVIRONMENT) and code not in REFUSED else 1


def _run_verb(name: str, rest: list[str]) -> int:
    module = importlib.import_module(f"api.cli.{name}")
    return guarded(lambda: module.app(args=rest, prog_name=f"pli {name}"))


def guarded(work: Callable[[], object]) -> int:
    """Do the work of a command; return its exit status, with what it was refused on stderr."""
    try:
        work()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1
    except BrokenPipeError:
        return 1
    except Exception as error:
        known = error if isinstance(getattr(error, "code", None), str) else _of_machine(error)
        if known is None:
            raise
        return report(known, language())
    return 0


def _of_machine(error: Exception) -> Exception | None:
    """Return what an error of the disk is called, None for an error of ours."""
    import sqlite3

    from ledger.errors import StorageFull

    if isinstance(error, sqlite3.Error):
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        return StorageFull() if full else FileUnreadable(str(error))
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull()
    return FileUnreadable(str(error)) if isinstance(error, OSError | UnicodeError) else None

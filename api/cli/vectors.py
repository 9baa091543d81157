"""``pli vectors FILE…``: known answers run with product code (envelope 18).

One JSON line per vector: what the product does with it, refusals included. Neither ``expect`` nor
``out`` of the file is read; an implementation conforms if what is printed equals them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import FileUnreadable, language, report

if TYPE_CHECKING:
    from api.known_answers.book import Book, Case, Out

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

# what a vector without the fields, types or sizes of its operation raises
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, OverflowError, MemoryError)
# operation → module and function; a module is imported when one of its operations is met
OPERATIONS: Mapping[str, tuple[str, str]] = {
    "constants": ("hashes", "constants"),
    "H": ("hashes", "tagged_hash"),
    "HS": ("hashes", "hash_to_scalar"),
    "canon": ("hashes", "canonical_bytes"),
    "tree": ("hashes", "tree"),
    "padme": ("hashes", "padme"),
    "bidder": ("hashes", "bidder"),
    "point": ("hashes", "point"),
    "scalar": ("hashes", "scalar"),
    "dkg-make1": ("keys", "make_round1"),
    "dkg-round1": ("keys", "check_round1"),
    "dkg-finish": ("keys", "finish"),
    "keyset": ("keys", "check_keyset"),
    "alive": ("keys", "alive"),
    "recovery": ("keys", "recovery"),
    "encaps": ("keys", "encapsulate"),
    "capsule": ("keys", "check_capsule"),
    "partial-make": ("keys", "make_partial"),
    "partial": ("keys", "check_partial"),
    "combine": ("keys", "combine"),
    "seal": ("files", "seal_file"),
    "frame": ("files", "frame"),
    "commit": ("files", "commit"),
    "head": ("files", "head"),
    "open": ("files", "open_file"),
    "package-make": ("files", "make_package"),
    "package": ("files", "read_package"),
    "name": ("files", "name"),
    "quorum": ("rules", "quorum"),
    "step": ("rules", "step"),
    "rule": ("rules", "rule"),
    "local": ("rules", "local"),
    "placement": ("rules", "level"),
    "plan": ("rules", "opening_plan"),
    "fault": ("rules", "fault"),
    "custodian": ("decisions", "custodian"),
}


@app.command()
def vectors(
    files: Annotated[list[Path], typer.Argument(help="Fichiers de vecteurs / Vector files")],
) -> None:
    """Run known answers with product code, one JSON line each."""
    status = 0
    for file in files:
        try:
            for line in run(file):
                print(line)
        except FileUnreadable as error:  # the other files are run all the same
            status = report(error, language())
    raise typer.Exit(status)


def run(path: Path) -> Iterator[str]:
    """Yield one JSON line per vector of the file; raise FileUnreadable if it is no such file."""
    from api.known_answers.book import Book

    document = _document(path)
    book = Book(document)
    for vector in document["vectors"]:
        name = vector.get("id") if isinstance(vector, dict) else None
        try:
            got, out = answer(book, vector["op"], vector["in"])
            yield json.dumps({"got": got, "id": name, "out": out}, ensure_ascii=False)
        except MALFORMED:
            yield json.dumps({"got": "refuse:form", "id": name, "out": {}}, ensure_ascii=False)


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise FileUnreadable(f"{path}: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("vectors"), list):
        raise FileUnreadable(f"{path}: no list of vectors")
    return document


def answer(book: Book, op: str, case: Case) -> tuple[str, dict[str, Any]]:
    """Run one operation; return ``ok`` or ``refuse:<code>``, and what came out."""
    from crypto.errors import CeremonyComplaint, QuorumMissing

    if op not in OPERATIONS:
        return "refuse:unknown-operation", {}
    try:
        return "ok", _operation(op)(book, case)
    except CeremonyComplaint as complaint:
        return f"refuse:{complaint.reason}", {"blame": complaint.against}
    except QuorumMissing as missing:
        return f"refuse:{missing.code}", {"bad": list(missing.bad)}
    except Exception as refusal:  # four trees of refusals: crypto, domain, ledger, custodians
        code = getattr(refusal, "code", None)
        if not isinstance(code, str):
            raise
        return f"refuse:{code}", {}


@cache
def _operation(op: str) -> Callable[[Book, Case], Out]:
    module, name = OPERATIONS[op]
    found: Callable[[Book, Case], Out] = getattr(import_module(f"api.known_answers.{module}"), name)
    return found

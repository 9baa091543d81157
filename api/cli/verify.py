"""``pli verify receipt|log …``: the offline verifier, with the same verbs, options and verdicts.

It is the file ``replay/verifier.py`` itself; what it proves does not rest on the rest of Pli.
"""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def verify(words: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Verify a receipt or an exported log offline."""
    from replay.verifier import main

    raise typer.Exit(main(words or []))

"""``pli verify receipt|log …``: the offline verifier, with the same verbs, options and verdicts.

It is the file ``replay/verifier.py`` itself, standard library only; what it proves does not rest on
the rest of Pli, so nothing else is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence


def app(args: Sequence[str], prog_name: str) -> None:
    """Verify a receipt or an exported log offline."""
    from replay.verifier import main

    _ = prog_name
    raise SystemExit(main(list(args)))

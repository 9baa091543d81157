"""``pli verify receipt|log|export …``: the offline verifier, its verbs, options and verdicts.

It is the file ``replay/verifier.py`` itself, standard library only; what it proves does not rest on
the rest of Pli, so nothing else is imported here. ``export`` judges what a buyer took along, on the
same functions (``replay/export_verifier.py``).
"""

from __future__ import annotations

from collections.abc import Sequence


def app(args: Sequence[str], prog_name: str) -> None:
    """Verify a receipt, an exported log or the export of a buyer offline."""
    from replay import export_verifier, verifier

    _ = prog_name
    if args[:1] == ["export"]:
        raise SystemExit(export_verifier.main(args[1:]))
    raise SystemExit(verifier.main(list(args)))

"""Fuzz one target in a process of its own: ``python fuzz_target.py TARGET [libFuzzer options]``.

Only what the target imports is instrumented. libFuzzer ends the process: 0, or 77 with the input
that broke the target written where ``-artifact_prefix`` says.
"""

import sys
from pathlib import Path

import atheris

PACKAGES = ["api", "crypto", "domain", "ledger", "projections", "replay", "doubles"]

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "shared")]
with atheris.instrument_imports(include=PACKAGES):
    from doubles.parsers import target_of

    run = target_of(sys.argv.pop(1)).make()
atheris.Setup(sys.argv, run)
atheris.Fuzz()

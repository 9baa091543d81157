"""Refusals of the ledger: one class per reason, each with a stable code and the facts."""

from __future__ import annotations


class LedgerError(Exception):
    """Root of every refusal raised by ``ledger``; ``code`` is stable and machine-readable."""

    code = "ledger"


class EntryRefused(LedgerError):
    """Bytes that are no entry of the format; ``code`` is the rule that is broken."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.code = rule
        self.detail = detail

"""Routes × acts: which act of ``domain.md`` §5 each operation is; the domain's table decides.

A route without a row is an error of ours, and a red test. Operations on an object that may belong
to somebody else are judged by the domain, which first says 404: they stand here with ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from domain.ports import Principal
from domain.roles import Roles

PUBLIC = "public"
"""Marks what everybody may read, without a token."""

OPERATIONS: Mapping[str, str | None] = MappingProxyType(
    {
        "list_consultations": PUBLIC,
        "read_consultation": PUBLIC,
        "read_kit": PUBLIC,
        "read_keyset": PUBLIC,
        "read_canary_keyset": PUBLIC,
        "read_dossier": PUBLIC,
        "download_dossier_file": PUBLIC,
        "read_opening": PUBLIC,
        "read_ledger": PUBLIC,
        "read_checkpoint": PUBLIC,
        "read_tile": PUBLIC,
        "read_favicon": PUBLIC,
        "publish_checkpoint": "run the platform",
        "stamp_checkpoint": "run the platform",
        "draft_consultation": "draft consultation",
        "define_lot": None,
        "set_criteria": None,
        "set_calendar": None,
        "set_technical_limits": None,
        "set_deposit_policy": None,
        "assign_keyset": None,
        "decrypt_canary": None,
        "publish_consultation": None,
        "correct_limits": None,
        "correct_dossier": None,
        "extend_deadline": None,
        "suspend_consultation": None,
        "resume_consultation": None,
        "upload_dossier_file": None,
        "freeze_dossier": None,
        "start_transmission": "deposit, replace, withdraw",
        "announce_envelope": None,
        "store_chunk": None,
        "read_transmission": None,
        "finish_transmission": None,
        "end_transmission": None,
        "list_deposits": "deposit, replace, withdraw",
        "read_deposit": None,
        "read_receipt": None,
        "withdraw_deposit": None,
        "admit_late_deposit": None,
        "reject_late_deposit": None,
        "convene_opening": None,
        "record_presence": None,
        "fix_opening_plan": None,
        "open_envelopes": None,
        "open_deposit": None,
        "list_opened_documents": None,
        "read_opened_document": None,
        "register_buyer": "register organisations",
        "register_operator": "register organisations",
        "grant_role": None,
        "read_who_i_am": None,
        "list_refusals": None,
        "read_metrics": "run the platform",
    }
)


def check(operation: str, principal: Principal, roles: Roles) -> None:
    """Return quietly unless this role may never do this act; raise ``role.not-allowed``."""
    act = OPERATIONS[operation]
    if act is not None and act != PUBLIC:
        roles.require(principal.role, act)

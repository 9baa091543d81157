"""The JSON interface, one file per aggregate; every route is listed here once."""

from __future__ import annotations

from fastapi import APIRouter


def all_routers() -> list[APIRouter]:
    """Return the routers in the order in which their paths are tried."""
    from api.routes import (
        backup_copies,
        consultations,
        deposits,
        dossiers,
        health,
        ledger,
        members,
        metrics,
        openings,
        parties,
        refusals,
        transmissions,
    )

    return [
        transmissions.router,  # first: before a deadline nearly all requests are theirs
        dossiers.router,
        backup_copies.router,
        consultations.router,
        deposits.router,
        openings.router,
        parties.router,
        members.router,
        refusals.router,
        health.router,
        ledger.router,
        metrics.router,
    ]

"""The store under a test: SQLite, and a schema of a real PostgreSQL."""

from __future__ import annotations

import pytest
from doubles.postgres import server

from ledger.postgres import PostgresDatabase

STORES = [
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
]


@pytest.fixture(params=STORES)
def database(request: pytest.FixtureRequest) -> PostgresDatabase | None:
    """Return a fresh schema, or None for the file of a home."""
    return server().database() if request.param == "postgres" else None

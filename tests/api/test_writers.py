"""How many processes write decides who records: each for itself, or an elected one for all."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from api.settings import Settings
from api.wiring import database_of


@pytest.mark.parametrize(("writers", "elected"), [(1, False), (2, False), (3, True)])
def test_above_two_writers_one_is_elected(tmp_path: Path, writers: int, elected: bool) -> None:
    url = SecretStr("postgresql://nobody/none")
    database = database_of(Settings(home=tmp_path, database_url=url, writers=writers))
    assert database is not None
    assert database.elected is elected

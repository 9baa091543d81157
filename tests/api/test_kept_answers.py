"""What custodians answered lies beside the envelope: every answer, of every lot and plan."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from api.adapters.uploads import Uploads
from api.adapters.vault import EnvelopeVault
from ledger.vault import Vault as Blobs

DEPOSIT = "22" * 16


def vault(folder: Path) -> EnvelopeVault:
    nothing = cast("Uploads", None)
    return EnvelopeVault(Blobs(folder / "blobs"), nothing, folder, 0, lambda: "fresh")


def test_an_answer_that_is_kept_is_never_replaced(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    assert kept.partials(DEPOSIT) == []
    kept.keep_partials(DEPOSIT, "1", 1, {3: b"\x03"})
    kept.keep_partials(DEPOSIT, "1", 1, {1: b"\x01", 3: b"\x33"})
    kept.keep_partials(DEPOSIT, "2", 1, {1: b"\x01", 2: b"\x02"})
    kept.keep_partials("33" * 16, "2", 1, {1: b"\xff"})
    again = vault(tmp_path)
    assert again.partials(DEPOSIT) == [
        {"index": 1, "partial": "01"},
        {"index": 2, "partial": "02"},
        {"index": 3, "partial": "03"},
        {"index": 3, "partial": "33"},
    ]

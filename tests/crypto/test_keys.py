"""Key files are read strictly, and log keys are valid where the log says so."""

from __future__ import annotations

import pytest

from crypto.keys import LogKeys, SigningKey, read_key_file, write_key_file
from crypto.log_errors import KeyFileRefused
from crypto.notes import COSIGNATURE, LOG, VerifierKey

SEED = bytes(range(32))
KEY = SigningKey("ledger.example/1", LOG, SEED)
FILE = write_key_file(KEY)


def test_a_key_file_is_read_back() -> None:
    assert FILE.startswith(b"PRIVATE+KEY+ledger.example/1+")
    assert read_key_file(FILE, LOG) == KEY
    assert read_key_file(FILE, LOG).verifier() == VerifierKey.of_seed(KEY.name, LOG, SEED)


def test_a_seed_never_shows() -> None:
    assert repr(SEED)[2:20] not in repr(KEY)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        FILE[:-1],
        FILE + b"\n",
        FILE.replace(b"PRIVATE", b"PUBLIC"),
        FILE.replace(b"ledger", b"other"),
        FILE.replace(b"ledger", b"led er"),
        FILE.replace(b"ledger", "lédger".encode()),
        FILE.replace(b"A", b"-"),
    ],
)
def test_other_bytes_are_refused_and_not_shown(data: bytes) -> None:
    with pytest.raises(KeyFileRefused) as refusal:
        read_key_file(data, LOG)
    assert refusal.value.__cause__ is None or isinstance(refusal.value.__cause__, UnicodeError)
    with pytest.raises(KeyFileRefused, match="type 0x01"):
        read_key_file(FILE, COSIGNATURE)


def test_log_keys_by_size() -> None:
    old, new = (str(VerifierKey.of_seed("l", LOG, bytes([i]) * 32)) for i in (1, 2))
    keys = LogKeys.of(
        {"keys": [old]}, [{"added": new, "from_size": 10}, {"retired": old, "from_size": 20}]
    )
    assert [keys.at(size) for size in (9, 10, 19, 20)] == [{old}, {old, new}, {old, new}, {new}]


def test_malformed_key_entries_are_refused() -> None:
    witness = str(VerifierKey.of_seed("w", COSIGNATURE, SEED))
    for created in ({}, {"keys": "x"}, {"keys": [1]}, {"keys": [witness]}):
        with pytest.raises(KeyFileRefused):
            LogKeys.of(created)
    with pytest.raises(KeyFileRefused, match="size"):
        LogKeys.of({"keys": []}, [{"from_size": True}])

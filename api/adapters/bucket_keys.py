"""The keys of an object store: from a file of its owner alone, else from the environment."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

from api.adapters.keys import read_secret
from ledger.errors import LedgerError


class CredentialsAbsent(LedgerError):
    """Neither a file nor the environment has the keys of the object store."""

    code = "vault.credentials"

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} has no aws_access_key_id and aws_secret_access_key")
        self.where = where


def keys_of(path: Path | None, environment: Mapping[str, str]) -> tuple[str, str, str]:
    """Return key id, secret and session token (or ""): of the file, else of the environment.

    The file has the form of the AWS tools: a section with ``aws_access_key_id`` and others. Raises
    CredentialsAbsent, or KeyFileExposed where others may read it.
    """
    if path is None:
        given = {name.lower(): value for name, value in environment.items()}
    else:
        try:
            parser = configparser.ConfigParser(interpolation=None)
            parser.read_string(read_secret(path).decode())
            given = dict(parser[parser.sections()[0]])
        except (configparser.Error, IndexError, UnicodeDecodeError):
            given = {}
    key, secret = given.get("aws_access_key_id"), given.get("aws_secret_access_key")
    if not key or not secret:
        raise CredentialsAbsent("the environment" if path is None else path.name) from None
    return key, secret, given.get("aws_session_token", "")

"""A custodian that runs alone: its folder, the lock that keeps a second process out, its service.

The folder is the same as that of an embedded custodian (`custodian_identity`), and so are its
decisions; here it has a process, a clock and a lock of its own.
"""

from __future__ import annotations

import fcntl
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from api.adapters.custodian_identity import LOG_KEYS, Identity, read_identity, trusted_log
from api.adapters.custodian_seat import Clock
from api.adapters.custodian_service import CustodianService
from api.adapters.keys import (
    Credential,
    CredentialFile,
    Passphrase,
    Random,
    read_secret,
    write_durably,
)
from api.adapters.local_custodian import LocalCustodian
from api.adapters.pushed_views import PushedViews
from crypto.policies import NO_QUORUM, Policy

LOCK = "custodian.lock"
LOCK_S = 10.0
"""How long a start waits for another process of this custodian to end."""
STEP_S = 0.05


class CustodianHomeError(Exception):
    """Root of what the folder of a custodian refuses."""

    code = "custodian.home"


class CustodianAbsent(CustodianHomeError):
    """The folder holds no custodian."""

    code = "custodian.absent"

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: pli custodian init {folder} --organisation ORG --log-key VKEY")
        self.folder = str(folder)


class CustodianLocked(CustodianHomeError):
    """Another process answers from this folder: two memories would be one too many."""

    code = "custodian.locked"


class CustodianExists(CustodianHomeError):
    """Another custodian, or one of another log or organisation, lives in this folder."""

    code = "custodian.exists"


@dataclass(frozen=True, slots=True)
class Unlocking:
    """Where the key of a custodian's chest comes from: a credential file, else a passphrase."""

    credential: Path | None = None
    passphrase: Path | None = None

    def of(self, folder: Path) -> Credential:
        """Return the credential of a folder; without any, a file beside the folder, never in it."""
        if self.passphrase is not None:
            return Passphrase(read_secret(self.passphrase).decode().rstrip("\n"))
        resolved = folder.resolve()
        return CredentialFile(self.credential or resolved.parent / f"{resolved.name}.credential")


def identity_of(folder: Path) -> Identity:
    """Return who lives in a folder, or raise CustodianAbsent."""
    if not (folder / "identity.json").is_file():
        raise CustodianAbsent(folder)
    return read_identity(folder)


def is_served(folder: Path) -> bool:
    """Say whether a process holds this custodian now; one that starts meanwhile only waits."""
    with (folder / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def install_log_keys(folder: Path, text: str) -> Policy:
    """Believe these keys of the log from the next start on; they name the first one, or refused."""
    identity = identity_of(folder)
    known = folder / LOG_KEYS
    before = known.read_bytes() if known.exists() else None
    # the lines of `pli keys list` alone, or a whole policy without witnesses
    whole = text if "quorum" in text else f"{text.rstrip()}\nquorum {NO_QUORUM}\n"
    write_durably(known, whole.encode())
    try:
        return trusted_log(folder, identity)
    except Exception:
        if before is None:
            known.unlink()
        else:
            write_durably(known, before)
        raise


class CustodianHome:
    """One custodian, held by this process until it is closed."""

    def __init__(self, folder: Path, credential: Credential, clock: Clock, random: Random) -> None:
        self.identity = identity_of(folder)
        self._held = ExitStack()
        try:
            self._take_lock(folder)
            views = PushedViews()
            self.custodian = LocalCustodian(folder, credential, clock, random, views)
            self.service = CustodianService(self.custodian, views)
            self._held.callback(self.service.close)
        except BaseException:
            self._held.close()
            raise

    def close(self) -> None:
        """Let go of the files, then of the lock."""
        self._held.close()

    def _take_lock(self, folder: Path) -> None:
        lock = self._held.enter_context((folder / LOCK).open("ab"))
        (folder / LOCK).chmod(0o600)
        never = threading.Event()
        for _ in range(int(LOCK_S / STEP_S)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                never.wait(STEP_S)  # the one before may still be ending
            else:
                return
        raise CustodianLocked(f"{folder}: another process answers for it")

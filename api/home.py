"""The folder of one platform: where each file stands, and who may be there.

``ledger.db ledger.lock views.db private.db accounts.db blobs/ keys/ custodians/<id>/ highwater/
receipts/ opening/ story.json``; a successor also has ``predecessor/``, the home that was restored
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from api.accounts import Accounts
from crypto.forms import ORIGIN


class HomeError(Exception):
    """Root of what a folder lacks."""

    code = "home"


class HomeAbsent(HomeError):
    """The folder holds no platform."""

    code = "home.absent"

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: pli story --home {folder} | pli ledger init --home {folder}")
        self.folder = str(folder)


class DriverAbsent(HomeError):
    """A PostgreSQL is configured, and its driver is not installed."""

    code = "home.no-driver"


class OriginRefused(HomeError):
    """No log can have this name."""

    code = "origin"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} has not the form {ORIGIN.pattern}")
        self.name = name


def check_origin(name: str) -> str:
    """Return the name if envelopes can be sealed for a log of this name (``envelope.md`` 1.1)."""
    if not ORIGIN.fullmatch(name):
        raise OriginRefused(name)
    return name


@dataclass(frozen=True)
class Home:
    """The files of a platform by name; nothing is created by naming it."""

    folder: Path

    @property
    def ledger(self) -> Path:
        """The append-only log."""
        return self.folder / "ledger.db"

    @property
    def lock(self) -> Path:
        """Held for life by the one process that writes."""
        return self.folder / "ledger.lock"

    @property
    def views(self) -> Path:
        """Read models: derived, always rebuildable."""
        return self.folder / "views.db"

    @property
    def private(self) -> Path:
        """Erasable rows behind the commitments of the log."""
        return self.folder / "private.db"

    @property
    def blobs(self) -> Path:
        """Chunks and files, named by their hash."""
        return self.folder / "blobs"

    @property
    def keys(self) -> Path:
        """Key files of the platform, mode 0600."""
        return self.folder / "keys"

    @property
    def log_key(self) -> Path:
        """The key that signs the log."""
        return self.keys / "log.key"

    @property
    def next_log_key(self) -> Path:
        """The key that takes its place; both sign for a time."""
        return self.keys / "log-next.key"

    @property
    def subject_keys(self) -> Path:
        """The key of each subject of the private rows, wrapped by a key file beside it."""
        return self.keys / "subjects.db"

    @property
    def custodians(self) -> Path:
        """One folder of keys and state for each local custodian."""
        return self.folder / "custodians"

    @property
    def highwater(self) -> Path:
        """The last signed checkpoint; a setting puts it on another volume."""
        return self.folder / "highwater"

    @property
    def policy(self) -> Path:
        """The operator's policy with remote witnesses, where there is one."""
        return self.folder / "policy.txt"

    @property
    def uploads(self) -> Path:
        """Which chunk of which transmission is which blob."""
        return self.folder / "uploads.db"

    @property
    def refusals(self) -> Path:
        """Refused accesses: a chain of its own beside the log."""
        return self.folder / "refusals.db"

    @property
    def probe_book(self) -> Path:
        """Probes that wait for the next beat."""
        return self.folder / "probes.db"

    @property
    def probes(self) -> Path:
        """Where probes write and send; nothing of it stays."""
        return self.folder / "probes"

    @property
    def envelopes(self) -> Path:
        """What lies beside the blobs: opened plaintext, answers of custodians."""
        return self.folder / "envelopes"

    @property
    def reserve(self) -> Path:
        """Room kept for the log itself when the disk is full."""
        return self.folder / "reserve"

    @property
    def scrub(self) -> Path:
        """Where the reading again of this home has come."""
        return self.folder / "scrub"

    def existing(self) -> Home:
        """Return this home if it holds a platform, else raise HomeAbsent."""
        if not self.ledger.is_file() and not self.log_key.is_file():
            raise HomeAbsent(self.folder)
        return self

    def holds(self, path: Path) -> bool:
        """Say whether a file of this home is there already."""
        return path.is_file()

    def sheltered(self, path: Path) -> Path:
        """Return a file that only its owner may read, made empty where there is none."""
        if not path.exists():
            path.touch(mode=0o600)
        return path

    def kept_policies(self) -> dict[str, str]:
        """Return the policies that lie here as files: of a home that was restored without keys."""
        names = ("policy.txt", "policy-log.txt")
        if not all(self.holds(self.folder / name) for name in names):
            raise HomeAbsent(self.folder)
        return {name: (self.folder / name).read_text() for name in names}

    def create(self) -> Home:
        """Make the folders of a platform; those that are there stay as they are."""
        folders = (self.blobs, self.keys, self.custodians, self.highwater, self.envelopes)
        for folder in (self.folder, *folders):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self

    def accounts(self) -> Accounts:
        """Return the credentials of this home."""
        return Accounts(self.folder / "accounts.db")

"""Refusals of the ledger: one class per reason, each with a stable code and the facts."""

from __future__ import annotations

from eventsourcing.persistence import IntegrityError


class LedgerError(Exception):
    """Root of every refusal raised by ``ledger``; ``code`` is stable and machine-readable."""

    code = "ledger"


class EntryRefused(LedgerError):
    """Bytes that are no entry of the format; ``code`` is the rule that is broken."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.code = rule
        self.detail = detail


class LedgerLocked(LedgerError):
    """Another process holds the right to write here."""

    code = "ledger.locked"

    def __init__(self, path: str) -> None:
        super().__init__(f"another process writes in this home (it holds {path})")
        self.path = path


class LedgerHalted(LedgerError):
    """A write or read of the store failed: nothing is read or written any more (N2)."""

    code = "ledger.halted"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the ledger stopped, start it again: {reason}")
        self.reason = reason


class LedgerClosed(LedgerError):
    """The ledger was closed by its owner."""

    code = "ledger.closed"

    def __init__(self) -> None:
        super().__init__("the ledger is closed")


class StorageFull(LedgerError):
    """The disk is full: nothing of this save was written; later saves may succeed."""

    code = "ledger.storage-full"

    def __init__(self) -> None:
        super().__init__("the disk is full, nothing was recorded")


class OutcomeUnknown(LedgerError):
    """The commit neither succeeded nor failed for certain: ask again with the same command."""

    code = "ledger.outcome-unknown"

    def __init__(self, command: str) -> None:
        super().__init__(f"it is not known whether {command!r} was recorded: repeat it")
        self.command = command


class CommandReused(LedgerError):
    """A command key that came before with another content."""

    code = "command.reused"

    def __init__(self, command: str) -> None:
        super().__init__(f"command {command!r} came before with another content")
        self.command = command


class CommandMissing(LedgerError):
    """A save without a command key, or with one that cannot be a key."""

    code = "ledger.command-missing"

    def __init__(self, command: str) -> None:
        super().__init__(f"a save names its command in 1 to 200 characters, not {command[:40]!r}")
        self.command = command


class NothingToSave(LedgerError):
    """A save without any event."""

    code = "ledger.nothing-to-save"

    def __init__(self, command: str) -> None:
        super().__init__(f"command {command!r} brought no event")
        self.command = command


class StreamMoved(LedgerError, IntegrityError):
    """A stream is no longer where the command saw it: load it again and decide again."""

    code = "ledger.stream-moved"

    def __init__(self, stream: str, expected: int, found: int) -> None:
        super().__init__(f"stream {stream} stands at version {found}, {expected} was expected")
        self.stream = stream
        self.expected = expected
        self.found = found


class TimeRefused(LedgerError):
    """An entry too far behind the log or ahead of the clock (ledger.md §2, time)."""

    code = "ledger.time"

    def __init__(self, at: str, bound: str) -> None:
        super().__init__(f"an entry of {at} is refused, the bound is {bound}")
        self.at = at
        self.bound = bound


class HighWaterMoved(LedgerError):
    """The mark is no longer the expected one: somebody else signed."""

    code = "ledger.mark-moved"

    def __init__(self) -> None:
        super().__init__("the high-water mark was moved by another writer")


class NotPublished(LedgerError):
    """Nothing beyond the last published checkpoint is shown."""

    code = "ledger.not-published"

    def __init__(self) -> None:
        super().__init__("no published checkpoint covers this yet")


class NoSuchEntry(LedgerError):
    """A position or a stream that the log does not have."""

    code = "ledger.no-such-entry"

    def __init__(self, wanted: str) -> None:
        super().__init__(f"the log has no entry {wanted}")
        self.wanted = wanted


class PathsDisagree(LedgerError):
    """Two independent computations of the tree differ: nothing is signed (N5)."""

    code = "ledger.paths-disagree"

    def __init__(self, what: str) -> None:
        super().__init__(f"the second path differs: {what}")
        self.what = what


class StartRefused(LedgerError):
    """Root of the reasons for which a ledger does not open; the text says what to do."""

    code = "ledger.start"


class LedgerAbsent(StartRefused):
    """No ledger was ever created here."""

    code = "ledger.absent"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} holds no ledger: create it with 'pli ledger init'")
        self.path = path


class LedgerExists(StartRefused):
    """A ledger was created here before."""

    code = "ledger.exists"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} holds a ledger already: nothing was created")
        self.path = path


class StoreDamaged(StartRefused):
    """Head, rows and tiles of the store do not belong together."""

    code = "ledger.damaged"

    def __init__(self, what: str) -> None:
        super().__init__(f"the store is damaged, restore a backup and run fsck: {what}")
        self.what = what


class OlderBackup(StartRefused):
    """The store ends before the mark: it is an older copy."""

    code = "ledger.older-backup"

    def __init__(self, size: int, mark: int) -> None:
        super().__init__(
            f"older backup: entries {size}..{mark - 1} are missing; restore them, "
            "or go on as a successor log with a new origin"
        )
        self.size = size
        self.mark = mark


class AnotherHistory(StartRefused):
    """The store has another root than the one that was signed at this size."""

    code = "ledger.another-history"

    def __init__(self, size: int, source: str) -> None:
        super().__init__(f"another history: at size {size} the root is not the one of {source}")
        self.size = size
        self.source = source


class MarkMissing(StartRefused):
    """The high-water mark is gone although the log has grown."""

    code = "ledger.mark-missing"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the high-water mark is missing beside a log of {size} entries: "
            "restore it with 'pli ledger adopt --checkpoint FILE --reason TEXT'"
        )
        self.size = size


class MarkUnexpected(StartRefused):
    """A mark stands beside an empty store, or beside a log whose mark is to be adopted."""

    code = "ledger.mark-unexpected"

    def __init__(self, size: int) -> None:
        super().__init__(f"a high-water mark stands beside a store of {size} entries")
        self.size = size


class ForeignKey(StartRefused):
    """The signer's key is not the one of this log, or the mark is not signed by it."""

    code = "ledger.foreign-key"

    def __init__(self, what: str) -> None:
        super().__init__(f"not the key of this log: {what}")
        self.what = what


class KeyUnknown(LedgerError):
    """No key in force of this log is the one that was named."""

    code = "ledger.key-unknown"

    def __init__(self, vkey: str) -> None:
        super().__init__(f"{vkey[:120]} is no key of this log that is in force")
        self.vkey = vkey


class WitnessAhead(StartRefused):
    """A witness has cosigned more of this log than the store holds."""

    code = "ledger.witness-ahead"

    def __init__(self, witness: str, size: int, told: int) -> None:
        super().__init__(
            f"witness {witness} has cosigned size {told}, the store has {size}: older backup"
        )
        self.witness = witness
        self.size = size
        self.told = told


class SubjectKeysLocked(LedgerError):
    """The keys of subjects are wrapped by another key than the one that is here."""

    code = "ledger.subject-keys"

    def __init__(self) -> None:
        super().__init__("the keys of subjects are wrapped by a key that is not here")


class WipeBlocked(LedgerError):
    """Another process reads a file in which something must be overwritten."""

    code = "ledger.wipe-blocked"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is being read: what was erased is not overwritten yet")
        self.name = name


class EventTypeRefused(LedgerError, TypeError):
    """A field of an event has a type that no entry can hold."""

    code = "ledger.event-type"

    def __init__(self, where: str, what: object) -> None:
        super().__init__(f"{where}: {what!r} cannot stand in an entry")
        self.where = where
        self.what = what


class FeatureRefused(LedgerError):
    """A setting of the library that this ledger cannot honour."""

    code = "ledger.feature"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: entries are neither encrypted, compressed nor tracked")
        self.what = what


class StoreUnreachable(LedgerError):
    """The database server does not answer: nothing was recorded, the command may be repeated."""

    code = "ledger.unreachable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database does not answer, nothing was recorded: {reason}")
        self.reason = reason


class BatchGivenUp(LedgerError):
    """The database gave a transaction up (serialization, deadlock): it is run again once."""

    code = "ledger.given-up"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database gave the transaction up, nothing was recorded: {reason}")
        self.reason = reason


class EngineUnsafe(StartRefused):
    """A setting of the database server under which a commit may be lost."""

    code = "ledger.engine-unsafe"

    def __init__(self, setting: str, found: str, wanted: str) -> None:
        super().__init__(f"the server runs with {setting}={found}, the ledger needs {wanted}")
        self.setting = setting
        self.found = found
        self.wanted = wanted


class BlobMissing(LedgerError):
    """A blob that the vault does not hold."""

    code = "vault.missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"the vault holds no {name}")
        self.name = name


class BlobDiffers(LedgerError):
    """Bytes that are not those of their name, or not those stored before."""

    code = "vault.differs"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} holds other bytes")
        self.name = name


class NameRefused(LedgerError):
    """A name that cannot be a name in the vault."""

    code = "vault.name"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:80]!r} is no name in the vault")
        self.name = name


class ExportRefused(LedgerError):
    """A folder for an export that holds something already."""

    code = "ledger.export-exists"

    def __init__(self, folder: str) -> None:
        super().__init__(f"{folder} is not empty: an export is written into a new folder")
        self.folder = folder


class AnchorDiffers(LedgerError):
    """An anchor that names something else than what was published and stamped."""

    code = "ledger.anchor-differs"

    def __init__(self, size: int, what: str) -> None:
        super().__init__(f"the anchor of size {size}: {what}")
        self.size = size
        self.what = what


class BackupDamaged(LedgerError):
    """A backup that is not, byte for byte, what its signed manifest says."""

    code = "backup.damaged"


class BackupOlder(LedgerError):
    """Somebody holds a later checkpoint of this log than the backup: to go on would be a fork."""

    code = "backup.older"

    def __init__(self, size: int, known: int, source: str) -> None:
        super().__init__(
            f"the backup ends at {size}, {source} is of size {known}: entries {size}..{known - 1} "
            "are missing; restore a newer one, or go on as a successor with a new origin"
        )
        self.size = size
        self.known = known
        self.source = source


class BackupUnwitnessed(LedgerError):
    """No published checkpoint of the backup reaches the quorum of the policy."""

    code = "backup.unwitnessed"

    def __init__(self, published: int) -> None:
        super().__init__(f"none of {published} published checkpoints reaches the quorum")
        self.published = published


class BackupTarget(LedgerError):
    """A place for a backup, or for what is restored, where something lies already."""

    code = "backup.target"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} exists already: nothing was written")
        self.path = path


class SuccessorOrigin(LedgerError):
    """A successor that carries the name of the log before it: two histories under one name."""

    code = "backup.origin"

    def __init__(self, origin: str) -> None:
        super().__init__(f"{origin!r} cannot be the origin of the successor: give it a new one")
        self.origin = origin

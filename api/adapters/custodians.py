"""The port `Custodians` over local custodians, one key folder each; they witness checkpoints too.

Level A0: all of them carry the platform's organisation. What they decide is theirs; this file only
carries questions in and answers out, in the words of the domain's port.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from api.adapters.custodian_identity import LOG_KEYS, create_custodian, read_identity
from api.adapters.custodian_seat import Clock, Complaint, CustodianError, Refused, Show
from api.adapters.keys import Credential, CredentialFile, KeysError, Random, write_durably
from api.adapters.local_custodian import Asked, LocalCustodian
from crypto.canonical import Json
from crypto.errors import CryptoError
from crypto.keys import LogKeys
from crypto.notes import VerifierKey
from crypto.policies import witnessed_policy
from domain.ports import CustodianIdentity, CustodianRefusal, CustodianSilent, CustodyComplaint
from ledger.witness import Reply
from replay.custody_view import ViewRefused

LOCAL_NAMES = ("custodian-1", "custodian-2", "custodian-3")
QUORUM_GROUP = "custodians"


class LocalCustodians:
    """The custodians of an embedded platform, behind the domain's port."""

    def __init__(
        self,
        custodians: Sequence[LocalCustodian],
        consultation_of: Callable[[str], str | None],
    ) -> None:
        self._custodians = {one.identity.custodian: one for one in custodians}
        self._consultation_of = consultation_of

    def close(self) -> None:
        """Let go of their files."""
        for one in self._custodians.values():
            one.close()

    def roster(self) -> tuple[CustodianIdentity, ...]:
        """Return who they are, with the box keys of their enrolment."""
        return tuple(
            CustodianIdentity(
                one.identity.custodian,
                one.identity.organisation,
                one.identity.sign.hex(),
                one.identity.box.hex(),
            )
            for one in self._custodians.values()
        )

    def box(self, custodian: str) -> str:
        """Return the box key for the next ceremony, in hex."""
        return self._one(custodian).box.hex()

    def round1(self, ceremony: str, custodian: str) -> dict[str, Json]:
        """Return the round-1 message."""
        with _answering(custodian):
            return self._one(custodian).round1(ceremony)

    def round2(self, ceremony: str, custodian: str) -> dict[str, Json]:
        """Return the round-2 message."""
        with _answering(custodian):
            return self._one(custodian).round2(ceremony)

    def confirm(self, ceremony: str, custodian: str) -> dict[str, Json]:
        """Return the acknowledgement, or raise CustodyComplaint."""
        with _answering(custodian):
            return self._one(custodian).confirm(ceremony)

    def alive(self, digest: str, custodian: str) -> tuple[str, str]:
        """Return nonce and proof of life."""
        with _answering(custodian):
            found = self._one(custodian).alive(digest, self._consultation_of(digest))
            return found[0].hex(), found[1].hex()

    def retire(self, digest: str, custodian: str) -> str:
        """Erase the share that the ledger retires; return the signed statement."""
        with _answering(custodian):
            return self._one(custodian).retire(digest, self._consultation_of(digest) or "").hex()

    def partial(  # noqa: PLR0913, PLR0917 - the port's own facts
        self, consultation: str, lot: str, deposit: str, plan_no: int, head: bytes, custodian: str
    ) -> bytes:
        """Return the 96 bytes for one planned envelope, or raise CustodianRefusal."""
        with _answering(custodian):
            return self._one(custodian).partial(Asked(consultation, lot, deposit, plan_no, head))

    def _one(self, custodian: str) -> LocalCustodian:
        found = self._custodians.get(custodian)
        if found is None:
            raise CustodianSilent(custodian)
        return found


class LocalWitness:
    """One local custodian as the witness of the platform's log."""

    def __init__(self, custodian: LocalCustodian) -> None:
        self._custodian = custodian

    @property
    def key(self) -> VerifierKey:
        """Return the key with which it cosigns."""
        return self._custodian.identity.cosign

    def add_checkpoint(self, body: bytes) -> Reply:
        """Send one add-checkpoint request."""
        answer = self._custodian.witness(body)
        return Reply(answer.status, answer.content_type, answer.body)

    def checkpoint(self) -> bytes | None:
        """Return the last note of this log that it cosigned."""
        return self._custodian.cosigned()


def create_local(  # noqa: PLR0913 - the facts of new custodians
    folder: Path,
    *,
    organisation: str,
    log: VerifierKey,
    credential: Callable[[str], Credential],
    random: Random,
    names: Sequence[str] = LOCAL_NAMES,
) -> None:
    """Make the folders of the local custodians; those that exist are left alone."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        create_custodian(
            folder / name,
            custodian=name,
            organisation=organisation,
            log=log,
            credential=credential(name),
            random=random,
        )


def open_local(
    folder: Path,
    *,
    credential: Callable[[str], Credential],
    clock: Clock,
    random: Random,
    show: Show,
) -> list[LocalCustodian]:
    """Return the local custodians of a home, in the order of their names."""
    return [
        LocalCustodian(folder / name, credential(name), clock, random, show)
        for name in local_names(folder)
    ]


def local_names(folder: Path) -> list[str]:
    """Return the names of the custodians whose folders lie here."""
    return sorted(path.parent.name for path in folder.glob("*/identity.json"))


def organisation_of(folder: Path) -> str:
    """Return the organisation of a platform, which its embedded custodians carry."""
    return read_identity(folder / local_names(folder)[0]).organisation


def credential_files(keys: Path) -> Callable[[str], Credential]:
    """Return where each local custodian's credential lies: one key file each, made at first use."""
    return lambda name: CredentialFile(keys / f"{name}.credential")


def trust_log_keys(folder: Path, keys: LogKeys) -> None:
    """Tell each local custodian which keys of the log count for which sizes."""
    for name in local_names(folder):
        write_durably(folder / name / LOG_KEYS, keys.policy().encode())


def published_policy(keys: LogKeys, folder: Path) -> str:
    """Return the text of `policy.txt`: this log, and a majority of the local custodians."""
    witnesses: Mapping[str, VerifierKey] = {
        name: read_identity(folder / name).cosign for name in local_names(folder)
    }
    return witnessed_policy(keys.lines(), witnesses, len(witnesses) // 2 + 1, QUORUM_GROUP)


@contextmanager
def _answering(custodian: str) -> Iterator[None]:
    """Say in the domain's words what a custodian says; what it cannot do is silence."""
    try:
        yield
    except Refused as refusal:
        raise CustodianRefusal(refusal.custodian, refusal.reason, refusal.sig) from refusal
    except Complaint as complaint:
        raise CustodyComplaint(
            complaint.index, complaint.against, complaint.reason, complaint.sig
        ) from complaint
    except (CustodianError, ViewRefused, KeysError, CryptoError) as error:
        raise CustodianSilent(custodian) from error

"""Refusals of the cryptographic layer: one class per reason, each with a stable code.

The codes are those of ``pli vectors`` and of the events that record a refusal; a reader acts on
the code and the attributes, never on the text.
"""

from __future__ import annotations

from collections.abc import Sequence


class CryptoError(Exception):
    """Root of every refusal raised by ``crypto``; ``code`` is stable and machine-readable."""

    code = "crypto"


class SelfTestFailed(CryptoError):
    """The installed libsodium accepts what it must refuse, or miscalculates: do not run."""

    code = "self-test"

    def __init__(self, what: str) -> None:
        super().__init__(f"the cryptographic library is not fit for use: {what}")
        self.what = what


class ScalarRefused(CryptoError):
    """Not 32 bytes little-endian below the order of the group, or zero where zero is refused."""

    code = "scalar"

    def __init__(self, why: str) -> None:
        super().__init__(f"scalar refused: {why}")
        self.why = why


class PointRefused(CryptoError):
    """Not the canonical encoding of a point of prime order."""

    code = "point"

    def __init__(self, encoding: bytes) -> None:
        super().__init__(f"{encoding[:32].hex()} ({len(encoding)} bytes) is no point of order L")
        self.encoding = encoding


class ProofRefused(CryptoError):
    """A proof of knowledge or of equality does not hold."""

    code = "proof"

    def __init__(self, tag: str) -> None:
        super().__init__(f"the proof {tag} does not hold")
        self.tag = tag


class StatementRefused(CryptoError):
    """An Ed25519 signature does not belong to this key and statement."""

    code = "signature"

    def __init__(self, public: bytes) -> None:
        super().__init__(f"no valid signature by the key {public.hex()}")
        self.public = public


class FormRefused(CryptoError):
    """A ceremony object, message or keyset document has another form than the specified one."""

    code = "form"

    def __init__(self, what: str) -> None:
        super().__init__(f"form refused: {what}")
        self.what = what


class DegreeRefused(CryptoError):
    """A custodian committed to a polynomial of another degree than k - 1."""

    code = "degree"

    def __init__(self, points: int, k: int) -> None:
        super().__init__(f"{points} points committed where {k} are needed")
        self.points = points
        self.k = k


class PossessionRefused(CryptoError):
    """A custodian did not prove that it knows the constant of its polynomial."""

    code = "pop"

    def __init__(self, index: int) -> None:
        super().__init__(f"custodian {index} did not prove possession of its contribution")
        self.index = index


class BoxRefused(CryptoError):
    """A sealed share does not open, or is bound to another ceremony, sender or recipient."""

    code = "box"

    def __init__(self, sender: int, recipient: int) -> None:
        super().__init__(f"the box of custodian {sender} for {recipient} is not what was due")
        self.sender = sender
        self.recipient = recipient


class ShareRefused(CryptoError):
    """A sealed share is not the value of the committed polynomial."""

    code = "share"

    def __init__(self, sender: int, recipient: int) -> None:
        super().__init__(
            f"the share of custodian {sender} for {recipient} is not on its polynomial"
        )
        self.sender = sender
        self.recipient = recipient


class CeremonyComplaint(CryptoError):
    """The ceremony ends here: a message fails, and the complaint names whom it is about.

    From outside nobody can tell which of the two lied; a new ceremony starts.
    """

    code = "complaint"

    def __init__(self, against: int, reason: str) -> None:
        super().__init__(f"complaint against custodian {against}: {reason}")
        self.against = against
        self.reason = reason


class PolynomialRefused(CryptoError):
    """The public shares of a keyset do not lie on one polynomial through its public key."""

    code = "poly"

    def __init__(self, member: int) -> None:
        super().__init__(f"share {member} is not on the polynomial of this keyset")
        self.member = member


class LifeRefused(CryptoError):
    """A custodian did not prove that it still holds its share."""

    code = "alive"

    def __init__(self, index: int) -> None:
        super().__init__(f"custodian {index} did not prove that it holds its share")
        self.index = index


class RecoveryRefused(CryptoError):
    """A recovery copy does not hold the share of this custodian of this keyset."""

    code = "recovery"

    def __init__(self, index: int) -> None:
        super().__init__(f"this is no recovery copy of the share of custodian {index}")
        self.index = index


class CapsuleRefused(CryptoError):
    """A capsule was not made for this label and keyset by one who knows its secret."""

    code = "capsule"

    def __init__(self) -> None:
        super().__init__("the capsule does not belong to this label and keyset")


class PartialRefused(CryptoError):
    """A partial does not come from this custodian's share of the keyset."""

    code = "partial"

    def __init__(self, index: int) -> None:
        super().__init__(f"the partial of custodian {index} is not proven")
        self.index = index


class QuorumMissing(CryptoError):
    """Fewer than k custodians gave a valid partial; ``bad`` names those that gave a false one."""

    code = "quorum"

    def __init__(self, valid: Sequence[int], k: int, bad: Sequence[int]) -> None:
        super().__init__(f"{len(valid)} valid partials of {k} needed; bad: {list(bad)}")
        self.valid = tuple(valid)
        self.k = k
        self.bad = tuple(bad)


class FramingRefused(CryptoError):
    """The file is not cut as PLI1 says: magic, length of the header, sizes of the chunks."""

    code = "framing"

    def __init__(self, what: str) -> None:
        super().__init__(f"framing refused: {what}")
        self.what = what


class HeaderRefused(CryptoError):
    """The header or its label is not canonical or not of the specified form."""

    code = "header"

    def __init__(self, what: str) -> None:
        super().__init__(f"header refused: {what}")
        self.what = what


class SuiteUnknown(CryptoError):
    """The header names a suite that this version does not know."""

    code = "suite"

    def __init__(self, suite: str) -> None:
        super().__init__(f"unknown suite {suite!r}")
        self.suite = suite


class KeysetMismatch(CryptoError):
    """The label names another keyset than the one of this consultation."""

    code = "keyset"

    def __init__(self, named: str, expected: str) -> None:
        super().__init__(f"the label names keyset {named}, expected {expected}")
        self.named = named
        self.expected = expected


class PurposeRefused(CryptoError):
    """Rehearsals and canaries go to canary keysets only, and nothing else goes there."""

    code = "purpose"

    def __init__(self, kind: str, purpose: str) -> None:
        super().__init__(f"an envelope of kind {kind} under a keyset for {purpose}")
        self.kind = kind
        self.purpose = purpose


class CommitmentMismatch(CryptoError):
    """The stored bytes are not those that were received: storage is at fault, not the bidder."""

    code = "commitment"

    def __init__(self, found: bytes | None, recorded: bytes) -> None:
        has = "no commitment" if found is None else found.hex()
        super().__init__(f"the file has {has}, recorded is {recorded.hex()}")
        self.found = found
        self.recorded = recorded


class LabelMismatch(CryptoError):
    """The envelope bears another label than the recorded one."""

    code = "label"

    def __init__(self) -> None:
        super().__init__("the envelope bears another label than the recorded one")


class KeyRefused(CryptoError):
    """The envelope commits to another key than the one that the custodians' partials give."""

    code = "key"

    def __init__(self) -> None:
        super().__init__("the envelope commits to another key")


class ChunkRefused(CryptoError):
    """A chunk does not decrypt under the key, place and last flag that it should have."""

    code = "chunk"

    def __init__(self, index: int) -> None:
        super().__init__(f"chunk {index} does not decrypt")
        self.index = index


class DocumentsChanged(CryptoError):
    """The bytes of the second pass are not those of the first: begin again with new secrets."""

    code = "documents-changed"

    def __init__(self, what: str) -> None:
        super().__init__(f"the documents changed while they were being sealed: {what}")
        self.what = what


class PackageRefused(CryptoError):
    """The plaintext is no package of documents."""

    code = "package"

    def __init__(self, what: str) -> None:
        super().__init__(f"package refused: {what}")
        self.what = what


class DocumentsRefused(CryptoError):
    """The documents inside are not those that the header or the manifest announces."""

    code = "documents"

    def __init__(self, what: str) -> None:
        super().__init__(f"documents refused: {what}")
        self.what = what


class PaddingRefused(CryptoError):
    """The plaintext has another length than its padding says, or padding that is not zero."""

    code = "padding"

    def __init__(self, size: int, what: str) -> None:
        super().__init__(f"padding refused for {size} bytes: {what}")
        self.size = size
        self.what = what


class NameRefused(CryptoError):
    """A document name that could leave its folder or deceive its reader."""

    code = "name"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"document name {name!r} refused: {why}")
        self.name = name
        self.why = why

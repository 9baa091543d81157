"""Refusals of the log formats: canonical JSON, trees, notes, policies, proofs.

One class per reason; ``code`` is the word of the published known answers (`vectors/ledger`).
"""

from __future__ import annotations

from crypto.errors import CryptoError


class NotCanonical(CryptoError):
    """Bytes or a value outside the canonical profile; ``rule`` names the rule that refuses.

    ``rule`` is one of utf8 syntax space order key number range escape nul null depth size nfc.
    """

    code = "canonical"

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"not canonical JSON ({rule}): {detail}")
        self.rule = rule
        self.detail = detail


class ProofError(CryptoError):
    """A proof that does not lead to the root it claims."""

    code = "proof"


class HashLength(ProofError):
    """A hash that has not exactly 32 bytes: refused before any algorithm sees it."""

    code = "hash"

    def __init__(self, length: int) -> None:
        super().__init__(f"every hash of a tree has 32 bytes, one has {length}")
        self.length = length


class IndexOutside(ProofError):
    """A place that the tree does not have."""

    code = "index"

    def __init__(self, index: int, size: int) -> None:
        super().__init__(f"index {index} outside a tree of {size} leaves")
        self.index = index
        self.size = size


class InconsistentTrees(ProofError):
    """Two roots of which the first is not proven to be an ancestor of the second."""

    code = "consistency"

    def __init__(self, first: int, second: int, reason: str) -> None:
        super().__init__(f"size {first} is not proven to lead to size {second}: {reason}")
        self.first = first
        self.second = second
        self.reason = reason


class IntegerRefused(CryptoError):
    """A decimal number that is not written in its only form."""

    code = "integer"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:40]!r} is no decimal number below 2^63 in its only form")
        self.text = text


class Base64Refused(CryptoError):
    """Base64 that does not re-encode to itself, or that holds another number of bytes."""

    code = "hash"

    def __init__(self, text: str, expected: int | None = None) -> None:
        wanted = "in its only form" if expected is None else f"of {expected} bytes"
        super().__init__(f"{text[:60]!r} is no standard base64 {wanted}")
        self.text = text
        self.expected = expected


class NoteRefused(CryptoError):
    """Bytes that are not a C2SP signed note."""

    code = "note"

    def __init__(self, reason: str) -> None:
        super().__init__(f"no signed note: {reason}")
        self.reason = reason


class CheckpointRefused(CryptoError):
    """A signed note whose text is not a C2SP checkpoint."""

    code = "checkpoint"

    def __init__(self, reason: str) -> None:
        super().__init__(f"no checkpoint: {reason}")
        self.reason = reason


class SignatureRefused(CryptoError):
    """A known key whose signature is absent or fails."""

    code = "signature"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"signature of {name!r}: {reason}")
        self.name = name
        self.reason = reason


class VerifierKeyRefused(CryptoError):
    """Text that is not a C2SP verifier key, or not of the expected type."""

    code = "vkey"

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"no verifier key {text[:200]!r}: {reason}")
        self.text = text
        self.reason = reason


class PolicyRefused(CryptoError):
    """Text that is not a C2SP tlog-policy."""

    code = "policy"

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"policy, line {line}: {reason}")
        self.line = line
        self.reason = reason


class QuorumNotMet(CryptoError):
    """A checkpoint which too few witnesses of the policy have cosigned."""

    code = "quorum"

    def __init__(self, quorum: str, witnesses: tuple[str, ...]) -> None:
        super().__init__(f"quorum {quorum!r} is not met by {', '.join(witnesses) or 'no witness'}")
        self.quorum = quorum
        self.witnesses = witnesses


class KeyFileRefused(CryptoError):
    """Bytes that are not a key file of the log or of a witness."""

    code = "key"

    def __init__(self, reason: str) -> None:
        super().__init__(f"no key file: {reason}")
        self.reason = reason


class BlindingRefused(CryptoError):
    """A commitment or a private row that does not open to what it claims."""

    code = "commitment"

    def __init__(self, reason: str) -> None:
        super().__init__(f"commitment: {reason}")
        self.reason = reason


class PathRefused(CryptoError):
    """Text that is not the path of a tile or bundle."""

    code = "path"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path[:80]!r} is not the path of a tile or bundle")
        self.path = path


class TileRefused(CryptoError):
    """A tile of another length than its width says."""

    code = "tile"

    def __init__(self, length: int, width: int) -> None:
        super().__init__(f"a tile of {width} hashes has {32 * width} bytes, not {length}")
        self.length = length
        self.width = width


class BundleRefused(CryptoError):
    """An entry bundle that is cut, or that holds more than its entries."""

    code = "bundle"

    def __init__(self, reason: str) -> None:
        super().__init__(f"entry bundle: {reason}")
        self.reason = reason


class TileMissing(CryptoError):
    """A file that a log of this size must serve and does not."""

    code = "missing"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is missing")
        self.path = path


class WitnessAnswer(CryptoError):
    """An answer of a witness that is not a valid cosignature of what was sent."""

    code = "witness"

    def __init__(self, witness: str, status: int, reason: str) -> None:
        super().__init__(f"witness {witness!r} answered {status}: {reason}")
        self.witness = witness
        self.status = status
        self.reason = reason

"""What the depositor's side refuses: one class per reason, each with a stable code."""

from __future__ import annotations


class DepositorError(Exception):
    """Root of what sealing and sending refuse."""

    code = "depositor"


class KitRefused(DepositorError):
    """A kit with a missing or malformed field, or whose keys or proofs do not verify."""

    code = "kit.refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SealRefused(DepositorError):
    """A wish or documents that no envelope of this consultation can hold."""

    code = "seal.refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DocumentUnreadable(DepositorError):
    """A document that cannot be read from the disk."""

    code = "input.unreadable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


class OutputExists(DepositorError):
    """A file of that name exists: it may be the only copy of another envelope."""

    code = "seal.exists"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class TooLarge(DepositorError):
    """More bytes than the published limit; asked before anything is sealed."""

    code = "deposit.too-large"

    def __init__(self, limit: str, allowed: int, asked: int) -> None:
        super().__init__(f"{limit} {asked} > {allowed}")
        self.limit, self.allowed, self.asked = limit, allowed, asked


class TooManyFiles(DepositorError):
    """More documents than the published limit."""

    code = "deposit.too-many-files"

    def __init__(self, allowed: int, asked: int) -> None:
        super().__init__(f"max_files {asked} > {allowed}")
        self.allowed, self.asked = allowed, asked


class ServerRefused(DepositorError):
    """The platform refused a call; `code` is its own."""

    def __init__(self, status: int, code: str, title: str, body: dict[str, object]) -> None:
        super().__init__(title)
        self.status, self.code, self.body = status, code, body


class Unreachable(DepositorError):
    """No answer after several attempts; a second run resumes."""

    code = "network.unreachable"


class StrangeAnswer(DepositorError):
    """An answer that this protocol does not know."""

    code = "network.answer"


class UploadEnded(DepositorError):
    """The transmission ended without a deposit; its attestation is kept."""

    code = "upload.ended"

    def __init__(self, state: str, attestation: str) -> None:
        super().__init__(state)
        self.state, self.attestation = state, attestation


class ReceiptRefused(DepositorError):
    """What the platform gave as a receipt does not prove this deposit."""

    code = "receipt.refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

"""Refusals of time stamps (RFC 3161), one class per reason."""

from __future__ import annotations

from datetime import datetime

from crypto.errors import CryptoError


class StampError(CryptoError):
    """Root of the reasons for which a time stamp proves nothing."""

    code = "stamp"


class StampForm(StampError):
    """Bytes that are no answer of a time-stamping authority, or no request to one."""

    code = "stamp.form"


class StampDeclined(StampError):
    """The authority answered, and granted no stamp."""

    code = "stamp.declined"

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"the authority answers with status {status}: {reason}")
        self.status = status
        self.reason = reason


class StampImprint(StampError):
    """A stamp over other bytes, or over a hash that is not SHA-256."""

    code = "stamp.imprint"

    def __init__(self, found: str) -> None:
        super().__init__(f"the stamp is over other bytes: {found}")
        self.found = found


class StampNonce(StampError):
    """An answer to another request: an old one, replayed."""

    code = "stamp.nonce"

    def __init__(self) -> None:
        super().__init__("the answer does not carry the nonce of the request")


class StampSigner(StampError):
    """A stamp without the certificate of the one that signed it."""

    code = "stamp.signer"


class StampPurpose(StampError):
    """A signer whose certificate is not for time stamps, and for nothing else (RFC 3161 §2.3)."""

    code = "stamp.purpose"

    def __init__(self, subject: str) -> None:
        super().__init__(f"the certificate of {subject} is not for time stamps alone")
        self.subject = subject


class StampExpired(StampError):
    """A stamp made outside the validity of its signer's certificate."""

    code = "stamp.expired"

    def __init__(self, subject: str, time: datetime) -> None:
        super().__init__(f"the certificate of {subject} is not valid at {time:%FT%TZ}")
        self.subject = subject
        self.time = time


class StampUntrusted(StampError):
    """A signature that fails, or that no certificate of the trust store stands behind."""

    code = "stamp.untrusted"

    def __init__(self, reason: str) -> None:
        super().__init__(f"no certificate of the trust store stands behind the stamp: {reason}")
        self.reason = reason


class TrustStoreRefused(StampError):
    """A file of trusted certificates that holds none, or something else."""

    code = "stamp.trust-store"

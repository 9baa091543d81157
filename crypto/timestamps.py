"""Time stamps of RFC 3161: requests, and the verdict on an answer under a trust store.

A stamp says that its bytes existed at its time, to the accuracy that it states. Which authorities
are believed is the trust store's to say; what a token brings along is never trusted by itself. The
certificates need to be valid at the time of the stamp, not today.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import (
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from crypto.stamp_errors import (
    StampDeclined,
    StampError,
    StampExpired,
    StampForm,
    StampImprint,
    StampNonce,
    StampPurpose,
    StampSigner,
    StampUntrusted,
    TrustStoreRefused,
)
from crypto.stamp_forms import SHA256, Request, sha256_imprint

NONCE_BYTES = 8
MAX_ANSWER = 64 * 1024
"""An honest answer has one to ten thousand bytes."""

Certificates = tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a verified time stamp says."""

    time: datetime
    accuracy_us: int
    serial: int
    authority: str
    """Subject of the certificate that signed it."""


def trust_store(pem: bytes) -> Certificates:
    """Return the certificates of a file in PEM form, or raise TrustStoreRefused."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise TrustStoreRefused(f"no certificates in PEM form: {error}") from error


def request(data: bytes, nonce: bytes) -> bytes:
    """Return a request for a stamp over these bytes: SHA-256, this nonce, the certificates too."""
    asked = Request(
        version=1,
        imprint=sha256_imprint(hashlib.sha256(data).digest()),
        policy=None,
        nonce=int.from_bytes(nonce, "big"),
        certificates=True,
    )
    return asn1.encode_der(asked)


def verify(answer: bytes, data: bytes, trusted: Certificates, nonce: bytes | None = None) -> Stamp:
    """Return what the answer of an authority proves of these bytes, or raise a StampError.

    The nonce is known to who has just asked; a kept stamp is judged without.
    """
    if len(answer) > MAX_ANSWER:
        raise StampForm(f"an answer of {len(answer)} bytes")
    try:
        return _judged(decode_timestamp_response(answer), data, trusted, nonce)
    except StampError:
        raise
    # Parts of an answer are parsed only when they are looked at, and what the libraries raise of
    # them has no common class: ValueError, TypeError, InvalidVersion, DuplicateExtension.
    except Exception as error:
        raise StampForm(f"no answer of an authority: {error}") from error


def _judged(
    found: TimeStampResponse, data: bytes, trusted: Certificates, nonce: bytes | None
) -> Stamp:
    # 1 the verdict of the authority
    if found.status:
        raise StampDeclined(found.status, "; ".join(found.status_string))
    info = found.tst_info
    # 2 the bytes and the request
    imprint = info.message_imprint
    if imprint.hash_algorithm != SHA256 or imprint.message != hashlib.sha256(data).digest():
        raise StampImprint(f"{imprint.hash_algorithm.dotted_string} {imprint.message.hex()[:64]}")
    if nonce is not None and info.nonce != int.from_bytes(nonce, "big"):
        raise StampNonce
    # 3 who signed, and whether he may
    signer = _signer(found)
    subject = signer.subject.rfc4514_string()
    _check_purpose(signer, subject)
    if not signer.not_valid_before_utc <= info.gen_time <= signer.not_valid_after_utc:
        raise StampExpired(subject, info.gen_time)
    # 4 signature and chain
    _check_chain(found, data, trusted)
    accuracy = info.accuracy
    fine = (accuracy.millis or 0) * 1_000 + (accuracy.micros or 0) if accuracy else 0
    whole = (accuracy.seconds or 0) * 1_000_000 if accuracy else 0
    return Stamp(info.gen_time, whole + fine, info.serial_number, subject)


def _signer(found: TimeStampResponse) -> x509.Certificate:
    signers = list(found.signed_data.signer_infos)
    encoded = found.signed_data.certificates
    for certificate in map(x509.load_der_x509_certificate, sorted(encoded)):
        for one in signers:
            if (certificate.issuer, certificate.serial_number) == (one.issuer, one.serial_number):
                return certificate
    raise StampSigner(f"{len(signers)} signers, {len(encoded)} certificates, no pair")


def _check_purpose(signer: x509.Certificate, subject: str) -> None:
    try:
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        raise StampPurpose(subject) from error
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise StampPurpose(subject)


def _check_chain(found: TimeStampResponse, data: bytes, trusted: Certificates) -> None:
    if not trusted:
        raise StampUntrusted("the trust store is empty")
    verifier = VerifierBuilder(roots=list(trusted)).build()
    try:
        verifier.verify_message(found, data)
    except VerificationError as error:
        raise StampUntrusted(str(error)) from error

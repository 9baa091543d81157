"""The ASN.1 forms of RFC 3161 and of the part of CMS (RFC 5652) that a time stamp is made of.

Only what is written here: requests by both sides, answers by the test authority. Answers of others
are read by rfc3161-client. `cryptography` encodes and decodes DER strictly by these declarations.
"""

from __future__ import annotations

from typing import Annotated, Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import TLV, Default, Explicit, GeneralizedTime, Implicit, Null, SetOf

SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
ECDSA_SHA256: Final = x509.ObjectIdentifier("1.2.840.10045.4.3.2")
SIGNED_DATA: Final = x509.ObjectIdentifier("1.2.840.113549.1.7.2")
TST_INFO: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.16.1.4")
CONTENT_TYPE: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.4")
SIGNING_CERTIFICATE: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.47")


@asn1.sequence
class Algorithm:
    """AlgorithmIdentifier of a hash or of a signature without parameters of its own."""

    algorithm: x509.ObjectIdentifier
    parameters: Null | None


@asn1.sequence
class Imprint:
    """MessageImprint."""

    algorithm: Algorithm
    digest: bytes


@asn1.sequence
class Request:
    """TimeStampReq, without extensions."""

    version: int
    imprint: Imprint
    policy: x509.ObjectIdentifier | None
    nonce: int | None
    certificates: Annotated[bool, Default(value=False)]


@asn1.sequence
class Accuracy:
    """How far the time of a stamp may be off."""

    seconds: int | None
    millis: Annotated[int | None, Implicit(0)]


@asn1.sequence
class Info:
    """TSTInfo: what is signed."""

    version: int
    policy: x509.ObjectIdentifier
    imprint: Imprint
    serial: int
    time: GeneralizedTime
    accuracy: Accuracy | None
    nonce: int | None


@asn1.sequence
class CertificateId:
    """ESSCertIDv2 with its default hash, SHA-256."""

    digest: bytes


@asn1.sequence
class SigningCertificate:
    """SigningCertificateV2: which certificate signs, so that no other one can stand for it."""

    certificates: list[CertificateId]


@asn1.sequence
class Attribute:
    """A signed attribute with its one value."""

    kind: x509.ObjectIdentifier
    values: SetOf[TLV]


@asn1.sequence
class SignerId:
    """IssuerAndSerialNumber."""

    issuer: TLV
    serial: int


@asn1.sequence
class Signer:
    """SignerInfo."""

    version: int
    signer: SignerId
    digest: Algorithm
    attributes: Annotated[SetOf[Attribute], Implicit(0)]
    algorithm: Algorithm
    signature: bytes


@asn1.sequence
class Content:
    """EncapsulatedContentInfo."""

    kind: x509.ObjectIdentifier
    content: Annotated[bytes, Explicit(0)]


@asn1.sequence
class SignedData:
    """SignedData of CMS with its certificates."""

    version: int
    digests: SetOf[Algorithm]
    content: Content
    certificates: Annotated[SetOf[TLV] | None, Implicit(0)]
    signers: SetOf[Signer]


@asn1.sequence
class Token:
    """TimeStampToken."""

    kind: x509.ObjectIdentifier
    content: Annotated[SignedData, Explicit(0)]


@asn1.sequence
class Status:
    """PKIStatusInfo without text."""

    status: int


@asn1.sequence
class Response:
    """TimeStampResp."""

    status: Status
    token: Token | None


def sha256_imprint(digest: bytes) -> Imprint:
    """Return the imprint of a SHA-256 digest."""
    return Imprint(algorithm=Algorithm(algorithm=SHA256, parameters=Null()), digest=digest)

"""A time-stamping authority for tests and demonstrations: it has no legal value whatever.

It stands where a real authority would, signs with a real key and is judged by the same verifier;
but who holds the platform holds it too, so its stamps prove nothing against the operator. Time,
chance and key come as arguments; signatures are deterministic (RFC 6979), so equal arguments give
equal bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import TLV, GeneralizedTime, SetOf
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto import stamp_forms as forms
from crypto.stamp_errors import StampForm

POLICY = x509.ObjectIdentifier("2.999.1")
"""Of the arc for examples (ITU-T X.660): no policy stands behind these stamps."""

ORGANISATION = "TEST - no legal value"
YEARS = timedelta(days=36_524)


@dataclass(frozen=True, slots=True)
class TestAuthority:
    """A root, the certificate of a time-stamping unit under it, and the unit's key."""

    __test__ = False

    root: x509.Certificate
    unit: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def of_seed(cls, seed: bytes, since: datetime) -> TestAuthority:
        """Return the authority of a secret seed, valid from this instant for a hundred years."""
        issuer, key = _key(seed, "root"), _key(seed, "unit")
        root = _certificate("Pli test root", issuer, "Pli test root", issuer, since)
        unit = _certificate("Pli test time stamps", key, "Pli test root", issuer, since)
        return cls(root, unit, key)

    def trusted(self) -> bytes:
        """Return the root in PEM form, for a trust store."""
        return self.root.public_bytes(Encoding.PEM)

    def answer(self, request: bytes, serial: int, time: datetime, accuracy_ms: int) -> bytes:
        """Return a stamp in answer to a request, or raise StampForm."""
        asked = read_request(request)
        info = forms.Info(
            version=1,
            policy=POLICY,
            imprint=asked.imprint,
            serial=serial,
            time=GeneralizedTime(time.replace(microsecond=0)),
            accuracy=forms.Accuracy(
                seconds=accuracy_ms // 1000 or None, millis=accuracy_ms % 1000 or None
            ),
            nonce=asked.nonce,
        )
        return asn1.encode_der(
            forms.Response(
                status=forms.Status(status=0),
                token=forms.Token(
                    kind=forms.SIGNED_DATA,
                    content=self._sign(asn1.encode_der(info), certificates=asked.certificates),
                ),
            )
        )

    def _sign(self, content: bytes, *, certificates: bool) -> forms.SignedData:
        digest = forms.sha256_imprint(b"").algorithm
        encoded = self.unit.public_bytes(Encoding.DER)
        attributes = SetOf(
            [
                _attribute(forms.CONTENT_TYPE, asn1.encode_der(forms.TST_INFO)),
                _attribute(forms.MESSAGE_DIGEST, asn1.encode_der(hashlib.sha256(content).digest())),
                _attribute(forms.SIGNING_CERTIFICATE, _identified(encoded)),
            ]
        )
        # What is signed is the plain SET OF; inside the token the same set carries the tag [0].
        signed = asn1.encode_der(attributes)
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        signer = forms.Signer(
            version=1,
            signer=forms.SignerId(
                issuer=asn1.decode_der(TLV, self.unit.issuer.public_bytes()),
                serial=self.unit.serial_number,
            ),
            digest=digest,
            attributes=attributes,
            algorithm=forms.Algorithm(algorithm=forms.ECDSA_SHA256, parameters=None),
            signature=signature,
        )
        return forms.SignedData(
            version=3,
            digests=SetOf([digest]),
            content=forms.Content(kind=forms.TST_INFO, content=content),
            certificates=SetOf([asn1.decode_der(TLV, encoded)]) if certificates else None,
            signers=SetOf([signer]),
        )


def read_request(data: bytes) -> forms.Request:
    """Return a request over a SHA-256 imprint, or raise StampForm."""
    try:
        asked = asn1.decode_der(forms.Request, data)
    except ValueError as error:
        raise StampForm(f"no request for a stamp: {error}") from error
    if asked.version != 1:
        raise StampForm(f"a request of version {asked.version}")
    if asked.imprint.algorithm.algorithm != forms.SHA256 or len(asked.imprint.digest) != 32:
        raise StampForm("a request over something else than SHA-256")
    return asked


def _attribute(kind: x509.ObjectIdentifier, value: bytes) -> forms.Attribute:
    return forms.Attribute(kind=kind, values=SetOf([asn1.decode_der(TLV, value)]))


def _identified(certificate: bytes) -> bytes:
    digest = hashlib.sha256(certificate).digest()
    return asn1.encode_der(
        forms.SigningCertificate(certificates=[forms.CertificateId(digest=digest)])
    )


def _key(seed: bytes, use: str) -> ec.EllipticCurvePrivateKey:
    """Derive a P-256 key; 64 bytes of hash reduced to the order leave no visible bias."""
    curve = ec.SECP256R1()
    wide = hashlib.sha512(b"pli/test-authority/v1\x00" + use.encode() + b"\x00" + seed).digest()
    return ec.derive_private_key(1 + int.from_bytes(wide, "big") % (curve.group_order - 1), curve)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signing: ec.EllipticCurvePrivateKey,
    since: datetime,
) -> x509.Certificate:
    public, is_root = key.public_key(), subject == issuer
    known = x509.SubjectKeyIdentifier.from_public_key(public)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    usage = x509.KeyUsage(
        digital_signature=not is_root,
        key_cert_sign=is_root,
        crl_sign=is_root,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(int.from_bytes(known.digest[:8], "big") | 1)
        .not_valid_before(since)
        .not_valid_after(since + YEARS)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(known, critical=False)
        .add_extension(above, critical=False)
    )
    if not is_root:
        stamps = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(stamps, critical=True)
    return builder.sign(signing, hashes.SHA256(), ecdsa_deterministic=True)

"""Time stamps: known answer, test authority, second implementation, and every refusal."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto import stamp_forms as forms
from crypto.local_authority import TestAuthority, read_request
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
from crypto.timestamps import MAX_ANSWER, Stamp, request, trust_store, verify

SAMPLE = Path(__file__).parents[1] / "vectors" / "ledger" / "extra" / "anchors"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 2, 7, 0, 5, 813_362, tzinfo=UTC)
AUTHORITY = TestAuthority.of_seed(bytes(32), SINCE)
TRUSTED = trust_store(AUTHORITY.trusted())
NONCE = bytes.fromhex("00baba4a2aaeb948")
DATA = b"pli.example/log\n1\nroot\n"
OPENSSL = shutil.which("openssl")


def answered(
    authority: TestAuthority = AUTHORITY, time: datetime = NOW, data: bytes = DATA
) -> bytes:
    return authority.answer(request(data, NONCE), 7, time, 1_250)


def test_the_known_sample_is_believed_and_is_over_its_own_bytes_only() -> None:
    trusted = trust_store((SAMPLE / "ca.pem").read_bytes())
    answer, note = (SAMPLE / "613.tsr").read_bytes(), (SAMPLE / "613.note").read_bytes()
    stamp = verify(answer, note, trusted)
    assert stamp.time == datetime(2026, 11, 23, 17, 41, 40, tzinfo=UTC)
    assert (stamp.accuracy_us, stamp.serial) == (1_000_000, 3)
    with pytest.raises(StampImprint):
        verify(answer, note + b"\n", trusted)


def test_a_request_is_the_one_of_the_sample() -> None:
    asked = read_request((SAMPLE / "613.tsq").read_bytes())
    assert asked.nonce is not None
    note = (SAMPLE / "613.note").read_bytes()
    assert request(note, asked.nonce.to_bytes(8, "big")) == (SAMPLE / "613.tsq").read_bytes()


def test_the_test_authority_is_judged_like_any_other() -> None:
    answer = answered()
    stamp = verify(answer, DATA, TRUSTED, NONCE)
    second = NOW.replace(microsecond=0)
    assert stamp == Stamp(second, 1_250_000, 7, stamp.authority)
    assert "TEST - no legal value" in stamp.authority
    assert answered(TestAuthority.of_seed(bytes(32), SINCE)) == answer, "deterministic"


def test_accuracy_that_is_not_stated_is_zero() -> None:
    answer = AUTHORITY.answer(request(DATA, NONCE), 7, NOW, 0)
    assert verify(answer, DATA, TRUSTED).accuracy_us == 0


@pytest.mark.skipif(OPENSSL is None, reason="openssl is absent")
@pytest.mark.parametrize("changed", [False, True])
def test_openssl_judges_alike(tmp_path: Path, changed: bool) -> None:
    (tmp_path / "data").write_bytes(DATA + b"x" * changed)
    (tmp_path / "answer.tsr").write_bytes(answered())
    (tmp_path / "root.pem").write_bytes(AUTHORITY.trusted())
    given = ["-data", "data", "-in", "answer.tsr", "-CAfile", "root.pem", "-attime"]
    judged = subprocess.run(
        ["openssl", "ts", "-verify", *given, str(int(NOW.timestamp()))],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (b"Verification: OK" in judged.stdout) is not changed
    assert (judged.returncode == 0) is not changed


def test_other_bytes_and_another_request_are_refused() -> None:
    with pytest.raises(StampImprint):
        verify(answered(), DATA + b"\n", TRUSTED, NONCE)
    with pytest.raises(StampNonce):
        verify(answered(), DATA, TRUSTED, bytes(7) + b"\x01")


def test_a_foreign_root_or_none_is_refused() -> None:
    stranger = TestAuthority.of_seed(b"\x01" * 32, SINCE)
    with pytest.raises(StampUntrusted):
        verify(answered(stranger), DATA, TRUSTED, NONCE)
    with pytest.raises(StampUntrusted):
        verify(answered(), DATA, ())


def test_a_signature_of_another_key_is_refused() -> None:
    other = TestAuthority.of_seed(b"\x01" * 32, SINCE)
    with pytest.raises(StampUntrusted):
        verify(answered(replace(AUTHORITY, key=other.key)), DATA, TRUSTED)


@pytest.mark.parametrize("time", [SINCE - timedelta(days=1), SINCE + timedelta(days=36_525)])
def test_a_certificate_that_is_not_yet_or_no_longer_valid(time: datetime) -> None:
    with pytest.raises(StampExpired) as refused:
        verify(answered(time=time), DATA, TRUSTED)
    assert refused.value.time == time


def certified(*extensions: tuple[Any, bool]) -> TestAuthority:
    """Return an authority whose unit has these extensions only, under a root of its own."""
    key = ec.derive_private_key(12_345, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "unit")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(SINCE)
        .not_valid_after(SINCE + timedelta(days=365))
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    unit = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return TestAuthority(unit, unit, key)


STAMPING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
MORE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.SERVER_AUTH])


@pytest.mark.parametrize("extensions", [(), ((STAMPING, False),), ((MORE, True),)])
def test_a_certificate_for_something_else_is_refused(extensions: Any) -> None:
    authority = certified(*extensions)
    with pytest.raises(StampPurpose):
        verify(answered(authority), DATA, (authority.unit,))


def test_an_answer_without_its_certificate_is_refused() -> None:
    asked = asn1.decode_der(forms.Request, request(DATA, NONCE))
    bare = asn1.encode_der(
        forms.Request(
            version=1, imprint=asked.imprint, policy=None, nonce=asked.nonce, certificates=False
        )
    )
    with pytest.raises(StampSigner):
        verify(AUTHORITY.answer(bare, 7, NOW, 0), DATA, TRUSTED)


def test_a_certificate_that_is_none_is_refused() -> None:
    answer = asn1.decode_der(forms.Response, answered())
    assert answer.token is not None
    content = answer.token.content
    junk = asn1.decode_der(asn1.TLV, bytes.fromhex("3003020101"))
    broken = forms.SignedData(
        version=content.version,
        digests=content.digests,
        content=content.content,
        certificates=asn1.SetOf([junk]),
        signers=content.signers,
    )
    token = forms.Token(kind=answer.token.kind, content=broken)
    with pytest.raises(StampForm):
        verify(asn1.encode_der(forms.Response(status=answer.status, token=token)), DATA, TRUSTED)


def test_an_authority_that_declines() -> None:
    declined = asn1.encode_der(forms.Response(status=forms.Status(status=2), token=None))
    with pytest.raises(StampDeclined) as refused:
        verify(declined, DATA, TRUSTED)
    assert refused.value.status == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>502</html>",
        bytes(MAX_ANSWER + 1),
        asn1.encode_der(forms.Response(status=forms.Status(status=0), token=None)),
    ],
)
def test_what_is_no_answer(answer: bytes) -> None:
    with pytest.raises(StampForm):
        verify(answer, DATA, TRUSTED)


def test_bytes_after_an_answer_are_refused() -> None:
    with pytest.raises(StampError):
        verify(answered() + b"\x00", DATA, TRUSTED)


@pytest.mark.parametrize("position", range(0, 8_000, 61))
def test_no_flipped_bit_changes_what_a_stamp_says(position: int) -> None:
    answer = bytearray(answered())
    answer[position // 8 % len(answer)] ^= 1 << position % 8
    try:
        found = verify(bytes(answer), DATA, TRUSTED, NONCE)
    except StampError:
        return
    assert found == verify(answered(), DATA, TRUSTED, NONCE)


def with_version(version: int) -> bytes:
    asked = asn1.decode_der(forms.Request, request(DATA, NONCE))
    changed = forms.Request(
        version=version, imprint=asked.imprint, policy=None, nonce=None, certificates=True
    )
    return asn1.encode_der(changed)


def over(algorithm: x509.ObjectIdentifier, digest: bytes) -> bytes:
    imprint = forms.Imprint(
        algorithm=forms.Algorithm(algorithm=algorithm, parameters=None), digest=digest
    )
    asked = forms.Request(version=1, imprint=imprint, policy=None, nonce=None, certificates=True)
    return asn1.encode_der(asked)


@pytest.mark.parametrize(
    "asked",
    [b"", b"junk", with_version(2), over(forms.SHA256, bytes(31)), over(forms.TST_INFO, bytes(32))],
)
def test_what_is_no_request(asked: bytes) -> None:
    with pytest.raises(StampForm):
        AUTHORITY.answer(asked, 1, NOW, 0)


def test_a_trust_store_holds_certificates() -> None:
    both = AUTHORITY.trusted() + TestAuthority.of_seed(b"\x01" * 32, SINCE).trusted()
    assert len(trust_store(both)) == 2
    with pytest.raises(TrustStoreRefused):
        trust_store(b"nothing")

"""What is stamped of a checkpoint, by whom it may be stamped, and the days on which nobody did."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from doubles.ledger import START, LocalWitness, SeedSigner

from crypto.local_authority import TestAuthority
from crypto.log_errors import SignatureRefused
from crypto.notes import Checkpoint, cosign, join_note, note, parse_note
from crypto.stamp_errors import StampNonce
from crypto.timestamps import trust_store, verify
from ledger.anchors import day_of, gaps, obtain, stamped_bytes

SAMPLE = Path(__file__).parents[1] / "vectors" / "ledger" / "extra"
SIGNER = SeedSigner()
OPENSSL = shutil.which("openssl")


class Local:
    """The test authority behind the port; `nonce` replaces the one that was asked for."""

    def __init__(self) -> None:
        self.authority = TestAuthority.of_seed(bytes(32), START - timedelta(days=1))
        self.trusted = trust_store(self.authority.trusted())
        self.instead: bytes | None = None

    def stamp(self, request: bytes) -> bytes:
        return self.authority.answer(self.instead or request, 1, START, 0)


def published() -> bytes:
    """Return the note of the sample with a cosignature below it."""
    checkpoint = Checkpoint(SIGNER.key.name, 613, bytes(32))
    own = note(checkpoint, [SIGNER.sign(checkpoint)])
    witness = LocalWitness().decision
    read = parse_note(own)
    line = cosign(read.text, witness.name, witness.seed, 1_772_434_800)
    return join_note(read.text, [*map(str, read.signatures), line])


def test_the_stamped_bytes_are_those_of_the_sample() -> None:
    served = (SAMPLE / "checkpoints" / "613").read_bytes()
    expected = (SAMPLE / "anchors" / "613.note").read_bytes()
    assert stamped_bytes(served, [SIGNER.key]) == expected
    assert stamped_bytes(expected, [SIGNER.key]) == expected, "they are stable"


def test_a_note_without_a_good_line_of_the_log_is_never_stamped() -> None:
    other = SeedSigner(seed=bytes(32))
    with pytest.raises(SignatureRefused):
        stamped_bytes(published(), [other.key])
    text = parse_note(published()).text
    forged = join_note(text.replace("613", "614"), published().decode().splitlines()[4:])
    with pytest.raises(SignatureRefused):
        stamped_bytes(forged, [SIGNER.key])


def test_a_stamp_is_verified_before_it_is_kept() -> None:
    local = Local()
    token, stamp = obtain(local, published(), [SIGNER.key], b"12345678")
    assert stamp.time == START
    assert verify(token, stamped_bytes(published(), [SIGNER.key]), local.trusted) == stamp
    from crypto.timestamps import request

    local.instead = request(stamped_bytes(published(), [SIGNER.key]), b"87654321")
    with pytest.raises(StampNonce):
        obtain(local, published(), [SIGNER.key], b"12345678")


class OpenSsl:
    """OpenSSL as an authority: another implementation of the other side."""

    CONFIG = """[tsa]
default_tsa = it
[it]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
signer_key = tsa.key
default_policy = 1.2.3.4
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
[ca]
basicConstraints = critical,CA:TRUE
[unit]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping
[req]
distinguished_name = dn
prompt = no
[dn]
CN = test
"""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tsa.cnf").write_text(self.CONFIG)
        (folder / "serial").write_text("01\n")
        new = "req -config tsa.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
        self.run(f"{new} -x509 -extensions ca -subj /CN=root -keyout ca.key -out ca.pem")
        self.run(f"{new} -subj /CN=unit -keyout tsa.key -out tsa.csr".replace("-days 30", ""))
        signed = "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30"
        self.run(f"{signed} -extfile tsa.cnf -extensions unit -out tsa.pem")
        self.trusted = trust_store((folder / "ca.pem").read_bytes())

    def run(self, line: str) -> None:
        subprocess.run(["openssl", *line.split()], cwd=self.folder, capture_output=True, check=True)

    def stamp(self, request: bytes) -> bytes:
        (self.folder / "asked.tsq").write_bytes(request)
        self.run("ts -reply -config tsa.cnf -queryfile asked.tsq -out answer.tsr")
        return (self.folder / "answer.tsr").read_bytes()


@pytest.mark.skipif(OPENSSL is None, reason="openssl is absent")
def test_openssl_as_authority_is_believed(tmp_path: Path) -> None:
    authority = OpenSsl(tmp_path)
    _, stamp = obtain(authority, published(), [SIGNER.key], b"12345678")
    assert stamp.authority == "CN=unit"


def test_a_day_without_a_stamp_is_named() -> None:
    """A peer went without stamps for days and nobody saw it: the gap is a finding here."""
    first, last = date(2026, 3, 1), date(2026, 3, 5)
    assert gaps([first, date(2026, 3, 3), last], first, last) == [
        date(2026, 3, 2),
        date(2026, 3, 4),
    ]
    assert gaps([first], first, first) == []
    assert gaps([first], first, first - timedelta(days=1)) == []


def test_days_are_those_of_utc() -> None:
    paris = timezone(timedelta(hours=1))
    assert day_of(datetime(2026, 3, 2, 0, 30, tzinfo=paris)) == date(2026, 3, 1)
    assert day_of(datetime(2026, 3, 2, 0, 30, tzinfo=UTC)) == date(2026, 3, 2)

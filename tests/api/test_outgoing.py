"""The outgoing client (rule N16): whom it reaches, whom it never does, what bounds an answer."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.adapters.http import AddressRefused, NoAnswer, Outgoing, check_address

UNSPECIFIED = "0.0.0.0"  # noqa: S104 - an address to refuse
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"


class Site:
    """A listening socket that counts who connects and answers the same bytes to each."""

    def __init__(self, answer: bytes) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.answer = answer
        self.heads: list[bytes] = []
        self.ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, suppress(OSError):
                    self.heads.append(connection.recv(65_536))
                    connection.sendall(self.answer)
                    if not self.answer:
                        self.ended.wait()

    def close(self) -> None:
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def site() -> Iterator[Callable[[bytes], Site]]:
    made: list[Site] = []

    def open_site(answer: bytes = OK) -> Site:
        made.append(Site(answer))
        return made[-1]

    yield open_site
    for each in made:
        each.close()


def leads_to(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    return lambda host, port: addresses


def test_an_address_that_is_written_out_is_reached(site: Callable[..., Site]) -> None:
    one = site()
    for host in ("127.0.0.1", "localhost"):
        url = f"http://{host}:{one.port}"
        out = Outgoing([url], resolve=leads_to("127.0.0.1"))
        reply = out.exchange("POST", f"{url}/add-checkpoint", b"body")
        assert (reply.status, reply.content_type, reply.body) == (200, "text/plain", b"hi")
        assert f"\r\nhost: {host}:{one.port}\r\n".encode() in one.heads[-1].lower()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1%lo", "::ffff:127.0.0.1",
     UNSPECIFIED, "192.168.1.1", "fd00::1", "224.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"],
)  # fmt: skip
def test_a_name_that_leads_inside_is_never_connected_to(
    site: Callable[..., Site], address: str
) -> None:
    one = site()
    url = f"http://witness.example:{one.port}/"
    # beside a public address too: the other one could be taken at the second attempt
    for answer in ((address,), ("9.9.9.9", address)):
        with pytest.raises(AddressRefused):
            Outgoing([url], resolve=leads_to(*answer)).exchange("GET", url)
    assert one.heads == []


def test_a_name_that_changes_between_two_resolutions_is_asked_once(
    site: Callable[..., Site],
) -> None:
    one = site()
    asked: list[str] = []

    def changing(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) == 1 else ("10.0.0.1",)

    url = f"http://localhost:{one.port}/"
    assert Outgoing([url], resolve=changing).exchange("GET", url).body == b"hi"
    assert (asked, len(one.heads)) == (["localhost"], 1)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", UNSPECIFIED, "224.0.0.1"])
def test_some_addresses_are_refused_even_written_out(address: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(address, address)


def test_public_addresses_are_allowed() -> None:
    for address in ("9.9.9.9", "2620:fe::fe"):
        check_address("witness.example", address)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.2:1/", "ftp://127.0.0.1/", "http://u:p@127.0.0.1:1/", "http://other.example/"],
)
def test_what_is_not_listed_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        Outgoing(["http://127.0.0.1:1"]).exchange("GET", url)


def test_a_redirect_is_an_answer_and_is_not_followed(site: Callable[..., Site]) -> None:
    target = site()
    moved = f"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:{target.port}/\r\nContent-Length: 0\r\n"
    one = site(moved.encode() + b"\r\n")
    url = f"http://127.0.0.1:{one.port}/"
    assert Outgoing([url]).exchange("GET", url).status == 302
    assert target.heads == []


def test_time_and_size_are_bounded(site: Callable[..., Site]) -> None:
    silent, nobody = site(b""), socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.port}/"
    with pytest.raises(NoAnswer):
        Outgoing([url], seconds=0.1).exchange("GET", url)
    large = site(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
    url = f"http://127.0.0.1:{large.port}/"
    with pytest.raises(NoAnswer, match="more than 65536"):
        Outgoing([url]).exchange("GET", url)
    url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
    nobody.close()
    with pytest.raises(NoAnswer, match="ConnectError"):
        Outgoing([url]).exchange("GET", url)


def of_its_own_authority(folder: Path) -> ssl.SSLContext:
    """Return the side of a server whose certificate nobody but itself has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    named = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = made.add_extension(named, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(plain)
    (folder / "certificate.pem").write_bytes(signed.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def test_a_certificate_that_nobody_trusts_ends_the_call(tmp_path: Path) -> None:
    context = of_its_own_authority(tmp_path)
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])
    heads: list[bytes] = []

    def serve() -> None:
        for _ in range(2):
            with suppress(OSError):
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True) as line:
                    heads.append(line.recv(65_536))
                    line.sendall(OK)

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        url = f"https://localhost:{port}"
        with pytest.raises(NoAnswer) as refused:
            Outgoing([url], resolve=leads_to("127.0.0.1")).exchange("GET", f"{url}/checkpoint")
        assert "CERTIFICATE_VERIFY_FAILED" in str(refused.value.__cause__)
        # the control: a client that knows this authority is answered by the same server
        trusting = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
        with (
            socket.create_connection(("127.0.0.1", port)) as line,
            trusting.wrap_socket(line, server_hostname="localhost") as secure,
        ):
            secure.sendall(b"GET /control HTTP/1.1\r\n\r\n")
            assert secure.recv(65_536).startswith(b"HTTP/1.1 200")
    finally:
        serving.join(10)
        listener.close()
    assert [head.split()[1] for head in heads] == [b"/control"]

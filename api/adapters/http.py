"""The one outgoing HTTP client: no redirect, no proxy from the environment, bounded in time.

`PlatformClient` calls one platform. `Outgoing` calls what an operator has listed (rule N16): listed
hosts only, the resolved address checked and then connected to, so that a second resolution cannot
lead elsewhere; private addresses only where they are written out in the list.
"""

from __future__ import annotations

import asyncio
import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any

import httpx2

from api.depositor.errors import ServerRefused, StrangeAnswer, Unreachable
from api.errors import ApiError
from ledger.witness import Reply

TIMEOUTS = httpx2.Timeout(60.0, connect=10.0)
CONNECTIONS = httpx2.Limits(max_connections=8, max_keepalive_connections=8)
ATTEMPTS = 6
FIRST_WAIT_S = 0.25
EXCHANGE_S = 5.0
ANSWER_LIMIT = 65_536
NAT64 = ipaddress.ip_network("64:ff9b::/96")
BUSY = frozenset({408, 429, 502, 503})
Answer = dict[str, Any]


class PlatformClient:
    """Calls of one platform's interface; what may pass is tried again, with growing pauses.

    Every call of this protocol can be repeated: it carries its own idempotency key, or its bytes
    are their own. `transport` may be an application in this process.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        headers = {"accept": "application/json", "user-agent": client_name()}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        self._attempts = attempts
        self._http = httpx2.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=TIMEOUTS,
            limits=CONNECTIONS,
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    async def __aenter__(self) -> PlatformClient:
        """Open the connections."""
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._http.__aexit__(kind, error, trace)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the JSON object of a good answer, else raise what the platform says."""
        wait = FIRST_WAIT_S
        failure: Exception | None = None
        for attempt in range(self._attempts):
            if attempt:
                await asyncio.sleep(wait)
                wait *= 2
            try:
                answer = await self._http.request(
                    method, path, json=json, content=content, headers=headers
                )
            except httpx2.TransportError as error:
                failure = error
                continue
            if answer.status_code not in BUSY:
                return _read(answer)
            failure = _refusal(answer)
        raise Unreachable(f"{method} {path}: {failure!r}") from failure


class NoAnswer(ApiError, OSError):
    """A service that could not be reached in time, or whose answer is none of its protocol."""

    code = "network.no-answer"


class AddressRefused(NoAnswer):
    """An address that is not listed, or one that a listed name must not lead to."""

    code = "network.address"


Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, as the system gives them."""
    return [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Outgoing:
    """Exchanges with listed hosts; one exchange takes this long and answers this much at most."""

    def __init__(
        self,
        urls: Iterable[str],
        *,
        seconds: float = EXCHANGE_S,
        limit: int = ANSWER_LIMIT,
        resolve: Resolve = resolve,
    ) -> None:
        self._hosts = frozenset(httpx2.URL(url).host for url in urls)
        self._seconds = seconds
        self._limit = limit
        self._resolve = resolve
        self._store: ssl.SSLContext | None = None  # the same from whichever thread it is read

    def exchange(self, method: str, url: str, body: bytes = b"", **headers: str) -> Reply:
        """Return what was answered, whatever its status, or raise NoAnswer."""
        outcome: queue.SimpleQueue[Reply | Exception] = queue.SimpleQueue()

        def work() -> None:
            try:
                outcome.put(self._connect(method, url, body, headers))
            except Exception as error:  # told to whoever waits
                outcome.put(error)

        # a thread of its own: resolving a name cannot be cancelled, only left behind
        threading.Thread(target=work, name="outgoing", daemon=True).start()
        try:
            found = outcome.get(timeout=self._seconds)
        except queue.Empty:
            raise NoAnswer(f"no answer within {self._seconds:g} s") from None
        if isinstance(found, Reply):
            return found
        if isinstance(found, NoAnswer):
            raise found
        raise NoAnswer(type(found).__name__) from found

    def _connect(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        target = httpx2.URL(url)
        if target.scheme not in {"http", "https"} or target.userinfo:
            raise AddressRefused("neither http nor https, or a name and password in it")
        if target.host not in self._hosts:
            raise AddressRefused(f"{target.host} is not listed")
        port = target.port or {"http": 80, "https": 443}[target.scheme]
        addresses = self._resolve(target.host, port)
        for address in addresses:
            check_address(target.host, address)
        request = httpx2.Request(
            method,
            target.copy_with(host=addresses[0]),
            content=body or None,
            headers={
                "host": target.netloc.decode("ascii"),
                "accept-encoding": "identity",
                "user-agent": client_name(),
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
            extensions={"sni_hostname": target.host},
        )
        return asyncio.run(self._send(request))

    def _trust(self, scheme: str) -> ssl.SSLContext:
        """Return whom a connection believes: read once, for it is what an exchange costs most."""
        if scheme == "http":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # of no use there, and cheap
        if self._store is None:
            self._store = httpx2.create_ssl_context(trust_env=False)
        return self._store

    async def _send(self, request: httpx2.Request) -> Reply:
        async with (
            asyncio.timeout(self._seconds),
            httpx2.AsyncClient(
                timeout=self._seconds,
                follow_redirects=False,
                trust_env=False,
                verify=self._trust(request.url.scheme),
            ) as http,
        ):
            answer = await http.send(request, stream=True)
            data = b""
            async for part in answer.aiter_raw():
                data += part
                if len(data) > self._limit:
                    raise NoAnswer(f"more than {self._limit} bytes")
            await answer.aclose()
        return Reply(answer.status_code, answer.headers.get("content-type", ""), data)


def check_address(host: str, address: str) -> None:
    """Return quietly if a listed host may lead to this address, else raise AddressRefused."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.sixtofour or found.teredo or found in NAT64:
            raise AddressRefused(f"{host} leads through a tunnel to {address}")
        found = found.ipv4_mapped or found
    if found.is_multicast or found.is_link_local or found.is_unspecified:
        raise AddressRefused(f"{host} leads to {address}")
    if not found.is_global and not is_written_out(host):
        raise AddressRefused(f"{host} leads to the private address {address}")


def is_written_out(host: str) -> bool:
    """Say whether a list names the address itself, and no name that could lead elsewhere."""
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def client_name() -> str:
    """Return how this client calls itself; it is recorded with the transmission."""
    try:
        return f"pli-cli/{version('pli')}"
    except PackageNotFoundError:
        return "pli-cli/0"


def _read(answer: httpx2.Response) -> Answer:
    if answer.status_code >= 400:
        raise _refusal(answer)
    try:
        body = answer.json()
    except ValueError as error:
        raise StrangeAnswer(f"{answer.status_code} without JSON") from error
    if not answer.is_success or not isinstance(body, dict):
        raise StrangeAnswer(f"{answer.status_code}: {str(body)[:200]}")
    return body


def _refusal(answer: httpx2.Response) -> ServerRefused:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    shown: Answer = body if isinstance(body, dict) else {}
    code = shown.get("code")
    title = str(shown.get("detail") or shown.get("title") or f"HTTP {answer.status_code}")
    return ServerRefused(
        answer.status_code, code if isinstance(code, str) else StrangeAnswer.code, title, shown
    )

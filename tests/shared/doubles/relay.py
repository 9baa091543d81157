"""A real SMTP relay in this process (aiosmtpd): keeps what it takes, refuses when told to."""

from __future__ import annotations

import asyncio
import email
import threading
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, Envelope, Session


class Relay:
    """Listens on a port of its own until it is closed."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, EmailMessage]] = []
        self.refuses = False
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a letter, or refuse it for now (called by aiosmtpd)."""
        if self.refuses:
            return "451 later"
        content = envelope.content
        assert isinstance(content, bytes)
        letter = email.message_from_bytes(content, policy=default)
        assert isinstance(letter, EmailMessage)
        self.taken += [(to, letter) for to in envelope.rcpt_tos]
        return "250 taken"

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        made = self._loop.create_server(
            lambda: SMTP(self, hostname="relay.test", loop=self._loop), "127.0.0.1", 0
        )
        self._server = self._loop.run_until_complete(made)
        self._port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        assert not self._thread.is_alive()

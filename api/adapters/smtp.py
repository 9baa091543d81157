"""Letters by SMTP (RFC 5321): one connection for each, bounded in time, TLS verified."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import urlsplit

TIMEOUT_S = 20


class Smtp:
    """A relay that takes letters: ``smtp://``, ``starttls://`` or ``smtps://`` host:port.

    In clear only to this host or one that the operator names (``exposure.check_lines``): letters
    name procedures.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        found = urlsplit(url)
        self._scheme, self._host, self._port = found.scheme, found.hostname or "", found.port or 0
        self._timeout_s = timeout_s

    def send(self, letter: EmailMessage) -> None:
        """Hand a letter over; raise OSError where the relay did not take it."""
        context = ssl.create_default_context()
        if self._scheme == "smtps":
            relay: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=self._timeout_s, context=context
            )
        else:
            relay = smtplib.SMTP(self._host, self._port, timeout=self._timeout_s)
        with relay:
            if self._scheme == "starttls":
                relay.starttls(context=context)
            relay.send_message(letter)

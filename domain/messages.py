"""The closed list of messages shown to a depositor; each asserts something true (§4.6)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import UnknownMessage


@dataclass(frozen=True)
class Message:
    """A message: its code, what it asserts, its texts by language."""

    code: str
    asserts: str
    text: Mapping[str, str]


@dataclass(frozen=True)
class Messages:
    """The closed list."""

    rows: Mapping[str, Message]

    @classmethod
    def parse(cls, text: str) -> Messages:
        """Read the list."""
        found = [
            Message(row["code"], row["asserts"], row["text"])
            for row in tomllib.loads(text)["message"]
        ]
        return cls({message.code: message for message in found})

    def of(self, code: str) -> Message:
        """Return the message of this code, else ``message.unknown``."""
        if code not in self.rows:
            raise UnknownMessage(code)
        return self.rows[code]

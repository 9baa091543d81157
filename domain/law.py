"""The law as data, one object: rules, procedures, roles, messages, parsed from given texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.messages import Messages
from domain.procedures import Procedures
from domain.roles import Roles
from domain.rulebook import RuleBook

FILES = (
    "thresholds.toml",
    "delays.toml",
    "rates.toml",
    "procedures.toml",
    "roles.toml",
    "messages.toml",
)
"""The files of ``domain/rules`` whose texts ``Law.parse`` wants."""


@dataclass(frozen=True)
class Law:
    """Everything the commands know of the law."""

    rules: RuleBook
    procedures: Procedures
    roles: Roles
    messages: Messages

    @classmethod
    def parse(cls, texts: Mapping[str, str]) -> Law:
        """Read the texts of ``FILES``, by file name."""
        return cls(
            rules=RuleBook.parse([texts[name] for name in FILES[:3]]),
            procedures=Procedures.parse(texts["procedures.toml"]),
            roles=Roles.parse(texts["roles.toml"]),
            messages=Messages.parse(texts["messages.toml"]),
        )

    @property
    def version(self) -> str:
        """Return the version of the rule book, which every event stores."""
        return self.rules.version

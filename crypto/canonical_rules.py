"""Which rule of the canonical profile a text breaks: the slow reader behind every refusal.

It decides nothing. `crypto.canonical` has refused before it asks here; only the word of the refusal
comes from this file, as the known answers of `ledger.md` §1 give it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from crypto.log_errors import NotCanonical

MAX_DEPTH: Final = 16
LARGEST_INTEGER: Final = 2**53 - 1

_SPACE: Final = " \t\n\r"
_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]*')
_SHORT_ESCAPE: Final = re.compile(r'\\["\\bfnrt]')
# RFC 8785 leaves \u for the controls that have no short form, in lower case.
_LONG_ESCAPE: Final = re.compile(r"\\u00(?:0[1-7be-f]|1[0-9a-f])")
_NUL: Final = "\\u0000"
_KEY: Final = re.compile(r'"[a-z][a-z0-9_]{0,63}"')
_NUMBER_LIKE: Final = re.compile(r"[-+.0-9eE]+")
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]*")
_INTEGER_DIGITS: Final = len(str(-LARGEST_INTEGER))


def broken_rule(data: bytes, *, nfc: bool) -> NotCanonical:
    """Return the refusal, with its rule, of bytes that are not canonical."""
    try:
        _Reader(data.decode("utf-8"), nfc=nfc).read()
    except UnicodeDecodeError as error:
        return NotCanonical("utf8", f"at byte {error.start}")
    except NotCanonical as refusal:
        return refusal
    # Each token is well written and in a place where it may stand: only the order is left.
    return NotCanonical("order", "keys are not strictly ascending")


class _Reader:
    def __init__(self, text: str, *, nfc: bool) -> None:
        self._text = text
        self._nfc = nfc
        self._at = 0

    def read(self) -> None:
        self._value(1)
        if self._at < len(self._text):
            raise self._unexpected("nothing more")

    def _value(self, level: int) -> None:
        head = self._text[self._at : self._at + 1]
        if head and head in "{[":
            self._container(head, level)
        elif head == '"':
            self._string()
        elif head and head in "-0123456789":
            self._number()
        else:
            self._literal()

    def _container(self, head: str, level: int) -> None:
        if level > MAX_DEPTH:
            raise self._refusal("depth")
        close = "}" if head == "{" else "]"
        self._at += 1
        if self._next(close):
            return
        while True:
            if head == "{":
                self._key()
            self._value(level + 1)
            if self._next(close):
                return
            self._expect(",")

    def _key(self) -> None:
        found = _KEY.match(self._text, self._at)
        if found is None:
            quoted = self._text.startswith('"', self._at)
            raise self._refusal("key") if quoted else self._unexpected("a key")
        self._at = found.end()
        self._expect(":")

    def _string(self) -> None:
        start = self._at
        self._at += 1
        while True:
            self._at = _match_end(_PLAIN, self._text, self._at)
            if self._next('"'):
                break
            if self._at == len(self._text):
                raise self._unexpected("the end of a string")
            self._escape()
        if self._nfc and not unicodedata.is_normalized("NFC", self._text[start : self._at]):
            raise self._refusal("nfc")

    def _escape(self) -> None:
        for form in (_SHORT_ESCAPE, _LONG_ESCAPE):
            if form.match(self._text, self._at):
                break
        else:
            nul = self._text.startswith(_NUL, self._at)
            raise self._refusal("nul" if nul else "escape")
        self._at = _match_end(form, self._text, self._at)

    def _number(self) -> None:
        end = _match_end(_NUMBER_LIKE, self._text, self._at)
        token = self._text[self._at : end]
        if not _INTEGER.fullmatch(token):
            raise self._refusal("number")
        if len(token) > _INTEGER_DIGITS or abs(int(token)) > LARGEST_INTEGER:
            raise self._refusal("range")
        self._at = end

    def _literal(self) -> None:
        for word in ("true", "false"):
            if self._next(word):
                return
        if self._text.startswith("null", self._at):
            raise self._refusal("null")
        raise self._unexpected("a value")

    def _next(self, token: str) -> bool:
        found = self._text.startswith(token, self._at)
        if found:
            self._at += len(token)
        return found

    def _expect(self, token: str) -> None:
        if not self._next(token):
            raise self._unexpected(repr(token))

    def _unexpected(self, wanted: str) -> NotCanonical:
        found = self._text[self._at : self._at + 1]
        rule = "space" if found and found in _SPACE else "syntax"
        return NotCanonical(rule, f"{wanted} is expected at character {self._at}")

    def _refusal(self, rule: str) -> NotCanonical:
        return NotCanonical(rule, f"at character {self._at}")


def _match_end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at

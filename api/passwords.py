"""Passwords: argon2id (RFC 9106), the same work whoever asks, rules that people can live with.

Parameters are OWASP's: 19 MiB, two passes, one lane. A hash made with weaker ones is made again at
the next login. No composition rules; length, nothing that the address or the name gives away, and
more than what the most common passwords are made of (``password_words.toml``).
"""

from __future__ import annotations

import pkgutil
import re
import threading
import tomllib
import unicodedata
from itertools import chain, pairwise

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from api.adapters.breached import BreachedPasswords, BreachedRange
from api.errors import LoginRefused, PasswordRefused
from api.people import Person

SHORTEST, LONGEST = 15, 256
FEWEST_SIGNS = 6
FEWEST_OWN = 8
SHORTEST_WORD = 3
AT_ONCE = 2
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# the hash of no password: an unknown person costs as much as a wrong password
NOBODY = HASHER.hash("", salt=bytes(16))
YEAR = re.compile(r"(19|20)\d\d")
READ_AS = str.maketrans("@4310$5!", "aaeiossi")
"""Signs that people write for letters."""
_words = tomllib.loads((pkgutil.get_data("api", "password_words.toml") or b"").decode())
# the longest first, so that no word hides a longer one
COMMON = re.compile("|".join(sorted(chain(*_words.values()), key=len, reverse=True)))
_turns = threading.BoundedSemaphore(AT_ONCE)


def plain(password: str) -> str:
    """Return a password as it is hashed: one form for each text that looks the same."""
    return unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    """Return the hash of a password; few at once, so that logins cannot fill memory."""
    with _turns:
        return HASHER.hash(plain(password))


def check_password(kept: str | None, password: str) -> str | None:
    """Raise LoginRefused for a wrong password; return a new hash where the kept one is too weak."""
    with _turns:
        try:
            HASHER.verify(kept or NOBODY, plain(password)[:LONGEST])
        except (Argon2Error, InvalidHashError):
            kept = None
    if kept is None:
        raise LoginRefused("these credentials are refused")
    return hash_password(password) if HASHER.check_needs_rehash(kept) else None


def check_new(
    password: str, person: Person, breached: BreachedPasswords | BreachedRange | None = None
) -> str:
    """Return a new password if it is good enough for this person, else raise PasswordRefused.

    ``breached``: the list that the operator installed, or a service; asked last, it is slow.
    """
    text = plain(password)
    if not SHORTEST <= len(text) <= LONGEST:
        raise PasswordRefused("wrong length", shortest=SHORTEST, longest=LONGEST)
    small = text.casefold()
    if len(set(small)) < FEWEST_SIGNS or _steps(small) * 2 > len(small):
        raise PasswordRefused("too regular", fewest=FEWEST_SIGNS)
    for word in re.findall(r"\w+", f"{person.email} {person.name}".casefold()):
        small = small.replace(word, "") if len(word) >= SHORTEST_WORD else small
    if len(small) < FEWEST_OWN:
        raise PasswordRefused("it says little that name and address do not say")
    if len(set(_uncommon(small))) < FEWEST_SIGNS:
        raise PasswordRefused("it is made of what the most common passwords are made of")
    if breached is not None and breached.holds(text):
        raise PasswordRefused("it is known to have leaked elsewhere")
    return text


def _uncommon(text: str) -> str:
    """Return the letters that are left without years, common words and rows of a keyboard."""
    bare = unicodedata.normalize("NFD", text)
    bare = YEAR.sub("", "".join(sign for sign in bare if not unicodedata.combining(sign)))
    for form in (bare, bare.translate(READ_AS)):
        bare = min(bare, COMMON.sub("", form), key=len)
    return bare


def _steps(text: str) -> int:
    """Count the signs that repeat or continue the one before, as in aaaa, 1234 or dcba."""
    return sum(abs(ord(one) - ord(two)) <= 1 for one, two in pairwise(text))

"""Passwords as ASVS 5.0 wants them: long, of any composition, taken as typed, never guessed."""

from __future__ import annotations

import pytest

from api.errors import LoginRefused, PasswordRefused
from api.passwords import LONGEST, SHORTEST, check_new, check_password, hash_password
from api.people import Person

ADA = Person("p1", "ada.lovelace@lille.example", "Ada Lovelace")
GOOD = "correct cheval batterie"


def test_a_password_has_fifteen_signs_or_more_and_may_be_long() -> None:
    assert SHORTEST >= 15
    assert LONGEST >= 64
    assert check_new("xkqwzvbnmtrpalo"[:SHORTEST], ADA)
    long = "".join(chr(33 + (7 * number) % 90) for number in range(LONGEST))
    assert check_new(long, ADA) == long
    for wrong in ("xkqwzvbnmtrpalo"[: SHORTEST - 1], long + "x"):
        with pytest.raises(PasswordRefused):
            check_new(wrong, ADA)


@pytest.mark.parametrize(
    "password",
    ["tout en minuscules", "183946275098317", "ÉÀÇ ÛÎ ÔÄË ÜÏÖ ÿ", "🦊🐍🦉🐢🦋🐙🦀🐝🦄🐬🦜🐘🦔🐳🦩"],
)
def test_no_rule_asks_for_kinds_of_signs_in_a_password(password: str) -> None:
    assert check_new(password, ADA) == password


@pytest.mark.parametrize(
    "password",
    [
        "lovelace.ada@lille",
        "Lovelace lille 26",
        "aaaaaaaaaaaaaaaa",
        "123456789012345",
        "ababababababababab",
        "ada1815ada1815ada",
    ],
)
def test_a_password_that_context_or_habit_guesses_is_refused(password: str) -> None:
    with pytest.raises(PasswordRefused):
        check_new(password, ADA)


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "Password12345678!",
        "p@ssw0rdp@ssw0rd",
        "motdepasse123456",
        "MotDePasse2026!!",
        "iloveyouiloveyou",
        "jetaimejetaime!!",
        "azertyuiopqsdfghjklm",
        "qwertyuiopasdfghjkl",
        "1qaz2wsx3edc4rfv",
        "1q2w3e4r5t6y7u8i9o0p",
        "123456789azerty",
        "football123456789",
        "AdministrateurAdmin1",
        "Bienvenue2026Bonjour",
        "sunshineprincess",
        "superman123456789",
    ],
)
def test_what_common_passwords_are_made_of_is_refused_as_a_password(password: str) -> None:
    bob = Person("p2", "bob@ville.example", "Bob")
    with pytest.raises(PasswordRefused):
        check_new(password, bob)
    assert check_new(f"{password} hérisson", bob), "with words of one's own it is none of those"


def test_a_password_is_taken_as_typed_whole_and_by_its_case() -> None:
    kept = hash_password(GOOD)
    assert kept.startswith("$argon2id$")
    assert check_password(kept, GOOD) is None
    for near in (GOOD.upper(), GOOD + " ", " " + GOOD, GOOD[:-1]):
        with pytest.raises(LoginRefused):
            check_password(kept, near)


def test_a_hash_of_a_password_that_is_weak_is_made_again() -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(GOOD)
    renewed = check_password(weak, GOOD)
    assert renewed is not None
    assert "m=19456,t=2,p=1" in renewed

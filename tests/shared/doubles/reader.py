"""A reader with a browser: keeps cookies, says where its forms come from, finds their tokens."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from doubles.bench import Bench
from doubles.in_process import Client

from domain.ports import Principal

HERE = "http://testserver"
PASSWORD = "cheval exact agrafe pile"  # noqa: S105 - of the tests
FORM = re.compile(r'<form[^>]*action="([^"]*)".*?</form>', re.DOTALL)
TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Reader:
    """One browser of one person."""

    def __init__(self, bench: Bench, language: str = "fr") -> None:
        self.bench = bench
        self.http = Client(bench.app, follow_redirects=False)
        self.http.headers["accept-language"] = language

    @property
    def cookie(self) -> str | None:
        return self.http.cookies.get("pli")

    def get(self, path: str, **headers: str) -> Any:
        return self.http.get(path, headers=headers)

    def token(self, page: str, action: str) -> str:
        """Return the token of the form on a page which leads to an address."""
        text = self.get(page).text
        for form in FORM.finditer(text):
            if unescape(form.group(1)) == action:
                found = TOKEN.search(form.group(0))
                assert found, (page, action)
                return found.group(1)
        raise AssertionError(f"{page} has no form for {action}")

    def send(self, page: str, action: str, **fields: str) -> Any:
        """Fill in a form of a page and send it as a browser does."""
        return self.post(action, {"csrf": self.token(page, action), **fields})

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Any:
        return self.http.post(path, data=fields, headers={"origin": HERE, **headers})

    def sign_in(self, email: str, password: str = PASSWORD, **fields: str) -> Any:
        return self.send("/login", "/login", email=email, password=password, **fields)


def officer(bench: Bench) -> Principal:
    """Return the first officer of the tests' buyer, whose token holds that role."""
    account = bench.platform.accounts.authenticate(bench.tokens.buyer, bench.platform.now())
    return Principal(account.org, account.role, account.person, "token")


def invited(
    bench: Bench,
    org: str,
    role: str,
    email: str,
    name: str = "Ada Martin",
    host: Principal | None = None,
) -> str:
    """Return the path of an invitation, by the operator of the home unless a host is named."""
    platform = bench.platform
    secret, _ = platform.accounts.invitations.create(
        (org, role), email, name, platform.now(), platform.desk.rng.bytes, host=host
    )
    return f"/invitation/{secret}"


def joined(
    bench: Bench,
    org: str,
    role: str,
    email: str,
    name: str = "Ada Martin",
    host: Principal | None = None,
) -> Reader:
    """Return a reader who took a seat with a password, signed in."""
    reader, at = Reader(bench), invited(bench, org, role, email, name, host)
    answer = reader.send(at, at, password=PASSWORD)
    assert (answer.status_code, answer.headers.get("location")) == (303, "/account"), answer.text
    return reader

"""One OpenID provider: the code flow with PKCE, through the one guarded client (N16).

OpenID Connect Core 1.0 §3.1; RFC 7636, 9207. The identity is what the provider signed: the ID token
first, then the user information, JSON or (ProConnect) a signed JWT; both must name one subject.
The client's secret is read from its file at each login; the provider's keys are asked for again
when a token names an unknown one, once a minute at most. One login at a time asks, the others go on
with the last good copy (``last_good``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api.adapters.http import Outgoing
from api.adapters.keys import KeysError, read_secret
from api.adapters.last_good import LastGood
from api.errors import ApiError
from api.settings import Settings
from ledger.witness import Reply

WELL_KNOWN = "/.well-known/openid-configuration"
SIGNED = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What a provider may sign with; a shared secret or no signature proves nothing."""
KEPT = timedelta(hours=1)
KEYS_AGAIN = timedelta(minutes=1)
LEEWAY_S = 60
RETURN_PATH = "/login/oidc/return"
FORM = "application/x-www-form-urlencoded"


class ProviderStrange(ApiError):
    """The identity provider answered something that is none of its protocol."""

    code = "login.provider"


class ProviderRefused(ApiError):
    """What the identity provider sent does not prove who came back."""

    code = "login.provider-refused"


class ProviderUnready(ApiError):
    """A setting of the identity provider is missing or unusable."""

    code = "platform.identity-provider"


class NoProvider(ApiError):
    """No identity provider is configured here."""

    code = "login.no-provider"


@dataclass(frozen=True)
class Client:
    """What this platform is to the provider."""

    issuer: str
    client_id: str
    secret_file: Path
    scopes: str
    origin: str

    @classmethod
    def of(cls, settings: Settings) -> Client:
        """Return the client of the settings; raise ProviderUnready for what they lack."""
        issuer, client_id = settings.oidc_issuer or "", settings.oidc_client_id
        secret_file = settings.oidc_client_secret_file
        place = urlsplit(issuer)
        if place.scheme != "https" and not (place.scheme == "http" and is_loopback(place.hostname)):
            raise ProviderUnready("PLI_OIDC_ISSUER is no https address")
        if client_id is None:
            raise ProviderUnready("PLI_OIDC_CLIENT_ID is missing")
        if secret_file is None:
            raise ProviderUnready("PLI_OIDC_CLIENT_SECRET_FILE is missing")
        _secret(secret_file)
        return cls(issuer, client_id, secret_file, settings.oidc_scopes, settings.origin)

    @property
    def returns_to(self) -> str:
        """Where the provider sends a person back to."""
        return self.origin + RETURN_PATH


@dataclass(frozen=True)
class Asked:
    """What one login was begun with; the answer must match all of it."""

    state: str
    nonce: str
    verifier: str
    proven_after: str = ""
    """Not empty: the provider must have asked the person again since then."""


@dataclass(frozen=True)
class Identity:
    """Who the provider says came back."""

    issuer: str
    subject: str
    id_token: str


class Provider:
    """The provider as this process knows it; threads share it."""

    def __init__(
        self, client: Client, now: Callable[[], datetime], http: Outgoing | None = None
    ) -> None:
        self.client = client
        self._now = now
        self._http = http or Outgoing([client.issuer])
        self._published = LastGood(self._ask_metadata, now)
        self._keys = LastGood(self._ask_keys, now)

    # -- going there and coming back

    def address(self, asked: Asked) -> str:
        """Return where a person goes to prove who they are."""
        again = {"prompt": "login", "max_age": "0"} if asked.proven_after else {}
        return str(
            prepare_grant_uri(
                self._metadata()["authorization_endpoint"],
                client_id=self.client.client_id,
                response_type="code",
                redirect_uri=self.client.returns_to,
                scope=self.client.scopes,
                state=asked.state,
                nonce=asked.nonce,
                code_challenge=create_s256_code_challenge(asked.verifier),
                code_challenge_method="S256",
                **again,
            )
        )

    def identity(self, answer: Mapping[str, str], asked: Asked) -> Identity:
        """Return who came back, or raise ProviderRefused; the numbers are the checks' order."""
        if answer.get("state") != asked.state:  # 1. it answers what this browser asked
            raise ProviderRefused("state")
        if answer.get("iss", self.client.issuer) != self.client.issuer:  # 2. RFC 9207
            raise ProviderRefused("iss")
        if "code" not in answer:  # 3. it says yes
            raise ProviderRefused(answer.get("error", "code")[:64])
        tokens = self._redeem(answer["code"], asked.verifier)  # 4. the code is good, once
        id_token = tokens.get("id_token")
        access = tokens.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access, str):
            raise ProviderRefused("id_token")
        claims = self._id_claims(id_token, access, asked)  # 5. signed for us, now, for this login
        told = self._user_information(access)  # 6. both name one subject
        if told.get("sub") != claims["sub"]:
            raise ProviderRefused("sub")
        return Identity(self.client.issuer, str(claims["sub"]), id_token)

    def farewell(self, id_token: str, lands_at: str) -> str | None:
        """Return where the provider's own session is ended, None where it has no such place."""
        ends_at = self._metadata().get("end_session_endpoint")
        if not isinstance(ends_at, str) or not _addresses({"end": ends_at}, ("end",)):
            return None
        query = {"id_token_hint": id_token, "post_logout_redirect_uri": lands_at}
        return f"{ends_at}{'&' if '?' in ends_at else '?'}{urlencode(query)}"

    # -- the provider's answers

    def _redeem(self, code: str, verifier: str) -> Mapping[str, Any]:
        known = self._metadata()
        methods = known.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_post" if "client_secret_post" in methods else "client_secret_basic"
        secret = _secret(self.client.secret_file)
        body = prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=self.client.returns_to,
            code_verifier=verifier,
        )
        auth = ClientAuth(self.client.client_id, secret, method)
        uri, headers, body = auth.prepare(
            "POST",
            known["token_endpoint"],
            {"Content-Type": FORM, "Accept": "application/json"},
            body,
        )
        headers = {str(k).replace("-", "_"): str(v) for k, v in headers.items()}
        headers.pop("Content_Length", None)
        return self._object(self._http.exchange("POST", str(uri), str(body).encode(), **headers))

    def _id_claims(self, id_token: str, access: str, asked: Asked) -> Mapping[str, Any]:
        token = self._signed(id_token)
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": self.client.issuer},
                "aud": {"essential": True, "value": self.client.client_id},
                "sub": {"essential": True},
            },
            {
                "nonce": asked.nonce,
                "client_id": self.client.client_id,
                "access_token": access,
            },
        )
        now = int(self._now().timestamp())
        try:
            claims.validate(now=now, leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError) as error:
            raise ProviderRefused(str(error)[:120]) from error
        if asked.proven_after:
            since = int(datetime.fromisoformat(asked.proven_after).timestamp()) - LEEWAY_S
            if not isinstance(claims.get("auth_time"), int) or claims["auth_time"] < since:
                raise ProviderRefused("auth_time")
        return dict(claims)

    def _user_information(self, access: str) -> Mapping[str, Any]:
        endpoint = self._metadata()["userinfo_endpoint"]
        reply = self._http.exchange("GET", endpoint, Authorization=f"Bearer {access}")
        if not reply.content_type.startswith("application/jwt"):
            return self._object(reply)
        if reply.status != 200:
            raise ProviderStrange(f"user information: {reply.status}")
        claims = self._signed(reply.body.decode("ascii", "replace")).claims
        issued_for = claims.get("aud")
        names = issued_for if isinstance(issued_for, list) else [issued_for]
        if claims.get("iss") != self.client.issuer or self.client.client_id not in names:
            raise ProviderRefused("user information of another client")
        ends = claims.get("exp")
        earliest = int(self._now().timestamp()) - LEEWAY_S
        if ends is not None and (not isinstance(ends, int) or ends < earliest):
            raise ProviderRefused("user information that has ended")
        return claims

    def _signed(self, text: str) -> jwt.Token:
        """Return a token that a key of the provider signed; an unknown key is asked for once."""
        try:
            return jwt.decode(text, self._key_set(), algorithms=list(SIGNED))
        except (JoseError, ValueError) as first:
            keys = self._key_set(again=True)
            try:
                return jwt.decode(text, keys, algorithms=list(SIGNED))
            except (JoseError, ValueError):
                raise ProviderRefused(f"signature: {type(first).__name__}") from first

    # -- what the provider publishes

    def _metadata(self) -> Mapping[str, Any]:
        return self._published.within(KEPT)

    def _key_set(self, *, again: bool = False) -> KeySet:
        return self._keys.within(KEYS_AGAIN if again else KEPT, patient=again)

    def _ask_metadata(self) -> Mapping[str, Any]:
        address = self.client.issuer.rstrip("/") + WELL_KNOWN
        found = self._object(self._http.exchange("GET", address))
        wanted = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
        if found.get("issuer") != self.client.issuer or not _addresses(found, wanted):
            raise ProviderStrange("metadata of another issuer, or without its addresses")
        return found

    def _ask_keys(self) -> KeySet:
        reply = self._http.exchange("GET", self._metadata()["jwks_uri"])
        try:
            return KeySet.import_key_set(self._object(reply))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderStrange("unreadable keys") from error

    @staticmethod
    def _object(reply: Reply) -> Mapping[str, Any]:
        try:
            found = json.loads(reply.body)
        except ValueError as error:
            raise ProviderStrange(f"no JSON, status {reply.status}") from error
        if not isinstance(found, dict):
            raise ProviderStrange("no JSON object")
        if reply.status != 200:
            said = found.get("error")
            raise ProviderRefused(said[:64] if isinstance(said, str) else f"status {reply.status}")
        return found


def _secret(file: Path) -> str:
    try:
        return read_secret(file).decode().strip()
    except (KeysError, OSError, ValueError) as error:
        raise ProviderUnready(f"PLI_OIDC_CLIENT_SECRET_FILE: {error}") from error


def is_loopback(host: str | None) -> bool:
    """Say whether a host is this machine, the only one that plain HTTP may lead to."""
    return host in {"localhost", "127.0.0.1", "::1"}


def _addresses(found: Mapping[str, Any], wanted: Sequence[str]) -> bool:
    return all(urlsplit(str(found.get(name))).scheme in {"http", "https"} for name in wanted)

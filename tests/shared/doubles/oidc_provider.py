"""A real OpenID provider in a process of its own, on authlib's server side; it can misbehave.

``ProviderProcess`` starts it on a free port. Its person is always signed in, so the authorization
endpoint answers at once with a redirect. User information comes as a signed JWT, as from
ProConnect. ``mode`` names one lie of the next logins: each must be refused by the client.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

CLIENT, SECRET = "pli-tests", "a secret of the tests only"
SUBJECT = "b6048e95bb134ec5b1d1e1fa69f287172e91722b9354d637a1bcf2ebb0fd2ef5"
MODES = (
    "wrong-nonce",
    "wrong-issuer",
    "alg-none",
    "alg-hs256",
    "expired",
    "other-audience",
    "other-key",
    "other-subject-in-userinfo",
    "userinfo-of-another-client",
    "userinfo-that-ended",
    "wrong-at-hash",
    "wrong-state",
    "old-auth-time",
)


def server(issuer: str) -> Any:  # noqa: C901 - one provider with all its lies, whole
    """Return the authorization server of authlib with one client, one person, one key."""
    from authlib.oauth2.rfc6749 import AuthorizationServer, grants
    from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload, OAuth2Request
    from authlib.oauth2.rfc7636 import CodeChallenge
    from authlib.oidc.core import OpenIDCode, UserInfo
    from joserfc import jwt
    from joserfc.jwk import KeySet, OctKey, RSAKey

    keys = [RSAKey.generate_key(2048, parameters={"kid": "key-1", "use": "sig"})]
    codes: dict[str, Any] = {}
    state = {"mode": "", "auth_at": 0}

    class Client:
        client_id = CLIENT
        client_secret = SECRET

        def get_client_id(self):
            return CLIENT

        def get_allowed_scope(self, scope):
            return scope

        def check_redirect_uri(self, uri):
            return urlsplit(uri).path == "/login/oidc/return"

        def check_client_secret(self, secret):
            return secret == state.get("secret", SECRET)

        def check_endpoint_auth_method(self, method, endpoint):
            return method in {"client_secret_post", "client_secret_basic"}

        def check_response_type(self, kind):
            return kind == "code"

        def check_grant_type(self, kind):
            return kind == "authorization_code"

    class Code:
        def __init__(self, payload):
            self.data = dict(payload)
            self.at = state["auth_at"] or int(time.time())

        def get_redirect_uri(self):
            return self.data["redirect_uri"]

        def get_scope(self):
            return self.data["scope"]

        def get_nonce(self):
            return "another" if state["mode"] == "wrong-nonce" else self.data.get("nonce")

        def get_auth_time(self):
            return self.at - (86_400 if state["mode"] == "old-auth-time" else 0)

        def get_acr(self):
            return "eidas1"

        def get_amr(self):
            return ["pwd"]

        @property
        def code_challenge(self):
            return self.data.get("code_challenge")

        @property
        def code_challenge_method(self):
            return self.data.get("code_challenge_method")

    class CodeGrant(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

        def save_authorization_code(self, code, request):
            codes[code] = Code(request.payload.data)

        def query_authorization_code(self, code, client):
            return codes.get(code)

        def delete_authorization_code(self, authorization_code):
            for code in [c for c, held in codes.items() if held is authorization_code]:
                del codes[code]

        def authenticate_user(self, authorization_code):
            return SUBJECT

    class OpenID(OpenIDCode):
        def exists_nonce(self, nonce, request):
            return any(held.data.get("nonce") == nonce for held in codes.values())

        def generate_user_info(self, user, scope):
            return UserInfo(sub=SUBJECT)

        def encode_id_token(self, token, request):
            now, mode = int(time.time()), state["mode"]
            claims = self.get_authorization_code_claims(request.authorization_code)
            claims |= {"iss": issuer, "aud": [CLIENT], "sub": SUBJECT, "iat": now, "exp": now + 900}
            changed = {
                "wrong-issuer": {"iss": "https://other.example"},
                "other-audience": {"aud": ["another-client"]},
                "expired": {"iat": now - 900, "exp": now - 600},
                "wrong-at-hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
            }
            claims |= changed.get(mode, {})
            if mode == "alg-none":
                return unsigned({"alg": "none", "typ": "JWT"}, claims)
            if mode == "alg-hs256":
                shared = OctKey.import_key(SECRET.encode().ljust(32, b"."))
                return jwt.encode({"alg": "HS256"}, claims, shared, ["HS256"])
            if mode == "other-key":
                other = RSAKey.generate_key(2048)
                return jwt.encode({"alg": "RS256", "kid": "key-1"}, claims, other, ["RS256"])
            kid = keys[-1].kid
            return jwt.encode({"alg": "RS256", "kid": kid}, claims, keys[-1], ["RS256"])

    class Request(OAuth2Request):
        def __init__(self, method, uri, headers, form):
            super().__init__(method, uri, headers=headers)
            self._args = dict(parse_qsl(urlsplit(uri).query))
            self._form = form
            self.payload = BasicOAuth2Payload(self._args | form)

        @property
        def args(self):
            return self._args

        @property
        def form(self):
            return self._form

    class Server(AuthorizationServer):
        def query_client(self, client_id):
            return Client() if client_id == CLIENT else None

        def save_token(self, token, request):
            pass

        def send_signal(self, name, *args, **kwargs):
            pass

        def create_oauth2_request(self, request):
            return request

        def handle_response(self, status, body, headers):
            return status, body, headers

    def bearer(**_: Any) -> dict[str, Any]:
        token = f"access-{os.urandom(8).hex()}"
        return {"token_type": "Bearer", "access_token": token, "expires_in": 60, "scope": "openid"}

    made = Server()
    made.register_token_generator("default", bearer)
    made.register_grant(CodeGrant, [CodeChallenge(required=True), OpenID(require_nonce=True)])

    def information() -> str:
        told = {"iss": issuer, "aud": CLIENT, "sub": SUBJECT, "email": "someone@else.example"}
        if state["mode"] == "other-subject-in-userinfo":
            told["sub"] = "somebody else"
        if state["mode"] == "userinfo-of-another-client":
            told["aud"] = "another-client"
        if state["mode"] == "userinfo-that-ended":
            told["exp"] = int(time.time()) - 3_600
        return jwt.encode({"alg": "RS256", "kid": keys[-1].kid}, told, keys[-1], ["RS256"])

    def rotate() -> None:
        name = f"key-{len(keys) + 1}"
        keys[:] = [RSAKey.generate_key(2048, parameters={"kid": name, "use": "sig"})]

    def published() -> dict[str, Any]:
        return KeySet(keys).as_dict(private=False)

    return made, Request, state, information, rotate, published


def unsigned(*parts: dict[str, Any]) -> str:
    """Return a token without a signature, as no library of ours would make it."""
    from base64 import urlsafe_b64encode

    texts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*texts, ""])


def main(port: int) -> None:  # noqa: C901 - its few paths
    """Serve until killed."""
    issuer = f"http://127.0.0.1:{port}"
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    made, request_of, state, information, rotate, published = server(issuer)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, status: int, body: Any, headers: Any = ()) -> None:
            plain = body if isinstance(body, str) else json.dumps(body)
            headers = dict(headers) or {"Content-Type": "application/json"}
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(plain.encode())))
            self.end_headers()
            self.wfile.write(plain.encode())

        def asked(self, form: dict[str, str]) -> Any:
            uri = issuer.replace("http:", "https:") + self.path
            return request_of(self.command, uri, dict(self.headers), form)

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/.well-known/openid-configuration":
                places = {
                    "authorization_endpoint": "/authorize",
                    "token_endpoint": "/token",
                    "userinfo_endpoint": "/userinfo",
                    "jwks_uri": "/jwks",
                    "end_session_endpoint": "/session/end",
                }
                found = {name: issuer + at for name, at in places.items()}
                methods = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
                self.answer(200, {"issuer": issuer, **found, **methods})
            elif path == "/jwks":
                self.answer(200, published())
            elif path == "/userinfo":
                self.answer(200, information(), {"Content-Type": "application/jwt"})
            elif path == "/authorize":
                grant = made.get_consent_grant(self.asked({}), SUBJECT)
                status, body, headers = made.create_authorization_response(
                    self.asked({}), SUBJECT, grant
                )
                headers = dict(headers)
                if state["mode"] == "wrong-state":
                    headers["Location"] = headers["Location"].replace("state=", "state=0")
                self.answer(status, body or "", headers)
            else:
                self.answer(200, "<h1>signed out</h1>", {"Content-Type": "text/html"})

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            text = self.rfile.read(length).decode()
            if self.path == "/token":
                status, body, headers = made.create_token_response(
                    self.asked(dict(parse_qsl(text)))
                )
                self.answer(status, body, headers)
                return
            told = json.loads(text)
            if told.pop("rotate", False):
                rotate()
            state.update(told)
            self.answer(200, {})

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


class ProviderProcess:
    """The provider in its own process; ``be`` makes it lie or tell the truth again."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.issuer = f"http://127.0.0.1:{port}"
        self.secret_file = folder / "oidc-secret"
        self.keep_secret(SECRET)
        self.process = subprocess.Popen([sys.executable, __file__, str(port)])

    def keep_secret(self, secret: str) -> None:
        self.secret_file.write_text(secret + "\n")
        self.secret_file.chmod(0o600)

    def settings(self) -> dict[str, Any]:
        return {
            "oidc_issuer": self.issuer,
            "oidc_client_id": CLIENT,
            "oidc_client_secret_file": self.secret_file,
        }

    def wait(self) -> ProviderProcess:
        """Return once it answers."""
        from doubles.ports import wait_listening

        wait_listening(self.process, self.port)
        return self

    def be(self, mode: str = "", **more: Any) -> None:
        import httpx2

        httpx2.post(f"{self.issuer}/mode", json={"mode": mode, **more}, trust_env=False)

    def authorize(self, address: str) -> str:
        """Go where the platform sends a person; return where the provider sends them back to."""
        import httpx2

        assert parse_qs(urlsplit(address).query)["code_challenge_method"] == ["S256"]
        answer = httpx2.get(address, trust_env=False, follow_redirects=False)
        assert answer.status_code == 302, answer.text
        place = urlsplit(answer.headers["location"])
        return f"{place.path}?{place.query}"

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))

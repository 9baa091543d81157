"""Every setting of a running platform, read once from the environment (``PLI_…``).

Limits of deposits are no settings: they are read from each publication in force (rule N17).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.adapters.breached import BreachedPasswords, BreachedRange

DEFAULT_HOME = Path("var/home")
STRONG_ALWAYS = "PA"


class Settings(BaseSettings):
    """The settings of one server process; each has a default that works alone."""

    model_config = SettingsConfigDict(env_prefix="PLI_", extra="ignore", frozen=True)

    home: Path = DEFAULT_HOME
    highwater: Path | None = None
    """Folder of the last signed checkpoint, best on another volume; else in the home."""
    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=1, le=65535)
    lang: Literal["fr", "en"] = "fr"
    clock_bound_ms: int = Field(default=250, ge=0)
    """How far the host clock may be off when the kernel does not say (``envelope.md`` 12.1)."""
    clock_sources: str = ""
    """Clocks outside this host, by commas: custodians, tsa, addresses of more authorities."""
    clock_ask_s: int = Field(default=60, ge=1, le=600)
    """How often each of them is asked; after five times as long its word no longer counts."""
    probe_s: int = Field(default=60, ge=0, le=60)
    """Seconds between two rounds of probes of the platform itself; 0 for none (T32)."""
    stall_s: int = Field(default=60, ge=1)
    """A transmission without a byte for so long is stalled (``envelope.md`` §8)."""
    expire_s: int = Field(default=86_400, ge=1)
    """A transmission without an end for so long expires (``envelope.md`` §8)."""
    slow_window_s: int = Field(default=8, ge=1)
    slow_rate: int = Field(default=1024, ge=0)
    """Bytes per second that a body must bring over each window, else it is cut."""
    rate_scale: int = Field(default=1, ge=1, le=100_000)
    """By what every row of the table of rates is multiplied, such as for a load test."""
    proxies: str = ""
    """Addresses of reverse proxies, separated by commas, that are believed about their callers."""
    max_dossier_bytes: int = Field(default=2 * 1024**3, ge=1)
    """Largest single file of a dossier that a buyer may upload."""
    reserve_bytes: int = Field(default=128 * 1024**2, ge=0)
    """Room on disk which no announced transmission may take (T08)."""
    metrics: bool = False
    """Whether ``/metrics`` answers a platform administrator; else it is absent."""
    secure: bool = False
    """Whether the platform is reached over TLS, so that HSTS is announced."""
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/?#@\s]+$")
    """How browsers reach the platform: origin of passkeys, of forms, of the return from OIDC."""
    session_idle_s: int = Field(default=1_800, ge=1)
    """A session ends after so long without a request."""
    session_absolute_s: int = Field(default=43_200, ge=1)
    """A session ends after so long whatever happens."""
    session_fresh_s: int = Field(default=600, ge=1)
    """How old the proof of identity may be for acts that open or sign."""
    strong_login: str | None = Field(default=None, pattern=r"^([A-Z]{2}(,[A-Z]{2})*)?$")
    """Roles in which a session acts only after a passkey or an identity provider, by commas.

    None: over TLS every role (docs/adr/0038); else administrators.
    """
    breached_passwords: Path | None = None
    """Reference data: SHA-1 of passwords that leaked, a sorted file or a folder of ranges."""
    breached_range: str | None = Field(
        default=None, pattern=r"^(https://[^/?#@\s]+|http://127\.0\.0\.1:[0-9]{1,5})/([^?#\s]*/)?$"
    )
    """Service of such ranges, asked by the first five digits of a SHA-1; without a list alone."""
    plain_hosts: str = ""
    """Other machines that are called without TLS all the same, by commas (docs/adr/0038)."""
    oidc_issuer: str | None = None
    """Identity provider (OpenID Connect, such as ProConnect); without one nobody enters by it."""
    oidc_client_id: str | None = None
    oidc_client_secret_file: Path | None = None
    """File (mode 0600) with the client's secret; read at each login, so that it may be replaced."""
    oidc_scopes: str = "openid email"
    database_url: SecretStr | None = None
    """PostgreSQL of the log (libpq URL); without one the log is a file of the home."""
    database_schema: str = Field(default="pli", pattern=r"^[a-z][a-z0-9_]{0,40}$")
    """The schema that holds this log."""
    writers: int = Field(default=1, ge=1)
    """Processes that write to that log; above two, one is elected and records for all."""
    blobs: str | None = None
    """Where sealed files lie: a folder, or ``s3://…``; without one ``blobs`` of the home."""
    blobs_copy: str | None = None
    """A second place for each of them, of either kind; a deposit waits for both."""
    tsa_url: str | None = None
    """Time-stamping authority (RFC 3161) of anchors; without one a local test authority stamps."""
    tsa_certificates: Path | None = None
    """Roots of that authority, in PEM form: the trust store of anchors."""
    custodians: Path | None = None
    """Roster (TOML) of custodians that run elsewhere; without one those of the home hold shares."""
    custodians_apart: bool = True
    """Whether ``pli serve`` runs the custodians of the home as processes of their own."""
    keyset_pool: int = Field(default=20, ge=0, le=1_000)
    """Keysets that are made ahead, so that no publication waits (``envelope.md`` 2.6)."""
    keyset_retention_days: int = Field(default=1_827, ge=1)
    """So long after the deadline shares are destroyed; at once where nothing follows."""
    custodian_timeout_s: float = Field(default=10, gt=0)
    """How long one answer of a custodian may take."""
    policy_file: Path | None = None
    """Policy with the witnesses of this log (C2SP tlog-policy); else ``policy.txt`` of the home."""

    smtp: str | None = Field(
        default=None,
        pattern=r"^(smtp|starttls|smtps)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$",
    )
    """Relay that takes letters to buyers' agents; without one none is sent."""
    mail_from: str = Field(default="pli@localhost", pattern=r"^[^@\s<>]{1,64}@[^@\s<>]{1,190}$")
    """The address that these letters come from."""

    clamd: str | None = Field(
        default=None,
        pattern=r"^(/[^\x00]+|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5})$",
    )
    """Where clamd listens (path of its socket, or host:port); else documents are not scanned."""

    @property
    def origin(self) -> str:
        """The origin under which browsers know the platform."""
        if self.public_url is not None:
            return self.public_url
        return f"{'https' if self.secure else 'http'}://localhost:{self.port}"

    @property
    def breached(self) -> BreachedPasswords | BreachedRange | None:
        """The list of leaked passwords that is installed, else the service that is named."""
        if self.breached_passwords is not None:
            return BreachedPasswords(self.breached_passwords)
        return None if self.breached_range is None else BreachedRange(self.breached_range)

    def asks_strong_login(self, role: str) -> bool:
        """Say whether a password alone is too little for this role."""
        named = self.strong_login
        if named is None:
            return self.secure or role == STRONG_ALWAYS
        return role in named.split(",")

    def plain_lines(self) -> frozenset[str]:
        """Return the other machines that may be called without TLS."""
        return frozenset(part.strip() for part in self.plain_hosts.split(",") if part.strip())

    def trusted(self) -> frozenset[str]:
        """Return the addresses of the reverse proxies."""
        return frozenset(part.strip() for part in self.proxies.split(",") if part.strip())

"""Witnesses of other organisations, reached over HTTP, as the operator's policy file names them.

The policy (C2SP tlog-policy) stands in the file of the setting, else in the home as `policy.txt`;
without one the local custodians are the witnesses. A witness line with an address is asked there.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from api.adapters.http import NoAnswer, Outgoing
from crypto.errors import CryptoError
from crypto.keys import LogKeys
from crypto.notes import VerifierKey
from crypto.policies import Policy, log_policy
from ledger.witness import Reply, monitor_path


class PolicyUnusable(Exception):
    """The configured policy is absent, cannot be read, or speaks of another log."""

    code = "platform.policy"


def read_policy(path: Path, keys: LogKeys) -> str:
    """Return the text of a configured policy once it names this log's keys, with their ranges."""
    try:
        text = path.read_bytes().decode()
        policy = Policy.parse(text)
    except (OSError, UnicodeDecodeError, CryptoError) as error:
        raise PolicyUnusable(f"{path.name}: {error}") from error
    named = {str(key): policy.valid.get(str(key), (0, None)) for key in policy.logs}
    for vkey, sizes in keys.ranges().items():
        if named.get(vkey) != sizes:
            raise PolicyUnusable(f"{path.name}: pli keys list shows its lines about {vkey}")
    return text


class RemoteWitness:
    """One witness behind its address."""

    def __init__(
        self,
        key: VerifierKey,
        url: str,
        log: VerifierKey,
        out: Outgoing,
        trusted: Policy | None = None,
    ) -> None:
        self.key = key
        self._url = url.rstrip("/")
        self._origin = log.name
        self._log = trusted or Policy.parse(log_policy(log))
        self._out = out

    def add_checkpoint(self, body: bytes) -> Reply:
        """Send one add-checkpoint request."""
        return self._out.exchange("POST", f"{self._url}/add-checkpoint", body)

    def checkpoint(self) -> bytes | None:
        """Return the last note of this log that it cosigned.

        What the log did not sign is no answer: else anybody who answers there could stop a start.
        """
        reply = self._out.exchange("GET", f"{self._url}/{monitor_path(self._origin)}")
        if reply.status == 404:
            return None
        try:
            if reply.status == 200:
                self._log.verify(reply.body)
                return reply.body
        except CryptoError as error:
            raise NoAnswer(str(error)) from error
        raise NoAnswer(f"status {reply.status}")


def remote_witnesses(
    policy: Policy, log: VerifierKey, local: Collection[VerifierKey]
) -> list[RemoteWitness]:
    """Return the witnesses of a policy that have an address; those of this process have none."""
    urls = {
        key: policy.urls[str(key)]
        for key in policy.witnesses.values()
        if str(key) in policy.urls and key not in local
    }
    out = Outgoing(urls.values())
    alone = policy.log_alone()
    return [RemoteWitness(key, url, log, out, alone) for key, url in urls.items()]

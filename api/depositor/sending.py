"""`pli deposit`: announce, head, chunks in any order, receipt (`envelope.md` §8); it resumes.

Every step is idempotent: the announce carries a key made from the deposit's own id, chunks are sent
only where the platform says that they are missing. The envelope is received with its last chunk, so
nothing else has to arrive in time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from api.adapters.http import PlatformClient
from api.depositor.envelope_file import EnvelopeFile, Record, manifest_of
from api.depositor.errors import StrangeAnswer, UploadEnded
from api.depositor.receipt import RECEIVED, REHEARSAL, Proven, check_receipt
from crypto.canonical import Json
from crypto.keyset import Keyset
from crypto.policies import Policy

PARALLEL = 4
ENDED = frozenset({"REFUSED", "FAILED", "EXPIRED"})
BASE = "/api/v1/transmissions"
TERMS = "1"
Progress = Callable[[int, int], None]
"""Told how many bytes of how many the platform holds."""


@dataclass(frozen=True)
class Sent:
    """A deposit that was received, and where its proof lies."""

    proven: Proven
    proof: Path


class Sender:
    """Sends one envelope over a client that carries the company's token."""

    def __init__(self, http: PlatformClient, client: str, progress: Progress) -> None:
        self._http = http
        self._client = client
        self._progress = progress

    async def deposit(self, path: Path, policy: Policy | None = None) -> Sent:
        """Send an envelope, or what is missing of it; return its verified receipt."""
        record = Record.read(path)
        envelope = await asyncio.to_thread(EnvelopeFile.check, path, record.commitment)
        documents = manifest_of(record, envelope.header)
        state = await self._session(record, envelope)
        state = await self._send(envelope, state)
        proven = self._proven(record, envelope, documents, state, policy)
        proof = path.with_name(f"{record.deposit}.tlog-proof")
        proof.write_bytes(proven.proof)
        return Sent(proven, proof)

    async def _session(self, record: Record, envelope: EnvelopeFile) -> dict[str, Any]:
        """Return the state of the transmission that was begun before, or of a new one.

        A session that ended without a deposit is followed by another one, once.
        """
        attempt = record.attempt
        for _ in range(2):
            started = await self._announce(record, envelope, attempt)
            name = str(started["transmission"])
            record.note(name, attempt)
            state = await self._http.call("GET", f"{BASE}/{name}")
            if state["state"] not in ENDED:
                return state
            attempt += 1
        record.note(None, attempt)
        raise UploadEnded(str(state["state"]), str(state.get("attestation", "")))

    async def _announce(
        self, record: Record, envelope: EnvelopeFile, attempt: int
    ) -> dict[str, Any]:
        label = envelope.header.label
        rehearsal = label.kind == REHEARSAL
        form: dict[str, Json] = {
            "bytes": envelope.size,
            "client": self._client,
            "consultation": label.consultation,
            "documents": envelope.header.documents_count,
            "intent": label.intent,
            "kind": "OFFER" if rehearsal else label.kind,
            "lots": list(label.lots),
            "purpose": REHEARSAL if rehearsal else "REAL",
            "round": label.round,
            "terms": TERMS,
        }
        if label.target is not None:
            form["target"] = label.target
        key = {"idempotency-key": f"deposit-{record.deposit}-{attempt}"}
        return await self._http.call("POST", BASE, json=form, headers=key)

    async def _send(self, envelope: EnvelopeFile, state: dict[str, Any]) -> dict[str, Any]:
        name = str(state["transmission"])
        if state["state"] == "COMPLETED":
            return state
        if "missing" not in state:
            state = await self._http.call(
                "PUT",
                f"{BASE}/{name}/head",
                content=envelope.header.head,
                headers={"pli-commitment": envelope.commitment},
            )
        await self._chunks(envelope, name, _indices(state))
        return await self._http.call(
            "POST", f"{BASE}/{name}/finish", headers={"idempotency-key": f"finish-{name}"}
        )

    async def _chunks(self, envelope: EnvelopeFile, name: str, missing: list[int]) -> None:
        """Send what is missing, four chunks at once; the first refusal stops the others."""
        held = envelope.size - sum(envelope.frame.size(index) for index in missing)
        waiting = list(reversed(missing))

        async def work() -> None:
            nonlocal held
            while waiting:
                index = waiting.pop()
                chunk = await asyncio.to_thread(envelope.chunk, index)
                await self._http.call(
                    "PUT",
                    f"{BASE}/{name}/chunks/{index}",
                    content=chunk,
                    headers={"pli-leaf": envelope.leaves[index].hex()},
                )
                held += len(chunk)
                self._progress(held, envelope.size)

        self._progress(held, envelope.size)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(PARALLEL, len(missing))):
                    group.create_task(work())
        except ExceptionGroup as several:
            raise several.exceptions[0] from None

    def _proven(
        self,
        record: Record,
        envelope: EnvelopeFile,
        documents: list[Mapping[str, Json]],
        state: dict[str, Any],
        policy: Policy | None,
    ) -> Proven:
        label = envelope.header.label
        # a rehearsal makes no deposit: what proves it is the end of its session
        proof = state.get("attestation" if label.kind == REHEARSAL else "receipt")
        if state.get("state") != "COMPLETED" or not isinstance(proof, str):
            raise UploadEnded(str(state.get("state")), str(state.get("attestation", "")))
        ledger = cast("Mapping[str, str]", record.kit["ledger"])
        believed = policy or Policy.parse(ledger["policy_log"])
        transmission = str(state["transmission"])
        entry = check_receipt(proof.encode(), believed, envelope, transmission)
        keyset = Keyset.parse(record.kit["canary" if label.kind == REHEARSAL else "keyset"])
        return Proven(
            deposit=record.deposit,
            kind=label.kind,
            consultation=label.consultation,
            transmission=transmission,
            # a backup copy and a rehearsal say when they came, not by which deadline
            on_time=RECEIVED.get(entry.kind, state.get("on_time", True) is True),
            received_at=str(entry.data["received_at"]),
            uncertainty_ms=cast("int", entry.data["uncertainty_ms"]),
            commitment=envelope.commitment,
            level=_level(str(record.kit["level"]), state),
            keyset=label.keyset,
            organisations=[member.organisation for member in keyset.ceremony.members],
            recorded_at=entry.at,
            documents=documents,
            mentions=cast("Mapping[str, Json]", state.get("mentions", {})),
            proof=proof.encode(),
        )


async def fetch_kit(http: PlatformClient, consultation: str) -> dict[str, Any]:
    """Return the kit of a consultation as the platform gives it; the reader checks it."""
    return await http.call("GET", f"/api/v1/consultations/{consultation}/kit")


def _level(placed: str, state: Mapping[str, Any]) -> str:
    """Return the level of this deposit: A2 is told with the receipt, never beyond the kit's A1."""
    return "A2" if placed == "A1" and state.get("level") == "A2" else placed


def _indices(state: Mapping[str, Any]) -> list[int]:
    try:
        return [index for first, last in state["missing"] for index in range(first, last + 1)]
    except (KeyError, TypeError, ValueError) as error:
        raise StrangeAnswer(f"no list of missing chunks in {json.dumps(state)[:200]}") from error

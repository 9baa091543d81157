"""One transmission of one company: its bytes, its state, its end; nobody else can hold one.

``api/scope.py`` hands it out, so whatever a route does with a transmission is its owner's.
"""

from __future__ import annotations

from dataclasses import dataclass

from api import attestations, uploading
from api.adapters.bodies import Body
from api.adapters.uploads import Upload, missing
from api.errors import Absent
from api.idempotency import derived_id
from api.platform import Platform
from domain.commands.transmit import (
    CheckReadability,
    FailTransmission,
    WarnDrawer,
    check_readability,
    fail_transmission,
    warn_drawer,
)
from domain.errors import DomainError
from domain.events.transmission import StallCause
from domain.ports import Act, Principal

Answer = dict[str, object]
Told = list[WarnDrawer | CheckReadability]


@dataclass(frozen=True)
class OwnTransmission:
    """A transmission, and the company's person under its name in this consultation (N11)."""

    _platform: Platform
    _sender: Principal
    _upload: Upload

    def started(self) -> Answer:
        """Return the answer to its announce."""
        return attestations.started(self._platform, self._upload.transmission)

    def told(self, shown: Told) -> None:
        """Record what the depositor was warned of; an announce that is repeated records it once."""
        name = self._upload.transmission
        session = uploading.session_of(self._platform, name)
        if session is None or session.state in uploading.ENDED:
            return
        for command in shown:
            act = Act(
                derived_id(name, type(command).__name__), self._sender, self._upload.consultation
            )
            if isinstance(command, WarnDrawer):
                self._platform.act(warn_drawer, act, command)
            else:
                self._platform.act(check_readability, act, command)

    def refusal(self) -> DomainError | None:
        """Return the refusal with which its announce was answered before."""
        return attestations.refusal_of_session(self._platform, self._upload.transmission)

    def end(self) -> None:
        """Remember that nothing more is accepted."""
        self._platform.uploads.end(self._upload.transmission)

    def body(self) -> Body:
        """Give a place for what this transmission sends."""
        return self._platform.bodies.body()

    def accept_head(self, head: bytes, commitment: str) -> bool:
        """Announce the envelope; return whether it is new."""
        return uploading.accept_head(self._platform, self._sender, self._upload, head, commitment)

    def accept_chunk(self, index: int, chunk: bytes, leaf: str) -> bool:
        """Make a chunk durable; return whether it is new."""
        return uploading.accept_chunk(
            self._platform, self._sender, self._upload, index, chunk, leaf
        )

    def seal_if_whole(self) -> None:
        """Seal the deposit if nothing is missing."""
        uploading.seal_if_whole(self._platform, self._sender, self._upload)

    def stall(self, cause: StallCause) -> None:
        """Record that bytes stopped coming."""
        uploading.stall(self._platform, self._upload, cause)

    def give_up(self) -> None:
        """End the session as an event, unless it has ended."""
        upload = self._upload
        with self._platform.desk.turns.hold(upload.consultation):
            session = uploading.session_of(self._platform, upload.transmission)
            if session is not None and session.state not in uploading.ENDED:
                command = FailTransmission(
                    upload.transmission, "client.gave-up", StallCause.CLIENT, upload.refused
                )
                key = derived_id(upload.transmission, "end")
                act = Act(key, self._sender, upload.consultation)
                self._platform.act(fail_transmission, act, command)
            uploading.forget(self._platform, upload)

    def state(self) -> Answer:
        """Say what is missing, or how it ended, with its receipt."""
        name = self._upload.transmission
        upload = self._platform.uploads.own(name, self._upload.owner)
        session = uploading.session_of(self._platform, name)
        if session is None or upload is None:
            raise Absent
        shown: Answer = {"transmission": name, "state": session.state}
        if upload.deposit:
            shown["deposit"] = upload.deposit
        if session.state in uploading.ENDED:
            return shown | attestations.ended(self._platform, upload, session)
        if upload.head is not None:
            parts = self._platform.uploads.parts(name)
            shown["chunks"] = upload.chunks
            shown["missing"] = missing(parts, upload.chunks)
        return shown

"""What PERSISTENCE_MODULE=ledger.factory gives the library: this ledger's mapper and recorder."""

from __future__ import annotations

from typing import Any

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    Cipher,
    Compressor,
    InfrastructureFactory,
    Mapper,
    ProcessRecorder,
    TrackingRecorder,
    Transcoder,
)

from ledger.errors import FeatureRefused
from ledger.mapper import CanonicalTranscoder, LedgerMapper
from ledger.recorder import LedgerRecorder


class LedgerFactory(InfrastructureFactory[TrackingRecorder]):
    """Gives the application the recorder that was attached to it."""

    recorder: LedgerRecorder | None = None

    def transcoder(self) -> Transcoder:
        """Return the canonical transcoder; another one may not be chosen."""
        self._refuse(self.TRANSCODER_TOPIC)
        return CanonicalTranscoder()

    def mapper(
        self,
        transcoder: Transcoder | None = None,
        mapper_class: type[Mapper[Any]] | None = None,
    ) -> Mapper[Any]:
        """Return the ledger's mapper; another one may not be chosen."""
        self._refuse(self.MAPPER_TOPIC)
        if mapper_class is not None:
            raise FeatureRefused(f"the mapper {mapper_class!r} is asked for")
        return LedgerMapper(transcoder or self.transcoder(), self.compressor(), self.cipher())

    def cipher(self) -> Cipher | None:
        """Refuse a cipher: it would know neither subject nor place."""
        self._refuse(self.CIPHER_TOPIC, "CIPHER_KEY")
        return None

    def compressor(self) -> Compressor | None:
        """Refuse a compressor: bytes stay canonical."""
        self._refuse(self.COMPRESSOR_TOPIC)
        return None

    def application_recorder(self) -> ApplicationRecorder:
        """Return the attached recorder."""
        if self.recorder is None:
            raise FeatureRefused("a ledger is opened by Ledger, not by its environment alone")
        return self.recorder

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Refuse: snapshots are derived data of the views."""
        raise FeatureRefused(f"a recorder for {purpose} is asked for")

    def tracking_recorder(
        self, tracking_recorder_class: type[TrackingRecorder] | None = None
    ) -> TrackingRecorder:
        """Refuse: projections keep their own position."""
        raise FeatureRefused("a tracking recorder is asked for")

    def process_recorder(self) -> ProcessRecorder:
        """Refuse: projections keep their own position."""
        raise FeatureRefused("a process recorder is asked for")

    def _refuse(self, *names: str) -> None:
        for name in names:
            if self.env.get(name):
                raise FeatureRefused(f"{name} is set")

"""The library's application over this ledger: its mapper, recorder, repository (ledger.md §6)."""

from __future__ import annotations

from typing import Any

from eventsourcing.application import Application, ProcessingEvent
from eventsourcing.domain import (
    BaseAggregate,
    DomainEventProtocol,
    MutableOrImmutableAggregate,
)
from eventsourcing.persistence import InfrastructureFactory, Recording
from eventsourcing.utils import Environment

from ledger.errors import FeatureRefused
from ledger.factory import LedgerFactory
from ledger.mapper import LedgerMapper
from ledger.recorder import LedgerRecorder


class LedgerApplication(Application[str]):
    """The library's application over this ledger: its mapper, its recorder, its repository."""

    mapper: LedgerMapper

    def __init__(self, recorder: LedgerRecorder) -> None:
        self._given = recorder
        super().__init__({"PERSISTENCE_MODULE": "ledger.factory"})

    def construct_factory(self, env: Environment) -> InfrastructureFactory:
        """Let the library choose the factory by its environment, then attach the recorder."""
        factory = super().construct_factory(env)
        if not isinstance(factory, LedgerFactory):
            raise FeatureRefused(f"the factory {type(factory).__name__} is chosen")
        factory.recorder = self._given
        return factory

    def save(
        self,
        *objs: MutableOrImmutableAggregate[str] | DomainEventProtocol[str] | None,
        **kwargs: Any,  # noqa: ANN401 - the library's signature
    ) -> list[Recording[str]]:
        """Save as the library does, which asks each aggregate twice for its protocol.

        Those questions cost as much as everything else before the store.
        """
        processing: ProcessingEvent[str] = ProcessingEvent()
        for each in objs:
            if isinstance(each, BaseAggregate):
                processing.events += each.collect_events()
                processing.aggregates[each.id] = each
            else:
                processing.collect_events(each)
        processing.saved_kwargs.update(kwargs)
        recordings = self._record(processing)
        self._take_snapshots(processing)
        self._notify(recordings)
        return recordings

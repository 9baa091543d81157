"""The state tables of domain.md §6, read by the aggregates and compared with the specification.

``TRANSITIONS[machine][state][event]`` is the next state; ``SAME`` keeps the state. A conditional
target of the specification stands here as its full form: the aggregate says when it is reached.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.errors import (
    BackupWrongState,
    ConsultationWrongState,
    DepositWrongState,
    OpeningWrongState,
    TransmissionWrongState,
    WrongState,
)

NEW = "NEW"
SAME = "="
Table = Mapping[str, Mapping[str, str]]

TRANSITIONS: Mapping[str, Table] = {
    "consultation": {
        "DRAFTED": {"ConsultationPublished": "PUBLISHED"},
        "PUBLISHED": {
            "ConsultationSuspended": "SUSPENDED",
            "RegisterClosed": "CLOSED",
            "DeclaredWithoutFollowUp": "ENDED",
        },
        "SUSPENDED": {
            "ConsultationResumed": "PUBLISHED",
            "DeclaredWithoutFollowUp": "ENDED",
        },
    },
    "transmission": {
        "NEW": {"TransmissionStarted": "STARTED"},
        "STARTED": {
            "FeasibilityRefused": "REFUSED",
            "ChunksStored": "RECEIVING",
            "TransmissionStalled": "STALLED",
            "TransmissionCompleted": "COMPLETED",
            "TransmissionFailed": "FAILED",
            "TransmissionExpired": "EXPIRED",
        },
        "RECEIVING": {
            "ChunksStored": "=",
            "TransmissionStalled": "STALLED",
            "TransmissionCompleted": "COMPLETED",
            "TransmissionFailed": "FAILED",
            "TransmissionExpired": "EXPIRED",
        },
        "STALLED": {
            "TransmissionResumed": "RECEIVING",
            "TransmissionFailed": "FAILED",
            "TransmissionExpired": "EXPIRED",
        },
    },
    "deposit": {
        "NEW": {"DepositSealed": "SEALED", "LateDepositRecorded": "LATE"},
        "SEALED": {
            "DepositWithdrawn": "WITHDRAWN",
            "DepositSuperseded": "SUPERSEDED",
            "EnvelopeOpened": "OPENED",
            "EnvelopeUnreadable": "UNREADABLE",
        },
        "LATE": {"LateDepositAdmitted": "SEALED", "LateDepositRejected": "KEPT_CLOSED"},
        "OPENED": {
            "EnvelopeOpened": "=",
            "MalwareDetected": "QUARANTINED",
            "EnvelopeDestroyed": "DESTROYED",
        },
        "WITHDRAWN": {"EnvelopeDestroyed": "DESTROYED"},
        "SUPERSEDED": {"EnvelopeDestroyed": "DESTROYED"},
        "KEPT_CLOSED": {"EnvelopeDestroyed": "DESTROYED"},
        "UNREADABLE": {"EnvelopeDestroyed": "DESTROYED"},
        "QUARANTINED": {"EnvelopeDestroyed": "DESTROYED"},
    },
    "opening": {
        "NEW": {"OpeningConvened": "CONVENED"},
        "CONVENED": {"OpeningPlanFixed": "PLANNED"},
        "PLANNED": {"CheckpointAnchored": "WITNESSED"},
        "WITNESSED": {
            "CustodyQuorumReached": "UNLOCKED",
            "CustodyQuorumMissed": "=",
            "OpeningCompleted": "COMPLETED",
        },
        "UNLOCKED": {"CustodyQuorumMissed": "=", "OpeningCompleted": "COMPLETED"},
        "COMPLETED": {"OpeningPlanFixed": "PLANNED"},
    },
    "backup": {
        "NEW": {"BackupCopyReceived": "RECEIVED"},
        "RECEIVED": {
            "BackupCopyOpeningAuthorised": "AUTHORISED",
            "BackupCopySetAside": "SET_ASIDE",
        },
        "AUTHORISED": {
            "BackupCopyOpened": "OPENED",
            "EnvelopeUnreadable": "UNREADABLE",
            "BackupCopySetAside": "SET_ASIDE",
        },
        "OPENED": {"BackupCopySetAside": "SET_ASIDE"},
        "SET_ASIDE": {"BackupCopyDestroyed": "DESTROYED"},
    },
}

REFUSALS: Mapping[str, type[WrongState]] = {
    "consultation": ConsultationWrongState,
    "transmission": TransmissionWrongState,
    "deposit": DepositWrongState,
    "opening": OpeningWrongState,
    "backup": BackupWrongState,
}

MOVING = {
    machine: {event for row in table.values() for event in row}
    for machine, table in TRANSITIONS.items()
}


def target_of(machine: str, state: str, event: str) -> str | None:
    """Return the state which the table names after this event, None if it names none."""
    target = TRANSITIONS.get(machine, {}).get(state, {}).get(event)
    return state if target == SAME else target


def check_transition(machine: str, state: str, event: str) -> None:
    """Return quietly if the event may come in this state, else raise ``<machine>.wrong-state``.

    An event that moves the machine nowhere is a fact, accepted in every state, NEW included.
    """
    if event in MOVING.get(machine, ()) and target_of(machine, state, event) is None:
        raise REFUSALS[machine](event, state)

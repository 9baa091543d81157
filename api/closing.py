"""The hour of one consultation: what was whole before D is sealed, then D is reached.

No single envelope holds the hour up. One that is whole but cannot be sealed any more, because its
bytes are unreadable here, ends as the platform's fault, which its depositor can prove.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from api import uploading
from api.adapters.uploads import Upload
from api.idempotency import derived_id
from api.platform import Platform
from crypto.errors import CryptoError
from domain.commands.reach_deadline import ReachDeadline, reach_deadline
from domain.commands.transmit import FailTransmission, fail_transmission
from domain.errors import (
    CommitmentDiffers,
    EnvelopeIncomplete,
    EnvelopeMismatch,
    PlatformUnavailable,
)
from domain.events.transmission import StallCause
from ledger.errors import BlobDiffers, BlobMissing

Alarm = Callable[[str, Exception], None]

UNSEALABLE = (
    BlobMissing,
    BlobDiffers,
    CryptoError,
    EnvelopeMismatch,
    EnvelopeIncomplete,
    CommitmentDiffers,
)
"""What trying again does not change: the bytes that are kept are not those that were announced."""
SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN})
"""What this process lacks for a moment: the hour waits for the next tick rather than lose one."""


def close(platform: Platform, name: str, alarm: Alarm) -> None:
    """Seal what was whole before D, then reach D: both under the consultation's turn."""
    with platform.desk.turns.hold(name):
        for upload in platform.uploads.running():
            if upload.consultation == name:
                _seal_or_fail(platform, upload, alarm)
        act = platform.own_act(derived_id(name, "reach-deadline"), name)
        platform.act(reach_deadline, act, ReachDeadline(name))


def _seal_or_fail(platform: Platform, upload: Upload, alarm: Alarm) -> None:
    try:
        uploading.take_waiting(platform, upload)
        uploading.seal_if_whole(platform, platform.itself, upload)
    except UNSEALABLE as error:
        alarm(upload.transmission, error)
        _fail(platform, upload)
    except OSError as error:
        if error.errno in SHORT_OF:
            raise
        alarm(upload.transmission, error)
        _fail(platform, upload)


def _fail(platform: Platform, upload: Upload) -> None:
    session = uploading.session_of(platform, upload.transmission)
    if session is not None and session.state not in uploading.ENDED:
        command = FailTransmission(
            upload.transmission, PlatformUnavailable.code, StallCause.SERVER, upload.refused
        )
        key = derived_id(upload.transmission, "unsealable")
        platform.act(fail_transmission, platform.own_act(key, upload.consultation), command)
    # after a crash here the next tick finds the session ended and lets go of it
    uploading.forget(platform, upload)

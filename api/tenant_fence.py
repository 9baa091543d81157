"""The row security of a log on PostgreSQL, as text for its owner to run (``docs/operations.md``).

``python -m api.tenant_fence SCHEMA READER [WRITER…]`` prints it. Deposits, transmissions, backup
copies and the desk's register are not shown to a tenant at all, nor anything of a procedure from
the closing of its register on: their number stays hidden until the plan of their lot (N11), and a
policy of the database knows no plan.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from domain.backup_copy import BackupCopy, OutOfBandRegister
from domain.envelope import SealedEnvelope
from domain.events.consultation import RegisterClosed, RegisterListed
from domain.transmission import TransmissionSession

HIDDEN_STREAMS = (
    SealedEnvelope.PREFIX,
    TransmissionSession.PREFIX,
    BackupCopy.PREFIX,
    OutOfBandRegister.PREFIX,
)
HIDDEN_KINDS = (RegisterListed.TOPIC, RegisterClosed.TOPIC)


def statements(schema: str, reader: str, writers: Sequence[str] = ()) -> list[str]:
    """Return the statements in order."""
    from ledger.fences import row_security

    found = row_security(schema, reader, writers, streams=HIDDEN_STREAMS, kinds=HIDDEN_KINDS)
    return [one.as_string(None) for one in found]


if __name__ == "__main__":
    schema, reader, *writers = sys.argv[1:]
    print(";\n".join(statements(schema, reader, writers)) + ";")  # noqa: T201 - the text is the output

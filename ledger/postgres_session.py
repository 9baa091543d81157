"""A connection to PostgreSQL as the store uses it, and what its failures mean (ledger.md §4).

What is rare goes through psycopg's own `execute`. The statements of a batch are always the same
few, so they go past it: prepared once a session, their values in PostgreSQL's binary form, those
that need no answer of each other in one trip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import psycopg
from psycopg import errors, generators, pq, waiting

from ledger.errors import BatchGivenUp, StorageFull, StoreUnreachable
from ledger.fail_stop import FailStop
from ledger.store import Cursor, Params

INTERRUPTED_SECONDS: Final = 0.1
"""How soon a wait for the server gives way to Ctrl-C; 0 would never sleep."""
BYTES: Final = 17
INT8: Final = 20
TEXT: Final = 25
_ONE_DIMENSION: Final = bytes([0, 0, 0, 1, 0, 0, 0, 0])  # and no null in it
_FROM_ONE: Final = bytes([0, 0, 0, 1])
_EIGHT: Final = bytes([0, 0, 0, 8])
_DONE: Final = frozenset({pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK})


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that a session prepares before its first use; ``$1`` is its first value."""

    name: bytes
    text: str


Step = tuple[Statement, Sequence[bytes]]


def int4(value: int) -> bytes:
    """Return an integer in binary form."""
    return value.to_bytes(4, "big")


def int8(value: int) -> bytes:
    """Return a bigint in binary form."""
    return value.to_bytes(8, "big")


def number(value: bytes) -> int:
    """Return a number from its binary form, whatever its width; none here is negative."""
    return int.from_bytes(value, "big")


def array(kind: int, values: Sequence[bytes]) -> bytes:
    """Return an array of values that are in binary form already."""
    parts = [_start(kind, len(values))]
    for value in values:
        parts += (len(value).to_bytes(4, "big"), value)
    return b"".join(parts)


def int8s(values: Sequence[int]) -> bytes:
    """Return an array of bigints: their one length stands before each."""
    start = _start(INT8, len(values))
    return _EIGHT.join([start, *[value.to_bytes(8, "big") for value in values]])


def _start(kind: int, length: int) -> bytes:
    return _ONE_DIMENSION + int4(kind) + int4(length) + _FROM_ONE


def texts(values: Sequence[str]) -> bytes:
    """Return an array of texts."""
    return array(TEXT, [value.encode() for value in values])


def rows_of(result: pq.abc.PGresult) -> Iterator[list[bytes]]:
    """Return the rows of an answer, each cell in binary form; none of them is null."""
    cells = range(result.nfields)
    for row in range(result.ntuples):
        yield [cast("bytes", result.get_value(row, cell)) for cell in cells]


class Session:
    """A psycopg connection in the shape that reads and writes of the store use."""

    def __init__(self, inner: psycopg.Connection[Any]) -> None:
        self.inner = inner
        self.process = inner.info.backend_pid
        """The number of the server's process at the other end."""
        self._prepared: set[bytes] = set()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.inner.info.transaction_status != pq.TransactionStatus.IDLE

    @property
    def usable(self) -> bool:
        """Whether the server is still at the other end."""
        return not (self.inner.closed or self.inner.broken)

    def execute(self, text: str, parameters: Params = (), /) -> Cursor:
        """Run one statement; without parameters several may stand in one text."""
        if not parameters:
            return cast("Cursor", self.inner.execute(text))
        return cast("Cursor", self.inner.execute(text, parameters, binary=True))

    def together(self, *steps: Step) -> list[pq.abc.PGresult]:
        """Run statements in one trip and return their answers, or raise the first failure."""
        line = self.inner.pgconn
        new = {each.name: each for each, _ in steps if each.name not in self._prepared}
        try:
            line.enter_pipeline_mode()
            for name, statement in new.items():
                line.send_prepare(name, statement.text.encode())
            for statement, values in steps:
                binary = [pq.Format.BINARY] * len(values)
                line.send_query_prepared(statement.name, values, binary, pq.Format.BINARY)
            line.pipeline_sync()
            answers = _answers(line, len(new) + len(steps))
            line.exit_pipeline_mode()
        except BaseException:  # lost or interrupted: no later trip may take its answers
            self.close()
            raise
        for name, answer in zip(new, answers, strict=False):
            _check(answer)
            self._prepared.add(name)
        for answer in answers:
            _check(answer)
        return answers[len(new) :]

    def close(self) -> None:
        """Give the connection back."""
        self.inner.close()


def _answers(line: pq.abc.PGconn, count: int) -> list[pq.abc.PGresult]:
    """Return an answer for each statement sent, and read the line to the end of the trip."""
    answers: list[pq.abc.PGresult] = []
    try:
        waiting.wait(generators.send(line), line.socket, INTERRUPTED_SECONDS)
        for _ in range(count + 1):  # one more: the end of the trip
            answers += waiting.wait(generators.fetch_many(line), line.socket, INTERRUPTED_SECONDS)
    except psycopg.Error:
        for answer in answers:  # the server's last word says more than the end of the line
            _check(answer)
        raise
    return answers[:count]


def _check(answer: pq.abc.PGresult) -> None:
    if answer.status in _DONE:
        return
    failure = errors.error_from_result(answer)
    if failure.diag.sqlstate is None:  # said by the client's own library: the line is lost
        raise psycopg.OperationalError(str(failure))
    raise failure


class PostgresJudge:
    """Turns what the server or the line reports into the ledger's errors (ledger.md §4)."""

    def __init__(self, fail_stop: FailStop) -> None:
        self.fail_stop = fail_stop

    def __call__(self, doing: str, session: Session | None = None) -> _Judged:
        """Run a block of statements."""
        return _Judged(self.fail_stop, doing, session)


class _Judged:
    """One block; a class, because a generator costs three times as much in every save."""

    __slots__ = ("_doing", "_fail_stop", "_session")

    def __init__(self, fail_stop: FailStop, doing: str, session: Session | None) -> None:
        self._fail_stop = fail_stop
        self._doing = doing
        self._session = session

    def __enter__(self) -> None:
        self._fail_stop.check()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if not isinstance(error, psycopg.Error):
            return
        if isinstance(error, errors.DiskFull):
            raise StorageFull from error
        if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
            raise BatchGivenUp(str(error).strip()) from error
        lost = self._session is None or not self._session.usable
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and lost:
            raise StoreUnreachable(str(error).strip()) from error
        raise self._fail_stop.trip(f"{self._doing}: {error}") from error

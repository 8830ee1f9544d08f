"""Connections and transactions. A verb is given a `Tx` first, uses it and never commits.

`Database.begin` is for requests that write: all of it or none. `Database.read` runs each statement by
itself, which saves two of three round trips where nothing is written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from psycopg import DataError as PsycopgDataError
from sqlalchemy import Connection, CursorResult, Engine, Executable, Row, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from volutus.clock import Clock
from volutus.errors import Contended, Invalid, Unavailable
from volutus.ids import Ids

# A statement that takes longer holds locks that requests wait for; long work is done in steps instead.
STATEMENT_TIMEOUT_MS = 30_000
# A connection that is not free by then means the database is away or every thread is stuck on it.
POOL_TIMEOUT_S = 5
# What a tenant's client should wait before it tries again while PostgreSQL is away.
RETRY_AFTER_S = 5
# program_limit_exceeded: a text that no index entry holds.
_TOO_LONG = ("54000",)
# serialization_failure, deadlock_detected
_CONTENTION = ("40001", "40P01")


@dataclass
class Tx:
    """One transaction (or one run of single reads): the connection, the time it began, and its request.

    `now` is the same throughout, so that rows written together carry one time. `statements` counts what was
    sent to the server: tests hold list queries to it. In `notes` a part leaves itself what it knows of this
    request.
    """

    connection: Connection
    now: datetime
    ids: Ids
    request_id: str = ""
    statements: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    _after_commit: list[Callable[[], None]] = field(default_factory=list)

    def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        """Run a statement."""
        self.statements += 1
        result: CursorResult[Any] = self.connection.execute(statement, parameters)
        return result

    def rows(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        """All rows of a statement, which must say its own limit."""
        return self.execute(statement, parameters).all()

    def row(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Row[Any] | None:
        """The first row, or None."""
        return self.execute(statement, parameters).first()

    def value(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row, or None."""
        return self.execute(statement, parameters).scalar()

    def changed(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> int:
        """How many rows a write touched: a guarded write must look."""
        return self.execute(statement, parameters).rowcount

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo only the inner part when it raises."""
        with self.connection.begin_nested():
            yield

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this once the transaction is committed; never when it is rolled back."""
        self._after_commit.append(callback)

    def committed(self) -> None:
        """Run what waited for the commit. Called by whoever owns the transaction."""
        for callback in self._after_commit:
            callback()
        self._after_commit.clear()


class Database:
    """The pool of one process. Raises Unavailable where PostgreSQL cannot be reached."""

    def __init__(self, url: str, clock: Clock, ids: Ids, *, pool_size: int = 8) -> None:
        self.url = url
        self.clock = clock
        self.ids = ids
        self._engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=2,
            pool_timeout=POOL_TIMEOUT_S,
            pool_use_lifo=True,
            # A server's row has ten documents: the standard library's decoder takes as long as all else.
            json_deserializer=msgspec.json.decode,
            connect_args={
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC",
                "connect_timeout": POOL_TIMEOUT_S,
            },
        )
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def begin(self, request_id: str = "") -> Iterator[Tx]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        with reachable(), self._engine.begin() as connection:
            tx = self._tx(connection, request_id)
            yield tx
        tx.committed()

    @contextmanager
    def read(self, request_id: str = "") -> Iterator[Tx]:
        """Single reads, each with its own snapshot."""
        with reachable(), self._reader.connect() as connection:
            yield self._tx(connection, request_id)

    @property
    def engine(self) -> Engine:
        """For migrations and for listening to notifications."""
        return self._engine

    def close(self) -> None:
        """Drop all connections."""
        self._engine.dispose()

    def _tx(self, connection: Connection, request_id: str) -> Tx:
        return Tx(connection, self.clock.now(), self.ids, request_id)


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _refused(error: DBAPIError) -> bool:
    """Whether PostgreSQL found fault with a value: verbs check what they can name, this is for the rest."""
    state = _sqlstate(error)
    return isinstance(error.orig, PsycopgDataError) or state[:2] == "22" or state in _TOO_LONG


@contextmanager
def reachable() -> Iterator[None]:
    """Tell failures of the database as our own errors. Raises Unavailable; Invalid for a value it refuses."""
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable(
            "The cloud's database is busy.", detail=str(error), retry_after_s=RETRY_AFTER_S
        ) from error
    except DBAPIError as error:
        if _refused(error):
            raise Invalid(
                "A value of the request is too long, too large or of a form that cannot be kept.",
                detail=str(error.orig),
            ) from error
        if _sqlstate(error) in _CONTENTION:
            raise Contended("The cloud is busy with the same objects.", detail=str(error.orig)) from error
        # OperationalError also covers timeouts, which are worth another try later.
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise Unavailable(
                "The cloud's database does not answer.", detail=str(error.orig), retry_after_s=RETRY_AFTER_S
            ) from error
        raise

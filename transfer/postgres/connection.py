"""A connection to PostgreSQL: ADBC runs statements and COPYs Arrow, always in a transaction."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, TypeAlias

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from transfer.drivers.faults import faults
from transfer.errors import DatabaseFault
from transfer.postgres.literals import Place
from transfer.rules.casts import arrow_type
from transfer.rules.layout import Field
from transfer.running.watching import Line, Look, Wait, in_use, watched
from transfer.settings import Warehouse

# ADBC writes a batch before it sends it. While it writes the next, the server takes this one in.
BATCH_BYTES = 2**19
# What is asked at a login may take so many times as long as the login itself.
LOGIN_FACTOR = 2

Row: TypeAlias = tuple[Any, ...]

# Handles and connections of the driver are opened, cancelled and closed one at a time.
DRIVER_LOCK = Lock()


def schema(fields: Sequence[Field]) -> pa.Schema:
    """Return the Arrow schema whose COPY BINARY bytes the fields read exactly."""
    return pa.schema([(field.name, arrow_type(field.type)) for field in fields])


class Connection:
    """One ADBC connection whose errors are ours, and on which nobody waits for ever.

    It is not in autocommit. `lines` are its sockets.
    `look` asks the server, by another connection, whether it is at work.
    `process` is the server's process that works for it, empty until that is known.
    """

    def __init__(self, warehouse: Warehouse, raw: Any, lines: Collection[Line], look: Look) -> None:
        """Wrap an open connection."""
        self.warehouse, self.raw, self.lines, self.look = warehouse, raw, lines, look
        self.process, self._streams, self._begun = "", False, False
        self.busy, self.used = Lock(), time.monotonic()

    def beat(self) -> None:
        """Give the server a sign of life; while it sends rows it needs none."""
        if not self._streams:
            with watched(self._wait(), "asking whether it lives"), self.raw.cursor() as cursor:
                cursor.execute("SELECT 1")
                # A result that is left unread makes the driver begin a second transaction.
                cursor.fetchall()

    def cut(self) -> None:
        """Hang up, from any thread."""
        for line in self.lines:
            line.cut()

    def cancel(self) -> None:
        """Cancel the statement that another thread waits for."""
        with DRIVER_LOCK:
            self.raw.adbc_cancel()

    @contextmanager
    def _waiting(self, doing: str) -> Iterator[None]:
        """Wait in the block for the server's answer."""
        with in_use(self), watched(self._wait(), doing), faults("warehouse", doing):
            yield

    @contextmanager
    def _running(self, doing: str) -> Iterator[Any]:
        """Give a cursor for a statement, and wait in the block for the server's answer."""
        self._begun = True
        with self._waiting(doing), self.raw.cursor() as cursor:
            yield cursor

    def _wait(self) -> Wait:
        warehouse = self.warehouse
        if not self.process:
            return Wait(warehouse, LOGIN_FACTOR * warehouse.connect_seconds, self.cut)
        seconds = warehouse.hang_seconds
        return Wait(warehouse, seconds, self.cut, self._moved, self.process, self.look)

    def _moved(self) -> int:
        return sum(line.moved() for line in self.lines)

    def run(self, doing: str, statement: str, values: Sequence[Any] = ()) -> None:
        """Run a statement."""
        with self._running(doing) as cursor:
            cursor.execute(statement, values or None)

    def rows(self, doing: str, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run a query, or a statement that returns rows, and return them."""
        with self._running(doing) as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def count(self, doing: str, statement: str) -> int:
        """Run a DELETE, INSERT or UPDATE and return the number of its rows."""
        counting = f"WITH done AS ({statement} RETURNING 1) SELECT count(*) FROM done"
        return int(self.rows(doing, counting)[0][0])

    def copy(self, doing: str, place: Place, fields: Sequence[Field], page: pa.Table) -> None:
        """Append a page by COPY BINARY, cast to the Arrow types that the fields read exactly."""
        exact = page.rename_columns([field.name for field in fields]).cast(schema(fields))
        rows_in_batch = max(1, page.num_rows * BATCH_BYTES // max(page.nbytes, 1))
        with self._running(doing) as cursor:
            cursor.adbc_ingest(
                place.name,
                exact.to_reader(max_chunksize=rows_in_batch),
                mode="append",
                db_schema_name=place.schema or None,
                temporary=not place.schema,
            )

    def arrow(self, doing: str, query: str) -> pa.Table:
        """Return a query's rows as Arrow."""
        with self._running(doing) as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()

    def batches(self, doing: str, query: str) -> Iterator[pa.RecordBatch]:
        """Yield a query's rows as Arrow batches; the time between two of them is no wait."""
        self._begun = True
        with faults("warehouse", doing), self.raw.cursor() as cursor:
            with self._waiting(doing):
                cursor.execute(query)
                found = iter(cursor.fetch_record_batch())
                self._streams = True
            try:
                while True:
                    with self._waiting(doing):
                        batch = next(found, None)
                    if batch is None:
                        return
                    yield batch
            finally:
                self._streams = False

    def rollback(self) -> None:
        """Roll the transaction back, if anything was done in it."""
        if self._begun:
            with self._waiting("rolling back"):
                self.raw.rollback()
            self._begun = False

    def commit(self) -> None:
        """Commit the transaction."""
        with self._waiting("committing"):
            self.raw.commit()
        self._begun = False

    def close(self) -> None:
        """Close the connection; what is not committed is rolled back."""
        if self.busy.locked():  # a sign of life is on its way
            self.cut()
        seconds = LOGIN_FACTOR * self.warehouse.connect_seconds
        closing = Wait(self.warehouse, seconds, self.cut)
        with self.busy, suppress(DatabaseFault), watched(closing, "closing"):
            hang_up(self.raw)


def hang_up(raw: Any) -> None:
    """Close a connection or a handle of the driver."""
    # A connection that the server has closed can be neither rolled back nor closed.
    with DRIVER_LOCK, suppress(adbc.Error):
        raw.close()

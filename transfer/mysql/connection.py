"""A connection to a MySQL server: it runs statements, and no wait on it lasts for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from threading import Lock
from typing import Any, TypeAlias

import pymysql

from transfer.drivers.faults import faults
from transfer.drivers.offered import OfferingConnection
from transfer.mysql.hashing import SIGNED_ZEROS
from transfer.mysql.session import WRITERS_WAIT_SECONDS
from transfer.running.watching import Line, Look, Wait, in_use, watched
from transfer.settings import MySQLServer

LONGEST_WAIT_SECONDS = 86_400

Row: TypeAlias = tuple[Any, ...]


class Connection(OfferingConnection):
    """A connection for statements, in autocommit, that knows the server it leads to.

    `line` is its socket. `look` asks the server by another connection which sessions it has at
    work.
    """

    line: Line

    def __init__(self, server: MySQLServer, look: Look, **options: Any) -> None:
        """Prepare a connection with PyMySQL's options; it is connected later."""
        super().__init__(**options)
        self.server, self.look = server, look
        self.busy, self.used = Lock(), time.monotonic()

    def run(self, doing: str, statement: str, values: Sequence[Any] | None = None) -> int:
        """Run a statement and return the number of rows it changed.

        Raises:
            DatabaseFault: the server refuses it, or gives no answer.

        """
        with self.waiting(doing), self.cursor() as cursor:
            cursor.execute(statement, values)
            return max(cursor.rowcount, 0)

    def insert(self, doing: str, statement: str, values: Sequence[Any]) -> int:
        """Insert a row and return the number that its AUTO_INCREMENT gave it.

        Raises:
            DatabaseFault: the server refuses it, or gives no answer.

        """
        with self.waiting(doing), self.cursor() as cursor:
            cursor.execute(statement, values)
            return int(cursor.lastrowid)

    def rows(self, doing: str, statement: str, values: Sequence[Any] | None = None) -> list[Row]:
        """Run a query and return its rows.

        Raises:
            DatabaseFault: the server refuses it, or gives no answer.

        """
        with self.waiting(doing), self.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does as one, or nothing of it."""
        with self.waiting("beginning a transaction"):
            self.begin()
        try:
            yield
        except BaseException:  # an interrupt too must not leave the transaction open
            if self.open:
                with self.waiting("rolling back"):
                    self.rollback()
            raise
        with self.waiting("committing"):
            self.commit()

    @contextmanager
    def waiting(self, doing: str) -> Iterator[None]:
        """Wait in the block for the server's answer."""
        with in_use(self), watched(self._wait(), doing), faults(self.server.place, doing):
            yield

    @contextmanager
    def waiting_for_readers(self) -> Iterator[None]:
        """Let the block's statements wait for a table's readers as long as they take."""
        setting = "SET SESSION lock_wait_timeout = {}"
        self.run("preparing the session", setting.format(LONGEST_WAIT_SECONDS))
        yield
        self.run("preparing the session", setting.format(WRITERS_WAIT_SECONDS))

    def beat(self) -> None:
        """Give the server a sign of life."""
        with watched(self._wait(), "asking whether it lives"):
            self.ping(reconnect=False)

    @property
    def session(self) -> int:
        """The number by which the server knows this connection."""
        return int(self.thread_id())  # type: ignore[no-untyped-call]

    @cached_property
    def own_number(self) -> str:
        """The number by which the server itself knows the session, whatever a proxy has said."""
        return str(self.rows("asking for its number", "SELECT CONNECTION_ID()")[0][0])

    @cached_property
    def signed_zeros(self) -> bool:
        """Whether the server has -0."""
        return bool(self.rows("asking for its numbers", f"SELECT {SIGNED_ZEROS}")[0][0])

    @property
    def product(self) -> str:
        """The server's product and version."""
        # MariaDB puts 5.5.5 before its version, for old replicas.
        shown = str(self.server_version).removeprefix("5.5.5-")  # type: ignore[attr-defined]
        product = "MariaDB" if "MariaDB" in shown else "MySQL"
        return f"{product} {shown.partition('-')[0]}"

    def close_quietly(self) -> None:
        """Close the connection, whatever state it is in."""
        if self.open:
            with suppress(pymysql.Error, OSError):
                self.close()

    def _wait(self) -> Wait:
        server, line = self.server, self.line
        return Wait(server, server.hang_seconds, line.cut, line.moved, str(self.session), self.look)

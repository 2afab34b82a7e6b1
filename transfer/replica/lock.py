"""The lock of a replica's table: one run at a time writes it, and a run that lost it cannot."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from time import monotonic, sleep

from transfer.errors import DatabaseFault, TableBusy
from transfer.mysql import pool
from transfer.mysql.connection import Connection
from transfer.server_codes import LOCKED_OUT
from transfer.settings import Limits, Replica
from transfer.values.table import digest

log = logging.getLogger("elt")


@dataclass(frozen=True, slots=True)
class Lock:
    """A table of a replica that is held for writing, and the connection that holds it.

    `fence` grows with each holder. Every transaction that changes data checks it.
    """

    table: str
    fence: int
    connection: Connection
    replica: Replica
    limits: Limits

    @property
    def is_first(self) -> bool:
        """True if no run has held the table in this replica before."""
        return self.fence == 1

    def above(self, floor: int) -> Lock:
        """Return the lock with a fence above the highest one that was seen elsewhere.

        A replica that only knows lower ones was set back to an older copy. It gets another name
        then: neither its rows nor the numbers of its extracts are those from which `raw` was
        loaded.
        """
        if self.fence > floor:
            return self
        doing = f"locking {self.table}"
        with self.connection.transaction():
            self.connection.run(doing, "UPDATE etl_replica SET generation = UUID()")
            raising = "UPDATE etl_extract_lock SET fence = %s WHERE table_name = %s"
            self.connection.run(doing, raising, (floor + 1, self.table))
        return replace(self, fence=floor + 1)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commit rows and their status as one, if the table is still ours.

        Raises:
            TableBusy: another run has taken the table over.

        """
        with self.connection.transaction():
            found = self.connection.rows(
                f"checking the lock of {self.table}",
                "SELECT fence FROM etl_extract_lock WHERE table_name = %s FOR UPDATE",
                (self.table,),
            )
            if not found or found[0][0] != self.fence:
                raise TableBusy(
                    f"{self.table} was taken over by another run; this one stops writing it."
                )
            yield self.connection

    def run_in_turns(self, doing: str, statement: str) -> None:
        """Run a statement that waits for a table's readers, in short turns.

        While it waits, it blocks new readers.

        Raises:
            DatabaseFault: they did not let go within `ELT_LOCK_SECONDS`.

        """
        until = monotonic() + self.limits.lock_seconds
        while True:
            try:
                self.connection.run(doing, statement)
            except DatabaseFault as fault:
                if fault.code not in LOCKED_OUT or monotonic() > until:
                    raise
                sleep(1)
            else:
                return


@contextmanager
def lock_table(replica: Replica, limits: Limits, table: str) -> Iterator[Lock]:
    """Hold a table for writing, once another run that has it lets go.

    Raises:
        TableBusy: the other run did not let go within `ELT_LOCK_SECONDS`.

    """
    name = f"elt:{digest(replica.db, table)}"
    with _connected_with_pulse(replica, limits) as connection:
        until = monotonic() + limits.lock_seconds
        while not connection.rows(f"locking {table}", "SELECT GET_LOCK(%s, 2)", (name,))[0][0]:
            _end_gone(connection, table, name)
            if monotonic() > until:
                raise TableBusy(
                    f"{table} is held by another run for over {limits.lock_seconds} s"
                    " (ELT_LOCK_SECONDS)."
                )
        yield Lock(table, _take_fence(connection, table), connection, replica, limits)
        _release(connection, f"letting go of {table}", name)


def _release(connection: Connection, doing: str, name: str) -> None:
    try:
        connection.rows(doing, "SELECT RELEASE_LOCK(%s)", (name,))
    except DatabaseFault:  # the work is done, and the lock goes with the connection
        connection.close_quietly()


def _pulse_of(session: object) -> str:
    return f"elt pulse {session}"


@contextmanager
def _connected_with_pulse(replica: Replica, limits: Limits) -> Iterator[Connection]:
    """Hold a connection for a lock, and a second one that shows others that its holder is alive.

    The first may be at work for hours, and its server does not notice when its holder is gone. The
    second only gives signs of life. Without them the server ends it.
    """
    with (
        pool.connect(replica, limits, writes=True) as connection,
        pool.connect(replica, limits, writes=True) as pulse,
    ):
        name, doing = _pulse_of(connection.own_number), "giving signs of life"
        pulse.rows(doing, "SELECT GET_LOCK(%s, 0)", (name,))
        yield connection
        _release(pulse, doing, name)


def _end_gone(connection: Connection, table: str, name: str) -> None:
    """End the session that holds a table if it has no pulse, as it works for a run that is gone."""
    doing = f"locking {table}"
    ((holder,),) = connection.rows(doing, "SELECT IS_USED_LOCK(%s)", (name,))
    if not holder:
        return
    ((gone,),) = connection.rows(doing, "SELECT IS_FREE_LOCK(%s)", (_pulse_of(holder),))
    if gone:
        log.warning("%s: the run that held it is gone, its session %s is ended", table, holder)
        with suppress(DatabaseFault):  # it has ended by itself
            connection.run(f"taking {table} over", f"KILL {int(holder)}")


def _take_fence(connection: Connection, table: str) -> int:
    """Return a fence above all others of a table that the replica knows."""
    doing = f"locking {table}"
    connection.run(
        doing,
        "INSERT INTO etl_extract_lock (table_name, fence) VALUES (%s, 1)"
        " ON DUPLICATE KEY UPDATE fence = fence + 1",
        (table,),
    )
    asking = "SELECT fence FROM etl_extract_lock WHERE table_name = %s"
    return int(connection.rows(doing, asking, (table,))[0][0])

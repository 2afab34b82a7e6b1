"""What a MySQL session begins with, how long it waits, and the refusal of one that is not exact."""

from __future__ import annotations

from transfer.drivers.mysql_sessions import mysql_session
from transfer.errors import ChannelFault
from transfer.running.watching import IDLE_SECONDS
from transfer.settings import Limits, MySQLServer, Source

LOCK_SECONDS = 10
WRITERS_WAIT_SECONDS = 2  # as a statement that waits for a table blocks its new readers
ANSWER_SECONDS = 5  # a server that ends a statement at its limit has that long to say so
READ_MODE = ""
# Zeroes stay zeroes in AUTO_INCREMENT columns, impossible dates are values like others.
WRITE_MODE = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"


def statements(server: MySQLServer, limits: Limits, *, writes: bool = False) -> tuple[str, ...]:
    """Return the statements that make a session exact, whatever the server or a proxy has set."""
    seconds = time_limit(server, limits) or 0
    if writes:
        return mysql_session(WRITE_MODE, WRITERS_WAIT_SECONDS, seconds, IDLE_SECONDS)
    return mysql_session(READ_MODE, LOCK_SECONDS, seconds)


def time_limit(server: MySQLServer, limits: Limits) -> int | None:
    """Return the seconds that a statement may take, None without a limit.

    The replica's server is there for the pipeline, and may count for long.
    """
    return limits.statement_seconds if isinstance(server, Source) else None


def refuse(server: MySQLServer, difference: str) -> None:
    """Refuse a server through whose sessions values do not come unchanged; an empty text is none.

    Raises:
        ChannelFault: there is a difference.

    """
    if difference:
        raise ChannelFault(server.place, f"{server.host}:{server.port}", difference)

"""What a server was asked, by its own general log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oracle import ask

from transfer.mysql import pool, reading

LOGGING = "general_log slow_query_log log_output long_query_time".split()


@contextmanager
def logged(connection: Any) -> Iterator[None]:
    """Let the server log all statements, with how many rows each looked at."""
    pool.close_connections()  # what they said when they were opened is to be written down too
    reading.close_readers()
    before = {name: ask(connection, f"SELECT @@GLOBAL.{name}")[0][0] for name in LOGGING}
    ask(
        connection,
        "SET GLOBAL log_output = 'TABLE', long_query_time = 0, slow_query_log = ON, general_log = ON",
    )
    try:
        yield
    finally:
        for name, value in before.items():
            ask(connection, f"SET GLOBAL {name} = %s", value)


def forget(connection: Any) -> None:
    """Empty the server's logs."""
    ask(connection, "TRUNCATE mysql.general_log")
    ask(connection, "TRUNCATE mysql.slow_log")


def asked(connection: Any, user: str, *kinds: str) -> list[tuple[int, str]]:
    """Return an account's statements with their connections.

    Each was sent as it is (Query), to be prepared (Prepare), or to be run then (Execute).
    """
    return ask(
        connection,
        "SELECT thread_id, CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE user_host LIKE %s"
        f" AND command_type IN ({', '.join(['%s'] * len(kinds))})",
        f"{user}[%",
        *kinds,
    )

"""The connections of this process: one that went well is kept for the next use."""

from __future__ import annotations

import atexit
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pymysql

from transfer.mysql import session
from transfer.mysql.address import address
from transfer.mysql.connection import Connection
from transfer.mysql.opening import kill, open_connection
from transfer.running.stopping import stoppable
from transfer.running.watching import asked, in_use, kept_alive, refuse_silent, seems_alive
from transfer.settings import Limits, MySQLServer

MOST_IDLE = 40

_IDLE: dict[tuple[object, ...], list[Connection]] = defaultdict(list)


@contextmanager
def connect(
    server: MySQLServer, limits: Limits, *, writes: bool = False, kept: bool = True
) -> Iterator[Connection]:
    """Hold a connection for statements, in autocommit.

    With `writes` it may use LOAD DATA LOCAL, and the checks that alter rows are lifted. If all
    went well it is `kept` for the next block, so a lock by name has to be released before.

    Raises:
        DatabaseFault: the server cannot be reached, or hangs.

    """
    idle = _IDLE[os.getpid(), address(server), session.statements(server, limits), writes]
    connection = _living(server, idle) if kept else None
    if connection is None:
        refuse_silent(server)
        with asked(server):
            connection = open_connection(server, limits, writes=writes)
    try:
        with stoppable(lambda: kill(limits, connection)), kept_alive(connection):
            yield connection
    except BaseException:  # an interrupt too: a connection in an unknown state is not kept
        connection.close_quietly()
        raise
    if kept:
        _keep(idle, connection)
    else:
        connection.close_quietly()


@atexit.register
def close_connections() -> None:
    """Close this process's connections that are idle."""
    for (process, *_), idle in _IDLE.items():
        while idle and process == os.getpid():
            idle.pop().close_quietly()


def _keep(idle: list[Connection], connection: Connection) -> None:
    """Keep a connection; if there are many, close those of the databases that were used first."""
    idle.append(connection)
    with suppress(IndexError, StopIteration):  # another thread may have been quicker
        while sum(map(len, list(_IDLE.values()))) > MOST_IDLE:
            next(kept for kept in list(_IDLE.values()) if kept).pop(0).close_quietly()


def _living(server: MySQLServer, idle: list[Connection]) -> Connection | None:
    """Return a connection that an earlier block left and that still answers, None without one."""
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        if seems_alive(connection, [connection.line]):
            return connection
        try:
            with in_use(connection), _answering_soon(server, connection):
                connection.ping(reconnect=False)
        except (pymysql.Error, OSError):
            connection.close_quietly()
        else:
            return connection


@contextmanager
def _answering_soon(server: MySQLServer, connection: Connection) -> Iterator[None]:
    """Wait no longer for an answer than for a new connection."""
    usual = connection._read_timeout  # type: ignore[attr-defined]  # noqa: SLF001
    connection._read_timeout = server.connect_seconds  # type: ignore[attr-defined]  # noqa: SLF001
    yield
    connection._read_timeout = usual  # type: ignore[attr-defined]  # noqa: SLF001

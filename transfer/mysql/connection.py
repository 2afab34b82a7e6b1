"""Connections to the two MySQL servers: PyMySQL runs statements in sessions that mean everywhere the same."""

from __future__ import annotations

import atexit
import logging
import os
import ssl
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection
from threading import Lock
from typing import Any, TypeAlias
from urllib.parse import quote as percent

import pymysql
from pymysql.constants import CR

from transfer.drivers.faults import faults
from transfer.drivers.offered import OfferingConnection
from transfer.drivers.reader import ReaderPanicked
from transfer.drivers.sessions import MEANT, TEXT, differing, mysql_proof, mysql_session
from transfer.errors import ChannelFault, DatabaseFault
from transfer.running.stopping import stoppable
from transfer.running.watching import (
    IDLE_SECONDS,
    Line,
    Wait,
    asked,
    in_use,
    keep_alive,
    kept_alive,
    line_of,
    refuse_silent,
    watched,
)
from transfer.settings import Limits, MySQLServer, Source

log = logging.getLogger("elt.connection")

LOCK_SECONDS = 10
WRITERS_WAIT_SECONDS = 2  # as a statement that waits for a table blocks its new readers
LONGEST_WAIT_SECONDS = 86_400
ANSWER_SECONDS = 5  # beyond its own limit for a statement, a server has that long to say so
READ_MODE = ""
# Zeroes stay zeroes in AUTO_INCREMENT columns, impossible dates are values like others.
WRITE_MODE = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"


class Connection(OfferingConnection):
    """A connection for statements that knows whose it is, so that nobody waits for ever on it."""

    line: Line

    def __init__(self, server: MySQLServer, limits: Limits, **given: Any) -> None:
        """Keep whose connection it is."""
        super().__init__(**given)
        self.server, self.limits, self.busy, self.used = server, limits, Lock(), time.monotonic()

    def beat(self) -> None:
        """Give the server a sign of life."""
        with watched(self.wait(), "asking whether it lives"):
            self.ping(reconnect=False)

    def wait(self) -> Wait:
        """Return the wait for the answer to a statement of this connection."""
        return Wait(
            self.server,
            self.server.hang_seconds,
            self.line.cut,
            self.line.moved,
            str(self.thread_id()),  # type: ignore[no-untyped-call]
            lambda sessions: at_work(self.server, self.limits, sessions),
        )


Row: TypeAlias = tuple[Any, ...]


def session(server: MySQLServer, limits: Limits, *, writes: bool = False) -> tuple[str, ...]:
    """Return the statements that make a session exact, whatever the server or whoever stands before it has set."""
    seconds = time_limit(server, limits) or 0
    if writes:
        return mysql_session(WRITE_MODE, WRITERS_WAIT_SECONDS, seconds, IDLE_SECONDS)
    return mysql_session(READ_MODE, LOCK_SECONDS, seconds)


def time_limit(server: MySQLServer, limits: Limits) -> int | None:
    """Return the seconds that a statement may take; the replica's server is there for the pipeline and may count for long."""
    return limits.statement_seconds if isinstance(server, Source) else None


_IDLE: dict[tuple[object, ...], list[Connection]] = defaultdict(list)


@contextmanager
def connect(
    server: MySQLServer, limits: Limits, *, writes: bool = False, kept: bool = True
) -> Iterator[Connection]:
    """Hold a connection for statements, in autocommit; `writes` allows LOAD DATA LOCAL and lifts the checks that alter rows.

    If all went well it is `kept` for the next block; whoever locks something by name has to let it go.
    """
    idle = _IDLE[os.getpid(), address(server), session(server, limits), writes]
    connection = _living(server, idle) if kept else None
    if connection is None:
        refuse_silent(server)
        with asked(server):
            connection = _open(server, limits, writes=writes)
    try:
        with stoppable(lambda: _end(server, limits, connection)), kept_alive(connection):
            yield connection
    except BaseException:  # an interrupt too: a connection in an unknown state is not kept
        close(connection)
        raise
    if kept:
        _keep(idle, connection)
    else:
        close(connection)


MOST_IDLE = 40


def _keep(idle: list[Connection], connection: Connection) -> None:
    """Keep a connection, and close those of databases that were in use before others if there are many."""
    idle.append(connection)
    with suppress(IndexError, StopIteration):  # another thread may have been quicker
        while sum(map(len, list(_IDLE.values()))) > MOST_IDLE:
            close(next(each for each in list(_IDLE.values()) if each).pop(0))


def _living(server: MySQLServer, idle: list[Connection]) -> Connection | None:
    """Return a connection that an earlier block left and that still answers, None if there is none."""
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        try:
            with in_use(connection), _answering_soon(server, connection):
                connection.ping(reconnect=False)
        except (pymysql.Error, OSError):
            close(connection)
        else:
            return connection


@contextmanager
def _answering_soon(server: MySQLServer, connection: Connection) -> Iterator[None]:
    """Wait no longer for an answer than for a new connection."""
    usual = connection._read_timeout  # type: ignore[attr-defined]  # noqa: SLF001
    connection._read_timeout = server.connect_seconds  # type: ignore[attr-defined]  # noqa: SLF001
    yield
    connection._read_timeout = usual  # type: ignore[attr-defined]  # noqa: SLF001


def close(connection: Connection) -> None:
    """Close a connection, whatever state it is in."""
    if connection.open:
        with suppress(pymysql.Error, OSError):
            connection.close()


KILL_SECONDS = 2.5  # as Ctrl-C waits for it


@contextmanager
def apart(
    server: MySQLServer, limits: Limits, seconds: float = KILL_SECONDS
) -> Iterator[Connection]:
    """Hold a connection that can be had while everything is being stopped."""
    connection = _open(server, limits, writes=False, seconds=min(seconds, server.connect_seconds))
    try:
        yield connection
    finally:
        close(connection)


def _end(server: MySQLServer, limits: Limits, connection: Connection) -> None:
    """Kill a connection of another thread on its server, index builds included; if that hangs, hang up."""
    try:
        with apart(server, limits) as killing:
            run(killing, server.place, "stopping", f"KILL {int(connection.thread_id())}")  # type: ignore[no-untyped-call]
    except DatabaseFault:
        connection.line.cut()


@atexit.register
def close_connections() -> None:
    """Close this process's connections that are idle."""
    for (process, *_), idle in _IDLE.items():
        while idle and process == os.getpid():
            close(idle.pop())


class _Refused:
    """A login that is not done: PyMySQL would do it for whoever asks, in the clear without TLS too."""

    def __init__(self, _connection: object) -> None:
        pass

    def authenticate(self, _packet: object) -> None:
        raise pymysql.OperationalError(CR.CR_AUTH_PLUGIN_CANNOT_LOAD, "refused")


# The last is one that ConnectorX has not.
REFUSED_LOGINS = ("mysql_clear_password", "dialog", "mysql_old_password", "client_ed25519")


LOGIN = 2  # so many times its answer to one of them all answers of a login may take


def _open(
    server: MySQLServer, limits: Limits, *, writes: bool, seconds: float | None = None
) -> Connection:
    started, within = time.monotonic(), seconds or server.connect_seconds
    try:
        with faults(server.place, f"connecting to {server.host}:{server.port}"):
            connection = Connection(
                server,
                limits,
                host=server.host,
                port=server.port,
                user=server.user,
                password=server.password.get_secret_value().encode(),  # a text would be sent as Latin-1
                database=server.db,
                charset="utf8mb4",
                autocommit=True,
                local_infile=writes,
                read_timeout=within,
                ssl=ssl.create_default_context(cafile=server.tls_ca)
                if server.verified_tls
                else None,
                ssl_disabled=not server.verified_tls,
                auth_plugin_map=dict.fromkeys(REFUSED_LOGINS, _Refused),
                defer_connect=True,
            )
            line = create_connection((server.host, server.port), within)
            line.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            keep_alive(line)
            connection.line = line_of(line.fileno())
            # A server that says a byte now and then keeps to its time for each of them.
            with watched(Wait(server, LOGIN * within, connection.line.cut), "connecting"):
                connection.connect(line)
            limit = time_limit(server, limits)
            connection._read_timeout = limit and limit + ANSWER_SECONDS  # type: ignore[attr-defined]  # noqa: SLF001
    except DatabaseFault as error:
        log.error(
            "%s %s@%s:%s refused: %s", server.place, server.user, server.host, server.port, error
        )
        raise
    log.debug(
        "%s %s@%s:%s opened in %.3f s",
        server.place,
        server.user,
        server.host,
        server.port,
        time.monotonic() - started,
    )
    try:
        for statement in session(server, limits, writes=writes):
            run(connection, server.place, "preparing the session", statement)
        refuse(server, _differing(server, connection))
    except BaseException:  # an interrupt too: nobody else has this connection to close it
        close(connection)
        raise
    return connection


def _differing(server: MySQLServer, connection: Connection) -> str:
    try:
        ((*found,),) = rows(
            connection, server.place, "proving the session", mysql_proof("%s"), (TEXT,)
        )
    except DatabaseFault as fault:
        if fault.code != ReaderPanicked.code:
            raise
        return MEANT["received"]
    return differing(found, server.db)


def refuse(server: MySQLServer, differs: str) -> None:
    if differs:
        raise ChannelFault(server.place, f"{server.host}:{server.port}", differs)


def at_work(server: MySQLServer, limits: Limits, sessions: Collection[str]) -> frozenset[str]:
    """Return which sessions a server has at work, by their number or by the mark of their query."""
    with apart(server, limits, server.connect_seconds) as looking:
        found = rows(
            looking,
            server.place,
            "looking for statements",
            "SELECT CAST(ID AS CHAR), LEFT(INFO, 100) FROM information_schema.PROCESSLIST WHERE COMMAND <> 'Sleep'",
        )
    return frozenset(
        session
        for session in sessions
        for number, query in found
        if session == number or session in (query or "").split()
    )


@contextmanager
def waiting(connection: Connection, place: str, doing: str) -> Iterator[None]:
    """Wait in the block for a server's answer."""
    with in_use(connection), watched(connection.wait(), doing), faults(place, doing):
        yield


def run(
    connection: Connection,
    place: str,
    doing: str,
    statement: str,
    values: Sequence[Any] | None = None,
) -> int:
    """Run a statement and return the number of rows it changed."""
    with waiting(connection, place, doing), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return max(cursor.rowcount, 0)


def rows(
    connection: Connection,
    place: str,
    doing: str,
    statement: str,
    values: Sequence[Any] | None = None,
) -> list[Row]:
    """Run a query and return its rows."""
    with waiting(connection, place, doing), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def version(connection: Connection) -> str:
    """Return the server's product and version."""
    told = str(connection.server_version).removeprefix("5.5.5-")  # type: ignore[attr-defined]  # as MariaDB says to old replicas
    return (
        f"MariaDB {told.partition('-')[0]}"
        if "MariaDB" in told
        else f"MySQL {told.partition('-')[0]}"
    )


@contextmanager
def waiting_for_readers(connection: Connection, place: str) -> Iterator[None]:
    """Let a writing connection's statements wait for a table's readers as long as they take."""
    setting = "SET SESSION lock_wait_timeout = {}"
    run(connection, place, "preparing the session", setting.format(LONGEST_WAIT_SECONDS))
    yield
    run(connection, place, "preparing the session", setting.format(WRITERS_WAIT_SECONDS))


@contextmanager
def transaction(connection: Connection, place: str) -> Iterator[None]:
    """Commit what the block does as one, or nothing of it."""
    with waiting(connection, place, "beginning a transaction"):
        connection.begin()
    try:
        yield
    except BaseException:  # an interrupt too must not leave the transaction open
        if connection.open:
            with waiting(connection, place, "rolling back"):
                connection.rollback()
        raise
    with waiting(connection, place, "committing"):
        connection.commit()


# Without a cache of statements the driver prepares a query anew once the session is ours, so that it means what it does there. Of a
# server on loopback it would ask for its socket, which at the end of a tunnel is another server's.
DRIVER = "&stmt_cache_size=0&prefer_socket=false"


def address(server: MySQLServer) -> str:
    """Return the ConnectorX address, password included: never log it."""
    login = (
        f"{percent(server.user, safe='')}:{percent(server.password.get_secret_value(), safe='')}"
    )
    tls = "?ssl-mode=VERIFY_IDENTITY" if server.verified_tls else "?ssl-mode=DISABLED"
    if server.verified_tls and server.tls_ca:
        tls += f"&ssl-ca={percent(server.tls_ca, safe='/')}"
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"mysql://{login}@{host}:{server.port}/{percent(server.db, safe='')}{tls}{DRIVER}"

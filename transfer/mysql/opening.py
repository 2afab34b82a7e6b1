"""Opens connections to the MySQL servers: PyMySQL, with sessions that mean the same everywhere."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection

import pymysql
from pymysql.constants import CR

from transfer.drivers.faults import faults
from transfer.drivers.mysql_sessions import differing, mysql_proof
from transfer.drivers.reader import ReaderPanicked
from transfer.drivers.sessions import MEANT, TEXT
from transfer.errors import DatabaseFault
from transfer.mysql import session
from transfer.mysql.connection import Connection
from transfer.running.watching import Wait, keep_alive, line_of, watched
from transfer.settings import Limits, MySQLServer

log = logging.getLogger("elt.connection")

KILL_SECONDS = 2.5  # as Ctrl-C waits for it
LOGIN = 2  # all answers of a login together may take so many times what one of them may


class _Refused:
    """A login that is not done: PyMySQL would do it for any server, without TLS in the clear."""

    def __init__(self, _connection: object) -> None:
        pass

    def authenticate(self, _packet: object) -> None:
        raise pymysql.OperationalError(CR.CR_AUTH_PLUGIN_CANNOT_LOAD, "refused")


# ConnectorX does not have the last one.
REFUSED_LOGINS = ("mysql_clear_password", "dialog", "mysql_old_password", "client_ed25519")


def open_connection(
    server: MySQLServer, limits: Limits, *, writes: bool = False, seconds: float | None = None
) -> Connection:
    """Open a connection within so many seconds, by default those of the settings, and prove it.

    Raises:
        DatabaseFault: the server cannot be reached, or refuses the login.
        ChannelFault: values would not come through its session unchanged.

    """
    started, within = time.monotonic(), seconds or server.connect_seconds
    try:
        connection = _log_in(server, limits, within, writes=writes)
    except DatabaseFault as error:
        log.error("%s %s refused: %s", server.place, _login(server), error)
        raise
    taken = time.monotonic() - started
    log.debug("%s %s opened in %.3f s", server.place, _login(server), taken)
    try:
        for statement in session.statements(server, limits, writes=writes):
            connection.run("preparing the session", statement)
        session.refuse(server, _difference(connection))
    except BaseException:  # an interrupt too: nobody else has this connection to close it
        connection.close_quietly()
        raise
    return connection


def _login(server: MySQLServer) -> str:
    return f"{server.user}@{server.host}:{server.port}"


def _log_in(server: MySQLServer, limits: Limits, within: float, *, writes: bool) -> Connection:
    with faults(server.place, f"connecting to {server.host}:{server.port}"):
        connection = _unconnected(server, limits, within, writes=writes)
        line = create_connection((server.host, server.port), within)
        line.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        keep_alive(line)
        connection.line = line_of(line.fileno())
        # A server that sends a byte now and then keeps within the time for each of them.
        with watched(Wait(server, LOGIN * within, connection.line.cut), "connecting"):
            connection.connect(line)
        limit = session.time_limit(server, limits)
        answer = limit and limit + session.ANSWER_SECONDS
        connection._read_timeout = answer  # type: ignore[attr-defined]  # noqa: SLF001
    return connection


def _encryption(server: MySQLServer) -> ssl.SSLContext | None:
    if not server.verified_tls:
        return None
    tls = ssl.create_default_context(cafile=server.tls_ca)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2  # Debian's Python leaves it to the system
    return tls


def _unconnected(server: MySQLServer, limits: Limits, within: float, *, writes: bool) -> Connection:
    return Connection(
        server,
        partial(at_work, server, limits),
        host=server.host,
        port=server.port,
        user=server.user,
        # A text would be sent as Latin-1.
        password=server.password.get_secret_value().encode(),
        database=server.db,
        charset="utf8mb4",
        autocommit=True,
        local_infile=writes,
        read_timeout=within,
        ssl=_encryption(server),
        ssl_disabled=not server.verified_tls,
        auth_plugin_map=dict.fromkeys(REFUSED_LOGINS, _Refused),
        defer_connect=True,
    )


def _difference(connection: Connection) -> str:
    """Return in what values that cross the session differ, empty if in nothing."""
    try:
        ((*found,),) = connection.rows("proving the session", mysql_proof("%s"), (TEXT,))
    except DatabaseFault as fault:
        if fault.code != ReaderPanicked.code:
            raise
        return MEANT["received"]
    return differing(found, connection.server.db)


@contextmanager
def apart(
    server: MySQLServer, limits: Limits, seconds: float = KILL_SECONDS
) -> Iterator[Connection]:
    """Hold a connection that can be had while everything is being stopped."""
    connection = open_connection(server, limits, seconds=min(seconds, server.connect_seconds))
    try:
        yield connection
    finally:
        connection.close_quietly()


def kill(limits: Limits, connection: Connection) -> None:
    """Kill another thread's connection on its server, index builds included.

    If that server hangs, the connection is cut.
    """
    try:
        with apart(connection.server, limits) as killing:
            killing.run("stopping", f"KILL {connection.session}")
    except DatabaseFault:
        connection.line.cut()


def at_work(server: MySQLServer, limits: Limits, sessions: Collection[str]) -> frozenset[str]:
    """Return which sessions a server has at work, by their number or by the mark of their query."""
    with apart(server, limits, server.connect_seconds) as looking:
        found = looking.rows(
            "looking for statements",
            "SELECT CAST(ID AS CHAR), LEFT(INFO, 100) FROM information_schema.PROCESSLIST"
            " WHERE COMMAND <> 'Sleep'",
        )
    return frozenset(
        known
        for known in sessions
        for number, query in found
        if known == number or known in (query or "").split()
    )

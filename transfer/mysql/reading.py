"""Reading: ConnectorX reads Arrow in processes of its own, which are kept for the next query."""

from __future__ import annotations

import atexit
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

import pyarrow as pa

from transfer.drivers.faults import faults
from transfer.drivers.mysql_sessions import MYSQL_PROVEN, differing, mysql_literal, mysql_proof
from transfer.drivers.reader import Reader, ReaderPanicked, Request
from transfer.drivers.sessions import MEANT, TEXT
from transfer.errors import DatabaseFault
from transfer.mysql import session
from transfer.mysql.address import address
from transfer.mysql.opening import apart, at_work
from transfer.running.stopping import stoppable
from transfer.running.watching import Wait, refuse_silent, watched
from transfer.settings import Limits, MySQLServer

HUNG = ("HUNG", "HANGS")

_IDLE_READERS: list[Reader] = []


@atexit.register
def close_readers() -> None:
    """End the reading processes that are idle."""
    while _IDLE_READERS:
        _IDLE_READERS.pop().close()


def read(server: MySQLServer, limits: Limits, doing: str, query: str) -> pa.Table:
    """Read a SELECT's rows as Arrow; when it returns, all are in memory and the server is free.

    A server that does not answer in time is given up, and the connection killed if it can be.

    Raises:
        DatabaseFault: the server refuses the query, or gives no answer.
        ChannelFault: values would not come through the driver unchanged.

    """
    token = secrets.token_hex(8)
    request = Request(address(server), session.statements(server, limits), _marked(query, token))
    refuse_silent(server)
    with faults(server.place, doing):
        reader = _reader()
    with _kept(server, limits, reader, token), _waiting(server, limits, reader, token, doing):
        _prove(server, limits, reader, request, token)
        return reader.read(request, _seconds(limits))


@contextmanager
def _kept(server: MySQLServer, limits: Limits, reader: Reader, token: str) -> Iterator[None]:
    """Keep the reader for the next query, unless its process has ended."""
    try:
        yield
    except DatabaseFault as fault:
        if fault.code in HUNG:
            _kill(server, limits, token)
        if fault.code not in (*HUNG, "DIED"):
            _IDLE_READERS.append(reader)
        raise
    _IDLE_READERS.append(reader)


@contextmanager
def _waiting(
    server: MySQLServer, limits: Limits, reader: Reader, token: str, doing: str
) -> Iterator[None]:
    """Wait in the block for a reader; `token` is the mark of its query on the server."""
    look = partial(at_work, server, limits)
    wait = Wait(server, server.hang_seconds, reader.kill, session=token, look=look)
    ending = partial(_end_reading, server, limits, reader, token)
    with watched(wait, doing), faults(server.place, doing), stoppable(ending):
        yield


def _seconds(limits: Limits) -> float:
    return limits.statement_seconds + session.ANSWER_SECONDS


def _marked(query: str, token: str) -> str:
    """Mark a query so that its connection can be found on the server."""
    return query.replace("SELECT", f"SELECT /* elt {token} */", 1)


def _prove(
    server: MySQLServer, limits: Limits, reader: Reader, request: Request, token: str
) -> None:
    """Prove once for each reader and address that values come through unchanged.

    All sessions of a reading process are alike.
    """
    channel = (request.address, request.session)
    if channel in reader.proven:
        return
    query = _marked(mysql_proof(mysql_literal(TEXT)), token)
    try:
        (row,) = reader.read(replace(request, query=query), _seconds(limits)).to_pylist()
    except ReaderPanicked:
        session.refuse(server, MEANT["received"])
    else:
        session.refuse(server, differing(list(row.values()), server.db))
    reader.proven.add(channel)


def honours_client_charset(server: MySQLServer, limits: Limits) -> bool:
    """Tell whether a server takes ConnectorX's first words for the UTF-8 that they are.

    They are said before the session's own statements run.
    """
    query = f"SELECT HEX(CONVERT({mysql_literal(TEXT)} USING utf8mb4)) AS sent"
    reader = _reader()
    try:
        with faults(server.place, "asking for its character set"):
            found = reader.read(Request(address(server), (), query), _seconds(limits))
    finally:
        if reader.alive:
            _IDLE_READERS.append(reader)
    return bool(found.column("sent")[0].as_py() == MYSQL_PROVEN["sent"])


def _reader() -> Reader:
    """Return an idle reader that is alive, or a new one."""
    with suppress(IndexError):
        while True:
            reader = _IDLE_READERS.pop()
            if reader.alive:
                return reader
            reader.close()
    return Reader()


def _end_reading(server: MySQLServer, limits: Limits, reader: Reader, token: str) -> None:
    reader.kill()
    _kill(server, limits, token)


def _kill(server: MySQLServer, limits: Limits, token: str) -> None:
    """Kill the connection whose query has this mark."""
    with suppress(DatabaseFault), apart(server, limits) as connection:
        found = connection.rows(
            "looking for a connection that hangs",
            "SELECT ID FROM information_schema.PROCESSLIST"
            " WHERE INFO LIKE %s AND ID <> CONNECTION_ID()",
            (f"%elt {token}%",),
        )
        for (number,) in found:
            connection.run("killing a connection that hangs", f"KILL {int(number)}")

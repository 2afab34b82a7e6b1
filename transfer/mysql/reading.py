"""Reading: ConnectorX reads Arrow in processes of its own, which are kept for the next query."""

from __future__ import annotations

import atexit
import secrets
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pyarrow as pa

from transfer.drivers.faults import faults
from transfer.drivers.reader import Reader, ReaderPanicked, Request
from transfer.drivers.sessions import (
    MEANT,
    MYSQL_PROVEN,
    TEXT,
    differing,
    mysql_literal,
    mysql_proof,
)
from transfer.errors import DatabaseFault
from transfer.mysql import connection as mysql
from transfer.running.stopping import stoppable
from transfer.running.watching import (
    Wait,
    refuse_silent,
    watched,
)
from transfer.settings import Limits, MySQLServer

_IDLE_READERS: list[Reader] = []
HUNG = ("HUNG", "HANGS")


@atexit.register
def close_readers() -> None:
    """End the reading processes that are idle."""
    while _IDLE_READERS:
        _IDLE_READERS.pop().close()


def read(server: MySQLServer, limits: Limits, doing: str, query: str) -> pa.Table:
    """Read a SELECT's rows as Arrow; everything is in memory and the server free again when it returns.

    A server that does not answer in time is given up, and the connection killed if it lets itself be.
    """
    token = secrets.token_hex(8)
    request = Request(mysql.address(server), mysql.session(server, limits), _marked(query, token))
    refuse_silent(server)
    with faults(server.place, doing):
        reader = _reader()
    wait = Wait(
        server,
        server.hang_seconds,
        reader.kill,
        session=token,
        look=lambda sessions: mysql.at_work(server, limits, sessions),
    )
    ending = partial(_end_reading, server, limits, reader, token)
    try:
        with watched(wait, doing), faults(server.place, doing), stoppable(ending):
            _prove(server, limits, reader, request, token)
            table = reader.read(request, limits.statement_seconds + mysql.ANSWER_SECONDS)
    except DatabaseFault as fault:
        if fault.code in HUNG:
            _kill(server, limits, token)
        if fault.code not in (*HUNG, "DIED"):
            _IDLE_READERS.append(reader)
        raise
    _IDLE_READERS.append(reader)
    return table


def _marked(query: str, token: str) -> str:
    """Mark a query so that its connection can be found on the server."""
    return query.replace("SELECT", f"SELECT /* elt {token} */", 1)


def _prove(
    server: MySQLServer, limits: Limits, reader: Reader, request: Request, token: str
) -> None:
    """See once of a reading process that an address's values come through its driver as they are; all its sessions are alike."""
    channel = (request.address, request.session)
    if channel in reader.proven:
        return
    query = _marked(mysql_proof(mysql_literal(TEXT)), token)
    try:
        (row,) = reader.read(
            replace(request, query=query), limits.statement_seconds + mysql.ANSWER_SECONDS
        ).to_pylist()
    except ReaderPanicked:
        mysql.refuse(server, MEANT["received"])
    else:
        mysql.refuse(server, differing(list(row.values()), server.db))
    reader.proven.add(channel)


def honours_client_charset(server: MySQLServer, limits: Limits) -> bool:
    """Tell whether a server takes ConnectorX's first word, before the session is ours, for the UTF-8 that it is."""
    query = f"SELECT HEX(CONVERT({mysql_literal(TEXT)} USING utf8mb4)) AS sent"
    reader = _reader()
    try:
        with faults(server.place, "asking for its character set"):
            found = reader.read(
                Request(mysql.address(server), (), query),
                limits.statement_seconds + mysql.ANSWER_SECONDS,
            )
    finally:
        if reader.alive:
            _IDLE_READERS.append(reader)
    return bool(found.column("sent")[0].as_py() == MYSQL_PROVEN["sent"])


def _reader() -> Reader:
    """Return an idle reader that lives, or a new one."""
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
    with suppress(DatabaseFault), mysql.apart(server, limits) as connection:
        found = mysql.rows(
            connection,
            server.place,
            "looking for a connection that hangs",
            "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE %s AND ID <> CONNECTION_ID()",
            (f"%elt {token}%",),
        )
        for (number,) in found:
            mysql.run(
                connection, server.place, "killing a connection that hangs", f"KILL {int(number)}"
            )

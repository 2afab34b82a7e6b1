"""The two MySQL clients: ConnectorX reads Arrow, PyMySQL runs statements and LOAD DATA."""

from __future__ import annotations

import atexit
import logging
import math
import os
import re
import secrets
import ssl
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection
from threading import Lock
from typing import Any, TypeAlias
from urllib.parse import quote as percent

import pyarrow as pa
import pyarrow.compute as pc
import pymysql
from pymysql.constants import CR

from transfer.drivers.faults import faults
from transfer.drivers.offered import NAME as OFFERED
from transfer.drivers.offered import OfferingConnection
from transfer.drivers.reader import Reader, ReaderPanicked, Request
from transfer.drivers.sessions import MEANT, MYSQL_PROVEN, TEXT, differing, mysql_literal, mysql_proof, mysql_session
from transfer.errors import ChannelFault, DatabaseFault, TableError
from transfer.rules.casts import cast_of, hashed, pageable
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
from transfer.values.scope import EVERYWHERE, Key, Range, Scope
from transfer.values.table import Column, Size, Table

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
            lambda sessions: _at_work(self.server, self.limits, sessions),
        )


Row: TypeAlias = tuple[Any, ...]


def quote(name: str) -> str:
    """Quote an identifier."""
    return "`" + name.replace("`", "``") + "`"


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
def connect(server: MySQLServer, limits: Limits, *, writes: bool = False, kept: bool = True) -> Iterator[Connection]:
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
def _apart(server: MySQLServer, limits: Limits, seconds: float = KILL_SECONDS) -> Iterator[Connection]:
    """Hold a connection that can be had while everything is being stopped."""
    connection = _open(server, limits, writes=False, seconds=min(seconds, server.connect_seconds))
    try:
        yield connection
    finally:
        close(connection)


def _end(server: MySQLServer, limits: Limits, connection: Connection) -> None:
    """Kill a connection of another thread on its server, index builds included; if that hangs, hang up."""
    try:
        with _apart(server, limits) as killing:
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


def _open(server: MySQLServer, limits: Limits, *, writes: bool, seconds: float | None = None) -> Connection:
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
                ssl=ssl.create_default_context(cafile=server.tls_ca) if server.verified_tls else None,
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
        log.error("%s %s@%s:%s refused: %s", server.place, server.user, server.host, server.port, error)
        raise
    log.debug(
        "%s %s@%s:%s opened in %.3f s", server.place, server.user, server.host, server.port, time.monotonic() - started
    )
    try:
        for statement in session(server, limits, writes=writes):
            run(connection, server.place, "preparing the session", statement)
        _refuse(server, _differing(server, connection))
    except BaseException:  # an interrupt too: nobody else has this connection to close it
        close(connection)
        raise
    return connection


def _differing(server: MySQLServer, connection: Connection) -> str:
    try:
        ((*found,),) = rows(connection, server.place, "proving the session", mysql_proof("%s"), (TEXT,))
    except DatabaseFault as fault:
        if fault.code != ReaderPanicked.code:
            raise
        return MEANT["received"]
    return differing(found, server.db)


def _refuse(server: MySQLServer, differs: str) -> None:
    if differs:
        raise ChannelFault(server.place, f"{server.host}:{server.port}", differs)


def _at_work(server: MySQLServer, limits: Limits, sessions: Collection[str]) -> frozenset[str]:
    """Return which sessions a server has at work, by their number or by the mark of their query."""
    with _apart(server, limits, server.connect_seconds) as looking:
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
def _asked(connection: Connection, place: str, doing: str) -> Iterator[None]:
    """Wait in the block for a server's answer."""
    with in_use(connection), watched(connection.wait(), doing), faults(place, doing):
        yield


def run(connection: Connection, place: str, doing: str, statement: str, values: Sequence[Any] | None = None) -> int:
    """Run a statement and return the number of rows it changed."""
    with _asked(connection, place, doing), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return max(cursor.rowcount, 0)


def rows(
    connection: Connection, place: str, doing: str, statement: str, values: Sequence[Any] | None = None
) -> list[Row]:
    """Run a query and return its rows."""
    with _asked(connection, place, doing), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def version(connection: Connection) -> str:
    """Return the server's product and version."""
    told = str(connection.server_version).removeprefix("5.5.5-")  # type: ignore[attr-defined]  # as MariaDB says to old replicas
    return f"MariaDB {told.partition('-')[0]}" if "MariaDB" in told else f"MySQL {told.partition('-')[0]}"


@contextmanager
def patient(connection: Connection, place: str) -> Iterator[None]:
    """Let a writing connection's statements wait for a table's readers as long as they take."""
    setting = "SET SESSION lock_wait_timeout = {}"
    run(connection, place, "preparing the session", setting.format(LONGEST_WAIT_SECONDS))
    yield
    run(connection, place, "preparing the session", setting.format(WRITERS_WAIT_SECONDS))


@contextmanager
def transaction(connection: Connection, place: str) -> Iterator[None]:
    """Commit what the block does as one, or nothing of it."""
    with _asked(connection, place, "beginning a transaction"):
        connection.begin()
    try:
        yield
    except BaseException:  # an interrupt too must not leave the transaction open
        if connection.open:
            with _asked(connection, place, "rolling back"):
                connection.rollback()
        raise
    with _asked(connection, place, "committing"):
        connection.commit()


# Without a cache of statements the driver prepares a query anew once the session is ours, so that it means what it does there. Of a
# server on loopback it would ask for its socket, which at the end of a tunnel is another server's.
DRIVER = "&stmt_cache_size=0&prefer_socket=false"


def address(server: MySQLServer) -> str:
    """Return the ConnectorX address, password included: never log it."""
    login = f"{percent(server.user, safe='')}:{percent(server.password.get_secret_value(), safe='')}"
    tls = "?ssl-mode=VERIFY_IDENTITY" if server.verified_tls else "?ssl-mode=DISABLED"
    if server.verified_tls and server.tls_ca:
        tls += f"&ssl-ca={percent(server.tls_ca, safe='/')}"
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"mysql://{login}@{host}:{server.port}/{percent(server.db, safe='')}{tls}{DRIVER}"


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
    request = Request(address(server), session(server, limits), _marked(query, token))
    refuse_silent(server)
    with faults(server.place, doing):
        reader = _reader()
    wait = Wait(
        server,
        server.hang_seconds,
        reader.kill,
        session=token,
        look=lambda sessions: _at_work(server, limits, sessions),
    )
    ending = partial(_end_reading, server, limits, reader, token)
    try:
        with watched(wait, doing), faults(server.place, doing), stoppable(ending):
            _prove(server, limits, reader, request, token)
            table = reader.read(request, limits.statement_seconds + ANSWER_SECONDS)
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


def _prove(server: MySQLServer, limits: Limits, reader: Reader, request: Request, token: str) -> None:
    """See once of a reading process that an address's values come through its driver as they are; all its sessions are alike."""
    channel = (request.address, request.session)
    if channel in reader.proven:
        return
    query = _marked(mysql_proof(mysql_literal(TEXT)), token)
    try:
        (row,) = reader.read(replace(request, query=query), limits.statement_seconds + ANSWER_SECONDS).to_pylist()
    except ReaderPanicked:
        _refuse(server, MEANT["received"])
    else:
        _refuse(server, differing(list(row.values()), server.db))
    reader.proven.add(channel)


def heeds_the_client(server: MySQLServer, limits: Limits) -> bool:
    """Tell whether a server takes ConnectorX's first word, before the session is ours, for the UTF-8 that it is."""
    query = f"SELECT HEX(CONVERT({mysql_literal(TEXT)} USING utf8mb4)) AS sent"
    reader = _reader()
    try:
        with faults(server.place, "asking for its character set"):
            found = reader.read(Request(address(server), (), query), limits.statement_seconds + ANSWER_SECONDS)
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
    with suppress(DatabaseFault), _apart(server, limits) as connection:
        found = rows(
            connection,
            server.place,
            "looking for a connection that hangs",
            "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE %s AND ID <> CONNECTION_ID()",
            (f"%elt {token}%",),
        )
        for (number,) in found:
            run(connection, server.place, "killing a connection that hangs", f"KILL {int(number)}")


def literal(column: Column, value: Any) -> str:
    """Write a key's value, as the replica's SELECT returned it, so that the server compares it without converting."""
    form = cast_of(column).literal
    if form in ("number", "decimal"):  # in quotes a decimal would be compared as a double
        return str(value)
    if form == "text":
        return _date(str(value)) if column.kind in ("date", "datetime", "timestamp") else f"'{value}'"
    introducer = f"_{column.charset} " if column.charset else ""
    return f"{introducer}x'{bytes(value).hex()}'"


def _date(text: str) -> str:
    """Write a date as a number, as MySQL refuses an impossible one in a text; one before the year 1000 only texts hold."""
    digits = re.sub(r"[- :]", "", text)
    return digits if text >= "1000" or not digits.strip("0.") else f"'{text}'"


def after(key: Sequence[Column], last: Sequence[str], alias: str = "") -> str:
    """Return the condition for the rows behind a key; MySQL uses no index for `(a, b) > (x, y)`, so it is spelled out."""
    return _beyond(">", ">", key, last, alias)


def until(key: Sequence[Column], last: Sequence[str], alias: str = "") -> str:
    """Return the condition for the rows that are not behind a key."""
    return _beyond("<", "<=", key, last, alias)


def _beyond(strictly: str, at_last: str, key: Sequence[Column], last: Sequence[str], alias: str) -> str:
    first, value = alias + quote(key[0].name), last[0]
    if len(key) == 1:
        return f"{first} {at_last} {value}"
    rest = _beyond(strictly, at_last, key[1:], last[1:], alias)
    return f"{first} {strictly}= {value} AND ({first} {strictly} {value} OR ({rest}))"


def within(table: Table, each: Range, alias: str = "") -> str:
    """Return the condition for the rows of a range."""
    bounds = [f"({after(table.key_columns, each.after, alias)})"] if each.after else []
    bounds += [f"({until(table.key_columns, each.until, alias)})"] if each.until else []
    return " AND ".join(bounds) or "TRUE"


def among(table: Table, keys: Sequence[Key], alias: str = "") -> str:
    """Return the condition for the rows with one of these keys; not all servers look up `(a, b) IN (…)` by an index."""
    names = [alias + quote(name) for name in table.key]
    if len(names) == 1:
        return f"{names[0]} IN ({', '.join(key[0] for key in keys)})"
    each = (" AND ".join(f"{name} = {value}" for name, value in zip(names, key, strict=True)) for key in keys)
    return f"({' OR '.join(f'({equal})' for equal in each)})"


def conditions(table: Table, scope: Scope, alias: str = "") -> list[str]:
    """Return conditions each of which holds for some rows of a scope, and together for all of them."""
    some = (scope.keys[start : start + MOST_KEYS] for start in range(0, len(scope.keys), MOST_KEYS))
    return [f"({within(table, each, alias)})" for each in scope.ranges] + [among(table, keys, alias) for keys in some]


def page_query(table: Table, select: str, each: Range, count: int, until: str = "", end: str = "") -> str:
    """Return the SELECT of a range's first `count` rows in the order of the primary key, or of fewer, `until` they are enough.

    The index is forced: for a page that is a good part of the table the server would rather sort the whole of it.
    """
    order = ", ".join(quote(name) for name in table.key)
    return (
        f"SELECT {select} FROM {quote(table.name)} FORCE INDEX (PRIMARY) WHERE {within(table, each)}{until}"
        f" ORDER BY {order} LIMIT {count}{end}"
    )


BYTES_SO_FAR = "CAST(@elt_bytes AS SIGNED)"
EXAMINED = 6  # MariaDB counts a row of a page three times


def enough(limits: Limits, columns: Sequence[Column], count: int) -> tuple[str, str]:
    """Return what ends a page on MariaDB once these columns have filled it, if they have, and the search for more rows then.

    MySQL, which has no such end of a search, reads the rows all the same.
    """
    lengths = " + ".join(f"IFNULL(LENGTH({quote(column.name)}), 0)" for column in columns)
    if not lengths:
        return "", ""
    adding = f"(@elt_bytes := @elt_bytes + {lengths}) IS NOT NULL"
    return (
        f" /*M! AND IF(@elt_bytes < {limits.page_bytes}, {adding}, 0) */",
        f" /*M! ROWS EXAMINED {EXAMINED * count + 1_000} */",
    )


# Of which LENGTH is what is read.
MEASURABLE = frozenset("char varchar tinytext text binary varbinary tinyblob blob".split())


def filling(limits: Limits, columns: Sequence[Column], size: Size) -> list[Column]:
    """Return the columns without whose bytes no page of a table can become too long, none where none can."""
    if size.exact and size.bytes <= 2 * limits.page_bytes:
        return []
    longest = sorted((each for each in columns if each.kind in MEASURABLE), key=lambda each: each.octets or 0)
    rest = sum(each.octets or 0 for each in longest)
    found: list[Column] = []
    while longest and rest * limits.page_rows > limits.page_bytes:
        found.append(longest.pop())
        rest -= found[-1].octets or 0
    return found


def pages(
    server: MySQLServer,
    limits: Limits,
    table: Table,
    select: str,
    each: Range = EVERYWHERE,
    *,
    size: Size,
    columns: Sequence[Column] = (),
) -> Iterator[tuple[pa.Table, list[str]]]:
    """Read a range of a table in pages of its primary key, each with the literals of its last key.

    Without a usable key the table is one page.

    Pages grow and shrink with the bytes of the page before, and at the source with its time, so that no statement holds a
    MyISAM table for long, and never have more rows than fit into memory if all of them were as long as they may be. MariaDB
    ends a page that the texts of the `columns` that are read have filled.
    """
    doing = f"reading {table.name}"
    if table.prefixed or not pageable(table.key_columns):  # the order of beginnings is not the whole key's
        yield read(server, limits, doing, f"SELECT {select} FROM {quote(table.name)}"), []
        return
    filled = filling(limits, columns, size)
    carried = ", ".join((select, key_select(table), *([BYTES_SO_FAR] if filled else [])))
    most = min(limits.page_rows, most_rows(limits, table.columns, size))
    count = min(most, FIRST_PAGE_ROWS, max(1, limits.page_bytes // max(size.row_bytes, 1)))
    huge = [column for column in table.columns if (column.octets or 0) > LONG]
    measured = huge and not (size.exact and size.bytes <= limits.page_bytes)
    quickest = math.inf
    while True:
        if measured:
            lengths = read(server, limits, doing, page_query(table, sum_of_lengths(huge), each, count))
            count = fitting(limits, lengths.column(0))
        started = time.monotonic()
        query = page_query(table, carried, each, count, *enough(limits, filled, count))
        page = read(server, limits, doing, query)
        seconds = time.monotonic() - started
        quickest = min(quickest, seconds)
        if page.num_rows:
            width = page.num_columns - len(table.key) - bool(filled)
            last = [
                literal(column, page.column(width + position)[-1].as_py())
                for position, column in enumerate(table.key_columns)
            ]
            each = Range(tuple(last), each.until)
            yield page.select(range(width)), last
        if page.num_rows < count and not (filled and _is_full(limits, page)):
            return
        felt = seconds - quickest if server.place == "source" else 0.0
        count = min(most, next_count(limits, page.num_rows, page.nbytes, felt))


def _is_full(limits: Limits, page: pa.Table) -> bool:
    return bool(page.num_rows) and page.column(page.num_columns - 1)[-1].as_py() >= limits.page_bytes


def rows_of(
    server: MySQLServer, limits: Limits, table: Table, select: str, keys: Sequence[Key], *, size: Size
) -> Iterator[pa.Table]:
    """Read the rows with these keys in pages, which are as large as those of ranges but have fewer rows."""
    huge = [column for column in table.columns if (column.octets or 0) > LONG]
    most = min(MOST_KEYS, limits.page_rows, most_rows(limits, table.columns, size))
    count = max(1, min(most, FIRST_KEYS, limits.page_bytes // max(size.row_bytes, 1)))
    position = 0
    while position < len(keys):
        some = keys[position : position + count]
        if huge and len(some) > 1 and _bytes_of(server, limits, table, huge, some) > limits.page_bytes:
            count = len(some) // 2
            continue
        started = time.monotonic()
        page = read(server, limits, f"reading {table.name}", keyed_query(table, select, some))
        seconds = time.monotonic() - started
        yield page
        position += len(some)
        by_bytes = count * limits.page_bytes // max(page.nbytes, 1)
        by_seconds = max(FEWEST_KEYS, int(count * PAGE_SECONDS / max(seconds, 1e-4)))
        count = max(1, min(most, 2 * count, by_bytes, by_seconds))


def _bytes_of(server: MySQLServer, limits: Limits, table: Table, huge: Sequence[Column], keys: Sequence[Key]) -> int:
    lengths = read(server, limits, f"reading {table.name}", keyed_query(table, sum_of_lengths(huge), keys))
    return int(pc.sum(lengths.column(0)).as_py() or 0)


def keyed_query(table: Table, select: str, keys: Sequence[Key]) -> str:
    """Return the SELECT of the rows with these keys."""
    return f"SELECT {select} FROM {quote(table.name)} FORCE INDEX (PRIMARY) WHERE {among(table, keys)}"


FIRST_KEYS = 100
FEWEST_KEYS = 50
MOST_KEYS = 1_000
FIRST_PAGE_ROWS = 2_000
SLOW_PAGE_ROWS = 1_000
PAGE_SECONDS = 0.05
LONG = 2**16  # TEXT and BLOB end here; what is longer is measured before it is read
WORST_PAGES = 16


def most_rows(limits: Limits, columns: Sequence[Column], size: Size) -> int:
    """Return how many rows a page may have so that it never exceeds `page_bytes` 16 times, the columns that are measured apart."""
    if size.exact and size.bytes <= WORST_PAGES * limits.page_bytes:
        return limits.page_rows
    longest = sum(column.octets or column.precision or 8 for column in columns if (column.octets or 0) <= LONG)
    return max(1, WORST_PAGES * limits.page_bytes // max(longest, 1))


def sum_of_lengths(columns: Sequence[Column]) -> str:
    """Return the expression for the bytes of a row's long columns."""
    lengths = " + ".join(
        f"IFNULL(LENGTH({cast_of(column).for_replica.format(c=quote(column.name))}), 0)" for column in columns
    )
    return f"CAST({lengths} AS SIGNED)"


def fitting(limits: Limits, lengths: pa.ChunkedArray) -> int:
    """Return how many rows, of these lengths, make a page; the first is one in any case."""
    within = pc.less_equal(pc.cumulative_sum(lengths), limits.page_bytes)
    return max(1, pc.sum(within).as_py() or 0)


def next_count(limits: Limits, count: int, size: int, seconds: float) -> int:
    """Return how many rows the next page may have, from the bytes of this one and the seconds it took beyond the quickest.

    What every page takes, however short, is the way to the server: shorter pages would only go it more often. For the
    same reason slowness makes no page shorter than 1,000 rows; bytes may.
    """
    by_bytes = int(count * limits.page_bytes / max(size, 1))
    by_seconds = max(SLOW_PAGE_ROWS, int(count * PAGE_SECONDS / max(seconds, 1e-4)))
    return max(1, min(limits.page_rows, count * 2, by_bytes, by_seconds))


def row_hash(table: Table, since: datetime | None = None, alias: str = "") -> str:
    """Return the expression for a row's 64-bit hash over all its columns, by SHA-2: MySQL 9.7 has no other digest.

    Of a row whose stamps are all older than `since` (UTC), if that is given, only the key and the stamps.
    """
    whole = _hash(table, table.columns, alias)
    if since is None:
        return whole
    newer = " OR ".join(
        f"COALESCE({alias}{quote(column.name)} >= '{_on_its_clock(column, since):%Y-%m-%d %H:%M:%S}', TRUE)"
        for column in table.stamp_columns
    )
    identifying = {column.name: column for column in (*table.key_columns, *table.stamp_columns)}
    return f"IF({newer}, {whole}, {_hash(table, tuple(identifying.values()), alias)})"


def _on_its_clock(column: Column, moment: datetime) -> datetime:
    """Return the moment that is as old or older in a column; a DATETIME is set by the clock of whatever zone the writer has."""
    return moment if column.kind == "timestamp" else moment - timedelta(hours=27)


def _hash(table: Table, columns: Sequence[Column], alias: str) -> str:
    pieces = ", ".join(
        piece
        for column in columns
        for piece in hashed(column, alias + quote(column.name), signed_zeros=table.signed_zeros)
    )
    return f"CAST(CONV(LEFT(SHA2(CONCAT_WS(',', {pieces}), 256), 16), 16, 10) AS UNSIGNED)"


def listing(table: Table, since: datetime | None) -> str:
    """Return the select list of a row's key and hash."""
    return f"{key_select(table)}, {row_hash(table, since)}"


def key_select(table: Table) -> str:
    """Return the select list that carries the bytes of a row's key unchanged."""
    return ", ".join(cast_of(column).for_replica.format(c=quote(column.name)) for column in table.key_columns)


HASHES = 2**64


def sum_of_hashes(table: Table, hashes: pa.ChunkedArray) -> int:
    """Return the sum of rows' hashes modulo 2^64.

    Raises:
        TableError: the server could not make one of them.

    """
    if hashes.null_count:
        raise TableError(f"{table.name} has a row longer than the source's max_allowed_packet.")
    return int(pc.sum(hashes).as_py() or 0)


def negative_zeros(page: pa.Table) -> dict[str, int]:
    """Count the values of -0 in each column of a page that has some."""
    counts = {
        page.field(position).name: pc.sum(pc.equal(_bits(column), NEGATIVE_ZERO)).as_py()
        for position, column in enumerate(page.columns)
        if pa.types.is_floating(column.type)
    }
    return {name: count for name, count in counts.items() if count}


NEGATIVE_ZERO = -(2**63)


def _bits(values: pa.ChunkedArray) -> pa.Array:
    return values.cast(pa.float64()).combine_chunks().view(pa.int64())


# Whether a server writes the sign of -0, as MySQL and MariaDB until 10.5 do; newer ones also store it without.
SIGNED_ZEROS = "CONCAT(-0e0) = '-0'"


def replica_select(table: Table) -> str:
    """Return the select list that carries every stored column's bytes unchanged."""
    return ", ".join(cast_of(column).for_replica.format(c=quote(column.name)) for column in table.stored)


def encode(page: pa.Table) -> memoryview:
    """Write a page as the lines of LOAD DATA: tab-separated raw bytes, only backslash, tab and newline escaped, NULL as \\N."""
    if not page.num_rows:
        return memoryview(b"")
    tab, newline, nothing = (pa.scalar(text, pa.large_binary()) for text in (b"\t", b"\n", b""))
    *fields, last = (_field(page.column(position).combine_chunks()) for position in range(page.num_columns))
    lines = pc.binary_join_element_wise(*fields, pc.binary_join_element_wise(last, nothing, newline), tab)
    offsets = memoryview(lines.buffers()[1]).cast("q")
    first, end = offsets[lines.offset], offsets[lines.offset + len(lines)]
    return memoryview(lines.buffers()[2])[first:end]


def _field(values: pa.Array) -> pa.Array:
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    plain = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if not pa.types.is_large_binary(values.type):
        values = values.cast(pa.large_string()).cast(pa.large_binary())
    field = values if plain else _escaped(values)
    return pc.fill_null(field, pa.scalar(b"\\N", pa.large_binary())) if field.null_count else field


def _escaped(values: pa.Array) -> pa.Array:
    data = values.buffers()[2]
    held = data.to_pybytes() if data else b""  # a search of all bytes at once is much faster than one of each value
    found = [(raw, escaped) for raw, escaped in ESCAPED if raw in held]
    del held
    for raw, escaped in found:
        values = pc.replace_substring(values, raw, escaped)
    return values


ESCAPED = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"))


def load_statement(target: str, columns: Sequence[Column]) -> str:
    """Return the LOAD DATA that stores raw bytes in each column's own character set."""
    places, sets = [], []
    for position, column in enumerate(columns):
        write = cast_of(column).write
        places.append(f"@v{position}" if write else quote(column.name))
        if write:
            sets.append(f"{quote(column.name)} = {write.format(v=f'@v{position}')}")
    return (
        f"LOAD DATA LOCAL INFILE '{OFFERED}' INTO TABLE {quote(target)} CHARACTER SET binary"
        " FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'"
        f" ({', '.join(places)})" + (f" SET {', '.join(sets)}" if sets else "")
    )


def load(connection: Connection, place: str, target: str, columns: Sequence[Column], page: pa.Table) -> None:
    """Append a page to a table through LOAD DATA from memory.

    Raises:
        TableError: the server warned, skipped or lost a row (in LOAD DATA it turns every error into a warning).

    """
    with (
        _asked(connection, place, f"loading {target}"),
        connection.cursor() as cursor,
        connection.offering(encode(page)),
    ):
        cursor.execute(load_statement(target, columns))
        stored, warnings = cursor.rowcount, cursor.warning_count
        cursor.execute("SHOW WARNINGS")
        codes = {int(row[1]) for row in cursor.fetchall()}
    expected = error_labels(columns, page)
    if MIXED_ENGINES in codes:
        codes, warnings = codes - {MIXED_ENGINES}, warnings - 1
    if stored != page.num_rows or warnings != expected or codes - {TRUNCATED}:
        named = f", warnings {', '.join(map(str, sorted(codes)))}" if codes else ""
        raise TableError(f"{place}: LOAD DATA stored {stored} of {page.num_rows} rows{named}; nothing of it was kept.")


TRUNCATED = 1265
MIXED_ENGINES = 6414  # MySQL 9 deprecates MyISAM in a transaction with InnoDB


def error_labels(columns: Sequence[Column], page: pa.Table) -> int:
    """Count the ENUMs' error values in a page: each is stored as it is, with one warning."""
    enums = (page.column(position) for position, column in enumerate(columns) if column.kind == "enum")
    return min(sum(pc.sum(pc.equal(values, 0)).as_py() or 0 for values in enums), MOST_WARNINGS)


MOST_WARNINGS = 65_535  # the protocol counts no further

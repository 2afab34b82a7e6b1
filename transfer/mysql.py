"""The two MySQL clients: ConnectorX reads Arrow, PyMySQL runs statements and LOAD DATA."""

from __future__ import annotations

import logging
import math
import os
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias
from urllib.parse import quote as percent

import connectorx
import pyarrow as pa
import pyarrow.compute as pc
import pymysql
from pymysql.cursors import Cursor

from transfer.casts import cast_of, pageable
from transfer.errors import DatabaseFault, TableError, faults
from transfer.settings import Limits, MySQLServer
from transfer.table import Column, Table

log = logging.getLogger("elt.connection")

CONNECT_SECONDS = 2.5
LOCK_SECONDS = 10
READ_MODE = ""
# Zeroes stay zeroes in AUTO_INCREMENT columns, impossible dates are values like others.
WRITE_MODE = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"

Connection: TypeAlias = "pymysql.connections.Connection[Cursor]"
Row: TypeAlias = tuple[Any, ...]


def quote(name: str) -> str:
    """Quote an identifier."""
    return "`" + name.replace("`", "``") + "`"


def session(limits: Limits, mode: str) -> str:
    """Return the statement that makes a session exact: UTC, the SQL mode, and a time limit in either server's dialect."""
    seconds = limits.statement_seconds
    return (
        f"SET SESSION time_zone = '+00:00', sql_mode = '{mode}', lock_wait_timeout = {LOCK_SECONDS},"
        " sql_select_limit = 18446744073709551615"
        f" /*M! , max_statement_time = {seconds} */ /*!80000 , max_execution_time = {seconds * 1000} */"
    )


@contextmanager
def connect(server: MySQLServer, limits: Limits, *, writes: bool = False) -> Iterator[Connection]:
    """Open a connection for statements, in autocommit; `writes` allows LOAD DATA LOCAL and lifts the checks that alter rows."""
    started = time.monotonic()
    try:
        with faults(server.place, f"connecting to {server.host}:{server.port}"):
            connection: Connection = pymysql.connect(
                host=server.host,
                port=server.port,
                user=server.user,
                password=server.password.get_secret_value().encode(),  # a text would be sent as Latin-1
                database=server.db,
                charset="utf8mb4",
                autocommit=True,
                local_infile=writes,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=CONNECT_SECONDS,  # connect_timeout does not cover the greeting
                ssl=ssl.create_default_context(cafile=server.tls_ca) if server.verified_tls else None,
                ssl_disabled=not server.verified_tls,
            )
            connection._read_timeout = None  # type: ignore[attr-defined]  # noqa: SLF001 - statements have their own limit
    except DatabaseFault as error:
        log.error("%s %s@%s:%s refused: %s", server.place, server.user, server.host, server.port, error)
        raise
    log.debug(
        "%s %s@%s:%s opened in %.3f s", server.place, server.user, server.host, server.port, time.monotonic() - started
    )
    try:
        if writes:
            run(connection, server.place, "preparing the session", "SET SESSION time_zone = '+00:00'")
            run(
                connection,
                server.place,
                "preparing the session",
                f"SET SESSION sql_mode = '{WRITE_MODE}', foreign_key_checks = 0, innodb_strict_mode = 0,"
                " max_error_count = 65535, lock_wait_timeout = 2, innodb_lock_wait_timeout = 50 /*M! , check_constraint_checks = 0 */",
            )
        else:
            run(connection, server.place, "preparing the session", session(limits, READ_MODE))
        yield connection
    finally:
        if connection.open:
            connection.close()


def run(connection: Connection, place: str, doing: str, statement: str, values: Sequence[Any] | None = None) -> int:
    """Run a statement and return the number of rows it changed."""
    with faults(place, doing), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return max(cursor.rowcount, 0)


def rows(
    connection: Connection, place: str, doing: str, statement: str, values: Sequence[Any] | None = None
) -> list[Row]:
    """Run a query and return its rows."""
    with faults(place, doing), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


@contextmanager
def transaction(connection: Connection, place: str) -> Iterator[None]:
    """Commit what the block does as one, or nothing of it."""
    with faults(place, "beginning a transaction"):
        connection.begin()
    try:
        yield
    except BaseException:  # an interrupt too must not leave the transaction open
        if connection.open:
            with faults(place, "rolling back"):
                connection.rollback()
        raise
    with faults(place, "committing"):
        connection.commit()


def address(server: MySQLServer) -> str:
    """Return the ConnectorX address, password included: never log it."""
    login = f"{percent(server.user, safe='')}:{percent(server.password.get_secret_value(), safe='')}"
    tls = "?ssl-mode=VERIFY_IDENTITY" if server.verified_tls else "?ssl-mode=DISABLED"
    if server.verified_tls and server.tls_ca:
        tls += f"&ssl-ca={percent(server.tls_ca, safe='/')}"
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"mysql://{login}@{host}:{server.port}/{percent(server.db, safe='')}{tls}"


def read(server: MySQLServer, limits: Limits, doing: str, query: str) -> pa.Table:
    """Read a query's rows as Arrow; everything is in memory and the server free again when it returns."""
    with faults(server.place, doing):
        table: pa.Table = connectorx.read_sql(
            address(server), query, return_type="arrow", pre_execution_query=[session(limits, READ_MODE)]
        )
    return table


def literal(column: Column, value: Any) -> str:
    """Write a key's value, as the replica's SELECT returned it, so that the server compares it without converting."""
    form = cast_of(column).literal
    if form == "number":
        return str(value)
    if form == "text":
        return f"'{value}'"
    introducer = f"_{column.charset} " if column.charset else ""
    return f"{introducer}x'{bytes(value).hex()}'"


def after(key: Sequence[Column], last: Sequence[str]) -> str:
    """Return the condition for the rows behind a key; MySQL uses no index for `(a, b) > (x, y)`, so it is spelled out."""
    first, value = quote(key[0].name), last[0]
    if len(key) == 1:
        return f"{first} > {value}"
    return f"{first} >= {value} AND ({first} > {value} OR ({after(key[1:], last[1:])}))"


def page_query(table: Table, select: str, last: Sequence[str] | None, count: int) -> str:
    """Return the SELECT of the page of `count` rows behind `last` in the order of the primary key.

    The index is forced: for a page that is a good part of the table the server would rather sort the whole of it.
    """
    where = f" WHERE {after(table.key_columns, last)}" if last else ""
    order = ", ".join(quote(name) for name in table.key)
    return f"SELECT {select} FROM {quote(table.name)} FORCE INDEX (PRIMARY){where} ORDER BY {order} LIMIT {count}"


def pages(
    server: MySQLServer,
    limits: Limits,
    table: Table,
    select: str,
    *,
    last: Sequence[str] | None = None,
    row_bytes: int = 0,
) -> Iterator[tuple[pa.Table, list[str]]]:
    """Read a table in pages of its primary key, each with the literals of its last key; without a usable key as one page.

    Pages grow and shrink with the time and bytes of the page before, so that no statement holds a MyISAM table for long.
    """
    if not pageable(table.key_columns):
        yield read(server, limits, f"reading {table.name}", f"SELECT {select} FROM {quote(table.name)}"), []
        return
    keys = ", ".join(cast_of(column).for_replica.format(c=quote(column.name)) for column in table.key_columns)
    count = min(limits.page_rows, max(1, limits.page_bytes // max(row_bytes, 1)), FIRST_PAGE_ROWS)
    quickest = math.inf
    while True:
        started = time.monotonic()
        page = read(server, limits, f"reading {table.name}", page_query(table, f"{select}, {keys}", last, count))
        seconds = time.monotonic() - started
        quickest = min(quickest, seconds)
        if page.num_rows:
            width = page.num_columns - len(table.key)
            last = [
                literal(column, page.column(width + position)[-1].as_py())
                for position, column in enumerate(table.key_columns)
            ]
            yield page.select(range(width)), list(last)
        if page.num_rows < count:
            return
        count = next_count(limits, count, page.nbytes, seconds - quickest)


FIRST_PAGE_ROWS = 2_000
SLOW_PAGE_ROWS = 1_000
PAGE_SECONDS = 0.1


def next_count(limits: Limits, count: int, size: int, seconds: float) -> int:
    """Return how many rows the next page may have, from the bytes of this one and the seconds it took beyond the quickest.

    What every page takes, however short, is the way to the server: shorter pages would only go it more often. For the
    same reason slowness makes no page shorter than 1,000 rows; bytes may.
    """
    by_bytes = int(count * limits.page_bytes / max(size, 1))
    by_seconds = max(SLOW_PAGE_ROWS, int(count * PAGE_SECONDS / max(seconds, 1e-4)))
    return max(1, min(limits.page_rows, count * 4, by_bytes, by_seconds))


def replica_select(table: Table) -> str:
    """Return the select list that carries every stored column's bytes unchanged."""
    return ", ".join(cast_of(column).for_replica.format(c=quote(column.name)) for column in table.stored)


def encode(page: pa.Table) -> memoryview:
    """Write a page as the lines of LOAD DATA: tab-separated raw bytes, only backslash, tab and newline escaped, NULL as \\N."""
    fields = [_field(page.column(position).combine_chunks()) for position in range(page.num_columns)]
    separator = pa.scalar(b"\t", pa.large_binary())
    lines = pc.binary_join_element_wise(*fields, separator) if len(fields) > 1 else fields[0]
    ended = pc.binary_join_element_wise(lines, pa.scalar(b"", pa.large_binary()), pa.scalar(b"\n", pa.large_binary()))
    offsets = memoryview(ended.buffers()[1]).cast("q")
    first, end = offsets[ended.offset], offsets[ended.offset + len(ended)]
    return memoryview(ended.buffers()[2])[first:end] if len(ended) else memoryview(b"")


def _field(values: pa.Array) -> pa.Array:
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if not pa.types.is_large_binary(values.type):
        values = values.cast(pa.large_string()).cast(pa.large_binary())
    for raw, escaped in ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n")):
        if pc.any(pc.match_substring(values, raw)).as_py():
            values = pc.replace_substring(values, raw, escaped)
    return pc.fill_null(values, pa.scalar(b"\\N", pa.large_binary()))


def load_statement(target: str, columns: Sequence[Column], path: str) -> str:
    """Return the LOAD DATA that stores raw bytes in each column's own character set."""
    places, sets = [], []
    for position, column in enumerate(columns):
        write = cast_of(column).write
        places.append(f"@v{position}" if write else quote(column.name))
        if write:
            sets.append(f"{quote(column.name)} = {write.format(v=f'@v{position}')}")
    return (
        f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {quote(target)} CHARACTER SET binary"
        " FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'"
        f" ({', '.join(places)})" + (f" SET {', '.join(sets)}" if sets else "")
    )


def load(connection: Connection, place: str, target: str, columns: Sequence[Column], page: pa.Table) -> None:
    """Append a page to a table through LOAD DATA from memory.

    Raises:
        TableError: the server warned, skipped or lost a row (in LOAD DATA it turns every error into a warning).

    """
    memory = os.memfd_create("page")
    try:
        data = encode(page)
        written = 0
        while written < len(data):
            written += os.write(memory, data[written:])
        with faults(place, f"loading {target}"), connection.cursor() as cursor:
            cursor.execute(load_statement(target, columns, f"/proc/self/fd/{memory}"))
            stored, warnings = cursor.rowcount, cursor.warning_count
            cursor.execute("SHOW WARNINGS")
            codes = {int(row[1]) for row in cursor.fetchall()}
    finally:
        os.close(memory)
    expected = error_labels(columns, page)
    if stored != page.num_rows or warnings != expected or codes - {TRUNCATED}:
        named = f", warnings {', '.join(map(str, sorted(codes)))}" if codes else ""
        raise TableError(f"{place}: LOAD DATA stored {stored} of {page.num_rows} rows{named}; nothing of it was kept.")


TRUNCATED = 1265


def error_labels(columns: Sequence[Column], page: pa.Table) -> int:
    """Count the ENUMs' error values in a page: each is stored as it is, with one warning."""
    enums = (page.column(position) for position, column in enumerate(columns) if column.kind == "enum")
    return sum(pc.sum(pc.equal(values, 0)).as_py() or 0 for values in enums)

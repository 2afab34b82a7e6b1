"""The PostgreSQL client: ADBC runs statements and COPYs Arrow; every change is one transaction."""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from threading import Lock
from typing import Any, TypeAlias
from urllib.parse import quote as percent

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from transfer.drivers.faults import faults
from transfer.drivers.postgres_sessions import (
    LIBPQ,
    NEWER,
    NOT_POOLED,
    POOLER,
    postgres_proof,
    startup,
    unlike,
)
from transfer.drivers.sessions import DOUBLE, MOMENT, TEXT
from transfer.errors import GONE, LOCKED_OUT, ChannelFault, DatabaseFault, TableError
from transfer.rules.casts import arrow_type
from transfer.rules.layout import Field
from transfer.running.stopping import stoppable
from transfer.running.watching import (
    IDLE_SECONDS,
    KEPT_ALIVE,
    Line,
    Wait,
    asked,
    in_use,
    kept_alive,
    lines_to,
    refuse_silent,
    watched,
)
from transfer.settings import Limits, Warehouse
from transfer.values.scope import EVERYTHING, Scope
from transfer.values.table import Totals, digest

log = logging.getLogger("elt.connection")

BATCH_BYTES = (
    2**19
)  # ADBC writes a batch before it sends it: while it writes the next, the server takes this one in
LOOK_SECONDS = 2
# A session that gives no sign of life has lost its holder, whose locks then end with it. The driver is always in a transaction.
OWN = {
    "lock_timeout": f"{LOOK_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
}

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A table of PostgreSQL; a temporary one has no schema."""

    schema: str
    name: str

    def __str__(self) -> str:
        """Write it as SQL does."""
        return f"{quote(self.schema)}.{quote(self.name)}" if self.schema else quote(self.name)


@dataclass(frozen=True, slots=True)
class Changes:
    """How many rows of a table became different."""

    inserted: int
    updated: int
    deleted: int

    @property
    def any(self) -> bool:
        """True when the table is another than before."""
        return bool(self.inserted or self.updated or self.deleted)


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Write a text as SQL does."""
    return "'" + text.replace("'", "''") + "'"


def address(warehouse: Warehouse) -> str:
    """Return the libpq address, password included: never log it."""
    login = f"{percent(warehouse.user, safe='')}:{percent(warehouse.password.get_secret_value(), safe='')}"
    tls = (
        "verify-full" if warehouse.verified_tls else "disable"
    )  # "prefer" tries a wrong password twice
    authority = (
        f"sslrootcert={percent(warehouse.tls_ca or 'system', safe='')}&"
        if warehouse.verified_tls
        else ""
    )
    return (
        f"postgresql://{login}@{percent(warehouse.host, safe='')}:{warehouse.port}/{percent(warehouse.db, safe='')}"
        f"?sslmode={tls}&{authority}connect_timeout={warehouse.connect_seconds}&application_name=elt&client_encoding=UTF8"
        f"&keepalives_idle={KEPT_ALIVE['TCP_KEEPIDLE']}&keepalives_interval={KEPT_ALIVE['TCP_KEEPINTVL']}"
        f"&keepalives_count={KEPT_ALIVE['TCP_KEEPCNT']}&options={percent(startup(OWN))}"
    )


def schema(fields: Sequence[Field]) -> pa.Schema:
    """Return the Arrow schema whose COPY BINARY bytes the fields read exactly."""
    return pa.schema([(field.name, arrow_type(field.type)) for field in fields])


class Connection:
    """One ADBC connection whose errors are ours, and on which nobody waits for ever; not in autocommit.

    `lines` are its sockets, `process` the server's that works for it, once that is known.
    """

    def __init__(self, warehouse: Warehouse, raw: Any, lines: Collection[Line]) -> None:
        """Wrap an open connection."""
        self.warehouse, self.raw, self.lines, self.process = warehouse, raw, lines, ""
        self.busy, self.used, self._streams = Lock(), time.monotonic(), False

    def beat(self) -> None:
        """Give the server a sign of life; while it sends rows it needs none."""
        if not self._streams:
            with watched(self._wait(), "asking whether it lives"), self.raw.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchall()  # a result left unread makes the driver begin a second transaction

    def cut(self) -> None:
        """Hang up, from whatever thread."""
        for line in self.lines:
            line.cut()

    @contextmanager
    def _asked(self, doing: str) -> Iterator[None]:
        """Wait in the block for the server's answer."""
        with in_use(self), watched(self._wait(), doing), faults("warehouse", doing):
            yield

    def _wait(self) -> Wait:
        warehouse = self.warehouse
        if not self.process:
            return Wait(warehouse, LOGIN * warehouse.connect_seconds, self.cut)
        look = partial(_at_work, warehouse)
        return Wait(warehouse, warehouse.hang_seconds, self.cut, self._moved, self.process, look)

    def _moved(self) -> int:
        return sum(line.moved() for line in self.lines)

    def run(self, doing: str, statement: str, values: Sequence[Any] = ()) -> None:
        """Run a statement."""
        with self._asked(doing), self.raw.cursor() as cursor:
            cursor.execute(statement, values or None)

    def rows(self, doing: str, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run a query, or a statement that returns rows, and return them."""
        with self._asked(doing), self.raw.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def count(self, doing: str, statement: str) -> int:
        """Run a DELETE or INSERT and return the number of its rows."""
        return int(
            self.rows(doing, f"WITH done AS ({statement} RETURNING 1) SELECT count(*) FROM done")[
                0
            ][0]
        )

    def copy(self, doing: str, place: Place, fields: Sequence[Field], page: pa.Table) -> None:
        """Append a page by COPY BINARY; its columns are brought to the Arrow types that the fields read exactly."""
        exact = page.rename_columns([field.name for field in fields]).cast(schema(fields))
        batches = exact.to_reader(
            max_chunksize=max(1, page.num_rows * BATCH_BYTES // max(page.nbytes, 1))
        )
        with self._asked(doing), self.raw.cursor() as cursor:
            cursor.adbc_ingest(
                place.name,
                batches,
                mode="append",
                db_schema_name=place.schema or None,
                temporary=not place.schema,
            )

    def arrow(self, doing: str, query: str) -> pa.Table:
        """Return a query's rows as Arrow."""
        with self._asked(doing), self.raw.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()

    def batches(self, doing: str, query: str) -> Iterator[pa.RecordBatch]:
        """Return a query's rows as Arrow, batch by batch; what is done between two of them is no wait."""
        with faults("warehouse", doing), self.raw.cursor() as cursor:
            with self._asked(doing):
                cursor.execute(query)
                found = iter(cursor.fetch_record_batch())
                self._streams = True
            try:
                while True:
                    with self._asked(doing):
                        batch = next(found, None)
                    if batch is None:
                        return
                    yield batch
            finally:
                self._streams = False

    def rollback(self) -> None:
        """Roll the transaction back."""
        with self._asked("rolling back"):
            self.raw.rollback()

    def commit(self) -> None:
        """Commit the transaction."""
        with self._asked("committing"):
            self.raw.commit()


LOGIN = 2  # so many times the time for a login what is asked at its beginning may take


def _at_work(warehouse: Warehouse, sessions: Collection[str]) -> frozenset[str]:
    """Return which sessions, by process or application, the server has at work; one that waits for its client is not."""
    looking = _open(warehouse)
    try:
        found = looking.rows(
            "looking for statements",
            "SELECT session FROM pg_stat_activity, unnest(string_to_array($1, ' ')) AS session WHERE state = 'active'"
            " AND wait_event_type IS DISTINCT FROM 'Client' AND session IN (pid::text, application_name)",
            (" ".join(sessions),),
        )
    finally:
        _close(looking)
    return frozenset(str(row[0]) for row in found)


_FIRST_LOCK = Lock()
_FIRST: dict[tuple[str, int], Any] = {}
_IDLE: dict[tuple[str, int], list[Connection]] = defaultdict(list)


def _open(warehouse: Warehouse) -> Connection:
    """Open a connection from a database handle that this process keeps.

    A new handle reads all of pg_type and pg_attribute, which takes half a second in a warehouse of 800 tables.
    """
    with _FIRST_LOCK:
        forget_libpqs_variables()
        key = address(warehouse), os.getpid()
        if key not in _FIRST:
            with _opening(warehouse):
                _FIRST[key] = adbc.connect(key[0], autocommit=True)
        with _opening(warehouse) as before:
            raw = _FIRST[key].adbc_clone()
            return Connection(warehouse, raw, lines_to(warehouse.port) - before)


@contextmanager
def _opening(warehouse: Warehouse) -> Iterator[frozenset[Line]]:
    """Open a connection in the block, but not for ever; the driver does not tell its socket, so it is the one that is new."""
    doing, before = f"connecting to {warehouse.host}:{warehouse.port}", lines_to(warehouse.port)

    def cut() -> None:
        for line in lines_to(warehouse.port) - before:
            line.cut()

    with (
        watched(Wait(warehouse, LOGIN * warehouse.connect_seconds, cut), doing),
        faults("warehouse", doing),
    ):
        yield before
    _OURS.update(lines_to(warehouse.port) - before)


_OURS: set[Line] = set()


@contextmanager
def others_watched(warehouse: Warehouse, doing: str, name: str) -> Iterator[None]:
    """Watch in the block the sessions of another driver in this process, which the server knows by their application's name.

    Raises:
        DatabaseFault: none of them was at work for `ELT_HANG_SECONDS`, or as `ServerHangs` the server gave no answer.

    """

    def lines() -> frozenset[Line]:
        return lines_to(warehouse.port) - _OURS

    def cut() -> None:
        for line in lines():
            line.cut()

    def look(sessions: Collection[str]) -> frozenset[str]:
        return _at_work(warehouse, sessions) if lines() else frozenset(sessions)

    with watched(Wait(warehouse, warehouse.hang_seconds, cut, session=name, look=look), doing):
        yield


def forget_libpqs_variables() -> None:
    """Take from this process's environment what libpq would heed beside what it is given."""
    for name in LIBPQ & os.environ.keys():
        del os.environ[name]


def _proven(connection: Connection) -> Connection:
    try:
        _prove(connection)
    except BaseException:  # an interrupt too: nobody else has this connection to close it
        _close(connection)
        raise
    return connection


def _prove(connection: Connection) -> None:
    """See that a new session is ours and that values come through it as they are, by the bytes that the server tells."""
    warehouse = connection.warehouse
    where = f"{warehouse.host}:{warehouse.port}"
    try:
        ((*found,),) = connection.rows(
            "proving the session", postgres_proof(OWN), (TEXT, DOUBLE, MOMENT)
        )
    except DatabaseFault as fault:
        if fault.code in GONE:
            raise
        connection.rollback()
        ((encoding,),) = connection.rows(
            "asking for its encoding", "SELECT current_setting('server_encoding')"
        )
        if encoding == "UTF8":
            raise
        found = [encoding]
    if found[0] != "UTF8":
        encoding, mend = (
            f"the database {warehouse.db} has the encoding {found[0]}",
            CREATE_UTF8.format(db=quote(warehouse.db)),
        )
        raise ChannelFault("warehouse", where, encoding, mend, "DB")
    refuse(where, unlike(found, OWN))
    process = str(connection.rows("asking for its process", "SELECT pg_backend_pid()")[0][0])
    connection.run("preparing the session", HEED_CLIENT)
    connection.commit()
    connection.process = process


def _idle(idle: list[Connection]) -> Connection | None:
    """Return a connection that an earlier block left and that still answers, None if there is none."""
    while idle:
        connection = idle.pop()
        process, connection.process = (
            connection.process,
            "",
        )  # it has to answer as soon as a new one
        try:
            connection.rows("asking whether it lives", "SELECT 1")
        except DatabaseFault:
            _close(connection)
        else:
            connection.process = process
            return connection
    return None


# A statement at work ends soon after its client is gone; on Windows a server cannot see that, and refuses the setting.
HEED_CLIENT = "DO $$ BEGIN SET client_connection_check_interval = '5s'; EXCEPTION WHEN OTHERS THEN NULL; END $$"
CREATE_UTF8 = "make it anew by CREATE DATABASE {db} ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"


def refuse(where: str, differs: str) -> None:
    """Raise what differs in a session, if anything does."""
    if differs:
        raise ChannelFault("warehouse", where, differs, NOT_POOLED if differs == POOLER else "")


def _close(connection: Connection) -> None:
    if connection.busy.locked():  # a sign of life is on its way
        connection.cut()
    closing = Wait(
        connection.warehouse, LOGIN * connection.warehouse.connect_seconds, connection.cut
    )
    with (
        connection.busy,
        suppress(DatabaseFault),
        watched(closing, "closing"),
    ):  # what is not committed is rolled back
        _hang_up(connection.raw)


def _hang_up(raw: Any) -> None:
    with (
        _FIRST_LOCK,
        suppress(adbc.Error),
    ):  # a connection that the server has closed cannot be rolled back nor closed
        raw.close()


def close_connections() -> None:
    """Close this process's connections that are idle, and its database handles."""
    for (_, process), idle in list(_IDLE.items()):
        while idle and process == os.getpid():
            _close(idle.pop())
    for key in [key for key in _FIRST if key[1] == os.getpid()]:
        _hang_up(_FIRST.pop(key))


def _cancel(raw: Any) -> None:
    """Cancel the statement of another thread's connection, which it cannot close meanwhile."""
    with _FIRST_LOCK:
        raw.adbc_cancel()


@contextmanager
def connect(warehouse: Warehouse) -> Iterator[Connection]:
    """Hold a connection; what is not committed at the end is rolled back. It is kept for the next block if all went well."""
    idle = _IDLE[address(warehouse), os.getpid()]
    connection = _idle(idle) or _new(warehouse)
    try:
        with stoppable(lambda: _cancel(connection.raw)), kept_alive(connection):
            yield connection
            connection.rollback()
    except BaseException:  # an interrupt too: a connection in an unknown state is not kept
        _close(connection)
        raise
    idle.append(connection)


def _new(warehouse: Warehouse) -> Connection:
    started = time.monotonic()
    try:
        refuse_silent(warehouse)
        with asked(warehouse):
            connection = _proven(_open(warehouse))
    except DatabaseFault as fault:
        log.error(
            "warehouse %s@%s:%s refused: %s", warehouse.user, warehouse.host, warehouse.port, fault
        )
        if fault.code == "POOLER":
            refuse(f"{warehouse.host}:{warehouse.port}", POOLER)
        raise
    seconds = time.monotonic() - started
    log.debug(
        "warehouse %s@%s:%s opened in %.3f s",
        warehouse.user,
        warehouse.host,
        warehouse.port,
        seconds,
    )
    return connection


def known_settings(connection: Connection) -> frozenset[str]:
    """Return which of the settings that not every server has this one has."""
    names = ", ".join(literal(each.name) for each in NEWER)
    asking = f"SELECT name FROM unnest(ARRAY[{names}]) AS name WHERE current_setting(name, true) IS NOT NULL"
    return frozenset(str(row[0]) for row in connection.rows("asking for its settings", asking))


def fields_of(connection: Connection, place: Place) -> tuple[Field, ...]:
    """Return a table's columns with their types, empty if there is no such table."""
    found = connection.rows(
        f"looking at {place}",
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (str(place),),
    )
    return tuple(Field(str(name), LONG_TYPES.get(str(kind), str(kind))) for name, kind in found)


LONG_TYPES = {"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz"}


def key_of(connection: Connection, place: Place) -> tuple[str, ...]:
    """Return the columns of a table's primary key in order."""
    found = connection.rows(
        f"looking at {place}",
        "SELECT a.attname::text FROM pg_constraint AS c, unnest(c.conkey) WITH ORDINALITY AS k (attnum, position), pg_attribute AS a"
        " WHERE c.conrelid = to_regclass($1) AND c.contype = 'p' AND a.attrelid = c.conrelid AND a.attnum = k.attnum"
        " ORDER BY k.position",
        (str(place),),
    )
    return tuple(row[0] for row in found)


def has_structure(
    connection: Connection, place: Place, fields: Iterable[Field], key: Sequence[str]
) -> bool:
    """Tell whether a table stands with these columns, in whatever order, and this primary key."""
    return set(fields_of(connection, place)) == set(fields) and key_of(connection, place) == tuple(
        key
    )


def create(
    connection: Connection, place: Place, fields: Sequence[Field], *, temporary: bool = False
) -> None:
    """Create a table; a temporary one goes with the transaction."""
    columns = ", ".join(f"{quote(field.name)} {field.type}" for field in fields)
    kind, end = ("TEMPORARY ", " ON COMMIT DROP") if temporary else ("", "")
    connection.run(f"creating {place}", f"CREATE {kind}TABLE {place} ({columns}){end}")


MARK = "OpenDental ELT"


def claim(connection: Connection, place: Place, owner: str) -> None:
    """Mark a table as made by the pipeline; `owner` is the schema of the base tables, which names the configuration."""
    connection.run(f"marking {place}", f"COMMENT ON TABLE {place} IS '{MARK} of {owner}'")


def stands(connection: Connection, place: Place, owner: str) -> bool:
    """Tell whether the pipeline's own table is there.

    Raises:
        TableError: something of that name is there that this configuration of the pipeline did not make.

    """
    found = connection.rows(
        f"looking at {place}",
        # A user's own remark may stand in the place of the mark.
        "SELECT relkind = 'r' AND (obj_description(oid, 'pg_class') IS NOT DISTINCT FROM $2 OR EXISTS (SELECT"
        f" FROM {quote(owner)}.etl_transform_status WHERE pg_class.oid::bigint IN (raw_oid, public_oid)))"
        " FROM pg_class WHERE oid = to_regclass($1)",
        (str(place), f"{MARK} of {owner}"),
    )
    if found and not found[0][0]:
        raise TableError(
            f"{place} is there but was not made by the pipeline with ANALYTICS_POSTGRES_BASE_SCHEMA={owner}: rename or drop it,"
            " or give this configuration a database of its own."
        )
    return bool(found)


def add_key(
    connection: Connection, limits: Limits, place: Place, key: Sequence[str], *, ours: bool = False
) -> None:
    """Add a primary key, if there is one to add; a table is `ours` that nobody else sees yet."""
    change = f"ADD PRIMARY KEY ({', '.join(map(quote, key))})"
    if key and ours:
        connection.run(f"altering {place}", f"ALTER TABLE {place} {change}")
    elif key:
        alter(connection, limits, place, change)


def alter(connection: Connection, limits: Limits, place: Place, change: str) -> None:
    """Alter a table that nothing else can hinder than its readers."""
    outcome, _ = in_turns(
        connection, limits, f"altering {place}", lambda: [("", f"ALTER TABLE {place} {change}")]
    )
    if outcome:
        raise DatabaseFault("warehouse", f"altering {place}", outcome)


def drop(connection: Connection, limits: Limits, place: Place) -> None:
    """Drop a table.

    Raises:
        TableError: something else depends on it.

    """
    outcome, _ = in_turns(
        connection, limits, f"dropping {place}", lambda: [("", f"DROP TABLE {place}")]
    )
    if outcome == DEPENDED_UPON:
        raise TableError(
            f"{place} cannot be dropped, as {dependents(connection, place)} depends on it: drop that first."
        )
    if outcome:
        raise DatabaseFault("warehouse", f"dropping {place}", outcome)


def in_turns(
    connection: Connection,
    limits: Limits,
    doing: str,
    statements: Callable[[], Sequence[tuple[str, str]]],
) -> tuple[str, str]:
    """Run statements, each with a name, all or none, waiting in short turns for a table's readers; each turn asks for them anew.

    A statement that waits blocks new readers. Return the SQLSTATE of what failed, and the name that it has here.
    """
    until = time.monotonic() + limits.lock_seconds
    while True:
        turn = statements()
        connection.run(
            "preparing a transaction", f"SET LOCAL lock_timeout = '{TURN_MILLISECONDS}ms'"
        )
        outcome = _try(connection, doing, turn)
        wait_for_locks(connection, limits.lock_seconds)
        if outcome[0] not in LOCKED_OUT or time.monotonic() > until:
            return outcome
        time.sleep(1)


# Less than the second after which PostgreSQL looks for deadlocks, and might end a reader's statement for one.
TURN_MILLISECONDS = 900
DEPENDED_UPON = "2BP01"


def _try(
    connection: Connection, doing: str, statements: Sequence[tuple[str, str]]
) -> tuple[str, str]:
    """Run statements so that the transaction survives their failure.

    ADBC refuses even ROLLBACK TO SAVEPOINT once a statement has failed, so the server has to catch it.
    """
    tag = f"$elt_{digest(*statements)[:8]}$"
    body = " ".join(f"elt_at := {literal(name)}; {statement};" for name, statement in statements)
    connection.run(
        doing,
        f"DO {tag} DECLARE elt_at text := ''; BEGIN {body} PERFORM set_config('elt.outcome', '', true);"
        f" EXCEPTION WHEN OTHERS THEN PERFORM set_config('elt.outcome', SQLSTATE || ' ' || elt_at, true); END {tag}",
    )
    code, _, name = str(
        connection.rows(doing, "SELECT current_setting('elt.outcome')")[0][0]
    ).partition(" ")
    return code, name


def definitions(
    connection: Connection, doing: str, statement: str, values: Sequence[Any]
) -> list[Row]:
    """Run a query whose rows have objects' names and definitions in them, so that each name has its schema.

    PostgreSQL locks the views whose definitions it shows, which would keep dbt from making them anew: not longer than the query.
    """
    connection.run(doing, "SAVEPOINT elt_definitions")
    connection.run(doing, "SET LOCAL search_path = ''")
    found = connection.rows(doing, statement, values)
    connection.run(doing, "ROLLBACK TO SAVEPOINT elt_definitions")
    connection.run(doing, "RELEASE SAVEPOINT elt_definitions")
    return found


def dependents(connection: Connection, place: Place) -> str:
    """Name what PostgreSQL would drop a table for only by CASCADE."""
    found = definitions(
        connection,
        f"looking at {place}",
        "SELECT DISTINCT coalesce(rule.ev_class::regclass::text, pg_describe_object(d.classid, d.objid, 0)) FROM pg_depend AS d"
        " JOIN pg_class AS base ON base.oid = to_regclass($1) AND ((d.refclassid = 'pg_class'::regclass AND d.refobjid = base.oid)"
        " OR (d.refclassid = 'pg_type'::regclass AND d.refobjid = base.reltype))"
        " LEFT JOIN pg_rewrite AS rule ON d.classid = 'pg_rewrite'::regclass AND rule.oid = d.objid AND rule.rulename = '_RETURN'"
        " WHERE d.deptype = 'n' ORDER BY 1",
        (str(place),),
    )
    return listed([str(row[0]) for row in found]) or "something"


def listed(names: Sequence[str]) -> str:
    """List names, the first five of many."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def wait_for_locks(connection: Connection, seconds: int) -> None:
    """Let the rest of the transaction wait that long for whoever holds a table or a row."""
    connection.run("preparing a transaction", f"SET LOCAL lock_timeout = '{max(seconds, 1)}s'")


SCOPE = Place("", "_elt_scope")


def bring_keys(
    connection: Connection, scope: Scope, key: Sequence[str], fields: Sequence[Field]
) -> None:
    """Put the single keys of a scope, whole numbers, into a temporary table that goes with the transaction."""
    if not scope.keys:
        return
    types = {field.name: field.type for field in fields}
    columns = [Field(f"k{position}", types[name]) for position, name in enumerate(key)]
    values = [
        pa.array(map(Decimal, each), pa.decimal128(20)) for each in zip(*scope.keys, strict=True)
    ]
    create(connection, SCOPE, columns, temporary=True)
    connection.copy(
        "bringing keys", SCOPE, columns, pa.table(values, [field.name for field in columns])
    )
    connection.run("bringing keys", f"ANALYZE {SCOPE}")


def conditions(scope: Scope, key: Sequence[str]) -> list[str]:
    """Return conditions each of which holds for some rows of a scope whose keys were brought, and together for all of them."""
    names = f"({', '.join(map(quote, key))})"
    found = []
    for each in scope.ranges:
        bounds = [f"{names} > ({', '.join(each.after)})"] if each.after else []
        bounds += [f"{names} <= ({', '.join(each.until)})"] if each.until else []
        found.append(" AND ".join(bounds) or "TRUE")
    if scope.keys:
        found.append(
            f"{names} IN (SELECT {', '.join(f'k{position}' for position in range(len(key)))} FROM {SCOPE})"
        )
    return found


def same_keys(target: Place, side: Place, key: Sequence[str]) -> str:
    """Return what to write behind FROM for the target's rows whose keys the side table has."""
    on = " AND ".join(f"t.{quote(name)} = s.{quote(name)}" for name in key)
    return f"(SELECT t.* FROM {side} AS s JOIN {target} AS t ON {on}) AS rows_of_scope"


def merge(
    connection: Connection,
    limits: Limits,
    side: Place,
    target: Place,
    fields: Sequence[Field],
    key: Sequence[str],
    scope: Scope = EVERYTHING,
) -> Changes:
    """Make the target's rows of a scope equal to the side table's, touching only those that differ; without a key as multisets."""
    columns = ", ".join(quote(field.name) for field in fields)
    if not key or key_of(connection, target) != tuple(key):
        changes = _merge_multisets(connection, side, target, columns)
        add_key(connection, limits, target, key)
        return changes
    on = " AND ".join(f"t.{quote(name)} = s.{quote(name)}" for name in key)
    doing = f"bringing {target} up to date"
    deleted = sum(
        connection.count(
            doing,
            f"DELETE FROM {target} AS t WHERE {some} AND NOT EXISTS (SELECT FROM {side} AS s WHERE {on})",
        )
        for some in conditions(scope, key)
    )
    updated = _update(
        connection, side, target, [field for field in fields if field.name not in key], on
    )
    inserted = connection.count(
        doing,
        f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {side} AS s"
        f" WHERE NOT EXISTS (SELECT FROM {target} AS t WHERE {on})",
    )
    return Changes(inserted, updated, deleted)


# PostgreSQL takes -0 for 0.
COMPARED = {"real": "float4send({c})", "double precision": "float8send({c})"}


def _update(
    connection: Connection, side: Place, target: Place, fields: Sequence[Field], on: str
) -> int:
    if not fields:
        return 0
    ours, theirs = (
        ", ".join(
            COMPARED.get(field.type, "{c}").format(c=f"{alias}.{quote(field.name)}")
            for field in fields
        )
        for alias in "ts"
    )
    setting = ", ".join(f"{quote(field.name)} = s.{quote(field.name)}" for field in fields)
    return connection.count(
        f"bringing {target} up to date",
        f"UPDATE {target} AS t SET {setting} FROM {side} AS s WHERE {on} AND ROW({ours}) IS DISTINCT FROM ROW({theirs})",
    )


def _merge_multisets(connection: Connection, side: Place, target: Place, columns: str) -> Changes:
    doing = f"bringing {target} up to date"
    ours, theirs = f"SELECT {columns} FROM {target}", f"SELECT {columns} FROM {side}"
    ((deleted, inserted),) = connection.rows(
        doing,
        f"SELECT (SELECT count(*) FROM ({ours} EXCEPT ALL {theirs}) AS gone),"
        f" (SELECT count(*) FROM ({theirs} EXCEPT ALL {ours}) AS new)",
    )
    if deleted or inserted:
        connection.run(doing, f"DELETE FROM {target}")
        connection.run(doing, f"INSERT INTO {target} ({columns}) {theirs}")
    return Changes(inserted, 0, deleted)


def totals(connection: Connection, place: Place | str, fields: Sequence[Field]) -> Totals:
    """Count the rows of what stands behind FROM and each column's values, and sum its numbers.

    Floating-point ones have no exact sum.
    """
    values = ", ".join(f"count({quote(field.name)})::numeric" for field in fields)
    sums = ", ".join(
        f"coalesce(sum({quote(field.name)}), 0)::numeric" if _is_exact_number(field) else "NULL"
        for field in fields
    )
    # Arrays, as a SELECT has 1,664 expressions at most, and as text, for a driver that reads numerics as text anyway.
    ((rows, counted, summed),) = connection.rows(
        f"proving {place}",
        f"SELECT count(*), ARRAY[{values}]::text, ARRAY[{sums}]::numeric[]::text FROM {place}",
    )
    return Totals(
        rows,
        tuple(int(each) for each in counted.strip("{}").split(",")),
        tuple(None if each == "NULL" else Decimal(each) for each in summed.strip("{}").split(",")),
    )


def _is_exact_number(field: Field) -> bool:
    return field.type in ("smallint", "integer", "bigint") or field.type.startswith("numeric")


def counts(connection: Connection, places: Iterable[Place]) -> dict[Place, int | None]:
    """Count the rows of tables, all at once; None for one that cannot be counted now, as somebody holds it or it is broken.

    The connection's transaction ends here.
    """
    found: dict[Place, int | None] = {}
    wanted = list(places)
    for start in range(0, len(wanted), 100):
        part = wanted[start : start + 100]
        try:
            found |= _counts(connection, part)
        except DatabaseFault:
            for place in part:
                found[place] = _count_or_none(connection, place)
    return found


def _counts(connection: Connection, part: Sequence[Place]) -> dict[Place, int | None]:
    counting = " UNION ALL ".join(
        f"SELECT {position}, count(*) FROM {place}" for position, place in enumerate(part)
    )
    return {part[position]: count for position, count in connection.rows("counting rows", counting)}


def _count_or_none(connection: Connection, place: Place) -> int | None:
    connection.rollback()
    try:
        return _counts(connection, [place])[place]
    except DatabaseFault as fault:
        if fault.code in GONE:
            raise
        connection.rollback()
        return None

"""Opens sessions of PostgreSQL and proves that each is ours and passes values as they are."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, TypeAlias
from urllib.parse import quote as percent

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
from transfer.errors import ChannelFault, DatabaseFault
from transfer.postgres import driver
from transfer.postgres.connection import DRIVER_LOCK, LOGIN_FACTOR, Connection, hang_up
from transfer.postgres.literals import literal, quote
from transfer.running.watching import IDLE_SECONDS, KEPT_ALIVE, Line, Wait, lines_to, watched
from transfer.server_codes import GONE
from transfer.settings import Warehouse

LOCK_SECONDS = 2
# A session that gives no sign of life has lost its holder, and its locks end with it.
# The driver is always in a transaction.
OWN = {
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
}
# A statement at work ends soon after its client is gone.
# A server on Windows cannot see that, and refuses the setting.
END_WITH_CLIENT = (
    "DO $$ BEGIN SET client_connection_check_interval = '5s';"
    " EXCEPTION WHEN OTHERS THEN NULL; END $$"
)
CREATE_UTF8 = "recreate it by CREATE DATABASE {db} ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"

# Driver and address.
Way: TypeAlias = tuple[str, str]

# Handles and sockets of this process, and of the one that it was forked from.
_HANDLES: dict[tuple[Way, int], Any] = {}
_OURS: set[Line] = set()


def address(warehouse: Warehouse) -> str:
    """Return the libpq address, password included: never log it."""
    return _address(warehouse, startup(OWN))


@lru_cache(maxsize=64)
def _address(warehouse: Warehouse, settings: str) -> str:
    user, password, db, host = (
        percent(part, safe="")
        for part in (
            warehouse.user,
            warehouse.password.get_secret_value(),
            warehouse.db,
            warehouse.host,
        )
    )
    options = {
        # With "prefer" a wrong password would be tried twice.
        "sslmode": "verify-full" if warehouse.verified_tls else "disable",
        "connect_timeout": warehouse.connect_seconds,
        "application_name": "elt",
        "client_encoding": "UTF8",
        "keepalives_idle": KEPT_ALIVE["TCP_KEEPIDLE"],
        "keepalives_interval": KEPT_ALIVE["TCP_KEEPINTVL"],
        "keepalives_count": KEPT_ALIVE["TCP_KEEPCNT"],
        "options": percent(settings),
    }
    if warehouse.verified_tls:
        options["sslrootcert"] = percent(warehouse.tls_ca or "system", safe="")
    written = "&".join(f"{name}={value}" for name, value in options.items())
    return f"postgresql://{user}:{password}@{host}:{warehouse.port}/{db}?{written}"


def way(warehouse: Warehouse) -> Way:
    """Return what a connection to the warehouse must have in common with another that is kept."""
    return warehouse.adbc_driver, address(warehouse)


def open_proven(warehouse: Warehouse) -> Connection:
    """Open a connection and prove its session.

    Raises:
        ChannelFault: the session is not as it must be.

    """
    connection = _open(warehouse)
    try:
        _prove(connection)
    except BaseException:  # an interrupt too: nobody else has this connection to close it
        connection.close()
        raise
    return connection


def _open(warehouse: Warehouse) -> Connection:
    """Open a connection from a database handle that this process keeps.

    A new handle reads all of pg_type and pg_attribute: half a second in a warehouse of 800 tables.
    """
    with DRIVER_LOCK:
        forget_libpqs_variables()
        key = way(warehouse), os.getpid()
        if key not in _HANDLES:
            with _opening(warehouse):
                _HANDLES[key] = driver.connect(warehouse, address(warehouse))
        with _opening(warehouse) as before:
            raw = _HANDLES[key].adbc_clone()
            lines = lines_to(warehouse.port) - before
            return Connection(warehouse, raw, lines, partial(_at_work, warehouse))


@contextmanager
def _opening(warehouse: Warehouse) -> Iterator[frozenset[Line]]:
    """Open a connection in the block, but not for ever.

    The driver does not tell its socket, so it is the one that is new.
    """
    doing, before = f"connecting to {warehouse.host}:{warehouse.port}", lines_to(warehouse.port)

    def cut() -> None:
        for line in lines_to(warehouse.port) - before:
            line.cut()

    wait = Wait(warehouse, LOGIN_FACTOR * warehouse.connect_seconds, cut)
    with watched(wait, doing), faults("warehouse", doing):
        yield before
    _OURS.update(lines_to(warehouse.port) - before)


def forget_libpqs_variables() -> None:
    """Remove from this process's environment what libpq would read besides what it is given."""
    for name in LIBPQ & os.environ.keys():
        del os.environ[name]


def close_handles() -> None:
    """Close this process's database handles."""
    for key in [key for key in _HANDLES if key[1] == os.getpid()]:
        hang_up(_HANDLES.pop(key))


def _at_work(warehouse: Warehouse, sessions: Collection[str]) -> frozenset[str]:
    """Return which sessions, by process or application, are at work on the server.

    One that waits for its client is not at work.
    """
    connection = _open(warehouse)
    try:
        found = connection.rows(
            "looking for statements",
            "SELECT session FROM pg_stat_activity,"
            " unnest(string_to_array($1, ' ')) AS session"
            " WHERE state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'"
            " AND session IN (pid::text, application_name)",
            (" ".join(sessions),),
        )
    finally:
        connection.close()
    return frozenset(str(row[0]) for row in found)


@contextmanager
def others_watched(warehouse: Warehouse, doing: str, name: str) -> Iterator[None]:
    """Watch in the block the sessions of another driver in this process.

    The server knows them by the name of their application.

    Raises:
        DatabaseFault: none of them was at work for `ELT_HANG_SECONDS`, or as `ServerHangs` the
            server gave no answer.

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


def _prove(connection: Connection) -> None:
    """Check that a new session is ours and passes values as they are."""
    warehouse = connection.warehouse
    where = f"{warehouse.host}:{warehouse.port}"
    encoding, *found = _proof(connection)
    if encoding != "UTF8":
        differs = f"the database {warehouse.db} has the encoding {encoding}"
        mend = CREATE_UTF8.format(db=quote(warehouse.db))
        raise ChannelFault("warehouse", where, differs, mend, "DB")
    refuse(where, unlike([encoding, *found], OWN))
    process = str(connection.rows("asking for its process", "SELECT pg_backend_pid()")[0][0])
    connection.run("preparing the session", END_WITH_CLIENT)
    connection.commit()
    connection.process = process


def _proof(connection: Connection) -> list[Any]:
    """Return what the server says of the session, or its encoding alone if that is not UTF8."""
    asking, values = postgres_proof(OWN), (TEXT, DOUBLE, MOMENT)
    try:
        return list(connection.rows("proving the session", asking, values)[0])
    except DatabaseFault as fault:
        if fault.code in GONE:
            raise
        connection.rollback()
        asking = "SELECT current_setting('server_encoding')"
        ((encoding,),) = connection.rows("asking for its encoding", asking)
        if encoding == "UTF8":
            raise
        return [encoding]


def refuse(where: str, differs: str) -> None:
    """Raise what differs in a session, if anything does.

    Raises:
        ChannelFault: something does.

    """
    if differs:
        raise ChannelFault("warehouse", where, differs, NOT_POOLED if differs == POOLER else "")


def known_settings(connection: Connection) -> frozenset[str]:
    """Return which of the settings that not every server has this one has."""
    names = ", ".join(literal(setting.name) for setting in NEWER)
    asking = (
        f"SELECT name FROM unnest(ARRAY[{names}]) AS name"
        " WHERE current_setting(name, true) IS NOT NULL"
    )
    return frozenset(str(row[0]) for row in connection.rows("asking for its settings", asking))

"""Runs in a child process that are killed, or lose their connections, at a chosen moment."""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Timer
from types import FrameType
from typing import Any

import pymysql
from adbc_driver_manager import dbapi
from pymysql.constants.SERVER_STATUS import SERVER_STATUS_IN_TRANS
from pymysql.cursors import Cursor

from transfer.drivers.reader import Reader
from transfer.errors import EltError
from transfer.journey import drop_gone, into_replica
from transfer.journey.plan import look
from transfer.journey.sync import sync
from transfer.mysql import buckets, grid, reading
from transfer.settings import ROOT, Settings

CHANGES = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|REPLACE|LOAD|CREATE|DROP|ALTER|RENAME|TRUNCATE)\b", re.IGNORECASE
)
FIRST_WORD = re.compile(
    r"\b(INSERT|UPDATE|DELETE|REPLACE|LOAD|CREATE|DROP|ALTER|RENAME|ANALYZE|COMMENT|SELECT|SHOW|SET|DO)\b",
    re.IGNORECASE,
)

# The modules whose functions do a phase's statements: the outermost one on the stack tells it.
PHASES = {
    "source/survey": "extract-read",
    "source/rows": "extract-read",
    "mysql/buckets": "extract-read",
    "mysql/cells": "extract-read",
    "replica/tables": "replica write",
    "replica/cells": "replica write",
    "replica/shadow": "replica write",
    "replica/proof": "replica write",
    "replica/merge": "replica write",
    "replica/swap": "replica write",
    "replica/finish": "replica write",
    "replica/recovery": "replica write",
    "replica/rows": "replica write",
    "warehouse/raw": "raw load",
    "warehouse/public": "public",
    "changes/verification": "verification",
}
SWAP = "replica swap"
# The statements of each that may be struck; what only prepares a session or asks for something small leaves nothing half done.
STATEMENTS = {
    "extract-read": ("SELECT", "PAGE"),
    "replica write": ("CREATE", "LOAD", "UPDATE", "DELETE", "INSERT", "COMMIT", "DROP"),
    SWAP: ("INSERT", "RENAME", "COMMIT", "DROP"),
    "raw load": ("PAGE", "COPY", "DELETE", "UPDATE", "INSERT", "COMMIT"),
    "public": ("CREATE", "DELETE", "UPDATE", "INSERT", "COMMIT"),
    "verification": ("SELECT", "PAGE"),
}


@dataclass(frozen=True)
class Blow:
    """What strikes at the n-th statement of its kind in a phase: a kill, or a cut of connections."""

    phase: str
    statement: str
    nth: int
    moment: str  # before, during or after the statement
    kind: str = "kill"  # or a place: source, replica, warehouse


def run_and_die(settings: Settings, table: str, after: int, *, force_full: bool = False) -> None:
    """Run a table; statements outside of a transaction, and those that end one, count as commits."""
    _die_after(after)
    for plan in look(settings, [table], force_full=force_full).work:
        sync(settings, plan, "killed")


def short_of(rows: int) -> list[tuple[Any, str, int]]:
    """Return what to set so that so few rows fill a bucket or a cell, and none are scanned by day."""
    return [
        (buckets, "ROWS", rows),
        (grid, "CELL_ROWS", rows),
        (grid, "FEWEST", 3 * rows),
        (into_replica, "SCANNED_ROWS", 0),
    ]


def run_and_be_struck(
    settings: Settings, tables: Sequence[str], rows: int, verify: bool, blow: Blow, pipe: Any
) -> None:
    """Run tables whose buckets have so many rows; write to the pipe what strikes.

    Unless it is killed, the process waits for an answer.
    """
    for module, name, value in short_of(rows):
        setattr(module, name, value)
    _strike(blow, pipe)
    for plan in look(settings, tables, verify=verify).work:
        try:
            sync(settings, plan, f"struck {os.getpid()}")
        except EltError as error:
            if "unforeseen" in str(error):
                raise
    pipe.close()


def drop_and_die(settings: Settings, table: str, after: int) -> None:
    """Drop a table that is gone from the source."""
    _die_after(after)
    drop_gone.drop(settings, table)


def read_for_long(settings: Settings) -> None:
    """Read a query that takes ten seconds."""
    reading.read(settings.source, settings.limits, "reading", "SELECT SLEEP(10), Id FROM orphaned")


def _phase() -> str:
    """Tell what the run is doing, by the outermost caller that says something."""
    frame: FrameType | None = sys._getframe(1)
    found, swapping = "", False
    while frame:
        code, frame = frame.f_code, frame.f_back
        file = Path(code.co_filename)
        if file.parent.name == "journey" and file.stem == "plan":
            return "survey"
        if file.is_relative_to(ROOT / "transfer"):
            module = f"{file.parent.name}/{file.stem}"
            found = PHASES.get(module, found)
            swapping = swapping or module == "replica/swap"
    return SWAP if swapping and found == "replica write" else found


def _strike(blow: Blow, pipe: Any) -> None:
    def fall() -> None:
        pipe.send(blow.kind)
        if blow.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        pipe.recv()  # by then the connections are cut

    met = count(1)
    for owner, name in (
        (Cursor, "execute"),
        (pymysql.connections.Connection, "commit"),
        (Reader, "read"),
        (dbapi.Cursor, "execute"),
        (dbapi.Cursor, "adbc_ingest"),
        (dbapi.Connection, "commit"),
    ):
        setattr(owner, name, _struck(getattr(owner, name), blow, met, fall))


def _struck(
    do: Callable[..., Any], blow: Blow, met: Iterator[int], fall: Callable[[], None]
) -> Callable[..., Any]:
    """Return the client's function unchanged, except for the one call that is struck."""

    def statement(*arguments: Any, **named: Any) -> Any:
        alike = _statement(do.__name__, arguments) == blow.statement and _phase() == blow.phase
        moment = blow.moment if alike and next(met) == blow.nth else ""
        if moment == "before":
            fall()
        watch = Timer(0.0005, fall)
        if moment == "during":
            watch.start()
        try:
            done = do(*arguments, **named)
        finally:
            if moment == "during":
                watch.join()
        if moment == "after":
            fall()
        return done

    return statement


def _statement(name: str, arguments: Sequence[Any]) -> str:
    """Return the first word of a statement that says what it does."""
    if name == "execute":
        found = FIRST_WORD.search(arguments[1])
        return found[0].upper() if found else ""
    return {"adbc_ingest": "COPY", "read": "PAGE", "commit": "COMMIT"}[name]


def _die_after(last: int) -> None:
    commits = count(1)

    def committed() -> None:
        if next(commits) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    commit_mysql, execute, commit_postgres = (
        pymysql.connections.Connection.commit,
        Cursor.execute,
        dbapi.Connection.commit,
    )

    def in_mysql(connection: Any) -> None:
        commit_mysql(connection)
        committed()

    def statement(cursor: Any, query: str, values: Any = None) -> int:
        rows = execute(cursor, query, values)
        if CHANGES.match(query) and not cursor.connection.server_status & SERVER_STATUS_IN_TRANS:
            committed()
        return rows

    def postgres(connection: Any) -> None:
        commit_postgres(connection)
        committed()

    pymysql.connections.Connection.commit = in_mysql  # type: ignore[method-assign, assignment]
    Cursor.execute = statement  # type: ignore[method-assign, assignment]
    dbapi.Connection.commit = postgres  # type: ignore[method-assign, assignment]

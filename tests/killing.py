"""What runs in a child process: one run of one table, killed after its n-th commit."""

import os
import re
import signal
from itertools import count
from typing import Any

import pymysql
from adbc_driver_manager import dbapi
from pymysql.constants.SERVER_STATUS import SERVER_STATUS_IN_TRANS
from pymysql.cursors import Cursor

from tasks.survey import look
from tasks.sync_table import sync
from transfer import mysql
from transfer.settings import Settings

CHANGES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|LOAD|CREATE|DROP|ALTER|RENAME|TRUNCATE)\b", re.IGNORECASE)


def run_and_die(settings: Settings, table: str, after: int) -> None:
    """Run a table; statements outside of a transaction, and those that end one, count as commits."""
    _die_after(after)
    for plan in look(settings, [table]).work:
        sync(settings, plan, "killed")


def read_for_long(settings: Settings) -> None:
    """Read a query that takes ten seconds."""
    mysql.read(settings.source, settings.limits, "reading", "SELECT SLEEP(10), Id FROM orphaned")


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

    pymysql.connections.Connection.commit = in_mysql  # type: ignore[method-assign]
    Cursor.execute = statement  # type: ignore[method-assign]
    dbapi.Connection.commit = postgres  # type: ignore[method-assign]

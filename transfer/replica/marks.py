"""When the replica's tables were last written: one without a write need not be counted."""

from __future__ import annotations

from collections.abc import Mapping

from transfer.errors import DatabaseFault
from transfer.mysql import pool
from transfer.mysql.connection import Connection
from transfer.server_codes import MISSING_TABLE
from transfer.settings import Limits, Replica

# InnoDB knows it since the server's start, and until it needs the memory for another table. MySQL
# 5.6 never does. It has whole seconds, so one that is not over tells nothing.
WRITTEN = (
    "IF(ENGINE = 'InnoDB' AND UPDATE_TIME < NOW() - INTERVAL 2 SECOND,"
    " CAST(UPDATE_TIME AS CHAR), '')"
)
WRITTEN_AT_ONCE = 500


def unwritten(
    connection: Connection, rows: Mapping[str, int], marks: Mapping[str, str]
) -> dict[str, int]:
    """Return the tables that nobody has written since they were counted, and their rows."""
    if not marks:
        return {}
    try:
        noted: dict[str, str] = dict(
            connection.rows(
                "reading etl_mark",
                "SELECT table_name, mark FROM etl_mark"
                f" WHERE table_name IN ({', '.join(['%s'] * len(marks))})",
                list(marks),
            )
        )
    except DatabaseFault as fault:
        if fault.code in MISSING_TABLE:  # never prepared, or by an earlier release
            return {}
        raise
    return {
        table: count
        for table, count in rows.items()
        if marks.get(table) and noted.get(table) == with_rows(marks[table], count)
    }


def with_rows(mark: str, rows: int) -> str:
    """Return a mark that also stands for the number of rows."""
    return f"{mark} {rows}"


def note(replica: Replica, limits: Limits, marks: Mapping[str, str]) -> None:
    """Note the marks of tables that have been counted and hold what is recorded."""
    found = list(marks.items())
    with pool.connect(replica, limits, writes=True) as connection:
        for start in range(0, len(found), WRITTEN_AT_ONCE):
            part = found[start : start + WRITTEN_AT_ONCE]
            connection.run(
                "writing etl_mark",
                "REPLACE INTO etl_mark (table_name, mark) VALUES"
                f" {', '.join(['(%s, %s)'] * len(part))}",
                [value for pair in part for value in pair],
            )

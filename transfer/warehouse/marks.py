"""What PostgreSQL itself records of writes to a table: one without a write need not be counted.

It tells of a write once the session that made it is idle or gone, after 10 s at the latest.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from transfer.errors import DatabaseFault
from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place
from transfer.postgres.pool import connect
from transfer.server_codes import MISSING_TABLE
from transfer.settings import Warehouse
from transfer.warehouse.bookkeeping import SEPARATOR, joined, named

TABLE = "etl_mark"


@dataclass(frozen=True, slots=True)
class Mark:
    """What every write, truncation or rewrite of a table changes: as of now, and as noted."""

    now: str
    noted: str

    def is_of(self, rows: int) -> bool:
        """Tell whether the table still has so many rows, with which it was counted."""
        return self.noted == with_rows(self.now, rows)


def read(
    connection: Connection, warehouse: Warehouse, places: Collection[Place]
) -> dict[Place, Mark]:
    """Return the tables' marks.

    A table has none where the server does not count its writes, or has forgotten them.
    """
    by_name = {str(place): place for place in places}
    try:
        found = connection.rows(
            "asking for writes",
            "SELECT name, concat_ws(' ', pg_relation_filenode(oid),"
            " pg_stat_get_tuples_inserted(oid), pg_stat_get_tuples_updated(oid),"
            " pg_stat_get_tuples_deleted(oid), pg_postmaster_start_time()::text,"
            " (SELECT stats_reset::text FROM pg_stat_database"
            " WHERE datname = current_database())), coalesce(mark, '')"
            " FROM (SELECT name, to_regclass(name)::oid AS oid"
            f" FROM unnest(string_to_array($1, chr({ord(SEPARATOR)}))) AS name) AS wanted"
            f" LEFT JOIN {named(warehouse, TABLE)} ON relation = name"
            " WHERE current_setting('track_counts')::boolean"
            " AND pg_stat_get_tuples_inserted(oid) > 0",
            (joined(by_name),),
        )
    except DatabaseFault as fault:
        if fault.code not in MISSING_TABLE:
            raise
        connection.rollback()  # an earlier release made none
        return {}
    return {by_name[name]: Mark(now, noted) for name, now, noted in found}


def with_rows(mark: str, rows: int) -> str:
    """Return a mark that also stands for the number of rows."""
    return f"{mark} {rows}"


def note(warehouse: Warehouse, marks: Iterable[tuple[str, str]]) -> None:
    """Note the marks of tables that have been counted and hold what is recorded."""
    values = json.dumps([{"relation": table, "mark": mark} for table, mark in marks])
    with connect(warehouse) as connection:
        connection.run(
            f"writing {TABLE}",
            f"INSERT INTO {named(warehouse, TABLE)} SELECT relation, mark"
            " FROM json_to_recordset($1::json) AS given (relation text, mark text)"
            " ON CONFLICT (relation) DO UPDATE SET mark = excluded.mark",
            (values,),
        )
        connection.commit()

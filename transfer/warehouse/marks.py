"""What PostgreSQL itself records of writes to a table: one without a write need not be counted.

It tells of a write once the session that made it is idle or gone, after 10 s at the latest.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place
from transfer.postgres.pool import connect
from transfer.settings import Warehouse
from transfer.warehouse.bookkeeping import SEPARATOR, is_there, joined, named

TABLE = "etl_mark"


def now(connection: Connection, places: Collection[Place]) -> dict[Place, str]:
    """Return each table's mark, which every write, truncation or rewrite changes.

    A table has none where the server does not count its writes, or has forgotten them.
    """
    by_name = {str(place): place for place in places}
    found = connection.rows(
        "asking for writes",
        "SELECT name, concat_ws(' ', pg_relation_filenode(oid), pg_stat_get_tuples_inserted(oid),"
        " pg_stat_get_tuples_updated(oid), pg_stat_get_tuples_deleted(oid),"
        " pg_postmaster_start_time()::text, (SELECT stats_reset::text FROM pg_stat_database"
        " WHERE datname = current_database()))"
        " FROM (SELECT name, to_regclass(name)::oid AS oid"
        f" FROM unnest(string_to_array($1, chr({ord(SEPARATOR)}))) AS name) AS wanted"
        " WHERE current_setting('track_counts')::boolean AND pg_stat_get_tuples_inserted(oid) > 0",
        (joined(by_name),),
    )
    return {by_name[name]: str(mark) for name, mark in found}


def unwritten(
    connection: Connection,
    warehouse: Warehouse,
    rows: Mapping[Place, int],
    marks: Mapping[Place, str],
) -> dict[Place, int]:
    """Return the tables that nobody has written since they were counted, and their rows."""
    place = named(warehouse, TABLE)
    if not is_there(connection, place):
        return {}
    noted: dict[str, str] = dict(
        connection.rows(f"reading {TABLE}", f"SELECT relation, mark FROM {place}")
    )
    return {
        table: count
        for table, count in rows.items()
        if table in marks and noted.get(str(table)) == with_rows(marks[table], count)
    }


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

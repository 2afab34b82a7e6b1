"""Which rows of base tables have changed since the models were built, for a build from them alone.

Of a row its whole numbers are kept, which are its key and what it belongs to, before and after.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place
from transfer.postgres.pool import connect
from transfer.settings import Warehouse
from transfer.warehouse.bookkeeping import named

# With more, the whole table is built from again; also if no build ever takes them away.
MOST_ROWS = 100_000


def note(
    connection: Connection, warehouse: Warehouse, table: str, name: str, found: Place | None
) -> None:
    """Record the change of a base table, in its transaction and before it gets its next number.

    `found` has the links of the rows that changed; without it any row may have.
    """
    count = _note_rows(connection, warehouse, table, name, found) if found else None
    changes, doing = named(warehouse, "etl_change"), f"noting changes of {name}"
    status = named(warehouse, "etl_transform_status")
    if count is None:
        drop(connection, warehouse, name)
    connection.run(
        doing,
        f"INSERT INTO {changes} (table_name, public_id, row_count)"
        f" SELECT $1, public_id + 1, $3::text::bigint FROM {status} WHERE table_name = $2"
        " ON CONFLICT (table_name, public_id) DO UPDATE SET row_count = excluded.row_count",
        (name, table, None if count is None else str(count)),
    )


def _note_rows(
    connection: Connection, warehouse: Warehouse, table: str, name: str, found: Place
) -> int | None:
    """Keep the rows and return their number; None if they are too many, or nobody builds models."""
    rows, doing = named(warehouse, "etl_changed_row"), f"noting changes of {name}"
    ((count, kept, is_built),) = connection.rows(
        doing,
        f"SELECT (SELECT count(*) FROM {found}),"
        f" (SELECT count(*) FROM {rows} WHERE table_name = $1),"
        f" EXISTS (SELECT FROM {named(warehouse, 'etl_dbt_status')} WHERE good)",
        (name,),
    )
    if not is_built or count + kept > MOST_ROWS:
        return None
    connection.run(
        doing,
        f"INSERT INTO {rows} (table_name, public_id, links)"
        f" SELECT $1, public_id + 1, links FROM {found}, {named(warehouse, 'etl_transform_status')}"
        " WHERE table_name = $2",
        (name, table),
    )
    return int(count)


def complete(warehouse: Warehouse, before: Mapping[str, int], now: Mapping[str, int]) -> None:
    """Mark the tables as changed as a whole whose changes between two builds are not all known."""
    changes, rows = named(warehouse, "etl_change"), named(warehouse, "etl_changed_row")
    with connect(warehouse) as connection:
        connection.run(
            "looking at what changed",
            "WITH wanted AS (SELECT key AS table_name, value::bigint AS now,"
            " coalesce(($2::text::json ->> key)::bigint, 0) AS before"
            " FROM json_each_text($1::text::json)),"
            " counted AS (SELECT table_name, public_id, count(*) AS rows"
            f" FROM {rows} GROUP BY 1, 2),"
            " known AS (SELECT table_name, public_id,"
            f" row_count = coalesce(rows, 0) AS is_known FROM {changes}"
            " LEFT JOIN counted USING (table_name, public_id))"
            f" INSERT INTO {changes} (table_name, public_id)"
            " SELECT table_name, now FROM wanted WHERE now <> before AND now - before <>"
            " (SELECT count(*) FROM known WHERE known.table_name = wanted.table_name"
            " AND is_known AND public_id > before AND public_id <= now)"
            " ON CONFLICT (table_name, public_id) DO UPDATE SET row_count = NULL",
            (json.dumps(dict(now)), json.dumps(dict(before))),
        )
        connection.commit()


def forget(warehouse: Warehouse, seen: Mapping[str, int], build: int) -> None:
    """Forget the changes that a good build has seen; of models, its own and earlier ones."""
    with connect(warehouse) as connection:
        for place in (named(warehouse, "etl_changed_row"), named(warehouse, "etl_change")):
            connection.run(
                "forgetting changes",
                f"DELETE FROM {place} WHERE CASE WHEN public_id > 0"
                " THEN public_id <= ($1::text::json ->> table_name)::bigint"
                " ELSE public_id = -$2::bigint OR changed_at <"
                f" (SELECT built_at FROM {named(warehouse, 'etl_dbt_status')} WHERE id = $2) END",
                (json.dumps(dict(seen)), build),
            )
        connection.commit()


def drop(connection: Connection, warehouse: Warehouse, name: str) -> None:
    """Forget all changes of a base table that goes."""
    rows, changes = named(warehouse, "etl_changed_row"), named(warehouse, "etl_change")
    connection.run(
        "forgetting changes",
        f"WITH gone AS (DELETE FROM {rows} WHERE table_name = $1)"
        f" DELETE FROM {changes} WHERE table_name = $1",
        (name,),
    )

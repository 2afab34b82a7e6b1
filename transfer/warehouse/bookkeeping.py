"""The warehouse's bookkeeping tables: creates those that are missing, and names them in SQL."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place, quote
from transfer.postgres.pool import connect
from transfer.settings import Warehouse

TABLES = Path(__file__).with_name("sql") / "warehouse_tables.sql"
# Somebody may have dropped some of them, perhaps by CASCADE with another.
NAMES = (
    "etl_transform_status",
    "etl_altered_value",
    "etl_mark",
    "etl_schema_change",
    "etl_dbt_status",
    "etl_change",
    "etl_changed_row",
    "etl_run",
    "etl_run_table",
    "etl_table_status",
    "etl_daily_runs",
    "etl_errors",
    "etl_drift",
)
# Stands in no table's name. The driver binds no arrays.
SEPARATOR = "\x01"


def prepare(warehouse: Warehouse) -> None:
    """Create the schemas and bookkeeping tables that are missing."""
    doing = "creating the status tables"
    with connect(warehouse) as connection:
        if _is_complete(connection, warehouse):
            return
        connection.run(doing, "SELECT pg_advisory_xact_lock(hashtext('elt status tables'))")
        raw, base = quote(warehouse.raw_schema), quote(warehouse.base_schema)
        for statement in TABLES.read_text().format(raw=raw, base=base).split(";\n"):
            if statement.strip():
                connection.run(doing, statement)
        connection.commit()


def _is_complete(connection: Connection, warehouse: Warehouse) -> bool:
    ((complete,),) = connection.rows(
        "looking for the status tables",
        "SELECT to_regnamespace(quote_ident($1)) IS NOT NULL"
        " AND to_regnamespace(quote_ident($2)) IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM unnest(string_to_array($3, ' ')) AS name"
        " WHERE to_regclass(format('%I.%I', $1, name)) IS NULL)",
        (warehouse.base_schema, warehouse.raw_schema, " ".join(NAMES)),
    )
    return bool(complete)


def named(warehouse: Warehouse, table: str) -> Place:
    """Return where a bookkeeping table stands."""
    return Place(warehouse.base_schema, table)


def is_there(connection: Connection, place: Place) -> bool:
    """Tell whether a bookkeeping table is there; a warehouse may never have been prepared."""
    asking = "SELECT to_regclass($1) IS NOT NULL"
    return bool(connection.rows("looking for the history", asking, (str(place),))[0][0])


def joined(names: Iterable[str]) -> str:
    """Write names as one value to bind, which `among` takes apart."""
    return SEPARATOR.join(names)


def among(column: str, parameter: str) -> str:
    """Return the condition that a column has one of the names that were joined."""
    return f"{column} = ANY(string_to_array({parameter}, chr({ord(SEPARATOR)})))"

"""The proof that the replica holds, or would hold, the rows that were read at the source."""

from __future__ import annotations

from datetime import datetime

from transfer.errors import TableError
from transfer.mysql import grid, hashing, pool, ranges
from transfer.mysql.connection import Connection
from transfer.mysql.literals import quote
from transfer.replica import cells
from transfer.replica.cells import Cells
from transfer.replica.shadow import Shadow
from transfer.settings import Limits, Replica
from transfer.values.table import Table


def prove(connection: Connection, name: str, shadow: Shadow) -> None:
    """Compare the rows of a table with those that were read and kept, by count and hashes.

    Raises:
        TableError: the replica would not hold those rows.

    """
    table = shadow.table
    rows, hashes = hashes_of(connection, table, name, shadow.since)
    wanted: int | None
    if shadow.since is None:
        wanted = (shadow.loaded.hashes + shadow.kept.hashes) % hashing.HASHES
    else:  # rows that were read are proven over all columns
        held, partly = _hashes_of_read(connection, shadow, shadow.since)
        equal = held == shadow.loaded.hashes
        wanted = (partly + shadow.kept.hashes) % hashing.HASHES if equal else None
    _check(shadow, (rows, shadow.total), (hashes, wanted))


def prove_by_cells(connection: Connection, shadow: Shadow) -> Cells | None:
    """Prove a shadow with all rows; return its rows by cells if they are worth being recorded.

    Raises:
        TableError: the replica would not hold the rows that were read.

    """
    table = shadow.table
    if shadow.total <= shadow.lock.limits.reload_rows or not grid.is_gridded(table):
        prove(connection, shadow.name, shadow)
        return None
    measured = cells.measured(connection, table, shadow.name, shadow.total)
    wanted = (shadow.loaded.hashes + shadow.kept.hashes) % hashing.HASHES
    _check(shadow, (measured.rows, shadow.total), (measured.hashes, wanted))
    return measured


def prove_changed(connection: Connection, shadow: Shadow) -> None:
    """Compare the standing table's rows of the shadow's scope with those that were read.

    All other rows are as they were.

    Raises:
        TableError: the replica would not hold those rows.

    """
    table, rows, hashes = shadow.table, 0, 0
    for condition in ranges.conditions(table, shadow.scope):
        some, their_hashes = hashes_of(connection, table, table.name, within=condition)
        rows, hashes = rows + some, (hashes + their_hashes) % hashing.HASHES
    _check(shadow, (rows, shadow.loaded.rows), (hashes, shadow.loaded.hashes))


def _check(shadow: Shadow, rows: tuple[int, int], hashes: tuple[int | None, int | None]) -> None:
    """Compare what a table holds, the first of each pair, with what was read."""
    table = shadow.table
    if rows[0] != rows[1]:
        raise TableError(
            f"{table.name}: {rows[1]} rows were read but the replica would hold {rows[0]}."
        )
    if hashes[0] is None or hashes[0] != hashes[1]:
        raise TableError(
            f"{table.name}: the replica would hold other values than were read; nothing was"
            f" changed.{_hint(table)}"
        )


def _hint(table: Table) -> str:
    made = [column.name for column in table.columns if column.generated]
    return (
        f" Its generated columns ({', '.join(made)}) may depend on who wrote them:"
        f" ELT_EXCLUDE={table.name} leaves it out."
        if made
        else ""
    )


def hashes_of(
    connection: Connection,
    table: Table,
    name: str,
    since: datetime | None = None,
    within: str = "TRUE",
) -> tuple[int, int]:
    """Return the number of rows of the table `name`, and the sum of their hashes modulo 2^64.

    Only those are counted for which the condition `within` holds.
    """
    row_hash = hashing.row_hash(table, since)
    statement = f"SELECT COUNT(*), COALESCE(SUM({row_hash}), 0) FROM {quote(name)} WHERE {within}"
    ((rows, total),) = connection.rows(f"proving {table.name}", statement)
    return int(rows), int(total) % hashing.HASHES


def _hashes_of_read(connection: Connection, shadow: Shadow, since: datetime) -> tuple[int, int]:
    """Return the sums of the hashes of the table's rows that were read.

    The first is over all columns, the second as kept rows are hashed.
    """
    table = shadow.table
    whole, partly = (hashing.row_hash(table, moment, "t.") for moment in (None, since))
    ((whole_sum, partly_sum),) = connection.rows(
        f"proving {table.name}",
        f"SELECT COALESCE(SUM({whole}), 0), COALESCE(SUM({partly}), 0)"
        f" FROM {quote(shadow.name)} s JOIN {quote(table.name)} t ON {_same_key(table)}",
    )
    return int(whole_sum) % hashing.HASHES, int(partly_sum) % hashing.HASHES


def count_missed(shadow: Shadow, since: datetime) -> int:
    """Count the rows to be changed that have the same key and stamps as before.

    A run that verifies nothing misses them.
    """
    if shadow.scope.empty:
        return 0
    table = shadow.table
    new, old = (hashing.row_hash(table, since, alias) for alias in ("s.", "t."))
    new_whole, old_whole = (hashing.row_hash(table, None, alias) for alias in ("s.", "t."))
    ((count,),) = shadow.lock.connection.rows(
        f"comparing {table.name}",
        f"SELECT COUNT(*) FROM {quote(shadow.name)} s JOIN {quote(table.name)} t"
        f" ON {_same_key(table)} WHERE {new} = {old} AND {new_whole} <> {old_whole}",
    )
    return int(count)


def _same_key(table: Table) -> str:
    return " AND ".join(f"t.{quote(key)} = s.{quote(key)}" for key in table.key)


def count_surplus(shadow: Shadow) -> tuple[int, int]:
    """Count the rows that only the shadow has, and those that only the standing table has.

    Rows that occur several times count as often.
    """
    row_hash, table = hashing.row_hash(shadow.table), shadow.lock.table
    ((inserted, deleted),) = shadow.lock.connection.rows(
        f"comparing {table}",
        "SELECT COALESCE(SUM(GREATEST(surplus, 0)), 0), COALESCE(SUM(GREATEST(-surplus, 0)), 0)"
        " FROM (SELECT SUM(side) AS surplus FROM"
        f" (SELECT {row_hash} AS hash, 1 AS side FROM {quote(shadow.name)}"
        f" UNION ALL SELECT {row_hash}, -1 FROM {quote(table)}) AS both_tables"
        " GROUP BY hash) AS each_row",
    )
    return int(inserted), int(deleted)


def differs(replica: Replica, limits: Limits, table: Table, hashes: tuple[int, int]) -> bool:
    """Tell whether a table holds other rows than the source, by their number and sum of hashes."""
    with pool.connect(replica, limits) as connection:
        return hashes_of(connection, table, table.name) != hashes

"""`raw` in PostgreSQL: the replica's tables under their own names, value for value; what cannot be held is counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

import pyarrow as pa
import pyarrow.compute as pc

from transfer import positions, postgres
from transfer.casts import cast_of, warehouse_type
from transfer.errors import TableError
from transfer.layout import fit, raw_fields, raw_key
from transfer.mysql import quote as mysql_quote
from transfer.postgres import Changes, Place
from transfer.settings import Limits, Warehouse
from transfer.table import Hop, Table

SIDE = Place("", "_elt_side")


@dataclass(frozen=True, slots=True)
class Origin:
    """What is loaded: an extract of a copy, with its counts of rows and of values that are not NULL, per column."""

    generation: str
    extract_id: int
    rows: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    rows: int
    values: tuple[int, ...]
    nul_characters: tuple[int, ...]


def select(table: Table) -> str:
    """Return the select list that reads the replica's columns as `raw` holds them."""
    return ", ".join(cast_of(column).for_raw.format(c=mysql_quote(column.name)) for column in table.columns)


def load(
    warehouse: Warehouse, limits: Limits, table: Table, fence: int, origin: Origin, pages: Iterable[pa.Table]
) -> tuple[Hop, dict[str, dict[str, int]]]:
    """Make `raw` equal to the replica's pages, rows and position in one transaction; return the values it could not hold.

    Raises:
        TableError: the counts of rows or of NULLs do not agree with the replica's.

    """
    started = monotonic()
    target = Place("raw", fit(table.name))
    with postgres.connect(warehouse) as connection:
        postgres.wait_for_locks(connection, limits.lock_seconds)
        positions.take(connection, warehouse, table.name, fence)
        first = not postgres.stands(connection, target, warehouse.schema_name)
        side = target if first else SIDE
        postgres.create(connection, side, raw_fields(table), temporary=not first)
        read = _copy(connection, side, table, pages)
        altered = _proven(table, origin, read)
        if first:
            postgres.add_key(connection, limits, target, raw_key(table))
            postgres.claim(connection, target, warehouse.schema_name)
            changes = Changes(read.rows, 0, 0)
        else:
            connection.run(f"looking at {table.name}", f"ANALYZE {side}")
            postgres.conform(connection, limits, target, raw_fields(table), raw_key(table))
            changes = postgres.merge(connection, limits, side, target, raw_fields(table), raw_key(table))
        positions.note_loaded(
            connection,
            warehouse,
            table.name,
            target,
            generation=origin.generation,
            extract_id=origin.extract_id,
            rows=origin.rows,
            altered=altered,
            moved=first or changes.any,
        )
        connection.commit()
    return Hop("load", read.rows, changes.inserted, changes.updated, changes.deleted, monotonic() - started), altered


def _copy(connection: postgres.Connection, side: Place, table: Table, pages: Iterable[pa.Table]) -> _Read:
    total = _Read(0, (0,) * len(table.columns), (0,) * len(table.columns))
    for page in pages:
        clean, nul_characters = _without_nul_characters(page)
        connection.copy(f"loading {table.name}", side, raw_fields(table), clean)
        total = _Read(
            total.rows + page.num_rows,
            tuple(
                before + page.num_rows - column.null_count
                for before, column in zip(total.values, page.columns, strict=True)
            ),
            tuple(before + found for before, found in zip(total.nul_characters, nul_characters, strict=True)),
        )
    return total


def _without_nul_characters(page: pa.Table) -> tuple[pa.Table, list[int]]:
    """Remove U+0000 from texts, which PostgreSQL cannot hold; return how many values of each column had one."""
    found = [0] * page.num_columns
    for position, column in enumerate(page.columns):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            found[position] = pc.sum(pc.match_substring(column, "\x00")).as_py() or 0
            if found[position]:
                page = page.set_column(position, page.field(position), pc.replace_substring(column, "\x00", ""))
    return page, found


def _proven(table: Table, origin: Origin, read: _Read) -> dict[str, dict[str, int]]:
    """Compare what was loaded with the replica's counts; a date that became NULL is named, any other loss is an error."""
    if read.rows != origin.rows:
        raise TableError(f"{table.name}: the replica holds {origin.rows} rows but {read.rows} were read for raw.")
    altered: dict[str, dict[str, int]] = {}
    for column, had, has, nul_characters in zip(
        table.columns, origin.values, read.values, read.nul_characters, strict=True
    ):
        if had != has and warehouse_type(column) not in ("date", "timestamp", "timestamptz"):
            raise TableError(
                f"{table.name}: column {column.name} has {had} values in the replica but {has} were read for raw."
            )
        kinds = {"impossible_dates": had - has, "nul_characters": nul_characters}
        if any(kinds.values()):
            altered[column.name] = {kind: count for kind, count in kinds.items() if count}
    return altered

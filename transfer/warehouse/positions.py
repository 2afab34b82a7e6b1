"""Where `raw` and `public` stand with each table: a row of etl_transform_status."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from transfer.errors import DatabaseFault, TableBusy
from transfer.postgres import tables
from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place
from transfer.postgres.locks import wait_for_locks
from transfer.postgres.pool import connect
from transfer.rules.layout import fit, snake_case
from transfer.server_codes import MISSING_TABLE
from transfer.settings import Limits, Warehouse
from transfer.values.table import Loaded, digest
from transfer.warehouse import changed_rows, marks, schemas
from transfer.warehouse.bookkeeping import among, joined, named
from transfer.warehouse.schemas import SchemaChange


@dataclass(frozen=True, slots=True)
class Load:
    """Which extract of a table `raw` holds, in which of its own, and under which columns' names.

    `altered` are the values that PostgreSQL cannot hold, by column and kind.
    It is `moved` when `public` may need its rows.
    """

    target: Place
    generation: str
    extract_id: int
    extract_run: str
    rows: int
    structure: str
    names: Mapping[str, Mapping[str, str]]
    altered: Mapping[str, Mapping[str, int]]
    moved: bool


@dataclass(frozen=True, slots=True)
class Standardization:
    """Which load of a table `public` holds, in which of its own, made by which rules.

    It is `moved` when its rows are others than before.
    """

    target: Place
    load_id: int
    rules: str
    moved: bool


class Position(NamedTuple):
    """What is recorded of a table when a transaction takes it.

    The names are None until it is there, and `structure` is empty until it was loaded.
    """

    load_id: int
    extract_id: int
    raw_name: str | None
    public_name: str | None
    structure: str


class _Row(NamedTuple):
    """A table's row, and which tables stand now under the object numbers that it names."""

    table_name: str
    fence: int
    generation: str
    extract_id: int
    extract_run: str
    load_id: int
    standardized_id: int
    rules: str
    public_id: int
    raw_name: str | None
    raw_rows: int
    raw_stands_as: str | None
    public_name: str | None
    public_rows: int
    public_stands: bool
    loaded_days: float
    verified_days: float | None
    verify_seconds: float | None


def state(
    warehouse: Warehouse, only: Sequence[str] | None = None, *, counted: bool = True
) -> dict[str, Loaded]:
    """Read the position of every table, or of those named, and count what `raw` and `public` hold.

    A caller that holds a table's lock and has counted it before need not count again: the rows are
    those that are recorded.
    """
    with connect(warehouse) as connection:
        try:
            found = _rows(connection, warehouse, only)
        except DatabaseFault as fault:
            if fault.code in MISSING_TABLE:  # never prepared
                return {}
            raise
        recorded = {
            standing.place: standing.rows
            for row in found
            for standing in (_in_raw(warehouse, row), _in_public(warehouse, row))
            if standing.place
        }
        if not counted:
            return {row.table_name: _loaded(warehouse, row, recorded, {}) for row in found}
        found_marks = marks.read(connection, warehouse, recorded) if recorded else {}
        held: dict[Place, int | None] = {
            place: recorded[place]
            for place, mark in found_marks.items()
            if mark.is_of(recorded[place])
        }
        left = {
            place: found_marks[place].now if place in found_marks else ""
            for place in recorded
            if place not in held
        }
        held |= tables.counts(connection, left)
    return {row.table_name: _loaded(warehouse, row, held, left) for row in found}


def _rows(connection: Connection, warehouse: Warehouse, only: Sequence[str] | None) -> list[_Row]:
    found = connection.rows(
        "reading etl_transform_status",
        "SELECT table_name, fence, replica_generation, extract_id, coalesce(extract_run, ''),"
        " load_id, standardized_id, standardize_rules, public_id,"
        " raw_name, raw_rows, raw_class.relname::text,"
        " public_name, public_rows, coalesce(public_class.relname::text = public_name, false),"
        f" {_days('first_loaded_at')}, {_days('verified_at')}, verify_seconds"
        f" FROM {_status(warehouse)} AS status"
        # As oid, or the whole catalogue would be read.
        " LEFT JOIN pg_class AS raw_class ON raw_class.oid = raw_oid::oid"
        " AND raw_class.relnamespace = to_regnamespace(quote_ident($2))"
        " LEFT JOIN pg_class AS public_class ON public_class.oid = public_oid::oid"
        " AND public_class.relnamespace = to_regnamespace(quote_ident($1))"
        + (f" WHERE {among('table_name', '$3')}" if only else ""),
        (warehouse.base_schema, warehouse.raw_schema, *([joined(only)] if only else [])),
    )
    return [_Row(*row) for row in found]


def _days(column: str) -> str:
    """Return the SQL for the days since a time."""
    return f"(extract(epoch FROM now() - {column}) / 86400)::double precision"


@dataclass(frozen=True, slots=True)
class _Standing:
    """A table that is there as recorded, and its recorded rows; the place is None if it is not."""

    place: Place | None
    rows: int

    def is_intact(self, held: Mapping[Place, int | None]) -> bool:
        """Tell whether the table is there with its rows."""
        return self.place is not None and held[self.place] == self.rows


def _in_raw(warehouse: Warehouse, row: _Row) -> _Standing:
    stands = row.raw_name if row.raw_name == row.raw_stands_as else None
    return _Standing(Place(warehouse.raw_schema, stands) if stands else None, row.raw_rows)


def _in_public(warehouse: Warehouse, row: _Row) -> _Standing:
    stands = row.public_name if row.public_stands else None
    return _Standing(Place(warehouse.base_schema, stands) if stands else None, row.public_rows)


def _loaded(
    warehouse: Warehouse, row: _Row, held: Mapping[Place, int | None], counted: Mapping[Place, str]
) -> Loaded:
    """Make what is known of a table; `counted` are the marks of those just counted."""
    both = (_in_raw(warehouse, row), _in_public(warehouse, row))
    return Loaded(
        fence=row.fence,
        generation=row.generation,
        extract_id=row.extract_id,
        load_id=row.load_id,
        standardized_id=row.standardized_id,
        rules=row.rules,
        public_id=row.public_id,
        raw_name=row.raw_name or fit(row.table_name),
        raw_intact=both[0].is_intact(held),
        public_intact=both[1].is_intact(held),
        extract_run=row.extract_run,
        rows=row.raw_rows,
        loaded_days=row.loaded_days,
        verified_days=row.verified_days,
        verify_seconds=row.verify_seconds,
        marks=tuple(
            (str(standing.place), marks.with_rows(counted[standing.place], standing.rows))
            for standing in both
            if standing.place and counted.get(standing.place) and standing.is_intact(held)
        ),
    )


def _status(warehouse: Warehouse) -> Place:
    return named(warehouse, "etl_transform_status")


def take(connection: Connection, warehouse: Warehouse, table: str, fence: int) -> Position:
    """Keep older writers of a table out until the transaction ends, and return its position.

    Raises:
        TableBusy: a younger writer has been here.

    """
    taken = connection.rows(
        f"locking {table}",
        f"INSERT INTO {_status(warehouse)} AS status (table_name, fence) VALUES ($1, $2)"
        " ON CONFLICT (table_name) DO UPDATE SET fence = excluded.fence"
        " WHERE status.fence <= excluded.fence"
        " RETURNING load_id, extract_id, raw_name, public_name, coalesce(structure, '')",
        (table, fence),
    )
    if not taken:
        raise TableBusy(f"{table} was taken over by another run; this one stops writing it.")
    return Position(*taken[0])


def note_loaded(connection: Connection, warehouse: Warehouse, table: str, load: Load) -> int:
    """Record which extract `raw` holds now, in the transaction that loaded it.

    Return the number of what it holds.
    """
    ((load_id,),) = connection.rows(
        "writing etl_transform_status",
        f"UPDATE {_status(warehouse)} SET replica_generation = $2, extract_id = $3,"
        " load_id = load_id + $4, raw_oid = to_regclass($5)::oid::bigint, raw_rows = $6,"
        " values_altered = $7, raw_name = $8, names_altered = $9, extract_run = $10,"
        " structure = $11, loaded_at = now(), checked_at = now() WHERE table_name = $1"
        " RETURNING load_id",
        (
            table,
            load.generation,
            load.extract_id,
            int(load.moved),
            str(load.target),
            load.rows,
            json.dumps(load.altered),
            load.target.name,
            json.dumps(load.names),
            load.extract_run,
            load.structure,
        ),
    )
    return int(load_id)


def note_standardized(
    connection: Connection, warehouse: Warehouse, table: str, made: Standardization
) -> int:
    """Record which load `public` holds now, in the transaction that standardized it.

    Return the number of its rows.
    """
    ((rows,),) = connection.rows(
        "writing etl_transform_status",
        f"UPDATE {_status(warehouse)} SET public_name = $2, standardized_id = $3,"
        " standardize_rules = $4, public_id = public_id + $5,"
        " public_oid = to_regclass($6)::oid::bigint,"
        f" public_rows = (SELECT count(*) FROM {made.target}),"
        " standardized_at = now(), checked_at = now() WHERE table_name = $1"
        " RETURNING public_rows",
        (table, made.target.name, made.load_id, made.rules, int(made.moved), str(made.target)),
    )
    return int(rows)


def forget(warehouse: Warehouse, limits: Limits, table: str, fence: int) -> None:
    """Drop a table from `raw` and `public` with its position, and record that it was asked for.

    Raises:
        TableError: something else depends on it, or the pipeline did not make it; then nothing of
            it is dropped.

    """
    doing = "writing etl_transform_status"
    with connect(warehouse) as connection:
        wait_for_locks(connection, limits.lock_seconds)
        position = take(connection, warehouse, table, fence)
        raw, public = position.raw_name, position.public_name
        for place in (
            Place(warehouse.base_schema, public or ""),
            Place(warehouse.raw_schema, raw or ""),
        ):
            if place.name and tables.stands(connection, place, warehouse.base_schema):
                tables.drop(connection, limits, place)
        if raw or public:
            schemas.note(connection, warehouse, "", [SchemaChange(table, schemas.DROPPED)])
        changed_rows.drop(connection, warehouse, public or "")
        for its in (_status(warehouse), named(warehouse, "etl_altered_value")):
            connection.run(doing, f"DELETE FROM {its} WHERE table_name = $1", (table,))
        connection.commit()


def confirm(warehouse: Warehouse, names: Sequence[str]) -> None:
    """Record that tables were found equal to the replica just now."""
    with connect(warehouse) as connection:
        connection.run(
            "writing etl_transform_status",
            # Rows that another run has locked are left to it.
            f"UPDATE {_status(warehouse)} SET checked_at = now() WHERE table_name IN"
            f" (SELECT table_name FROM {_status(warehouse)} WHERE {among('table_name', '$1')}"
            " FOR UPDATE SKIP LOCKED)",
            (joined(names),),
        )
        connection.commit()


def note_verified(warehouse: Warehouse, table: str, seconds: float) -> None:
    """Record that a table is equal in all places, if need be repaired, and how long that took."""
    with connect(warehouse) as connection:
        connection.run(
            "writing etl_transform_status",
            f"UPDATE {_status(warehouse)} SET verified_at = now(), verify_seconds = $2,"
            " checked_at = now() WHERE table_name = $1",
            (table, seconds),
        )
        connection.commit()


def name_of(
    connection: Connection, warehouse: Warehouse, table: str, kind: Literal["raw", "public"]
) -> str:
    """Return the table's name in `raw` or `public`.

    That is the recorded one, else its own unless another table has that already.
    """
    wanted = fit(table) if kind == "raw" else fit(snake_case(table))
    # Another run or thread may be about to take it for another table.
    connection.run(
        "choosing a name", "SELECT pg_advisory_xact_lock(hashtext($1))", (f"elt {kind} {wanted}",)
    )
    found = connection.rows(
        "reading etl_transform_status",
        f"SELECT table_name, {kind}_name FROM {_status(warehouse)}"
        f" WHERE table_name = $1 OR {kind}_name = $2",
        (table, wanted),
    )
    recorded = {row[0]: row[1] for row in found}
    if recorded.get(table):
        return str(recorded[table])
    return wanted if wanted not in recorded.values() else fit(f"{wanted}_{digest(table)[:8]}")


def base_tables(warehouse: Warehouse) -> dict[str, int]:
    """Return each base table's number, which grows when its rows change."""
    with connect(warehouse) as connection:
        found = connection.rows(
            "reading etl_transform_status",
            f"SELECT public_name, public_id FROM {_status(warehouse)}"
            " WHERE public_name IS NOT NULL AND public_id > 0",
        )
    return {str(name): int(number) for name, number in found}

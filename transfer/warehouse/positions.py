"""Where the warehouse stands: its bookkeeping tables, read by the survey and written with the rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Literal, NamedTuple

from transfer.errors import DatabaseFault, TableBusy
from transfer.postgres import tables
from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place, quote
from transfer.postgres.locks import wait_for_locks
from transfer.postgres.pool import connect
from transfer.rules.layout import fit, snake_case
from transfer.server_codes import MISSING_TABLE
from transfer.settings import Limits, Warehouse
from transfer.values.table import Loaded, digest
from transfer.warehouse import schemas
from transfer.warehouse.schemas import SchemaChange

TABLES = Path(__file__).with_name("sql") / "warehouse_tables.sql"


def prepare(warehouse: Warehouse) -> None:
    """Create the schemas and bookkeeping tables that are missing."""
    with connect(warehouse) as connection:
        ((present,),) = connection.rows(
            "looking for the status tables",
            "SELECT to_regnamespace(quote_ident($3)) IS NOT NULL AND to_regnamespace(quote_ident($1)) IS NOT NULL AND NOT EXISTS (SELECT"
            " FROM json_each($2::text::json) AS wanted (relation, names), json_array_elements_text(names) AS name"
            " WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attname = name AND NOT attisdropped"
            " AND attrelid = to_regclass(format('%I.%I', $1, relation))))",
            (warehouse.base_schema, json.dumps(_PRESENT), warehouse.raw_schema),
        )
        if present:
            return
        connection.run(
            "creating the status tables",
            "SELECT pg_advisory_xact_lock(hashtext('elt status tables'))",
        )
        raw, base = (quote(schema) for schema in (warehouse.raw_schema, warehouse.base_schema))
        for statement in TABLES.read_text().format(raw=raw, base=base).split(";\n"):
            if statement.strip():
                connection.run("creating the status tables", statement)
        connection.commit()


# What of the bookkeeping an earlier release did not have, and what somebody may have dropped with another table.
_PRESENT = {
    "etl_transform_status": (
        "names_altered",
        "verified_at",
        "verify_seconds",
        "first_loaded_at",
        "structure",
        "gone_at",
        "extract_run",
    ),
    "etl_schema_change": ("id",),
    "etl_dbt_status": ("id",),
    "etl_run_table": ("bytes_read", "watermark_before", "watermark_after"),
    "etl_table_status": ("verified_at",),
    "etl_daily_runs": ("error_rate",),
    "etl_errors": ("error_class",),
    "etl_drift": ("found",),
}


def _status(warehouse: Warehouse) -> str:
    return f"{quote(warehouse.base_schema)}.etl_transform_status"


class _Row(NamedTuple):
    """A table's row of etl_transform_status, and which tables stand now under the numbers that it names."""

    table_name: str
    fence: int
    generation: str
    extract_id: int
    extract_run: str | None
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
    altered: str
    loaded_days: float
    verified_days: float | None
    verify_seconds: float | None


def state(
    warehouse: Warehouse, only: Sequence[str] | None = None, *, counted: bool = True
) -> dict[str, Loaded]:
    """Read the position of every table, or of those named, and count what `raw` and `public` hold of them.

    Who holds the lock of a table that was `counted` before need not do so again: its rows are those that are recorded.
    """
    with connect(warehouse) as connection:
        try:
            found = _rows(connection, warehouse, only)
        except DatabaseFault as fault:
            if fault.code in MISSING_TABLE:  # never prepared
                return {}
            raise
        recorded: dict[Place, int | None] = {}
        for row in found:
            recorded |= {place: rows for place, rows in _standing(warehouse, row) if place}
        held = tables.counts(connection, recorded) if counted else recorded
    return {row.table_name: _loaded(warehouse, row, held) for row in found}


def _rows(connection: Connection, warehouse: Warehouse, only: Sequence[str] | None) -> list[_Row]:
    found = connection.rows(
        "reading etl_transform_status",
        f"SELECT table_name, fence, replica_generation, extract_id, {_held('extract_run')}, load_id, standardized_id,"
        " standardize_rules, public_id, raw_name, raw_rows, raw_class.relname::text, public_name, public_rows,"
        " coalesce(public_class.relname::text = public_name, false), values_altered,"
        f" coalesce({_days('first_loaded_at')}, 0), {_days('verified_at')}, {_held('verify_seconds')}::double precision"
        f" FROM {_status(warehouse)} AS status"
        " LEFT JOIN pg_class AS raw_class ON raw_class.oid = raw_oid AND raw_class.relnamespace = to_regnamespace(quote_ident($2))"
        " LEFT JOIN pg_class AS public_class ON public_class.oid = public_oid"
        " AND public_class.relnamespace = to_regnamespace(quote_ident($1))"
        + (" WHERE table_name = ANY(string_to_array($3, chr(1)))" if only else ""),
        (warehouse.base_schema, warehouse.raw_schema, *(["\x01".join(only)] if only else [])),
    )
    return [_Row(*row) for row in found]


def _standing(
    warehouse: Warehouse, row: _Row
) -> tuple[tuple[Place | None, int], tuple[Place | None, int]]:
    """Return where the table stands in `raw` and in `public`, with the rows that are recorded of each."""
    raw = (
        Place(warehouse.raw_schema, row.raw_name)
        if row.raw_name and row.raw_name == row.raw_stands_as
        else None
    )
    public = (
        Place(warehouse.base_schema, row.public_name)
        if row.public_name and row.public_stands
        else None
    )
    return (raw, row.raw_rows), (public, row.public_rows)


def _loaded(warehouse: Warehouse, row: _Row, held: Mapping[Place, int | None]) -> Loaded:
    raw_intact, public_intact = (
        place is not None and held[place] == rows for place, rows in _standing(warehouse, row)
    )
    return Loaded(
        fence=row.fence,
        generation=row.generation,
        extract_id=row.extract_id,
        load_id=row.load_id,
        standardized_id=row.standardized_id,
        rules=row.rules,
        public_id=row.public_id,
        raw_name=row.raw_name or fit(row.table_name),
        raw_intact=raw_intact,
        public_intact=public_intact,
        extract_run=row.extract_run or "",
        rows=row.raw_rows,
        altered=row.altered != "{}",
        loaded_days=row.loaded_days,
        verified_days=row.verified_days,
        verify_seconds=row.verify_seconds,
    )


def _held(column: str) -> str:
    """Read a column of the status table; that of an earlier release, which a plan leaves as it is, may lack it."""
    return f"(to_jsonb(status) ->> '{column}')"


def _days(column: str) -> str:
    """Write the days since a time."""
    return f"(extract(epoch FROM now() - {_held(column)}::timestamptz) / 86400)::double precision"


def take(connection: Connection, warehouse: Warehouse, table: str, fence: int) -> None:
    """Keep older writers of a table out until the transaction ends.

    Raises:
        TableBusy: a younger writer has been here.

    """
    taken = connection.rows(
        f"locking {table}",
        f"INSERT INTO {_status(warehouse)} AS status (table_name, fence) VALUES ($1, $2)"
        " ON CONFLICT (table_name) DO UPDATE SET fence = excluded.fence WHERE status.fence <= excluded.fence RETURNING fence",
        (table, fence),
    )
    if not taken:
        raise TableBusy(f"{table} was taken over by another run; this one stops writing it.")


def note_loaded(
    connection: Connection,
    warehouse: Warehouse,
    table: str,
    target: Place,
    *,
    generation: str,
    extract_id: int,
    extract_run: str,
    rows: int,
    names: dict[str, dict[str, str]],
    altered: dict[str, dict[str, int]],
    moved: bool,
) -> None:
    """Write down which extract `raw` holds now, under which names; `moved` when `public` may need its rows."""
    connection.run(
        "writing etl_transform_status",
        f"UPDATE {_status(warehouse)} SET replica_generation = $2, extract_id = $3, load_id = load_id + $4,"
        " raw_oid = to_regclass($5)::oid::bigint, raw_rows = $6, values_altered = $7, raw_name = $8, names_altered = $9,"
        " extract_run = $10, loaded_at = now(), checked_at = now() WHERE table_name = $1",
        (
            table,
            generation,
            extract_id,
            int(moved),
            str(target),
            rows,
            json.dumps(altered),
            target.name,
            json.dumps(names),
            extract_run,
        ),
    )


def forget(warehouse: Warehouse, limits: Limits, table: str, fence: int) -> None:
    """Drop a table from `raw` and `public` together with its position, and write down that it was asked for.

    Raises:
        TableError: something else depends on it, or it was not made by the pipeline; then nothing of it is dropped.

    """
    with connect(warehouse) as connection:
        wait_for_locks(connection, limits.lock_seconds)
        take(connection, warehouse, table, fence)
        ((raw, public),) = connection.rows(
            "reading etl_transform_status",
            f"SELECT raw_name, public_name FROM {_status(warehouse)} WHERE table_name = $1",
            (table,),
        )
        for place in (
            Place(warehouse.base_schema, public or ""),
            Place(warehouse.raw_schema, raw or ""),
        ):
            if place.name and tables.stands(connection, place, warehouse.base_schema):
                tables.drop(connection, limits, place)
        if raw or public:
            schemas.note(connection, warehouse, "", [SchemaChange(table, schemas.DROPPED)])
        connection.run(
            "writing etl_transform_status",
            f"DELETE FROM {_status(warehouse)} WHERE table_name = $1",
            (table,),
        )
        connection.commit()


def confirm(warehouse: Warehouse, tables: Sequence[str]) -> None:
    """Note that tables were found equal to the replica just now."""
    with connect(warehouse) as connection:
        connection.run(
            "writing etl_transform_status",
            # Rows that another run has locked are left to it.
            f"UPDATE {_status(warehouse)} SET checked_at = now() WHERE table_name IN (SELECT table_name"
            f" FROM {_status(warehouse)} WHERE table_name = ANY(string_to_array($1, chr(1))) FOR UPDATE SKIP LOCKED)",
            ("\x01".join(tables),),
        )
        connection.commit()


def note_verified(warehouse: Warehouse, table: str, seconds: float) -> None:
    """Note that a table was found equal in all places just now, or was made so, and what finding out took."""
    with connect(warehouse) as connection:
        connection.run(
            "writing etl_transform_status",
            f"UPDATE {_status(warehouse)} SET verified_at = now(), verify_seconds = $2, checked_at = now()"
            " WHERE table_name = $1",
            (table, seconds),
        )
        connection.commit()


def name_of(
    connection: Connection,
    warehouse: Warehouse,
    table: str,
    kind: Literal["raw", "public"],
) -> str:
    """Return the table's name in `raw` or `public`: the recorded one, else its own unless another table has that already."""
    wanted = fit(table) if kind == "raw" else fit(snake_case(table))
    # Another run or thread may be about to take it for another table.
    connection.run(
        "choosing a name", "SELECT pg_advisory_xact_lock(hashtext($1))", (f"elt {kind} {wanted}",)
    )
    found = connection.rows(
        "reading etl_transform_status",
        f"SELECT table_name, {kind}_name FROM {_status(warehouse)} WHERE table_name = $1 OR {kind}_name = $2",
        (table, wanted),
    )
    recorded = {row[0]: row[1] for row in found}
    if recorded.get(table):
        return str(recorded[table])
    return wanted if wanted not in recorded.values() else fit(f"{wanted}_{digest(table)[:8]}")


def load_id(connection: Connection, warehouse: Warehouse, table: str) -> int:
    """Return the number of the version that `raw` holds."""
    statement = f"SELECT load_id FROM {_status(warehouse)} WHERE table_name = $1"
    return int(connection.rows("reading etl_transform_status", statement, (table,))[0][0])


def note_standardized(
    connection: Connection,
    warehouse: Warehouse,
    table: str,
    target: Place,
    *,
    load: int,
    rules: str,
    moved: bool,
) -> None:
    """Write down which load `public` holds now, made by which rules; `moved` when its rows are others than before."""
    connection.run(
        "writing etl_transform_status",
        f"UPDATE {_status(warehouse)} SET public_name = $2, standardized_id = $3, standardize_rules = $4,"
        " public_id = public_id + $5, public_oid = to_regclass($6)::oid::bigint,"
        f" public_rows = (SELECT count(*) FROM {target}), standardized_at = now(), checked_at = now() WHERE table_name = $1",
        (table, target.name, load, rules, int(moved), str(target)),
    )


@dataclass(frozen=True, slots=True)
class Built:
    """The last good build of the models: of which project, from which base tables, when, and whether its relations stand.

    It is overtaken when a build of another project was begun since, whose relations may stand in the place of its own.
    """

    project: str
    positions: dict[str, int]
    before_today: bool
    complete: bool
    overtaken: bool


def base_tables(warehouse: Warehouse) -> dict[str, int]:
    """Return each base table's number, which grows when its rows change."""
    with connect(warehouse) as connection:
        found = connection.rows(
            "reading etl_transform_status",
            f"SELECT public_name, public_id FROM {_status(warehouse)} WHERE public_name IS NOT NULL AND public_id > 0",
        )
    return {str(name): int(number) for name, number in found}


def last_build(warehouse: Warehouse, time_zone: str) -> Built | None:
    """Return the last good build, None before the first; the time zone tells when a day begins."""
    with connect(warehouse) as connection:
        found = connection.rows(
            "reading etl_dbt_status",
            "SELECT project_hash, positions, relations, (built_at AT TIME ZONE $1)::date < (now() AT TIME ZONE $1)::date,"
            f" EXISTS (SELECT FROM {_builds(warehouse)} AS later WHERE later.id > last.id AND later.project_hash <> last.project_hash)"
            f" FROM {_builds(warehouse)} AS last WHERE good ORDER BY id DESC LIMIT 1",
            (time_zone,),
        )
        if not found:
            return None
        project, numbers, relations, before_today, overtaken = found[0]
        ((missing,),) = connection.rows(
            "looking for the models",
            "SELECT count(*) FROM json_array_elements_text($1::text::json) AS relation WHERE to_regclass(relation) IS NULL",
            (relations,),
        )
    return Built(
        str(project), json.loads(numbers), bool(before_today), not missing, bool(overtaken)
    )


def note_begun(warehouse: Warehouse, run_id: str, project: str) -> int:
    """Write down that a build begins, and return its number; unless more comes of it, it counts as failed."""
    with connect(warehouse) as connection:
        ((build,),) = connection.rows(
            "writing etl_dbt_status",
            f"INSERT INTO {_builds(warehouse)} (run_id, good, project_hash, positions, relations, selected, seconds)"
            " VALUES ($1, false, $2, '{}', '[]', 0, 0) RETURNING id",
            (run_id, project),
        )
        connection.commit()
    return int(build)


def note_built(
    warehouse: Warehouse,
    build: int,
    *,
    good: bool,
    numbers: dict[str, int],
    relations: Sequence[str],
    selected: int,
    seconds: float,
) -> None:
    """Write down how a build ended; a partial one keeps the relations of those before."""
    with connect(warehouse) as connection:
        connection.run(
            "writing etl_dbt_status",
            f"UPDATE {_builds(warehouse)} AS build SET good = $2, positions = $3, selected = $5, seconds = $6,"
            " relations = coalesce((SELECT json_agg(DISTINCT relation) FROM (SELECT json_array_elements_text($4::text::json)"
            " UNION SELECT json_array_elements_text(relations::json) FROM (SELECT relations"
            f" FROM {_builds(warehouse)} AS last WHERE last.good AND last.project_hash = build.project_hash"
            " ORDER BY id DESC LIMIT 1) AS last) AS all_of_them (relation)), '[]')::text WHERE id = $1",
            (build, good, json.dumps(numbers), json.dumps(list(relations)), selected, seconds),
        )
        connection.commit()


def _builds(warehouse: Warehouse) -> str:
    return f"{quote(warehouse.base_schema)}.etl_dbt_status"


@contextmanager
def one_builder(warehouse: Warehouse, limits: Limits) -> Iterator[None]:
    """Keep other runs from building the models at the same time.

    Raises:
        TableBusy: another run built for longer than `ELT_LOCK_SECONDS`.

    """
    until = monotonic() + limits.lock_seconds
    with connect(warehouse) as connection:
        while not connection.rows(
            "waiting to build the models", "SELECT pg_try_advisory_lock(hashtext('elt dbt build'))"
        )[0][0]:
            if monotonic() > until:
                raise TableBusy(
                    f"another run has been building the models for over {limits.lock_seconds} s (ELT_LOCK_SECONDS)."
                )
            sleep(1)
        connection.commit()
        yield
        connection.rows("building the models", "SELECT pg_advisory_unlock_all()::text")

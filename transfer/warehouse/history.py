"""The warehouse's history of runs: one row for each, and one for each table that it had work with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from transfer.postgres.connection import Connection
from transfer.postgres.literals import quote
from transfer.postgres.pool import connect
from transfer.settings import Warehouse
from transfer.values.table import Finding, TablePlan, TableResult
from transfer.warehouse.schemas import SchemaChange

RUNNING, GOOD, RED = "running", "good", "red"


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended; `unchanged` tables had no work."""

    run_id: str
    good: bool
    unchanged: int
    models_passed: int
    models_failed: int
    seconds: float


def begin(
    warehouse: Warehouse, run_id: str, *, tables: Sequence[str] | None, forced: bool, verified: bool
) -> None:
    """Write down that a run has begun; one that is never ended was killed."""
    with connect(warehouse) as connection:
        connection.run(
            "writing etl_run",
            f"INSERT INTO {_named(warehouse, 'etl_run')} (run_id, state, tables_named, forced, verified)"
            " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run_id) DO NOTHING",  # a retried flow run goes on with its own
            (run_id, RUNNING, ", ".join(tables or ()), forced, verified),
        )
        connection.commit()


def end(warehouse: Warehouse, run: Run, results: Sequence[TableResult]) -> None:
    """Write down how a run ended and what became of each of its tables."""
    with connect(warehouse) as connection:
        connection.run(
            "writing etl_run",
            f"UPDATE {_named(warehouse, 'etl_run')} SET state = $2, unchanged = $3, models_passed = $4, models_failed = $5,"
            " seconds = $6, finished_at = now() WHERE run_id = $1",
            (
                run.run_id,
                GOOD if run.good else RED,
                run.unchanged,
                run.models_passed,
                run.models_failed,
                run.seconds,
            ),
        )
        _write(connection, warehouse, run.run_id, results)
        connection.commit()


def note(warehouse: Warehouse, run_id: str, plan: TablePlan, found: Sequence[Finding]) -> None:
    """Write down at once what was found and repaired in a table: a run that is killed later would not tell."""
    with connect(warehouse) as connection:
        repaired = TableResult(
            plan.table, plan.method, plan.reason, "repaired", clean=False, found=tuple(found)
        )
        _write(connection, warehouse, run_id, [repaired])
        connection.commit()


def _write(
    connection: Connection,
    warehouse: Warehouse,
    run_id: str,
    results: Sequence[TableResult],
) -> None:
    """Write the rows of a run's tables, if it is one that has begun.

    A retried flow run keeps the rows of its first attempt's tables, and in the others what that one found.
    """
    table = _named(warehouse, "etl_run_table")
    changed = [
        f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("table_name", "found")
    ]
    connection.run(
        "writing etl_run_table",
        f"INSERT INTO {table} AS each (run_id, {', '.join(_COLUMNS)})"
        f" SELECT run.run_id, {', '.join(f'record.{name}' for name in _COLUMNS)}"
        f" FROM json_populate_recordset(NULL::{table}, $2::text::json) AS record"
        f" JOIN {_named(warehouse, 'etl_run')} AS run ON run.run_id = $1"
        f" ON CONFLICT (run_id, table_name) DO UPDATE SET {', '.join(changed)}, found = CASE"
        " WHEN position(excluded.found IN each.found) > 0 THEN each.found"
        " WHEN position(each.found IN excluded.found) > 0 THEN excluded.found"
        " ELSE concat_ws(', ', each.found, excluded.found) END",
        (run_id, json.dumps([_record(result) for result in results])),
    )


_COLUMNS = (
    "table_name state method reason rows_total rows_read bytes_read rows_inserted rows_updated rows_deleted clean verified"
    " found watermark_before watermark_after extract_seconds load_seconds standardize_seconds seconds error_class note"
).split()


def _record(result: TableResult) -> dict[str, object]:
    """Return a table's row; what was read and changed is told of the first hop, whose origin is farthest."""
    first = result.hops[0] if result.hops else None
    spent: dict[str, float] = {}
    for hop in result.hops:
        spent[hop.name] = spent.get(hop.name, 0) + hop.seconds
    return {
        "table_name": result.table,
        "state": result.state,
        "method": result.method,
        "reason": result.reason,
        "rows_total": result.rows,
        "rows_read": first.read if first else 0,
        "bytes_read": first.bytes if first else 0,
        "rows_inserted": first.inserted if first else 0,
        "rows_updated": first.updated if first else 0,
        "rows_deleted": first.deleted if first else 0,
        "clean": result.clean,
        "verified": result.verified,
        "found": ", ".join(map(str, result.found)),
        "watermark_before": result.watermark_before,
        "watermark_after": result.watermark_after,
        "extract_seconds": spent.get("extract"),
        "load_seconds": spent.get("load"),
        "standardize_seconds": spent.get("standardize"),
        "seconds": result.seconds,
        "error_class": result.error,
        "note": result.note,
    }


def _named(warehouse: Warehouse, name: str) -> str:
    return f"{quote(warehouse.base_schema)}.{name}"


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run; `seconds` and `finished` are None while it runs, or if it was killed."""

    run_id: str
    state: str
    started: datetime
    finished: datetime | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """When a table was last equal to the source, and how its last run with work ended; times are UTC.

    `unverified_days` are those since it was last verified, or else loaded first, None if the source no longer has it;
    `unchecked_days` are those since a run last met it.
    """

    table: str
    checked: datetime | None
    rows: int
    state: str
    method: str
    seconds: float | None
    runs: int
    failures: int
    note: str
    verified: datetime | None
    unverified_days: float | None
    watermark: str
    unchecked_days: float | None

    def overdue(self, days: int) -> bool:
        """Tell whether it was not verified for more days, though runs go on meeting it: one that is excluded they do not."""
        return (
            self.unchecked_days is not None
            and self.unverified_days is not None
            and self.unchecked_days < days < self.unverified_days
        )


@dataclass(frozen=True, slots=True)
class Status:
    """What the warehouse knows of its own past."""

    run: LastRun | None
    tables: tuple[Freshness, ...]
    schema_changes: tuple[SchemaChange, ...] = ()


def status(warehouse: Warehouse) -> Status:
    """Read the newest run and each table's freshness."""
    with connect(warehouse) as connection:
        present = connection.rows(
            "looking for the history",
            "SELECT to_regclass($1)::text",
            (_named(warehouse, "etl_table_status"),),
        )
        if not present[0][0]:
            return Status(None, ())
        runs = connection.rows(
            "reading etl_run",
            "SELECT run_id, state, started_at, finished_at, seconds"
            f" FROM {_named(warehouse, 'etl_run')} ORDER BY started_at DESC, run_id LIMIT 1",
        )
        tables = connection.rows(
            "reading etl_table_status",
            # An earlier release's view, which is left as it is, has fewer columns.
            "SELECT table_name, checked_at, rows_total, state, method, seconds, runs, failures, note,"
            " (it ->> 'verified_at')::timestamptz, (it ->> 'unverified_days')::double precision,"
            " coalesce(it ->> 'watermark', ''), (extract(epoch FROM now() - checked_at) / 86400)::double precision"
            f" FROM {_named(warehouse, 'etl_table_status')} AS status, to_jsonb(status) AS it ORDER BY table_name",
        )
    return Status(LastRun(*runs[0]) if runs else None, tuple(Freshness(*row) for row in tables))


def mean_seconds(warehouse: Warehouse) -> dict[tuple[str, str], float]:
    """Return the mean seconds of the good work of each table and method, that of rotation's verifications by the way left out."""
    table = _named(warehouse, "etl_run_table")
    with connect(warehouse) as connection:
        present = connection.rows(
            "looking for the history", "SELECT to_regclass($1)::text", (table,)
        )
        if not present[0][0]:
            return {}
        found = connection.rows(
            "reading etl_run_table",
            f"SELECT table_name, method, avg(seconds) FROM {table}"
            " WHERE state IN ('synced', 'unchanged', 'verified') AND (NOT verified OR method = 'verify') GROUP BY 1, 2",
        )
    return {(str(name), str(method)): float(mean) for name, method, mean in found}

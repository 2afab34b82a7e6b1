"""The warehouse's history: a row for each run, and one for each table that it had work with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from transfer.postgres.connection import Connection
from transfer.postgres.pool import connect
from transfer.settings import Warehouse
from transfer.values.reasons import HopName, State
from transfer.values.table import Finding, Hop, TablePlan, TableResult
from transfer.warehouse.bookkeeping import is_there, named
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
    """Record that a run has begun; one that never ends was killed."""
    with connect(warehouse) as connection:
        connection.run(
            "writing etl_run",
            f"INSERT INTO {named(warehouse, 'etl_run')}"
            " (run_id, state, tables_named, forced, verified) VALUES ($1, $2, $3, $4, $5)"
            # A flow run that is retried goes on with its own.
            " ON CONFLICT (run_id) DO NOTHING",
            (run_id, RUNNING, ", ".join(tables or ()), forced, verified),
        )
        connection.commit()


def end(warehouse: Warehouse, run: Run, results: Sequence[TableResult]) -> None:
    """Record how a run ended and what became of each of its tables."""
    with connect(warehouse) as connection:
        connection.run(
            "writing etl_run",
            f"UPDATE {named(warehouse, 'etl_run')} SET state = $2, unchanged = $3,"
            " models_passed = $4, models_failed = $5, seconds = $6, finished_at = now()"
            " WHERE run_id = $1",
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
    """Record at once what was found and repaired in a table, as the run may be killed later."""
    with connect(warehouse) as connection:
        repaired = TableResult(
            plan.table, plan.method, plan.reason, State.REPAIRED, clean=False, found=tuple(found)
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

    A flow run that is retried keeps the rows of its first attempt's tables, and adds to what that
    attempt found in the others.
    """
    table = named(warehouse, "etl_run_table")
    changed = [
        f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("table_name", "found")
    ]
    connection.run(
        "writing etl_run_table",
        f"INSERT INTO {table} AS work (run_id, {', '.join(_COLUMNS)})"
        f" SELECT run.run_id, {', '.join(f'record.{name}' for name in _COLUMNS)}"
        f" FROM json_populate_recordset(NULL::{table}, $2::text::json) AS record"
        f" JOIN {named(warehouse, 'etl_run')} AS run ON run.run_id = $1"
        f" ON CONFLICT (run_id, table_name) DO UPDATE SET {', '.join(changed)}, found = CASE"
        " WHEN position(excluded.found IN work.found) > 0 THEN work.found"
        " WHEN position(work.found IN excluded.found) > 0 THEN excluded.found"
        " ELSE concat_ws(', ', work.found, excluded.found) END",
        (run_id, json.dumps([_record(result) for result in results])),
    )


_COLUMNS = (
    "table_name state method reason rows_total rows_read bytes_read"
    " rows_inserted rows_updated rows_deleted clean verified found"
    " watermark_before watermark_after extract_seconds load_seconds standardize_seconds seconds"
    " error_class note"
).split()


def _record(result: TableResult) -> dict[str, object]:
    """Return a table's row, with what its first hop read and changed."""
    first = result.hops[0] if result.hops else Hop(HopName.EXTRACT)
    spent: dict[HopName, float] = {}
    for hop in result.hops:
        spent[hop.name] = spent.get(hop.name, 0) + hop.seconds
    return {
        "table_name": result.table,
        "state": result.state,
        "method": result.method,
        "reason": result.reason,
        "rows_total": result.rows,
        "rows_read": first.read,
        "bytes_read": first.bytes,
        "rows_inserted": first.inserted,
        "rows_updated": first.updated,
        "rows_deleted": first.deleted,
        "clean": result.clean,
        "verified": result.verified,
        "found": ", ".join(map(str, result.found)),
        "watermark_before": result.watermark_before,
        "watermark_after": result.watermark_after,
        "extract_seconds": spent.get(HopName.EXTRACT),
        "load_seconds": spent.get(HopName.LOAD),
        "standardize_seconds": spent.get(HopName.STANDARDIZE),
        "seconds": result.seconds,
        "error_class": result.error,
        "note": result.note,
    }


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
    """When a table was last equal to the source, and how its last run with work ended; in UTC.

    `unverified_days` are the days since it was last verified, or else first loaded, None if the
    source no longer has it. `unchecked_days` are the days since a run last met it.
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
        """Tell whether it was not verified for more days, though runs still meet it.

        They do not meet a table that is excluded.
        """
        if self.unchecked_days is None or self.unverified_days is None:
            return False
        return self.unchecked_days < days < self.unverified_days


@dataclass(frozen=True, slots=True)
class Status:
    """What the warehouse knows of its own past.

    `good` is when the last good run ended, in UTC, and `good_days` how long ago that was.
    """

    run: LastRun | None
    tables: tuple[Freshness, ...]
    schema_changes: tuple[SchemaChange, ...] = ()
    good: datetime | None = None
    good_days: float | None = None


def status(warehouse: Warehouse) -> Status:
    """Read the newest run and each table's freshness."""
    freshness = named(warehouse, "etl_table_status")
    with connect(warehouse) as connection:
        if not is_there(connection, freshness):
            return Status(None, ())
        runs = connection.rows(
            "reading etl_run",
            "SELECT run_id, state, started_at, finished_at, seconds"
            f" FROM {named(warehouse, 'etl_run')} ORDER BY started_at DESC, run_id LIMIT 1",
        )
        ((good, good_days),) = connection.rows(
            "reading etl_run",
            "SELECT max(finished_at),"
            " (extract(epoch FROM now() - max(finished_at)) / 86400)::double precision"
            f" FROM {named(warehouse, 'etl_run')} WHERE state = $1",
            (GOOD,),
        )
        tables = connection.rows(
            "reading etl_table_status",
            "SELECT table_name, checked_at, rows_total, state, method, seconds, runs, failures,"
            " note, verified_at, unverified_days, watermark,"
            " (extract(epoch FROM now() - checked_at) / 86400)::double precision"
            f" FROM {freshness} ORDER BY table_name",
        )
    run = LastRun(*runs[0]) if runs else None
    fresh = tuple(Freshness(*row) for row in tables)
    return Status(run, fresh, good=good, good_days=good_days)


def mean_seconds(warehouse: Warehouse) -> dict[tuple[str, str], float]:
    """Return the mean seconds of the good work of each table and method.

    Work that only a rotation's verification was added to is left out.
    """
    table = named(warehouse, "etl_run_table")
    with connect(warehouse) as connection:
        if not is_there(connection, table):
            return {}
        found = connection.rows(
            "reading etl_run_table",
            f"SELECT table_name, method, avg(seconds) FROM {table}"
            " WHERE state IN ('synced', 'unchanged', 'verified')"
            " AND (NOT verified OR method = 'verify') GROUP BY 1, 2",
        )
    return {(str(name), str(method)): float(mean) for name, method, mean in found}

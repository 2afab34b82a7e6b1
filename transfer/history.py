"""The warehouse's history of runs: one row for each, and one for each table that it had work with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from transfer import postgres
from transfer.postgres import quote
from transfer.settings import Warehouse
from transfer.table import TableResult

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


def begin(warehouse: Warehouse, run_id: str, *, tables: Sequence[str] | None, forced: bool, verified: bool) -> None:
    """Write down that a run has begun; one that is never ended was killed."""
    with postgres.connect(warehouse) as connection:
        connection.run(
            "writing etl_run",
            f"INSERT INTO {_named(warehouse, 'etl_run')} (run_id, state, tables_named, forced, verified)"
            " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run_id) DO NOTHING",  # a retried flow run goes on with its own
            (run_id, RUNNING, ", ".join(tables or ()), forced, verified),
        )
        connection.commit()


def end(warehouse: Warehouse, run: Run, results: Sequence[TableResult]) -> None:
    """Write down how a run ended and what became of each of its tables."""
    with postgres.connect(warehouse) as connection:
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
        table = _named(warehouse, "etl_run_table")
        connection.run("writing etl_run_table", f"DELETE FROM {table} WHERE run_id = $1", (run.run_id,))
        connection.run(
            "writing etl_run_table",
            f"INSERT INTO {table} SELECT $1, made.* FROM json_populate_recordset(NULL::{table}, $2::text::json) AS record"
            f" CROSS JOIN LATERAL (SELECT {', '.join(f'record.{name}' for name in _COLUMNS)}) AS made",
            (run.run_id, json.dumps([_record(result) for result in results])),
        )
        connection.commit()


_COLUMNS = (
    "table_name state method reason rows_total rows_read rows_inserted rows_updated rows_deleted clean verified found"
    " extract_seconds load_seconds standardize_seconds seconds error_class note"
).split()


def _record(result: TableResult) -> dict[str, object]:
    """Return a table's row; what was read and changed is told of the first hop, whose origin is farthest."""
    first = result.hops[0] if result.hops else None
    spent = {hop.name: hop.seconds for hop in result.hops}
    return {
        "table_name": result.table,
        "state": result.state,
        "method": result.method,
        "reason": result.reason,
        "rows_total": result.rows,
        "rows_read": first.read if first else 0,
        "rows_inserted": first.inserted if first else 0,
        "rows_updated": first.updated if first else 0,
        "rows_deleted": first.deleted if first else 0,
        "clean": result.clean,
        "verified": result.verified,
        "found": ", ".join(map(str, result.found)),
        "extract_seconds": spent.get("extract"),
        "load_seconds": spent.get("load"),
        "standardize_seconds": spent.get("standardize"),
        "seconds": result.seconds,
        "error_class": result.error,
        "note": result.note,
    }


def _named(warehouse: Warehouse, name: str) -> str:
    return f"{quote(warehouse.schema_name)}.{name}"


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
    """When a table was last equal to the source, and how its last run with work ended; times are UTC."""

    table: str
    checked: datetime | None
    rows: int
    state: str
    method: str
    seconds: float | None
    runs: int
    failures: int
    note: str


@dataclass(frozen=True, slots=True)
class Status:
    """What the warehouse knows of its own past."""

    run: LastRun | None
    tables: tuple[Freshness, ...]


def status(warehouse: Warehouse) -> Status:
    """Read the newest run and each table's freshness."""
    with postgres.connect(warehouse) as connection:
        present = connection.rows(
            "looking for the history", "SELECT to_regclass($1)::text", (_named(warehouse, "etl_table_status"),)
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
            "SELECT table_name, checked_at, rows_total, state, method, seconds, runs, failures, note"
            f" FROM {_named(warehouse, 'etl_table_status')} ORDER BY table_name",
        )
    return Status(LastRun(*runs[0]) if runs else None, tuple(Freshness(*row) for row in tables))

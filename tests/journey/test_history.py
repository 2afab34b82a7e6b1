"""The history of runs in the warehouse: what a row says, what the views make of them, and what outlives a killed run."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import settings_for
from oracle import Places, ask, connected
from runs import limited, prepare, run, settle

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.changes import estimates
from transfer.errors import DatabaseFault, TableShrunk, class_of
from transfer.journey.plan import look, with_seconds
from transfer.journey.sync import sync
from transfer.journey.work import Findings
from transfer.settings import Settings
from transfer.values.table import Hop, TableResult
from transfer.warehouse import bookkeeping, history
from transfer.warehouse.history import Run


@pytest.fixture
def places(servers: Servers, databases: Databases) -> Iterator[Places]:
    with connected(servers, databases) as places:
        yield places


@pytest.fixture
def settings(databases: Databases) -> Settings:
    found = settings_for(databases)
    prepare(found)
    return found


def create(places: Places, *tables: str) -> None:
    for table in tables:
        ask(
            places.source,
            f"CREATE TABLE {table} (Id int PRIMARY KEY AUTO_INCREMENT, Note text) ENGINE=MyISAM",
        )
        ask(places.source, f"INSERT INTO {table} (Note) VALUES ('one'), ('two'), ('three')")


def recorded(settings: Settings, *tables: str, verify: bool = False) -> str:
    """A run whose history is written, as a flow does it."""
    run_id = secrets.token_hex(8)
    outlook = look(settings, tables or None, verify=verify)
    history.begin(settings.warehouse, run_id, tables=tables, forced=False, verified=verify)
    results = [sync(settings, plan, run_id) for plan in outlook.work]
    end(settings, run_id, *results)
    return run_id


def end(settings: Settings, run_id: str, *results: TableResult, seconds: float = 1.0) -> None:
    good = all(result.good for result in results)
    history.end(settings.warehouse, Run(run_id, good, 0, 0, 0, seconds), results)


def failed(table: str, error: str = "TableError") -> TableResult:
    return TableResult(
        table, "reload", "never loaded", "failed", note=f"{table} is red", error=error
    )


def synced(table: str, seconds: float = 1.0, **more: Any) -> TableResult:
    return TableResult(table, "reload", "written since", "synced", seconds=seconds, **more)


def ended(
    settings: Settings, *results: TableResult, tables: tuple[str, ...] = (), seconds: float = 1.0
) -> str:
    run_id = secrets.token_hex(8)
    history.begin(settings.warehouse, run_id, tables=tables, forced=False, verified=False)
    end(settings, run_id, *results, seconds=seconds)
    return run_id


def place(places: Places, *tables: str) -> None:
    """Give tables a position in the warehouse."""
    for table in tables:
        ask(
            places.warehouse,
            "INSERT INTO etl_transform_status (table_name, fence) VALUES (%s, 1)",
            table,
        )


def row(places: Places, run_id: str, table: str, *columns: str) -> tuple[Any, ...]:
    asked = f"SELECT {', '.join(columns)} FROM etl_run_table WHERE run_id = %s AND table_name = %s"
    return tuple(ask(places.warehouse, asked, run_id, table)[0])


def watermark(places: Places, table: str) -> str:
    asked = "SELECT UPDATE_TIME, TABLE_ROWS, AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_NAME = %s AND TABLE_SCHEMA = DATABASE()"
    ((updated, rows, key),) = ask(places.source, asked, table)
    return f"written {updated}, {rows} rows, next key {key}"


def test_a_row_tells_the_watermark_before_and_after(places, settings):
    create(places, "patient")
    settle(places.source)
    first = recorded(settings)
    before = watermark(places, "patient")
    assert row(places, first, "patient", "watermark_before", "watermark_after") == ("", before)
    ask(places.source, "INSERT INTO patient (Note) VALUES ('four')")
    second = recorded(settings)
    after = watermark(places, "patient")
    assert before != after
    assert after.endswith(", 4 rows, next key 5")
    assert row(places, second, "patient", "watermark_before", "watermark_after") == (before, after)
    assert ask(places.warehouse, "SELECT watermark FROM etl_table_status") == [(after,)]


def test_a_row_tells_rows_and_bytes_of_the_read_that_is_farthest(places, settings):
    hops = Hop("extract", 9, 3, 2, 1, 0.5, bytes=1234), Hop("load", 700, bytes=9999, seconds=0.25)
    run_id = ended(settings, synced("patient", hops=hops, rows=800))
    told = row(
        places, run_id, "patient", "rows_read", "bytes_read", "rows_inserted", "rows_updated", "rows_deleted",
        "extract_seconds", "load_seconds", "standardize_seconds",
    )  # fmt: skip
    assert told == (9, 1234, 3, 2, 1, 0.5, 0.25, None)


def test_what_a_verification_reads_is_no_row_read(places, settings):
    create(places, "patient")
    settle(places.source)
    recorded(settings)
    run_id = recorded(settings, verify=True)
    assert row(places, run_id, "patient", "state", "verified", "rows_read", "bytes_read") == (
        "verified",
        True,
        0,
        0,
    )


def test_the_class_of_an_error_has_the_servers_own_number():
    assert class_of(DatabaseFault("source", "reading patient", "1205")) == "DatabaseFault 1205"
    assert class_of(DatabaseFault("source", "reading patient", "")) == "DatabaseFault"
    assert class_of(TableShrunk("patient has 1 row")) == "TableShrunk"


def test_views_count_runs_durations_and_errors(places, settings):
    place(places, "patient", "claim")
    good = synced("patient", 2.0, hops=(Hop("extract", 10, 1, 2, 3, bytes=100),))
    ended(settings, good, failed("claim"), seconds=10)
    ended(
        settings,
        synced("patient", 4.0),
        failed("claim"),
        failed("recall", "DatabaseFault 1205"),
        seconds=30,
    )
    ended(settings, synced("claim"), seconds=20)
    history.begin(settings.warehouse, "killed", tables=None, forced=False, verified=False)
    daily = "runs, red, unfinished, mean_seconds, longest_seconds, error_rate, tables, failed, rows_read, bytes_read, rows_changed"
    assert ask(places.warehouse, f"SELECT {daily} FROM etl_daily_runs") == [
        (4, 2, 1, 20, 30, 2 / 3, 6, 3, 10, 100, 6)
    ]
    errors = ask(
        places.warehouse, "SELECT error_class, times, tables, error_rate FROM etl_errors ORDER BY 1"
    )
    assert errors == [("DatabaseFault 1205", 1, 1, 1 / 6), ("TableError", 2, 1, 2 / 6)]
    per_table = "table_name, state, runs, failures, error_rate, mean_seconds"
    assert ask(places.warehouse, f"SELECT {per_table} FROM etl_table_status ORDER BY 1") == [
        ("claim", "synced", 3, 2, 2 / 3, pytest.approx(1 / 3)),
        ("patient", "synced", 2, 0, 0, 3),
    ]


def test_a_table_that_never_came_is_shown_as_long_as_it_is_red(places, settings):
    place(places, "patient")
    ended(settings, failed("claim"))
    shown = "SELECT table_name, state, note FROM etl_table_status"
    assert sorted(ask(places.warehouse, shown)) == [
        ("claim", "failed", "claim is red"),
        ("patient", "", ""),
    ]
    ended(settings, synced("patient"), tables=("patient",))
    assert ("claim", "failed", "claim is red") in ask(places.warehouse, shown)
    ended(
        settings, synced("patient")
    )  # of all tables, and claim is not among them: it is excluded or gone
    assert ask(places.warehouse, shown) == [("patient", "synced", "")]
    ask(places.warehouse, "DELETE FROM etl_transform_status")  # as when it is dropped on purpose
    assert ask(places.warehouse, shown) == []


def test_what_a_verification_found_has_a_name_in_the_history(places, settings):
    create(places, "patient", "claim")
    settle(places.source)
    recorded(settings)
    assert ask(places.warehouse, "SELECT * FROM etl_drift") == []
    ask(places.replica, "UPDATE patient SET Note = 'forged' WHERE Id = 2")
    ask(places.warehouse, "UPDATE etl_transform_status SET verified_at = now() - interval '8 days'")
    by_rotation = recorded(settings)
    ask(places.warehouse, 'UPDATE raw.claim SET "Note" = \'forged\' WHERE "Id" < 3')
    asked_for = recorded(settings, verify=True)
    seen = "SELECT run_id, table_name, found, found_by, found_at > now() - interval '1 hour' FROM etl_drift ORDER BY found_at"
    assert ask(places.warehouse, seen) == [
        (by_rotation, "patient", "1 changed in replica", "rotation", True),
        (asked_for, "claim", "2 changed in raw, column Note", "--verify", True),
    ]
    assert ask(places.warehouse, "SELECT sum(verified), sum(repaired) FROM etl_daily_runs") == [
        (4, 2)
    ]


def test_what_was_found_is_in_the_history_though_the_run_never_ended(places, settings, tmp_path):
    create(places, "patient")
    settle(places.source)
    recorded(settings)
    ask(places.replica, "UPDATE patient SET Note = 'forged' WHERE Id = 2")
    (tmp_path / "patient.sql").write_text("SELECT no_such_column FROM raw.patient")
    broken = limited(settings, standardize_dir=tmp_path)
    history.begin(settings.warehouse, "killed", tables=None, forced=False, verified=True)
    (planned,) = look(broken, verify=True).plans
    findings = Findings()
    with pytest.raises(Exception, match="does not run"):
        sync(broken, planned, "killed", findings)
    drift = "SELECT run_id, table_name, found FROM etl_drift"
    assert ask(places.warehouse, drift) == [("killed", "patient", "1 changed in replica")]
    result = TableResult("patient", "verify", "asked for", "failed", found=findings.of("patient"))
    end(settings, "killed", result)
    assert ask(places.warehouse, drift) == [("killed", "patient", "1 changed in replica")]


def test_a_retried_run_keeps_what_its_first_attempt_did_and_found(places, settings):
    first = TableResult("patient", "verify", "asked for", "repaired", found=(), verified=True)
    history.begin(settings.warehouse, "run", tables=None, forced=False, verified=True)
    drift = (
        history.Finding("raw", "changed", "Note", 2),
        history.Finding("public", "missing", "", 1),
    )
    failure = TableResult(
        "claim", "verify", "asked for", "failed", found=drift[:1], error="DatabaseFault 2013"
    )
    end(settings, "run", first, failure)
    history.begin(settings.warehouse, "run", tables=None, forced=False, verified=True)
    for _ in range(2):
        end(
            settings,
            "run",
            TableResult("claim", "verify", "asked for", "repaired", found=drift[1:], verified=True),
        )
    assert row(places, "run", "patient", "state", "verified") == ("repaired", True)
    assert row(places, "run", "claim", "state", "error_class", "found") == (
        "repaired", "", "2 changed in raw, column Note, 1 missing in public",
    )  # fmt: skip


def test_a_table_is_overdue_as_long_as_runs_meet_it(places, settings):
    create(places, "patient", "claim")
    settle(places.source)
    recorded(settings)

    def overdue(days: int = 7) -> list[str]:
        return [
            each.table for each in history.status(settings.warehouse).tables if each.overdue(days)
        ]

    assert overdue() == []
    ask(places.warehouse, "UPDATE etl_transform_status SET verified_at = now() - interval '8 days'")
    assert overdue() == ["claim", "patient"]
    assert overdue(9) == []
    assert overdue(0) == []
    ask(
        places.warehouse,
        "UPDATE etl_transform_status SET gone_at = now() WHERE table_name = 'claim'",
    )
    assert overdue() == ["patient"]
    ask(places.warehouse, "UPDATE etl_transform_status SET checked_at = now() - interval '8 days'")
    assert overdue() == []


def test_estimated_seconds_are_those_of_the_tables_past_work_by_the_same_method(places, settings):
    create(places, "patient", "claim")
    settle(places.source)
    run(settings)
    ended(settings, synced("patient", 40.0), synced("claim", 7.0))
    ended(settings, synced("patient", 60.0), failed("claim"))
    ended(settings, synced("patient", 9000.0, verified=True))
    ask(places.source, "UPDATE patient SET Note = 'other' WHERE Id = 1")
    ask(
        places.warehouse, "UPDATE etl_transform_status SET verify_seconds = 12, verified_at = now()"
    )

    def estimated(**how: bool) -> dict[str, float]:
        plans = with_seconds(settings, look(settings, **how)).plans
        return {plan.table: plan.estimated_seconds for plan in plans}

    assert estimated() == {"patient": 50, "claim": 0}
    assert estimated(verify=True) == {"patient": 62, "claim": 12}
    create(places, "recall")
    assert estimates.TABLE_SECONDS < estimated()["recall"] < estimates.TABLE_SECONDS + 0.1


def test_bookkeeping_that_somebody_dropped_comes_back(places, settings):
    create(places, "patient")
    run(settings)
    of_kind = "SELECT relname::text, relkind = 'v' FROM pg_class WHERE relname = ANY(%s)"
    names = list(bookkeeping.NAMES)
    there = dict(ask(places.warehouse, of_kind, names))
    for name, is_view in there.items():
        ask(places.warehouse, f"DROP {'VIEW' if is_view else 'TABLE'} {name} CASCADE")
        prepare(settings)
        assert dict(ask(places.warehouse, of_kind, names)) == there
    run(settings)
    (fresh,) = history.status(settings.warehouse).tables
    assert (sorted(there), fresh.table, fresh.rows) == (sorted(names), "patient", 3)

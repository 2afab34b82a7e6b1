"""The last run and how fresh each table is: `--status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from rich.console import Console
from rich.text import Text

from flows.terminal.console import as_text, listed, new_grid, show_overdue, to_json
from transfer.errors import UnknownTable
from transfer.journey.plan import hint, matching
from transfer.settings import Limits, Settings
from transfer.values.reasons import State
from transfer.warehouse import history, schemas
from transfer.warehouse.history import Freshness, LastRun
from transfer.warehouse.schemas import SchemaChange


def show_status(
    console: Console, settings: Settings, patterns: Sequence[str] | None, *, as_json: bool
) -> int:
    """Print the last run and each table's freshness.

    Return 1 if one of the tables failed when it was last in work, else 0.

    Raises:
        UnknownTable: a name or pattern fits no table that a run has met.

    """
    found = history.status(settings.warehouse)
    wanted = _known(found.tables, patterns) if patterns and found.tables else found.tables
    names = [table.table for table in wanted]
    changes = schemas.latest(settings.warehouse, CHANGES_SHOWN, names)
    if as_json:
        print(to_json(replace(found, tables=wanted, schema_changes=changes)))
    else:
        _print_status(console, settings.limits, found.run, wanted, changes)
    return 1 if any(table.state == State.FAILED for table in wanted) else 0


def _known(tables: Sequence[Freshness], patterns: Sequence[str]) -> tuple[Freshness, ...]:
    names, chosen = [table.table for table in tables], set[str]()
    for pattern in patterns:
        fitting = matching(pattern, names)
        if not fitting:
            near = hint(pattern, names) or "; --status alone lists them all."
            raise UnknownTable(f"--status {pattern}: no run has met such a table{near}")
        chosen |= set(fitting)
    return tuple(table for table in tables if table.table in chosen)


CHANGES_SHOWN = 10


def _print_status(
    console: Console,
    limits: Limits,
    run: LastRun | None,
    tables: Sequence[Freshness],
    changes: Sequence[SchemaChange],
) -> None:
    grid = new_grid(
        "table",
        "equal at (UTC)",
        ">rows",
        "last work",
        "method",
        ">seconds",
        ">runs",
        ">failed",
        "verified at (UTC)",
        "watermark",
    )
    for table in tables:
        grid.add_row(*_row(table))
    console.print(grid)
    for table in tables:
        if table.note:
            console.print(as_text(f"{table.table}: {table.note}"), soft_wrap=True)
    overdue = [table.table for table in tables if table.overdue(limits.verify_days)]
    show_overdue(console, limits, overdue)
    gone = [table.table for table in tables if table.checked and table.unverified_days is None]
    if gone:
        kept = f"no longer in the source, kept as they are: {listed(gone)}"
        console.print(as_text(kept), soft_wrap=True)
    for change in reversed(changes):
        console.print(as_text(f"{change.found:%Y-%m-%d %H:%M} schema change: {change.sentence}"))
    console.print(_sentence(run))


def _row(table: Freshness) -> list[str | Text]:
    """Return the cells of a table's freshness."""
    failed = table.state == State.FAILED
    seconds = "" if table.seconds is None else f"{table.seconds:.1f}"
    return [
        as_text(table.table),
        _moment(table.checked),
        f"{table.rows:,}",
        as_text(table.state, style="bold red" if failed else ""),
        table.method,
        "–" if failed else seconds,
        f"{table.runs:,}",
        f"{table.failures:,}",
        _moment(table.verified),
        as_text(table.watermark),
    ]


def _sentence(run: LastRun | None) -> str:
    if run is None:
        return "No run yet."
    took = f", {run.seconds:.1f} s" if run.seconds is not None else ""
    return f"last run {run.run_id}: {run.state}, began {run.started:%Y-%m-%d %H:%M:%S} UTC{took}"


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "never"

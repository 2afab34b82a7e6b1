"""The last run and how fresh each table is: `--status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from rich.console import Console

from flows.terminal.console import as_text, listed, new_grid, show_overdue, written_as_json
from transfer.errors import UnknownTable
from transfer.journey.plan import hint, matching
from transfer.settings import Limits, Settings
from transfer.warehouse import history, schemas
from transfer.warehouse.history import Freshness, LastRun
from transfer.warehouse.schemas import SchemaChange


def show_status(
    console: Console, settings: Settings, patterns: Sequence[str] | None, *, as_json: bool
) -> int:
    """Print the last run and each table's freshness; 1 if one of the tables failed when it was last
    in work.

    Raises:
        UnknownTable: a name or pattern fits no table that a run has met.

    """
    found = history.status(settings.warehouse)
    wanted = _known(found.tables, patterns) if patterns and found.tables else found.tables
    changes = schemas.latest(settings.warehouse, CHANGES_SHOWN, [each.table for each in wanted])
    if as_json:
        print(written_as_json(replace(found, tables=wanted, schema_changes=changes)))
    else:
        _print_status(console, settings.limits, found.run, wanted, changes)
    return 1 if any(each.state == "failed" for each in wanted) else 0


def _known(tables: Sequence[Freshness], patterns: Sequence[str]) -> tuple[Freshness, ...]:
    names, chosen = [each.table for each in tables], set[str]()
    for pattern in patterns:
        fitting = matching(pattern, names)
        if not fitting:
            near = hint(pattern, names) or "; --status alone lists them all."
            raise UnknownTable(f"--status {pattern}: no run has met such a table{near}")
        chosen |= set(fitting)
    return tuple(each for each in tables if each.table in chosen)


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
    for each in tables:
        grid.add_row(
            as_text(each.table),
            _moment(each.checked),
            f"{each.rows:,}",
            as_text(each.state, style="bold red" if each.state == "failed" else ""),
            each.method,
            "–"
            if each.state == "failed"
            else ""
            if each.seconds is None
            else f"{each.seconds:.1f}",
            f"{each.runs:,}",
            f"{each.failures:,}",
            _moment(each.verified),
            as_text(each.watermark),
        )
    console.print(grid)
    for each in tables:
        if each.note:
            console.print(as_text(f"{each.table}: {each.note}"), soft_wrap=True)
    show_overdue(
        console, limits, [each.table for each in tables if each.overdue(limits.verify_days)]
    )
    gone = [each.table for each in tables if each.checked and each.unverified_days is None]
    if gone:
        console.print(
            as_text(f"no longer in the source, kept as they are: {listed(gone)}"), soft_wrap=True
        )
    for change in reversed(changes):
        console.print(as_text(f"{change.found:%Y-%m-%d %H:%M} schema change: {change.sentence}"))
    if run is None:
        console.print("No run yet.")
    else:
        took = f", {run.seconds:.1f} s" if run.seconds is not None else ""
        console.print(
            f"last run {run.run_id}: {run.state}, began {run.started:%Y-%m-%d %H:%M:%S} UTC{took}"
        )


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "never"

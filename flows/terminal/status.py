"""The last run and how fresh each table is: `--status`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from flows.terminal.console import as_text, listed, new_grid, show_overdue, to_json
from transfer.errors import UnknownTable
from transfer.journey.plan import hint, matching
from transfer.settings import Limits, Settings
from transfer.values.printable import printable
from transfer.values.reasons import State
from transfer.warehouse import history, schemas
from transfer.warehouse.history import Freshness, LastRun, Status


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be shown of the past: which tables, all of them, in which form.

    Without patterns, and if not `every` table is asked for, only those are shown about which there
    is something to say. What is `older_than` so many hours is named.
    """

    patterns: Sequence[str] = ()
    every: bool = False
    as_json: bool = False
    older_than: float | None = None


def show_status(console: Console, settings: Settings, shown: Shown) -> int:
    """Print the last run and how fresh the tables are.

    Return 1 if one of the tables failed when it was last in work or is too old, or if the last good
    run is, else 0.

    Raises:
        UnknownTable: a name or pattern fits no table that a run has met.

    """
    found = history.status(settings.warehouse)
    wanted = _known(found.tables, shown.patterns) if found.tables else ()
    names = [table.table for table in wanted]
    changes = schemas.latest(settings.warehouse, CHANGES_SHOWN, names)
    found = replace(found, tables=wanted, schema_changes=changes)
    old = _too_old(settings.limits, found, shown.older_than)
    if shown.as_json:
        print(to_json(found))
    else:
        _print_status(console, settings.limits, found, shown)
    for sentence in old:
        print(printable(sentence), file=sys.stderr)
    return 1 if old or any(table.state == State.FAILED for table in wanted) else 0


def _too_old(limits: Limits, found: Status, hours: float | None) -> list[str]:
    """Say what is older than so many hours."""
    if hours is None:
        return []
    told = []
    if found.good_days is None:
        told.append("too old: no run has been good yet")
    elif found.good_days * 24 > hours:
        ended = f"ended {_moment(found.good)} UTC, more than {hours:g} hours ago"
        told.append(f"too old: the last good run {ended}")
    names = [table.table for table in found.tables]
    left_out = {name for pattern in limits.exclude for name in matching(pattern, names)}
    tables = [
        table.table
        for table in found.tables
        if table.unverified_days is not None
        and table.table not in left_out
        and (table.unchecked_days is None or table.unchecked_days * 24 > hours)
    ]
    if tables:
        told.append(f"too old: not found equal to the source for {hours:g} hours: {listed(tables)}")
    return told


def _known(tables: Sequence[Freshness], patterns: Sequence[str]) -> tuple[Freshness, ...]:
    if not patterns:
        return tuple(tables)
    names, chosen = [table.table for table in tables], set[str]()
    for pattern in patterns:
        fitting = matching(pattern, names)
        if not fitting:
            near = hint(pattern, names) or "; --status --all lists them."
            raise UnknownTable(f"--status {pattern}: no run has met such a table{near}")
        chosen |= set(fitting)
    return tuple(table for table in tables if table.table in chosen)


CHANGES_SHOWN = 10


def _print_status(console: Console, limits: Limits, found: Status, shown: Shown) -> None:
    console.print(_sentence(found.run), soft_wrap=True)
    tables = found.tables
    failed = [table for table in tables if table.state == State.FAILED]
    if tables:
        console.print(f"{len(tables)} tables: {len(failed)} failed when last in work")
    overdue = [table.table for table in tables if table.overdue(limits.verify_days)]
    show_overdue(console, limits, overdue)
    gone = [table.table for table in tables if table.checked and table.unverified_days is None]
    if gone:
        kept = f"no longer in the source, kept as they are: {listed(gone)}"
        console.print(as_text(kept), soft_wrap=True)
    for change in reversed(found.schema_changes):
        told = f"{change.found:%Y-%m-%d %H:%M} schema change: {change.sentence}"
        console.print(as_text(told), soft_wrap=True)
    every = shown.every or bool(shown.patterns)
    listed_ones = tables if every else failed
    if listed_ones:
        console.print(_grid(listed_ones))
    for table in listed_ones:
        if table.note:
            console.print(as_text(f"{table.table}: {table.note}"), soft_wrap=True)
    if len(listed_ones) < len(tables):
        console.print(
            f"not shown: {len(tables) - len(listed_ones)} tables that did not fail"
            " (--all shows them)",
            soft_wrap=True,
        )


def _grid(tables: Sequence[Freshness]) -> Grid:
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
    return grid


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

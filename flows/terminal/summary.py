"""What a run has done, printed at its end."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from flows.terminal.console import (
    as_text,
    listed,
    new_grid,
    show_clear_text,
    show_loudly,
    show_overdue,
)
from tasks.models import ModelsResult
from tasks.verdict import Summary
from transfer.settings import Settings
from transfer.values.reasons import HopName, State
from transfer.values.table import Hop, TableResult


def show_summary(console: Console, settings: Settings, summary: Summary) -> None:
    """Print the verdict of each table with work, the models, and the totals."""
    grid = new_grid(
        "table", "state", ">rows", ">inserted", ">updated", ">deleted", ">seconds", "why"
    )
    biggest = sorted(
        summary.tables, key=lambda result: (result.good, not result.note, -result.rows)
    )
    for result in biggest[: max(SHOWN, len(summary.failed))]:
        grid.add_row(*_row(result))
    if summary.tables:
        console.print(grid)
    if len(biggest) > SHOWN:
        console.print(
            f"… and {len(biggest) - SHOWN} smaller tables, all in"
            f" {settings.limits.log_dir / 'elt_pipeline.log'}"
        )
    _show_remarks(console, summary)
    show_overdue(console, settings.limits, summary.overdue)
    show_clear_text(console, settings)
    if settings.limits.collations:
        mapped = ", ".join(f"{ours} → {theirs}" for ours, theirs in settings.limits.collations)
        console.print(as_text(f"collations mapped by ELT_COLLATIONS: {mapped}", style="yellow"))
    show_loudly(console, summary.remarks)
    console.print(as_text(summary.sentence, style="bold green" if summary.good else "bold red"))


SHOWN = 15


def _row(result: TableResult) -> list[str | Text]:
    """Return the cells of a table's verdict."""
    first = result.hops[0] if result.hops else Hop(HopName.EXTRACT)
    numbers = [
        *(f"{count:,}" for count in (result.rows, first.inserted, first.updated, first.deleted)),
        f"{result.seconds:.1f}",
    ]
    if result.state == State.FAILED:
        numbers = ["–"] * len(numbers)
    remarks = "; ".join(filter(None, [", ".join(map(str, result.found)), result.note]))
    return [
        as_text(result.table),
        as_text(result.state, style="" if result.good else "bold red"),
        *numbers,
        as_text(remarks or result.reason),
    ]


def _show_remarks(console: Console, summary: Summary) -> None:
    for result in summary.tables:
        for column, kinds in result.altered.items():
            for kind, count in kinds.items():
                server = "the replica's server" if kind == "negative_zeros" else "PostgreSQL"
                values = f"{count:,} values with {kind.replace('_', ' ')} that {server} cannot hold"
                console.print(as_text(f"{result.table}.{column}: {values}"))
    unclean = [
        result.table
        for result in summary.tables
        if result.good and not result.clean and result.state != State.VANISHED
    ]
    if unclean:
        unproven = "not proven unwritten while they were read, the next run looks again"
        console.print(as_text(f"{unproven}: {listed(unclean)}"))
    for change in summary.schema_changes:
        console.print(as_text(f"schema change: {change.sentence}"))
    if summary.excluded:
        excluded = [f"{table.table} ({table.reason})" for table in summary.excluded]
        console.print(as_text(f"excluded: {listed(excluded)}"))
    if summary.gone:
        console.print(as_text(f"no longer in the source, kept as they are: {listed(summary.gone)}"))
    if summary.models:
        _show_models(console, summary.models)


def _show_models(console: Console, models: ModelsResult) -> None:
    if models.missing:
        console.print(as_text(models.waiting, style="yellow"))
    if models.warned:
        console.print(as_text(f"dbt warns: {listed(models.warned)}", style="yellow"))
    if models.failed:
        console.print(as_text(f"dbt failed: {listed(models.failed)}", style="bold red"))

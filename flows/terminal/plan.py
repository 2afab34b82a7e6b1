"""What a run would do and why: `--plan`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from flows.terminal.console import as_text, new_grid, show_clear_text, show_loudly, show_overdue
from transfer.journey.plan import Outlook
from transfer.settings import Limits, Settings
from transfer.values.reasons import Method
from transfer.values.table import TablePlan


def show_plan(
    console: Console, settings: Settings, outlook: Outlook, *, every: bool = False
) -> None:
    """Print what a run would do and why: the tables with work, and if asked for all others too."""
    console.print(plan_sentence(settings.limits, outlook), soft_wrap=True)
    show_overdue(console, settings.limits, outlook.overdue)
    show_loudly(console, outlook.remarks)
    show_clear_text(console, settings)
    shown = outlook.plans if every else outlook.work
    kept = dict.fromkeys(outlook.gone, "the source no longer has it; its last version stays")
    left_out = {table.table: table.reason for table in outlook.excluded} if every else {}
    if shown or kept or left_out:
        console.print(_grid(shown, kept, left_out))
    unshown = len(outlook.plans) + len(outlook.excluded) - len(shown) - len(left_out)
    if unshown:
        console.print(
            f"not shown: {len(outlook.plans) - len(shown)} tables without work,"
            f" {len(outlook.excluded)} excluded (--all shows them)",
            soft_wrap=True,
        )


def _grid(plans: Sequence[TablePlan], kept: dict[str, str], left_out: dict[str, str]) -> Grid:
    grid = new_grid("table", "method", "hops", ">rows (est.)", ">MB (est.)", ">s (est.)", "why")
    for plan in plans:
        grid.add_row(*_row(plan))
    for method, tables in (("excluded", left_out), ("kept", kept)):
        for name, reason in tables.items():
            grid.add_row(as_text(name), method, "–", "", "", "", as_text(reason))
    return grid


def _row(plan: TablePlan) -> list[str | Text]:
    one_read = "" if plan.keyed or not plan.has_work else "; without a key, read in one statement"
    verified = f"; to be verified: {plan.verify}" if plan.verify and plan.hops else ""
    return [
        as_text(plan.table),
        plan.method,
        " → ".join(plan.hops) or "–",
        f"{plan.estimated_rows:,}",
        f"{plan.estimated_bytes / 2**20:,.1f}",
        f"{plan.estimated_seconds:,.1f}" if plan.has_work else "",
        as_text("; ".join(filter(None, [plan.reason, plan.because])) + verified + one_read),
    ]


def plan_sentence(limits: Limits, outlook: Outlook) -> str:
    """Say what a run would do, all in all.

    Several tables are in work at once, so the run takes fewer seconds than all of them together.
    """
    read = [plan.estimated_rows for plan in outlook.work if plan.method == Method.RELOAD]
    others = [
        plan.estimated_rows
        for plan in outlook.work
        if plan.verify or plan.method in {Method.COMPARE, Method.INCREMENTAL}
    ]
    compared = f" and {sum(others):,} to compare in {len(others)} tables" if others else ""
    tables = [plan.estimated_seconds for plan in outlook.work]
    seconds = max([sum(tables) / limits.workers, *tables])
    return (
        f"{len(outlook.work)} of {len(outlook.plans)} tables have work,"
        f" about {sum(read):,} rows to read{compared};"
        f" about {seconds:,.1f} s with {limits.workers} at once (ELT_WORKERS)."
    )

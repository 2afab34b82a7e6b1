"""What a run would do and why: `--plan`."""

from __future__ import annotations

from rich.console import Console

from flows.terminal.console import as_text, new_grid, show_clear_text, show_loudly, show_overdue
from transfer.journey.plan import Outlook
from transfer.settings import Limits, Settings
from transfer.values.reasons import Method


def show_plan(console: Console, settings: Settings, outlook: Outlook) -> None:
    """Print what a run would do and why."""
    grid = new_grid("table", "method", "hops", ">rows (est.)", ">MB (est.)", ">s (est.)", "why")
    for plan in outlook.plans:
        one_read = (
            "" if plan.keyed or not plan.has_work else "; without a key, read in one statement"
        )
        verified = f"; to be verified: {plan.verify}" if plan.verify and plan.hops else ""
        grid.add_row(
            as_text(plan.table),
            plan.method,
            " → ".join(plan.hops) or "–",
            f"{plan.estimated_rows:,}",
            f"{plan.estimated_bytes / 2**20:,.1f}",
            f"{plan.estimated_seconds:,.1f}" if plan.has_work else "",
            as_text("; ".join(filter(None, [plan.reason, plan.because])) + verified + one_read),
        )
    for table in outlook.excluded:
        grid.add_row(as_text(table.table), "excluded", "–", "", "", "", as_text(table.reason))
    kept = "the source no longer has it; its last version stays"
    for name in outlook.gone:
        grid.add_row(as_text(name), "kept", "–", "", "", "", kept)
    console.print(grid)
    show_overdue(console, settings.limits, outlook.overdue)
    show_loudly(console, outlook.remarks)
    console.print(plan_sentence(settings.limits, outlook), soft_wrap=True)
    show_clear_text(console, settings)


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

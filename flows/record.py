"""What the warehouse and the logs keep of a run: that it began, and how it ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from flows.terminal.console import overdue_sentence
from tasks.models import ModelsResult
from tasks.verdict import Summary, remember
from transfer.journey.clearing import clear_left_over
from transfer.journey.plan import Outlook, note_presence
from transfer.settings import Settings
from transfer.values.table import TableResult
from transfer.warehouse import history, schemas

log = logging.getLogger("elt")


def begin(
    settings: Settings,
    run_id: str,
    outlook: Outlook,
    tables: Sequence[str] | None,
    *,
    forced: bool = False,
    verified: bool = False,
) -> None:
    """Record that a run has begun, and clear what killed runs have left."""
    history.begin(settings.warehouse, run_id, tables=tables, forced=forced, verified=verified)
    note_presence(settings, run_id, outlook)
    clear_left_over(settings, outlook, everything=tables is None)
    count = len(outlook.work)
    log.info("%s of %s tables have work", count, len(outlook.plans), extra={"total": count})


def end(
    settings: Settings,
    run_id: str,
    outlook: Outlook,
    results: tuple[TableResult, ...],
    built: ModelsResult | None,
    seconds: float,
    *,
    verified: bool = False,
) -> Summary:
    """Record how a run ended, and return its verdict."""
    summary = Summary(
        run_id=run_id,
        tables=results,
        skipped=tuple((plan.table, plan.reason) for plan in outlook.plans if not plan.has_work),
        excluded=outlook.excluded,
        gone=outlook.gone,
        models=built,
        seconds=seconds,
        rotated=0 if verified else sum(result.verified for result in results),
        overdue=outlook.overdue,
        schema_changes=schemas.of_run(settings.warehouse, run_id),
        remarks=outlook.remarks,
    )
    remember(settings, summary)
    return summary


def log_summary(settings: Settings, summary: Summary) -> None:
    """Log a run's verdict, and what somebody should look at."""
    log.info("run %s: %s", summary.run_id, summary.sentence)
    for remark in summary.remarks:
        log.warning("%s", remark)
    if summary.overdue:
        log.warning("%s", overdue_sentence(settings.limits, summary.overdue))

"""A run that finds nothing to do, which needs no Prefect and is recorded all the same."""

from __future__ import annotations

import argparse
from dataclasses import replace
from time import monotonic
from uuid import uuid4

from flows import record
from tasks import build_models
from tasks.retrying import may_pass
from tasks.verdict import Summary
from transfer.errors import EltError
from transfer.journey.plan import Outlook, confirm, look
from transfer.replica import extracts
from transfer.settings import Settings
from transfer.warehouse import bookkeeping


def run(
    settings: Settings, options: argparse.Namespace, remarks: tuple[str, ...]
) -> Summary | None:
    """Return the summary of a run that found nothing to do; None if a table or a model has work.

    None also if a look failed that the flow's own may repeat with success.
    """
    started = monotonic()
    try:
        outlook = replace(_look(settings, options), remarks=remarks)
        if outlook.work or not (options.no_dbt or _models_and_page_stand(settings)):
            return None
        extracts.prepare(settings.replica, settings.limits)
        bookkeeping.prepare(settings.warehouse)
        confirm(settings, outlook)
    except EltError as error:
        if may_pass(error):
            return None
        raise
    run_id = str(uuid4())
    record.begin(settings, run_id, outlook, options.table)
    summary = record.end(settings, run_id, outlook, (), None, monotonic() - started)
    record.log_summary(settings, summary)
    return summary


def _look(settings: Settings, options: argparse.Namespace) -> Outlook:
    return look(settings, options.table, accept_source=options.accept_source)


def _models_and_page_stand(settings: Settings) -> bool:
    """Tell whether no model has work; what fails here makes the models red in the flow."""
    if settings.limits.report_is_missing:
        return False
    try:
        return not build_models.plan(settings).has_work
    except EltError:
        return False

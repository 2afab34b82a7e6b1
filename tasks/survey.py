"""The task that checks the servers and plans the run."""

from __future__ import annotations

from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.retrying import may_help
from transfer.journey import preflight
from transfer.journey.plan import Outlook, confirm, look
from transfer.replica import extracts
from transfer.settings import read_settings
from transfer.warehouse import bookkeeping


@task(name="survey", cache_policy=NO_CACHE, retry_condition_fn=may_help)
def survey(
    tables: list[str] | None,
    force_full: bool,
    verify: bool,
    accept_shrink: bool,
    accept_source: bool,
) -> Outlook:
    """Check the servers, create missing bookkeeping, and plan the run."""
    settings = read_settings()
    remarks = preflight.check(settings)
    extracts.prepare(settings.replica, settings.limits)
    bookkeeping.prepare(settings.warehouse)
    accepted = {"accept_shrink": accept_shrink, "accept_source": accept_source}
    outlook = look(settings, tables, force_full=force_full, verify=verify, **accepted)
    outlook = replace(outlook, remarks=remarks)
    confirm(settings, outlook)
    return outlook

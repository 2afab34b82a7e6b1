"""The task that brings one table up to date, which Prefect retries and caches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect import task

from tasks.caching import proven_key
from tasks.retrying import may_help
from transfer.journey.looks import Looks
from transfer.journey.sync import sync
from transfer.journey.work import Findings
from transfer.settings import read_settings
from transfer.values.printable import printable
from transfer.values.table import TablePlan, TableResult


def _name(parameters: dict[str, Any]) -> str:
    return printable(parameters["plan"].table)


@task(
    name="sync_table",
    task_run_name=_name,  # type: ignore[arg-type]  # whose type has a method more than it takes
    cache_key_fn=proven_key,
    cache_expiration=timedelta(days=1),
    persist_result=True,
    refresh_cache=False,
    retry_condition_fn=may_help,
)
def sync_table(
    plan: TablePlan, run_id: str, findings: Findings, looks: Looks | None = None
) -> TableResult:
    """Bring one table up to date in all three places."""
    return sync(read_settings(), plan, run_id, findings, looks)

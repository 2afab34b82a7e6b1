"""The subflow that builds the models over the base tables that changed."""

from __future__ import annotations

from prefect import flow

import tasks  # noqa: F401 - keeps Prefect offline, so it comes before Prefect
from tasks.build import build_models
from tasks.models import ModelsBrief, ModelsResult


@flow(name="dbt_build", flow_run_name="models · {plan.reason}", retries=0)
def dbt_build(plan: ModelsBrief, run_id: str) -> ModelsResult:
    """Build what has changed, for the reason that the plan gives.

    Raises:
        BuildFailed: a model or test is red; its work is left to the next run.

    """
    return build_models(plan, run_id)

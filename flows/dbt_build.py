"""The subflow that builds the models over the base tables that changed."""

from __future__ import annotations

from prefect import flow

import tasks  # noqa: F401 - keeps Prefect offline, so it comes before Prefect
from tasks.build import build_models
from tasks.models import ModelsPlan, ModelsResult


@flow(name="dbt_build", retries=0)
def dbt_build(plan: ModelsPlan, run_id: str) -> ModelsResult:
    """Build what the plan names.

    Raises:
        BuildFailed: a model or test is red; its work is left to the next run.

    """
    return build_models(plan, run_id)

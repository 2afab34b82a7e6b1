"""The subflow that builds the models over the base tables that changed."""

from __future__ import annotations

import tasks  # noqa: F401, I001 - keeps Prefect offline, so it comes before Prefect
from prefect import flow

from tasks.build_models import ModelsPlan, ModelsResult, build_models


@flow(name="dbt_build", log_prints=False)
def dbt_build(plan: ModelsPlan, run_id: str) -> ModelsResult:
    """Build what the plan names; the result tells what failed."""
    return build_models(plan, plan.proof, run_id)

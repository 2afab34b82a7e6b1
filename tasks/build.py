"""The task that builds the models, whose result Prefect keeps for a retry."""

from __future__ import annotations

import logging
from datetime import timedelta

from prefect import task

from tasks import build_models as models
from tasks.caching import proven_key
from tasks.models import ModelsBrief, ModelsResult
from transfer.settings import read_settings

log = logging.getLogger("elt")


@task(
    name="build_models",
    cache_key_fn=proven_key,
    cache_expiration=timedelta(days=1),
    persist_result=True,
    refresh_cache=False,
    retries=0,
)
def build_models(plan: ModelsBrief, run_id: str) -> ModelsResult:
    """Build and test the models over what changed, also since the plan was made."""
    log.info("dbt: %s", plan.reason)
    return models.build(read_settings(), run_id)

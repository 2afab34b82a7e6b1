"""When Prefect may take an earlier result for a task: only for a state that is proven, never for one that is forced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.context import TaskRunContext

from transfer.table import TablePlan, digest

if TYPE_CHECKING:
    from tasks.build_models import ModelsPlan


def table_key(_context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    """Return the key of a table's watermark, of its targets' generations and positions, and of the flow run.

    None, which is never a hit, if it is forced, if the source does not tell of writes, or if a target is not proven to
    stand where its status says: so a lost, restored or replaced replica or `raw` is done anew. A retried flow run keeps
    its id and does not redo what it finished; another run never takes its word for it.
    """
    plan: TablePlan = parameters["plan"]
    return f"sync-{digest(plan.table, plan.proof, parameters['run_id'])}" if plan.proof and not plan.forced else None


def models_key(_context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    """Return the key of the positions of `public`, the dbt project and the flow run; None if a relation is missing."""
    plan: ModelsPlan = parameters["plan"]
    return f"models-{digest(plan.proof, parameters['run_id'])}" if plan.proof else None

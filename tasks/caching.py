"""When Prefect may take an earlier result for a task: only for a state that is proven, never for
one that is forced.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Protocol

from prefect.context import TaskRunContext

from tasks import RESULTS
from transfer.values.table import digest

KEPT_SECONDS = 2 * 24 * 60 * 60


class Provable(Protocol):
    """A plan that knows whether its targets are proven to stand where their status says."""

    @property
    def proof(self) -> str | None:
        """A digest of the watermark, the targets' generations and positions, and the rules; None
        without proof.
        """


def proven_key(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    """Return the key of a plan's proof and of the flow run.

    None, which is never a hit, if the plan is forced, if the source does not tell of writes, or if
    a target is not proven to stand where its status says: so a lost, restored or replaced replica,
    `raw` or model is done anew. A retried flow run keeps its id and does not redo what it finished;
    another run never takes its word for it.
    """
    plan: Provable = parameters["plan"]
    return f"{context.task.name}-{digest(plan.proof, parameters['run_id'])}" if plan.proof else None


def forget_old_results() -> None:
    """Remove the results of earlier runs that no retry asks for any more; Prefect itself keeps them
    for ever.
    """
    oldest = time.time() - KEPT_SECONDS
    for path in RESULTS.glob("*"):
        # Another run may remove it first, or it may be another user's.
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()

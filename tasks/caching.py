"""When Prefect may use an earlier result of a task: only for a proven state, never a forced one."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Protocol

from prefect.context import TaskRunContext

from tasks import RESULTS
from transfer.values.table import digest

KEPT_SECONDS = 2 * 24 * 60 * 60


class Provable(Protocol):
    """A plan that knows whether its targets are proven to be as their status says."""

    @property
    def proof(self) -> str | None:
        """A digest of the watermark, the targets' generations and positions, and the rules.

        None without proof.
        """


def proven_key(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    """Return the key of a plan's proof and of the flow run.

    None, which is never a hit, if the plan is forced, if the source does not tell of writes, or if
    a target is not proven to be as its status says. So a lost, restored or replaced replica, `raw`
    or model is made again. A flow run that is retried keeps its id and does not repeat what it has
    finished. Another run never relies on that.
    """
    plan: Provable = parameters["plan"]
    return f"{context.task.name}-{digest(plan.proof, parameters['run_id'])}" if plan.proof else None


def forget_old_results() -> None:
    """Remove the results that no retry asks for any longer; Prefect keeps them for ever."""
    oldest = time.time() - KEPT_SECONDS
    for path in RESULTS.glob("*"):
        # Another run may remove it first, or it may be another user's.
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()

"""When a task may be tried again.

That may help if a server or the clinic is the cause, not if a table or a setting is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.errors import DatabaseFault, PreflightError, ServerHangs, SourceRefused, TableUnsteady
from transfer.running.stopping import stopped

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task


def may_help(_task: Task[..., object], _run: TaskRun, state: State[object]) -> bool:
    """Tell Prefect whether the same call may succeed a little later."""
    return may_pass(state.data) and not stopped()


def may_pass(error: object) -> bool:
    """Tell whether what failed may succeed a little later.

    A server that hangs was waited for long enough.
    """
    transient = isinstance(error, DatabaseFault | PreflightError | TableUnsteady)
    return transient and not isinstance(error, ServerHangs | SourceRefused)

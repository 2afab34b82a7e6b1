"""When Prefect may try a task again.

That may help if a server or the clinic is the cause, not if a table or a setting is.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from transfer.errors import DatabaseFault, PreflightError, ServerHangs, SourceRefused, TableUnsteady
from transfer.running.stopping import stopped


def may_help(_task: Task[..., object], _run: TaskRun, state: State[object]) -> bool:
    """Tell whether the same call may succeed a little later.

    A server that hangs was waited for long enough.
    """
    transient = isinstance(state.data, DatabaseFault | PreflightError | TableUnsteady)
    return transient and not stopped() and not isinstance(state.data, ServerHangs | SourceRefused)

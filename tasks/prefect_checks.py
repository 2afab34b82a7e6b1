"""Whether Prefect can do its part: its server, the work pool, a worker, and the last run there.

Prefect is imported only where something speaks of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tasks import prefect_server, surroundings
from transfer.errors import SettingsError
from transfer.values.checked import Checked

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

PLACE = "Prefect"
FLOW = "elt"
LONGEST = timedelta(days=1)


def examine() -> tuple[Checked, ...]:
    """Check what a run needs of Prefect, and changes nothing there."""
    if not surroundings.speak_of_prefect():
        return (Checked(PLACE, "server", "none named: a run with work starts one"),)
    try:
        surroundings.check()
        if not prefect_server.is_named():
            return (Checked(PLACE, "server", "none named: a run with work starts one"),)
        prefect_server.check_server()
    except SettingsError as error:
        return (Checked(PLACE, "server", "no answer", str(error)),)
    try:
        return _of_its_server()
    except Exception as error:  # noqa: BLE001 - any error of Prefect's
        refused = (
            f"PREFECT_API_URL: the Prefect server refuses a question ({type(error).__name__}); look"
            " at its log, and at PREFECT_API_KEY or PREFECT_API_AUTH_STRING if it wants one."
        )
        return (Checked(PLACE, "server", "refuses a question", refused),)


def _of_its_server() -> tuple[Checked, ...]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        version = Checked(PLACE, "server", f"answers, version {client.api_version()}")
        deployments = [each for each in client.read_deployments() if _is_ours(each)]
        found = (version, _deployments(deployments), *_last_run(client))
        pools = sorted({each.work_pool_name or "" for each in deployments} - {""})
        return (*found, *(check for pool in pools for check in _pool(client, pool)))


def _is_ours(deployment: DeploymentResponse) -> bool:
    return (deployment.entrypoint or "").endswith("elt.py:elt")


def _deployments(deployments: Sequence[DeploymentResponse]) -> Checked:
    names = ", ".join(sorted(each.name for each in deployments))
    measured = names or "none: runs begin on the command line (make deploy writes them)"
    return Checked(PLACE, "deployments", measured)


def _pool(client: SyncPrefectClient, name: str) -> list[Checked]:
    """Check that a work pool is there, and that a worker asks it for runs."""
    from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
    from prefect.client.schemas.objects import WorkerStatus

    named = WorkPoolFilter(name=WorkPoolFilterName(any_=[name]))
    pools = client.read_work_pools(work_pool_filter=named)
    gone = f"Prefect's work pool {name} is not there: run make deploy."
    if not pools:
        return [Checked(PLACE, "work pool", f"no {name}", gone, stops=False)]
    paused = f"Prefect's work pool {name} is paused: run prefect work-pool resume {name}."
    pool = pools[0]
    state = Checked(
        PLACE,
        "work pool",
        f"{name}, {'paused' if pool.is_paused else 'open'}",
        paused if pool.is_paused else "",
        stops=False,
    )
    if pool.is_push_pool or pool.is_managed_pool:  # it begins runs without a worker
        return [state]
    workers = client.read_workers_for_work_pool(name)
    online = sum(worker.status == WorkerStatus.ONLINE for worker in workers)
    idle = (
        f"no worker asks Prefect's work pool {name} for runs, so none begins by its schedule:"
        f" start one (prefect worker start --pool {name})."
    )
    asking = Checked(PLACE, "workers", f"{online} at work", "" if online else idle, stops=False)
    return [state, asking]


def _last_run(client: SyncPrefectClient) -> list[Checked]:
    """Check the newest run: one that seems to run for a day is dead."""
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName
    from prefect.client.schemas.sorting import FlowRunSort

    ours = FlowFilter(name=FlowFilterName(any_=[FLOW]))
    runs = client.read_flow_runs(flow_filter=ours, sort=FlowRunSort.START_TIME_DESC, limit=20)
    begun = [run for run in runs if run.start_time]
    if not begun:
        return [Checked(PLACE, "last run", "none yet")]
    last = begun[0]
    now = datetime.now(UTC)
    measured = f"{last.state_name or 'unknown'}, began {last.start_time:%Y-%m-%d %H:%M} UTC"
    dead: list[UUID] = [
        run.id
        for run in begun
        if run.state_name == "Running" and run.start_time and now - run.start_time > LONGEST
    ]
    over = (
        f"Prefect shows the run {dead[0]} as running for over a day, though its worker is gone: run"
        f" prefect flow-run cancel {dead[0]}."
        if dead
        else ""
    )
    return [Checked(PLACE, "last run", measured, over, stops=False)]

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Client
from flow_runs import settle
from post import Mailbox, mailbox
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings
from runs import in_time

from deployments.clinic.schema import create_statement, tables
from deployments.databases import Databases
from deployments.servers import Servers
from tasks import prefect_checks
from transfer.settings import ROOT
from transfer.values.table import digest

pytest_plugins = ["prefect_server"]
pytestmark = pytest.mark.filterwarnings("default")  # those of Prefect are not ours


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    """Where the runs' messages go."""
    with mailbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def variables(
    prefect_api: str,
    module_databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
    box: Mailbox,
) -> dict[str, str]:
    """The surroundings of the worker; its runs inherit them."""
    return {
        **os.environ,
        **module_databases.variables(),
        "PREFECT_API_URL": prefect_api,
        "PREFECT_HOME": str(tmp_path_factory.mktemp("worker")),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "ELT_LOG_DIR": str(tmp_path_factory.mktemp("logs")),
        "ELT_NOTIFY": box.addresses,
        "ELT_PING": box.page,
        "DO_NOT_TRACK": "1",
    }


@pytest.fixture(scope="module")
def prefect_command(variables: dict[str, str]) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def deployed(prefect_command: Callable[..., str], prefect_api: str) -> Iterator[None]:
    prefect_command("work-pool", "create", "default", "--type", "process", "--overwrite")
    forget(prefect_api)
    prefect_command("deploy", "--all")
    yield
    forget(prefect_api)


def forget(prefect_api: str) -> None:
    """Remove the deployments with the runs that they have due: the server outlives the tests."""
    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)


@pytest.fixture(scope="module")
def worker(
    deployed: None,
    prefect_api: str,
    variables: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """A worker that runs three at a time, none of them by the clock; gives the file of what it says."""
    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            client.pause_deployment(deployment.id)
    said = tmp_path_factory.mktemp("worker") / "said"
    command = [
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "--pool",
        "default",
        "--type",
        "process",
    ]
    with (
        said.open("w") as log,
        subprocess.Popen(
            [*command, "--limit", "3"], cwd="/", env=variables, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield said
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="module")
def practice(servers: Servers, module_databases: Databases) -> Iterator[Client]:
    """A source with the real tables `patient` and `appointment`, and one more."""
    with closing(servers.source.connect(module_databases.source.name)) as connection:
        source = Client(module_databases.source.name, connection)
        source.run("SET SESSION sql_mode = ''")
        for name, column in (("patient", "LName"), ("appointment", "Note"), ("recall", "Note")):
            source.run(create_statement(tables()[name], uca_known=False))
            values = ", ".join(f"('{name} {number}')" for number in range(40))
            source.run(f"INSERT INTO {name} ({column}) VALUES {values}")
        settle(source)
        yield source


def test_the_deployments_are_what_the_file_says(deployed, prefect: SyncPrefectClient):
    for name, chosen in (("all", None), ("appointment", ["appointment"]), ("patient", ["patient"])):
        found = prefect.read_deployment_by_name(f"elt/{name}")
        assert found.parameters.get("tables") == chosen
        assert found.work_pool_name == "default"
        assert found.global_concurrency_limit.limit == 1
        assert found.concurrency_options.collision_strategy.value == "CANCEL_NEW"
        assert [(each.active, each.schedule.timezone) for each in found.schedules] == [
            (True, "America/New_York")
        ]


def test_a_worker_runs_the_deployment_of_a_table(
    worker, practice, servers, module_databases, prefect_command, box: Mailbox, prefect
):
    said = prefect_command("deployment", "run", "elt/patient", "--watch")
    assert "Completed" in said, said + worker.read_text()
    assert (box.mails, box.posts, box.calls) == ([], [], ["/ping/secret-check"])
    assert [each.sentence for each in prefect_checks.examine() if not each.holds] == []
    with closing(servers.postgres.connect(module_databases.warehouse.name)) as connection:
        warehouse = Client("", connection)
        assert warehouse.run("SELECT count(*), min(l_name) FROM patient") == [(40, "patient 0")]
        assert warehouse.run("SELECT count(*) FROM public_staging.stg_opendental__patients") == [
            (40,)
        ]
        assert warehouse.run("SELECT to_regclass('appointment')") == [(None,)]


def test_a_deployments_run_that_is_refused_is_told_once(
    worker, practice, box: Mailbox, prefect: SyncPrefectClient
):
    box.forget()
    run = run_deployment("elt/patient", timeout=0, parameters={"tables": ["pateint"]})
    assert wait_for(lambda: finished(prefect, run), worker).state_name == "Failed"
    mail = box.one()
    assert mail.title == "OpenDental ELT: refused"
    assert "Why: --table pateint: the source has no such table; did you mean patient?" in mail.text


@pytest.mark.thorough
def test_two_deployments_at_once_end_right_and_a_second_run_of_one_is_cancelled(
    worker, practice, servers, module_databases, prefect: SyncPrefectClient
):
    chosen: dict[str, Any] = {"models": False}
    before = run_deployment("elt/all", timeout=0, parameters=chosen)
    assert wait_for(lambda: finished(prefect, before), worker).state_name == "Completed"
    practice.run("UPDATE patient SET LName = 'Edited' WHERE PatNum > 10")
    practice.run("DELETE FROM patient WHERE PatNum > 30")
    runs = [
        run_deployment(f"elt/{name}", timeout=0, parameters=chosen) for name in ("all", "patient")
    ]
    with closing(servers.replica.connect(module_databases.replica.name)) as connection:
        replica = Client("", connection)
        # Both wait here until both are there.
        replica.run("LOCK TABLES patient WRITE, patient AS other WRITE")
        wait_for(
            lambda: all(prefect.read_flow_run(run.id).state.is_running() for run in runs), worker
        )
        third = run_deployment("elt/patient", timeout=0, parameters=chosen)
        assert wait_for(lambda: finished(prefect, third), worker).state_name == "Cancelled"
        replica.run("UNLOCK TABLES")
        ended = [wait_for(lambda run=run: finished(prefect, run), worker) for run in runs]
        assert [run.state_name for run in ended] == ["Completed", "Completed"], worker.read_text()
        first, second = ended
        assert first.start_time < second.end_time
        assert second.start_time < first.end_time
        rows = "SELECT COUNT(*), SUM(LName = 'Edited') FROM patient"
        assert practice.run(rows) == replica.run(rows) == [(30, 20)]
        names = [
            f"elt:{digest(module_databases.replica.name, name)}"
            for name in ("patient", "appointment", "recall")
        ]
        assert [replica.run("SELECT IS_USED_LOCK(%s)", name) for name in names] == [[(None,)]] * 3
    with closing(servers.postgres.connect(module_databases.warehouse.name)) as connection:
        warehouse = Client("", connection)
        found = "SELECT count(*), count(*) FILTER (WHERE l_name = 'Edited') FROM patient"
        assert warehouse.run(found) == [(30, 20)]
        assert warehouse.run("SELECT count(*) FROM appointment") == [(40,)]
        assert warehouse.run("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def finished(prefect: SyncPrefectClient, run: FlowRun) -> FlowRun | None:
    found = prefect.read_flow_run(run.id)
    return found if found.state.is_final() else None


def wait_for(
    look: Callable[[], Any], worker: Path, within: timedelta = timedelta(seconds=90)
) -> Any:
    began = time.monotonic()
    while not (found := look()):
        assert in_time(time.monotonic() - began, within.total_seconds()), worker.read_text()
        time.sleep(0.3)
    return found

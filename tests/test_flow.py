import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from conftest import Client
from flow_runs import settle

import tasks  # noqa: F401, I001 - keeps Prefect offline, so it comes before Prefect
from flows.elt import RunFailed, elt
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.flow_engine import run_flow
from prefect.settings import get_current_settings
from prefect.states import AwaitingRetry
from tasks import build_models
from tasks.caching import table_key
from tasks.report import Summary
from tasks.survey import look
from transfer.settings import settings
from transfer.table import TablePlan

pytest_plugins = ["prefect_server"]
pytestmark = [
    pytest.mark.usefixtures("prefect", "in_environment"),
    pytest.mark.filterwarnings("default"),  # those of Prefect and dbt are not ours
]

PROJECT = {
    "dbt_project.yml": """
        name: small
        profile: opendental
        models: { small: { +materialized: table } }
    """,
    "models/sources.yml": """
        sources:
          - name: opendental
            schema: public
            tables: [{ name: patient }, { name: appointment }]
    """,
    "models/people.sql": "select pat_num, l_name from {{ source('opendental', 'patient') }}",
    "models/visits.sql": "select apt_num from {{ source('opendental', 'appointment') }}",
    "models/both.sql": "select (select count(*) from {{ ref('people') }}) + (select count(*) from {{ ref('visits') }}) as n",
    "tests/nobody_is_nobody.sql": "select l_name from {{ ref('people') }} where l_name = 'nobody'",
}


@pytest.fixture
def small_dbt(tmp_path: Path, in_environment: pytest.MonkeyPatch) -> Path:
    """A dbt project of three models, as the real one takes its time."""
    home = tmp_path / "small"
    for name, text in PROJECT.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in text.splitlines()))
    (home / "profiles.yml").write_text((build_models.PROJECT / "profiles.yml").read_text())
    in_environment.setattr(build_models, "PROJECT", home)
    in_environment.setattr(build_models, "TARGET", tmp_path / "target")
    return home


def table(source: Client, name: str, rows: int = 3) -> None:
    source.run(f"CREATE TABLE {name} (Id bigint PRIMARY KEY AUTO_INCREMENT, Note text) ENGINE=MyISAM")
    source.run(f"INSERT INTO {name} (Note) VALUES {', '.join([f'''('{name}')'''] * rows)}")


def clinic(source: Client) -> None:
    source.run("CREATE TABLE patient (PatNum bigint PRIMARY KEY AUTO_INCREMENT, LName varchar(99)) ENGINE=MyISAM")
    source.run("CREATE TABLE appointment (AptNum bigint PRIMARY KEY AUTO_INCREMENT) ENGINE=MyISAM")
    source.run("INSERT INTO patient (LName) VALUES ('Ångström'), ('O''Neil')")
    source.run("INSERT INTO appointment VALUES (1), (2), (3)")


def states(summary: Summary) -> dict[str, str]:
    return {result.table: result.state for result in summary.tables}


def task_runs(prefect: SyncPrefectClient, summary: Summary, expected: int) -> dict[str, TaskRun]:
    """The runs of the task for a table by table; they reach the server's database a little later."""
    this = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(summary.run_id)]))
    until = time.monotonic() + 30
    while True:
        found = [run for run in prefect.read_task_runs(flow_run_filter=this) if run.task_key.startswith("sync_table")]
        done = [run for run in found if run.state and run.state.is_final()]
        if len(done) >= expected or time.monotonic() > until:
            return {run.name: run for run in done}
        time.sleep(0.2)


def failed(run: Callable[[], Any]) -> Summary:
    with pytest.raises(RunFailed) as caught:
        run()
    return caught.value.summary


def test_a_table_with_work_has_one_task_run_and_an_unchanged_one_none(prefect, source, warehouse):
    for name in ("one", "two", "three"):
        table(source, name)
    settle(source)
    first = elt(models=False)
    assert sorted(task_runs(prefect, first, 3)) == ["one", "three", "two"]
    source.run("UPDATE two SET Note = 'edited' WHERE Id = 2")
    second = elt(models=False)
    assert [result.table for result in second.tables] == ["two"]
    assert sorted(name for name, _ in second.skipped) == ["one", "three"]
    assert list(task_runs(prefect, second, 1)) == ["two"]
    assert warehouse.run("SELECT note FROM two ORDER BY id") == [("two",), ("edited",), ("two",)]

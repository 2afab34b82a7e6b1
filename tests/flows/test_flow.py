import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from conftest import Client
from flow_runs import settle
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterName,
)
from prefect.client.schemas.objects import TaskRun
from prefect.flow_engine import run_flow
from prefect.settings import get_current_settings
from prefect.states import AwaitingRetry
from runs import in_time

from flows.elt import RunFailed, elt
from flows.naming import run_name
from tasks import dbt_by_hand
from tasks.sync_table import sync_table
from tasks.verdict import Summary
from transfer.journey.plan import look
from transfer.journey.work import Findings
from transfer.settings import read_settings
from transfer.values.table import TablePlan

pytest_plugins = ["prefect_server"]
pytestmark = [
    pytest.mark.usefixtures("prefect", "in_environment"),
    pytest.mark.filterwarnings("default"),  # those of Prefect and dbt are not ours
]


def table(source: Client, name: str, rows: int = 3) -> None:
    source.run(
        f"CREATE TABLE {name} (Id bigint PRIMARY KEY AUTO_INCREMENT, Note text) ENGINE=MyISAM"
    )
    source.run(f"INSERT INTO {name} (Note) VALUES {', '.join([f'''('{name}')'''] * rows)}")


def clinic(source: Client) -> None:
    source.run(
        "CREATE TABLE patient (PatNum bigint PRIMARY KEY AUTO_INCREMENT, LName varchar(99)) ENGINE=MyISAM"
    )
    source.run("CREATE TABLE appointment (AptNum bigint PRIMARY KEY AUTO_INCREMENT) ENGINE=MyISAM")
    source.run("INSERT INTO patient (LName) VALUES ('Ångström'), ('O''Neil')")
    source.run("INSERT INTO appointment VALUES (1), (2), (3)")


def states(summary: Summary) -> dict[str, str]:
    return {result.table: result.state for result in summary.tables}


def task_runs(prefect: SyncPrefectClient, summary: Summary, expected: int) -> dict[str, TaskRun]:
    """The runs of the task for a table by table; they reach the server's database a little later."""
    this = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(summary.run_id)]))
    began = time.monotonic()
    while True:
        found = [
            run
            for run in prefect.read_task_runs(flow_run_filter=this)
            if run.task_key.startswith("sync_table")
        ]
        done = [run for run in found if run.state and run.state.is_final()]
        if len(done) >= expected or not in_time(time.monotonic() - began, 30):
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


@contextmanager
def after_survey(act: Callable[[], None]) -> Iterator[None]:
    """Do something when the survey is over and no table has been begun."""

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if hasattr(record, "total"):
                act()

    watch = Watch()
    logging.getLogger("elt").addHandler(watch)
    try:
        yield
    finally:
        logging.getLogger("elt").removeHandler(watch)


def retry(prefect: SyncPrefectClient, summary: Summary) -> Summary:
    """Run a failed flow run once more, as Prefect's Retry does."""
    prefect.set_flow_run_state(UUID(summary.run_id), AwaitingRetry(), force=True)
    result: Summary = run_flow(elt, flow_run=prefect.read_flow_run(UUID(summary.run_id)))
    return result


def test_a_retried_flow_run_redoes_only_what_is_not_there(
    prefect, source, replica, warehouse, tmp_path, in_environment
):
    for name in ("good", "lost_in_raw", "lost_in_replica", "broken"):
        table(source, name)
    settle(source)
    in_environment.setenv("ELT_STANDARDIZE_DIR", str(tmp_path))
    own = tmp_path / "broken.sql"
    own.write_text("SELECT no_such_column FROM raw.broken")
    first = failed(lambda: elt(models=False))
    assert states(first) == {
        "good": "synced", "lost_in_raw": "synced", "lost_in_replica": "synced", "broken": "failed",
    }  # fmt: skip
    own.unlink()
    warehouse.run("DROP TABLE raw.lost_in_raw")
    replica.run("DROP TABLE lost_in_replica")
    second = retry(prefect, first)
    assert second.run_id == first.run_id
    assert states(second) == {
        "lost_in_raw": "synced",
        "lost_in_replica": "synced",
        "broken": "synced",
    }
    assert replica.run("SELECT COUNT(*) FROM lost_in_replica") == [(3,)]
    assert warehouse.run("SELECT count(*) FROM raw.lost_in_raw") == [(3,)]
    reads = dict(
        replica.run(
            "SELECT table_name, COUNT(*) FROM etl_extract_status WHERE state = 'complete' GROUP BY 1"
        )
    )
    assert reads == {"good": 1, "lost_in_raw": 1, "lost_in_replica": 2, "broken": 1}
    assert prefect.read_flow_run(UUID(first.run_id)).state.is_completed()


def test_only_a_proven_state_is_taken_from_the_cache(source, replica, warehouse):
    table(source, "t")
    settle(source)
    elt(models=False)

    @flow
    def twice(plan: TablePlan) -> list[str]:
        return [
            sync_table(plan, str(uuid4()) if new else run, Findings(), return_state=True).name
            for new in (False, False, True)
        ]

    def outcomes(*, force_full: bool = False) -> list[str]:
        return twice(look(read_settings(), ["t"], force_full=force_full).plans[0])

    run = str(uuid4())
    assert outcomes() == ["Completed", "Cached", "Completed"]
    assert outcomes(force_full=True) == ["Completed"] * 3
    settle(source)
    warehouse.run("DROP TABLE raw.t")
    assert outcomes() == ["Completed"] * 3
    replica.run("DROP TABLE t")
    assert outcomes() == ["Completed"] * 3
    assert (
        replica.run("SELECT COUNT(*) FROM t")
        == [(3,)]
        == warehouse.run("SELECT count(*) FROM raw.t")
    )


def test_a_forced_run_reads_everything_again(prefect, source):
    table(source, "t")
    settle(source)
    elt(models=False)
    for _ in range(2):
        forced = elt(force_full=True, models=False)
        assert [hop.name for hop in forced.tables[0].hops] == ["extract", "load", "standardize"]
        assert [run.state_name for run in task_runs(prefect, forced, 1).values()] == ["Completed"]


def test_a_transient_failure_succeeds_on_the_second_attempt(
    prefect, servers, source, replica, warehouse, in_environment, tmp_path, caplog
):
    in_environment.setenv("ELT_RETRY_SECONDS", "0.2")
    for name in ("in_mysql", "in_postgres"):
        table(source, name)
    elt(models=False)
    source.run("UPDATE in_mysql SET Note = 'Zyxqua'")
    source.run("UPDATE in_postgres SET Note = 'Zyxqua'")
    threads: list[threading.Thread] = []

    def hold_both() -> None:
        replica.run("LOCK TABLES in_mysql WRITE")
        warehouse.connection.autocommit = False
        warehouse.run("LOCK TABLE raw.in_postgres")
        threads.extend(threading.Thread(target=kill) for kill in (kill_in_mysql, kill_in_postgres))
        for thread in threads:
            thread.start()

    def kill_in_mysql() -> None:
        waiting = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = %s AND STATE LIKE 'Waiting for table%%'"
        with closing(servers.replica.connect()) as connection:
            killer = Client("", connection)
            killer.run(f"KILL {until(lambda: killer.run(waiting, replica.database))[0][0]}")
        replica.run("UNLOCK TABLES")

    def kill_in_postgres() -> None:
        waiting = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        with closing(servers.postgres.connect()) as connection:
            killer = Client("", connection)
            pid = until(lambda: killer.run(waiting, warehouse.database))[0][0]
            killer.run("SELECT pg_terminate_backend(%s)", pid)
        warehouse.connection.rollback()

    with after_survey(hold_both):
        summary = elt(models=False)
    for thread in threads:
        thread.join()
    assert states(summary) == {"in_mysql": "synced", "in_postgres": "synced"}
    assert {run.run_count for run in task_runs(prefect, summary, 2).values()} == {2}
    assert warehouse.run(
        "SELECT DISTINCT note FROM in_mysql UNION SELECT note FROM in_postgres"
    ) == [("Zyxqua",)]
    told = caplog.text + "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert "Zyxqua" not in told


def until(look: Callable[[], Any], seconds: float = 30) -> Any:
    began = time.monotonic()
    while not (found := look()):
        assert in_time(time.monotonic() - began, seconds)
        time.sleep(0.02)
    return found


def test_a_broken_table_stops_no_other_and_the_run_names_it(
    prefect, source, warehouse, small_dbt, tmp_path, in_environment
):
    clinic(source)
    table(source, "broken")
    in_environment.setenv("ELT_STANDARDIZE_DIR", str(tmp_path))
    (tmp_path / "broken.sql").write_text("SELECT no_such_column FROM raw.broken")
    summary = failed(elt)
    assert [result.table for result in summary.failed] == ["broken"]
    assert "broken.sql" in summary.failed[0].note
    assert summary.models.good
    assert warehouse.run("SELECT n FROM public.both") == [(5,)]
    state = prefect.read_flow_run(UUID(summary.run_id)).state
    assert state.is_failed()
    assert "red: broken" in state.message
    of_this = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(summary.run_id)]))

    artifacts = {each.key: each for each in prefect.read_artifacts(artifact_filter=of_this)}
    verdict = artifacts["elt-verdict"]
    nodes = {
        row["name"]: (row["kind"], row["state"]) for row in json.loads(artifacts["elt-models"].data)
    }
    assert nodes["both"] == ("model", "success")
    assert nodes["nobody_is_nobody"] == ("test", "pass")
    rows = {row["table"]: row["state"] for row in json.loads(verdict.data)}
    assert rows == {"patient": "synced", "appointment": "synced", "broken": "failed"}


def test_dbt_builds_what_descends_from_what_changed(source, warehouse, small_dbt):
    def built() -> dict[str, int]:
        return dict(
            warehouse.run(
                "SELECT relname, oid::int FROM pg_class WHERE relname IN ('people', 'visits', 'both')"
            )
        )

    clinic(source)
    settle(source)
    assert elt().models.reason == "never built"
    first = built()
    source.run("INSERT INTO appointment VALUES (4)")
    assert elt().models.reason == "1 base tables changed"
    second = built()
    assert {name for name in first if first[name] != second[name]} == {"visits", "both"}
    assert warehouse.run("SELECT n FROM public.both") == [(6,)]
    settle(source)
    elt()
    assert elt().models is None
    assert built() == second
    warehouse.run("DROP TABLE visits")
    assert elt().models.reason == "a model's relation is missing"
    assert set(built()) == {"people", "visits", "both"}


def test_the_graph_leads_from_the_survey_to_each_table_and_from_them_to_the_models(
    prefect, source, small_dbt
):
    clinic(source)
    settle(source)
    summary = elt()
    tables = task_runs(prefect, summary, 2)
    this = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(summary.run_id)]))
    of_others = {
        run.name.partition("-")[0]: run
        for run in prefect.read_task_runs(flow_run_filter=this)
        if run.name not in tables
    }
    before = {
        name: {
            given.id
            for inputs in run.task_inputs.values()
            for given in inputs
            if given.input_type == "task_run"
        }
        for name, run in {**tables, **of_others}.items()
    }
    survey, both = of_others["survey"].id, {run.id for run in tables.values()}
    assert before["survey"] == set()
    assert before["patient"] == before["appointment"] == {survey}
    assert before["dbt_build"] == both
    assert before["report"] >= both
    names = [prefect.read_flow_run(UUID(summary.run_id)).name]
    models = FlowRunFilter(name=FlowRunFilterName(like_="models"))
    names += [
        run.name
        for run in prefect.read_flow_runs(flow_run_filter=models)
        if run.parent_task_run_id == of_others["dbt_build"].id
    ]
    assert re.fullmatch(r"all · \d\d:\d\d, models · never built", ", ".join(names)), names


def test_a_run_is_named_by_what_it_does(in_environment):
    in_environment.setenv("ELT_TIME_ZONE", "Asia/Tokyo")
    tokyo = datetime.now(ZoneInfo("Asia/Tokyo"))
    clocks = {f"{tokyo + timedelta(minutes=more):%H:%M}" for more in (0, 1)}
    for parameters, what, how in (
        ({"tables": None}, "all", ""),
        (
            {"tables": ["a", "b"], "force_full": True, "verify": True},
            "a, b",
            " · forced · verified",
        ),
        ({"tables": ["a\x1b[2J", "b", "c", "d", "e"]}, "a\\x1b[2J, b, c and 2 more", ""),
    ):
        assert run_name(parameters) in {f"{what} · {clock}{how}" for clock in clocks}
    in_environment.setenv("ELT_TIME_ZONE", "nowhere")
    assert run_name({}).startswith("all · ")


def test_a_build_draws_the_practices_page_and_no_run_is_red_for_it(
    source, warehouse, small_dbt, in_environment, tmp_path
):
    page = tmp_path / "reports/practice.html"
    in_environment.setenv("ELT_REPORT", str(page))
    clinic(source)
    settle(source)
    early = elt()
    assert early.good
    assert "page is not drawn: public_marts has no models" in early.remarks[-1]
    warehouse.run("CREATE SCHEMA public_intermediate")
    for name, row in (
        ("int_as_of_date", "DATE '2026-11-30' AS as_of_date, false AS is_historic"),
        ("int_preferences_pivoted", "'Smile & Sons' AS practice_title"),
    ):
        warehouse.run(f"CREATE TABLE public_intermediate.{name} AS SELECT {row}")
    warehouse.run("GRANT USAGE ON SCHEMA public_intermediate TO PUBLIC")
    warehouse.run("GRANT SELECT ON ALL TABLES IN SCHEMA public_intermediate TO PUBLIC")
    later = elt()
    assert (later.models, later.remarks) == (None, early.remarks[:-1])
    assert "Smile &amp; Sons" in page.read_text()
    drawn = page.stat().st_mtime_ns
    elt()
    assert page.stat().st_mtime_ns == drawn
    source.run("INSERT INTO appointment VALUES (4)")
    assert elt().models.passed
    assert page.stat().st_mtime_ns > drawn
    assert [each.name for each in page.parent.iterdir()] == [page.name]
    page.unlink()
    page.mkdir()
    assert "is a folder" in elt().remarks[-1]
    in_environment.setenv("ELT_REPORT", str(tmp_path / ("x" * 300)))
    assert "cannot be written: File name too long" in elt().remarks[-1]


@pytest.mark.thorough
def test_a_new_day_is_built_without_any_change(source, warehouse, small_dbt):
    (small_dbt / "models/int_as_of_date.sql").write_text("select current_date as day")
    clinic(source)
    settle(source)
    elt()
    assert elt().models is None
    warehouse.run("UPDATE etl_dbt_status SET built_at = built_at - interval '1 day'")
    (last,) = warehouse.run("SELECT oid FROM pg_class WHERE relname = 'people'")
    models = elt().models
    assert (models.reason, models.passed) == ("a new day", 1)
    assert warehouse.run("SELECT oid FROM pg_class WHERE relname = 'people'") == [last]
    assert elt().models is None


@pytest.mark.thorough
def test_what_is_in_the_views_sql_is_built_anew_when_it_changes(source, small_dbt, in_environment):
    clinic(source)
    settle(source)
    elt()
    in_environment.setenv("ELT_TIME_ZONE", "America/Chicago")
    assert elt().models.reason == "the dbt project or its variables changed"
    assert elt().models is None
    with pytest.raises(SystemExit):
        dbt_by_hand.main(["run", "-s", "nothing", "--vars", "as_of_date: 2026-01-01"])
    assert elt().models.reason == "the dbt project or its variables changed"
    assert elt().models is None


def test_a_failed_build_leaves_its_work_to_the_next_run(prefect, source, warehouse, small_dbt):
    clinic(source)
    elt()
    source.run("UPDATE patient SET LName = 'nobody' WHERE PatNum = 1")
    first = failed(elt)
    assert not first.failed
    assert first.models.failed == ("test nobody_is_nobody: 1 row fails",)
    assert failed(elt).models.failed == ("test nobody_is_nobody: 1 row fails",)
    assert failed(lambda: retry(prefect, first)).models.failed == (
        "test nobody_is_nobody: 1 row fails",
    )
    (small_dbt / "tests/nobody_is_nobody.sql").unlink()
    assert elt().models.reason == "the dbt project or its variables changed"
    assert warehouse.run("SELECT count(*) FROM people WHERE l_name = 'nobody'") == [(1,)]


@pytest.mark.thorough
def test_what_a_failed_build_of_other_models_left_is_built_anew(source, warehouse, small_dbt):
    clinic(source)
    settle(source)
    elt()
    model, test = small_dbt / "models/both.sql", small_dbt / "tests/nobody_is_nobody.sql"
    before = model.read_text(), test.read_text()
    model.write_text("select 99 as n from {{ ref('people') }} cross join {{ ref('visits') }}")
    test.write_text("select * from {{ ref('both') }}")
    assert failed(elt).models.failed[0].startswith("test nobody_is_nobody")
    assert warehouse.run("SELECT n FROM public.both LIMIT 1") == [(99,)]
    model.write_text(before[0])
    test.write_text(before[1])
    assert elt().models.reason == "the dbt project or its variables changed"
    assert warehouse.run("SELECT n FROM public.both") == [(5,)]
    assert elt().models is None


@pytest.mark.thorough
def test_models_wait_for_base_tables_that_are_not_there_yet(source, warehouse, small_dbt):
    clinic(source)
    source.run("CREATE TABLE recall (PatNum bigint PRIMARY KEY) ENGINE=MyISAM")
    assert elt(tables=["recall"]).models.passed == 0
    models = elt(tables=["patient"]).models
    assert models.good
    assert models.waiting == "models wait for base tables that are not there: appointment"
    assert warehouse.run(
        "SELECT to_regclass('people') IS NOT NULL, to_regclass('visits'), to_regclass('both')"
    ) == [(True, None, None)]
    assert warehouse.run("SELECT count(*) FROM reminders") == [(0,)]
    assert elt().models.missing == ()
    assert warehouse.run("SELECT n FROM public.both") == [(5,)]


@pytest.mark.thorough
def test_the_same_practice_in_another_warehouse_is_built_there_too(
    servers, databases, source, small_dbt, in_environment
):
    clinic(source)
    elt()
    name = f"{databases.warehouse.name}_other"
    other = servers.create_databases(databases.source.name, databases.replica.name, name)
    try:
        in_environment.setenv("ANALYTICS_POSTGRES_DB", name)
        assert elt().models.passed
        with closing(servers.postgres.connect(name)) as connection:
            assert Client(name, connection).run("SELECT n FROM public.both") == [(5,)]
    finally:
        servers.postgres.execute(f'DROP DATABASE "{other.warehouse.name}" WITH (FORCE)')


def test_prefect_tells_its_makers_nothing():
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert not get_current_settings().server.analytics_enabled

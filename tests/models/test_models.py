import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PARSED, Client
from flow_runs import copy_project, write_dbt

from deployments.databases import Databases
from tasks import caching, dbt_project
from tasks.build_models import build
from tasks.dbt_messages import reason_of
from tasks.models import BuildFailed
from transfer.postgres.pool import connect
from transfer.settings import ROOT, Settings
from transfer.warehouse import bookkeeping

pytestmark = pytest.mark.filterwarnings("default")  # those of Prefect and dbt are not ours

NAME = "Plantedname"
PATIENTS = "from {{ source('opendental', 'patient') }}"
FAILURES = {
    "column": (f"select nowhere {PATIENTS}", "a column that it reads does not exist"),
    "relation": ("select * from public.nowhere", "a table that it reads does not exist"),
    "function": ("select nowhere(1) as n", "a function or type that it uses does not exist"),
    "syntax": ("select from where", "its SQL has a syntax error"),
    "privilege": ("select * from public.locked", "the warehouse's user lacks a privilege"),
    "division": (f"select 1 / (pat_num - pat_num) as n {PATIENTS}", "it divides by zero"),
    "number": (
        f"select l_name::int as n {PATIENTS}",
        "a value cannot be read as the type that it is cast to",
    ),
    "narrow": (
        f"select (pat_num + 99999)::smallint as n {PATIENTS}",
        "a value is out of its type's range",
    ),
    "twice": (
        f"{{{{ config(indexes=[{{'columns': ['l_name'], 'unique': true}}]) }}}} select l_name {PATIENTS}",
        "a unique key would be doubled",
    ),
    "slow": (
        "{{ config(pre_hook=\"set local statement_timeout = '50ms'\") }} select 1 as n from pg_sleep(9)",
        "it was cancelled",
    ),
    "kept": (
        "{{ config(pre_hook='drop table public.kept_table') }} select 1 as n",
        "other objects depend on what it replaces",
    ),
    "compiled": ("{% if execute %}{{ nowhere() }}{% endif %} select 1 as n", "it does not compile"),
    "unknown": (f"select substring(l_name from 1 for -1) as n {PATIENTS}", "refused by PostgreSQL"),
}


@pytest.fixture
def base_table(settings: Settings, warehouse: Client) -> None:
    """The base table `patient` of the small dbt project, and some that stand in a model's way."""
    bookkeeping.prepare(settings.warehouse)
    with connect(settings.warehouse) as connection:
        for statement in (
            "CREATE TABLE patient AS SELECT n AS pat_num, $$"
            + NAME
            + "$$::text AS l_name FROM generate_series(1, 2) AS n",
            "CREATE TABLE kept_table (n int)",
            "CREATE VIEW on_kept AS SELECT n FROM kept_table",
            "INSERT INTO etl_transform_status (table_name, fence, public_name, public_id) VALUES ('patient', 1, 'patient', 1)",
        ):
            connection.run("preparing", statement)
        connection.commit()
    warehouse.run("CREATE TABLE public.locked (n int)")


@pytest.fixture
def small_dbt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = write_dbt(tmp_path / "small")
    monkeypatch.setattr(dbt_project, "PROJECT", home)
    monkeypatch.setattr(dbt_project, "TARGET", PARSED / "small")
    return home


@pytest.fixture
def with_our_tables(small_dbt: Path) -> Path:
    """The small project with the real one's way to make tables."""
    shutil.copytree(
        ROOT / "dbt/macros", small_dbt / "macros", ignore=shutil.ignore_patterns("*.yml")
    )
    config = "{{ config(unique_key='pat_num', materialized='table') }}"
    (small_dbt / "models/people.sql").write_text(f"{config} select pat_num, l_name {PATIENTS}")
    return small_dbt


def by_hand(
    home: Path, variables: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "tasks.dbt_by_hand", *arguments],
        cwd=home,
        env=inherited | {"PYTHONPATH": str(home)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_failed_model_says_why_and_quotes_no_row(
    settings: Settings, base_table: None, small_dbt: Path
):
    for name, (text, _) in FAILURES.items():
        (small_dbt / f"models/{name}.sql").write_text(text)
    (small_dbt / "tests/two_rows.sql").write_text("select l_name from {{ ref('people') }}")
    with pytest.raises(BuildFailed) as caught:
        build(settings, "run")
    told = dict(text.split(": ", 1) for text in caught.value.result.failed)
    assert told == {f"model {name}": words for name, (_, words) in FAILURES.items()} | {
        "test two_rows": "2 rows fail"
    }
    assert NAME not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Got 1 result, configured to fail if != 0", "1 row fails"),
        (f"Database Error in model m\n  odd: {NAME} division by zero", "refused by PostgreSQL"),
        ("Database Error in model m\n  deadlock detected", "a deadlock was resolved against it"),
        (
            "Database Error\n  canceling statement due to lock timeout",
            "a lock was held too long by somebody else",
        ),
        (
            'Database Error\n  duplicate key value violates unique constraint "k"',
            "a unique key would be doubled",
        ),
        (
            f'Database Error\n  null value in column "amount" of relation "m"\n  DETAIL: ({NAME})',
            "amount would be NULL",
        ),
        ("", "dbt gives up on it"),
    ],
)
def test_a_message_becomes_our_words(message: str, words: str):
    assert reason_of(message) == words


def test_views_and_rights_on_a_table_outlive_a_build_and_only_rows_that_differ_are_written(
    settings: Settings, base_table: None, with_our_tables: Path, warehouse: Client
):
    def people() -> list[tuple[object, ...]]:
        return warehouse.run("SELECT pat_num, l_name, xmin::text FROM people ORDER BY 1")

    rights = "SELECT relacl::text FROM pg_class WHERE relname = 'people'"
    build(settings, "run")
    warehouse.run("CREATE SCHEMA theirs")
    warehouse.run("CREATE VIEW theirs.names AS SELECT l_name FROM people")
    warehouse.run("GRANT SELECT ON people TO PUBLIC")
    granted, first = warehouse.run(rights), people()
    _change(warehouse, "UPDATE patient SET l_name = 'new' WHERE pat_num = 2")
    _change(warehouse, "INSERT INTO patient VALUES (3, 'third')")
    build(settings, "run")
    second = people()
    assert [row[:2] for row in second] == [(1, NAME), (2, "new"), (3, "third")]
    assert second[0] == first[0]
    assert warehouse.run("SELECT count(*) FROM theirs.names") == [(3,)]
    assert warehouse.run(rights) == granted

    model = with_our_tables / "models/people.sql"
    model.write_text(model.read_text().replace("l_name", "l_name, 1 as one"))
    with pytest.raises(BuildFailed) as caught:
        build(settings, "run")
    assert caught.value.result.failed == (
        "model people: public.people must get other columns, but theirs.names depends on it: drop that and run again",
    )
    assert people() == second
    warehouse.run("DROP VIEW theirs.names")
    build(settings, "run")
    assert warehouse.run("SELECT sum(one) FROM people") == [(3,)]
    assert warehouse.run(rights) == granted


def test_rows_that_equal_each_other_but_are_not_the_same_are_written_too(
    settings: Settings, base_table: None, with_our_tables: Path, warehouse: Client
):
    model = with_our_tables / "models/people.sql"
    config = model.read_text().partition(" select")[0]
    model.write_text(f"{config} select pat_num, l_name, 1.0 as amount {PATIENTS}")
    build(settings, "run")
    model.write_text(f"{config} select pat_num, l_name, 1.00 as amount {PATIENTS}")
    build(settings, "run")
    assert warehouse.run("SELECT DISTINCT amount::text FROM people") == [("1.00",)]


def _change(warehouse: Client, statement: str) -> None:
    warehouse.run(statement)
    warehouse.run("UPDATE etl_transform_status SET public_id = public_id + 1")


def test_a_project_that_does_not_compile_names_the_command_that_says_more(
    settings: Settings, base_table: None, small_dbt: Path
):
    (small_dbt / "models/broken.sql").write_text("select {{ ref('nowhere') }}")
    with pytest.raises(
        BuildFailed,
        match=r"the project itself: it does not compile \(`make dbt ARGS=build` says more\)",
    ):
        build(settings, "run")


@pytest.mark.thorough
def test_dbt_by_hand_says_all_on_the_terminal_and_leaves_nothing(
    databases: Databases, base_table: None, tmp_path: Path
):
    home = copy_project(tmp_path / "project")
    (home / "dbt").rename(tmp_path / "real")
    write_dbt(home / "dbt")
    (home / "dbt/models/number.sql").write_text(FAILURES["number"][0])
    ended = by_hand(home, databases.variables(), "build", "-s", "people", "number")
    assert ended.returncode == 1, ended
    assert f'invalid input syntax for type integer: "{NAME}"' in ended.stdout
    assert "PASS=2 WARN=0 ERROR=1" in ended.stdout
    left = [
        path for path in home.rglob("*") if path.is_file() and NAME.encode() in path.read_bytes()
    ]
    assert left == []
    assert not (home / "logs").exists()
    assert not (home / "dbt/target").exists()


def test_dbt_by_hand_without_settings_says_which_is_missing(tmp_path: Path):
    ended = by_hand(copy_project(tmp_path / "project"), {}, "build")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("ANALYTICS_POSTGRES_HOST, ")
    assert len(ended.stderr.splitlines()) == 1


def test_results_that_no_retry_asks_for_any_more_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(caching, "RESULTS", tmp_path / "results")
    caching.forget_old_results()
    (tmp_path / "results/folder").mkdir(parents=True)
    for name, hours in (("old", 49), ("new", 47), ("folder/other", 49), ("folder", 49)):
        path = tmp_path / "results" / name
        if not path.is_dir():
            path.touch()
        os.utime(path, (time.time() - hours * 3600,) * 2)
    caching.forget_old_results()
    assert {path.name for path in (tmp_path / "results").rglob("*")} == {"new", "folder", "other"}


def test_results_are_kept_in_the_project_unless_the_user_says_where():
    def printed(expression: str, **variables: str) -> str:
        code = f"import os, tasks; print({expression})"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=inherited | variables,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    prefects = (
        "__import__('prefect.settings').settings.get_current_settings().results.local_storage_path"
    )
    assert printed(prefects) == str(caching.RESULTS)
    ours = "os.environ['PREFECT_RESULTS_LOCAL_STORAGE_PATH']"
    assert printed(ours, PREFECT_LOCAL_STORAGE_PATH="/older") == "/older"
    assert (
        printed(
            ours, PREFECT_RESULTS_LOCAL_STORAGE_PATH="/new", PREFECT_LOCAL_STORAGE_PATH="/older"
        )
        == "/new"
    )

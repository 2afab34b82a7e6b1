"""A run without a Prefect server of the user's starts one of its own only where it finds work."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from conftest import Client, in_the_suite
from flow_runs import Command, Ended, settle
from post import Mailbox, mailbox
from prefect.settings import Settings as PrefectSettings
from prefect.settings import sources
from runs import in_time

from flows import idle
from flows.terminal.command_line import arguments
from tasks import prefect_server, surroundings
from tasks.verdict import Summary
from transfer.errors import SourceRefused
from transfer.settings import ROOT, read_settings

pytest_plugins = ["prefect_server"]

IMPORTED = re.compile(r"import time:.*\| +(\S+)$", re.MULTILINE)


TABLES = (
    "patient (PatNum bigint PRIMARY KEY, LName text)",
    "appointment (AptNum bigint PRIMARY KEY, Note text)",
    "recall (RecallNum bigint PRIMARY KEY, PatNum bigint)",
)


@pytest.fixture
def practice(source: Client) -> Client:
    for table in TABLES:
        source.run(f"CREATE TABLE {table} ENGINE=MyISAM")
        source.run(f"INSERT INTO {table.split()[0]} VALUES (1, 1)")
    settle(source)
    return source


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as opened:
        yield opened


@pytest.fixture
def alone(command: Command, tmp_path: Path) -> Command:
    """Runs the program where nothing speaks of Prefect."""
    nowhere = {"PREFECT_API_URL": None, "PREFECT_HOME": None, "HOME": str(tmp_path / "home")}

    def run(*given: str, **changed: str | None) -> Ended:
        return command(*given, **nowhere | changed)

    return run


def imported(ended: Ended) -> set[str]:
    """What a program imported that was told to tell it."""
    return {name.partition(".")[0] for name in IMPORTED.findall(ended.err)}


def test_a_run_with_nothing_to_do_needs_no_prefect_and_is_in_the_history(
    alone: Command, run_here: Command, practice, warehouse, tmp_path: Path, box: Mailbox
):
    told = {"ELT_NOTIFY": box.addresses, "ELT_PING": box.page}
    assert run_here("--no-dbt", **told).code == 0
    before = warehouse.run("SELECT max(checked_at) FROM etl_transform_status")
    ended = alone("--no-dbt", **told, PYTHONPROFILEIMPORTTIME="1")
    print(f"{ended.seconds:.1f} s")
    assert (box.mails, box.posts, len(box.calls)) == ([], [], 2)
    assert ended.code == 0
    assert {"flows", "tasks", "transfer", "pymysql"} <= imported(ended)
    needless = {"prefect", "fastapi", "sqlalchemy", "httpx", "dbt", "apprise", "requests"}
    assert needless & imported(ended) == set()
    assert not (tmp_path / "home").exists()
    assert re.search(r"^\S+ \S+Z 0 of 3 tables have work$", ended.out, re.MULTILINE)
    last = ended.out.splitlines()[-1]
    assert last.startswith("3 unchanged in ")
    kept = "SELECT run_id, state, unchanged, tables_named, forced, verified FROM etl_run ORDER BY started_at"
    first, second = warehouse.run(kept)
    assert [first[1:], second[1:]] == [
        ("good", 0, "", False, False),
        ("good", 3, "", False, False),
    ]
    assert warehouse.run("SELECT count(*) FROM etl_run WHERE finished_at IS NULL") == [(0,)]
    assert before < warehouse.run("SELECT min(checked_at) FROM etl_transform_status")
    assert f"run {second[0]}: {last}" in (tmp_path / "logs/elt_pipeline.log").read_text()
    assert in_time(ended.seconds, 8)


def test_it_tells_the_same_as_a_run_on_a_server(alone: Command, run_here: Command, practice):
    practice.run("CREATE VIEW everybody AS SELECT * FROM patient")
    assert run_here("--no-dbt").code == 0
    practice.run("DROP TABLE recall")
    assert "schema change: recall: table gone" in alone("--no-dbt").out
    told = []
    for run in (run_here, alone):
        ended = run("--no-dbt", "--json")
        assert ended.code == 0
        told.append(json.loads(ended.out) | {"run_id": "", "seconds": 0})
    assert told[1]["gone"] == ["recall"]
    assert [each["table"] for each in told[1]["excluded"]] == ["everybody"]
    assert told[0] == told[1]


def test_a_run_that_is_refused_needs_no_prefect(alone: Command, practice):
    ended = alone(SOURCE_MYSQL_PASSWORD="wrong", PYTHONPROFILEIMPORTTIME="1")
    assert ended.code == 2
    (told,) = [line for line in ended.err.splitlines() if not line.startswith("import time:")]
    assert told.startswith("SOURCE_MYSQL_USER or SOURCE_MYSQL_PASSWORD is wrong")
    assert "prefect" not in imported(ended)


def run_idle(*given: str) -> Summary | None:
    """Look as the command line does, where no server is named."""
    return idle.run(read_settings(), arguments(list(given)), ())


def add_a_row(practice: Client, _warehouse: Client) -> None:
    practice.run("INSERT INTO recall VALUES (2, 2)")


def empty_raw(_practice: Client, warehouse: Client) -> None:
    warehouse.run("DELETE FROM raw.recall")


def let_a_day_pass(_practice: Client, warehouse: Client) -> None:
    warehouse.run("UPDATE etl_dbt_status SET built_at = built_at - interval '1 day'")


def drop_a_model(_practice: Client, warehouse: Client) -> None:
    warehouse.run("DROP TABLE public.both")


WORK = (add_a_row, empty_raw, let_a_day_pass, drop_a_model)


@pytest.mark.parametrize(
    "change", in_the_suite(*WORK[1:3], of=WORK), ids=lambda change: change.__name__
)
def test_any_work_is_left_to_prefect_and_nothing_is_touched_before(
    change, run_here: Command, practice, warehouse, small_dbt
):
    assert run_here().code == 0
    assert run_idle().models is None
    change(practice, warehouse)
    kept = "SELECT (SELECT max(checked_at) FROM etl_transform_status), count(*) FROM etl_run"
    before = warehouse.run(kept)
    assert run_idle() is None
    assert warehouse.run(kept) == before
    assert (run_idle("--no-dbt") is None) == (change in (add_a_row, empty_raw))
    named = run_idle("--no-dbt", "--table", "patient")
    assert [name for name, _ in named.skipped] == ["patient"]


@pytest.mark.thorough
@pytest.mark.parametrize("locked", ["etl_transform_status", "etl_dbt_status"])
def test_a_look_that_fails_for_a_while_is_left_to_prefect_which_tries_again(
    locked, run_here: Command, practice, warehouse, small_dbt
):
    assert run_here().code == 0
    warehouse.connection.autocommit = False
    warehouse.run(f"LOCK TABLE {locked}")
    assert run_idle() is None
    warehouse.connection.rollback()
    assert run_idle().good


def test_a_source_that_is_refused_is_refused_without_prefect(
    run_here: Command, practice, in_environment
):
    assert run_here("--no-dbt").code == 0
    practice.run("DROP TABLE recall")
    in_environment.setenv("ELT_GONE_TABLES", "0")
    with pytest.raises(SourceRefused):
        run_idle()


def test_a_server_named_by_a_profile_gets_the_run_that_has_nothing_to_do(
    alone: Command, run_here: Command, practice, warehouse, prefect, prefect_api: str, tmp_path
):
    assert run_here("--no-dbt").code == 0
    profile = tmp_path / "home/.prefect/profiles.toml"
    profile.parent.mkdir(parents=True)
    profile.write_text(
        f'active = "practice"\n[profiles.practice]\nPREFECT_API_URL = "{prefect_api}"\n'
    )
    assert alone("--no-dbt").code == 0
    newest = "SELECT run_id FROM etl_run ORDER BY started_at DESC LIMIT 1"
    ((run_id,),) = warehouse.run(newest)
    assert prefect.read_flow_run(UUID(run_id)).state.is_completed()


NAMED = "http://127.0.0.1:9/api"
BY_PROFILE = f'active = "a"\n[profiles.a]\nPREFECT_API_URL = "{NAMED}"\n[profiles.b]\n'
# Where a server can be named: variables, and files of the folder or of the user.
PLACES = {
    "a variable": ({"PREFECT_API_URL": NAMED}, {}),
    "a variable in lower case": ({"prefect_api_url": NAMED}, {}),
    "the folder's .env": ({}, {".env": f"export PREFECT_API_URL={NAMED}\n"}),
    "prefect.toml": ({}, {"prefect.toml": f'[api]\nurl = "{NAMED}"\n'}),
    "pyproject.toml": ({}, {"pyproject.toml": f'[tool.prefect.api]\nurl = "{NAMED}"\n'}),
    "the user's profile": ({}, {".prefect/profiles.toml": BY_PROFILE}),
    "another profile": (
        {"PREFECT_PROFILE": "a"},
        {".prefect/profiles.toml": BY_PROFILE.replace('"a"', '"b"')},
    ),
    "a profile elsewhere": (
        {"PREFECT_PROFILES_PATH": "profiles"},
        {"profiles": BY_PROFILE},
    ),
    "Prefect's folder elsewhere": ({"PREFECT_HOME": "there"}, {"there/profiles.toml": BY_PROFILE}),
}
NOWHERE = {
    "nothing": ({}, {}),
    "our own files": (
        {},
        {
            "pyproject.toml": (ROOT / "pyproject.toml").read_text(),
            ".env": (ROOT / ".env.template").read_text(),
        },
    ),
    "another's pyproject.toml": ({}, {"pyproject.toml": "[tool.ruff]\n"}),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Goes to a folder of the user's with files and variables, and forgets that Prefect is there."""
    for name in [name for name in os.environ if name.upper().startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    for name, value in (surroundings.DEFAULTS | surroundings.OURS).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(surroundings, "PROFILES", tmp_path / ".prefect/profiles.toml")
    monkeypatch.setattr(sources, "DEFAULT_PREFECT_HOME", tmp_path / ".prefect")
    monkeypatch.chdir(tmp_path)

    def go(variables: dict[str, str], files: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.delitem(sys.modules, "prefect")

    return go


@pytest.mark.parametrize("place", PLACES)
def test_wherever_a_server_is_named_it_is_not_overlooked(place, folder):
    folder(*PLACES[place])
    assert PrefectSettings().api.url == NAMED
    assert surroundings.speak_of_prefect()


@pytest.mark.parametrize("place", NOWHERE)
def test_where_nothing_speaks_of_prefect_no_server_is_named(place, folder):
    folder(*NOWHERE[place])
    assert PrefectSettings().api.url is None
    assert not surroundings.speak_of_prefect()
    assert not prefect_server.is_named()

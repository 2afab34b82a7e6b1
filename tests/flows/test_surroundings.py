"""What the environment says to Prefect, to dbt and about proxies does not change a run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from conftest import Client, in_the_suite
from dbt.cli.main import cli
from flow_runs import copy_project, elt, settle, write_dbt
from prefect.settings import get_current_settings
from pydantic import AliasChoices

from deployments.clinic.schema import create_statement, tables
from tasks.dbt_environment import environment
from transfer.settings import ROOT, Settings

pytest_plugins = ["prefect_server"]

PLANTED = "planted"


def begun(**variables: str) -> subprocess.CompletedProcess[str]:
    """A run that finds no settings of ours, if it comes so far."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, str(ROOT / "flows/elt.py"), "--plan"]
    nowhere = {"PYTHONPATH": str(ROOT), "SOURCE_MYSQL_PORT": "unusable"}
    return subprocess.run(
        command,
        env=inherited | nowhere | variables,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


ELSEWHERE = {"PREFECT_API_URL": "http://prefect.example.org/api"}
UNUSABLE = {
    "PREFECT_API_REQUEST_TIMEOUT": (PLANTED, {}),
    "PREFECT_RUNNER_HEARTBEAT_FREQUENCY": ("1", {}),
    "PREFECT_HOME": ("/dev/null/planted", {}),
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": ("false", {}),
    "PREFECT_PROFILES_PATH": (str(ROOT / "Makefile"), {}),
    "ALL_PROXY": ("socks5://planted:9", ELSEWHERE),
    "SSL_CERT_FILE": ("/planted", ELSEWHERE),
}


@pytest.mark.parametrize(
    "name", in_the_suite("PREFECT_API_REQUEST_TIMEOUT", "PREFECT_HOME", "ALL_PROXY", of=UNUSABLE)
)
def test_what_prefect_cannot_use_is_named_in_one_sentence(name):
    value, beside = UNUSABLE[name]
    ended = begun(**{name: value}, **beside)
    assert (ended.returncode, len(ended.stderr.splitlines()), ended.stdout) == (2, 1, ""), ended
    assert name in ended.stderr
    assert name == "PREFECT_HOME" or PLANTED not in ended.stderr


def test_a_proxy_stops_no_run_whose_server_is_here():
    assert begun(HTTPS_PROXY="planted:9", all_proxy="socks5://planted:9").stderr.startswith(
        "SOURCE_MYSQL_HOST"
    )


def variables_of(*groups: str) -> dict[str, str]:
    """Each variable of Prefect's for these groups of settings, in all its spellings, with a value that is not the default."""
    found = {}
    for group in groups:
        settings = type(getattr(get_current_settings(), group))
        for name, field in settings.model_fields.items():
            kinds = [kind for kind in VALUES if kind in name]
            if not kinds:
                continue
            known = field.validation_alias
            names = (
                known.choices
                if isinstance(known, AliasChoices)
                else [f"{settings.model_config['env_prefix']}{name}"]
            )
            for each in names:
                if isinstance(each, str):
                    found |= {each.upper(): VALUES[kinds[0]], each.lower(): VALUES[kinds[0]]}
    return found


VALUES = {
    "retr": "3",
    "cach": "true",
    "persist": "true",
    "mode": "true",
    "serializer": "json",
    "storage_block": "local-file-system/x",
}


TELLING = """
import tasks, json
from prefect import flow
from prefect.settings import get_current_settings
s = get_current_settings()
print(json.dumps([json.loads(g.model_dump_json()) for g in (s.flows, s.tasks, s.results, s.testing)]))
"""


def told(**variables: str) -> object:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, "-c", TELLING]
    done = subprocess.run(
        command, env=inherited | variables, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_no_variable_of_prefects_decides_what_is_tried_again_remembered_or_kept():
    hostile = variables_of("flows", "tasks", "results", "testing")
    assert {
        "PREFECT_TASKS_REFRESH_CACHE",
        "prefect_flow_default_retries",
        "PREFECT_TEST_MODE",
    } <= hostile.keys()
    assert told(**hostile) == told()


def dbts_variables() -> set[str]:
    """Those of each option of each command of dbt's, in both spellings."""
    commands = [cli, *(each for each in cli.commands.values())]
    commands += [
        each
        for group in cli.commands.values()
        if isinstance(group, click.Group)
        for each in group.commands.values()
    ]
    found = {
        name
        for command in commands
        for option in command.params
        for name in ([option.envvar] if isinstance(option.envvar, str) else option.envvar or [])
    }
    return (
        found
        | {name.replace("DBT_", "DBT_ENGINE_", 1) for name in found}
        | {"DBT_DOWNLOADS_DIR", "DBT_RECORDER_MODE"}
    )


def test_dbt_finds_none_of_its_variables_but_ours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    names = dbts_variables()
    assert {
        "DBT_EMPTY",
        "DBT_TARGET",
        "DBT_WARN_ERROR",
        "DBT_ENGINE_FULL_REFRESH",
        "DBT_STATE",
    } <= names
    assert [name for name in names if not name.startswith("DBT_")] == []
    for name in (*names, "DBT_ENV_SECRET_OF_A_MODEL"):
        monkeypatch.setenv(name, PLANTED)
    with environment(settings.warehouse, settings.limits):
        left = {name: value for name, value in os.environ.items() if name.startswith("DBT_")}
        assert left == {
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_ENV_SECRET_OF_A_MODEL": PLANTED,
        }
    assert {os.environ[name] for name in names} == {PLANTED}


@pytest.mark.thorough
def test_a_run_builds_the_same_whatever_the_environment_says(
    databases,
    source: Client,
    warehouse: Client,
    prefect_api: str,
    prefect_home: Path,
    tmp_path: Path,
):
    for name in ("appointment", "patient", "recall"):
        source.run(create_statement(tables()[name], uca_known=False))
    settle(source)
    home = copy_project(tmp_path / "project")
    (home / "dbt").rename(tmp_path / "real")
    write_dbt(home / "dbt")
    hostile = dict.fromkeys(dbts_variables(), "true") | {
        "DBT_RESOURCE_TYPES": "seed",
        "DBT_TARGET": PLANTED,
    }
    hostile |= {
        "DBT_PROJECT_DIR": "/planted",
        "DBT_WARN_ERROR_OPTIONS": PLANTED,
        "DBT_EXCLUDE_RESOURCE_TYPES": "model",
    }
    hostile |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9") | {
        "ALL_PROXY": "socks5://127.0.0.1:9"
    }
    hostile |= variables_of("flows", "tasks", "results")
    ours = databases.variables() | {
        "PREFECT_API_URL": prefect_api,
        "PREFECT_HOME": str(prefect_home),
    }
    ended = elt(home, hostile | ours, "--json")
    assert (ended.code, ended.err) == (0, ""), ended
    assert json.loads(ended.out)["models"]["passed"] == 5
    assert warehouse.run("SELECT n FROM public.both") == [(0,)]


@pytest.mark.thorough
def test_a_server_of_prefects_own_that_does_not_start_is_told_in_one_sentence(
    command, source: Client, tmp_path: Path
):
    source.run("CREATE TABLE patient (Id bigint PRIMARY KEY) ENGINE=MyISAM")
    late = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "1", "PREFECT_HOME": str(tmp_path)}
    ended = command("--no-dbt", PREFECT_API_URL=None, **late)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1), ended
    assert ended.err.startswith(
        "Prefect does not start a server of its own within PREFECT_SERVER_EPHEMERAL_STARTUP"
    )

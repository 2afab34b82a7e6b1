import os
import subprocess
import sys
from dataclasses import replace

import pytest

from deployments import demo
from deployments.clinic.load import MARK
from deployments.databases import Databases
from deployments.installation import PROJECT
from deployments.servers import DEMO_MARK, Servers


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "ENV_FILE", tmp_path / ".env")
    return tmp_path / ".env"


def test_the_demo_writes_its_addresses_for_its_owner_only(servers, env_file):
    demo._write_env(servers)
    lines = env_file.read_text().splitlines()
    assert lines[0] == DEMO_MARK
    assert f"SOURCE_MYSQL_PORT={servers.source.port}" in lines
    assert env_file.stat().st_mode & 0o777 == 0o600


def test_the_demo_brings_its_own_env_file_up_to_date(servers, env_file):
    env_file.write_text(f"{DEMO_MARK}\nSOURCE_MYSQL_PORT=1\nELT_TIME_ZONE=America/Chicago\n")
    demo._write_env(servers)
    lines = env_file.read_text().splitlines()
    assert f"SOURCE_MYSQL_PORT={servers.source.port}" in lines
    assert "SOURCE_MYSQL_PORT=1" not in lines
    assert lines[-1] == "ELT_TIME_ZONE=America/Chicago"


def test_the_demos_env_file_names_its_prefect_server_also_when_it_is_written_again(
    servers, env_file
):
    for api in ("http://127.0.0.1:4200/api", "http://127.0.0.1:4201/api"):
        demo._write_env(servers)
        demo._write_env(servers, PREFECT_API_URL=api)
        named = [line for line in env_file.read_text().splitlines() if "PREFECT_API_URL" in line]
        assert named == [f"PREFECT_API_URL={api}"]


def test_the_users_env_file_stays_as_it_is(servers, env_file):
    env_file.write_text("SOURCE_MYSQL_PORT=1\n")
    demo._write_env(servers)
    assert env_file.read_text() == "SOURCE_MYSQL_PORT=1\n"


def run_demo(databases: Databases) -> subprocess.CompletedProcess[str]:
    """As somebody runs it whose own addresses are in the environment or `.env`."""
    command = [sys.executable, "-m", "deployments.demo"]
    surroundings = {**os.environ, **databases.variables()}
    return subprocess.run(
        command, cwd=PROJECT, env=surroundings, capture_output=True, text=True, check=False
    )


def test_the_demo_refuses_a_users_own_database_in_one_sentence(source, replica, databases):
    source.run("create table patient (PatNum bigint primary key)")
    ended = run_demo(databases)
    address = f"{databases.source.name} at 127.0.0.1:{databases.source.port}"
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        f"{address} is your own database, which the demo leaves alone: "
        "run .venv/bin/python flows/elt.py for it, or move .env away for the demo.\n"
    )
    assert source.run("show tables") == [("patient",)]
    assert replica.run("show tables") == []


def test_a_wrong_password_of_a_users_server_is_no_traceback(databases):
    ended = run_demo(replace(databases, source=replace(databases.source, password="wrong")))
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "Access denied" in ended.stderr


@pytest.fixture
def users(servers, databases) -> Servers:
    """The test's databases as those of a user, who gave their addresses."""
    return Servers(
        *(replace(server, process=None) for server in servers.all()), databases=databases
    )


def test_an_empty_database_and_a_synthetic_clinic_are_the_demos(users, source):
    assert not demo._belongs_to_user(users)
    source.run("create table preference (PrefName varchar(255), ValueString text)")
    assert demo._belongs_to_user(users)
    source.run("insert into preference values (%s, '10 1')", MARK)
    assert not demo._belongs_to_user(users)


def test_a_table_that_only_has_the_name_of_the_preferences_is_a_users(users, source):
    source.run("create table preference (id int)")
    assert demo._belongs_to_user(users)


def test_a_source_on_another_machine_is_refused_without_a_look(users):
    assert demo._belongs_to_user(replace(users, source=replace(users.source, host="db.invalid")))

import json
import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from accounts import account, role
from conftest import Client, in_the_suite
from flow_runs import Command, Ended, copy_project, elt, settle, write_dbt
from runs import in_time

from deployments.clinic.schema import create_statement, tables
from deployments.databases import Databases
from tasks.report import practice_report

pytest_plugins = ["prefect_server"]

PREFIXES = ("SOURCE_MYSQL", "REPLICATION_MYSQL", "ANALYTICS_POSTGRES")
REACHED = {False: "refusing", True: "silent"}
UGLY = "a@b:c/d#e%f?g h'i\"j\\k$l{m}ñ漢=&+;"


@pytest.fixture
def practice(source: Client) -> Client:
    for name in ("patient", "patientnote", "recall"):
        source.run(
            f"CREATE TABLE {name} (Id bigint PRIMARY KEY AUTO_INCREMENT, Note text) ENGINE=MyISAM"
        )
        source.run(f"INSERT INTO {name} (Note) VALUES ('one'), ('two')")
    return source


def assert_one_sentence(ended: Ended, *words: str) -> None:
    """Nothing could be begun: one clear sentence, soon, and no traceback."""
    print(f"{ended.seconds:.1f} s: {ended.err.strip()}")
    assert ended.code == 2, ended
    assert len(ended.err.strip().splitlines()) == 1, ended.err
    assert all(word in ended.err for word in words), ended.err
    assert "Traceback" not in ended.err + ended.out
    assert not ended.out
    assert in_time(ended.seconds, 60)  # 5 on a quiet machine; what hangs takes minutes


def assert_untouched(replica: Client, warehouse: Client) -> None:
    assert replica.run("SHOW TABLES") == []
    made = "SELECT count(*) FROM pg_class WHERE relnamespace IN (to_regnamespace('raw'), to_regnamespace('public'))"
    assert warehouse.run(made) == [(0,)]


@pytest.mark.parametrize("prefix", in_the_suite(PREFIXES[0], of=PREFIXES))
def test_a_wrong_password(prefix, here: Command, practice, replica, warehouse):
    ended = here(**{f"{prefix}_PASSWORD": "wrong"})
    assert_one_sentence(ended, f"{prefix}_USER or {prefix}_PASSWORD is wrong")
    assert_untouched(replica, warehouse)


@pytest.mark.parametrize("show", ["--status", "report"])
def test_a_warehouse_that_only_shows_something_is_named_too(
    show, here: Command, in_environment, capsys, tmp_path: Path
):
    if show == "--status":
        told = here("--status", ANALYTICS_POSTGRES_PASSWORD="wrong").err
    else:
        in_environment.setenv("ANALYTICS_POSTGRES_PASSWORD", "wrong")
        assert practice_report.main([str(tmp_path / "page.html")]) == 2
        told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert told.startswith("ANALYTICS_POSTGRES_USER or ANALYTICS_POSTGRES_PASSWORD is wrong")


def test_a_missing_variable(here: Command):
    ended = here(REPLICATION_MYSQL_PASSWORD=None)
    assert_one_sentence(ended, "REPLICATION_MYSQL_PASSWORD is not set", ".env")


@pytest.mark.parametrize(
    ("name", "value"), [("SOURCE_MYSQL_PORT", "many"), ("ELT_TIME_ZONE", "Lunar/Tranquility")]
)
def test_an_unusable_variable(name, value, here: Command):
    ended = here(**{name: value})
    assert_one_sentence(ended, f"{name} is unusable")


@pytest.mark.parametrize("listening", in_the_suite(False, of=[False, True]), ids=REACHED.get)
def test_hosts_that_do_not_answer(listening, here: Command):
    """All three at once, so that the test takes the time of one."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        if listening:
            taken.listen()
        port = str(taken.getsockname()[1])
        ended = here(**{f"{prefix}_PORT": port for prefix in PREFIXES})
    sentences = ended.err.strip().splitlines()
    assert [line.split(":")[0] for line in sentences] == [
        f"{each}_HOST or {each}_PORT" for each in PREFIXES
    ]
    for sentence in sentences:
        assert_one_sentence(replace(ended, err=sentence), "no database answers")


@pytest.mark.parametrize("listening", in_the_suite(False, of=[False, True]), ids=REACHED.get)
def test_a_prefect_server_that_does_not_answer(
    listening, command: Command, practice, replica, warehouse
):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        if listening:
            taken.listen()
        ended = command(PREFECT_API_URL=f"http://127.0.0.1:{taken.getsockname()[1]}/api")
    assert_one_sentence(ended, "PREFECT_API_URL: no Prefect server answers")
    assert_untouched(replica, warehouse)


def test_a_host_that_has_no_address(here: Command, practice):
    ended = here(SOURCE_MYSQL_HOST="no.such.host.invalid", SOURCE_MYSQL_TLS="off")
    assert_one_sentence(ended, "SOURCE_MYSQL_HOST or SOURCE_MYSQL_PORT: no database answers")


def test_an_unknown_database(here: Command, practice):
    ended = here(ANALYTICS_POSTGRES_DB="no_such_database")
    assert_one_sentence(ended, "ANALYTICS_POSTGRES_DB", "deployments/grants")


def test_an_unknown_table(command: Command, practice, replica, warehouse):
    ended = command("--table", "pateint")
    assert_one_sentence(ended, "--table pateint", "did you mean patient")
    assert_untouched(replica, warehouse)


def test_a_replica_user_without_insert(
    here: Command, servers, databases: Databases, practice, replica, warehouse
):
    grant = f"SELECT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX ON `{databases.replica.name}`.*"
    with account(servers, "replica", grant) as user:
        ended = here(REPLICATION_MYSQL_USER=user, REPLICATION_MYSQL_PASSWORD="pw")
    assert_one_sentence(
        ended, "REPLICATION_MYSQL_USER", "lacks INSERT", "deployments/grants/replica.sql"
    )
    assert_untouched(replica, warehouse)


@pytest.mark.parametrize(
    ("right", "words"),
    [
        ("SELECT ON `{}`.not_there", "sees no table"),
        ("CREATE VIEW ON `{}`.*", "may not read all columns of patient"),
        ("SELECT (Note) ON `{}`.recall", "may not read all columns of recall"),
    ],
)
def test_a_source_user_that_may_not_read(
    right, words, here: Command, servers, databases: Databases, practice
):
    if "not_there" in right:
        practice.run("CREATE TABLE not_there (Id int)")
    with account(servers, "source", right.format(databases.source.name)) as user:
        if "not_there" in right:
            practice.run("DROP TABLE not_there")
        ended = here(SOURCE_MYSQL_USER=user, SOURCE_MYSQL_PASSWORD="pw")
    assert_one_sentence(ended, "SOURCE_MYSQL_", words, "deployments/grants/source.sql")


def test_a_warehouse_role_that_may_create_nothing(
    here: Command, servers, databases: Databases, practice, replica
):
    with role(servers, databases.warehouse, "pw", "CONNECT") as user:
        ended = here(ANALYTICS_POSTGRES_USER=user, ANALYTICS_POSTGRES_PASSWORD="pw")
    assert_one_sentence(
        ended, "ANALYTICS_POSTGRES_USER", "may not create", "deployments/grants/postgres.sql"
    )
    assert replica.run("SHOW TABLES") == []


def test_a_replica_without_local_infile(here: Command, servers, practice, replica, warehouse):
    servers.replica.execute("SET GLOBAL local_infile = 0")
    try:
        ended = here()
    finally:
        servers.replica.execute("SET GLOBAL local_infile = 1")
    assert_one_sentence(ended, "REPLICATION_MYSQL_HOST", "local_infile")
    assert_untouched(replica, warehouse)


def test_the_plan_tells_method_and_reason_and_touches_nothing(
    command: Command, here: Command, practice, replica, warehouse
):
    practice.run("CREATE VIEW everybody AS SELECT * FROM patient")
    ended = command("--plan", "--all", PREFECT_API_URL="http://127.0.0.1:1/api")
    assert (ended.code, ended.err) == (0, "")
    assert re.search(r"patient +reload +extract → load → standardize .* never loaded", ended.out)
    assert re.search(r"everybody +excluded", ended.out)
    assert ended.out.startswith("3 of 3 tables have work")
    told = json.loads(here("--plan", "--json", "--table", "pat*").out)
    assert [(plan["table"], plan["method"], plan["reason"]) for plan in told["plans"]] == [
        ("patient", "reload", "never loaded"),
        ("patientnote", "reload", "never loaded"),
    ]
    assert_untouched(replica, warehouse)


def test_a_run_tells_what_it_did(command: Command, practice, warehouse):
    ended = command("--table", "pat*", "--no-dbt")
    assert (ended.code, ended.err) == (0, ""), ended
    assert re.search(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* 2 of 2 tables have work", ended.out, re.MULTILINE
    )
    assert re.search(r"patient +synced +2 ", ended.out)
    assert "2 synced, 0 unchanged in " in ended.out.splitlines()[-1]
    assert warehouse.run(
        "SELECT to_regclass('patientnote') IS NOT NULL, to_regclass('recall')"
    ) == [(True, None)]
    assert warehouse.run("SELECT to_regnamespace('public_staging')") == [(None,)]


def test_a_red_run_names_the_table_and_ends_with_1(
    command: Command, run_here: Command, practice, tmp_path: Path
):
    (tmp_path / "recall.sql").write_text("SELECT no_such_column FROM raw.recall")
    ended = run_here("--no-dbt", "--json", ELT_STANDARDIZE_DIR=str(tmp_path))
    assert ended.code == 1
    assert {each["table"]: each["state"] for each in json.loads(ended.out)["tables"]} == {
        "patient": "synced",
        "patientnote": "synced",
        "recall": "failed",
    }
    settle(practice)
    ended = command("--no-dbt", ELT_STANDARDIZE_DIR=str(tmp_path))
    assert ended.code == 1
    assert "recall.sql does not run" in re.sub(r"\s+", " ", ended.out)
    assert ended.out.splitlines()[-1].endswith("; red: recall")
    assert "Traceback" not in ended.out + ended.err


def test_a_verification_that_found_and_repaired_something_ends_with_1(
    run_here: Command, practice, warehouse
):
    settle(practice)
    assert run_here("--no-dbt").code == 0
    warehouse.run('UPDATE raw.patient SET "Note" = \'somebody\' WHERE "Id" = 2')
    planned = json.loads(run_here("--plan", "--verify", "--json").out)
    assert {plan["table"]: plan["method"] for plan in planned["plans"]} == dict.fromkeys(
        ("patient", "patientnote", "recall"), "verify"
    )
    ended = run_here("--verify", "--no-dbt")
    assert ended.code == 1
    assert re.search(r"patient +repaired .* 1 changed in raw, column Note", ended.out)
    assert "1 repaired, 2 verified, 0 unchanged in " in ended.out.splitlines()[-1]
    assert "somebody" not in ended.out + ended.err
    assert warehouse.run('SELECT "Note" FROM raw.patient ORDER BY "Id"') == [("one",), ("two",)]
    again = run_here("--verify", "--no-dbt")
    assert again.code == 0
    assert "3 verified, 0 unchanged in " in again.out.splitlines()[-1]


@pytest.mark.thorough
def test_rotation_verifies_by_the_way_and_what_it_repairs_ends_with_1(
    run_here: Command, practice, warehouse
):
    settle(practice)
    assert run_here("--no-dbt").code == 0
    warehouse.run("UPDATE etl_transform_status SET verified_at = now() - interval '6.5 days'")
    warehouse.run('UPDATE raw.patient SET "Note" = \'somebody\' WHERE "Id" = 2')
    assert (
        "0 of 3 tables have work, about 0 rows to read; about 0.0 s"
        in run_here("--plan", ELT_VERIFY_DAYS="0").out
    )
    told = run_here("--plan").out
    assert re.search(
        r"^patient +verify +– +2 +0\.0 +\d\.\d +not verified for 6 days *$", told, re.MULTILINE
    )
    sentence = r"^3 of 3 tables have work, about 0 rows to read and 6 to compare in 3 tables; about \d\.\d s with 4 at once"
    assert re.search(sentence, told, re.MULTILINE)
    ended = run_here("--no-dbt")
    assert ended.code == 1
    assert "1 repaired, 0 unchanged, 3 verified by rotation in " in ended.out.splitlines()[-1]
    drift = "SELECT table_name, found, found_by FROM etl_drift"
    assert warehouse.run(drift) == [("patient", "1 changed in raw, column Note", "rotation")]
    warehouse.run(
        "UPDATE etl_transform_status SET verified_at = now() - interval '7.5 days', verify_seconds = 100"
    )
    ended = run_here("--no-dbt")
    assert ended.code == 0
    assert "2 unchanged, 1 verified by rotation in " in ended.out.splitlines()[-1]
    sentence = "not verified for over 7 days (ELT_VERIFY_DAYS): patientnote, recall; run more often, or give"
    assert sentence in ended.out
    told = run_here("--status", "recall", "--table", "PATIENT")
    assert told.code == 0
    assert re.search(
        r"^recall +20\d\d-.* 20\d\d-\d\d-\d\d \S+ +written 20\d\d-\d\d-\d\d \S+, 2 rows, next key",
        told.out,
        re.MULTILINE,
    )
    assert "not verified for over 7 days (ELT_VERIFY_DAYS): recall; run" in told.out
    assert "patientnote" not in told.out
    assert_one_sentence(
        run_here("--status", "recal"),
        "--status recal: no run has met such a table; did you mean recall?",
    )


def test_the_status_tells_the_last_run_and_how_fresh_each_table_is(
    command: Command, run_here: Command, practice, warehouse, tmp_path: Path
):
    told = command("--status", PREFECT_API_URL="http://127.0.0.1:1/api")
    assert (told.code, told.out.splitlines()) == (0, ["No run yet."])
    settle(practice)
    assert run_here("--no-dbt").code == 0
    (tmp_path / "recall.sql").write_text("SELECT no_such_column FROM raw.recall")
    assert run_here("--no-dbt", ELT_STANDARDIZE_DIR=str(tmp_path)).code == 1
    told = run_here("--status")
    assert told.code == 1
    assert re.search(r"^last run \S+: red, began 20", told.out)
    assert told.out.splitlines()[1] == "3 tables: 1 failed when last in work"
    assert re.findall(r"^(patient|patientnote|recall) +20", told.out, re.MULTILINE) == ["recall"]
    assert told.out.splitlines()[-1].startswith("not shown: 2 tables")
    told = run_here("--status", "--all")
    assert told.code == 1
    assert re.search(
        r"^patient +20\d\d-\d\d-\d\d \S+ +2 +synced +reload +\d+\.\d +1 +0", told.out, re.MULTILINE
    )
    assert re.search(
        r"^recall +20\d\d-\S+ \S+ +2 +failed +resume +– +2 +1 ", told.out, re.MULTILINE
    )
    assert "does not run: a column is missing" in re.sub(r"\s+", " ", told.out)
    assert in_time(told.seconds, 20)
    only = json.loads(run_here("--status", "--table", "pat*", "--json").out)
    assert [(each["table"], each["failures"]) for each in only["tables"]] == [
        ("patient", 0),
        ("patientnote", 0),
    ]
    assert warehouse.run(
        "SELECT table_name, runs, failures, error_rate FROM etl_table_status ORDER BY 1"
    ) == [
        ("patient", 1, 0, 0.0),
        ("patientnote", 1, 0, 0.0),
        ("recall", 2, 1, 0.5),
    ]
    assert warehouse.run("SELECT runs, red, unfinished FROM etl_daily_runs") == [(2, 1, 0)]
    assert warehouse.run("SELECT error_class FROM etl_run_table WHERE state = 'failed'") == [
        ("TableError",)
    ]


def test_a_plan_shows_the_tables_with_work_and_counts_the_others(run_here: Command, practice):
    practice.run("CREATE VIEW everybody AS SELECT * FROM patient")
    settle(practice)
    assert run_here("--no-dbt").code == 0
    practice.run("INSERT INTO recall VALUES (9, 9)")
    told = run_here("--plan").out
    assert told.startswith("1 of 3 tables have work")
    assert re.findall(r"^(patient|patientnote|recall|everybody) ", told, re.MULTILINE) == ["recall"]
    assert told.splitlines()[-1].startswith("not shown: 2 tables without work, 1 excluded")
    every = run_here("--plan", "--all").out
    assert re.findall(r"^(patient|patientnote|recall|everybody) ", every, re.MULTILINE) == [
        "patient", "patientnote", "recall", "everybody",
    ]  # fmt: skip
    assert re.search(r"^patient +", run_here("--plan", "--table", "patient").out, re.MULTILINE)


def test_a_status_that_is_too_old_ends_with_1_and_says_what_is(
    run_here: Command, practice, warehouse
):
    never = run_here("--status", "--older-than", "26h")
    assert (never.code, never.err) == (1, "too old: no run has been good yet\n")
    settle(practice)
    assert run_here("--no-dbt").code == 0
    assert run_here("--status", "--older-than", "26h").code == 0
    warehouse.run(
        "UPDATE etl_transform_status SET checked_at = checked_at - interval '30 hours'"
        " WHERE table_name IN ('patient', 'recall')"
    )
    told = run_here("--status", "--older-than", "1d", "--json", ELT_EXCLUDE="patient")
    assert told.code == 1
    assert told.err == "too old: not found equal to the source for 24 hours: recall\n"
    assert json.loads(told.out)["good"].startswith("20")
    assert run_here("--status", "patientnote", "--older-than", "1d").code == 0
    warehouse.run("UPDATE etl_run SET finished_at = finished_at - interval '2 hours'")
    told = run_here("--status", "patientnote", "--older-than", "90m")
    assert told.code == 1
    assert re.fullmatch(
        r"too old: the last good run ended 20\S+ \S+ UTC, more than 1.5 hours ago\n", told.err
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--older-than", "26h"), "--older-than belongs to --status"),
        (("--all",), "--all belongs to --plan or --status"),
    ],
)
def test_an_option_without_its_own_is_refused(given, why, here: Command):
    assert_one_sentence(here(*given), why)


@pytest.mark.thorough
def test_passwords_may_have_any_character(
    servers, databases: Databases, practice, prefect_api, tmp_path, warehouse
):
    """From `.env`, through PyMySQL, ConnectorX, ADBC and dbt."""
    source, replica = databases.source.name, databases.replica.name
    reader, writer = f"s_{source[:14]}", f"r_{source[:14]}"  # MySQL 5.6 takes no longer names
    for name in ("appointment", "provider"):
        practice.run(create_statement(tables()[name], uca_known=False))
    home = copy_project(tmp_path / "project")
    (home / "dbt").rename(tmp_path / "real")  # which takes its time to be read
    write_dbt(home / "dbt")
    for name, server in ((reader, servers.source), (writer, servers.replica)):
        with closing(server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER '{name}'@'%%' IDENTIFIED BY %s", (UGLY,))
    servers.source.execute(f"GRANT SELECT ON `{source}`.* TO '{reader}'@'%'")
    servers.replica.execute(f"GRANT ALL ON `{replica}`.* TO '{writer}'@'%'")
    with role(servers, databases.warehouse, UGLY, "ALL") as user:
        warehouse.run(f"GRANT ALL ON SCHEMA public TO {user}")
        users = (reader, writer, user)
        quoted = UGLY.replace("\\", "\\\\").replace("'", "\\'")
        lines = [
            f"{name}={value}"
            for name, value in databases.variables().items()
            if not name.endswith(("_USER", "_PASSWORD"))
        ]
        for prefix, name in zip(PREFIXES, users, strict=True):
            lines += [f"{prefix}_USER={name}", f"{prefix}_PASSWORD='{quoted}'"]
        (home / ".env").write_text("\n".join([*lines, f"PREFECT_API_URL={prefect_api}", ""]))
        ended = elt(home, {"PREFECT_HOME": str(tmp_path / "home")}, "--table", "appointment")
        assert ended.code == 0, ended
        assert warehouse.run("SELECT count(*) FROM public.visits") == [(0,)]
    servers.source.execute(f"DROP USER '{reader}'@'%'")
    servers.replica.execute(f"DROP USER '{writer}'@'%'")


@pytest.mark.thorough
def test_a_terminal_without_unicode_is_told_in_escapes(command: Command, source: Client):
    source.run(
        "CREATE TABLE größe (Id bigint PRIMARY KEY) DEFAULT CHARSET=utf8mb4 COLLATE utf8mb4_general_ci"
    )
    source.run("INSERT INTO größe VALUES (1)")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for arguments in (("--plan",), ("--no-dbt",)):
        ended = command(*arguments, **plain)
        assert (ended.code, ended.err) == (0, ""), ended
        assert r"gr\xf6\xdfe" in ended.out


@pytest.mark.parametrize("where", in_the_suite(">/dev/full", of=[">&-", ">/dev/full", "| true"]))
def test_output_that_nobody_takes_is_no_traceback(
    where, databases: Databases, practice, project: Path, tmp_path: Path
):
    variables = databases.variables() | {
        "ELT_LOG_DIR": str(tmp_path),
        "PYTHONPATH": str(project),
        "HOME": str(tmp_path),
    }
    ended = subprocess.run(
        ["sh", "-c", f'"$0" flows/elt.py --plan {where}', sys.executable],
        cwd=project,
        env={"PATH": os.environ["PATH"]} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.returncode in (0, 1)

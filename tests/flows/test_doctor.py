"""`--doctor` finds each planted fault and its mend, nothing on a sound system, and changes nothing."""

import json
import re
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from accounts import account, role
from conftest import Client
from flow_runs import Command, Ended, settle
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from runs import in_time
from test_telling import NAME, closed_port

from tasks import prefect_checks
from transfer import settings as given_settings
from transfer.journey import doctor
from transfer.settings import ROOT

pytest_plugins = ["prefect_server"]
pytestmark = pytest.mark.filterwarnings("default")  # those of Prefect are not ours

PREFIXES = ("SOURCE_MYSQL", "REPLICATION_MYSQL", "ANALYTICS_POSTGRES")
WRITES = "SHOW GLOBAL STATUS WHERE Variable_name REGEXP '^Com_(insert|update|delete|replace|load|create|drop|alter|truncate|rename|grant|set_option)' AND Variable_name NOT LIKE '%set_option'"


@pytest.fixture
def practice(source: Client) -> Client:
    source.run("CREATE TABLE patient (PatNum bigint PRIMARY KEY, LName text) ENGINE=MyISAM")
    source.run("CREATE TABLE recall (RecallNum bigint) ENGINE=InnoDB")
    source.run("INSERT INTO patient VALUES (1, %s)", NAME)
    source.run("INSERT INTO recall VALUES (1)")
    settle(source)
    return source


@pytest.fixture
def ask(here: Command, in_environment, tmp_path: Path) -> Callable[..., list[str]]:
    """Ask the doctor, and return the sentences of what is wrong."""
    file = tmp_path / ".env"
    file.write_text("ELT_WORKERS=4\n")
    file.chmod(0o600)
    in_environment.setattr(given_settings, "ENV_FILE", file)

    def asked(**changed: str | None) -> list[str]:
        ended = here("--doctor", "--json", **changed)
        told = json.loads(ended.out)
        wrong = [each for each in told["checks"] if not each["holds"]]
        assert (ended.code, ended.err, told["good"]) == (bool(wrong), "", not wrong)
        assert not re.search(f"{NAME}|wrong pass", ended.out)
        assert in_time(ended.seconds, 10)
        return [each["sentence"] for each in wrong]

    return asked


def assert_found(sentences: list[str], *beginnings: str) -> None:
    """Each is found, in some sentence that tells how to mend it, and nothing else is."""
    left = list(sentences)
    for words in beginnings:
        found = [each for each in left if all(word in each for word in words.split(" … "))]
        assert found, f"{words} not among {left}"
        left.remove(found[0])
    assert left == []
    assert all(re.search(r"[;:] |put|did you mean|: ", each) for each in sentences)


def state_of(client: Client) -> Any:
    return client.run(WRITES), client.run("SHOW TABLE STATUS")


def rows_of(warehouse: Client) -> Any:
    tables = warehouse.run(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
    )
    return [
        (table, warehouse.run(f"SELECT count(*), sum(hashtext(t::text)::bigint) FROM {table} AS t"))
        for (table,) in tables
    ]


def show(ended: Ended) -> dict[tuple[str, str], str]:
    """Return what was measured, as people see it."""
    lines = [re.split(r" {2,}", line.strip()) for line in ended.out.splitlines()]
    return {(line[1], line[2]): line[3] for line in lines if line[0] == "✓" and len(line) > 3}


def test_on_a_sound_system_it_finds_nothing_tells_what_it_measured_and_changes_nothing(
    run_here: Command, ask, practice, replica, warehouse
):
    assert ask() == []
    assert replica.run("SHOW TABLES") == []
    assert run_here("--no-dbt").code == 0
    before = state_of(practice), state_of(replica), rows_of(warehouse)
    assert ask() == []
    ended = run_here("--doctor")
    assert (ended.code, ended.err) == (0, "")
    assert (state_of(practice), state_of(replica), rows_of(warehouse)) == before
    assert re.fullmatch(r"all \d\d preconditions hold", ended.out.splitlines()[-1])
    told = show(ended)
    assert told["source", "tables that cannot be paged"] == "1, read in one statement: recall"
    assert told["source", "tables that do not tell when they were written"] == "1 InnoDB"
    assert told["source", "no right to write"] == "SELECT only"
    assert told["warehouse", "encoding"] == "UTF8"
    assert re.match(r"\d+\.\d GB free, about \d", told["replica", "room on the disk"])
    assert re.match(r"0\.0 hours ago", told["runs", "last good run"])
    assert told["Prefect", "server"].startswith("answers, version 3.")
    # other tests run on the same Prefect server meanwhile, so the newest run may be one of theirs
    assert re.match(r"[A-Z]\w+, began 20", told["Prefect", "last run"])
    assert told["source", "server"].startswith(("MariaDB ", "MySQL "))


def test_faults_that_can_stand_beside_each_other_are_all_found_at_once(
    run_here: Command, ask, practice, servers, databases, warehouse, in_environment, tmp_path: Path
):
    assert run_here("--no-dbt").code == 0
    warehouse.run("UPDATE etl_run SET finished_at = finished_at - interval '3 days'")
    given_settings.ENV_FILE.chmod(0o644)
    own = tmp_path / "own"
    own.mkdir()
    (own / "nosuch.sql").write_text("SELECT 1")
    in_environment.setattr(doctor, "_free", lambda _place, _folder: 1)
    in_environment.setattr(doctor, "CLOCK_SECONDS", -1)
    rights = "SELECT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX"
    with ExitStack() as planted:
        reader = planted.enter_context(
            account(servers, "source", f"SELECT, INSERT ON `{databases.source.name}`.*")
        )
        writer = planted.enter_context(
            account(servers, "replica", f"{rights} ON `{databases.replica.name}`.*")
        )
        for name, value, usual in (
            ("local_infile", 0, 1),
            ("read_only", 1, 0),
            ("enforce_storage_engine", "MyISAM", "DEFAULT"),
            ("max_allowed_packet", 2**20, 2**24),
        ):
            servers.replica.execute(f"SET GLOBAL {name} = {value}")
            planted.callback(servers.replica.execute, f"SET GLOBAL {name} = {usual}")
        found = ask(
            SOURCE_MYSQL_USER=reader,
            SOURCE_MYSQL_PASSWORD="pw",
            REPLICATION_MYSQL_USER=writer,
            REPLICATION_MYSQL_PASSWORD="pw",
            ELT_EXCLUDE="nosuch_bak*",
            ELT_METHODS="feee=reload",
            ELT_STANDARDIZE_DIR=str(own),
            ELT_LOG_DIR="/dev/null/logs",
            ELT_NOTIFY="foo://planted",
        )
    assert_found(
        found,
        ".env holds passwords … chmod 600",
        "ELT_EXCLUDE=nosuch_bak* … ELT_METHODS=feee … nosuch.sql … fits no table",
        "ELT_LOG_DIR: /dev/null/logs cannot be written",
        "ELT_NOTIFY is unusable … address 1 (foo://…)",
        "SOURCE_MYSQL_USER: … may do more … INSERT … grant it SELECT only",
        "REPLICATION_MYSQL_USER: … lacks INSERT … deployments/grants/replica.sql",
        "local_infile switched off … start it with local_infile=ON",
        "is only for reading; set read_only=OFF",
        "set enforce_storage_engine=InnoDB there",
        "REPLICATION_MYSQL_HOST: … max_allowed_packet = 1,048,576; set it to",
        "REPLICATION_MYSQL_HOST: 0.0 GB are free … make room there",
        "ANALYTICS_POSTGRES_HOST: 0.0 GB are free … make room there",
        *(f"{prefix}_HOST: the clock of the server … time server" for prefix in PREFIXES),
        "the last good run ended 3.0 days ago … --status",
    )


def test_faults_that_stand_alone_are_found_each_with_its_mend(
    ask, practice, replica, servers, databases, tmp_path: Path
):
    def everywhere(name: str, value: str) -> dict[str, str]:
        return {f"{prefix}_{name}": value for prefix in PREFIXES}

    found = ask(**everywhere("PASSWORD", "wrong password"))
    assert_found(found, *(f"{each}_USER or {each}_PASSWORD is wrong" for each in PREFIXES))
    found = ask(**everywhere("PORT", closed_port()))
    assert_found(found, *(f"{each}_HOST or {each}_PORT: no database" for each in PREFIXES))
    found = ask(**everywhere("DB", "no_such_database"))
    assert_found(found, *(f"{each}_DB … deployments/grants/" for each in PREFIXES))
    assert_found(ask(ELT_WORKRES="3"), "ELT_WORKRES is no setting: did you mean ELT_WORKERS?")
    found = ask(SOURCE_MYSQL_PORT="many", ELT_TIME_ZONE="Moon", REPLICATION_MYSQL_DB=None)
    assert_found(
        found,
        "SOURCE_MYSQL_PORT is unusable",
        "ELT_TIME_ZONE is unusable",
        "REPLICATION_MYSQL_DB is not set: put it into .env",
    )
    (tmp_path / "logs").mkdir(exist_ok=True)
    with (tmp_path / "logs/elt_pipeline.log").open("wb") as large:  # a hole, which takes no room
        large.truncate(3 * 10**9)
    assert_found(ask(), "the logs have 3.0 GB; let logrotate turn them")
    (tmp_path / "logs/elt_pipeline.log").unlink()
    found = ask(ELT_COLLATIONS="utf8mb4_general_ci=utf8mb4_nosuch_ci")
    assert_found(found, "ELT_COLLATIONS: the replica's server does not know utf8mb4_nosuch_ci")
    with account(
        servers, "source", f"SELECT (PatNum) ON `{databases.source.name}`.patient"
    ) as user:
        found = ask(SOURCE_MYSQL_USER=user, SOURCE_MYSQL_PASSWORD="pw")
    assert "may not read all columns of patient" in found[0]
    with role(servers, databases.warehouse, "pw", "CONNECT") as user:
        found = ask(ANALYTICS_POSTGRES_USER=user, ANALYTICS_POSTGRES_PASSWORD="pw")
    assert_found(found, "ANALYTICS_POSTGRES_USER: … may not create … deployments/grants/postgres")
    replica.run("CREATE TABLE somebodys (a int)")
    assert_found(ask(), "REPLICATION_MYSQL_DB: … holds 1 tables but … a database of its own")
    practice.run("CREATE TABLE preference (PrefName varchar(99) PRIMARY KEY, ValueString text)")
    practice.run("INSERT INTO preference VALUES ('UpdateInProgressOnComputerName', 'FRONT')")
    replica.run("DROP TABLE somebodys")
    assert_found(ask(), "OpenDental is being upgraded … run again when it is done")


def test_a_prefect_server_that_does_not_answer_is_found(command: Command, practice):
    ended = command("--doctor", PREFECT_API_URL=f"http://127.0.0.1:{closed_port()}/api")
    assert ended.code == 1
    assert ended.out.splitlines()[-1].startswith("1 of ")
    assert "✗ PREFECT_API_URL: no Prefect server answers" in ended.out
    assert in_time(ended.seconds, 10)


def test_a_work_pool_that_lets_no_run_begin_is_found(prefect: SyncPrefectClient):
    name = f"pool{secrets.token_hex(4)}"
    (gone,) = prefect_checks._pool(prefect, name)
    prefect.create_work_pool(WorkPoolCreate(name=name, type="process", is_paused=True))
    try:
        paused, idle = prefect_checks._pool(prefect, name)
    finally:
        prefect.delete_work_pool(name)
    assert [each.sentence.rpartition(":")[2] for each in (gone, paused, idle)] == [
        " run make deploy.",
        f" run prefect work-pool resume {name}.",
        f" start one (prefect worker start --pool {name}).",
    ]


def test_the_versions_that_it_takes_for_tested_are_those_of_the_documents():
    page = (ROOT / "docs/connect.md").read_text()
    rows = [
        line.split("|")[2]
        for line in page.splitlines()
        if re.match(r"\| (source|warehouse) ", line)
    ]
    named = {
        kind: set(
            re.findall(r"\d+(?:\.\d+)?", re.search(rf"{kind} ([\d., and]+)", " ".join(rows))[1])
        )
        for kind in doctor.TESTED
    }
    assert named == {
        kind: {each.rstrip(".") for each in versions} for kind, versions in doctor.TESTED.items()
    }


def test_it_stands_alone(here: Command):
    ended = here("--doctor", "--full", "--table", "patient")
    assert (ended.code, ended.out) == (2, "")
    assert (
        ended.err
        == "--doctor checks everything and does nothing else: leave --full, --table out.\n"
    )

"""Killed at any point, pipeline or server: the last complete version stays readable and the next run converges."""

import multiprocessing
import os
import secrets
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any

import oracle
import pytest
from conftest import TEST_SERVERS, in_the_suite, numbers, settings_for
from killing import read_for_long, run_and_die
from oracle import Places, ask, connected
from runs import (
    HANGING_SECONDS,
    in_time,
    limited,
    plan,
    prepare,
    reading_processes,
    run,
    settle,
    wait_for,
)

from deployments.databases import Databases
from deployments.servers import Servers, start, stop
from transfer.errors import DatabaseFault
from transfer.journey.sync import sync
from transfer.mysql import reading, session
from transfer.running import watching
from transfer.settings import Settings

KILL_SERVERS = TEST_SERVERS.with_name(f"{TEST_SERVERS.name}-kill")
MOST_COMMITS = 18
LONG = "ELT_TEST_HISTORIES" in os.environ
PLANTED = "Zwetschgenknödel"

COLUMNS = "Id bigint PRIMARY KEY, Name varchar(40) NOT NULL, Seen date NOT NULL, KEY (Name)"


@pytest.fixture(scope="module")
def own_servers() -> Iterator[Servers]:
    """Servers that only this file uses, and kills."""
    yield start(KILL_SERVERS)
    stop(KILL_SERVERS)


@pytest.fixture(scope="module")
def databases(own_servers: Servers) -> Iterator[Databases]:
    name = f"kill{secrets.token_hex(4)}"
    made = own_servers.create_databases(
        source=f"{name}_source", replica=f"{name}_replica", warehouse=name
    )
    yield made
    own_servers.drop_databases(made)


@pytest.fixture
def places(own_servers: Servers, databases: Databases) -> Iterator[Places]:
    with connected(own_servers, databases) as places:
        yield places


@pytest.fixture(scope="module")
def settings(databases: Databases) -> Settings:
    found = limited(settings_for(databases), page_rows=4)
    prepare(found)
    return found


@pytest.fixture(scope="module")
def children() -> Any:
    """Forks children from a process that has imported the pipeline and opened nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["transfer.journey.plan", "transfer.journey.sync"])
    return context


def _fill(connection: Any, table: str, columns: str, rows: int = 10) -> None:
    ask(connection, f"CREATE TABLE {table} ({columns})")
    ask(
        connection,
        f"INSERT INTO {table} (Id, Name, Seen) SELECT seq, '{PLANTED}', '0001-01-01' FROM {numbers(rows)}",
    )


# What stands before the run that is killed, and what was done at the source since then.
SCENARIOS: dict[str, tuple[str, list[str]]] = {
    "first load": ("", []),
    "merge": (COLUMNS, ["DELETE FROM {t} WHERE Id = 2", "UPDATE {t} SET Name = 'b' WHERE Id > 7", "INSERT INTO {t} VALUES (0, '', 0)"]),
    "swap for other columns": (COLUMNS, ["ALTER TABLE {t} ADD COLUMN More int NOT NULL DEFAULT 5", "DELETE FROM {t} WHERE Id = 3"]),
    "swap of a table without a key": (COLUMNS.replace(" PRIMARY KEY", ""), ["INSERT INTO {t} VALUES (1, 'x', 0), (1, 'x', 0)"]),
}  # fmt: skip


@pytest.mark.parametrize(
    "scenario", in_the_suite("merge", "swap of a table without a key", of=SCENARIOS)
)
def test_killed_after_each_commit_the_path_converges(scenario, places, settings, children):
    columns, changes = SCENARIOS[scenario]
    tables = [f"k{secrets.token_hex(6)}" for _ in range(MOST_COMMITS)]
    for table in tables:
        _fill(places.source, table, columns or COLUMNS)
    if columns:
        run(settings, *tables)
    old = oracle.mysql_rows(places.source, tables[0]) if columns else None
    for table in tables:
        for change in changes:
            ask(places.source, change.format(t=table))
    new = oracle.mysql_rows(places.source, tables[0])
    settle(places.source)
    # The suite takes every third commit, other ones in each scenario; `make histories` takes all.
    first, step = (1, 1) if LONG else (1 + list(SCENARIOS).index(scenario) % 3, 3)
    for nth, commits in enumerate(range(first, MOST_COMMITS + 1, step)):
        table = tables[nth]
        code = _run_in_child(children, settings, table, commits)
        _assert_whole(places, table, old, new)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        if nth % 2:  # and while it recovers
            _run_in_child(children, settings, table, nth // 2 % 5 + 1)
            _assert_whole(places, table, old, new)
        run(settings, table)
        assert oracle.unequal(places, [table]) == {}, f"killed after commit {commits}"
        assert not plan(settings, table).has_work
    assert (code, commits > 8) == (0, True)
    assert ask(places.replica, "SHOW TABLES LIKE '\\_elt\\_%'") == []


def _run_in_child(children: Any, settings: Settings, table: str, commits: int) -> int:
    child = children.Process(target=run_and_die, args=(settings, table, commits))
    child.start()
    child.join(60)
    return int(child.exitcode)


def _assert_whole(places: Places, table: str, old: Counter[Any] | None, new: Counter[Any]) -> None:
    """Each place has the table as it was or as it is to be; None stands for no table."""
    held = {
        "replica": oracle.mysql_rows(places.replica, table)
        if oracle.mysql_columns(places.replica, table)
        else None,
        **{
            schema: oracle.postgres_rows(places.warehouse, schema, table)
            if oracle.postgres_columns(places.warehouse, schema, table)
            else None
            for schema in ("raw", "public")
        },
    }
    for place, rows in held.items():
        right = (
            [old, new]
            if place != "public"
            else [old and oracle.standard(old), oracle.standard(new)]
        )
        assert rows in right, place


@pytest.mark.needs("source", "count of the rows it sent")
def test_a_first_load_killed_halfway_goes_on_where_it_stopped(places, settings, children):
    table, read = _half_loaded(places, settings, children)
    assert read() < 1500
    assert oracle.unequal(places, [table]) == {}


@pytest.mark.needs("source", "count of the rows it sent")
def test_a_first_load_killed_halfway_begins_anew_if_the_source_has_changed(
    places, settings, children
):
    table, read = _half_loaded(places, settings, children)
    ask(places.source, f"UPDATE {table} SET Name = 'changed' WHERE Id = 1")
    settle(places.source)
    assert read() > 2000
    assert oracle.unequal(places, [table]) == {}


MYSQLS_ROWS_SENT = "SELECT '', SUM(SUM_ROWS_SENT) FROM performance_schema.events_statements_summary_global_by_event_name"


def _half_loaded(
    places: Places, settings: Settings, children: Any
) -> tuple[str, Callable[[], int]]:
    """A table of 2,000 rows of which over 1,000 stand in the shadow, and a run that tells how many rows the source sent."""
    table = f"h{secrets.token_hex(6)}"
    _fill(places.source, table, COLUMNS, rows=2000)
    settle(places.source)
    paged = limited(settings, page_rows=100)
    assert _run_in_child(children, paged, table, 16) == -signal.SIGKILL
    ((done,),) = ask(
        places.replica, "SELECT rows_read FROM etl_extract_progress WHERE table_name = %s", table
    )
    assert 1000 < done < 2000

    def sent() -> int:
        found = ask(places.source, "SHOW GLOBAL STATUS LIKE 'Rows_sent'") or ask(
            places.source, MYSQLS_ROWS_SENT
        )
        return int(found[0][1])

    def read() -> int:
        before = sent()
        run(paged, table)
        return sent() - before

    return table, read


@pytest.fixture
def loaded(places: Places, settings: Settings) -> str:
    """A table of many pages that has come everywhere, changed at the source since."""
    table = f"s{secrets.token_hex(6)}"
    _fill(places.source, table, COLUMNS, rows=400)
    run(settings, table)
    ask(places.source, f"UPDATE {table} SET Name = CONCAT(Name, Id), Seen = '2026-01-01'")
    return table


# What holds the path up in the middle of its work, and how to see that it waits.
HOLDS = {
    "source": (
        ["LOCK TABLES {t} WRITE"],
        "SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = 'readonly_user' AND STATE LIKE 'Waiting for table%'",
    ),
    "replica": (
        ["BEGIN", "SELECT * FROM etl_extract_lock WHERE table_name = '{t}' FOR UPDATE"],
        "SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = 'replication_user' AND INFO LIKE '%FOR UPDATE'",
    ),
    "postgres": (
        ["BEGIN", "LOCK TABLE raw.{t} IN SHARE ROW EXCLUSIVE MODE"],
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'analytics_user'",
    ),
}


@pytest.mark.parametrize("server", in_the_suite("postgres", of=HOLDS))
def test_a_server_killed_in_the_middle_leaves_the_old_version_and_the_next_run_converges(
    server, loaded, settings, own_servers, databases
):
    with connected(own_servers, databases) as places, ThreadPoolExecutor(1) as pool:
        old, new = (
            oracle.mysql_rows(places.replica, loaded),
            oracle.mysql_rows(places.source, loaded),
        )
        syncing = pool.submit(sync, settings, plan(settings, loaded), "run")
        begun = (
            f"SELECT 1 FROM etl_extract_progress WHERE table_name = '{loaded}' AND rows_read > 0"
        )
        wait_for(lambda: ask(places.replica, begun))
        connection = {
            "source": places.source,
            "replica": places.replica,
            "postgres": places.warehouse,
        }[server]
        statements, waiting = HOLDS[server]
        for statement in statements:
            ask(connection, statement.format(t=loaded))
        wait_for(lambda: ask(connection, waiting))
        getattr(own_servers, server).kill()
        with pytest.raises(DatabaseFault) as fault:
            syncing.result(timeout=HANGING_SECONDS)
    assert PLANTED not in "".join(traceback.format_exception(fault.value))
    getattr(own_servers, server).start()
    with connected(own_servers, databases) as places:
        _assert_whole(places, loaded, old, new)
        run(settings, loaded)
        assert oracle.unequal(places, [loaded]) == {}


def test_a_source_that_stops_answering_is_given_up_and_leaves_nothing_running(
    own_servers, places, settings
):
    _fill(places.source, "silent", COLUMNS)
    impatient = limited(settings, statement_seconds=1)
    before = reading_processes()
    stopping = Timer(0.3, os.kill, (own_servers.source.pid, signal.SIGSTOP))
    stopping.start()
    started = time.monotonic()
    try:
        with pytest.raises(DatabaseFault, match="did not answer in time"):
            reading.read(
                settings.source, impatient.limits, "reading", "SELECT SLEEP(10), Id FROM silent"
            )
        seconds = time.monotonic() - started
    finally:
        stopping.join()
        os.kill(own_servers.source.pid, signal.SIGCONT)
    assert seconds > 5
    assert in_time(seconds, 12)
    assert reading_processes() <= before
    assert run(settings, "silent")["silent"].rows == 10


@pytest.mark.parametrize("server", in_the_suite("postgres", of=["replica", "postgres"]))
def test_a_server_that_is_stopped_is_given_up_and_the_next_run_is_good(
    server, loaded, settings, own_servers, places, monkeypatch
):
    monkeypatch.setattr(watching, "AGAIN_SECONDS", 1)
    name = {"postgres": "warehouse"}.get(server, server)
    short = {"hang_seconds": 2, "connect_seconds": 1}
    impatient = settings.model_copy(update={name: getattr(settings, name).model_copy(update=short)})
    planned, processes = plan(settings, loaded), _processes(getattr(own_servers, server).pid)
    with ThreadPoolExecutor(1) as pool:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with pytest.raises(DatabaseFault, match=f"^{name}: "):
                pool.submit(sync, impatient, planned, "run").result(timeout=HANGING_SECONDS)
            seconds = time.monotonic() - started
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)
    print(f"{seconds:.1f} s")
    assert in_time(seconds, 10)
    run(impatient, loaded)
    assert oracle.unequal(places, [loaded]) == {}


def _processes(first: int) -> list[int]:
    """A server's process and its children."""
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, children)]


def test_a_read_that_hangs_is_killed_at_a_source_that_lives(places, settings, monkeypatch):
    _fill(places.source, "slow", COLUMNS, rows=1)
    monkeypatch.setattr(session, "ANSWER_SECONDS", -298)
    with pytest.raises(DatabaseFault, match="did not answer in time"):
        reading.read(settings.source, settings.limits, "reading", "SELECT SLEEP(60), Id FROM slow")
    asking = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(60)%' AND ID <> CONNECTION_ID()"
    wait_for(lambda: ask(places.source, asking) == [(0,)])


def test_a_reader_that_was_killed_is_replaced(places, settings):
    _fill(places.source, "afterwards", COLUMNS)
    reading.read(settings.source, settings.limits, "reading", "SELECT Id FROM afterwards")
    for process in reading_processes():
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: not reading_processes())
    assert run(settings, "afterwards")["afterwards"].rows == 10


def test_a_reading_process_ends_with_the_run_that_started_it(
    own_servers, places, settings, children
):
    _fill(places.source, "orphaned", COLUMNS, rows=1)
    child = children.Process(target=read_for_long, args=(settings,))
    child.start()
    try:
        wait_for(lambda: reading_processes(child.pid))
        readers = reading_processes(child.pid)
        time.sleep(0.5)  # until it waits for the server
        os.kill(own_servers.source.pid, signal.SIGSTOP)
        child.kill()
        child.join()
        wait_for(lambda: not any(Path(f"/proc/{reader}").exists() for reader in readers), seconds=5)
    finally:
        os.kill(own_servers.source.pid, signal.SIGCONT)

"""Ctrl-C: within seconds nothing runs any more, neither here nor on a server, nothing is half done, the next run converges."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import oracle
import pytest
from conftest import in_the_suite, numbers, settings_for
from flow_runs import copy_project, write_dbt
from oracle import Places, ask, connected
from relays import relay
from runs import HANGING_SECONDS, in_time, prepare, run, wait_for

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.mysql import pool
from transfer.running.stopping import stopping_if_interrupted
from transfer.settings import Settings

pytest_plugins = ["prefect_server"]

INTERRUPTED = 130
ROWS, FEW_ROWS = 80_000, 2_000
KEYS = ", ".join(f"KEY k{position} (Note({position}), Id)" for position in range(10, 22))
COLUMNS = f"Id bigint PRIMARY KEY, Note varchar(200) NOT NULL, {KEYS}"

ON_MYSQL = "SELECT INFO FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND INFO"
ON_POSTGRES = (
    "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND application_name = 'elt' AND query"
)


@dataclass(frozen=True)
class Moment:
    """Where the run is struck: a statement of it that is to be seen on a server, and what keeps it there."""

    place: str
    seen: str
    held_by: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """As many as it takes for the statement to be seen; one that is held up takes few."""
        return FEW_ROWS if self.held_by else ROWS


MOMENTS = {
    "a page of the source waits for a writer": Moment("source", f"{ON_MYSQL} LIKE '% elt %'", ("LOCK TABLES {t} WRITE",)),
    "the replica builds keys": Moment("replica", f"{ON_MYSQL} LIKE 'ALTER TABLE%ADD KEY%'"),
    "raw waits for another": Moment(
        "warehouse",
        f"{ON_POSTGRES} LIKE 'INSERT INTO%etl_transform_status%'",
        ("BEGIN", "INSERT INTO etl_transform_status (table_name, fence) VALUES ('{t}', 0)"),
    ),
}  # fmt: skip


@pytest.fixture
def places(servers: Servers, databases: Databases) -> Iterator[Places]:
    with connected(servers, databases) as places:
        yield places


@pytest.fixture
def begin(
    databases: Databases, project: Path, prefect_api: str, tmp_path: Path
) -> Callable[..., subprocess.Popen[str]]:
    """Begins `python flows/elt.py`, as a terminal does: in a group of its own, so that a signal can go to all of it."""

    def start(
        *arguments: str, home: Path = project, **changed: str | None
    ) -> subprocess.Popen[str]:
        variables = databases.variables() | {
            "PREFECT_API_URL": prefect_api,
            "PREFECT_HOME": str(tmp_path / "prefect"),
        }
        variables |= {
            "ELT_LOG_DIR": str(tmp_path / "logs"),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(home),
        } | changed
        command = [sys.executable, str(home / "flows/elt.py"), *arguments]
        return subprocess.Popen(
            command,
            env={name: value for name, value in variables.items() if value is not None},
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    return start


def interrupt(running: subprocess.Popen[str]) -> None:
    """Press Ctrl-C and see that all is over in time."""
    started = time.monotonic()
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=HANGING_SECONDS)
    seconds = time.monotonic() - started
    print(f"{seconds:.1f} s: {err.strip()}")
    assert running.returncode == INTERRUPTED, err
    assert err.strip().splitlines()[-1].startswith("Stopped."), err
    assert "Traceback" not in out + err
    assert in_time(seconds, 5)
    wait_for(lambda: not group_lives(running.pid), seconds=3)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("moment", in_the_suite(next(iter(MOMENTS)), of=MOMENTS))
def test_ctrl_c_stops_a_run_wherever_it_is_and_the_next_one_converges(
    moment, begin, places, servers, databases
):
    table, struck, settings = f"i{secrets.token_hex(5)}", MOMENTS[moment], settings_for(databases)
    ask(places.source, f"CREATE TABLE {table} ({COLUMNS}) ENGINE=MyISAM")
    ask(
        places.source,
        f"INSERT INTO {table} SELECT seq, REPEAT(SHA2(seq, 256), 3) FROM {numbers(struck.rows)}",
    )
    prepare(settings)
    with connected(servers, databases) as others:
        for statement in struck.held_by:
            ask(getattr(others, struck.place), statement.format(t=table))
        running = begin("--no-dbt")
        with watching(running):
            wait_for(lambda: ask(getattr(places, struck.place), struck.seen), seconds=60)
            interrupt(running)
        wait_for(lambda: not ask(places.source, f"{ON_MYSQL} LIKE '% elt %'"), seconds=3)
        wait_for(lambda: not ask(places.replica, f"{ON_MYSQL} IS NOT NULL"), seconds=3)
        wait_for(lambda: not ask(places.warehouse, f"{ON_POSTGRES} IS NOT NULL"), seconds=3)
        assert_whole(places, table, struck.rows)
    run(settings)
    assert oracle.unequal(places, [table]) == {}
    assert ask(places.replica, "SHOW TABLES LIKE '\\_elt\\_%'") == []


def assert_whole(places: Places, table: str, rows: int) -> None:
    """Each place has the table with all of its rows or not at all."""
    counts = [
        ask(places.replica, f"SELECT COUNT(*) FROM {table}")
        if oracle.mysql_columns(places.replica, table)
        else [],
        *(
            ask(places.warehouse, f"SELECT count(*) FROM {schema}.{table}")
            for schema in ("raw", "public")
            if oracle.postgres_columns(places.warehouse, schema, table)
        ),
    ]
    assert all(found in ([], [(rows,)]) for found in counts)


@contextmanager
def watching(running: subprocess.Popen[str]) -> Iterator[None]:
    """Tell what the run said if what was waited for does not happen."""
    try:
        yield
    except AssertionError:
        running.kill()
        print(*running.communicate())
        raise


@pytest.mark.thorough
def test_ctrl_c_stops_dbt(begin, places, tmp_path):
    home = copy_project(tmp_path / "home")
    shutil.rmtree(home / "dbt")
    write_dbt(home / "dbt")
    (home / "dbt/models/people.sql").write_text(
        "select pat_num, pg_sleep(60)::text as slept from {{ source('opendental', 'patient') }}"
    )
    for table in ("patient", "appointment", "recall"):
        ask(
            places.source,
            f"CREATE TABLE {table} (PatNum bigint PRIMARY KEY, LName text, AptNum bigint) ENGINE=MyISAM",
        )
        ask(places.source, f"INSERT INTO {table} VALUES (1, 'one', 1)")
    running = begin(home=home)
    with watching(running):
        sleeping = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
        wait_for(lambda: ask(places.warehouse, sleeping), seconds=60)
    interrupt(running)
    wait_for(lambda: not ask(places.warehouse, sleeping), seconds=3)


def test_ctrl_c_stops_the_look_before_prefect_is_needed(begin, places, servers, databases):
    ask(places.source, "CREATE TABLE looked (Id bigint PRIMARY KEY) ENGINE=MyISAM")
    run(settings_for(databases))
    with connected(servers, databases) as others:
        ask(others.replica, "LOCK TABLES looked WRITE, etl_extract_status WRITE")
        running = begin("--no-dbt", PREFECT_API_URL=None)
        with watching(running):
            wait_for(lambda: ask(places.replica, f"{ON_MYSQL} LIKE '%etl_extract%'"), seconds=60)
        interrupt(running)
        wait_for(lambda: not ask(places.replica, f"{ON_MYSQL} IS NOT NULL"), seconds=3)
    assert ask(places.warehouse, "SELECT count(*) FROM etl_run") == [(0,)]


def test_ctrl_c_while_the_program_starts(begin):
    running = begin()
    wait_for(
        lambda: len(list(Path(f"/proc/{running.pid}/task").iterdir())) > 1
    )  # one of them heeds it before all else is imported
    interrupt(running)


def test_after_an_interrupt_the_same_process_may_run_again(places, databases):
    ask(places.source, "CREATE TABLE again (Id bigint PRIMARY KEY) ENGINE=MyISAM")
    settings, started = settings_for(databases), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _be_interrupted(settings)
    assert in_time(
        time.monotonic() - started, 10
    )  # and not the 60 s of the statement that was under way
    with pool.connect(
        settings.replica, settings.limits
    ) as connection:  # what ended that one does not end this one
        assert connection.rows("waiting", "SELECT SLEEP(0.6)") == [(0,)]
    assert run(settings)["again"].state == "synced"


def _be_interrupted(settings: Settings) -> None:
    begun = Event()
    with stopping_if_interrupted(ThreadPoolExecutor(1)) as pool:
        pool.submit(_sleep, settings, begun)
        begun.wait()
        raise KeyboardInterrupt


def _sleep(settings: Settings, begun: Event) -> None:
    with pool.connect(settings.replica, settings.limits) as connection:
        begun.set()
        connection.rows("sleeping", "SELECT SLEEP(60)")


# When each server hangs, and how to see it: in another thread, or in the main one, which the driver does not let be interrupted.
HANGING = {
    "replica": ("REPLICATION_MYSQL_PORT", f"{ON_MYSQL} LIKE 'LOAD DATA%'"),
    "warehouse": (
        "ANALYTICS_POSTGRES_PORT",
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'elt'",
    ),
}


@pytest.mark.parametrize("server", in_the_suite("replica", of=HANGING))
def test_ctrl_c_does_not_wait_for_a_server_that_hangs(server, begin, places, databases):
    port, seen = HANGING[server]
    ask(places.source, f"CREATE TABLE hanging ({COLUMNS}) ENGINE=MyISAM")
    ask(
        places.source,
        f"INSERT INTO hanging SELECT seq, REPEAT(SHA2(seq, 256), 3) FROM {numbers(ROWS)}",
    )
    with relay(int(databases.variables()[port])) as (relayed, hang):
        running = begin("--no-dbt", **{port: str(relayed)})
        with watching(running):
            wait_for(lambda: ask(getattr(places, server), seen), seconds=60)
        hang.set()
        time.sleep(1)
        interrupt(running)

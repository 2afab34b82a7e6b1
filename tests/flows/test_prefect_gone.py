"""When the Prefect server goes in the middle of a run, the run finishes its tables and says so."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import oracle
import pytest
from flow_runs import copy_project, write_dbt
from oracle import ask, connected
from relays import Way, way
from runs import HANGING_SECONDS, wait_for

pytest_plugins = ["prefect_server"]


def hang(to: Way) -> None:
    to.hanging.set()


def trickle(to: Way) -> None:
    to.trickling.set()


def die(to: Way) -> None:
    to.close()


TABLES = (
    "patient (PatNum bigint PRIMARY KEY, LName text)",
    "appointment (AptNum bigint PRIMARY KEY, Note text)",
    "recall (RecallNum bigint PRIMARY KEY, PatNum bigint)",
)


@pytest.mark.thorough
@pytest.mark.parametrize("fate", [hang, trickle, die], ids=lambda fate: fate.__name__)
def test_a_run_finishes_though_prefect_is_gone(
    fate, command, prefect_api, servers, databases, project, tmp_path
):
    home = copy_project(tmp_path / "home")
    shutil.rmtree(home / "dbt")
    write_dbt(home / "dbt")
    server = home / "tasks/prefect_server.py"
    server.write_text(server.read_text().replace("PATIENCE_SECONDS = 10", "PATIENCE_SECONDS = 1"))
    with (
        connected(servers, databases) as places,
        way(urlsplit(prefect_api).port or 0) as to,
        ThreadPoolExecutor(1) as pool,
    ):
        for table in TABLES:
            ask(places.source, f"CREATE TABLE {table} ENGINE=MyISAM")
            ask(places.source, f"INSERT INTO {table.split()[0]} VALUES (1, 1), (2, 2)")
        running = pool.submit(
            command,
            home=home,
            PREFECT_API_URL=f"http://127.0.0.1:{to.port}/api",
            PREFECT_CLIENT_MAX_RETRIES="0",
            PREFECT_API_REQUEST_TIMEOUT="3",
        )
        begun = "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'etl_extract_status'"
        wait_for(lambda: ask(places.replica, begun), 60)
        fate(to)
        started = time.monotonic()
        ended = running.result(HANGING_SECONDS)
        seconds = time.monotonic() - started
        assert oracle.unequal(places, ["patient", "appointment", "recall"]) == {}
        assert ask(places.warehouse, "SELECT n FROM public.both") == [(4,)]
    print(f"{seconds:.1f} s: {ended.err}")
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert "The Prefect server has gone in the middle of the run, which is finished" in ended.err
    assert "3 synced" in ended.out

"""Real servers for the tests, and fresh databases on them."""

import gc
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import pytest
from abilities import lack
from dbt_common.behavior_flags import BehaviorFlagRendered
from leftovers import close_idle, nothing_left
from oracle import Places, connected

from deployments import editions
from deployments.databases import PREFIXES, Databases
from deployments.installation import LOCAL
from deployments.servers import Servers, find_given, start
from tasks import dbt_project
from transfer.settings import Limits, Replica, Settings, Source, Warehouse

pytest_plugins = ["practice"]

# Prefect and dbt make many objects; collecting garbage as often as by default takes a tenth of
# their time.
gc.set_threshold(20_000, 20, 20)
# For each build dbt looks through all modules for the one that declares its flags, which takes
# seconds in a process that has built before.
BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt")

# The editions of the servers in a run of `make matrix`, which has servers of its own.
EDITIONS = [os.environ.get(variable, "") for variable in editions.VARIABLES.values()]
# `make thorough` and `make matrix` run every case of every test; `make test` is done in minutes.
EVERYTHING = any(EDITIONS) or bool(os.environ.get("ELT_TEST_THOROUGH"))


def in_the_suite(*few: object, of: Iterable[object]) -> list[object]:
    """Return the cases that a test takes in `make test`; else it takes all."""
    return list(of) if EVERYTHING else list(few)


# Each of the processes that share the tests has servers of its own.
TEST_SERVERS = LOCAL / "-".join(
    filter(None, ["test", *EDITIONS, os.environ.get("PYTEST_XDIST_WORKER")])
)

PARSED = TEST_SERVERS / "dbt"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "needs(place, ability): a test of what not every source or replica can do"
    )
    config.addinivalue_line(
        "markers", "thorough: takes long, and cheaper tests cover its parts: see `make thorough`"
    )


# Files that take a minute or more go first, so that no process is left alone with one at the end.
LONGEST_FIRST = (
    "test_dbt_project",
    "test_reconciliation",
    "test_command_line",
    "test_flow",
    "test_any_data",
    "test_interrupts",
    "test_compare",
    "test_random_ledgers",
    "test_touched_rows",
    "test_path",
    "test_watermarks",
    "test_kills",
    "test_altered_values",
    "test_cells",
    "test_deployments",
    "test_practice_report",
    "test_clinic",
    "test_privacy",
    "test_verification",
    "test_trust",
    "test_schema_changes",
    "test_keys",
    "test_overlap",
    "test_printable",
    "test_surroundings",
    "test_hanging",
    "test_recognition",
    "test_clearing",
    "test_gone_tables",
    "test_properties",
    "test_histories",
)


# Of the engines and sizes of a practice's tables a test of the suite takes one pair, tests in turns
# by their names; no other file of tests has these two as its rule.
PAIRS = (("MyISAM", "large"), ("InnoDB", "small"))


def _has_another_pair(item: pytest.Item) -> bool:
    drawn = (
        item.callspec.params
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else {}
    )
    named = any("size" in str(mark.args[0]) for mark in item.iter_markers("parametrize"))
    both = "engine" in drawn and "size" in drawn
    turn = PAIRS[crc32(item.name.partition("[")[0].encode()) % len(PAIRS)]
    return both and not named and (drawn["engine"], drawn["size"]) != turn


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not EVERYTHING:
        left_out = [
            item for item in items if item.get_closest_marker("thorough") or _has_another_pair(item)
        ]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@dataclass(frozen=True)
class Client:
    """A plain administrator's connection, independent of the pipeline's own code."""

    database: str
    connection: Any

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall()) if cursor.description else []


DIGITS = f"(SELECT 0 AS digit {' '.join(f'UNION ALL SELECT {digit}' for digit in range(1, 10))})"


def numbers(last: int) -> str:
    """Return what follows FROM for rows whose `seq` is 1 to `last`, in order, on any server."""
    places = range(len(str(last - 1)))
    tables = ", ".join(f"{DIGITS} AS d{place}" for place in places)
    number = " + ".join(f"d{place}.digit * {10**place}" for place in places)
    return f"(SELECT 1 + {number} AS seq FROM {tables} ORDER BY seq LIMIT {last}) AS numbers"


@pytest.fixture(scope="session", autouse=True)
def given_servers() -> Iterator[Servers | None]:
    """Return the servers whose addresses the user gave; his settings play no further part."""
    with pytest.MonkeyPatch.context() as environment:
        found = find_given()
        for name in list(os.environ):
            if name.startswith((*PREFIXES.values(), "ELT_", "PREFECT_API_")):
                environment.delenv(name)
        yield found


@pytest.fixture(scope="session")
def servers(given_servers: Servers | None) -> Servers:
    """Return the user's, if they are here and let tests make databases; else private ones."""
    if (
        not any(EDITIONS)
        and given_servers
        and given_servers.on_this_machine
        and _may_create_databases(given_servers)
    ):
        return given_servers
    private = start(TEST_SERVERS)
    _write_without_waiting(private)
    return private


def _write_without_waiting(servers: Servers) -> None:
    """Let commits not wait for the disk: what a power cut would leave of test data is no matter."""
    for statement in (
        "ALTER SYSTEM SET fsync = off",
        "ALTER SYSTEM SET full_page_writes = off",
        "SELECT pg_reload_conf()",
    ):
        servers.postgres.execute(statement)
    for server in (servers.source, servers.replica):
        server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")


@pytest.fixture(scope="session", autouse=True)
def _parsed_once() -> Iterator[None]:
    """Let the tests of a process share what dbt keeps of the project that it has parsed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt_project, "TARGET", PARSED / "whole")
        yield


@pytest.fixture(scope="module", autouse=True)
def _file_leaves_nothing() -> Iterator[None]:
    yield from nothing_left()


@pytest.fixture(autouse=True)
def _leaves_nothing() -> Iterator[None]:
    yield from nothing_left()


@pytest.fixture(autouse=True)
def _where_it_can_be_done(request: pytest.FixtureRequest) -> None:
    for marker in request.node.iter_markers("needs"):
        place, ability = marker.args
        lacking = lack(request.getfixturevalue("servers"), place, ability)
        if lacking:
            pytest.skip(lacking)


def _may_create_databases(found: Servers) -> bool:
    try:
        with _fresh(found):
            return True
    except Exception:  # noqa: BLE001 - whatever the drivers raise, the answer is no
        return False


# Names are used again once they are free: what dbt has parsed holds for a database's name.
TOKEN = secrets.token_hex(4)
FREE_NAMES = [f"test{TOKEN}{letter}" for letter in "fedcba"]


@contextmanager
def _fresh(servers: Servers) -> Iterator[Databases]:
    name = FREE_NAMES.pop()
    databases = servers.create_databases(
        source=f"{name}_source", replica=f"{name}_replica", warehouse=name
    )
    try:
        yield databases
    finally:
        close_idle()
        servers.drop_databases(databases)
        FREE_NAMES.append(name)


@pytest.fixture
def databases(servers: Servers) -> Iterator[Databases]:
    """Make a source, a replica and a warehouse for this test, with the pipeline's accounts."""
    with _fresh(servers) as databases:
        yield databases


@pytest.fixture(scope="module")
def module_databases(servers: Servers) -> Iterator[Databases]:
    """Make the same for a whole file of tests."""
    with _fresh(servers) as databases:
        yield databases


@pytest.fixture(scope="module")
def places(servers: Servers, module_databases: Databases) -> Iterator[Places]:
    """Connect to the file's databases as a plain administrator."""
    with connected(servers, module_databases) as places:
        yield places


@pytest.fixture
def source(servers: Servers, databases: Databases) -> Iterator[Client]:
    with closing(servers.source.connect(databases.source.name)) as connection:
        yield Client(databases.source.name, connection)


@pytest.fixture
def replica(servers: Servers, databases: Databases) -> Iterator[Client]:
    with closing(servers.replica.connect(databases.replica.name)) as connection:
        yield Client(databases.replica.name, connection)


@pytest.fixture
def warehouse(servers: Servers, databases: Databases) -> Iterator[Client]:
    with closing(servers.postgres.connect(databases.warehouse.name)) as connection:
        yield Client(databases.warehouse.name, connection)


@pytest.fixture
def settings(databases: Databases) -> Settings:
    """Return what the pipeline needs to work on this test's databases."""
    return settings_for(databases)


def settings_for(databases: Databases) -> Settings:
    def address(key: str) -> dict[str, Any]:
        database = {
            "source": databases.source,
            "replica": databases.replica,
            "postgres": databases.warehouse,
        }[key]
        return {
            "_env_file": None,
            "host": database.host,
            "port": database.port,
            "db": database.name,
            "user": database.user,
            "password": database.password,
        }

    return Settings(
        source=Source(**address("source")),
        replica=Replica(**address("replica")),
        warehouse=Warehouse(**address("postgres")),
        limits=Limits(_env_file=None),
    )

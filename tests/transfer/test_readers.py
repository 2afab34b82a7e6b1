"""Those who read while tables are updated see one complete version; its rows carry its number."""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import oracle
import psycopg2
import pymysql
import pytest
from conftest import numbers, settings_for
from oracle import Places, ask, connected
from runs import HANGING_SECONDS, in_time, limited, run

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.settings import Settings

# How long a reader holds a table; the issue names 60.
HOLD_SECONDS = int(os.environ.get("TEST_HOLD_SECONDS", "5"))

ROWS = 600
KEYED = "Id int PRIMARY KEY, Version int NOT NULL"
KEYLESS = "Id int, Version int NOT NULL"
PLACES = ("replica", "raw", "public")


@pytest.fixture
def reader(servers: Servers, module_databases: Databases) -> Iterator[Places]:
    """Somebody else's connections."""
    with connected(servers, module_databases) as places:
        yield places


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), page_rows=200)


def _create(places: Places, settings: Settings, columns: str) -> str:
    """A table of version 0 that has come everywhere."""
    table = f"r{secrets.token_hex(6)}"
    ask(places.source, f"CREATE TABLE {table} ({columns})")
    ask(places.source, f"INSERT INTO {table} (Id, Version) SELECT seq, 0 FROM {numbers(ROWS)}")
    run(settings, table)
    return table


def _advance(places: Places, table: str, version: int, *, columns: bool = False) -> None:
    """Write a version: other rows, more of them, and another column if asked for."""
    ask(places.source, f"UPDATE {table} SET Version = {version}")
    ask(places.source, f"INSERT INTO {table} (Id, Version) VALUES ({ROWS + version}, {version})")
    if columns:
        ask(places.source, f"ALTER TABLE {table} ADD COLUMN More{version} int NOT NULL DEFAULT 1")


def _seen(reader: Places, place: str, table: str) -> tuple[int, int, int]:
    """The number of rows, the lowest and the highest version."""
    if place == "replica":
        return ask(reader.replica, f"SELECT COUNT(*), MIN(Version), MAX(Version) FROM {table}")[0]
    name = '"Version"' if place == "raw" else "version"
    return ask(reader.warehouse, f"SELECT count(*), min({name}), max({name}) FROM {place}.{table}")[
        0
    ]


def _version(number: int) -> tuple[int, int, int]:
    return ROWS + number, number, number


@dataclass
class Polled:
    """What readers saw, and how long the slowest of them waited."""

    versions: set[tuple[int, int, int]] = field(default_factory=set)
    errors: list[Exception] = field(default_factory=list)
    longest: float = 0.0


@pytest.fixture
def polling(
    servers: Servers, module_databases: Databases
) -> Callable[[str], AbstractContextManager[Polled]]:
    """Reads a table in all three places, again and again, for as long as the block lasts."""

    @contextmanager
    def polling(table: str) -> Iterator[Polled]:
        polled, ended = Polled(), threading.Event()
        with ThreadPoolExecutor(len(PLACES)) as pool:
            for place in PLACES:
                pool.submit(poll, place, table, polled, ended)
            try:
                yield polled
            finally:
                ended.set()

    def poll(place: str, table: str, polled: Polled, ended: threading.Event) -> None:
        with connected(servers, module_databases) as reader:
            while not ended.is_set():
                started = time.monotonic()
                try:
                    polled.versions.add(_seen(reader, place, table))
                except (pymysql.Error, psycopg2.Error) as error:
                    polled.errors.append(error)
                polled.longest = max(polled.longest, time.monotonic() - started)
                time.sleep(0.005)

    return polling


def _open_snapshots(reader: Places) -> None:
    ask(reader.replica, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    ask(reader.replica, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
    ask(reader.warehouse, "BEGIN ISOLATION LEVEL REPEATABLE READ")
    ask(reader.warehouse, "SELECT 1")


def test_an_old_snapshot_sees_the_old_version_after_a_merge(places, reader, settings):
    table = _create(places, settings, KEYED)
    _advance(places, table, 1)
    _open_snapshots(reader)
    run(settings, table)
    _advance(places, table, 2)
    run(settings, table)
    assert [_seen(reader, place, table) for place in PLACES] == [_version(0)] * 3
    assert [_seen(places, place, table) for place in PLACES] == [_version(2)] * 3


@pytest.mark.parametrize("columns", [KEYED, KEYLESS])
def test_an_old_snapshot_sees_the_old_version_or_is_told_to_begin_anew_after_a_swap(
    columns, places, reader, settings
):
    table = _create(places, settings, columns)
    _open_snapshots(reader)
    _advance(places, table, 1, columns=columns == KEYED)
    run(settings, table)
    with pytest.raises(pymysql.OperationalError, match="1412"):
        _seen(reader, "replica", table)
    assert [_seen(reader, place, table) for place in ("raw", "public")] == [_version(0)] * 2
    assert [_seen(places, place, table) for place in PLACES] == [_version(1)] * 3


@pytest.mark.parametrize("change", ["merge", "swap", "keyless"])
def test_a_reader_who_holds_the_table_sees_his_version_and_others_wait_little(
    change, places, reader, settings, polling
):
    table = _create(places, settings, KEYLESS if change == "keyless" else KEYED)
    _open_snapshots(reader)
    assert [_seen(reader, place, table) for place in PLACES] == [_version(0)] * 3
    _advance(places, table, 1, columns=change == "swap")
    with ThreadPoolExecutor(1) as pool, polling(table) as polled:
        running = pool.submit(run, settings, table)
        until = time.monotonic() + HOLD_SECONDS
        while time.monotonic() < until:
            assert [_seen(reader, place, table) for place in PLACES] == [_version(0)] * 3
            time.sleep(0.2)
        ask(reader.replica, "COMMIT")
        ask(reader.warehouse, "COMMIT")
        running.result(timeout=HANGING_SECONDS)
    assert polled.versions <= {_version(0), _version(1)}
    assert in_time(polled.longest, 4)
    assert oracle.unequal(places, [table]) == {}


@pytest.mark.parametrize(
    ("columns", "structure"), [(KEYED, False), (KEYED, True), (KEYLESS, False)]
)
def test_readers_who_come_all_the_time_see_complete_versions_only(
    columns, structure, places, settings, polling
):
    table = _create(places, settings, columns)
    with polling(table) as polled:
        for version in range(1, 6):
            _advance(places, table, version, columns=structure)
            run(settings, table)
    assert polled.versions <= {_version(number) for number in range(6)}
    assert {version[1] for version in polled.versions} >= {1, 2, 3, 4}
    assert polled.errors == []

"""What is done at the same time fails apart: whichever part breaks, nothing is half done and the next run converges."""

import os
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import oracle
import pytest
from conftest import numbers, settings_for
from oracle import Places, ask
from runs import HANGING_SECONDS, limited, plan, prepare, reading_processes, run, settle, wait_for

from deployments.databases import Databases
from transfer.errors import DatabaseFault, TableError
from transfer.journey.sync import sync
from transfer.mysql import load_data
from transfer.settings import Settings
from transfer.values.table import TableResult

ROWS = 40_000
PAGE_BYTES = 2**20  # so that the table is a large one
KEYS = ", ".join(f"KEY k{position} (Note({position}), Id)" for position in range(10, 22))


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    found = limited(settings_for(module_databases), page_bytes=PAGE_BYTES)
    prepare(found)
    return found


@pytest.fixture
def table(places: Places) -> str:
    """A table of some megabytes whose keys take a second to build."""
    return notes(places, f"Note varchar(200) NOT NULL, {KEYS}", hashes=3, rows=ROWS)


@pytest.fixture
def pages(places: Places) -> str:
    """A table of as many pages without such keys."""
    return notes(places, "Note text NOT NULL", hashes=30, rows=ROWS // 10)


def notes(places: Places, columns: str, hashes: int, rows: int) -> str:
    """Make a table whose notes have 64 characters for each hash."""
    name = f"o{secrets.token_hex(5)}"
    ask(places.source, f"CREATE TABLE {name} (Id bigint PRIMARY KEY, {columns}) ENGINE=MyISAM")
    note = f"REPEAT(SHA2(seq, 256), {hashes})"
    ask(places.source, f"INSERT INTO {name} SELECT seq, {note} FROM {numbers(rows)}")
    return name


@contextmanager
def syncing(settings: Settings, table: str) -> Iterator[Future[TableResult]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(sync, settings, plan(settings, table), "run")


def statements(connection: Any, like: str) -> list[tuple[Any, ...]]:
    return ask(
        connection,
        f"SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE '{like}' AND ID <> CONNECTION_ID()",
    )


def copying(places: Places) -> list[tuple[Any, ...]]:
    """While keys are built no transaction is open in PostgreSQL but the one that rows are copied in."""
    return ask(
        places.warehouse,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'elt' AND xact_start IS NOT NULL",
    )


def overlapping(places: Places) -> bool:
    return bool(statements(places.replica, "ALTER TABLE%ADD KEY%") and copying(places))


def assert_converged(places: Places, table: str) -> None:
    assert oracle.unequal(places, [table]) == {}
    assert ask(places.replica, "SHOW TABLES LIKE '\\_elt\\_%'") == []


def test_rows_come_into_raw_while_the_replica_builds_their_keys(places, settings, table):
    settle(places.source)
    with syncing(settings, table) as result:
        wait_for(lambda: overlapping(places))
        assert ask(places.warehouse, f"SELECT to_regclass('raw.{table}')") == [(None,)]
        assert result.result(timeout=HANGING_SECONDS).state == "synced"
    assert_converged(places, table)
    assert not plan(settings, table).has_work


def test_a_warehouse_connection_that_breaks_meanwhile_does_not_keep_the_replica_back(
    places, settings, table
):
    with syncing(settings, table) as result:
        wait_for(lambda: overlapping(places))
        for (pid,) in copying(places):
            ask(places.warehouse, "SELECT pg_terminate_backend(%s)", pid)
        hops = result.result(timeout=HANGING_SECONDS).hops
    assert [hop.name for hop in hops] == ["extract", "load", "standardize"]
    assert_converged(places, table)


def test_keys_that_cannot_be_built_leave_nothing_in_raw(places, settings, table):
    with syncing(settings, table) as result:
        wait_for(lambda: overlapping(places))
        for (number,) in statements(places.replica, "ALTER TABLE%ADD KEY%"):
            ask(places.replica, f"KILL {number}")
        with pytest.raises(DatabaseFault, match="building the keys"):
            result.result(timeout=HANGING_SECONDS)
    assert oracle.mysql_columns(places.replica, table) == []
    assert ask(places.warehouse, f"SELECT to_regclass('raw.{table}')") == [(None,)]
    run(settings, table)
    assert_converged(places, table)


def test_rows_that_changed_in_the_replica_meanwhile_are_found_although_its_keys_are_built(
    places, settings, table
):
    tampering = f"UPDATE `_elt_new_{table}` SET Note = 'other' WHERE Id = 1"
    with syncing(settings, table) as result:
        wait_for(lambda: statements(places.replica, f"LOAD DATA%_elt_new_{table}%"))
        wait_for(lambda: ask(places.replica, tampering) or tampered(places, table))
        with pytest.raises(TableError, match="other values than were read"):
            result.result(timeout=HANGING_SECONDS)
    assert oracle.mysql_columns(places.replica, table) == []
    assert ask(places.warehouse, f"SELECT to_regclass('raw.{table}')") == [(None,)]
    run(settings, table)
    assert_converged(places, table)


def tampered(places: Places, table: str) -> bool:
    return ask(places.replica, f"SELECT COUNT(*) FROM `_elt_new_{table}` WHERE Note = 'other'") == [
        (1,)
    ]


def test_a_reader_that_dies_in_the_middle(places, settings, pages, monkeypatch):
    encode, numbered, locked = load_data.encode, iter(range(100)), Event()

    def locking(page: Any) -> Any:
        if next(numbered) == 3:
            ask(places.source, f"LOCK TABLES {pages} WRITE")
            locked.set()
        return encode(page)

    monkeypatch.setattr(load_data, "encode", locking)
    with syncing(settings, pages) as result:
        locked.wait(HANGING_SECONDS)
        # One that is killed between two pages is replaced, so it is while it waits for a page.
        wait_for(lambda: statements(places.source, f"SELECT%{pages}%"))
        for reader in reading_processes():
            os.kill(reader, signal.SIGKILL)
        with pytest.raises(DatabaseFault, match="reading process ended"):
            result.result(timeout=HANGING_SECONDS)
        ask(places.source, "UNLOCK TABLES")
    assert oracle.mysql_columns(places.replica, pages) == []
    run(settings, pages)
    assert_converged(places, pages)


def test_an_encoder_that_fails_in_the_middle(places, settings, pages, monkeypatch):
    encode, numbered = load_data.encode, iter(range(100))

    def failing(page: Any) -> Any:
        if next(numbered) == 3:
            raise MemoryError
        return encode(page)

    monkeypatch.setattr(load_data, "encode", failing)
    with pytest.raises(TableError, match="unforeseen MemoryError"):
        sync(settings, plan(settings, pages), "run")
    assert oracle.mysql_columns(places.replica, pages) == []
    assert run(settings, pages)[pages].rows == ROWS // 10
    assert_converged(places, pages)


def test_a_writer_whose_connection_breaks_in_the_middle(places, settings, pages):
    with syncing(settings, pages) as result:
        wait_for(lambda: statements(places.replica, f"LOAD DATA%_elt_new_{pages}%"))
        for (number,) in statements(places.replica, f"LOAD DATA%_elt_new_{pages}%"):
            ask(places.replica, f"KILL {number}")
        with pytest.raises(DatabaseFault):
            result.result(timeout=HANGING_SECONDS)
    assert oracle.mysql_columns(places.replica, pages) == []
    run(settings, pages)
    assert_converged(places, pages)

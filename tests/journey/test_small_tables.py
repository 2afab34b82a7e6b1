"""A practice's many small tables are looked at together, each is proven by itself, and asks few questions."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import oracle
import pytest
from asked import asked, forget, logged
from conftest import numbers, settings_for
from oracle import Places, ask
from runs import plan, prepare, run, settle

from deployments.databases import Databases
from transfer.errors import TableUnsteady
from transfer.journey import looks as looking
from transfer.journey.looks import Looks
from transfer.journey.sync import sync
from transfer.settings import Settings
from transfer.values.reasons import State

COLUMNS = "Id bigint PRIMARY KEY AUTO_INCREMENT, Name varchar(40) NOT NULL, Seen date, KEY (Name), UNIQUE KEY (Seen)"
# What a first load asks a server about one table, once its connections are open.
MOST_OF_REPLICA, MOST_OF_SOURCE = 34, 12


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    found = settings_for(module_databases)
    prepare(found)
    return found


@pytest.fixture
def tables(places: Places) -> list[str]:
    """One empty table, and two with a few rows."""
    names = [f"t{secrets.token_hex(6)}" for _ in range(3)]
    for name, rows in zip(names, (0, 3, 20), strict=True):
        ask(places.source, f"CREATE TABLE {name} ({COLUMNS}) ENGINE=MyISAM")
        if rows:
            filling = f"INSERT INTO {name} SELECT seq, CONCAT('n', seq), FROM_DAYS(730000 + seq)"
            ask(places.source, f"{filling} FROM {numbers(rows)}")
    settle(places.source)
    return names


def looked_at(settings: Settings, tables: Sequence[str]) -> Looks:
    """Return the looks of a run that has come to the first of the tables."""
    plans = [plan(settings, table) for table in tables]
    looks = Looks(plans)
    sync(settings, plans[0], "run", looks=looks)
    return looks


def test_small_tables_come_with_their_rows_and_keys(places, settings, tables):
    results = run(settings, *tables)
    assert [results[table].clean for table in tables] == [True] * 3
    assert oracle.unequal(places, tables) == {}
    for table in tables:
        assert keys(places.replica, table) == keys(places.source, table)
    assert ask(places.replica, "SELECT COUNT(*) FROM etl_extract_progress") == [(0,)]
    assert not plan(settings, tables[0]).has_work


def keys(connection: Any, table: str) -> set[tuple[Any, ...]]:
    return set(
        ask(
            connection,
            "SELECT INDEX_NAME, COLUMN_NAME, NON_UNIQUE FROM information_schema.STATISTICS"
            " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
            table,
        )
    )


def test_a_row_that_comes_after_the_common_look_is_not_taken_for_an_unwritten_table(
    places, settings, tables
):
    looks = looked_at(settings, tables)
    for table in tables[1:]:
        ask(places.source, f"INSERT INTO {table} VALUES (500, 'later', '2020-02-02')")
        result = sync(settings, plan(settings, table), "run", looks=looks)
        assert result.state is State.SYNCED
        assert not result.clean
        assert plan(settings, table).has_work
    run(settings, *tables)
    assert oracle.unequal(places, tables) == {}


def test_a_column_that_comes_after_the_common_look_stops_the_read_and_the_next_try_has_it(
    places, settings, tables
):
    looks = looked_at(settings, tables)
    ask(places.source, f"ALTER TABLE {tables[1]} ADD COLUMN More int NOT NULL DEFAULT 7")
    planned = plan(settings, tables[1])
    with pytest.raises(TableUnsteady, match="changed its columns"):
        sync(settings, planned, "run", looks=looks)
    assert sync(settings, planned, "run", looks=looks).good
    assert oracle.unequal(places, [tables[1]]) == {}


def test_a_table_that_goes_after_the_common_look_has_vanished(places, settings, tables):
    planned = plan(settings, tables[1])
    looks = looked_at(settings, tables)
    ask(places.source, f"DROP TABLE {tables[1]}")
    assert sync(settings, planned, "run", looks=looks).state is State.VANISHED
    assert sync(settings, plan(settings, tables[2]), "run", looks=looks).good


def test_a_look_that_is_too_old_is_made_again(places, settings, tables, monkeypatch):
    looks = looked_at(settings, tables)
    monkeypatch.setattr(looking, "FRESH_SECONDS", 0)
    ask(places.source, f"UPDATE {tables[1]} SET Name = 'later'")
    settle(places.source)
    assert sync(settings, plan(settings, tables[1]), "run", looks=looks).clean


def test_a_first_load_asks_little(settings, tables, servers):
    planned = [plan(settings, table) for table in tables]
    with (
        closing(servers.source.connect("mysql")) as source,
        closing(servers.replica.connect("mysql")) as replica,
        logged(source),
        logged(replica),
    ):
        sync(settings, planned[0], "run")  # opens the connections
        forget(source)
        forget(replica)
        looks = Looks(planned[1:])
        for each in planned[1:]:
            sync(settings, each, "run", looks=looks)
        of_source = asked(source, settings.source.user, "Query")
        of_replica = asked(replica, settings.replica.user, "Query")
    structures = [text for _, text in of_source if "information_schema.STATISTICS" in text]
    assert len(structures) == 1 + 2  # one common look before the reads, and one after each
    assert 10 < sum(not text.startswith("SET") for _, text in of_source) <= 2 * MOST_OF_SOURCE
    assert 10 < sum(not text.startswith("SET") for _, text in of_replica) <= 2 * MOST_OF_REPLICA

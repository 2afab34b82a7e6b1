"""Whatever happens to a table, at the source or on the way, the next run makes all places equal again."""

import secrets
from typing import Any

import oracle
import pytest
from conftest import numbers, settings_for
from oracle import Places, ask, connected, key
from runs import limited, plan, prepare, run, settle, sync_while

from deployments.databases import Databases
from transfer.errors import DatabaseFault, TableError
from transfer.journey.plan import look
from transfer.settings import Settings

COLUMNS = "Id bigint AUTO_INCREMENT PRIMARY KEY, Name varchar(40) NOT NULL, Fee double NOT NULL, Seen date NOT NULL, KEY (Name)"


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), page_rows=4)


def _fill(connection: Any, table: str, columns: str = COLUMNS) -> None:
    ask(connection, f"CREATE TABLE {table} ({columns})")
    ask(
        connection,
        f"INSERT INTO {table} (Id, Name, Fee, Seen) SELECT seq, CONCAT('n', seq), seq / 7, '0001-01-01' FROM {numbers(20)}",
    )


@pytest.fixture
def table(places: Places, settings: Settings) -> str:
    """A table that has come everywhere, to be changed by the test."""
    name = f"t{secrets.token_hex(6)}"
    _fill(places.source, name)
    run(settings, name)
    return name


@pytest.fixture(scope="module")
def long_unwritten(places: Places) -> list[str]:
    """Names of tables that nobody has written for 2 s."""
    names = [f"q{secrets.token_hex(6)}" for _ in range(40)]
    for name in names:
        _fill(places.source, name)
    settle(places.source)
    return names


@pytest.fixture
def quiet(places: Places, settings: Settings, long_unwritten: list[str]) -> str:
    """A table that has come everywhere and of which the evidence says that nothing is to be done."""
    name = long_unwritten.pop()
    run(settings, name)
    assert not plan(settings, name).has_work
    return name


CHANGES = {
    "inserts": ["INSERT INTO {t} (Name, Fee, Seen) VALUES ('new', 1, '2026-01-01'), ('newer', 2, '2026-01-02')"],
    "updates": ["UPDATE {t} SET Fee = Fee + 0.1, Name = 'same' WHERE Id BETWEEN 3 AND 11"],
    "deletes": ["DELETE FROM {t} WHERE Id IN (1, 4, 5, 20)"],
    "everything deleted": ["DELETE FROM {t}"],
    "truncated": ["TRUNCATE {t}"],
    "keys exchanged": [
        "UPDATE {t} SET Id = 100 WHERE Id = 1",
        "UPDATE {t} SET Id = 1 WHERE Id = 2",
        "UPDATE {t} SET Id = 2 WHERE Id = 100",
    ],
    "case only": ["UPDATE {t} SET Name = UPPER(Name)"],
    "blanks only": ["UPDATE {t} SET Name = CONCAT(Name, ' ')"],
    "one double's last bit": ["UPDATE {t} SET Fee = 0.30000000000000004 WHERE Id = 1", "UPDATE {t} SET Fee = 0.3 WHERE Id = 2"],
    "key of zero": ["SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'", "INSERT INTO {t} VALUES (0, '', 0, 0)", "SET sql_mode = 'ALLOW_INVALID_DATES'"],
    "column added": ["ALTER TABLE {t} ADD COLUMN More varchar(9) NOT NULL DEFAULT 'x' AFTER Id"],
    "column dropped": ["ALTER TABLE {t} DROP COLUMN Seen"],
    "column retyped": ["ALTER TABLE {t} MODIFY Fee decimal(12, 4), MODIFY Name longtext, DROP KEY Name, ADD KEY Name (Name(40))"],
    "column renamed": ["ALTER TABLE {t} CHANGE Fee Price double NOT NULL"],
    "columns reordered": ["ALTER TABLE {t} MODIFY Seen date FIRST"],
    "key changed": ["ALTER TABLE {t} MODIFY Id bigint, DROP PRIMARY KEY, ADD PRIMARY KEY (Name, Id)"],
    "key of other column": ["ALTER TABLE {t} DROP COLUMN Id, ADD COLUMN No int AUTO_INCREMENT PRIMARY KEY"],
    "key lost": ["ALTER TABLE {t} MODIFY Id bigint, DROP PRIMARY KEY"],
    "key lost and value missing": [
        "ALTER TABLE {t} MODIFY Id bigint, DROP PRIMARY KEY",
        "ALTER TABLE {t} MODIFY Id bigint NULL",
        "INSERT INTO {t} VALUES (NULL, '', 0, 0)",
    ],
    "index added": ["ALTER TABLE {t} ADD INDEX (Seen), ADD UNIQUE (Name)"],
    "default changed": ["ALTER TABLE {t} MODIFY Name varchar(40) NOT NULL DEFAULT 'Q'"],
    "charset changed": ["ALTER TABLE {t} CONVERT TO CHARACTER SET utf8mb4", "UPDATE {t} SET Name = '😀' WHERE Id = 3"],
    "engine changed": ["ALTER TABLE {t} ENGINE = InnoDB"],
    "recreated alike": ["DROP TABLE {t}", f"CREATE TABLE {{t}} ({COLUMNS})", "INSERT INTO {t} VALUES (7, 'x', 1, 0)"],
    "recreated otherwise": ["DROP TABLE {t}", "CREATE TABLE {t} (Other varchar(9))", "INSERT INTO {t} VALUES ('x'), ('x')"],
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_at_the_source_arrives(change, table, places, settings):
    for statement in CHANGES[change]:
        ask(places.source, statement.format(t=table))
    assert run(settings, table)[table].state == "synced"
    assert oracle.unequal(places, [table]) == {}
    assert _shadows(places) == []


def _shadows(places: Places) -> list[tuple[str]]:
    return ask(places.replica, "SHOW TABLES LIKE '%elt\\_new%'") + ask(
        places.replica, "SHOW TABLES LIKE '%elt\\_old%'"
    )


def test_a_structural_change_alone_reaches_the_replicas_definition(table, places, settings):
    ask(places.source, f"ALTER TABLE {table} ADD INDEX later (Seen, Fee)")
    run(settings, table)
    assert "KEY `later` (`Seen`,`Fee`)" in ask(places.replica, f"SHOW CREATE TABLE {table}")[0][1]


def test_the_verdict_counts_what_changed(table, places, settings):
    ask(places.source, f"DELETE FROM {table} WHERE Id <= 3")
    ask(places.source, f"UPDATE {table} SET Fee = -1 WHERE Id IN (4, 5)")
    ask(places.source, f"INSERT INTO {table} VALUES (99, 'new', 1, 0)")
    result = run(settings, table)[table]
    counted = [(hop.name, hop.read, hop.inserted, hop.updated, hop.deleted) for hop in result.hops]
    assert counted == [
        ("extract", 18, 1, 2, 3),
        ("load", 18, 1, 2, 3),
        ("standardize", 18, 1, 2, 3),
    ]


LOSSES = {
    "replica table truncated": ("replica", ["TRUNCATE {t}"]),
    "extract status lost": ("replica", ["DELETE FROM etl_extract_status WHERE table_name = '{t}'"]),
    "status table lost": ("replica", ["DROP TABLE etl_extract_status"]),
    "all status tables lost": ("replica", ["DROP TABLE etl_extract_status, etl_extract_lock, etl_extract_progress, etl_replica"]),
    "raw column dropped": ("warehouse", ['ALTER TABLE raw.{t} DROP COLUMN "Fee"', "TRUNCATE raw.{t}"]),
    "public table dropped": ("warehouse", ["DROP TABLE public.{t}"]),
    "transform status lost": ("warehouse", ["DELETE FROM etl_transform_status WHERE table_name = '{t}'"]),
    "transform status table lost": ("warehouse", ["DROP TABLE etl_transform_status CASCADE"]),
    "schema raw lost": ("warehouse", ["DROP SCHEMA raw CASCADE"]),
}  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES)
def test_what_was_lost_on_the_way_is_made_good_though_the_source_is_unchanged(
    loss, quiet, places, settings
):
    where, statements = LOSSES[loss]
    for statement in statements:
        ask(getattr(places, where), statement.format(t=quiet))
    assert quiet in run(settings, quiet)
    assert oracle.unequal(places, [quiet]) == {}
    assert not plan(settings, quiet).has_work


@pytest.mark.parametrize("schema", ["raw", "public"])
def test_a_table_that_somebody_else_has_put_in_the_way_is_not_touched(
    schema, quiet, places, settings
):
    ask(places.warehouse, f"DROP TABLE {schema}.{quiet}")
    ask(places.warehouse, f"CREATE TABLE {schema}.{quiet} AS SELECT 'mine' AS own")
    with pytest.raises(TableError, match=f"{quiet}.*not made by the pipeline"):
        run(settings, quiet)
    assert ask(places.warehouse, f"SELECT own FROM {schema}.{quiet}") == [("mine",)]
    ask(places.warehouse, f"DROP TABLE {schema}.{quiet}")
    run(settings, quiet)
    assert oracle.unequal(places, [quiet]) == {}


def test_a_dropped_replica_database_is_filled_anew(quiet, places, settings):
    ask(places.replica, f"DROP DATABASE {settings.replica.db}")
    ask(places.replica, f"CREATE DATABASE {settings.replica.db}")
    ask(places.replica, f"USE {settings.replica.db}")
    assert run(settings, quiet)[quiet].hops[0].name == "extract"
    assert oracle.unequal(places, [quiet]) == {}


def test_a_replica_set_back_to_an_older_backup_is_compared(quiet, places, settings):
    ask(places.replica, "CREATE TABLE backup AS SELECT * FROM etl_extract_status")
    ask(places.source, f"UPDATE {quiet} SET Name = 'later' WHERE Id = 2")
    run(settings, quiet)
    ask(places.replica, "DELETE FROM etl_extract_status")
    ask(places.replica, "INSERT INTO etl_extract_status SELECT * FROM backup")
    ask(places.replica, f"UPDATE {quiet} SET Name = 'n2' WHERE Id = 2")
    run(settings, quiet)
    ask(places.replica, "DROP TABLE backup")
    assert oracle.unequal(places, [quiet]) == {}


def test_a_table_that_changes_its_columns_while_it_is_read_is_red_and_stays_as_it_was(
    table, places, settings, servers
):
    rows = oracle.mysql_rows(places.replica, table)
    change = f"ALTER TABLE {table} ADD COLUMN More int"
    with pytest.raises((TableError, DatabaseFault)):
        sync_while(servers, settings, table, change)
    assert oracle.mysql_rows(places.replica, table) == rows
    run(settings, table)
    assert oracle.unequal(places, [table]) == {}


def test_a_table_written_while_it_is_read_is_not_recorded_as_clean_and_read_again(
    quiet, places, settings, servers
):
    result = sync_while(
        servers, settings, quiet, f"UPDATE {quiet} SET Name = 'meanwhile' WHERE Id IN (1, 20)"
    )
    assert not result.clean
    settle(places.source)
    assert plan(settings, quiet).reason == "written while it was last read"
    assert run(settings, quiet)[quiet].clean
    assert oracle.unequal(places, [quiet]) == {}


def test_a_write_within_two_seconds_before_the_read_is_not_trusted(places, settings):
    name = f"t{secrets.token_hex(6)}"
    _fill(places.source, name)
    assert not run(settings, name)[name].clean
    settle(places.source)
    assert plan(settings, name).reason == "written while it was last read"
    assert run(settings, name)[name].clean
    assert not plan(settings, name).has_work


def test_an_innodb_source_is_read_whenever_its_server_does_not_tell_of_writes(places, settings):
    name = f"t{secrets.token_hex(6)}"
    ask(places.source, f"CREATE TABLE {name} ({COLUMNS}) ENGINE = InnoDB")
    run(settings, name)
    ask(places.source, f"INSERT INTO {name} VALUES (1, 'x', 1, 0), (2, 'y', 2, 0)")
    assert plan(settings, name).has_work
    run(settings, name)
    assert oracle.unequal(places, [name]) == {}


def test_an_empty_table_arrives_with_its_structure(places, settings):
    name = f"t{secrets.token_hex(6)}"
    ask(places.source, f"CREATE TABLE {name} ({COLUMNS})")
    assert run(settings, name)[name].rows == 0
    assert oracle.unequal(places, [name]) == {}
    assert key(places.warehouse, "public", name) == ["id"]


def test_an_empty_table_that_gets_other_columns_gets_them_everywhere(table, places, settings):
    ask(places.source, f"TRUNCATE {table}")
    run(settings, table)
    ask(places.source, f"ALTER TABLE {table} ADD COLUMN More int, DROP COLUMN Fee")
    run(settings, table)
    assert oracle.unequal(places, [table]) == {}


def test_forcing_reads_everything_but_changes_nothing(quiet, places, settings):
    result = run(settings, quiet, force_full=True)[quiet]
    assert [(hop.name, hop.read, hop.changed) for hop in result.hops] == [
        ("extract", 20, 0),
        ("load", 20, 0),
        ("standardize", 20, 0),
    ]


def test_a_view_that_needs_a_dropped_column_makes_the_table_red_and_keeps_public(
    table, places, settings
):
    ask(places.warehouse, f"CREATE VIEW public.{table}_fees AS SELECT id, fee FROM public.{table}")
    rows = oracle.postgres_rows(places.warehouse, "public", table)
    ask(places.source, f"ALTER TABLE {table} DROP COLUMN Fee")
    with pytest.raises(TableError, match="depends on it"):
        run(settings, table)
    assert oracle.postgres_rows(places.warehouse, "public", table) == rows
    ask(places.warehouse, f"DROP VIEW public.{table}_fees")
    run(settings, table)
    assert oracle.unequal(places, [table]) == {}


def test_reading_prepares_nothing(databases, servers):
    fresh = settings_for(databases)
    with connected(servers, databases) as empty:
        _fill(empty.source, "t")
        assert [plan.reason for plan in look(fresh).plans] == ["never loaded"]
        assert ask(empty.replica, "SHOW TABLES") == []
        prepare(fresh)
        assert run(fresh)["t"].rows == 20

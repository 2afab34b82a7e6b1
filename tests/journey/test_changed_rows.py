"""What is recorded of rows that changed, so that the models are built from them alone."""

from __future__ import annotations

import pytest
from conftest import settings_for
from oracle import ask
from runs import run, settle

from deployments.databases import Databases
from transfer.settings import Settings


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return settings_for(module_databases)


TABLES = {
    "keyed": "Id bigint PRIMARY KEY, PatNum bigint, Name varchar(20)",
    "of_old": "Id int PRIMARY KEY, PatNum int, Name varchar(20)",
    "unsigned_keys": "Id bigint unsigned PRIMARY KEY, PatNum bigint unsigned, Name varchar(20)",
    "keyless": "Id bigint, PatNum bigint, Name varchar(20)",
    "named": "Id varchar(20) PRIMARY KEY, PatNum bigint, Name varchar(20)",
    "binary_keys": "Id binary(4) PRIMARY KEY, PatNum bigint, Name varchar(20)",
    "of_small_numbers": "Id tinyint PRIMARY KEY, Name varchar(20), PatNum smallint",
}
TOLD = {"keyed", "of_old", "unsigned_keys", "of_small_numbers"}  # whose links tell their rows


@pytest.mark.parametrize("table", TABLES)
def test_a_change_is_told_by_its_links_or_counts_for_the_whole_table(table, places, settings):
    ask(places.source, f"CREATE TABLE {table} ({TABLES[table]}) ENGINE=MyISAM")
    ask(places.source, f"INSERT INTO {table} (Id, PatNum) VALUES (1, 10), (2, 20), (3, 30)")
    settle(places.source)
    run(settings, table)
    ask(
        places.warehouse,
        "INSERT INTO etl_dbt_status (run_id, good, project_hash, positions, relations, selected, seconds)"
        " VALUES ('a build', true, '', '', '', 0, 0)",
    )
    ask(places.warehouse, "DELETE FROM etl_change")
    ask(places.source, f"UPDATE {table} SET PatNum = 21 WHERE Id = 2")
    ask(places.source, f"DELETE FROM {table} WHERE Id = 3")
    settle(places.source)
    run(settings, table)
    ((count,),) = ask(
        places.warehouse, "SELECT row_count FROM etl_change WHERE table_name = %s", table
    )
    links = ask(
        places.warehouse,
        "SELECT (links ->> 'id')::int, (links ->> 'pat_num')::int FROM etl_changed_row"
        " WHERE table_name = %s ORDER BY 1, 2",
        table,
    )
    if table in TOLD:
        assert (count, links) == (3, [(2, 20), (2, 21), (3, 30)])
    else:
        assert (count, links) == (None, [])

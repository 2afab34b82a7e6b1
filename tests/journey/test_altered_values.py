"""Values that PostgreSQL cannot hold are counted exactly, while a load only moves rows that changed."""

from __future__ import annotations

import oracle
import pytest
from conftest import in_the_suite, numbers, settings_for
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from oracle import ask
from runs import limited, run, settle

from deployments.databases import Databases
from transfer.settings import Settings

ROWS = 1_500
KEYS = {
    "one": ("Id bigint PRIMARY KEY", "seq", "Id"),
    "two": ("Id int, Part smallint, PRIMARY KEY (Id, Part)", "seq DIV 7 - 90, seq % 7", "Id * 7 + Part + 630"),
}  # fmt: skip


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), reload_rows=100)


def _create(places, table: str, columns: str, key: str) -> None:
    """Every seventh date is impossible, every eleventh text has a NUL, each with its neighbours."""
    ask(places.source, "SET sql_mode = ''")
    ask(
        places.source,
        f"CREATE TABLE {table} (Day date, Note text, Sure date NOT NULL, {columns}) ENGINE=MyISAM",
    )
    day, note = (
        "IF(seq % 7, '2020-02-02', '0000-00-00')",
        "IF(seq % 11, 'plain', CONCAT('a', CHAR(0), 'b'))",
    )
    ask(
        places.source,
        f"INSERT INTO {table} SELECT {day}, {note}, '0000-00-00', {key} FROM {numbers(ROWS)}",
    )
    settle(places.source)


def _is_exact(places, table: str) -> bool:
    lost, counted = oracle.lost(places, table), oracle.counted(places.warehouse, table)
    assert counted == lost
    accounts = ask(
        places.warehouse,
        "SELECT column_name, kind, count(*) FROM etl_altered_value WHERE table_name = %s GROUP BY 1, 2",
        table,
    )
    assert {(name, kind): count for name, kind, count in accounts} == {
        (name, kind): count for name, kinds in lost.items() for kind, count in kinds.items()
    }
    return oracle.unequal(places, [table]) == {}


CHANGES = {
    "mended": "UPDATE {t} SET Day = '2021-01-01' WHERE {n} = 700",
    "spoilt": "UPDATE {t} SET Day = '2021-02-30', Note = CHAR(0) WHERE {n} = 701",
    "still spoilt": "UPDATE {t} SET Note = 'x' WHERE {n} = 707",
    "gone": "DELETE FROM {t} WHERE {n} IN (77, 78)",
    "new": "INSERT INTO {t} SELECT '0000-00-00', CHAR(0), '2020-01-01', {k} FROM (SELECT 9999 AS seq) one",
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_load_moves_what_changed_and_keeps_the_counts(kind, places, settings):
    table, (columns, key, number) = f"altered_{kind}", KEYS[kind]
    _create(places, table, columns, key)
    run(settings, table)
    assert _is_exact(places, table)
    for change in CHANGES.values():
        ask(places.source, "SET sql_mode = 'ALLOW_INVALID_DATES'")
        ask(places.source, change.format(t=table, n=number, k=key))
        settle(places.source)
        result = run(settings, table)[table]
        extract, load, _ = result.hops
        assert extract.changed in (1, 2)
        assert load.read <= 2
        assert result.altered == oracle.lost(places, table)
        assert _is_exact(places, table)


@pytest.mark.parametrize(
    "spoiling",
    [
        "DELETE FROM etl_altered_value",  # as an earlier release left it
        "DELETE FROM etl_altered_value WHERE key = ARRAY[7]::numeric[]",
        "INSERT INTO etl_altered_value SELECT table_name, ARRAY[1e9], column_name, kind FROM etl_altered_value LIMIT 1",
        "DROP TABLE etl_altered_value",
    ],
)
def test_accounts_that_do_not_add_up_are_made_again_and_nothing_is_loaded_for_it(
    spoiling, places, settings
):
    table = f"spoilt_{len(spoiling)}"
    _create(places, table, "Id bigint PRIMARY KEY", "seq")
    run(settings, table)
    ask(places.warehouse, spoiling)
    ask(places.source, f"UPDATE {table} SET Note = 'changed' WHERE Id = 11")
    settle(places.source)
    assert run(settings, table)[table].hops[1].read == 1
    assert _is_exact(places, table)


def test_the_last_altered_value_leaves_no_account(places, settings):
    table = "mended"
    _create(places, table, "Id bigint PRIMARY KEY", "seq")
    run(settings, table)
    ask(places.source, f"UPDATE {table} SET Day = NULL, Note = '', Sure = '2020-01-01'")
    settle(places.source)
    run(settings, table)
    assert oracle.counted(places.warehouse, table) == {}
    assert _is_exact(places, table)


ROW = st.tuples(
    st.integers(1, ROWS + 50),
    st.sampled_from(["'2020-02-02'", "'0000-00-00'", "'2021-00-07'", "NULL"]),
    st.sampled_from(["'plain'", "CHAR(0)", r"'a\0b\0'", "NULL"]),
)


@hypothesis(max_examples=in_the_suite(3, of=[8])[0], deadline=None)
@given(st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=3))
def test_after_any_changes_the_counts_are_those_of_the_rows(places, settings, days):
    table = "any_altered"
    ask(places.source, "SET sql_mode = ''")
    if not ask(places.source, f"SHOW TABLES LIKE '{table}'"):
        _create(places, table, "Id bigint PRIMARY KEY", "seq")
        run(settings, table)
    for day in days:
        for key, date, note in day:
            ask(
                places.source,
                f"REPLACE INTO {table} (Id, Day, Note) VALUES ({key}, {date}, {note})",
            )
        ask(places.source, f"DELETE FROM {table} WHERE Id = {day[0][0] + 1}")
        settle(places.source)
        run(settings, table)
        assert _is_exact(places, table)

"""Every legal name of a table and of a column, and names that become the same in PostgreSQL."""

import re

import oracle
import pytest
from oracle import ask, my
from runs import run
from samples import family, made

from transfer.rules import layout

NAMES = [
    "with space",
    " leading",
    'quote"d',
    'two""quotes',
    "back`tick",
    "``",
    "it's",
    "''",
    "100%",
    "%s%(x)s",
    "%%",
    "semi;colon -- x",
    "/* comment */",
    "# hash",
    "naïve ñ 名前",
    "ÄÖÜ",
    "select",
    "order",
    "PRIMARY",
    "user",
    "table",
    "null",
    "[a-z]*?",
    "a.b",
    "a/b",
    "..x",
    "{c}",
    "{}",
    "{v}",
    "$1",
    "@v0",
    ":x",
    "\\N",
    "back\\slash",
    "tab\there",
    "line\nbreak",
    "1",
    "0x1F",
    "1e5",
    "_",
    "-",
    "=",
    "x" * 64,
    "x" * 63 + "y",
    "x" * 63,
    "é" * 31 + "x",
    "é" * 32,
    "名" * 49,  # a file's name has 255 bytes, of which each of these takes five
    "名" * 48 + "前",
    "'" * 32,
    '"' * 49,
    "UPPER",
    "upper",
    "Upper",
    "PatNum",
    "pat_num",
    "pat num",
    "_elt_side",
    "t",
    "s",
    "ctid",
    "ctid_",
    "xmin",
    "tableoid",
    "oid",
    "raw",
    "pg_class",
    "information_schema",
]


def _other(name):
    return name[:-1] + "ö" if len(name) > 60 else f"{name} 2"


TABLES = {
    name: made(
        f"CREATE TABLE {{t}} ({my(name)} int PRIMARY KEY, {my(_other(name))} varchar(20), INDEX {my('i' + name[1:])} ({my(_other(name))}))",
        "INSERT INTO {t} VALUES (1, 'a'), (2, ''), (3, NULL)",
    )
    for name in NAMES
}

brought = family(TABLES)


@pytest.fixture(scope="module")
def all_of_them(brought):
    """One run over the whole database: by name a table could not be asked for that looks like a pattern."""
    return brought.run(by_name=False)


@pytest.mark.parametrize("name", NAMES)
def test_any_legal_name_of_table_and_column(name, all_of_them, brought):
    assert brought.result(all_of_them, name).rows == 3
    brought.assert_exact(name)
    ((count, public),) = ask(
        brought.places.warehouse,
        "SELECT public_rows, public_name FROM etl_transform_status WHERE table_name = %s",
        name,
    )
    assert count == len(oracle.postgres_rows(brought.places.warehouse, "public", public)) == 3


def test_changed_rows_follow_whatever_the_names(all_of_them, brought):
    changed = [
        name
        for name in brought.tables
        if re.search(r"\W", name, re.ASCII) and not re.search(r"[*?[]", name)
    ]
    for name in changed:
        ask(
            brought.places.source,
            f"UPDATE {my(name)} SET {my(_other(name))} = 'A' WHERE {my(name)} = 1",
        )
        ask(brought.places.source, f"DELETE FROM {my(name)} WHERE {my(name)} = 2")
    results = run(brought.settings, *changed)
    for name in changed:
        assert results[name].changed == 2
        brought.assert_exact(name)


def test_each_table_has_a_place_of_its_own(all_of_them, brought):
    for schema, column in (("raw", "raw_name"), ("public", "public_name")):
        places = ask(brought.places.warehouse, f"SELECT {column} FROM etl_transform_status")
        assert len(set(places)) == len(places) == len(NAMES)
        tables = ask(
            brought.places.warehouse, "SELECT count(*) FROM pg_tables WHERE schemaname = %s", schema
        )
        bookkeeping = ask(
            brought.places.warehouse,
            "SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename ~ '^etl_'",
            schema,
        )
        assert tables[0][0] - bookkeeping[0][0] == len(NAMES)


def test_names_that_postgresql_takes_are_kept(all_of_them, brought):
    kept = [name for name in NAMES if len(name.encode()) <= 63 and not name.startswith("ctid")]
    assert [oracle.raw_name(brought.places.warehouse, name) for name in kept] == kept


def test_only_names_that_differ_are_recorded(all_of_them, brought):
    brought.make("renaming", f"Id int PRIMARY KEY, {'y' * 64} int, xmin int, ok int", "1, 2, 3, 4")
    columns = oracle.raw_columns(brought.places, "renaming")
    assert columns[::3] == ["Id", "ok"]
    assert all(len(name.encode()) <= 63 for name in columns)
    held = [
        name for name, _ in oracle.postgres_columns(brought.places.warehouse, "raw", "renaming")
    ]
    assert held == columns
    assert len(set(columns)) == 4


def test_a_name_stays_when_another_table_would_clash_with_it(all_of_them, brought):
    """The one that comes first in the alphabet is made last."""
    long = "zz" + "q" * 62
    brought.make(long, "Id int PRIMARY KEY", "1")
    given = oracle.raw_name(brought.places.warehouse, long)
    brought.make(given, "Id int PRIMARY KEY", "2")
    assert oracle.raw_name(brought.places.warehouse, long) == given
    ask(brought.places.source, f"INSERT INTO {my(long)} VALUES (3)")
    run(brought.settings, long)
    brought.assert_exact(long)
    brought.assert_exact(given)


def test_columns_whose_names_become_twins_stay_apart(all_of_them, brought):
    long = "x" * 61
    brought.make(
        "twins",
        f"PatNum int PRIMARY KEY, Pat_Num int, pat__num int, `pat num` int, {long}Aaa int, {long}Aab int, xmin int, xmin_ int",
        "1, 2, 3, 4, 5, 6, 7, 8",
        "11, 12, 13, 14, 15, 16, NULL, NULL",
    )
    brought.assert_exact("twins")
    assert oracle.postgres_rows(brought.places.warehouse, "public", "twins") == oracle.mysql_rows(
        brought.places.source, "twins"
    )


def test_twins_keep_their_names_when_columns_are_reordered(all_of_them, brought):
    brought.make(
        "pair", "PatNum int, Pat_Num int, xmin int, xmin_ int, Id int PRIMARY KEY", "1, 2, 3, 4, 5"
    )
    ask(brought.places.warehouse, "CREATE VIEW of_pair AS SELECT * FROM public.pair")
    ask(brought.places.warehouse, "CREATE VIEW of_raw_pair AS SELECT * FROM raw.pair")
    seen = [
        ask(brought.places.warehouse, f"SELECT * FROM {view}")
        for view in ("of_pair", "of_raw_pair")
    ]
    ask(brought.places.source, "ALTER TABLE pair MODIFY Pat_Num int FIRST, MODIFY xmin_ int FIRST")
    run(brought.settings, "pair")
    brought.assert_exact("pair")
    assert seen == [
        ask(brought.places.warehouse, f"SELECT * FROM {view}")
        for view in ("of_pair", "of_raw_pair")
    ]


def test_a_column_may_have_the_very_name_that_a_twin_would_get(all_of_them, brought):
    _, digested = layout.unique(["PatNum", "Pat_Num"], layout.snake_case)
    assert digested.startswith("pat_num_")
    brought.make(
        "thief", f"PatNum int PRIMARY KEY, {digested} int, Pat_Num int", "1, 2, 3", "4, 5, 6"
    )
    brought.assert_exact("thief")
    values = ask(
        brought.places.warehouse, f"SELECT pat_num, {digested} FROM public.thief ORDER BY 1"
    )
    assert values == [(1, 2), (4, 5)]


def test_columns_that_were_renamed_among_twins_keep_their_values_apart(all_of_them, brought):
    long = "w" * 61
    brought.make("moved", f"Id int PRIMARY KEY, {long}Aaa int, {long}Aab int", "1, 5, 6")
    ask(brought.places.source, f"ALTER TABLE moved MODIFY {long}Aab int AFTER Id")
    run(brought.settings, "moved")
    brought.assert_exact("moved")
    ask(brought.places.source, f"ALTER TABLE moved DROP {long}Aab")
    run(brought.settings, "moved")
    brought.assert_exact("moved")

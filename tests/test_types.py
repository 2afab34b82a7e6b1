"""Every type and every legal name: exact in the replica, exact in `raw` or counted."""

import re
from collections.abc import Iterator
from typing import Any

import oracle
import pyarrow as pa
import pytest
from conftest import settings_for
from hypothesis import given, strategies
from hypothesis import settings as hypothesis
from oracle import Places, ask, connected, my
from runs import limited, run

from deployments.databases import Databases
from deployments.servers import Servers
from transfer import mysql
from transfer.settings import Settings
from transfer.table import Column

# A family of types: its columns, and the rows as SQL.
TYPES = {
    "integers": (
        "a tinyint, b smallint, c mediumint, d int, e bigint, f tinyint(1), g bigint(5) zerofill",
        (
            "(-128, -32768, -8388608, -2147483648, -9223372036854775808, 2, 7), (127, 32767, 8388607, 2147483647,"
            " 9223372036854775807, -1, 9007199254740993), (NULL, NULL, NULL, NULL, NULL, NULL, NULL), (0, 0, 0, 0, 0, 0, 0)"
        ),
    ),
    "unsigned": (
        "a tinyint unsigned, b smallint unsigned, c mediumint unsigned, d int unsigned, e bigint unsigned",
        (
            "(255, 65535, 16777215, 4294967295, 18446744073709551615), (0, 0, 0, 0, 9223372036854775808),"
            " (NULL, NULL, NULL, NULL, NULL)"
        ),
    ),
    "bits": ("a bit(1), b bit(7), c bit(64)", "(1, b'101', 18446744073709551615), (0, 0, 9), (NULL, NULL, NULL)"),
    "decimals": (
        "a decimal(65,30), b decimal(20,0), c decimal(38,10), d decimal(10,2) unsigned, e decimal(30,15)",
        (
            "(99999999999999999999999999999999999.999999999999999999999999999999, 18446744073709551616, -0.0000000001, 1.55,"
            " 0.000000000000001), (-1e-30, -99999999999999999999, 9999999999999999999999999999, 99999999.99, -1), (NULL, NULL,"
            " NULL, NULL, NULL)"
        ),
    ),
    "floats": (
        "a float, b double, c float(7,2), d double unsigned",
        (
            "(3.4028234e38, 1.7976931348623157e308, 12345.67, 0.1), (1.17549435e-38, 5e-324, -0.01, 1e22), (0.1, -0.1, 0, 2.5),"
            " (16777217, 9007199254740993, 1e-3, 1e-300), (NULL, NULL, NULL, NULL)"
        ),
    ),
    "dates": (
        "a date, b datetime, c datetime(6), d timestamp NULL, e timestamp(6) NULL",
        (
            "('0001-01-01', '0001-01-01', '0001-01-01', '1970-01-01 00:00:01', '2038-01-19 03:14:07.999999'),"
            " ('9999-12-31', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999', '2026-11-01 06:30:00', '2026-11-01 05:30:00'),"
            " ('1900-01-01', '1900-01-01', '1582-10-10 01:02:03.000001', NULL, NULL), (NULL, NULL, NULL, NULL, NULL)"
        ),
    ),
    "impossible_dates": (
        "a date, b datetime(3), c timestamp NULL, d date NOT NULL",
        (
            "('0000-00-00', '0000-00-00', 0, '0000-00-00'), ('2024-00-00', '2024-01-00 10:00:00', NULL, '0000-05-05'),"
            " ('2024-02-31', '2023-02-29 23:59:59.999', NULL, '2024-01-01'), ('2024-02-29', '0000-05-05', NULL, '2024-12-00')"
        ),
    ),
    "times": (
        "a time, b time(6), c year, d year(4) NOT NULL",
        (
            "('-838:59:59', '838:59:59.999999', 0, 0), ('24:00:00', '-00:00:00.000001', 1901, 2155), ('00:00:00',"
            " '-01:00:00.5', 2005, 2000), ('23:59:59', '24:00:00.1', NULL, 1970)"
        ),
    ),
    "charsets": (
        (
            "a varchar(50) CHARACTER SET latin1, b varchar(50) CHARACTER SET ucs2, c varchar(50) CHARACTER SET sjis,"
            " d varchar(50) CHARACTER SET utf8mb4, e char(20) CHARACTER SET utf16, f text CHARACTER SET big5,"
            " g varchar(50) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin, h tinytext CHARACTER SET latin1"
        ),
        (
            "('Müller', 'Łódź', '日本', '😀 e\u0301', 'Ünï', '中文', 'AaÄ', 'x'), (_latin1 x'818D8F909D', '', '', '', '', '', '', ''),"
            " ('a  ', 'b  ', 'c  ', 'd  ', 'e', ' ', 'NULL', '\\\\N'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
        ),
    ),
    "texts": (
        "a longtext, b varchar(99), c mediumtext NOT NULL",
        (
            r"('\\N', 'NULL', 'a\tb'), ('\r\n', '\n', '\\'), ('a\0b', '\0', '\Z'), (NULL, NULL, ''), ('\'\"`%s', '%(x)s', '{}'),"
            r" ('\\\n\t\\t', '\t', '\\\\'), (REPEAT('é', 70000), ' x ', 'y ')"
        ),
    ),
    "binaries": (
        "a binary(4), b varbinary(9), c longblob, d tinyblob",
        (
            r"(x'00', x'00FF1A0A0D09', x'5C4E5C000A09', ''), (NULL, NULL, NULL, NULL), (x'80818283', '\\N', '\\', x'FFFE'),"
            r" ('a', '', REPEAT(x'0009', 50000), x'E28C')"
        ),
    ),
    "labels": (
        "a enum('', 'x', '1', 'ä'), b set('p', 'q''', '2'), c enum('no', 'yes') NOT NULL",
        "('x', 'p,q''', 'yes'), ('1', '', 'no'), (NULL, NULL, 'no'), ('', 'p,2', 'oops'), ('ä', '2', 1), (99, 7, 'nonsense')",
    ),
    "documents": (
        "a json, b uuid, c inet6, d inet4",
        (
            """('{"b": 1.0, "a": [2, "\\\\u0000"]}', '123e4567-e89b-12d3-a456-426614174000', '2001:db8::ff00:42:8329', '10.0.0.1'),"""
            " (NULL, NULL, NULL, NULL), ('[]', '00000000-0000-0000-0000-000000000000', '::', '255.255.255.255')"
        ),
    ),
    "geometries": (
        "a geometry, b point, c polygon",
        (
            "(ST_GeomFromText('LINESTRING(0 0, 1 1)', 4326), POINT(1, 2), NULL),"
            " (NULL, NULL, ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))'))"
        ),
    ),
    "generated": (
        "a int, b int AS (a * 2) VIRTUAL, c int AS (a + 1) PERSISTENT, d varchar(9) INVISIBLE DEFAULT 'hid', e int NOT NULL",
        None,
    ),
}

# A family of keys: their columns, the key, and the rows.
KEYS = {
    "negative": ("a bigint", "a", "(-9223372036854775808, 1), (-1, 2), (0, 3), (1, 4), (9223372036854775807, 5)"),
    "sparse": ("a bigint unsigned", "a", "(0, 1), (5, 2), (9223372036854775808, 3), (18446744073709551615, 4)"),
    "text": (
        "a varchar(20) CHARACTER SET latin1",
        "a",
        "('', 1), ('a', 2), ('É', 3), ('it''s', 4), (_latin1 x'81', 5), ('B', 6)",
    ),
    "folded": (
        "a varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        "a",
        "('Ab', 1), ('ß', 2), ('é', 3), ('😀', 4), ('zz', 5)",
    ),
    "bytes": ("a varbinary(20)", "a", "(x'', 1), (x'00', 2), (x'5C', 3), (x'FF00', 4), (x'27', 5)"),
    "dates": ("a date, b datetime(6)", "a, b", ("('0001-01-01', '2024-01-01 00:00:00.000001', 1), ('0000-00-00', 0, 2),"
        " ('2024-01-01', 0, 3), ('2024-01-01', '2024-01-01 00:00:00.000002', 4), ('2024-00-00', '2024-01-01', 5)")),
    "stamps": ("a timestamp NOT NULL DEFAULT 0, b time", "a, b", ("('2024-01-01 10:00:00', '-10:00:00', 1), (0, '00:00:00', 2),"
        " ('2024-01-01 10:00:00', '100:00:00', 3), ('2024-01-01 10:00:00', '09:00:00', 4)")),
    "decimals": ("a decimal(30,15)", "a", "(-1.5, 1), (0.000000000000001, 2), (0.000000000000002, 3), (99, 4)"),
    "composite": (
        "a int, b varchar(9), c smallint",
        "b, c, a",
        "(1, 'x', 1, 1), (1, 'x', 2, 2), (2, 'x', 1, 3), (1, 'y', 1, 4), (9, '', 9, 5)",
    ),
    "label": ("a enum('z', 'y', 'x')", "a", "('x', 1), ('y', 2), ('z', 3)"),
    "year": ("a year", "a", "(0, 1), (1901, 2), (2000, 3), (2155, 4)"),
    "uuid": ("a uuid", "a", "('123e4567-e89b-12d3-a456-426614174000', 1), ('223e4567-e89b-12d3-a456-426614174000', 2)"),
    "float": ("a float", "a", "(0.1, 1), (3.4028234e38, 2), (-0.5, 3)"),
    "prefix": ("a text, b int", "a(3), b", "('abcd', 1, 1), ('abce', 2, 2), ('a', 3, 3), ('abc', 4, 4), ('abcd', 5, 5)"),
}  # fmt: skip

NAMES = [
    "with space",
    'quote"d',
    "back`tick",
    "it's",
    "100%",
    "%s%(x)s",
    "semi;colon -- x",
    "naïve ñ 名前",
    "select",
    "[a-z]*?",
    "a.b",
    "{c}",
    "back\\slash",
    "x" * 64,
    "名" * 49,
    "UPPER",
    "upper",
    "_elt_side",
    "ctid",
]


@pytest.fixture(scope="module")
def places(servers: Servers, module_databases: Databases) -> Iterator[Places]:
    with connected(servers, module_databases) as places:
        yield places


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    """Two rows a page, so that every key is paged on."""
    return limited(settings_for(module_databases), page_rows=2)


def _structure(connection: Any, table: str) -> str:
    text = ask(connection, f"SHOW CREATE TABLE {my(table)}")[0][1]
    return re.sub(r" (ENGINE|AUTO_INCREMENT)=\w+", "", text)


def _assert_exact(places: Places, table: str, raw: str | None = None) -> None:
    assert _structure(places.replica, table) == _structure(places.source, table)
    assert oracle.checksum(places.replica, table) == oracle.checksum(places.source, table)
    wanted = oracle.mysql_rows(places.source, table)
    assert oracle.postgres_rows(places.warehouse, "raw", raw or table) == wanted


@pytest.mark.parametrize("family", TYPES)
def test_values_of_every_type_are_exact(family, places, settings):
    columns, rows = TYPES[family]
    table = f"type_{family}"
    ask(places.source, f"CREATE TABLE {table} (Id int AUTO_INCREMENT PRIMARY KEY, {columns})")
    names = [name for name, _ in oracle.mysql_columns(places.source, table)][1:]
    if rows:
        ask(places.source, f"INSERT INTO {table} ({', '.join(names)}) VALUES {rows}")
    else:
        ask(places.source, f"INSERT INTO {table} (a, d, e) VALUES (1, 'x', 1), (NULL, NULL, 2), (-5, DEFAULT, 3)")
    result = run(settings, table)[table]
    _assert_exact(places, table)
    assert (result.altered != {}) == (family in {"impossible_dates", "texts"})
    ask(places.source, f"DELETE FROM {table} WHERE Id = 2")
    ask(places.source, f"UPDATE {table} SET {names[0]} = NULL WHERE Id = 1")
    assert run(settings, table)[table].changed == 2
    _assert_exact(places, table)


def test_impossible_dates_and_nul_characters_are_counted(places, settings):
    ask(places.source, "CREATE TABLE counted (Id int PRIMARY KEY, D date, T datetime, S text)")
    ask(
        places.source,
        "INSERT INTO counted VALUES (1, 0, 0, 'a\\0b\\0'), (2, '2024-02-30', '0000-01-01', 'x'), (3, NULL, '2024-01-00', '\\0')",
    )
    assert run(settings, "counted")["counted"].altered == {
        "D": {"impossible_dates": 2},
        "T": {"impossible_dates": 3},
        "S": {"nul_characters": 2},
    }
    held = ask(places.warehouse, 'SELECT "D", "T", "S" FROM raw.counted ORDER BY "Id"')
    assert held == [(None, None, "ab"), (None, None, "x"), (None, None, "")]


@pytest.mark.parametrize("family", KEYS)
def test_tables_are_paged_and_merged_by_every_key(family, places, settings):
    columns, key, rows = KEYS[family]
    table = f"key_{family}"
    ask(places.source, f"CREATE TABLE {table} ({columns}, Value int NOT NULL, PRIMARY KEY ({key}))")
    ask(places.source, f"INSERT INTO {table} VALUES {rows}")
    run(settings, table)
    _assert_exact(places, table)
    ask(places.source, f"DELETE FROM {table} WHERE Value = 1")
    ask(places.source, f"UPDATE {table} SET Value = 20 WHERE Value = 2")
    assert run(settings, table)[table].changed == 2
    _assert_exact(places, table)


def test_case_and_blanks_of_a_text_key_arrive_though_its_collation_ignores_them(places, settings):
    ask(places.source, "CREATE TABLE renamed (a varchar(9) COLLATE utf8mb3_general_ci PRIMARY KEY, b int)")
    ask(places.source, "INSERT INTO renamed VALUES ('abc', 1), ('x', 2)")
    run(settings, "renamed")
    ask(places.source, "UPDATE renamed SET a = 'ABC' WHERE a = 'abc'")
    ask(places.source, "UPDATE renamed SET a = 'x ' WHERE a = 'x'")
    run(settings, "renamed")
    _assert_exact(places, "renamed")


@pytest.mark.parametrize("name", NAMES)
def test_any_legal_name_of_table_and_column(name, places, settings):
    other = name[:-1] + "ö" if len(name) > 60 else f"{name} 2"
    ask(
        places.source,
        f"CREATE TABLE {my(name)} ({my(name)} int PRIMARY KEY, {my(other)} varchar(20), INDEX {my(name)} ({my(other)}))",
    )
    ask(places.source, f"INSERT INTO {my(name)} VALUES (1, 'a'), (2, ''), (3, NULL)")
    assert name in run(settings)
    _assert_exact(places, name, raw=_raw_name(places, name))
    rows = "SELECT public_rows, public_name FROM etl_transform_status WHERE table_name = %s"
    ((count, public),) = ask(places.warehouse, rows, name)
    assert count == len(oracle.postgres_rows(places.warehouse, "public", public).items()) == 3


def _raw_name(places: Places, name: str) -> str:
    """The table's name in `raw`, where names have 63 bytes and those of system columns are taken."""
    found = ask(places.warehouse, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'raw'")
    names = {relation for (relation,) in found}
    clipped = name.encode()[:54].decode(errors="ignore")
    return name if name in names else next(each for each in names if each == f"{name}_" or each.startswith(clipped))


def test_columns_whose_names_become_twins_stay_apart(places, settings):
    long = "x" * 61
    ask(
        places.source,
        f"CREATE TABLE twins (PatNum int PRIMARY KEY, Pat_Num int, pat__num int, `pat num` int, {long}Aa int, {long}Ab int, xmin int)",
    )
    ask(places.source, "INSERT INTO twins VALUES (1, 2, 3, 4, 5, 6, 7), (11, 12, 13, 14, 15, 16, NULL)")
    run(settings, "twins")
    _assert_exact(places, "twins")
    assert oracle.postgres_rows(places.warehouse, "public", "twins") == oracle.mysql_rows(places.source, "twins")


DEFINITIONS = {
    "comments": "Id int PRIMARY KEY COMMENT 'it''s, a ) ENGINE=x\n KEY', B int) COMMENT='line\nPRIMARY KEY ENGINE=MyISAM COMMENT='",
    "keys": "Id int PRIMARY KEY, A varchar(9), B text, G point NOT NULL, UNIQUE KEY one (A, Id), KEY two (A(3)),"
    " FULLTEXT KEY three (B), SPATIAL KEY four (G))",
    "checks": "Id int PRIMARY KEY, A int DEFAULT 5 CHECK (A > 3), B date NOT NULL DEFAULT '0000-00-00',"
    " C timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(), CONSTRAINT named CHECK (A < 99))",
    "partitioned": "Id int PRIMARY KEY, A int) PARTITION BY HASH (Id) PARTITIONS 3",
    "options": "Id int PRIMARY KEY, A varchar(9)) ROW_FORMAT=DYNAMIC CHECKSUM=1 DELAY_KEY_WRITE=1 MAX_ROWS=5 PACK_KEYS=1",
    "counter_elsewhere": "A int NOT NULL, Id int NOT NULL AUTO_INCREMENT, PRIMARY KEY (A), KEY (Id))",
    "counter_second": "A int NOT NULL, Id int NOT NULL AUTO_INCREMENT, PRIMARY KEY (A, Id))",
    "innodb_parent": "Id int PRIMARY KEY, A int) ENGINE=InnoDB",
    "aria": "Id int PRIMARY KEY, A int) ENGINE=Aria TRANSACTIONAL=1",
    "one_column": "A varchar(9))",
    "line_break": "Id int PRIMARY KEY, `a\nb` int, `KEY x` int)",
}


@pytest.mark.parametrize("case", DEFINITIONS)
def test_definitions_of_every_shape_arrive(case, places, settings):
    table = f"shape_{case}"
    ask(places.source, f"CREATE TABLE {table} ({DEFINITIONS[case]}")
    first = oracle.mysql_columns(places.source, table)[0][0]
    if case != "keys":
        ask(places.source, f"INSERT INTO {table} ({my(first)}) VALUES (1), (2), (3)")
    run(settings, table)
    _assert_same_columns(places, table)
    assert oracle.checksum(places.replica, table) == oracle.checksum(places.source, table)


def _assert_same_columns(places: Places, table: str) -> None:
    described = [ask(place, f"SHOW FULL COLUMNS FROM {table}") for place in (places.source, places.replica)]
    assert [row[:6] for row in described[0]] == [row[:6] for row in described[1]]


COLUMNS = (Column("Id", "bigint(20)", "bigint"), Column("B", "longblob", "longblob"))


@pytest.fixture(scope="module")
def blobs(places: Places, settings: Settings) -> Iterator[Any]:
    ask(places.replica, "CREATE TABLE blobs (Id bigint PRIMARY KEY, B longblob)")
    with mysql.connect(settings.replica, settings.limits, writes=True) as connection:
        yield connection
    ask(places.replica, "DROP TABLE blobs")


@hypothesis(max_examples=60, deadline=None)
@given(values=strategies.lists(strategies.none() | strategies.binary(max_size=300), min_size=1, max_size=20))
def test_any_bytes_come_back_from_load_data(values, blobs, places):
    page = pa.table({"Id": pa.array(range(len(values)), pa.int64()), "B": pa.array(values, pa.large_binary())})
    ask(places.replica, "DELETE FROM blobs")
    mysql.load(blobs, "replica", "blobs", COLUMNS, page)
    assert [row[0] for row in ask(places.replica, "SELECT B FROM blobs ORDER BY Id")] == values

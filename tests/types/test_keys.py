"""Keys of every kind, on which tables are read in pages and brought up to date, and tables without one."""

from collections import Counter

import oracle
import pytest
from oracle import ask, my
from runs import limited, run
from samples import Made, family, made


def keyed(columns: str, key: str, *rows: str, more: str = "") -> Made:
    """A table with this primary key and one more column, `Value`, that counts the rows."""
    numbered = ", ".join(f"({row}, {number})" for number, row in enumerate(rows, 1))
    return made(
        f"CREATE TABLE {{t}} ({columns}, Value int NOT NULL, PRIMARY KEY ({key})) {more}",
        f"INSERT INTO {{t}} VALUES {numbered}",
    )


WORDS = (
    "''",
    "'a'",
    "'B'",
    "'c'",
    "'z'",
    "'é'",
    "'ff'",
    "'ll'",
    "'m'",
    "'it''s'",
    "'\\\\'",
    "'0'",
    "'1'",
    "'10'",
    "'9'",
)

TABLES = {
    "negative": keyed(
        "a bigint", "a", "-9223372036854775808", "-1", "0", "1", "9223372036854775807"
    ),
    "small": keyed("a tinyint", "a", "-128", "-1", "0", "1", "127"),
    "sparse": keyed(
        "a bigint unsigned",
        "a",
        "0",
        "5",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
    ),
    "text": keyed(
        "a varchar(20) CHARACTER SET latin1",
        "a",
        "''",
        "'a'",
        "'É'",
        "'it''s'",
        "_latin1 x'81'",
        "'B'",
    ),
    "char": keyed("a char(20) CHARACTER SET utf8mb3", "a", *WORDS),
    "folded": keyed(
        "a varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        "a",
        "'Ab'",
        "'ß'",
        "'é'",
        "'😀'",
        "'zz'",
    ),
    "german": keyed(
        "a varchar(20) CHARACTER SET latin1 COLLATE latin1_german2_ci",
        "a",
        *WORDS,
        "'ä'",
        "'ß'",
        "'sz'",
    ),
    "swedish": keyed(
        "a varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_swedish_ci",
        "a",
        *WORDS,
        "'å'",
        "'ä'",
        "'ö'",
    ),
    "spanish": keyed(
        "a varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_spanish2_ci",
        "a",
        *WORDS,
        "'lz'",
        "'ch'",
        "'ñ'",
    ),
    "japanese": keyed(
        "a varchar(20) CHARACTER SET sjis",
        "a",
        *WORDS[:5],
        "'日本'",
        "'ア'",
        "_sjis x'955C'",
        "_sjis x'B1'",
    ),
    "chinese": keyed(
        "a varchar(20) CHARACTER SET gbk", "a", *WORDS[:5], "'中文'", "_gbk x'815C'", "_gbk x'8D5C'"
    ),
    "thai": keyed("a varchar(20) CHARACTER SET tis620", "a", "''", "'a'", "'ก'", "'เก'", "'กา'"),
    "two_bytes": keyed(
        "a varchar(20) CHARACTER SET ucs2", "a", *WORDS, "_ucs2 x'5C0A'", "_ucs2 x'0A5C'"
    ),
    "utf16": keyed(
        "a varchar(20) CHARACTER SET utf16 COLLATE utf16_bin", "a", *WORDS, "'😀'", "_utf16 x'FFFD'"
    ),
    "utf16le": keyed("a varchar(20) CHARACTER SET utf16le", "a", *WORDS, "'ł'"),
    "with_nul_characters": keyed(
        "a varchar(20) COLLATE utf8mb4_bin", "a", "'ab'", r"'a\0b'", r"'\0'", "''", r"'\0\0'"
    ),
    "exact": keyed(
        "a varchar(20) COLLATE utf8mb4_bin, b char(3)",
        "a, b",
        "'a', 'x'",
        "'A', 'x'",
        "'á', 'x'",
        "'a', 'y'",
        "'', ''",
    ),
    "bytes": keyed(
        "a varbinary(20)", "a", "x''", "x'00'", "x'5C'", "x'FF00'", "x'27'", "x'0A'", "x'FF'"
    ),
    "fixed_bytes": keyed("a binary(4)", "a", "x''", "x'00000001'", "x'5C'", "x'FF00'", "x'27'"),
    "dates": keyed(
        "a date, b datetime(6)",
        "a, b",
        "'0001-01-01', '2024-01-01 00:00:00.000001'",
        "'0000-00-00', 0",
        "'2024-01-01', 0",
        "'2024-01-01', '2024-01-01 00:00:00.000002'",
        "'2024-00-00', '2024-01-01'",
        "'2024-02-31', '9999-12-31 23:59:59.999999'",
    ),
    "stamps": keyed(
        "a timestamp NOT NULL DEFAULT 0, b time",
        "a, b",
        "'2024-01-01 10:00:00', '-10:00:00'",
        "0, '00:00:00'",
        "'2024-01-01 10:00:00', '100:00:00'",
        "'2024-01-01 10:00:00', '09:00:00'",
    ),
    # In New York these two stand at the same local time.
    "stamps_of_an_hour_that_comes_twice": keyed(
        "a timestamp(6) NOT NULL DEFAULT 0",
        "a",
        "'2026-11-01 05:30:00'",
        "'2026-11-01 06:30:00'",
        "'2026-11-01 06:30:00.000001'",
    ),
    "times": keyed(
        "a time(6)",
        "a",
        "'-838:59:59'",
        "'-00:00:00.000001'",
        "0",
        "'00:00:00.000001'",
        "'838:59:59.999999'",
    ),
    "decimals": keyed(
        "a decimal(30,15)",
        "a",
        "-1.5",
        "0.000000000000001",
        "0.000000000000002",
        "99",
        "999999999999999.5",
    ),
    "wide_decimals": keyed(
        "a decimal(65,0)", "a", "-1", "0", "9" * 65, "9" * 64 + "8", "-" + "9" * 65
    ),
    "composite": keyed(
        "a int, b varchar(9), c smallint",
        "b, c, a",
        "1, 'x', 1",
        "1, 'x', 2",
        "2, 'x', 1",
        "1, 'y', 1",
        "9, '', 9",
    ),
    "wide": keyed(
        "a int, b int, c int, d int, e int",
        "e, d, c, b, a",
        *(f"{a}, {b}, {c}, 0, {a ^ b}" for a in (0, 1) for b in (0, 1) for c in (0, 1)),
    ),
    "descending": keyed(
        "a int, b int", "a DESC, b", "1, 1", "1, 2", "2, 1", "3, 5", "-1, 0", more="ENGINE=InnoDB"
    ),
    "label": keyed("a enum('z', 'y', 'x')", "a", "'x'", "'y'", "'z'", "'nonsense'"),
    "labels": keyed("a set('z', 'y')", "a", "'z'", "'y'", "'z,y'", "''"),
    "year": keyed("a year", "a", "'0000'", "1901", "2000", "2155"),
    "float": keyed("a float", "a", "0.1", "3.4028234e38", "-0.5", "1.4e-45"),
    "double": keyed(
        "a double, b int",
        "a, b",
        "0.1, 1",
        "0.1, 2",
        "0.30000000000000004, 1",
        "5e-324, 1",
        "-1e308, 1",
    ),
    "bits": keyed("a bit(64)", "a", "0", "1", "9223372036854775808", "18446744073709551615", "92"),
    "long_bytes": keyed(
        "a varbinary(900)",
        "a",
        *(f"REPEAT(x'{byte}', 900)" for byte in ("00", "01", "5C", "FE", "FF")),
    ),
    "prefix": keyed(
        "a text, b int", "a(3), b", "'abcd', 1", "'abce', 2", "'a', 3", "'abc', 4", "'abcd', 5"
    ),
    "prefix_of_bytes": keyed(
        "a blob, b int", "a(1), b", "x'5C5C', 1", "x'5C', 2", "x'00', 3", "x'', 4", "x'5C0A', 5"
    ),
    "uuid": keyed(
        "a uuid",
        "a",
        "'123e4567-e89b-12d3-a456-426614174000'",
        "'223e4567-e89b-12d3-a456-426614174000'",
    ),
    "inet": keyed(
        "a inet6, b inet4", "a, b", "'::1', '10.0.0.1'", "'::1', '9.0.0.1'", "'fe80::', '0.0.0.0'"
    ),
    "computed": keyed(
        "a int, b int AS (a % 3) STORED", "a", "1, DEFAULT", "5, DEFAULT", "3, DEFAULT"
    ),
    "no_pad": keyed(
        "a varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        "a",
        "'a'",
        "'a '",
        "'a  '",
        "''",
        "' '",
    ),
    "in_innodb": keyed(
        "a int, b varchar(9)", "a, b", "1, 'x'", "1, 'y'", "2, 'x'", "0, ''", more="ENGINE=InnoDB"
    ),
}

brought = family(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_exact_whatever_the_key(table, brought):
    brought.arrives(table)


def test_bytes_too_long_for_a_key_of_postgresql_arrive_without_one(brought):
    rows = [
        f"UNHEX(CONCAT({', '.join(f'SHA2({seed + each}, 512)' for each in range(100))})), {seed}"
        for seed in (1, 200)
    ]
    brought.make(
        "very_long_bytes", "a mediumblob NOT NULL, b int, PRIMARY KEY (a(3), b)", *rows, "x'', 3"
    )
    brought.assert_exact("very_long_bytes")


@pytest.fixture(scope="module")
def brought_again(brought):
    """A row is gone, one is changed, in all tables."""
    assert brought.first
    for table in brought.tables:
        ask(brought.places.source, f"DELETE FROM {my(table)} WHERE Value = 1")
        ask(brought.places.source, f"UPDATE {my(table)} SET Value = 20 WHERE Value = 2")
    return brought, brought.run()


@pytest.mark.parametrize("table", TABLES)
def test_changed_rows_follow_whatever_the_key(table, brought_again):
    brought, results = brought_again
    assert brought.result(results, table).changed == 2
    brought.assert_exact(table)


KEYLESS = {
    "plain": (
        "a int, b varchar(9)",
        ("1, 'x'", "1, 'x'", "1, 'X'", "NULL, NULL", "NULL, NULL", "NULL, ''", "0, ''"),
    ),
    "of_one_column": ("a varchar(9)", ("'x'", "'x'", "'X'", "NULL", "NULL", "''", "''")),
    "with_unique_key": (
        "a int, b varchar(9), UNIQUE KEY (a)",
        ("NULL, 'x'", "NULL, 'x'", "1, 'x'", "-1, NULL"),
    ),
    "with_unique_key_not_null": (
        "a int NOT NULL, b varchar(9), UNIQUE KEY (a)",
        ("5, 'x'", "0, 'x'", "1, 'x'"),
    ),
    "with_doubles": (
        "a double, b float, c json",
        ("0.1, 0.1, '[]'", "0.1, 0.1, '[]'", "0.1, 0.1, NULL", "NULL, NULL, NULL"),
    ),
    "with_bytes": (
        "a blob, b geometry",
        ("x'00', NULL", "x'00', NULL", "NULL, POINT(1, 1)", "NULL, POINT(1, 1)"),
    ),
    "with_impossible_dates": (
        "a date, b date NOT NULL",
        ("0, 0", "0, 0", "NULL, 0", "'2024-02-31', '2024-00-00'"),
    ),
}


@pytest.mark.parametrize("case", KEYLESS)
def test_of_tables_without_a_key_duplicates_are_counted(case, brought):
    definition, rows = KEYLESS[case]
    table = f"keyless_{case}"
    brought.make(table, definition, *rows)
    brought.assert_exact(table)
    assert sum(oracle.postgres_rows(brought.places.warehouse, "raw", table).values()) == len(rows)
    ask(brought.places.source, f"DELETE FROM {table} LIMIT 1")
    if case != "with_unique_key_not_null":
        ask(
            brought.places.source,
            f"INSERT INTO {table} SELECT * FROM {table} WHERE a IS NULL LIMIT 1",
        )
    run(brought.settings, table)
    brought.assert_exact(table)


def test_a_row_may_stand_ten_thousand_times(brought):
    ask(brought.places.source, "CREATE TABLE often (a int, b varchar(9))")
    ask(
        brought.places.source,
        f"INSERT INTO often VALUES {', '.join(['(1, NULL)', '(1, NULL)', repr((2, 'x'))] * 5000)}",
    )
    run(limited(brought.settings, page_rows=1000), "often")
    ask(brought.places.source, "DELETE FROM often WHERE a = 1 LIMIT 1")
    assert run(brought.settings, "often")["often"].rows == 14_999
    assert oracle.postgres_rows(brought.places.warehouse, "raw", "often") == Counter(
        {(1, None): 9_999, (2, "x"): 5_000}
    )


def test_case_and_blanks_of_a_text_key_arrive_though_its_collation_ignores_them(brought):
    brought.make(
        "renamed",
        "a varchar(9) COLLATE utf8mb3_general_ci PRIMARY KEY, b int",
        "'abc', 1",
        "'x', 2",
        "'e', 3",
    )
    for change in ("a = 'ABC' WHERE a = 'abc'", "a = 'x ' WHERE a = 'x'", "a = 'É' WHERE a = 'e'"):
        ask(brought.places.source, f"UPDATE renamed SET {change}")
        assert run(brought.settings, "renamed")["renamed"].changed == 1
        brought.assert_exact("renamed")


def test_the_number_zero_stays_zero_where_the_server_counts(brought):
    brought.make("counted_from_zero", "Id int AUTO_INCREMENT PRIMARY KEY, a int", "5, 1", "6, 1")
    ask(brought.places.source, "UPDATE counted_from_zero SET Id = 0 WHERE Id = 5")
    run(brought.settings, "counted_from_zero")
    brought.assert_exact("counted_from_zero")
    assert ask(brought.places.replica, "SELECT Id FROM counted_from_zero ORDER BY Id") == [
        (0,),
        (6,),
    ]

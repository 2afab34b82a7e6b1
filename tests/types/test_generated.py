"""Columns that the server computes, columns that `SELECT *` does not show, and defaults that are expressions."""

import pytest
from oracle import ask, my
from runs import run
from samples import Sample, family, made

TABLES = {
    "computed": Sample(
        "a int, b int AS (a * 2) VIRTUAL, c int AS (a + 1) STORED, d varchar(20) AS (CONCAT('x', a)) STORED, e date,"
        " f date AS (e) VIRTUAL, g decimal(20,4) AS (a / 3) STORED, h double AS (a / 7) VIRTUAL",
        (
            "1, DEFAULT, DEFAULT, DEFAULT, '2024-01-01', DEFAULT, DEFAULT, DEFAULT",
            "-5, DEFAULT, DEFAULT, DEFAULT, '0001-01-01', DEFAULT, DEFAULT, DEFAULT",
            "2000000, DEFAULT, DEFAULT, DEFAULT, NULL, DEFAULT, DEFAULT, DEFAULT",
        ),
    ),
    "nullable": Sample(
        "a int, b int AS (NULLIF(a, 1)) STORED, c text AS (REPEAT('é', a)) STORED, d varbinary(9) AS (CHAR(a)) VIRTUAL",
        (
            "1, DEFAULT, DEFAULT, DEFAULT",
            "NULL, DEFAULT, DEFAULT, DEFAULT",
            "92, DEFAULT, DEFAULT, DEFAULT",
        ),
    ),
    "indexed": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, a varchar(9), b varchar(9) AS (UPPER(a)) STORED, UNIQUE KEY (b), KEY (b, a))",
        "INSERT INTO {t} (Id, a) VALUES (1, 'x'), (2, 'y'), (3, NULL)",
    ),
    "between_others": made(
        "CREATE TABLE {t} (b int AS (Id + a) STORED, Id int, c int AS (a) VIRTUAL, a int, PRIMARY KEY (Id))",
        "INSERT INTO {t} (Id, a) VALUES (1, 7), (2, 8), (3, NULL)",
    ),
    "invisible": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, a int, b varchar(9) DEFAULT 'hid' INVISIBLE, c int INVISIBLE, e int NOT NULL)",
        "INSERT INTO {t} (Id, a, b, c, e) VALUES (1, 1, 'x', 5, 1), (2, NULL, NULL, NULL, 2), (3, -5, DEFAULT, 6, 3)",
    ),
    "invisible_key": made(
        "CREATE TABLE {t} (Id int AUTO_INCREMENT INVISIBLE PRIMARY KEY, a int)",
        "INSERT INTO {t} (a) VALUES (3), (3), (NULL)",
    ),
    "persistent": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, a int, b int AS (a * 2) PERSISTENT INVISIBLE, c int AS (a) PERSISTENT)",
        "INSERT INTO {t} (Id, a) VALUES (1, 7), (2, NULL)",
    ),
    "defaults": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, a int DEFAULT (1 + 2), b varchar(99) DEFAULT 'it''s \\\\ \"%s\"\\n', c char(36) DEFAULT"
        " (uuid()), d datetime(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), e text DEFAULT ('x'), f double DEFAULT"
        " 1e-5, g bit(3) DEFAULT b'101', h date DEFAULT '0000-00-00', i timestamp NULL DEFAULT NULL, j varchar(9) DEFAULT '')",
        "INSERT INTO {t} (Id) VALUES (1), (2)",
        "INSERT INTO {t} VALUES (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    ),
}


brought = family(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_generated_columns_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_generated_columns_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize(
    "table", [name for name, sample in TABLES.items() if isinstance(sample, Sample)]
)
def test_changed_generated_columns_follow(table, brought):
    brought.follows(table)


@pytest.mark.parametrize("table", ["indexed", "between_others", "invisible", "defaults"])
def test_what_a_changed_row_computes_follows(table, brought):
    brought.result(brought.changed, table)
    ask(brought.places.source, f"UPDATE {my(table)} SET a = 9 WHERE Id = 1")
    ask(brought.places.source, f"DELETE FROM {my(table)} WHERE Id = 2")
    run(brought.settings, table)
    brought.assert_exact(table)

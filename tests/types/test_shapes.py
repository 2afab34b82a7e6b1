"""Definitions of every shape: engines, keys, options, widths; what InnoDB or PostgreSQL cannot have."""

import re

import oracle
import pytest
from oracle import ask, my
from runs import run, settle
from samples import family, made

from transfer.errors import TableError
from transfer.journey.plan import look

FEW = "INSERT INTO {t} VALUES (1, 1), (2, NULL), (3, 3)"

# The definition arrives as it is.
SAME = {
    "comments": made(
        r"CREATE TABLE {t} (Id int PRIMARY KEY COMMENT 'it''s, a ) ENGINE=x\n KEY', B int COMMENT '\\ \" %s `b` PRIMARY KEY (')"
        r" COMMENT='line\nPRIMARY KEY ENGINE=MyISAM COMMENT=\' PARTITION BY HASH (Id)'",
        FEW,
    ),
    "keys": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A varchar(9), B text, G point NOT NULL, UNIQUE KEY one (A, Id), KEY two (A(3)),"
        " FULLTEXT KEY three (B), SPATIAL KEY four (G), KEY `five, (six)` (A) COMMENT 'KEY (B)', KEY seven (B(100), A) USING BTREE)",
        "INSERT INTO {t} VALUES (1, 'x', 'some words', POINT(1, 1)), (2, NULL, NULL, POINT(0, 0))",
    ),
    "checks": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A int DEFAULT 5 CHECK (A > 3), B date NOT NULL DEFAULT '0000-00-00',"
        " C timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(), CONSTRAINT named CHECK (A < 99 OR A IS NULL))",
        "INSERT INTO {t} (Id, A) VALUES (1, 5), (2, 98), (3, NULL)",
    ),
    "charsets": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A varchar(9), B varchar(9) CHARACTER SET latin1, C text COLLATE utf8mb4_bin,"
        " D varchar(9) COLLATE utf8mb3_bin, E enum('a') CHARACTER SET ucs2) DEFAULT CHARSET=koi8r COLLATE=koi8r_bin",
        "INSERT INTO {t} VALUES (1, 'ж', 'ä', '😀', 'é', 'a')",
    ),
    "counter": made("CREATE TABLE {t} (Id int AUTO_INCREMENT PRIMARY KEY, A int) AUTO_INCREMENT=1000", FEW),
    "counter_elsewhere": made("CREATE TABLE {t} (A int NOT NULL, Id int NOT NULL AUTO_INCREMENT, PRIMARY KEY (A), KEY (Id))", FEW.replace("NULL", "9")),
    "counter_unsigned": made(
        "CREATE TABLE {t} (Id bigint unsigned AUTO_INCREMENT PRIMARY KEY, A int)", "INSERT INTO {t} VALUES (18446744073709551614, 1)"
    ),
    "counter_without_primary_key": made("CREATE TABLE {t} (A int, Id int NOT NULL AUTO_INCREMENT UNIQUE)", "INSERT INTO {t} (A) VALUES (1), (1)"),
    "myisam": made("CREATE TABLE {t} (Id int PRIMARY KEY, A int) ENGINE=MyISAM", FEW),
    "innodb": made("CREATE TABLE {t} (Id int PRIMARY KEY, A int) ENGINE=InnoDB", FEW),
    "memory": made("CREATE TABLE {t} (Id int PRIMARY KEY, A int) ENGINE=MEMORY", FEW),
    "csv": made("CREATE TABLE {t} (Id int NOT NULL, A int NOT NULL) ENGINE=CSV", FEW.replace("NULL", "9")),
    "aria": made("CREATE TABLE {t} (Id int PRIMARY KEY, A int) ENGINE=Aria TRANSACTIONAL=1", FEW),
    "aria_crash_unsafe": made("CREATE TABLE {t} (Id int PRIMARY KEY, A int) ENGINE=Aria TRANSACTIONAL=0 PAGE_CHECKSUM=0", FEW),
    "options": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A varchar(9)) ENGINE=MyISAM ROW_FORMAT=FIXED CHECKSUM=1 DELAY_KEY_WRITE=1 MAX_ROWS=5"
        " MIN_ROWS=1 PACK_KEYS=1 AVG_ROW_LENGTH=9 COMMENT='CHECKSUM=1'",
        FEW,
    ),
    "one_column": made("CREATE TABLE {t} (A varchar(9))", "INSERT INTO {t} VALUES ('1'), ('1'), (NULL)"),
    "only_a_key": made("CREATE TABLE {t} (A varchar(9), B int, PRIMARY KEY (A, B))", "INSERT INTO {t} VALUES ('1', 2), ('1', 3)"),
    "line_break": made("CREATE TABLE {t} (Id int PRIMARY KEY, `a\nb` int, `KEY x` int, `) ENGINE=` int)", "INSERT INTO {t} VALUES (1, 2, 3, 4)"),
    "empty": made("CREATE TABLE {t} (Id int PRIMARY KEY, A text, B double, C blob, D time, E decimal(30,15), F geometry, G enum('a'))"),
    "empty_without_key": made("CREATE TABLE {t} (A int)"),
    "thousand_columns": made(
        f"CREATE TABLE {{t}} (Id int PRIMARY KEY, {', '.join(f'c{number} int' for number in range(999))})",
        "INSERT INTO {t} (Id, c0, c998) VALUES (1, 1, 2), (2, NULL, 3), (3, 3, NULL)",
    ),
    "long_texts": made(
        f"CREATE TABLE {{t}} (Id int PRIMARY KEY, {', '.join(f'c{number} text' for number in range(190))})",
        f"INSERT INTO {{t}} VALUES (1{', REPEAT(1, 5000)' * 190}), (2{', NULL' * 190})",
    ),
}  # fmt: skip

OF_ONE_KIND_OF_SERVER = {
    "partitioned": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A int) ENGINE=InnoDB PARTITION BY HASH (Id) PARTITIONS 3",
        FEW,
    ),
    "partitioned_by_range": made(
        "CREATE TABLE {t} (Id int NOT NULL, A int, KEY (A)) ENGINE=InnoDB PARTITION BY RANGE (Id) (PARTITION p0 VALUES LESS THAN (2)"
        " COMMENT = 'x', PARTITION p1 VALUES LESS THAN MAXVALUE)",
        FEW,
    ),
    "partitioned_myisam": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A int) ENGINE=MyISAM PARTITION BY KEY (Id) PARTITIONS 2",
        FEW,
    ),
    "with_history": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A int) ENGINE=InnoDB WITH SYSTEM VERSIONING",
        FEW,
        "UPDATE {t} SET A = 9 WHERE Id = 1",
        "DELETE FROM {t} WHERE Id = 2",
    ),
    "with_visible_history": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A int, s timestamp(6) GENERATED ALWAYS AS ROW START,"
        " e timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) ENGINE=InnoDB WITH SYSTEM VERSIONING",
        "INSERT INTO {t} (Id, A) VALUES (1, 1), (2, 2)",
        "UPDATE {t} SET A = 9 WHERE Id = 1",
    ),
    "with_a_period": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A date NOT NULL, B date NOT NULL, PERIOD FOR P (A, B)) ENGINE=InnoDB",
        "INSERT INTO {t} VALUES (1, '2024-01-01', '2024-02-01')",
    ),
    "foreign_keys": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A int, KEY (A), CONSTRAINT itself FOREIGN KEY (A) REFERENCES {t} (Id)) ENGINE=InnoDB",
        "INSERT INTO {t} VALUES (1, NULL), (2, 1)",
    ),
}

TABLES = SAME | OF_ONE_KIND_OF_SERVER

brought = family(TABLES)

NOT_COPIED = re.compile(
    r",\n  CONSTRAINT `[^`]*` FOREIGN KEY [^\n]*(?=\n)|\s*(/\*!\d+ *)?PARTITION BY .*| (ROW_FORMAT|CHECKSUM|DELAY_KEY_WRITE|MAX_ROWS"
    r"|MIN_ROWS|PACK_KEYS|AVG_ROW_LENGTH|TRANSACTIONAL|PAGE_CHECKSUM)=\w+(?=[^'\n]*( COMMENT='[^\n]*')?$)",
    re.DOTALL,
)


# On MySQL a CHECK's name is the schema's, so the table that is to be replaced has it.
CHECKS_NAMES = re.compile(r"CONSTRAINT `[^`]*` (?=CHECK )")


def _copied(definition, server):
    before, found = (
        None,
        CHECKS_NAMES.sub("", definition) if server.product == "MySQL" else definition,
    )
    while found != before:
        before, found = found, NOT_COPIED.sub("", found)
    return found


@pytest.mark.parametrize("table", TABLES)
def test_tables_of_every_shape_arrive(table, brought, servers):
    brought.result(brought.first, table)
    brought.assert_rows(table)
    if "history" not in table:  # the replica has the rows of today
        source, replica = oracle.structures(brought.places, table)
        if isinstance(source, str):
            source, replica = _copied(source, servers.source), _copied(replica, servers.replica)
        assert replica == source
        source, replica = (
            oracle.counter(each, table) for each in (brought.places.source, brought.places.replica)
        )
        assert replica == source


@pytest.mark.parametrize("table", TABLES)
def test_the_same_rows_differ_in_nothing(table, brought):
    changed = {hop.name: hop.changed for hop in brought.result(brought.again, table).hops}
    if oracle.key(
        brought.places.warehouse, "raw", table
    ):  # without a key the replica's table is made anew
        assert changed["extract"] == 0
    assert changed["load"] == changed["standardize"] == 0


# InnoDB cannot have these.
REFUSED_BY_INNODB = {
    "counter_second": (
        "A int NOT NULL, Id int NOT NULL AUTO_INCREMENT, B varchar(9), PRIMARY KEY (A, Id), KEY (B)",
        "(A, B) VALUES (1, 'x'), (1, 'y'), (2, NULL)",
    ),
    "too_many_columns": (
        f"Id int PRIMARY KEY, {', '.join(f'c{number} smallint' for number in range(1100))}",
        "(Id, c0, c1099) VALUES (1, 1, 2), (2, NULL, 3), (3, 3, NULL)",
    ),
    "too_wide_a_row": (
        f"Id int PRIMARY KEY, {', '.join(f'c{number} char(50) CHARACTER SET latin1' for number in range(200))}",
        f"VALUES (1{', REPEAT(7, 50)' * 200}), (2{', NULL' * 200})",
    ),
    "its_own_column": (
        "Id int PRIMARY KEY, DB_ROW_ID int, FTS_DOC_ID int",
        "VALUES (1, 2, 3), (2, NULL, NULL)",
    ),
}


@pytest.mark.parametrize("case", REFUSED_BY_INNODB)
def test_what_innodb_refuses_stands_in_another_engine_named_in_the_verdict(case, brought):
    definition, rows = REFUSED_BY_INNODB[case]
    ask(brought.places.source, f"CREATE TABLE {case} ({definition}) ENGINE=MyISAM")
    ask(brought.places.source, f"INSERT INTO {case} {rows}")
    result = run(brought.settings, case)[case]
    ((engine,),) = ask(
        brought.places.replica,
        "SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
        case,
    )
    assert engine in ("Aria", "MyISAM")
    assert engine in result.sentence
    brought.assert_exact(case)
    ask(brought.places.source, f"DELETE FROM {case} LIMIT 1")
    assert run(brought.settings, case)[case].changed > 0
    brought.assert_exact(case)


# PostgreSQL cannot have these.
REFUSED_BY_POSTGRESQL = {
    "over_1600_columns": (
        f"Id int PRIMARY KEY, {', '.join(f'c{number} tinyint' for number in range(1601))}",
        "(Id, c0, c1600) VALUES (1, 1, 2), (2, NULL, 3)",
    ),
    "a_row_over_8_kilobytes": (
        f"Id int PRIMARY KEY, {', '.join(f'c{number} tinytext' for number in range(1000))}",
        f"VALUES (1{', REPEAT(7, 50)' * 1000})",
    ),
}


@pytest.mark.parametrize("case", REFUSED_BY_POSTGRESQL)
def test_what_postgresql_refuses_stands_in_the_replica_and_all_else_goes_on(case, brought):
    definition, rows = REFUSED_BY_POSTGRESQL[case]
    ask(brought.places.source, f"CREATE TABLE {case} ({definition}) ENGINE=MyISAM")
    ask(brought.places.source, f"INSERT INTO {case} {rows}")
    with pytest.raises(TableError, match="ELT_EXCLUDE") as refusal:
        run(brought.settings, case)
    assert "7777" not in str(refusal.value)
    assert oracle.copied(brought.places, case)
    assert brought.raw(f"SELECT to_regclass('raw.{case}')") == [(None,)]
    beside = f"beside_{case}"
    brought.make(beside, "Id int PRIMARY KEY", "1")
    brought.assert_exact(beside)


def test_a_wide_row_that_comes_later_leaves_the_last_version_of_raw(brought):
    columns = ", ".join(f"c{number} tinytext" for number in range(1000))
    brought.make("widening", f"Id int PRIMARY KEY, {columns}", f"1{', NULL' * 1000}")
    ask(brought.places.source, f"INSERT INTO widening VALUES (2{', REPEAT(7, 50)' * 1000})")
    with pytest.raises(TableError, match="ELT_EXCLUDE"):
        run(brought.settings, "widening")
    assert brought.raw('SELECT "Id" FROM raw.widening') == [(1,)]


@pytest.mark.parametrize(
    "change",
    [
        "AUTO_INCREMENT = 500",
        "COMMENT = 'new'",
        "ADD KEY (A)",
        "CHANGE A A bigint",
        "CHANGE A `a` int FIRST",
    ],
)
def test_a_changed_definition_follows(change, brought):
    table = f"altered: {change}"
    brought.make(table, "Id int AUTO_INCREMENT PRIMARY KEY, A int", "1, 1", "2, NULL")
    ask(brought.places.source, f"ALTER TABLE {my(table)} {change}")
    run(brought.settings, table)
    brought.assert_exact(table)
    assert oracle.counter(brought.places.replica, table) == oracle.counter(
        brought.places.source, table
    )


def test_a_changed_definition_follows_that_leaves_the_tables_times_as_they_were(brought):
    changes = {
        "told": "COMMENT = 'new'",
        "given": "ALTER A SET DEFAULT 7",
        "explained": "MODIFY A int COMMENT 'new'",
    }
    for table in changes:
        brought.make(table, "Id int AUTO_INCREMENT PRIMARY KEY, A int", "1, 1", "2, NULL")
    settle(brought.places.source)
    run(brought.settings, *changes)
    assert not look(brought.settings, list(changes)).work
    for table, change in changes.items():
        ask(brought.places.source, f"ALTER TABLE {my(table)} {change}")
    run(brought.settings, *changes)
    for table in changes:
        brought.assert_exact(table)


def test_a_counter_that_a_truncation_set_back_follows(brought):
    brought.make(
        "set_back",
        "Id int AUTO_INCREMENT PRIMARY KEY, A int",
        *(f"{each}, 1" for each in range(1, 9)),
    )
    ask(brought.places.source, "TRUNCATE set_back")
    ask(brought.places.source, "INSERT INTO set_back (A) VALUES (1), (2)")
    run(brought.settings, "set_back")
    brought.assert_exact("set_back")
    assert (
        oracle.counter(brought.places.replica, "set_back")
        == oracle.counter(brought.places.source, "set_back")
        == "3"
    )


def test_views_and_sequences_are_no_tables(brought, servers):
    brought.make("seen", "Id int PRIMARY KEY", "1")
    ask(brought.places.source, "CREATE VIEW a_view AS SELECT Id FROM seen")
    if servers.source.product == "MariaDB":
        ask(brought.places.source, "CREATE SEQUENCE a_sequence")
    planned = {plan.table for plan in look(brought.settings).plans}
    assert "seen" in planned
    assert not {"a_view", "a_sequence"} & planned


def test_a_table_merged_of_others_arrives_with_their_rows(brought):
    for name in ("part_one", "part_two"):
        brought.make(name, "Id int NOT NULL, A int, KEY (Id)", "1, 1", "2, NULL")
    ask(
        brought.places.source,
        "CREATE TABLE merged (Id int NOT NULL, A int, KEY (Id)) ENGINE=MERGE UNION=(part_one, part_two) INSERT_METHOD=LAST",
    )
    run(brought.settings, "merged")
    brought.assert_rows("merged")

"""Definitions of every shape are read, moved to the engine that takes them, and compared, on the real servers."""

import re
from collections.abc import Iterator
from typing import Any

import oracle
import pytest
from abilities import lack, take
from conftest import settings_for
from hypothesis import given, strategies
from hypothesis import settings as hypothesis
from oracle import Places, ask, my

from deployments.databases import Databases
from transfer.errors import DatabaseFault
from transfer.mysql import pool
from transfer.mysql.connection import Connection
from transfer.mysql.definition import ENGINES, REFUSED, as_replica, parse, structure
from transfer.mysql.show_create import _named, show_create
from transfer.settings import Settings


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return settings_for(module_databases)


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[Connection]:
    with pool.connect(settings.source, settings.limits) as connection:
        yield connection


@pytest.fixture(scope="module")
def replica(settings: Settings) -> Iterator[Connection]:
    with pool.connect(settings.replica, settings.limits, writes=True) as connection:
        yield connection


def made(replica: Connection, definition: str, table: str) -> str:
    """Make the replica's table as a run does; the engine that took it."""
    for engine in ENGINES:
        wanted = as_replica(definition, table, engine)
        try:
            replica.run("creating", wanted.create)
            if wanted.keys:
                adding = ", ".join(f"ADD {key}" for key in wanted.keys)
                replica.run("adding keys", f"ALTER TABLE {my(table)} {adding}")
        except DatabaseFault as fault:
            if fault.code not in REFUSED:
                raise
            replica.run("dropping", f"DROP TABLE IF EXISTS {my(table)}")
        else:
            return engine
    raise AssertionError("no engine takes it")


def described(connection: Any, table: str) -> tuple[Any, ...]:
    """What the server itself says of a table: its columns, keys, checks, collation, comment and counter."""
    columns = [row[:7] + row[8:] for row in ask(connection, f"SHOW FULL COLUMNS FROM {my(table)}")]
    keys = [
        row[2:5] + row[7:10] + row[12:13] for row in ask(connection, f"SHOW INDEX FROM {my(table)}")
    ]
    schema = "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s"
    about = ask(
        connection,
        f"SELECT TABLE_COLLATION, TABLE_COMMENT FROM information_schema.TABLES {schema}",
        table,
    )
    connection.use_unicode = False  # a binary default is no text
    text = ask(connection, f"SHOW CREATE TABLE {my(table)}")[0][1].decode(errors="replace")
    connection.use_unicode = True
    # MySQL converts a constant to its column's character set when it reads its own words again.
    checks = sorted(re.findall(r"CHECK (\(.*\))", re.sub(r"\b_utf8mb[34]'", "'", text)))
    counter = re.findall(r"\n\).* (AUTO_INCREMENT=\d+)", text)
    return columns, sorted(keys, key=str), about, checks, counter


def assert_alike(places: Places, table: str) -> None:
    """Assert that both servers say the same of a table; those of two versions do so in fewer words."""
    connections = (places.source, places.replica)
    describe = described if oracle.alike(connections) else oracle.described
    source, replica = (describe(connection, table) for connection in connections)
    assert replica == source


def many(count: int, kind: str) -> str:
    return ", ".join(f"c{number} {kind}" for number in range(count)) + ")"


# Columns, keys and options, and the engine that the replica's table has.
ANYWHERE = {
    "texts_like_sql": (
        (
            "Id int PRIMARY KEY COMMENT 'it''s, a ) ENGINE=x\n KEY', B varchar(40) DEFAULT 'DEFAULT nextval(''x'') COLLATE y', "
            "C int COMMENT 'CHARACTER SET latin1') COMMENT='line\nPRIMARY KEY ENGINE=MyISAM COMMENT= PARTITION BY'"
        ),
        "InnoDB",
    ),
    "names_like_sql": (
        "`PRIMARY KEY (` int, `a``b, c` int, `KEY x` int, `AUTO_INCREMENT` int, UNIQUE KEY `FOREIGN KEY` (`a``b, c`), KEY `)` (`KEY x`))",
        "InnoDB",
    ),
    "quotes": (
        r"""a enum('a\'b','\\','\n','\t\0','"') COMMENT 'x\'\\\0\n', b set('(', ')'), c char(9) DEFAULT '\\\'"')""",
        "InnoDB",
    ),
    "binary_defaults": (
        r"a binary(4) DEFAULT x'00FF8081', b varbinary(9) DEFAULT 'a\0\'\\b\n', c bit(9) DEFAULT b'101')",
        "InnoDB",
    ),
    "temporal_defaults": (
        (
            "a timestamp(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3), b date NOT NULL DEFAULT"
            " '0000-00-00', c timestamp NOT NULL DEFAULT '2020-01-01 10:00:00', d timestamp NULL, e time DEFAULT '-838:59:59')"
        ),
        "InnoDB",
    ),
    "character_sets": (
        (
            "a varchar(9) CHARACTER SET utf8mb4, b varchar(9) COLLATE utf8mb4_bin, c varchar(9) CHARACTER SET latin1, d char(1)"
            " CHARACTER SET utf8mb3, e text CHARACTER SET utf16, f varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci,"
            " g varchar(9) CHARACTER SET binary, h enum('é') CHARACTER SET latin1) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
        ),
        "InnoDB",
    ),
    "default_collation": (
        "a varchar(9), b char(3) CHARACTER SET utf8mb4) DEFAULT CHARSET=latin1",
        "InnoDB",
    ),
    "generated": (
        (
            "a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL, c varchar(30) CHARACTER SET utf8mb4 GENERATED ALWAYS AS"
            " (concat('a)', a)) STORED, KEY (b), KEY (c)) ENGINE=InnoDB"
        ),
        "InnoDB",
    ),
    "checks": (
        "a int, b int CHECK (b <> 5), CONSTRAINT `n``a` CHECK (a > 3), CHECK (a < 9))",
        "InnoDB",
    ),
    "keys": (
        (
            "Id int PRIMARY KEY, A varchar(9), B text, C text, G point NOT NULL, UNIQUE KEY one (A, Id), KEY two (A(3)) COMMENT"
            " 'k', KEY down (Id DESC), FULLTEXT KEY three (B), FULLTEXT KEY more (C), SPATIAL KEY four (G)) ENGINE=InnoDB"
        ),
        "InnoDB",
    ),
    "invisible": ("a int PRIMARY KEY, b int INVISIBLE, c int DEFAULT 5 INVISIBLE)", "InnoDB"),
    "storage": (
        (
            "a int PRIMARY KEY, b char(5), KEY (b) KEY_BLOCK_SIZE=2) ENGINE=MyISAM ROW_FORMAT=FIXED CHECKSUM=1"
            " DELAY_KEY_WRITE=1 MAX_ROWS=5 MIN_ROWS=1 AVG_ROW_LENGTH=9 PACK_KEYS=1 KEY_BLOCK_SIZE=1 STATS_PERSISTENT=1 COMMENT='c'"
        ),
        "InnoDB",
    ),
    "partitions": (
        "a int) ENGINE=InnoDB COMMENT=') x' PARTITION BY LIST (a) (PARTITION p VALUES IN (1, 2) COMMENT '), x')",
        "InnoDB",
    ),
    "memory": ("a int NOT NULL, b int, KEY (b) USING BTREE) ENGINE=MEMORY", "InnoDB"),
    "merge": ("a int NOT NULL, KEY (a)) ENGINE=MERGE UNION=() INSERT_METHOD=LAST", "InnoDB"),
    "csv": ("a int NOT NULL, b varchar(9) NOT NULL) ENGINE=CSV", "InnoDB"),
    "counter": ("a int AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=77", "InnoDB"),
    "counter_in_other_key": (
        "a int PRIMARY KEY, b int NOT NULL AUTO_INCREMENT, UNIQUE KEY (b, a), KEY (a))",
        "InnoDB",
    ),
    "counter_not_first": (
        "a int NOT NULL, b int NOT NULL AUTO_INCREMENT, PRIMARY KEY (a, b), KEY (a))",
        "Aria",
    ),
    "columns_1017": (many(1017, "int"), "InnoDB"),
    "columns_1018": (many(1018, "int"), "Aria"),
    "columns_2000": (many(2000, "tinyint"), "Aria"),
    "wide_rows": (many(400, "text"), "Aria"),
    "wide_characters": (many(100, "char(255) CHARACTER SET latin1"), "Aria"),
    "names_of_innodb": ("db_row_id int, DB_TRX_ID int)", "Aria"),
    "key_of_innodb": ("a int, KEY GEN_CLUST_INDEX (a))", "Aria"),
}
MARIADB = {
    "key_of_3072": ("a varchar(3072) CHARACTER SET latin1, KEY (a)) ENGINE=InnoDB", "InnoDB"),
    "unique_text": ("a text, UNIQUE KEY (a))", "InnoDB"),
    "compressed": (
        "a varchar(9) COMPRESSED, b blob COMPRESSED DEFAULT 'x') ENGINE=InnoDB PAGE_COMPRESSED=1",
        "InnoDB",
    ),
    "expressions": (
        (
            "a varchar(9) DEFAULT concat('a', _latin1'b' COLLATE latin1_bin), b uuid DEFAULT uuid(), c json, d varchar(20) AS"
            " (convert(a USING utf8mb4) COLLATE utf8mb4_bin) VIRTUAL, CHECK (a <> 'FOREIGN KEY ('))"
        ),
        "InnoDB",
    ),
    "ignored_key": ("a int, KEY (a) IGNORED)", "InnoDB"),
    "aria": ("a int) ENGINE=Aria TRANSACTIONAL=1 PAGE_CHECKSUM=1 ROW_FORMAT=PAGE", "InnoDB"),
    "virtual_key_beside_counter": (
        "a int NOT NULL, b int NOT NULL AUTO_INCREMENT, c int AS (a + 1) VIRTUAL, PRIMARY KEY (a, b), KEY (c))",
        "MyISAM",
    ),
    "application_period": (
        "a int, s date, e date, PERIOD FOR p (s, e), UNIQUE KEY (a, p WITHOUT OVERLAPS))",
        "InnoDB",
    ),
}
MYSQL = {
    "functional_keys": (
        "a int, j json, KEY ((a + 1)), KEY m ((CAST(j->'$[*]' AS unsigned array))), KEY (a) INVISIBLE) ENGINE=InnoDB",
        "InnoDB",
    ),
    "attributes": (
        (
            "a varchar(9) DEFAULT (concat('a', 'b')), g point NOT NULL SRID 4326, FULLTEXT KEY (a) WITH PARSER ngram, SPATIAL KEY"
            " (g), CHECK (a <> 'x') NOT ENFORCED) ENGINE=InnoDB AUTOEXTEND_SIZE=4M COMMENT='x'"
        ),
        "InnoDB",
    ),
}
OF_MYSQL = [
    pytest.param(case, marks=pytest.mark.needs("source", "functional keys")) for case in MYSQL
]
CASES = ANYWHERE | MARIADB | MYSQL


@pytest.mark.parametrize("case", [*ANYWHERE, *MARIADB, *OF_MYSQL])
def test_a_table_is_made_as_it_is_by_the_first_engine_that_takes_it(
    case, places, servers, source, replica
):
    body, engine = CASES[case]
    table = f"shape_{case}"
    take(places.source, "source", f"CREATE TABLE {table} ({body}")
    definition = show_create(source, table)
    has_aria = not lack(servers, "replica", "Aria")
    assert made(replica, definition, table) == (
        engine if has_aria else engine.replace("Aria", "MyISAM")
    )
    assert_alike(places, table)
    if oracle.alike((places.source, places.replica)):
        assert structure(show_create(replica, table)) == structure(definition)


@pytest.mark.needs("source", "checks")
@pytest.mark.needs("replica", "checks")
def test_what_only_the_source_needs_is_left_out(places, source, replica):
    ask(places.source, "CREATE TABLE parent (a int PRIMARY KEY) ENGINE=InnoDB")
    ask(
        places.source,
        "CREATE TABLE child (a int, `CHECK` int, CONSTRAINT `x CHECK (1)` FOREIGN KEY (a) REFERENCES parent (a) ON DELETE CASCADE,"
        " CONSTRAINT kept CHECK (a <> 7)) ENGINE=InnoDB",
    )
    made(replica, show_create(source, "child"), "child")
    text = ask(places.replica, "SHOW CREATE TABLE child")[0][1]
    assert "FOREIGN" not in text
    assert "<> 7" in text


@pytest.mark.needs("source", "history")
def test_columns_that_the_server_fills_are_plain_ones_in_the_replica(places, source, replica):
    ask(places.source, "CREATE SEQUENCE numbers")
    ask(
        places.source,
        "CREATE TABLE past (a int PRIMARY KEY, s timestamp(6) GENERATED ALWAYS AS ROW START, e timestamp(6) GENERATED ALWAYS AS"
        " ROW END INVISIBLE, b int WITHOUT SYSTEM VERSIONING, n int DEFAULT nextval(numbers), m int NOT NULL DEFAULT"
        " (nextval(numbers) + 1) COMMENT 'm', PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
    )
    ask(
        places.source,
        "CREATE TABLE history (a int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME",
    )
    for table in ("past", "history"):
        definition = show_create(source, table)
        assert made(replica, definition, table) == "InnoDB"
        assert structure(show_create(replica, table)) == structure(definition)
    columns = [
        (row[0], row[1], row[3], row[6])
        for row in ask(places.replica, "SHOW FULL COLUMNS FROM past")
    ]
    assert columns == [
        ("a", "int(11)", "NO", ""),
        ("s", "timestamp(6)", "NO", ""),
        ("e", "timestamp(6)", "NO", "INVISIBLE"),
        ("b", "int(11)", "YES", ""),
        ("n", "int(11)", "YES", ""),
        ("m", "int(11)", "NO", ""),
    ]
    assert "VERSIONING" not in ask(places.replica, "SHOW CREATE TABLE history")[0][1]


def test_labels_and_defaults_that_no_server_shows_arrive(places, source, replica):
    """Characters beyond U+FFFF are shown as question marks, in SHOW CREATE TABLE and in information_schema."""
    ask(
        places.source,
        "CREATE TABLE faces (Id int PRIMARY KEY, e enum('😀', '?', 'b', '😁''\\\\') CHARACTER SET utf8mb4 DEFAULT '😀',"
        " s set('😀', 'c', '?', '😁') CHARACTER SET utf16, d varchar(9) CHARACTER SET utf8mb4 DEFAULT '😀\\'?\\\\')",
    )
    ask(
        places.source,
        "INSERT INTO faces VALUES (1, 1, 9, ''), (2, 2, 4, ''), (3, 4, 2, ''), (4, 0, 0, ''), (5, NULL, NULL, '')",
    )
    definition = show_create(source, "faces")
    made(replica, definition, "faces")
    ask(places.replica, "SET sql_mode = ''")
    ask(
        places.replica,
        "INSERT INTO faces VALUES (1, 1, 9, ''), (2, 2, 4, ''), (3, 4, 2, ''), (4, 0, 0, ''), (5, NULL, NULL, '')",
    )
    for place in (places.source, places.replica):
        assert ask(place, "SELECT e, s, DEFAULT(e), DEFAULT(d) FROM faces ORDER BY Id") == [
            ("😀", "😀,😁", "😀", "😀'?\\"),
            ("?", "?", "😀", "😀'?\\"),
            ("😁'\\", "c", "😀", "😀'?\\"),
            ("", "", "😀", "😀'?\\"),
            (None, None, "😀", "😀'?\\"),
        ]
    assert structure(show_create(replica, "faces")) == structure(definition)


def test_a_label_that_only_the_default_uses_arrives(places, source, replica):
    columns = "e enum('😀', 'b', '?') DEFAULT '😀', s set('x', '😀', '😁') DEFAULT 'x,😁', n enum('?', 'b') DEFAULT NULL"
    ask(places.source, f"CREATE TABLE moods (Id int PRIMARY KEY, {columns}) CHARACTER SET utf8mb4")
    ask(places.source, "INSERT INTO moods VALUES (1, 'b', 'x', 'b')")
    definition = show_create(source, "moods")
    assert "enum('😀','b','?') DEFAULT '😀'" in definition
    made(replica, definition, "moods")
    assert_alike(places, "moods")


@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("varchar(9) NOT NULL DEFAULT 'it?'", "'x'"),
        ("varchar(9) DEFAULT '?'", "NULL"),
        ("char(3) NOT NULL DEFAULT '??'", "''"),
        ("enum('a','?') NOT NULL DEFAULT '?'", "'a'"),
        ("set('a','?','b') NOT NULL DEFAULT 'a,?'", "'b'"),
        ("set('','a','?') NOT NULL DEFAULT ''", "5"),
    ],
)
def test_a_default_with_a_question_mark_arrives(column, value, engine, places, source, replica):
    for filled in (False, True):
        table = "asked" if filled else "asked_empty"
        for place in (places.source, places.replica):
            ask(place, f"DROP TABLE IF EXISTS {table}")
        ask(
            places.source,
            f"CREATE TABLE {table} (Id int PRIMARY KEY, c {column}) CHARACTER SET utf8mb4 ENGINE={engine}",
        )
        if filled:
            ask(places.source, f"INSERT INTO {table} VALUES (1, {value})")
        made(replica, show_create(source, table), table)
        assert_alike(places, table)


def test_a_default_that_no_server_shows_arrives_though_the_column_takes_no_null(
    places, source, replica
):
    ask(
        places.source,
        "CREATE TABLE mood (Id int PRIMARY KEY, e enum('😀', 'b') NOT NULL DEFAULT '😀') CHARACTER SET utf8mb4",
    )
    ask(places.source, "INSERT INTO mood VALUES (1, 'b')")
    definition = show_create(source, "mood")
    assert "enum('😀','b') NOT NULL DEFAULT '😀'" in definition
    made(replica, definition, "mood")


WORDS = strategies.text(
    strategies.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20
)
TEXTS = strategies.lists(
    strategies.sampled_from(["'", "''", "\\", "\\'", "`", ",", "(", ")", "/*", "*/", "--", "#", "\n", " COMMENT=", " COLLATE ", '"', "x", "é"]),
    max_size=8,
).map("".join)  # fmt: skip


@hypothesis(max_examples=40, deadline=None)
@given(name=TEXTS | WORDS, comment=TEXTS | WORDS, default=TEXTS | WORDS, label=TEXTS | WORDS)
def test_any_texts_in_a_definition_arrive(name, comment, default, label, places, source, replica):
    for place in (places.source, places.replica):
        ask(place, "DROP TABLE IF EXISTS texts")
    comment = comment.replace("\0", "")  # breaks MariaDB's own file of the table
    column = my("c" + name.replace("\0", "")[:60] + "c").replace("%", "%%")
    ask(
        places.source,
        f"CREATE TABLE texts ({column} varchar(200) CHARACTER SET utf8mb4 DEFAULT %s COMMENT %s,"
        f" e enum('a', %s) CHARACTER SET utf8mb4, KEY k ({column}(9)) COMMENT %s) COMMENT = %s",
        *(default, comment, label + "l", comment, comment),
    )
    definition = show_create(source, "texts")
    made(replica, definition, "texts")
    assert_alike(places, "texts")
    assert structure(show_create(replica, "texts")) == structure(definition)


# As MySQL 9.7 and 5.7 write it.
FOREIGN = """CREATE TABLE `t` (
  `id` int NOT NULL,
  `a` varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci DEFAULT 'COLLATE utf8mb4_0900_ai_ci',
  `b` varchar(9) CHARACTER SET latin1 DEFAULT NULL,
  `g` point NOT NULL /*!80003 SRID 4326 */,
  `x` int DEFAULT NULL /*!80023 INVISIBLE */,
  PRIMARY KEY (`id`),
  KEY `p` (((cast(`a` as char(3) charset utf8mb4) collate utf8mb4_0900_ai_ci))) KEY_BLOCK_SIZE=4,
  KEY `i` (`a`) /*!80000 INVISIBLE */,
  FULLTEXT KEY `f` (`a`) /*!50100 WITH PARSER `ngram` */ ,
  CONSTRAINT `t_ibfk_1` FOREIGN KEY (`id`) REFERENCES `p` (`id`),
  CONSTRAINT `named` CHECK ((`x` > 3)) /*!80016 NOT ENFORCED */
) /*!50100 TABLESPACE `x` STORAGE DISK */ /*!80023 AUTOEXTEND_SIZE=4194304 */ ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4\
 STATS_PERSISTENT=1 ROW_FORMAT=DYNAMIC COMMENT='it''s' DATA DIRECTORY='/x/' CONNECTION='mysql://u:p@h' `page_compressed`='1'\
 SECONDARY_ENGINE=rapid /*!80016 ENCRYPTION='Y' */ COMPRESSION='zlib' START TRANSACTION
/*!50100 PARTITION BY HASH (`id`)
PARTITIONS 2 */"""
DEFAULTS = {"utf8mb4": "utf8mb4_0900_ai_ci", "latin1": "latin1_swedish_ci"}


def explicit(definition: str) -> str:
    named = _named(parse(definition), DEFAULTS)
    return f"CREATE TABLE `t` {named.body}{named.ending}"


def test_mysqls_words_are_kept_or_left_out_and_every_collation_is_named():
    found = as_replica(explicit(FOREIGN), "n", collations=[("utf8mb4_0900_ai_ci", "utf8mb4_bin")])
    assert found.create.splitlines() == [
        "CREATE TABLE `n` (",
        "  `id` int NOT NULL,",
        "  `a` varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT 'COLLATE utf8mb4_0900_ai_ci',",
        "  `b` varchar(9) CHARACTER SET latin1 COLLATE latin1_swedish_ci DEFAULT NULL,",
        "  `g` point NOT NULL /*!80003 SRID 4326 */,",
        "  `x` int DEFAULT NULL INVISIBLE,",
        "  PRIMARY KEY (`id`),",
        "  /*M! CONSTRAINT `named` */ CHECK ((`x` > 3)) /*!80016 NOT ENFORCED */",
        (
            ") ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 STATS_PERSISTENT=1 COMMENT='it''s'"
            " COLLATE=utf8mb4_bin"
        ),
    ]
    assert found.keys == (
        "KEY `p` (((cast(`a` as char(3) charset utf8mb4) collate utf8mb4_bin)))",
        "KEY `i` (`a`) /*!80000 INVISIBLE */",
        "FULLTEXT KEY `f` (`a`) /*!50100 WITH PARSER `ngram` */",
    )


def test_a_default_collation_is_named_only_where_none_is():
    before = "CREATE TABLE `t` (\n  `a` char(1) CHARACTER SET latin1 COLLATE latin1_bin,\n  `b` int\n) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
    assert explicit(before) == before
    assert (
        explicit(
            "CREATE TABLE `t` (\n  `a` char(1) CHARACTER SET strange\n) DEFAULT CHARSET=strange"
        ).count("COLLATE")
        == 0
    )


BASE = "CREATE TABLE `t` (`a` int DEFAULT 1, `b` char(3) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin, KEY `k` (`a`), KEY `l` (`b`)) ENGINE=x COMMENT='c'"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ENGINE=x", "ENGINE=y AUTO_INCREMENT=7 ROW_FORMAT=FIXED"),
        ("KEY `k` (`a`), KEY `l` (`b`)", "KEY `l` (`b`),  KEY `k` (`a`) USING BTREE"),
        ("utf8mb3 COLLATE utf8mb3_bin", "utf8 COLLATE utf8_bin"),
        ("int DEFAULT 1", "int /* mariadb-5.3 */ DEFAULT 1"),
        ("CHARACTER SET utf8mb3 COLLATE", "COLLATE"),
    ],
)
def test_what_an_engine_or_a_version_writes_otherwise_is_the_same_structure(old, new):
    assert structure(BASE.replace(old, new)) == structure(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DEFAULT 1", "DEFAULT 2"),
        ("utf8mb3_bin", "utf8mb3_general_ci"),
        ("KEY `k`", "UNIQUE KEY `k`"),
        ("(`b`)", "(`b` DESC)"),
        ("COMMENT='c'", "COMMENT='C'"),
        ("COMMENT='c'", "COMMENT='c' COLLATE=utf8mb4_bin"),
        ("DEFAULT 1", "DEFAULT '/* x */'"),
        ("`a` int DEFAULT 1, `b`", "`b`"),
        ("ENGINE=x", "STATS_PERSISTENT=1"),
    ],
)
def test_another_structure_is_told_apart(old, new):
    assert structure(BASE.replace(old, new)) != structure(BASE)


@pytest.mark.needs("replica", "generated columns")
def test_texts_in_mysqls_expressions_are_computed_as_they_are(places, replica):
    """MySQL writes an introducer before each; a MariaDB that is given one makes x and digits of what is not ASCII."""
    definition = (
        "CREATE TABLE `computed` (\n  `Id` int NOT NULL,\n  `a` text CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci GENERATED"
        " ALWAYS AS (concat(_utf8mb4'née _utf8mb4 ',_utf8mb4'it''s \\\\',`Id`)) STORED,\n  PRIMARY KEY (`Id`)\n)"
        " DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci"
    )
    made(replica, definition, "computed")
    ask(places.replica, "INSERT INTO computed (Id) VALUES (7)")
    assert ask(places.replica, "SELECT a FROM computed") == [("née _utf8mb4 it's \\7",)]
    ask(places.replica, "DROP TABLE computed")

"""What a MySQL session sets, and how it proves that values cross it unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby

from transfer.drivers.sessions import DOUBLE, MEANT, MOMENT, TEXT, Setting

MOST = "18446744073709551615"

# All that a plain account may set and that an exact copy depends on, from the lists of MySQL 5.6
# and 9.7, MariaDB 10.5, 10.11 and 11.8. What only costs time or memory, writes logs or fails loudly
# is left out.
MYSQL: tuple[Setting, ...] = (
    # Off and on again: what init_connect began ends with it.
    Setting("autocommit", "0", "what init_connect left open would hold its tables and its moment"),
    Setting("autocommit", "1", "each statement is to see the present, and to let its tables go"),
    Setting("completion_type", "0", "COMMIT would begin another transaction, or end the session"),
    Setting("time_zone", "'+00:00'", "TIMESTAMP is read and written in it"),
    Setting("timestamp", "DEFAULT", "the clock of NOW() and CURRENT_TIMESTAMP could stand still"),
    Setting("sql_select_limit", MOST, "longer results would be cut silently"),
    Setting("max_join_size", MOST, "queries over many rows would be refused"),
    Setting("sql_big_selects", "1", "queries over many rows would be refused"),
    Setting("sql_safe_updates", "0", "DELETE and UPDATE without a key would be refused"),
    Setting("sql_auto_is_null", "0", "`IS NULL` would find the last AUTO_INCREMENT"),
    Setting("sql_quote_show_create", "1", "SHOW CREATE TABLE would leave the backticks out"),
    Setting("sql_warnings", "0", "the driver's counts are of LOAD DATA's own warnings"),
    Setting("div_precision_increment", "4", "quotients would have other digits"),
    Setting("group_concat_max_len", "1048576", "lists would be cut"),
    Setting("max_sort_length", "1024", "what differs further on would be sorted as equal"),
    Setting("lc_time_names", "'en_US'", "names of days and months would be in another language"),
    Setting("default_storage_engine", "InnoDB", "the bookkeeping needs transactions"),
    Setting("net_read_timeout", "30", "a server too impatient drops a load"),
    Setting("net_write_timeout", "60", "a server too impatient drops a page"),
    Setting("unique_checks", "1", "a doubled key could come in"),
    Setting("information_schema_stats_expiry", "0", "figures may be a day old", "!80003"),
    Setting("use_secondary_engine", "OFF", "another engine's copy may be behind", "!80013"),
    Setting(
        "show_create_table_skip_secondary_engine", "1", "the replica has no such engine", "!80018"
    ),
    Setting(
        "show_gipk_in_create_table_and_information_schema",
        "1",
        "a table's key would be hidden",
        "!80030",
    ),
    Setting("idle_transaction_timeout", "0", "it waits while a page is read", "M!100300"),
    Setting("idle_readonly_transaction_timeout", "0", "the same", "M!100300"),
    Setting("idle_write_transaction_timeout", "0", "the same", "M!100300"),
    Setting("system_versioning_asof", "DEFAULT", "tables would be read as they were", "M!100304"),
    Setting("insert_id", "0", "it would be the next key; MySQL would take 0 for it", "M!100304"),
    Setting("query_cache_type", "0", "an answer may be an old one", "M!100304"),
    Setting(
        "character_set_filesystem", "binary", "LOAD DATA would ask for another name", "M!100304"
    ),
    Setting("alter_algorithm", "'DEFAULT'", "ALTER would refuse what needs a copy", "M!100307"),
    Setting("sql_if_exists", "0", "a table in the way would stay silently", "M!100502"),
    Setting("old_mode", "'UTF8_IS_UTF8MB3'", "utf8 would be another character set", "M!100601"),
    Setting(
        "system_versioning_insert_history", "0", "row_start would be a column to fill", "M!101101"
    ),
    # Empty: where EMPTY_STRING_IS_NULL is set, '' is NULL.
    Setting(
        "character_set_collations", "LEFT('-', 0)", "a charset's default would differ", "M!110200"
    ),
)

# In strict mode InnoDB refuses at once what it would refuse at the first row. Notes are of a
# generated column's rounding; the hash proves that values are stored as they are. MySQL has neither
# of the last two, or sets them so, or lets no plain account set them.
WRITING: tuple[Setting, ...] = (
    Setting("foreign_key_checks", "0", "tables come in any order"),
    Setting("sql_notes", "0", "notes would be counted with the warnings of LOAD DATA"),
    Setting("innodb_lock_wait_timeout", "50", "how long a row is waited for"),
    Setting("innodb_strict_mode", "1", "a row format would be changed without a word", "M!100101"),
    Setting("max_error_count", "65535", "further warnings would be of no known kind", "M!100101"),
    Setting(
        "check_constraint_checks",
        "0",
        "a row that a newer CHECK refuses stands in the source",
        "M!100201",
    ),
    Setting(
        "explicit_defaults_for_timestamp",
        "1",
        "TIMESTAMP would become ON UPDATE by itself",
        "M!100804",
    ),
)

# Dirty reads show rows that were never committed, and SERIALIZABLE would lock what is read. It
# applies from the next transaction on, so it comes before the first.
ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ /*!50605 , READ WRITE */"


@lru_cache(maxsize=64)
def mysql_session(
    mode: str, lock_seconds: int, seconds: int, idle_seconds: int = 0
) -> tuple[str, ...]:
    """Return the statements that make a MySQL session ours.

    A statement may take `seconds` at most, or as long as it takes if that is 0. In a session that
    writes, and may hold a lock, the server takes its holder for gone after `idle_seconds` without a
    sign of life. SET NAMES is said again, as a server with skip-character-set-client-handshake
    ignores what the driver asks for.
    """
    own = (
        Setting("sql_mode", f"'{mode}'", "it decides what a statement means"),
        Setting(
            "lock_wait_timeout",
            str(lock_seconds),
            "a statement that waits for a table blocks its new readers",
        ),
        Setting(
            "wait_timeout",
            str(idle_seconds or 28_800),
            "its holder gives signs of life, but to none that holds nothing",
        ),
        Setting("@elt_bytes", "0", "a page counts its bytes in it"),
        Setting(
            "max_execution_time", str(seconds * 1000), "it may be shorter on the server", "!50708"
        ),
        Setting("max_statement_time", str(seconds), "it may be shorter on the server", "M!100101"),
    )
    settings = _by_version((*own, *MYSQL, *(WRITING if idle_seconds else ())))
    return ISOLATION, f"SET NAMES utf8mb4 COLLATE utf8mb4_general_ci{settings}"


def _by_version(settings: Iterable[Setting]) -> str:
    parts = []
    for since, some in groupby(
        sorted(settings, key=lambda setting: setting.since), key=lambda setting: setting.since
    ):
        assigned = "".join(f", {setting.name} = {setting.value}" for setting in some)
        parts.append(f" /*{since} {assigned} */" if since else assigned)
    return "".join(parts)


# What no plain account may set on every server: the values that are good, the places where it
# matters, and what is said of another value.
REQUIRED: tuple[tuple[str, frozenset[str], str, str], ...] = (
    ("local_infile", frozenset({"ON"}), "replica",
     ("has local_infile switched off; start it with local_infile=ON"
     " (SET GLOBAL local_infile=1 until its next start)")),
    ("read_only", frozenset({"OFF", "0"}), "replica",
     "is only for reading; set read_only=OFF there, or name the server that it follows"),
    ("character_set_filesystem",
     frozenset({"binary", "utf8mb4", "utf8mb3", "utf8", "latin1", "ascii"}), "replica",
     ("would ask for files by names that it has converted;"
     " set character_set_filesystem=binary there")),
    ("enforce_storage_engine", frozenset({"", "InnoDB", "INNODB"}), "replica",
     ("makes every table one of another engine, without transactions;"
     " set enforce_storage_engine=InnoDB there, or nothing")),
    ("sql_require_primary_key", frozenset({"OFF"}), "replica",
     "refuses tables without a primary key; set sql_require_primary_key=OFF there"),
    ("sql_generate_invisible_primary_key", frozenset({"OFF"}), "replica",
     ("would add a column to every table without a primary key;"
     " start it with sql_generate_invisible_primary_key=OFF")),
    ("default_table_encryption", frozenset({"OFF"}), "replica",
     "would add encryption to every table's definition; set default_table_encryption=OFF there"),
    ("wsrep_dirty_reads", frozenset({"OFF"}), "source replica",
     ("lets a node that has lost its cluster show rows of the past;"
     " set wsrep_dirty_reads=OFF there")),
    ("innodb_read_only", frozenset({"OFF"}), "replica",
     "is only for reading; start it without innodb_read_only"),
    ("super_read_only", frozenset({"OFF"}), "replica",
     "is only for reading; set super_read_only=OFF there"),
)  # fmt: skip

EPOCH = "1970-01-02 00:00:00"


def mysql_literal(text: str) -> str:
    """Write a text as MySQL does in our SQL modes, so that others can parse it, too."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def mysql_proof(text: str) -> str:
    """Return the query whose row is `MYSQL_PROVEN` if values cross a MySQL session unchanged.

    `text` is TEXT as it is sent.
    """
    built = f"CONVERT(x'{TEXT.encode().hex()}' USING utf8mb4)"
    return (
        f"SELECT HEX(CONVERT({text} USING utf8mb4)) AS sent, {built} AS received,"
        f" CAST({built} AS CHAR) AS label, {DOUBLE!r}e0 AS number,"
        f" IF(0.1e0 + 0.2e0 = {DOUBLE!r}e0, 1, 0) AS exact,"
        f" CAST('{MOMENT}' AS DATETIME/*!50604 (6) */) AS moment,"
        " CAST(FROM_UNIXTIME(86400) AS CHAR) AS zone,"
        " IF(ABS(TIMESTAMPDIFF(SECOND, SYSDATE(), NOW())) < 600, 1, 0) AS clock,"
        " CONCAT_WS(',', @@character_set_client, @@character_set_connection,"
        " @@character_set_results) AS charsets, IF(@@autocommit, 1, 0) AS autocommit,"
        f" IF(@@sql_select_limit = {MOST}, 1, 0) AS unlimited,"
        " IF(@@insert_id = 0, 1, 0) AS counting,"
        " LOWER(DATABASE()) AS place"
    )


MYSQL_PROVEN: Mapping[str, object] = {
    "sent": TEXT.encode().hex().upper(),
    "received": TEXT,
    "label": TEXT,
    "number": DOUBLE,
    "exact": 1,
    "moment": MOMENT,
    "zone": EPOCH,
    "clock": 1,
    "charsets": "utf8mb4,utf8mb4,utf8mb4",
    "autocommit": 1,
    "unlimited": 1,
    "counting": 1,
}

OLD_MOMENT = ("moment", MOMENT.replace(microsecond=0))  # MySQL 5.5 has no fractions of a second


def differing(found: Sequence[object], database: str) -> str:
    """Return in what a row of `mysql_proof` is wrong, empty if in nothing."""
    pairs = zip({**MYSQL_PROVEN, "place": database.lower()}.items(), found, strict=True)
    return next(
        (MEANT[name] for (name, value), got in pairs if got != value and (name, got) != OLD_MOMENT),
        "",
    )

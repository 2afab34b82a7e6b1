"""What our sessions set, so that statements mean everywhere what we wrote, and how a session proves that values cross it unchanged.

A server, a database, a role, the environment or a proxy may have set any of these otherwise, for reasons of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Setting:
    """A session variable, its value as SQL writes it, and why it is set.

    `since` is the version comment without which a server that lacks the variable would refuse the statement: `!50708` for
    MySQL, of which MariaDB skips 50700 to 99999, `M!100300` for MariaDB, which MySQL skips. Of PostgreSQL it is the version,
    for what cannot stand in the startup packet: there an unknown name ends the session.
    """

    name: str
    value: str
    reason: str
    since: str = ""


MOST = "18446744073709551615"

# Whatever a plain account may set and what an exact copy depends on, gone through on MySQL 5.6 and 9.7, MariaDB 10.5, 10.11 and 11.8.
# Left out is what only costs time or memory, what writes logs, and what fails loudly.
MYSQL: tuple[Setting, ...] = (
    # Off and on again: what init_connect began ends with it.
    Setting("autocommit", "0", "a transaction that init_connect left open would hold its tables and its moment"),
    Setting("autocommit", "1", "each statement is to see the present, and to let its tables go"),
    Setting("completion_type", "0", "COMMIT would begin another transaction, or end the session"),
    Setting("time_zone", "'+00:00'", "TIMESTAMP is read and written in it"),
    Setting("timestamp", "DEFAULT", "the clock of NOW() and DEFAULT CURRENT_TIMESTAMP could stand still"),
    Setting("sql_select_limit", MOST, "longer results would be cut without a word"),
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
    Setting("information_schema_stats_expiry", "0", "MySQL tells of tables what it found up to a day ago", "!80003"),
    Setting("use_secondary_engine", "OFF", "another engine's copy of a table may be behind it", "!80013"),
    Setting("show_create_table_skip_secondary_engine", "1", "the replica has no such engine", "!80018"),
    Setting("show_gipk_in_create_table_and_information_schema", "1", "a table's key would be hidden", "!80030"),
    Setting("idle_transaction_timeout", "0", "a transaction waits while a page is read", "M!100300"),
    Setting("idle_readonly_transaction_timeout", "0", "the same", "M!100300"),
    Setting("idle_write_transaction_timeout", "0", "the same", "M!100300"),
    Setting("system_versioning_asof", "DEFAULT", "tables would be read as they once were", "M!100304"),
    Setting("insert_id", "0", "the next AUTO_INCREMENT would be this; MySQL would take 0 for the next", "M!100304"),
    Setting("query_cache_type", "0", "an answer would be one that was given before", "M!100304"),
    Setting("character_set_filesystem", "binary", "LOAD DATA would ask for a file of another name", "M!100304"),
    Setting("alter_algorithm", "'DEFAULT'", "ALTER TABLE would refuse what needs a copy", "M!100307"),
    Setting("sql_if_exists", "0", "a table that stands in the way would stay as it is, and nobody be told", "M!100502"),
    Setting("old_mode", "'UTF8_IS_UTF8MB3'", "the name utf8 in a definition would be another character set", "M!100601"),
    Setting("system_versioning_insert_history", "0", "row_start and row_end would be columns to fill", "M!101101"),
    # Empty: where EMPTY_STRING_IS_NULL is set, '' is NULL.
    Setting("character_set_collations", "LEFT('-', 0)", "a character set without a collation would get another one", "M!110200"),
)  # fmt: skip

# In strict mode InnoDB refuses at once what it would refuse at the first row. sql_notes: of a generated column's rounding; that values
# are stored as they are is for their hash to prove. MySQL has both, or wants them so, or lets no plain account set them.
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

# Dirty reads are no rows that were ever committed, and SERIALIZABLE would lock what is read. It applies from the next transaction on,
# so it is said before the first.
ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ /*!50605 , READ WRITE */"


def mysql_session(
    mode: str, lock_seconds: int, seconds: int, idle_seconds: int = 0
) -> tuple[str, ...]:
    """Return the statements that make a MySQL session ours; a statement may take `seconds` at most if that is not 0.

    One that writes, and may hold a lock, has `idle_seconds` after which the server takes its holder for gone.

    SET NAMES, as a server with skip-character-set-client-handshake does not heed what the driver asks for.
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
        sorted(settings, key=lambda each: each.since), key=lambda each: each.since
    ):
        assigned = "".join(f", {each.name} = {each.value}" for each in some)
        parts.append(f" /*{since} {assigned} */" if since else assigned)
    return "".join(parts)


# What no plain account may set on every server, and what it has to be, wherever the server has it; for the places named.
REQUIRED: tuple[tuple[str, frozenset[str], str, str], ...] = (
    ("local_infile", frozenset({"ON"}), "replica",
     "has local_infile switched off; start it with local_infile=ON (SET GLOBAL local_infile=1 until its next start)"),
    ("read_only", frozenset({"OFF", "0"}), "replica",
     "is only for reading; set read_only=OFF there, or name the server that it follows"),
    ("character_set_filesystem", frozenset({"binary", "utf8mb4", "utf8mb3", "utf8", "latin1", "ascii"}), "replica",
     "would ask for files by names that it has converted; set character_set_filesystem=binary there"),
    ("enforce_storage_engine", frozenset({"", "InnoDB", "INNODB"}), "replica",
     "makes every table one of another engine, without transactions; set enforce_storage_engine=InnoDB there, or nothing"),
    ("sql_require_primary_key", frozenset({"OFF"}), "replica",
     "refuses tables without a primary key; set sql_require_primary_key=OFF there"),
    ("sql_generate_invisible_primary_key", frozenset({"OFF"}), "replica",
     "would add a column to every table without a primary key; start it with sql_generate_invisible_primary_key=OFF"),
    ("default_table_encryption", frozenset({"OFF"}), "replica",
     "would add encryption to every table's definition; set default_table_encryption=OFF there"),
    ("wsrep_dirty_reads", frozenset({"OFF"}), "source replica",
     "lets a node that has lost its cluster show rows of the past; set wsrep_dirty_reads=OFF there"),
    ("innodb_read_only", frozenset({"OFF"}), "replica", "is only for reading; start it without innodb_read_only"),
    ("super_read_only", frozenset({"OFF"}), "replica", "is only for reading; set super_read_only=OFF there"),
)  # fmt: skip

# PostgreSQL's own defaults, except for what is said. Gone through in pg_settings (contexts user and superuser) of 13, 15 and 18. Left out
# is what decides over time or memory only, what is for logs, and role and session_authorization: who owns what is made is the user's to say.
POSTGRES: tuple[Setting, ...] = (
    Setting("client_encoding", "UTF8", "in another encoding texts would be converted twice"),
    Setting("TimeZone", "UTC", "timestamptz is written as text, and turned into a date, in it"),
    Setting("DateStyle", "ISO,MDY", "dates as text would be written and read in another order"),
    Setting("IntervalStyle", "postgres", "intervals as text would be written and read otherwise"),
    Setting("extra_float_digits", "1", "doubles as text would lose digits"),
    Setting("bytea_output", "hex", "bytes as text would be escaped"),
    Setting("standard_conforming_strings", "on", "a backslash in a literal would vanish"),
    Setting("backslash_quote", "safe_encoding", "the same"),
    Setting("array_nulls", "on", "NULL in an array would be a text"),
    Setting("transform_null_equals", "off", "`= NULL` would be true"),
    Setting("quote_all_identifiers", "off", "names of types would be given in quotes, by which the driver knows none"),
    Setting("search_path", '"$user",public', "a name could be another schema's, be it a function's"),
    Setting("row_security", "off", "rows would be hidden by a policy; so it is an error"),
    Setting("default_transaction_isolation", "read committed", "two tables at once would collide"),
    Setting("default_transaction_read_only", "off", "nothing could be written"),
    Setting("default_transaction_deferrable", "off", "a transaction could wait for others"),
    Setting("statement_timeout", "0", "large tables take their time"),
    Setting("idle_in_transaction_session_timeout", "0", "a transaction waits while a page is read"),
    Setting("exit_on_error", "off", "an error that is provided for would end the session"),
    Setting("default_tablespace", "", "tables would be made where nobody looks for them, or be refused"),
    Setting("temp_tablespaces", "", "the same of temporary ones"),
    Setting("default_table_access_method", "heap", "another may know no DELETE"),
    Setting("gin_fuzzy_search_limit", "0", "an index would find a part of the rows"),
    Setting("lc_monetary", "C", "amounts as text would be written otherwise"),
    Setting("lc_numeric", "C", "numbers as text would be written otherwise"),
    Setting("lc_time", "C", "names of days and months would be in another language"),
    Setting("xmlbinary", "base64", "bytes in XML would be written otherwise"),
    Setting("default_toast_compression", "pglz", "not every server has another", "14"),
    Setting("idle_session_timeout", "0", "connections are kept for the next table", "14"),
    Setting("restrict_nonsystem_relation_kind", "", "views could not be read", "17"),
    Setting("transaction_timeout", "0", "large tables take their time", "17"),
)  # fmt: skip

# What only a superuser may set: some of it hides rows.
POSTGRES_REQUIRED: Mapping[str, str] = {
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
    "session_replication_role": "origin",
}

# So that the server notices within half a minute that the other machine is gone, and what it held is free. Not among what is proven:
# a Unix socket has none of it.
LINE = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}

# A pooler that drops the options leaves it out.
SENTINEL = Setting(
    "elt.session", "ours", "a session without it is one whose options were dropped on the way"
)


def startup(more: Mapping[str, str], known: Iterable[str] = ()) -> str:
    """Return the options of a PostgreSQL session's startup packet, which win over those of roles and databases.

    Those that not every server has are in it if they are `known`.
    """
    has = frozenset(known)
    settings = {
        each.name: each.value
        for each in (*POSTGRES, SENTINEL)
        if not each.since or each.name in has
    }
    return " ".join(
        f"-c {name}={_escaped(value)}" for name, value in (LINE | settings | dict(more)).items()
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


NEWER = tuple(each for each in POSTGRES if each.since)


def _late() -> str:
    """Return the SELECT list that sets what not every server has, where it is known."""
    return ", ".join(
        f"CASE WHEN current_setting('{each.name}', true) IS NOT NULL THEN set_config('{each.name}', '{each.value}', false) END"
        for each in NEWER
    )


# What libpq would take from the environment in place of, or beside, what it is given: PGHOSTADDR even leads to another server.
# PGOPTIONS is not among them, as we give that ourselves wherever libpq is used.
LIBPQ = frozenset(
    """PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGPASSFILE PGREQUIREAUTH PGCHANNELBINDING PGSERVICE PGSERVICEFILE
    PGAPPNAME PGSSLMODE PGREQUIRESSL PGSSLNEGOTIATION PGSSLCOMPRESSION PGSSLCERT PGSSLKEY PGSSLCERTMODE PGSSLROOTCERT PGSSLCRL
    PGSSLCRLDIR PGSSLSNI PGSSLKEYLOGFILE PGREQUIREPEER PGREQUIRESSL PGSSLMINPROTOCOLVERSION PGSSLMAXPROTOCOLVERSION
    PGGSSENCMODE PGKRBSRVNAME PGGSSLIB PGGSSDELEGATION PGREALM PGTTY PGCONNECT_TIMEOUT PGCLIENTENCODING PGTARGETSESSIONATTRS
    PGLOADBALANCEHOSTS PGMINPROTOCOLVERSION PGMAXPROTOCOLVERSION PGOAUTHDEBUG PGOAUTHCAFILE PGDATESTYLE PGTZ PGGEQO PGSYSCONFDIR
    PGLOCALEDIR""".split()
)

# Characters of one to four bytes, and what a literal has to escape.
TEXT = "a\\'\"%ñ€😀"
DOUBLE = 0.30000000000000004
MOMENT = datetime(2024, 2, 29, 23, 59, 58, 123456)  # noqa: DTZ001 - as it is stored
EPOCH = "1970-01-02 00:00:00"


def mysql_literal(text: str) -> str:
    """Write a text as MySQL does in our SQL modes, and so that others can parse it, too."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def mysql_proof(text: str) -> str:
    """Return the query whose row is `MYSQL_PROVEN` if values cross a MySQL session unchanged; `text` is TEXT as it is sent."""
    built = f"CONVERT(x'{TEXT.encode().hex()}' USING utf8mb4)"
    return (
        f"SELECT HEX(CONVERT({text} USING utf8mb4)) AS sent, {built} AS received, CAST({built} AS CHAR) AS label,"
        f" {DOUBLE!r}e0 AS number, IF(0.1e0 + 0.2e0 = {DOUBLE!r}e0, 1, 0) AS exact, CAST('{MOMENT}' AS DATETIME/*!50604 (6) */) AS moment,"
        f" CAST(FROM_UNIXTIME(86400) AS CHAR) AS zone, IF(ABS(TIMESTAMPDIFF(SECOND, SYSDATE(), NOW())) < 600, 1, 0) AS clock,"
        " CONCAT_WS(',', @@character_set_client, @@character_set_connection, @@character_set_results) AS charsets,"
        f" IF(@@autocommit, 1, 0) AS autocommit, IF(@@sql_select_limit = {MOST}, 1, 0) AS unlimited, IF(@@insert_id = 0, 1, 0) AS counting,"
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

# What is wrong if a field of the proof differs.
MEANT = {
    "sent": "texts reach it as others than were sent",
    "received": "texts come from it as others than it holds",
    "label": "labels come from it as others than it holds",
    "number": "floating-point numbers come from it as others than it holds",
    "exact": "floating-point numbers reach it as others than were sent",
    "moment": "times come from it as others than it holds",
    "zone": "its sessions are in another time zone than UTC",
    "clock": "its sessions' clock is not the server's",
    "charsets": "its sessions speak another character set than utf8mb4",
    "autocommit": "its sessions are in a transaction from the start",
    "unlimited": "its sessions cut long results",
    "counting": "its sessions begin with an AUTO_INCREMENT of their own (insert_id)",
    "place": "its sessions are in another database than was asked for",
}


def differing(found: Sequence[object], database: str) -> str:
    """Say in what a row of `mysql_proof` differs from what it has to be, empty if in nothing."""
    pairs = zip({**MYSQL_PROVEN, "place": database.lower()}.items(), found, strict=True)
    return next(
        (MEANT[name] for (name, value), got in pairs if got != value and (name, got) != OLD_MOMENT),
        "",
    )


POOLER = "a connection pooler answers there, which passes no settings on"
NOT_POOLED = "name the server itself, by its host and its own port"

# How a server shows what is written otherwise above.
SHOWN = {"DateStyle": "ISO, MDY"}


def _wanted(more: Mapping[str, str]) -> dict[str, str]:
    """Return what a PostgreSQL session's settings have to be; those of newer servers it has just set."""
    settings = {each.name: each.value for each in (SENTINEL, *POSTGRES) if not each.since}
    return {**settings, **SHOWN, **more, **POSTGRES_REQUIRED}


def postgres_proof(more: Mapping[str, str], values: Sequence[str] = ("$1", "$2", "$3")) -> str:
    """Return the query whose row `unlike` judges: TEXT, DOUBLE and MOMENT as they came, and the settings in their order."""
    text, double, moment = values
    names = ", ".join(f"'{name}'" for name in _wanted(more))
    return (
        f"SELECT current_setting('server_encoding'), encode(convert_to({text}, 'UTF8'), 'hex'),"
        f" encode(float8send({double}), 'hex'), encode(timestamp_send({moment}), 'hex'),"
        " convert_from('\\x" + TEXT.encode().hex() + "'::bytea, 'UTF8'),"
        f" {DOUBLE!r}::float8, '{MOMENT}'::timestamp, '\\',"
        f" (SELECT string_agg(coalesce(current_setting(name, true), ''), '|' ORDER BY at) FROM unnest(ARRAY[{names}])"
        f" WITH ORDINALITY AS wanted (name, at)), {_late()}"
    )


SINCE_2000 = int((MOMENT - datetime(2000, 1, 1)).total_seconds()) * 1_000_000 + MOMENT.microsecond  # noqa: DTZ001
POSTGRES_PROVEN: Sequence[tuple[object, str]] = (
    (TEXT.encode().hex(), MEANT["sent"]),
    (struct.pack(">d", DOUBLE).hex(), MEANT["exact"]),
    (struct.pack(">q", SINCE_2000).hex(), "times reach it as others than were sent"),
    (TEXT, MEANT["received"]),
    (DOUBLE, MEANT["number"]),
    (MOMENT, MEANT["moment"]),
    ("\\", "a backslash in a literal is lost"),
)


def unlike(found: Sequence[object], more: Mapping[str, str]) -> str:
    """Say in what a row of `postgres_proof` differs from what it has to be, empty if in nothing."""
    _, *values = found[: len(POSTGRES_PROVEN) + 1]
    wanted, has = _wanted(more), str(found[len(POSTGRES_PROVEN) + 1]).split("|")
    other = [
        (name, value)
        for (name, value), got in zip(wanted.items(), has, strict=True)
        if got != value
    ]
    if other and other[0][0] == SENTINEL.name:
        return POOLER
    if other:
        return f"{other[0][0]} is not {other[0][1] or 'empty'} there"
    return next(
        (
            means
            for (value, means), got in zip(POSTGRES_PROVEN, values, strict=True)
            if got != value
        ),
        "",
    )

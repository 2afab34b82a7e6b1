"""Whatever a source and a replica are set to, values arrive exactly, or the server is refused before anything is written."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import hostile
import private
import pymysql
import pytest
from hostile import Path, alone, asked, together
from oracle import ask

from deployments.server import Server
from transfer.drivers.mysql_sessions import MYSQL, WRITING
from transfer.errors import ChannelFault, PreflightError
from transfer.journey import preflight
from transfer.mysql import pool, reading, session

# What a stranger sets for all sessions: by SET GLOBAL, or, where a variable has no value for all, in init_connect.
SETTINGS = """
autocommit = 0
completion_type = CHAIN | RELEASE
time_zone = '-09:30'
timestamp = 86400
insert_id = 500
last_insert_id = 2
sql_select_limit = 1
max_join_size = 1
sql_big_selects = 0
sql_safe_updates = 1
sql_auto_is_null = 1
sql_quote_show_create = 0
sql_warnings = 1
sql_notes = 0
div_precision_increment = 0
group_concat_max_len = 4
max_sort_length = 64
max_error_count = 0
lc_time_names = 'de_DE'
lc_messages = 'de_DE'
default_week_format = 3
default_storage_engine = MEMORY
default_tmp_storage_engine = MyISAM
enforce_storage_engine = MyISAM
net_read_timeout = 1
net_write_timeout = 1
wait_timeout = 1
lock_wait_timeout = 1
innodb_lock_wait_timeout = 1
max_statement_time = 0.0001
max_execution_time = 1
idle_transaction_timeout = 1
idle_readonly_transaction_timeout = 1
idle_write_transaction_timeout = 1
unique_checks = 0
foreign_key_checks = 1
check_constraint_checks = 1
innodb_strict_mode = 0
explicit_defaults_for_timestamp = 0
sql_require_primary_key = 1
sql_generate_invisible_primary_key = 1
tx_isolation = 'READ-UNCOMMITTED' | 'SERIALIZABLE'
transaction_isolation = 'READ-UNCOMMITTED' | 'SERIALIZABLE'
tx_read_only = 1
transaction_read_only = 1
character_set_client = latin1
character_set_results = latin1 | NULL
character_set_connection = cp1251
character_set_server = ucs2
character_set_filesystem = ucs2 | latin1
collation_connection = utf8mb4_bin | latin1_german2_ci
character_set_collations = 'utf8mb4=utf8mb4_bin,latin1=latin1_bin'
default_collation_for_utf8mb4 = utf8mb4_general_ci
old_mode = '' | 'ZERO_DATE_TIME_CAST' | 'NO_NULL_COLLATION_IDS,COMPAT_5_1_CHECKSUM'
sql_if_exists = 1
alter_algorithm = 'INSTANT'
system_versioning_asof = '2001-01-01 00:00:00'
system_versioning_insert_history = 1
system_versioning_alter_history = KEEP
default_regex_flags = 'DOTALL'
query_cache_type = 1
use_secondary_engine = FORCED
information_schema_stats_expiry = 86400
show_gipk_in_create_table_and_information_schema = 0
show_create_table_verbosity = 1
show_create_table_skip_secondary_engine = 0
show_old_temporals = 1
default_table_encryption = 1
wsrep_dirty_reads = 1
innodb_snapshot_isolation = 1
big_tables = 1
sql_buffer_result = 1
low_priority_updates = 1
old_alter_table = 1
old = 1
eq_range_index_dive_limit = 1
max_length_for_sort_data = 8
tmp_table_size = 1024
session_track_system_variables = '*'
session_track_state_change = 1
windowing_use_high_precision = 0
sql_mode = 'ANSI' | 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES' | 'PIPES_AS_CONCAT' | 'PAD_CHAR_TO_FULL_LENGTH' | 'TRADITIONAL'
sql_mode = 'IGNORE_SPACE,HIGH_NOT_PRECEDENCE' | 'REAL_AS_FLOAT,NO_UNSIGNED_SUBTRACTION' | 'ONLY_FULL_GROUP_BY' | 'ORACLE'
sql_mode = 'EMPTY_STRING_IS_NULL' | 'TIME_ROUND_FRACTIONAL' | 'TIME_TRUNCATE_FRACTIONAL' | 'SIMULTANEOUS_ASSIGNMENT'
sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE' | 'NO_TABLE_OPTIONS,NO_FIELD_OPTIONS,NO_KEY_OPTIONS' | 'MSSQL'
init_connect = 'BEGIN' | 'SET autocommit = 0' | 'SET NAMES latin1' | 'SET CHARACTER SET cp1251' | 'SET @elt_bytes = 1000000000'
init_connect = 'SET SESSION TRANSACTION READ ONLY' | 'SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE' | 'USE information_schema'
"""

# What no plain account can change for itself, and what the preflight says of it.
REFUSED = {
    "enforce_storage_engine = MyISAM": "without transactions; set enforce_storage_engine=InnoDB there",
    "sql_require_primary_key = 1": "refuses tables without a primary key; set sql_require_primary_key=OFF there",
    "sql_generate_invisible_primary_key = 1": "start it with sql_generate_invisible_primary_key=OFF",
    "default_table_encryption = 1": "set default_table_encryption=OFF there",
    "wsrep_dirty_reads = 1": "set wsrep_dirty_reads=OFF there",
    "init_connect = 'USE information_schema'": "its sessions are in another database than was asked for",
}
# And what only a plain account of MySQL cannot, by the place where it matters.
OF_MYSQL = {
    "character_set_filesystem = ucs2": (("replica",), "set character_set_filesystem=binary there"),
    "insert_id = 500": (
        ("source", "replica"),
        "its sessions begin with an AUTO_INCREMENT of their own",
    ),
}

# By these codes a server says that it lacks the variable or the value.
LACKING = {1193, 1231, 1238, 1064, 1115, 1273, 1286, 1651, 1235}


# These are met alone: the server is refused, or may be.
ALONE = (*REFUSED, *OF_MYSQL)


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    mysqls = ["--loose-query-cache-type=1", "--loose-query-cache-size=1M"]
    arguments = {"source": mysqls, "replica": mysqls, "postgres": []}
    with (
        private.home("settings") as folder,
        private.started(folder, arguments) as servers,
        hostile.opened(servers) as path,
    ):
        yield path


@contextmanager
def both(path: Path, settings: Sequence[str]) -> Iterator[None]:
    """Variables set for all new sessions of both servers, those that they have."""
    servers, places = path.servers, path.places
    with (
        given(servers.source, places.source, settings) as one,
        given(servers.replica, places.replica, settings) as other,
    ):
        if not one and not other:
            pytest.skip(f"neither server can have {'; '.join(settings)}")
        yield


@contextmanager
def given(server: Server, place: Any, settings: Sequence[str]) -> Iterator[Sequence[str]]:
    """Variables set for all new sessions of a server; it tells the statements of those that the server can have."""
    undo = []
    try:
        for name, statement in (statements := _statements(server, place, settings)):
            undo.append((name, asked(place, f"SELECT @@global.{name}")))
            ask(place, statement)
        yield [statement for _, statement in statements]
    finally:
        for name, earlier in undo:
            put_back(place, name, earlier)


def put_back(place: Any, name: str, earlier: Any) -> None:
    """Give a variable the value for all sessions that it had before."""
    try:
        ask(place, f"SET GLOBAL {name} = %s", earlier)
    except pymysql.MySQLError:
        ask(place, f"SET GLOBAL {name} = DEFAULT")


def _statements(server: Server, place: Any, settings: Sequence[str]) -> list[tuple[str, str]]:
    """The variables that give all sessions what the server can have of these settings, each with its statement."""
    found, of_sessions = [], []
    with closing(server.connect()) as trying:
        for setting in settings:
            name, _, value = setting.partition(" = ")
            if name == "init_connect":
                of_sessions.append(value.strip("'"))
                continue
            for_all = bool(ask(place, f"SHOW GLOBAL VARIABLES LIKE '{name}'"))
            if _takes(
                trying,
                place,
                f"SET {'GLOBAL' if for_all else 'SESSION'} {setting}",
                name if for_all else "",
            ):
                if for_all:
                    found.append((name, f"SET GLOBAL {setting}"))
                else:
                    of_sessions.append(f"SET SESSION {setting}")
    if of_sessions:
        found.append(
            ("init_connect", f"SET GLOBAL init_connect = {place.escape('; '.join(of_sessions))}")
        )
    return found


def _takes(trying: Any, place: Any, statement: str, variable: str) -> bool:
    """Whether the server has the variable and the value; one that is for all sessions has its earlier value afterwards."""
    earlier = asked(place, f"SELECT @@global.{variable}") if variable else None
    try:
        ask(trying, statement)
    except pymysql.MySQLError as error:
        if error.args[0] not in LACKING:
            raise
        return False
    if variable:
        put_back(place, variable, earlier)
    return True


@pytest.mark.parametrize("settings", together(SETTINGS, ALONE), ids="; ".join)
def test_values_arrive_under_any_setting_or_it_is_named(settings, path):
    with both(path, settings):
        where, said = OF_MYSQL.get(settings[0], ((), ""))
        mysqls = [name for name in where if getattr(path.servers, name).product == "MySQL"]
        expected = said if mysqls else REFUSED.get(settings[0], "")
        if expected:
            standing = ask(path.places.replica, "SHOW TABLES")
            hostile.renew()
            with pytest.raises(PreflightError, match=expected):
                preflight.check(path.settings)
            assert ask(path.places.replica, "SHOW TABLES") == standing
        else:
            path.exact()
    hostile.renew()


# What somebody between us and the server may make of our session, and what is said of it.
ALTERED = {
    "SET NAMES latin1": "texts ",
    "SET character_set_results = latin1": "texts come from it as others than it holds",
    "SET character_set_connection = cp1251": "texts reach it as others than were sent",
    "SET time_zone = '+01:00'": "its sessions are in another time zone than UTC",
    "SET timestamp = 86400": "its sessions' clock is not the server's",
    "SET autocommit = 0": "its sessions are in a transaction from the start",
    "SET sql_select_limit = 10": "its sessions cut long results",
    "USE information_schema": "its sessions are in another database than was asked for",
}


@pytest.mark.parametrize("statement", ALTERED)
def test_both_drivers_prove_their_sessions(statement, path, monkeypatch):
    ours = session.statements
    monkeypatch.setattr(
        session, "statements", lambda *args, **how: (*ours(*args, **how), statement)
    )
    hostile.renew()
    source, limits = path.settings.source, path.settings.limits
    for attempt in (
        lambda: pool.connect(source, limits).__enter__(),
        lambda: reading.read(source, limits, "asking", "SELECT 1"),
    ):
        with pytest.raises(ChannelFault) as fault:
            attempt()
        assert ALTERED[statement] in str(fault.value)
        assert f"127.0.0.1:{source.port}" in str(fault.value)


def test_every_variable_that_is_set_is_one_that_a_stranger_sets_here():
    strangers = {case.partition(" = ")[0] for case in alone(SETTINGS)}
    assert {each.name for each in (*MYSQL, *WRITING)} <= strangers

"""Whether the three servers can be used as they are, found out in seconds and changing nothing."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic

from transfer.drivers.mysql_sessions import REQUIRED
from transfer.errors import DatabaseFault, PracticeUpgrading, PreflightError, SettingsError
from transfer.journey import compatibility
from transfer.journey.refusals import sentence_for
from transfer.mysql import pool
from transfer.mysql.connection import Connection
from transfer.mysql.definition import utf8mb3
from transfer.mysql.grants import beyond_reading, covers
from transfer.postgres import driver
from transfer.postgres.pool import connect
from transfer.settings import (
    Limits,
    MySQLServer,
    Server,
    Settings,
    Source,
    Warehouse,
)
from transfer.source.survey import version_of, why_excluded

log = logging.getLogger("elt.connection")

REPLICA_NEEDS = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"}
)


# Tables in a database that has no etl_replica: the pipeline would replace and drop them.
FOREIGN = (
    "SELECT IF(SUM(TABLE_NAME = 'etl_replica') > 0, 0, COUNT(*)) FROM information_schema.TABLES"
    " WHERE TABLE_SCHEMA = DATABASE()"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a server: why it cannot be used; the source's tables and how many of them
    use which collation; the collations that the replica knows, and whether it turns tables' names
    into lower case; tables with a name outside ASCII; and a `remark` for each run's summary.
    """

    sentence: str = ""
    tables: frozenset[str] = frozenset()
    used: Mapping[str, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    lowers: bool = False
    foreign: frozenset[str] = frozenset()
    remark: str = ""


def check(settings: Settings) -> tuple[str, ...]:
    """Look at all three servers at once, logging into each a single time; return what
    is worth a remark but no reason to stop.

    Raises:
        PreflightError: one or more cannot be used; a sentence for each, naming the setting and the
            mend.

    """
    with ThreadPoolExecutor(3) as pool:
        looks = (
            pool.submit(
                _reached, settings.source, lambda: _source(settings.source, settings.limits)
            ),
            pool.submit(_reached, settings.replica, lambda: _replica(settings)),
            pool.submit(_reached, settings.warehouse, lambda: Seen(_warehouse(settings.warehouse))),
        )
        source, replica, warehouse = (look.result() for look in looks)
    found = [seen.sentence for seen in (source, replica, warehouse) if seen.sentence]
    if not source.sentence and not replica.sentence:
        found += [
            compatibility.names(settings.replica, source.tables, lowers=replica.lowers),
            compatibility.collations(settings, source.used, replica.known),
        ]
        found += [
            compatibility.handshake(server, settings.limits, source.foreign)
            for server in (settings.source, settings.replica)
        ]
    if any(found):
        raise PreflightError(*filter(None, found))
    return tuple(filter(None, (source.remark,)))


def reach(warehouse: Warehouse) -> None:
    """Log into the warehouse, for what reads nothing else.

    Raises:
        PreflightError: it cannot be reached; the sentence names the setting and the mend.

    """

    def look() -> Seen:
        with connect(warehouse):
            return Seen()

    if sentence := _reached(warehouse, look).sentence:
        raise PreflightError(sentence)


def _reached(server: Server, look: Callable[[], Seen]) -> Seen:
    started = monotonic()
    try:
        seen = look()
    except DatabaseFault as fault:
        return Seen(sentence_for(server, fault))
    except (PracticeUpgrading, SettingsError) as refused:
        return Seen(str(refused))
    seconds = monotonic() - started
    log.info(
        "%s %s@%s:%s answers in %.3f s",
        server.place,
        server.user,
        server.host,
        server.port,
        seconds,
    )
    return seen


def _source(source: Source, limits: Limits) -> Seen:
    with pool.connect(source, limits) as connection:
        granted = [row[0] for row in connection.rows("asking for its grants", "SHOW GRANTS")]
        visible = connection.rows("listing its tables", _VISIBLE)[0][0]
        partly = (
            []
            if "SELECT" in privileges(granted, source.db)
            else connection.rows("listing its columns", _PARTLY)
        )
        collations = connection.rows("listing its collations", _USED)
        set_to = _set_to(connection)
        version_of(connection)
    if not visible:
        return Seen(
            f"SOURCE_MYSQL_DB: {source.user} sees no table in {source.db}; grant it SELECT"
            " (deployments/grants/source.sql)."
        )
    if partly:
        return Seen(
            f"SOURCE_MYSQL_USER: {source.user} may not read all columns of {partly[0][0]} in"
            f" {source.db};"
            " grant it SELECT (deployments/grants/source.sql)."
        )
    tables = {
        name
        for name, kind, *_ in collations
        if kind and not why_excluded(name, kind, limits.exclude)
    }
    pairs = {(table, name) for table, _, name, _ in collations if name and table in tables}
    foreign = {
        table
        for table, *_, strange in collations
        if table in tables and (strange or not table.isascii())
    }
    return Seen(
        _unsuitable(source, set_to, granted),
        tables=frozenset(tables),
        used=Counter(name for _, name in pairs),
        foreign=frozenset(foreign),
        remark="" if limits.allow_writer else _writer(source, beyond_reading(granted, source.db)),
    )


def _writer(source: Source, more: Sequence[str]) -> str:
    if not more:
        return ""
    told = ", ".join(more[:PRIVILEGES_TOLD]) + f" and {len(more) - PRIVILEGES_TOLD} more" * (
        len(more) > PRIVILEGES_TOLD
    )
    return (
        f"SOURCE_MYSQL_USER: {source.user} may do more at the clinic's server than read ({told});"
        " grant it SELECT only"
        " (deployments/grants/source.sql), or set ELT_ALLOW_WRITER=true if that is meant."
    )


PRIVILEGES_TOLD = 6


# The tables' own, and those of their columns, with whether a column's name has more than ASCII; a
# union of both, as a join would open every table for each of its columns.
_USED = """
SELECT TABLE_NAME, TABLE_TYPE, TABLE_COLLATION, 0
FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
UNION ALL SELECT DISTINCT TABLE_NAME, '', COLLATION_NAME,
    LENGTH(COLUMN_NAME) > CHAR_LENGTH(COLUMN_NAME)
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
"""


_VISIBLE = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"

# Columns that a user may not read are hidden from him.
_PARTLY = """
SELECT TABLE_NAME FROM information_schema.COLUMN_PRIVILEGES WHERE TABLE_SCHEMA = DATABASE()
UNION SELECT TABLE_NAME FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT IN (
    SELECT TABLE_NAME FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND PRIVILEGES LIKE '%select%'
)
ORDER BY 1
"""


def _replica(settings: Settings) -> Seen:
    replica = settings.replica
    if (replica.host, replica.port, replica.db) == (
        settings.source.host,
        settings.source.port,
        settings.source.db,
    ):
        return Seen(
            "REPLICATION_MYSQL_DB names the source's own database; the replica must be another one,"
            " it is written."
        )
    with pool.connect(replica, settings.limits) as connection:
        set_to = _set_to(connection)
        foreign = connection.rows("listing its tables", FOREIGN)[0][0]
        granted = [row[0] for row in connection.rows("asking for its grants", "SHOW GRANTS")]
        collations = connection.rows("listing its collations", _KNOWN)
    unsuitable = _unsuitable(replica, set_to, granted)
    if unsuitable:
        return Seen(unsuitable)
    if foreign:
        return Seen(
            f"REPLICATION_MYSQL_DB: {replica.db} holds {foreign} tables but not the pipeline's"
            " etl_replica, so they are somebody"
            " else's; give the replica a database of its own."
        )
    lacking = REPLICA_NEEDS - privileges(granted, replica.db)
    if lacking:
        return Seen(
            f"REPLICATION_MYSQL_USER: {replica.user} lacks {', '.join(sorted(lacking))} on"
            f" {replica.db};"
            " see deployments/grants/replica.sql."
        )
    known = frozenset(utf8mb3(str(name)) for row in collations for name in (row[0], *row[2:3]))
    return Seen(known=known, lowers=set_to["lower_case_table_names"] != "0")


def _set_to(connection: Connection) -> dict[str, str]:
    names = ", ".join(
        f"'{name}'" for name in ("lower_case_table_names", *(name for name, *_ in REQUIRED))
    )
    asking = f"SHOW VARIABLES WHERE Variable_name IN ({names})"
    return dict(connection.rows("asking for its settings", asking))


MAY_WRITE_ANYWAY = re.compile(
    r"GRANT .*(ALL PRIVILEGES|SUPER|READ[ _]ONLY[ _]ADMIN|CONNECTION_ADMIN)\b.* ON \*\.\* TO "
)


def _unsuitable(server: MySQLServer, set_to: Mapping[str, str], granted: Sequence[str]) -> str:
    """Say which setting that a plain account cannot change for itself is in the way."""
    for name, good, places, means in REQUIRED:
        waived = name == "read_only" and any(map(MAY_WRITE_ANYWAY.match, granted))
        if server.place in places and name in set_to and set_to[name] not in good and not waived:
            return f"{server.prefix}HOST: the server at {server.host}:{server.port} {means}."
    return ""


# From 10.10 on MariaDB lists some by a name that they share, and only in a third column by that of
# each.
_KNOWN = "SELECT * FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"


def privileges(grants: list[str], database: str) -> frozenset[str]:
    """Return the privileges that SHOW GRANTS gives on a database."""
    found: dict[str, set[str]] = {
        "GRANT": set(),
        "REVOKE": set(),
    }  # newer MySQLs take single databases out of a global grant
    for grant in grants:
        parts = re.match(r"(GRANT|REVOKE) (.*?) ON (\*|`.*?`)\.\* (?:TO|FROM) ", grant)
        if parts and (parts[3] == "*" or covers(parts[3].strip("`"), database)):
            found[parts[1]] |= (
                REPLICA_NEEDS if "ALL PRIVILEGES" in parts[2] else set(parts[2].split(", "))
            )
    return frozenset(found["GRANT"] - found["REVOKE"])


OLDEST = 15  # the oldest on which the whole is tested


def _warehouse(warehouse: Warehouse) -> str:
    sentence = _lacks(warehouse)
    if not sentence and warehouse.adbc_driver:
        with connect(warehouse) as connection:
            driver.prove(connection)
    return sentence


def _lacks(warehouse: Warehouse) -> str:
    """Say what the warehouse lacks: a version, a right, a schema of its own."""
    schemas = (warehouse.raw_schema, warehouse.base_schema)
    with connect(warehouse) as connection:
        found = connection.rows(
            "asking for its privileges",
            "SELECT name, CASE WHEN to_regnamespace(quote_ident(name)) IS NULL"
            " THEN has_database_privilege(current_database(), 'CREATE')"
            " ELSE has_schema_privilege(name, 'CREATE') END FROM unnest(string_to_array($1,"
            " chr(1))) AS name",
            ("\x01".join(schemas),),
        )
        ((version, standby, only_read),) = connection.rows(
            "asking for its version",
            "SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(),"
            " current_setting('transaction_read_only')",
        )
        ((holds_base_tables,),) = connection.rows(
            "looking for the status tables",
            "SELECT to_regclass(format('%I.etl_transform_status', $1)) IS NOT NULL",
            (warehouse.raw_schema,),
        )
        models = connection.rows(
            "asking for its privileges",
            "SELECT has_database_privilege(current_database(), 'CREATE')",
        )[0][0]
    where = f"the server at {warehouse.host}:{warehouse.port}"
    if version < OLDEST:
        return (
            f"ANALYTICS_POSTGRES_HOST: {where} is PostgreSQL {version}; take one of version"
            f" {OLDEST} or newer."
        )
    if standby or only_read == "on":
        return (
            f"ANALYTICS_POSTGRES_HOST: {where} is only for reading; name the server that it"
            " follows."
        )
    if holds_base_tables:
        return (
            f"ANALYTICS_POSTGRES_SCHEMA: {warehouse.raw_schema} holds the base tables and the"
            " bookkeeping, and this setting names the"
            " schema of the landing tables; say ANALYTICS_POSTGRES_SCHEMA=raw and"
            f" ANALYTICS_POSTGRES_BASE_SCHEMA={warehouse.raw_schema}."
        )
    lacking = [name for name, may in found if not may]
    if lacking or not models:
        what = f"create tables in the schema {lacking[0]}" if lacking else "create schemas"
        return (
            f"ANALYTICS_POSTGRES_USER: {warehouse.user} may not {what} in the database"
            f" {warehouse.db};"
            " see deployments/grants/postgres.sql."
        )
    return ""

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
from transfer.errors import ChannelFault, DatabaseFault, PracticeUpgrading, PreflightError
from transfer.mysql import pool, reading
from transfer.mysql.connection import Connection
from transfer.mysql.definition import utf8mb3
from transfer.mysql.grants import beyond_reading, covers
from transfer.postgres import client as postgres
from transfer.settings import (
    Limits,
    MySQLServer,
    Replica,
    Server,
    Settings,
    Source,
    Warehouse,
    charset_of,
)
from transfer.source.survey import version_of, why_excluded

log = logging.getLogger("elt.connection")

REPLICA_NEEDS = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"}
)


# Tables in a database that has no etl_replica: the pipeline would replace and drop them.
FOREIGN = "SELECT IF(SUM(TABLE_NAME = 'etl_replica') > 0, 0, COUNT(*)) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a server: why it cannot be used; the source's tables and how many of them use which collation; the
    collations that the replica knows, and whether it turns tables' names into lower case; tables with a name outside ASCII;
    and a `remark` for each run's summary.
    """

    sentence: str = ""
    tables: frozenset[str] = frozenset()
    used: Mapping[str, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    lowers: bool = False
    foreign: frozenset[str] = frozenset()
    remark: str = ""


def check(settings: Settings) -> tuple[str, ...]:
    """Look at all three servers at once, logging into each a single time; return what is no reason to stop but to be told.

    Raises:
        PreflightError: one or more cannot be used; a sentence for each, naming the setting and the mend.

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
            _names(settings.replica, source, replica),
            _collations(settings, source.used, replica.known),
        ]
        found += [
            _handshake(server, settings.limits, source.foreign)
            for server in (settings.source, settings.replica)
        ]
    if any(found):
        raise PreflightError(*filter(None, found))
    return tuple(filter(None, (source.remark,)))


def _reached(server: Server, look: Callable[[], Seen]) -> Seen:
    started = monotonic()
    try:
        seen = look()
    except DatabaseFault as fault:
        return Seen(_sentence(server, fault))
    except PracticeUpgrading as upgrading:
        return Seen(str(upgrading))
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


def _sentence(server: Server, fault: DatabaseFault) -> str:
    if isinstance(fault, ChannelFault):
        return f"{server.prefix}{fault.setting}: {fault.differs}; {fault.mend}."
    sentence = next((words for codes, words in SENTENCES if fault.code in codes), "")
    where = f"{server.host}:{server.port}"
    return sentence.format(name=server.prefix, where=where, user=server.user, db=server.db) or str(
        fault
    )


# What is said of a login that fails, by the server's code.
SENTENCES = (
    (
        ("1045", "28P01", "1698", "28000"),
        "{name}USER or {name}PASSWORD is wrong: the server at {where} refuses the login of {user}.",
    ),
    (
        ("1044", "1049", "3D000", "42501"),
        "{name}DB: {user} cannot use a database {db} at {where}; name the right one, or create it and grant the rights in deployments/grants/.",
    ),
    (
        ("1251", "1275", "2059"),
        (
            "{name}USER: the server at {where} wants the password of {user} in the clear, in the form before MySQL 4.1 or by a"
            " plugin that the pipeline does not have; give the account mysql_native_password or caching_sha2_password, and set"
            " its password anew."
        ),
    ),
    (
        ("TLS 1.1",),
        (
            "{name}TLS: the server at {where} has no TLS newer than 1.1, as MySQL before 5.6.46 and 5.7.28, which counts for none;"
            " update it, lead the connection through a tunnel, or set {name}TLS=off to send patients' data in the clear."
        ),
    ),
    (
        ("FILE",),
        (
            "{name}HOST: the server at {where} asked for a file of this machine, as only a server does that somebody took over;"
            " it was sent nothing. Find out who answers there before the next run."
        ),
    ),
    (
        ("2026", "TLS"),
        (
            "{name}TLS: no verified TLS connection to {where}; set {name}TLS_CA to the file of its certificate authority,"
            " or {name}TLS=off to send patients' data in the clear."
        ),
    ),
    (
        ("3159", "PLAIN"),
        (
            "{name}TLS: the server at {where} takes encrypted connections only; set {name}TLS=verify, and {name}TLS_CA to the"
            " file of its certificate authority."
        ),
    ),
    (
        ("2003", "2005", "2006", "2013", "08001", ""),
        "{name}HOST or {name}PORT: no database answers at {where}; is the server up, the address right, the way open?",
    ),
)


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
            f"SOURCE_MYSQL_DB: {source.user} sees no table in {source.db}; grant it SELECT (deployments/grants/source.sql)."
        )
    if partly:
        return Seen(
            f"SOURCE_MYSQL_USER: {source.user} may not read all columns of {partly[0][0]} in {source.db};"
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
        f"SOURCE_MYSQL_USER: {source.user} may do more at the clinic's server than read ({told}); leave it SELECT alone"
        " (deployments/grants/source.sql), or set ELT_ALLOW_WRITER=true if that is meant."
    )


PRIVILEGES_TOLD = 6


# The tables' own, and those of their columns, with whether a column's name has more than ASCII; a union of both, as a join would open every table for each of its columns.
_USED = """
SELECT TABLE_NAME, TABLE_TYPE, TABLE_COLLATION, 0 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
UNION ALL SELECT DISTINCT TABLE_NAME, '', COLLATION_NAME, LENGTH(COLUMN_NAME) > CHAR_LENGTH(COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
"""


_VISIBLE = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"

# Columns that a user may not read are hidden from him.
_PARTLY = """
SELECT TABLE_NAME FROM information_schema.COLUMN_PRIVILEGES WHERE TABLE_SCHEMA = DATABASE()
UNION SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT IN
(SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND PRIVILEGES LIKE '%select%')
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
            "REPLICATION_MYSQL_DB names the source's own database; the replica must be another one, it is written."
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
            f"REPLICATION_MYSQL_DB: {replica.db} holds {foreign} tables but not the pipeline's etl_replica, so they are somebody"
            " else's; give the replica a database of its own."
        )
    lacking = REPLICA_NEEDS - privileges(granted, replica.db)
    if lacking:
        return Seen(
            f"REPLICATION_MYSQL_USER: {replica.user} lacks {', '.join(sorted(lacking))} on {replica.db};"
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


# From 10.10 on MariaDB lists some by a name that they share, and only in a third column by that of each.
_KNOWN = "SELECT * FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"


def _handshake(server: MySQLServer, limits: Limits, foreign: frozenset[str]) -> str:
    """Say so if the server does not understand names outside ASCII before the session is ours: the driver names them by then."""
    if not foreign or reading.honours_client_charset(server, limits):
        return ""
    return (
        f"{server.prefix}HOST: the server at {server.host}:{server.port} runs with skip-character-set-client-handshake, so that no"
        f" driver reads names outside ASCII, which {len(foreign)} tables have, {min(foreign)} the first; start it without that"
        " option, or leave the tables out by ELT_EXCLUDE."
    )


def _names(replica: Replica, source: Seen, seen: Seen) -> str:
    changed = sorted(name for name in source.tables if name != name.lower()) if seen.lowers else []
    if not changed:
        return ""
    return (
        f"REPLICATION_MYSQL_HOST: the server at {replica.host}:{replica.port} turns names of tables into lower case, which would"
        f" change {len(changed)} of the source's, {changed[0]} the first; take a server with lower_case_table_names=0."
    )


def _collations(settings: Settings, used: Mapping[str, int], known: frozenset[str]) -> str:
    mapped = dict(settings.limits.collations)
    strange = [name for name in mapped.values() if utf8mb3(name) not in known]
    if strange:
        return f"ELT_COLLATIONS: the replica's server does not know {strange[0]}."
    unknown = sorted(name for name in used if utf8mb3(mapped.get(name, name)) not in known)
    if not unknown:
        return ""
    tables = ", ".join(f"{name} ({used[name]} table{'s' * (used[name] > 1)})" for name in unknown)
    stand_ins = {name: other for name in unknown if (other := _stand_in(name, known))}
    pairs = ",".join(f"{name}={other}" for name, other in (mapped | stand_ins).items())
    mapping = f", or let others stand for them, say ELT_COLLATIONS={pairs}" if stand_ins else ""
    return (
        f"REPLICATION_MYSQL_HOST: the server at {settings.replica.host}:{settings.replica.port} does not know these collations"
        f" of the source: {tables}; take a server that knows them, leave the tables out by ELT_EXCLUDE{mapping}."
    )


def _stand_in(name: str, known: frozenset[str]) -> str:
    """Propose a collation of the same character set, empty if the server knows none."""
    proposed = (f"{charset_of(name)}_{kind}" for kind in ("unicode_520_ci", "general_ci", "bin"))
    return next((other for other in proposed if other in known), "")


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
    schemas = (warehouse.raw_schema, warehouse.base_schema)
    with postgres.connect(warehouse) as connection:
        found = connection.rows(
            "asking for its privileges",
            "SELECT name, CASE WHEN to_regnamespace(quote_ident(name)) IS NULL"
            " THEN has_database_privilege(current_database(), 'CREATE')"
            " ELSE has_schema_privilege(name, 'CREATE') END FROM unnest(string_to_array($1, chr(1))) AS name",
            ("\x01".join(schemas),),
        )
        ((version, standby, only_read),) = connection.rows(
            "asking for its version",
            "SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(), current_setting('transaction_read_only')",
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
        return f"ANALYTICS_POSTGRES_HOST: {where} is PostgreSQL {version}; take one of version {OLDEST} or newer."
    if standby or only_read == "on":
        return f"ANALYTICS_POSTGRES_HOST: {where} is only for reading; name the server that it follows."
    if holds_base_tables:
        return (
            f"ANALYTICS_POSTGRES_SCHEMA: {warehouse.raw_schema} holds the base tables and the bookkeeping, and this setting names the"
            f" schema of the landing tables; say ANALYTICS_POSTGRES_SCHEMA=raw and ANALYTICS_POSTGRES_BASE_SCHEMA={warehouse.raw_schema}."
        )
    lacking = [name for name, may in found if not may]
    if lacking or not models:
        what = f"create tables in the schema {lacking[0]}" if lacking else "create schemas"
        return (
            f"ANALYTICS_POSTGRES_USER: {warehouse.user} may not {what} in the database {warehouse.db};"
            " see deployments/grants/postgres.sql."
        )
    return ""

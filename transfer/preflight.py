"""Whether the three servers can be used as they are, found out in seconds and changing nothing."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic

from transfer import mysql, postgres
from transfer.definition import utf8mb3
from transfer.errors import DatabaseFault, PracticeUpgrading, PreflightError
from transfer.settings import Limits, Replica, Server, Settings, Source, Warehouse, charset_of
from transfer.source import version_of, why_excluded

log = logging.getLogger("elt.connection")

REPLICA_NEEDS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"})


# Tables in a database that has no etl_replica: the pipeline would replace and drop them.
FOREIGN = "SELECT IF(SUM(TABLE_NAME = 'etl_replica') > 0, 0, COUNT(*)) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a server: why it cannot be used; the source's tables and how many of them use which collation; the
    collations that the replica knows, and whether it turns tables' names into lower case.
    """

    sentence: str = ""
    tables: frozenset[str] = frozenset()
    used: Mapping[str, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    lowers: bool = False


def check(settings: Settings) -> None:
    """Look at all three servers at once, logging into each a single time.

    Raises:
        PreflightError: one or more cannot be used; a sentence for each, naming the setting and the mend.

    """
    with ThreadPoolExecutor(3) as pool:
        looks = (
            pool.submit(_reached, settings.source, lambda: _source(settings.source, settings.limits)),
            pool.submit(_reached, settings.replica, lambda: _replica(settings)),
            pool.submit(_reached, settings.warehouse, lambda: Seen(_warehouse(settings.warehouse))),
        )
        source, replica, warehouse = (look.result() for look in looks)
    found = [seen.sentence for seen in (source, replica, warehouse) if seen.sentence]
    if not source.sentence and not replica.sentence:
        found += [_names(settings.replica, source, replica), _collations(settings, source.used, replica.known)]
    if any(found):
        raise PreflightError("\n".join(filter(None, found)))


def _reached(server: Server, look: Callable[[], Seen]) -> Seen:
    started = monotonic()
    try:
        seen = look()
    except DatabaseFault as fault:
        return Seen(_sentence(server, fault))
    except PracticeUpgrading as upgrading:
        return Seen(str(upgrading))
    seconds = monotonic() - started
    log.info("%s %s@%s:%s answers in %.3f s", server.place, server.user, server.host, server.port, seconds)
    return seen


def _sentence(server: Server, fault: DatabaseFault) -> str:
    name, where = server.prefix, f"{server.host}:{server.port}"
    match fault.code:
        case "1045" | "28P01" | "1698" | "28000":
            return f"{name}USER or {name}PASSWORD is wrong: the server at {where} refuses the login of {server.user}."
        case "1044" | "1049" | "3D000" | "42501":
            return (
                f"{name}DB: {server.user} cannot use a database {server.db} at {where};"
                f" create it and grant the rights in deployments/grants/."
            )
        case "2026" | "TLS":
            return (
                f"{name}TLS: no verified TLS connection to {where}; set {name}TLS_CA to the file of its certificate authority,"
                f" or {name}TLS=off to send patients' data in the clear."
            )
        case "2003" | "2005" | "2006" | "2013" | "08001" | "":
            return f"{name}HOST or {name}PORT: no database answers at {where}; is the server up, the address right, the way open?"
    return _of_an_old_server(server, fault)


def _of_an_old_server(server: Server, fault: DatabaseFault) -> str:
    name, where = server.prefix, f"{server.host}:{server.port}"
    match fault.code:
        case "1251" | "1275" | "2059":
            return (
                f"{name}USER: the server at {where} wants the password of {server.user} in the clear, in the form before MySQL 4.1"
                " or by a plugin that the pipeline does not have; give the account mysql_native_password or"
                " caching_sha2_password, and set its password anew."
            )
        case "TLS 1.1":
            return (
                f"{name}TLS: the server at {where} has no TLS newer than 1.1, as MySQL before 5.6.46 and 5.7.28, which counts for"
                f" none; update it, lead the connection through a tunnel, or set {name}TLS=off to send patients' data in the clear."
            )
    return str(fault)


def _source(source: Source, limits: Limits) -> Seen:
    with mysql.connect(source, limits) as connection:
        granted = [row[0] for row in mysql.rows(connection, "source", "asking for its grants", "SHOW GRANTS")]
        visible = mysql.rows(connection, "source", "listing its tables", _VISIBLE)[0][0]
        partly = (
            []
            if "SELECT" in privileges(granted, source.db)
            else mysql.rows(connection, "source", "listing its columns", _PARTLY)
        )
        collations = mysql.rows(connection, "source", "listing its collations", _USED)
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
    tables = {name for name, kind, _ in collations if kind and not why_excluded(name, kind, limits.exclude)}
    pairs = {(table, name) for table, _, name in collations if name and table in tables}
    return Seen(tables=frozenset(tables), used=Counter(name for _, name in pairs))


# The tables' own, and those of their columns; a union of both, as a join would open every table for each of its columns.
_USED = """
SELECT TABLE_NAME, TABLE_TYPE, TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
UNION ALL SELECT DISTINCT TABLE_NAME, '', COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
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
    if (replica.host, replica.port, replica.db) == (settings.source.host, settings.source.port, settings.source.db):
        return Seen(
            "REPLICATION_MYSQL_DB names the source's own database; the replica must be another one, it is written."
        )
    with mysql.connect(replica, settings.limits) as connection:
        set_to: dict[str, str] = dict(mysql.rows(connection, "replica", "asking for its settings", _SETTINGS))
        foreign = mysql.rows(connection, "replica", "listing its tables", FOREIGN)[0][0]
        granted = [row[0] for row in mysql.rows(connection, "replica", "asking for its grants", "SHOW GRANTS")]
        collations = mysql.rows(connection, "replica", "listing its collations", _KNOWN)
    if set_to["local_infile"] != "ON":
        return Seen(
            f"REPLICATION_MYSQL_HOST: the server at {replica.host}:{replica.port} has local_infile switched off;"
            " start it with local_infile=ON (SET GLOBAL local_infile=1 until its next start)."
        )
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
    if set_to.get("sql_generate_invisible_primary_key") == "ON":
        return Seen(
            f"REPLICATION_MYSQL_HOST: the server at {replica.host}:{replica.port} would add a column to every table without a"
            " primary key; start it with sql_generate_invisible_primary_key=OFF."
        )
    known = frozenset(utf8mb3(str(name)) for row in collations for name in (row[0], *row[2:3]))
    return Seen(known=known, lowers=set_to["lower_case_table_names"] != "0")


_SETTINGS = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN"
    " ('local_infile', 'lower_case_table_names', 'sql_generate_invisible_primary_key')"
)

# From 10.10 on MariaDB lists some by a name that they share, and only in a third column by that of each.
_KNOWN = "SELECT * FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"


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
    found: set[str] = set()
    for grant in grants:
        parts = re.match(r"GRANT (.*?) ON (\*|`.*?`)\.\* TO ", grant)
        if parts and (parts[2] == "*" or _covers(parts[2].strip("`"), database)):
            found |= REPLICA_NEEDS if "ALL PRIVILEGES" in parts[1] else set(parts[1].split(", "))
    return frozenset(found)


def _covers(pattern: str, database: str) -> bool:
    """Match a grant's database name, in which _ and % are wildcards unless escaped."""
    wild = {"\\_": "_", "\\%": "%", "_": ".", "%": ".*"}
    expression = "".join(wild.get(part, re.escape(part)) for part in re.findall(r"\\[_%]|.", pattern))
    return re.fullmatch(expression, database, re.IGNORECASE) is not None


def _warehouse(warehouse: Warehouse) -> str:
    schemas = ("raw", warehouse.schema_name)
    with postgres.connect(warehouse) as connection:
        found = connection.rows(
            "asking for its privileges",
            "SELECT name, CASE WHEN to_regnamespace(name) IS NULL THEN has_database_privilege(current_database(), 'CREATE')"
            " ELSE has_schema_privilege(name, 'CREATE') END FROM unnest(string_to_array($1, ',')) AS name",
            (",".join(schemas),),
        )
        models = connection.rows(
            "asking for its privileges", "SELECT has_database_privilege(current_database(), 'CREATE')"
        )[0][0]
    lacking = [name for name, may in found if not may]
    if lacking or not models:
        what = f"create tables in the schema {lacking[0]}" if lacking else "create schemas"
        return (
            f"ANALYTICS_POSTGRES_USER: {warehouse.user} may not {what} in the database {warehouse.db};"
            " see deployments/grants/postgres.sql."
        )
    return ""

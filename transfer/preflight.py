"""Whether the three servers can be used as they are, found out in seconds and changing nothing."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from transfer import mysql, postgres
from transfer.errors import DatabaseFault, PreflightError
from transfer.settings import Limits, Server, Settings, Source, Warehouse

log = logging.getLogger("elt.connection")

REPLICA_NEEDS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"})


# Tables in a database that has no etl_replica: the pipeline would replace and drop them.
FOREIGN = "SELECT IF(SUM(TABLE_NAME = 'etl_replica') > 0, 0, COUNT(*)) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"


def check(settings: Settings) -> None:
    """Look at all three servers at once.

    Raises:
        PreflightError: one or more cannot be used; a sentence for each, naming the setting and the mend.

    """
    checks: tuple[Callable[[], str], ...] = (
        lambda: _reached(settings.source, lambda: _source(settings.source, settings.limits)),
        lambda: _reached(settings.replica, lambda: _replica(settings)),
        lambda: _reached(settings.warehouse, lambda: _warehouse(settings.warehouse)),
    )
    with ThreadPoolExecutor(len(checks)) as pool:
        found = [sentence for sentence in pool.map(lambda each: each(), checks) if sentence]
    if found:
        raise PreflightError("\n".join(found))


def _reached(server: Server, look: Callable[[], str]) -> str:
    started = monotonic()
    try:
        sentence = look()
    except DatabaseFault as fault:
        return _sentence(server, fault)
    seconds = monotonic() - started
    log.info("%s %s@%s:%s answers in %.3f s", server.place, server.user, server.host, server.port, seconds)
    return sentence


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
    return str(fault)


def _source(source: Source, limits: Limits) -> str:
    with mysql.connect(source, limits) as connection:
        granted = [row[0] for row in mysql.rows(connection, "source", "asking for its grants", "SHOW GRANTS")]
        visible = mysql.rows(connection, "source", "listing its tables", _VISIBLE)[0][0]
        partly = (
            []
            if "SELECT" in privileges(granted, source.db)
            else mysql.rows(connection, "source", "listing its columns", _PARTLY)
        )
    if not visible:
        return f"SOURCE_MYSQL_DB: {source.user} sees no table in {source.db}; grant it SELECT (deployments/grants/source.sql)."
    if partly:
        return (
            f"SOURCE_MYSQL_USER: {source.user} may not read all columns of {partly[0][0]} in {source.db};"
            " grant it SELECT (deployments/grants/source.sql)."
        )
    return ""


_VISIBLE = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"

# Columns that a user may not read are hidden from him.
_PARTLY = """
SELECT TABLE_NAME FROM information_schema.COLUMN_PRIVILEGES WHERE TABLE_SCHEMA = DATABASE()
UNION SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT IN
(SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND PRIVILEGES LIKE '%select%')
ORDER BY 1
"""


def _replica(settings: Settings) -> str:
    replica = settings.replica
    if (replica.host, replica.port, replica.db) == (settings.source.host, settings.source.port, settings.source.db):
        return "REPLICATION_MYSQL_DB names the source's own database; the replica must be another one, it is written."
    with mysql.connect(replica, settings.limits) as connection:
        statement = "SELECT @@GLOBAL.local_infile"
        local_infile = mysql.rows(connection, "replica", "asking for local_infile", statement)[0][0]
        foreign = mysql.rows(connection, "replica", "listing its tables", FOREIGN)[0][0]
        granted = [row[0] for row in mysql.rows(connection, "replica", "asking for its grants", "SHOW GRANTS")]
    if not local_infile:
        return (
            f"REPLICATION_MYSQL_HOST: the server at {replica.host}:{replica.port} has local_infile switched off;"
            " start it with local_infile=ON (SET GLOBAL local_infile=1 until its next start)."
        )
    if foreign:
        return (
            f"REPLICATION_MYSQL_DB: {replica.db} holds {foreign} tables but not the pipeline's etl_replica, so they are somebody"
            " else's; give the replica a database of its own."
        )
    lacking = REPLICA_NEEDS - privileges(granted, replica.db)
    if lacking:
        return (
            f"REPLICATION_MYSQL_USER: {replica.user} lacks {', '.join(sorted(lacking))} on {replica.db};"
            " see deployments/grants/replica.sql."
        )
    return ""


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

"""Whether source and replica can be used as they are: each precondition with what was measured."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from transfer.drivers.mysql_sessions import REQUIRED
from transfer.mysql import pool
from transfer.mysql.connection import Connection
from transfer.mysql.definition import utf8mb3
from transfer.mysql.grants import beyond_reading, covers
from transfer.settings import Limits, MySQLServer, Settings, Source
from transfer.source.survey import version_of, why_excluded
from transfer.values.checked import Checked

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
    """What was seen of a server: its preconditions; the source's tables and how many of them
    use which collation; the collations that the replica knows, and whether it turns tables' names
    into lower case; tables with a name outside ASCII.
    """

    checks: tuple[Checked, ...] = ()
    tables: frozenset[str] = frozenset()
    used: Mapping[str, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    lowers: bool = False
    foreign: frozenset[str] = frozenset()

    @property
    def sentence(self) -> str:
        """Why it cannot be used, the first reason; empty if it can."""
        return next((each.sentence for each in self.checks if each.stops and each.sentence), "")


def source(source: Source, limits: Limits) -> Seen:
    """Look at the source: what its account sees and may do, and how its server is set."""
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
        version = version_of(connection)
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
        (
            *_of_its_account(source, visible, partly),
            *_suitable(source, set_to, granted),
            _only_reads(source, limits, beyond_reading(granted, source.db)),
            Checked(source.place, "OpenDental", version or "not its database"),
        ),
        tables=frozenset(tables),
        used=Counter(name for _, name in pairs),
        foreign=frozenset(foreign),
    )


def _of_its_account(
    source: Source, visible: int, partly: Sequence[Sequence[object]]
) -> tuple[Checked, ...]:
    blind = (
        f"SOURCE_MYSQL_DB: {source.user} sees no table in {source.db}; grant it SELECT"
        " (deployments/grants/source.sql)."
    )
    hidden = (
        f"SOURCE_MYSQL_USER: {source.user} may not read all columns of {partly[0][0]} in"
        f" {source.db};"
        " grant it SELECT (deployments/grants/source.sql)."
        if partly
        else ""
    )
    return (
        Checked(source.place, "tables", f"{visible} visible", "" if visible else blind),
        Checked(source.place, "right to read", f"{len(partly)} tables partly hidden", hidden),
    )


def _only_reads(source: Source, limits: Limits, more: Sequence[str]) -> Checked:
    measured = "SELECT only" if not more else f"may do more: {_told(more)}"
    if not more or limits.allow_writer:
        return Checked(source.place, "no right to write", measured)
    sentence = (
        f"SOURCE_MYSQL_USER: {source.user} may do more at the clinic's server than read"
        f" ({_told(more)});"
        " grant it SELECT only"
        " (deployments/grants/source.sql), or set ELT_ALLOW_WRITER=true if that is meant."
    )
    return Checked(source.place, "no right to write", measured, sentence, stops=False)


def _told(privileges: Sequence[str]) -> str:
    return ", ".join(privileges[:PRIVILEGES_TOLD]) + (
        f" and {len(privileges) - PRIVILEGES_TOLD} more"
        if len(privileges) > PRIVILEGES_TOLD
        else ""
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


def replica(settings: Settings) -> Seen:
    """Look at the replica: whether it is the pipeline's own and its account may write it."""
    replica = settings.replica
    if (replica.host, replica.port, replica.db) == (
        settings.source.host,
        settings.source.port,
        settings.source.db,
    ):
        same = (
            "REPLICATION_MYSQL_DB names the source's own database; the replica must be another one,"
            " it is written."
        )
        return Seen((Checked(replica.place, "own database", replica.db, same),))
    with pool.connect(replica, settings.limits) as connection:
        set_to = _set_to(connection)
        foreign = connection.rows("listing its tables", FOREIGN)[0][0]
        granted = [row[0] for row in connection.rows("asking for its grants", "SHOW GRANTS")]
        collations = connection.rows("listing its collations", _KNOWN)
    somebodys = (
        f"REPLICATION_MYSQL_DB: {replica.db} holds {foreign} tables but not the pipeline's"
        " etl_replica, so they are somebody"
        " else's; give the replica a database of its own."
    )
    lacking = REPLICA_NEEDS - privileges(granted, replica.db)
    lacks = (
        f"REPLICATION_MYSQL_USER: {replica.user} lacks {', '.join(sorted(lacking))} on"
        f" {replica.db};"
        " see deployments/grants/replica.sql."
    )
    return Seen(
        (
            *_suitable(replica, set_to, granted),
            Checked(
                replica.place,
                "own database",
                f"{foreign} tables of others",
                somebodys if foreign else "",
            ),
            Checked(
                replica.place,
                "right to write",
                f"{len(REPLICA_NEEDS) - len(lacking)} of {len(REPLICA_NEEDS)} rights",
                lacks if lacking else "",
            ),
        ),
        known=frozenset(utf8mb3(str(name)) for row in collations for name in (row[0], *row[2:3])),
        lowers=set_to["lower_case_table_names"] != "0",
    )


def _set_to(connection: Connection) -> dict[str, str]:
    names = ", ".join(
        f"'{name}'" for name in ("lower_case_table_names", *(name for name, *_ in REQUIRED))
    )
    asking = f"SHOW VARIABLES WHERE Variable_name IN ({names})"
    return dict(connection.rows("asking for its settings", asking))


MAY_WRITE_ANYWAY = re.compile(
    r"GRANT .*(ALL PRIVILEGES|SUPER|READ[ _]ONLY[ _]ADMIN|CONNECTION_ADMIN)\b.* ON \*\.\* TO "
)


def _suitable(
    server: MySQLServer, set_to: Mapping[str, str], granted: Sequence[str]
) -> tuple[Checked, ...]:
    """Check each setting that a plain account cannot change for itself."""
    found = []
    for name, good, places, means in REQUIRED:
        if server.place not in places or name not in set_to:
            continue
        waived = name == "read_only" and any(map(MAY_WRITE_ANYWAY.match, granted))
        sentence = f"{server.prefix}HOST: the server at {server.host}:{server.port} {means}."
        holds = set_to[name] in good or waived
        found.append(Checked(server.place, name, set_to[name], "" if holds else sentence))
    return tuple(found)


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

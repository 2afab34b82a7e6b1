"""What SHOW GRANTS gives an account beyond reading, on MySQL 5.6 to 9 and MariaDB alike."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What reading needs, and what shows more but changes nothing.
READING = frozenset(
    {
        "USAGE",
        "SELECT",
        "SHOW VIEW",
        "SHOW DATABASES",
        "PROCESS",
        "REPLICATION CLIENT",
        "BINLOG MONITOR",
        "SLAVE MONITOR",
        "REPLICA MONITOR",
        "SHOW CREATE ROUTINE",
        "SHOW_ROUTINE",
    }
)
NAME = "`(?:[^`]|``)*`"
GRANT = re.compile(
    rf"GRANT (?P<what>(?:[^`(]|\((?:[^`)]|{NAME})*\))+?) ON"
    r" (?:(?:TABLE|PROCEDURE|FUNCTION|PACKAGE|PACKAGE BODY) )?"
    rf"(?P<database>\*|{NAME})\.(?P<thing>\*|{NAME}) TO (?P<rest>.*)",
    re.DOTALL,
)


def beyond_reading(grants: Iterable[str], database: str) -> tuple[str, ...]:
    """Return the privileges that let an account do more than read.

    They may be global, or on a database or something in it.
    """
    found: set[str] = set()
    for grant in grants:
        parts = GRANT.match(grant)
        if parts and _concerns(parts["database"], parts["thing"], database):
            found |= set(re.split(r",\s*", re.sub(rf" ?\((?:[^`)]|{NAME})*\)", "", parts["what"])))
            if re.search(r" WITH .*GRANT OPTION", parts["rest"]):
                found.add("GRANT OPTION")
    return tuple(sorted(found - READING))


def _concerns(granted: str, thing: str, database: str) -> bool:
    if granted == "*":
        return True
    name = granted[1:-1].replace("``", "`")
    return covers(name, database) if thing == "*" else name.lower() == database.lower()


def covers(pattern: str, database: str) -> bool:
    """Match a grant's database name, in which _ and % are wildcards unless escaped."""
    wild = {"\\_": "_", "\\%": "%", "_": ".", "%": ".*"}
    expression = "".join(
        wild.get(part, re.escape(part)) for part in re.findall(r"\\[_%]|.", pattern)
    )
    return re.fullmatch(expression, database, re.IGNORECASE) is not None

"""The numbers of rows of the replica's tables, counted many tables at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transfer.errors import DatabaseFault
from transfer.mysql.connection import Connection
from transfer.mysql.literals import quote
from transfer.server_codes import GONE

COUNTED_AT_ONCE = 100


def counts(connection: Connection, names: Sequence[str]) -> Mapping[str, int | None]:
    """Count the rows of tables, many at once.

    It is None for a table that cannot be counted, as it is locked or broken.
    """
    found: dict[str, int | None] = {}
    for start in range(0, len(names), COUNTED_AT_ONCE):
        part = names[start : start + COUNTED_AT_ONCE]
        try:
            found |= count(connection, part)
        except DatabaseFault as fault:
            if fault.code in GONE:
                raise
            found |= {name: _count_or_none(connection, name) for name in part}
    return found


def count(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Return the number of rows of each table, counted by one statement."""
    counting = " UNION ALL ".join(
        f"SELECT {position}, COUNT(*) FROM {quote(name)}" for position, name in enumerate(names)
    )
    return {
        names[position]: count for position, count in connection.rows("counting rows", counting)
    }


def _count_or_none(connection: Connection, name: str) -> int | None:
    try:
        return count(connection, [name])[name]
    except DatabaseFault as fault:
        if fault.code in GONE:
            raise
        return None

"""Drops, when asked to, tables that the source no longer has: from PostgreSQL first, as a view may
stand there, then the replica.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase

from transfer.errors import TableError, UnknownTable
from transfer.journey.plan import look
from transfer.replica import extracts
from transfer.replica.lock import lock_table
from transfer.replica.recovery import forget
from transfer.settings import Settings
from transfer.source import survey as source
from transfer.warehouse import positions

log = logging.getLogger("elt")


def resolve(settings: Settings, patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the tables that fit names or wildcard patterns, all of which must be gone from the
    source.

    Raises:
        UnknownTable: a pattern fits no table that is gone, or the source is not the one that the
            replica was read from.

    """
    outlook = look(settings)
    gone = outlook.gone
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in gone):
            held = any(fnmatchcase(plan.table, pattern) for plan in outlook.plans)
            why = (
                "the source still has it"
                if held
                else "no table of that name is gone from the source"
            )
            raise UnknownTable(f"--drop-gone {pattern}: {why}; nothing was dropped.")
    identity = source.survey(settings.source, settings.limits, []).identity
    if all(
        extracted.evidence.identity != identity
        for extracted in extracts.state(settings.replica, settings.limits).extracted.values()
    ):
        raise UnknownTable(
            "--drop-gone: nothing in the replica was read from this source (SOURCE_MYSQL_HOST,"
            " SOURCE_MYSQL_DB), so all its tables"
            " would seem gone; make a run first. Nothing was dropped."
        )
    return tuple(name for name in gone if any(fnmatchcase(name, pattern) for pattern in patterns))


def drop(settings: Settings, table: str) -> None:
    """Drop a table from `public`, `raw` and the replica with all that is recorded of it; doing it
    again goes on where it stopped.

    Raises:
        TableError: something of the user's depends on it, or the source has it again; nothing of it
            is dropped then.

    """
    floor = max(
        (loaded.fence for loaded in positions.state(settings.warehouse, [table]).values()),
        default=0,
    )
    with lock_table(settings.replica, settings.limits, table) as held:
        lock = held.above(floor)
        if source.survey(settings.source, settings.limits, [table]).tables:
            raise TableError(f"{table} is in the source again, so nothing of it was dropped.")
        positions.forget(settings.warehouse, settings.limits, table, lock.fence)
        forget(lock)
    log.info("%s: dropped from replica, raw and public, as was asked for", table)

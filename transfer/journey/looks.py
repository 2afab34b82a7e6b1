"""Looks at the source's small tables, many at once: fifty cost little more than one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from threading import Lock
from time import monotonic

from transfer.settings import Settings
from transfer.source import survey as source
from transfer.source.survey import Survey
from transfer.values.table import SourceTable, TablePlan

SMALL_ROWS = 2_000
AT_ONCE = 50
FRESH_SECONDS = 10


class Looks:
    """What a run saw of small tables just before it reads them.

    A table's look is as old as the first one that was made with it, and never older than some
    seconds: a write since then is found by the look after the read, as any other is.
    """

    def __init__(self, plans: Iterable[TablePlan] = ()) -> None:
        """Begin with the tables of a run, in the order of their turns."""
        self._waiting = [plan.table for plan in plans if plan.estimated_rows <= SMALL_ROWS]
        self._seen: dict[str, tuple[float, Survey]] = {}
        self._lock = Lock()

    def at(self, settings: Settings, plan: TablePlan) -> tuple[datetime, SourceTable]:
        """Look at a table and the source's clock. It is looked at anew if it is tried again.

        Raises:
            TableVanished, PracticeUpgrading: as `survey.look`.

        """
        with self._lock:
            if plan.table in self._waiting:
                begun = monotonic()
                first = self._waiting.index(plan.table)
                names = self._waiting[first : first + AT_ONCE]
                del self._waiting[first : first + AT_ONCE]
                found = source.look_at(settings.source, settings.limits, names, plan.version)
                self._seen |= dict.fromkeys(names, (begun, found))
            begun, seen = self._seen.pop(plan.table, (0.0, None))
        if seen and monotonic() - begun < FRESH_SECONDS:
            return seen.now, seen.of(plan.table)
        return source.look(settings.source, settings.limits, plan.table, plan.version)

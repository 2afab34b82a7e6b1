"""Clears the replica of what killed runs have left and no run needs; in PostgreSQL all of it goes
with the transaction.
"""

from __future__ import annotations

import logging

from transfer.errors import DatabaseFault, TableBusy
from transfer.journey.plan import Outlook
from transfer.replica.lock import lock_table
from transfer.replica.recovery import clear, left_over
from transfer.settings import Settings
from transfer.warehouse import positions

log = logging.getLogger("elt")


def clear_left_over(settings: Settings, outlook: Outlook, *, everything: bool) -> None:
    """Clear what stands beside tables without work; those with work see to it themselves, as they
    may go on with it.

    Of a run that looked at some tables only, no others. What another run holds stays.
    """
    try:
        left = left_over(settings.replica, settings.limits)
    except DatabaseFault as error:  # the tables' own tasks will say more
        log.warning("what earlier runs left stays for now: %s", error)
        return
    looked_at = {plan.table for plan in outlook.plans}
    idle = looked_at - {plan.table for plan in outlook.work}
    for table in left:
        if table in idle or (everything and table not in looked_at):
            _clear(settings, table)


def _clear(settings: Settings, table: str) -> None:
    known = positions.state(settings.warehouse, [table], counted=False)
    floor = max((loaded.fence for loaded in known.values()), default=0)
    at_once = settings.limits.model_copy(update={"lock_seconds": 0})
    try:
        with lock_table(settings.replica, at_once, table) as lock:
            clear(lock.above(floor))
    except (
        TableBusy,
        DatabaseFault,
    ) as error:  # another run has it, or somebody reads it: the next run sees to it
        log.info("%s: what a run left beside it stays for now: %s", table, error)
    else:
        log.info("%s: cleared what a run had left beside it in the replica", table)

"""What work with a table is expected to take: what it took before, or else by its size."""

from __future__ import annotations

from collections.abc import Mapping

from transfer.values.reasons import Method
from transfer.values.table import Loaded, SourceTable, TablePlan

# Measured on 2 cores with all servers, 4 tables in work at once, a clinic of 408 tables and 37 MB.
TABLE_SECONDS = 0.25
READ_BYTES = 1_000_000  # a second, through all three places
COMPARED_BYTES = 2_000_000


def verification(source_table: SourceTable, loaded: Loaded | None) -> float:
    """Return the seconds that a table's verification is expected to take."""
    if loaded and loaded.verify_seconds is not None:
        return loaded.verify_seconds
    return TABLE_SECONDS + source_table.estimated_bytes / COMPARED_BYTES


def work(plan: TablePlan, past: Mapping[tuple[str, str], float]) -> float:
    """Return the seconds that a plan is expected to take; `past` has the mean of each table and
    method.
    """
    if not plan.hops:
        return plan.verify_seconds
    mean = past.get((plan.table, plan.method))
    speed = COMPARED_BYTES if plan.method in {Method.INCREMENTAL, Method.COMPARE} else READ_BYTES
    return (
        TABLE_SECONDS + plan.estimated_bytes / speed if mean is None else mean
    ) + plan.verify_seconds

"""Chooses how the replica's table becomes equal to its shadow, and proves that it will be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias

from transfer.replica import extracts, progress, tables
from transfer.replica.extracts import Verdict
from transfer.replica.merge import Merge, fits_in_place
from transfer.replica.proof import count_surplus, prove
from transfer.replica.shadow import Shadow
from transfer.replica.swap import Swap, build_keys, swap_after_building
from transfer.values.reasons import HopName
from transfer.values.table import Extracted, Hop


@dataclass(frozen=True, slots=True)
class Confirmation:
    """No change: the replica's table has the source's rows already."""

    shadow: Shadow

    def make(self, verdict: Verdict) -> Hop:
        """Record the extract."""
        shadow, lock = self.shadow, self.shadow.lock
        tables.follow_counter(lock, shadow.source_table, lock.table)
        loaded, seconds = shadow.loaded, monotonic() - verdict.started
        hop = Hop(HopName.EXTRACT, loaded.rows, seconds=seconds, bytes=loaded.bytes)
        made = tables.structure_digest(lock, shadow.definition, lock.table)
        with lock.transaction():
            extract = extracts.note(lock, verdict, hop, "complete", structure=made)
            if shadow.renewal:
                shadow.renewal.make(lock, shadow.table, extract, shadow.total)
            if not shadow.scope.empty:
                progress.forget(lock)
        if not shadow.scope.empty:  # otherwise there is no shadow
            tables.drop(lock, shadow.name)
        return hop


Change: TypeAlias = Confirmation | Merge | Swap


@contextmanager
def prepared(shadow: Shadow, recorded: Extracted | None) -> Iterator[Change]:
    """Give the change that makes the replica's table equal to the shadow.

    It merges rows where the table stands and has a key, and swaps the tables otherwise. A swap is
    proven when the block begins. If it is `building`, its keys are built while the block runs.
    Make the change after the block.

    Raises:
        TableError: the replica would not hold the rows that were read.

    """
    if shadow.scope.empty:
        yield Confirmation(shadow)
        return
    with shadow.discarded_on_error():
        if recorded is None or not tables.is_as_made(shadow.lock, shadow.definition):
            with swap_after_building(shadow) as swap:
                yield swap
        elif fits_in_place(shadow):
            yield Merge(shadow)
        else:
            yield _compared(shadow)


def _compared(shadow: Shadow) -> Confirmation | Swap:
    """Compare a shadow with a standing table of the same structure whose rows cannot be merged."""
    prove(shadow.lock.connection, shadow.name, shadow)
    inserted, deleted = count_surplus(shadow)
    if not inserted and not deleted:
        return Confirmation(shadow)
    build_keys(shadow)
    return Swap(shadow, inserted, deleted)

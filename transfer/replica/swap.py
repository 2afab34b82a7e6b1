"""Puts a shadow in the place of the replica's table, in steps that the next run can complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep

from transfer.mysql import pool
from transfer.mysql.definition import ENGINES, as_replica
from transfer.mysql.literals import quote
from transfer.replica import cells, extracts, progress, tables
from transfer.replica.cells import Cells
from transfer.replica.extracts import Verdict
from transfer.replica.lock import Lock
from transfer.replica.proof import prove_by_cells
from transfer.replica.shadow import Copy, Shadow
from transfer.replica.tables import OLD, shadow_name
from transfer.running.overlap import in_background
from transfer.values.reasons import HopName
from transfer.values.table import Hop, Table

# An ALTER that has begun lets others read. One that is about to begin waits for all readers.
BEGUN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Swap:
    """The exchange of the replica's table for a shadow whose rows are proven.

    `inserted` and `deleted` rows are those that only one of the two has. The table is `replaced`
    if there was none, or one of another structure. While `building`, the server still builds the
    shadow's keys. Its rows are recorded by cells if they were `measured`.
    """

    shadow: Shadow
    inserted: int
    deleted: int = 0
    replaced: bool = False
    building: bool = False
    measured: Cells | None = None

    def make(self, verdict: Verdict) -> Hop:
        """Announce the swap, rename the tables, and record the extract."""
        shadow, lock = self.shadow, self.shadow.lock
        with shadow.discarded_on_error():
            hop = self._hop(verdict)
            made = tables.structure_digest(lock, shadow.definition, shadow.name)
            with lock.transaction():
                intent = extracts.note(lock, verdict, hop, "intent", structure=made)
            aside = self._rename()
            complete_swap(lock, intent, shadow.table, self.measured)
            if aside:
                tables.drop(lock, shadow_name(OLD, lock.table))
        return hop

    def _hop(self, verdict: Verdict) -> Hop:
        loaded, seconds = self.shadow.loaded, monotonic() - verdict.started
        return Hop(
            HopName.EXTRACT,
            loaded.rows,
            self.inserted,
            0,
            self.deleted,
            seconds,
            replaced=self.replaced,
            bytes=loaded.bytes,
        )

    def _rename(self) -> bool:
        """Put the shadow in the table's place; tell whether a table stands aside now."""
        lock = self.shadow.lock
        table, old = quote(lock.table), quote(shadow_name(OLD, lock.table))
        aside = f"{table} TO {old}, " if tables.engine_of(lock, lock.table) else ""
        renaming = f"RENAME TABLE {aside}{quote(self.shadow.name)} TO {table}"
        lock.run_in_turns(f"swapping {lock.table}", renaming)
        return bool(aside)


@contextmanager
def swap_after_building(shadow: Shadow) -> Iterator[Swap]:
    """Prove a shadow and build its keys.

    While the keys of a large one are built, the block runs; they are built when it ends.

    Raises:
        TableError: the replica would not hold the rows that were read.

    """
    lock = shadow.lock
    if shadow.loaded.bytes <= lock.limits.page_bytes:
        measured = prove_by_cells(lock.connection, shadow)
        build_keys(shadow)
        yield Swap(shadow, shadow.loaded.rows, replaced=True, measured=measured)
        return

    def build_while_read() -> None:
        with lock.connection.waiting_for_readers():
            build_keys(shadow)

    with in_background(build_while_read) as built:
        sleep(BEGUN_SECONDS)
        with pool.connect(lock.replica, lock.limits) as other:
            measured = prove_by_cells(other, shadow)
        yield Swap(shadow, shadow.loaded.rows, replaced=True, building=True, measured=measured)
        built()


def build_keys(shadow: Shadow) -> None:
    """Build the shadow's keys, unless a killed run has.

    Raises:
        TableError: no engine of the replica's server takes them.

    """
    lock, name = shadow.lock, shadow.name
    expected = shadow.expected if isinstance(shadow, Copy) else None
    keys = as_replica(shadow.definition, name, ENGINES[0], lock.limits.collations, expected).keys
    standing = [f"KEY {quote(key)} " for key in tables.keys_of(lock, name)] if keys else []
    missing = [key for key in keys if not any(named in key for named in standing)]
    if missing:
        adding = f"ALTER TABLE {quote(name)} " + ", ".join(f"ADD {key}" for key in missing)
        statements = _for_engines(lock, name, adding)
        tables.run_first_taken(lock, f"building the keys of {lock.table}", statements)


def _for_engines(lock: Lock, name: str, adding: str) -> Iterator[str]:
    """Return the statement for the table's own engine, then for those that come after it."""
    yield adding
    others = ENGINES[ENGINES.index(tables.engine_of(lock, name)) + 1 :]
    yield from (f"{adding}, ENGINE={engine}" for engine in others)


def complete_swap(
    lock: Lock, intent: int, table: Table | None = None, measured: Cells | None = None
) -> None:
    """Record that an announced swap was made, and the new table's cells if they were measured."""
    with lock.transaction():
        extract = extracts.conclude(lock, intent, "complete")
        if table and measured:
            cells.record(lock, table, measured, extract)
        elif not lock.is_first:
            cells.forget(lock)
        progress.forget(lock)


def call_off_swap(lock: Lock, intent: int) -> None:
    """Record that an announced swap was not made.

    The shadow stays until then: without a shadow the next run takes the swap for made.
    """
    with lock.transaction():
        extracts.conclude(lock, intent, "called off")

"""The second hop: `raw` is loaded from the replica, and compared with it value by value."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial

import pyarrow as pa

from transfer.changes import evidence, verification
from transfer.errors import EltError, TableError
from transfer.journey.work import Step, Work, repaired
from transfer.mysql.page import Selection
from transfer.replica import extracts
from transfer.replica import rows as replica_rows
from transfer.replica.shadow import Shadow
from transfer.running.overlap import in_background, prefetch
from transfer.settings import Settings
from transfer.values.reasons import Reason, is_damage
from transfer.values.scope import EVERYTHING, Scope
from transfer.values.table import (
    AlteredValue,
    Extracted,
    Finding,
    Loaded,
    SourceTable,
    Standing,
    Table,
    Totals,
)
from transfer.warehouse import raw
from transfer.warehouse.raw import Copied

log = logging.getLogger("elt")

EarlyCopy = tuple[Copied, Totals]


def bring_up_to_date(work: Work, copied: EarlyCopy | None) -> Step:
    """Load the replica's table if `raw` is behind; `copied` are its rows if they came early."""
    standing = work.standing
    due = evidence.why_load(standing)
    if not due and not work.forced:
        return Step()
    replays = due is Reason.RAW_BEHIND and not work.forced and copied is None
    scope = _changed_since_load(work, standing) if replays else EVERYTHING
    return replace(_load(work, standing, scope, copied), due=due)


def verify(work: Work, step: Step) -> Step:
    """Compare `raw` with the replica; load all of it again if they differ.

    What a load of the whole table that was due anyway has mended is no finding.
    """
    wrong = _compare(work)
    if not wrong:
        damaged = step.hops and is_damage(step.due)
        return replace(step, found=repaired("raw", step.hops[0]) if damaged else ())
    if not step.whole:
        again = _load(work, work.with_raw(step).standing, EVERYTHING, None)
        step = replace(again, due=step.due, hops=(*step.hops, *again.hops))
        if not _compare(work):
            return replace(step, found=wrong)
    named = ", ".join(map(str, wrong))
    raise TableError(f"{work.plan.table} does not come into raw as it is in the replica: {named}.")


def copy_early(work: Work, shadow: Shadow) -> EarlyCopy | None:
    """Copy a shadow's rows into `raw` while the replica builds its keys; nothing is committed.

    What keeps them from `raw` does not keep them from the replica, and is met again by the load.
    """
    settings, standing = work.settings, shadow.source_table.table
    rows = replace(shadow.source_table, table=replace(standing, name=shadow.name))
    with suppress(EltError), ExitStack() as opened:
        with (
            in_background(
                lambda: replica_rows.totals(settings.replica, settings.limits, rows.table)
            ) as totals_of,
            prefetch(_pages(settings, rows, EVERYTHING)) as pages,
        ):
            copying = raw.copied(
                settings.warehouse, settings.limits, standing, work.lock.fence, pages
            )
            copied = opened.enter_context(copying), totals_of()
        work.until_loaded.enter_context(opened.pop_all())
        return copied
    return None


def _compare(work: Work) -> tuple[Finding, ...]:
    settings = work.settings
    return verification.compare(
        settings.replica, settings.warehouse, settings.limits, work.source_table, work.raw_name
    )


def _load(work: Work, standing: Standing, scope: Scope, copied: EarlyCopy | None) -> Step:
    """Load the rows of a scope, or everything if `raw` is not what it is recorded to be."""
    if standing.extracted is None:
        raise TableError(f"{work.plan.table} is not in the replica, so raw cannot be loaded.")
    if not scope.whole:
        try:
            return _carry(work, standing, standing.extracted, scope, None)
        except TableError as error:
            log.warning("%s Loading all of it.", error)
    return _carry(work, standing, standing.extracted, EVERYTHING, copied)


def _carry(
    work: Work, standing: Standing, extracted: Extracted, scope: Scope, copied: EarlyCopy | None
) -> Step:
    settings, source_table, loaded = work.settings, work.source_table, standing.loaded
    followed = loaded and loaded.raw_intact and loaded.generation == standing.generation
    moved = not (followed and loaded and extracted.changed_id <= loaded.extract_id)
    origin = partial(
        raw.Origin,
        standing.generation,
        extracted.id,
        extracted.run_id,
        work.run_id,
        altered=partial(_altered, settings, source_table.table),
        rows=extracted.rows,
        scope=scope,
        moved=moved,
    )
    if copied:
        early, totals = copied
        taken = raw.take(settings.warehouse, settings.limits, early, origin(lambda: totals))
    else:
        with (
            _read(work, scope, extracted.rows) as (pages, totals_of),
            raw.copied(
                settings.warehouse,
                settings.limits,
                source_table.table,
                work.lock.fence,
                pages,
                whole=scope.whole,
            ) as side,
        ):
            taken = raw.take(settings.warehouse, settings.limits, side, origin(totals_of))
    now = replace(
        loaded or Loaded(),
        fence=work.lock.fence,
        generation=standing.generation,
        extract_id=extracted.id,
        extract_run=extracted.run_id,
        load_id=taken.load_id,
        raw_name=taken.raw_name,
        raw_intact=True,
        rows=extracted.rows,
    )
    return Step((taken.hop,), scope=scope, altered=taken.altered, loaded=now)


@contextmanager
def _read(
    work: Work, scope: Scope, rows: int
) -> Iterator[tuple[Iterator[pa.Table], Callable[[], Totals]]]:
    """Read the rows of a scope of the replica's table ahead, while its server counts them."""
    settings, source_table = work.settings, work.source_table

    def count() -> Totals:
        table = source_table.table
        return replica_rows.totals(settings.replica, settings.limits, table, scope)

    found = _pages(settings, source_table, scope) if rows else iter(())
    if work.is_small or not rows:
        yield found, count
        return
    with in_background(count) as totals_of, prefetch(found) as pages:
        yield pages, totals_of


def _altered(
    settings: Settings, table: Table, kinds: Mapping[str, Collection[str]], scope: Scope
) -> Iterator[list[AlteredValue]]:
    return replica_rows.altered(settings.replica, settings.limits, table, kinds, scope)


def _pages(settings: Settings, source_table: SourceTable, scope: Scope) -> Iterator[pa.Table]:
    table = source_table.table
    selection = Selection(
        settings.replica, settings.limits, source_table, raw.select(table), whole=table.columns
    )
    return replica_rows.pages(selection, scope)


def _changed_since_load(work: Work, standing: Standing) -> Scope:
    """Return the rows that extracts have changed since the last load; all if that is unknown."""
    settings, table, loaded = work.settings, work.source_table.table, standing.loaded
    if loaded is None or not loaded.raw_intact:
        return EVERYTHING
    scope = extracts.changed_since(settings.replica, settings.limits, table.name, loaded.extract_id)
    if scope.whole or scope.empty or not raw.has_its_structure(settings.warehouse, table):
        return EVERYTHING
    return scope

"""The first hop: the source's rows come into the replica, proven by their hashes."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from time import monotonic

from transfer.changes import evidence
from transfer.changes.evidence import How
from transfer.errors import TableShrunk, TableUnsteady
from transfer.journey import into_raw
from transfer.journey.work import Step, Work, repaired
from transfer.mysql import buckets, cells, grid
from transfer.mysql.buckets import Difference, Side
from transfer.replica import cells as replica_cells
from transfer.replica import counting, extracts, proof
from transfer.replica import rows as replica_rows
from transfer.replica.cells import Cells, Renewal
from transfer.replica.extracts import Verdict
from transfer.replica.finish import prepared
from transfer.replica.shadow import Copy, Shadow, Target
from transfer.replica.swap import Swap
from transfer.running.overlap import prefetch
from transfer.source import rows as source_rows
from transfer.source import survey as source
from transfer.values.reasons import Method, Reason, is_damage
from transfer.values.scope import NOTHING, Range, Scope
from transfer.values.table import Extracted, Finding, Hop, SourceTable


def bring_up_to_date(work: Work) -> Step:
    """Read the source if the evidence calls for it."""
    due = evidence.why_read(work.source_table, work.before.extracted)
    reason = Reason.FORCED if work.forced else due
    return replace(_extract(work, reason), due=due) if reason else Step()


def verify(work: Work, step: Step) -> Step:
    """Tell what the hop found, or compare source and replica by hashes if nothing was read.

    A read has compared the hashes already: no row is hashed twice in a run.
    """
    before = work.before.extracted
    if not step.hops:
        if not _has_drifted(work):
            return step
        step = _extract(work, Reason.DRIFTED)
    if before and is_damage(step.due):
        return replace(step, found=_repaired(work.source_table, before, step.hops[0]))
    return step


def _has_drifted(work: Work) -> bool:
    """Tell whether the replica has other rows than the source, though the source did not change.

    Raises:
        TableUnsteady: the source was written while they were compared.

    """
    settings, source_table = work.settings, work.source_table
    hashes = source_rows.hashes(settings.source, settings.limits, source_table)
    if not proof.differs(settings.replica, settings.limits, source_table.table, hashes):
        return False
    _, afterwards = _look(work)
    if afterwards.evidence != source_table.evidence:
        raise TableUnsteady(
            f"{work.plan.table} was written while it was verified; trying again reads it again."
        )
    return True


def _look(work: Work) -> tuple[datetime, SourceTable]:
    settings, plan = work.settings, work.plan
    return source.look(settings.source, settings.limits, plan.table, plan.version)


def _extract(work: Work, reason: Reason) -> Step:
    """Read the table, or what of it differs, beside the replica's, then make the two equal."""
    started = monotonic()
    settings, before, recorded = work.settings, work.source_table, work.before.extracted
    counted = source.count(settings.source, settings.limits, before)
    definition = source.definition(settings.source, settings.limits, work.plan.table)
    how = _how(work)
    target = Target(work.lock, before, definition, work.now, work.left)
    method, shadow = _read(work, how, target, counted)
    after = _check_steady(work, counted, shadow)
    verdict = Verdict(
        work.run_id,
        method,
        reason,
        before.evidence,
        source.is_clean(before.evidence, after.evidence, shadow.read_from),
        shadow.total,
        shadow.read_from,
        started,
        damaged=recorded is None or not recorded.intact,
    )
    _check_size(work, shadow, verdict)
    # What a normal run, which relies on stamps, would not have seen.
    since = how.since if work.plan.verify else None
    missed = proof.count_missed(shadow, since) if since else 0
    with prepared(shadow, recorded) as change:
        building = isinstance(change, Swap) and change.building
        copied = into_raw.copy_early(work, shadow) if building else None
    hop = change.make(verdict)
    zeros = shadow.loaded.negative_zeros
    return Step(
        (hop,),
        found=(Finding("replica", "changed", "", missed),) if missed else (),
        altered={column: {"negative_zeros": count} for column, count in zeros.items()},
        copied=copied,
    )


def _how(work: Work) -> How:
    return evidence.how_read(
        work.settings.limits,
        work.source_table,
        work.before.extracted,
        work.now,
        forced=work.forced,
        verified=bool(work.plan.verify),
    )


def _check_steady(work: Work, counted: int, shadow: Shadow) -> SourceTable:
    """Return the table as it stands at the source after the read.

    Raises:
        TableUnsteady: what was read cannot be one version of it.

    """
    settings, before = work.settings, work.source_table
    _, after = _look(work)
    held = source.count(settings.source, settings.limits, after)
    unsteady = evidence.why_unsteady(
        before.evidence, after.evidence, rows=(counted, held, shadow.total)
    )
    if unsteady:
        raise TableUnsteady(
            f"{work.plan.table} {unsteady}; nothing was changed, the next run reads it again."
        )
    return after


def _check_size(work: Work, shadow: Shadow, verdict: Verdict) -> None:
    """Refuse a table that lost most of its rows.

    It is taken if the user says so, or if it still looks so long enough after the first time.

    Raises:
        TableShrunk: it keeps its last version until then.

    """
    limits, recorded, name = work.settings.limits, work.before.extracted, work.plan.table
    if not recorded or not evidence.shrunk(limits, recorded.rows, shadow.total):
        return
    held = extracts.held_seconds(work.lock)
    if work.plan.accept_shrink or (held is not None and held >= limits.second_look_seconds):
        return
    shadow.hold(verdict)
    raise TableShrunk(
        f"{name} has {shadow.total:,} rows but had {recorded.rows:,}, so its last version stays"
        f" (ELT_SHRINK_SHARE). If they were deleted on purpose, run with --table {name}"
        f" --accept-shrink; a run that finds it so again after {limits.second_look_seconds} s"
        " (ELT_SECOND_LOOK_SECONDS) takes it."
    )


def _read(work: Work, how: How, target: Target, counted: int) -> tuple[Method, Shadow]:
    """Read what the replica is to have; return the method by which that was possible."""
    if how.method is Method.RELOAD:
        return how.method, _read_whole(work, target, counted)
    if target.is_mergeable():
        since = how.since if how.method is Method.INCREMENTAL else None
        return how.method, _read_differing(work, target, since)
    seed = target.seed_copy()
    if seed:
        return Method.COMPARE, _read_into(work, seed)
    return Method.RELOAD, _read_whole(work, target, counted)


def _read_whole(work: Work, target: Target, counted: int) -> Shadow:
    """Read all rows, going on where a killed run stopped."""
    copy = target.begin_copy(counted)
    if not counted:  # it is counted again afterwards
        return copy
    return _append_range(work, copy, copy.unread)


def _read_differing(work: Work, target: Target, since: datetime | None) -> Shadow:
    """Find the rows whose hashes differ in source and replica, and read those."""
    if grid.is_gridded(work.source_table.table):
        compared, renewal = _compare_by_cells(work, since)
    else:
        compared, renewal = _difference(work, since, work.source_table), None
    return _append(work, target.begin_patch(compared, since, renewal), compared.scope)


def _compare_by_cells(work: Work, since: datetime | None) -> tuple[Difference, Renewal]:
    """Compare the source with what the replica records of its rows, or else with these."""
    settings, table, ours = work.settings, work.source_table.table, work.lock.connection
    known = _known_cells(work)
    with source_rows.reading(settings.source, settings.limits) as theirs:
        source_side, copy = (cells.Side(side, table, known.grid, since) for side in (theirs, ours))
        compared = cells.compare(source_side, copy, known.tallies, scan=_may_scan(work))
    return compared.difference, Renewal(known.grid, compared.unequal, sorted(known.tallies))


def _known_cells(work: Work) -> Cells:
    """Return the cells of the replica's rows, as recorded unless that is in doubt."""
    lock, table, extracted = work.lock, work.source_table.table, work.before.extracted
    trusted = extracted is not None and extracted.intact and not work.plan.verify
    known = replica_cells.recorded(lock, table, extracted) if extracted and trusted else None
    if known is None:
        rows = counting.count(lock.connection, [table.name])[table.name]
        known = replica_cells.measured(lock.connection, table, table.name, rows)
        with lock.transaction():
            replica_cells.record(lock, table, known, 0)
    return known


SCANNED_ROWS = 20_000  # a tenth of a second at most


def _may_scan(work: Work) -> bool:
    """Tell whether the clinic feels nothing of a statement that reads the whole table.

    Only an engine without versions of rows lets writers wait for it.
    """
    source_table = work.source_table
    return (
        source_table.evidence.engine == "InnoDB"
        or source_table.estimated_rows <= SCANNED_ROWS
        or work.plan.quiet
        or work.settings.limits.is_quiet(work.now)
    )


def _read_into(work: Work, seed: Copy) -> Shadow:
    """Read what differs from the rows that the replica's table had under other columns."""
    copy = replace(work.source_table, table=replace(work.source_table.table, name=seed.name))
    difference = _difference(work, None, copy)
    return _append(work, seed.keep(difference), difference.scope)


def _append(work: Work, shadow: Shadow, scope: Scope) -> Shadow:
    settings, source_table = work.settings, work.source_table
    for within in scope.ranges:
        shadow = _append_range(work, shadow, within)
    for page in source_rows.rows_of(settings.source, settings.limits, source_table, scope.keys):
        shadow = shadow.append(page)
    return shadow


def _append_range(work: Work, shadow: Shadow, within: Range) -> Shadow:
    settings = work.settings
    found = source_rows.pages(settings.source, settings.limits, work.source_table, within)
    with nullcontext(found) if work.is_small else prefetch(found) as pages:
        for page in pages:
            shadow = shadow.append(page)
    return shadow


def _difference(work: Work, since: datetime | None, copy: SourceTable) -> Difference:
    """Compare source and a copy in the replica by buckets, and row by row where those differ."""
    settings, source_table = work.settings, work.source_table
    cut = buckets.cut(work.lock.connection, settings.limits, copy.table, source_table.size)
    with source_rows.reading(settings.source, settings.limits) as connection:
        sides = Side(connection, source_table.table), Side(work.lock.connection, copy.table)
        compared = buckets.compare(*sides, cut, since)
    difference = replace(compared, scope=NOTHING)
    for within in compared.scope.ranges:
        ours = source_rows.list_rows(settings.source, settings.limits, source_table, within, since)
        theirs = replica_rows.list_rows(settings.replica, settings.limits, copy, within, since)
        difference += buckets.compare_rows(source_table.table, within, ours, theirs)
    return difference


def _repaired(source_table: SourceTable, extracted: Extracted, hop: Hop) -> tuple[Finding, ...]:
    """Tell repairs from what was written at the source meanwhile, which only counts can."""
    only_damaged = evidence.only_damaged(source_table, extracted)
    if only_damaged and not hop.replaced:
        return repaired("replica", hop)
    if extracted.replica_created_now is None:
        return (Finding("replica", "missing", "", extracted.rows),)
    held = extracted.replica_rows_now
    surplus = 0 if held is None else held - extracted.rows
    if surplus:
        kind = "extra" if surplus > 0 else "missing"
        return (Finding("replica", kind, "", abs(surplus)),)
    return (Finding("replica", "other structure", "", 1),) if only_damaged else ()

"""One table's journey: source → replica → `raw` → `public`, each hop making its target equal to its origin."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from time import monotonic

import pyarrow as pa

from transfer.changes import evidence, verification
from transfer.changes.evidence import How
from transfer.errors import (
    EltError,
    TableError,
    TableShrunk,
    TableUnsteady,
    TableVanished,
    place_of,
)
from transfer.mysql import buckets
from transfer.mysql.buckets import Difference, Side
from transfer.mysql.page import Selection
from transfer.replica import extracts, proof
from transfer.replica import rows as replica_rows
from transfer.replica.extracts import State, Verdict
from transfer.replica.finish import prepared
from transfer.replica.lock import Lock, lock_table
from transfer.replica.recovery import recover
from transfer.replica.shadow import Copy, Shadow, Target
from transfer.replica.swap import Swap
from transfer.replica.tables import as_both_hold
from transfer.running.memory import give_back
from transfer.running.overlap import in_background, prefetch
from transfer.settings import Settings
from transfer.source import rows as source_rows
from transfer.source import survey as source
from transfer.values.scope import EVERYTHING, NOTHING, Scope
from transfer.values.table import (
    Extracted,
    Finding,
    Hop,
    SourceTable,
    Standing,
    TablePlan,
    TableResult,
    Totals,
)
from transfer.warehouse import history, positions, public, raw
from transfer.warehouse.raw import Copied

log = logging.getLogger("elt")


def sync(settings: Settings, plan: TablePlan, run_id: str) -> TableResult:
    """Bring one table up to date; what another run has done meanwhile, or an earlier attempt, is not done again.

    Raises:
        EltError: the table could not be brought up to date; its last complete version stands everywhere.

    """
    started = monotonic()
    give_back()
    known = positions.state(settings.warehouse, [plan.table], counted=False)
    floor = max((each.fence for each in known.values()), default=0)
    try:
        with lock_table(settings.replica, settings.limits, plan.table, floor) as lock:
            result = _journey(settings, plan, run_id, lock)
    except TableVanished as vanished:
        result = TableResult(plan.table, plan.method, plan.reason, "vanished", note=str(vanished))
    except EltError:
        raise
    except Exception as error:  # noqa: BLE001 - an unforeseen error may quote a value: only its kind and place are told
        raise TableError(
            f"{plan.table}: unforeseen {type(error).__name__} at {place_of(error)}."
        ) from None
    done = replace(result, seconds=monotonic() - started)
    log.info("%s", done.sentence, extra={"finished": plan.table, "rows": done.rows})
    return done


class _Early:
    """Rows on their way into `raw` while the replica still builds their keys; rolled back at a block's end if not taken."""

    def __init__(self, until: ExitStack) -> None:
        """Keep them until the block's end."""
        self._until = until
        self.rows: tuple[Copied, Totals] | None = None

    def take(self) -> tuple[Copied, Totals] | None:
        """Give them away, if there are any."""
        rows, self.rows = self.rows, None
        return rows

    def copy(self, settings: Settings, lock: Lock, shadow: Shadow) -> None:
        """Copy the shadow's rows; what keeps them from coming into `raw` keeps them not from the replica, and is met again."""
        standing = shadow.source_table.table
        each = replace(shadow.source_table, table=replace(standing, name=shadow.name))
        with suppress(EltError), ExitStack() as opened:
            with (
                in_background(
                    lambda: replica_rows.totals(settings.replica, settings.limits, each.table)
                ) as totals_of,
                prefetch(_pages_for_raw(settings, each, EVERYTHING)) as pages,
            ):
                copying = raw.copied(
                    settings.warehouse, settings.limits, standing, lock.fence, pages
                )
                copied = opened.enter_context(copying)
                totals = totals_of()
            self._until.enter_context(opened.pop_all())
            self.rows = copied, totals


@dataclass(frozen=True, slots=True)
class _Work:
    """A table in work: what is known of it at the source since `now`, how it stood, and the lock that is held on it.

    `copies` is what the replica says once it has been brought up to date.
    """

    settings: Settings
    plan: TablePlan
    run_id: str
    lock: Lock
    now: datetime
    source_table: SourceTable
    before: Standing
    forced: bool
    early: _Early
    copies: State = field(default_factory=lambda: State("", {}))

    @property
    def standing(self) -> Standing:
        """Where the table stands at this moment; `raw` and `public` are as intact as they were before."""
        name, was = self.plan.table, self.before.loaded
        loaded = positions.state(self.settings.warehouse, [name], counted=False).get(name)
        if loaded and was:
            loaded = replace(loaded, raw_intact=was.raw_intact, public_intact=was.public_intact)
        return Standing(self.copies.generation, self.copies.extracted.get(name), loaded)

    @property
    def raw_name(self) -> str:
        """The table's name in `raw`."""
        return evidence.raw_name(self.source_table, self.standing)


@dataclass(frozen=True, slots=True)
class _Step:
    """What was done in one place, to rows of which scope, what a verification found there, and what PostgreSQL does not hold."""

    hops: tuple[Hop, ...] = ()
    found: tuple[Finding, ...] = ()
    altered: dict[str, dict[str, int]] = field(default_factory=dict)
    scope: Scope = EVERYTHING


def _journey(settings: Settings, plan: TablePlan, run_id: str, lock: Lock) -> TableResult:
    with ExitStack() as until:
        return _steps(settings, plan, run_id, lock, _Early(until))


def _steps(
    settings: Settings, plan: TablePlan, run_id: str, lock: Lock, early: _Early
) -> TableResult:
    started = monotonic()
    recover(lock)
    now, found = source.look(settings.source, settings.limits, plan.table, plan.version)
    each = as_both_hold(lock, found)
    before = _standing(settings, plan.table)
    done_before = before.extracted is not None and before.extracted.run_id == run_id
    work = _Work(
        settings, plan, run_id, lock, now, each, before, plan.forced and not done_before, early
    )
    extracted = _recorded(work, _into_replica(work))
    work = replace(
        work, copies=extracts.state(settings.replica, settings.limits, [plan.table], counted=False)
    )
    current = before.loaded is not None and not evidence.why_standardize(
        before.loaded.rules, before.loaded
    )
    loaded = _recorded(work, _into_raw(work))
    standardized = _recorded(work, _into_public(work, loaded.scope if current else EVERYTHING))
    hops = (*extracted.hops, *loaded.hops, *standardized.hops)
    after = work.copies.extracted.get(plan.table)
    if plan.verify:
        positions.note_verified(settings.warehouse, plan.table, monotonic() - started)
    repaired = found_in(run_id, plan.table)
    return TableResult(
        table=plan.table,
        method=plan.method,
        reason=plan.reason,
        state="repaired"
        if repaired
        else "synced"
        if hops
        else "verified"
        if plan.verify
        else "unchanged",
        hops=hops,
        rows=after.rows if after else 0,
        clean=after is not None and after.clean,
        altered=_joined(extracted.altered, loaded.altered),
        found=repaired,
        verified=bool(plan.verify),
        note=_engine_note(after),
        watermark_before=before.extracted.evidence.shown if before.extracted else "",
        watermark_after=after.evidence.shown if after else "",
    )


def _joined(*altered: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    columns = {column: None for each in altered for column in each}
    return {
        column: {kind: count for each in altered for kind, count in each.get(column, {}).items()}
        for column in columns
    }


# What a verification found in attempts at a table: the next attempt of the same run finds it mended.
_FOUND: dict[tuple[str, str], tuple[Finding, ...]] = {}


def found_in(run_id: str, table: str) -> tuple[Finding, ...]:
    """Return what a run's attempts at a table found and repaired, and forget it."""
    return _FOUND.pop((run_id, table), ())


def _recorded(work: _Work, step: _Step) -> _Step:
    """Keep what a step found, and write it down at once, as a later step may fail."""
    for finding in step.found:
        log.error("%s: verification found %s", work.plan.table, finding)
    if step.found:
        key = work.run_id, work.plan.table
        _FOUND[key] = (*_FOUND.get(key, ()), *step.found)
        history.note(work.settings.warehouse, work.run_id, work.plan, _FOUND[key])
    return step


def _standing(settings: Settings, table: str) -> Standing:
    copies = extracts.state(settings.replica, settings.limits, [table])
    loaded = positions.state(settings.warehouse, [table])
    return Standing(copies.generation, copies.extracted.get(table), loaded.get(table))


def _engine_note(extracted: Extracted | None) -> str:
    """Name an engine that is not InnoDB."""
    engine = extracted.replica_engine if extracted else ""
    return (
        f"in the replica a table of {engine}, as InnoDB refuses its definition"
        if engine not in ("", "InnoDB")
        else ""
    )


DRIFTED = "verification: not the source's rows, though nobody wrote there"


def _into_replica(work: _Work) -> _Step:
    """Read the source if the evidence calls for it, or if the replica, verified, has other rows."""
    before = work.before
    due = evidence.why_read(work.source_table, before.extracted)
    drifted = not due and not work.forced and work.plan.verify and _replica_has_drifted(work)
    if not due and not work.forced and not drifted:
        return _Step()
    step = _extract(work, before.extracted, "forced" if work.forced else due or DRIFTED)
    if work.plan.verify and before.extracted and (not due or due in evidence.DAMAGE):
        return replace(
            step, found=_repaired_replica(work.source_table, before.extracted, step.hops[0])
        )
    return step


def _replica_has_drifted(work: _Work) -> bool:
    """Tell whether the replica has other rows than the source, which was not written since they were read."""
    chosen, each = work.settings, work.source_table
    rows, hashes = source_rows.hashes(chosen.source, chosen.limits, each)
    if not proof.differs(chosen.replica, chosen.limits, each.table, (rows, hashes)):
        return False
    _, afterwards = source.look(chosen.source, chosen.limits, each.table.name, work.plan.version)
    if afterwards.evidence != each.evidence:
        raise TableUnsteady(
            f"{each.table.name} was written while it was verified; trying again reads it anew."
        )
    return True


def _extract(work: _Work, recorded: Extracted | None, reason: str) -> _Step:
    """Read the table, or what of it differs, into a shadow beside the replica's, then make the replica's equal to it at once."""
    started = monotonic()
    chosen, each, name = work.settings, work.source_table, work.source_table.table.name
    counted = source.count(chosen.source, chosen.limits, each)
    definition = source.definition(chosen.source, chosen.limits, name)
    how = evidence.how_read(
        chosen.limits, each, recorded, work.now, forced=work.forced, verified=bool(work.plan.verify)
    )
    target = Target(work.lock, each, definition, work.now)
    method, shadow = _read(work, how, target, counted)
    _, afterwards = source.look(chosen.source, chosen.limits, name, work.plan.version)
    held = source.count(chosen.source, chosen.limits, afterwards)
    unsteady = evidence.why_unsteady(
        each.evidence, afterwards.evidence, rows=(counted, held, shadow.total)
    )
    if unsteady:
        raise TableUnsteady(f"{name} {unsteady}; nothing was changed, the next run reads it anew.")
    clean = source.is_clean(each.evidence, afterwards.evidence, shadow.read_from)
    damaged = recorded is None or not recorded.intact
    verdict = Verdict(
        work.run_id,
        method,
        reason,
        each.evidence,
        clean,
        shadow.total,
        shadow.read_from,
        started,
        damaged,
    )
    if (
        recorded
        and evidence.shrunk(chosen.limits, recorded.rows, shadow.total)
        and not _accepted(work)
    ):
        shadow.hold(verdict)
        raise TableShrunk(
            f"{name} has {shadow.total:,} rows but had {recorded.rows:,}, so its last version stays (ELT_SHRINK_SHARE). If they"
            f" were deleted on purpose, run with --table {name} --accept-shrink; a run that finds it so again after"
            f" {chosen.limits.second_look_seconds} s (ELT_SECOND_LOOK_SECONDS) takes it."
        )
    # What a normal run, which relies on stamps, would not have seen.
    missed = proof.count_missed(shadow, how.since) if work.plan.verify and how.since else 0
    with prepared(shadow, recorded) as change:
        if isinstance(change, Swap) and change.building:
            work.early.copy(chosen, work.lock, shadow)
    hop = change.make(verdict)
    lost = shadow.loaded.negative_zeros
    zeros = {column: {"negative_zeros": count} for column, count in lost.items()}
    return _Step((hop,), (Finding("replica", "changed", "", missed),) if missed else (), zeros)


def _read(work: _Work, how: How, target: Target, counted: int) -> tuple[str, Shadow]:
    """Read what the replica is to have of a table of so many rows; return by which method that was possible."""
    if how.method == evidence.RELOAD:
        return how.method, _read_whole(work, target, counted)
    if target.is_mergeable():
        since = how.since if how.method == evidence.INCREMENTAL else None
        return how.method, _read_differing(work, target, since)
    seed = target.seed_copy()
    return (
        (evidence.COMPARE, _read_into(work, seed))
        if seed
        else (evidence.RELOAD, _read_whole(work, target, counted))
    )


def _accepted(work: _Work) -> bool:
    """Tell whether the user, or a look long enough after the first one, says that the rows are really gone."""
    held = extracts.held_seconds(work.lock)
    return work.plan.accept_shrink or (
        held is not None and held >= work.settings.limits.second_look_seconds
    )


def _read_whole(work: _Work, target: Target, counted: int) -> Shadow:
    """Read all rows, going on where a killed run stopped."""
    chosen, each = work.settings, work.source_table
    copy = target.begin_copy()
    if not counted:  # it is counted again afterwards
        return copy
    with prefetch(source_rows.pages(chosen.source, chosen.limits, each, copy.unread)) as pages:
        for page in pages:
            copy = copy.append(page)
    return copy


def _read_differing(work: _Work, target: Target, since: datetime | None) -> Shadow:
    """Find the rows whose hashes differ in source and replica, and read those."""
    difference = _difference(work, since, work.source_table)
    return _read_scope(work, target.begin_patch(difference, since), difference.scope)


def _read_into(work: _Work, seed: Copy) -> Shadow:
    """Compare the source with the rows that the replica's table had under other columns, and read those that differ."""
    difference = _difference(
        work,
        None,
        replace(work.source_table, table=replace(work.source_table.table, name=seed.name)),
    )
    return _read_scope(work, seed.keep(difference), difference.scope)


def _read_scope(work: _Work, shadow: Shadow, scope: Scope) -> Shadow:
    chosen, each = work.settings, work.source_table
    for within in scope.ranges:
        with prefetch(source_rows.pages(chosen.source, chosen.limits, each, within)) as pages:
            for page in pages:
                shadow = shadow.append(page)
    for page in source_rows.rows_of(chosen.source, chosen.limits, each, scope.keys):
        shadow = shadow.append(page)
    return shadow


def _difference(work: _Work, since: datetime | None, copy: SourceTable) -> Difference:
    """Compare source and a copy in the replica bucket by bucket, and row by row in those that differ."""
    chosen, each = work.settings, work.source_table
    cut = buckets.cut(work.lock.connection, chosen.limits, copy.table, each.size)
    with source_rows.reading(chosen.source, chosen.limits) as connection:
        sides = Side(connection, each.table), Side(work.lock.connection, copy.table)
        compared = buckets.compare(*sides, cut, since)
    difference = replace(compared, scope=NOTHING)
    for within in compared.scope.ranges:
        ours = source_rows.list_rows(chosen.source, chosen.limits, each, within, since)
        theirs = replica_rows.list_rows(chosen.replica, chosen.limits, copy, within, since)
        difference += buckets.compare_rows(each.table, within, ours, theirs)
    return difference


def _repaired_replica(
    source_table: SourceTable, extracted: Extracted, hop: Hop
) -> tuple[Finding, ...]:
    """Tell what was repaired in the replica from what had been written at the source meanwhile, which only counts can."""
    only_damaged = evidence.only_damaged(source_table, extracted)
    if only_damaged and not hop.replaced:
        return _repaired("replica", hop)
    if extracted.replica_created_now is None:
        return (Finding("replica", "missing", "", extracted.rows),)
    surplus = (
        0 if extracted.replica_rows_now is None else extracted.replica_rows_now - extracted.rows
    )
    if surplus:
        return (Finding("replica", "extra" if surplus > 0 else "missing", "", abs(surplus)),)
    return (Finding("replica", "other structure", "", 1),) if only_damaged else ()


def _repaired(place: str, hop: Hop) -> tuple[Finding, ...]:
    """Tell what a hop had to repair."""
    kinds = (("changed", hop.updated), ("missing", hop.inserted), ("extra", hop.deleted))
    return tuple(Finding(place, kind, "", count) for kind, count in kinds if count)


def _into_raw(work: _Work) -> _Step:
    """Load the replica's table into `raw` if it is behind, or, verified, not equal.

    Damage that is found by the way of a load of the whole table that was due anyway is mended without being told.
    """
    standing = work.standing
    due = evidence.why_load(standing)
    reason = "forced" if work.forced else due
    step = _load(work, standing, replays=due == reason == evidence.BEHIND) if reason else _Step()
    if not work.plan.verify:
        return step
    found = _repaired("raw", step.hops[0]) if reason and (not due or due in evidence.DAMAGE) else ()
    wrong = _compare(work)
    if not wrong:
        return replace(step, found=found)
    replayed = bool(reason) and not step.scope.whole
    if replayed or not reason:
        again = _load(work, work.standing, replays=False)
        step = replace(again, hops=(*step.hops, *again.hops))
    if (reason and not replayed) or _compare(work):
        named = ", ".join(map(str, wrong))
        raise TableError(
            f"{work.source_table.table.name} does not come into raw as it is in the replica: {named}."
        )
    return replace(step, found=wrong)


def _compare(work: _Work) -> tuple[Finding, ...]:
    chosen = work.settings
    return verification.compare(
        chosen.replica, chosen.warehouse, chosen.limits, work.source_table, work.raw_name
    )


def _load(work: _Work, standing: Standing, *, replays: bool) -> _Step:
    """Load the replica's table into `raw`: what the extracts since the last load changed, or everything."""
    if standing.extracted is None:
        raise TableError(
            f"{work.source_table.table.name} is not in the replica, so raw cannot be loaded."
        )
    scope = _to_load(work, standing) if replays and not work.early.rows else EVERYTHING
    if not scope.whole:
        try:
            return _carry(work, standing.generation, standing.extracted, scope)
        except TableError as error:  # raw is not what it is recorded to be
            log.warning("%s Loading all of it.", error)
    return _carry(work, standing.generation, standing.extracted, EVERYTHING)


def _carry(work: _Work, generation: str, extracted: Extracted, scope: Scope) -> _Step:
    """Load the rows of a scope."""
    chosen, each, loaded = work.settings, work.source_table, work.standing.loaded
    followed = loaded and loaded.raw_intact and loaded.generation == generation
    moved = not (followed and loaded and extracted.changed_id <= loaded.extract_id)
    origin = partial(
        raw.Origin,
        generation,
        extracted.id,
        extracted.run_id,
        work.run_id,
        rows=extracted.rows,
        scope=scope,
        moved=moved,
    )
    early = work.early.take()
    if early:
        copied, totals = early
        hop, altered = raw.take(chosen.warehouse, chosen.limits, copied, origin(lambda: totals))
        return _Step((hop,), altered=altered, scope=scope)
    found = _pages_for_raw(chosen, each, scope)
    with (
        in_background(
            lambda: replica_rows.totals(chosen.replica, chosen.limits, each.table, scope)
        ) as totals_of,
        prefetch(found if extracted.rows else iter(())) as pages,
        raw.copied(
            chosen.warehouse, chosen.limits, each.table, work.lock.fence, pages, whole=scope.whole
        ) as copied,
    ):
        hop, altered = raw.take(chosen.warehouse, chosen.limits, copied, origin(totals_of))
    return _Step((hop,), altered=altered, scope=scope)


def _pages_for_raw(
    settings: Settings, source_table: SourceTable, scope: Scope
) -> Iterator[pa.Table]:
    table = source_table.table
    selection = Selection(
        settings.replica, settings.limits, source_table, raw.select(table), whole=table.columns
    )
    return replica_rows.pages(selection, scope)


def _to_load(work: _Work, standing: Standing) -> Scope:
    """Return the rows that the extracts since the last load changed, everything where that is not known to be enough."""
    chosen, table, loaded = work.settings, work.source_table.table, standing.loaded
    # How many values PostgreSQL cannot hold is counted anew where there are some.
    if loaded is None or loaded.altered or not loaded.raw_intact:
        return EVERYTHING
    scope = extracts.changed_since(chosen.replica, chosen.limits, table.name, loaded.extract_id)
    if scope.whole or scope.empty or not raw.has_its_structure(chosen.warehouse, table):
        return EVERYTHING
    return scope


def _into_public(work: _Work, scope: Scope) -> _Step:
    """Make the base table's rows of a scope anew from `raw` if it is behind; when verified, then all of them in any case.

    That changes nothing in a sound table.
    """
    chosen, each, standing = work.settings, work.source_table, work.standing
    recipe = public.recipe(chosen.limits, each.table, evidence.raw_name(each, standing))
    due = evidence.why_standardize(recipe.rules, standing.loaded)
    if not due and not work.forced and not work.plan.verify:
        return _Step()
    done: tuple[Hop, ...] = ()
    ruled = standing.loaded is not None and standing.loaded.rules == recipe.rules
    if ruled and not scope.whole and not work.forced:
        done = (
            public.standardize(chosen.warehouse, chosen.limits, each.table, work.lock.fence, scope),
        )
        if not work.plan.verify:
            return _Step(done)
        due = ""
    damage = work.plan.verify and recipe.standard and (not due or due in evidence.DAMAGE)
    other = (
        damage
        and not due
        and public.has_other_structure(chosen.warehouse, chosen.limits, each.table)
    )
    hop = public.standardize(chosen.warehouse, chosen.limits, each.table, work.lock.fence)
    found = (
        (Finding("public", "other structure", "", 1),)
        if other
        else _repaired("public", hop)
        if damage
        else ()
    )
    return _Step((*done, hop) if due or work.forced or other or hop.changed else done, found)

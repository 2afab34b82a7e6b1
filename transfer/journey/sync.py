"""One table's journey: source → replica → `raw` → `public`.

Each hop brings its target up to date; where the plan says so, verification compares the two and
repairs what differs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from time import monotonic

from transfer.changes import evidence
from transfer.errors import EltError, TableError, TableVanished, place_of
from transfer.journey import into_public, into_raw, into_replica
from transfer.journey.looks import Looks
from transfer.journey.work import Findings, Step, Work
from transfer.replica import extracts
from transfer.replica.lock import Lock, lock_table
from transfer.replica.recovery import recover
from transfer.replica.tables import as_both_hold
from transfer.running.memory import give_back
from transfer.settings import Settings
from transfer.values.reasons import State
from transfer.values.scope import EVERYTHING
from transfer.values.table import Extracted, Standing, TablePlan, TableResult
from transfer.warehouse import positions

log = logging.getLogger("elt")


def sync(
    settings: Settings,
    plan: TablePlan,
    run_id: str,
    findings: Findings | None = None,
    looks: Looks | None = None,
) -> TableResult:
    """Bring one table up to date; what another run did in the meantime is not done again.

    `findings` keeps what earlier attempts of the same run found, and gets what this one finds.
    `looks` are those that the run's tables share.

    Raises:
        EltError: the table could not be brought up to date; its last complete version stands.

    """
    started = monotonic()
    give_back()
    try:
        with (
            lock_table(settings.replica, settings.limits, plan.table) as lock,
            ExitStack() as until_loaded,
        ):
            shared = findings or Findings(), looks or Looks()
            begun = _begin(settings, plan, run_id, *shared, lock, until_loaded)
            result = _travel(begun)
    except TableVanished as vanished:
        result = TableResult(
            plan.table, plan.method, plan.reason, State.VANISHED, note=str(vanished)
        )
    except EltError:
        raise
    except Exception as error:  # noqa: BLE001 - its text may quote a value
        raise TableError(
            f"{plan.table}: unforeseen {type(error).__name__} at {place_of(error)}."
        ) from None
    done = replace(result, seconds=monotonic() - started)
    log.info("%s", done.sentence, extra={"finished": plan.table, "rows": done.rows})
    return done


def _begin(
    settings: Settings,
    plan: TablePlan,
    run_id: str,
    findings: Findings,
    looks: Looks,
    lock: Lock,
    until_loaded: ExitStack,
) -> Work:
    """Tidy up after a killed run and look at the table in all places."""
    loaded = positions.state(settings.warehouse, [plan.table]).get(plan.table)
    lock = lock.above(loaded.fence if loaded else 0)
    left = not lock.is_first and recover(lock)
    now, found = looks.at(settings, plan)
    source_table = as_both_hold(lock, found)
    copies = extracts.state_of_first(lock) if lock.is_first else extracts.state_of(lock)
    before = Standing(copies.generation, copies.extracted.get(plan.table), loaded)
    done_before = before.extracted is not None and before.extracted.run_id == run_id
    forced = plan.forced and not done_before
    return Work(
        settings,
        plan,
        run_id,
        findings,
        lock,
        now,
        source_table,
        before,
        forced,
        until_loaded,
        left,
        copies,
    )


def _travel(work: Work) -> TableResult:
    """Take the three hops, each of them up to date and, if the plan says so, verified."""
    started = monotonic()
    before = work.before.loaded
    current = before is not None and not evidence.why_standardize(before.rules, before)
    extracted = _verified(work, into_replica.bring_up_to_date(work), into_replica.verify)
    work = work.with_replica() if extracted.hops else work
    loaded = _verified(work, into_raw.bring_up_to_date(work, extracted.copied), into_raw.verify)
    work = work.with_raw(loaded)
    changed = loaded.scope if current else EVERYTHING
    standardized = _verified(work, into_public.bring_up_to_date(work, changed), into_public.verify)
    if work.plan.verify:
        seconds = monotonic() - started
        positions.note_verified(work.settings.warehouse, work.plan.table, seconds)
    return _result(work, extracted, loaded, standardized)


def _verified(work: Work, step: Step, verify: Callable[[Work, Step], Step]) -> Step:
    """Compare what a hop brought up to date, and repair what differs, if the plan says so."""
    if work.plan.verify:
        step = verify(work, step)
        work.record(step.found)
    return step


def _result(work: Work, *steps: Step) -> TableResult:
    plan, after = work.plan, work.copies.extracted.get(work.plan.table)
    before = work.before.extracted
    hops = tuple(hop for step in steps for hop in step.hops)
    found = work.findings.of(plan.table)
    idle = State.VERIFIED if plan.verify else State.UNCHANGED
    return TableResult(
        table=plan.table,
        method=plan.method,
        reason=plan.reason,
        state=State.REPAIRED if found else State.SYNCED if hops else idle,
        hops=hops,
        rows=after.rows if after else 0,
        clean=after is not None and after.clean,
        altered=_joined(*(step.altered for step in steps)),
        found=found,
        verified=bool(plan.verify),
        note=_engine_note(after),
        watermark_before=before.evidence.shown if before else "",
        watermark_after=after.evidence.shown if after else "",
    )


def _joined(*altered: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    columns = {column: None for counts in altered for column in counts}
    return {
        column: {
            kind: count for counts in altered for kind, count in counts.get(column, {}).items()
        }
        for column in columns
    }


def _engine_note(extracted: Extracted | None) -> str:
    """Name an engine that is not InnoDB."""
    engine = extracted.replica_engine if extracted else ""
    if engine in ("", "InnoDB"):
        return ""
    return f"in the replica a table of {engine}, as InnoDB refuses its definition"

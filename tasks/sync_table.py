"""One table's journey: source → replica → `raw` → `public`, each hop making its target equal to its origin."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic

from prefect import task

from tasks.caching import proven_key
from tasks.retrying import may_help
from transfer import evidence, positions, public, raw, replica, source, verification
from transfer.errors import EltError, TableError, TableUnsteady, TableVanished, place_of
from transfer.replica import Lock, Verdict
from transfer.settings import Settings, settings
from transfer.table import Extracted, Finding, Hop, SourceTable, Standing, TablePlan, TableResult

log = logging.getLogger("elt")


@task(
    name="sync_table",
    task_run_name="{plan.table}",
    cache_key_fn=proven_key,
    cache_expiration=timedelta(days=1),
    persist_result=True,
    retry_condition_fn=may_help,
)
def sync_table(plan: TablePlan, run_id: str) -> TableResult:
    """Bring one table up to date in all three places."""
    return sync(settings(), plan, run_id)


def sync(chosen: Settings, plan: TablePlan, run_id: str) -> TableResult:
    """Bring one table up to date; what another run has done meanwhile, or an earlier attempt, is not done again.

    Raises:
        EltError: the table could not be brought up to date; its last complete version stands everywhere.

    """
    started = monotonic()
    floor = max((each.fence for each in positions.state(chosen.warehouse, [plan.table]).values()), default=0)
    try:
        with replica.locked(chosen.replica, chosen.limits, plan.table, floor) as lock:
            result = _hops(chosen, plan, run_id, lock)
    except TableVanished as vanished:
        result = TableResult(plan.table, plan.method, plan.reason, "vanished", note=str(vanished))
    except EltError:
        raise
    except Exception as error:  # noqa: BLE001 - an unforeseen error may quote a value: only its kind and place are told
        raise TableError(f"{plan.table}: unforeseen {type(error).__name__} at {place_of(error)}.") from None
    done = replace(result, seconds=monotonic() - started)
    log.info("%s", done.sentence, extra={"finished": plan.table, "rows": done.rows})
    return done


def _hops(chosen: Settings, plan: TablePlan, run_id: str, lock: Lock) -> TableResult:
    replica.recover(lock)
    now, each = source.look(chosen.source, chosen.limits, plan.table)
    standing = _standing(chosen, plan.table)
    done_before = standing.extracted is not None and standing.extracted.run_id == run_id
    forced = plan.forced and not done_before
    hops: list[Hop] = []
    found: list[Finding] = []
    altered: dict[str, dict[str, int]] = {}
    reason = "forced" if forced else evidence.why_read(each, standing.extracted)
    astray = not reason and plan.verify and _replica_astray(chosen, each)
    if reason or astray:
        hop = _extract(chosen, each, now, lock, standing, plan.method, reason or ASTRAY, run_id)
        hops.append(hop)
        if plan.verify and standing.extracted and (astray or reason in evidence.DAMAGE):
            found += _repaired_replica(each, standing.extracted, hop)
        standing = _standing(chosen, plan.table)
    loads = "forced" if forced else evidence.why_load(standing)
    if loads:
        hop, altered = _load(chosen, each, lock, standing)
        hops.append(hop)
        found += _repaired("raw", hop) if plan.verify and loads in evidence.DAMAGE else ()
    standing = _standing(chosen, plan.table)
    if plan.verify:
        wrong = verification.compare(
            chosen.replica, chosen.warehouse, chosen.limits, each, evidence.raw_name(each, standing)
        )
        if wrong:
            hop, altered = _reload(chosen, each, lock, standing, wrong, loads=bool(loads))
            hops.append(hop)
            found += wrong
    for each_found in found:
        log.error("%s: verification found %s", plan.table, each_found)
    standing = _standing(chosen, plan.table)
    recipe = public.recipe(chosen.limits, each.table, evidence.raw_name(each, standing))
    standardizes = evidence.why_standardize(recipe.rules, standing.loaded)
    if forced or standardizes or plan.verify:
        hop = public.standardize(chosen.warehouse, chosen.limits, each.table, lock.fence)
        if forced or standardizes or hop.changed:
            hops.append(hop)
        if plan.verify and recipe.standard and (not (forced or standardizes) or standardizes in evidence.DAMAGE):
            found += _repaired("public", hop)
    return TableResult(
        table=plan.table,
        method=plan.method,
        reason=plan.reason,
        state="repaired" if found else "synced" if hops else "verified" if plan.verify else "unchanged",
        hops=tuple(hops),
        rows=standing.extracted.rows if standing.extracted else 0,
        clean=standing.extracted is not None and standing.extracted.clean,
        altered=altered,
        found=tuple(found),
        verified=plan.verify,
        note=_engine_note(standing),
    )


ASTRAY = "verification: not the source's rows, though nobody wrote there"


def _replica_astray(chosen: Settings, each: SourceTable) -> bool:
    """Tell whether the replica has other rows than the source, which was not written since they were read."""
    rows, hashes = source.hashes(chosen.source, chosen.limits, each)
    if not replica.differs(chosen.replica, chosen.limits, each.table, (rows, hashes)):
        return False
    _, afterwards = source.look(chosen.source, chosen.limits, each.table.name)
    if afterwards.evidence != each.evidence:
        raise TableUnsteady(f"{each.table.name} was written while it was verified; trying again reads it anew.")
    return True


def _repaired_replica(each: SourceTable, extracted: Extracted, hop: Hop) -> tuple[Finding, ...]:
    """Tell what was repaired in the replica from what had been written at the source meanwhile, which only counts can."""
    only_damaged = evidence.only_damaged(each, extracted)
    if only_damaged and not hop.replaced:
        return _repaired("replica", hop)
    if extracted.replica_created_now is None:
        return (Finding("replica", "missing", "", extracted.rows),)
    surplus = 0 if extracted.replica_rows_now is None else extracted.replica_rows_now - extracted.rows
    if surplus:
        return (Finding("replica", "extra" if surplus > 0 else "missing", "", abs(surplus)),)
    return (Finding("replica", "other structure", "", 1),) if only_damaged else ()


def _repaired(place: str, hop: Hop) -> tuple[Finding, ...]:
    """Tell what a hop had to repair."""
    kinds = (("changed", hop.updated), ("missing", hop.inserted), ("extra", hop.deleted))
    return tuple(Finding(place, kind, "", count) for kind, count in kinds if count)


def _reload(
    chosen: Settings,
    each: SourceTable,
    lock: Lock,
    standing: Standing,
    wrong: tuple[Finding, ...],
    *,
    loads: bool,
) -> tuple[Hop, dict[str, dict[str, int]]]:
    """Load `raw` anew and compare it again, unless it has just been loaded: then it cannot be made equal."""
    hop, altered = _load(chosen, each, lock, standing)
    if loads or verification.compare(
        chosen.replica, chosen.warehouse, chosen.limits, each, evidence.raw_name(each, standing)
    ):
        raise TableError(
            f"{each.table.name} does not come into raw as it is in the replica: {', '.join(map(str, wrong))}."
        )
    return hop, altered


def _engine_note(standing: Standing) -> str:
    """Name an engine that is not InnoDB."""
    engine = standing.extracted.replica_engine if standing.extracted else ""
    return (
        f"in the replica a table of {engine}, as InnoDB refuses its definition" if engine not in ("", "InnoDB") else ""
    )


def _standing(chosen: Settings, table: str) -> Standing:
    copies = replica.state(chosen.replica, chosen.limits, [table])
    loaded = positions.state(chosen.warehouse, [table])
    return Standing(copies.generation, copies.extracted.get(table), loaded.get(table))


def _extract(
    chosen: Settings,
    each: SourceTable,
    now: datetime,
    lock: Lock,
    standing: Standing,
    method: str,
    reason: str,
    run_id: str,
) -> Hop:
    """Read the whole table into a shadow beside the replica's, then make the replica's equal to it at once."""
    started = monotonic()
    name = each.table.name
    counted = source.count(chosen.source, chosen.limits, each)
    definition = source.definition(chosen.source, chosen.limits, name)
    shadow = replica.shadow(lock, chosen.limits, each, definition, now)
    for page, last in source.pages(chosen.source, chosen.limits, each, shadow.last):
        shadow = replica.append(lock, shadow, page, last)
    _, afterwards = source.look(chosen.source, chosen.limits, name)
    held = source.count(chosen.source, chosen.limits, afterwards)
    unsteady = evidence.why_unsteady(each.evidence, afterwards.evidence, rows=(counted, held, shadow.rows))
    if unsteady:
        raise TableUnsteady(f"{name} {unsteady}; nothing was changed, the next run reads it anew.")
    clean = source.is_clean(each.evidence, afterwards.evidence, shadow.read_from)
    verdict = Verdict(run_id, method, reason, each.evidence, clean, shadow.rows, started)
    return replica.finish(lock, chosen.limits, shadow, standing.extracted, verdict)


def _load(chosen: Settings, each: SourceTable, lock: Lock, standing: Standing) -> tuple[Hop, dict[str, dict[str, int]]]:
    """Load the replica's table into `raw`."""
    if standing.extracted is None:
        raise TableError(f"{each.table.name} is not in the replica, so raw cannot be loaded.")
    totals = replica.totals(chosen.replica, chosen.limits, each.table)
    origin = raw.Origin(standing.generation, standing.extracted.id, totals)
    pages = replica.pages(chosen.replica, chosen.limits, each, raw.select(each.table))
    return raw.load(chosen.warehouse, chosen.limits, each.table, lock.fence, origin, pages)

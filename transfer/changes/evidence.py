"""What each table needs and why, from evidence alone: the ladder of `skip`, `reload`, `incremental` and `compare`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from transfer.changes import estimates
from transfer.rules.casts import pageable
from transfer.rules.layout import fit
from transfer.settings import Limits
from transfer.values.table import (
    Evidence,
    Extracted,
    Loaded,
    SourceTable,
    Standing,
    TablePlan,
    digest,
)
from transfer.warehouse import public

EXTRACT, LOAD, STANDARDIZE = "extract", "load", "standardize"
RELOAD, INCREMENTAL, COMPARE = "reload", "incremental", "compare"


def plan(
    limits: Limits,
    source_table: SourceTable,
    standing: Standing,
    now: datetime,
    *,
    forced: bool = False,
    verify: str = "",
) -> TablePlan:
    """Return a table's method, its reason and the hops with work; `verify` is why it is to be verified, if it is.

    A table has work if its source evidence changed, or extract id > loaded id, or load id > standardized id; a target
    that is not the one which was recorded is made anew.
    """
    rules = public.recipe(limits, source_table.table, raw_name(source_table, standing)).rules
    read = "forced" if forced else why_read(source_table, standing.extracted)
    load = "" if read else why_load(standing)
    standardize = "" if read or load else why_standardize(rules, standing.loaded)
    hops = (
        (EXTRACT, LOAD, STANDARDIZE)
        if read
        else (LOAD, STANDARDIZE)
        if load
        else (STANDARDIZE,)
        if standardize
        else ()
    )
    how = how_read(
        limits, source_table, standing.extracted, now, forced=forced, verified=bool(verify)
    )
    return TablePlan(
        table=source_table.table.name,
        method=how.method if read else "resume" if hops else "verify" if verify else "skip",
        because=how.because if read else "",
        reason=read or load or standardize or verify or "nothing changed since the last clean read",
        hops=hops,
        estimated_rows=source_table.estimated_rows,
        estimated_bytes=source_table.estimated_bytes,
        keyed=pageable(source_table.table.key_columns) and not source_table.table.prefixed,
        forced=forced,
        verify=verify,
        verify_seconds=estimates.verification(source_table, standing.loaded) if verify else 0.0,
        proof=None if forced or verify else proof(source_table, standing, rules),
    )


@dataclass(frozen=True, slots=True)
class How:
    """How a table is to be read, and why so unless that goes without saying.

    From `since` (UTC) on any row may have changed whatever its stamps say; None if no stamps can be relied upon.
    """

    method: str
    because: str = ""
    since: datetime | None = None


def how_read(
    limits: Limits,
    source_table: SourceTable,
    extracted: Extracted | None,
    now: datetime,
    *,
    forced: bool,
    verified: bool,
) -> How:
    """Return how a table is read that must be: as a whole, or, a large one, only rows whose hashes differ.

    They are hashed by their key and stamps where they have stamps that were recorded, by all columns elsewhere. `now` is
    the source's clock.
    """
    large = (
        source_table.estimated_rows > limits.reload_rows
        or source_table.estimated_bytes > limits.reload_bytes
    )
    keyed = pageable(source_table.table.key_columns) and not source_table.table.prefixed
    # By another collation the replica sorts texts otherwise, and its ranges of keys are none of the source.
    keyed = keyed and not (
        limits.collations and any(column.charset for column in source_table.table.key_columns)
    )
    if forced or extracted is None or extracted.replica_created_now is None or not keyed:
        return How(RELOAD)
    told = limits.method(source_table.table.name)
    if told == RELOAD or (not told and not large):
        return How(RELOAD, AS_TOLD if told else "small")
    since = _since(limits, source_table, extracted, now) if told != COMPARE else None
    hindrances = {
        AS_TOLD: told == COMPARE,
        "no automatic timestamp": not source_table.table.stamps,
        "its timestamps cannot be relied upon now": since is None,
        "by all columns": verified,
    }
    hindrance = next((why for why, holds in hindrances.items() if holds), "")
    if hindrance:
        return How(COMPARE, hindrance, since)
    return How(INCREMENTAL, f"stamped by {', '.join(source_table.table.stamps)}", since)


AS_TOLD = "as ELT_METHODS says"


def _since(
    limits: Limits, source_table: SourceTable, extracted: Extracted, now: datetime
) -> datetime | None:
    """Return the moment before which stamps can be relied upon.

    None for another server or copy, other columns, a rebuilt table, which may have other values under the same stamps, and
    a clock that was set back.
    """
    then, seen = (
        replace(evidence, updated=None, auto_increment=None, rows=None)
        for evidence in (extracted.evidence, source_table.evidence)
    )
    trusted = extracted.intact and then == seen
    if (
        not source_table.table.stamps
        or not trusted
        or extracted.read_from is None
        or extracted.read_from > now
    ):
        return None
    return extracted.read_from - timedelta(seconds=limits.overlap_seconds)


def raw_name(source_table: SourceTable, standing: Standing) -> str:
    """Return the table's name in `raw`, the one to be wished for before it has one."""
    return standing.loaded.raw_name if standing.loaded else fit(source_table.table.name)


def why_read(source_table: SourceTable, extracted: Extracted | None) -> str:
    """Return why the source must be read, empty when the evidence proves that nothing changed since a clean read."""
    if extracted is None:
        return "never loaded"
    now, then = source_table.evidence, extracted.evidence
    reasons = {
        "another source server or database": now.identity != then.identity,
        "columns or key changed": now.fingerprint != then.fingerprint,
        "its engine changed": now.engine != then.engine,
        "the replica's table was lost, replaced or lacks rows": not extracted.intact,
        "the server does not tell when it was last written": not now.tells_of_writes,
        "written while it was last read": not extracted.clean,
        "written since": now.updated != then.updated,
        "another number of rows": now.rows != then.rows,
        "recreated": now.created != then.created,
        "AUTO_INCREMENT moved": now.auto_increment != then.auto_increment,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def only_damaged(source_table: SourceTable, extracted: Extracted) -> bool:
    """Tell whether nothing but the replica's own state calls for a read."""
    mended = replace(
        extracted, replica_created_now=extracted.replica_created, replica_rows_now=extracted.rows
    )
    return why_read(source_table, mended) == ""


# What a run notices of damage to the targets without a verification.
DAMAGE = frozenset(
    {
        "the replica's table was lost, replaced or lacks rows",
        "raw was lost, replaced or lacks rows",
        "public was lost, replaced or lacks rows",
    }
)


def why_unsteady(before: Evidence, after: Evidence, *, rows: tuple[int, int, int]) -> str:
    """Return why a read cannot be a version of the table; `rows` are counted before, after, and read."""
    if after.fingerprint != before.fingerprint:
        return "changed its columns while it was read"
    if (after.created, after.engine, after.identity) != (
        before.created,
        before.engine,
        before.identity,
    ):
        return "was replaced by another table while it was read"  # as upgrades do, to fill it anew in batches
    counted, held, read = rows
    if before == after and counted == held != read:
        return f"holds {held} rows at the source but {read} were read"
    return ""


SHRINKING_ROWS = 1_000  # what had fewer is small enough to lose them in a day's work


def shrunk(limits: Limits, before: int, now: int) -> bool:
    """Tell whether a table lost more than `ELT_SHRINK_SHARE` of its rows."""
    return before >= SHRINKING_ROWS and before - now > limits.shrink_share * before


BEHIND = "the last run stopped before raw"


def why_load(standing: Standing) -> str:
    """Return why `raw` must be loaded from the replica."""
    extracted, loaded = standing.extracted, standing.loaded
    if extracted is None or loaded is None or loaded.extract_id == 0:
        return "not yet in raw"
    reasons = {
        "another replica than the one raw was loaded from": loaded.generation
        != standing.generation,
        "raw was loaded from a later extract than the replica has": loaded.extract_id
        > extracted.id,
        # The numbers of a status table that was emptied come again.
        "raw was loaded from another extract than the replica has": loaded.extract_id
        == extracted.id
        and loaded.extract_run not in ("", extracted.run_id),
        BEHIND: loaded.extract_id < extracted.changed_id,
        "raw has another number of rows than the replica": loaded.rows != extracted.rows,
        "raw was lost, replaced or lacks rows": not loaded.raw_intact,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def why_standardize(rules: str, loaded: Loaded | None) -> str:
    """Return why the base table must be made anew from `raw`."""
    if loaded is None or loaded.rules == "":
        return "not yet in public"
    reasons = {
        "the rules or the user's SQL changed": loaded.rules != rules,
        "the last run stopped before public": loaded.standardized_id != loaded.load_id,
        "public was lost, replaced or lacks rows": not loaded.public_intact,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def proof(source_table: SourceTable, standing: Standing, rules: str) -> str | None:
    """Return a digest of source and targets that stands for this very state, or None unless it can be relied upon.

    It names the source's watermark, the targets' generations and positions and the rules, so a lost, restored or replaced
    target has another one or none.
    """
    extracted, loaded = standing.extracted, standing.loaded
    if (
        extracted is None
        or loaded is None
        or not extracted.intact
        or not source_table.evidence.tells_of_writes
    ):
        return None
    if why_load(standing) or why_standardize(loaded.rules, loaded):
        return None
    return digest(
        source_table.evidence.watermark,
        standing.generation,
        extracted.id,
        extracted.replica_created,
        loaded.load_id,
        loaded.standardized_id,
        loaded.public_id,
        loaded.rules,
        rules,
    )

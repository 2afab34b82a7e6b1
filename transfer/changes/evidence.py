"""What each table needs and why, from evidence alone: which hops have work and how its source is
read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from transfer.changes import estimates
from transfer.rules.casts import pageable
from transfer.rules.layout import fit
from transfer.settings import Limits
from transfer.values.reasons import HopName, Method, Reason, first_that_holds
from transfer.values.table import (
    Evidence,
    Extracted,
    Loaded,
    SourceTable,
    Standing,
    Table,
    TablePlan,
    digest,
)
from transfer.warehouse import public

HOPS = (HopName.EXTRACT, HopName.LOAD, HopName.STANDARDIZE)
NOTHING_CHANGED = "nothing changed since the last clean read"


def plan(
    limits: Limits,
    source_table: SourceTable,
    standing: Standing,
    now: datetime,
    *,
    forced: bool = False,
    verify: str = "",
) -> TablePlan:
    """Return a table's method, its reason and the hops with work; `verify` is why it is verified.

    A table has work if its source evidence changed, or extract id > loaded id, or load id >
    standardized id; a target that is not the one that was recorded is made again.
    """
    rules = public.recipe(limits, source_table.table, raw_name(source_table, standing)).rules
    read = Reason.FORCED if forced else why_read(source_table, standing.extracted)
    load = None if read else why_load(standing)
    standardize = None if read or load else why_standardize(rules, standing.loaded)
    hops = HOPS if read else HOPS[1:] if load else HOPS[2:] if standardize else ()
    how = how_read(
        limits, source_table, standing.extracted, now, forced=forced, verified=bool(verify)
    )
    idle = Method.RESUME if hops else Method.VERIFY if verify else Method.SKIP
    return TablePlan(
        table=source_table.table.name,
        method=how.method if read else idle,
        because=how.because if read else "",
        reason=read or load or standardize or verify or NOTHING_CHANGED,
        hops=hops,
        estimated_rows=source_table.estimated_rows,
        estimated_bytes=source_table.estimated_bytes,
        keyed=is_paged(source_table.table),
        forced=forced,
        verify=verify,
        verify_seconds=estimates.verification(source_table, standing.loaded) if verify else 0.0,
        proof=None if forced or verify else proof(source_table, standing, rules),
    )


def is_paged(table: Table) -> bool:
    """Tell whether a table is read in pages of its key rather than in one statement.

    Raises:
        TableError: a column of its key is of no type that crosses.

    """
    return pageable(table.key_columns) and not table.prefixed


@dataclass(frozen=True, slots=True)
class How:
    """How a table is to be read, and why so unless that goes without saying.

    Any row changed at or after `since` (UTC) may differ whatever its stamps say; None if stamps
    cannot be relied on.
    """

    method: Method
    because: str = ""
    since: datetime | None = None


AS_SET = "as ELT_METHODS says"


def how_read(
    limits: Limits,
    source_table: SourceTable,
    extracted: Extracted | None,
    now: datetime,
    *,
    forced: bool,
    verified: bool,
) -> How:
    """Return how a table is read: as a whole, or, if it is large, only rows whose hashes differ.

    Hashes cover key and stamps where the table has stamps that can be relied on, else all columns.
    `now` is the source's clock.
    """
    if forced or extracted is None or extracted.replica_created_now is None:
        return How(Method.RELOAD)
    if not _comparable(limits, source_table):
        return How(Method.RELOAD)
    wanted = limits.method(source_table.table.name)
    if wanted == Method.RELOAD or (not wanted and not _is_large(limits, source_table)):
        return How(Method.RELOAD, AS_SET if wanted else "small")
    compared = wanted == Method.COMPARE
    since = None if compared else _since(limits, source_table, extracted, now)
    hindrances = {
        AS_SET: compared,
        "no automatic timestamp": not source_table.table.stamps,
        "its timestamps cannot be relied upon now": since is None,
        "by all columns": verified,
    }
    hindrance = next((why for why, holds in hindrances.items() if holds), "")
    if hindrance:
        return How(Method.COMPARE, hindrance, since)
    stamps = ", ".join(source_table.table.stamps)
    return How(Method.INCREMENTAL, f"stamped by {stamps}", since)


def _is_large(limits: Limits, source_table: SourceTable) -> bool:
    return (
        source_table.estimated_rows > limits.reload_rows
        or source_table.estimated_bytes > limits.reload_bytes
    )


def _comparable(limits: Limits, source_table: SourceTable) -> bool:
    """Tell whether source and replica can be compared by ranges of the key.

    Under another collation the replica sorts texts differently, so its ranges are not the source's.
    """
    table = source_table.table
    sorted_otherwise = limits.collations and any(column.charset for column in table.key_columns)
    return pageable(table.key_columns) and not table.prefixed and not sorted_otherwise


def _since(
    limits: Limits, source_table: SourceTable, extracted: Extracted, now: datetime
) -> datetime | None:
    """Return the moment before which stamps can be relied on.

    None for another server or copy, other columns, a rebuilt table, which may have other values
    under the same stamps, and a clock that was set back.
    """
    then, seen = (
        replace(evidence, updated=None, auto_increment=None, rows=None)
        for evidence in (extracted.evidence, source_table.evidence)
    )
    trusted = bool(source_table.table.stamps) and extracted.intact and then == seen
    if not trusted or extracted.read_from is None or extracted.read_from > now:
        return None
    return extracted.read_from - timedelta(seconds=limits.overlap_seconds)


def raw_name(source_table: SourceTable, standing: Standing) -> str:
    """Return the table's name in `raw`, or the one it should get."""
    return standing.loaded.raw_name if standing.loaded else fit(source_table.table.name)


def why_read(source_table: SourceTable, extracted: Extracted | None) -> Reason | None:
    """Return why the source must be read; None if nothing changed since a clean read."""
    if extracted is None:
        return Reason.NEVER_LOADED
    now, then = source_table.evidence, extracted.evidence
    return first_that_holds(
        {
            Reason.OTHER_SOURCE: now.identity != then.identity,
            Reason.OTHER_COLUMNS: now.fingerprint != then.fingerprint,
            Reason.OTHER_ENGINE: now.engine != then.engine,
            Reason.REPLICA_DAMAGED: not extracted.intact,
            Reason.WRITES_UNTOLD: not now.tells_of_writes,
            Reason.UNCLEAN: not extracted.clean,
            Reason.WRITTEN: now.updated != then.updated,
            Reason.OTHER_ROW_COUNT: now.rows != then.rows,
            Reason.RECREATED: now.created != then.created,
            Reason.COUNTER_MOVED: now.auto_increment != then.auto_increment,
        }
    )


def only_damaged(source_table: SourceTable, extracted: Extracted) -> bool:
    """Tell whether nothing but the replica's own state calls for a read."""
    undamaged = replace(
        extracted,
        replica_created_now=extracted.replica_created,
        replica_rows_now=extracted.rows,
    )
    return why_read(source_table, undamaged) is None


def why_unsteady(before: Evidence, after: Evidence, *, rows: tuple[int, int, int]) -> str:
    """Return why a read cannot be a version of the table; `rows` are counted before, after, read.

    It is the end of a sentence that begins with the table's name.
    """
    if after.fingerprint != before.fingerprint:
        return "changed its columns while it was read"
    if (after.created, after.engine, after.identity) != (
        before.created,
        before.engine,
        before.identity,
    ):
        # As upgrades do, to fill it again in batches.
        return "was replaced by another table while it was read"
    counted, held, read = rows
    if before == after and counted == held != read:
        return f"holds {held} rows at the source but {read} were read"
    return ""


SHRINKING_ROWS = 1_000  # a smaller table may lose that share in a day's work


def shrunk(limits: Limits, before: int, now: int) -> bool:
    """Tell whether a table lost more than `ELT_SHRINK_SHARE` of its rows."""
    return before >= SHRINKING_ROWS and before - now > limits.shrink_share * before


def why_load(standing: Standing) -> Reason | None:
    """Return why `raw` must be loaded from the replica."""
    extracted, loaded = standing.extracted, standing.loaded
    if extracted is None or loaded is None or loaded.extract_id == 0:
        return Reason.NOT_IN_RAW
    return first_that_holds(
        {
            Reason.OTHER_REPLICA: loaded.generation != standing.generation,
            Reason.RAW_AHEAD: loaded.extract_id > extracted.id,
            # A status table that was emptied numbers its extracts from 1 again.
            Reason.OTHER_EXTRACT: loaded.extract_id == extracted.id
            and loaded.extract_run not in ("", extracted.run_id),
            Reason.RAW_BEHIND: loaded.extract_id < extracted.changed_id,
            Reason.RAW_ROW_COUNT: loaded.rows != extracted.rows,
            Reason.RAW_DAMAGED: not loaded.raw_intact,
        }
    )


def why_standardize(rules: str, loaded: Loaded | None) -> Reason | None:
    """Return why the base table must be made again from `raw`."""
    if loaded is None or loaded.rules == "":
        return Reason.NOT_IN_PUBLIC
    return first_that_holds(
        {
            Reason.OTHER_RULES: loaded.rules != rules,
            Reason.PUBLIC_BEHIND: loaded.standardized_id != loaded.load_id,
            Reason.PUBLIC_DAMAGED: not loaded.public_intact,
        }
    )


def proof(source_table: SourceTable, standing: Standing, rules: str) -> str | None:
    """Return a digest that stands for this very state of source and targets.

    It names the source's watermark, the targets' generations and positions and the rules, so a
    lost, restored or replaced target has another one. None if the state cannot be relied on.
    """
    extracted, loaded = standing.extracted, standing.loaded
    if extracted is None or loaded is None or not extracted.intact:
        return None
    if not source_table.evidence.tells_of_writes:
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

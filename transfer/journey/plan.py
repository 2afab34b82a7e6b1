"""Finds the tables and decides what each needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase

from transfer.changes import estimates, evidence, rotation
from transfer.changes.rotation import Turn
from transfer.errors import TableError, UnknownTable
from transfer.journey import recognition
from transfer.replica import extracts
from transfer.replica import marks as replica_marks
from transfer.settings import Limits, Settings
from transfer.source import survey as source
from transfer.source.survey import Excluded
from transfer.values.reasons import Method
from transfer.values.table import SourceTable, Standing, TablePlan
from transfer.warehouse import history, marks, positions, public, schemas


@dataclass(frozen=True, slots=True)
class Counted:
    """The marks of tables that were counted and hold what is recorded: until their next write they
    need not be counted again.
    """

    replica: Mapping[str, str] = field(default_factory=dict)
    warehouse: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run is to do: a plan for each table, the tables left out, and those that the source no
    longer has.

    `overdue` are tables whose verification is, and which this run does not verify either; `remarks`
    are what somebody should look at. `counted` are the tables whose rows had to be counted.
    """

    plans: tuple[TablePlan, ...]
    excluded: tuple[Excluded, ...]
    gone: tuple[str, ...]
    overdue: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    counted: Counted = field(default_factory=Counted)

    def in_quiet_hours(self) -> Outlook:
        """Return the same for a time at which nobody waits for the source."""
        return replace(self, plans=tuple(replace(plan, quiet=True) for plan in self.plans))

    def remarked(self, remarks: Sequence[str]) -> Outlook:
        """Return the same with more remarks."""
        return replace(self, remarks=(*self.remarks, *remarks))

    @property
    def work(self) -> tuple[TablePlan, ...]:
        """The tables with work, the largest first."""
        return tuple(
            sorted(
                (plan for plan in self.plans if plan.has_work),
                key=lambda plan: -plan.estimated_bytes,
            )
        )


def look(
    settings: Settings,
    tables: Sequence[str] | None = None,
    *,
    force_full: bool = False,
    verify: bool = False,
    accept_shrink: bool = False,
    accept_source: bool = False,
) -> Outlook:
    """Look at the three databases, changing nothing, and plan every table or those named (wildcards
    allowed).

    Raises:
        UnknownTable: a name or pattern fits no table.
        PreflightError: the source is another practice's, or shows less than before, and that is not
            accepted.

    """
    found = source.survey(settings.source, settings.limits)
    copies = extracts.state(settings.replica, settings.limits)
    loaded = positions.state(settings.warehouse)
    copied = set(copies.extracted) | {name for name, state in loaded.items() if state.extract_id}
    if not accept_source:
        recognition.check(settings, found, copies.extracted, copied, whole=tables is None)
    counted = Counted(
        copies.marks, tuple(mark for standing in loaded.values() for mark in standing.marks)
    )
    names = [seen.table.name for seen in found.tables]
    wanted = set(names) if tables is None else set(_resolve(tables, names, found.excluded))
    places = [
        (seen, loaded.get(seen.table.name)) for seen in found.tables if seen.table.name in wanted
    ]
    turns = () if verify else rotation.turns(settings.limits, places)
    due = _due(settings.limits, wanted, turns, force_full=force_full, verify=verify)
    plans = tuple(
        replace(
            _plan(
                settings.limits,
                seen,
                Standing(copies.generation, copies.extracted.get(seen.table.name), standing),
                found.now,
                force_full,
                due.get(seen.table.name, ""),
            ),
            version=found.version,
            accept_shrink=accept_shrink or accept_source,  # which may have fewer of everything
        )
        for seen, standing in places
    )
    overdue = tuple(name for name in rotation.overdue(settings.limits, turns) if name not in due)
    if tables is not None:
        return Outlook(plans, (), (), overdue, counted=counted)
    left_out = {excluded.table for excluded in found.excluded}
    gone = tuple(sorted(copied - set(names) - left_out))
    idle = unused(settings.limits, names, [*names, *left_out])
    without = tuple(Excluded(name, "it fits no table") for name in idle)
    return Outlook(plans, without + found.excluded, gone, overdue, counted=counted)


def confirm(settings: Settings, outlook: Outlook) -> None:
    """Note which tables are equal in all places, and which need not be counted again."""
    positions.confirm(
        settings.warehouse, [plan.table for plan in outlook.plans if not plan.has_work]
    )
    if outlook.counted.warehouse:
        marks.note(settings.warehouse, outlook.counted.warehouse)
    if outlook.counted.replica:
        replica_marks.note(settings.replica, settings.limits, outlook.counted.replica)


def _due(
    limits: Limits,
    wanted: Collection[str],
    turns: Sequence[Turn],
    *,
    force_full: bool,
    verify: bool,
) -> dict[str, str]:
    """Return the tables that are to be verified, and why."""
    if verify:
        return dict.fromkeys(wanted, "asked for")
    return {} if force_full else rotation.taken(limits, turns)


def unused(limits: Limits, names: Sequence[str], every: Sequence[str]) -> tuple[str, ...]:
    """Return what the user named of tables that the source does not have.

    `every` has also the names of tables that are left out.
    """
    return (*_idle(limits, every), *public.unused(limits, names))


def _idle(limits: Limits, names: Sequence[str]) -> list[str]:
    """Return the patterns of settings that fit none of the source's tables."""
    patterns = [("ELT_EXCLUDE", pattern) for pattern in limits.exclude]
    patterns += [("ELT_METHODS", pattern) for pattern, _ in limits.methods]
    lowered = [name.lower() for name in names]
    return [
        f"{name}={pattern}" for name, pattern in patterns if not _fits_any(lowered, pattern.lower())
    ]


def _fits_any(names: Sequence[str], pattern: str) -> bool:
    """Tell whether a pattern fits one of the names."""
    return any(fnmatchcase(name, pattern) for name in names)


def note_presence(settings: Settings, run_id: str, outlook: Outlook) -> None:
    """Write down which tables the source no longer has, and which it has again."""
    present = [
        *(plan.table for plan in outlook.plans),
        *(excluded.table for excluded in outlook.excluded),
    ]
    schemas.note_presence(settings.warehouse, run_id, present=present, gone=outlook.gone)


def with_seconds(settings: Settings, outlook: Outlook) -> Outlook:
    """Return an outlook with the seconds that each table's work is expected to take."""
    past = history.mean_seconds(settings.warehouse)
    plans = tuple(
        replace(plan, estimated_seconds=estimates.work(plan, past)) for plan in outlook.plans
    )
    return replace(outlook, plans=plans)


def _plan(
    limits: Limits,
    source_table: SourceTable,
    standing: Standing,
    now: datetime,
    forced: bool,
    verify: str,
) -> TablePlan:
    try:
        return evidence.plan(limits, source_table, standing, now, forced=forced, verify=verify)
    except TableError as error:  # its own task will say so, and be red
        return TablePlan(
            source_table.table.name,
            Method.RELOAD,
            str(error),
            evidence.HOPS,
        )


def _resolve(
    wanted: Sequence[str], names: Sequence[str], excluded: Sequence[Excluded]
) -> list[str]:
    chosen: list[str] = []
    for pattern in wanted:
        fitting = matching(pattern, names)
        if not fitting:
            raise UnknownTable(_unknown(pattern, names, excluded))
        chosen += fitting
    return chosen


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Return the names that match a pattern, or the one that equals it in another case."""
    return [name for name in names if fnmatchcase(name, pattern)] or [
        name for name in names if name.lower() == pattern.lower()
    ]


def _unknown(pattern: str, names: Sequence[str], excluded: Sequence[Excluded]) -> str:
    left_out = next((table for table in excluded if fnmatchcase(table.table, pattern)), None)
    if left_out:
        return f"--table {pattern}: {left_out.table} is not copied: {left_out.reason}."
    return (
        f"--table {pattern}: the source has no such"
        f" table{hint(pattern, names) or '; --plan lists them all.'}"
    )


def hint(pattern: str, names: Sequence[str]) -> str:
    """Ask whether one of the names was meant that are nearly the pattern, if there is one."""
    near = get_close_matches(pattern, names, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""

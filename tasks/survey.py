"""Finds the tables and decides what each needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.retrying import may_help
from transfer import evidence, positions, preflight, public, replica, source
from transfer.errors import TableError, UnknownTable
from transfer.settings import Limits, Settings, settings
from transfer.source import Excluded
from transfer.table import SourceTable, Standing, TablePlan


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run is to do: a plan for each table, the tables left out, and those that the source no longer has."""

    plans: tuple[TablePlan, ...]
    excluded: tuple[Excluded, ...]
    gone: tuple[str, ...]

    @property
    def work(self) -> tuple[TablePlan, ...]:
        """The tables with work, the largest first."""
        return tuple(sorted((plan for plan in self.plans if plan.has_work), key=lambda plan: -plan.estimated_bytes))


def look(
    chosen: Settings,
    tables: Sequence[str] | None = None,
    *,
    force_full: bool = False,
    verify: bool = False,
    accept_shrink: bool = False,
) -> Outlook:
    """Look at the three databases, changing nothing, and plan every table or those named (wildcards allowed).

    Raises:
        UnknownTable: a name or pattern fits no table.

    """
    found = source.survey(chosen.source, chosen.limits)
    names = [each.table.name for each in found.tables]
    wanted = set(names) if tables is None else set(_resolve(tables, names, found.excluded))
    copies = replica.state(chosen.replica, chosen.limits)
    loaded = positions.state(chosen.warehouse)
    plans = tuple(
        replace(
            _plan(
                chosen.limits,
                each,
                Standing(copies.generation, copies.extracted.get(each.table.name), loaded.get(each.table.name)),
                force_full,
                verify,
            ),
            version=found.version,
            accept_shrink=accept_shrink,
        )
        for each in found.tables
        if each.table.name in wanted
    )
    if tables is not None:
        return Outlook(plans, (), ())
    unused = tuple(Excluded(file, "its name fits no table") for file in public.unused(chosen.limits, names))
    left_out = {each.table for each in found.excluded}
    return Outlook(plans, found.excluded + unused, tuple(sorted(set(copies.extracted) - set(names) - left_out)))


def _plan(limits: Limits, each: SourceTable, standing: Standing, forced: bool, verify: bool) -> TablePlan:
    try:
        return evidence.plan(limits, each, standing, forced=forced, verify=verify)
    except TableError as error:  # its own task will say so, and be red
        return TablePlan(each.table.name, "reload", str(error), (evidence.EXTRACT, evidence.LOAD, evidence.STANDARDIZE))


def _resolve(wanted: Sequence[str], names: Sequence[str], excluded: Sequence[Excluded]) -> list[str]:
    chosen: list[str] = []
    for pattern in wanted:
        fitting = [name for name in names if fnmatchcase(name, pattern)] or [
            name for name in names if name.lower() == pattern.lower()
        ]
        if not fitting:
            raise UnknownTable(_unknown(pattern, names, excluded))
        chosen += fitting
    return chosen


def _unknown(pattern: str, names: Sequence[str], excluded: Sequence[Excluded]) -> str:
    left_out = next((each for each in excluded if fnmatchcase(each.table, pattern)), None)
    if left_out:
        return f"--table {pattern}: {left_out.table} is not copied: {left_out.reason}."
    near = get_close_matches(pattern, names, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; --plan lists them all."
    return f"--table {pattern}: the source has no such table{hint}"


@task(name="survey", cache_policy=NO_CACHE, retry_condition_fn=may_help)
def survey(tables: list[str] | None, force_full: bool, verify: bool, accept_shrink: bool) -> Outlook:
    """Check the servers, create missing bookkeeping, and plan the run."""
    chosen = settings()
    preflight.check(chosen)
    replica.prepare(chosen.replica, chosen.limits)
    positions.prepare(chosen.warehouse)
    outlook = look(chosen, tables, force_full=force_full, verify=verify, accept_shrink=accept_shrink)
    positions.confirm(chosen.warehouse, [plan.table for plan in outlook.plans if not plan.has_work])
    return outlook

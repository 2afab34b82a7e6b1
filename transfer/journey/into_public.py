"""The last hop: the base tables in `public` are made again from `raw` by SQL."""

from __future__ import annotations

from dataclasses import replace

from transfer.changes import evidence
from transfer.journey.work import Step, Work, repaired
from transfer.values.reasons import is_damage
from transfer.values.scope import EVERYTHING, Scope
from transfer.values.table import Finding, Hop, Standing
from transfer.warehouse import public
from transfer.warehouse.public import Recipe


def bring_up_to_date(work: Work, changed: Scope) -> Step:
    """Make the base table's rows again where `raw` changed, all of them under another recipe."""
    standing = work.standing
    loaded, recipe = standing.loaded, _recipe(work, standing)
    due = evidence.why_standardize(recipe.rules, loaded)
    if not due and (not work.forced or work.plan.verify):  # verification makes all rows again
        return Step()
    same_rules = loaded is not None and loaded.rules == recipe.rules
    scope = changed if same_rules and not work.forced else EVERYTHING
    return Step((_standardize(work, scope),), due, scope)


def verify(work: Work, step: Step) -> Step:
    """Make all rows again, which changes nothing in a sound table, unless that was just done.

    A user's own SQL may give other rows each time, so what it changes is no finding.
    """
    standard = _recipe(work, work.standing).standard
    if step.whole:
        damaged = standard and is_damage(step.due)
        return replace(step, found=repaired("public", step.hops[-1]) if damaged else ())
    other = standard and _has_other_structure(work)
    hop = _standardize(work, EVERYTHING)
    structure = (Finding("public", "other structure", "", 1),) if other else ()
    found = structure or (repaired("public", hop) if standard else ())
    done = (hop,) if work.forced or other or hop.changed else ()
    return replace(step, hops=(*step.hops, *done), found=found)


def _recipe(work: Work, standing: Standing) -> Recipe:
    name = evidence.raw_name(work.source_table, standing)
    return public.recipe(work.settings.limits, work.source_table.table, name)


def _has_other_structure(work: Work) -> bool:
    settings, table = work.settings, work.source_table.table
    return public.has_other_structure(settings.warehouse, settings.limits, table)


def _standardize(work: Work, scope: Scope) -> Hop:
    settings, table = work.settings, work.source_table.table
    return public.standardize(settings.warehouse, settings.limits, table, work.lock.fence, scope)

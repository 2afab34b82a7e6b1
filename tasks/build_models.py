"""Decides which models are to be built over what changed, and builds them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from tasks.dbt_messages import reasons_of
from tasks.dbt_project import project_hash, sources
from tasks.models import BuildFailed, ModelsPlan, ModelsResult, NodeRun
from tasks.run_dbt import run_dbt
from transfer.settings import Settings
from transfer.values.printable import printable
from transfer.values.table import digest
from transfer.warehouse import builds, changed_rows, positions
from transfer.warehouse.builds import Built, Outcome

log = logging.getLogger("elt")


def plan(settings: Settings) -> ModelsPlan:
    """Decide what to build: the descendants of what changed since the last good build, or all."""
    time_zone, declared = settings.limits.time_zone, sources()
    project = project_hash(time_zone)
    built = builds.last_build(settings.warehouse, time_zone)
    standing = positions.base_tables(settings.warehouse)
    numbers = {name: number for name, number in standing.items() if name in declared}
    before = built.positions if built else {}
    if not numbers:
        return ModelsPlan("", False, (), (), False, project, numbers, standing, before, None)
    whole = why_whole(project, built)
    changed = tuple(sorted(name for name in numbers if before.get(name) != numbers[name]))
    new_day = built is not None and built.before_today
    reasons = [f"{len(changed)} base tables changed"] * bool(changed) + ["a new day"] * new_day
    return ModelsPlan(
        reason=whole or ", ".join(reasons),
        whole=bool(whole),
        changed=changed,
        new=tuple(name for name in changed if name not in before),
        new_day=new_day,
        project=project,
        numbers=numbers,
        standing=standing,
        before=before,
        proof=_proof(project, numbers, built),
        missing=tuple(sorted(declared - set(numbers))),
    )


def _proof(project: str, numbers: Mapping[str, int], built: Built | None) -> str | None:
    """Return a digest of what is to be built; None where an earlier result proves nothing.

    What a day's build made is no answer for the next day's.
    """
    if built and (built.before_today or not built.complete):
        return None
    return digest(project, sorted(numbers.items()))


def why_whole(project: str, built: Built | None) -> str:
    """Return why all models must be built, empty when what the last good build made stands."""
    if built is None:
        return "never built"
    if built.project != project or built.overtaken:
        return "the dbt project or its variables changed"
    return "" if built.complete else "a model's relation is missing"


def build(settings: Settings, run_id: str) -> ModelsResult:
    """Run `dbt build` and record its outcome; a failed build leaves its work to the next run.

    Raises:
        BuildFailed: a model or test is red, or the project does not parse.

    """
    started = monotonic()
    with builds.one_builder(settings.warehouse, settings.limits):
        planned = plan(settings)
        if not planned.has_work:
            return ModelsResult("built by another run meanwhile")
        begun = builds.note_begun(settings.warehouse, run_id, planned.project)
        changed_rows.complete(settings.warehouse, planned.before, planned.numbers)
        nodes = run_dbt(settings, planned, begun)
        result = _result(planned, nodes, monotonic() - started)
        outcome = Outcome(
            good=result.good,
            positions=planned.numbers,
            relations=[name for name in map(_relation, nodes) if name],
            selected=len(nodes),
            seconds=result.seconds,
        )
        builds.note_built(settings.warehouse, begun, outcome)
        if result.good:
            changed_rows.forget(settings.warehouse, planned.standing, begun)
    _log(result)
    if not result.good:
        raise BuildFailed(result)
    return result


def _result(planned: ModelsPlan, nodes: Sequence[Any], seconds: float) -> ModelsResult:
    count = Counter(str(node.status) for node in nodes)
    return ModelsResult(
        planned.reason,
        passed=count["pass"] + count["success"],
        warned=reasons_of(nodes, "warn"),
        failed=reasons_of(nodes, "error", "fail", "runtime error"),
        skipped=count["skipped"],
        seconds=seconds,
        missing=planned.missing,
        nodes=tuple(sorted(map(_node_run, nodes), key=lambda node: -node.seconds)),
    )


def _node_run(node: Any) -> NodeRun:
    kind, seconds = str(node.node.resource_type), round(float(node.execution_time), 3)
    return NodeRun(printable(node.node.name), kind, str(node.status), seconds)


def _relation(node: Any) -> str:
    """Return the name of the relation that a model or seed has made."""
    makes_one = node.node.resource_type in ("model", "seed")
    return str(node.node.relation_name or "") if makes_one else ""


def _log(result: ModelsResult) -> None:
    for node in result.nodes:
        ended = (node.kind, node.name, node.state, node.seconds)
        log.info("dbt: %s %s: %s in %.1f s", *ended, extra={"is_detail": True})
    log.info("dbt: %s", result.sentence)
    for warning in result.warned:
        log.warning("dbt warns: %s", warning)
    if result.missing:
        log.warning("dbt: %s", result.waiting)

"""The main flow and its command line: survey, sync the tables, build the models, report."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import unwrap
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from flows import interrupts

if __name__ == "__main__":
    interrupts.escape_output()
    interrupts.install()
    # Until all is imported, of which nothing is garbage: that takes an eighth less time.
    gc.disable()

from flows import command
from tasks import surroundings

if __name__ == "__main__":
    for name, level in surroundings.IN_A_TERMINAL.items():
        os.environ.setdefault(name, level)
    command.leave_unless_prefect_is_needed()

from prefect import Flow, Task, flow, runtime
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from flows import ending, record
from flows.dbt_build import dbt_build
from flows.ending import RunFailed, sentence_of, told
from flows.naming import name_of_this_run
from flows.terminal.command_line import arguments
from flows.terminal.logs import write_logs
from flows.terminal.progress import progress
from tasks import build_models, caching
from tasks.graph import Arrows, arrow_from, ended, untracked
from tasks.models import BuildFailed, ModelsPlan, ModelsResult
from tasks.prefect_server import NO_OWN_SERVER, check_server, lost_prefect, server_answers
from tasks.publish import UNRECORDED, publish
from tasks.report.draw_page import redraw
from tasks.survey import survey
from tasks.sync_table import sync_table
from tasks.telling import tell
from tasks.verdict import Summary
from transfer.errors import EltError, class_of
from transfer.journey.looks import Looks
from transfer.journey.plan import Outlook
from transfer.journey.work import Findings
from transfer.running.stopping import stopping_if_interrupted
from transfer.settings import Settings, read_settings
from transfer.values.reasons import State
from transfer.values.table import TablePlan, TableResult

log = logging.getLogger("elt")

P = ParamSpec("P")
R = TypeVar("R")
Synced = tuple[TableResult, PrefectFuture[TableResult]]


# Its retries are set here, as a worker has read its environment before ours is set.
@flow(name="elt", flow_run_name=name_of_this_run, retries=0)
@told
def elt(
    tables: list[str] | None = None,
    force_full: bool = False,
    models: bool = True,
    verify: bool = False,
    accept_shrink: bool = False,
    accept_source: bool = False,
    quiet: bool = False,
) -> Summary:
    """Bring replica, raw and public up to date with the source, then build the models.

    Args:
        tables: names or wildcard patterns; None for every table of the source.
        force_full: read everything again, whatever the evidence says.
        models: build the dbt models over what changed.
        verify: compare source, replica, raw and public row by row, and repair what differs.
        accept_shrink: take tables that lost most of their rows; otherwise they keep their last
            version until a second look.
        accept_source: take a source that is another practice's, or that lacks many tables;
            otherwise it is refused.
        quiet: nobody is at the desk, so statements may hold a table of the source for seconds, as
            within `ELT_QUIET_HOURS`.

    Raises:
        RunFailed: a table or a model is red, or a verification had to repair one; the others were
            finished.

    """
    started = monotonic()
    settings, run_id = read_settings(), str(runtime.flow_run.id)
    write_logs(settings.limits)
    tell.check()
    caching.forget_old_results()
    surveyed = retried(survey, settings)(
        tables, force_full, verify, accept_shrink, accept_source, return_state=True
    )
    outlook = surveyed.result()
    outlook = outlook.in_quiet_hours() if quiet else outlook
    record.begin(settings, run_id, outlook, tables, forced=force_full, verified=verify)
    synced = sync_tables(settings, outlook, run_id, arrow_from(surveyed, "plan"))
    results = tuple(result for result, _ in synced)
    built = build(settings, run_id, [future for _, future in synced]) if models else None
    outlook = outlook.remarked(redraw(settings, built)) if models else outlook
    seconds = monotonic() - started
    summary = record.end(settings, run_id, outlook, results, built, seconds, verified=verify)
    publish(summary)
    record.log_summary(settings, summary)
    if not summary.good:
        raise RunFailed(summary)
    return summary


def handing_over(take: Callable[[Summary], object]) -> Flow[..., Summary]:
    """Return the flow with its summary handed to `take` when the work is done.

    A flow returns nothing if Prefect's server is gone when it ends. Whoever takes the summary tells
    how the run ended.
    """
    run: Callable[..., Summary] = unwrap(elt.fn)

    @flow(name=elt.name, flow_run_name=name_of_this_run, retries=0)
    @wraps(elt.fn)
    def handed_over(*given: Any, **named: Any) -> Summary:
        try:
            summary = run(*given, **named)
        except RunFailed as failed:
            take(failed.summary)
            raise
        take(summary)
        return summary

    return handed_over


def retried(task: Task[P, R], settings: Settings) -> Task[P, R]:
    """Return a task that Prefect tries again after the seconds that are set."""
    delays = list(settings.limits.retry_seconds)
    return task.with_options(retries=len(delays), retry_delay_seconds=delays)


def sync_tables(
    settings: Settings, outlook: Outlook, run_id: str, after: Arrows
) -> tuple[Synced, ...]:
    """Run a task for each table with work, some at a time; a red one does not stop the others."""
    task = retried(sync_table, settings)
    pool = ThreadPoolTaskRunner[TableResult](max_workers=settings.limits.workers)
    findings = Findings()
    shared = {"run_id": run_id, "findings": findings, "looks": Looks(outlook.work)}
    with stopping_if_interrupted(pool) as runner:
        futures = [
            (plan, runner.submit(task, untracked(plan=plan, **shared), dependencies=after))
            for plan in outlook.work
        ]
        return tuple((outcome(plan, findings, future), future) for plan, future in futures)


def outcome(plan: TablePlan, findings: Findings, future: PrefectFuture[TableResult]) -> TableResult:
    """Return a task's result, or the error that made the table red as its verdict."""
    found = future.result(raise_on_failure=False)
    if isinstance(found, TableResult):
        return found
    unforeseen = f"the task ended as {type(found).__name__}"
    failed = TableResult(
        plan.table,
        plan.method,
        plan.reason,
        State.FAILED,
        found=findings.of(plan.table),
        note=str(found) if isinstance(found, EltError) else unforeseen,
        error=class_of(found),
    )
    log.error("%s", failed.sentence, extra={"finished": plan.table})
    return failed


def build(
    settings: Settings, run_id: str, tables: Sequence[PrefectFuture[TableResult]]
) -> ModelsResult | None:
    """Build the models over what changed, if anything did, once the tasks of tables have ended."""
    try:
        planned = build_models.plan(settings)
        return _built(settings, planned, run_id, tables) if planned.has_work else None
    except BuildFailed as failed:
        return failed.result
    except EltError as error:
        return ModelsResult("", failed=(str(error),))


def _built(
    settings: Settings, planned: ModelsPlan, run_id: str, tables: Sequence[PrefectFuture[Any]]
) -> ModelsResult:
    """Build the models in a flow of their own, without one if Prefect is gone."""
    if server_answers():
        subflow: Flow[..., ModelsResult] = dbt_build
        try:
            return subflow(planned.brief, run_id, wait_for=ended(tables))
        except EltError:
            raise
        except Exception:  # Prefect's own, of a server that has gone since; any other error goes on
            if server_answers():
                raise
    return build_models.build(settings, run_id)


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    That is 0 when every table and model is good, 1 when one is red or had to be repaired, and 2
    when the run could not begin or be finished.
    """
    options = arguments(given)
    return command.guarded(lambda: perform(options)) or 0


def perform(options: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    code = command.without_prefect(options)
    return run(options) if code is None else code


def run(options: argparse.Namespace) -> int:
    """Run the flow and print its summary."""
    console, settings = command.terminal(), read_settings()
    finished: list[Summary] = []
    try:
        check_server()
        with progress(console, quiet=options.json):
            run_flow(options, finished.append)
    except RunFailed:
        pass  # its summary is handed over, too
    except EltError as error:
        return ending.refused(options, error)
    except Exception as error:  # noqa: BLE001 - an error of Prefect's is no traceback for a user
        if interrupts.interrupted():  # a library has made an error of its own of Ctrl-C
            raise KeyboardInterrupt from None
        if not finished:
            return ending.refused(options, _sentence(error))
        print(UNRECORDED, file=sys.stderr)
    (summary,) = finished
    return ending.finished(console, settings, options, summary)


def run_flow(options: argparse.Namespace, take: Callable[[Summary], object]) -> None:
    """Run the flow as the command line asks for it, and hand its summary over."""
    handing_over(take)(
        tables=options.table,
        force_full=options.full,
        models=not options.no_dbt,
        verify=options.verify,
        accept_shrink=options.accept_shrink,
        accept_source=options.accept_source,
    )


def _sentence(error: Exception) -> str:
    """Say what an error of Prefect's means for the run."""
    return NO_OWN_SERVER if "ephemeral" in str(error) else sentence_of(error)


if __name__ == "__main__":
    gc.enable()
    options = arguments(None)
    code = command.guarded(lambda: run(options))
    interrupts.end()
    if lost_prefect():
        interrupts.leave(code or 0)
    sys.exit(code)

"""The main flow and its command line: survey, sync the tables, build the models, report."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from flows import interrupts

if __name__ == "__main__":
    interrupts.escape_output()
    interrupts.install()
    # Until all is imported, of which nothing is garbage: that takes an eighth less time.
    gc.disable()
    # The command line shows its own progress; Prefect's lines still reach its server.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")

from tasks import surroundings

if __name__ == "__main__":
    surroundings.check_or_leave()

from prefect import Flow, Task, flow, runtime
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from rich.console import Console

from flows.dbt_build import dbt_build
from flows.terminal.command_line import arguments, check_alone
from flows.terminal.console import Terminal, overdue_sentence, to_json
from flows.terminal.logs import write_logs
from flows.terminal.plan import show_plan as print_plan
from flows.terminal.progress import progress
from flows.terminal.status import show_status
from flows.terminal.summary import show_summary
from tasks import build_models, caching
from tasks.models import BuildFailed, ModelsPlan, ModelsResult
from tasks.prefect_server import NO_OWN_SERVER, check_server, lost_prefect, server_answers
from tasks.publish import UNRECORDED, Summary, publish, remember
from tasks.survey import survey
from tasks.sync_table import sync_table
from transfer.errors import EltError, TableError, class_of, place_of
from transfer.journey import drop_gone, preflight
from transfer.journey.clearing import clear_left_over
from transfer.journey.plan import Outlook, look, note_presence, with_seconds
from transfer.journey.work import Findings
from transfer.replica import extracts
from transfer.running.stopping import stopping_if_interrupted
from transfer.settings import Settings, read_settings
from transfer.values.printable import printable
from transfer.values.reasons import State
from transfer.values.table import TablePlan, TableResult
from transfer.warehouse import bookkeeping, history, schemas

log = logging.getLogger("elt")

P = ParamSpec("P")
R = TypeVar("R")


class RunFailed(EltError):
    """Some table or model is red; `summary` tells which, all others are up to date."""

    def __init__(self, summary: Summary) -> None:
        """Keep the summary and say it in one line."""
        super().__init__(summary.sentence)
        self.summary = summary


# Its retries are set here, as a worker has read its environment before ours is set.
@flow(name="elt", retries=0)
def elt(
    tables: list[str] | None = None,
    force_full: bool = False,
    models: bool = True,
    verify: bool = False,
    accept_shrink: bool = False,
    accept_source: bool = False,
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

    Raises:
        RunFailed: a table or a model is red, or a verification had to repair one; the others were
            finished.

    """
    started = monotonic()
    settings, run_id = read_settings(), str(runtime.flow_run.id)
    write_logs(settings.limits)
    caching.forget_old_results()
    outlook = retried(survey, settings)(tables, force_full, verify, accept_shrink, accept_source)
    history.begin(settings.warehouse, run_id, tables=tables, forced=force_full, verified=verify)
    note_presence(settings, run_id, outlook)
    clear_left_over(settings, outlook, everything=tables is None)
    results = sync_tables(settings, outlook, run_id)
    built = build(settings, run_id) if models else None
    summary = Summary(
        run_id=run_id,
        tables=results,
        skipped=tuple((plan.table, plan.reason) for plan in outlook.plans if not plan.has_work),
        excluded=outlook.excluded,
        gone=outlook.gone,
        models=built,
        seconds=monotonic() - started,
        rotated=0 if verify else sum(result.verified for result in results),
        overdue=outlook.overdue,
        schema_changes=schemas.of_run(settings.warehouse, run_id),
        remarks=outlook.remarks,
    )
    remember(settings, summary)
    publish(summary)
    log_summary(settings, summary)
    if not summary.good:
        raise RunFailed(summary)
    return summary


def handing_over(take: Callable[[Summary], object]) -> Flow[..., Summary]:
    """Return the flow with its summary handed to `take` when the work is done.

    A flow returns nothing if Prefect's server is gone when it ends.
    """

    @flow(name=elt.name, retries=0)
    @wraps(elt.fn)
    def handed_over(*given: Any, **named: Any) -> Summary:
        try:
            summary = elt.fn(*given, **named)
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


def log_summary(settings: Settings, summary: Summary) -> None:
    """Log a run's verdict, and what somebody should look at."""
    log.info("run %s: %s", summary.run_id, summary.sentence)
    for remark in summary.remarks:
        log.warning("%s", remark)
    if summary.overdue:
        log.warning("%s", overdue_sentence(settings.limits, summary.overdue))


def sync_tables(settings: Settings, outlook: Outlook, run_id: str) -> tuple[TableResult, ...]:
    """Run a task for each table with work, some at a time; a red one does not stop the others."""
    count = len(outlook.work)
    log.info("%s of %s tables have work", count, len(outlook.plans), extra={"total": count})
    task = retried(sync_table, settings)
    pool = ThreadPoolTaskRunner[TableResult](max_workers=settings.limits.workers)
    findings = Findings()
    with stopping_if_interrupted(pool) as runner:
        futures = [
            (plan, runner.submit(task, {"plan": plan, "run_id": run_id, "findings": findings}))
            for plan in outlook.work
        ]
        return tuple(outcome(plan, findings, future) for plan, future in futures)


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


def build(settings: Settings, run_id: str) -> ModelsResult | None:
    """Build the models over what changed, if anything did."""
    try:
        planned = build_models.plan(settings)
        return _built(settings, planned, run_id) if planned.has_work else None
    except BuildFailed as failed:
        return failed.result
    except EltError as error:
        return ModelsResult("", failed=(str(error),))


def _built(settings: Settings, planned: ModelsPlan, run_id: str) -> ModelsResult:
    """Build the models in a flow of their own, without one if Prefect is gone."""
    if server_answers():
        try:
            return dbt_build(planned, run_id)
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
    interrupts.begin()
    try:
        return perform(options)
    except KeyboardInterrupt:
        print(interrupts.STOPPED, file=sys.stderr)
        return interrupts.INTERRUPTED
    except OSError as error:  # of our own output: what servers and files say is an EltError by now
        if error.errno not in interrupts.UNREAD:
            raise
        return interrupts.discard_output()


def perform(options: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    width = None if sys.stdout.isatty() else 160
    console = Terminal(highlight=False, markup=False, emoji=False, width=width)
    try:
        settings = read_settings()
        check_alone(options)
        if options.status is not None:
            preflight.reach(settings.warehouse)
            patterns = [*options.status, *(options.table or ())]
            return show_status(console, settings, patterns, as_json=options.json)
        write_logs(settings.limits)
        remarks = preflight.check(settings)
        if options.drop_gone:
            return drop(settings, options.drop_gone)
        if options.plan or options.table:  # a name that fits no table is refused at once
            outlook = replace(plan(settings, options), remarks=remarks)
            if options.plan:
                show_plan(console, settings, outlook, as_json=options.json)
                return 0
        check_server()
    except EltError as error:
        print(error, file=sys.stderr)
        return 2
    return run(console, settings, options)


def plan(settings: Settings, options: argparse.Namespace) -> Outlook:
    """Plan what the command line asks for."""
    return look(
        settings,
        options.table,
        force_full=options.full,
        verify=options.verify,
        accept_source=options.accept_source,
    )


def show_plan(console: Console, settings: Settings, outlook: Outlook, *, as_json: bool) -> None:
    """Print the plan in the form that was asked for."""
    outlook = with_seconds(settings, outlook)
    if as_json:
        print(to_json(outlook))
    else:
        print_plan(console, settings, outlook)


def drop(settings: Settings, patterns: Sequence[str]) -> int:
    """Drop tables that the source no longer has; 1 if one had to stay, all others are dropped."""
    extracts.prepare(settings.replica, settings.limits)
    bookkeeping.prepare(settings.warehouse)
    code = 0
    for table in drop_gone.resolve(settings, patterns):
        try:
            drop_gone.drop(settings, table)
            print(printable(f"{table}: dropped from replica, raw and public"))
        except TableError as error:
            print(error, file=sys.stderr)
            code = 1
    return code


def run(console: Console, settings: Settings, options: argparse.Namespace) -> int:
    """Run the flow and print its summary."""
    finished: list[Summary] = []
    try:
        with progress(console, quiet=options.json):
            run_flow(options, finished.append)
    except RunFailed:
        pass  # its summary is handed over, too
    except EltError as error:
        print(error, file=sys.stderr)
        return 2
    except Exception as error:  # noqa: BLE001 - an error of Prefect's is no traceback for a user
        if interrupts.interrupted():  # a library has made an error of its own of Ctrl-C
            raise KeyboardInterrupt from None
        print(UNRECORDED if finished else sentence_of(error), file=sys.stderr)
        if not finished:
            return 2
    (summary,) = finished
    if options.json:
        print(to_json(summary))
    else:
        show_summary(console, settings, summary)
    return 0 if summary.good else 1


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


def sentence_of(error: Exception) -> str:
    """Say what an error of Prefect's means for the run."""
    if "ephemeral" in str(error):
        return NO_OWN_SERVER
    return f"The run could not be finished: {type(error).__name__} at {place_of(error)}."


if __name__ == "__main__":
    gc.enable()
    code = main()
    interrupts.end()
    if lost_prefect():
        interrupts.leave(code)
    sys.exit(code)

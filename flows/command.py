"""What the command line does without Prefect: all but a run that has work, or a server named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console

from flows import idle, interrupts
from flows.terminal.command_line import arguments, check_alone
from flows.terminal.console import Terminal, to_json
from flows.terminal.logs import write_logs
from flows.terminal.plan import show_plan as print_plan
from flows.terminal.progress import progress
from flows.terminal.status import Shown, show_status
from flows.terminal.summary import show_summary
from tasks import prefect_server, surroundings
from tasks.verdict import Summary
from transfer.errors import EltError, TableError
from transfer.journey import drop_gone, preflight
from transfer.journey.plan import Outlook, look, with_seconds
from transfer.replica import extracts
from transfer.settings import Settings, read_settings
from transfer.values.printable import printable
from transfer.warehouse import bookkeeping


def leave_unless_prefect_is_needed() -> None:
    """Do what the command line asks for and end the program, if that needs no Prefect."""
    options = arguments(None)
    spoken = surroundings.speak_of_prefect()
    if spoken:
        surroundings.check_or_leave()
    code = guarded(lambda: without_prefect(options))
    if code is not None:
        interrupts.end()
        sys.exit(code)
    interrupts.await_work()
    if not spoken:
        surroundings.check_or_leave()


def guarded(work: Callable[[], int | None]) -> int | None:
    """Do the work, and return its exit code or that of a run that was stopped or has no reader."""
    interrupts.begin()
    try:
        return work()
    except KeyboardInterrupt:
        print(interrupts.STOPPED, file=sys.stderr)
        return interrupts.INTERRUPTED
    except OSError as error:  # of our own output: what servers and files say is an EltError by now
        if error.errno not in interrupts.UNREAD:
            raise
        return interrupts.discard_output()


def without_prefect(options: argparse.Namespace) -> int | None:
    """Do what the command line asks for; None if that is a run which needs Prefect."""
    console = terminal()
    try:
        settings = read_settings()
        check_alone(options)
        if options.status is not None:
            preflight.reach(settings.warehouse)
            patterns = [*options.status, *(options.table or ())]
            shown = Shown(patterns, options.all, options.json, options.older_than)
            return show_status(console, settings, shown)
        write_logs(settings.limits)
        remarks = preflight.check(settings)
        if options.drop_gone:
            return drop(settings, options.drop_gone)
        if options.plan:
            outlook = replace(plan(settings, options), remarks=remarks)
            show_plan(console, settings, outlook, options)
            return 0
        if options.full or options.verify or prefect_server.is_named():
            if options.table:  # a name that fits no table is refused at once
                plan(settings, options)
            return None
        with progress(console, quiet=options.json):
            summary = idle.run(settings, options, remarks)
    except EltError as error:
        print(error, file=sys.stderr)
        return 2
    return tell(console, settings, options, summary) if summary else None


def terminal() -> Console:
    """Return the console of standard output, wide where nobody looks at it."""
    width = None if sys.stdout.isatty() else 160
    return Terminal(highlight=False, markup=False, emoji=False, width=width)


def tell(
    console: Console, settings: Settings, options: argparse.Namespace, summary: Summary
) -> int:
    """Print a run's summary in the form that was asked for, and return its exit code."""
    if options.json:
        print(to_json(summary))
    else:
        show_summary(console, settings, summary)
    return 0 if summary.good else 1


def plan(settings: Settings, options: argparse.Namespace) -> Outlook:
    """Plan what the command line asks for."""
    return look(
        settings,
        options.table,
        force_full=options.full,
        verify=options.verify,
        accept_source=options.accept_source,
    )


def show_plan(
    console: Console, settings: Settings, outlook: Outlook, options: argparse.Namespace
) -> None:
    """Print the plan in the form that was asked for."""
    outlook = with_seconds(settings, outlook)
    if options.json:
        print(to_json(outlook))
    else:
        print_plan(console, settings, outlook, every=options.all or bool(options.table))


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

"""What the command line does without Prefect: all but a run that has work, or a server named."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console

from flows import doctor, ending, idle, interrupts
from flows.terminal.command_line import arguments, asks_for_no_run, check_alone
from flows.terminal.console import Terminal, to_json
from flows.terminal.doctor import show_doctor
from flows.terminal.logs import write_logs
from flows.terminal.plan import show_plan as print_plan
from flows.terminal.progress import progress
from flows.terminal.status import Shown, show_status
from tasks import prefect_server, surroundings
from tasks.telling import tell
from transfer.errors import EltError, SettingsError, TableError
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
    if spoken and not options.doctor:
        check_or_leave(options)
    code = guarded(lambda: without_prefect(options))
    if code is not None:
        interrupts.end()
        sys.exit(code)
    interrupts.await_work()
    if not spoken:
        check_or_leave(options)


def check_or_leave(options: argparse.Namespace) -> None:
    """End the program with one sentence if Prefect cannot use what surrounds it."""
    try:
        surroundings.check()
    except SettingsError as error:
        code = ending.refused(options, error)
        sys.stderr.flush()
        os._exit(code)


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
        check_alone(options)
        if asks_for_no_run(options):
            return without_run(console, options)
        settings, remarks = begun()
        if options.full or options.verify or prefect_server.is_named():
            if options.table:  # a name that fits no table is refused at once
                plan(settings, options)
            return None
        with progress(console, quiet=options.json):
            summary = idle.run(settings, options, remarks)
    except EltError as error:
        return ending.refused(options, error)
    return ending.finished(console, settings, options, summary) if summary else None


def without_run(console: Console, options: argparse.Namespace) -> int:
    """Do what is asked for instead of a run, and return its exit code."""
    if options.doctor:
        return show_doctor(console, doctor.examine(), as_json=options.json)
    if options.status is not None:
        settings = read_settings()
        preflight.reach(settings.warehouse)
        patterns = [*options.status, *(options.table or ())]
        shown = Shown(patterns, options.all, options.json, options.older_than)
        return show_status(console, settings, shown)
    settings, remarks = begun()
    if options.drop_gone:
        return drop(settings, options.drop_gone)
    show_plan(console, settings, replace(plan(settings, options), remarks=remarks), options)
    return 0


def begun() -> tuple[Settings, tuple[str, ...]]:
    """Return the settings and the remarks of a preflight that refused nothing."""
    settings = read_settings()
    write_logs(settings.limits)
    tell.check()
    return settings, preflight.check(settings)


def terminal() -> Console:
    """Return the console of standard output, wide where nobody looks at it."""
    width = None if sys.stdout.isatty() else 160
    return Terminal(highlight=False, markup=False, emoji=False, width=width)


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

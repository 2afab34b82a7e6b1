"""Runs the journey of tables as a flow does, without Prefect."""

import os
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

from oracle import ask

from deployments.servers import Servers
from transfer.journey.looks import Looks
from transfer.journey.plan import confirm, look, note_presence
from transfer.journey.sync import sync
from transfer.replica import extracts
from transfer.settings import Settings
from transfer.values.table import TablePlan, TableResult
from transfer.warehouse import bookkeeping


def prepare(settings: Settings) -> None:
    extracts.prepare(settings.replica, settings.limits)
    bookkeeping.prepare(settings.warehouse)


def run(
    settings: Settings,
    *tables: str,
    force_full: bool = False,
    verify: bool = False,
    accept_shrink: bool = False,
) -> dict[str, TableResult]:
    """Run once over all tables with work, or over these; a table without work has no result."""
    prepare(settings)
    run_id = secrets.token_hex(8)
    outlook = look(
        settings, tables or None, force_full=force_full, verify=verify, accept_shrink=accept_shrink
    )
    confirm(settings, outlook)
    note_presence(settings, run_id, outlook)
    looks = Looks(outlook.work)
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda plan: sync(settings, plan, run_id, looks=looks), outlook.work)
        return {result.table: result for result in results}


def plan(settings: Settings, table: str) -> TablePlan:
    return look(settings, [table]).plans[0]


def limited(settings: Settings, **limits: Any) -> Settings:
    """Return the settings with other limits."""
    return settings.model_copy(update={"limits": settings.limits.model_copy(update=limits)})


DAY_SECONDS = 86_400
_MOMENTS = count(int(time.time()) - DAY_SECONDS)


def settle(connection: Any) -> None:
    """Let the last write be over 2 s old, so that a later one cannot go unnoticed.

    When a MyISAM table was last written is what the file system says of its file. Where the files
    are at hand they get a time that is long past and another than ever; elsewhere we wait.
    """
    ((folder, database),) = ask(connection, "SELECT @@datadir, DATABASE()")
    moment = next(_MOMENTS)
    for file in Path(folder, database).glob("*.MYD"):
        os.utime(file, (moment, moment))
    since = "TIMESTAMPDIFF(MICROSECOND, MAX(UPDATE_TIME), NOW(6)) / 1e6"
    ask(
        connection,
        f"SELECT SLEEP(GREATEST(0, 2.1 - COALESCE({since}, 9))) FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = DATABASE() AND ENGINE = 'MyISAM'",
    )


def wait_for(happened: Callable[[], Any], seconds: float = 30) -> None:
    began = time.monotonic()
    while not happened():
        assert in_time(time.monotonic() - began, seconds), "what was waited for did not happen"
        time.sleep(0.05)


# By then whatever was waited for hangs, on whichever machine.
HANGING_SECONDS = 600


def in_time(took: float, seconds: float) -> bool:
    """Tell whether something took no longer than it may on a quiet machine, or on this one now."""
    return took < seconds or took < seconds * _slowness()


def _slowness() -> float:
    """Return how many seconds a second of a core takes while others want the core too."""
    used, began = time.thread_time(), time.monotonic()
    while time.thread_time() - used < 0.1:
        pass
    return (time.monotonic() - began) / 0.1


def sync_while(servers: Servers, settings: Settings, table: str, statement: str) -> TableResult:
    """Read the whole table again.

    The statement runs at the source as soon as the first pages are in the shadow.
    """
    planned = look(settings, [table], force_full=True).plans[0]

    def in_background() -> None:
        with (
            closing(servers.replica.connect(settings.replica.db)) as replica,
            closing(servers.source.connect(settings.source.db)) as source,
        ):
            seen = (
                f"SELECT 1 FROM etl_extract_progress WHERE table_name = '{table}' AND rows_read > 0"
            )
            wait_for(lambda: ask(replica, seen))
            ask(source, statement)

    writer = threading.Thread(target=in_background)
    writer.start()
    try:
        return sync(limited(settings, page_rows=1), planned, "run")
    finally:
        writer.join()


def reading_processes(parent: int = 0) -> set[int]:
    """Return the living children of a process that read."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rpartition(") ")[2].split()
            command = (status.parent / "cmdline").read_text()
            if (
                int(fields[1]) == (parent or os.getpid())
                and fields[0] != "Z"
                and "reader.py" in command
            ):
                found.add(int(status.parent.name))
    return found

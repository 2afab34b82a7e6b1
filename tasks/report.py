"""What people see of a run: log files, the verdict of each table, a summary, an artifact in Prefect."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from httpx import TransportError
from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid
from rich.text import Text

from tasks.build_models import ModelsResult
from transfer.changes.evidence import COMPARE, INCREMENTAL, RELOAD
from transfer.errors import SettingsError, UnknownTable
from transfer.journey.plan import Outlook, hint, matching
from transfer.settings import Limits, Settings
from transfer.source.opendental import Excluded
from transfer.values.printable import markdown, one_line, printable
from transfer.values.table import TableResult
from transfer.warehouse import history, schemas
from transfer.warehouse.history import Freshness, LastRun, Run
from transfer.warehouse.schemas import SchemaChange

log = logging.getLogger("elt")

FORMAT = "%(asctime)sZ %(levelname)s %(message)s"


@dataclass(frozen=True, slots=True)
class Summary:
    """The verdict of a run: each table with work, how many had none and why, the models, and what was left out.

    `rotated` tables were verified as it was their turn; the turn of `overdue` ones is long past. `remarks`
    are of the servers.
    """

    run_id: str
    tables: tuple[TableResult, ...]
    skipped: tuple[tuple[str, str], ...]
    excluded: tuple[Excluded, ...]
    gone: tuple[str, ...]
    models: ModelsResult | None
    seconds: float
    rotated: int = 0
    overdue: tuple[str, ...] = ()
    schema_changes: tuple[SchemaChange, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[TableResult, ...]:
        """The red tables."""
        return tuple(result for result in self.tables if not result.good)

    @property
    def good(self) -> bool:
        """True when every table and every model is good."""
        return not self.failed and (self.models is None or self.models.good)

    @property
    def sentence(self) -> str:
        """The run in one line."""
        states = Counter(result.state for result in self.tables)
        if self.rotated:
            del states["verified"]
        parts = [f"{count} {state}" for state, count in sorted(states.items())]
        parts.append(f"{len(self.skipped)} unchanged")
        if self.rotated:
            parts.append(f"{self.rotated} verified by rotation")
        if self.models:
            warned = f"{len(self.models.warned)} warned, " if self.models.warned else ""
            skipped = f", {self.models.skipped} skipped" if self.models.skipped else ""
            parts.append(f"dbt {self.models.passed} passed, {warned}{len(self.models.failed)} failed{skipped}")
        red = ", ".join(
            [
                *(result.table for result in self.failed),
                *(each.partition(": ")[0] for each in (self.models.failed if self.models else ())),
            ][:10]
        )
        return ", ".join(parts) + f" in {self.seconds:.1f} s" + (f"; red: {red}" if red else "")


class _LogFile(WatchedFileHandler):
    """A log file; that it cannot be written is said once, as a run is worth more than its log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, if that is possible."""
        try:
            super().emit(record)
        except OSError:  # the file was moved, and there cannot be a new one
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's
        """Say that the folder cannot be written."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            _tell_unwritten(Path(self.baseFilename).parent, error)
        else:
            super().handleError(record)


_UNWRITTEN: set[Path] = set()


def _tell_unwritten(folder: Path, error: OSError) -> None:
    if folder not in _UNWRITTEN:
        _UNWRITTEN.add(folder)
        told = f"ELT_LOG_DIR: {folder} cannot be written ({error.strerror}); the run goes on without its log files."
        print(printable(told), file=sys.stderr, flush=True)


def write_logs(limits: Limits) -> None:
    """Write the logs `elt_pipeline.log` and `connection.log`, in UTC; calling it again changes nothing."""
    try:
        limits.log_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _tell_unwritten(limits.log_dir, error)
    for name, file in (("elt", "elt_pipeline.log"), ("elt.connection", "connection.log")):
        logger, path = logging.getLogger(name), limits.log_dir / file
        logger.setLevel(logging.INFO)
        logger.addFilter(one_line)
        if not any(
            isinstance(each, WatchedFileHandler) and Path(each.baseFilename) == path.absolute()
            for each in logger.handlers
        ):
            handler = _LogFile(path, encoding="utf-8", delay=True)  # opened with its first record
            handler.setFormatter(_utc(FORMAT))
            logger.addHandler(handler)
    logging.getLogger("elt.connection").propagate = False


def _utc(form: str) -> logging.Formatter:
    formatter = logging.Formatter(form)
    formatter.converter = time.gmtime
    return formatter


def check_server() -> None:
    """Ask the Prefect server that was named, if one was, whether it is there; without one the run starts its own.

    Raises:
        SettingsError: nothing answers at the address.

    """
    address = PREFECT_API_URL.value()
    if not address:
        return
    where = urlsplit(address)
    if not where.hostname:
        raise SettingsError("PREFECT_API_URL is not an address such as http://127.0.0.1:4200/api.")
    if _failure():
        raise SettingsError(
            f"PREFECT_API_URL: no Prefect server answers at {where.hostname}:{where.port}; start it (prefect server start),"
            " or unset the variable: the run then uses a server of its own."
        )


def _failure() -> Exception | None:
    """Return why the Prefect server does not answer, None if it does."""
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(httpx_settings={"timeout": CONNECT_SECONDS}, sync_client=True) as client,
    ):
        return client.api_healthcheck()


CONNECT_SECONDS = 3
PATIENCE_SECONDS = 10


def server_answers() -> bool:
    """Tell whether the Prefect server that was named is still there; one that is busy and says so is."""
    until = time.monotonic() + (0 if _LOST.is_set() else PATIENCE_SECONDS)
    while PREFECT_API_URL.value() and isinstance(_failure(), TransportError):
        if time.monotonic() > until:
            _LOST.set()
            return False
        time.sleep(1)
    _LOST.clear()
    return True


_LOST = Event()


def lost_prefect() -> bool:
    """Tell whether the Prefect server has gone in the middle of this process's run."""
    return _LOST.is_set()


UNRECORDED = (
    "The Prefect server has gone in the middle of the run, which is finished but not recorded there: look at that server,"
    " the next run needs nothing else."
)


def publish(summary: Summary) -> None:
    """Publish a run's verdict in Prefect, unless its server is gone: that undoes nothing of the run."""
    try:
        if server_answers():
            report(summary)
            return
    except Exception as error:  # noqa: BLE001 - whatever Prefect raises
        log.warning("Prefect: %s.", type(error).__name__)
    log.warning("%s", UNRECORDED)


NO_OWN_SERVER = (
    "Prefect does not start a server of its own within PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: look at the variables"
    " that begin with PREFECT_SERVER_ or PREFECT_API_, or start one (prefect server start) and set PREFECT_API_URL."
)


@task(name="report", cache_policy=NO_CACHE, retries=0)
def report(summary: Summary) -> None:
    """Publish the verdict of each table as an artifact."""
    rows: list[dict[str, object]] = [_verdict(result) for result in summary.tables]
    rows += [{"table": table, "state": "unchanged", "why": reason} for table, reason in summary.skipped]
    rows += [{"table": each.table, "state": "excluded", "why": each.reason} for each in summary.excluded]
    rows += [{"table": table, "state": "kept", "why": "the source no longer has it"} for table in summary.gone]
    rows += [{"table": each.table, "state": each.kind, "why": each.sentence} for each in summary.schema_changes]
    shown = [{name: printable(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows]
    create_table_artifact(key="elt-verdict", description=markdown(summary.sentence), table=shown)


def _verdict(result: TableResult) -> dict[str, object]:
    return {
        "table": result.table,
        "state": result.state,
        "method": result.method,
        "why": result.reason,
        "rows": result.rows,
        "inserted": sum(hop.inserted for hop in result.hops[:1]),
        "updated": sum(hop.updated for hop in result.hops[:1]),
        "deleted": sum(hop.deleted for hop in result.hops[:1]),
        "clean": result.clean,
        **{f"{hop.name} s": round(hop.seconds, 3) for hop in result.hops},
        "verified": result.verified,
        "found and repaired": ", ".join(map(str, result.found)),
        "not held": json.dumps(result.altered) if result.altered else "",
        "note": result.note,
    }


class _Bar(logging.Handler):
    """Moves the progress bar on the pipeline's own log records."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress, self.bar = progress, progress.add_task("survey", total=None)

    def emit(self, record: logging.LogRecord) -> None:
        """Move the bar."""
        total = getattr(record, "total", None)
        if total is not None:
            self.progress.update(self.bar, total=total, description="tables")
        if hasattr(record, "finished"):
            self.progress.update(self.bar, advance=1, description=printable(str(record.finished)))


class _Lines(logging.Handler):
    """Prints the pipeline's own log records as plain lines, those of empty tables left out."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record."""
        if getattr(record, "rows", None) != 0:
            print(self.format(record), flush=True)


@contextmanager
def progress(console: Console, *, quiet: bool) -> Iterator[None]:
    """Show the work as it goes: a bar on a terminal, plain lines otherwise."""
    columns = (
        TextColumn("{task.description:<28}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as shown:
        handler: logging.Handler = _Bar(shown) if console.is_terminal else _Lines()
        handler.setFormatter(_utc("%(asctime)sZ %(message)s"))
        if not quiet:
            logging.getLogger("elt").addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger("elt").removeHandler(handler)


def remember(chosen: Settings, summary: Summary) -> None:
    """Add the run to the warehouse's history."""
    models = summary.models
    run = Run(
        summary.run_id,
        summary.good,
        unchanged=len(summary.skipped),
        models_passed=models.passed if models else 0,
        models_failed=len(models.failed) if models else 0,
        seconds=summary.seconds,
    )
    history.end(chosen.warehouse, run, summary.tables)
    for change in summary.schema_changes:
        log.info("schema change: %s", change.sentence)


def show_status(console: Console, chosen: Settings, patterns: Sequence[str] | None, *, as_json: bool) -> int:
    """Print the last run and each table's freshness; 1 if one of the tables failed when it was last in work.

    Raises:
        UnknownTable: a name or pattern fits no table that a run has met.

    """
    found = history.status(chosen.warehouse)
    wanted = _known(found.tables, patterns) if patterns and found.tables else found.tables
    changes = schemas.latest(chosen.warehouse, CHANGES_SHOWN, [each.table for each in wanted])
    if as_json:
        print(written_as_json(replace(found, tables=wanted, schema_changes=changes)))
    else:
        _print_status(console, chosen.limits, found.run, wanted, changes)
    return 1 if any(each.state == "failed" for each in wanted) else 0


def _known(tables: Sequence[Freshness], patterns: Sequence[str]) -> tuple[Freshness, ...]:
    names, chosen = [each.table for each in tables], set[str]()
    for pattern in patterns:
        fitting = matching(pattern, names)
        if not fitting:
            near = hint(pattern, names) or "; --status alone lists them all."
            raise UnknownTable(f"--status {pattern}: no run has met such a table{near}")
        chosen |= set(fitting)
    return tuple(each for each in tables if each.table in chosen)


CHANGES_SHOWN = 10


def _print_status(
    console: Console,
    limits: Limits,
    run: LastRun | None,
    tables: Sequence[Freshness],
    changes: Sequence[SchemaChange],
) -> None:
    grid = _grid(
        "table",
        "equal at (UTC)",
        ">rows",
        "last work",
        "method",
        ">seconds",
        ">runs",
        ">failed",
        "verified at (UTC)",
        "watermark",
    )
    for each in tables:
        grid.add_row(
            _text(each.table),
            _moment(each.checked),
            f"{each.rows:,}",
            _text(each.state, style="bold red" if each.state == "failed" else ""),
            each.method,
            "–" if each.state == "failed" else "" if each.seconds is None else f"{each.seconds:.1f}",
            f"{each.runs:,}",
            f"{each.failures:,}",
            _moment(each.verified),
            _text(each.watermark),
        )
    console.print(grid)
    for each in tables:
        if each.note:
            console.print(_text(f"{each.table}: {each.note}"), soft_wrap=True)
    _show_overdue(console, limits, [each.table for each in tables if each.overdue(limits.verify_days)])
    gone = [each.table for each in tables if each.checked and each.unverified_days is None]
    if gone:
        console.print(_text(f"no longer in the source, kept as they are: {_list(gone)}"), soft_wrap=True)
    for change in reversed(changes):
        console.print(_text(f"{change.found:%Y-%m-%d %H:%M} schema change: {change.sentence}"))
    if run is None:
        console.print("No run yet.")
    else:
        took = f", {run.seconds:.1f} s" if run.seconds is not None else ""
        console.print(f"last run {run.run_id}: {run.state}, began {run.started:%Y-%m-%d %H:%M:%S} UTC{took}")


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "never"


def _show_overdue(console: Console, limits: Limits, tables: Sequence[str]) -> None:
    if tables:
        console.print(_text(overdue_sentence(limits, tables), style="yellow"), soft_wrap=True)


def overdue_sentence(limits: Limits, tables: Sequence[str]) -> str:
    """Name the tables whose verification is overdue, and how to mend that."""
    return (
        f"not verified for over {limits.verify_days} days (ELT_VERIFY_DAYS): {_list(tables)}; run more often, or give"
        f" verification more than {limits.verify_seconds} s of a run (ELT_VERIFY_SECONDS)"
    )


def show_plan(console: Console, chosen: Settings, outlook: Outlook) -> None:
    """Print what a run would do and why."""
    grid = _grid("table", "method", "hops", ">rows (est.)", ">MB (est.)", ">s (est.)", "why")
    for plan in outlook.plans:
        one_read = "" if plan.keyed or not plan.has_work else "; without a key, read in one statement"
        verified = f"; to be verified: {plan.verify}" if plan.verify and plan.hops else ""
        grid.add_row(
            _text(plan.table),
            plan.method,
            " → ".join(plan.hops) or "–",
            f"{plan.estimated_rows:,}",
            f"{plan.estimated_bytes / 2**20:,.1f}",
            f"{plan.estimated_seconds:,.1f}" if plan.has_work else "",
            _text("; ".join(filter(None, [plan.reason, plan.because])) + verified + one_read),
        )
    for each in outlook.excluded:
        grid.add_row(_text(each.table), "excluded", "–", "", "", "", _text(each.reason))
    for name in outlook.gone:
        grid.add_row(_text(name), "kept", "–", "", "", "", "the source no longer has it; its last version stays")
    console.print(grid)
    _show_overdue(console, chosen.limits, outlook.overdue)
    _show_loudly(console, outlook.remarks)
    console.print(plan_sentence(chosen.limits, outlook), soft_wrap=True)
    _show_clear_text(console, chosen)


def plan_sentence(limits: Limits, outlook: Outlook) -> str:
    """Say what a run would do, all in all; tables are in work at once, so its seconds are fewer than theirs."""
    read = [plan.estimated_rows for plan in outlook.work if plan.method == RELOAD]
    others = [plan.estimated_rows for plan in outlook.work if plan.verify or plan.method in (COMPARE, INCREMENTAL)]
    rows, compared = sum(read), f" and {sum(others):,} to compare in {len(others)} tables" if others else ""
    each = [plan.estimated_seconds for plan in outlook.work]
    seconds = max([sum(each) / limits.workers, *each])
    return (
        f"{len(outlook.work)} of {len(outlook.plans)} tables have work, about {rows:,} rows to read{compared};"
        f" about {seconds:,.1f} s with {limits.workers} at once (ELT_WORKERS)."
    )


def show_summary(console: Console, chosen: Settings, summary: Summary) -> None:
    """Print the verdict of each table with work, the models, and the totals."""
    grid = _grid("table", "state", ">rows", ">inserted", ">updated", ">deleted", ">seconds", "why")
    biggest = sorted(summary.tables, key=lambda result: (result.good, not result.note, -result.rows))
    for result in biggest[: max(SHOWN, len(summary.failed))]:
        changed = [sum(getattr(hop, kind) for hop in result.hops[:1]) for kind in ("inserted", "updated", "deleted")]
        counts = [f"{count:,}" for count in (result.rows, *changed)] if result.state != "failed" else ["–"] * 4
        grid.add_row(
            _text(result.table),
            _text(result.state, style="" if result.good else "bold red"),
            *counts,
            f"{result.seconds:.1f}" if result.state != "failed" else "–",
            _text("; ".join(filter(None, [", ".join(map(str, result.found)), result.note])) or result.reason),
        )
    if summary.tables:
        console.print(grid)
    if len(biggest) > SHOWN:
        console.print(
            f"… and {len(biggest) - SHOWN} smaller tables, all in {chosen.limits.log_dir / 'elt_pipeline.log'}"
        )
    _show_remarks(console, summary)
    _show_overdue(console, chosen.limits, summary.overdue)
    _show_clear_text(console, chosen)
    if chosen.limits.collations:
        mapped = ", ".join(f"{ours} → {theirs}" for ours, theirs in chosen.limits.collations)
        console.print(_text(f"collations mapped by ELT_COLLATIONS: {mapped}", style="yellow"))
    _show_loudly(console, summary.remarks)
    console.print(_text(summary.sentence, style="bold green" if summary.good else "bold red"))


SHOWN = 15


def _show_remarks(console: Console, summary: Summary) -> None:
    for result in summary.tables:
        for column, kinds in result.altered.items():
            for kind, count in kinds.items():
                server = "the replica's server" if kind == "negative_zeros" else "PostgreSQL"
                values = f"{count:,} values with {kind.replace('_', ' ')} that {server} cannot hold"
                console.print(_text(f"{result.table}.{column}: {values}"))
    unclean = [
        result.table for result in summary.tables if result.good and not result.clean and result.state != "vanished"
    ]
    if unclean:
        console.print(_text(f"not proven unwritten while they were read, the next run looks again: {_list(unclean)}"))
    for change in summary.schema_changes:
        console.print(_text(f"schema change: {change.sentence}"))
    if summary.excluded:
        console.print(_text(f"excluded: {_list([f'{each.table} ({each.reason})' for each in summary.excluded])}"))
    if summary.gone:
        console.print(_text(f"no longer in the source, kept as they are: {_list(summary.gone)}"))
    if summary.models:
        _show_models(console, summary.models)


def _show_models(console: Console, models: ModelsResult) -> None:
    if models.missing:
        console.print(_text(models.waiting, style="yellow"))
    if models.warned:
        console.print(_text(f"dbt warns: {_list(models.warned)}", style="yellow"))
    if models.failed:
        console.print(_text(f"dbt failed: {_list(models.failed)}", style="bold red"))


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _show_loudly(console: Console, remarks: Sequence[str]) -> None:
    for each in remarks:
        console.print(_text(each, style="bold yellow"), soft_wrap=True)


def _show_clear_text(console: Console, chosen: Settings) -> None:
    for server in (chosen.source, chosen.replica, chosen.warehouse):
        if server.tls == "off" and not server.on_this_machine:
            console.print(_text(f"{server.prefix}TLS=off: rows travel to {server.host} in the clear.", style="yellow"))


class Terminal(Console):
    """A console on which whatever is printed is printable."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Take a text for what it is; a cell's, too."""
        return super().render_str(printable(text), **options)


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def _grid(*names: str) -> Grid:
    grid = Grid(box=None, header_style="bold", pad_edge=False)
    for name in names:
        grid.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return grid


def written_as_json(value: object) -> str:
    """Write a summary or an outlook as JSON."""
    text = json.dumps(asdict(value), default=str, indent=2)  # type: ignore[call-overload]
    return str(text).replace("\x7f", "\\u007f")  # the one control character that it leaves


if __name__ == "__main__":  # what `make deploy` asks before Prefect's own commands do
    try:
        check_server()
    except SettingsError as error:
        sys.exit(str(error))

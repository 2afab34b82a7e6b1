"""The work as it goes: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flows.terminal.logs import utc
from transfer.values.printable import printable


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
    """Prints the pipeline's own log records as plain lines.

    Those of empty tables, and of each model, are for the log only.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record."""
        if getattr(record, "rows", None) != 0 and not hasattr(record, "is_detail"):
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
    with Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    ) as shown:
        handler: logging.Handler = _Bar(shown) if console.is_terminal else _Lines()
        handler.setFormatter(utc("%(asctime)sZ %(message)s"))
        if not quiet:
            logging.getLogger("elt").addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger("elt").removeHandler(handler)

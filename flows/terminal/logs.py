"""The log files of a run."""

from __future__ import annotations

import logging
import sys
import time
from logging.handlers import WatchedFileHandler
from pathlib import Path

from transfer.settings import Limits
from transfer.values.printable import one_line, printable

FORMAT = "%(asctime)sZ %(levelname)s %(message)s"


class _LogFile(WatchedFileHandler):
    """A log file; that it cannot be written is said once, as the run matters more."""

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
            _report_unwritten(Path(self.baseFilename).parent, error)
        else:
            super().handleError(record)


_UNWRITTEN: set[Path] = set()


def _report_unwritten(folder: Path, error: OSError) -> None:
    if folder not in _UNWRITTEN:
        _UNWRITTEN.add(folder)
        sentence = (
            f"ELT_LOG_DIR: {folder} cannot be written ({error.strerror});"
            " the run goes on without its log files."
        )
        print(printable(sentence), file=sys.stderr, flush=True)


def write_logs(limits: Limits) -> None:
    """Write the logs `elt_pipeline.log` and `connection.log`, in UTC.

    Calling it again changes nothing.
    """
    try:
        limits.log_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _report_unwritten(limits.log_dir, error)
    for name, file in (("elt", "elt_pipeline.log"), ("elt.connection", "connection.log")):
        logger, path = logging.getLogger(name), limits.log_dir / file
        logger.setLevel(logging.INFO)
        logger.addFilter(one_line)
        if not any(
            isinstance(handler, WatchedFileHandler)
            and Path(handler.baseFilename) == path.absolute()
            for handler in logger.handlers
        ):
            handler = _LogFile(path, encoding="utf-8", delay=True)  # opened with its first record
            handler.setFormatter(utc(FORMAT))
            logger.addHandler(handler)
    logging.getLogger("elt.connection").propagate = False


def utc(form: str) -> logging.Formatter:
    formatter = logging.Formatter(form)
    formatter.converter = time.gmtime
    return formatter

"""Ends the command line's process in time after Ctrl-C.

It comes before all imports that take long, so it imports none of them.
"""

from __future__ import annotations

import atexit
import errno
import os
import signal
import sys
from multiprocessing import util
from threading import Event, Thread
from time import sleep

STOPPED = "Stopped. Nothing is half done; the next run goes on from here."
INTERRUPTED = 130
PATIENCE_SECONDS = 4
# The reader of our output has left, or the disk that takes it is full.
UNREAD = (errno.EPIPE, errno.ENOSPC)

# In this process Ctrl-C got our handler, the run began, and Ctrl-C was pressed.
_INSTALLED = Event()
_BEGUN = Event()
_INTERRUPTED = Event()


def install() -> None:
    """End the process at Ctrl-C: at once while it starts, later a few seconds after the work stops.

    Any thread may be waiting for a server that hangs, the main thread too.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # A library that is interrupted while it starts raises errors of its own.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _INSTALLED.set()
    Thread(target=_leave_at_interrupt, args=(reading,), name="leaving", daemon=True).start()


def escape_output() -> None:
    """Write characters that the terminal does not have as escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # who started us has closed it
            # It is open as long as the process.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def begin() -> None:
    """Let Ctrl-C interrupt the main thread from now on, in the command line's process."""
    if _INSTALLED.is_set():
        _BEGUN.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)


def await_work() -> None:
    """End the process at once at Ctrl-C again, as while it starts."""
    if _INSTALLED.is_set():
        signal.signal(signal.SIGINT, lambda *_: None)
        _BEGUN.clear()


def interrupted() -> bool:
    """Tell whether Ctrl-C has been pressed."""
    return _INTERRUPTED.is_set()


def end() -> None:
    """Ignore Ctrl-C from now on, as all is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def discard_output() -> int:
    """Discard the output that nobody reads; return the exit code of a program without a reader."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def leave(code: int) -> None:
    """End the process without what libraries would still send to a server that is gone."""
    # Of dbt's semaphores Python would warn.
    util._exit_function()  # type: ignore[attr-defined]  # noqa: SLF001
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _leave_at_interrupt(reading: int) -> None:
    while os.read(reading, 1) != bytes([signal.SIGINT]):
        pass
    _INTERRUPTED.set()
    if _BEGUN.is_set():
        from transfer.running.stopping import stop

        stop()
        sleep(PATIENCE_SECONDS)
    print(STOPPED, file=sys.stderr, flush=True)
    # Prefect's own server, if this process has started one, ends with it.
    atexit._run_exitfuncs()  # noqa: SLF001
    os._exit(INTERRUPTED)

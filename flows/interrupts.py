"""Ends the command line's process in time after Ctrl-C; it imports nothing that takes long, as it
comes before what does.
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
UNHEARD = (errno.EPIPE, errno.ENOSPC)  # the reader of our output has left, or its disk is full

_HEEDED = Event()
_BEGUN = Event()
_INTERRUPTED = Event()


def install() -> None:
    """At Ctrl-C end the process: at once while it starts, then some seconds after what is under way
    was told to stop.

    A thread may wait for a server that hangs, and be it the main one.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    # Libraries that are interrupted while they start raise errors of their own.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    _HEEDED.set()
    Thread(target=_leave, args=(heard,), name="leaving", daemon=True).start()


def speak() -> None:
    """Let every terminal take whatever is said: what it has no character for is written as an
    escape.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - open as long as the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def begin() -> None:
    """Let Ctrl-C interrupt the main thread from now on, if this is the command line's process."""
    if _HEEDED.is_set():
        _BEGUN.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupted() -> bool:
    """Tell whether Ctrl-C has been pressed."""
    return _INTERRUPTED.is_set()


def end() -> None:
    """Let Ctrl-C do nothing any more, as all is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def go_unheard() -> int:
    """Go on without the output that nobody takes any more; the status of a program whose reader has
    left.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def leave(code: int) -> None:
    """End the process without what libraries still want to tell a server that is gone."""
    util._exit_function()  # type: ignore[attr-defined]  # noqa: SLF001 - dbt's semaphores, of which Python would warn
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _leave(heard: int) -> None:
    while os.read(heard, 1) != bytes([signal.SIGINT]):
        pass
    _INTERRUPTED.set()
    if _BEGUN.is_set():
        from transfer.running.stopping import stop

        stop()
        sleep(PATIENCE_SECONDS)
    print(STOPPED, file=sys.stderr, flush=True)
    atexit._run_exitfuncs()  # noqa: SLF001 - Prefect's own server, if this process has started one, ends with it
    os._exit(INTERRUPTED)

"""Ends what is under way on the servers for this process, so that no wait for it is long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Event, Thread
from time import sleep
from typing import TypeVar

from transfer.errors import Stopped

Workers = TypeVar("Workers")

AGAIN_SECONDS = 0.25

_UNDER_WAY: dict[object, Callable[[], object]] = {}
_STOPPED = Event()
_ENDING: list[Thread] = []


@contextmanager
def stoppable(end: Callable[[], object]) -> Iterator[None]:
    """Run the block so that `end`, called from another thread, makes it fail soon.

    Raises:
        Stopped: everything was stopped before.

    """
    if _STOPPED.is_set():
        raise Stopped("The run was stopped.")
    this = object()
    _UNDER_WAY[this] = end
    try:
        yield
    finally:
        del _UNDER_WAY[this]


def stopped() -> bool:
    """Tell whether everything was stopped."""
    return _STOPPED.is_set()


@contextmanager
def stopping_if_interrupted(workers: AbstractContextManager[Workers]) -> Iterator[Workers]:
    """Hold workers, and stop what they do if the block ends by Ctrl-C or a signal.

    Once they have ended, others may begin.
    """
    try:
        with workers as held:
            try:
                yield held
            except BaseException:  # neither is an Exception
                stop()
                raise
    finally:
        _STOPPED.clear()
        while _ENDING:  # it might end what others begin
            _ENDING.pop().join()


def stop() -> None:
    """Stop everything that is under way, without waiting for it, and let nothing else begin."""
    if not _STOPPED.is_set():
        _STOPPED.set()
        ending = Thread(target=_end_all, name="stopping", daemon=True)
        ending.start()
        _ENDING.append(ending)


def _end_all() -> None:
    """End everything, and again what has begun its next statement meanwhile."""
    endings = []
    while _STOPPED.is_set() and _UNDER_WAY:
        for end in list(_UNDER_WAY.values()):
            endings.append(Thread(target=_end, args=(end,), name="stopping", daemon=True))
            endings[-1].start()
        sleep(AGAIN_SECONDS)
    for ending in endings:
        ending.join()


def _end(end: Callable[[], object]) -> None:
    with suppress(Exception):  # it has ended by itself, or its server does not answer
        end()

"""Ends the wait for a server that hangs, or on a connection that is cut: nothing else would.

A driver waits for its answer as long as the connection stands, and that of a stopped server
stands. So one thread watches all waits. A wait goes on while there are signs of life: a second
connection sees the statement at work, so that an index may take hours, or bytes move on its own.
Without one for `ELT_HANG_SECONDS` its socket is cut, which ends the driver's call.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import struct
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Protocol, TypeAlias

from transfer.errors import DatabaseFault, ServerHangs
from transfer.server_codes import GONE
from transfer.settings import Server

TICK_SECONDS = 0.5
LOOK_SECONDS = 10  # between two looks at a server, and before the first
# A server that hangs is tried again after that time. Until then all connections to it fail at once.
AGAIN_SECONDS = 30
RECENT_SECONDS = 1
BEAT_SECONDS = 5  # between two signs of life of ours on a connection that waits for its turn
# After that time without a sign of life a server ends a session that holds something.
IDLE_SECONDS = 30
# So many bytes are a sign of life. A line on which fewer move in all that time is as good as cut.
MOVING = 2**16


@dataclass(frozen=True, slots=True)
class Line:
    """A socket of this process.

    Once it is closed, another socket may get its number, but not its inode.
    """

    number: int
    inode: int

    def cut(self) -> None:
        """Hang up, so that a wait on it fails."""
        with suppress(OSError), self._held() as held:
            held.shutdown(socket.SHUT_RDWR)

    def moved(self) -> int:
        """Return how many bytes the other side has taken and sent.

        It is 0 where that is not known, as of a Unix socket.
        """
        with suppress(OSError, struct.error), self._held() as held:
            info = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
            return sum(struct.unpack_from("QQ", info, 120))  # tcpi_bytes_acked, tcpi_bytes_received
        return 0

    def is_still(self) -> bool:
        """Tell whether the other side has neither hung up nor sent what nobody has read."""
        with suppress(OSError), self._held() as held:
            poll = select.poll()
            poll.register(held, select.POLLIN)
            return not poll.poll(0)
        return False

    def _held(self) -> socket.socket:
        if os.fstat(self.number).st_ino != self.inode:
            raise OSError
        return _held(self.number)


def _held(number: int) -> socket.socket:
    """Return a socket of this process under another number, so that closing it closes nothing."""
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        raise OSError
    return socket.socket(fileno=os.dup(number))


def line_of(number: int) -> Line:
    """Return the line that has this number now."""
    return Line(number, os.fstat(number).st_ino)


def lines_to(port: int) -> frozenset[Line]:
    """Return this process's lines to a server's port, as not every driver shows its socket."""
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - ten times as fast
        with suppress(OSError), _held(int(name)) as held:
            peer = held.getpeername()
            if str(peer).endswith(f".s.PGSQL.{port}") or (
                isinstance(peer, tuple) and peer[1] == port
            ):
                found.add(line_of(int(name)))
    return frozenset(found)


KEPT_ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


def keep_alive(line: socket.socket) -> None:
    """Let the system ask every few seconds whether the other machine is still there.

    TCP_USER_TIMEOUT would also end a load of which a busy server takes no bytes for a while.
    """
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEPT_ALIVE.items():
        line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


# Asks a server by another connection which of some sessions it has at work.
Look: TypeAlias = Callable[[Collection[str]], frozenset[str]]


@dataclass(eq=False, slots=True)
class Wait:
    """A wait for a server: what cuts it, the bytes that have moved, its session and how to look.

    Without a look, as at a login, the wait lasts for `seconds` at most. With one, it lasts as long
    as there is a sign of life within each `seconds`.
    """

    server: Server
    seconds: float
    cut: Callable[[], object]
    moved: Callable[[], int] = int
    session: str = ""
    look: Look | None = None
    heard: float = field(default_factory=monotonic)
    before: int = -1
    given_up: bool = False

    def listen(self, now: float) -> None:
        """Take moved bytes for a sign of life, and end the wait if there was none for too long."""
        moved = self.moved()
        if self.before < 0:
            self.before = moved
        elif self.look and moved - self.before >= MOVING:
            self.before, self.heard = moved, now
        if self.given_up or now - self.heard >= self.seconds:
            self.given_up = True
            self.cut()  # at each tick, as dbt opens others in place of those that are cut


class Held(Protocol):
    """A connection that is held, perhaps with locks: `busy` while it is used, last at `used`."""

    busy: Lock
    used: float

    def beat(self) -> None:
        """Give the server a sign of life."""


@dataclass(slots=True)
class _Silence:
    """The times since when a server has given no answer, and when it was last asked."""

    since: float
    last: float

    @property
    def lasts(self) -> float:
        """The seconds of silence."""
        return self.last - self.since


_WAITS: set[Wait] = set()
_SILENCES: dict[tuple[str, int], _Silence] = {}
_ANSWERS: dict[tuple[str, int], float] = {}  # when a server last gave one to a new connection
_LOOKING: dict[tuple[str, int], Thread] = {}
_LOOKED: dict[tuple[str, int], float] = {}  # when the last look was over
_HELD: set[Held] = set()
_STARTING = Lock()
_WATCH: dict[int, Thread] = {}


@contextmanager
def watched(wait: Wait, doing: str) -> Iterator[None]:
    """Watch the block, which waits for a server; it fails if the wait is given up.

    Raises:
        DatabaseFault: the connection is lost, or as `ServerHangs` the whole server gives no answer.

    """
    _begin()
    _WAITS.add(wait)
    try:
        yield
    except Exception:
        if wait.given_up:
            raise _fault(wait, doing) from None
        raise
    finally:
        _WAITS.discard(wait)
    if wait.given_up:  # dbt does not raise its errors
        raise _fault(wait, doing)


@contextmanager
def kept_alive(held: Held) -> Iterator[None]:
    """Give the server signs of life in the block while the connection is not used."""
    held.used = monotonic()
    _begin()
    _HELD.add(held)
    try:
        yield
    finally:
        _HELD.discard(held)


@contextmanager
def in_use(held: Held) -> Iterator[None]:
    """Use a connection in the block, alone."""
    with held.busy:
        try:
            yield
        finally:
            held.used = monotonic()


def seems_alive(held: Held, lines: Collection[Line]) -> bool:
    """Tell whether an idle connection need not be asked whether it lives.

    It was used a moment ago, and its server has not hung up since.
    """
    recent = monotonic() - held.used < RECENT_SECONDS
    return recent and bool(lines) and all(line.is_still() for line in lines)


def _fault(wait: Wait, doing: str) -> DatabaseFault:
    server = wait.server
    if wait.look and _is_silent(wait):
        return ServerHangs(server.place, doing, f"{server.host}:{server.port}", server.hang_seconds)
    return DatabaseFault(server.place, doing, "HUNG")


def _is_silent(wait: Wait) -> bool:
    """Tell whether the server gives no answer, and not just this connection.

    Looks come twice as often.
    """
    return monotonic() - _ANSWERS.get(_where(wait.server), -inf) >= wait.seconds / 2


def refuse_silent(server: Server) -> None:
    """Refuse to wait for a server that hangs, as a run has many tables.

    Raises:
        ServerHangs: it has given no answer for `ELT_HANG_SECONDS`, and it is too early to try
            again.

    """
    silence = _SILENCES.get(_where(server))
    if (
        silence
        and silence.lasts >= server.hang_seconds
        and monotonic() - silence.last < AGAIN_SECONDS
    ):
        raise ServerHangs(
            server.place, "connecting", f"{server.host}:{server.port}", server.hang_seconds
        )


@contextmanager
def asked(server: Server) -> Iterator[None]:
    """Note whether a server answers when the block asks it for a new connection.

    A refusal is an answer.
    """
    where, begun = _where(server), monotonic()
    try:
        yield
    except DatabaseFault as fault:
        if fault.code in GONE:
            _SILENCES.setdefault(where, _Silence(begun, begun)).last = monotonic()
        else:
            _answered(where)
        raise
    _answered(where)


def _answered(where: tuple[str, int]) -> None:
    _ANSWERS[where] = monotonic()
    _SILENCES.pop(where, None)


def _where(server: Server) -> tuple[str, int]:
    return server.host, server.port


def watch() -> Thread | None:
    """Return this process's thread that watches, None before the first wait."""
    return _WATCH.get(os.getpid())


def _begin() -> None:
    if os.getpid() in _WATCH:
        return
    with _STARTING:
        if os.getpid() not in _WATCH:
            _WATCH[os.getpid()] = Thread(target=_watch, name="watching", daemon=True)
            _WATCH[os.getpid()].start()


def _watch() -> None:
    while True:
        sleep(TICK_SECONDS)
        now = monotonic()
        for held in list(_HELD):
            if now - held.used >= BEAT_SECONDS and held.busy.acquire(blocking=False):
                Thread(target=_beat, args=(held,), name="beating", daemon=True).start()
        waiting: dict[tuple[str, int], list[Wait]] = {}
        for wait in list(_WAITS):
            with suppress(Exception):  # a socket may go meanwhile
                wait.listen(now)
            if wait.look and wait.given_up and _is_silent(wait):
                _SILENCES[_where(wait.server)] = _Silence(wait.heard, now)
            if wait.look and now - wait.heard >= _pause(wait):
                waiting.setdefault(_where(wait.server), []).append(wait)
        for where, waits in waiting.items():
            if where not in _LOOKING and now - _LOOKED.get(where, -inf) >= _pause(waits[0]):
                _LOOKING[where] = Thread(
                    target=_look, args=(where, waits), name="looking", daemon=True
                )
                _LOOKING[where].start()


def _beat(held: Held) -> None:
    try:
        with suppress(Exception):  # its holder will meet the error
            held.beat()
    finally:
        held.used = monotonic()
        held.busy.release()


def _pause(wait: Wait) -> float:
    return min(LOOK_SECONDS, wait.seconds / 4)


def _look(where: tuple[str, int], waits: Collection[Wait]) -> None:
    """Ask a server about the sessions that are waited for."""
    first = next(iter(waits))
    try:
        with suppress(Exception), asked(first.server):  # no answer is no sign of life
            working = first.look([wait.session for wait in waits]) if first.look else frozenset()
            for wait in waits:
                if wait.session in working:
                    wait.heard = monotonic()
    finally:
        _LOOKED[where] = monotonic()
        del _LOOKING[where]

"""What a test may not leave behind in its process, because it would disturb the next one.

That is a thread that draws random numbers while hypothesis does, a reader, a lock held by a
connection, a variable or a server.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any

import pytest

from deployments.installation import LOCAL
from transfer.mysql import pool as mysql_pool
from transfer.mysql import reading
from transfer.postgres import opening, pool
from transfer.running import watching

SECONDS = 5.0  # within which what is ending has ended, on a machine that is busy
PYTESTS = "PYTEST_CURRENT_TEST"


@dataclass(frozen=True)
class Belongings:
    """What a process has, except for what the pipeline and the standard library keep on purpose."""

    threads: frozenset[threading.Thread]
    children: frozenset[int]
    sockets: Mapping[str, int]  # with their descriptors
    kept: int  # so many of them are idle connections
    variables: Mapping[str, str]
    homes: frozenset[Path]


def belongings() -> Belongings:
    return Belongings(
        threads=frozenset({*threading.enumerate()} - {watching.watch()}),
        children=frozenset(_children() - _kept_children()),
        sockets=_sockets(),
        kept=_kept_connections(),
        variables={name: value for name, value in os.environ.items() if name != PYTESTS},
        homes=frozenset(LOCAL.glob(f"test-*-{os.getpid()}")),
    )


def left(before: Belongings, seconds: float | None = None) -> list[str]:
    """Return what was not there before, after waiting for what is about to end."""
    until = time.monotonic() + (SECONDS if seconds is None else seconds)
    while (found := _more(before, belongings())) and time.monotonic() < until:
        time.sleep(0.005)
    return found


def close_idle() -> None:
    """Close the connections that the pipeline keeps; their databases are about to go."""
    mysql_pool.close_connections()
    pool.close_connections()


def _more(before: Belongings, now: Belongings) -> list[str]:
    found = [f"thread {thread.name}" for thread in now.threads - before.threads]
    found += [f"process {_command(child)}" for child in now.children - before.children]
    names = now.variables.keys() | before.variables.keys()
    found += [
        f"variable {name}"
        for name in names
        if now.variables.get(name) != before.variables.get(name)
    ]
    found += [f"server in {home}" for home in now.homes - before.homes]
    # Which of the sockets are those of idle connections the driver does not tell, but their number is known.
    more = len(now.sockets) - now.kept - (len(before.sockets) - before.kept)
    if more > 0:
        new = sorted(
            _peer(number) for name, number in now.sockets.items() if name not in before.sockets
        )
        found.append(f"{more} of the sockets {', '.join(new)}")
    return sorted(found)


# Seen once, a process of others never becomes a child of ours; to read of all of them takes more time than some tests.
_OTHERS: set[int] = set()


def _children() -> set[int]:
    """Return the living and dead children of this process and of its fork server."""
    # One that has just gone has no parent, and before its first use neither has the fork server.
    parents = {os.getpid(), _FORKING._forkserver_pid} - {None}
    there = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 - ten times as fast
    found = {number for number in there - _OTHERS if _parent(number) in parents}
    _OTHERS.clear()
    _OTHERS.update(there - found)
    return found


def _parent(number: int) -> int | None:
    with suppress(OSError):
        return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
    return None


_FORKING: Any = forkserver._forkserver
_TRACKING: Any = resource_tracker._resource_tracker


def _kept_children() -> set[int | None]:
    """Return the idle readers, which the next read takes, and multiprocessing's two helpers."""
    readers = {reader._process.pid for reader in list(reading._IDLE_READERS)}
    return {*readers, _FORKING._forkserver_pid, _TRACKING._pid}


def _command(number: int) -> str:
    with suppress(OSError):
        if words := Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" "):
            return f"{number}: {words[:200].decode(errors='replace').strip()}"
    with suppress(OSError):  # one that has ended has a name still, but no command line
        name = Path(f"/proc/{number}/comm").read_text().strip()
        return f"{number} ({name}), which nobody has waited for"
    return f"{number}, which nobody has waited for"


def _sockets() -> dict[str, int]:
    found = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
            if target.startswith("socket:"):
                found[target] = int(name)
    return found


def _kept_connections() -> int:
    """Count the kept connections: each has one socket, PostgreSQL's handles too."""
    of_mysql = sum(map(len, list(mysql_pool._IDLE.values())))
    return of_mysql + sum(map(len, list(pool._IDLE.values()))) + len(opening._HANDLES)


def _peer(descriptor: int) -> str:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as other:
        return f"{other.getsockname()} to {other.getpeername()}"
    return f"number {descriptor}"


def nothing_left() -> Iterator[None]:
    before = belongings()
    yield
    if found := left(before):
        pytest.fail(f"left behind: {'; '.join(found)}", pytrace=False)

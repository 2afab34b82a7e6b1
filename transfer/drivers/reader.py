"""ConnectorX in processes of its own, as a panic prints a cell's value to stderr.

Nor can anything else interrupt a read that hangs. Started as a script, this file is such a process:
it takes requests from stdin and answers with Arrow streams on stdout. It imports nothing of the
project, so that it is small and starts quickly.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread, Timer
from typing import IO

import pyarrow as pa

ROWS, ERROR, PANIC, COMPLETE = b"R", b"E", b"P", b"C"
PIPE_BYTES = 2**20  # the most that Linux lets an ordinary user have
# What is larger goes back to the system when it is freed, so that an idle reader is small.
MAPPED_BYTES = 2**20
ALLOCATION = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_MMAP_THRESHOLD_": str(MAPPED_BYTES)}


class ReaderPanicked(Exception):
    """ConnectorX could not convert a value; its message stayed in the process."""

    code = "PANIC"


class ReaderHung(Exception):
    """No answer came in time; the process was killed, and its connection with it."""

    code = "HUNG"


class ReaderDied(Exception):
    """The process ended in the middle of a read, as when memory runs out."""

    code = "DIED"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be read: an address with its password, the session's statements, a query."""

    address: str
    session: tuple[str, ...]
    query: str


class Reader:
    """One reading process; for one thread at a time."""

    def __init__(self) -> None:
        """Start the process; its stderr, to which panics write values, is discarded.

        `proven` are the addresses, each with its session, from which this process's driver has
        been seen to read values unchanged.
        """
        self.proven: set[tuple[str, tuple[str, ...]]] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pipesize=PIPE_BYTES,
            env=os.environ | ALLOCATION,
        )

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._process.poll() is None

    def read(self, request: Request, seconds: float) -> pa.Table:
        """Return the rows of a query.

        Raises:
            RuntimeError: the driver's own error; its text may hold values.
            ReaderPanicked, ReaderHung, ReaderDied: see there.

        """
        late: list[bool] = []

        def give_up() -> None:
            late.append(True)
            self._process.kill()

        watch = Timer(seconds, give_up)
        watch.daemon = True
        watch.start()
        try:
            return self._ask(request)
        except (OSError, EOFError, pa.ArrowInvalid):
            self.close()
            raise (ReaderHung() if late else ReaderDied()) from None
        finally:
            watch.cancel()

    def _ask(self, request: Request) -> pa.Table:
        to, answers = _pipes(self._process)
        pickle.dump((request.address, list(request.session), request.query), to)
        to.flush()
        kind = answers.read(1)
        if kind == ROWS:
            table = pa.ipc.open_stream(answers).read_all()
            if answers.read(1) == COMPLETE:  # a stream that an error ended looks complete, too
                return table
        if kind == PANIC:
            raise ReaderPanicked
        if kind == ERROR:
            raise RuntimeError(pickle.load(answers))  # noqa: S301 - our own process wrote it
        raise EOFError

    def kill(self) -> None:
        """End the process, from any thread; a read that is under way raises `ReaderDied`."""
        self._process.kill()

    def close(self) -> None:
        """End the process."""
        self.kill()
        for pipe in _pipes(self._process):
            with suppress(OSError):
                pipe.close()
        self._process.wait()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    return process.stdin, process.stdout


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    import connectorx

    while True:
        try:
            address, session, query = pickle.load(requests)  # noqa: S301 - our own process wrote it
        except EOFError:
            return
        _answer(connectorx.read_sql, address, session, query, answers)


def _answer(
    read_sql: object, address: str, session: Sequence[str], query: str, answers: IO[bytes]
) -> None:
    try:
        table: pa.Table = read_sql(
            address, query, return_type="arrow", pre_execution_query=list(session)
        )  # type: ignore[operator]
    except RuntimeError as error:
        answers.write(ERROR)
        pickle.dump(str(error), answers)
    except BaseException:  # noqa: BLE001 - a panic is not an Exception, and its text holds a value
        answers.write(PANIC)
    else:
        answers.write(ROWS)
        with pa.ipc.new_stream(answers, table.schema) as stream:
            stream.write_table(table)
        answers.write(COMPLETE)
    answers.flush()


def _end_with_parent() -> None:
    """End this process when its parent is gone, even if it reads from a server that hangs."""
    pipe = select.poll()
    pipe.register(sys.stdin.fileno(), 0)  # poll reports that the other end is closed in any case
    pipe.poll()
    os._exit(1)


if __name__ == "__main__":
    Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C reaches all processes, and the run itself ends its readers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer)

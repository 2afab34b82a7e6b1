"""How long a clinic waits: writes of a busy MyISAM table, timed while it is read in several ways."""

from __future__ import annotations

import argparse
import multiprocessing
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pymysql
from lab import servers, targets, write_result
from oracle import ask
from runs import limited, run

from deployments.clinic.create import create
from deployments.clinic.schema import Table, tables
from deployments.server import Server
from deployments.servers import Servers
from transfer.mysql import reading
from transfer.settings import Settings

BUSY = ("procedurelog", "securitylog")
CONTROL = (
    "commlog"  # written likewise but never read: what it waits for is the machine, not the pipeline
)
PAUSE_SECONDS = 0.005
QUIET_SECONDS = 15
LONGEST_MS = 250  # what the issue allows
SLOW_SECONDS = 0.05

Place = tuple[str, int, str, str, str]


@dataclass(frozen=True)
class Phase:
    """What went on at the source, from when to when by the machine's monotonic clock, and its slow statements."""

    name: str
    began: float
    ended: float
    slow: list[str]


@dataclass(frozen=True)
class Stall:
    """The writes of one table during a phase, in milliseconds."""

    phase: str
    table: str
    seconds: float
    writes: int
    median: float
    p99: float
    longest: float
    kind: str


def main() -> None:
    """Print, for each table and phase, the longest write, and which statements of the pipeline took long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=500_000, help="of each table, at least (%(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=1, help="changed runs and verifications (%(default)s)"
    )
    parser.add_argument("--page-rows", type=int, default=20_000, help="ELT_PAGE_ROWS (%(default)s)")
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    with servers() as found, targets(found) as made:
        settings = limited(made, page_rows=options.page_rows)
        address = _address(found.source, settings.source.db)
        with closing(found.source.connect(settings.source.db)) as connection:
            create(connection, 300, 1, None)
            held = {name: grow(connection, tables()[name], options.rows) for name in BUSY}
        print(", ".join(f"{name}: {rows:,} rows" for name, rows in held.items()), flush=True)
        over, answers = processes.Event(), processes.SimpleQueue()
        writers = [
            processes.Process(target=write, args=(address, name, over, answers))
            for name in (*BUSY, CONTROL)
        ]
        for writer in writers:
            writer.start()
        try:
            phases = list(_phases(processes, found, settings, address, options.rounds))
            assert all(writer.is_alive() for writer in writers)
            over.set()
            written = dict(answers.get() for _ in writers)
        finally:
            for writer in writers:
                writer.terminate()
        report(phases, written)


def _phases(
    processes: Any, servers: Servers, settings: Settings, address: Place, rounds: int
) -> Iterator[Phase]:
    def child(what: Callable[..., None], *arguments: Any) -> None:
        process = processes.Process(target=what, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == 0

    with _phase(servers, "nothing else") as phases:
        time.sleep(QUIET_SECONDS)
    yield from phases
    for name in BUSY:
        with _phase(servers, f"SELECT * FROM {name}") as phases:
            child(select_all, address, name)
        yield from phases
    for number in range(rounds + 1):
        with _phase(servers, f"changed run {number}" if number else "first load") as phases:
            child(pipeline, settings, False)
        yield from phases
    for number in range(rounds):
        with _phase(servers, f"verification {number + 1}") as phases:
            child(pipeline, settings, True)
        yield from phases


@contextmanager
def _phase(servers: Servers, name: str) -> Iterator[list[Phase]]:
    """Tell when the block began and ended, and which statements were slow at the source."""
    log = servers.source._ours().folder / "slow.log"  # type: ignore[union-attr]
    log.unlink(missing_ok=True)
    servers.source.execute(
        f"SET GLOBAL slow_query_log_file = '{log}', GLOBAL long_query_time = {SLOW_SECONDS}, GLOBAL slow_query_log = 1"
    )
    phases: list[Phase] = []
    began = time.monotonic()
    yield phases
    ended = time.monotonic()
    servers.source.execute("SET GLOBAL slow_query_log = 0")
    phases.append(Phase(name, began, ended, slow(log)))
    print(f"{name}: {ended - began:.1f} s", flush=True)
    time.sleep(1)


def slow(log: Path) -> list[str]:
    """Return the slow statements, the slowest first, each with its seconds and those for which it waited for locks."""
    if not log.exists():
        return []
    found = []
    for entry in re.split(r"^# User@Host: ", log.read_text(errors="replace"), flags=re.MULTILINE)[
        1:
    ]:
        times = re.search(r"Query_time: ([\d.]+)\s+Lock_time: ([\d.]+)", entry)
        lines = [
            line for line in entry.splitlines()[1:] if not re.match(r"#|SET timestamp|use ", line)
        ]
        if times:
            found.append(
                (float(times[1]), float(times[2]), entry.partition("[")[0], " ".join(lines))
            )
    return [
        f"{seconds:.3f} s, {waited:.3f} s of them waiting, {user}: {shortened(text)}"
        for seconds, waited, user, text in sorted(found, reverse=True)
    ]


def shortened(text: str) -> str:
    """Return the beginning and the end of a statement, where its table and condition stand."""
    return text if len(text) < 400 else f"{text[:150]} … {text[-240:]}"


def _address(server: Server, database: str) -> Place:
    return server.host, server.port, server.user, server.password, database


def _connect(address: Place, cursor: type[pymysql.cursors.Cursor] = pymysql.cursors.Cursor) -> Any:
    host, port, user, password, database = address
    return pymysql.connect(
        host=host,
        port=port,
        user=user,
        password=password,
        database=database,
        autocommit=True,
        cursorclass=cursor,
    )


def grow(connection: Any, table: Table, rows: int) -> int:
    """Copy a table's rows until it has enough of them."""
    names = ", ".join(
        f"`{column.name}`" for column in table.columns if column.name != table.primary_key
    )
    while (held := ask(connection, f"SELECT COUNT(*) FROM {table.name}")[0][0]) < rows:
        ask(
            connection,
            f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {table.name} ORDER BY `{table.primary_key}`"
            f" LIMIT {min(held, rows - held)}",
        )
    ask(connection, f"FLUSH TABLES {table.name}")
    return int(held)


CHANGES = {
    "procedurelog": "ProcFee = ProcFee + 1",
    "securitylog": "FKey = FKey + 1",
    "commlog": "Mode_ = MOD(Mode_ + 1, 4)",
}


def write(address: Place, name: str, over: Any, answers: Any) -> None:
    """Insert and update single rows in turns until it is over; answer with each write's moment, seconds and kind."""
    table, chance = tables()[name], random.Random(1)  # noqa: S311 - no secret
    key = table.primary_key
    names = [column.name for column in table.columns if column.name != key and not column.is_stamp]
    columns = ", ".join(f"`{each}`" for each in names)
    inserting = f"INSERT INTO {name} ({columns}) VALUES ({', '.join(['%s'] * len(names))})"
    written = []
    with closing(_connect(address)) as connection:
        ask(connection, "SET sql_mode = ''")
        last = ask(connection, f"SELECT MAX(`{key}`) FROM {name}")[0][0]
        row = ask(
            connection,
            f"SELECT {columns} FROM {name} WHERE `{key}` = (SELECT MIN(`{key}`) FROM {name})",
        )[0]
        while not over.is_set():
            kind = chance.choice(("insert", "update"))
            began = time.monotonic()
            if kind == "insert":
                ask(connection, inserting, *row)
            else:
                ask(
                    connection,
                    f"UPDATE {name} SET {CHANGES[name]} WHERE `{key}` = %s",
                    chance.randint(1, last),
                )
            written.append((began, time.monotonic() - began, kind))
            time.sleep(PAUSE_SECONDS)
    answers.put((name, written))


def select_all(address: Place, table: str) -> None:
    """Read a table as a plain client does that does not buffer it."""
    with (
        closing(_connect(address, pymysql.cursors.SSCursor)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT * FROM {table}")
        for _ in cursor:
            pass


def pipeline(settings: Settings, verify: bool) -> None:
    """Run the busy tables."""
    for result in run(settings, *BUSY, verify=verify).values():
        print("   ", result.method, result.sentence, flush=True)
    reading.close_readers()


def report(phases: list[Phase], written: dict[str, list[tuple[float, float, str]]]) -> None:
    """Print the table of stalls and the slow statements, and keep them."""
    stalls = [stall(phase, name, written[name]) for phase in phases for name in (*BUSY, CONTROL)]
    print(
        "\n| while | table | seconds | writes | median ms | 99 % ms | longest ms |\n|---|---|---|---|---|---|---|"
    )
    for each in stalls:
        print(
            f"| {each.phase} | {each.table} | {each.seconds:.1f} | {each.writes:,} | {each.median:.1f} | {each.p99:.1f}"
            f" | {each.longest:.0f} ({each.kind}) |"
        )
    for phase in phases:
        print(
            f"\nstatements over {SLOW_SECONDS * 1000:.0f} ms during {phase.name}: {len(phase.slow)}"
        )
        for statement in phase.slow[:8]:
            print("   ", statement)
    ours = [
        each
        for each in stalls
        if each.table != CONTROL and each.phase.startswith(("first", "changed", "verification"))
    ]
    longest = max(each.longest for each in ours)
    print(
        f"\nthe pipeline's longest stall: {longest:.0f} ms ({'within' if longest <= LONGEST_MS else 'OVER'} {LONGEST_MS} ms)"
    )
    figures = {f"{each.phase}, {each.table}": asdict(each) for each in stalls}
    write_result("stall", {"stalls": figures, "slow": {p.name: p.slow[:20] for p in phases}})


def stall(phase: Phase, table: str, written: list[tuple[float, float, str]]) -> Stall:
    """Sum up the writes that began or ended within a phase."""
    during = sorted(
        (seconds * 1000, kind)
        for began, seconds, kind in written
        if began < phase.ended and began + seconds > phase.began
    )
    at = [milliseconds for milliseconds, _ in during]
    seconds = phase.ended - phase.began
    return Stall(
        phase.name,
        table,
        seconds,
        len(at),
        at[len(at) // 2],
        at[len(at) * 99 // 100],
        at[-1],
        during[-1][1],
    )


if __name__ == "__main__":
    main()

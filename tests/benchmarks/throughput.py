"""How close first loads come to what the servers need when the bytes are ready.

The limits are LOAD DATA, COPY BINARY and reading alone.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psycopg2
from lab import FOLDER, Cost, measured, run_apart, servers, targets, write_result
from oracle import ask
from plot import bars
from runs import run
from tools import installed

from deployments.clinic import create
from deployments.installation import LOCAL
from deployments.servers import Servers
from transfer.journey import into_public, into_raw
from transfer.journey.work import Step
from transfer.mysql import load_data, pool
from transfer.mysql.definition import as_replica
from transfer.mysql.page import Selection
from transfer.postgres.literals import quote
from transfer.replica import rows as replica_rows
from transfer.rules.layout import raw_fields, raw_key
from transfer.settings import Settings
from transfer.source import rows as source_rows
from transfer.source import survey as source
from transfer.values.table import SourceTable, TableResult
from transfer.warehouse import raw

# A wide table, a long one and a texty one, with the rows that they are given: dlt fails on a multiple of its files' rows.
SAMPLES = {"procedurelog": 400_007, "securitylog": 1_000_007, "sheetfield": 600_007}
WORKERS = 4
STEPS = frozenset(
    (
        "LOAD DATA",
        "COPY",
        "run",
        "until raw",
        "extract",
        "load",
        "standardize",
        "read source",
        "read replica",
    ),
)


@dataclass(frozen=True)
class Ready:
    """A table whose bytes are ready: for LOAD DATA, with the statements around it, and for COPY BINARY."""

    name: str
    rows: int
    lines: Path
    create: str
    load: str
    keys: str
    copy: Path
    columns: str
    key: str


@dataclass(frozen=True)
class Round:
    """Seconds by what was done, and what the pipeline's run cost."""

    seconds: dict[str, float]
    cost: Cost
    peak: int


def main() -> None:
    """Print the ratios of each sample and of the whole clinic, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--patients", type=int, default=3000, help="size of the clinic (%(default)s)"
    )
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the samples' rows (%(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="of everything in turns (%(default)s)"
    )
    options = parser.parse_args()
    with servers() as found, targets(found) as clinic:
        with closing(found.source.connect(clinic.source.db)) as connection:
            made = create(connection, options.patients, 1, None)
            for name, rows in SAMPLES.items():
                grow(connection, name, int(rows * options.share))
        tables = [
            each for each in source.survey(clinic.source, clinic.limits).tables if each.size.rows
        ]
        print(
            f"{sum(each.size.rows for each in tables):,} rows in {len(tables)} of {len(made.counts)} tables",
            flush=True,
        )
        ready = prepared(found, clinic, tables)
        samples = [each for each in ready if each.name in SAMPLES]
        kept = [(f"{each.name}, {each.rows:,} rows", [each]) for each in samples]
        kept.append((f"the whole clinic, {sum(each.rows for each in ready):,} rows", ready))
        figures = {
            name: [one_round(found, clinic, each) for _ in range(options.rounds)]
            for name, each in kept
        }
    report(figures)
    draw(figures)
    write_result(
        "throughput", {name: [asdict(each) for each in rounds] for name, rounds in figures.items()}
    )


def grow(connection: Any, table: str, rows: int) -> None:
    """Double a table's rows until there are so many."""
    columns = [row[0] for row in ask(connection, f"SHOW COLUMNS FROM `{table}`")]
    key, others = columns[0], ", ".join(f"`{name}`" for name in columns[1:])
    while True:
        ((held, last),) = ask(connection, f"SELECT COUNT(*), MAX(`{key}`) FROM `{table}`")
        if held >= rows:
            return
        ask(
            connection,
            f"INSERT INTO `{table}` (`{key}`, {others}) SELECT `{key}` + {last}, {others} FROM `{table}`"
            f" ORDER BY `{key}` LIMIT {rows - held}",
        )


def prepared(servers: Servers, clinic: Settings, tables: Sequence[SourceTable]) -> list[Ready]:
    """Write each table's rows as LOAD DATA reads them, and, from a replica and a `raw` that the pipeline fills, as COPY does."""
    folder = FOLDER / "ready"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    with targets(servers, clinic) as settings:
        run(settings)
        return [_ready(folder, settings, each) for each in tables]


def _ready(folder: Path, settings: Settings, each: SourceTable) -> Ready:
    table, limits = each.table, settings.limits
    lines, copy = folder / f"{table.name}.tsv", folder / f"{table.name}.copy"
    rows = 0
    with lines.open("wb") as file:
        for page in source_rows.pages(settings.source, limits, each):
            file.write(load_data.encode(page.rows))
            rows += page.count
    definition = as_replica(source.definition(settings.source, limits, table.name), table.name)
    adding = ", ".join(f"ADD {key}" for key in definition.keys)
    with copying(settings) as cursor, copy.open("wb") as file:
        cursor.copy_expert(f'COPY raw."{table.name}" TO STDOUT (FORMAT binary)', file)
    return Ready(
        table.name,
        rows,
        lines,
        definition.create,
        load_data.load_statement(table.name, table.stored),
        f"ALTER TABLE `{table.name}` {adding}" if adding else "",
        copy,
        ", ".join(f"{quote(field.name)} {field.type}" for field in raw_fields(table)),
        ", ".join(map(quote, raw_key(table))),
    )


class copying:  # noqa: N801 - a context manager, used as one
    """A cursor of the warehouse whose work is committed at the end."""

    def __init__(self, settings: Settings) -> None:
        """Connect."""
        place = settings.warehouse
        self._connection = psycopg2.connect(
            host=place.host,
            port=place.port,
            dbname=place.db,
            user=place.user,
            password=place.password.get_secret_value(),
        )

    def __enter__(self) -> Any:
        """Give a cursor."""
        return self._connection.cursor()

    def __exit__(self, *_: object) -> None:
        """Commit."""
        self._connection.commit()
        self._connection.close()


def one_round(servers: Servers, clinic: Settings, ready: Sequence[Ready]) -> Round:
    """Measure the limits and the pipeline, each into databases of its own, the largest tables first."""
    largest = sorted(ready, key=lambda each: -each.lines.stat().st_size)
    names = [each.name for each in ready]
    whole = len(ready) > 1
    seconds: dict[str, float] = {}
    with targets(servers, clinic) as settings:
        seconds["LOAD DATA"] = timed(largest, lambda each: load_ready(settings, each))
        seconds["COPY"] = timed(largest, lambda each: copy_ready(settings, each))
    with targets(servers, clinic) as settings:
        with measured(servers) as costs:
            seconds["run"], peak = run_apart(settings, *([] if whole else names))
        found = {
            each.table.name: each
            for each in source.survey(clinic.source, clinic.limits, names).tables
        }
        seconds["read source"] = timed(largest, lambda each: read_source(clinic, found[each.name]))
        seconds["read replica"] = timed(
            largest, lambda each: read_replica(settings, found[each.name])
        )
        if not whole:
            seconds["load"] = load_alone(settings, names[0])
            seconds |= others(servers, settings, names[0])
    with targets(servers, clinic) as settings:
        seconds["until raw"] = until_raw(settings, [] if whole else names)
    if not whole:
        with targets(servers, clinic) as settings:
            seconds["extract"] = extract_alone(settings, names[0])
    print(", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()), flush=True)
    return Round(seconds, costs[0], peak)


def timed(ready: Sequence[Ready], doing: Callable[[Ready], None]) -> float:
    """Return the seconds that it takes for all tables, several at once."""
    started = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(doing, ready))
    return time.monotonic() - started


def load_ready(settings: Settings, each: Ready) -> None:
    """LOAD DATA of the ready file, then the secondary keys."""
    with (
        pool.connect(settings.replica, settings.limits, writes=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(each.create)
        with connection.offering(memoryview(each.lines.read_bytes())):
            cursor.execute(each.load)
        connection.commit()
        if each.keys:
            cursor.execute(each.keys)


def copy_ready(settings: Settings, each: Ready) -> None:
    """COPY BINARY of the ready file, then the primary key."""
    with copying(settings) as cursor, each.copy.open("rb") as file:
        name = f"ready.{quote(each.name)}"
        cursor.execute("SELECT pg_advisory_xact_lock(1); CREATE SCHEMA IF NOT EXISTS ready; COMMIT")
        cursor.execute(f"CREATE TABLE {name} ({each.columns})")
        cursor.copy_expert(f"COPY {name} FROM STDIN (FORMAT binary)", file)
        if each.key:
            cursor.execute(f"ALTER TABLE {name} ADD PRIMARY KEY ({each.key})")


def read_source(settings: Settings, each: SourceTable) -> None:
    """Read every page as an extract does, and let it go."""
    for _ in source_rows.pages(settings.source, settings.limits, each):
        pass


def read_replica(settings: Settings, each: SourceTable) -> None:
    """Read every page as a load does, and let it go."""
    table = each.table
    selection = Selection(
        settings.replica, settings.limits, each, raw.select(table), whole=table.columns
    )
    for _ in replica_rows.pages(selection):
        pass


def load_alone(settings: Settings, table: str) -> float:
    """Return the seconds of the raw hop alone, after `raw` has lost the table."""
    with copying(settings) as cursor:
        cursor.execute(f'DROP TABLE raw."{table}"')
    return hops(run(settings, table))["load"]


def until_raw(settings: Settings, names: Sequence[str]) -> float:
    """Return the seconds of a first load that ends in `raw`."""
    whole, started = into_public.bring_up_to_date, time.monotonic()
    into_public.bring_up_to_date = lambda *_: Step()
    try:
        run(settings, *names)
    finally:
        into_public.bring_up_to_date = whole
    return time.monotonic() - started


def extract_alone(settings: Settings, table: str) -> float:
    """Return the seconds of the replica hop when `raw` is not loaded while the keys are built."""
    early = into_raw.copy_early
    into_raw.copy_early = lambda *_: None
    try:
        return hops(run(settings, table))["extract"]
    finally:
        into_raw.copy_early = early


def others(servers: Servers, settings: Settings, table: str) -> dict[str, float]:
    """Return the seconds of each other tool for the table's way from the replica to a warehouse that is empty."""
    found: dict[str, float] = {}
    with targets(servers, settings) as empty, TemporaryDirectory() as scratch:
        for tool in installed(Path(os.environ.get("BENCH_TOOLS", LOCAL / "tools"))):
            tool.clear(empty.warehouse)
            started = time.monotonic()
            try:
                tool.run(settings.replica, empty.warehouse, table, Path(scratch))
                found[tool.name] = time.monotonic() - started
                tool.check(settings.replica, empty.warehouse, table)
            except RuntimeError as error:
                print(error, flush=True)
                found[tool.name] = math.inf
    return found


def hops(results: Mapping[str, TableResult]) -> dict[str, float]:
    """Return the seconds of each hop, summed over the tables."""
    named: dict[str, float] = {}
    for result in results.values():
        assert result.good, result.sentence
        for hop in result.hops:
            named[hop.name] = named.get(hop.name, 0.0) + hop.seconds
    return named


def report(figures: Mapping[str, Sequence[Round]]) -> None:
    """Print the medians and ratios."""
    print(
        "\n| seconds | LOAD DATA | replica hop | ratio | reading | COPY | raw hop | slower ÷ raw hop | both ÷ raw hop | until raw"
        " | until raw ÷ limits | with public | MB |"
    )
    print("|---" * 13 + "|")
    for name, rounds in figures.items():
        print(f"| {name} | {' | '.join(_cells(rounds))} |")
    tools = [name for name in next(iter(figures.values()))[0].seconds if name not in STEPS]
    if not tools:
        return
    print(
        f"\n| seconds from the replica to PostgreSQL | the raw hop | {' | '.join(tools)} | the fastest ÷ the raw hop |"
    )
    print("|---" * (len(tools) + 3) + "|")
    for name, rounds in figures.items():
        if tools[0] in rounds[0].seconds:
            ours, *theirs = (
                median(each.seconds[step] for each in rounds) for step in ("load", *tools)
            )
            cells = " | ".join(f"{seconds:.1f}" for seconds in (ours, *theirs))
            print(f"| {name} | {cells} | {min(theirs) / ours:.2f} |")


def draw(figures: Mapping[str, Sequence[Round]]) -> None:
    """Draw the rows per second from the replica to PostgreSQL, beside those of reading and of COPY alone."""
    steps = {"read replica": READING, "COPY": COPYING, "load": OURS}
    groups = {}
    for name, rounds in figures.items():
        tools = {step: step for step in rounds[0].seconds if step not in STEPS}
        if name.startswith(tuple(SAMPLES)):
            rows = int(name.partition(", ")[2].partition(" ")[0].replace(",", ""))
            taken = {
                label: median(each.seconds[step] for each in rounds)
                for step, label in (steps | tools).items()
            }
            groups[name] = {
                label: rows / 1e3 / seconds
                for label, seconds in taken.items()
                if seconds < math.inf
            }
    file = LOCAL / "benchmarks" / "throughput.svg"
    file.parent.mkdir(parents=True, exist_ok=True)
    bars(
        file,
        "From the replica to PostgreSQL, thousand rows per second",
        groups,
        OURS,
        frozenset((READING, COPYING)),
    )
    print(f"drawn in {file}")


OURS, READING, COPYING = "this pipeline, proven", "reading alone", "COPY of ready bytes"


def _cells(rounds: Sequence[Round]) -> Iterator[str]:
    middle = {name: median(each.seconds[name] for each in rounds) for name in rounds[0].seconds}
    load_data, copy, reading = middle["LOAD DATA"], middle["COPY"], middle["read replica"]
    extract, load = middle.get("extract"), middle.get("load")
    yield f"{load_data:.1f}"
    yield f"{extract:.1f}" if extract else "–"
    yield f"{load_data / extract:.2f}" if extract else "–"
    yield f"{reading:.1f}"
    yield f"{copy:.1f}"
    yield f"{load:.1f}" if load else "–"
    yield f"{max(reading, copy) / load:.2f}" if load else "–"
    yield f"{(reading + copy) / load:.2f}" if load else "–"
    yield f"{middle['until raw']:.1f}"
    yield f"{middle['until raw'] / (load_data + copy):.2f}"
    yield f"{middle['run']:.1f}"
    yield f"{max(each.peak for each in rounds) / 1e6:.0f}"


if __name__ == "__main__":
    main()

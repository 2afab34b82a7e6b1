"""Servers and databases for the benchmarks, and what a run over them takes."""

from __future__ import annotations

import json
import os
import platform
import resource
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any

from conftest import settings_for
from runs import run

from deployments.installation import LOCAL
from deployments.servers import Servers, start, stop
from transfer.mysql import reading
from transfer.settings import Settings

FOLDER = LOCAL / "bench"
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def servers() -> Iterator[Servers]:
    """Private servers, stopped at the end."""
    found = start(FOLDER)
    try:
        yield found
    finally:
        stop(FOLDER)


@contextmanager
def targets(servers: Servers, source: Settings | None = None) -> Iterator[Settings]:
    """Fresh databases, with the source of other settings if they are given."""
    name = f"bench{secrets.token_hex(5)}"
    made = servers.create_databases(
        source=f"{name}_source", replica=f"{name}_replica", warehouse=name
    )
    try:
        settings = settings_for(made)
        yield settings.model_copy(update={"source": source.source}) if source else settings
    finally:
        servers.drop_databases(made)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by the clock and of CPU: of the pipeline, the source, the replica, PostgreSQL, all."""

    wall: float
    client: float
    source: float
    replica: float
    postgres: float
    cpu: float


@contextmanager
def measured(servers: Servers) -> Iterator[list[Cost]]:
    """Append to the list what the block cost."""
    costs: list[Cost] = []
    before = _now(servers)
    yield costs
    wall, *parts = (after - then for after, then in zip(_now(servers), before, strict=True))
    costs.append(Cost(wall, *parts, cpu=sum(parts)))


def _now(servers: Servers) -> tuple[float, ...]:
    own = sum(
        each.ru_utime + each.ru_stime
        for each in (
            resource.getrusage(resource.RUSAGE_SELF),
            resource.getrusage(resource.RUSAGE_CHILDREN),
        )
    )
    return (
        time.monotonic(),
        own,
        *(_cpu(server.pid) for server in (servers.source, servers.replica, servers.postgres)),
    )


def _cpu(pid: int | None) -> float:
    """Return the CPU seconds of a process, and of the children that it has and had."""
    pids = [pid, *_children(pid)]
    fields = [Path(f"/proc/{each}/stat").read_text().rpartition(") ")[2].split() for each in pids]
    return sum(int(each[position]) for each in fields for position in (11, 12)) / TICKS + sum(
        int(fields[0][position]) / TICKS for position in (13, 14)
    )


def _children(pid: int | None) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(") ")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def write_result(name: str, figures: dict[str, Any]) -> None:
    """Keep figures under .local/benchmarks, and say which differ from the last ones."""
    now = datetime.now(UTC)
    folder = LOCAL / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    earlier = sorted(folder.glob(f"{name}-2*.json"))
    if earlier:
        _compare(earlier[-1].name, json.loads(earlier[-1].read_text())["figures"], figures)
    about = {
        "at": now.isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "machine": platform.platform(),
    }
    file = folder / f"{name}-{now:%Y%m%dT%H%M%S}.json"
    file.write_text(json.dumps(about | {"figures": figures}, indent=2) + "\n")
    print(f"kept in {file}")


SCATTER = 1.15  # between two rounds of the same


def _compare(name: str, earlier: Any, figures: Any) -> None:
    then, now = dict(_medians(earlier)), dict(_medians(figures))
    common = [each for each in now if then.get(each) and now[each]]
    print(
        f"\n{len(common)} figures that are in {name}, too; those that differ by more than {SCATTER - 1:.0%}:"
    )
    for each in common:
        ratio = now[each] / then[each]
        if not 1 / SCATTER <= ratio <= SCATTER:
            print(f"  {each}: {then[each]:,.4g} → {now[each]:,.4g} ({ratio:.2f})")


def _medians(figures: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Name each number by the path to it; of rounds, which are lists, take the median."""
    if isinstance(figures, dict):
        for name, each in figures.items():
            yield from _medians(each, f"{path}, {name}" if path else name)
    elif isinstance(figures, list):
        rounds = [dict(_medians(each, path)) for each in figures]
        for name in rounds[0] if rounds else ():
            yield name, median(each[name] for each in rounds if name in each)
    elif isinstance(figures, int | float):
        yield path, float(figures)


def run_apart(settings: Settings, *tables: str) -> tuple[float, int]:
    """Run the pipeline in a process of its own; return seconds and the peak of its memory, bytes."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        peak = Peak(pool.submit(os.getpid).result())
        peak.start()
        seconds = pool.submit(_run, settings, tables).result()
        peak.stop()
    return seconds, peak.bytes


def _run(settings: Settings, tables: Sequence[str]) -> float:
    started = time.monotonic()
    run(settings, *tables)
    reading.close_readers()  # their CPU counts once they have ended
    return time.monotonic() - started


class Peak(Thread):
    """Samples the memory of a process and its children; `bytes` is the highest sum so far, as proportional set size."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.bytes, self._process, self._over = 0, process, Event()

    def run(self) -> None:
        """Sample until `stop`."""
        while not self._over.wait(
            0.4
        ):  # each sample walks all pages, which takes the CPU some milliseconds
            processes = (self._process, *_children(self._process))
            self.bytes = max(self.bytes, sum(map(_proportional_bytes, processes)))

    def stop(self) -> None:
        """End the sampling."""
        self._over.set()
        self.join()


def _proportional_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0

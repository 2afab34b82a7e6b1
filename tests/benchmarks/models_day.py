"""What dbt takes after a day of practice: seconds, CPU, statements, and the models that take longest.

The clinic has the rows of a real practice in the tables that the models read, and is kept in a folder of its own. Each
round builds the same day, which is a new one, in a copy of its warehouse.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from unittest.mock import patch

from base_tables import ask
from conftest import settings_for
from lab import FOLDER, measured, write_result
from leftovers import close_idle
from runs import limited, run, settle

from deployments.clinic import create, filler, play_day
from deployments.clinic.schema import tables
from deployments.servers import Servers, start, stop
from tasks import build_models, run_dbt
from tasks.dbt_project import sources
from transfer.settings import Settings

HOME = FOLDER.with_name("bench_models")
UNFINISHED, BEFORE, ROUND = "models_unfinished", "models_before", "models_round"


def main() -> None:
    """Print the rounds and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=35_000, help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--statements", action="store_true", help="count them, which takes time")
    parser.add_argument("--build", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    found = start(HOME)
    if options.build:
        warehouse, zone = options.build
        print(json.dumps(_build(settings_of(found, warehouse), zone)))
        return
    try:
        if not _stands(found, BEFORE):
            _begin(found, options.patients)
        rounds = [_round(found, options.statements) for _ in range(options.rounds)]
    finally:
        stop(HOME)
    report(rounds)
    write_result("models-day", {"rounds": rounds})


def settings_of(servers: Servers, warehouse: str) -> Settings:
    """Return the settings of the clinic with one of its warehouses."""
    return settings_for(servers.create_databases("models_source", "models_replica", warehouse))


def zones() -> list[str]:
    """Return two time zones, in the second of which it is a day later."""
    now = datetime.now(UTC)
    dates = {hour: (now + timedelta(hours=hour)).date() for hour in range(-12, 15)}
    late = max(hour for hour in dates if dates[hour] == dates[-12] + timedelta(days=1))
    return [f"Etc/GMT{-hour:+d}" for hour in (-12, late)]


def _stands(servers: Servers, database: str) -> bool:
    with closing(servers.postgres.connect()) as connection:
        return bool(ask(connection, "SELECT 1 FROM pg_database WHERE datname = %s", database))


def _begin(servers: Servers, patients: int) -> None:
    """Create the clinic, load it, build all models, and load a day's changes."""
    settings = settings_of(servers, UNFINISHED)
    read = sorted(sources() & set(tables()))
    in_order = [name for name in filler._in_order() if name in read]
    with (
        closing(servers.source.connect(settings.source.db)) as connection,
        patch.object(filler, "_in_order", lambda: in_order),
    ):
        made = create(connection, patients, 1, None, replace=True, say=_say)
        _say(f"{made.rows:,} rows in {made.seconds:.0f} s")
        settle(connection)
        run(settings, *read)
        _say(f"all models in {_apart(UNFINISHED, zones()[0])['seconds']:.0f} s")
        play_day(connection)
        settle(connection)
        changed = [each.changed for each in run(settings, *read).values() if each.changed]
        _say(f"a day changed {sum(changed):,} rows in {len(changed)} tables")
    close_idle()
    with closing(servers.postgres.connect(UNFINISHED)) as connection:
        connection.autocommit = True
        ask(connection, "VACUUM ANALYZE")
    servers.postgres.execute(f"ALTER DATABASE {UNFINISHED} RENAME TO {BEFORE}")


def _round(servers: Servers, statements: bool) -> dict[str, Any]:
    owner = servers.databases.warehouse.user
    servers.postgres.execute(
        f"DROP DATABASE IF EXISTS {ROUND} WITH (FORCE)",
        f"CREATE DATABASE {ROUND} OWNER {owner} TEMPLATE {BEFORE} STRATEGY FILE_COPY",
    )
    with closing(servers.postgres.connect(ROUND)) as connection:
        connection.autocommit = True
        ask(
            connection,
            f"UPDATE etl_dbt_status SET relations = replace(relations, '{UNFINISHED}', '{ROUND}')",
        )
        if statements:
            ask(connection, f"ALTER DATABASE {ROUND} SET log_min_duration_statement = 0")
    log = HOME / "postgres" / "server.log"
    written, load = log.stat().st_size, os.getloadavg()[0]
    with measured(servers) as costs:
        made = _apart(ROUND, zones()[1])
    logged = log.read_bytes()[written:].count(b"LOG:  duration")
    made |= {"cost": asdict(costs[0]), "load": load, "statements": logged if statements else None}
    _say(
        f"{made['seconds']:.1f} s; CPU: dbt {made['dbt']:.1f} s, PostgreSQL {costs[0].postgres:.1f} s;"
        f" {made['statements']} statements; load before it {load:.1f}"
    )
    return made


def _apart(warehouse: str, zone: str) -> dict[str, Any]:
    """Build in a process of its own, as dbt's start counts."""
    command = [sys.executable, __file__, "--build", warehouse, zone]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _build(settings: Settings, zone: str) -> dict[str, Any]:
    nodes: list[Any] = []

    def kept(*given: Any) -> list[Any]:
        nodes.extend(run_dbt.run_dbt(*given))
        return nodes

    began, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    with (
        patch.object(build_models, "run_dbt", kept),
        patch.object(build_models, "project_hash", lambda _zone: "project"),
    ):
        result = build_models.build(limited(settings, time_zone=zone), "run")
    ended = resource.getrusage(resource.RUSAGE_SELF)
    assert result.good, result.failed
    return {
        "seconds": time.monotonic() - wall,
        "dbt": ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime,
        "nodes": {each.node.name: each.execution_time for each in nodes},
        "in_part": [
            each.node.name
            for each in nodes
            if "elt_touched()" in (getattr(each.node, "compiled_code", "") or "")
        ],
    }


def report(rounds: list[dict[str, Any]]) -> None:
    """Print the nodes that take longest, by their medians."""
    middle = {name: median(each["nodes"][name] for each in rounds) for name in rounds[0]["nodes"]}
    print(f"\n{len(middle)} nodes\n| node | seconds | made |\n|---|---|---|")
    for name, seconds in sorted(middle.items(), key=lambda item: -item[1])[:20]:
        how = "of touched rows" if name in rounds[0]["in_part"] else "as a whole"
        print(f"| `{name}` | {seconds:.2f} | {how} |")


def _say(line: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)


if __name__ == "__main__":
    main()

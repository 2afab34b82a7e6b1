"""What the proof of each load costs: the same first load with it and without, in turns."""

from __future__ import annotations

import argparse
import gc
from contextlib import ExitStack, closing
from dataclasses import asdict, astuple, fields
from statistics import median
from unittest.mock import patch

from lab import Cost, measured, servers, targets, write_result
from runs import run

from deployments.clinic.create import create
from deployments.servers import Servers
from transfer.mysql import hashing, literals, pool, reading
from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place
from transfer.replica import merge, swap
from transfer.replica import rows as replica_rows
from transfer.settings import Limits, Replica, Settings
from transfer.values.table import Table, Totals
from transfer.warehouse import raw


def main() -> None:
    """Print the share of each part of the system."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--patients", type=int, default=2000, help="size of the clinic (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="loads of each kind (%(default)s)")
    options = parser.parse_args()
    with servers() as found, targets(found) as clinic:
        with closing(found.source.connect(clinic.source.db)) as connection:
            made = create(connection, options.patients, 1, None)
        print(f"{made.rows:,} rows in {len(made.counts)} tables")
        costs: dict[bool, list[Cost]] = {True: [], False: []}
        first_load(found, clinic, proven=True)  # which reads the source's files into memory
        for _ in range(options.rounds):
            for proven, each in costs.items():
                each.append(first_load(found, clinic, proven=proven))
    print(f"{'seconds':10}{'proven':>10}{'unproven':>10}{'share':>8}")
    for position, part in enumerate(fields(Cost)):
        proven, unproven = (
            median(astuple(cost)[position] for cost in costs[each]) for each in (True, False)
        )
        print(f"{part.name:10}{proven:10.1f}{unproven:10.1f}{1 - unproven / proven:8.1%}")
    names = {True: "proven", False: "unproven"}
    write_result(
        "proof", {names[proven]: [asdict(cost) for cost in each] for proven, each in costs.items()}
    )


def first_load(servers: Servers, clinic: Settings, *, proven: bool) -> Cost:
    """Load every table into fresh targets."""
    gc.collect()
    with targets(servers, clinic) as settings, ExitStack() as stack:
        if not proven:
            stack.enter_context(unproven())
        with measured(servers) as costs:
            run(settings)
            reading.close_readers()  # their CPU counts once they have ended
        return costs[0]


def unproven() -> ExitStack:
    """Leave out the hashes, their comparison, and the totals but the number of rows."""

    def held(connection: Connection, place: Place, *_: object) -> Totals:
        ((rows,),) = connection.rows("counting", f"SELECT count(*) FROM {place}")
        return Totals(rows, (), ())

    def count(server: Replica, limits: Limits, table: Table, *_: object) -> Totals:
        with pool.connect(server, limits) as connection:
            ((rows,),) = connection.rows(
                "counting",
                f"SELECT COUNT(*) FROM {literals.quote(table.name)}",
            )
        return Totals(rows, (), ())

    stack = ExitStack()
    for owner, name, instead in (
        (hashing, "row_hash", lambda *_: "0"),
        (merge, "prove", lambda *_: None),
        (swap, "prove", lambda *_: None),
        (replica_rows, "totals", count),
        (raw, "totals", held),
        (raw, "_proven", lambda *_: {}),
    ):
        stack.enter_context(patch.object(owner, name, instead))
    return stack


if __name__ == "__main__":
    main()

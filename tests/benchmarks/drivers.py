"""What COPY costs the pipeline's CPU for each value: with the installed driver, and in turns with
the one that ELT_ADBC_DRIVER names.
"""

from __future__ import annotations

import argparse
import os
import time
from datetime import date, datetime
from decimal import Decimal
from statistics import median

import pyarrow as pa
from conftest import settings_for
from lab import servers, write_result

from transfer.postgres.literals import Place
from transfer.postgres.pool import connect
from transfer.rules.casts import arrow_type
from transfer.rules.layout import Field
from transfer.settings import Warehouse

VALUES = {
    "bigint": 2**40,
    "double precision": 0.1 + 0.2,
    "numeric(20,4)": Decimal("-10000.0001"),
    "date": date(2026, 2, 28),
    "timestamp": datetime(2026, 2, 28, 12, 30, 15, 123456),  # noqa: DTZ001
    "text": "A note of usual length",
}
COLUMNS = 20
INSTALLED = "installed"


def main() -> None:
    """Print the medians of some turns, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000, help="of each table (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of all in turns (%(default)s)")
    options = parser.parse_args()
    named = os.environ.get("ELT_ADBC_DRIVER", "")
    drivers = {INSTALLED: ""} | ({named: named} if named else {})
    with servers() as found:
        databases = found.create_databases(source="dr_source", replica="dr_replica", warehouse="dr")
        try:
            warehouse = settings_for(databases).warehouse
            turns = [
                {
                    (kind, name): nanoseconds(
                        warehouse.model_copy(update={"adbc_driver": driver}), kind, options.rows
                    )
                    for kind in VALUES
                    for name, driver in drivers.items()
                }
                for _ in range(1 + options.rounds)
            ][1:]  # the first one warms up
        finally:
            found.drop_databases(databases)
    middle = {key: median(turn[key] for turn in turns) for key in turns[0]}
    print(
        f"\n| ns of CPU for a value | {' | '.join(drivers)} | ratio |\n|{'---|' * (2 + len(drivers))}"
    )
    for kind in VALUES:
        took = [middle[kind, name] for name in drivers]
        each = " | ".join(f"{value:.0f}" for value in took)
        print(f"| {kind} | {each} | {took[-1] / took[0]:.2f} |")
    kept = {" ".join(key): value for key, value in middle.items()}
    write_result("drivers", {"rows": options.rows, "nanoseconds": kept})


def nanoseconds(warehouse: Warehouse, kind: str, rows: int) -> float:
    """Return what this process's CPU spends on each value of a table that it copies."""
    fields = [Field(f"c{number}", kind) for number in range(COLUMNS)]
    column = pa.array([VALUES[kind]] * rows, arrow_type(kind))
    page = pa.table([column] * COLUMNS, names=[field.name for field in fields])
    columns = ", ".join(f"{field.name} {kind}" for field in fields)
    with connect(warehouse) as connection:
        connection.run("measuring", f"CREATE TEMPORARY TABLE measured ({columns})")
        started = time.process_time_ns()
        connection.copy("measuring", Place("", "measured"), fields, page)
        return (time.process_time_ns() - started) / (rows * COLUMNS)


if __name__ == "__main__":
    main()

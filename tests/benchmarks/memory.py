"""How much memory a table of many narrow rows and one of long texts take."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

from conftest import numbers
from lab import run_apart, servers, targets, write_result
from oracle import ask

from transfer.settings import Settings

TEXT_BYTES = 50_000
LONGEST = (16, 32, 60)  # MB, of one row each


def main() -> None:
    """Print the peak of the pipeline's processes while each table is loaded for the first time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=5_000_000, help="of the narrow table (%(default)s)"
    )
    parser.add_argument("--megabytes", type=int, default=2_000, help="of text (%(default)s)")
    options = parser.parse_args()
    with servers() as found, targets(found) as settings:
        with closing(found.source.connect(settings.source.db)) as connection:
            tables = {
                f"narrow {engine}": narrow(connection, engine, options.rows)
                for engine in ("MyISAM", "InnoDB")
            }
            tables |= {
                f"texts {engine}": texts(connection, engine, options.megabytes)
                for engine in ("MyISAM", "InnoDB")
            }
        figures = {}
        for table, held in tables.items():
            figures[f"{table}, {held}"] = taken = load(settings, table)
            print(
                f"{table:16}{held:>24}: {taken['MB']:,.0f} MB, {taken['seconds']:.0f} s", flush=True
            )
    write_result("memory", figures)


def narrow(connection: Any, engine: str, rows: int) -> str:
    """Make a table of rows of 13 bytes."""
    ask(
        connection,
        f"CREATE TABLE `narrow {engine}` (Id int PRIMARY KEY, A int, B tinyint) ENGINE={engine}",
    )
    step = 1_000_000
    for first in range(0, rows, step):
        many = f"{numbers(min(step, rows - first))}"
        ask(connection, "SET max_recursive_iterations = 4294967295")
        ask(
            connection,
            f"INSERT INTO `narrow {engine}` SELECT {first} + seq, seq % 1000, seq % 7 FROM {many}",
        )
    return f"{rows:,} rows"


def texts(connection: Any, engine: str, megabytes: int) -> str:
    """Make a table of texts of 50,000 bytes, among them a few of up to 60 MB."""
    ask(
        connection,
        f"CREATE TABLE `texts {engine}` (Id int PRIMARY KEY, T longtext) ENGINE={engine}",
    )
    rows, step = megabytes * 1_000_000 // TEXT_BYTES, 2_000
    for first in range(0, rows, step):
        text = f"REPEAT(LPAD(seq, 50, 'text '), {TEXT_BYTES // 50})"
        ask(
            connection,
            f"INSERT INTO `texts {engine}` SELECT {first} + seq, {text} FROM {numbers(min(step, rows - first))}",
        )
    for position, longest in enumerate(LONGEST):
        at = (position + 1) * rows // (len(LONGEST) + 1)
        ask(
            connection,
            f"UPDATE `texts {engine}` SET T = REPEAT('x', {longest * 1_000_000}) WHERE Id = {at}",
        )
    return f"{rows:,} rows, {megabytes + sum(LONGEST):,} MB"


def load(settings: Settings, table: str) -> dict[str, float]:
    """Load a table for the first time; the peak of the pipeline's processes, and seconds."""
    seconds, peak = run_apart(settings, table)
    return {"MB": peak / 1e6, "seconds": seconds}


if __name__ == "__main__":
    main()

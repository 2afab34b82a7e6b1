"""What a run costs by how much was changed before it: seconds, CPU of each part, and rows moved for each changed row."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from lab import Cost, measured, servers, targets, write_result
from oracle import ask
from runs import run, settle

from deployments.clinic import create, play_day
from deployments.clinic.schema import Column, Table, tables
from deployments.servers import Servers
from transfer.mysql import reading
from transfer.settings import Settings
from transfer.values.table import TableResult

LARGER = 2_000  # rows of a table from which on a share of it is changed
# Of a hundred changes, as a day of practice has them.
INSERTED, DELETED = 45, 8
HOPS = ("extract", "load", "standardize")
NUMBERS = ("bigint", "int", "double", "mediumint", "smallint")


@dataclass(frozen=True)
class Figures:
    """A run: rows written at the source before it, rows changed in the replica, tables in work, rows read by each hop."""

    name: str
    written: int
    changed: int
    tables: int
    read: dict[str, int]
    cost: Cost

    def moved(self, hop: str) -> str:
        """Return the rows that a hop read for each row that was changed in the replica."""
        return f"{self.read[hop] / self.changed:.2f}" if self.changed and self.written else "–"


def main() -> None:
    """Print a table of the runs and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--patients", type=int, default=2000, help="size of the clinic (%(default)s)"
    )
    options = parser.parse_args()
    with (
        servers() as found,
        targets(found) as settings,
        closing(found.source.connect(settings.source.db)) as connection,
    ):
        made = create(connection, options.patients, 1, None)
        print(f"{made.rows:,} rows in {len(made.counts)} tables", flush=True)
        ask(connection, "SET sql_mode = ''")
        figures = list(_runs(found, settings, connection))
    report(figures)
    write_result(
        "changes", {"rows": made.rows, "runs": {each.name: asdict(each) for each in figures}}
    )


def _runs(servers: Servers, settings: Settings, connection: Any) -> Iterator[Figures]:
    def after(name: str, doing: Callable[[], int], *, verify: bool = False) -> Figures:
        written = doing()
        settle(connection)
        return _measured_run(servers, settings, name, written, verify=verify)

    def nothing() -> int:
        return 0

    def day() -> int:
        played = play_day(connection)
        return played.inserted + played.updated + played.deleted

    yield after("first", nothing)
    yield after("unchanged", nothing)
    yield after("0.1 % changed", lambda: change(connection, 0.001, seed=1))
    yield after("1 % changed", lambda: change(connection, 0.01, seed=2))
    yield after("a day of practice", day)
    yield after("unchanged again", nothing)
    yield after("--verify", nothing, verify=True)


def _measured_run(
    servers: Servers, settings: Settings, name: str, written: int, *, verify: bool
) -> Figures:
    gc.collect()
    with measured(servers) as costs:
        results = run(settings, verify=verify)
        reading.close_readers()  # their CPU counts once they have ended
    amiss = {each.table: each.sentence for each in results.values() if each.found or not each.good}
    assert not amiss, amiss
    figures = Figures(name, written, _changed(results), len(results), _read(results), costs[0])
    print(f"{name}: {costs[0].wall:.1f} s, {sum(figures.read.values()):,} rows read", flush=True)
    return figures


def _changed(results: dict[str, TableResult]) -> int:
    return sum(
        hop.changed for each in results.values() for hop in each.hops if hop.name == "extract"
    )


def _read(results: dict[str, TableResult]) -> dict[str, int]:
    return {
        name: sum(hop.read for each in results.values() for hop in each.hops if hop.name == name)
        for name in HOPS
    }


def change(connection: Any, share: float, seed: int) -> int:
    """Change a share of the rows of each larger table, stamped or not; return the number of rows written."""
    return sum(_change(connection, table, share, seed) for table in tables().values())


def _change(connection: Any, table: Table, share: float, seed: int) -> int:
    name, key = f"`{table.name}`", f"`{table.primary_key}`"
    ((rows, last),) = ask(connection, f"SELECT COUNT(*), MAX({key}) FROM {name}")
    if rows < LARGER:
        return 0
    count = max(1, round(rows * share))
    inserted, deleted = round(count * INSERTED / 100), round(count * DELETED / 100)
    keys = [
        row[0]
        for row in ask(connection, f"SELECT {key} FROM {name} ORDER BY RAND({seed}) LIMIT {count}")
    ]
    free = _free(table)
    others = ", ".join(f"`{column.name}`" for column in free)
    statements = (
        (
            f"INSERT INTO {name} ({key}, {others}) SELECT {last} + ROW_NUMBER() OVER (), {others} FROM {name} WHERE {key} IN ",
            keys[:inserted],
        ),
        (f"DELETE FROM {name} WHERE {key} IN ", keys[inserted : inserted + deleted]),
        (f"UPDATE {name} SET {_otherwise(free)} WHERE {key} IN ", keys[inserted + deleted :]),
    )
    return sum(_count(connection, statement, chosen) for statement, chosen in statements if chosen)


def _count(connection: Any, statement: str, keys: Sequence[Any]) -> int:
    with connection.cursor() as cursor:
        return int(cursor.execute(f"{statement}%s", (list(keys),)))


def _free(table: Table) -> list[Column]:
    """Return the columns that OpenDental writes itself."""
    return [
        column
        for column in table.columns
        if column.name != table.primary_key and not column.is_stamp
    ]


def _otherwise(free: Sequence[Column]) -> str:
    """Return what to set so that a row becomes another."""
    number = next((f"`{each.name}`" for each in free if each.base_type in NUMBERS), "")
    if number:
        return f"{number} = {number} + 1"
    text = next(f"`{each.name}`" for each in free if each.base_type in ("varchar", "text"))
    return f"{text} = IF({text} = 'other', 'another', 'other')"


def report(figures: Sequence[Figures]) -> None:
    """Print the runs as a table."""
    print(
        "\n| run | rows written before | changed in the replica | tables | seconds | CPU s: source | replica | PostgreSQL | pipeline"
        " | rows read: extract | load | standardize | per changed row: extract | load | standardize |"
    )
    print("|---" * 15 + "|")
    for each in figures:
        cost = each.cost
        cells = (
            each.name,
            f"{each.written:,}",
            f"{each.changed:,}",
            str(each.tables),
            *(
                f"{seconds:.1f}"
                for seconds in (cost.wall, cost.source, cost.replica, cost.postgres, cost.client)
            ),
            *(f"{each.read[hop]:,}" for hop in HOPS),
            *(each.moved(hop) for hop in HOPS),
        )
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

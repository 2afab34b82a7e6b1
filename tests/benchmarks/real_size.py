"""What a day costs a clinic of real size, whose large tables hold values that PostgreSQL cannot hold.

The first load and the days after it are made by the same code in one run: the ratio counts.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from changes import HOPS, NUMBERS
from lab import Cost, measured, servers, targets, write_result
from oracle import ask
from runs import limited, run, settle
from throughput import grow

from deployments.clinic import create
from deployments.servers import Servers
from transfer.mysql import reading
from transfer.settings import Settings
from transfer.values.table import TableResult

# The rows of a real practice's largest tables.
ROWS = {
    "securitylog": 4_737_615,
    "securityloghash": 4_737_316,
    "sheetfield": 1_657_007,
    "paysplit": 1_488_763,
    "commlog": 910_804,
    "procedurelog": 818_050,
    "periomeasure": 678_515,
    "procnote": 580_505,
    "inseditlog": 542_933,
    "payment": 309_884,
    "insbluebooklog": 283_694,
    "document": 281_977,
    "adjustment": 262_946,
    "rxnorm": 261_118,
    "claimproc": 230_128,
    "statementprod": 222_145,
    "toothinitial": 204_855,
    "benefit": 116_835,
    "appointment": 86_729,
}
DATES, TEXTS = ("date", "datetime"), ("text", "mediumtext", "varchar")
SPOILT = 5_003  # of so many rows one has a date that is none, and one a text with a NUL
# Of a hundred rows that a day touches, as the clinic's own days have them.
INSERTED, DELETED = 45, 3


@dataclass(frozen=True)
class Figures:
    """A run: rows changed in the replica, rows that each hop read, of tables with altered values those that were loaded
    for each changed row, and what it cost."""  # fmt: skip

    name: str
    tables: int
    changed: int
    read: dict[str, int]
    loaded_for_each: float
    cost: Cost


def main() -> None:
    """Print a table of the runs and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=1_000, help="to begin with (%(default)s)")
    parser.add_argument("--share", type=float, default=1.0, help="of the real rows (%(default)s)")
    options = parser.parse_args()
    with (
        servers() as found,
        targets(found) as settings,
        closing(found.source.connect(settings.source.db)) as connection,
    ):
        ask(connection, "SET sql_mode = ''")
        create(connection, options.patients, 1, None)
        for table, rows in ROWS.items():
            if ask(connection, f"SELECT COUNT(*) FROM `{table}`")[0][0]:
                grow(connection, table, int(rows * options.share))
                _spoil(connection, table)
        rows = ask(
            connection,
            "SELECT SUM(TABLE_ROWS) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
        )[0][0]
        print(f"{rows:,} rows", flush=True)
        settle(connection)
        figures = list(_runs(found, settings, connection))
    report(figures)
    write_result("real-size", {"rows": int(rows), "runs": [asdict(each) for each in figures]})


def _columns(connection: Any, table: str) -> Mapping[str, str]:
    """Return the columns that OpenDental writes itself, and their types."""
    found = ask(
        connection,
        "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        " AND TABLE_NAME = %s AND COLUMN_KEY <> 'PRI' AND EXTRA = '' ORDER BY ORDINAL_POSITION",
        table,
    )
    return {str(name): str(kind) for name, kind in found}


def _key(connection: Any, table: str) -> str:
    return str(ask(connection, f"SHOW COLUMNS FROM `{table}`")[0][0])


def _spoil(connection: Any, table: str) -> None:
    columns, key = _columns(connection, table), _key(connection, table)
    date = next((name for name, kind in columns.items() if kind in DATES), None)
    text = next((name for name, kind in columns.items() if kind in TEXTS), None)
    for name, value in ((date, "'2021-00-07'"), (text, "CONCAT('a', CHAR(0), 'b')")):
        if name:
            ask(
                connection,
                f"UPDATE `{table}` SET `{name}` = {value} WHERE `{key}` MOD {SPOILT} = 7",
            )


def _runs(servers: Servers, settings: Settings, connection: Any) -> Iterator[Figures]:
    quiet = limited(settings, quiet_hours="00:00-23:59", time_zone="UTC")
    yield _run(servers, settings, "first load")
    yield _run(servers, settings, "nothing changed, seen for the first time")
    yield _run(servers, settings, "nothing changed")
    for name, used in (("a day, gentle", settings), ("a day, quiet hours", quiet)):
        _play(connection)
        settle(connection)
        yield _run(servers, used, name)
    _restore(connection)
    settle(connection)
    yield _run(servers, quiet, "a restored backup, few rows changed")


def _play(connection: Any) -> None:
    """Change rows all over the large tables."""
    for table in ROWS:
        _change(connection, table, 60)


def _change(connection: Any, table: str, count: int) -> None:
    key, columns = _key(connection, table), _columns(connection, table)
    ((held, last),) = ask(connection, f"SELECT COUNT(*), MAX(`{key}`) FROM `{table}`")
    if not held:
        return
    others = ", ".join(f"`{name}`" for name in columns)
    inserted, deleted = count * INSERTED // 100, count * DELETED // 100
    ask(
        connection,
        f"INSERT INTO `{table}` (`{key}`, {others}) SELECT `{key}` + {last}, {others} FROM `{table}`"
        f" ORDER BY `{key}` LIMIT {inserted}",
    )
    step = max(held // count, 1)
    number = next((name for name, kind in columns.items() if kind in NUMBERS), None)
    text = next((name for name, kind in columns.items() if kind in TEXTS), None)
    keys = [
        ask(
            connection,
            f"SELECT `{key}` FROM `{table}` WHERE `{key}` >= {last * part // count} ORDER BY `{key}` LIMIT 1",
        )[0][0]
        for part in range(count - inserted)
    ]
    gone, kept = keys[:deleted], keys[deleted:]
    setting = f"`{number}` = `{number}` + 1" if number else f"`{text}` = 'changed {step}'"
    for statement, chosen in (
        (f"DELETE FROM `{table}` WHERE `{key}` IN %s", gone),
        (f"UPDATE `{table}` SET {setting} WHERE `{key}` IN %s", kept),
    ):
        if chosen:
            ask(connection, statement, chosen)


def _restore(connection: Any) -> None:
    """Give every table the times that a restored backup has, and change a few rows."""
    for table in ROWS:
        ask(connection, f"ALTER TABLE `{table}` FORCE")
        _change(connection, table, 20)


def _run(servers: Servers, settings: Settings, name: str) -> Figures:
    gc.collect()
    with measured(servers) as costs:
        results = run(settings)
        reading.close_readers()  # their CPU counts once they have ended
    amiss = {each.table: each.sentence for each in results.values() if each.found or not each.good}
    assert not amiss, amiss
    spoilt = [each for each in results.values() if each.altered]
    changed = sum(_sum(each, "extract", "changed") for each in spoilt)
    loaded = sum(_sum(each, "load", "read") for each in spoilt)
    figures = Figures(
        name,
        len(results),
        sum(_sum(each, "extract", "changed") for each in results.values()),
        {hop: sum(_sum(each, hop, "read") for each in results.values()) for hop in HOPS},
        loaded / changed if changed else 0.0,
        costs[0],
    )
    slowest = sorted(results.values(), key=lambda each: -each.seconds)[:6]
    print(
        f"{name}: {costs[0].wall:.1f} s", *(f"{each.table} {each.seconds:.1f}" for each in slowest)
    )
    return figures


def _sum(result: TableResult, hop: str, what: str) -> int:
    return sum(int(getattr(each, what)) for each in result.hops if each.name == hop)


def report(figures: list[Figures]) -> None:
    """Print the runs as a table."""
    print(
        "\n| run | seconds | ÷ first load | tables | changed | rows read: extract | load | standardize"
        " | loaded for each changed row of spoilt tables | CPU s: source | replica | PostgreSQL | pipeline |"
    )
    print("|---" * 13 + "|")
    for each in figures:
        cost = each.cost
        cells = (
            each.name,
            f"{cost.wall:.1f}",
            f"{cost.wall / figures[0].cost.wall:.3f}",
            str(each.tables),
            f"{each.changed:,}",
            *(f"{each.read[hop]:,}" for hop in HOPS),
            f"{each.loaded_for_each:.1f}",
            *(
                f"{seconds:.1f}"
                for seconds in (cost.source, cost.replica, cost.postgres, cost.client)
            ),
        )
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

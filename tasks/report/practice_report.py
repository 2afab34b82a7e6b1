"""Writes the practice's numbers as one page of HTML, as `make report` does."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from time import monotonic, sleep

from tasks import files
from tasks.report import page
from tasks.report.catalogue import CatalogueError, Metric, metrics
from tasks.report.charts import Row, Table
from tasks.report.figures import Figure, Headline
from tasks.report.headline import HEADLINE
from tasks.report.page import series
from tasks.report.subjects import SUBJECTS, everything
from tasks.report.units import format_value
from transfer.errors import DatabaseFault, EltError
from transfer.journey.preflight import reach
from transfer.postgres.connection import Connection
from transfer.postgres.literals import quote
from transfer.postgres.pool import connect
from transfer.settings import ROOT, Warehouse
from transfer.values.printable import printable

FILE = ROOT / "reports" / "practice.html"
# What PostgreSQL says of a table that a build is just replacing, and how long we try to read
# between two of these.
REPLACED = frozenset({"55P03", "42P01"})
HOLD_SECONDS = 120


class NoMarts(EltError):
    """The warehouse holds nothing to report on."""


@dataclass(frozen=True, slots=True)
class Day:
    """The report's day, and the months that it shows."""

    as_of: date

    @property
    def this_month(self) -> date:
        """The first day of the month that is not over."""
        return self.as_of.replace(day=1)

    @property
    def year_ago(self) -> date:
        """The first day of the twelve full months."""
        return self.this_month.replace(year=self.as_of.year - 1)

    @property
    def first(self) -> date:
        """The first day shown: of the month that the last full one is compared with."""
        return (self.year_ago - timedelta(days=1)).replace(day=1)


class Reader:
    """Reads what the page shows, all of it from one snapshot of the warehouse."""

    def __init__(self, connection: Connection, schema: str, defined: dict[str, Metric]) -> None:
        """Look at what is there.

        Raises:
            NoMarts: dbt has built nothing yet.

        """
        self.connection, self.defined, self.schema = connection, defined, schema
        until = monotonic() + HOLD_SECONDS
        while True:
            try:
                self.there = self._hold()
                break
            except DatabaseFault as fault:
                if fault.code not in REPLACED or monotonic() > until:
                    raise
                sleep(0.2)
        ((as_of, is_historic),) = connection.rows(
            "reading the day", "SELECT as_of_date, is_historic FROM int_as_of_date"
        )
        self.day, self.is_historic = Day(as_of), bool(is_historic)

    def _hold(self) -> set[str]:
        """Return the models that are there, and keep a build from replacing their tables.

        A table that a build made after the snapshot would have no rows in it, so the locks come
        first, until the transaction's end. They are not waited for: a build that has one may want
        one that we have.
        """
        path = ", ".join(quote(f"{self.schema}_{layer}") for layer in ("marts", "intermediate"))
        self._begin(path)
        kinds: dict[str, str] = dict(
            self.connection.rows(
                "looking for marts",
                "SELECT relname::text, relkind::text FROM pg_class"
                " WHERE relnamespace = ANY (current_schemas(false)::regnamespace[])"
                " AND relkind IN ('r', 'v')",
            )
        )
        if not {"int_as_of_date", "int_preferences_pivoted"} <= set(kinds):
            raise NoMarts(
                f"{self.schema}_marts has no models yet: run `make demo`,"
                " or flows/elt.py for your own practice."
            )
        self._begin(path)
        tables = ", ".join(quote(name) for name, kind in kinds.items() if kind == "r")
        if tables:
            self.connection.run(
                "holding the marts", f"LOCK TABLE {tables} IN ACCESS SHARE MODE NOWAIT"
            )
        return set(kinds)

    def _begin(self, path: str) -> None:
        self.connection.rollback()
        self.connection.run(
            "beginning the report", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        )
        self.connection.run("beginning the report", f"SET LOCAL search_path = {path}")

    def practice(self) -> str:
        """Return the practice's name."""
        rows = self.connection.rows(
            "reading the practice's name", "SELECT practice_title FROM int_preferences_pivoted"
        )
        return printable(str(rows[0][0] or "The practice"))

    def checks(self) -> tuple[Row, ...] | None:
        """Return the lines of the reconciliation, None if it is not there."""
        if "reconciliation_summary" not in self.there:
            return None
        return _printable(self.connection.rows("reading the reconciliation", CHECKS))

    def other_days(self) -> list[str]:
        """Name the marts that are reckoned as of another day than the page's."""
        asked = [
            f"SELECT '{mart}', max({day}) FROM {mart}" for mart, day in DATED if mart in self.there
        ]
        found = (
            self.connection.rows("reading the marts' days", " UNION ALL ".join(asked))
            if asked
            else []
        )
        return [
            f"{mart} ({format_value(day, 'day')})"
            for mart, day in found
            if day not in (None, self.day.as_of)
        ]

    def missing(self, drawn: Figure | Headline) -> str:
        """Name a mart that is needed and is not there."""
        marts = {metric.partition(".")[0] for metric in drawn.metrics}
        return min(marts - self.there, default="")

    def rows(self, title: str, query: str) -> tuple[Row, ...]:
        """Run a query in which metrics and days are named."""
        return _printable(
            self.connection.rows(
                f"reading “{title}”", re.sub(r"\[([\w.]+)\]", self._written, query)
            )
        )

    def table(self, figure: Figure) -> Table:
        """Return what a figure draws."""
        rows = self.rows(figure.title, figure.query)
        return Table(
            figure.by,
            tuple(series(column, self.defined) for column in figure.columns),
            rows,
            self.day.as_of,
        )

    def _written(self, found: re.Match[str]) -> str:
        name = found[1]
        if "." in name:
            return f"({self.defined[name].expression})"
        return f"date '{getattr(self.day, name)}'"


def _printable(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(
        tuple(printable(cell) if isinstance(cell, str) else cell for cell in row) for row in rows
    )


# Marts that say of which day they are.
DATED = (
    ("ar_aging", "as_of_date"),
    ("claims", "as_of_date"),
    ("recalls", "as_of_date"),
    ("active_patients_monthly", "reckoned_date"),
)
CHECKS = (
    "SELECT check_group, check_name, records, differing, sum_of_differences,"
    " sum_of_absolute_differences, latest_record_date"
    " FROM reconciliation_summary ORDER BY check_group, check_name"
)


def report(warehouse: Warehouse, file: Path) -> Path:
    """Read the marts and write the page.

    Raises:
        NoMarts: dbt has built nothing yet.
        CatalogueError: a metric of the page is defined by no mart.

    """
    defined = metrics()
    undefined = {name for drawn in everything() for name in drawn.metrics} - set(defined)
    if undefined:
        raise CatalogueError(f"no mart defines {', '.join(sorted(undefined))}.")
    with connect(warehouse) as connection:
        read = _read(
            Reader(connection, warehouse.base_schema, defined), f"{warehouse.base_schema}_marts"
        )
    files.replace(file, page.render(read, defined))
    return file


def _read(reader: Reader, schema: str) -> page.Read:
    missing = {drawn: mart for drawn in everything() if (mart := reader.missing(drawn))}
    figures = [figure for subject in SUBJECTS for figure in subject.figures]
    return page.Read(
        practice=reader.practice(),
        as_of=reader.day.as_of,
        is_historic=reader.is_historic,
        other_days=reader.other_days(),
        schema=schema,
        checks=reader.checks(),
        missing=missing,
        tables={figure: reader.table(figure) for figure in figures if figure not in missing},
        headline={
            number: reader.rows(series(number.column, reader.defined).label, number.query)
            for number in HEADLINE
            if number not in missing
        },
    )


def main(given: Sequence[str]) -> int:
    """Write the page, or say in a sentence why there is none."""
    parser = argparse.ArgumentParser(
        prog="python -m tasks.report.practice_report", description=__doc__
    )
    parser.add_argument(
        "file", nargs="?", type=Path, default=FILE, help="the page to write (%(default)s)"
    )
    file = parser.parse_args(given).file
    # Without a handler Python itself prints what is logged.
    logging.getLogger("elt").addHandler(logging.NullHandler())
    try:
        warehouse = Warehouse.read()
        reach(warehouse)
        print(report(warehouse, file))
    except EltError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

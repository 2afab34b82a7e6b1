"""The day being played: its date, its practice, and what it has done so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

import polars as pl

from deployments.clinic.load import Loader
from deployments.clinic.practice import Practice
from deployments.clinic.statements import statements


@dataclass(slots=True)
class Day:
    """The day being played, with the values of its statements and the rows counted so far."""

    loader: Loader
    practice: Practice
    day: date
    number: int
    values: dict[str, Any]
    counts: dict[str, int] = field(default_factory=lambda: {"insert": 0, "update": 0, "delete": 0})

    def run(self, *names: str, file: str = "day") -> None:
        """Run the named statements of a file of SQL."""
        for name in names:
            self.execute(statements(file)[name])

    def execute(self, statement: str, **more: Any) -> None:
        """Run a statement and count the rows that it touched."""
        with self.loader.connection.cursor() as cursor:
            touched = cursor.execute(statement, self.values | more)
        verb = statement.split(None, 1)[0].lower()
        if verb in self.counts:
            self.counts[verb] += touched

    def numbers(self, query: str) -> list[int]:
        """Return a query's first column, never empty, so that it can stand in an IN list."""
        with self.loader.connection.cursor() as cursor:
            cursor.execute(query, self.values)
            return [int(row[0]) for row in cursor.fetchall()] or [0]

    def append(self, table: str, frame: pl.DataFrame) -> None:
        """Append rows to a table and count them."""
        self.loader.append(table, frame)
        self.counts["insert"] += frame.height


def last_keys(loader: Loader) -> Mapping[str, int]:
    """Return the last key ever given in each table; deletes do not give keys back."""
    query = (
        "SELECT TABLE_NAME, AUTO_INCREMENT - 1 FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = DATABASE() AND AUTO_INCREMENT IS NOT NULL"
    )
    return {str(name): int(last) for name, last in loader.rows(query)}


def begin(loader: Loader, practice: Practice, created: date) -> Day:
    """Return the day that follows, with the values that its statements need."""
    day = practice.as_of
    values = {
        "day": day,
        "salt": f"{practice.seed}:{day}:",
        "now": datetime.combine(day, time(17, 30)),
        "few": max(4, practice.patients // 350),
        "answers": max(2, practice.patients // 600),
        "cancellations": max(1, practice.patients // 2_500),
        "last_payment": loader.count("payment"),
        "last_claim": loader.count("claim"),
        "last_check": loader.count("claimpayment"),
        "last_procedure": loader.count("procedurelog"),
    }
    return Day(loader, practice, day, (day - created).days, values)

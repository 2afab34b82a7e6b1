"""What a subject of the practice report is made of, and the queries that its figures draw."""

from __future__ import annotations

import re
from dataclasses import dataclass

NO_COUNTERPART = "No counterpart in OpenDental to reconcile with."


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a figure's query: what it is called, its unit, and how it is drawn.

    `metric` is `mart.name`: label, unit and definition are then those of the catalogue.
    """

    metric: str = ""
    label: str = ""
    unit: str = "count"
    colour: str = "blue"
    mark: str = "bar"  # or line, goal (a tick across a bar), table (not drawn)
    definition: str = ""  # of what is no metric of one mart


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture: a query over marts, whose first column is a month, a day or a name and whose others are drawn.

    In the query `[mart.metric]` is the catalogue's expression, `[as_of]` the report's day, and `[first]`,
    `[year_ago]` and `[this_month]` begin what is shown, the last twelve full months and the month that is not over.
    """

    title: str
    query: str
    columns: tuple[Column, ...]
    by: str = "Month"
    stacked: bool = False
    flat: bool = False  # bars lie, one below the other, each with its name
    colours: tuple[str, ...] = ()  # of lying bars, one after the other
    explained: tuple[str, ...] = ()  # metrics whose definitions the figure needs besides
    note: str = ""

    @property
    def metrics(self) -> set[str]:
        """The metrics that the figure shows or reads."""
        return {
            *self.explained,
            *(column.metric for column in self.columns if column.metric),
        } | _named(self.query)


@dataclass(frozen=True, slots=True)
class Subject:
    """One of the twelve: its figures, which groups of reconciliation_summary concern them, and, if not all, which of them."""

    key: str
    title: str
    figures: tuple[Figure, ...]
    checks: tuple[str, ...] = ()
    checked: str = ""
    unchecked: str = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """A number of the first screen: the query's last row, by month or day, with the rows before it."""

    column: Column
    query: str
    rising: int  # 1 if more is better, -1 if less is, 0 if neither

    @property
    def metrics(self) -> set[str]:
        """The metrics that the number shows or reads."""
        return {self.column.metric} - {""} | _named(self.query)


def _named(query: str) -> set[str]:
    return set(re.findall(r"\[(\w+\.\w+)\]", query))


def monthly(mart: str, day: str, *metrics: str, until: str = "[as_of]") -> str:
    """Return a query of metrics by month, the month that is not over included."""
    written = ", ".join(f"[{mart}.{metric}]" for metric in metrics)
    return (
        f"SELECT date_trunc('month', {day})::date, {written} FROM {mart}"
        f" WHERE {day} >= [first] AND {day} <= {until} GROUP BY 1 ORDER BY 1"
    )


def ranked(mart: str, name: str, *metrics: str, where: str = "true", limit: int = 10) -> str:
    """Return a query of metrics by name, the largest first."""
    written = ", ".join(f"[{mart}.{metric}]" for metric in metrics)
    return f"SELECT coalesce({name}, 'none'), {written} FROM {mart} WHERE {where} GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT {limit}"


def sums(*columns: str) -> str:
    """Return the sums of columns."""
    return ", ".join(f"sum({column})" for column in columns)


def last_year(day: str) -> str:
    """Return the condition of the twelve full months."""
    return f"{day} >= [year_ago] AND {day} < [this_month]"

"""What a subject of the practice report is made of, and the queries that its columns make."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

NO_COUNTERPART = "No counterpart in OpenDental to reconcile with."


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a figure: what it is called, its unit, and how it is drawn.

    `metric` is `mart.name`: label, unit, definition and SQL are then those of the catalogue.
    `expression` is the SQL of what is no metric.
    """

    metric: str = ""
    label: str = ""
    unit: str = "count"
    colour: str = "blue"
    mark: str = "bar"  # or line, goal (a tick across a bar), table (not drawn)
    definition: str = ""  # of what is no metric of one mart
    expression: str = ""

    def of(self, mart: str) -> Column:
        """Return the column with the mart before its metric."""
        return replace(self, metric=f"{mart}.{self.metric}") if self.metric else self

    @property
    def selected(self) -> str:
        """What a query selects for the column."""
        return f"[{self.metric}]" if self.metric else self.expression


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture: a query over marts that returns a month, a day or a name, and then the columns.

    In the query `[mart.metric]` is the catalogue's expression and `[as_of]` the report's day.
    `[first]`, `[year_ago]` and `[this_month]` begin what is shown, the last twelve full months and
    the month that is not over.
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
    """One of the twelve: its figures, and the groups of reconciliation_summary that check them.

    If they check only some of its numbers, `checked` and `unchecked` name these and the others.
    """

    key: str
    title: str
    figures: tuple[Figure, ...]
    checks: tuple[str, ...] = ()
    checked: str = ""
    unchecked: str = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """A number of the first screen: the last row of a query by month or day, and those before."""

    column: Column
    query: str
    rising: int  # 1 if more is better, -1 if less is, 0 if neither

    @property
    def metrics(self) -> set[str]:
        """The metrics that the number shows or reads."""
        return {self.column.metric} - {""} | _named(self.query)


def _named(query: str) -> set[str]:
    return set(re.findall(r"\[(\w+\.\w+)\]", query))


def by_month(
    title: str, mart: str, day: str, *columns: Column, stacked: bool = False, note: str = ""
) -> Figure:
    """Return the figure of a mart's columns by month, the month that is not over included."""
    drawn = tuple(column.of(mart) for column in columns)
    return Figure(title, _monthly(mart, day, drawn), drawn, stacked=stacked, note=note)


def by_month_end(title: str, mart: str, *columns: Column, note: str = "") -> Figure:
    """Return the figure of what a mart counts at the end of each month.

    The month that is not over is counted on the report's day.
    """
    drawn = tuple(column.of(mart) for column in columns)
    query = at_month_ends(mart, "date_trunc('month', month_end_date)::date", drawn)
    return Figure(title, query, drawn, note=note)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Which names of a mart a figure shows: the SQL of a name, of which rows, and how many."""

    mart: str
    name: str
    where: str = "true"
    limit: int = 10


def by_name(
    title: str, by: str, ranking: Ranking, *columns: Column, explained: tuple[str, ...] = ()
) -> Figure:
    """Return the figure of a mart's columns by name, the largest first."""
    drawn = tuple(column.of(ranking.mart) for column in columns)
    query = (
        f"SELECT coalesce({ranking.name}, 'none'), {_selected(drawn)} FROM {ranking.mart}"
        f" WHERE {ranking.where} GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT {ranking.limit}"
    )
    return Figure(title, query, drawn, by=by, flat=True, explained=explained)


def of_full_months(mart: str, day: str, metric: str, rising: int) -> Headline:
    """Return the number of a mart's metric in the last month that is over."""
    column = Column(f"{mart}.{metric}")
    return Headline(column, _monthly(mart, day, [column], until="[this_month] - 1"), rising)


def _monthly(mart: str, day: str, columns: Iterable[Column], until: str = "[as_of]") -> str:
    return (
        f"SELECT date_trunc('month', {day})::date, {_selected(columns)} FROM {mart}"
        f" WHERE {day} >= [first] AND {day} <= {until} GROUP BY 1 ORDER BY 1"
    )


def at_month_ends(mart: str, day: str, columns: Iterable[Column]) -> str:
    """Return a query by month of columns whose metrics count the current month only.

    Each month is taken for the current one, so that a metric's own filter holds for it.
    """
    current = """'{"is_current_month": true}'"""
    months = f"SELECT month.* FROM {mart}, jsonb_populate_record({mart}, {current}) AS month"
    return (
        f"SELECT {day}, {_selected(columns)} FROM ({months}) AS {mart}"
        " WHERE month_end_date >= [first] GROUP BY 1 ORDER BY 1"
    )


def _selected(columns: Iterable[Column]) -> str:
    return ", ".join(column.selected for column in columns)


def last_year(day: str) -> str:
    """Return the condition of the twelve full months."""
    return f"{day} >= [year_ago] AND {day} < [this_month]"

"""Draws a figure of the practice report with Plotly."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeAlias

import plotly.graph_objects as go

from tasks.report.units import AXES, POINTS, format_short

Row: TypeAlias = tuple[Any, ...]

# Each stands out by 3 to 1 at least both from white and from the page's dark ground.
COLOURS = {
    "blue": "#2f7fd0",
    "green": "#1a9a80",
    "amber": "#c28200",
    "orange": "#d9702b",
    "red": "#d84c4c",
    "violet": "#8a6bd1",
    "grey": "#7b8794",
}
PALE = 0.45
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
NAME_LENGTH = 26
HEIGHT = 300


@dataclass(frozen=True, slots=True)
class Series:
    """A column of numbers: what it is called, in which unit, and how it is drawn."""

    label: str
    unit: str
    colour: str
    mark: str


@dataclass(frozen=True, slots=True)
class Table:
    """What a figure shows: rows of a month or a name and a number for each series."""

    by: str
    series: tuple[Series, ...]
    rows: tuple[Row, ...]
    as_of: date

    @property
    def monthly(self) -> bool:
        """True when the rows are months."""
        return any(isinstance(row[0], date) for row in self.rows)

    @property
    def is_empty(self) -> bool:
        """True when there is no number to draw."""
        return all(row[place] is None for row in self.rows for place in self.drawn)

    @property
    def drawn(self) -> tuple[int, ...]:
        """The places in a row of what is drawn, which come before what is not."""
        return tuple(place for place, series in enumerate(self.series, 1) if series.mark != "table")

    @property
    def has_part(self) -> bool:
        """True when the last row is the month that is not over."""
        return self.monthly and self.is_part(self.rows[-1][0])

    def is_part(self, month: date) -> bool:
        """Tell whether the report's day is in this month."""
        return month.replace(day=1) == self.as_of.replace(day=1)


def draw(table: Table, *, stacked: bool, flat: bool, colours: Sequence[str] = ()) -> go.Figure:
    """Draw a table as bars and lines over months, or as `flat` bars beside their names.

    Flat bars have each a colour of their own if `colours` are given.
    """
    places = table.drawn
    trace = _beside_names if flat else _over_months
    figure = go.Figure([trace(table, place, colours) for place in places])
    legend = {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "traceorder": "normal",
    }
    figure.update_layout(
        template=go.layout.Template(),
        margin={"l": 8, "r": 14, "t": 34 if len(places) > 1 else 12, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12},
        barmode="stack" if stacked else "group",
        bargap=0.35 if flat else 0.28,
        bargroupgap=0.04,
        dragmode=False,
        hoverlabel={"font": {"family": FONT, "size": 13}},
        showlegend=len(places) > 1,
        legend=legend,
    )
    unit = table.series[places[0] - 1].unit
    return figure.update_layout(
        _flat_layout(table, len(places)) if flat else _monthly_layout(table, unit)
    )


def _monthly_layout(table: Table, unit: str) -> dict[str, Any]:
    days = [row[0] for row in table.rows]
    half = timedelta(days=17)
    return {
        "height": HEIGHT,
        "hovermode": "x unified",
        "xaxis": {
            "type": "date",
            "range": [days[0] - half, days[-1] + half],
            "tickformat": "%b\n%Y",
            "hoverformat": "%B %Y",
            "tickangle": 0,
            "showgrid": False,
            "fixedrange": True,
            "automargin": True,
        },
        "yaxis": {
            "tickformat": AXES[unit],
            "rangemode": "tozero",
            "nticks": 6,
            "fixedrange": True,
            "automargin": True,
            "zeroline": True,
        },
    }


def _flat_layout(table: Table, drawn: int) -> dict[str, Any]:
    values = [float(value or 0) for row in table.rows for value in row[1 : drawn + 1]]
    least, most = min(0.0, *values), max(0.0, *values) or 1
    longest = max(len(format_short(row[1], table.series[0].unit)) for row in table.rows)
    return {
        "margin": {
            "l": 8,
            "r": 14 if drawn > 1 else 12 + 8 * longest,
            "t": 34 if drawn > 1 else 12,
            "b": 8,
        },
        "height": max(90, 20 + 32 * len(table.rows) + (34 if drawn > 1 else 12)),
        "hovermode": "y unified",
        "xaxis": {
            "visible": False,
            # The numbers at the bars' ends stand in the margin, or left of zero beside the names.
            "range": [least and least - (most - least) * 0.3, most],
            "fixedrange": True,
        },
        "yaxis": {
            "range": [len(table.rows) - 0.5, -0.5],
            "tickmode": "array",
            "tickvals": list(range(len(table.rows))),
            "ticktext": [_tick(table, row) for row in table.rows],
            "ticklabelstandoff": 6,
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
            "automargin": True,
        },
    }


def _over_months(table: Table, place: int, _colours: Sequence[str]) -> Any:
    series = table.series[place - 1]
    parts = [table.is_part(row[0]) for row in table.rows]
    colour = COLOURS[series.colour]
    common = {
        "name": _text(series.label),
        "x": [row[0] for row in table.rows],
        "y": _numbers(table, place),
        "hovertemplate": f"%{{y:{POINTS[series.unit]}}}",
    }
    if series.mark == "bar":
        return go.Bar(
            **common, marker={"color": colour, "opacity": [PALE if part else 1 for part in parts]}
        )
    if series.mark == "goal":
        return _goal(common, colour, "line-ew-open")
    symbols = ["circle-open" if part else "circle" for part in parts]
    marker = {"size": 7, "symbol": symbols, "color": colour, "line": {"width": 2, "color": colour}}
    return go.Scatter(
        **common, mode="lines+markers", line={"color": colour, "width": 2.5}, marker=marker
    )


def _beside_names(table: Table, place: int, colours: Sequence[str]) -> Any:
    series = table.series[place - 1]
    values = _numbers(table, place)
    common = {
        "name": _text(series.label),
        "x": values,
        "y": list(range(len(table.rows))),  # two names may begin alike
        "hovertemplate": f"%{{x:{POINTS[series.unit]}}}",
    }
    if series.mark == "goal":
        return _goal(common, COLOURS[series.colour], "line-ns-open")
    return go.Bar(
        **common,
        orientation="h",
        marker={"color": [COLOURS[colour] for colour in colours] or COLOURS[series.colour]},
        text=[format_short(value, series.unit) for value in values]
        if len(table.drawn) == 1
        else None,
        textposition="outside",
        cliponaxis=False,
    )


def _goal(common: dict[str, Any], colour: str, symbol: str) -> Any:
    marker = {"symbol": symbol, "size": 14, "color": colour, "line": {"width": 3, "color": colour}}
    return go.Scatter(**common, mode="markers", marker=marker, cliponaxis=False)


def _numbers(table: Table, place: int) -> list[float | None]:
    return [None if row[place] is None else float(row[place]) for row in table.rows]


def _tick(table: Table, row: Row) -> str:
    """Name a bar; its number stands there too where a goal is drawn at its end."""
    return _short(str(row[0])) + (
        f"  {format_short(row[1], table.series[0].unit)}" if len(table.drawn) > 1 else ""
    )


def _short(name: str) -> str:
    """Cut a name to what fits beside a bar on a phone."""
    return _text(name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1].rstrip()}…")


def _text(text: str) -> str:
    """Keep Plotly from reading tags in a text."""
    return html.escape(text, quote=False)


def sparkline(values: Sequence[Any]) -> str:
    """Return the points of a line through the values, in a box of 100 by 24."""
    numbers = [float(value) for value in values if value is not None]
    if len(numbers) < 3:
        return ""
    low, high = min(numbers), max(numbers)
    step, span = 100 / (len(numbers) - 1), (high - low) or 1
    return " ".join(
        f"{index * step:.1f},{22 - 20 * (number - low) / span:.1f}"
        for index, number in enumerate(numbers)
    )

"""Draws a figure of the practice report with Plotly, and writes its numbers as people read them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import plotly.graph_objects as go

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

# How Plotly writes a unit: at a point, and along an axis.
FORMATS = {
    "money": ("$,.0f", "$~s"),
    "count": (",.0f", ",~s"),
    "percent": (".1%", ".0%"),
    "days": (",.1f", ",~r"),
    "hours": (",.1f", ",~r"),
}
PLACES = {"money": 2, "count": 0, "percent": 1, "days": 1, "hours": 1}


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
    def has_part(self) -> bool:
        """True when the last row is the month that is not over."""
        return self.monthly and self.is_part(self.rows[-1][0])

    def is_part(self, month: date) -> bool:
        """Tell whether the report's day is in this month."""
        return month.replace(day=1) == self.as_of.replace(day=1)


def shown(value: Any, unit: str) -> str:
    """Write a number, a month or a name."""
    if value is None:
        return "–"
    if isinstance(value, date):
        return f"{value:%b %Y}" if unit == "month" else f"{value:%B} {value.day}, {value.year}"
    if unit not in PLACES:
        return str(value)
    number = Decimal(str(value)) * (100 if unit == "percent" else 1)
    text = f"{abs(number):,.{PLACES[unit]}f}"
    sign = "−" if number < 0 and text.strip("0.,") else ""
    return sign + {"money": f"${text}", "percent": f"{text}%"}.get(unit, text)


def drawn(table: Table, *, stacked: bool, flat: bool) -> go.Figure:
    """Draw a table: bars and lines over months, or bars that lie beside their names."""
    figure = go.Figure([_trace(table, column, flat) for column in range(1, len(table.series) + 1) if _is_drawn(table, column)])
    unit = next(series.unit for series in table.series if series.mark != "table")
    numbers = {
        "tickformat": FORMATS[unit][1], "rangemode": "tozero", "nticks": 6, "automargin": True, "zeroline": True,
    }  # fmt: skip
    months = {"type": "date", "tickformat": "%b\n%Y", "nticks": 14, "showgrid": False, "automargin": True}
    names = {"autorange": "reversed", "showgrid": False, "automargin": True, "ticksuffix": " "}
    figure.update_layout(
        template=go.layout.Template(),
        height=HEIGHT if not flat else 70 + 34 * len(table.rows),
        margin={"l": 8, "r": 14, "t": 34 if len(figure.data) > 1 else 10, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12},
        barmode="stack" if stacked else "group",
        bargap=0.3,
        bargroupgap=0.06,
        dragmode=False,
        hovermode="y unified" if flat else "x unified",
        hoverlabel={"font": {"family": FONT, "size": 13}},
        showlegend=len(figure.data) > 1,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "traceorder": "normal"},
        xaxis={"fixedrange": True} | (numbers if flat else months if table.monthly else names | {"autorange": True}),
        yaxis={"fixedrange": True} | (names if flat else numbers),
    )
    return figure


def _is_drawn(table: Table, column: int) -> bool:
    return table.series[column - 1].mark != "table"


def _trace(table: Table, column: int, flat: bool) -> Any:
    series = table.series[column - 1]
    places = [row[0] if isinstance(row[0], date) else _short(str(row[0])) for row in table.rows]
    values = [None if row[column] is None else float(row[column]) for row in table.rows]
    parts = [table.monthly and table.is_part(row[0]) for row in table.rows]
    colour = COLOURS[series.colour]
    common = {
        "name": html.escape(series.label),
        "hovertemplate": f"%{{{'x' if flat else 'y'}:{FORMATS[series.unit][0]}}}",
    } | ({"x": values, "y": places} if flat else {"x": places, "y": values})
    if series.mark == "bar":
        opacity = [PALE if part else 1 for part in parts]
        return go.Bar(**common, orientation="h" if flat else "v", marker={"color": colour, "opacity": opacity})
    if series.mark == "goal":
        symbol = "line-ns-open" if flat else "line-ew-open"
        return go.Scatter(**common, mode="markers", marker={"symbol": symbol, "size": 20, "color": colour, "line": {"width": 3}})
    symbols = ["circle-open" if part else "circle" for part in parts]
    marker = {"size": 7, "symbol": symbols, "color": colour, "line": {"width": 2}}
    return go.Scatter(**common, mode="lines+markers", line={"color": colour, "width": 2.5}, marker=marker)


def _short(name: str) -> str:
    """Cut a name to what fits beside a bar on a phone; Plotly would read tags in it."""
    return html.escape(name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1].rstrip()}…")


def sparkline(values: Sequence[Any]) -> str:
    """Return the points of a line through the values, in a box of 100 by 24."""
    numbers = [float(value) for value in values if value is not None]
    if len(numbers) < 3:
        return ""
    low, high = min(numbers), max(numbers)
    step, span = 100 / (len(numbers) - 1), (high - low) or 1
    return " ".join(f"{index * step:.1f},{22 - 20 * (number - low) / span:.1f}" for index, number in enumerate(numbers))

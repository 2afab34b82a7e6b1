"""Numbers, months and names as people read them: money in $, shares in %, days as dates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

# How Plotly writes a unit: at a point, and along an axis.
POINTS = {"money": "$,.0f", "count": ",.0f", "percent": ".1%", "days": ",.1f", "hours": ",.1f"}
AXES = {"money": "$~s", "count": ",~r", "percent": ".1~%", "days": ",~r", "hours": ",~r"}
PLACES = {"money": 2, "count": 0, "percent": 1, "days": 1, "hours": 1}


def format_short(value: Any, unit: str) -> str:
    """Write a number as people read it, without cents."""
    if value is None or unit != "money":
        return format_value(value, unit)
    return format_value(round(Decimal(str(value))), unit)[: -len(".00")]


def format_value(value: Any, unit: str) -> str:
    """Write a number, a month or a name as people read it."""
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

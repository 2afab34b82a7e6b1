"""How names and values are written in MySQL's SQL."""

from __future__ import annotations

import re
from typing import Any

from transfer.rules.casts import cast_of
from transfer.values.table import Column


def quote(name: str) -> str:
    """Quote an identifier."""
    return "`" + name.replace("`", "``") + "`"


def literal(column: Column, value: Any) -> str:
    """Write a key's value so that the server compares it without converting it.

    The value is as a SELECT of the key returned it.
    """
    form = cast_of(column).literal
    if form in ("number", "decimal"):  # in quotes a decimal would be compared as a double
        return str(value)
    if form == "text":
        return (
            _date(str(value)) if column.kind in ("date", "datetime", "timestamp") else f"'{value}'"
        )
    introducer = f"_{column.charset} " if column.charset else ""
    return f"{introducer}x'{bytes(value).hex()}'"


def _date(text: str) -> str:
    """Write a date as a number, as MySQL refuses an impossible one in a text.

    A date before the year 1000 can only be written as a text.
    """
    digits = re.sub(r"[- :]", "", text)
    return digits if text >= "1000" or not digits.strip("0.") else f"'{text}'"

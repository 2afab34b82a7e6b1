"""Conditions for ranges of a table's key and for single keys."""

from __future__ import annotations

from collections.abc import Sequence

from transfer.mysql.literals import quote
from transfer.values.scope import Key, Range, Scope
from transfer.values.table import Column, Table

MOST_KEYS = 1_000  # in one condition


def after(key: Sequence[Column], last: Sequence[str], alias: str = "") -> str:
    """Return the condition for the rows behind a key.

    MySQL uses no index for `(a, b) > (x, y)`, so it is spelled out.
    """
    return _beyond(">", ">", key, last, alias)


def until(key: Sequence[Column], last: Sequence[str], alias: str = "") -> str:
    """Return the condition for the rows that are not behind a key."""
    return _beyond("<", "<=", key, last, alias)


def _beyond(
    strictly: str, at_last: str, key: Sequence[Column], last: Sequence[str], alias: str
) -> str:
    first, value = alias + quote(key[0].name), last[0]
    if len(key) == 1:
        return f"{first} {at_last} {value}"
    rest = _beyond(strictly, at_last, key[1:], last[1:], alias)
    return f"{first} {strictly}= {value} AND ({first} {strictly} {value} OR ({rest}))"


def within(table: Table, span: Range, alias: str = "") -> str:
    """Return the condition for the rows of a range."""
    bounds = [f"({after(table.key_columns, span.after, alias)})"] if span.after else []
    bounds += [f"({until(table.key_columns, span.until, alias)})"] if span.until else []
    return " AND ".join(bounds) or "TRUE"


def among(table: Table, keys: Sequence[Key], alias: str = "") -> str:
    """Return the condition for the rows with one of these keys.

    Not all servers look up `(a, b) IN (…)` by an index.
    """
    names = [alias + quote(name) for name in table.key]
    if len(names) == 1:
        return f"{names[0]} IN ({', '.join(key[0] for key in keys)})"
    equal = (
        " AND ".join(f"{name} = {value}" for name, value in zip(names, key, strict=True))
        for key in keys
    )
    return f"({' OR '.join(f'({condition})' for condition in equal)})"


def conditions(table: Table, scope: Scope, alias: str = "") -> list[str]:
    """Return conditions that each hold for some of a scope's rows, and together for all of them."""
    starts = range(0, len(scope.keys), MOST_KEYS)
    parts = (scope.keys[start : start + MOST_KEYS] for start in starts)
    return [
        *(f"({within(table, span, alias)})" for span in scope.ranges),
        *(among(table, keys, alias) for keys in parts),
    ]

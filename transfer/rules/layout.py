"""How a table is laid out in PostgreSQL: names, types and key in `raw`, names in `public`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from transfer.rules.casts import keeps_identity, warehouse_type
from transfer.values.table import Table, digest

NAME_BYTES = 63
SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a PostgreSQL table."""

    name: str
    type: str


def fit(name: str) -> str:
    """Return a name that PostgreSQL takes: at most 63 bytes, the end replaced by a digest."""
    if len(name.encode()) <= NAME_BYTES:
        return name
    return name.encode()[: NAME_BYTES - 9].decode(errors="ignore") + "_" + digest(name)[:8]


def snake_case(name: str) -> str:
    """Return a name in snake_case: AptDateTime gives apt_date_time, Bal_0_30 bal_0_30."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"\W", "_", words).lower()


def unique(columns: Iterable[str], form: Callable[[str], str] = str) -> tuple[str, ...]:
    """Return columns' names in a form, such that PostgreSQL takes them and tells them apart.

    Of columns that get the same name, the one that already has it keeps it, or else the first of
    the alphabet. The others end in a digest. The columns' order decides nothing.
    """
    columns = tuple(columns)
    wanted = {column: _acceptable(form(column)) for column in columns}
    given: dict[str, str] = {}
    taken: set[str] = set()
    for column in sorted(columns, key=lambda name: (wanted[name] != name, name)):
        name, tries = wanted[column], 0
        while name in taken:
            name, tries = fit(f"{form(column)}_{digest(column, *['again'] * tries)[:8]}"), tries + 1
        given[column] = name
        taken.add(name)
    return tuple(given[column] for column in columns)


def _acceptable(name: str) -> str:
    return f"{name}_" if name in SYSTEM_COLUMNS else fit(name)


def public_names(table: Table) -> tuple[str, ...]:
    """Return the columns' names that `public` has by the standard rules."""
    return unique((column.name for column in table.columns), snake_case)


def altered_names(table: Table) -> dict[str, dict[str, str]]:
    """Return the columns whose name in `raw` or `public` is another than the general rule gives."""
    columns = [column.name for column in table.columns]
    raw = zip(columns, columns, unique(columns), strict=True)
    public = zip(columns, map(snake_case, columns), public_names(table), strict=True)
    found = {
        place: {column: given for column, wanted, given in names if wanted != given}
        for place, names in (("raw", raw), ("public", public))
    }
    return {place: names for place, names in found.items() if names}


def raw_fields(table: Table) -> tuple[Field, ...]:
    """Return the columns that `raw` has for a table, generated ones included."""
    names = unique(column.name for column in table.columns)
    return tuple(
        Field(name, warehouse_type(column))
        for name, column in zip(names, table.columns, strict=True)
    )


def raw_key(table: Table) -> tuple[str, ...]:
    """Return the primary key in `raw`, empty where PostgreSQL could not tell its values apart."""
    fields = zip(table.columns, raw_fields(table), strict=True)
    names = {column.name: field.name for column, field in fields}
    return tuple(names[name] for name in table.key) if keeps_identity(table.key_columns) else ()

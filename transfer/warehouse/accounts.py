"""Where the values stand that `raw` holds altered, so that a load of some rows keeps their count.

A row of etl_altered_value for each; only of tables whose keys are whole numbers, as all others are
loaded as a whole.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from transfer.errors import TableError
from transfer.postgres import tables
from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place
from transfer.postgres.merging import SCOPE
from transfer.rules.casts import numbered
from transfer.rules.layout import Field
from transfer.settings import Warehouse
from transfer.values.scope import EVERYTHING, Key, Scope
from transfer.values.table import AlteredValue, Table
from transfer.warehouse.bookkeeping import named

Counts: TypeAlias = dict[str, dict[str, int]]  # by column and kind
Find: TypeAlias = Callable[[Mapping[str, Collection[str]], Scope], Iterator[list[AlteredValue]]]

SIDE = Place("", "_elt_altered")
WRITING = "writing etl_altered_value"


def renew(
    connection: Connection,
    warehouse: Warehouse,
    table: Table,
    scope: Scope,
    found: Counts,
    find: Find,
) -> Counts:
    """Take account of what a load of a scope altered; return what of the whole table is altered.

    `found` counts it in the scope, `find` looks the values up in the replica. A scope's keys must
    have been brought.

    Raises:
        TableError: the values of a part of the table cannot be told one by one.

    """
    if not numbered(table.key_columns):
        return found
    of = _Of(connection, warehouse, table)
    if not scope.whole:
        return of.renew_part(scope, found, find)
    of.remove(EVERYTHING)
    if found != of.add(found, find, EVERYTHING):
        of.remove(EVERYTHING)
    return found


@dataclass(frozen=True, slots=True)
class _Of:
    """The accounts of one table, and the transaction that keeps them."""

    connection: Connection
    warehouse: Warehouse
    table: Table

    def renew_part(self, scope: Scope, found: Counts, find: Find) -> Counts:
        recorded = self.recorded()
        if recorded != self.counts():  # changed by hand, or an earlier release kept none
            self.remove(EVERYTHING)
            self.add(_united(recorded, found), find, EVERYTHING)
            return self.counts()
        if recorded:
            self.remove(scope)
        if found != self.add(found, find, scope):
            raise TableError(f"{self.table.name}: its altered values cannot be told one by one.")
        return self.counts()

    def recorded(self) -> Counts:
        status = named(self.warehouse, "etl_transform_status")
        reading = f"SELECT values_altered FROM {status} WHERE table_name = $1"
        (row,) = self.connection.rows("reading etl_transform_status", reading, (self.table.name,))
        columns = {column.name for column in self.table.columns}
        return {name: kinds for name, kinds in json.loads(row[0]).items() if name in columns}

    def counts(self) -> Counts:
        return _nested(
            self.connection.rows(
                "counting altered values",
                f"SELECT column_name, kind, count(*) FROM {self.place} WHERE table_name = $1"
                " GROUP BY column_name, kind ORDER BY column_name, kind",
                (self.table.name,),
            )
        )

    @property
    def place(self) -> Place:
        return named(self.warehouse, "etl_altered_value")

    def remove(self, scope: Scope) -> None:
        removing = f"DELETE FROM {self.place} WHERE table_name = $1"
        for condition in ["TRUE"] if scope.whole else _within(self.table, scope):
            self.connection.run(WRITING, f"{removing} AND {condition}", (self.table.name,))

    def add(self, kinds: Counts, find: Find, scope: Scope) -> Counts:
        """Add the accounts of a scope, looking for some kinds; return how many were found."""
        if not kinds:
            return {}
        width, counts = len(self.table.key), Counter[tuple[str, str]]()
        fields = [Field(f"k{position}", "numeric(20,0)") for position in range(width)]
        fields += [Field("column_name", "text"), Field("kind", "text")]
        tables.create(self.connection, SIDE, fields, temporary=True)
        for values in find(kinds, scope):
            counts.update((value.column, value.kind) for value in values)
            self.connection.copy(WRITING, SIDE, fields, _page(fields, values))
        key = ", ".join(field.name for field in fields[:width])
        self.connection.run(
            WRITING,
            f"INSERT INTO {self.place} (table_name, key, column_name, kind)"
            f" SELECT $1, ARRAY[{key}], column_name, kind FROM {SIDE}",
            (self.table.name,),
        )
        return _nested((*place, count) for place, count in counts.items())


def _page(fields: Sequence[Field], values: Sequence[AlteredValue]) -> pa.Table:
    keys = [
        pa.array(part).cast(pa.decimal128(20))
        for part in zip(*(value.key for value in values), strict=True)
    ]
    of_keys = [[value.column for value in values], [value.kind for value in values]]
    return pa.table([*keys, *map(pa.array, of_keys)], [field.name for field in fields])


def _nested(counts: Iterable[Sequence[Any]]) -> Counts:
    nested: Counts = {}
    for column, kind, count in counts:
        nested.setdefault(str(column), {})[str(kind)] = int(count)
    return nested


def _united(*counts: Counts) -> Counts:
    """Return the columns and kinds that occur in any of several counts."""
    names = {name for some in counts for name in some}
    return {name: {kind: 1 for some in counts for kind in some.get(name, ())} for name in names}


def _within(table: Table, scope: Scope) -> Iterator[str]:
    """Write the conditions for the accounts of a scope's rows, whose keys have been brought."""
    for span in scope.ranges:
        bounds = [f"key > {_array(span.after)}"] if span.after else []
        bounds += [f"key <= {_array(span.until)}"] if span.until else []
        yield " AND ".join(bounds) or "TRUE"
    if scope.keys:
        brought = ", ".join(f"k{position}" for position in range(len(table.key)))
        yield f"key IN (SELECT ARRAY[{brought}]::numeric[] FROM {SCOPE})"


def _array(key: Key) -> str:
    return f"ARRAY[{', '.join(key)}]::numeric[]"

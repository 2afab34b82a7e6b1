"""Makes a table's rows equal to those of a side table, and counts and sums them as proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place, quote
from transfer.postgres.tables import add_key, create, key_of
from transfer.rules.layout import Field
from transfer.settings import Limits
from transfer.values.scope import EVERYTHING, Range, Scope
from transfer.values.table import Totals

SCOPE = Place("", "_elt_scope")

# The types of keys, and of what refers to them.
LINKING = frozenset({"smallint", "integer", "bigint", "numeric(20,0)"})

# How floats are compared: PostgreSQL takes -0 for 0, but not in their bytes.
COMPARED = {"real": "float4send({c})", "double precision": "float8send({c})"}


@dataclass(frozen=True, slots=True)
class Changes:
    """How many rows of a table became different."""

    inserted: int
    updated: int
    deleted: int

    @property
    def any(self) -> bool:
        """True when the table differs from before."""
        return bool(self.inserted or self.updated or self.deleted)


@dataclass(frozen=True, slots=True)
class Sides:
    """A `side` table whose rows the `target` is to have: both have these columns and this key.

    `noted` is a table that gets the links of the rows that change, as they were and as they are.
    """

    side: Place
    target: Place
    fields: Sequence[Field]
    key: Sequence[str]
    noted: Place | None = None

    @property
    def doing(self) -> str:
        """What a merge does, in words."""
        return f"bringing {self.target} up to date"

    @property
    def columns(self) -> str:
        """The columns as SQL lists them."""
        return ", ".join(quote(field.name) for field in self.fields)

    @property
    def links(self) -> list[str]:
        """The columns of whole numbers, quoted: the key and what a row belongs to."""
        return [quote(field.name) for field in self.fields if field.type in LINKING]

    @property
    def same_key(self) -> str:
        """The condition for two rows, `t` of the target and `s` of the side table, with one key."""
        return " AND ".join(f"t.{quote(name)} = s.{quote(name)}" for name in self.key)


def bring_keys(
    connection: Connection, scope: Scope, key: Sequence[str], fields: Sequence[Field]
) -> None:
    """Put a scope's single keys, whole numbers, into a temporary table of the transaction."""
    if not scope.keys:
        return
    types = {field.name: field.type for field in fields}
    columns = [Field(f"k{position}", types[name]) for position, name in enumerate(key)]
    values = [
        pa.array(map(Decimal, column), pa.decimal128(20))
        for column in zip(*scope.keys, strict=True)
    ]
    page = pa.table(values, [field.name for field in columns])
    create(connection, SCOPE, columns, temporary=True)
    connection.copy("bringing keys", SCOPE, columns, page)
    connection.run("bringing keys", f"ANALYZE {SCOPE}")


def conditions(scope: Scope, key: Sequence[str]) -> list[str]:
    """Return conditions that together hold for all rows of a scope, and none for any other row.

    The scope's keys must have been brought.
    """
    names = f"({', '.join(map(quote, key))})"
    found = [_within(keys, names) for keys in scope.ranges]
    if scope.keys:
        brought = ", ".join(f"k{position}" for position in range(len(key)))
        found.append(f"{names} IN (SELECT {brought} FROM {SCOPE})")
    return found


def _within(keys: Range, names: str) -> str:
    bounds = [f"{names} > ({', '.join(keys.after)})"] if keys.after else []
    bounds += [f"{names} <= ({', '.join(keys.until)})"] if keys.until else []
    return " AND ".join(bounds) or "TRUE"


def merge(
    connection: Connection, limits: Limits, sides: Sides, scope: Scope = EVERYTHING
) -> Changes:
    """Make the target's rows of a scope equal to the side table's, touching only those that differ.

    Without a key the rows are compared as multisets.
    """
    key = tuple(sides.key)
    if not key or key_of(connection, sides.target) != key:
        changes = _merge_multisets(connection, sides)
        add_key(connection, limits, sides.target, key)
        return changes
    deleted = _delete(connection, sides, scope)
    updated = _update(connection, sides)
    return Changes(_insert(connection, sides), updated, deleted)


def create_noted(connection: Connection, place: Place) -> None:
    """Create the temporary table that gets the links of rows that change."""
    connection.run("noting changes", f"CREATE TEMPORARY TABLE {place} (links jsonb) ON COMMIT DROP")


def _change(connection: Connection, sides: Sides, statement: str, *, in_place: bool = False) -> int:
    """Run a statement that changes rows `t` of the target and return their number.

    Where they are noted, rows that change in place are so as they were, too: a statement sees rows
    as they were before it.
    """
    links = sides.links
    if not sides.noted:
        return connection.count(sides.doing, statement)
    returned = ", ".join(f"t.{name}" for name in dict.fromkeys([*map(quote, sides.key), *links]))
    noted = f"SELECT {_as_json('s', links)} FROM done AS s"
    if in_place:
        before = f"{sides.target} AS t JOIN done AS s ON {sides.same_key}"
        noted += f" UNION SELECT {_as_json('t', links)} FROM {before}"
    ((count,),) = connection.rows(
        sides.doing,
        f"WITH done AS ({statement} RETURNING {returned}),"
        f" noted AS (INSERT INTO {sides.noted} {noted}) SELECT count(*) FROM done",
    )
    return int(count)


def _as_json(alias: str, links: Sequence[str]) -> str:
    listed = ", ".join(f"{alias}.{name}" for name in links)
    return f"(SELECT to_jsonb(link) FROM (SELECT {listed}) AS link)"


def _delete(connection: Connection, sides: Sides, scope: Scope) -> int:
    kept = f"EXISTS (SELECT FROM {sides.side} AS s WHERE {sides.same_key})"
    return sum(
        _change(
            connection, sides, f"DELETE FROM {sides.target} AS t WHERE {condition} AND NOT {kept}"
        )
        for condition in conditions(scope, sides.key)
    )


def _update(connection: Connection, sides: Sides) -> int:
    fields = [field for field in sides.fields if field.name not in sides.key]
    if not fields:
        return 0
    setting = ", ".join(f"{quote(field.name)} = s.{quote(field.name)}" for field in fields)
    return _change(
        connection,
        sides,
        f"UPDATE {sides.target} AS t SET {setting} FROM {sides.side} AS s WHERE {sides.same_key}"
        f" AND ROW({_compared(fields, 't')}) IS DISTINCT FROM ROW({_compared(fields, 's')})",
        in_place=True,
    )


def _compared(fields: Sequence[Field], alias: str) -> str:
    return ", ".join(
        COMPARED.get(field.type, "{c}").format(c=f"{alias}.{quote(field.name)}") for field in fields
    )


def _insert(connection: Connection, sides: Sides) -> int:
    there = f"EXISTS (SELECT FROM {sides.target} AS t WHERE {sides.same_key})"
    return _change(
        connection,
        sides,
        f"INSERT INTO {sides.target} AS t ({sides.columns})"
        f" SELECT {sides.columns} FROM {sides.side} AS s WHERE NOT {there}",
    )


def _merge_multisets(connection: Connection, sides: Sides) -> Changes:
    ours = f"SELECT {sides.columns} FROM {sides.target}"
    theirs = f"SELECT {sides.columns} FROM {sides.side}"
    ((deleted, inserted),) = connection.rows(
        sides.doing,
        f"SELECT (SELECT count(*) FROM ({ours} EXCEPT ALL {theirs}) AS gone),"
        f" (SELECT count(*) FROM ({theirs} EXCEPT ALL {ours}) AS new)",
    )
    if deleted or inserted:
        connection.run(sides.doing, f"DELETE FROM {sides.target}")
        connection.run(sides.doing, f"INSERT INTO {sides.target} ({sides.columns}) {theirs}")
    return Changes(inserted, 0, deleted)


def same_keys(sides: Sides) -> str:
    """Return what to write behind FROM for the target's rows whose keys the side table has."""
    joined = f"{sides.side} AS s JOIN {sides.target} AS t ON {sides.same_key}"
    return f"(SELECT t.* FROM {joined}) AS rows_of_scope"


def totals(connection: Connection, place: Place | str, fields: Sequence[Field]) -> Totals:
    """Count the rows of what stands behind FROM and each column's values, and sum its numbers.

    Floating-point numbers have no exact sum.
    """
    values = ", ".join(f"count({quote(field.name)})::numeric" for field in fields)
    sums = ", ".join(_sum(field) for field in fields)
    # Arrays, as a SELECT has 1,664 expressions at most.
    # As text, since the driver reads numerics as text anyway.
    ((rows, counted, summed),) = connection.rows(
        f"proving {place}",
        f"SELECT count(*), ARRAY[{values}]::text, ARRAY[{sums}]::numeric[]::text FROM {place}",
    )
    return Totals(
        rows,
        tuple(int(count) for count in _items(counted)),
        tuple(None if total == "NULL" else Decimal(total) for total in _items(summed)),
    )


def _sum(field: Field) -> str:
    exact = field.type in ("smallint", "integer", "bigint") or field.type.startswith("numeric")
    return f"coalesce(sum({quote(field.name)}), 0)::numeric" if exact else "NULL"


def _items(array: str) -> list[str]:
    return array.strip("{}").split(",")

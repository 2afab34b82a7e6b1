"""The base tables in PostgreSQL: `raw` in snake_case, trimmed, without empty dates, keyed.

They are made in SQL, where the rows are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from transfer.errors import DatabaseFault, TableError
from transfer.postgres import restructure, tables
from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place, quote
from transfer.postgres.locks import wait_for_locks
from transfer.postgres.merging import (
    LINKING,
    Changes,
    Sides,
    bring_keys,
    conditions,
    create_noted,
)
from transfer.postgres.pool import connect
from transfer.rules.layout import Field, public_names, raw_fields, raw_key
from transfer.rules.standard import EXPRESSIONS
from transfer.server_codes import meaning
from transfer.settings import Limits, Warehouse
from transfer.values.reasons import HopName
from transfer.values.scope import EVERYTHING, Scope
from transfer.values.table import Hop, Table, digest
from transfer.warehouse import changed_rows, positions
from transfer.warehouse.positions import Position

SIDE = Place("", "_elt_side")
NOTED = Place("", "_elt_noted")

STANDARD = "the standard rules"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a base table is made.

    `selected` is what is selected of `raw`'s table, `key` its key as `public` names it, and
    `origin` says whose SQL it is.
    """

    selected: str
    raw_name: str
    key: tuple[str, ...]
    origin: str

    @property
    def standard(self) -> bool:
        """True for the pipeline's own rules, which always make the same of the same rows."""
        return self.origin == STANDARD

    @property
    def rules(self) -> str:
        """A digest: when it changes, `public` must be made again from `raw`."""
        return digest(self.selected, self.raw_name, self.key)

    def select(self, schema: str) -> str:
        """Return the whole SELECT, given the schema of `raw`.

        A user's own SQL names what it reads itself.
        """
        if not self.standard:
            return self.selected
        return f"{self.selected}\nFROM {Place(schema, self.raw_name)}"


def recipe(limits: Limits, table: Table, raw_name: str) -> Recipe:
    """Return the user's own SQL for a table if there is a file, else the standard rules."""
    columns = raw_fields(table)
    names = public_names(table)
    renamed = {field.name: name for field, name in zip(columns, names, strict=True)}
    key = tuple(renamed[name] for name in raw_key(table))
    own = limits.standardize_dir / f"{table.name}.sql"
    if "/" not in table.name and own.is_file():
        # As a subquery it can only read: PostgreSQL refuses a WITH that writes there.
        return Recipe(f"SELECT * FROM (\n{_own_sql(own)}\n) AS made", raw_name, key, str(own))
    selected = ",\n    ".join(
        f"{EXPRESSIONS.get(field.type, '{c}').format(c=quote(field.name))} AS {quote(name)}"
        for field, name in zip(columns, names, strict=True)
    )
    return Recipe(f"SELECT\n    {selected}", raw_name, key, STANDARD)


def unused(limits: Limits, tables: Collection[str]) -> tuple[str, ...]:
    """Return the files of a user's own SQL that fit no table."""
    return tuple(
        sorted(
            str(file) for file in limits.standardize_dir.glob("*.sql") if file.stem not in tables
        )
    )


def _own_sql(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip().rstrip(";")
    except (OSError, UnicodeError):
        raise TableError(f"{file} cannot be read as UTF-8; mend or remove it.") from None


@dataclass(frozen=True, slots=True)
class _Making:
    """A base table in work: its recipe, where it is to stand, and which load it is made of.

    It is the `first` when there is no such table yet.
    """

    connection: Connection
    table: Table
    recipe: Recipe
    target: Place
    load_id: int
    first: bool

    @property
    def place(self) -> Place:
        """Where its rows are made: in the table itself, or beside the one that stands."""
        return self.target if self.first else SIDE


def has_other_structure(warehouse: Warehouse, limits: Limits, table: Table) -> bool:
    """Tell whether the base table has other columns or another key than the standard rules give."""
    with connect(warehouse) as connection:
        made = recipe(limits, table, positions.name_of(connection, warehouse, table.name, "raw"))
        return not _fits(connection, _target(connection, warehouse, table), table, made)


def _target(
    connection: Connection, warehouse: Warehouse, table: Table, recorded: str | None = None
) -> Place:
    name = recorded or positions.name_of(connection, warehouse, table.name, "public")
    return Place(warehouse.base_schema, name)


def _fits(connection: Connection, target: Place, table: Table, made: Recipe) -> bool:
    """Tell whether a table has the columns and the key that the standard rules give it."""
    types = [field.type for field in raw_fields(table)]
    wanted = [Field(name, held) for name, held in zip(public_names(table), types, strict=True)]
    return tables.has_structure(connection, target, wanted, made.key)


def standardize(
    warehouse: Warehouse, limits: Limits, table: Table, fence: int, scope: Scope = EVERYTHING
) -> Hop:
    """Make the base table's rows of a scope equal to what its recipe makes of `raw`.

    Only rows that differ are touched, in one transaction. A user's own SQL makes all rows.

    Raises:
        TableError: the user's own SQL fails, or a view needs a column that is to go.

    """
    started = monotonic()
    with connect(warehouse) as connection:
        wait_for_locks(connection, limits.lock_seconds)
        position = positions.take(connection, warehouse, table.name, fence)
        making = _begin(connection, warehouse, limits, table, position)
        in_part = _can_be_made_in_part(making)
        scope = scope if in_part else EVERYTHING
        _make(making, warehouse.raw_schema, scope)
        rows = 0 if making.first else _count(making)
        noted = _noted(making) if in_part else None
        changes = _enter(warehouse, limits, making, scope, noted)
        made = positions.Standardization(
            target=making.target,
            load_id=making.load_id,
            rules=making.recipe.rules,
            moved=making.first or changes.any,
        )
        if made.moved:
            changed_rows.note(connection, warehouse, table.name, making.target.name, noted)
        held = positions.note_standardized(connection, warehouse, table.name, made)
        connection.commit()
    if making.first:
        rows, changes = held, Changes(held, 0, 0)
    seconds = monotonic() - started
    return Hop(
        HopName.STANDARDIZE, rows, changes.inserted, changes.updated, changes.deleted, seconds
    )


def _begin(
    connection: Connection,
    warehouse: Warehouse,
    limits: Limits,
    table: Table,
    position: Position,
) -> _Making:
    raw_name = position.raw_name or positions.name_of(connection, warehouse, table.name, "raw")
    target = _target(connection, warehouse, table, position.public_name)
    return _Making(
        connection=connection,
        table=table,
        recipe=recipe(limits, table, raw_name),
        target=target,
        load_id=position.load_id,
        first=not tables.stands(connection, target, warehouse.base_schema),
    )


def _can_be_made_in_part(making: _Making) -> bool:
    made = making.recipe
    return (
        not making.first
        and made.standard
        and _fits(making.connection, making.target, making.table, made)
    )


def _noted(making: _Making) -> Place | None:
    """Make room for the links of changed rows; None where the key does not tell rows by links."""
    table = making.table
    types = {
        name: field.type for name, field in zip(public_names(table), raw_fields(table), strict=True)
    }
    key = making.recipe.key
    if not key or any(types[name] not in LINKING for name in key):
        return None
    create_noted(making.connection, NOTED)
    return NOTED


def _count(making: _Making) -> int:
    asking = f"SELECT count(*) FROM {making.place}"
    return int(making.connection.rows("counting rows", asking)[0][0])


def _make(making: _Making, raw: str, scope: Scope) -> None:
    """Make the rows of a scope."""
    connection, place, made = making.connection, making.place, making.recipe
    key = raw_key(making.table)
    bring_keys(connection, scope, key, raw_fields(making.table))
    within = [] if scope.whole else conditions(scope, key)
    try:
        _select_into(making, made.select(raw), within)
    except DatabaseFault as fault:
        if made.standard or not re.match(r"(42|22|21|0A)", fault.code):
            raise
        raise TableError(
            f"{made.origin} does not run: {meaning(fault.code)} (error {fault.code}); mend or"
            " remove the file."
        ) from None
    if not making.first:
        connection.run("standardizing", f"ANALYZE {place}")
    if not made.standard:
        _check_key(connection, place, made)


def _select_into(making: _Making, select: str, within: Sequence[str]) -> None:
    doing, place = f"standardizing by {making.recipe.origin}", making.place
    kind, end = ("", "") if making.first else ("TEMPORARY ", " ON COMMIT DROP")
    first, *others = [f"{select} WHERE {condition}" for condition in within] or [select]
    making.connection.run(doing, f"CREATE {kind}TABLE {place}{end} AS\n{first}")
    for other in others:
        making.connection.run(doing, f"INSERT INTO {place}\n{other}")


def _check_key(connection: Connection, place: Place, made: Recipe) -> None:
    """Refuse a user's rows that share a key: merging them would silently keep one."""
    key = _key(tables.fields_of(connection, place), made)
    names = ", ".join(map(quote, key))
    doubled = f"SELECT 1 FROM {place} GROUP BY {names} HAVING count(*) > 1 LIMIT 1"
    if key and connection.rows("standardizing", doubled):
        raise TableError(
            f"{made.origin} makes several rows with the same {', '.join(key)}, the table's key;"
            " mend or remove the file."
        )


def _enter(
    warehouse: Warehouse,
    limits: Limits,
    making: _Making,
    scope: Scope,
    noted: Place | None,
) -> Changes:
    """Give a first base table its key, or make the standing one's rows of a scope equal."""
    connection, target, made = making.connection, making.target, making.recipe
    if making.first and made.standard:
        tables.make_ours(connection, target, made.key, warehouse.base_schema)
        return Changes(0, 0, 0)
    columns = tables.fields_of(connection, making.place)
    key = _key(columns, made)
    if making.first:
        tables.make_ours(connection, target, key, warehouse.base_schema)
        return Changes(0, 0, 0)
    sides = Sides(SIDE, target, columns, key, noted)
    return restructure.bring_up_to_date(connection, limits, sides, scope)


def _key(columns: tuple[Field, ...], made: Recipe) -> tuple[str, ...]:
    """Return the key if the recipe's columns still have it."""
    return made.key if set(made.key) <= {field.name for field in columns} else ()

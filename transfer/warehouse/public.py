"""The base tables in PostgreSQL: `raw` in snake_case, trimmed, without empty dates, keyed; made in SQL where the rows are."""

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
from transfer.postgres.merging import Changes, Sides, bring_keys, conditions
from transfer.postgres.pool import connect
from transfer.rules.layout import Field, public_names, raw_fields, raw_key
from transfer.rules.standard import EXPRESSIONS
from transfer.server_codes import meaning
from transfer.settings import Limits, Warehouse
from transfer.values.scope import EVERYTHING, Scope
from transfer.values.table import Hop, Table, digest
from transfer.warehouse import positions

SIDE = Place("", "_elt_side")

STANDARD = "the standard rules"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a base table is made: what is selected of `raw`'s table, its key as `public` names it, and whose SQL it is."""

    selected: str
    raw_name: str
    key: tuple[str, ...]
    origin: str

    @property
    def standard(self) -> bool:
        """True for the pipeline's own rules, by which the same rows always give the same."""
        return self.origin == STANDARD

    @property
    def rules(self) -> str:
        """A digest: another one means that `public` must be made anew from `raw`."""
        return digest(self.selected, self.raw_name, self.key)

    def select(self, schema: str) -> str:
        """Return the whole SELECT, given the schema of `raw`; a user's own SQL names what it reads itself."""
        return (
            f"{self.selected}\nFROM {Place(schema, self.raw_name)}"
            if self.standard
            else self.selected
        )


def recipe(limits: Limits, table: Table, raw_name: str) -> Recipe:
    """Return the user's own SQL for a table if there is a file for it, else the standard rules over its table in `raw`."""
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


def has_other_structure(warehouse: Warehouse, limits: Limits, table: Table) -> bool:
    """Tell whether the base table that stands has other columns or another key than the standard rules give it."""
    with connect(warehouse) as connection:
        target = Place(
            warehouse.base_schema, positions.name_of(connection, warehouse, table.name, "public")
        )
        made = recipe(limits, table, positions.name_of(connection, warehouse, table.name, "raw"))
        return not _fits(connection, target, table, made)


def _fits(connection: Connection, target: Place, table: Table, made: Recipe) -> bool:
    """Tell whether a table has the columns and the key that the standard rules give it."""
    types = [field.type for field in raw_fields(table)]
    wanted = [Field(name, held) for name, held in zip(public_names(table), types, strict=True)]
    return tables.has_structure(connection, target, wanted, made.key)


def standardize(
    warehouse: Warehouse, limits: Limits, table: Table, fence: int, scope: Scope = EVERYTHING
) -> Hop:
    """Make the base table's rows of a scope equal to what its recipe makes of `raw`, in one transaction.

    Only rows that differ are touched. A user's own SQL makes all of them.

    Raises:
        TableError: the user's own SQL fails, or a view needs a column that is to go.

    """
    started = monotonic()
    with connect(warehouse) as connection:
        wait_for_locks(connection, limits.lock_seconds)
        positions.take(connection, warehouse, table.name, fence)
        load = positions.load_id(connection, warehouse, table.name)
        made = recipe(limits, table, positions.name_of(connection, warehouse, table.name, "raw"))
        target = Place(
            warehouse.base_schema, positions.name_of(connection, warehouse, table.name, "public")
        )
        first = not tables.stands(connection, target, warehouse.base_schema)
        scope = scope if made.standard and _fits(connection, target, table, made) else EVERYTHING
        bring_keys(connection, scope, raw_key(table), raw_fields(table))
        within = [] if scope.whole else conditions(scope, raw_key(table))
        rows = _make(
            connection,
            target if first else SIDE,
            made,
            warehouse.raw_schema,
            within,
            temporary=not first,
        )
        changes = Changes(rows, 0, 0) if first else _renew(connection, limits, target, made, scope)
        if first:
            key = _key(tables.fields_of(connection, target), made)
            tables.add_key(connection, limits, target, key, ours=True)
            tables.claim(connection, target, warehouse.base_schema)
        positions.note_standardized(
            connection,
            warehouse,
            table.name,
            target,
            load=load,
            rules=made.rules,
            moved=first or changes.any,
        )
        connection.commit()
    return Hop(
        "standardize",
        rows,
        changes.inserted,
        changes.updated,
        changes.deleted,
        monotonic() - started,
    )


def _make(
    connection: Connection,
    place: Place,
    made: Recipe,
    raw: str,
    conditions: Sequence[str],
    *,
    temporary: bool,
) -> int:
    kind, end = ("TEMPORARY ", " ON COMMIT DROP") if temporary else ("", "")
    try:
        select = made.select(raw)
        first, *others = [f"{select} WHERE {condition}" for condition in conditions] or [select]
        connection.run(
            f"standardizing by {made.origin}", f"CREATE {kind}TABLE {place}{end} AS\n{first}"
        )
        for other in others:
            connection.run(f"standardizing by {made.origin}", f"INSERT INTO {place}\n{other}")
    except DatabaseFault as fault:
        if made.standard or not re.match(r"(42|22|21|0A)", fault.code):
            raise
        raise TableError(
            f"{made.origin} does not run: {meaning(fault.code)} (error {fault.code}); mend or remove the file."
        ) from None
    if temporary:
        connection.run("standardizing", f"ANALYZE {place}")
    if not made.standard:
        _check_key(connection, place, made)
    return int(connection.rows("counting rows", f"SELECT count(*) FROM {place}")[0][0])


def _check_key(connection: Connection, place: Place, made: Recipe) -> None:
    """Refuse a user's rows that share a key: merging them would silently keep one."""
    key = _key(tables.fields_of(connection, place), made)
    names = ", ".join(map(quote, key))
    if key and connection.rows(
        "standardizing", f"SELECT 1 FROM {place} GROUP BY {names} HAVING count(*) > 1 LIMIT 1"
    ):
        raise TableError(
            f"{made.origin} makes several rows with the same {', '.join(key)}, the table's key; mend or remove the file."
        )


def _renew(
    connection: Connection, limits: Limits, target: Place, made: Recipe, scope: Scope
) -> Changes:
    columns = tables.fields_of(connection, SIDE)
    key = _key(columns, made)
    return restructure.bring_up_to_date(
        connection, limits, Sides(SIDE, target, columns, key), scope
    )


def _key(columns: tuple[Field, ...], made: Recipe) -> tuple[str, ...]:
    """Return the key if the recipe's columns still have it."""
    return made.key if set(made.key) <= {field.name for field in columns} else ()

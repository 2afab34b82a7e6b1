"""`raw` in PostgreSQL: the replica's tables under their own names, value for value.

What PostgreSQL cannot hold is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

import pyarrow as pa

from transfer.errors import DatabaseFault, TableError, TableUnsteady
from transfer.mysql.literals import quote as mysql_quote
from transfer.postgres import restructure, tables
from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place
from transfer.postgres.locks import wait_for_locks
from transfer.postgres.merging import Changes, Sides, bring_keys, same_keys, totals
from transfer.postgres.pool import connect
from transfer.rules.casts import read_for_raw, warehouse_type
from transfer.rules.layout import Field, altered_names, raw_fields, raw_key
from transfer.server_codes import TOO_LARGE, meaning
from transfer.settings import Limits, Warehouse
from transfer.values.reasons import HopName
from transfer.values.scope import EVERYTHING, Scope
from transfer.values.table import Column, Hop, Table, Totals
from transfer.warehouse import accounts, positions, schemas
from transfer.warehouse.accounts import Counts, Find
from transfer.warehouse.holdable import Altered, holdable_texts
from transfer.warehouse.positions import Position

SIDE = Place("", "_elt_side")
MOST_COLUMNS = 1_600


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run loads: the rows of a `scope`, of an extract of a copy that has so many `rows`.

    `totals` are the replica's own of that scope. They are asked for once the rows have been copied,
    as the replica may still be counting. `altered` finds values that `raw` alters. It is `moved`
    when rows changed since the last load, even if `raw` has them already: somebody edited it, or it
    is another landing schema.
    """

    generation: str
    extract_id: int
    extract_run: str
    run_id: str
    totals: Callable[[], Totals]
    altered: Find
    rows: int
    scope: Scope = EVERYTHING
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Copied:
    """Rows of a table in a transaction that is not committed.

    They stand in `raw` itself if it is the `first` load, else beside it. `before` is what is
    recorded of the table.
    `texts` is what was altered in each column.
    """

    connection: Connection
    table: Table
    before: Position
    target: Place
    first: bool
    rows: int
    bytes: int
    texts: tuple[Altered, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What a load did, and how many values of the whole table `raw` holds altered.

    `raw` has the table by that name now, and `load_id` is the number of what it holds.
    """

    hop: Hop
    altered: Counts
    load_id: int
    raw_name: str


def select(table: Table) -> str:
    """Return the select list that reads the replica's columns as `raw` holds them."""
    return ", ".join(read_for_raw(column, mysql_quote(column.name)) for column in table.columns)


@contextmanager
def copied(
    warehouse: Warehouse,
    limits: Limits,
    table: Table,
    fence: int,
    pages: Iterable[pa.Table],
    *,
    whole: bool = True,
) -> Iterator[Copied]:
    """Copy the replica's pages into a transaction.

    It is rolled back at the block's end, unless `take` has committed it.

    Raises:
        TableError: PostgreSQL cannot hold the table.

    """
    started = monotonic()
    fields, key = _checked_fields(table), raw_key(table)
    with connect(warehouse) as connection, _holdable(table):
        wait_for_locks(connection, limits.lock_seconds)
        before = positions.take(connection, warehouse, table.name, fence)
        target = _target(connection, warehouse, table, before.raw_name)
        first = not tables.stands(connection, target, warehouse.base_schema)
        if not whole and not tables.has_structure(connection, target, fields, key):
            raise TableUnsteady(
                f"raw's table of {table.name} was altered while it was loaded;"
                " trying again loads it again."
            )
        side = target if first else SIDE
        tables.create(connection, side, fields, temporary=not first)
        rows, size, texts = _copy(connection, side, table, pages)
        seconds = monotonic() - started
        yield Copied(connection, table, before, target, first, rows, size, texts, seconds)


def _target(
    connection: Connection, warehouse: Warehouse, table: Table, recorded: str | None = None
) -> Place:
    name = recorded or positions.name_of(connection, warehouse, table.name, "raw")
    return Place(warehouse.raw_schema, name)


def _checked_fields(table: Table) -> tuple[Field, ...]:
    fields = raw_fields(table)
    if len(fields) > MOST_COLUMNS:
        raise TableError(
            f"{table.name} has {len(fields):,} columns, PostgreSQL's tables {MOST_COLUMNS:,} at"
            " most; it stands in the replica only."
            f" ELT_EXCLUDE={table.name} leaves it out."
        )
    return fields


@contextmanager
def _holdable(table: Table) -> Iterator[None]:
    """Tell a row that PostgreSQL cannot hold from a server that fails."""
    try:
        yield
    except DatabaseFault as fault:
        if fault.code not in TOO_LARGE:
            raise
        raise TableError(
            f"{table.name} has a row that PostgreSQL cannot hold ({meaning(fault.code)}, error"
            f" {fault.code}); it stands in the replica only."
            f" ELT_EXCLUDE={table.name} leaves it out."
        ) from None


def _copy(
    connection: Connection, place: Place, table: Table, pages: Iterable[pa.Table]
) -> tuple[int, int, tuple[Altered, ...]]:
    """Append the pages; return the number of rows and of bytes, and what was altered by column."""
    fields = raw_fields(table)
    rows, size, texts = 0, 0, (Altered(),) * len(fields)
    for page in pages:
        clean, found = holdable_texts(fields, page)
        connection.copy(f"loading {table.name}", place, fields, clean)
        rows, size = rows + page.num_rows, size + page.nbytes
        texts = tuple(before + more for before, more in zip(texts, found, strict=True))
    return rows, size, texts


def take(warehouse: Warehouse, limits: Limits, copied: Copied, origin: Origin) -> Taken:
    """Make `raw` equal to the rows that were copied, and commit them with its position.

    Raises:
        TableError: its totals do not agree with the replica's.

    """
    started = monotonic()
    connection, table = copied.connection, copied.table
    sides = Sides(SIDE, copied.target, raw_fields(table), raw_key(table))
    changes = _enter(warehouse, limits, copied, sides, origin.scope)
    found = _prove(copied, sides, origin)
    counted = {column: of_column.counts for column, of_column in found.items()}
    altered = accounts.renew(connection, warehouse, table, origin.scope, counted, origin.altered)
    load = positions.Load(
        target=copied.target,
        generation=origin.generation,
        extract_id=origin.extract_id,
        extract_run=origin.extract_run,
        rows=origin.rows,
        structure=schemas.to_json(table),
        names=altered_names(table),
        altered=altered,
        moved=copied.first or changes.any or origin.moved,
    )
    before, first = copied.before.structure, not copied.before.extract_id
    schemas.note_loaded(connection, warehouse, table, origin.run_id, before, first=first)
    load_id = positions.note_loaded(connection, warehouse, table.name, load)
    connection.commit()
    hop = Hop(
        HopName.LOAD,
        copied.rows,
        changes.inserted,
        changes.updated,
        changes.deleted,
        copied.seconds + monotonic() - started,
        bytes=copied.bytes,
    )
    return Taken(hop, altered, load_id, copied.target.name)


def _enter(
    warehouse: Warehouse, limits: Limits, copied: Copied, sides: Sides, scope: Scope
) -> Changes:
    """Make the copied rows `raw`'s table, or make its rows of a scope equal to them."""
    connection, target = copied.connection, copied.target
    if copied.first:
        tables.make_ours(connection, target, sides.key, warehouse.base_schema)
        return Changes(copied.rows, 0, 0)
    connection.run(f"looking at {copied.table.name}", f"ANALYZE {sides.side}")
    bring_keys(connection, scope, sides.key, sides.fields)
    return restructure.bring_up_to_date(connection, limits, sides, scope)


def _prove(copied: Copied, sides: Sides, origin: Origin) -> dict[str, Altered]:
    """Compare what `raw` holds with the replica's totals; return what it could not hold."""
    connection, table, whole = copied.connection, copied.table, origin.scope.whole
    if whole and not origin.rows and not copied.rows:
        _check_rows(table, origin, _count(connection, sides.target))
        return {}
    held = totals(connection, sides.target if whole else same_keys(sides), sides.fields)
    altered = _proven(table, origin.totals(), held, copied.texts)
    _check_rows(table, origin, held.rows if whole else _count(connection, sides.target))
    return altered


def _check_rows(table: Table, origin: Origin, rows: int) -> None:
    if rows != origin.rows:
        raise TableError(
            f"{table.name}: the replica holds {origin.rows} rows but raw would hold {rows}."
        )


def _count(connection: Connection, target: Place) -> int:
    return int(connection.rows(f"proving {target}", f"SELECT count(*) FROM {target}")[0][0])


def _proven(
    table: Table, origin: Totals, held: Totals, texts: Iterable[Altered]
) -> dict[str, Altered]:
    """Compare totals of a table; return what was altered in each column that lost something.

    Raises:
        TableError: a row, a value or a sum is lost, and it is no date that became NULL.

    """
    if held.rows != origin.rows:
        raise TableError(
            f"{table.name}: {origin.rows} rows were to be loaded but raw would hold {held.rows} of"
            " them."
        )
    found: dict[str, Altered] = {}
    for position, (column, text) in enumerate(zip(table.columns, texts, strict=True)):
        nulls = _lost_values(table, column, origin.values[position], held.values[position])
        if origin.sums[position] is not None and origin.sums[position] != held.sums[position]:
            raise TableError(
                f"{table.name}: column {column.name} has another sum in the replica than raw would"
                " have."
            )
        altered = text + Altered(nulls, unmapped_characters=origin.unmapped[position])
        if altered.counts:
            found[column.name] = altered
    return found


def _lost_values(table: Table, column: Column, had: int, has: int) -> int:
    """Return how many dates became NULL."""
    if had < has or (
        had > has and warehouse_type(column) not in ("date", "timestamp", "timestamptz")
    ):
        raise TableError(
            f"{table.name}: column {column.name} has {had} values in the replica but raw would hold"
            f" {has}."
        )
    return had - has


def has_its_structure(warehouse: Warehouse, table: Table) -> bool:
    """Tell whether `raw` has the table with the columns and the key that it is to have."""
    with connect(warehouse) as connection:
        target = _target(connection, warehouse, table)
        return tables.has_structure(connection, target, raw_fields(table), raw_key(table))

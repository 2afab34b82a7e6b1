"""`raw` in PostgreSQL: the replica's tables under their own names, value for value; what cannot be held is counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import add
from time import monotonic

import pyarrow as pa
import pyarrow.compute as pc

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
from transfer.values.scope import EVERYTHING, Scope
from transfer.values.table import Hop, Table, Totals
from transfer.warehouse import positions, schemas

SIDE = Place("", "_elt_side")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run loads: of an extract of a copy with so many `rows` those of a `scope`, and the replica's own totals of them.

    `moved` when rows changed since the last load, though `raw` may have them already: somebody edited it, or it is another
    landing schema. The totals are asked for once the rows have been copied, as the replica may still be counting.
    """

    generation: str
    extract_id: int
    extract_run: str
    run_id: str
    totals: Callable[[], Totals]
    rows: int
    scope: Scope = EVERYTHING
    moved: bool = False


def select(table: Table) -> str:
    """Return the select list that reads the replica's columns as `raw` holds them."""
    return ", ".join(read_for_raw(column, mysql_quote(column.name)) for column in table.columns)


@dataclass(frozen=True, slots=True)
class Copied:
    """Rows of a table in a transaction that is not committed: those of `raw` itself, if it is the `first` load, or beside it.

    `texts` is what was altered in each column.
    """

    connection: Connection
    table: Table
    target: Place
    first: bool
    rows: int
    bytes: int
    texts: tuple[Altered, ...]
    seconds: float


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
    """Copy the replica's pages into a transaction that is rolled back at the block's end, unless `take` has committed it.

    Raises:
        TableError: PostgreSQL cannot hold the table.

    """
    started = monotonic()
    fields, key = _checked_fields(table), raw_key(table)
    with connect(warehouse) as connection, holdable(table):
        wait_for_locks(connection, limits.lock_seconds)
        positions.take(connection, warehouse, table.name, fence)
        target = Place(
            warehouse.raw_schema, positions.name_of(connection, warehouse, table.name, "raw")
        )
        first = not tables.stands(connection, target, warehouse.base_schema)
        if not whole and not tables.has_structure(connection, target, fields, key):
            raise TableUnsteady(
                f"raw's table of {table.name} was altered while it was loaded; trying again loads it anew."
            )
        side = target if first else SIDE
        tables.create(connection, side, fields, temporary=not first)
        rows, size, texts = _copy(connection, side, table, pages)
        yield Copied(connection, table, target, first, rows, size, texts, monotonic() - started)


def take(
    warehouse: Warehouse, limits: Limits, copied: Copied, origin: Origin
) -> tuple[Hop, dict[str, dict[str, int]]]:
    """Make `raw` equal to the rows that were copied, and commit them with its position; return what it could not hold.

    Raises:
        TableError: its totals do not agree with the replica's.

    """
    started = monotonic()
    connection, table, target = copied.connection, copied.table, copied.target
    fields, key = raw_fields(table), raw_key(table)
    sides = Sides(SIDE, target, fields, key)
    if copied.first:
        tables.add_key(connection, limits, target, key, ours=True)
        tables.claim(connection, target, warehouse.base_schema)
        changes = Changes(copied.rows, 0, 0)
    else:
        changes = _merge(connection, limits, sides, origin.scope)
    held = totals(connection, target if origin.scope.whole else same_keys(sides), fields)
    altered = _proven(table, origin.totals(), held, copied.texts)
    rows = held.rows if origin.scope.whole else _count(connection, target)
    if rows != origin.rows:
        raise TableError(
            f"{table.name}: the replica holds {origin.rows} rows but raw would hold {rows}."
        )
    schemas.note_loaded(connection, warehouse, table, origin.run_id)
    positions.note_loaded(
        connection,
        warehouse,
        table.name,
        target,
        generation=origin.generation,
        extract_id=origin.extract_id,
        extract_run=origin.extract_run,
        rows=origin.rows,
        names=altered_names(table),
        altered=altered,
        moved=copied.first or changes.any or origin.moved,
    )
    connection.commit()
    seconds = copied.seconds + monotonic() - started
    return Hop(
        "load",
        copied.rows,
        changes.inserted,
        changes.updated,
        changes.deleted,
        seconds,
        bytes=copied.bytes,
    ), altered


MOST_COLUMNS = 1_600


def _checked_fields(table: Table) -> tuple[Field, ...]:
    fields = raw_fields(table)
    if len(fields) > MOST_COLUMNS:
        raise TableError(
            f"{table.name} has {len(fields):,} columns, PostgreSQL's tables {MOST_COLUMNS:,} at most; it stands in the replica only."
            f" ELT_EXCLUDE={table.name} leaves it out."
        )
    return fields


def _merge(connection: Connection, limits: Limits, sides: Sides, scope: Scope) -> Changes:
    """Make the standing table's rows of a scope equal to those beside it."""
    connection.run(f"looking at {sides.target.name}", f"ANALYZE {sides.side}")
    bring_keys(connection, scope, sides.key, sides.fields)
    return restructure.bring_up_to_date(connection, limits, sides, scope)


def has_its_structure(warehouse: Warehouse, table: Table) -> bool:
    """Tell whether `raw` has the table with the columns and the key that it is to have."""
    with connect(warehouse) as connection:
        target = Place(
            warehouse.raw_schema, positions.name_of(connection, warehouse, table.name, "raw")
        )
        return tables.has_structure(connection, target, raw_fields(table), raw_key(table))


def _count(connection: Connection, target: Place) -> int:
    return int(connection.rows(f"proving {target}", f"SELECT count(*) FROM {target}")[0][0])


@contextmanager
def holdable(table: Table) -> Iterator[None]:
    """Tell a row that PostgreSQL cannot hold from a server that fails."""
    try:
        yield
    except DatabaseFault as fault:
        if fault.code not in TOO_LARGE:
            raise
        raise TableError(
            f"{table.name} has a row that PostgreSQL cannot hold ({meaning(fault.code)}, error {fault.code}); it stands in the"
            f" replica only. ELT_EXCLUDE={table.name} leaves it out."
        ) from None


@dataclass(frozen=True, slots=True)
class Altered:
    """How many of a column's texts had a NUL character, and how many a character that Unicode has not."""

    nul_characters: int = 0
    unmapped_characters: int = 0

    def __add__(self, other: Altered) -> Altered:
        """Sum the counts."""
        return Altered(
            self.nul_characters + other.nul_characters,
            self.unmapped_characters + other.unmapped_characters,
        )


def _copy(
    connection: Connection, side: Place, table: Table, pages: Iterable[pa.Table]
) -> tuple[int, int, tuple[Altered, ...]]:
    """Append the pages; return the number of rows and of bytes, and what was altered in each column."""
    fields = raw_fields(table)
    standing = tables.fields_of(connection, side)
    if standing != fields:  # COPY writes another type of equal width as garbage
        raise TableError(
            f"{table.name}: the table to be filled in PostgreSQL has other columns than the rows."
        )
    rows, size, altered = 0, 0, (Altered(),) * len(fields)
    for page in pages:
        clean, found = holdable_texts(fields, page)
        connection.copy(f"loading {table.name}", side, fields, clean)
        rows, size = rows + page.num_rows, size + page.nbytes
        altered = tuple(map(add, altered, found))
    return rows, size, altered


def holdable_texts(fields: Sequence[Field], page: pa.Table) -> tuple[pa.Table, tuple[Altered, ...]]:
    """Make texts of a page's bytes as PostgreSQL can hold them; return what was altered in each column."""
    found = []
    for position, field in enumerate(fields):
        if field.type == "text":
            texts, altered = _holdable(page.column(position))
            page = page.set_column(position, page.field(position).name, texts)
        found.append(altered if field.type == "text" else Altered())
    return page, tuple(found)


def _holdable(values: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Altered]:
    """Remove U+0000, and put question marks where no character is."""
    try:
        texts, unmapped = values.cast(pa.large_string()), 0
    except pa.ArrowInvalid:
        decoded = [None if value is None else _decoded(value) for value in values.to_pylist()]
        texts = pa.chunked_array(
            [pa.array((each and each[0] for each in decoded), pa.large_string())]
        )
        unmapped = sum(each[1] for each in decoded if each)
    nul = pc.sum(pc.match_substring(texts, "\x00")).as_py() or 0
    return pc.replace_substring(texts, "\x00", "") if nul else texts, Altered(nul, unmapped)


def _decoded(value: bytes) -> tuple[str, bool]:
    """Read UTF-8; return whether there was half of a surrogate pair in it, which becomes a question mark."""
    text = re.sub("[\ud800-\udfff]", "?", found := value.decode(errors="surrogatepass"))
    return text, text != found


def _proven(
    table: Table, origin: Totals, held: Totals, texts: Sequence[Altered]
) -> dict[str, dict[str, int]]:
    """Compare what `raw` holds with the replica's totals; a date that became NULL is named, any other loss is an error."""
    if held.rows != origin.rows:
        raise TableError(
            f"{table.name}: {origin.rows} rows were to be loaded but raw would hold {held.rows} of them."
        )
    altered: dict[str, dict[str, int]] = {}
    for position, column in enumerate(table.columns):
        had, has = origin.values[position], held.values[position]
        if had < has or (
            had > has and warehouse_type(column) not in ("date", "timestamp", "timestamptz")
        ):
            raise TableError(
                f"{table.name}: column {column.name} has {had} values in the replica but raw would hold {has}."
            )
        if origin.sums[position] is not None and origin.sums[position] != held.sums[position]:
            raise TableError(
                f"{table.name}: column {column.name} has another sum in the replica than raw would have."
            )
        kinds = {
            "impossible_dates": had - has,
            "nul_characters": texts[position].nul_characters,
            "unmapped_characters": origin.unmapped[position] + texts[position].unmapped_characters,
        }
        if any(kinds.values()):
            altered[column.name] = {kind: count for kind, count in kinds.items() if count}
    return altered

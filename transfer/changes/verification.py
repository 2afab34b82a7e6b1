"""Whether `raw` holds the replica's rows: both are read as Arrow and compared by value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from transfer.mysql import hashing, paging
from transfer.mysql.page import Selection
from transfer.postgres import tables
from transfer.postgres.connection import Connection, schema
from transfer.postgres.literals import Place, quote
from transfer.postgres.pool import connect
from transfer.rules.layout import Field, raw_fields, raw_key
from transfer.settings import Limits, Replica, Warehouse
from transfer.values.table import Finding, SourceTable, Table
from transfer.warehouse import raw
from transfer.warehouse.holdable import holdable_texts

if TYPE_CHECKING:
    import polars as pl

PLACE = "raw"

# What to select so that the driver gives a type's exact value, which is then cast to the Arrow type
# that was loaded. Of a text the bytes that the server holds: what the driver made of it at the load
# it might undo when it is read.
READ = {
    "numeric": "{c}::text",
    "interval": "(extract(epoch FROM {c}) * 1000000)::bigint",
    "text": "convert_to({c}, 'UTF8')",
}

# A value of a key as a literal.
WRITTEN = {
    "bytea": "'\\x{v}'::bytea",
    "interval": "'{v} microseconds'::interval",
    "numeric": "{v}::numeric",
}


def compare(
    replica: Replica, warehouse: Warehouse, limits: Limits, source_table: SourceTable, name: str
) -> tuple[Finding, ...]:
    """Return in what `raw`'s table of this name differs from the replica's; the caller holds the
    table's lock.

    Where `raw` has the table's key, the pages of both are compared row by row; elsewhere, where the
    two servers would sort the key differently or there is none, as multisets of row digests.
    """
    pages = (_as_held(source_table.table, page) for page in _pages(replica, limits, source_table))
    place, found = Place(warehouse.raw_schema, name), Counter[tuple[str, str]]()
    with connect(warehouse) as connection:
        if not tables.has_structure(
            connection, place, raw_fields(source_table.table), raw_key(source_table.table)
        ):
            return (Finding(PLACE, "other structure", "", 1),)
        paged = raw_key(source_table.table) and not source_table.table.prefixed
        by = _compare_by_key if paged else _compare_multisets
        try:
            by(connection, place, source_table.table, pages, found)
        except (
            pa.ArrowInvalid
        ):  # a value that the replica's column cannot have, NaN in a decimal say
            return (Finding(PLACE, "changed", "", 1),)
    return tuple(
        Finding(PLACE, kind, column, count)
        for (kind, column), count in sorted(found.items())
        if count
    )


def _pages(replica: Replica, limits: Limits, source_table: SourceTable) -> Iterator[pa.Table]:
    table = source_table.table
    selection = Selection(replica, limits, source_table, raw.select(table), whole=table.columns)
    for page in paging.pages(selection):
        yield page.rows


def _as_held(table: Table, page: pa.Table) -> pa.Table:
    """Return the replica's page as `raw` is to hold it."""
    fields = raw_fields(table)
    clean, _ = holdable_texts(fields, page)
    schema = _schema(fields)
    return clean.rename_columns(schema.names).cast(schema)


def _schema(fields: Sequence[Field]) -> pa.Schema:
    """Return the Arrow types in which both sides are compared."""
    loaded = schema(fields)
    return pa.schema(
        [
            field.with_type(pa.large_binary()) if pa.types.is_large_string(field.type) else field
            for field in loaded
        ]
    )


def _compare_by_key(
    connection: Connection,
    place: Place,
    table: Table,
    pages: Iterable[pa.Table],
    found: Counter[tuple[str, str]],
) -> None:
    last: str | None = None
    for page in pages:
        if page.num_rows:
            until = _key_literal(table, page)
            _compare_rows(table, page, _read(connection, place, table, last, until), found)
            last = until
    behind = f"SELECT count(*) FROM {place}{_range(table, last, None)}"
    found["extra", ""] += connection.rows(f"verifying {table.name}", behind)[0][0]


def _key_literal(table: Table, page: pa.Table) -> str:
    """Write the key of a page's last row as SQL."""
    types = {field.name: field.type.partition("(")[0] for field in raw_fields(table)}
    values = []
    for name in raw_key(table):
        value = page.column(name)[-1]
        plain = value.as_py() if not pa.types.is_duration(value.type) else value.value
        text = plain.hex() if isinstance(plain, bytes) else str(plain)
        values.append(WRITTEN.get(types[name], "{v}").format(v=text))
    return f"({', '.join(values)})"


def _range(table: Table, last: str | None, until: str | None) -> str:
    key = f"({', '.join(map(quote, raw_key(table)))})"
    bounds = [f"{key} > {last}"] if last else []
    bounds += [f"{key} <= {until}"] if until else []
    return f" WHERE {' AND '.join(bounds)}" if bounds else ""


def _selected(fields: Sequence[Field]) -> str:
    return ", ".join(
        f"{READ.get(field.type.partition('(')[0], '{c}').format(c=quote(field.name))} AS"
        f" {quote(field.name)}"
        for field in fields
    )


def _read(
    connection: Connection, place: Place, table: Table, last: str | None, until: str
) -> pa.Table:
    fields = raw_fields(table)
    order = ", ".join(map(quote, raw_key(table)))
    query = f"SELECT {_selected(fields)} FROM {place}{_range(table, last, until)} ORDER BY {order}"
    return connection.arrow(f"verifying {table.name}", query).cast(_schema(fields))


def _compare_rows(
    table: Table, page: pa.Table, held: pa.Table, found: Counter[tuple[str, str]]
) -> None:
    key = raw_key(table)
    if not page.select(key).equals(held.select(key)):
        ours, theirs = _positions(page, key), _positions(held, key)
        found["missing", ""] += len(ours.keys() - theirs.keys())
        found["extra", ""] += len(theirs.keys() - ours.keys())
        common = [key_values for key_values in ours if key_values in theirs]
        page = page.take(pa.array([ours[key_values] for key_values in common], pa.int64()))
        held = held.take(pa.array([theirs[key_values] for key_values in common], pa.int64()))
    for name in page.column_names:
        if not page.column(name).equals(held.column(name)):
            found["changed", name] += _unequal(page.column(name), held.column(name))


def _positions(page: pa.Table, key: Sequence[str]) -> dict[tuple[object, ...], int]:
    values = [page.column(name).to_pylist() for name in key]
    return {row: position for position, row in enumerate(zip(*values, strict=True))}


def _unequal(ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> int:
    """Count the places in which two columns differ; NULL equals NULL only."""
    one_null = pc.xor(pc.is_null(ours), pc.is_null(theirs))
    other = pc.fill_null(pc.not_equal(ours, theirs), False)
    return int(pc.sum(pc.or_(one_null, other)).as_py() or 0)


def _compare_multisets(
    connection: Connection,
    place: Place,
    table: Table,
    pages: Iterable[pa.Table],
    found: Counter[tuple[str, str]],
) -> None:
    import polars as pl  # here, as it takes its time and few tables need it

    fields = raw_fields(table)
    query = f"SELECT {_selected(fields)} FROM {place}"
    held = (
        pa.Table.from_batches([batch]).cast(_schema(fields))
        for batch in connection.batches(f"verifying {table.name}", query)
    )
    ours, theirs = _digests(pages, len(fields)), _digests(held, len(fields))
    counts = [
        pl.DataFrame({"row": digests["row"]}).group_by("row").len(name=name)
        for digests, name in ((ours, "ours"), (theirs, "theirs"))
    ]
    both = counts[0].join(counts[1], on="row", how="full", coalesce=True).fill_null(0)
    surplus = both.select(
        pl.col("ours").cast(pl.Int64) - pl.col("theirs").cast(pl.Int64)
    ).to_series()
    missing, extra = int(surplus.clip(lower_bound=0).sum()), int(-surplus.clip(upper_bound=0).sum())
    changed = min(missing, extra)
    found["missing", ""] += missing - changed
    found["extra", ""] += extra - changed
    if changed:
        at_fault = [
            field.name
            for position, field in enumerate(fields)
            if missing == extra and _sum(ours[str(position)]) != _sum(theirs[str(position)])
        ]
        for name in at_fault or [""]:
            found["changed", name] += changed


def _sum(digests: pl.Series) -> int:
    return sum(int(digest) for digest in digests.to_list()) % hashing.HASHES


def _digests(pages: Iterable[pa.Table], width: int) -> dict[str, pl.Series]:
    """Return a 64-bit digest of each row, and of each column one digest for each page."""
    import polars as pl

    rows = [pl.Series([], dtype=pl.UInt64)]
    columns: list[list[int]] = [[] for _ in range(width)]
    for page in pages:
        total = pl.Series([0], dtype=pl.UInt64).new_from_index(0, page.num_rows)
        for position, values in enumerate(page.columns):
            digests = pl.Series(pl.from_arrow(_bytes(values))).hash(seed=position)
            columns[position].append(int(digests.cast(pl.Int128).sum()) % hashing.HASHES)
            total = pl.select(pl.lit(total) * 1_000_003 + pl.lit(digests)).to_series()
        rows.append(total)
    sums = {
        str(position): pl.Series(digests_of_pages, dtype=pl.UInt64)
        for position, digests_of_pages in enumerate(columns)
    }
    return {"row": pl.concat(rows), **sums}


def _bytes(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in a type that polars digests exactly."""
    if pa.types.is_decimal(values.type):
        return values.cast(pa.large_string())
    if pa.types.is_floating(values.type):
        return values.cast(pa.float64())
    if pa.types.is_duration(values.type) or pa.types.is_timestamp(values.type):
        return values.cast(pa.int64())
    return values

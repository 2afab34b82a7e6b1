"""Writing: LOAD DATA from memory."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from transfer.drivers.offered import NAME as OFFERED
from transfer.errors import TableError
from transfer.mysql.connection import Connection
from transfer.mysql.literals import quote
from transfer.rules.casts import cast_of
from transfer.values.table import Column


def encode(page: pa.Table) -> memoryview:
    """Write rows as the lines of LOAD DATA.

    They are raw bytes, separated by tabs. Only backslash, tab and newline are escaped. NULL is \\N.
    """
    if not page.num_rows:
        return memoryview(b"")
    tab, newline, nothing = (pa.scalar(text, pa.large_binary()) for text in (b"\t", b"\n", b""))
    *fields, last = (
        _field(page.column(position).combine_chunks()) for position in range(page.num_columns)
    )
    lines = pc.binary_join_element_wise(
        *fields, pc.binary_join_element_wise(last, nothing, newline), tab
    )
    offsets = memoryview(lines.buffers()[1]).cast("q")
    first, end = offsets[lines.offset], offsets[lines.offset + len(lines)]
    return memoryview(lines.buffers()[2])[first:end]


def _field(values: pa.Array) -> pa.Array:
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    plain = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if not pa.types.is_large_binary(values.type):
        values = values.cast(pa.large_string()).cast(pa.large_binary())
    field = values if plain else _escaped(values)
    return pc.fill_null(field, pa.scalar(b"\\N", pa.large_binary())) if field.null_count else field


def _escaped(values: pa.Array) -> pa.Array:
    data = values.buffers()[2]
    # A search of all bytes at once is much faster than one of each value.
    held = data.to_pybytes() if data else b""
    found = [(raw, escaped) for raw, escaped in ESCAPED if raw in held]
    del held
    for raw, escaped in found:
        values = pc.replace_substring(values, raw, escaped)
    return values


ESCAPED = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"))


def load_statement(target: str, columns: Sequence[Column]) -> str:
    """Return the LOAD DATA that stores raw bytes in each column's own character set."""
    places, sets = [], []
    for position, column in enumerate(columns):
        write = cast_of(column).write
        places.append(f"@v{position}" if write else quote(column.name))
        if write:
            sets.append(f"{quote(column.name)} = {write.format(v=f'@v{position}')}")
    return (
        f"LOAD DATA LOCAL INFILE '{OFFERED}' INTO TABLE {quote(target)} CHARACTER SET binary"
        " FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'"
        f" ({', '.join(places)})" + (f" SET {', '.join(sets)}" if sets else "")
    )


def load(connection: Connection, target: str, columns: Sequence[Column], rows: pa.Table) -> None:
    """Append rows to a table through LOAD DATA from memory.

    Raises:
        TableError: the server warned, skipped or lost a row. In LOAD DATA it turns every error
            into a warning.

    """
    with (
        connection.waiting(f"loading {target}"),
        connection.cursor() as cursor,
        connection.offering(encode(rows)),
    ):
        cursor.execute(load_statement(target, columns))
        stored, warnings, codes = cursor.rowcount, cursor.warning_count, set[int]()
        if warnings:
            cursor.execute("SHOW WARNINGS")
            codes = {int(row[1]) for row in cursor.fetchall()}
    expected = error_labels(columns, rows)
    if MIXED_ENGINES in codes:
        codes, warnings = codes - {MIXED_ENGINES}, warnings - 1
    if stored != rows.num_rows or warnings != expected or codes - {TRUNCATED}:
        named = f", warnings {', '.join(map(str, sorted(codes)))}" if codes else ""
        raise TableError(
            f"{connection.server.place}: LOAD DATA stored {stored} of {rows.num_rows} rows{named};"
            " nothing of it was kept."
        )


TRUNCATED = 1265
MIXED_ENGINES = 6414  # MySQL 9 deprecates MyISAM in a transaction with InnoDB


def error_labels(columns: Sequence[Column], page: pa.Table) -> int:
    """Count the ENUMs' error values in rows: each is stored as it is, with one warning."""
    enums = (
        page.column(position) for position, column in enumerate(columns) if column.kind == "enum"
    )
    return min(sum(pc.sum(pc.equal(values, 0)).as_py() or 0 for values in enums), MOST_WARNINGS)


MOST_WARNINGS = 65_535  # the protocol counts no further

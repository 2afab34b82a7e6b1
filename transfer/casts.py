"""The rules by which every MySQL type crosses: read for the replica, written there, read for `raw`, held in PostgreSQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from transfer.errors import TableError
from transfer.table import Column


@dataclass(frozen=True, slots=True)
class Cast:
    """One rule; `{c}` is the quoted column, `{v}` a user variable that holds the field of a LOAD DATA line.

    `orders` tells whether a key of this type can be paged on, and how its last value is written as a literal.
    """

    matches: str
    for_replica: str
    write: str
    for_raw: str
    warehouse: str
    literal: str | None


# FROM_DAYS(TO_DAYS()) gives another date for every zero, partial, invalid or year-0 date that PostgreSQL cannot hold.
POSSIBLE = "IF(DATE({c}) = FROM_DAYS(TO_DAYS({c})), {c}, NULL)"
MICROSECONDS = (
    "CAST(IF(LEFT(CAST({c} AS CHAR), 1) = '-', -1, 1)"
    " * (HOUR({c}) * 3600000000 + MINUTE({c}) * 60000000 + SECOND({c}) * 1000000 + MICROSECOND({c})) AS SIGNED)"
)
AS_CHAR = "CAST({c} AS CHAR)"
AS_BYTES = "CAST({c} AS BINARY)"
LABEL = "CAST({v} AS UNSIGNED)"
UTF8 = "CONVERT({v} USING utf8mb4)"

# First match wins, on COLUMN_TYPE. ConnectorX panics or rounds on what is cast here (dates, times, decimals, geometry);
# everything else it reads exactly.
CASTS = (
    Cast(r"tinyint\(?\d*\)?.* unsigned.*", "{c}", "", "{c}", "smallint", "number"),
    Cast(r"tinyint.*", "{c}", "", "{c}", "smallint", "number"),
    Cast(r"smallint.* unsigned.*", "{c}", "", "{c}", "integer", "number"),
    Cast(r"smallint.*", "{c}", "", "{c}", "smallint", "number"),
    Cast(r"mediumint.*", "{c}", "", "{c}", "integer", "number"),
    Cast(r"bigint.* unsigned.*", "{c}", "", "{c}", "numeric(20,0)", "number"),
    Cast(r"bigint.*", "{c}", "", "{c}", "bigint", "number"),
    Cast(r"int.* unsigned.*", "{c}", "", "{c}", "bigint", "number"),
    Cast(r"int.*", "{c}", "", "{c}", "integer", "number"),
    Cast(r"bit.*", "{c}", "", "CAST({c} AS UNSIGNED)", "numeric(20,0)", None),
    Cast(r"(decimal|numeric).*", AS_CHAR, "", AS_CHAR, "numeric({precision},{scale})", "text"),
    Cast(r"float.*", "{c}", "", "{c}", "real", None),
    Cast(r"double.*", "{c}", "", "{c}", "double precision", None),
    Cast(r"datetime.*", AS_CHAR, "", POSSIBLE, "timestamp", "text"),
    Cast(r"timestamp.*", AS_CHAR, "", POSSIBLE, "timestamptz", "text"),
    Cast(r"date.*", AS_CHAR, "", POSSIBLE, "date", "text"),
    Cast(r"time.*", AS_CHAR, "", MICROSECONDS, "interval", "text"),
    Cast(r"year.*", AS_CHAR, "", "{c}", "smallint", "text"),
    Cast(r"(char|varchar|tinytext|text|mediumtext|longtext).*", AS_BYTES, "", "{c}", "text", "bytes"),
    Cast(r"(binary|varbinary|tinyblob|blob|mediumblob|longblob).*", "{c}", "", "{c}", "bytea", "bytes"),
    Cast(r"(enum|set)\(.*", "{c}+0", LABEL, AS_CHAR, "text", None),
    Cast(r"json.*", AS_CHAR, UTF8, AS_CHAR, "text", None),
    Cast(r"(uuid|inet4|inet6).*", AS_CHAR, UTF8, AS_CHAR, "text", None),
    Cast(
        r"(geometry|point|linestring|polygon|multipoint|multilinestring|multipolygon|geometrycollection|geomcollection).*",
        AS_BYTES,
        "",
        AS_BYTES,
        "bytea",
        None,
    ),
)

# The Arrow type whose COPY BINARY bytes the PostgreSQL type reads: another type of equal width is written as garbage.
ARROW = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "interval": pa.duration("us"),
    "text": pa.large_string(),
    "bytea": pa.large_binary(),
}


def cast_of(column: Column) -> Cast:
    """Return the rule for a column.

    Raises:
        TableError: no rule knows the type.

    """
    for cast in CASTS:
        if re.fullmatch(cast.matches, column.type, re.IGNORECASE | re.DOTALL):
            return cast
    raise TableError(f"column {column.name} has the type {column.type}, which no rule in transfer/casts.py knows.")


def warehouse_type(column: Column) -> str:
    """Return the PostgreSQL type that holds the column's values."""
    return cast_of(column).warehouse.format(precision=column.precision, scale=column.scale)


def arrow_type(warehouse: str) -> pa.DataType:
    """Return the Arrow type to COPY into a PostgreSQL type that `warehouse_type` named."""
    numeric = re.fullmatch(r"numeric\((\d+),(\d+)\)", warehouse)
    if not numeric:
        return ARROW[warehouse]
    precision, scale = int(numeric[1]), int(numeric[2])
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


def pageable(columns: tuple[Column, ...]) -> bool:
    """Tell whether a key of these columns can be read in pages: every column's last value can be written as a literal."""
    return bool(columns) and all(cast_of(column).literal for column in columns)


def keeps_identity(columns: tuple[Column, ...]) -> bool:
    """Tell whether a key of these columns stays one in PostgreSQL: no date may become NULL, no text lose a character."""
    return bool(columns) and all(
        cast_of(column).literal and not warehouse_type(column).startswith(("date", "timestamp", "text"))
        for column in columns
    )

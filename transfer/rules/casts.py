"""The rules by which every MySQL type crosses: to the replica, to `raw`, and into a row's hash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from transfer.errors import TableError
from transfer.values.table import Column


@dataclass(frozen=True, slots=True)
class Cast:
    """How a type is read for the replica, written there, read for `raw` and held in the warehouse.

    `{c}` is the quoted column, `{v}` a user variable that holds the field of a LOAD DATA line.
    `literal` says how a key's last value is written, None if the type cannot be paged on.
    `hashed` are the texts that stand for a value in its row's hash, separated by commas. What may
    hold a comma has its length before it, or one fixed length. Source and replica may have
    different versions, so no text is one that two versions write differently.
    """

    matches: str
    for_replica: str
    write: str
    for_raw: str
    warehouse: str
    literal: str | None
    hashed: tuple[str, ...] = ("{c}",)


# FROM_DAYS(TO_DAYS()) gives another date for every zero, partial, invalid or year-0 date, none of
# which PostgreSQL can hold. MySQL, unlike MariaDB, gives those of year 0 back.
POSSIBLE = "IF(YEAR({c}) AND DATE({c}) = FROM_DAYS(TO_DAYS({c})), {c}, NULL)"
MICROSECONDS = (
    "CAST(IF(LEFT(CAST({c} AS CHAR), 1) = '-', -1, 1)"
    " * (HOUR({c}) * 3600000000 + MINUTE({c}) * 60000000"
    " + SECOND({c}) * 1000000 + MICROSECOND({c})) AS SIGNED)"
)
AS_CHAR = "CAST({c} AS CHAR)"
AS_BYTES = "CAST({c} AS BINARY)"
# {c}+0 would be signed, and on MySQL floating.
POSITION = "CAST({c} AS UNSIGNED)"
LABEL = "CAST({v} AS UNSIGNED)"
UTF8 = "CONVERT({v} USING utf8mb4)"
AS_NUMBER = ("{c}+0",)
# Of all that a server has, only a point shows a double's own bytes. As texts, MySQL 5.6, MySQL 9.7
# and MariaDB write -0, 2.2250738585072014e-308 and 1e-7 differently, and small ones with fewer
# digits.
AS_POINT = ("POINT({c}, 0)",)
AS_POINT_WITHOUT_SIGN_OF_ZERO = ("POINT({c} + 0e0, 0)",)
# Not as a text: these servers keep half of a surrogate pair, of which no driver makes a text.
AS_UTF8 = "CAST(CONVERT({c} USING utf8mb4) AS BINARY)"
MEASURED = ("LENGTH({c})", AS_BYTES)
DIGESTED = ("SHA2({c}, 256)",)  # CONCAT_WS of more than max_allowed_packet is NULL

# First match wins, on COLUMN_TYPE. ConnectorX panics or rounds on what is cast here (dates, times,
# decimals, geometry); everything else it reads exactly.
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
    Cast(r"bit.*", "{c}", "", "CAST({c} AS UNSIGNED)", "numeric(20,0)", None, AS_NUMBER),
    Cast(r"(decimal|numeric).*", AS_CHAR, "", AS_CHAR, "numeric({precision},{scale})", "decimal"),
    Cast(r"float.*", "{c}", "", "{c}", "real", None, AS_POINT),
    Cast(r"double.*", "{c}", "", "{c}", "double precision", None, AS_POINT),
    Cast(r"datetime.*", AS_CHAR, "", POSSIBLE, "timestamp", "text"),
    Cast(r"timestamp.*", AS_CHAR, "", POSSIBLE, "timestamptz", "text"),
    Cast(r"date.*", AS_CHAR, "", POSSIBLE, "date", "text"),
    Cast(r"time.*", AS_CHAR, "", MICROSECONDS, "interval", "text"),
    Cast(r"year.*", AS_CHAR, "", "{c}", "smallint", "text"),
    Cast(r"(char|varchar|tinytext|text)\b.*", AS_BYTES, "", AS_UTF8, "text", "bytes", MEASURED),
    Cast(r"(mediumtext|longtext).*", AS_BYTES, "", AS_UTF8, "text", "bytes", DIGESTED),
    Cast(r"(binary|varbinary|tinyblob|blob)\b.*", "{c}", "", "{c}", "bytea", "bytes", MEASURED),
    Cast(r"(mediumblob|longblob).*", "{c}", "", "{c}", "bytea", "bytes", DIGESTED),
    Cast(r"(enum|set)\(.*", POSITION, LABEL, AS_UTF8, "text", None, (POSITION, *MEASURED)),
    Cast(
        r"json.*",
        AS_CHAR,
        UTF8,
        f"CAST({AS_CHAR} AS BINARY)",
        "text",
        None,
        ("SHA2(CAST({c} AS CHAR), 256)",),
    ),
    Cast(r"(uuid|inet4|inet6).*", AS_CHAR, UTF8, AS_CHAR, "text", None, (AS_CHAR,)),
    # MySQL's own form of a vector is one that no driver reads.
    Cast(r"vector.*", AS_BYTES, "", AS_BYTES, "bytea", None, MEASURED),
    Cast(
        r"(geometry|point|linestring|polygon|multipoint|multilinestring|multipolygon"
        r"|geometrycollection|geomcollection).*",
        AS_BYTES,
        "",
        AS_BYTES,
        "bytea",
        None,
        ("SHA2(CAST({c} AS BINARY), 256)",),
    ),
)

# The Arrow type whose COPY BINARY bytes the PostgreSQL type reads: another type of equal width is
# written as garbage.
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
    cast = _first_match(column.type)
    if cast is None:
        raise TableError(
            f"column {column.name} has the type {column.type},"
            " which no rule in transfer/rules/casts.py knows."
        )
    return cast


@lru_cache(maxsize=4096)
def _first_match(column_type: str) -> Cast | None:
    kinds = re.IGNORECASE | re.DOTALL
    return next((cast for cast in CASTS if re.fullmatch(cast.matches, column_type, kinds)), None)


# Their bytes are UTF-8 as they are. Converting them would take the server longer than the rest of a
# row.
IN_UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8"})


def read_for_raw(column: Column, quoted: str) -> str:
    """Return the expression that reads a column as `raw` holds it."""
    rule = cast_of(column).for_raw
    return (AS_BYTES if rule == AS_UTF8 and column.charset in IN_UTF8 else rule).format(c=quoted)


def hashed(column: Column, quoted: str, *, signed_zeros: bool) -> tuple[str, ...]:
    """Return the texts that stand for a column's value in its row's hash.

    NULL is an N, with which no value begins.
    """
    rule = cast_of(column).hashed
    if rule is AS_POINT and not signed_zeros:
        rule = AS_POINT_WITHOUT_SIGN_OF_ZERO
    pieces = tuple(piece.format(c=quoted) for piece in rule)
    return tuple(f"IFNULL({piece}, 'N')" for piece in pieces) if column.nullable else pieces


def summed(column: Column, quoted: str) -> str | None:
    """Return what to sum for the exact sum of a column's values, None where there is no such sum.

    A DECIMAL's sum has 65 digits at most, 22 of them for carrying.
    """
    held = warehouse_type(column)
    if held not in ("smallint", "integer", "bigint") and not held.startswith("numeric"):
        return None
    if column.kind == "decimal":
        return quoted if (column.precision or 65) <= 43 else None
    return f"{quoted}+0"


WHOLLY_IN_UNICODE = frozenset("utf8mb4 utf8mb3 utf8 utf16 utf16le utf32 ucs2 latin1 ascii".split())


def unmapped(column: Column, quoted: str) -> str | None:
    """Return the condition for a text with a byte that is no character in its character set.

    It is read as `?` or U+FFFD.
    """
    if column.charset is None or column.charset in WHOLLY_IN_UNICODE:
        return None
    read = f"REPLACE(REPLACE(CONVERT({quoted} USING utf8mb4), '?', ''), _utf8mb4 x'EFBFBD', '')"
    return f"CHAR_LENGTH({read}) < CHAR_LENGTH(REPLACE({quoted}, '?', ''))"


# Half of a surrogate pair, as these servers write it in UTF-8.
HALF_A_PAIR = "HEX({c}) REGEXP '^(..)*ED[AB]'"


def alterations(column: Column, quoted: str) -> dict[str, str]:
    """Return, for each way in which `raw` may alter a value of a column, the condition for it."""
    held, read = warehouse_type(column), read_for_raw(column, quoted)
    if held in ("date", "timestamp", "timestamptz"):
        # In a date that is NOT NULL the server takes 0000-00-00 for NULL.
        present = f"{quoted} IS NOT NULL AND " if column.nullable else ""
        return {"impossible_dates": f"{present}({read}) IS NULL"}
    if held != "text" or column.charset is None:
        return {}
    lost = unmapped(column, quoted) or HALF_A_PAIR.format(c=read)
    return {"nul_characters": f"LOCATE(x'00', {read}) > 0", "unmapped_characters": lost}


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
    """Tell whether a key of these columns can be read in pages.

    For that every column's last value must be writable as a literal.
    """
    return bool(columns) and all(cast_of(column).literal for column in columns)


def numbered(columns: tuple[Column, ...]) -> bool:
    """Tell whether a key of these columns is made of whole numbers.

    All servers write and sort these alike.
    """
    return bool(columns) and all(cast_of(column).literal == "number" for column in columns)


def keeps_identity(columns: tuple[Column, ...]) -> bool:
    """Tell whether a key of these columns stays one in PostgreSQL.

    No date may become NULL, no text may lose a character, and its index takes at most 2,704 bytes
    of a row.
    """
    if sum(column.octets or 16 for column in columns) > LONGEST_KEY:
        return False
    return bool(columns) and all(
        cast_of(column).literal
        and not warehouse_type(column).startswith(("date", "timestamp", "text"))
        for column in columns
    )


LONGEST_KEY = 2_600

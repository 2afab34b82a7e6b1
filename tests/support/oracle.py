"""Compares source, replica, `raw` and `public`, read by plain clients, by rules of its own."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from deployments.databases import Databases
from deployments.servers import Servers

EMPTY = {date(1, 1, 1), date(1900, 1, 1), datetime(1, 1, 1), datetime(1900, 1, 1)}  # noqa: DTZ001 - as it is stored

GEOMETRIES = "geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection geomcollection".split()

# What SELECT turns each kind of column into so that the client gets its exact value; others are selected as they are.
EXACTLY = {
    "float": "{c} * 1e0",
    "double": "{c} * 1e0",  # one with a scale shows fewer digits than it has
    "bit": "CAST({c} AS UNSIGNED)",
    "date": "CAST({c} AS CHAR)",
    "datetime": "CAST({c} AS CHAR)",
    "timestamp": "CAST({c} AS CHAR)",
    "time": "CAST({c} AS CHAR)",
    **dict.fromkeys([*GEOMETRIES, "vector"], "CAST({c} AS BINARY)"),
    "json": "CAST({c} AS CHAR)",
    "enum": "CAST({c} AS CHAR)",
    "set": "CAST({c} AS CHAR)",
}
# What `raw` is to hold each kind in; unsigned integers take the next larger type.
HELD_IN = {
    "tinyint": "smallint",
    "smallint": "smallint",
    "mediumint": "integer",
    "int": "integer",
    "bigint": "bigint",
    "tinyint unsigned": "smallint",
    "smallint unsigned": "integer",
    "mediumint unsigned": "integer",
    "int unsigned": "bigint",
    "bigint unsigned": "numeric(20,0)",
    "bit": "numeric(20,0)",
    "float": "real",
    "double": "double precision",
    "date": "date",
    "datetime": "timestamp without time zone",
    "timestamp": "timestamp with time zone",
    "time": "interval",
    "year": "smallint",
    **dict.fromkeys("binary varbinary tinyblob blob mediumblob longblob vector".split(), "bytea"),
    **dict.fromkeys(GEOMETRIES, "bytea"),
}
EXACTLY_IN_POSTGRES = {
    "real": "{c}::double precision",
    "timestamp with time zone": "{c} AT TIME ZONE 'UTC'",
}

Columns = list[tuple[str, str]]  # names and kinds


@dataclass(frozen=True)
class Places:
    """An administrator's plain connections to the three databases."""

    source: Any
    replica: Any
    warehouse: Any


@contextmanager
def connected(servers: Servers, databases: Databases) -> Iterator[Places]:
    """Connect to the three databases; the source's session is in UTC and takes any date."""
    with (
        closing(servers.source.connect(databases.source.name)) as source,
        closing(servers.replica.connect(databases.replica.name)) as replica,
        closing(servers.postgres.connect(databases.warehouse.name)) as warehouse,
    ):
        ask(source, "SET time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'")
        yield Places(source, replica, warehouse)


def ask(connection: Any, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def my(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def pg(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def snake(name: str) -> str:
    """Return the name in PostgreSQL: PatNum → pat_num, SSN → ssn, Bal_0_30 → bal_0_30."""
    said = ""
    for position, letter in enumerate(name):
        before, behind = name[position - 1 : position], name[position + 1 : position + 2]
        after_word = before.islower() or before.isdigit()
        if letter.isupper() and (after_word or (before.isupper() and behind.islower())):
            said += "_"
        said += letter.lower() if letter.isalnum() else "_"
    return said


def mysql_columns(connection: Any, table: str) -> Columns:
    """Return the names and kinds of a table's columns."""
    return [
        (name, kind.lower())
        for name, kind in ask(
            connection,
            "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
            " AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
            table,
        )
    ]


def structure(connection: Any, table: str) -> str:
    """Return a table's definition without what may differ in the replica.

    That is the engine, the counter, and a character set that the collation names anyway: MySQL
    writes it only where somebody gave it.
    """
    text = ask(connection, f"SHOW CREATE TABLE {my(table)}")[0][1]
    return re.sub(
        r" (ENGINE|AUTO_INCREMENT|PAGE_CHECKSUM)=\w+| CHARACTER SET \w+(?= COLLATE )", "", text
    )


def alike(connections: Iterable[Any]) -> bool:
    """Tell whether the servers have one version, so that they describe a table in the same words."""
    return len({ask(connection, "SELECT VERSION()")[0][0] for connection in connections}) == 1


def structures(places: Places, table: str) -> tuple[Any, Any]:
    """Return the table's definitions at the source and in the replica, in words of both servers."""
    servers = (places.source, places.replica)
    source, replica = (
        structure(each, table) if alike(servers) else described(each, table) for each in servers
    )
    return source, replica


def described(connection: Any, table: str) -> tuple[Any, ...]:
    """Return a table's columns, keys, collation and comment, as servers of all versions tell them."""
    columns = ask(
        connection,
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLLATION_NAME, COLUMN_COMMENT"
        " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        table,
    )
    keys = ask(
        connection,
        "SELECT INDEX_NAME, SEQ_IN_INDEX, NON_UNIQUE, COLUMN_NAME, IF(INDEX_TYPE IN ('FULLTEXT', 'SPATIAL'), INDEX_TYPE, SUB_PART)"
        " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s ORDER BY 1, 2",
        table,
    )
    ((collation, remark),) = ask(
        connection,
        "SELECT TABLE_COLLATION, TABLE_COMMENT FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
        table,
    )
    quotes = (
        "MariaDB" in ask(connection, "SELECT VERSION()")[0][0]
    )  # a default's text, but no number
    told = [_column(*column, quotes=quotes) for column in columns]
    return told, _default_bytes(connection, table, columns), keys, newly(collation), remark


def _default_bytes(connection: Any, table: str, columns: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the defaults of binary columns.

    MySQL 5.6 shows question marks for bytes that are no text.
    """
    names = [
        name
        for name, kind, _, default, *_ in columns
        if OF_BYTES.match(kind) and default not in (None, "NULL")
    ]
    asked = ", ".join(f"HEX(DEFAULT({my(name)}))" for name in names)
    return (
        ask(connection, f"SELECT {asked} FROM (SELECT 1) AS one LEFT JOIN {my(table)} ON FALSE")
        if names
        else []
    )


OF_BYTES = re.compile(r"(var)?binary\(")


def _column(
    name: str,
    kind: str,
    nullable: str,
    default: str | None,
    extra: str,
    collation: str | None,
    remark: str,
    *,
    quotes: bool,
) -> tuple[Any, ...]:
    if OF_BYTES.match(kind):
        default = None  # `_default_bytes` has it
    if kind == "json":  # which MariaDB has as a text
        kind, collation = "longtext", "utf8mb4_bin"
    if quotes and default is not None:
        default = _unquoted(default)
    elif default and default.startswith("_utf8mb4\\'"):  # as MySQL writes a text in an expression
        default = _unquoted(default.removeprefix("_utf8mb4").replace("\\'", "'"))
    if default and re.fullmatch("0x[0-9A-F]+", default):  # as newer MySQLs write a binary one
        default = bytes.fromhex(default[2:]).decode("latin1")
    # Newer servers show no width of an integer, except where zeroes fill it, and write CURRENT_TIMESTAMP in small letters.
    width = (
        r"(?<=int)\(\d+\)|(?<=year)\(4\)|\s*/\*.*?\*/"
        if "zerofill" not in kind
        else r"\s*/\*.*?\*/"
    )
    found = [
        re.sub(r"\(\)|,|default_generated", "", each).strip()
        for each in ((default or "").lower(), extra.lower())
    ]
    said = found[0] if found[0].startswith("current_timestamp") else default
    return name, re.sub(width, "", kind), nullable, said, found[1], newly(collation), remark


def _unquoted(default: str) -> str | None:
    if default == "NULL":
        return None
    inner = re.fullmatch(r"'(.*)'", default, re.DOTALL)
    escaped = {"''": "'", "\\\\": "\\", "\\0": "\0", "\\n": "\n"}
    return (
        re.sub(r"''|\\.", lambda found: escaped.get(found[0], found[0]), inner[1])
        if inner
        else default
    )


def newly(collation: str | None) -> str | None:
    """Return a collation's name in newer servers."""
    return re.sub("^utf8_", "utf8mb3_", collation) if collation else collation


def counter(connection: Any, table: str) -> str:
    """Return a table's AUTO_INCREMENT, as its definition says."""
    found = re.search(
        r"\n\).* AUTO_INCREMENT=(\d+)", ask(connection, f"SHOW CREATE TABLE {my(table)}")[0][1]
    )
    return found[1] if found else ""


def held_in(connection: Any, table: str) -> list[str]:
    """Return the types that `raw` should have for a table's columns."""
    found = ask(
        connection,
        "SELECT DATA_TYPE, COLUMN_TYPE, NUMERIC_PRECISION, NUMERIC_SCALE FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        table,
    )
    return [
        _held_in(kind.lower(), column_type.lower(), *size) for kind, column_type, *size in found
    ]


def _held_in(kind: str, column_type: str, precision: int, scale: int) -> str:
    if kind == "decimal":
        return f"numeric({precision},{scale})"
    unsigned = " unsigned" if kind.endswith("int") and "unsigned" in column_type else ""
    return HELD_IN.get(kind + unsigned, "text")


def raw_types(connection: Any, table: str, columns: Sequence[str]) -> list[str]:
    """Return the types that a table's columns have in `raw`."""
    types = dict(
        ask(
            connection,
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            f"raw.{pg(table)}",
        )
    )
    return [types[name] for name in columns]


def raw_name(connection: Any, table: str) -> str:
    """Return a table's name in `raw`, as the warehouse's bookkeeping says."""
    return str(
        ask(connection, "SELECT raw_name FROM etl_transform_status WHERE table_name = %s", table)[
            0
        ][0]
    )


def raw_columns(places: Places, table: str) -> list[str]:
    """Return the names of a table's columns in `raw`, as the warehouse's bookkeeping says."""
    ((recorded,),) = ask(
        places.warehouse,
        "SELECT names_altered FROM etl_transform_status WHERE table_name = %s",
        table,
    )
    renamed = json.loads(recorded).get("raw", {})
    return [renamed.get(name, name) for name, _ in mysql_columns(places.source, table)]


def postgres_columns(connection: Any, schema: str, table: str) -> Columns:
    return ask(
        connection,
        "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        f"{pg(schema)}.{pg(table)}",
    )


def key(connection: Any, schema: str, table: str) -> list[str]:
    """Return a table's primary key in PostgreSQL."""
    found = ask(
        connection,
        "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
        " WHERE i.indisprimary AND i.indrelid = to_regclass(%s) ORDER BY array_position(i.indkey::int[], a.attnum::int)",
        f"{pg(schema)}.{pg(table)}",
    )
    return [row[0] for row in found]


# The bytes that stand for a value in a digest, where the value itself is not: no server writes them otherwise than another.
IN_BYTES = {
    "enum": "CONCAT(CAST({c} AS UNSIGNED), ':', HEX({c}))",
    "set": "CONCAT(CAST({c} AS UNSIGNED), ':', HEX({c}))",
    "json": "CAST({c} AS CHAR)",
}
FLOATING = ("float", "double")


def digests(
    connection: Any, table: str, columns: Columns | None = None
) -> Counter[tuple[Any, ...]]:
    """Return the digest of each row's bytes, which the server makes, and its floating numbers.

    The client reads those: servers of different versions write them with different digits.
    """
    columns = columns or mysql_columns(connection, table)
    values = [
        f"COALESCE(SHA2(CAST({IN_BYTES.get(kind, '{c}').format(c=my(name))} AS BINARY), 256), '-')"
        for name, kind in columns
        if kind not in FLOATING
    ]
    floats = "".join(f", {my(name)} * 1e0" for name, kind in columns if kind in FLOATING)
    ask(connection, "SET time_zone = '+00:00'")
    rows = ask(
        connection,
        f"SELECT SHA2(CONCAT_WS(':', '', {', '.join(values or ['0'])}), 256){floats} FROM {my(table)}",
    )
    return Counter(tuple(plain(value) for value in row) for row in rows)


def copied(places: Places, table: str, columns: Columns | None = None) -> bool:
    """Tell whether the replica has the source's rows, every byte of them.

    The columns, if given, are those of both.
    """
    rows = held_by(places.replica, digests(places.source, table, columns))
    return rows == digests(places.replica, table, columns)


MINUS_ZERO = ("minus", 0.0)  # as -0.0 equals 0.0


def held_by(replica: Any, rows: Counter[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    """Return the source's rows as the replica's server can hold them: some know no −0."""
    if not any(MINUS_ZERO in row for row in rows) or keeps_minus_zero(replica):
        return rows
    return Counter(
        tuple(0.0 if value == MINUS_ZERO else value for value in row) for row in rows.elements()
    )


def keeps_minus_zero(connection: Any) -> bool:
    ask(connection, "CREATE TEMPORARY TABLE minus_zero (a double)")
    ask(connection, "INSERT INTO minus_zero VALUES (-0e0)")
    ((held,),) = ask(connection, "SELECT a * 1e0 FROM minus_zero")
    ask(connection, "DROP TEMPORARY TABLE minus_zero")
    return bool(plain(held) == MINUS_ZERO)


def day(text: str | None) -> date | None:
    """Return a date if the calendar has it."""
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        return None


def moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text is not None else None
    except ValueError:
        return None


def span(text: str | None) -> timedelta | None:
    if text is None:
        return None
    hours, minutes, seconds = text.lstrip("-").split(":")
    whole = timedelta(hours=int(hours), minutes=int(minutes)) + timedelta(
        microseconds=round(float(seconds) * 1_000_000)
    )
    return -whole if text.startswith("-") else whole


PARSED = {"date": day, "datetime": moment, "timestamp": moment, "time": span}


def plain(value: Any) -> Any:
    """Return a value as Python compares it, whichever driver it came from.

    U+0000 is left out: PostgreSQL cannot hold it.
    """
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    if isinstance(value, float) and value == 0 and math.copysign(1, value) < 0:
        return MINUS_ZERO
    return value.replace("\x00", "") if isinstance(value, str) else value


def mysql_rows(
    connection: Any, table: str, columns: Columns | None = None
) -> Counter[tuple[Any, ...]]:
    """Return a table's rows as `raw` should hold them."""
    columns = columns or mysql_columns(connection, table)
    selected = ", ".join(EXACTLY.get(kind, "{c}").format(c=my(name)) for name, kind in columns)
    parsers = [PARSED.get(kind, plain) for _, kind in columns]
    ask(connection, "SET time_zone = '+00:00'")
    rows = ask(connection, f"SELECT {selected} FROM {my(table)}")
    return Counter(
        tuple(parse(value) for parse, value in zip(parsers, row, strict=True)) for row in rows
    )


def postgres_rows(
    connection: Any,
    schema: str,
    table: str,
    names: Sequence[str] = (),
    columns: Columns | None = None,
) -> Counter[tuple[Any, ...]]:
    """Return a table's rows with the columns in this order, also one that was added later."""
    kinds = dict(columns or postgres_columns(connection, schema, table))
    selected = ", ".join(
        EXACTLY_IN_POSTGRES.get(kinds[name], "{c}").format(c=pg(name)) for name in names or kinds
    )
    rows = ask(connection, f"SELECT {selected} FROM {pg(schema)}.{pg(table)}")
    return Counter(tuple(plain(value) for value in row) for row in rows)


def standard(rows: Counter[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    """Return rows of `raw` as `public` should hold them."""
    return Counter(tuple(_standard(value) for value in row) for row in rows.elements())


def _standard(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip(" \t\n\r\f\v\u00a0")
    return None if isinstance(value, date) and value in EMPTY else value


def lost(places: Places, table: str) -> dict[str, dict[str, int]]:
    """Count, for each column, what cannot be held.

    That is dates that no calendar has, texts with U+0000, and −0 in some replicas.
    """
    columns = mysql_columns(places.source, table)
    selected = ", ".join(EXACTLY.get(kind, "{c}").format(c=my(name)) for name, kind in columns)
    found: dict[str, Counter[str]] = {}
    ask(places.source, "SET time_zone = '+00:00'")
    for row in ask(places.source, f"SELECT {selected} FROM {my(table)}"):
        for (name, kind), value in zip(columns, row, strict=True):
            if (
                kind in ("date", "datetime", "timestamp")
                and value is not None
                and moment(value) is None
            ):
                found.setdefault(name, Counter())["impossible_dates"] += 1
            if isinstance(value, str) and "\x00" in value:
                found.setdefault(name, Counter())["nul_characters"] += 1
            if plain(value) == MINUS_ZERO and not keeps_minus_zero(places.replica):
                found.setdefault(name, Counter())["negative_zeros"] += 1
    return {name: dict(kinds) for name, kinds in found.items()}


def counted(connection: Any, table: str) -> dict[str, dict[str, int]]:
    """Return what the warehouse's bookkeeping says was lost from a table."""
    ((recorded,),) = ask(
        connection, "SELECT values_altered FROM etl_transform_status WHERE table_name = %s", table
    )
    return dict(json.loads(recorded))


def inexact(places: Places, table: str) -> str:
    """Say what is not exact in a table's copies in the replica and `raw`; empty if all is."""
    if not copied(places, table):
        return "the replica's rows differ from the source's"
    name, columns = raw_name(places.warehouse, table), raw_columns(places, table)
    wanted, has = held_in(places.source, table), raw_types(places.warehouse, name, columns)
    if wanted != has:
        return f"raw's types are {has}, not {wanted}"
    rows = held_by(places.replica, mysql_rows(places.source, table))
    found = postgres_rows(places.warehouse, "raw", name, columns)
    if rows != found:
        return f"raw lacks {list(rows - found)[:5]} and has {list(found - rows)[:5]} in their place"
    return ""


def unequal(places: Places, names: Iterable[str]) -> dict[str, str]:
    """Return which of these tables are not the same everywhere, and where they differ."""
    found = {}
    for table in names:
        wrong = _wrong(places, table)
        if wrong:
            found[table] = wrong
    return found


def _wrong(places: Places, table: str) -> str:
    defined = mysql_columns(places.source, table)
    if defined != mysql_columns(places.replica, table):
        return "columns of the replica"
    if not copied(places, table, defined):
        return "rows of the replica"
    rows = held_by(places.replica, mysql_rows(places.source, table, defined))
    names = [name for name, _ in defined]
    for schema, wanted, columns in (
        ("raw", rows, names),
        ("public", standard(rows), [snake(name) for name in names]),
    ):
        found = postgres_columns(places.warehouse, schema, table)
        held = [name for name, _ in found]
        if len(held) != len(columns) or not all(_held(name, held) for name in columns):
            return f"columns of {schema}"
        ordered = [_held(name, held) for name in columns]
        if postgres_rows(places.warehouse, schema, table, ordered, found) != wanted:
            return f"rows of {schema}"
    return ""


def _held(name: str, held: Sequence[str]) -> str:
    """Return the column that holds what had this name.

    PostgreSQL's names have 63 bytes; longer ones end in a digest.
    """
    if len(name.encode()) <= 63:
        return name if name in held else ""
    return next((each for each in held if each[:50] == name[:50]), "")

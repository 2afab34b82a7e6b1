"""The 408 tables of OpenDental 24.3 as values, and their CREATE TABLE statements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

UCA = "utf8mb3_uca1400_ai_ci"
GENERAL = "utf8mb3_general_ci"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `references` is a key's table, `choices` an enumeration's documented values."""

    name: str
    type: str
    nullable: bool
    default: str
    extra: str
    references: str
    choices: tuple[int, ...]

    @property
    def base_type(self) -> str:
        return re.split(r"[( ]", self.type)[0]

    @property
    def length(self) -> int:
        found = re.search(r"\((\d+)\)", self.type)
        return int(found[1]) if found else 0

    @property
    def is_stamp(self) -> bool:
        return self.extra == "stamp"


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with the `rows` and `megabytes` of a real clinic.

    `inferred` ones are not documented and follow the conventions of those that are.
    """

    name: str
    rows: int
    megabytes: float
    inferred: bool
    collation: str
    columns: tuple[Column, ...]
    primary_key: str
    keys: tuple[tuple[str, str], ...]

    @property
    def column(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}

    @property
    def stamp(self) -> str | None:
        return next((column.name for column in self.columns if column.is_stamp), None)


@cache
def tables() -> Mapping[str, Table]:
    """Return all tables by name, as schema.tsv lists them."""
    text = files(__package__).joinpath("schema.tsv").read_text(encoding="utf-8")
    blocks = ("\n" + text).split("\n=\t")[1:]
    return {table.name: table for table in map(_table, blocks)}


def _table(block: str) -> Table:
    head, *lines = [line.split("\t") for line in block.strip("\n").split("\n")]
    name, rows, megabytes, origin, collation = head
    keys = tuple((line[1], line[2]) for line in lines if line[0] == "key")
    primary = next(line[1] for line in lines if line[0] == "pk")
    columns = tuple(_column(line) for line in lines if line[0] not in ("key", "pk"))
    return Table(
        name,
        int(rows),
        float(megabytes),
        origin == "inferred",
        UCA if collation == "uca1400" else GENERAL,
        columns,
        primary,
        keys,
    )


def _column(fields: list[str]) -> Column:
    name, kind, null, default, extra, references, choices = fields + [""] * (7 - len(fields))
    values = tuple(int(choice) for choice in choices.split(",") if choice)
    return Column(name, kind, null == "null", default, extra, references, values)


def create_statement(table: Table, uca_known: bool = True) -> str:
    """Return CREATE TABLE; a server without the UCA 14 collation gets the general one."""
    collation = table.collation if uca_known else GENERAL
    lines = [_column_line(column) for column in table.columns]
    lines.append(f"PRIMARY KEY ({_quoted_parts(table.primary_key)})")
    lines += [f"KEY `{name}` ({_quoted_parts(parts)})" for name, parts in table.keys]
    body = ",\n  ".join(lines)
    options = f"ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE={collation}"
    return f"CREATE TABLE `{table.name}` (\n  {body}\n) {options}"


def _column_line(column: Column) -> str:
    words = [f"`{column.name}`", column.type]
    if column.extra == "bin":
        words.append("CHARACTER SET utf8mb3 COLLATE utf8mb3_bin")
    if not column.nullable:
        words.append("NOT NULL")
    elif not column.default:
        words.append("DEFAULT NULL")
    if column.default:
        words.append(f"DEFAULT {column.default}")
    if column.is_stamp:
        words.append("ON UPDATE current_timestamp()")
    if column.extra == "auto":
        words.append("AUTO_INCREMENT")
    return " ".join(words)


def _quoted_parts(parts: str) -> str:
    return ",".join(re.sub(r"^\w+", lambda name: f"`{name[0]}`", part) for part in parts.split(","))

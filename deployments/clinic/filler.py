"""Rows for all other tables, by the type of their columns and the conventions of their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from deployments.clinic import definitions, words
from deployments.clinic.load import BLANK_DATE, BLANK_TIME, Loader
from deployments.clinic.people import text
from deployments.clinic.practice import HISTORY_DAYS, Practice
from deployments.clinic.rules import RULES, Filling
from deployments.clinic.schema import Column, Table, tables

_CHUNK = 400_000
_WIDE_ROW_BYTES = 5_000
_REPORTED_ROWS = 100_000
_BEYOND_DOUBLES = 9_007_199_254_740_993
_AMOUNTS = (0.0, 0.0, 0.0, 1.5, 25.0, 99.99, -1.0, 0.1, 1234.56, 252252.0, 0.1 + 0.2, 1e-7)
# Keys that are never 0 where the other table has rows.
_ALWAYS_LINKED = frozenset(
    ["PatNum", "SheetNum", "ClaimNum", "PerioExamNum", "StatementNum", "ScheduleNum"]
)
_EMPTIED = frozenset(["famaging"])
# Lists that rules read although no foreign key points to them.
_FIRST = ("codegroup", "covcat", "deposit", "labturnaround", "program", "rxdef")
# Tables that the simulation writes itself.
_WRITTEN = frozenset(
    "patient patientnote insplan inssub patplan benefit appointment histappointment procedurelog "
    "procnote claim claimproc claimpayment claimsnapshot insbluebook payment paysplit adjustment "
    "treatplan treatplanattach proctp recall schedule scheduleop definition preference provider "
    "employee clinic operatory userod usergroup usergroupattach procedurecode feesched fee "
    "carrier employer recalltype recalltrigger refattach payplan payplancharge payplanlink "
    "dashboardar claimtracking patientlink".split()
)


def fill_lists(loader: Loader, practice: Practice) -> None:
    """Fill the lists that patients' rows point to."""
    for table in ("referral", "claimform", *_FIRST):
        _fill_if_empty(loader, practice, table)


def fill_rest(loader: Loader, practice: Practice) -> None:
    """Fill every other table that has rows at the real clinic.

    A table comes after those that it points to.
    """
    for table in _in_order():
        _fill_if_empty(loader, practice, table)


def _fill_if_empty(loader: Loader, practice: Practice, table: str) -> None:
    if table not in _WRITTEN and table not in _EMPTIED and loader.count(table) == 0:
        fill(loader, practice, table, practice.rows(table))


def _in_order() -> list[str]:
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for column in tables()[name].columns:
            if column.references:
                visit(column.references)
        order.append(name)

    for name in sorted(tables()):
        visit(name)
    return order


def fill(loader: Loader, practice: Practice, table: str, rows: int) -> None:
    """Append that many rows, in chunks."""
    definition, row = tables()[table], pl.col("row")
    filling = Filling(practice, loader, row)
    wanted = [
        column
        for column in definition.columns
        if not column.is_stamp and column.name != definition.primary_key
    ]
    for done in range(0, rows, _CHUNK):
        first = loader.count(table) + 1
        frame = pl.select(row=pl.int_range(first, first + min(_CHUNK, rows - done), dtype=pl.Int64))
        known = RULES[table](filling) if table in RULES else {}
        columns = {
            column.name: known[column.name]
            if column.name in known
            else plausible(filling, definition, column)
            for column in wanted
        }
        loader.append(table, frame.select(row.alias(definition.primary_key), **columns))
    if rows >= _REPORTED_ROWS:
        loader.say(f"{table}: {rows:,} rows")


def plausible(filling: Filling, table: Table, column: Column) -> pl.Expr:
    """Return a value that the column might hold.

    That is an existing key, a documented choice, or a date in the practice's time.
    """
    stream = f"{table.name}.{column.name}"
    if column.references:
        return _reference(filling, column, stream)
    if column.choices:
        return filling.chance.pick(stream, column.choices, filling.row)
    usual = _MAKERS[column.base_type](filling, table, column, stream)
    if not column.nullable:
        return usual
    return (
        pl.when(filling.chance.chosen(f"{stream}.null", 60, filling.row))
        .then(None)
        .otherwise(usual)
    )


def _reference(filling: Filling, column: Column, stream: str) -> pl.Expr:
    if column.references == "definition" and column.name in definitions.DEFINITION_COLUMNS:
        numbers = definitions.numbers(definitions.DEFINITION_COLUMNS[column.name])
        return filling.chance.pick(stream, numbers, filling.row)
    known = filling.loader.count(column.references)
    if not known:
        return pl.lit(0, dtype=pl.Int64)
    key = filling.chance.below(stream, known, filling.row) + 1
    if column.name in _ALWAYS_LINKED:
        return key
    return pl.when(filling.chance.chosen(f"{stream}.none", 80, filling.row)).then(0).otherwise(key)


Maker = Callable[[Filling, Table, Column, str], pl.Expr]


def _flag(filling: Filling, _table: Table, _column: Column, stream: str) -> pl.Expr:
    return filling.chance.weighted(stream, {0: 7, 1: 3}, filling.row)


def _whole_number(filling: Filling, _table: Table, _column: Column, stream: str) -> pl.Expr:
    return filling.chance.pick(stream, [0, 0, 1, 2, 5, 10, 100, -16777216, -1], filling.row)


def _small_number(filling: Filling, table: Table, column: Column, stream: str) -> pl.Expr:
    if column.length == 1:
        return _flag(filling, table, column, stream)
    greatest = 65_535 if "unsigned" in column.type else 32_767
    return filling.chance.pick(stream, [*range(40), greatest], filling.row)


def _big_number(filling: Filling, _table: Table, column: Column, stream: str) -> pl.Expr:
    """Return keys of several tables, some as large as random primary keys; or spans in ticks.

    Anything else is 0: no link.
    """
    if column.name.startswith(("TS", "TimeSpan")):
        return filling.chance.pick(stream, [0, 864_000_000_000, 36_000_000_000], filling.row)
    if column.name.lower() not in ("fkey", "objectnum", "messagefk"):
        return pl.lit(0, dtype=pl.Int64)
    usual = filling.chance.below(stream, 1_000, filling.row) + 1
    return pl.when(filling.row == 2).then(pl.lit(_BEYOND_DOUBLES, dtype=pl.Int64)).otherwise(usual)


def _amount(filling: Filling, _table: Table, _column: Column, stream: str) -> pl.Expr:
    return filling.chance.pick(stream, _AMOUNTS, filling.row)


def _date(filling: Filling, _table: Table, _column: Column, stream: str) -> pl.Expr:
    days = filling.chance.below(stream, HISTORY_DAYS, filling.row) + 1
    day = (pl.lit(filling.practice.as_of) - pl.duration(days=days)).cast(pl.Date)
    return (
        pl.when(filling.chance.chosen(f"{stream}.blank", 250, filling.row))
        .then(BLANK_DATE)
        .otherwise(day)
    )


def _datetime(filling: Filling, _table: Table, _column: Column, stream: str) -> pl.Expr:
    seconds = filling.chance.below(stream, HISTORY_DAYS * 86_400, filling.row) + 3_600
    past = (pl.lit(filling.practice.now) - pl.duration(seconds=seconds)).cast(pl.Datetime("us"))
    blank = pl.lit(BLANK_TIME).cast(pl.Datetime("us"))
    return (
        pl.when(filling.chance.chosen(f"{stream}.blank", 200, filling.row))
        .then(blank)
        .otherwise(past)
    )


def _time(filling: Filling, _table: Table, _column: Column, stream: str) -> pl.Expr:
    return filling.chance.pick(
        stream, ["00:00:00", "08:00:00", "-01:30:00", "26:15:00", "17:00:30"], filling.row
    )


def _short_text(filling: Filling, _table: Table, column: Column, stream: str) -> pl.Expr:
    chance, row = filling.chance, filling.row
    if column.length <= 2:
        return chance.pick(stream, ["", "Y", "N", "0"], row)
    word = (chance.pick(stream, words.LAST_NAMES, row) + " " + row.cast(pl.String)).str.slice(
        0, column.length
    )
    ugly = [text for text in words.UGLY if len(text) <= column.length]
    return (
        pl.when(chance.chosen(f"{stream}.ugly", 20, row))
        .then(chance.pick(f"{stream}.which", ugly, row))
        .when(chance.chosen(f"{stream}.empty", 300, row))
        .then(pl.lit(""))
        .otherwise(word)
    )


def _long_text(filling: Filling, table: Table, _column: Column, stream: str) -> pl.Expr:
    """Return sentences; where rows are wide at the real clinic, texts as long as there."""
    chance, row = filling.chance, filling.row
    size = int(table.megabytes * 1_000_000 / table.rows) if table.rows else 0
    if size > _WIDE_ROW_BYTES:
        block = "".join(
            chr(65 + n * 7 % 26) + chr(97 + n * 11 % 26) + str(n % 10) for n in range(1_000)
        )
        times = chance.below(stream, size * 2 // len(block), row) + 1
        return pl.lit(block).repeat_by(times.cast(pl.UInt32)).list.join("")
    sentences = text(filling.practice, stream, words.SENTENCES, "row")
    return pl.when(chance.chosen(f"{stream}.empty", 350, row)).then(pl.lit("")).otherwise(sentences)


_MAKERS: Mapping[str, Maker] = {
    "tinyint": _flag,
    "smallint": _small_number,
    "int": _whole_number,
    "bigint": _big_number,
    "double": _amount,
    "float": _amount,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "varchar": _short_text,
    "char": _short_text,
    "text": _long_text,
    "mediumtext": _long_text,
    "longtext": _long_text,
}

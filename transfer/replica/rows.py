"""The replica's rows, read page by page or counted and summed by its server."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext

import pyarrow as pa

from transfer.mysql import hashing, paging, pool, ranges
from transfer.mysql.literals import quote
from transfer.mysql.page import Page, Selection, page_query
from transfer.rules.casts import alterations, summed, unmapped
from transfer.settings import Limits, Replica
from transfer.values.scope import EVERYTHING, Range, Scope
from transfer.values.table import AlteredValue, SourceTable, Table, Totals


def pages(selection: Selection, scope: Scope = EVERYTHING) -> Iterator[pa.Table]:
    """Read the rows of a scope in pages.

    The caller holds the table's lock, so that all pages are of one version.
    """
    for within in scope.ranges:
        for page in paging.pages(selection, within):
            yield page.rows
    for page in paging.rows_of(selection, scope.keys):
        yield page.rows


def list_rows(
    replica: Replica,
    limits: Limits,
    source_table: SourceTable,
    within: Range,
    since: datetime | None,
) -> Iterator[Page]:
    """Read the key and the hash of each row in a range in pages; `since` as in `row_hash`."""
    key = hashing.key_select(source_table.table)
    row_hash = hashing.row_hash(source_table.table, since)
    return paging.pages(Selection(replica, limits, source_table, key, row_hash), within)


def totals(replica: Replica, limits: Limits, table: Table, scope: Scope = EVERYTHING) -> Totals:
    """Count the rows of a scope and each column's values, and sum its numbers, by the server."""
    sums = [summed(column, quote(column.name)) for column in table.columns]
    select = _totals_select(table, sums)
    index = "" if scope.whole else " FORCE INDEX (PRIMARY)"
    statement = f"SELECT {select} FROM {quote(table.name)}{index}"
    with pool.connect(replica, limits) as connection:
        found = [
            connection.rows(f"counting {table.name}", f"{statement} WHERE {condition}")[0]
            for condition in ranges.conditions(table, scope)
        ]
    rows, *counted = (_sum(column) for column in zip(*found, strict=True))
    width = len(table.columns)
    return Totals(
        int(rows),
        tuple(map(int, counted[:width])),
        tuple(
            None if expression is None else total
            for expression, total in zip(sums, counted[width:], strict=False)
        ),
        tuple(map(int, counted[2 * width :])),
    )


ALTERED_AT_ONCE = 50_000


def altered(
    replica: Replica,
    limits: Limits,
    table: Table,
    kinds: Mapping[str, Collection[str]],
    scope: Scope = EVERYTHING,
) -> Iterator[list[AlteredValue]]:
    """Find the values of a scope that `raw` alters, looking for some kinds in each column.

    The table has a key of whole numbers.
    """
    columns = {column.name: column for column in table.columns}
    wanted = [
        (name, kind, alterations(columns[name], quote(name))[kind])
        for name, of_column in kinds.items()
        for kind in of_column
    ]
    if not wanted:
        return
    flags = ", ".join(f"({condition})" for _, _, condition in wanted)
    select = f"{hashing.key_select(table)}, {flags}"
    anywhere = " OR ".join(f"({condition})" for _, _, condition in wanted)
    with pool.connect(replica, limits) as connection:
        for within in ranges.conditions(table, scope):
            last = Range()
            while found := connection.rows(
                f"looking for altered values of {table.name}",
                page_query(
                    table, select, last, ALTERED_AT_ONCE, (f" AND {within} AND ({anywhere})", "")
                ),
            ):
                width = len(table.key)
                yield [
                    AlteredValue(tuple(map(int, row[:width])), name, kind)
                    for row in found
                    for (name, kind, _), holds in zip(wanted, row[width:], strict=True)
                    if holds
                ]
                if len(found) < ALTERED_AT_ONCE:
                    break
                last = Range(tuple(map(str, found[-1][:width])))


def _totals_select(table: Table, sums: Sequence[str | None]) -> str:
    """Return the select list of a table's rows, each column's values, sums and lost characters."""
    values = (
        f"COUNT({quote(column.name)})" if column.nullable else "COUNT(*)"
        for column in table.columns
    )
    lost = (unmapped(column, quote(column.name)) for column in table.columns)
    summands = (f"SUM({expression})" if expression else "NULL" for expression in (*sums, *lost))
    return ", ".join(("COUNT(*)", *values, *summands))


def _sum(values: Sequence[object]) -> Decimal:
    """Sum exactly: a DECIMAL's sum has up to 65 digits, more than Python's own context keeps."""
    with localcontext(prec=100):
        return sum((Decimal(str(value or 0)) for value in values), Decimal(0))

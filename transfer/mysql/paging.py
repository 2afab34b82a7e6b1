"""A table read in pages, as long as its server and our memory bear."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from transfer.mysql.hashing import key_select
from transfer.mysql.literals import literal, quote
from transfer.mysql.ranges import MOST_KEYS, among, within
from transfer.mysql.reading import read
from transfer.rules.casts import cast_of, pageable
from transfer.settings import Limits, MySQLServer
from transfer.values.scope import EVERYWHERE, Key, Range
from transfer.values.table import Column, Size, Table


def page_query(
    table: Table, select: str, span: Range, count: int, until: str = "", end: str = ""
) -> str:
    """Return the SELECT of a range's first `count` rows in the order of the primary key, or of fewer, `until` they are enough.

    The index is forced: for a page that is a good part of the table the server would rather sort the whole of it.
    """
    order = ", ".join(quote(name) for name in table.key)
    return (
        f"SELECT {select} FROM {quote(table.name)} FORCE INDEX (PRIMARY) WHERE {within(table, span)}{until}"
        f" ORDER BY {order} LIMIT {count}{end}"
    )


BYTES_SO_FAR = "CAST(@elt_bytes AS SIGNED)"
EXAMINED = 6  # MariaDB counts a row of a page three times


def enough(limits: Limits, columns: Sequence[Column], count: int) -> tuple[str, str]:
    """Return what ends a page on MariaDB once these columns have filled it, if they have, and the search for more rows then.

    MySQL, which has no such end of a search, reads the rows all the same.
    """
    lengths = " + ".join(f"IFNULL(LENGTH({quote(column.name)}), 0)" for column in columns)
    if not lengths:
        return "", ""
    adding = f"(@elt_bytes := @elt_bytes + {lengths}) IS NOT NULL"
    return (
        f" /*M! AND IF(@elt_bytes < {limits.page_bytes}, {adding}, 0) */",
        f" /*M! ROWS EXAMINED {EXAMINED * count + 1_000} */",
    )


# Of which LENGTH is what is read.
MEASURABLE = frozenset("char varchar tinytext text binary varbinary tinyblob blob".split())


def filling(limits: Limits, columns: Sequence[Column], size: Size) -> list[Column]:
    """Return the columns without whose bytes no page of a table can become too long, none where none can."""
    if size.exact and size.bytes <= 2 * limits.page_bytes:
        return []
    longest = sorted(
        (each for each in columns if each.kind in MEASURABLE), key=lambda each: each.octets or 0
    )
    rest = sum(each.octets or 0 for each in longest)
    found: list[Column] = []
    while longest and rest * limits.page_rows > limits.page_bytes:
        found.append(longest.pop())
        rest -= found[-1].octets or 0
    return found


def pages(
    server: MySQLServer,
    limits: Limits,
    table: Table,
    select: str,
    span: Range = EVERYWHERE,
    *,
    size: Size,
    columns: Sequence[Column] = (),
) -> Iterator[tuple[pa.Table, list[str]]]:
    """Read a range of a table in pages of its primary key, each with the literals of its last key.

    Without a usable key the table is one page.

    Pages grow and shrink with the bytes of the page before, and at the source with its time, so that no statement holds a
    MyISAM table for long, and never have more rows than fit into memory if all of them were as long as they may be. MariaDB
    ends a page that the texts of the `columns` that are read have filled.
    """
    doing = f"reading {table.name}"
    if table.prefixed or not pageable(
        table.key_columns
    ):  # the order of beginnings is not the whole key's
        yield read(server, limits, doing, f"SELECT {select} FROM {quote(table.name)}"), []
        return
    filled = filling(limits, columns, size)
    carried = ", ".join((select, key_select(table), *([BYTES_SO_FAR] if filled else [])))
    most = min(limits.page_rows, most_rows(limits, table.columns, size))
    count = min(most, FIRST_PAGE_ROWS, max(1, limits.page_bytes // max(size.row_bytes, 1)))
    huge = [column for column in table.columns if (column.octets or 0) > LONG]
    measured = huge and not (size.exact and size.bytes <= limits.page_bytes)
    quickest = math.inf
    while True:
        if measured:
            lengths = read(
                server, limits, doing, page_query(table, sum_of_lengths(huge), span, count)
            )
            count = fitting(limits, lengths.column(0))
        started = time.monotonic()
        query = page_query(table, carried, span, count, *enough(limits, filled, count))
        page = read(server, limits, doing, query)
        seconds = time.monotonic() - started
        quickest = min(quickest, seconds)
        if page.num_rows:
            width = page.num_columns - len(table.key) - bool(filled)
            last = [
                literal(column, page.column(width + position)[-1].as_py())
                for position, column in enumerate(table.key_columns)
            ]
            span = Range(tuple(last), span.until)
            yield page.select(range(width)), last
        if page.num_rows < count and not (filled and _is_full(limits, page)):
            return
        felt = seconds - quickest if server.place == "source" else 0.0
        count = min(most, next_count(limits, page.num_rows, page.nbytes, felt))


def _is_full(limits: Limits, page: pa.Table) -> bool:
    return (
        bool(page.num_rows) and page.column(page.num_columns - 1)[-1].as_py() >= limits.page_bytes
    )


def rows_of(
    server: MySQLServer,
    limits: Limits,
    table: Table,
    select: str,
    keys: Sequence[Key],
    *,
    size: Size,
) -> Iterator[pa.Table]:
    """Read the rows with these keys in pages, which are as large as those of ranges but have fewer rows."""
    huge = [column for column in table.columns if (column.octets or 0) > LONG]
    most = min(MOST_KEYS, limits.page_rows, most_rows(limits, table.columns, size))
    count = max(1, min(most, FIRST_KEYS, limits.page_bytes // max(size.row_bytes, 1)))
    position = 0
    while position < len(keys):
        some = keys[position : position + count]
        if (
            huge
            and len(some) > 1
            and _bytes_of(server, limits, table, huge, some) > limits.page_bytes
        ):
            count = len(some) // 2
            continue
        started = time.monotonic()
        page = read(server, limits, f"reading {table.name}", keyed_query(table, select, some))
        seconds = time.monotonic() - started
        yield page
        position += len(some)
        by_bytes = count * limits.page_bytes // max(page.nbytes, 1)
        by_seconds = max(FEWEST_KEYS, int(count * PAGE_SECONDS / max(seconds, 1e-4)))
        count = max(1, min(most, 2 * count, by_bytes, by_seconds))


def _bytes_of(
    server: MySQLServer, limits: Limits, table: Table, huge: Sequence[Column], keys: Sequence[Key]
) -> int:
    lengths = read(
        server, limits, f"reading {table.name}", keyed_query(table, sum_of_lengths(huge), keys)
    )
    return int(pc.sum(lengths.column(0)).as_py() or 0)


def keyed_query(table: Table, select: str, keys: Sequence[Key]) -> str:
    """Return the SELECT of the rows with these keys."""
    return (
        f"SELECT {select} FROM {quote(table.name)} FORCE INDEX (PRIMARY) WHERE {among(table, keys)}"
    )


FIRST_KEYS = 100
FEWEST_KEYS = 50
FIRST_PAGE_ROWS = 2_000
SLOW_PAGE_ROWS = 1_000
PAGE_SECONDS = 0.05
LONG = 2**16  # TEXT and BLOB end here; what is longer is measured before it is read
WORST_PAGES = 16


def most_rows(limits: Limits, columns: Sequence[Column], size: Size) -> int:
    """Return how many rows a page may have so that it never exceeds `page_bytes` 16 times, the columns that are measured apart."""
    if size.exact and size.bytes <= WORST_PAGES * limits.page_bytes:
        return limits.page_rows
    longest = sum(
        column.octets or column.precision or 8 for column in columns if (column.octets or 0) <= LONG
    )
    return max(1, WORST_PAGES * limits.page_bytes // max(longest, 1))


def sum_of_lengths(columns: Sequence[Column]) -> str:
    """Return the expression for the bytes of a row's long columns."""
    lengths = " + ".join(
        f"IFNULL(LENGTH({cast_of(column).for_replica.format(c=quote(column.name))}), 0)"
        for column in columns
    )
    return f"CAST({lengths} AS SIGNED)"


def fitting(limits: Limits, lengths: pa.ChunkedArray) -> int:
    """Return how many rows, of these lengths, make a page; the first is one in any case."""
    within = pc.less_equal(pc.cumulative_sum(lengths), limits.page_bytes)
    return max(1, pc.sum(within).as_py() or 0)


def next_count(limits: Limits, count: int, size: int, seconds: float) -> int:
    """Return how many rows the next page may have, from the bytes of this one and the seconds it took beyond the quickest.

    What every page takes, however short, is the way to the server: shorter pages would only go it more often. For the
    same reason slowness makes no page shorter than 1,000 rows; bytes may.
    """
    by_bytes = int(count * limits.page_bytes / max(size, 1))
    by_seconds = max(SLOW_PAGE_ROWS, int(count * PAGE_SECONDS / max(seconds, 1e-4)))
    return max(1, min(limits.page_rows, count * 2, by_bytes, by_seconds))

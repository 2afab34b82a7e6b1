"""How many rows a page may have, from what is known of their bytes and their time."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from transfer.mysql.literals import quote
from transfer.rules.casts import cast_of
from transfer.settings import Limits
from transfer.values.table import Column, Size

FIRST_PAGE_ROWS = 2_000
SLOW_PAGE_ROWS = 1_000
PAGE_SECONDS = 0.05
LONG = 2**16  # TEXT and BLOB end here; what is longer is measured before it is read
WORST_PAGES = 16
EXAMINED = 6  # MariaDB counts a row of a page three times
BYTES_SO_FAR = "CAST(@elt_bytes AS SIGNED)"

# The types whose LENGTH is the number of bytes that are read.
MEASURABLE = frozenset("char varchar tinytext text binary varbinary tinyblob blob".split())


def first_count(limits: Limits, size: Size) -> int:
    """Return how many rows the first page may have."""
    return min(FIRST_PAGE_ROWS, max(1, limits.page_bytes // max(size.row_bytes, 1)))


def next_count(
    limits: Limits, count: int, size: int, seconds: float, most_seconds: float = PAGE_SECONDS
) -> int:
    """Return how many rows the next page may have, from the `count` rows and `size` bytes of this.

    `seconds` are those it took beyond the quickest page, as every page, however short, takes the
    way to the server: shorter pages would only take it more often. For the same reason slowness
    makes no page shorter than 1,000 rows. Bytes may.
    """
    by_bytes = int(count * limits.page_bytes / max(size, 1))
    by_seconds = max(SLOW_PAGE_ROWS, count * most_seconds / max(seconds, 1e-4))
    return int(max(1, min(limits.page_rows, count * 2, by_bytes, by_seconds)))


def most_rows(limits: Limits, columns: Sequence[Column], size: Size) -> int:
    """Return how many rows a page may have so that it never exceeds `page_bytes` 16 times.

    Long columns do not count, as they are measured before they are read.
    """
    if size.exact and size.bytes <= WORST_PAGES * limits.page_bytes:
        return limits.page_rows
    longest = sum(
        column.octets or column.precision or 8 for column in columns if (column.octets or 0) <= LONG
    )
    return min(limits.page_rows, max(1, WORST_PAGES * limits.page_bytes // max(longest, 1)))


def long_columns(columns: Sequence[Column]) -> list[Column]:
    """Return the columns with values so long that they are measured before they are read."""
    return [column for column in columns if (column.octets or 0) > LONG]


def counted_columns(limits: Limits, columns: Sequence[Column], size: Size) -> list[Column]:
    """Return the columns whose bytes are counted while a page is read, as few as are enough.

    The others cannot make a page of the table too long. There are none if no column can.
    """
    if size.exact and size.bytes <= 2 * limits.page_bytes:
        return []
    longest = sorted(
        (column for column in columns if column.kind in MEASURABLE),
        key=lambda column: column.octets or 0,
    )
    rest = sum(column.octets or 0 for column in longest)
    found: list[Column] = []
    while longest and rest * limits.page_rows > limits.page_bytes:
        found.append(longest.pop())
        rest -= found[-1].octets or 0
    return found


def page_limit(limits: Limits, columns: Sequence[Column], count: int) -> tuple[str, str]:
    """Return the condition that ends a page of MariaDB once these columns have filled it.

    The second text ends the search for more rows then. Both are empty without columns. MySQL,
    which cannot end a search so, reads all `count` rows.
    """
    lengths = " + ".join(f"IFNULL(LENGTH({quote(column.name)}), 0)" for column in columns)
    if not lengths:
        return "", ""
    adding = f"(@elt_bytes := @elt_bytes + {lengths}) IS NOT NULL"
    return (
        f" /*M! AND IF(@elt_bytes < {limits.page_bytes}, {adding}, 0) */",
        f" /*M! ROWS EXAMINED {EXAMINED * count + 1_000} */",
    )


def sum_of_lengths(columns: Sequence[Column]) -> str:
    """Return the expression for the bytes of a row's long columns."""
    lengths = " + ".join(
        f"IFNULL(LENGTH({cast_of(column).for_replica.format(c=quote(column.name))}), 0)"
        for column in columns
    )
    return f"CAST({lengths} AS SIGNED)"


def fitting_count(limits: Limits, lengths: pa.ChunkedArray) -> int:
    """Return how many rows of these lengths, in bytes, make a page; at least one."""
    within = pc.less_equal(pc.cumulative_sum(lengths), limits.page_bytes)
    return max(1, pc.sum(within).as_py() or 0)

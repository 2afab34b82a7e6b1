"""Reads a table in pages that neither its server nor our memory finds too large."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from transfer.mysql import page_size
from transfer.mysql.page import Page, Selection, keyed_query, page_query
from transfer.mysql.ranges import MOST_KEYS
from transfer.mysql.reading import read
from transfer.settings import Limits
from transfer.values.scope import EVERYWHERE, Key, Range
from transfer.values.table import Column

FIRST_KEYS = 100
FEWEST_KEYS = 50


def pages(selection: Selection, span: Range = EVERYWHERE) -> Iterator[Page]:
    """Read a range of a table in pages of its primary key; without a usable key it is one page.

    Pages grow and shrink with the bytes of the page before, and at a gentle pace with its time, so
    that no statement holds a MyISAM table for long. They never have more rows than fit into memory
    if all of them were as long as they may be. MariaDB ends a page whose texts have filled it.

    Raises:
        DatabaseFault: the server refuses a query, or gives no answer.

    """
    if not selection.ordered:
        yield selection.page(_read(selection, selection.query()))
        return
    limits, size = selection.limits, selection.source_table.size
    counted = page_size.counted_columns(limits, selection.whole, size)
    measured = _measured_columns(selection)
    most = page_size.most_rows(limits, selection.table.columns, size)
    count = min(most, page_size.first_count(limits, size))
    quickest = math.inf
    while True:
        if measured:
            count = _fitting_count(selection, measured, span, count)
        started = time.monotonic()
        limit = page_size.page_limit(limits, counted, count)
        found = _read(selection, selection.page_query(span, count, limit))
        seconds = time.monotonic() - started
        quickest = min(quickest, seconds)
        if found.num_rows:
            page = selection.page_with_key(found, counted=bool(counted))
            span = Range(page.last_key, span.until)
            yield page
        if found.num_rows < count and not (counted and _is_full(limits, found)):
            return
        next_count = page_size.next_count(
            limits, found.num_rows, found.nbytes, seconds - quickest, selection.pace.page_seconds
        )
        count = min(most, next_count)


def _read(selection: Selection, query: str) -> pa.Table:
    doing = f"reading {selection.table.name}"
    return read(selection.server, selection.limits, doing, query)


def _measured_columns(selection: Selection) -> list[Column]:
    """Return the columns that are measured before a page is read, none of a small table."""
    limits, size = selection.limits, selection.source_table.size
    small = size.exact and size.bytes <= limits.page_bytes
    return [] if small else page_size.long_columns(selection.table.columns)


def _fitting_count(
    selection: Selection, measured: Sequence[Column], span: Range, count: int
) -> int:
    """Return how many of a range's first `count` rows make a page."""
    lengths = page_size.sum_of_lengths(measured)
    found = _read(selection, page_query(selection.table, lengths, span, count))
    return page_size.fitting_count(selection.limits, found.column(0))


def _is_full(limits: Limits, found: pa.Table) -> bool:
    """Tell whether the counted bytes, which come last, ended a page."""
    last = found.column(found.num_columns - 1)
    return bool(found.num_rows) and last[-1].as_py() >= limits.page_bytes


def rows_of(selection: Selection, keys: Sequence[Key]) -> Iterator[Page]:
    """Read the rows with these keys, in pages of as many bytes as those of ranges, but fewer rows.

    Raises:
        DatabaseFault: the server refuses a query, or gives no answer.

    """
    limits, size = selection.limits, selection.source_table.size
    measured = page_size.long_columns(selection.table.columns)
    most = min(MOST_KEYS, page_size.most_rows(limits, selection.table.columns, size))
    count = max(1, min(most, FIRST_KEYS, limits.page_bytes // max(size.row_bytes, 1)))
    position = 0
    while position < len(keys):
        some = keys[position : position + count]
        if measured and len(some) > 1 and _bytes_of(selection, measured, some) > limits.page_bytes:
            count = len(some) // 2
            continue
        started = time.monotonic()
        found = _read(selection, selection.keyed_query(some))
        seconds = time.monotonic() - started
        yield selection.page(found)
        position += len(some)
        count = min(most, _next_count(limits, count, found.nbytes, seconds))


def _next_count(limits: Limits, count: int, size: int, seconds: float) -> int:
    """Return how many keys the next page may have, from the bytes and seconds of this one."""
    by_bytes = count * limits.page_bytes // max(size, 1)
    by_seconds = max(FEWEST_KEYS, int(count * page_size.PAGE_SECONDS / max(seconds, 1e-4)))
    return max(1, min(2 * count, by_bytes, by_seconds))


def _bytes_of(selection: Selection, measured: Sequence[Column], keys: Sequence[Key]) -> int:
    lengths = page_size.sum_of_lengths(measured)
    found = _read(selection, keyed_query(selection.table, lengths, keys))
    return int(pc.sum(found.column(0)).as_py() or 0)

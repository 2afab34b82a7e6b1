"""The rows of the clinic's database, read page by page, with a hash of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import BoundedSemaphore

from transfer.errors import DatabaseFault
from transfer.mysql import hashing, paging, pool
from transfer.mysql.connection import Connection
from transfer.mysql.page import GENTLE, Page, Selection
from transfer.server_codes import GONE
from transfer.settings import Limits, Source
from transfer.source.survey import look
from transfer.values.scope import EVERYWHERE, Key, Range
from transfer.values.table import SourceTable

# All tables of a run share two reading connections: more would be felt in the clinic.
READERS = BoundedSemaphore(2)


@contextmanager
def reading(source: Source, limits: Limits) -> Iterator[Connection]:
    """Open one of the reading connections for statements."""
    with READERS, pool.connect(source, limits, kept=False) as connection:
        yield connection


def pages(
    source: Source, limits: Limits, source_table: SourceTable, within: Range = EVERYWHERE
) -> Iterator[Page]:
    """Read the stored columns and the hashes of a range of keys in pages.

    No statement is open at the source between two pages.

    Raises:
        DatabaseFault: the source refuses a query, or gives no answer.
        TableVanished: the table is gone.

    """
    selection = _stored(source, limits, source_table)
    return _one_at_a_time(selection, source, paging.pages(selection, within))


def rows_of(
    source: Source, limits: Limits, source_table: SourceTable, keys: Sequence[Key]
) -> Iterator[Page]:
    """Read the stored columns and the hashes of single rows in pages."""
    selection = _stored(source, limits, source_table)
    return _one_at_a_time(selection, source, paging.rows_of(selection, keys))


def list_rows(
    source: Source, limits: Limits, source_table: SourceTable, within: Range, since: datetime | None
) -> Iterator[Page]:
    """Read the key and the hash of each row in a range in pages; `since` as in `row_hash`."""
    key = hashing.key_select(source_table.table)
    row_hash = hashing.row_hash(source_table.table, since)
    selection = Selection(source, limits, source_table, key, row_hash, pace=GENTLE)
    return _one_at_a_time(selection, source, paging.pages(selection, within))


def hashes(source: Source, limits: Limits, source_table: SourceTable) -> tuple[int, int]:
    """Return the number of a table's rows and the sum of their hashes modulo 2^64.

    Raises:
        TableError: the source could not make the hash of a row.

    """
    row_hash = hashing.row_hash(source_table.table)
    selection = Selection(source, limits, source_table, row_hash=row_hash, pace=GENTLE)
    rows = total = 0
    for page in _one_at_a_time(selection, source, paging.pages(selection)):
        rows += page.count
        total += hashing.sum_of_hashes(source_table.table, page.hashes)
    return rows, total % hashing.HASHES


def _stored(source: Source, limits: Limits, source_table: SourceTable) -> Selection:
    """Select the stored columns and the hash of each row."""
    table = source_table.table
    columns, row_hash = hashing.replica_select(table), hashing.row_hash(table)
    return Selection(source, limits, source_table, columns, row_hash, table.stored, GENTLE)


def _one_at_a_time(selection: Selection, source: Source, pages: Iterator[Page]) -> Iterator[Page]:
    """Hold a reading connection for each page on its own."""
    while True:
        try:
            with READERS:
                page = next(pages, None)
        except DatabaseFault as fault:
            if fault.code in GONE:
                raise
            # ConnectorX tries a statement that fails again in a form of its own, and reports the
            # error of that one.
            look(source, selection.limits, selection.table.name)
            raise
        if page is None:
            return
        yield page

"""What is read of a table, and the pages in which it comes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from transfer.mysql.hashing import key_select
from transfer.mysql.literals import literal, quote
from transfer.mysql.page_size import BYTES_SO_FAR, PAGE_SECONDS
from transfer.mysql.ranges import among, within
from transfer.rules.casts import pageable
from transfer.settings import Limits, MySQLServer
from transfer.values.scope import Key, Range
from transfer.values.table import Column, SourceTable, Table


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a page of a range may take beyond the quickest one, in seconds."""

    page_seconds: float


# A reader of a MyISAM table blocks its writers.
GENTLE = Pace(PAGE_SECONDS)
UNHURRIED = Pace(math.inf)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that were read at once, with the hash of each if it was selected.

    `last_key` has the literals of the last row's key; it is empty where pages have no order.
    """

    rows: pa.Table
    hashes: pa.ChunkedArray | None = None
    last_key: Key = ()

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.rows.num_rows if self.hashes is None else len(self.hashes)

    @property
    def bytes(self) -> int:
        """The bytes of the rows and hashes in memory."""
        return int(self.rows.nbytes + (0 if self.hashes is None else self.hashes.nbytes))


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read of each row of a table on a server, and at what pace.

    `columns` is a select list, `row_hash` the expression of a row's hash; one of them may be
    empty. `whole` are the columns that are read with all their bytes.
    """

    server: MySQLServer
    limits: Limits
    source_table: SourceTable
    columns: str = ""
    row_hash: str = ""
    whole: Sequence[Column] = ()
    pace: Pace = UNHURRIED

    @property
    def table(self) -> Table:
        """The table that is read."""
        return self.source_table.table

    @property
    def ordered(self) -> bool:
        """False for a table without a key that can be paged: the order of prefixes is not its."""
        return not self.table.prefixed and pageable(self.table.key_columns)

    @property
    def _expressions(self) -> list[str]:
        return [text for text in (self.columns, self.row_hash) if text]

    def query(self) -> str:
        """Return the SELECT of all rows."""
        return f"SELECT {', '.join(self._expressions)} FROM {quote(self.table.name)}"

    def page_query(self, span: Range, count: int, limit: tuple[str, str] = ("", "")) -> str:
        """Return the SELECT of a range's first `count` rows with their keys, or fewer by a `limit`.

        The bytes so far come last where there is a limit.
        """
        counted = [BYTES_SO_FAR] if any(limit) else []
        carried = ", ".join((*self._expressions, key_select(self.table), *counted))
        return page_query(self.table, carried, span, count, limit)

    def keyed_query(self, keys: Sequence[Key]) -> str:
        """Return the SELECT of the rows with these keys."""
        return keyed_query(self.table, ", ".join(self._expressions), keys)

    def page(self, read: pa.Table) -> Page:
        """Return the page of what a query of rows without their keys read."""
        if not self.row_hash:
            return Page(read)
        width = read.num_columns - 1
        return Page(read.select(range(width)), read.column(width))

    def page_with_key(self, read: pa.Table, *, counted: bool) -> Page:
        """Return the page of what `page_query` read, which has rows."""
        width = read.num_columns - len(self.table.key) - counted
        last_key = tuple(
            literal(column, read.column(width + position)[-1].as_py())
            for position, column in enumerate(self.table.key_columns)
        )
        page = self.page(read.select(range(width)))
        return Page(page.rows, page.hashes, last_key)


def page_query(
    table: Table, select: str, span: Range, count: int, limit: tuple[str, str] = ("", "")
) -> str:
    """Return the SELECT of a range's first `count` rows in the order of the primary key.

    `limit` is a condition more and what stands at the end. The index is forced: for a page that is
    a good part of the table the server would rather sort the whole of it.
    """
    order = ", ".join(quote(name) for name in table.key)
    return (
        f"SELECT {select} FROM {quote(table.name)} FORCE INDEX (PRIMARY)"
        f" WHERE {within(table, span)}{limit[0]} ORDER BY {order} LIMIT {count}{limit[1]}"
    )


def keyed_query(table: Table, select: str, keys: Sequence[Key]) -> str:
    """Return the SELECT of the rows with these keys."""
    return (
        f"SELECT {select} FROM {quote(table.name)} FORCE INDEX (PRIMARY) WHERE {among(table, keys)}"
    )

"""Key ranges of a table: what two servers count and hash in each, and the rows by which those that differ do so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from time import monotonic
from typing import Any, TypeAlias

import pyarrow as pa

from transfer.errors import vanishing
from transfer.mysql import connection as mysql
from transfer.mysql import hashing, literals, paging, ranges
from transfer.mysql.connection import Connection
from transfer.mysql.literals import quote
from transfer.settings import Limits
from transfer.values.scope import NOTHING, Key, Range, Scope
from transfer.values.table import Size, Table

ROWS = 1_000
FIRST_BATCH = 1
MOST_IN_BATCH = 200
BATCH_SECONDS = 0.05
LISTED = 20  # buckets whose rows are listed at once
MOST_SINGLE = 0.5  # of the rows of a range; where more differ, it is read as a whole


@dataclass(frozen=True, slots=True)
class Difference:
    """The rows that are equal in two places, with the sum of their hashes modulo 2^64, and the scope of the others.

    `gone` are keys that only the copy has. One may be the same to the server as a key of the scope, in another case say.
    """

    rows: int = 0
    hashes: int = 0
    scope: Scope = NOTHING
    gone: tuple[Key, ...] = ()

    @property
    def whole(self) -> Scope:
        """All rows that are not equal."""
        return self.scope + Scope(keys=self.gone)

    def __add__(self, other: Difference) -> Difference:
        """Add what was found of other rows."""
        hashes = (self.hashes + other.hashes) % hashing.HASHES
        return Difference(
            self.rows + other.rows, hashes, self.scope + other.scope, self.gone + other.gone
        )


NO_ROWS = Difference()


@dataclass(frozen=True, slots=True)
class Tally:
    """A bucket's number of rows, of rows that have a hash, and the sum of the hashes modulo 2^64."""

    rows: int
    hashed: int
    hashes: int

    @property
    def whole(self) -> bool:
        """False if the server could not make the hash of a row."""
        return self.rows == self.hashed


def cut(replica: Connection, limits: Limits, table: Table, size: Size) -> list[Range]:
    """Cut a table into buckets of `ROWS` rows of the replica, fewer if they are long, so that each is hashed in a moment.

    The last one is open, for rows that the server does not have yet.
    """
    rows = max(1, min(ROWS, limits.page_bytes // max(size.row_bytes, 1)))
    bounds = list(_every(replica, table, rows))
    return [Range(after, until) for after, until in pairwise([None, *bounds, None])]


def _every(replica: Connection, table: Table, rows: int) -> Iterator[Key]:
    """Find each key that so many others lie before, one by one: to number them all would take the server a table of its own."""
    key: Key | None = None
    while True:
        query = paging.page_query(
            table, hashing.key_select(table), Range(key), 1, end=f" OFFSET {rows - 1}"
        )
        found = mysql.rows(replica, "replica", f"cutting {table.name}", query)
        if not found:
            return
        (key,) = _literals(table, found)
        yield key


def tallies(
    side: Side, place: str, buckets: Sequence[Range], since: datetime | None
) -> list[Tally]:
    """Count and hash the rows of buckets, all in one statement; `since` as in `mysql.row_hash`.

    Of a bucket that has become much larger since it was cut only as many rows as show that.
    """
    connection, table = side
    row = hashing.row_hash(table, since)
    statement = " UNION ALL ".join(
        f"SELECT {position}, COUNT(*), COUNT(hash), COALESCE(SUM(hash), 0) FROM (SELECT {row} AS hash"
        f" FROM {quote(table.name)} FORCE INDEX (PRIMARY) WHERE {ranges.within(table, bucket)} LIMIT {2 * ROWS}) AS of_bucket"
        for position, bucket in enumerate(buckets)
    )
    found = {
        row[0]: row[1:]
        for row in mysql.rows(connection, place, f"comparing {table.name}", statement)
    }
    return [
        Tally(int(rows), int(hashed), int(hashes) % hashing.HASHES)
        for rows, hashed, hashes in (found[position] for position in range(len(buckets)))
    ]


Side: TypeAlias = tuple[Connection, Table]


def compare(
    source: Side, replica: Side, buckets: Sequence[Range], since: datetime | None
) -> Difference:
    """Compare buckets of a table and its copy, in statements that take the source some hundredths of a second.

    The scope's ranges follow each other, and are at most `LISTED` buckets long.
    """
    equal = NO_ROWS
    differing: list[Range] = []
    for batch, ours in _batches(source, buckets, since):
        theirs = tallies(replica, "replica", batch, since)
        for bucket, at_source, at_replica in zip(batch, ours, theirs, strict=True):
            if at_source.whole and at_source == at_replica:
                equal += Difference(at_source.rows, at_source.hashes)
            else:
                differing.append(bucket)
    return equal + Difference(scope=Scope(tuple(joined(differing))))


def _batches(
    source: Side, buckets: Sequence[Range], since: datetime | None
) -> Iterator[tuple[Sequence[Range], list[Tally]]]:
    position, size = 0, FIRST_BATCH
    while position < len(buckets):
        batch = buckets[position : position + size]
        started = monotonic()
        with vanishing(source[1].name):
            found = tallies(source, "source", batch, since)
        seconds = monotonic() - started
        yield batch, found
        position += size
        size = max(1, min(MOST_IN_BATCH, 2 * size, int(size * BATCH_SECONDS / max(seconds, 1e-4))))


def joined(buckets: Sequence[Range], most: int = LISTED) -> Iterator[Range]:
    """Make one of buckets that follow each other, of so many at most."""
    last, count = None, 0
    for bucket in buckets:
        if last and last.until == bucket.after and count < most:
            last, count = Range(last.after, bucket.until), count + 1
            continue
        if last:
            yield last
        last, count = bucket, 1
    if last:
        yield last


def compare_rows(
    table: Table, within: Range, ours: Iterator[pa.Table], theirs: Iterator[pa.Table]
) -> Difference:
    """Tell the equal rows of a range from the others, by what both servers list of them: keys, and hashes at the end."""
    some = None if _has_dates(table) else _few(ours)
    if some is None:
        return Difference(scope=Scope((within,)))
    wanted, held = _rows(some), _rows(theirs)
    width = len(table.key)
    equal = {
        row for row in wanted & held if row[width] is not None
    }  # a row too long to be hashed is equal to none
    if len(wanted) - len(equal) > MOST_SINGLE * len(wanted):
        return Difference(scope=Scope((within,)))
    read = {row[:width] for row in wanted - equal}
    gone = {row[:width] for row in held - equal} - read
    hashes = sum(row[width] for row in equal) % hashing.HASHES
    return Difference(
        len(equal),
        hashes,
        Scope(keys=_literals(table, sorted(read))),
        _literals(table, sorted(gone)),
    )


def _literals(table: Table, keys: Iterable[tuple[Any, ...]]) -> tuple[Key, ...]:
    return tuple(tuple(map(literals.literal, table.key_columns, key)) for key in keys)


def _has_dates(table: Table) -> bool:
    """Tell whether a key has dates: MySQL finds impossible ones in a range, but not one by one."""
    return any(column.kind in ("date", "datetime", "timestamp") for column in table.key_columns)


def _few(pages: Iterator[pa.Table]) -> list[pa.Table] | None:
    """Return the pages unless they have many more rows than the range had when it was cut."""
    found: list[pa.Table] = []
    for page in pages:
        found.append(page)
        if sum(each.num_rows for each in found) > 2 * LISTED * ROWS:
            return None
    return found


def _rows(pages: Iterable[pa.Table]) -> set[tuple[Any, ...]]:
    return {
        row
        for page in pages
        for row in zip(*(column.to_pylist() for column in page.columns), strict=True)
    }

"""Compares a table with its copy in ranges of its key, and row by row in those that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from time import monotonic
from typing import Any

from transfer.errors import vanishing
from transfer.mysql import hashing, literals, ranges
from transfer.mysql.connection import Connection
from transfer.mysql.literals import quote
from transfer.mysql.page import Page, page_query
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
    """What a comparison found: the equal rows, and the scope of the others.

    `rows` counts the equal ones, `hashes` is the sum of their hashes modulo 2^64. `gone` are keys
    that only the copy has. To the server one of them may be the same as a key of the scope, for
    example in another case.
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
    """A bucket's number of rows, of rows with a hash, and the sum of the hashes modulo 2^64."""

    rows: int
    hashed: int
    hashes: int

    @property
    def whole(self) -> bool:
        """False if the server could not make the hash of a row."""
        return self.rows == self.hashed


def cut(replica: Connection, limits: Limits, table: Table, size: Size) -> list[Range]:
    """Cut a table into buckets that are hashed in a moment, each of `ROWS` rows of the replica.

    They have fewer rows if those are long. The last one is open, for rows that the replica does
    not have yet.
    """
    rows = max(1, min(ROWS, limits.page_bytes // max(size.row_bytes, 1)))
    bounds = list(_bounds(replica, table, rows))
    return [Range(after, until) for after, until in pairwise([None, *bounds, None])]


def _bounds(replica: Connection, table: Table, rows: int) -> Iterator[Key]:
    """Find the key of each `rows`-th row, one by one.

    To number all rows the server would need a table of its own.
    """
    key: Key | None = None
    while True:
        offset = ("", f" OFFSET {rows - 1}")
        query = page_query(table, hashing.key_select(table), Range(key), 1, offset)
        found = replica.rows(f"cutting {table.name}", query)
        if not found:
            return
        (key,) = _literals(table, found)
        yield key


@dataclass(frozen=True, slots=True)
class Side:
    """A table, or its copy, and the connection to the server that has it."""

    connection: Connection
    table: Table

    def tallies(self, buckets: Sequence[Range], since: datetime | None) -> list[Tally]:
        """Count and hash the rows of buckets, all in one statement; `since` as in `row_hash`.

        In a bucket that has become much larger since it was cut, no more rows are counted than
        show that.
        """
        name = self.table.name
        row = hashing.row_hash(self.table, since)
        statement = " UNION ALL ".join(
            f"SELECT {position}, COUNT(*), COUNT(hash), COALESCE(SUM(hash), 0) FROM"
            f" (SELECT {row} AS hash FROM {quote(name)} FORCE INDEX (PRIMARY)"
            f" WHERE {ranges.within(self.table, bucket)} LIMIT {2 * ROWS}) AS of_bucket"
            for position, bucket in enumerate(buckets)
        )
        found = {row[0]: row[1:] for row in self.connection.rows(f"comparing {name}", statement)}
        return [
            Tally(int(rows), int(hashed), int(hashes) % hashing.HASHES)
            for rows, hashed, hashes in (found[position] for position in range(len(buckets)))
        ]


def compare(
    source: Side, replica: Side, buckets: Sequence[Range], since: datetime | None
) -> Difference:
    """Compare buckets of a table and its copy, in statements that take the source little time.

    Each takes some hundredths of a second. The ranges of the scope follow each other, and are at
    most `LISTED` buckets long.
    """
    equal = NO_ROWS
    differing: list[Range] = []
    for batch, ours in _batches(source, buckets, since):
        theirs = replica.tallies(batch, since)
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
        with vanishing(source.table.name):
            found = source.tallies(batch, since)
        seconds = monotonic() - started
        yield batch, found
        position += size
        size = max(1, min(MOST_IN_BATCH, 2 * size, int(size * BATCH_SECONDS / max(seconds, 1e-4))))


def joined(buckets: Sequence[Range], most: int = LISTED) -> Iterator[Range]:
    """Join buckets that follow each other into ranges, `most` at a time."""
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
    table: Table, within: Range, ours: Iterator[Page], theirs: Iterator[Page]
) -> Difference:
    """Compare the rows of a range by the keys and hashes that both servers list."""
    some = None if _has_dates(table) else _few(ours)
    if some is None:
        return Difference(scope=Scope((within,)))
    wanted, held = _listed(some), _listed(theirs)
    # A row too long to be hashed is equal to none.
    equal = {(key, row_hash) for key, row_hash in wanted & held if row_hash is not None}
    if len(wanted) - len(equal) > MOST_SINGLE * len(wanted):
        return Difference(scope=Scope((within,)))
    read = {key for key, _ in wanted - equal}
    gone = {key for key, _ in held - equal} - read
    hashes = sum(row_hash for _, row_hash in equal if row_hash) % hashing.HASHES
    scope = Scope(keys=_literals(table, sorted(read)))
    return Difference(len(equal), hashes, scope, _literals(table, sorted(gone)))


def _literals(table: Table, keys: Iterable[tuple[Any, ...]]) -> tuple[Key, ...]:
    return tuple(tuple(map(literals.literal, table.key_columns, key)) for key in keys)


def _has_dates(table: Table) -> bool:
    """Tell whether a key has dates: MySQL finds impossible ones in a range, but not one by one."""
    return any(column.kind in ("date", "datetime", "timestamp") for column in table.key_columns)


def _few(pages: Iterator[Page]) -> list[Page] | None:
    """Return the pages unless they have many more rows than the range had when it was cut."""
    found: list[Page] = []
    for page in pages:
        found.append(page)
        if sum(page.count for page in found) > 2 * LISTED * ROWS:
            return None
    return found


def _listed(pages: Iterable[Page]) -> set[tuple[tuple[Any, ...], int | None]]:
    """Return each row's key with its hash."""
    return {
        (key, row_hash)
        for page in pages
        for key, row_hash in zip(_keys(page), _hashes(page), strict=True)
    }


def _keys(page: Page) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in page.rows.columns), strict=True)


def _hashes(page: Page) -> list[int | None]:
    return [] if page.hashes is None else list(page.hashes.to_pylist())

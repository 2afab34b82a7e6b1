"""Key ranges of a table: what two servers count and hash in each, so that only those that differ are read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import monotonic

from transfer import mysql
from transfer.casts import cast_of
from transfer.mysql import Connection, quote
from transfer.settings import Limits, MySQLServer
from transfer.table import Size, Table

ROWS = 1_000
FIRST_BATCH = 1
MOST_IN_BATCH = 200
BATCH_SECONDS = 0.1

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bucket:
    """The rows whose keys, written as literals, are behind `after` and not behind `until`; None leaves a side open."""

    after: Key | None = None
    until: Key | None = None


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


@dataclass(frozen=True, slots=True)
class Compared:
    """What stands in the buckets that are equal, and the key ranges of those that are not."""

    rows: int
    hashes: int
    differing: tuple[Bucket, ...]


def cut(server: MySQLServer, limits: Limits, table: Table, size: Size) -> list[Bucket]:
    """Cut a table into buckets of `ROWS` rows of this server, fewer if they are long, so that each is hashed in a moment.

    The last one is open, for rows that the server does not have yet.
    """
    rows = max(1, min(ROWS, limits.page_bytes // max(size.row_bytes, 1)))
    names = ", ".join(map(quote, table.key))
    keys = ", ".join(cast_of(column).for_replica.format(c=quote(column.name)) for column in table.key_columns)
    position = quote(_unlike(table))
    every = f"SELECT {names}, ROW_NUMBER() OVER (ORDER BY {names}) AS {position} FROM {quote(table.name)}"
    query = f"SELECT {keys} FROM ({every}) AS numbered WHERE MOD({position}, {rows}) = 0 ORDER BY {position}"
    found = mysql.read(server, limits, f"cutting {table.name}", query)
    columns = [
        [mysql.literal(column, value.as_py()) for value in values]
        for column, values in zip(table.key_columns, found.columns, strict=True)
    ]
    bounds: list[Key | None] = [None, *zip(*columns, strict=True), None]
    return [Bucket(after, until) for after, until in pairwise(bounds)]


def _unlike(table: Table) -> str:
    """Return a name that no column of the key has."""
    name = "position"
    while name in {key.lower() for key in table.key}:
        name += "_"
    return name


def within(table: Table, bucket: Bucket, alias: str = "") -> str:
    """Return the condition for the rows of a bucket."""
    conditions = [
        f"({form(table.key_columns, bound, alias)})"
        for form, bound in ((mysql.after, bucket.after), (mysql.until, bucket.until))
        if bound
    ]
    return " AND ".join(conditions) or "TRUE"


def tallies(connection: Connection, place: str, table: Table, buckets: Sequence[Bucket]) -> list[Tally]:
    """Count and hash the rows of buckets, all in one statement."""
    row = mysql.row_hash(table)
    statement = " UNION ALL ".join(
        f"SELECT {position}, COUNT(*), COUNT(hash), COALESCE(SUM(hash), 0) FROM (SELECT {row} AS hash"
        f" FROM {quote(table.name)} FORCE INDEX (PRIMARY) WHERE {within(table, bucket)}) AS of_bucket"
        for position, bucket in enumerate(buckets)
    )
    found = {row[0]: row[1:] for row in mysql.rows(connection, place, f"comparing {table.name}", statement)}
    return [
        Tally(int(rows), int(hashed), int(hashes) % mysql.HASHES)
        for rows, hashed, hashes in (found[position] for position in range(len(buckets)))
    ]


def compare(source: Connection, replica: Connection, table: Table, buckets: Sequence[Bucket]) -> Compared:
    """Compare buckets on both servers, in statements that take the source about a tenth of a second."""
    rows = hashes = 0
    differing: list[Bucket] = []
    for batch, ours in _batches(source, table, buckets):
        for bucket, at_source, at_replica in zip(batch, ours, tallies(replica, "replica", table, batch), strict=True):
            if at_source.whole and at_source == at_replica:
                rows, hashes = rows + at_source.rows, (hashes + at_source.hashes) % mysql.HASHES
            else:
                differing.append(bucket)
    return Compared(rows, hashes, tuple(joined(differing)))


def _batches(
    source: Connection, table: Table, buckets: Sequence[Bucket]
) -> Iterator[tuple[Sequence[Bucket], list[Tally]]]:
    position, size = 0, FIRST_BATCH
    while position < len(buckets):
        batch = buckets[position : position + size]
        started = monotonic()
        found = tallies(source, "source", table, batch)
        seconds = monotonic() - started
        yield batch, found
        position += size
        size = max(1, min(MOST_IN_BATCH, 2 * size, int(size * BATCH_SECONDS / max(seconds, 1e-4))))


def joined(buckets: Sequence[Bucket]) -> Iterator[Bucket]:
    """Make one of buckets that follow each other."""
    last: Bucket | None = None
    for bucket in buckets:
        if last and last.until == bucket.after:
            last = Bucket(last.after, bucket.until)
            continue
        if last:
            yield last
        last = bucket
    if last:
        yield last

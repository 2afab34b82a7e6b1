"""Counts and hashes the rows of a table by the cells of a grid, and lists those of some cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import TypeAlias

from transfer.errors import DatabaseFault, vanishing
from transfer.mysql import buckets, hashing, ranges
from transfer.mysql.buckets import Difference
from transfer.mysql.connection import Connection
from transfer.mysql.grid import CELL_ROWS, Grid
from transfer.mysql.literals import quote
from transfer.server_codes import TOO_LONG
from transfer.values.scope import EVERYWHERE, Range, Scope
from transfer.values.table import Table

STATEMENT_SECONDS = 0.05
FIRST_RUN = 4  # cells of the first statement
MOST_IN_RUN = 400
LISTED_AT_ONCE = 16

Listed: TypeAlias = tuple[tuple[int], int | None]  # a row's key and its hash


@dataclass(frozen=True, slots=True)
class Tally:
    """A cell's rows, and the sums of their hashes modulo 2^64: of all columns, of key and stamps.

    A sum is None where it was not asked for, or a row is too long to be hashed.
    """

    rows: int
    whole: int | None
    stamped: int | None = None


NO_ROWS = Tally(0, 0, 0)
Tallies: TypeAlias = dict[int, Tally]


def held(
    connection: Connection,
    table: Table,
    name: str,
    grid: Grid,
    within: Sequence[Range] = (EVERYWHERE,),
) -> Tallies:
    """Count the cells of a copy that stands as `name`, with both sums where it has stamps."""
    stamped = f"SUM({hashing.stamp_hash(table)})" if table.stamps else "NULL"
    found = connection.rows(
        f"hashing {table.name}",
        f"SELECT {grid.cell} AS cell, COUNT(*), {_sum(hashing.row_hash(table))}, {stamped}"
        f" FROM {quote(name)} WHERE {_any(table, within)} GROUP BY cell ORDER BY NULL",
    )
    return {
        int(cell): Tally(int(rows), _modulo(whole), _modulo(stamps))
        for cell, rows, whole, stamps in found
    }


def _any(table: Table, within: Sequence[Range]) -> str:
    return " OR ".join(f"({ranges.within(table, span)})" for span in within)


# Stands in a sum for a row too long to be hashed. No sum of hashes reaches it, and to count them
# apart the server would hash each row twice.
UNHASHED = 2**100


def _sum(row_hash: str) -> str:
    return f"SUM(IFNULL({row_hash}, {UNHASHED}))"


def _modulo(total: object) -> int | None:
    hashes = UNHASHED if total is None else int(str(total))
    return hashes % hashing.HASHES if hashes < UNHASHED else None


@dataclass(frozen=True, slots=True)
class Side:
    """A table that is compared with its copy by a grid.

    With `since` a row whose stamps are older is compared by key and stamps alone.
    """

    connection: Connection
    table: Table
    grid: Grid
    since: datetime | None

    def tallies(self, within: Range = EVERYWHERE) -> tuple[Tallies, set[int]]:
        """Count cells by one statement, a scan if it is about all rows.

        Return also the cells with a row that is newer than `since`.
        """
        table, since = self.table, self.since
        if since is None:
            hashes, newer = _sum(hashing.row_hash(table)), "0"
        else:
            hashes, newer = f"SUM({hashing.stamp_hash(table)})", hashing.is_newer(table, since)
        index = "" if within == EVERYWHERE else " FORCE INDEX (PRIMARY)"
        with vanishing(table.name):
            found = self.connection.rows(
                f"comparing {table.name}",
                f"SELECT {self.grid.part(within).cell} AS cell, COUNT(*), {hashes}, MAX({newer})"
                f" FROM {quote(table.name)}{index} WHERE {ranges.within(table, within)}"
                " GROUP BY cell ORDER BY NULL",
            )
        tallies, with_newer = {}, set()
        for cell, rows, total, has_newer in found:
            sums = (_modulo(total), None) if since is None else (None, _modulo(total))
            tallies[int(cell)] = Tally(int(rows), *sums)
            if int(has_newer):
                with_newer.add(int(cell))
        return tallies, with_newer

    def scanned(self) -> tuple[Tallies, set[int]] | None:
        """Count all cells by one statement; None if that takes the server longer than it may."""
        try:
            return self.tallies()
        except DatabaseFault as fault:
            if fault.code not in TOO_LONG:
                raise
            return None

    def tallies_in_turns(self, known: Sequence[int]) -> tuple[Tallies, set[int]]:
        """Count the cells up to the last known one by statements that take little time each."""
        tallies: Tallies = {}
        with_newer: set[int] = set()
        position, count, after = 0, FIRST_RUN, None
        while position < len(known):
            part = known[position : position + count]
            within = Range(after, self.grid.range_of(part).until)
            started = monotonic()
            some, newer = self.tallies(within)
            seconds = monotonic() - started
            tallies |= some
            with_newer |= newer
            position, after = position + count, within.until
            quick = int(count * STATEMENT_SECONDS / max(seconds, 1e-4))
            count = max(1, min(MOST_IN_RUN, 2 * count, quick))
        return tallies, with_newer

    def listed(self, within: Sequence[Range]) -> set[Listed]:
        """List each row of some ranges by its key and hash, in one statement."""
        (key,) = (quote(name) for name in self.table.key)
        with vanishing(self.table.name):
            found = self.connection.rows(
                f"listing rows of {self.table.name}",
                f"SELECT {key}, {hashing.row_hash(self.table, self.since)}"
                f" FROM {quote(self.table.name)} FORCE INDEX (PRIMARY)"
                f" WHERE {_any(self.table, within)}",
            )
        return {((int(number),), None if row is None else int(row)) for number, row in found}


def parted(grid: Grid, cells: Sequence[int]) -> Iterator[list[Range]]:
    """Part cells into lists of ranges, each of which is listed by one statement."""
    for start in range(0, len(cells), LISTED_AT_ONCE):
        part = cells[start : start + LISTED_AT_ONCE]
        yield [grid.range_of(run) for run in grid.runs(part, CELL_ROWS)]


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison by cells found, and the ranges of keys whose cells were not equal."""

    difference: Difference
    unequal: tuple[Range, ...]


def compare(source: Side, copy: Side, recorded: Tallies, *, scan: bool) -> Compared:
    """Compare a table with what is recorded of its copy, and row by row where they differ.

    By one `scan`, or in turns that let writers in between. Rows behind the last recorded cell are
    read as a whole.
    """
    grid, known = source.grid, sorted(recorded)
    scanned = source.scanned() if scan else None
    found, newer = scanned or source.tallies_in_turns(known)
    tail = Range(grid.range_of(known[-1:]).until if known else None)
    behind = {cell for cell in found if not known or cell > known[-1]}
    cells = (found.keys() | recorded.keys()) - behind
    unequal = sorted(
        cell
        for cell in cells
        if cell in newer or not _agree(found.get(cell), recorded.get(cell), source.since)
    )
    equal = cells - set(unequal)
    difference = Difference(sum(found[cell].rows for cell in equal if cell in found))
    for spans in parted(grid, unequal):
        difference += _compared(spans, source.listed(spans), copy.listed(spans))
    ranges_of = [grid.range_of(run) for run in grid.runs(unequal, len(unequal) or 1)]
    if behind or not scanned:
        difference += Difference(scope=Scope((tail,)))
        ranges_of.append(tail)
    return Compared(difference, tuple(ranges_of))


def _agree(at_source: Tally | None, of_copy: Tally | None, since: datetime | None) -> bool:
    ours, theirs = at_source or NO_ROWS, of_copy or NO_ROWS
    sums = (ours.whole, theirs.whole) if since is None else (ours.stamped, theirs.stamped)
    return ours.rows == theirs.rows and sums[0] is not None and sums[0] == sums[1]


def _compared(spans: Sequence[Range], wanted: set[Listed], held: set[Listed]) -> Difference:
    """Compare the rows of some ranges by the keys and hashes that both servers list."""
    # A row too long to be hashed is equal to none.
    equal = {(key, row_hash) for key, row_hash in wanted & held if row_hash is not None}
    if len(spans) == 1 and len(wanted) - len(equal) > buckets.MOST_SINGLE * len(wanted):
        return Difference(scope=Scope((spans[0],)))
    read = {key for key, _ in wanted - equal}
    gone = {key for key, _ in held - equal} - read
    keys, gone_keys = (tuple(tuple(map(str, key)) for key in sorted(some)) for some in (read, gone))
    return Difference(len(equal), scope=Scope(keys=keys), gone=gone_keys)

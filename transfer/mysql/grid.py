"""Cuts a key of one whole number into cells of nearly as many rows, by arithmetic alone.

A server finds a row's cell while it scans a table, in whatever order its rows stand.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from transfer.mysql.connection import Connection
from transfer.mysql.literals import quote
from transfer.rules.casts import numbered
from transfer.values.scope import Range
from transfer.values.table import Column, Table

CELL_ROWS = 256
SEGMENTS = 64
FEWEST, MOST = 20_000, 50_000  # rows of a segment
BELOW = 0  # the cell of all keys before the first segment


def is_gridded(table: Table) -> bool:
    """Tell whether a table's key can be cut into cells."""
    return len(table.key) == 1 and numbered(table.key_columns) and not table.prefixed


@dataclass(frozen=True, slots=True)
class Segment:
    """Keys from `start` on, in cells of `width` keys; the first one has the number `first`."""

    start: int
    first: int
    width: int


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a table's key.

    Each segment reaches to the start of the next; the last one has no end.
    """

    key: Column
    segments: tuple[Segment, ...]

    @property
    def cell(self) -> str:
        """The expression for the number of a row's cell; it grows with the key."""
        return _searched(quote(self.key.name), self.segments)

    def range_of(self, cells: Sequence[int]) -> Range:
        """Return the keys of cells that follow each other."""
        return Range(_key(self._start(cells[0]) - 1, cells[0]), _key(self._end(cells[-1]), 1))

    def cells_of(self, within: Range) -> tuple[int, int | None]:
        """Return the first and the last cell of a range that `range_of` gave, or of its tail."""
        first = BELOW if within.after is None else self._cell(int(within.after[0]) + 1)
        return first, None if within.until is None else self._cell(int(within.until[0]))

    def part(self, within: Range) -> Grid:
        """Return the segments with the keys of such a range, whose cells have the same numbers."""
        first, last = self.cells_of(within)
        begin = max(bisect_right(self._firsts, first) - 1, 0)
        end = None if last is None else max(bisect_right(self._firsts, last), 1)
        return Grid(self.key, self.segments[begin:end])

    def _cell(self, key: int) -> int:
        if key < self.segments[0].start:
            return BELOW
        starts = [segment.start for segment in self.segments]
        segment = self.segments[bisect_right(starts, key) - 1]
        return segment.first + (key - segment.start) // segment.width

    def _start(self, cell: int) -> int:
        segment = self._segment(cell)
        return segment.start + (cell - segment.first) * segment.width

    def _end(self, cell: int) -> int:
        if cell == BELOW:
            return self.segments[0].start - 1
        position = bisect_right(self._firsts, cell) - 1
        end = self._start(cell) + self.segments[position].width - 1
        if position + 1 < len(self.segments):
            end = min(end, self.segments[position + 1].start - 1)
        return end

    def _segment(self, cell: int) -> Segment:
        return self.segments[max(bisect_right(self._firsts, cell) - 1, 0)]

    @property
    def _firsts(self) -> list[int]:
        return [segment.first for segment in self.segments]

    def runs(self, cells: Iterable[int], most: int) -> Iterator[list[int]]:
        """Part cells into runs of cells that follow each other, of at most so many."""
        run: list[int] = []
        for cell in sorted(cells):
            if run and (self._end(run[-1]) + 1 != self._start(cell) or len(run) == most):
                yield run
                run = []
            run.append(cell)
        if run:
            yield run

    def write(self) -> str:
        """Write the grid as text."""
        return json.dumps(
            [[segment.start, segment.first, segment.width] for segment in self.segments]
        )


def read(table: Table, text: str) -> Grid:
    """Read a grid's text."""
    return Grid(table.key_columns[0], tuple(Segment(*map(int, part)) for part in json.loads(text)))


def _key(value: int, cell: int) -> tuple[str, ...] | None:
    return None if cell == BELOW else (str(value),)


def _searched(key: str, segments: Sequence[Segment]) -> str:
    """Find a key's segment by halving, as a server compares in turn."""
    if len(segments) == 1:
        (segment,) = segments
        offset = f"({key} - {segment.start}) DIV {segment.width} + {segment.first}"
        return f"IF({key} < {segment.start}, {BELOW}, {offset})" if segment.first == 1 else offset
    half = len(segments) // 2
    low, high = _searched(key, segments[:half]), _searched(key, segments[half:])
    return f"IF({key} < {segments[half].start}, {low}, {high})"


def lay(replica: Connection, table: Table, rows: int) -> Grid:
    """Lay a grid over a copy with so many rows, by the keys that stand in it at equal distances."""
    (key,) = table.key_columns
    step = min(max(rows // SEGMENTS, FEWEST), MOST)
    starts = list(_quantiles(replica, table, step)) or [0]
    segments: list[Segment] = []
    first, width = BELOW + 1, CELL_ROWS
    for start, end in pairwise(starts):
        width = max((end - start) * CELL_ROWS // min(step, rows), 1)
        segments.append(Segment(start, first, width))
        first += -(-(end - start) // width)
    return Grid(key, (*segments, Segment(starts[-1], first, width)))


def _quantiles(replica: Connection, table: Table, step: int) -> Iterator[int]:
    """Find every `step`-th key from 0 on, and the end of the last one's reach."""
    (key,) = (quote(name) for name in table.key)
    doing, ordered = f"laying a grid over {table.name}", f"FROM {quote(table.name)} WHERE {key} >="
    least, offset = 0, 0
    while found := replica.rows(
        doing, f"SELECT {key} {ordered} {least} ORDER BY {key} LIMIT 1 OFFSET {offset}"
    ):
        least, offset = int(found[0][0]), step
        yield least
    ((last,),) = replica.rows(doing, f"SELECT MAX({key}) FROM {quote(table.name)}")
    if last is not None and int(last) >= least:
        yield int(last) + 1

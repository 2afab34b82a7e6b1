"""What the replica records of its own rows, cell by cell, in the transaction that changes them.

So the source is compared with it without hashing the replica. Tampering is for verification.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from transfer.errors import TableError
from transfer.mysql import cells, grid, hashing
from transfer.mysql.cells import Tallies
from transfer.mysql.connection import Connection
from transfer.mysql.grid import Grid
from transfer.replica.lock import Lock
from transfer.values.scope import Range
from transfer.values.table import Extracted, Table, digest

READING, WRITING = "reading etl_extract_cell", "writing etl_extract_cell"
WRITTEN_AT_ONCE = 1_000
HASHED_AT_ONCE = 50  # ranges

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cells:
    """The rows of a copy by the cells of a grid."""

    grid: Grid
    tallies: Tallies

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return sum(tally.rows for tally in self.tallies.values())

    @property
    def hashes(self) -> int | None:
        """The sum of all rows' hashes modulo 2^64, None if one could not be made."""
        sums = [tally.whole for tally in self.tallies.values()]
        return None if None in sums else sum(part or 0 for part in sums) % hashing.HASHES


def measured(connection: Connection, table: Table, name: str, rows: int) -> Cells:
    """Lay a grid over a copy that stands as `name`, and hash all of its rows."""
    laid = grid.lay(connection, replace(table, name=name), rows)
    return Cells(laid, cells.held(connection, table, name, laid))


def recorded(lock: Lock, table: Table, extracted: Extracted) -> Cells | None:
    """Return what is recorded of the rows of the last extract; None if it is of other ones."""
    found = lock.connection.rows(
        READING,
        "SELECT grid, rows_laid FROM etl_extract_grid WHERE table_name = %s AND hashed = %s"
        " AND extract_id BETWEEN %s AND %s",
        (lock.table, _hashed(table), extracted.changed_id, extracted.id),
    )
    if not found:
        return None
    ((text, rows_laid),) = found
    rows = lock.connection.rows(
        READING,
        "SELECT cell, rows_held, whole_sum, stamped_sum FROM etl_extract_cell"
        " WHERE table_name = %s",
        (lock.table,),
    )
    known = Cells(grid.read(table, text), {int(cell): cells.Tally(*facts) for cell, *facts in rows})
    # A table that has grown is cut anew.
    as_laid = known.rows == extracted.rows and known.rows <= 2 * rows_laid + grid.CELL_ROWS
    return known if as_laid else None


def _hashed(table: Table) -> str:
    return digest(hashing.row_hash(table), hashing.stamp_hash(table))


def record(lock: Lock, table: Table, measured: Cells, extract: int) -> None:
    """Record all rows of an extract, in the transaction of the caller."""
    forget(lock)
    lock.connection.run(
        WRITING,
        "INSERT INTO etl_extract_grid (table_name, extract_id, hashed, grid, rows_laid)"
        " VALUES (%s, %s, %s, %s, %s)",
        (lock.table, extract, _hashed(table), measured.grid.write(), measured.rows),
    )
    _add(lock, measured.tallies)


def _add(lock: Lock, tallies: Tallies) -> None:
    for part in _parted(list(tallies.items())):
        values = [
            value
            for cell, tally in part
            for value in (lock.table, cell, tally.rows, tally.whole, tally.stamped)
        ]
        lock.connection.run(
            WRITING,
            "INSERT INTO etl_extract_cell (table_name, cell, rows_held, whole_sum, stamped_sum)"
            f" VALUES {', '.join(['(%s, %s, %s, %s, %s)'] * len(part))}"
            " ON DUPLICATE KEY UPDATE rows_held = VALUES(rows_held),"
            " whole_sum = VALUES(whole_sum), stamped_sum = VALUES(stamped_sum)",
            values,
        )


def forget(lock: Lock) -> None:
    """Remove what is recorded of the table's rows."""
    found = lock.connection.rows(
        READING,
        "SELECT cell, 0 FROM etl_extract_cell WHERE table_name = %s"
        " UNION ALL SELECT 0, 1 FROM etl_extract_grid WHERE table_name = %s",
        (lock.table, lock.table),
    )
    _remove(lock, [int(cell) for cell, is_grid in found if not is_grid])
    if any(is_grid for _, is_grid in found):
        removing = "DELETE FROM etl_extract_grid WHERE table_name = %s"
        lock.connection.run(WRITING, removing, (lock.table,))


def _remove(lock: Lock, recorded: Sequence[int]) -> None:
    """Remove cells one by one: the lock of a range would catch the cells of other tables."""
    for part in _parted(recorded):
        lock.connection.run(
            WRITING,
            "DELETE FROM etl_extract_cell WHERE table_name = %s"
            f" AND cell IN ({', '.join(['%s'] * len(part))})",
            (lock.table, *part),
        )


def _parted(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), WRITTEN_AT_ONCE):
        yield values[start : start + WRITTEN_AT_ONCE]


@dataclass(frozen=True, slots=True)
class Renewal:
    """The cells of some ranges, which are to be recorded again once their rows are changed.

    `recorded` are the numbers of all cells that are, in order.
    """

    grid: Grid
    ranges: Sequence[Range]
    recorded: Sequence[int]

    def make(self, lock: Lock, table: Table, extract: int, rows: int) -> None:
        """Record them for an extract of so many rows, in the transaction that changes the rows.

        Raises:
            TableError: with all other cells they do not have so many rows.

        """
        numbering = "UPDATE etl_extract_grid SET extract_id = %s WHERE table_name = %s"
        lock.connection.run(WRITING, numbering, (extract, lock.table))
        for start in range(0, len(self.ranges), HASHED_AT_ONCE):
            some = self.ranges[start : start + HASHED_AT_ONCE]
            held = cells.held(lock.connection, table, lock.table, self.grid, some)
            _remove(lock, [cell for cell in self._recorded_in(some) if cell not in held])
            _add(lock, held)
        counting = "SELECT COALESCE(SUM(rows_held), 0) FROM etl_extract_cell WHERE table_name = %s"
        ((held_rows,),) = lock.connection.rows(READING, counting, (lock.table,))
        if int(held_rows) != rows:
            raise TableError(
                f"{lock.table}: {rows} rows were read but the replica would hold {held_rows}."
            )

    def _recorded_in(self, ranges: Sequence[Range]) -> Iterator[int]:
        for within in ranges:
            first, last = self.grid.cells_of(within)
            begin = bisect_left(self.recorded, first)
            end = None if last is None else bisect_right(self.recorded, last)
            yield from self.recorded[begin:end]

"""The shadow: a table under construction beside the one that people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from transfer.errors import DatabaseFault, TableError
from transfer.mysql import buckets, hashing, load_data, ranges
from transfer.mysql.buckets import NO_ROWS, Difference
from transfer.mysql.literals import quote
from transfer.mysql.page import Page
from transfer.replica import counting, extracts, progress, tables
from transfer.replica.cells import Renewal
from transfer.replica.extracts import Verdict
from transfer.replica.lock import Lock
from transfer.replica.progress import Progress
from transfer.replica.tables import NEW, shadow_name
from transfer.server_codes import GONE
from transfer.values.reasons import HopName
from transfer.values.scope import EVERYTHING, Key, Range, Scope
from transfer.values.table import Hop, SourceTable, Table, digest

SEEDED = 50  # buckets whose rows are copied at once


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rows that were read into a shadow: how many, their bytes, and the sum of their hashes.

    The sum is modulo 2^64. `last_key` is that of the last page. `negative_zeros` counts, by column,
    the values that became 0 on a server that has no -0.
    """

    rows: int = 0
    bytes: int = 0
    hashes: int = 0
    last_key: Key = ()
    negative_zeros: Counter[str] = field(default_factory=Counter)

    def plus(self, table: Table, page: Page) -> Loaded:
        """Return what is loaded with another page of the table.

        Raises:
            TableError: the source could not make the hash of a row.

        """
        hashes = hashing.sum_of_hashes(table, page.hashes)
        zeros = Counter() if table.signed_zeros else Counter(hashing.negative_zeros(page.rows))
        return Loaded(
            self.rows + page.count,
            self.bytes + page.bytes,
            (self.hashes + hashes) % hashing.HASHES,
            page.last_key,
            self.negative_zeros + zeros,
        )


@dataclass(frozen=True, slots=True)
class Shadow:
    """A table beside the replica's, bound to the lock that is held on that one.

    It takes the rows that are read by the source's `definition`. Rows that were `kept`, as source
    and replica agree in them, are not read. `read_from` is the source's clock when the read began.
    `renewal` is of the cells that the replica records, if the table was compared by them.
    """

    lock: Lock
    source_table: SourceTable
    definition: str
    read_from: datetime
    kept: Difference = NO_ROWS
    loaded: Loaded = field(default_factory=Loaded)
    renewal: Renewal | None = None

    @property
    def name(self) -> str:
        """The shadow's own name."""
        return shadow_name(NEW, self.lock.table)

    @property
    def table(self) -> Table:
        """The structure of the table."""
        return self.source_table.table

    @property
    def total(self) -> int:
        """The number of rows that the replica's table is to have."""
        return self.loaded.rows + self.kept.rows

    @property
    def scope(self) -> Scope:
        """The rows that may become different in the replica's table."""
        return EVERYTHING

    @property
    def since(self) -> datetime | None:
        """The moment since which the kept rows were compared, as in `row_hash`."""
        return None

    def append(self, page: Page) -> Self:
        """Add a page together with the note of how far the read has come.

        Raises:
            TableError: the server warned of a row or skipped it, or the source could not make its
                hash.

        """
        loaded = self.loaded.plus(self.table, page)
        with self.lock.transaction() as connection:
            load_data.load(connection, self.name, self.table.stored, page.rows)
            self._note(loaded)
        return replace(self, loaded=loaded)

    def _note(self, loaded: Loaded) -> None:
        """Note how far the read has come, if another run can go on with it."""

    def hold(self, verdict: Verdict) -> None:
        """Give the shadow up for the time being, and note that it was there."""
        hop = Hop(HopName.EXTRACT, self.loaded.rows, bytes=self.loaded.bytes)
        with self.lock.transaction():
            extracts.note(self.lock, verdict, hop, "held")
        discard(self.lock)

    @contextmanager
    def discarded_on_error(self) -> Iterator[None]:
        """Discard the shadow if the block raises `TableError`: resumed, it would fail again."""
        try:
            yield
        except TableError:
            discard(self.lock)
            raise


@dataclass(frozen=True, slots=True)
class Copy(Shadow):
    """A shadow that gets all rows of the table.

    `watermark` is the source's state for which it can be resumed, empty if it cannot. So many rows
    are `expected`; None if that is not known.
    """

    watermark: str = ""
    expected: int | None = None

    @property
    def unread(self) -> Range:
        """The keys that are still to be read."""
        return Range(self.loaded.last_key or None)

    def _note(self, loaded: Loaded) -> None:
        in_one_page = not self.loaded.rows and loaded.rows == self.expected
        if self.watermark and not in_one_page:
            come = (loaded.last_key, loaded.rows, loaded.hashes)
            progress.note(self.lock, Progress(self.watermark, self.read_from, *come))

    def keep(self, difference: Difference) -> Copy:
        """Remove the rows that differ from the source's, which are to be read."""
        with self.lock.transaction() as connection:
            for condition in ranges.conditions(self.table, difference.whole):
                removing = f"DELETE FROM {quote(self.name)} WHERE {condition}"
                connection.run(f"removing rows of {self.name}", removing)
        tables.follow_counter(self.lock, self.source_table, self.name)
        return replace(self, kept=difference)


@dataclass(frozen=True, slots=True)
class Patch(Shadow):
    """A shadow that only gets the rows that differ; the others stay in the replica's table.

    Kept rows whose stamps are older than `compared_since` were compared by key and stamps alone.
    """

    compared_since: datetime | None = None

    @property
    def scope(self) -> Scope:
        """The rows that differ."""
        return self.kept.whole

    @property
    def since(self) -> datetime | None:
        """The moment since which the kept rows were compared, as in `row_hash`."""
        return self.compared_since


@dataclass(frozen=True, slots=True)
class Target:
    """The replica's table as a read is to make it: by the source's definition, at a moment.

    `now` is the source's clock when the read begins. A shadow may be `left` of a killed run.
    """

    lock: Lock
    source_table: SourceTable
    definition: str
    now: datetime
    left: bool

    def is_mergeable(self) -> bool:
        """Tell whether rows of the standing table can be changed one by one to the source's."""
        lock = self.lock
        transactional = tables.engine_of(lock, lock.table) == tables.TRANSACTIONAL
        alike = transactional and tables.is_as_made(lock, self.definition)
        return alike and not tables.counter_falls(lock, self.source_table)

    def begin_copy(self, expected: int) -> Copy:
        """Start a copy of so many rows, or resume that of a killed run if nothing changed since.

        Raises:
            TableError: no engine of the replica's server takes the definition.

        """
        lock, watermark = self.lock, self.source_table.evidence.watermark
        watermark = digest(watermark, self.definition, lock.limits.collations)
        copy = replace(self._copy(), watermark=watermark)
        if self.left:
            noted = progress.read(lock)
            if noted and self._can_resume(copy.name, noted, watermark):
                loaded = Loaded(noted.rows, hashes=noted.hashes, last_key=noted.last_key)
                return replace(copy, read_from=noted.read_from, loaded=loaded)
            discard(lock)
        tables.create(lock, copy.name, self.definition, expected)
        return replace(copy, expected=expected)

    def begin_patch(
        self, difference: Difference, since: datetime | None, renewal: Renewal | None
    ) -> Patch:
        """Start a patch for the rows that differ; no table is made if none does.

        Another run cannot resume it.
        """
        source_table, definition = self.source_table, self.definition
        patch = Patch(
            self.lock,
            source_table,
            definition,
            self.now,
            difference,
            renewal=renewal,
            compared_since=since,
        )
        discard(self.lock)
        if not patch.scope.empty:
            tables.create(self.lock, patch.name, definition)
        return patch

    def seed_copy(self) -> Copy | None:
        """Start a copy with the standing table's rows, as far as they fit; None if they do not.

        What the server made of them under other columns is for their hashes to judge.
        """
        lock, standing, copy = self.lock, tables.key_positions(self.lock), self._copy()
        if tuple(name for name, part in standing.items() if part) != copy.table.key:
            return None
        discard(lock)
        tables.create(lock, copy.name, self.definition)
        stored = [column.name for column in copy.table.stored if column.name in standing]
        columns = ", ".join(map(quote, stored))
        copying = f"INSERT INTO {quote(copy.name)} ({columns}) SELECT {columns}"
        copying += f" FROM {quote(lock.table)} WHERE"
        size = self.source_table.size
        try:
            cut = buckets.cut(lock.connection, lock.limits, copy.table, size)
            for within in buckets.joined(cut, SEEDED):
                with lock.transaction() as connection:
                    condition = ranges.within(copy.table, within)
                    connection.run(f"copying {lock.table}", f"{copying} {condition}")
        except DatabaseFault as fault:
            if fault.code in GONE:
                raise
            tables.drop(lock, copy.name)
            return None
        return copy

    def _copy(self) -> Copy:
        return Copy(self.lock, self.source_table, self.definition, self.now)

    def _can_resume(self, name: str, noted: Progress, watermark: str) -> bool:
        updated = self.source_table.evidence.updated
        # A write within 2 s before the read, or after it began, may stand on either side of the
        # last page.
        quiet = updated is not None and (noted.read_from - updated).total_seconds() > 2
        if noted.watermark != watermark or not quiet or not noted.last_key:
            return False
        if not tables.engine_of(self.lock, name):
            return False
        return counting.count(self.lock.connection, [name])[name] == noted.rows


def discard(lock: Lock) -> None:
    """Remove a table's shadow, and the note of how far it had come."""
    with lock.transaction():
        progress.forget(lock)
    tables.drop(lock, shadow_name(NEW, lock.table))

"""Changes the replica's table in place: rows that differ, in one transaction with their proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from transfer.mysql import ranges
from transfer.mysql.literals import quote
from transfer.replica import extracts, progress, tables
from transfer.replica.extracts import Verdict
from transfer.replica.proof import prove, prove_changed
from transfer.replica.shadow import Shadow
from transfer.rules.casts import cast_of, numbered
from transfer.values.reasons import HopName
from transfer.values.scope import EVERYTHING
from transfer.values.table import Column, Hop


def fits_in_place(shadow: Shadow) -> bool:
    """Tell whether a transaction can bring single rows from the shadow into the standing table."""
    lock = shadow.lock
    if not shadow.table.key:
        return False
    engines = {tables.engine_of(lock, lock.table), tables.engine_of(lock, shadow.name)}
    return engines == {tables.TRANSACTIONAL} and not tables.counter_falls(lock, shadow.source_table)


@dataclass(frozen=True, slots=True)
class Merge:
    """The change of a standing table's rows, one by one, to those of its shadow."""

    shadow: Shadow

    def make(self, verdict: Verdict) -> Hop:
        """Change the rows, prove them and record the extract, all in one transaction.

        Raises:
            TableError: the replica would not hold the rows that were read.

        """
        shadow, lock = self.shadow, self.shadow.lock
        with shadow.discarded_on_error():
            # As an ALTER it commits, so it comes before the rows.
            tables.follow_counter(lock, shadow.source_table, lock.table)
            made = tables.structure_digest(lock, shadow.definition, lock.table)
            # A unique value may have to be given up by one row before another takes it.
            apart = tables.has_unique_keys(lock)
            with lock.transaction() as connection:
                inserted, updated, deleted = self._change_rows(apart=apart)
                if shadow.renewal:
                    prove_changed(connection, shadow)
                else:
                    prove(connection, lock.table, shadow)
                hop = self._hop(inserted, updated, deleted, verdict)
                scope = shadow.scope if numbered(shadow.table.key_columns) else EVERYTHING
                extract = extracts.note(lock, verdict, hop, "complete", scope, structure=made)
                if shadow.renewal:
                    shadow.renewal.make(lock, shadow.table, extract, shadow.total)
                progress.forget(lock)
            extracts.forget_old_scopes(lock)
            tables.drop(lock, shadow.name)
        return hop

    def _hop(self, inserted: int, updated: int, deleted: int, verdict: Verdict) -> Hop:
        loaded, seconds = self.shadow.loaded, monotonic() - verdict.started
        return Hop(
            HopName.EXTRACT, loaded.rows, inserted, updated, deleted, seconds, bytes=loaded.bytes
        )

    def _change_rows(self, *, apart: bool) -> tuple[int, int, int]:
        """Make the rows equal; return how many were inserted, updated and deleted.

        With `apart`, rows to be updated are deleted first and inserted again.
        """
        connection, doing = (
            self.shadow.lock.connection,
            f"bringing {self.shadow.lock.table} up to date",
        )
        deleted = sum(connection.run(doing, statement) for statement in self._deletes())
        updated = connection.run(doing, self._delete_changed() if apart else self._update())
        written = connection.run(doing, self._insert())
        return written - updated if apart else written, updated, deleted

    @property
    def _same_key(self) -> str:
        return " AND ".join(f"t.{quote(key)} = s.{quote(key)}" for key in self.shadow.table.key)

    @property
    def _join(self) -> str:
        standing, new = quote(self.shadow.lock.table), quote(self.shadow.name)
        return f"{standing} t JOIN {new} s ON {self._same_key}"

    @property
    def _differs(self) -> str:
        return " OR ".join(
            f"NOT ({_bytes('t', column)} <=> {_bytes('s', column)})"
            for column in self.shadow.table.stored
        )

    def _deletes(self) -> Iterator[str]:
        """Return the statements that delete the rows that are not in the shadow.

        LEFT JOIN … IS NULL would not do: in a date that is NOT NULL the server takes 0000-00-00
        for NULL.
        """
        standing, new = quote(self.shadow.lock.table), quote(self.shadow.name)
        for condition in ranges.conditions(self.shadow.table, self.shadow.scope, "t."):
            yield (
                f"DELETE t FROM {standing} t FORCE INDEX (PRIMARY) WHERE {condition}"
                f" AND NOT EXISTS (SELECT 1 FROM {new} s WHERE {self._same_key})"
            )

    def _delete_changed(self) -> str:
        return f"DELETE t FROM {self._join} WHERE {self._differs}"

    def _update(self) -> str:
        setting = ", ".join(
            f"t.{quote(column.name)} = {_copied(column, 's.')}"
            for column in self.shadow.table.stored
        )
        return f"UPDATE {self._join} SET {setting} WHERE {self._differs}"

    def _insert(self) -> str:
        stored, standing = self.shadow.table.stored, quote(self.shadow.lock.table)
        columns = ", ".join(quote(column.name) for column in stored)
        return (
            f"INSERT INTO {standing} ({columns}) SELECT {', '.join(map(_copied, stored))}"
            f" FROM {quote(self.shadow.name)} s"
            f" WHERE NOT EXISTS (SELECT 1 FROM {standing} t WHERE {self._same_key})"
        )


def _copied(column: Column, alias: str = "") -> str:
    """Return what to select so that the server stores the same.

    A label would be looked up again, and '' found as no label.
    """
    name = alias + quote(column.name)
    return cast_of(column).for_replica.format(c=name) if column.kind in ("enum", "set") else name


def _bytes(side: str, column: Column) -> str:
    """Return the expression that is equal for equal stored bytes, whatever the collation."""
    name = f"{side}.{quote(column.name)}"
    if column.kind in ("float", "double"):  # of which -0 equals 0
        return f"HEX(POINT({name}, 0))"
    expression = cast_of(column).for_replica.format(c=name)
    # MySQL's JSON comes as a text in the session's collation, which takes A for a.
    return f"CAST({expression} AS BINARY)" if column.kind == "json" else expression

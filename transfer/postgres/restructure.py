"""Gives a standing table other columns or another key, and puts back what others built on it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer.errors import DatabaseFault, TableError
from transfer.postgres import tables
from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place, listed, quote
from transfer.postgres.locks import Named, in_turns
from transfer.postgres.merging import Changes, Sides, merge
from transfer.rules.layout import Field
from transfer.server_codes import GONE, LOCKED_OUT, meaning
from transfer.settings import Limits
from transfer.values.scope import Scope

# Something depends on a column that is to go, or on its type, or is not ours to drop.
HINDERED = frozenset({tables.DEPENDED_UPON, "0A000", "42501"})

DEPENDENTS = Path(__file__).with_name("sql") / "dependents.sql"


@dataclass(frozen=True, slots=True)
class Dependent:
    """A view, index, constraint, rule or the like that stands on columns.

    `reads` are the columns that it reads.
    `dropping` is empty for what goes with its column by itself.
    `making` is None for what cannot be made again.
    """

    name: str
    reads: frozenset[str]
    dropping: str
    making: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Change:
    """What is to change in the columns and the key of a standing table.

    A type is widened in place only where PostgreSQL need not rewrite the rows. To a transaction
    that began before, a rewritten table looks empty, while a replaced column only looks NULL.
    """

    gone: tuple[str, ...]
    replaced: tuple[Field, ...]
    widened: tuple[Field, ...]
    added: tuple[Field, ...]
    freed: tuple[str, ...]
    key: str

    @property
    def moving(self) -> tuple[str, ...]:
        """The columns that go or get another type."""
        return (*self.gone, *(field.name for field in (*self.replaced, *self.widened)))

    @property
    def leaving(self) -> tuple[str, ...]:
        """The columns that do not stay in their place."""
        return (*self.gone, *(field.name for field in self.replaced))

    @property
    def actions(self) -> tuple[str, ...]:
        """What ALTER TABLE is to do."""
        return (
            *([f"DROP CONSTRAINT {quote(self.key)}"] if self.key else []),
            *(f"DROP COLUMN {quote(name)}" for name in self.leaving),
            *(f"ALTER COLUMN {quote(field.name)} TYPE {field.type}" for field in self.widened),
            *(f"ALTER COLUMN {quote(name)} DROP NOT NULL" for name in self.freed),
            *(
                f"ADD COLUMN {quote(field.name)} {field.type}"
                for field in (*self.replaced, *self.added)
            ),
        )


def bring_up_to_date(connection: Connection, limits: Limits, sides: Sides, scope: Scope) -> Changes:
    """Give the target the columns and the key of both sides, then its rows of a scope.

    Raises:
        TableError: a view or the like needs a column that is to go, or cannot be made again.

    """
    kept = _conform(connection, limits, sides)
    changes = merge(connection, limits, sides, scope)
    _put_back(connection, sides.target, kept)
    return changes


def _conform(connection: Connection, limits: Limits, sides: Sides) -> tuple[Dependent, ...]:
    """Give a standing table other columns or another key without replacing it.

    Return what is to be put back on it. Nothing is dropped by CASCADE, and nothing is lost: if the
    table cannot be filled, or the dependents not put back, the whole transaction is rolled back.
    """
    place = sides.target
    change = _change(connection, sides)
    if not change.actions:
        return ()
    dependents: tuple[Dependent, ...] = ()

    def statements() -> list[Named]:
        nonlocal dependents
        # dbt may have replaced a view since the turn before.
        dependents = _dependents(connection, place, change)
        _refuse_losses(place, change, dependents)
        dropping = [
            (dependent.name, dependent.dropping)
            for dependent in reversed(dependents)
            if dependent.dropping
        ]
        return [*dropping, ("", f"ALTER TABLE {place} {', '.join(change.actions)}")]

    outcome, where = in_turns(connection, limits, f"altering {place}", statements)
    if outcome in HINDERED:
        hindrance = where or tables.dependents(connection, place)
        raise TableError(_sentence(place, change.moving, hindrance))
    if outcome:
        raise DatabaseFault("warehouse", f"altering {place}", outcome)
    gone = set(change.gone)
    return tuple(
        dependent for dependent in dependents if dependent.making and not dependent.reads & gone
    )


def _put_back(connection: Connection, place: Place, dependents: Sequence[Dependent]) -> None:
    """Make what stood on columns that have been replaced again.

    Raises:
        TableError: it does not fit the new columns.

    """
    for dependent in dependents:
        try:
            for statement in dependent.making or ():
                connection.run(f"putting {dependent.name} back on {place}", statement)
        except DatabaseFault as fault:
            if fault.code in GONE | LOCKED_OUT:
                raise
            raise TableError(
                f"{place} must get other columns, but {dependent.name} cannot be made again over"
                f" them ({meaning(fault.code)}, error {fault.code}): change or drop it and run"
                " again (dbt makes its own views again)."
            ) from None


def _change(connection: Connection, sides: Sides) -> _Change:
    wanted = {field.name: field for field in sides.fields}
    standing = {field.name: field for field in tables.fields_of(connection, sides.target)}
    retyped = [
        field for name, field in wanted.items() if name in standing and standing[name] != field
    ]
    widened = tuple(field for field in retyped if _widens(standing[field.name].type, field.type))
    replaced = tuple(field for field in retyped if field not in widened)
    gone = tuple(name for name in standing if name not in wanted)
    leaving = {*gone, *(field.name for field in replaced)}
    kept = {*leaving, *sides.key}
    # NOT NULL outlives its key.
    freed = [name for name in _not_null(connection, sides.target) if name not in kept]
    return _Change(
        gone=gone,
        replaced=replaced,
        widened=widened,
        added=tuple(field for name, field in wanted.items() if name not in standing),
        freed=tuple(freed),
        key=_key_to_drop(connection, sides, leaving),
    )


def _key_to_drop(connection: Connection, sides: Sides, leaving: set[str]) -> str:
    """Return the name of the primary key's constraint if the key has to go, empty if it stays."""
    standing = tables.key_of(connection, sides.target)
    if not standing or (standing == tuple(sides.key) and leaving.isdisjoint(standing)):
        return ""
    found = connection.rows(
        f"looking at {sides.target}",
        "SELECT conname::text FROM pg_constraint"
        " WHERE conrelid = to_regclass($1) AND contype = 'p'",
        (str(sides.target),),
    )
    return str(found[0][0]) if found else ""


def _not_null(connection: Connection, place: Place) -> list[str]:
    """Return the columns that are NOT NULL."""
    found = connection.rows(
        f"looking at {place}",
        "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1)"
        " AND attnum > 0 AND attnotnull AND NOT attisdropped",
        (str(place),),
    )
    return [str(name) for (name,) in found]


def _widens(before: str, after: str) -> bool:
    """Tell whether a type takes another's values as they are stored.

    That is a numeric of more digits, but not of more decimals.
    """
    old, new = (re.fullmatch(r"numeric\((\d+),(\d+)\)", kind) for kind in (before, after))
    if old is None or new is None:
        return False
    return old[2] == new[2] and int(old[1]) < int(new[1])


def _dependents(connection: Connection, place: Place, change: _Change) -> tuple[Dependent, ...]:
    found = tables.definitions(
        connection,
        f"looking at what stands on {place}",
        DEPENDENTS.read_text(),
        (str(place), "\x01".join(change.moving), "\x01".join(change.leaving), bool(change.key)),
    )
    return tuple(
        Dependent(
            str(name),
            frozenset(json.loads(reads)),
            str(dropping or ""),
            tuple(json.loads(making)) if making else None,
        )
        for name, reads, dropping, making in found
    )


def _refuse_losses(place: Place, change: _Change, dependents: Sequence[Dependent]) -> None:
    """Refuse to drop what could not be made again.

    It reads a column that is gone, or is more than its definition.
    """
    gone = set(change.gone)
    reading = [
        dependent for dependent in dependents if dependent.dropping and dependent.reads & gone
    ]
    if reading:
        read = frozenset().union(*(dependent.reads for dependent in reading))
        columns = [name for name in change.gone if name in read]
        names = [dependent.name for dependent in reading]
        raise TableError(_sentence(place, columns, listed(names)))
    lasting = [dependent.name for dependent in dependents if dependent.making is None]
    if lasting:
        raise TableError(_sentence(place, change.moving, listed(lasting)))


def _sentence(place: Place, columns: Sequence[str], hindrance: str) -> str:
    return (
        f"{place} must lose or retype {listed(columns) or 'its primary key'}, but {hindrance}"
        " depends on it: drop what reads it and run again (dbt makes its own views again)."
    )

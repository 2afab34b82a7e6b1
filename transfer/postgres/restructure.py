"""Other columns or another key for a table that stands in PostgreSQL, and what others have built on them put back as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer.errors import GONE, LOCKED_OUT, DatabaseFault, TableError, meaning
from transfer.postgres import client as postgres
from transfer.postgres.client import (
    DEPENDED_UPON,
    Connection,
    Place,
    fields_of,
    key_of,
    listed,
    quote,
)
from transfer.rules.layout import Field
from transfer.settings import Limits

# Something depends on a column that is to go, or on its type, or is not ours to drop.
HINDERED = frozenset({DEPENDED_UPON, "0A000", "42501"})

DEPENDENTS = Path(__file__).with_name("sql") / "dependents.sql"


@dataclass(frozen=True, slots=True)
class Dependent:
    """A view, index, constraint, rule or the like that stands on columns: which of them it reads itself.

    `dropping` is empty for what goes with its column by itself, `making` is None for what cannot be made again.
    """

    name: str
    reads: frozenset[str]
    dropping: str
    making: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Change:
    """How the columns and the key of a standing table are to become others.

    A type that widens stays in its place only where PostgreSQL need not write the rows anew: to a transaction that began
    before, a table so rewritten looks empty, a column that was replaced but NULL.
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


def conform(
    connection: Connection,
    limits: Limits,
    place: Place,
    fields: Sequence[Field],
    key: Sequence[str],
) -> tuple[Dependent, ...]:
    """Give a standing table other columns or another key without replacing it; return what is to be put back on it.

    Nothing is dropped by CASCADE, and nothing is lost: the caller fills the table, then calls `put_back`, and if that fails
    the whole transaction is rolled back.

    Raises:
        TableError: a view or the like needs a column that is to go, or cannot be made again.

    """
    change = _change(connection, place, fields, key)
    if not change.actions:
        return ()
    dependents: tuple[Dependent, ...] = ()

    def statements() -> list[tuple[str, str]]:
        nonlocal dependents
        dependents = _dependents(
            connection, place, change
        )  # dbt may have made a view anew since the turn before
        _refuse_losses(place, change, dependents)
        dropping = [(each.name, each.dropping) for each in reversed(dependents) if each.dropping]
        return [*dropping, ("", f"ALTER TABLE {place} {', '.join(change.actions)}")]

    outcome, where = postgres.in_turns(connection, limits, f"altering {place}", statements)
    if outcome in HINDERED:
        raise TableError(
            _sentence(place, change.moving, where or postgres.dependents(connection, place))
        )
    if outcome:
        raise DatabaseFault("warehouse", f"altering {place}", outcome)
    return tuple(each for each in dependents if each.making and not each.reads & set(change.gone))


def put_back(connection: Connection, place: Place, dependents: Sequence[Dependent]) -> None:
    """Make again what stood on columns that others have replaced.

    Raises:
        TableError: it does not fit the new columns.

    """
    for each in dependents:
        try:
            for statement in each.making or ():
                connection.run(f"putting {each.name} back on {place}", statement)
        except DatabaseFault as fault:
            if fault.code in GONE | LOCKED_OUT:
                raise
            raise TableError(
                f"{place} must get other columns, but {each.name} cannot be made again over them ({meaning(fault.code)}, error"
                f" {fault.code}): change or drop it and run again (dbt makes its own views anew)."
            ) from None


def _change(
    connection: Connection, place: Place, fields: Sequence[Field], key: Sequence[str]
) -> _Change:
    wanted = {field.name: field for field in fields}
    standing = {field.name: field for field in fields_of(connection, place)}
    retyped = [
        field for name, field in wanted.items() if name in standing and standing[name] != field
    ]
    widened = tuple(field for field in retyped if _widens(standing[field.name].type, field.type))
    replaced = tuple(field for field in retyped if field not in widened)
    gone = tuple(name for name in standing if name not in wanted)
    bound, constraint = _bound(connection, place)
    leaving = {*gone, *(field.name for field in replaced)}
    standing_key = key_of(connection, place)
    key_goes = bool(standing_key) and (
        standing_key != tuple(key) or not leaving.isdisjoint(standing_key)
    )
    return _Change(
        gone=gone,
        replaced=replaced,
        widened=widened,
        added=tuple(field for name, field in wanted.items() if name not in standing),
        freed=tuple(
            name for name in bound if name not in leaving and name not in key
        ),  # NOT NULL outlives its key
        key=constraint if key_goes else "",
    )


def _widens(before: str, after: str) -> bool:
    """Tell whether a type takes another's values as they are stored: a numeric of more digits, but not more decimals."""
    digits = [re.fullmatch(r"numeric\((\d+),(\d+)\)", each) for each in (before, after)]
    if digits[0] is None or digits[1] is None:
        return False
    return digits[0][2] == digits[1][2] and int(digits[0][1]) < int(digits[1][1])


def _bound(connection: Connection, place: Place) -> tuple[list[str], str]:
    """Return the columns that are NOT NULL, and the name of the primary key's constraint."""
    columns = connection.rows(
        f"looking at {place}",
        "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND attnotnull AND NOT attisdropped",
        (str(place),),
    )
    constraint = connection.rows(
        f"looking at {place}",
        "SELECT conname::text FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'p'",
        (str(place),),
    )
    return [str(name) for (name,) in columns], str(constraint[0][0]) if constraint else ""


def _dependents(connection: Connection, place: Place, change: _Change) -> tuple[Dependent, ...]:
    found = postgres.definitions(
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
    """Refuse to drop what could not be made again, as it reads a column that is gone or is more than its definition."""
    gone = set(change.gone)
    reading = [each for each in dependents if each.dropping and each.reads & gone]
    if reading:
        columns = [name for name in change.gone if any(name in each.reads for each in reading)]
        raise TableError(_sentence(place, columns, listed([each.name for each in reading])))
    lasting = [each.name for each in dependents if each.making is None]
    if lasting:
        raise TableError(_sentence(place, change.moving, listed(lasting)))


def _sentence(place: Place, columns: Sequence[str], hindrance: str) -> str:
    return (
        f"{place} must lose or retype {listed(columns) or 'its primary key'}, but {hindrance} depends on it: drop what reads it and"
        " run again (dbt makes its own views anew)."
    )

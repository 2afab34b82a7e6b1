"""What changed in the structure of the source's tables, recorded with their rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from transfer.errors import DatabaseFault
from transfer.postgres.connection import Connection
from transfer.postgres.pool import connect
from transfer.server_codes import MISSING_TABLE
from transfer.settings import Warehouse
from transfer.values.table import Column, Table
from transfer.warehouse.bookkeeping import among, is_there, joined, named

APPEARED = "table appeared"
VANISHED = "table gone"
RETURNED = "table returned"
DROPPED = "table dropped on request"
SHOWN_LENGTH = 80


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change of a table of the source; `found` is when the run that met it recorded it."""

    table: str
    kind: str
    column: str = ""
    before: str = ""
    after: str = ""
    found: datetime | None = None

    @property
    def sentence(self) -> str:
        """The change in one line."""
        before, after = _short(self.before) or "none", _short(self.after) or "none"
        match self.kind:
            case "column added":
                return f"{self.table}: column {self.column} added ({after})"
            case "column dropped":
                return f"{self.table}: column {self.column} dropped ({before})"
            case "column renamed":
                return f"{self.table}: column {self.column} renamed to {after}"
            case "column changed":
                return f"{self.table}: column {self.column} changed ({before} → {after})"
            case "key changed":
                return f"{self.table}: key changed ({before} → {after})"
        return f"{self.table}: {self.kind}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 1] + "…"


@dataclass(frozen=True, slots=True)
class _Structure:
    """A table's columns in order, each with its definition, and its primary key."""

    columns: dict[str, str]
    key: tuple[str, ...]


def to_json(table: Table) -> str:
    """Return a table's structure as JSON."""
    columns = [[column.name, _definition(column)] for column in table.columns]
    return json.dumps({"columns": columns, "key": table.key}, ensure_ascii=False)


def _definition(column: Column) -> str:
    charset = f" CHARACTER SET {column.charset}" if column.charset else ""
    null, generated = "" if column.nullable else " NOT NULL", " GENERATED" * column.generated
    return f"{column.type}{charset}{null}{generated}"


def _from_json(text: str) -> _Structure:
    found = json.loads(text)
    return _Structure(dict(map(tuple, found["columns"])), tuple(found["key"]))


def differences(table: str, before: str, after: str) -> tuple[SchemaChange, ...]:
    """Return the changes that lead from one structure to another."""
    old, new = _from_json(before), _from_json(after)
    renamed = _renamed(old, new)
    names = {name: renamed.get(name, name) for name in old.columns}
    kept = [name for name in old.columns if names[name] in new.columns]
    changes = [
        *(
            SchemaChange(table, "column dropped", name, before=definition)
            for name, definition in old.columns.items()
            if name not in kept
        ),
        *(
            SchemaChange(table, "column added", name, after=definition)
            for name, definition in new.columns.items()
            if name not in names.values()
        ),
        *(SchemaChange(table, "column renamed", name, name, now) for name, now in renamed.items()),
        *(
            SchemaChange(table, "column changed", name, old.columns[name], new.columns[names[name]])
            for name in kept
            if old.columns[name] != new.columns[names[name]]
        ),
    ]
    order = (
        [names[name] for name in kept],
        [name for name in new.columns if name in map(names.get, kept)],
    )
    if order[0] != order[1]:
        changes.append(
            SchemaChange(
                table, "columns reordered", before=", ".join(order[0]), after=", ".join(order[1])
            )
        )
    if tuple(names[name] for name in old.key) != new.key:
        changes.append(
            SchemaChange(table, "key changed", before=", ".join(old.key), after=", ".join(new.key))
        )
    return tuple(changes)


def _renamed(old: _Structure, new: _Structure) -> dict[str, str]:
    """Return the column that was renamed, with its new name.

    Only one column is gone, only one is new, and they have the same place and type.
    """
    gone = [(place, name) for place, name in enumerate(old.columns) if name not in new.columns]
    added = [(place, name) for place, name in enumerate(new.columns) if name not in old.columns]
    if len(gone) != 1 or len(added) != 1:
        return {}
    (place, name), (new_place, new_name) = gone[0], added[0]
    same = place == new_place and old.columns[name] == new.columns[new_name]
    return {name: new_name} if same else {}


def note_loaded(
    connection: Connection,
    warehouse: Warehouse,
    table: Table,
    run_id: str,
    before: str,
    *,
    first: bool,
) -> None:
    """Record what changed of a table since its last load, in the transaction of this one.

    `before` is the structure that it had then. A table that is loaded for the first time has
    appeared if a complete earlier run did not know it.
    """
    if before:
        note(connection, warehouse, run_id, differences(table.name, before, to_json(table)))
    elif first and _appeared(connection, warehouse, table.name, run_id):
        note(connection, warehouse, run_id, [SchemaChange(table.name, APPEARED)])


def _appeared(connection: Connection, warehouse: Warehouse, table: str, run_id: str) -> bool:
    """Tell whether there was a complete run before and none knew the table.

    One that was red then is not new when it comes.
    """
    runs = named(warehouse, "etl_run")
    found = connection.rows(
        "reading etl_run",
        f"SELECT EXISTS (SELECT FROM {runs}"
        " WHERE finished_at IS NOT NULL AND tables_named = '' AND run_id <> $2)"
        f" AND NOT EXISTS (SELECT FROM {named(warehouse, 'etl_run_table')} AS work"
        f" JOIN {runs} AS run USING (run_id)"
        " WHERE work.table_name = $1 AND run_id <> $2"
        " AND run.started_at > coalesce((SELECT max(found_at)"
        f" FROM {named(warehouse, 'etl_schema_change')}"
        " WHERE table_name = $1 AND kind = $3), '-infinity'))",
        (table, run_id, DROPPED),
    )
    return bool(found[0][0])


def note(
    connection: Connection, warehouse: Warehouse, run_id: str, changes: Sequence[SchemaChange]
) -> None:
    """Record changes."""
    if not changes:
        return
    connection.run(
        "writing etl_schema_change",
        f"INSERT INTO {named(warehouse, 'etl_schema_change')}"
        " (run_id, table_name, kind, column_name, before, after)"
        " SELECT nullif($1, ''), made.table, kind, nullif(made.column, ''),"
        " nullif(before, ''), nullif(after, '') FROM json_to_recordset($2::text::json)"
        ' AS made ("table" text, kind text, "column" text, before text, after text)',
        (run_id, json.dumps([asdict(change) for change in changes], default=str)),
    )


def note_presence(
    warehouse: Warehouse, run_id: str, *, present: Sequence[str], gone: Sequence[str]
) -> None:
    """Mark the tables that the source no longer has, and unmark those that it has again."""
    status = named(warehouse, "etl_transform_status")
    with connect(warehouse) as connection:
        for names, kind, mark, marked in (
            (gone, VANISHED, "now()", "NULL"),
            (present, RETURNED, "NULL", "NOT NULL"),
        ):
            connection.run(
                "writing etl_schema_change",
                f"WITH marked AS (UPDATE {status} SET gone_at = {mark} WHERE table_name IN"
                # Rows that another run has locked are left to it.
                f" (SELECT table_name FROM {status} WHERE gone_at IS {marked}"
                f" AND {among('table_name', '$2')} FOR UPDATE SKIP LOCKED) RETURNING table_name)"
                f" INSERT INTO {named(warehouse, 'etl_schema_change')} (run_id, table_name, kind)"
                " SELECT $1, table_name, $3 FROM marked",
                (run_id, joined(names), kind),
            )
        connection.commit()


def gone(warehouse: Warehouse) -> frozenset[str]:
    """Return the tables that are marked as gone from the source."""
    status = named(warehouse, "etl_transform_status")
    asking = f"SELECT table_name FROM {status} WHERE gone_at IS NOT NULL"
    with connect(warehouse) as connection:
        try:
            found = connection.rows("reading etl_transform_status", asking)
        except DatabaseFault as fault:
            if fault.code in MISSING_TABLE:  # never prepared
                return frozenset()
            raise
    return frozenset(name for (name,) in found)


def of_run(warehouse: Warehouse, run_id: str) -> tuple[SchemaChange, ...]:
    """Return the changes that a run has met."""
    return _changes(warehouse, "WHERE run_id = $1 ORDER BY table_name, id", run_id)


def latest(warehouse: Warehouse, count: int, tables: Sequence[str]) -> tuple[SchemaChange, ...]:
    """Return the newest changes of tables, the newest first, none without a history."""
    which = f"WHERE {among('table_name', '$1')} ORDER BY id DESC LIMIT $2"
    return _changes(warehouse, which, joined(tables), count)


def _changes(warehouse: Warehouse, which: str, *values: str | int) -> tuple[SchemaChange, ...]:
    changes = named(warehouse, "etl_schema_change")
    with connect(warehouse) as connection:
        if not is_there(connection, changes):
            return ()
        found = connection.rows(
            "reading etl_schema_change",
            "SELECT table_name, kind, coalesce(column_name, ''), coalesce(before, ''),"
            f" coalesce(after, ''), found_at FROM {changes} {which}",
            values,
        )
    return tuple(SchemaChange(*row) for row in found)

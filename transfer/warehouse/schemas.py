"""How the source's structure was and is: what changed in it, written down for people beside the rows that came with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from transfer.errors import DatabaseFault
from transfer.postgres.connection import Connection
from transfer.postgres.literals import quote
from transfer.postgres.pool import connect
from transfer.server_codes import MISSING_TABLE
from transfer.settings import Warehouse
from transfer.values.table import Column, Table

APPEARED, GONE, RETURNED, DROPPED = (
    "table appeared",
    "table gone",
    "table returned",
    "table dropped on request",
)
SHOWN_LENGTH = 80


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change of a table of the source; `found` is when the run that met it wrote it down."""

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


def written(table: Table) -> str:
    """Return a table's structure as JSON."""
    columns = [[column.name, _definition(column)] for column in table.columns]
    return json.dumps({"columns": columns, "key": table.key}, ensure_ascii=False)


def _definition(column: Column) -> str:
    charset = f" CHARACTER SET {column.charset}" if column.charset else ""
    return f"{column.type}{charset}{'' if column.nullable else ' NOT NULL'}{' GENERATED' if column.generated else ''}"


def _read(text: str) -> _Structure:
    found = json.loads(text)
    return _Structure(dict(map(tuple, found["columns"])), tuple(found["key"]))


def differences(table: str, before: str, after: str) -> tuple[SchemaChange, ...]:
    """Tell what leads from one structure to another."""
    old, new = _read(before), _read(after)
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
    """Return the column that was renamed, if one only is gone, one only is new, and they have the same place and type."""
    gone = [each for each in enumerate(old.columns.items()) if each[1][0] not in new.columns]
    added = [each for each in enumerate(new.columns.items()) if each[1][0] not in old.columns]
    if len(gone) != 1 or len(added) != 1:
        return {}
    (place, (name, definition)), (new_place, (new_name, new_definition)) = gone[0], added[0]
    return {name: new_name} if (place, definition) == (new_place, new_definition) else {}


def note_loaded(connection: Connection, warehouse: Warehouse, table: Table, run_id: str) -> None:
    """Write down what changed of a table since its last load, in the transaction of this one, and keep its structure.

    A table is one that appeared if a complete earlier run did not know it. In a warehouse of a release that kept no
    structures the first load only keeps it.
    """
    ((before, first),) = connection.rows(
        "reading etl_transform_status",
        f"SELECT coalesce(structure, ''), extract_id = 0 FROM {_schema(warehouse)}.etl_transform_status WHERE table_name = $1",
        (table.name,),
    )
    if before:
        note(connection, warehouse, run_id, differences(table.name, before, written(table)))
    elif first and _appeared(connection, warehouse, table.name, run_id):
        note(connection, warehouse, run_id, [SchemaChange(table.name, APPEARED)])
    connection.run(
        "writing etl_transform_status",
        f"UPDATE {_schema(warehouse)}.etl_transform_status SET structure = $2 WHERE table_name = $1",
        (table.name, written(table)),
    )


def _appeared(connection: Connection, warehouse: Warehouse, table: str, run_id: str) -> bool:
    """Tell whether there was a complete run before and none knew the table: one that was red then is not new when it comes."""
    schema = _schema(warehouse)
    found = connection.rows(
        "reading etl_run",
        f"SELECT EXISTS (SELECT FROM {schema}.etl_run WHERE finished_at IS NOT NULL AND tables_named = '' AND run_id <> $2)"
        f" AND NOT EXISTS (SELECT FROM {schema}.etl_run_table AS work JOIN {schema}.etl_run AS run USING (run_id)"
        " WHERE work.table_name = $1 AND run_id <> $2 AND run.started_at > coalesce((SELECT max(found_at)"
        f" FROM {schema}.etl_schema_change WHERE table_name = $1 AND kind = $3), '-infinity'))",
        (table, run_id, DROPPED),
    )
    return bool(found[0][0])


def note(
    connection: Connection,
    warehouse: Warehouse,
    run_id: str,
    changes: Sequence[SchemaChange],
) -> None:
    """Write changes down."""
    if changes:
        connection.run(
            "writing etl_schema_change",
            f"INSERT INTO {_schema(warehouse)}.etl_schema_change (run_id, table_name, kind, column_name, before, after)"
            " SELECT nullif($1, ''), made.table, kind, nullif(made.column, ''), nullif(before, ''), nullif(after, '')"
            ' FROM json_to_recordset($2::text::json) AS made ("table" text, kind text, "column" text, before text, after text)',
            (run_id, json.dumps([asdict(change) for change in changes], default=str)),
        )


def note_presence(
    warehouse: Warehouse, run_id: str, *, present: Sequence[str], gone: Sequence[str]
) -> None:
    """Mark the tables that the source no longer has, and take the mark from those that it has again."""
    with connect(warehouse) as connection:
        for names, kind, mark, marked in (
            (gone, "table gone", "now()", "NULL"),
            (present, "table returned", "NULL", "NOT NULL"),
        ):
            connection.run(
                "writing etl_schema_change",
                f"WITH marked AS (UPDATE {_schema(warehouse)}.etl_transform_status SET gone_at = {mark} WHERE table_name IN"
                # Rows that another run has locked are left to it.
                f" (SELECT table_name FROM {_schema(warehouse)}.etl_transform_status WHERE gone_at IS {marked}"
                " AND table_name = ANY(string_to_array($2, chr(1))) FOR UPDATE SKIP LOCKED) RETURNING table_name)"
                f" INSERT INTO {_schema(warehouse)}.etl_schema_change (run_id, table_name, kind)"
                " SELECT $1, table_name, $3 FROM marked",
                (run_id, "\x01".join(names), kind),
            )
        connection.commit()


def gone(warehouse: Warehouse) -> frozenset[str]:
    """Return the tables that are marked as gone from the source."""
    asking = f"SELECT table_name FROM {_schema(warehouse)}.etl_transform_status WHERE gone_at IS NOT NULL"
    with connect(warehouse) as connection:
        try:
            return frozenset(
                name for (name,) in connection.rows("reading etl_transform_status", asking)
            )
        except DatabaseFault as fault:
            if fault.code in MISSING_TABLE:  # never prepared
                return frozenset()
            raise


def of_run(warehouse: Warehouse, run_id: str) -> tuple[SchemaChange, ...]:
    """Return the changes that a run has met."""
    return _changes(warehouse, "WHERE run_id = $1 ORDER BY table_name, id", run_id)


def latest(warehouse: Warehouse, count: int, tables: Sequence[str]) -> tuple[SchemaChange, ...]:
    """Return the newest changes of tables, the newest first; none of a warehouse that has no such history."""
    of_tables = "WHERE table_name = ANY(string_to_array($1, chr(1)))"
    return _changes(warehouse, f"{of_tables} ORDER BY id DESC LIMIT $2", "\x01".join(tables), count)


def _changes(warehouse: Warehouse, which: str, *values: str | int) -> tuple[SchemaChange, ...]:
    table = f"{_schema(warehouse)}.etl_schema_change"
    with connect(warehouse) as connection:
        if not connection.rows("looking for the history", "SELECT to_regclass($1)::text", (table,))[
            0
        ][0]:
            return ()
        found = connection.rows(
            "reading etl_schema_change",
            "SELECT table_name, kind, coalesce(column_name, ''), coalesce(before, ''), coalesce(after, ''), found_at"
            f" FROM {table} {which}",
            values,
        )
    return tuple(SchemaChange(*row) for row in found)


def _schema(warehouse: Warehouse) -> str:
    return quote(warehouse.base_schema)

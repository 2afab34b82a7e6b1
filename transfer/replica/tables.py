"""The tables of the replica beside the bookkeeping: their engines, counters and structures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from transfer.errors import DatabaseFault, TableError
from transfer.mysql import definition as definitions
from transfer.mysql.definition import ENGINES, REFUSED, UNKNOWN, as_replica
from transfer.mysql.literals import quote
from transfer.mysql.show_create import show_create
from transfer.replica import extracts
from transfer.replica.extracts import FROM_TABLES
from transfer.replica.lock import Lock
from transfer.server_codes import meaning
from transfer.values.table import SourceTable, digest

NEW, OLD = "_elt_new_", "_elt_old_"
TRANSACTIONAL = ENGINES[0]


def shadow_name(prefix: str, table: str) -> str:
    """Return the name of a table's shadow.

    A digest replaces long names, as 64 characters are the most, and those that are not plain:
    each of their characters takes five bytes of the 255 that a file's name has.
    """
    plain = len(prefix) + len(table) <= 64 and re.fullmatch(r"\w+", table, re.ASCII)
    return f"{prefix}{table}" if plain else f"{prefix}{digest(table)}"


def as_both_hold(lock: Lock, source_table: SourceTable) -> SourceTable:
    """Return the source's table as the replica's server can hold it, too."""
    table = source_table.table
    both = replace(table, signed_zeros=table.signed_zeros and lock.connection.signed_zeros)
    return replace(source_table, table=both)


def engine_of(lock: Lock, name: str) -> str:
    """Return a table's engine, empty if it is not there."""
    select = f"SELECT ENGINE {FROM_TABLES} AND TABLE_NAME = %s"
    found = lock.connection.rows("listing its tables", select, (name,))
    return str(found[0][0]) if found else ""


def key_positions(lock: Lock) -> dict[str, int]:
    """Return the standing table's columns with their positions in the primary key, in that order.

    The position of a column that is not in the key is 0.
    """
    found = lock.connection.rows(
        f"looking at {lock.table}",
        "SELECT held.COLUMN_NAME, COALESCE(part.SEQ_IN_INDEX, 0)"
        " FROM information_schema.COLUMNS AS held"
        " LEFT JOIN information_schema.STATISTICS AS part ON part.INDEX_NAME = 'PRIMARY'"
        " AND part.COLUMN_NAME = held.COLUMN_NAME AND part.TABLE_SCHEMA = DATABASE()"
        " AND part.TABLE_NAME = %s WHERE held.TABLE_SCHEMA = DATABASE() AND held.TABLE_NAME = %s"
        " ORDER BY part.SEQ_IN_INDEX",
        (lock.table, lock.table),
    )
    return {str(name): int(position) for name, position in found}


def keys_of(lock: Lock, name: str) -> set[str]:
    """Return the names of a table's keys."""
    found = lock.connection.rows(
        f"listing the keys of {name}",
        "SELECT INDEX_NAME FROM information_schema.STATISTICS"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
        (name,),
    )
    return {str(row[0]) for row in found}


def has_unique_keys(lock: Lock) -> bool:
    """Tell whether the standing table has unique keys besides its primary one."""
    found = lock.connection.rows(
        f"listing the keys of {lock.table}",
        "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()"
        " AND TABLE_NAME = %s AND NON_UNIQUE = 0 AND INDEX_NAME <> 'PRIMARY'",
        (lock.table,),
    )
    return bool(found[0][0])


def is_as_made(lock: Lock, definition: str) -> bool:
    """Tell whether the standing table is the one that this definition of the source's made here."""
    if not engine_of(lock, lock.table):
        return False
    return extracts.structure(lock) == structure_digest(lock, definition, lock.table)


def structure_digest(lock: Lock, definition: str, name: str) -> str:
    """Return a digest of the source's definition and of the table that it made here.

    Another server describes that table in other words.
    """
    made = definitions.structure(show_create(lock.connection, name))
    return digest(definitions.structure(definition, lock.limits.collations), made)


def create(lock: Lock, name: str, definition: str, rows: int | None = None) -> None:
    """Create a table of the first engine that takes the source's definition.

    `rows` are those that it will get, as for `as_replica`.

    Raises:
        TableError: none of the server's engines does.

    """
    collations = lock.limits.collations
    statements = (
        as_replica(definition, name, engine, collations, rows).create for engine in ENGINES
    )
    run_first_taken(lock, f"creating {name}", statements)


def run_first_taken(lock: Lock, doing: str, statements: Iterable[str]) -> None:
    """Run the first of statements, one for each engine, that the server takes with its engine.

    Raises:
        TableError: it takes none of them.

    """
    first = ""
    for statement in statements:
        try:
            lock.connection.run(doing, statement)
        except DatabaseFault as fault:
            if fault.code not in REFUSED | UNKNOWN:
                raise
            first = first or fault.code
            if fault.code in UNKNOWN:
                break
        else:
            return
    raise TableError(
        f"{lock.table}: no engine of the replica's server ({lock.connection.product}) takes its"
        f" definition ({meaning(first)}, error {first}). Take a server of the source's product and"
        f" version, or leave the table out: ELT_EXCLUDE={lock.table}."
    )


def drop(lock: Lock, name: str) -> None:
    """Drop a table if it is there."""
    if engine_of(lock, name):  # a look takes a tenth of the time of a DROP IF EXISTS of nothing
        lock.connection.run(f"dropping {name}", f"DROP TABLE IF EXISTS {quote(name)}")


def counter_falls(lock: Lock, source_table: SourceTable) -> bool:
    """Tell whether AUTO_INCREMENT is to be lower than it is.

    InnoDB only allows that once the rows below it are gone.
    """
    return 0 < (source_table.evidence.auto_increment or 0) < _counter(lock, lock.table)


def follow_counter(lock: Lock, source_table: SourceTable, name: str) -> None:
    """Give the table the source's AUTO_INCREMENT, which rows that are gone again may have moved."""
    wanted = source_table.evidence.auto_increment
    if wanted and _counter(lock, name) != wanted:
        setting = f"ALTER TABLE {quote(name)} AUTO_INCREMENT = {wanted}"
        lock.run_in_turns(f"setting the counter of {name}", setting)


def _counter(lock: Lock, name: str) -> int:
    """Return a table's AUTO_INCREMENT, 0 without one."""
    select = f"SELECT AUTO_INCREMENT {FROM_TABLES} AND TABLE_NAME = %s"
    found = lock.connection.rows(f"asking for the counter of {name}", select, (name,))
    return int(found[0][0] or 0) if found else 0

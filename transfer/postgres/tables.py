"""Asks for the structure and the rows of tables; creates them, marks them as ours, drops them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from transfer.errors import DatabaseFault, TableError
from transfer.postgres.connection import Connection, Row
from transfer.postgres.literals import Place, listed, literal, quote
from transfer.postgres.locks import alter, in_turns
from transfer.rules.layout import Field
from transfer.server_codes import GONE
from transfer.settings import Limits
from transfer.values.table import digest

LONG_TYPES = {"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz"}
MARK = "OpenDental ELT"
DEPENDED_UPON = "2BP01"
COUNTED_AT_ONCE = 100


def fields_of(connection: Connection, place: Place) -> tuple[Field, ...]:
    """Return a table's columns with their types, empty if there is no such table."""
    found = connection.rows(
        f"looking at {place}",
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (str(place),),
    )
    return tuple(Field(str(name), LONG_TYPES.get(str(kind), str(kind))) for name, kind in found)


def key_of(connection: Connection, place: Place) -> tuple[str, ...]:
    """Return the columns of a table's primary key in order."""
    found = connection.rows(
        f"looking at {place}",
        "SELECT a.attname::text FROM pg_constraint AS c,"
        " unnest(c.conkey) WITH ORDINALITY AS k (attnum, position), pg_attribute AS a"
        " WHERE c.conrelid = to_regclass($1) AND c.contype = 'p'"
        " AND a.attrelid = c.conrelid AND a.attnum = k.attnum ORDER BY k.position",
        (str(place),),
    )
    return tuple(row[0] for row in found)


def has_structure(
    connection: Connection, place: Place, fields: Iterable[Field], key: Sequence[str]
) -> bool:
    """Tell whether a table stands with these columns, in any order, and this primary key."""
    standing = set(fields_of(connection, place))
    return standing == set(fields) and key_of(connection, place) == tuple(key)


def create(
    connection: Connection, place: Place, fields: Sequence[Field], *, temporary: bool = False
) -> None:
    """Create a table; a temporary one goes with the transaction."""
    columns = ", ".join(f"{quote(field.name)} {field.type}" for field in fields)
    kind, end = ("TEMPORARY ", " ON COMMIT DROP") if temporary else ("", "")
    connection.run(f"creating {place}", f"CREATE {kind}TABLE {place} ({columns}){end}")


def make_ours(connection: Connection, place: Place, key: Sequence[str], owner: str) -> None:
    """Add the primary key to a table that nobody else sees yet, and mark it as the pipeline's.

    `owner` is the schema of the base tables, which names the configuration.
    """
    marking = f"COMMENT ON TABLE {place} IS {literal(f'{MARK} of {owner}')}"
    adding = f"ALTER TABLE {place} {_adding(key)}; " if key else ""
    tag = f"$elt_{digest(marking, adding)[:8]}$"
    connection.run(f"altering {place}", f"DO {tag} BEGIN {adding}{marking}; END {tag}")


def stands(connection: Connection, place: Place, owner: str) -> bool:
    """Tell whether the pipeline's own table is there.

    Raises:
        TableError: something of that name is there that this configuration did not make.

    """
    found = connection.rows(
        f"looking at {place}",
        # A user's own remark may have replaced the mark.
        "SELECT relkind = 'r'"
        " AND (obj_description(oid, 'pg_class') IS NOT DISTINCT FROM $2 OR EXISTS (SELECT"
        f" FROM {quote(owner)}.etl_transform_status"
        " WHERE pg_class.oid::bigint IN (raw_oid, public_oid)))"
        " FROM pg_class WHERE oid = to_regclass($1)",
        (str(place), f"{MARK} of {owner}"),
    )
    if found and not found[0][0]:
        raise TableError(
            f"{place} is there but was not made by the pipeline with"
            f" ANALYTICS_POSTGRES_BASE_SCHEMA={owner}: rename or drop it,"
            " or give this configuration a database of its own."
        )
    return bool(found)


def add_key(connection: Connection, limits: Limits, place: Place, key: Sequence[str]) -> None:
    """Add a primary key, if there is one to add."""
    if key:
        alter(connection, limits, place, _adding(key))


def _adding(key: Sequence[str]) -> str:
    return f"ADD PRIMARY KEY ({', '.join(map(quote, key))})"


def drop(connection: Connection, limits: Limits, place: Place) -> None:
    """Drop a table.

    Raises:
        TableError: something else depends on it.

    """
    doing, statement = f"dropping {place}", f"DROP TABLE {place}"
    outcome, _ = in_turns(connection, limits, doing, lambda: [("", statement)])
    if outcome == DEPENDED_UPON:
        hindrance = dependents(connection, place)
        raise TableError(
            f"{place} cannot be dropped, as {hindrance} depends on it: drop that first."
        )
    if outcome:
        raise DatabaseFault("warehouse", doing, outcome)


def dependents(connection: Connection, place: Place) -> str:
    """Name what PostgreSQL would drop with a table only by CASCADE."""
    found = definitions(
        connection,
        f"looking at {place}",
        "SELECT DISTINCT coalesce(rule.ev_class::regclass::text,"
        " pg_describe_object(d.classid, d.objid, 0)) FROM pg_depend AS d"
        " JOIN pg_class AS base ON base.oid = to_regclass($1)"
        " AND ((d.refclassid = 'pg_class'::regclass AND d.refobjid = base.oid)"
        " OR (d.refclassid = 'pg_type'::regclass AND d.refobjid = base.reltype))"
        " LEFT JOIN pg_rewrite AS rule ON d.classid = 'pg_rewrite'::regclass"
        " AND rule.oid = d.objid AND rule.rulename = '_RETURN'"
        " WHERE d.deptype = 'n' ORDER BY 1",
        (str(place),),
    )
    return listed([str(row[0]) for row in found]) or "something"


def definitions(
    connection: Connection, doing: str, statement: str, values: Sequence[Any]
) -> list[Row]:
    """Run a query that returns objects' names and definitions, each name with its schema.

    PostgreSQL locks the views whose definitions it shows, which would keep dbt from replacing them:
    the savepoint lets go of these locks with the query.
    """
    connection.run(doing, "SAVEPOINT elt_definitions")
    connection.run(doing, "SET LOCAL search_path = ''")
    found = connection.rows(doing, statement, values)
    connection.run(doing, "ROLLBACK TO SAVEPOINT elt_definitions")
    connection.run(doing, "RELEASE SAVEPOINT elt_definitions")
    return found


def counts(connection: Connection, places: Iterable[Place]) -> dict[Place, int | None]:
    """Count the rows of tables, all at once; the connection's transaction ends here.

    None stands for a table that cannot be counted now, as somebody holds it or it is broken.
    """
    found: dict[Place, int | None] = {}
    wanted = list(places)
    for start in range(0, len(wanted), COUNTED_AT_ONCE):
        part = wanted[start : start + COUNTED_AT_ONCE]
        try:
            found |= _counts(connection, part)
        except DatabaseFault:
            for place in part:
                found[place] = _count_or_none(connection, place)
    return found


def _counts(connection: Connection, part: Sequence[Place]) -> dict[Place, int | None]:
    counting = " UNION ALL ".join(
        f"SELECT {position}, count(*) FROM {place}" for position, place in enumerate(part)
    )
    return {part[position]: count for position, count in connection.rows("counting rows", counting)}


def _count_or_none(connection: Connection, place: Place) -> int | None:
    connection.rollback()
    try:
        return _counts(connection, [place])[place]
    except DatabaseFault as fault:
        if fault.code in GONE:
            raise
        connection.rollback()
        return None

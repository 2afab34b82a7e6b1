"""What the clinic's OpenDental database has, and in which state. Nothing here writes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from threading import BoundedSemaphore
from typing import Any, NamedTuple

from transfer.errors import DatabaseFault, PracticeUpgrading, TableVanished, vanishing
from transfer.mysql import hashing, pool
from transfer.mysql.connection import Connection, Row
from transfer.mysql.literals import quote
from transfer.mysql.show_create import show_create
from transfer.server_codes import FORBIDDEN, MISSING_COLUMN, MISSING_TABLE
from transfer.settings import Limits, Source
from transfer.values.table import Column, Evidence, SourceTable, Table, digest

# All tables of a run share one connection for control, as they share two that read rows: more
# would be felt in the clinic.
CONTROL = BoundedSemaphore(1)

# Tables that OpenDental itself makes and drops while it runs (dashboards, measures, signatures,
# conversions).
TRANSIENT = re.compile(
    r"(tempdash|tempehrmeasure|tempehrquality|tempprocnotesigned|tempcore|temptp|tempdt)[0-9a-z_]*",
    re.IGNORECASE,
)

RESERVED = re.compile(
    r"_elt_(new|old)_|etl_(extract_(status|lock|progress|scope|grid|cell)"
    r"|replica|transform_status|dbt_status|altered_value|mark|run|run_table|table_status|daily_runs"
    r"|errors|drift|schema_change)$",
    re.IGNORECASE,
)

VERSIONED = "SYSTEM VERSIONED"
TABLES = frozenset({"BASE TABLE", VERSIONED})

# Types whose values may be of any length though information_schema gives none.
WITHOUT_LENGTH = frozenset(
    "json geometry point linestring polygon multipoint multilinestring multipolygon"
    " geometrycollection geomcollection".split()
)
UNBOUNDED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Excluded:
    """A table that is not copied, and why."""

    table: str
    reason: str


@dataclass(frozen=True, slots=True)
class Survey:
    """The source at one moment of its own clock (UTC).

    `version` is that of OpenDental's database, empty if it is none.
    """

    now: datetime
    identity: str
    version: str
    tables: tuple[SourceTable, ...]
    excluded: tuple[Excluded, ...]

    def of(self, name: str) -> SourceTable:
        """Return one of the tables that were to be seen.

        Raises:
            TableVanished: it is gone.

        """
        for source_table in self.tables:
            if source_table.table.name == name:
                return source_table
        raise TableVanished(f"{name} vanished from the source between the survey and the read.")


@contextmanager
def control(source: Source, limits: Limits) -> Iterator[Connection]:
    """Hold the one connection for questions about tables."""
    with CONTROL, pool.connect(source, limits) as connection:
        yield connection


def survey(source: Source, limits: Limits, only: Sequence[str] | None = None) -> Survey:
    """Look at every table, or at those named, without reading a row of them."""
    with control(source, limits) as connection:
        server = _server(connection)
        version = version_of(connection)
        found = _tables(connection, only)
        columns = _columns(connection, only)
        keys = _keys(connection, only)
    tables, excluded = [], []
    for name, kind, engine, comment, *facts in found:
        reason = why_excluded(name, kind, limits.exclude)
        if reason:
            excluded.append(Excluded(name, reason))
            continue
        its, (key, prefixed) = columns.get(name, _Columns()), keys.get(name, ((), False))
        table = Table(
            name,
            tuple(its.columns),
            key,
            versioned=kind == VERSIONED,
            prefixed=prefixed,
            stamps=tuple(its.stamps),
            signed_zeros=server.signed_zeros,
            definition_digest=digest(comment, *its.remarks),
        )
        tells = engine == server.telling
        tables.append(_source_table(server.identity, engine, table, facts, tells=tells))
    return Survey(server.now, server.identity, version, tuple(tables), tuple(excluded))


def why_excluded(name: str, kind: str, patterns: Sequence[str]) -> str:
    """Return why a table is not copied, empty if it is.

    A table that the server cannot open is copied, and fails.
    """
    if kind not in TABLES:
        return f"a {kind.lower()}, not a table"
    if RESERVED.match(name):
        return "a name that the pipeline keeps for its own bookkeeping"
    if TRANSIENT.fullmatch(name):
        return "a transient table that OpenDental makes and drops itself"
    pattern = next(
        (pattern for pattern in patterns if fnmatchcase(name.lower(), pattern.lower())), None
    )
    return f"matches ELT_EXCLUDE pattern {pattern}" if pattern else ""


class _Server(NamedTuple):
    """What is asked of a server itself.

    It has reliable UPDATE_TIME and TABLE_ROWS for tables of the engine `telling`, empty without
    one. Without `signed_zeros` it takes -0 for 0.
    """

    now: datetime
    identity: str
    telling: str
    signed_zeros: bool


def _server(connection: Connection) -> _Server:
    """Return the server's clock and identity, and what it reports reliably.

    MyISAM's UPDATE_TIME is that of the last write, unless it writes through mapped memory, which
    leaves its files' times alone. InnoDB's is the statement's, so a transaction that commits later
    may leave it as a read found it. Aria's moves with its next checkpoint.
    """
    ((now, identity, signed_zeros),) = connection.rows(
        "asking for its clock and identity",
        "SELECT UTC_TIMESTAMP(/*!50604 6 */),"
        " CONCAT_WS('/', @@hostname, @@server_id, @@datadir, DATABASE()),"
        f" {hashing.SIGNED_ZEROS}",
    )
    mapped = connection.rows(
        "asking for its settings",
        "SHOW GLOBAL VARIABLES WHERE Variable_name = 'myisam_use_mmap'",
    )
    telling = "" if mapped and mapped[0][1] == "ON" else "MyISAM"
    return _Server(now, identity, telling, bool(signed_zeros))


# OpenDental's own notes of what it is doing to its database.
PREFERENCES = ("DataBaseVersion", "UpdateInProgressOnComputerName", "CorruptedDatabase")


def version_of(connection: Connection) -> str:
    """Return the version of OpenDental's database, empty if the source is not one.

    Raises:
        PracticeUpgrading: an upgrade is going on or has failed. Large tables are then renamed away
            and filled again.

    """
    try:
        found = connection.rows(
            "asking OpenDental for its version",
            "SELECT PrefName, ValueString FROM preference WHERE PrefName IN (%s, %s, %s)",
            PREFERENCES,
        )
    except DatabaseFault as fault:
        if fault.code in MISSING_TABLE | MISSING_COLUMN | FORBIDDEN:
            return ""
        raise
    held = {str(name): str(value or "") for name, value in found}
    version, upgrading, corrupted = (held.get(name, "") for name in PREFERENCES)
    if upgrading:
        raise PracticeUpgrading(
            "OpenDental is being upgraded (preference UpdateInProgressOnComputerName), so nothing"
            " is read; run again when it is done. If no upgrade is running, one was broken off:"
            " OpenDental itself says at its next start what to do."
        )
    if corrupted.lower() in ("1", "true"):
        raise PracticeUpgrading(
            "An upgrade of OpenDental failed halfway (preference CorruptedDatabase), so nothing is"
            " read; restore its backup or finish the upgrade, then run again."
        )
    return version


def _named(only: Sequence[str] | None) -> str:
    return f" AND TABLE_NAME IN ({', '.join(['%s'] * len(only))})" if only else ""


def _tables(connection: Connection, only: Sequence[str] | None) -> list[Row]:
    return connection.rows(
        "listing its tables",
        "SELECT TABLE_NAME, TABLE_TYPE, COALESCE(ENGINE, ''),"
        " CONCAT_WS(',', TABLE_COLLATION, TABLE_COMMENT), CREATE_TIME, UPDATE_TIME,"
        " AUTO_INCREMENT, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA = DATABASE(){_named(only)} ORDER BY TABLE_NAME",
        only or None,
    )


@dataclass(slots=True)
class _Columns:
    """A table's columns as they are found.

    `stamps` are those that the server sets to the time of a row's last change. `remarks` are what
    else it says of them.
    """

    columns: list[Column] = field(default_factory=list)
    stamps: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def _columns(connection: Connection, only: Sequence[str] | None) -> dict[str, _Columns]:
    """Return each table's columns."""
    found = connection.rows(
        "listing its columns",
        "SELECT TABLE_NAME, CONCAT_WS(',', COLUMN_DEFAULT, COLLATION_NAME, COLUMN_COMMENT), EXTRA,"
        " COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, IS_NULLABLE, CHARACTER_SET_NAME,"
        " NUMERIC_PRECISION, NUMERIC_SCALE, CHARACTER_OCTET_LENGTH"
        " /*M!100300 , GENERATION_EXPRESSION */ FROM information_schema.COLUMNS"
        f" WHERE TABLE_SCHEMA = DATABASE(){_named(only)} ORDER BY TABLE_NAME, ORDINAL_POSITION",
        only or None,
    )
    tables: dict[str, _Columns] = defaultdict(_Columns)
    for name, remark, extra, *facts in found:
        table, column = tables[name], _column(str(extra), facts)
        table.columns.append(column)
        table.remarks.append(f"{extra} {remark}")
        if re.search(r"on update current_timestamp", str(extra), re.IGNORECASE):
            table.stamps.append(column.name)
    return tables


def _column(extra: str, facts: Sequence[Any]) -> Column:
    name, column_type, kind, nullable, charset, precision, scale, octets, *made = facts
    return Column(
        name=name,
        type=re.sub(r"\s*/\*.*?\*/", "", str(column_type)),
        kind=str(kind).lower(),
        nullable=nullable == "YES",
        charset=charset,
        # The columns of a row's validity are filled by the source's server alone.
        generated=bool(re.search(r"(VIRTUAL|STORED|PERSISTENT) GENERATED", extra))
        and made not in (["ROW START"], ["ROW END"]),
        precision=precision,
        scale=scale,
        octets=UNBOUNDED if kind in WITHOUT_LENGTH else octets,
    )


def _keys(
    connection: Connection, only: Sequence[str] | None
) -> dict[str, tuple[tuple[str, ...], bool]]:
    """Return each primary key's columns, and whether its index has only the beginnings of one."""
    found = connection.rows(
        "listing its keys",
        "SELECT TABLE_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS"
        f" WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'PRIMARY'{_named(only)}"
        " ORDER BY TABLE_NAME, SEQ_IN_INDEX",
        only or None,
    )
    keys: dict[str, tuple[tuple[str, ...], bool]] = {}
    for table, name, beginning in found:
        before, prefixed = keys.get(table, ((), False))
        keys[table] = (*before, name), prefixed or beginning is not None
    return keys


def _source_table(
    identity: str, engine: str, table: Table, facts: Sequence[object], *, tells: bool
) -> SourceTable:
    created, updated, auto_increment, count, size = facts
    evidence = Evidence(
        identity=identity,
        engine=engine,
        fingerprint=table.fingerprint,
        created=created if isinstance(created, datetime) else None,
        updated=updated if isinstance(updated, datetime) and tells else None,
        auto_increment=int(str(auto_increment)) if auto_increment is not None else None,
        # A system-versioned table's count is that of its history too.
        rows=int(str(count)) if tells and count is not None and not table.versioned else None,
    )
    return SourceTable(table, evidence, int(str(count or 0)), int(str(size or 0)))


def look(
    source: Source, limits: Limits, name: str, version: str | None = None
) -> tuple[datetime, SourceTable]:
    """Look at one table and the source's clock.

    Raises:
        TableVanished: it is gone.
        PracticeUpgrading: OpenDental is being upgraded, or its database is not of the `version`
            that the run began with.

    """
    found = look_at(source, limits, [name], version)
    return found.now, found.of(name)


def look_at(source: Source, limits: Limits, names: Sequence[str], version: str | None) -> Survey:
    """Look at some tables and the source's clock.

    Raises:
        PracticeUpgrading: as `look`.

    """
    found = survey(source, limits, names)
    if version is not None and found.version != version:
        raise PracticeUpgrading(
            f"OpenDental's database was upgraded from {version} to {found.version} since the run"
            f" began; {names[0]} keeps its last version, the next run reads it again."
        )
    return found


def definition(source: Source, limits: Limits, name: str) -> str:
    """Return the table's SHOW CREATE TABLE, made explicit."""
    with vanishing(name), control(source, limits) as connection:
        return show_create(connection, name)


def count(source: Source, limits: Limits, source_table: SourceTable) -> int:
    """Return the number of rows, counted unless the server keeps it."""
    if source_table.evidence.rows is not None:
        return source_table.evidence.rows
    with control(source, limits) as connection:
        name = source_table.table.name
        statement = f"SELECT COUNT(*) FROM {quote(name)}"
        return int(connection.rows(f"counting {name}", statement)[0][0])


def is_clean(before: Evidence, after: Evidence, read_from: datetime) -> bool:
    """Tell whether nobody wrote a table while it was read.

    The evidence is equal, and the last write was over 2 s before the read began. UPDATE_TIME has
    whole seconds, so a write in the second of the read may leave no trace.
    """
    return (
        before == after
        and before.updated is not None
        and (read_from - before.updated).total_seconds() > 2
    )

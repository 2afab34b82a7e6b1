"""Writes polars frames into MySQL tables, with LOAD DATA or, where that is forbidden, INSERT."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl
import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.err import MySQLError, OperationalError

from deployments.clinic.chance import Chance
from deployments.clinic.schema import Table, create_statement, tables

# The preference that marks a clinic of ours: patients, seed, day of creation, last day played.
MARK = "SyntheticClinic"
UNFINISHED = "unfinished"
BLANK_DATE = date(1, 1, 1)
BLANK_TIME = datetime(1, 1, 1)
# The errors of MariaDB and MySQL when local_infile is off; somebody else may turn it off.
_LOAD_FORBIDDEN = (1148, 3948, 4166)
_INSERT_ROWS = 500

_SESSION = (
    "SET time_zone = '+00:00', sql_mode = '', "
    "myisam_sort_buffer_size = 268435456, bulk_insert_buffer_size = 67108864"
    # Otherwise the AUTO_INCREMENT that MySQL shows may be a day old.
    " /*!80000 , information_schema_stats_expiry = 0 */"
)
# Stamps are at least this many seconds old: before the day of creation in any time zone.
_YOUNGEST_STAMP = 36 * 3_600


class ClinicError(Exception):
    """A mistake that the user can mend; the text is one sentence."""


def connect(host: str, port: int, user: str, password: str, database: str) -> Connection[Any]:
    """Return an administrator's connection that may load files from memory."""
    return pymysql.connect(
        host=host,
        port=port,
        user=user,
        password=password,
        database=database,
        charset="utf8mb4",
        autocommit=True,
        local_infile=True,
        connect_timeout=30,
    )


@dataclass(slots=True)
class Loader:
    """Appends rows to tables and gives each the next key.

    Timestamps lie before `now`; with None they are the server's.
    """

    connection: Connection[Any]
    chance: Chance
    now: datetime | None
    bulk: bool
    say: Callable[[str], None]
    counts: dict[str, int] = field(default_factory=dict)

    def execute(self, statement: str) -> None:
        """Run a statement."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return a query's rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def count(self, table: str) -> int:
        """Return the last key given in a table."""
        return self.counts.get(table, 0)

    def numbered(self, table: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with this table's next primary keys, in its order."""
        key = tables()[table].primary_key
        first = self.count(table) + 1
        return frame.with_columns(pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias(key))

    def append(self, table: str, frame: pl.DataFrame) -> None:
        """Append the frame; keys and timestamps are added, other missing columns get defaults."""
        definition = tables()[table]
        if frame.is_empty():
            return
        unknown = set(frame.columns) - {column.name for column in definition.columns}
        if unknown:
            raise ValueError(f"{table} has no column {', '.join(sorted(unknown))}")
        if definition.primary_key not in frame.columns:
            frame = self.numbered(table, frame)
        frame = self._stamped(definition, frame)
        frame = _without_zero_dates(definition, frame)
        self.counts[table] = self.count(table) + frame.height
        if not (self.bulk and self._load_data(table, frame)):
            self._insert(table, frame)

    def _stamped(self, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        if self.now is None or table.stamp is None or table.stamp in frame.columns:
            return frame
        seconds = (
            self.chance.below(f"{table.name}.stamp", 300 * 86_400, pl.col(table.primary_key))
            + _YOUNGEST_STAMP
        )
        stamp = pl.lit(self.now) - pl.duration(seconds=seconds)
        return frame.with_columns(stamp.cast(pl.Datetime("us")).alias(table.stamp))

    def _load_data(self, table: str, frame: pl.DataFrame) -> bool:
        """Load the frame; return False if the server no longer allows it."""
        names = ",".join(f"`{name}`" for name in frame.columns)
        descriptor = os.memfd_create(table)
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                frame.write_csv(
                    file,
                    include_header=False,
                    quote_style="non_numeric",
                    null_value="NULL",
                    datetime_format="%Y-%m-%d %H:%M:%S",
                )
            # Without an escape character, a doubled quote is a quote, and only an unquoted NULL is
            # null.
            self.execute(
                f"LOAD DATA LOCAL INFILE '/proc/self/fd/{descriptor}' INTO TABLE `{table}` "
                "CHARACTER SET utf8mb3 "
                r"FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' "
                rf"LINES TERMINATED BY '\n' ({names})"
            )
        except OperationalError as error:
            if error.args[0] not in _LOAD_FORBIDDEN:
                raise
            self.bulk = False
        finally:
            os.close(descriptor)
        return self.bulk

    def _insert(self, table: str, frame: pl.DataFrame) -> None:
        names = ",".join(f"`{name}`" for name in frame.columns)
        marks = ",".join(["%s"] * len(frame.columns))
        with self.connection.cursor() as cursor:
            for slice_ in frame.iter_slices(_INSERT_ROWS):
                # The pattern of pymysql's executemany makes one statement of the slice.
                cursor.executemany(
                    f"INSERT INTO `{table}` ({names}) VALUES ({marks})", slice_.rows()
                )


def _lacks_date(column: Any) -> bool:
    return column.base_type in ("date", "datetime") and not column.default


def _without_zero_dates(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    missing = [
        column
        for column in table.columns
        if _lacks_date(column) and column.name not in frame.columns
    ]
    return frame.with_columns(
        pl.lit(BLANK_DATE if column.base_type == "date" else BLANK_TIME).alias(column.name)
        for column in missing
    )


@contextmanager
def opendental_session(connection: Connection[Any]) -> Iterator[None]:
    """Set OpenDental's blank sql_mode and UTC, and restore the connection at the end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@time_zone, @@sql_mode")
        before = cursor.fetchone()
        cursor.execute(_SESSION)
        try:
            yield
        finally:
            cursor.execute("SET time_zone = %s, sql_mode = %s", before)


@contextmanager
def bulk_loading(connection: Connection[Any]) -> Iterator[bool]:
    """Allow LOAD DATA LOCAL for a while, if the server lets us; yield whether it is allowed."""
    if not (
        connection.client_flag & CLIENT.LOCAL_FILES and getattr(connection, "_local_infile", False)
    ):
        yield False
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.local_infile")
        (before,) = cursor.fetchone() or (0,)
        if before:
            yield True
            return
        try:
            cursor.execute("SET GLOBAL local_infile = 1")
        except MySQLError:
            yield False
            return
        try:
            yield True
        finally:
            cursor.execute("SET GLOBAL local_infile = 0")


@contextmanager
def keys_disabled(loader: Loader, names: list[str]) -> Iterator[None]:
    """Leave the big tables' secondary keys to the end, where sorting builds them at once."""
    for name in names:
        loader.execute(f"ALTER TABLE `{name}` DISABLE KEYS")
    yield
    for name in names:
        loader.say(f"{name}: building keys")
        loader.execute(f"ALTER TABLE `{name}` ENABLE KEYS")


def create_tables(loader: Loader) -> None:
    """Create all tables, the preferences first: their mark says whose tables these are."""
    known = bool(
        loader.rows("SHOW COLLATION WHERE Collation IN ('utf8mb3_uca1400_ai_ci', 'uca1400_ai_ci')")
    )
    loader.execute(create_statement(tables()["preference"], known))
    loader.append("preference", pl.DataFrame({"PrefName": [MARK], "ValueString": [UNFINISHED]}))
    for table in tables().values():
        if table.name != "preference":
            loader.execute(create_statement(table, known))

"""Tables full of values: made at the source, copied in one run, compared by the oracle."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import oracle
import pymysql
import pytest
from abilities import take
from conftest import settings_for
from oracle import Places, ask, connected, my
from runs import limited, prepare, run

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.errors import EltError, TableError
from transfer.journey.plan import look
from transfer.journey.sync import sync
from transfer.settings import Settings
from transfer.values.table import TablePlan, TableResult


@dataclass(frozen=True)
class Sample:
    """A table's columns behind its key `Id`, and its rows, as SQL."""

    columns: str
    rows: tuple[str, ...]
    options: str = ""

    def statements(self, table: str) -> list[str]:
        rows = ", ".join(f"(DEFAULT, {row})" for row in self.rows)
        return [
            f"CREATE TABLE {my(table)} (Id int AUTO_INCREMENT PRIMARY KEY, {self.columns}) {self.options}",
            f"INSERT INTO {my(table)} VALUES {rows}",
        ]


@dataclass(frozen=True)
class Made:
    """A table made by its own statements; `{t}` stands for its name."""

    made_by: tuple[str, ...]

    def statements(self, table: str) -> list[str]:
        return [statement.replace("{t}", my(table)) for statement in self.made_by]


def made(*statements: str) -> Made:
    return Made(statements)


class Family:
    """All samples of a file at the source; a run over them is made when a test first needs it."""

    def __init__(
        self, places: Places, settings: Settings, samples: Mapping[str, Sample | Made]
    ) -> None:
        self.places, self.settings, self.samples = places, settings, samples
        self.refused: dict[str, BaseException] = {}
        self.tables = [name for name in samples if self._made(name)]

    def _made(self, name: str) -> bool:
        definition, *rows = self.samples[name].statements(name)
        try:
            take(self.places.source, "source", definition)
            for statement in rows:
                ask(self.places.source, statement)
        except (
            pymysql.Error,
            pytest.skip.Exception,
        ) as error:  # it is that table's test that fails or is skipped
            self.refused[name] = error
        return name not in self.refused

    @cached_property
    def first(self) -> dict[str, TableResult | Exception]:
        return self.run() if self.tables else {}

    @cached_property
    def again(self) -> dict[str, TableResult | Exception]:
        """Read everything once more, although nothing has changed."""
        assert set(self.first) == set(self.tables)
        return self.run(force_full=True) if self.tables else {}

    @cached_property
    def changed(self) -> dict[str, TableResult | Exception]:
        """Move each row's values to the next key, remove one row and double one."""
        assert set(self.again) == set(self.tables)
        for name in self.tables:
            if isinstance(self.samples[name], Sample):
                self._change(name)
        return self.run(force_full=True) if self.tables else {}

    def run(
        self, *, force_full: bool = False, verify: bool = False, by_name: bool = True
    ) -> dict[str, TableResult | Exception]:
        """Run once over all tables; a table that fails does so in its own test."""
        prepare(self.settings)
        run_id = secrets.token_hex(8)
        plans = look(
            self.settings, self.tables if by_name else None, force_full=force_full, verify=verify
        ).work

        def synced(plan: TablePlan) -> TableResult | Exception:
            try:
                return sync(self.settings, plan, run_id)
            except EltError as error:
                return error

        with ThreadPoolExecutor(4) as pool:
            return dict(zip((plan.table for plan in plans), pool.map(synced, plans), strict=True))

    def _change(self, name: str) -> None:
        columns = [column for column, _ in oracle.mysql_columns(self.places.source, name)][1:]
        writable = ", ".join(
            my(column) for column in columns if column not in self._generated(name)
        )
        ask(self.places.source, f"UPDATE {my(name)} SET Id = -Id")
        ((last,),) = ask(self.places.source, f"SELECT -MIN(Id) FROM {my(name)}")
        ask(self.places.source, f"UPDATE {my(name)} SET Id = MOD(-Id, {last}) + 1")
        ask(self.places.source, f"DELETE FROM {my(name)} WHERE Id = 2")
        ask(
            self.places.source,
            f"INSERT IGNORE INTO {my(name)} ({writable}) SELECT {writable} FROM {my(name)} WHERE Id = 1",
        )

    def _generated(self, name: str) -> set[str]:
        found = ask(
            self.places.source,
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s"
            " AND EXTRA REGEXP '(VIRTUAL|STORED|PERSISTENT) GENERATED'",
            name,
        )
        return {column for (column,) in found}

    def result(self, results: dict[str, TableResult | Exception], table: str) -> TableResult:
        if table in self.refused:
            raise self.refused[table]
        found = results[table]
        if isinstance(found, TableError):
            self._refused_by_replica(table, found)
        if isinstance(found, Exception):
            raise found
        return found

    def _refused_by_replica(self, table: str, error: TableError) -> None:
        """Skip a test whose table the replica's server cannot hold.

        The server is asked itself, and nothing may have been written.
        """
        definition = ask(self.places.source, f"SHOW CREATE TABLE {my(table)}")[0][1]
        ask(self.places.replica, "SET sql_mode = 'ALLOW_INVALID_DATES'")
        try:
            take(self.places.replica, "replica", definition)
        except pytest.skip.Exception:
            assert str(error).startswith(f"{table}: ")
            assert "\n" not in str(error)
            assert "ELT_EXCLUDE" in str(error)
            assert oracle.mysql_columns(self.places.replica, table) == []
            assert oracle.postgres_columns(self.places.warehouse, "raw", table) == []
            pytest.skip(f"the replica's server does not know this, and the run says so: {error}")
        source, replica = (
            oracle.described(place, table) for place in (self.places.source, self.places.replica)
        )
        computes_otherwise = self._computed_there(table)
        ask(self.places.replica, f"DROP TABLE {my(table)}")
        if replica != source:
            pytest.skip(
                f"the replica's server makes another table of this, and the run says so: {error}"
            )
        if computes_otherwise and "Its generated columns" in str(error):
            pytest.skip(f"the replica's server computes other values, and the run says so: {error}")

    def _computed_there(self, table: str) -> bool:
        """Tell whether the replica's own table would compute other values from the source's rows."""
        made = self._generated(table)
        columns = [column for column, _ in oracle.mysql_columns(self.places.source, table)]
        given, computed = (
            ", ".join(my(each) for each in columns if (each in made) == wanted)
            for wanted in (False, True)
        )
        if not computed:
            return False
        for row in ask(self.places.source, f"SELECT {given} FROM {my(table)}"):
            ask(
                self.places.replica,
                f"INSERT INTO {my(table)} ({given}) VALUES ({', '.join(['%s'] * len(row))})",
                *row,
            )
        ours, theirs = (
            sorted(map(repr, ask(place, f"SELECT {given}, {computed} FROM {my(table)}")))
            for place in (self.places.replica, self.places.source)
        )
        return ours != theirs

    def arrives(self, table: str) -> TableResult:
        """Assert that the first run brought a table exactly."""
        result = self.result(self.first, table)
        self.assert_exact(table)
        lost = oracle.lost(self.places, table)
        assert result.altered == lost, f"{table}: {result.altered} is told of {lost}"
        return result

    def stays(self, table: str) -> None:
        """Assert that a second look at the same values finds no difference."""
        result = self.result(self.again, table)
        changed = {hop.name: hop.changed for hop in result.hops}
        assert changed == dict.fromkeys(("extract", "load", "standardize"), 0), (
            f"{table}: {changed}"
        )
        self.assert_exact(table)

    def follows(self, table: str) -> None:
        """Assert that changed values arrive just as exactly."""
        assert self.result(self.changed, table).changed > 0
        self.assert_exact(table)

    def assert_exact(self, table: str) -> None:
        places = self.places
        wanted, found = oracle.structures(places, table)
        assert found == wanted, f"{table} is defined as {found}, not as {wanted}"
        self.assert_rows(table)

    def assert_rows(self, table: str) -> None:
        """Assert that rows and types are exact; structures may differ."""
        wrong = oracle.inexact(self.places, table)
        assert not wrong, f"{table}: {wrong}"

    def make(self, table: str, definition: str, *rows: str) -> TableResult:
        """Make one more table and fill it."""
        take(self.places.source, "source", f"CREATE TABLE {my(table)} ({definition})")
        return self.fill(table, *rows)

    def fill(self, table: str, *rows: str) -> TableResult:
        """Add rows, written as SQL, to a table and run it."""
        ask(self.places.source, f"INSERT INTO {my(table)} VALUES ({'), ('.join(rows)})")
        return run(self.settings, table)[table]

    def raw(self, select: str) -> list[tuple[Any, ...]]:
        """Return what an analyst sees in `raw`."""
        return ask(self.places.warehouse, select)


def family(samples: Mapping[str, Sample | Made], *, page_rows: int = 2) -> Callable[..., Any]:
    """Return a fixture that copies a file's samples, two rows a page, so every key is paged on."""

    @pytest.fixture(scope="module")
    def brought(servers: Servers, module_databases: Databases) -> Iterator[Family]:
        with connected(servers, module_databases) as places:
            yield Family(
                places, limited(settings_for(module_databases), page_rows=page_rows), samples
            )

    return brought

"""A practice's tables in OpenDental's shape: a plain client writes them, a run copies them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import oracle
import pytest
from conftest import numbers, settings_for
from oracle import Places, ask
from runs import limited, run

from deployments.databases import Databases
from transfer.journey.plan import look
from transfer.mysql import buckets
from transfer.settings import Settings
from transfer.values.table import TableResult

ENGINES = ("MyISAM", "InnoDB")
# By these settings every table with a key is a large one, or none is.
SIZES: dict[str, dict[str, int]] = {
    "small": {"reload_rows": 100_000},
    "large": {"reload_rows": 0, "reload_bytes": 0},
}
PAGE_ROWS, BUCKET_ROWS = 50, 7

STAMP = "DateTStamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
PROCEDURES = (
    "ProcNum bigint NOT NULL AUTO_INCREMENT, PatNum bigint NOT NULL, ProcDate date NOT NULL DEFAULT '0001-01-01',"
    " ProcFee double NOT NULL DEFAULT 0, ProcStatus tinyint unsigned NOT NULL DEFAULT 1, Note varchar(99) NOT NULL DEFAULT '',"
    f" {STAMP}, PRIMARY KEY (ProcNum), KEY PatNum (PatNum)"
)
# Their stamps are so old that no overlap with the last read reaches them.
A_PROCEDURE = (
    "seq, 1 + seq % 9, '2025-01-01' + INTERVAL seq DAY, seq / 7, 1, CONCAT('n', seq),"
    " '2025-01-02 03:04:05' + INTERVAL seq MINUTE"
)


@dataclass(frozen=True)
class Practice:
    """The source with tables of one engine, the copies, and the settings that make its tables large or small."""

    places: Places
    settings: Settings
    engine: str

    @property
    def tells(self) -> bool:
        """Tell whether the engine says when a table was last written.

        If it does, an unchanged table is not read.
        """
        return self.engine == "MyISAM"

    def create(self, columns: str, name: str = "t") -> str:
        """Create an empty table."""
        table = f"{name}_{secrets.token_hex(6)}"
        self.write(f"CREATE TABLE {table} ({columns}) ENGINE={self.engine} DEFAULT CHARSET=utf8mb3")
        return table

    def fill(self, table: str, row: str, rows: int, columns: str = "") -> str:
        self.write(f"INSERT INTO {table} {columns} SELECT {row} FROM {numbers(rows)}")
        return table

    def procedures(self, rows: int = 60) -> str:
        """Create a table of procedures with stamps that are long past."""
        return self.fill(self.create(PROCEDURES, "procedurelog"), A_PROCEDURE, rows)

    def write(self, *statements: str) -> None:
        for statement in statements:
            ask(self.places.source, statement)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return ask(self.places.source, query)

    def bring(self, *tables: str, **how: bool) -> dict[str, TableResult]:
        """Run once, and assert that all places are equal."""
        results = run(self.settings, *tables, **how)
        assert oracle.unequal(self.places, tables) == {}
        return results

    def work(self, *tables: str) -> dict[str, str]:
        """Return which of these tables the next run would work on, and why."""
        return {plan.table: plan.reason for plan in look(self.settings, list(tables)).work}


def opened(
    engine: str, size: str, places: Places, databases: Databases, patch: pytest.MonkeyPatch
) -> Practice:
    """Open a practice with small pages, and key ranges so short that a few rows fill several."""
    patch.setattr(buckets, "ROWS", BUCKET_ROWS)
    return Practice(
        places, limited(settings_for(databases), page_rows=PAGE_ROWS, **SIZES[size]), engine
    )


@contextmanager
def stopped_clock(practice: Practice, moment: str) -> Iterator[None]:
    """Let all statements of the writing client run at one moment, given in seconds."""
    practice.write(f"SET timestamp = {moment}")
    try:
        yield
    finally:
        practice.write("SET timestamp = DEFAULT", "SET time_zone = '+00:00'")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def practice(
    engine: str,
    size: str,
    places: Places,
    module_databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
) -> Practice:
    return opened(engine, size, places, module_databases, monkeypatch)

"""Changed schemas and sets of tables (S1 to S9): other columns, new tables, tables that go, upgrades, no keys, names' case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import oracle
import pytest
from conftest import settings_for
from oracle import Places, ask, connected
from practice import A_PROCEDURE, ENGINES, PROCEDURES, SIZES, STAMP, Practice, opened
from runs import limited, run, settle, sync_while, wait_for

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.errors import PracticeUpgrading, TableError, TableShrunk
from transfer.journey.plan import look
from transfer.journey.sync import sync
from transfer.mysql import cells


@pytest.fixture
def clinic(
    engine: str, size: str, servers: Servers, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Practice]:
    """A practice with databases of its own, all of whose tables are brought."""
    with connected(servers, databases) as places:
        yield opened(engine, size, places, databases, monkeypatch)


KEYLESS = "ImageName varchar(20), PatNum bigint, Amount double"
A_LEFT_OVER = "ELT(1 + seq % 3, 'x', 'X', NULL), seq % 2, 0.1"


@dataclass(frozen=True)
class Quiet:
    """Tables that nobody has written for 2 s; the `brought` one has stood in the replica for over a second."""

    brought: str
    replaced: str
    keyless: str


@pytest.fixture(scope="module")
def long_unwritten(places: Places, module_databases: Databases) -> dict[tuple[str, str], Quiet]:
    """Such tables for each engine and size."""
    found = {}
    for engine in ENGINES:
        writer = Practice(places, settings_for(module_databases), engine)
        for size in SIZES:
            keyless = writer.fill(writer.create(KEYLESS, "tempimageconv2"), A_LEFT_OVER, 40)
            found[engine, size] = Quiet(writer.procedures(), writer.procedures(), keyless)
    settle(places.source)
    run(settings_for(module_databases), *(each.brought for each in found.values()))
    newest = "SELECT MAX(CREATE_TIME) < NOW() - INTERVAL 1 SECOND FROM information_schema.TABLES"
    wait_for(lambda: ask(places.replica, f"{newest} WHERE TABLE_SCHEMA = DATABASE()") == [(1,)])
    return found


@pytest.fixture
def quiet(engine: str, size: str, long_unwritten: dict[tuple[str, str], Quiet]) -> Quiet:
    return long_unwritten[engine, size]


def _identities(practice: Practice, table: str) -> list[tuple[Any, ...]]:
    """The tables in `raw` and `public` as PostgreSQL numbers them."""
    return ask(
        practice.places.warehouse,
        "SELECT to_regclass(%s)::oid, to_regclass(%s)::oid",
        f"raw.{table}",
        f"public.{table}",
    )


DOCUMENTS = f"DocNum bigint NOT NULL AUTO_INCREMENT, Description varchar(255), PatNum bigint NOT NULL, {STAMP}, PRIMARY KEY (DocNum)"


def test_s01_columns_that_were_added_arrive_filled_and_the_rows_and_tables_stay(practice):
    table = practice.fill(
        practice.create(DOCUMENTS, "document"), "seq, CONCAT('d', seq), seq % 9, '2025-01-01'", 60
    )
    practice.bring(table)
    before = _identities(practice, table)
    practice.write(
        f"ALTER TABLE {table} ADD COLUMN ImgType tinyint NOT NULL DEFAULT 4 AFTER DocNum, ADD COLUMN OcrText text,"
        " ADD COLUMN IsMirrored tinyint unsigned NOT NULL FIRST",
        f"UPDATE {table} SET OcrText = CONCAT('read ', DocNum), DateTStamp = DateTStamp WHERE DocNum < 30",
    )
    result = practice.bring(table)[table]
    assert result.rows == 60
    assert _identities(practice, table) == before
    practice.write(f"UPDATE {table} SET IsMirrored = 1 WHERE DocNum = 60")
    practice.bring(table)


@pytest.mark.parametrize("size", ["small"])
def test_s02_a_column_that_only_the_replica_lacks_comes_back(practice, quiet):
    table = quiet.brought
    assert not practice.tells or practice.work(table) == {}
    ask(practice.places.replica, f"ALTER TABLE {table} DROP COLUMN Note")
    practice.bring(table)


def test_s03_views_on_raw_and_public_survive_reloads_and_added_columns(practice):
    table = practice.procedures()
    practice.bring(table)
    warehouse = practice.places.warehouse
    ask(
        warehouse,
        f'CREATE VIEW raw.{table}_view AS SELECT "ProcNum", "ProcFee", "DateTStamp" FROM raw.{table}',
    )
    ask(warehouse, f"CREATE VIEW public.{table}_view AS SELECT * FROM public.{table}")
    for statement, how in (
        (f"UPDATE {table} SET ProcFee = 1 WHERE ProcNum < 9", {"force_full": True}),
        (f"ALTER TABLE {table} ADD COLUMN UnitQty int NOT NULL DEFAULT 1 AFTER PatNum", {}),
        (f"DELETE FROM {table} WHERE ProcNum > 40", {}),
    ):
        practice.write(statement)
        practice.bring(table, **how)
    fees = practice.ask(f"SELECT ProcNum, ProcFee FROM {table} ORDER BY ProcNum")
    assert ask(warehouse, f'SELECT "ProcNum", "ProcFee" FROM raw.{table}_view ORDER BY 1') == fees
    assert ask(warehouse, f"SELECT proc_num, proc_fee FROM public.{table}_view ORDER BY 1") == fees


@pytest.mark.parametrize("size", ["small"])
def test_s04_new_tables_appear_by_themselves_and_dropped_ones_are_kept_and_reported(clinic):
    old = clinic.procedures()
    run(clinic.settings)
    rows = oracle.mysql_rows(clinic.places.source, old)
    clinic.write(f"DROP TABLE {old}")
    new = [clinic.procedures() for _ in range(2)]
    new.append(clinic.fill(clinic.create(KEYLESS, "bak"), A_LEFT_OVER, 9))
    assert set(run(clinic.settings)) == set(new)
    assert oracle.unequal(clinic.places, new) == {}
    assert look(clinic.settings).gone == (old,)
    assert oracle.mysql_rows(clinic.places.replica, old) == rows
    assert oracle.postgres_rows(clinic.places.warehouse, "raw", old) == rows
    assert oracle.postgres_rows(clinic.places.warehouse, "public", old) == oracle.standard(rows)
    clinic.write(
        f"CREATE TABLE {old} ({PROCEDURES}) ENGINE={clinic.engine} DEFAULT CHARSET=utf8mb3"
    )
    clinic.fill(old, A_PROCEDURE, 30)
    run(clinic.settings)
    assert look(clinic.settings).gone == ()
    assert oracle.unequal(clinic.places, [old]) == {}


DRIFTS = {
    "added": "ADD COLUMN A int NOT NULL DEFAULT 1 FIRST, ADD COLUMN B varchar(9) DEFAULT 'b' AFTER PatNum",
    "dropped": "DROP COLUMN ProcFee, DROP COLUMN ProcStatus",
    "renamed": "CHANGE ProcFee ProcPrice double NOT NULL DEFAULT 0",
    "widened": "MODIFY ProcStatus int NOT NULL DEFAULT 1, MODIFY Note mediumtext",
    "narrowed": "MODIFY Note varchar(20), MODIFY PatNum int NOT NULL",
    "reordered": "MODIFY Note varchar(99) NOT NULL DEFAULT '' FIRST",
    "key changed": "MODIFY ProcNum bigint NOT NULL, DROP PRIMARY KEY, ADD PRIMARY KEY (PatNum, ProcNum)",
    "characters": "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    "index": "ADD KEY Dates (ProcDate)",
}


@pytest.mark.parametrize("size", ["small"])
def test_s05_many_drifts_at_once_all_arrive_in_one_run(clinic):
    tables = {drift: clinic.procedures() for drift in [*DRIFTS, "gone", "other"]}
    run(clinic.settings)
    for drift, change in DRIFTS.items():
        clinic.write(
            f"ALTER TABLE {tables[drift]} {change}",
            f"UPDATE {tables[drift]} SET Note = 'drifted' WHERE ProcNum IN (3, 44)",
            f"DELETE FROM {tables[drift]} WHERE ProcNum = 20",
        )
    clinic.write(f"DROP TABLE {tables.pop('gone')}", f"DROP TABLE {tables['other']}")
    clinic.write(f"CREATE TABLE {tables['other']} ({KEYLESS}) ENGINE={clinic.engine}")
    clinic.write(f"CREATE TABLE {tables['index']}_bak_20260101 AS SELECT * FROM {tables['index']}")
    tables |= {"backup": f"{tables['index']}_bak_20260101", "new": clinic.procedures()}
    results = run(clinic.settings)
    assert set(results) == set(tables.values())
    assert oracle.unequal(clinic.places, tables.values()) == {}


TRANSIENT = "tempdash4k2jx tempehrmeasure1a2b tempehrquality77 tempprocnotesigned9 tempcore1 temptp2 tempdt20261122".split()


@pytest.mark.parametrize("size", ["small"])
def test_s06_the_tables_that_opendental_makes_and_drops_itself_are_left_out(clinic):
    table = clinic.procedures()
    for name in TRANSIENT:
        clinic.write(f"CREATE TABLE {name} (PatNum bigint PRIMARY KEY) ENGINE={clinic.engine}")
    outlook = look(clinic.settings)
    assert [plan.table for plan in outlook.plans] == [table]
    assert {each.table for each in outlook.excluded if "transient" in each.reason} == set(TRANSIENT)


def test_s06_a_table_that_vanishes_between_survey_and_read_is_noted_and_kept(practice):
    table = practice.procedures()
    practice.bring(table)
    practice.write(f"UPDATE {table} SET ProcFee = 1 WHERE ProcNum = 1")
    (planned,) = look(practice.settings, [table]).plans
    rows = oracle.mysql_rows(practice.places.replica, table)
    practice.write(f"DROP TABLE {table}")
    result = sync(practice.settings, planned, "run")
    assert (result.state, result.good, result.hops) == ("vanished", True, ())
    assert oracle.mysql_rows(practice.places.replica, table) == rows
    assert table in look(practice.settings).gone


@pytest.mark.parametrize("size", ["small"])
def test_s06_a_table_that_vanishes_while_it_is_read_is_noted_and_kept(practice, servers):
    table = practice.procedures()
    practice.bring(table)
    rows = oracle.mysql_rows(practice.places.replica, table)
    result = sync_while(servers, practice.settings, table, f"DROP TABLE {table}")
    assert (result.state, result.good) == ("vanished", True)
    assert oracle.mysql_rows(practice.places.replica, table) == rows


def _before_comparing(
    monkeypatch: pytest.MonkeyPatch, practice: Practice, *statements: str
) -> None:
    """Have statements run at the source when a table is about to be compared."""
    compare = cells.compare

    def and_then(*given: Any, **how: Any) -> Any:
        practice.write(*statements)
        return compare(*given, **how)

    monkeypatch.setattr(cells, "compare", and_then)


@pytest.mark.parametrize("size", ["small"])
def test_s07_a_table_renamed_away_and_recreated_empty_while_it_is_read_stays_as_it_was(
    practice, quiet, servers
):
    table = quiet.replaced
    practice.bring(table)
    rows = oracle.mysql_rows(practice.places.replica, table)
    practice.write(f"CREATE TABLE {table}_empty LIKE {table}")
    renaming = f"RENAME TABLE {table} TO {table}_old, {table}_empty TO {table}"
    with pytest.raises(TableError, match="while it was read"):
        sync_while(servers, practice.settings, table, renaming)
    assert oracle.mysql_rows(practice.places.replica, table) == rows
    practice.write(f"INSERT INTO {table} SELECT * FROM {table}_old")
    practice.bring(table)


@pytest.mark.parametrize("size", ["large"])
def test_s07_a_table_renamed_away_and_recreated_empty_before_it_is_compared_stays_as_it_was(
    practice, quiet, monkeypatch
):
    table = quiet.replaced
    practice.bring(table)
    rows = oracle.mysql_rows(practice.places.replica, table)
    practice.write(
        f"UPDATE {table} SET ProcFee = 1 WHERE ProcNum = 1",
        f"CREATE TABLE {table}_empty LIKE {table}",
    )
    renaming = f"RENAME TABLE {table} TO {table}_old, {table}_empty TO {table}"
    with monkeypatch.context() as patch:
        _before_comparing(patch, practice, renaming)
        with pytest.raises(TableError, match="while it was read"):
            run(practice.settings, table)
    assert oracle.mysql_rows(practice.places.replica, table) == rows
    practice.write(f"INSERT INTO {table} SELECT * FROM {table}_old")
    practice.bring(table)


PREFERENCES = "PrefNum bigint NOT NULL AUTO_INCREMENT, PrefName varchar(255), ValueString text, PRIMARY KEY (PrefNum)"
A_PREFERENCE = "seq, ELT(seq, 'DataBaseVersion', 'UpdateInProgressOnComputerName', 'CorruptedDatabase'), ELT(seq, '24.3.10.0', '', '0')"


@pytest.mark.parametrize("size", ["large"])
def test_s07_an_upgrade_that_fills_a_large_table_anew_in_batches_is_waited_for(clinic):
    clinic = replace(clinic, settings=limited(clinic.settings, page_rows=1_000))
    clinic.write(
        f"CREATE TABLE preference ({PREFERENCES}) ENGINE={clinic.engine} DEFAULT CHARSET=utf8mb3"
    )
    clinic.fill("preference", A_PREFERENCE, 3)
    table = clinic.procedures(1_100)
    clinic.bring(table, "preference")
    rows = oracle.mysql_rows(clinic.places.replica, table)
    clinic.write(
        "UPDATE preference SET ValueString = 'SERVER' WHERE PrefName = 'UpdateInProgressOnComputerName'",
        f"RENAME TABLE {table} TO {table}_old",
        f"CREATE TABLE {table} LIKE {table}_old",
    )
    with pytest.raises(PracticeUpgrading):
        look(clinic.settings)
    clinic.write(  # the same seen by a run that is not told of an upgrade
        "UPDATE preference SET ValueString = '' WHERE PrefName = 'UpdateInProgressOnComputerName'",
        f"INSERT INTO {table} SELECT * FROM {table}_old WHERE ProcNum <= 500",
    )
    with pytest.raises(TableShrunk):
        run(clinic.settings, table)
    assert oracle.mysql_rows(clinic.places.replica, table) == rows
    assert oracle.postgres_rows(clinic.places.warehouse, "raw", table) == rows
    clinic.write(
        f"INSERT INTO {table} SELECT * FROM {table}_old WHERE ProcNum > 500",
        f"ALTER TABLE {table} ADD COLUMN Urgency tinyint NOT NULL DEFAULT 2",
        f"DROP TABLE {table}_old",
        "UPDATE preference SET ValueString = '24.4.1.0' WHERE PrefName = 'DataBaseVersion'",
    )
    clinic.bring(table, "preference")


@pytest.mark.parametrize("size", ["small"])  # without a key no table is compared
def test_s08_tables_without_a_key_are_exact_as_multisets_and_skipped_while_unchanged(
    practice, quiet
):
    table = quiet.keyless
    practice.bring(table)
    assert not practice.tells or practice.work(table) == {}
    practice.write(
        f"DELETE FROM {table} WHERE ImageName = 'x' LIMIT 2",
        f"INSERT INTO {table} VALUES (NULL, 1, 0.1), (NULL, NULL, NULL)",
    )
    practice.bring(table)
    practice.write(f"UPDATE {table} SET Amount = 0.30000000000000004 WHERE ImageName = 'X' LIMIT 1")
    assert practice.bring(table)[table].rows == 40


ODD_CASES = f"PATFIELDDEFNUM bigint NOT NULL AUTO_INCREMENT, fieldNAME varchar(50), isHidden tinyint NOT NULL, {STAMP}, PRIMARY KEY (PATFIELDDEFNUM), KEY (fieldNAME)"


@pytest.mark.parametrize("size", ["large"])
def test_s09_names_in_any_case_arrive_and_a_change_of_case_follows(practice):
    lower, odd = (
        practice.create(ODD_CASES, "patfielddef"),
        practice.create(ODD_CASES, "PatFieldDEF"),
    )
    for table in (lower, odd):
        practice.fill(table, "seq, CONCAT('f', seq), 0, '2025-01-01'", 60)
    practice.bring(lower)
    _bring_oddly_named(practice, odd)
    for table in (lower, odd):
        practice.write(
            f"ALTER TABLE {table} CHANGE PATFIELDDEFNUM PatFieldDefNum bigint NOT NULL AUTO_INCREMENT,"
            " CHANGE fieldNAME FieldName varchar(50), CHANGE isHidden IsHidden tinyint NOT NULL",
            f"UPDATE {table} SET IsHidden = 1 WHERE PatFieldDefNum = 31",
        )
    practice.bring(lower)
    _bring_oddly_named(practice, odd)
    assert oracle.key(practice.places.warehouse, "public", lower) == ["pat_field_def_num"]
    practice.write(f"DELETE FROM {lower} WHERE PatFieldDefNum < 4")
    practice.bring(lower)


def _bring_oddly_named(practice: Practice, table: str) -> None:
    """The same for a table whose name in `public` is another."""
    run(practice.settings, table)
    assert oracle.inexact(practice.places, table) == ""
    rows = oracle.standard(oracle.mysql_rows(practice.places.source, table))
    names = [oracle.snake(name) for name, _ in oracle.mysql_columns(practice.places.source, table)]
    assert (
        oracle.postgres_rows(practice.places.warehouse, "public", oracle.snake(table), names)
        == rows
    )


@pytest.mark.parametrize("size", ["large"])
def test_s06_a_table_that_vanishes_before_it_is_compared_is_noted_and_kept(practice, monkeypatch):
    table = practice.procedures()
    practice.bring(table)
    practice.write(f"UPDATE {table} SET ProcFee = 1 WHERE ProcNum = 1")
    rows = oracle.mysql_rows(practice.places.replica, table)
    _before_comparing(monkeypatch, practice, f"DROP TABLE {table}")
    result = run(practice.settings, table)[table]
    assert (result.state, result.good) == ("vanished", True)
    assert oracle.mysql_rows(practice.places.replica, table) == rows

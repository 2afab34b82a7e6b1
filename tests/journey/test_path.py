"""A synthetic clinic goes through every place and arrives in each, value for value."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any

import oracle
import pytest
from conftest import settings_for
from oracle import Places, ask
from runs import limited, plan, run, settle

from deployments.clinic import connect, create, play_day
from deployments.clinic.schema import tables as clinic_tables
from deployments.databases import Databases
from deployments.servers import Servers
from transfer.errors import TableError
from transfer.journey.plan import look
from transfer.settings import Settings
from transfer.values.table import TableResult

PATIENTS = 30


@pytest.fixture(scope="module")
def places(servers: Servers, module_databases: Databases) -> Iterator[Places]:
    """A clinic with tables of all sorts beside OpenDental's own, before the first run."""
    source = servers.source
    names = module_databases
    with (
        closing(
            connect(source.host, source.port, source.user, source.password, names.source.name)
        ) as clinic,
        closing(servers.replica.connect(names.replica.name)) as replica,
        closing(servers.postgres.connect(names.warehouse.name)) as warehouse,
    ):
        create(clinic, PATIENTS, seed=3, as_of=date(2026, 11, 20))
        ask(clinic, "CREATE TABLE tempimageconv2 (A int, B varchar(9))")
        ask(
            clinic,
            "INSERT INTO tempimageconv2 VALUES (1, 'x'), (1, 'x'), (NULL, NULL), (NULL, NULL), (2, 'y')",
        )
        ask(clinic, "CREATE TABLE tempdash77 (A int)")
        ask(clinic, "CREATE TABLE patient_bak_20260101 AS SELECT * FROM patient")
        ask(clinic, "CREATE VIEW everybody AS SELECT PatNum FROM patient")
        settle(clinic)
        yield Places(clinic, replica, warehouse)


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    # Of so small a clinic, payments and schedules are to be large tables.
    return limited(settings_for(module_databases), exclude=("*_bak_*",), reload_rows=950)


@pytest.fixture(scope="module")
def first(places: Places, settings: Settings) -> dict[str, TableResult]:
    """The first run's verdicts."""
    return run(settings)


def test_all_tables_arrive_in_replica_raw_and_public_with_equal_counts(places, first):
    names = set(clinic_tables())
    assert len(names) == 408
    assert names | {"tempimageconv2"} == set(first)
    counts = {name: ask(places.source, f"SELECT COUNT(*) FROM `{name}`")[0][0] for name in names}
    assert {name: first[name].rows for name in names} == counts
    for connection, schema, quoted in (
        (places.replica, "", oracle.my),
        (places.warehouse, "raw.", oracle.pg),
        (places.warehouse, "public.", oracle.pg),
    ):
        each = " UNION ALL ".join(
            f"SELECT '{name}', COUNT(*) FROM {schema}{quoted(name)}" for name in names
        )
        assert dict(ask(connection, each)) == counts


def test_every_table_is_equal_everywhere(places, first):
    assert oracle.unequal(places, first) == {}


def test_the_replica_has_the_sources_structure(places, first):
    definitions = {name: oracle.structures(places, name) for name in first}
    assert [name for name, (source, replica) in definitions.items() if source != replica] == []
    engines = ask(
        places.replica,
        "SELECT DISTINCT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
    )
    assert engines == [("InnoDB",)]


def test_a_second_look_finds_nothing_to_do(first, settings):
    outlook = look(settings)
    assert outlook.work == ()
    assert {plan.reason for plan in outlook.plans} == {"nothing changed since the last clean read"}


def test_what_is_left_out_is_listed_with_its_reason(places, first, settings):
    reasons = {each.table: each.reason for each in look(settings).excluded}
    assert set(reasons) == {"everybody", "tempdash77", "patient_bak_20260101"}
    assert "transient" in reasons["tempdash77"]
    assert "*_bak_*" in reasons["patient_bak_20260101"]


@pytest.mark.parametrize(
    "table", ["patient", "appointment", "procedurelog", "patientnote", "preference"]
)
def test_public_tables_have_the_sources_primary_key(places, first, table):
    (name,) = [
        row[4] for row in ask(places.source, f"SHOW KEYS FROM {table} WHERE Key_name = 'PRIMARY'")
    ]
    assert oracle.key(places.warehouse, "raw", table) == [name]
    assert oracle.key(places.warehouse, "public", table) == [oracle.snake(name)]


def test_dates_that_postgresql_cannot_hold_are_null_and_counted(places, first):
    told = {
        table: {column: kinds["impossible_dates"] for column, kinds in json.loads(altered).items()}
        for table, altered in ask(
            places.warehouse,
            "SELECT table_name, values_altered FROM etl_transform_status WHERE values_altered <> '{}'",
        )
    }
    assert told
    for table in first:
        assert told.get(table, {}) == _zero_dates(places.source, table)


def _zero_dates(connection: Any, table: str) -> dict[str, int]:
    dates = [
        name
        for name, kind in oracle.mysql_columns(connection, table)
        if kind in ("date", "datetime")
    ]
    if not dates:
        return {}
    sums = ", ".join(f"COALESCE(SUM(`{name}` = 0), 0)" for name in dates)
    (counts,) = ask(connection, f"SELECT {sums} FROM `{table}`")
    return {name: int(count) for name, count in zip(dates, counts, strict=True) if count}


def test_a_table_without_a_key_keeps_its_doubled_rows(places, first):
    wanted = {(1, "x"): 2, (None, None): 2, (2, "y"): 1}
    assert oracle.mysql_rows(places.replica, "tempimageconv2") == wanted
    assert oracle.postgres_rows(places.warehouse, "raw", "tempimageconv2") == wanted
    assert oracle.postgres_rows(places.warehouse, "public", "tempimageconv2") == wanted


def test_public_has_trimmed_texts_and_no_empty_dates(places, first, settings):
    ask(
        places.source, "UPDATE patient SET LName = ' \t Nuñez v\n  ', FName = '  ' WHERE PatNum = 1"
    )
    ask(
        places.source,
        "UPDATE patient SET Birthdate = '1900-01-01', DateFirstVisit = '0001-01-01' WHERE PatNum = 1",
    )
    run(settings, "patient")
    told = ask(
        places.warehouse,
        'SELECT raw."LName", public.l_name, public.f_name, "Birthdate", birthdate, "DateFirstVisit", date_first_visit'
        ' FROM raw.patient AS raw JOIN public.patient AS public ON pat_num = "PatNum" WHERE pat_num = 1',
    )
    assert told == [(" \t Nuñez v\n  ", "Nuñez v", "", date(1900, 1, 1), None, date(1, 1, 1), None)]


def test_a_new_table_arrives_without_configuration(places, first, settings):
    ask(places.source, "CREATE TABLE wikilist_lenses (LensNum bigint PRIMARY KEY, Maker text)")
    ask(places.source, "INSERT INTO wikilist_lenses VALUES (1, 'Ågren & Söhne'), (2, NULL)")
    assert "wikilist_lenses" in run(settings)
    assert oracle.unequal(places, ["wikilist_lenses"]) == {}


def test_a_users_own_sql_makes_public_anew_without_reading_mysql(places, first, settings, tmp_path):
    own = limited(settings, standardize_dir=tmp_path)
    entries = ask(places.replica, "SELECT COUNT(*) FROM etl_extract_status")
    (tmp_path / "provider.sql").write_text(
        'SELECT "ProvNum" AS prov_num, upper("Abbr") AS abbr FROM raw.provider;\n'
    )
    assert plan(own, "provider").hops == ("standardize",)
    run(own, "provider")
    assert oracle.postgres_columns(places.warehouse, "public", "provider") == [
        ("prov_num", "bigint"),
        ("abbr", "text"),
    ]
    wanted = ask(places.source, "SELECT ProvNum, UPPER(Abbr) FROM provider ORDER BY 1")
    assert ask(places.warehouse, "SELECT * FROM provider ORDER BY 1") == wanted
    run(settings, "provider")
    assert oracle.unequal(places, ["provider"]) == {}
    assert ask(places.replica, "SELECT COUNT(*) FROM etl_extract_status") == entries


def test_a_users_broken_sql_is_named_and_public_stays_as_it_was(places, first, settings, tmp_path):
    (tmp_path / "operatory.sql").write_text('SELECT "Nonsense" FROM raw.operatory')
    with pytest.raises(TableError, match=r"operatory\.sql does not run.*42703"):
        run(limited(settings, standardize_dir=tmp_path), "operatory")
    assert oracle.unequal(places, ["operatory"]) == {}


def test_a_view_on_public_survives_a_reload_and_a_new_column(places, first, settings):
    ask(places.warehouse, "CREATE VIEW public.stg_fees AS SELECT fee_num, amount FROM public.fee")
    ask(
        places.source,
        "ALTER TABLE fee ADD COLUMN Remark varchar(20) NOT NULL DEFAULT ' new' AFTER FeeNum",
    )
    ask(places.source, "UPDATE fee SET Amount = Amount + 1 WHERE FeeNum < 50")
    run(settings, "fee")
    run(settings, "fee", force_full=True)
    assert oracle.unequal(places, ["fee"]) == {}
    seen = ask(places.warehouse, "SELECT fee_num, amount FROM stg_fees ORDER BY 1")
    assert seen == ask(places.source, "SELECT FeeNum, Amount FROM fee ORDER BY 1")


@pytest.mark.thorough
def test_days_of_practice_arrive_deletes_included(places, first, settings):
    played = play_day(places.source)
    assert min(played.inserted, played.updated, played.deleted) > 20
    results = run(settings)
    assert sum(result.hops[0].deleted for result in results.values()) > 0
    assert oracle.unequal(places, first) == {}

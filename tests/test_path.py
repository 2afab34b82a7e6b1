"""A generated clinic walks the whole path and arrives everywhere, value for value."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from typing import Any

import pytest
from conftest import settings_for

import oracle
from deployments.clinic import connect, create, play_day
from deployments.clinic.schema import tables as clinic_tables
from deployments.databases import Databases
from deployments.servers import Servers
from oracle import Places, ask
from runs import limited, plan, run, settle
from tasks.survey import look
from transfer.errors import TableError
from transfer.settings import Settings
from transfer.table import TableResult

PATIENTS = 100


@pytest.fixture(scope="module")
def places(servers: Servers, module_databases: Databases) -> Iterator[Places]:
    """A clinic with tables of all sorts beside OpenDental's own, before the first run."""
    source = servers.source
    names = module_databases
    with (
        closing(connect(source.host, source.port, source.user, source.password, names.source.name)) as clinic,
        closing(servers.replica.connect(names.replica.name)) as replica,
        closing(servers.postgres.connect(names.warehouse.name)) as warehouse,
    ):
        create(clinic, PATIENTS, seed=3, as_of=date(2026, 11, 20))
        ask(clinic, "CREATE TABLE tempimageconv2 (A int, B varchar(9))")
        ask(clinic, "INSERT INTO tempimageconv2 VALUES (1, 'x'), (1, 'x'), (NULL, NULL), (NULL, NULL), (2, 'y')")
        ask(clinic, "CREATE TABLE tempdash77 (A int)")
        ask(clinic, "CREATE TABLE patient_bak_20260101 AS SELECT * FROM patient")
        ask(clinic, "CREATE VIEW everybody AS SELECT PatNum FROM patient")
        settle(clinic)
        yield Places(clinic, replica, warehouse)


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), exclude=("*_bak_*",))


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
    for connection, schema in ((places.replica, ""), (places.warehouse, "raw."), (places.warehouse, "public.")):
        assert {name: ask(connection, f"SELECT COUNT(*) FROM {schema}{_quoted(schema, name)}")[0][0] for name in names} == counts


def _quoted(schema: str, name: str) -> str:
    return oracle.pg(name) if schema else oracle.my(name)


def test_every_table_is_equal_everywhere(places, first):
    assert oracle.unequal(places, first) == {}


def test_the_replica_has_the_sources_structure(places, first):
    def definition(connection: Any, table: str) -> str:
        text = ask(connection, f"SHOW CREATE TABLE `{table}`")[0][1]
        return re.sub(r" (ENGINE|AUTO_INCREMENT)=\w+", "", text)

    assert [name for name in first if definition(places.source, name) != definition(places.replica, name)] == []
    engines = ask(
        places.replica, "SELECT DISTINCT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
    )
    assert engines == (("InnoDB",),) or engines == [("InnoDB",)]


def test_a_second_look_finds_nothing_to_do(first, settings):
    outlook = look(settings)
    assert outlook.work == ()
    assert {plan.reason for plan in outlook.plans} == {"nothing changed since the last clean read"}


def test_what_is_left_out_is_listed_with_its_reason(places, first, settings):
    reasons = {each.table: each.reason for each in look(settings).excluded}
    assert set(reasons) == {"everybody", "tempdash77", "patient_bak_20260101"}
    assert "transient" in reasons["tempdash77"]
    assert "*_bak_*" in reasons["patient_bak_20260101"]


def test_public_is_named_trimmed_and_keyed(places, first):
    ask(places.source, "UPDATE patient SET LName = ' \t Nuñez\u00a0 \n', Birthdate = '0001-01-01' WHERE PatNum = 1")
    ask(places.source, "UPDATE patient SET Birthdate = '1900-01-01', SecDateEntry = '0001-01-01' WHERE PatNum = 2")


@pytest.mark.parametrize("table", ["patient", "appointment", "procedurelog", "patientnote", "preference"])
def test_public_tables_have_the_sources_primary_key(places, first, table):
    (name,) = [
        row[4] for row in ask(places.source, f"SHOW KEYS FROM {table} WHERE Key_name = 'PRIMARY'")
    ]
    assert oracle.key(places.warehouse, "raw", table) == [name]
    assert oracle.key(places.warehouse, "public", table) == [oracle.snake(name)]

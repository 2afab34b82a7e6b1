"""What a server keeps differently because of its settings: old formats of times, lower-case names."""

from collections.abc import Iterator
from dataclasses import replace

import oracle
import private
import pytest
from conftest import settings_for
from oracle import Places, ask, connected
from runs import limited, run

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.journey.plan import look
from transfer.settings import Settings

TIMES = "a time(3), b datetime(6), c timestamp(2) NOT NULL DEFAULT '2020-01-01', d time, e datetime"
OF_DAYS = (
    "1, '-838:59:59.5', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.99', '838:59:59', '0000-00-00'",
    "2, '-00:00:00.001', '2024-02-31 01:02:03.000004', '1970-01-01 00:00:01', '-00:00:01', '2024-00-00 10:00:00'",
    "3, '100:00:00.25', '0001-01-01', '2026-11-01 05:30:00.5', '00:00:00', '9999-12-31 23:59:59'",
    "4, NULL, NULL, '2026-11-01 06:30:00', NULL, NULL",
)


@pytest.mark.needs("source", "times of MariaDB 5.3")
def test_times_in_the_format_of_old_tables_are_exact(places: Places, module_databases: Databases):
    settings = limited(settings_for(module_databases), page_rows=2, reload_rows=0, reload_bytes=0)
    ask(places.source, "SET GLOBAL mysql56_temporal_format = OFF")
    try:
        for name, key in (("old_times", "Id"), ("old_times_as_key", "b, Id")):
            ask(
                places.source,
                f"CREATE TABLE {name} (Id int, {TIMES}, PRIMARY KEY ({key})) ENGINE=MyISAM",
            )
    finally:
        ask(places.source, "SET GLOBAL mysql56_temporal_format = ON")
    names = ("old_times", "old_times_as_key")
    for name in names:
        rows = [row for row in OF_DAYS if name == "old_times" or "NULL" not in row]
        ask(places.source, f"INSERT INTO {name} VALUES ({'), ('.join(rows)})")
    run(settings, *names)
    assert {name: oracle.inexact(places, name) for name in names} == dict.fromkeys(names, "")
    for name in names:
        ask(places.source, f"UPDATE {name} SET a = '-00:00:00.123', d = '-24:00:00' WHERE Id = 1")
        ask(places.source, f"DELETE FROM {name} WHERE Id = 2")
    results = run(settings, *names)
    assert {name: result.changed for name, result in results.items()} == dict.fromkeys(names, 2)
    assert {name: oracle.inexact(places, name) for name in names} == dict.fromkeys(names, "")
    assert [result.found for result in run(settings, *names, verify=True).values()] == [(), ()]


@pytest.fixture
def in_small_letters(
    servers: Servers, module_databases: Databases
) -> Iterator[tuple[Places, Settings]]:
    """A source and a replica that know a table by whatever case of its name, as those on Windows do."""
    small = ["--lower-case-table-names=1"]
    with (
        private.home("small") as folder,
        private.started(folder, {"source": small, "replica": small}) as own,
    ):
        databases = replace(own.databases, warehouse=module_databases.warehouse)
        with connected(replace(own, postgres=servers.postgres), databases) as places:
            yield places, settings_for(databases)


@pytest.mark.needs("source", "choice of the case of names at each start")
@pytest.mark.needs("replica", "choice of the case of names at each start")
def test_names_of_mixed_case_arrive_in_small_letters(in_small_letters):
    places, settings = in_small_letters
    ask(places.source, "CREATE TABLE PatField (PatFieldNum int PRIMARY KEY, FieldName varchar(9))")
    ask(
        places.source, "CREATE TABLE APPOINTMENT (AptNum int PRIMARY KEY, PatNum int, KEY (PatNum))"
    )
    ask(places.source, "INSERT INTO patfield VALUES (1, 'x'), (2, NULL)")
    ask(places.source, "INSERT INTO Appointment VALUES (1, 1)")
    names = {"patfield", "appointment"}
    assert set(run(settings)) == names
    assert oracle.unequal(places, names) == {}
    ask(places.source, "UPDATE PATFIELD SET FieldName = 'y' WHERE PatFieldNum = 2")
    ask(places.source, "RENAME TABLE appointment TO Appointments")
    assert run(settings)["patfield"].changed == 1
    assert oracle.unequal(places, {"patfield", "appointments"}) == {}
    assert {plan.table for plan in look(settings).plans} == {"patfield", "appointments"}

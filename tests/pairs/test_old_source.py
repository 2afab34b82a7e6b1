"""In each run of the suite, a clinic and the edges of types also come from MariaDB 10.5."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import oracle
import private
import pytest
from conftest import settings_for
from days import LARGE, Days
from edges import EDGES
from oracle import connected
from runs import limited, run

from deployments import editions
from deployments.clinic import connect, create, play_day
from deployments.databases import Databases
from deployments.installation import MATRIX, lock_packages
from deployments.processes import ServerError
from deployments.servers import Servers

TYPES = "doubles floats decimals bits times dates texts labels by_decimal by_text by_time".split()
CLINIC = "patient appointment procedurelog claimproc paysplit famaging recall securitylog sheetfield preference".split()
PATIENTS = 40


@pytest.fixture(scope="module")
def old() -> Iterator[Servers]:
    """A source of its own, fetched once."""
    with pytest.MonkeyPatch.context() as environment, private.home("old") as folder:
        environment.setenv(editions.VARIABLES["source"], "mariadb-10.5")
        try:
            with lock_packages():
                editions.fetch("mariadb-10.5", MATRIX)
        except ServerError as error:
            pytest.skip(f"MariaDB 10.5 cannot be had: {error}")
        with private.started(folder, {"source": []}) as servers:
            yield servers


@pytest.fixture(scope="module")
def days(old: Servers, servers: Servers, module_databases: Databases) -> Iterator[Days]:
    """Its tables; the replica and the warehouse are those that all tests share."""
    databases = replace(module_databases, source=old.databases.source)
    with connected(replace(servers, source=old.source), databases) as places:
        settings = limited(settings_for(databases), **LARGE)
        source = old.source
        with closing(
            connect(source.host, source.port, source.user, source.password, databases.source.name)
        ) as connection:
            create(connection, PATIENTS, seed=5)
            yield Days(places, settings, {name: EDGES[name] for name in TYPES})


def test_the_source_is_an_old_one(old):
    assert old.source.version.startswith("10.5.")


def test_a_clinic_is_equal_after_two_days_and_verified(old, days):
    settings = limited(days.settings, page_rows=2_000, reload_rows=200)
    source = old.source
    run(settings, *CLINIC)
    assert oracle.unequal(days.places, CLINIC) == {}
    for _ in range(2):
        with closing(
            connect(source.host, source.port, source.user, source.password, settings.source.db)
        ) as connection:
            play_day(connection)
        run(settings, *CLINIC)
        assert oracle.unequal(days.places, CLINIC) == {}
    results = run(settings, *CLINIC, verify=True)
    assert {table: result.found for table, result in results.items()} == dict.fromkeys(CLINIC, ())


@pytest.mark.parametrize("table", TYPES)
def test_values_at_the_edges_are_equal_at_first(table, days):
    days.arrives(table)


@pytest.mark.parametrize("table", TYPES)
def test_values_at_the_edges_are_equal_after_a_day(table, days):
    assert days.result(days.second, table).changed > 0
    days.assert_exact(table)


@pytest.mark.parametrize("table", TYPES)
def test_values_at_the_edges_are_equal_after_two_days_and_verified(table, days):
    assert days.result(days.verified, table).found == ()
    days.assert_exact(table)

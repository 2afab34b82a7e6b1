"""Between a source and a replica of any two versions each table is equal after each of two days, or refused in a sentence."""

from collections.abc import Iterator

import pytest
from conftest import settings_for
from days import LARGE, Days
from edges import EDGES
from oracle import connected
from runs import limited

from deployments.databases import Databases
from deployments.servers import Servers

# No page of these keys can be asked for.
UNPAGED = {"by_double", "by_label", "by_bit"}


@pytest.fixture(scope="module")
def days(servers: Servers, module_databases: Databases) -> Iterator[Days]:
    with connected(servers, module_databases) as places:
        yield Days(places, limited(settings_for(module_databases), **LARGE), EDGES)


@pytest.mark.parametrize("table", EDGES)
def test_a_first_load_is_exact(table, days):
    days.arrives(table)


@pytest.mark.parametrize("table", EDGES)
def test_a_day_of_changes_follows(table, days):
    result = days.result(days.second, table)
    assert result.method in ("incremental", "compare") or table in UNPAGED
    assert result.changed > 0
    days.assert_exact(table)


@pytest.mark.parametrize("table", EDGES)
def test_another_day_of_changes_follows(table, days):
    assert days.result(days.third, table).changed > 0
    days.assert_exact(table)


@pytest.mark.parametrize("table", EDGES)
def test_a_verification_finds_nothing(table, days):
    result = days.result(days.verified, table)
    assert result.verified
    assert result.found == ()
    days.assert_exact(table)

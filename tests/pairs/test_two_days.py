"""A source and a replica of any two versions: each table is equal everywhere after each of two days, or refused in a sentence."""

from collections.abc import Iterator
from functools import cached_property

import pytest
from conftest import settings_for
from edges import EDGES
from oracle import ask, connected, my
from runs import limited
from samples import Family, Sample

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.table import TableResult


class Days(Family):
    """All tables, large ones by the settings, so that they are read by their stamps or compared by ranges of keys."""

    @cached_property
    def second(self) -> dict[str, TableResult | Exception]:
        assert self.first
        return self._after_a_day()

    @cached_property
    def third(self) -> dict[str, TableResult | Exception]:
        assert self.second
        return self._after_a_day()

    @cached_property
    def verified(self) -> dict[str, TableResult | Exception]:
        assert self.third
        return self.run(verify=True)

    def _after_a_day(self) -> dict[str, TableResult | Exception]:
        for table in self.tables:
            if isinstance(self.samples[table], Sample):
                self._change(table)
            else:
                self._change_keyed(table)
        return self.run()

    def _change_keyed(self, table: str) -> None:
        """Delete a row and bring it back under another number, edit another, and delete one for good."""
        ask(self.places.source, f"CREATE TEMPORARY TABLE one AS SELECT * FROM {my(table)} ORDER BY Value LIMIT 1")
        for change in (
            f"DELETE FROM {my(table)} ORDER BY Value LIMIT 1",
            f"UPDATE {my(table)} SET Value = Value + 100 ORDER BY Value LIMIT 1",
            f"DELETE FROM {my(table)} ORDER BY Value DESC LIMIT 1",
            "UPDATE one SET Value = 50",
            f"INSERT INTO {my(table)} SELECT * FROM one",
            "DROP TEMPORARY TABLE one",
        ):
            ask(self.places.source, change)


@pytest.fixture(scope="module")
def days(servers: Servers, module_databases: Databases) -> Iterator[Days]:
    settings = limited(settings_for(module_databases), page_rows=3, reload_rows=0, reload_bytes=0)
    with connected(servers, module_databases) as places:
        yield Days(places, settings, EDGES)


@pytest.mark.parametrize("table", EDGES)
def test_a_first_load_is_exact(table, days):
    days.arrives(table)


@pytest.mark.parametrize("table", EDGES)
def test_a_day_of_changes_follows(table, days):
    result = days.result(days.second, table)
    assert result.method in ("incremental", "compare") or table in UNPAGED
    assert result.changed > 0
    days.assert_exact(table)


# No page of these keys can be asked for.
UNPAGED = {"by_double", "by_label", "by_bit"}


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

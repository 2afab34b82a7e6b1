"""A table that lost most of its rows keeps its last version until somebody, or a second look, says that they are gone."""

from __future__ import annotations

from typing import Any

import oracle
import pytest
from conftest import numbers, settings_for
from oracle import Places, ask
from runs import limited, run

from deployments.databases import Databases
from transfer.errors import TableShrunk
from transfer.settings import Settings

ROWS = 1_200


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return settings_for(module_databases)


def _fill(connection: Any, table: str, key: str = "PRIMARY KEY") -> None:
    ask(connection, f"CREATE TABLE {table} (Id int {key}, Name varchar(20))")
    ask(connection, f"INSERT INTO {table} SELECT seq, 'n' FROM {numbers(ROWS)}")


def _held(places: Places, table: str) -> list[int]:
    return [
        ask(place, f"SELECT COUNT(*) FROM {schema}{table}")[0][0]
        for place, schema in (
            (places.replica, ""),
            (places.warehouse, "raw."),
            (places.warehouse, "public."),
        )
    ]


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "keyless"])
@pytest.mark.parametrize(
    "lost", ["DELETE FROM {t} WHERE Id > 500", "TRUNCATE {t}"], ids=["deleted", "emptied"]
)
def test_a_table_that_lost_most_of_its_rows_keeps_its_last_version_until_they_are_accepted(
    key, lost, places, settings
):
    table = f"lost{len(key)}{len(lost)}"
    _fill(places.source, table, key)
    run(settings, table)
    ask(places.source, lost.format(t=table))
    for _ in range(2):
        with pytest.raises(
            TableShrunk, match=rf"{table} has \d+ rows but had 1,200, .* --accept-shrink"
        ):
            run(settings, table)
        assert _held(places, table) == [ROWS] * 3
    assert ask(places.replica, "SHOW TABLES LIKE '%elt\\_new%'") == []
    run(settings, table, accept_shrink=True)
    assert oracle.unequal(places, [table]) == {}


def test_a_second_look_takes_it(places, settings):
    _fill(places.source, "looked_at")
    run(settings, "looked_at")
    ask(places.source, "DELETE FROM looked_at WHERE Id > 100")
    with pytest.raises(TableShrunk):
        run(settings, "looked_at")
    run(limited(settings, second_look_seconds=0), "looked_at")
    assert oracle.unequal(places, ["looked_at"]) == {}
    ask(places.source, f"INSERT INTO looked_at SELECT 10000 + seq, 'n' FROM {numbers(ROWS)}")
    run(settings, "looked_at")
    ask(places.source, "DELETE FROM looked_at WHERE Id > 100")
    with pytest.raises(TableShrunk):  # what was held before is no look at this
        run(settings, "looked_at")


@pytest.mark.parametrize("kept", [600, 1_199])
def test_a_table_that_lost_fewer_rows_is_brought_up_to_date(kept, places, settings):
    table = f"kept{kept}"
    _fill(places.source, table)
    run(settings, table)
    ask(places.source, f"DELETE FROM {table} WHERE Id > {kept}")
    run(settings, table)
    assert oracle.unequal(places, [table]) == {}

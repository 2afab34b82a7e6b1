"""A large table is compared by the hashes of key ranges, and only where they differ its rows are read again."""

from __future__ import annotations

import oracle
import pytest
from conftest import numbers, settings_for
from oracle import ask
from runs import limited, plan, run

from deployments.databases import Databases
from transfer.settings import Settings

ROWS = 5_500


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), reload_rows=100)


KEYS = {
    "dense": ("Id bigint AUTO_INCREMENT, PRIMARY KEY (Id)", "seq"),
    "sparse": ("Id bigint, PRIMARY KEY (Id)", "seq * seq * 1000003"),
    "random": ("Id bigint unsigned, PRIMARY KEY (Id)", "CONV(LEFT(SHA2(seq, 256), 16), 16, 10)"),
    "text": ("Id varchar(64), PRIMARY KEY (Id)", "SHA2(seq, 256)"),
    "binary": ("Id binary(8), PRIMARY KEY (Id)", "LEFT(UNHEX(SHA2(seq, 256)), 8)"),
    "composite": ("Id int, Part varchar(9), PRIMARY KEY (Id, Part)", "seq DIV 7, CONCAT('p', seq)"),
    "dates": ("Id datetime(6), PRIMARY KEY (Id)", "'2020-01-01' + INTERVAL seq MINUTE"),
    "negative": ("Id decimal(12,2), PRIMARY KEY (Id)", "1000 - seq / 4"),
}
CHANGES = {
    "updated": "UPDATE {t} SET Name = 'other' WHERE Number = 2345",
    "deleted": "DELETE FROM {t} WHERE Number = 1",
    "inserted": "INSERT INTO {t} SELECT {key}, 'new', seq FROM (SELECT 9999 AS seq) AS one",
    "case only": "UPDATE {t} SET Name = UPPER(Name) WHERE Number = 5500",
}


@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
@pytest.mark.parametrize("kind", KEYS)
def test_few_rows_are_read_for_few_changes(kind, engine, places, settings):
    table = f"{kind}_{engine.lower()}"
    columns, key = KEYS[kind]
    ask(
        places.source,
        f"CREATE TABLE {table} ({columns.replace(', PRIMARY', ', Name varchar(20), Number int, PRIMARY')}) ENGINE={engine}",
    )
    ask(places.source, f"INSERT INTO {table} SELECT {key}, CONCAT('n', seq), seq FROM {numbers(ROWS)}")
    assert run(settings, table)[table].hops[0].read == ROWS
    for change in CHANGES.values():
        ask(places.source, change.format(t=table, key=key))
        assert plan(settings, table).method == "compare"
        (extract, *_) = run(settings, table)[table].hops
        assert extract.changed == 1
        assert extract.read <= 1_501
        assert oracle.unequal(places, [table]) == {}

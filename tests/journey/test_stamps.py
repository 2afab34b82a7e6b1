"""Of a table that its server stamps each change of a row's key or stamp is found, however it came.

Rows come back from a backup, take each other's stamps, or get one of the past or the future.
"""

from __future__ import annotations

from itertools import combinations, count, product

import oracle
import pytest
from conftest import in_the_suite, numbers, settings_for
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from oracle import ask
from runs import limited, plan, run, settle

from deployments.databases import Databases
from transfer.mysql import hashing, pool
from transfer.settings import Settings
from transfer.source import survey

ROWS = 3_000
STAMP = "DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
COLUMNS = (
    f"Id bigint PRIMARY KEY, PatNum bigint, Fee double, Stamp timestamp NOT NULL {STAMP},"
    " KEY StampPN (Stamp, PatNum)"
)


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), reload_rows=100)


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


CHANGES = (  # {k} and {o} are keys, {n} a new number
    "UPDATE {t} JOIN (SELECT Id, Stamp FROM {t} WHERE Id IN ({k}, {o}) LIMIT 2) its ON its.Id <> {t}.Id SET {t}.Stamp = its.Stamp WHERE {t}.Id IN ({k}, {o})",
    "UPDATE {t} SET Fee = {n}, Stamp = Stamp - INTERVAL {n} SECOND WHERE Id BETWEEN {k} AND {k} + 9",
    "UPDATE {t} SET Stamp = (SELECT Stamp FROM {t}_backup WHERE Id = {o}) WHERE Id = {k}",
    "DELETE FROM {t} WHERE Id BETWEEN {k} AND {k} + 3",
    "UPDATE IGNORE {t} SET Id = {o}, Stamp = Stamp WHERE Id = {k}",
    "REPLACE INTO {t} SELECT * FROM {t}_backup WHERE Id BETWEEN {k} AND {k} + 20",
    "REPLACE INTO {t} VALUES ({k}, 1, {n}, '2001-01-01' + INTERVAL {n} SECOND)",
    "UPDATE {t} SET Fee = {n}, Stamp = '2037-01-01' + INTERVAL {n} SECOND WHERE Id = {k}",
    "UPDATE {t} SET Fee = {n} WHERE Id IN ({k}, {o})",
)
KEY = st.integers(1, ROWS)
DAYS = st.lists(
    st.lists(st.tuples(st.sampled_from(CHANGES), KEY, KEY), min_size=1, max_size=4),
    min_size=1,
    max_size=4,
)
NUMBERS = count(1)


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("engine", in_the_suite("MyISAM", of=["MyISAM", "InnoDB"]))
@hypothesis(max_examples=in_the_suite(3, of=[12])[0], deadline=None)
@given(days=DAYS)
def test_each_change_of_a_key_or_a_stamp_is_found_by_the_next_run(
    engine, quiet, places, settings, monkeypatch_module, days
):
    monkeypatch_module.setattr("transfer.journey.into_replica.SCANNED_ROWS", 10**6 * quiet)
    table = f"any_{engine}_{quiet}".lower()
    if not ask(places.source, f"SHOW TABLES LIKE '{table}'"):
        ask(places.source, f"CREATE TABLE {table} ({COLUMNS}) ENGINE={engine}")
        old = "'2010-01-01' + INTERVAL seq * 1000 SECOND"
        ask(
            places.source,
            f"INSERT INTO {table} SELECT seq, seq % 40, 5, {old} FROM {numbers(ROWS)}",
        )
        ask(places.source, f"CREATE TABLE {table}_backup AS SELECT * FROM {table}")
        run(settings, table)
    for day in days:
        for statement, key, other in day:
            ask(places.source, statement.format(t=table, k=key, o=other, n=next(NUMBERS)))
        settle(places.source)
        assert plan(settings, table).method in ("incremental", "skip")
        run(limited(settings, shrink_share=1), table, verify=_kept_stamps(places, table))
        assert oracle.unequal(places, [table]) == {}


def _kept_stamps(places, table: str) -> bool:
    """Tell whether a row has other values under the key and stamp it had: verifications find it."""
    now, then = (
        {(key, stamp): values for key, stamp, *values in ask(place, f"SELECT Id, UNIX_TIMESTAMP(Stamp), PatNum, Fee FROM {table}")}
        for place in (places.source, places.replica)
    )  # fmt: skip
    return any(then.get(row, values) != values for row, values in now.items())


@pytest.fixture
def standing(places, settings, monkeypatch) -> str:
    """A table too large for a scan by day, whose rows have stamps of one autumn night in Chicago."""
    monkeypatch.setattr("transfer.journey.into_replica.SCANNED_ROWS", 10)
    table = "night"
    ask(places.source, f"CREATE TABLE {table} ({COLUMNS}) ENGINE=MyISAM")
    ask(
        places.source,
        f"INSERT INTO {table} SELECT seq, 7, 5, '2015-11-01 06:30:00' + INTERVAL seq % 2 HOUR"
        f" FROM {numbers(ROWS)}",
    )
    settle(places.source)
    run(settings, table)
    return table


def test_rows_take_each_others_stamp_of_the_hour_that_a_night_has_twice(standing, places, settings):
    ask(
        places.source,
        f"UPDATE {standing} SET Stamp = '2015-11-01 06:30:00' + INTERVAL (Id + 1) % 2 HOUR"
        " WHERE Id IN (8, 9, 2000, 2001)",
    )
    settle(places.source)
    assert plan(settings, standing).method == "incremental"
    assert run(settings, standing)[standing].hops[0].updated == 4
    assert oracle.unequal(places, [standing]) == {}


NUMBER_KINDS = {
    "bigint": [-(2**63), -5_000_000_000, -1, 0, 1, 2, 3, 2**31, 2**32, 2**32 + 1, 2**63 - 1],
    "bigint unsigned": [0, 1, 2**32, 2**63, 2**64 - 2, 2**64 - 1],
    "int": [-(2**31), -1, 0, 1, 2**31 - 1],
    "tinyint unsigned": [0, 1, 254, 255],
}
MOMENTS = [
    "0000-00-00",
    "1970-01-01 00:00:01",
    "2015-11-01 06:30:00",
    "2015-11-01 07:30:00",
    "2038-01-19 03:14:07",
]


@pytest.mark.parametrize("kind", NUMBER_KINDS)
def test_each_pair_of_key_and_stamp_has_its_hash_and_exchanged_stamps_another_sum(
    kind, places, settings
):
    keys, table = NUMBER_KINDS[kind], f"pairs_{list(NUMBER_KINDS).index(kind)}"
    stamp = f"Stamp timestamp NOT NULL {STAMP}"
    for place in (places.source, places.replica):
        ask(place, "SET sql_mode = ''")  # MySQL's own has no 0000-00-00
        ask(place, f"CREATE TABLE {table} (Id {kind} PRIMARY KEY, {stamp})")
    its = survey.look(settings.source, settings.limits, table)[1].table
    assert "SHA2" not in hashing.stamp_hash(its)
    hashes: dict[tuple[int, str], int] = {}
    for moment in MOMENTS:
        held = []
        for place, server in ((places.source, settings.source), (places.replica, settings.replica)):
            ask(place, f"DELETE FROM {table}")
            with pool.connect(server, settings.limits) as connection:
                for key in keys:
                    ask(place, f"INSERT INTO {table} VALUES (%s, %s)", key, moment)
                held.append(
                    connection.rows("", f"SELECT Id, {hashing.stamp_hash(its)} FROM {table}")
                )
        assert sorted(held[0]) == sorted(held[1])
        hashes |= {(int(key), moment): int(number) for key, number in held[0]}
    assert len(set(hashes.values())) == len(keys) * len(MOMENTS)
    assert max(hashes.values()) < 2**64
    for (one, other), (then, now) in product(combinations(keys, 2), combinations(MOMENTS, 2)):
        before = hashes[one, then] + hashes[other, now]
        assert (before - hashes[one, now] - hashes[other, then]) % 2**64 != 0

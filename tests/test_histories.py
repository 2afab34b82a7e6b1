"""Random histories of a table: whatever is done to it, to its copies and to the runs, all places end up equal.

ELT_TEST_HISTORIES is their number; with more than the suite's few they are other ones each time. A failing one is made
smaller and printed as the steps that lead to it.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
from typing import Any

import oracle
import pytest
from conftest import numbers, settings_for
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from killing import run_and_die
from oracle import Places, ask
from runs import limited, prepare, run, settle

from deployments.databases import Databases
from transfer import buckets
from transfer.settings import Settings

IN_THE_SUITE = 6
HISTORIES = int(os.environ.get("ELT_TEST_HISTORIES", IN_THE_SUITE))

KEYS = st.integers(0, 120)
RANGES = st.tuples(KEYS, st.integers(0, 40)).map(lambda drawn: (drawn[0], sum(drawn)))
COLUMNS = (
    "Id bigint, Name varchar(40) NOT NULL, Flag tinyint NOT NULL DEFAULT 0, Fee double,"
    " Stamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
)


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    found = limited(settings_for(module_databases), reload_rows=0, shrink_share=1, page_rows=9)
    prepare(found)
    return found


class History(RuleBasedStateMachine):
    """One table at the source, its copies, and the runs between them."""

    def __init__(self, places: Places, settings: Settings, children: Any) -> None:
        super().__init__()
        self.places, self.settings, self.children = places, settings, children
        self.table = f"h{secrets.token_hex(6)}"
        self.extra = 0
        self.tampered = False

    @initialize(engine=st.sampled_from(["MyISAM", "InnoDB"]), keyed=st.sampled_from([True, True, True, False]))
    def create(self, engine: str, keyed: bool) -> None:
        self.keyed = keyed
        self._source(f"CREATE TABLE {{t}} ({COLUMNS}{', PRIMARY KEY (Id)' if keyed else ''}) ENGINE={engine}")
        self.insert((1, 60))

    def _source(self, statement: str) -> None:
        ask(self.places.source, statement.replace("{t}", self.table))

    @rule(keys=RANGES)
    def insert(self, keys: tuple[int, int]) -> None:
        rows = f"SELECT {keys[0]} + seq, CONCAT('n', seq), seq % 2, seq / 7 FROM {numbers(keys[1] - keys[0] + 1)}"
        self._source(f"INSERT IGNORE INTO {{t}} (Id, Name, Flag, Fee) {rows}")

    @rule(keys=RANGES, name=st.sampled_from(["", "x", "N1", "n1 "]))
    def update(self, keys: tuple[int, int], name: str) -> None:
        self._source(f"UPDATE {{t}} SET Name = '{name}' WHERE Id BETWEEN {keys[0]} AND {keys[1]}")

    @rule(keys=RANGES)
    def update_behind_the_stamp(self, keys: tuple[int, int]) -> None:
        self._source(f"UPDATE {{t}} SET Fee = Fee + 0.1, Stamp = Stamp WHERE Id BETWEEN {keys[0]} AND {keys[1]}")

    @rule()
    def flip_all(self) -> None:
        self._source("UPDATE {t} SET Flag = 1 - Flag, Stamp = Stamp")

    @rule(keys=RANGES)
    def swap_in_pairs(self, keys: tuple[int, int]) -> None:
        self._source(f"UPDATE {{t}} SET Fee = -Fee WHERE Id IN ({keys[0]}, {keys[1]})")

    @rule(keys=RANGES)
    def delete(self, keys: tuple[int, int]) -> None:
        self._source(f"DELETE FROM {{t}} WHERE Id BETWEEN {keys[0]} AND {keys[1]}")

    @rule(key=KEYS)
    def delete_and_insert_again(self, key: int) -> None:
        self._source(f"DELETE FROM {{t}} WHERE Id = {key}")
        self.insert((key, key))

    @rule(key=KEYS, other=st.integers(121, 10**15))
    def merge_into_another_key(self, key: int, other: int) -> None:
        self._source(f"UPDATE IGNORE {{t}} SET Id = {other} WHERE Id = {key}")

    @rule()
    def purge(self) -> None:
        self._source("TRUNCATE {t}")

    @rule()
    def add_a_column(self) -> None:
        self.extra += 1
        self._source(f"ALTER TABLE {{t}} ADD COLUMN Extra{self.extra} varchar(9) NOT NULL DEFAULT 'é'")

    @precondition(lambda self: self.extra)
    @rule()
    def drop_a_column(self) -> None:
        self._source(f"ALTER TABLE {{t}} DROP COLUMN Extra{self.extra}")
        self.extra -= 1

    @rule(stamp=st.sampled_from(["2037-01-01", "1999-01-01"]), key=KEYS)
    def set_the_clock(self, stamp: str, key: int) -> None:
        self._source(f"UPDATE {{t}} SET Stamp = '{stamp}' WHERE Id = {key}")

    @rule(keys=RANGES)
    def tamper_with_the_replica(self, keys: tuple[int, int]) -> None:
        if ask(self.places.replica, f"SHOW TABLES LIKE '{self.table}'"):
            ask(
                self.places.replica, f"UPDATE {self.table} SET Name = 'forged' WHERE Id BETWEEN {keys[0]} AND {keys[1]}"
            )
            ask(self.places.replica, f"DELETE FROM {self.table} WHERE Id = {keys[0]}")
            self.tampered = True

    @rule(keys=RANGES)
    def tamper_with_raw(self, keys: tuple[int, int]) -> None:
        if ask(self.places.warehouse, "SELECT to_regclass(%s)", f"raw.{self.table}") != [(None,)]:
            statement = 'UPDATE raw.{t} SET "Fee" = 0.5 WHERE "Id" BETWEEN %s AND %s'.replace("{t}", self.table)
            ask(self.places.warehouse, statement, *keys)
            self.tampered = True

    @rule()
    def lose_the_replica(self) -> None:
        ask(self.places.replica, f"DROP TABLE IF EXISTS {self.table}")

    @rule()
    def settle(self) -> None:
        settle(self.places.source)

    @rule()
    def run(self) -> None:
        run(self.settings, self.table)
        if not self.tampered:
            self._assert_equal()

    @rule(commits=st.integers(1, 14))
    def run_and_be_killed(self, commits: int) -> None:
        child = self.children.Process(target=run_and_die, args=(self.settings, self.table, commits))
        child.start()
        child.join()
        assert child.exitcode in (0, -signal.SIGKILL)

    @rule()
    def verify(self) -> None:
        run(self.settings, self.table, verify=True)
        self.tampered = False
        self._assert_equal()

    def _assert_equal(self) -> None:
        assert oracle.unequal(self.places, [self.table]) == {}

    def teardown(self) -> None:
        if hasattr(self, "keyed"):
            self.verify()


def test_any_history_ends_with_all_places_equal(places, settings, monkeypatch):
    monkeypatch.setattr(buckets, "ROWS", 7)
    children = multiprocessing.get_context("forkserver")
    children.set_forkserver_preload(["tasks.survey", "tasks.sync_table"])
    few = HISTORIES <= IN_THE_SUITE
    run_state_machine_as_test(
        lambda: History(places, settings, children),
        settings=hypothesis(
            max_examples=HISTORIES,
            stateful_step_count=30,
            deadline=None,
            derandomize=few,
            suppress_health_check=list(HealthCheck),
        ),
    )

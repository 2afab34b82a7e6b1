"""The next run removes what killed runs left in the replica, except for what is still held."""

import multiprocessing
import signal
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime

import pytest
from conftest import numbers, settings_for
from killing import run_and_die
from oracle import Places, ask
from runs import limited, prepare, run, settle

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.journey.clearing import clear_left_over
from transfer.journey.plan import look
from transfer.replica import progress
from transfer.replica.lock import lock_table
from transfer.replica.progress import Progress
from transfer.replica.tables import NEW, shadow_name
from transfer.settings import Settings

SHADOWS = "SHOW TABLES LIKE '\\_elt\\_%'"
PROGRESS = "SELECT table_name FROM etl_extract_progress"


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    found = limited(settings_for(module_databases), page_rows=4)
    prepare(found)
    return found


@pytest.fixture
def tables(places: Places, settings: Settings) -> list[str]:
    """Tables that nobody writes any more, with and without a key, one of them with a name that is no shadow's."""
    names = ["alertsub", "keyless", "ä" * 40]
    for name in names:
        key = "" if name == "keyless" else "PRIMARY KEY"
        ask(places.source, f"DROP TABLE IF EXISTS `{name}`")
        ask(
            places.source,
            f"CREATE TABLE `{name}` (Id bigint {key}, Name varchar(40)) ENGINE=MyISAM",
        )
        ask(places.source, f"INSERT INTO `{name}` SELECT seq, 'n' FROM {numbers(10)}")
    settle(places.source)
    run(settings)
    return names


def left(places: Places) -> list[object]:
    return [*ask(places.replica, SHADOWS), *ask(places.replica, PROGRESS)]


def killed(settings: Settings, table: str, commits: int) -> int | None:
    child = multiprocessing.get_context("forkserver").Process(
        target=run_and_die, args=(settings, table, commits), kwargs={"force_full": True}
    )
    child.start()
    child.join(60)
    return child.exitcode


def clear(settings: Settings, named: list[str] | None = None) -> None:
    clear_left_over(settings, look(settings, named), everything=named is None)


def test_what_a_killed_full_run_left_beside_unchanged_tables_is_cleared(places, settings, tables):
    met = set()
    for commits in range(2, 12, 2):
        for table in tables[commits % 3 :: 3]:
            assert killed(settings, table, commits) in (0, -signal.SIGKILL)
        met |= set(map(str, left(places)))
        if commits % 4 == 0:
            outlook = look(settings)
            assert not outlook.work
            clear(settings)
            assert left(places) == []
    assert len(met) > 2
    clear(settings)
    assert left(places) == []
    assert not look(settings).work


@pytest.fixture
def begun(settings: Settings, servers: Servers) -> Callable[[str], None]:
    def begin(table: str) -> None:
        """Do what a run does that is killed as soon as it has made a shadow."""
        with (
            suppress(KeyboardInterrupt),
            lock_table(settings.replica, settings.limits, table) as lock,
        ):
            with closing(servers.replica.connect(settings.replica.db)) as other:
                ask(other, f"CREATE TABLE `{shadow_name(NEW, table)}` (Id int)")
            with lock.transaction():
                progress.note(
                    lock, Progress("x" * 32, datetime(2026, 1, 1, tzinfo=UTC), ("1",), 1, 1)
                )
            raise KeyboardInterrupt

    return begin


def test_what_another_run_holds_stays_and_goes_once_it_has_let_go(places, settings, tables, begun):
    begun(tables[0])
    with lock_table(settings.replica, settings.limits, tables[0]):
        clear(settings)
        assert len(left(places)) == 2
    clear(settings)
    assert left(places) == []


def test_a_table_with_work_keeps_what_its_own_task_may_go_on_with(places, settings, tables, begun):
    begun(tables[0])
    ask(places.source, f"INSERT INTO {tables[0]} VALUES (99, 'new')")
    clear(settings)
    assert len(left(places)) == 2
    run(settings)
    assert left(places) == []


def test_a_run_of_some_tables_leaves_the_others_alone(places, settings, tables, begun):
    begun(tables[0])
    begun(tables[1])
    clear(settings, [tables[1]])
    assert len(left(places)) == 2
    clear(settings)
    assert left(places) == []


def test_beside_a_table_that_is_gone_nothing_is_left(places, settings, tables, begun):
    begun(tables[2])
    ask(places.source, f"DROP TABLE `{tables[2]}`")
    clear(settings)
    assert left(places) == []

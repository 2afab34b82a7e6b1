"""A table that nobody wrote is not counted; one that somebody wrote by hand is, by the next run."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import oracle
import pytest
from asked import asked, forget, logged
from conftest import in_the_suite, numbers, settings_for
from oracle import ask
from runs import plan, run, settle, wait_for

from deployments.databases import Databases
from transfer.postgres.pool import close_connections
from transfer.settings import Settings
from transfer.values.reasons import Reason

ROWS = 300
TABLES = ("patient", "payment")


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return settings_for(module_databases)


@pytest.fixture(scope="module", autouse=True)
def loaded(places, settings) -> None:
    for table in TABLES:
        ask(
            places.source,
            f"CREATE TABLE {table} (Id bigint PRIMARY KEY, Name varchar(20)) ENGINE=MyISAM",
        )
        ask(places.source, f"INSERT INTO {table} SELECT seq, 'plain' FROM {numbers(ROWS)}")
    settle(places.source)
    run(settings, *TABLES)


@pytest.fixture
def marked(places, settings) -> None:
    """Both tables are as recorded, and marked as counted."""
    run(settings, *TABLES)
    newest = "SELECT MAX(UPDATE_TIME) < NOW() - INTERVAL 2 SECOND FROM information_schema.TABLES"
    wait_for(
        lambda: ask(places.replica, f"{newest} WHERE TABLE_NAME IN ('patient', 'payment')")[0][0]
    )
    close_connections()  # their server processes tell of what they wrote when they end
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    wait_for(lambda: ask(places.warehouse, f"{others} AND pid <> pg_backend_pid()")[0][0] == 0)
    run(settings, *TABLES)


def _reads(places, replica: Any) -> tuple[dict[str, int], list[str]]:
    """Return how often each table of `raw` and `public` was read, and the replica's counts."""
    close_connections()  # their server processes tell of what they did when they end
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    wait_for(lambda: ask(places.warehouse, f"{others} AND pid <> pg_backend_pid()")[0][0] == 0)
    ask(places.warehouse, "SELECT pg_stat_clear_snapshot()")
    found = ask(
        places.warehouse,
        "SELECT schemaname || '.' || relname, seq_scan + coalesce(idx_scan, 0)"
        " FROM pg_stat_user_tables WHERE relname IN ('patient', 'payment')",
    )
    statements = asked(replica, "%", "Query")
    return dict(found), [text for _, text in statements if "COUNT(*) FROM `pa" in text]


@pytest.mark.usefixtures("marked")
def test_what_nobody_wrote_is_not_counted(places, settings, servers):
    with closing(servers.replica.connect("mysql")) as replica, logged(replica):
        forget(replica)
        before, _ = _reads(places, replica)
        assert not plan(settings, "patient").has_work
        after, counted = _reads(places, replica)
    assert after == before
    # MySQL 5.6 does not know when InnoDB's tables were written.
    assert bool(counted) is (servers.replica.product == "MySQL" and _is_old(places))


def _is_old(places) -> bool:
    return str(ask(places.replica, "SELECT VERSION()")[0][0]).startswith("5.6")


EDITS = {
    "raw loses a row": (
        "warehouse",
        ['DELETE FROM raw.patient WHERE "Id" = 7'],
        Reason.RAW_DAMAGED,
    ),
    "public loses a row": (
        "warehouse",
        ["DELETE FROM public.patient WHERE id = 7"],
        Reason.PUBLIC_DAMAGED,
    ),
    "raw gets a row": (
        "warehouse",
        ["INSERT INTO raw.patient VALUES (9999, 'new')"],
        Reason.RAW_DAMAGED,
    ),
    "the replica loses a row": (
        "replica",
        ["DELETE FROM patient WHERE Id = 7"],
        Reason.REPLICA_DAMAGED,
    ),
    "raw is emptied": ("warehouse", ["TRUNCATE raw.patient"], Reason.RAW_DAMAGED),
    "raw loses a row, the counters are reset": (
        "warehouse",
        [
            'DELETE FROM raw.patient WHERE "Id" = 7',
            "SELECT pg_stat_reset_single_table_counters('raw.patient'::regclass)",
        ],
        Reason.RAW_DAMAGED,
    ),
    "raw loses a row, all counters are reset": (
        "warehouse",
        ['DELETE FROM raw.patient WHERE "Id" = 7', "SELECT pg_stat_reset()"],
        Reason.RAW_DAMAGED,
    ),
    "raw loses a row and is rewritten": (
        "warehouse",
        ['DELETE FROM raw.patient WHERE "Id" = 7', "VACUUM FULL raw.patient"],
        Reason.RAW_DAMAGED,
    ),
    "the replica's is another table": (
        "replica",
        ["CREATE TABLE other LIKE patient", "DROP TABLE patient", "RENAME TABLE other TO patient"],
        Reason.REPLICA_DAMAGED,
    ),
}
IN_THE_SUITE = [kind for kind in EDITS if "all counters" not in kind]


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("kind", in_the_suite(*IN_THE_SUITE, of=EDITS))
def test_what_somebody_wrote_by_hand_is_noticed_by_the_next_run(kind, places, settings, servers):
    place, statements, reason = EDITS[kind]
    if place == "replica":
        with closing(servers.replica.connect(settings.replica.db)) as connection:
            for statement in statements:
                ask(connection, statement)
    else:
        with closing(servers.postgres.connect(settings.warehouse.db)) as connection:
            connection.autocommit = True
            for statement in statements:
                ask(connection, statement)
    wanted = plan(settings, "patient")
    assert wanted.has_work
    if reason:
        assert wanted.reason == reason
    run(settings, *TABLES)
    assert oracle.unequal(places, TABLES) == {}


@pytest.mark.usefixtures("marked")
def test_marks_that_are_gone_make_a_run_count(places, settings):
    ask(places.warehouse, "DROP TABLE etl_mark")
    ask(places.replica, "DROP TABLE etl_mark")
    ask(places.warehouse, 'DELETE FROM raw.payment WHERE "Id" = 9')
    assert plan(settings, "payment").reason == Reason.RAW_DAMAGED
    run(settings, *TABLES)
    assert oracle.unequal(places, TABLES) == {}

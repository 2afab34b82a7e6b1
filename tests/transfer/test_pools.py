"""A connection that was used a moment ago is taken again unasked, unless its server has hung up."""

from __future__ import annotations

from contextlib import closing

import pytest
from oracle import ask
from runs import wait_for

from transfer.mysql import pool
from transfer.postgres.pool import connect

ASKING = {"mysql": "SELECT CONNECTION_ID()", "postgres": "SELECT pg_backend_pid()"}

LISTED = {
    "mysql": "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %s",
    "postgres": "SELECT 1 FROM pg_stat_activity WHERE pid = %s",
}


@pytest.fixture
def session(settings):
    """Tell the number of the session that the next use of a server gets."""

    def number(kind: str) -> int:
        held = (
            pool.connect(settings.replica, settings.limits)
            if kind == "mysql"
            else connect(settings.warehouse)
        )
        with held as connection:
            return int(connection.rows("asking", ASKING[kind])[0][0])

    return number


@pytest.mark.parametrize("kind", ASKING)
def test_a_connection_is_used_again(kind, session):
    assert session(kind) == session(kind)


@pytest.mark.parametrize(
    ("kind", "place", "ending"),
    [("mysql", "replica", "KILL %s"), ("postgres", "postgres", "SELECT pg_terminate_backend(%s)")],
)
def test_one_that_its_server_has_ended_is_replaced(kind, place, ending, session, servers, settings):
    database = settings.replica.db if kind == "mysql" else settings.warehouse.db
    for _ in range(5):
        number = session(kind)
        with closing(getattr(servers, place).connect(database)) as other:
            ask(other, ending, number)
            wait_for(lambda: not ask(other, LISTED[kind], number))  # noqa: B023 - it waits here
        assert session(kind) != number

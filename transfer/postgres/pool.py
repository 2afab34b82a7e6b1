"""The connections to PostgreSQL that this process keeps for its next transaction."""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from transfer.drivers.postgres_sessions import POOLER
from transfer.errors import DatabaseFault
from transfer.postgres import opening
from transfer.postgres.connection import Connection
from transfer.running.stopping import stoppable
from transfer.running.watching import asked, kept_alive, refuse_silent, seems_alive
from transfer.settings import Warehouse

log = logging.getLogger("elt.connection")

_IDLE: dict[tuple[opening.Way, int], list[Connection]] = defaultdict(list)


@contextmanager
def connect(warehouse: Warehouse) -> Iterator[Connection]:
    """Hold a connection; what is not committed at the block's end is rolled back.

    It is kept for the next block if all went well.
    """
    idle = _IDLE[opening.way(warehouse), os.getpid()]
    connection = _reuse(idle) or _new(warehouse)
    try:
        with stoppable(connection.cancel), kept_alive(connection):
            yield connection
            connection.rollback()
    except BaseException:  # an interrupt too: a connection in an unknown state is not kept
        connection.close()
        raise
    idle.append(connection)


def _reuse(idle: list[Connection]) -> Connection | None:
    """Return a connection that an earlier block left and that still answers, if there is one."""
    while idle:
        connection = idle.pop()
        if seems_alive(connection, connection.lines):
            return connection
        # Without its process it has to answer as soon as a new one.
        process, connection.process = connection.process, ""
        try:
            connection.rows("asking whether it lives", "SELECT 1")
        except DatabaseFault:
            connection.close()
        else:
            connection.process = process
            return connection
    return None


def _new(warehouse: Warehouse) -> Connection:
    started, where = time.monotonic(), f"{warehouse.host}:{warehouse.port}"
    try:
        refuse_silent(warehouse)
        with asked(warehouse):
            connection = opening.open_proven(warehouse)
    except DatabaseFault as fault:
        log.error("warehouse %s@%s refused: %s", warehouse.user, where, fault)
        if fault.code == "POOLER":
            opening.refuse(where, POOLER)
        raise
    seconds = time.monotonic() - started
    log.debug("warehouse %s@%s opened in %.3f s", warehouse.user, where, seconds)
    return connection


def close_connections() -> None:
    """Close this process's connections that are idle, and its database handles."""
    for (_, process), idle in list(_IDLE.items()):
        while idle and process == os.getpid():
            idle.pop().close()
    opening.close_handles()

"""Statements that need a table's lock, in short turns so that its readers need not wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from transfer.errors import DatabaseFault
from transfer.postgres.connection import Connection
from transfer.postgres.literals import Place, literal
from transfer.server_codes import LOCKED_OUT
from transfer.settings import Limits
from transfer.values.table import digest

# Less than the second after which PostgreSQL looks for deadlocks and may end a reader's statement.
TURN_MILLISECONDS = 900

# What a statement is called here, and its SQL.
Named: TypeAlias = tuple[str, str]


def wait_for_locks(connection: Connection, seconds: int) -> None:
    """Let the rest of the transaction wait that long for those who hold a table or a row."""
    _set_timeout(connection, f"{max(seconds, 1)}s")


def _set_timeout(connection: Connection, timeout: str) -> None:
    connection.run("preparing a transaction", f"SET LOCAL lock_timeout = '{timeout}'")


def in_turns(
    connection: Connection, limits: Limits, doing: str, statements: Callable[[], Sequence[Named]]
) -> tuple[str, str]:
    """Run statements, all or none, waiting in short turns for a table's readers.

    A statement that waits blocks new readers. Each turn asks for the statements again.
    Return the SQLSTATE of what failed and its name here; both are empty if all is done.
    """
    until = time.monotonic() + limits.lock_seconds
    while True:
        turn = statements()
        _set_timeout(connection, f"{TURN_MILLISECONDS}ms")
        outcome = _try(connection, doing, turn)
        wait_for_locks(connection, limits.lock_seconds)
        if outcome[0] not in LOCKED_OUT or time.monotonic() > until:
            return outcome
        time.sleep(1)


def _try(connection: Connection, doing: str, statements: Sequence[Named]) -> tuple[str, str]:
    """Run statements so that the transaction survives their failure.

    ADBC refuses even ROLLBACK TO SAVEPOINT once a statement has failed, so the server catches it.
    """
    tag = f"$elt_{digest(*statements)[:8]}$"
    body = " ".join(f"elt_at := {literal(name)}; {statement};" for name, statement in statements)
    connection.run(
        doing,
        f"DO {tag} DECLARE elt_at text := ''; BEGIN {body}"
        " PERFORM set_config('elt.outcome', '', true); EXCEPTION WHEN OTHERS THEN"
        f" PERFORM set_config('elt.outcome', SQLSTATE || ' ' || elt_at, true); END {tag}",
    )
    ((outcome,),) = connection.rows(doing, "SELECT current_setting('elt.outcome')")
    code, _, name = str(outcome).partition(" ")
    return code, name


def alter(connection: Connection, limits: Limits, place: Place, change: str) -> None:
    """Alter a table that only its readers can block."""
    doing, statement = f"altering {place}", f"ALTER TABLE {place} {change}"
    outcome, _ = in_turns(connection, limits, doing, lambda: [("", statement)])
    if outcome:
        raise DatabaseFault("warehouse", doing, outcome)

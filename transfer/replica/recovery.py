"""What killed runs leave in the replica: half-made swaps are completed, the rest is removed."""

from __future__ import annotations

from transfer.mysql import pool
from transfer.mysql.literals import quote
from transfer.replica import cells, extracts, progress, tables
from transfer.replica.extracts import FROM_TABLES
from transfer.replica.lock import Lock
from transfer.replica.shadow import discard
from transfer.replica.swap import call_off_swap, complete_swap
from transfer.replica.tables import NEW, OLD, shadow_name
from transfer.settings import Limits, Replica


def recover(lock: Lock) -> bool:
    """Complete a swap that a killed run had announced and made, and call off one it had not made.

    What is left over is removed. Return whether a shadow stays with which a read may go on.
    """
    newest = lock.connection.rows(
        extracts.READING,
        "SELECT id, state FROM etl_extract_status WHERE table_name = %s ORDER BY id DESC LIMIT 1",
        (lock.table,),
    )
    new, old = shadow_name(NEW, lock.table), shadow_name(OLD, lock.table)
    present = _present(lock, (lock.table, new, old))
    if newest and newest[0][1] == "intent":
        if new not in present and lock.table in present:
            complete_swap(lock, newest[0][0])
        else:
            call_off_swap(lock, newest[0][0])
    if old in present:
        tables.drop(lock, old)
    left = new in present and progress.read(lock) is not None
    if new in present and not left:
        tables.drop(lock, new)
    return left


def _present(lock: Lock, names: tuple[str, ...]) -> set[str]:
    select = f"SELECT TABLE_NAME {FROM_TABLES}{extracts.among(names)}"
    return {str(row[0]) for row in lock.connection.rows("listing its tables", select, names)}


def left_over(replica: Replica, limits: Limits) -> list[str]:
    """Return the tables beside which a run has, or has left, a shadow or a note of its progress."""
    doing = "looking for what runs have left"
    with pool.connect(replica, limits) as connection:
        select = f"SELECT TABLE_NAME {FROM_TABLES} AND TABLE_NAME LIKE %s"
        shadows = {str(name) for (name,) in connection.rows(doing, select, (r"\_elt\_%",))}
        noted = connection.rows(doing, "SELECT table_name FROM etl_extract_progress")
        # A run that makes a shadow has locked the table that it is for.
        select = "SELECT table_name FROM etl_extract_lock"
        known = connection.rows(doing, select) if shadows else []
    owners = {
        name for (name,) in known if {shadow_name(NEW, name), shadow_name(OLD, name)} & shadows
    }
    return sorted({str(name) for (name,) in noted} | owners)


def clear(lock: Lock) -> None:
    """Remove what a run has left beside a table that needs none of it."""
    recover(lock)
    discard(lock)


def forget(lock: Lock) -> None:
    """Drop a table with what is recorded of its extracts.

    Its fence stays, as an older writer may still wake up.
    """
    for name in (lock.table, shadow_name(NEW, lock.table), shadow_name(OLD, lock.table)):
        if tables.engine_of(lock, name):
            lock.run_in_turns(f"dropping {name}", f"DROP TABLE {quote(name)}")
    with lock.transaction():
        progress.forget(lock)
        extracts.forget(lock)
        cells.forget(lock)

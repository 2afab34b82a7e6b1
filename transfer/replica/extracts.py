"""Where the replica stands: its bookkeeping tables, read by the survey and written with the rows, and its locks."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from transfer.errors import DatabaseFault, TableBusy
from transfer.mysql import connection as mysql
from transfer.mysql.literals import quote
from transfer.server_codes import GONE, MISSING_COLUMN, MISSING_TABLE
from transfer.settings import Limits, Replica
from transfer.values import scope as scopes
from transfer.values.scope import EVERYTHING, Key, Scope
from transfer.values.table import Evidence, Extracted, Hop, digest

log = logging.getLogger("elt")

TABLES = Path(__file__).with_name("sql") / "replica_tables.sql"


@dataclass(frozen=True, slots=True)
class State:
    """What the replica says of itself: which copy it is and each table's newest complete extract."""

    generation: str
    extracted: dict[str, Extracted]


@dataclass(frozen=True, slots=True)
class Lock:
    """A table of a replica held for writing; `fence` grows with each holder, and every data transaction checks it."""

    table: str
    fence: int
    connection: mysql.Connection
    replica: Replica


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is written down of an extract; `damaged` if the replica's table was not as recorded, so that other rows may change."""

    run_id: str
    method: str
    reason: str
    evidence: Evidence
    clean: bool
    rows: int
    read_from: datetime
    started: float
    damaged: bool = False


def prepare(replica: Replica, limits: Limits) -> None:
    """Create the bookkeeping tables that are missing."""
    with mysql.connect(replica, limits, writes=True) as connection:
        if _lacks(
            connection, "etl_extract_progress", "hash_sum"
        ):  # what a killed run had read is read again
            mysql.run(
                connection,
                "replica",
                "renewing the status tables",
                "DROP TABLE etl_extract_progress",
            )
        for column, kind in LATER_COLUMNS:
            if _lacks(connection, "etl_extract_status", column):
                adding = f"ALTER TABLE etl_extract_status ADD COLUMN {column} {kind}"
                mysql.run(connection, "replica", "renewing the status tables", adding)
        for statement in TABLES.read_text().split(";\n"):
            if statement.strip():
                mysql.run(connection, "replica", "creating the status tables", statement)


LATER_COLUMNS = (
    ("read_from", "DATETIME(6) NULL AFTER source_rows"),
    ("structure", "CHAR(32) NULL AFTER read_from"),
)


def state(
    replica: Replica, limits: Limits, only: Sequence[str] | None = None, *, counted: bool = True
) -> State:
    """Read the position of every table, or of those named, and count what the replica holds of them.

    Who holds the lock of a table that was `counted` before need not do so again: its rows are those that are recorded.
    """
    with mysql.connect(replica, limits) as connection:
        try:
            generation = ask(
                connection, "asking which copy it is", "SELECT generation FROM etl_replica"
            )
            newest = _newest(connection, only)
        except DatabaseFault as fault:
            if (
                fault.code in MISSING_TABLE | MISSING_COLUMN
            ):  # never prepared, or by an earlier release
                return State("", {})
            raise
        present = _present(connection, only)
        recorded = {
            entry.table_name: entry.rows_total for entry in newest if entry.table_name in present
        }
        counts = _counts(connection, list(recorded)) if counted else recorded
    return State(
        generation[0][0] if generation else "",
        {
            entry.table_name: _extracted(
                entry, present.get(entry.table_name, (None, "")), counts.get(entry.table_name)
            )
            for entry in newest
        },
    )


def _present(
    connection: mysql.Connection, only: Sequence[str] | None
) -> dict[str, tuple[datetime, str]]:
    """Return when each table was created, and its engine; of those named without opening all the others."""
    found = ask(
        connection,
        "listing its tables",
        f"SELECT TABLE_NAME, CREATE_TIME, COALESCE(ENGINE, '') {FROM_TABLES}{among(only)}",
        only or None,
    )
    return {name: (created, engine) for name, created, engine in found}


def among(names: Sequence[str] | None) -> str:
    """Return the condition that leaves only the tables named, all of them if none are."""
    return f" AND TABLE_NAME IN ({', '.join(['%s'] * len(names))})" if names else ""


def _lacks(connection: mysql.Connection, table: str, column: str) -> bool:
    """Tell whether a status table is there but of a release that did not have a column of it."""
    ((there, has),) = ask(
        connection,
        "looking for the status tables",
        "SELECT COUNT(*), COALESCE(SUM(COLUMN_NAME = %s), 0) FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
        (column, table),
    )
    return bool(there) and not has


FROM_TABLES = (
    "FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'"
)


def ask(
    connection: mysql.Connection, doing: str, statement: str, values: Sequence[object] | None = None
) -> list[mysql.Row]:
    """Run a query on the replica."""
    return mysql.rows(connection, "replica", doing, statement, values)


class _Entry(NamedTuple):
    """A row of etl_extract_status, with the newest of the same table that changed a row."""

    table_name: str
    id: int
    changed_id: int
    run_id: str
    source_identity: str
    source_engine: str
    source_fingerprint: str
    source_created: datetime | None
    source_updated: datetime | None
    source_auto_increment: int | None
    source_rows: int | None
    clean: int
    rows_total: int
    replica_created: datetime | None
    read_from: datetime | None


def _newest(connection: mysql.Connection, only: Sequence[str] | None) -> list[_Entry]:
    """Return each table's newest complete entry."""
    found = ask(
        connection,
        "reading etl_extract_status",
        f"SELECT {', '.join(_Entry._fields)} FROM etl_extract_status JOIN"
        " (SELECT MAX(id) AS id, COALESCE(MAX(IF(scope = 'nothing', NULL, id)), 0) AS changed_id FROM etl_extract_status"
        f" WHERE state = 'complete'{among(only)} GROUP BY table_name) AS newest USING (id)",
        only or None,
    )
    return [_Entry(*row) for row in found]


def _counts(connection: mysql.Connection, names: Sequence[str]) -> Mapping[str, int | None]:
    """Count the rows of tables, all at once; None for one that cannot be counted, as somebody holds it or it is broken."""
    found: dict[str, int | None] = {}
    for start in range(0, len(names), 100):
        part = names[start : start + 100]
        try:
            found |= count(connection, part)
        except DatabaseFault as fault:
            if fault.code in GONE:
                raise
            found |= {name: _count_or_none(connection, name) for name in part}
    return found


def count(connection: mysql.Connection, names: Sequence[str]) -> dict[str, int]:
    counting = " UNION ALL ".join(
        f"SELECT {position}, COUNT(*) FROM {quote(name)}" for position, name in enumerate(names)
    )
    return {
        names[position]: count for position, count in ask(connection, "counting rows", counting)
    }


def _count_or_none(connection: mysql.Connection, name: str) -> int | None:
    try:
        return count(connection, [name])[name]
    except DatabaseFault as fault:
        if fault.code in GONE:
            raise
        return None


def _extracted(entry: _Entry, now: tuple[datetime | None, str], rows_now: int | None) -> Extracted:
    return Extracted(
        id=entry.id,
        changed_id=entry.changed_id,
        run_id=entry.run_id,
        evidence=Evidence(
            identity=entry.source_identity,
            engine=entry.source_engine,
            fingerprint=entry.source_fingerprint,
            created=entry.source_created,
            updated=entry.source_updated,
            auto_increment=entry.source_auto_increment,
            rows=entry.source_rows,
        ),
        clean=bool(entry.clean),
        rows=entry.rows_total,
        replica_created=entry.replica_created,
        replica_created_now=now[0],
        replica_engine=now[1],
        replica_rows_now=rows_now,
        read_from=entry.read_from,
    )


@contextmanager
def locked(replica: Replica, limits: Limits, table: str, floor: int) -> Iterator[Lock]:
    """Hold a table for writing, waiting for another run that has it; `floor` is the highest fence seen elsewhere.

    Raises:
        TableBusy: the other run did not let go within `ELT_LOCK_SECONDS`.

    """
    name = f"elt:{digest(replica.db, table)}"
    with _pulse(replica, limits) as connection:
        until = monotonic() + limits.lock_seconds
        while not ask(connection, f"locking {table}", "SELECT GET_LOCK(%s, 2)", (name,))[0][0]:
            _end_gone(connection, table, name)
            if monotonic() > until:
                raise TableBusy(
                    f"{table} is held by another run for over {limits.lock_seconds} s (ELT_LOCK_SECONDS)."
                )
        yield Lock(table, _take_fence(connection, table, floor), connection, replica)
        try:
            ask(connection, f"letting go of {table}", "SELECT RELEASE_LOCK(%s)", (name,))
        except DatabaseFault:  # the work is done, and with the connection goes the lock
            mysql.close(connection)


def _pulse_of(number: object) -> str:
    return f"elt pulse {number}"


@contextmanager
def _pulse(replica: Replica, limits: Limits) -> Iterator[mysql.Connection]:
    """Hold a connection for a lock, and beside it one that tells others as long as its holder lives.

    The first may be at work for hours, in which its server does not notice that nobody waits for it any more. The other has
    nothing to do but to give signs of life, without which the server ends it.
    """
    with (
        mysql.connect(replica, limits, writes=True) as connection,
        mysql.connect(replica, limits, writes=True) as pulse,
    ):
        number = str(ask(connection, "asking for its number", "SELECT CONNECTION_ID()")[0][0])
        ask(pulse, "giving signs of life", "SELECT GET_LOCK(%s, 0)", (_pulse_of(number),))
        yield connection
        try:
            ask(pulse, "giving signs of life", "SELECT RELEASE_LOCK(%s)", (_pulse_of(number),))
        except DatabaseFault:
            mysql.close(pulse)


def _end_gone(connection: mysql.Connection, table: str, name: str) -> None:
    """End the session that holds a table if it has no pulse: it is still at work for a run that is gone."""
    ((holder,),) = ask(connection, f"locking {table}", "SELECT IS_USED_LOCK(%s)", (name,))
    if not holder:
        return
    ((gone,),) = ask(
        connection, f"locking {table}", "SELECT IS_FREE_LOCK(%s)", (_pulse_of(holder),)
    )
    if gone:
        log.warning("%s: the run that held it is gone, its session %s is ended", table, holder)
        with suppress(DatabaseFault):  # it has ended by itself
            mysql.run(connection, "replica", f"taking {table} over", f"KILL {int(holder)}")


def _take_fence(connection: mysql.Connection, table: str, floor: int) -> int:
    """Return a fence above all others of a table.

    A replica that knows lower ones only than were seen elsewhere was set back to an older copy: it gets another name, as
    what it holds and the numbers of its extracts are no longer those from which `raw` was loaded.
    """
    doing, asking = f"locking {table}", "SELECT fence FROM etl_extract_lock WHERE table_name = %s"
    before = ask(connection, doing, asking, (table,))
    with mysql.transaction(connection, "replica"):
        if (before[0][0] if before else 0) < floor:
            mysql.run(connection, "replica", doing, "UPDATE etl_replica SET generation = UUID()")
        mysql.run(
            connection,
            "replica",
            doing,
            "INSERT INTO etl_extract_lock (table_name, fence) VALUES (%s, %s)"
            " ON DUPLICATE KEY UPDATE fence = GREATEST(fence + 1, VALUES(fence))",
            (table, floor + 1),
        )
    return int(ask(connection, doing, asking, (table,))[0][0])


@contextmanager
def transaction(lock: Lock) -> Iterator[mysql.Connection]:
    """Commit rows and their status as one, if the table is still ours."""
    with mysql.transaction(lock.connection, "replica"):
        found = ask(
            lock.connection,
            f"checking the lock of {lock.table}",
            "SELECT fence FROM etl_extract_lock WHERE table_name = %s FOR UPDATE",
            (lock.table,),
        )
        if not found or found[0][0] != lock.fence:
            raise TableBusy(
                f"{lock.table} was taken over by another run; this one stops writing it."
            )
        yield lock.connection


class Progress(NamedTuple):
    """How far a read of a whole table has come: its last key, the rows so far and the sum of their hashes.

    `watermark` is the source's state when it began.
    """

    watermark: str
    read_from: datetime
    last: Key
    rows: int
    hashes: int


def progress(lock: Lock) -> Progress | None:
    """Return how far a killed run has read the table, None if it is not to be gone on with."""
    found = ask(
        lock.connection,
        "reading etl_extract_progress",
        "SELECT watermark, read_from, last_key, rows_read, hash_sum FROM etl_extract_progress WHERE table_name = %s",
        (lock.table,),
    )
    for watermark, read_from, last, rows, hashes in found:
        return Progress(watermark, read_from, tuple(json.loads(last)), rows, hashes)
    return None


def begin_progress(lock: Lock, watermark: str, now: datetime) -> None:
    """Note that a read of the whole table begins."""
    mysql.run(
        lock.connection,
        "replica",
        "noting the progress",
        "REPLACE INTO etl_extract_progress (table_name, watermark, read_from, last_key, rows_read, hash_sum)"
        " VALUES (%s, %s, %s, '[]', 0, 0)",
        (lock.table, watermark, now),
    )


def note_progress(lock: Lock, last: Key, rows: int, hashes: int) -> None:
    """Note how far a read has come, if it is one of the whole table."""
    mysql.run(
        lock.connection,
        "replica",
        "noting the progress",
        "UPDATE etl_extract_progress SET last_key = %s, rows_read = %s, hash_sum = %s WHERE table_name = %s",
        (json.dumps(last), rows, hashes, lock.table),
    )


def held_seconds(lock: Lock) -> int | None:
    """Return how long ago the table's shadow was first held since its last complete extract, None if it was not."""
    ((seconds,),) = ask(
        lock.connection,
        "reading etl_extract_status",
        "SELECT TIMESTAMPDIFF(SECOND, MIN(finished_at), UTC_TIMESTAMP(6)) FROM etl_extract_status"
        " WHERE table_name = %s AND state = 'held' AND id > (SELECT COALESCE(MAX(id), 0) FROM etl_extract_status AS done"
        " WHERE done.table_name = %s AND done.state = 'complete')",
        (lock.table, lock.table),
    )
    return None if seconds is None else int(seconds)


def structure(lock: Lock) -> str | None:
    """Return what was noted of the table's structure with its newest complete extract."""
    found = ask(
        lock.connection,
        "reading etl_extract_status",
        "SELECT structure FROM etl_extract_status WHERE table_name = %s AND state = 'complete' ORDER BY id DESC LIMIT 1",
        (lock.table,),
    )
    return found[0][0] if found else None


UNCHANGED, SOME, ALL = "nothing", "some rows", "everything"


SCOPES_KEPT = 7  # days, after which a load that has not replayed them takes the whole table


def note(
    lock: Lock,
    verdict: Verdict,
    hop: Hop,
    state: str,
    scope: Scope = EVERYTHING,
    structure: str | None = None,
) -> int:
    """Write an extract down, with the rows that it may have changed, and a digest of the table's structure."""
    evidence = verdict.evidence
    changes = hop.changed or state == "intent" or verdict.damaged  # a swap may bring other columns
    scope = EVERYTHING if verdict.damaged else scope
    values = {
        "table_name": lock.table,
        "run_id": verdict.run_id,
        "state": state,
        "method": verdict.method,
        "reason": verdict.reason[:255],
        "scope": UNCHANGED if not changes else ALL if scope.whole else SOME,
        "source_identity": evidence.identity,
        "source_engine": evidence.engine,
        "source_fingerprint": evidence.fingerprint,
        "source_created": evidence.created,
        "source_updated": evidence.updated,
        "source_auto_increment": evidence.auto_increment,
        "source_rows": evidence.rows,
        "read_from": verdict.read_from,
        "structure": structure,
        "clean": verdict.clean,
        "rows_total": verdict.rows,
        "rows_inserted": hop.inserted,
        "rows_updated": hop.updated,
        "rows_deleted": hop.deleted,
        "seconds": hop.seconds,
    }
    mysql.run(
        lock.connection,
        "replica",
        "writing etl_extract_status",
        f"INSERT INTO etl_extract_status ({', '.join(values)}, replica_created, finished_at)"
        f" VALUES ({', '.join(['%s'] * len(values))}, ({_CREATED}), UTC_TIMESTAMP(6))",
        (*values.values(), lock.table),
    )
    extract = int(
        ask(lock.connection, "writing etl_extract_status", "SELECT LAST_INSERT_ID()")[0][0]
    )
    if changes and not scope.whole:
        _note_scope(lock, extract, scope)
    return extract


def _note_scope(lock: Lock, extract: int, scope: Scope) -> None:
    for part, rows in enumerate(scopes.parts(scope)):
        mysql.run(
            lock.connection,
            "replica",
            "writing etl_extract_scope",
            # A status table that was lost counts from 1 again.
            "INSERT INTO etl_extract_scope (extract_id, part, rows_changed) VALUES (%s, %s, %s)"
            " ON DUPLICATE KEY UPDATE rows_changed = VALUES(rows_changed)",
            (extract, part, rows),
        )


def forget_old_scopes(lock: Lock) -> None:
    """Remove what nobody will replay any more; looked for without locks, in which the merges of other tables could be caught."""
    old = ask(
        lock.connection,
        "reading etl_extract_scope",
        "SELECT DISTINCT scope.extract_id FROM etl_extract_scope AS scope"
        " JOIN etl_extract_status AS status ON status.id = scope.extract_id"
        f" WHERE status.table_name = %s AND status.finished_at < UTC_TIMESTAMP() - INTERVAL {SCOPES_KEPT} DAY",
        (lock.table,),
    )
    for (extract,) in old:
        removing = "DELETE FROM etl_extract_scope WHERE extract_id = %s"
        mysql.run(lock.connection, "replica", "writing etl_extract_scope", removing, (extract,))


def changed_since(replica: Replica, limits: Limits, table: str, extract_id: int) -> Scope:
    """Return the rows that the extracts after one may have changed, everything if that is not known of one of them."""
    with mysql.connect(replica, limits) as connection:
        found = ask(
            connection,
            "reading etl_extract_scope",
            "SELECT status.scope, scope.rows_changed FROM etl_extract_status AS status"
            " LEFT JOIN etl_extract_scope AS scope ON scope.extract_id = status.id"
            " WHERE status.table_name = %s AND status.state = 'complete' AND status.id > %s AND status.scope <> %s",
            (table, extract_id, UNCHANGED),
        )
    if not all(told == SOME and rows is not None for told, rows in found):
        return EVERYTHING
    try:
        return scopes.read(rows for _, rows in found)
    except (ValueError, TypeError, AttributeError):  # somebody has edited it
        return EVERYTHING


_CREATED = f"SELECT CREATE_TIME {FROM_TABLES} AND TABLE_NAME = %s"


def forget_progress(lock: Lock) -> None:
    """Note that no read of the table is to be gone on with."""
    mysql.run(
        lock.connection,
        "replica",
        "noting the progress",
        "DELETE FROM etl_extract_progress WHERE table_name = %s",
        (lock.table,),
    )


_COPIED = (
    "table_name, run_id, method, reason, scope, source_identity, source_engine, source_fingerprint, source_created,"
    " source_updated, source_auto_increment, source_rows, read_from, structure, clean, rows_total, rows_inserted, rows_updated, rows_deleted, seconds"
)


def conclude(lock: Lock, intent: int, state: str) -> None:
    """Write down what became of an announced swap."""
    mysql.run(
        lock.connection,
        "replica",
        "writing etl_extract_status",
        f"INSERT INTO etl_extract_status (state, replica_created, finished_at, {_COPIED})"
        f" SELECT %s, ({_CREATED}), UTC_TIMESTAMP(6), {_COPIED} FROM etl_extract_status WHERE id = %s",
        (state, lock.table, intent),
    )

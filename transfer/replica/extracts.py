"""The replica's bookkeeping of extracts: read by the survey, written together with the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

from transfer.errors import DatabaseFault
from transfer.mysql import pool
from transfer.mysql.connection import Connection
from transfer.replica import counting, marks
from transfer.replica.lock import Lock
from transfer.server_codes import MISSING_TABLE
from transfer.settings import Limits, Replica
from transfer.values import scope as scopes
from transfer.values.scope import EVERYTHING, Scope
from transfer.values.table import Evidence, Extracted, Hop

TABLES = Path(__file__).with_name("sql") / "replica_tables.sql"
FROM_TABLES = (
    "FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'"
)
READING, WRITING = "reading etl_extract_status", "writing etl_extract_status"


@dataclass(frozen=True, slots=True)
class State:
    """What the replica says of itself: which copy it is, and each table's last complete extract.

    `marks` are those of the tables that were counted just now and have their rows.
    """

    generation: str
    extracted: dict[str, Extracted]
    marks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is recorded of an extract.

    If the replica's table was not as recorded, it was `damaged`, and other rows may change than
    those that were read. `started` is a monotonic time in seconds.
    """

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
    with pool.connect(replica, limits, writes=True) as connection:
        for statement in TABLES.read_text().split(";\n"):
            if statement.strip():
                connection.run("creating the status tables", statement)


def state(
    replica: Replica, limits: Limits, only: Sequence[str] | None = None, *, counted: bool = True
) -> State:
    """Read the position of every table, or of those named, and count their rows in the replica.

    Unless they are to be `counted`, the number recorded is taken. That is right for a run that has
    counted a table's rows and still holds its lock.
    """
    with pool.connect(replica, limits) as connection:
        return _state(connection, only, counted=counted)


def state_of(lock: Lock, *, counted: bool = True) -> State:
    """Read the position of a table that is held, by its own connection."""
    return _state(lock.connection, [lock.table], counted=counted)


def state_of_first(lock: Lock) -> State:
    """Return the position of a table that no run has held before, so that it has none."""
    return State(_generation(lock.connection), {})


def _generation(connection: Connection) -> str:
    found = connection.rows("asking which copy it is", "SELECT generation FROM etl_replica")
    return str(found[0][0]) if found else ""


def _state(connection: Connection, only: Sequence[str] | None, *, counted: bool) -> State:
    try:
        generation = _generation(connection)
        newest = _newest(connection, only)
    except DatabaseFault as fault:
        if fault.code in MISSING_TABLE:  # never prepared
            return State("", {})
        raise
    present = _present(connection, only)
    recorded = {
        entry.table_name: entry.rows_total for entry in newest if entry.table_name in present
    }
    counts: dict[str, int | None] = {**recorded}
    found: dict[str, str] = {}
    if counted:
        written = {name: mark for name, (_, _, mark) in present.items() if mark}
        counts = {**marks.unwritten(connection, recorded, written)}
        left = [name for name in recorded if name not in counts]
        counts |= counting.counts(connection, left)
        found = {
            name: marks.with_rows(written[name], recorded[name])
            for name in left
            if name in written and counts[name] == recorded[name]
        }
    extracted = {
        entry.table_name: _extracted(
            entry, present.get(entry.table_name, (None, "", "")), counts.get(entry.table_name)
        )
        for entry in newest
    }
    return State(generation, extracted, found)


_Present: TypeAlias = tuple[datetime | None, str, str]


def _present(connection: Connection, only: Sequence[str] | None) -> dict[str, _Present]:
    """Return when each table was created, its engine, and the mark of its last write.

    If tables are named, the server opens no others.
    """
    found = connection.rows(
        "listing its tables",
        f"SELECT TABLE_NAME, CREATE_TIME, COALESCE(ENGINE, ''), {marks.WRITTEN}"
        f" {FROM_TABLES}{among(only)}",
        only or None,
    )
    return {name: (created, engine, mark) for name, created, engine, mark in found}


def among(names: Sequence[str] | None) -> str:
    """Return the condition that leaves only the tables named, all of them if none are."""
    return f" AND TABLE_NAME IN ({', '.join(['%s'] * len(names))})" if names else ""


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


def _newest(connection: Connection, only: Sequence[str] | None) -> list[_Entry]:
    """Return each table's newest complete entry."""
    found = connection.rows(
        READING,
        f"SELECT {', '.join(_Entry._fields)} FROM etl_extract_status JOIN (SELECT MAX(id) AS id,"
        " COALESCE(MAX(IF(scope = 'nothing', NULL, id)), 0) AS changed_id FROM etl_extract_status"
        f" WHERE state = 'complete'{among(only)} GROUP BY table_name) AS newest USING (id)",
        only or None,
    )
    return [_Entry(*row) for row in found]


def _extracted(entry: _Entry, now: _Present, rows_now: int | None) -> Extracted:
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


def held_seconds(lock: Lock) -> int | None:
    """Return how long ago the table's shadow was first held since its last complete extract.

    None if it was not held since.
    """
    ((seconds,),) = lock.connection.rows(
        READING,
        "SELECT TIMESTAMPDIFF(SECOND, MIN(finished_at), UTC_TIMESTAMP(6)) FROM etl_extract_status"
        " WHERE table_name = %s AND state = 'held' AND id > (SELECT COALESCE(MAX(id), 0)"
        " FROM etl_extract_status AS done WHERE done.table_name = %s AND done.state = 'complete')",
        (lock.table, lock.table),
    )
    return None if seconds is None else int(seconds)


def structure(lock: Lock) -> str | None:
    """Return the digest of the table's structure that was noted with its last complete extract."""
    found = lock.connection.rows(
        READING,
        "SELECT structure FROM etl_extract_status WHERE table_name = %s AND state = 'complete'"
        " ORDER BY id DESC LIMIT 1",
        (lock.table,),
    )
    return found[0][0] if found else None


UNCHANGED, SOME, ALL = "nothing", "some rows", "everything"
SCOPES_KEPT = 7  # days, after which a load that has not replayed them takes the whole table
_CREATED = f"SELECT CREATE_TIME {FROM_TABLES} AND TABLE_NAME = %s"


def note(
    lock: Lock,
    verdict: Verdict,
    hop: Hop,
    state: str,
    scope: Scope = EVERYTHING,
    structure: str | None = None,
) -> int:
    """Record an extract, with the rows that it may have changed; return its number.

    `structure` is a digest of the table's structure.
    """
    # A swap may bring other columns.
    changes = hop.changed or state == "intent" or verdict.damaged
    scope = EVERYTHING if verdict.damaged else scope
    values = _facts(verdict, hop) | {
        "table_name": lock.table,
        "state": state,
        "scope": UNCHANGED if not changes else ALL if scope.whole else SOME,
        "structure": structure,
    }
    extract = lock.connection.insert(
        WRITING,
        f"INSERT INTO etl_extract_status ({', '.join(values)}, replica_created, finished_at)"
        f" VALUES ({', '.join(['%s'] * len(values))}, ({_CREATED}), UTC_TIMESTAMP(6))",
        (*values.values(), lock.table),
    )
    if changes and not scope.whole:
        _note_scope(lock, extract, scope)
    return extract


def _facts(verdict: Verdict, hop: Hop) -> dict[str, object]:
    evidence = verdict.evidence
    return {
        "run_id": verdict.run_id,
        "method": verdict.method,
        "reason": verdict.reason[:255],
        "source_identity": evidence.identity,
        "source_engine": evidence.engine,
        "source_fingerprint": evidence.fingerprint,
        "source_created": evidence.created,
        "source_updated": evidence.updated,
        "source_auto_increment": evidence.auto_increment,
        "source_rows": evidence.rows,
        "read_from": verdict.read_from,
        "clean": verdict.clean,
        "rows_total": verdict.rows,
        "rows_inserted": hop.inserted,
        "rows_updated": hop.updated,
        "rows_deleted": hop.deleted,
        "seconds": hop.seconds,
    }


def conclude(lock: Lock, intent: int, state: str) -> int:
    """Record what became of an announced swap; return the number of the entry."""
    return lock.connection.insert(
        WRITING,
        f"INSERT INTO etl_extract_status (state, replica_created, finished_at, {_COPIED})"
        f" SELECT %s, ({_CREATED}), UTC_TIMESTAMP(6), {_COPIED}"
        " FROM etl_extract_status WHERE id = %s",
        (state, lock.table, intent),
    )


_COPIED = (
    "table_name, run_id, method, reason, scope, source_identity, source_engine,"
    " source_fingerprint, source_created, source_updated, source_auto_increment, source_rows,"
    " read_from, structure, clean, rows_total, rows_inserted, rows_updated, rows_deleted, seconds"
)


def _note_scope(lock: Lock, extract: int, scope: Scope) -> None:
    for part, rows in enumerate(scopes.parts(scope)):
        lock.connection.run(
            "writing etl_extract_scope",
            # A status table that was lost counts from 1 again.
            "INSERT INTO etl_extract_scope (extract_id, part, rows_changed) VALUES (%s, %s, %s)"
            " ON DUPLICATE KEY UPDATE rows_changed = VALUES(rows_changed)",
            (extract, part, rows),
        )


def forget_old_scopes(lock: Lock) -> None:
    """Remove the scopes that no load will replay any more.

    They are looked for without locks, in which the merges of other tables could be caught.
    """
    old = lock.connection.rows(
        "reading etl_extract_scope",
        "SELECT DISTINCT scope.extract_id FROM etl_extract_scope AS scope"
        " JOIN etl_extract_status AS status ON status.id = scope.extract_id"
        " WHERE status.table_name = %s"
        f" AND status.finished_at < UTC_TIMESTAMP() - INTERVAL {SCOPES_KEPT} DAY",
        (lock.table,),
    )
    for (extract,) in old:
        removing = "DELETE FROM etl_extract_scope WHERE extract_id = %s"
        lock.connection.run("writing etl_extract_scope", removing, (extract,))


def forget(lock: Lock) -> None:
    """Remove what is recorded of the table's extracts."""
    lock.connection.run(
        WRITING,
        "DELETE status, scope FROM etl_extract_status AS status"
        " LEFT JOIN etl_extract_scope AS scope ON scope.extract_id = status.id"
        " WHERE status.table_name = %s",
        (lock.table,),
    )


def changed_since(replica: Replica, limits: Limits, table: str, extract_id: int) -> Scope:
    """Return the rows that the extracts after one may have changed.

    That is everything if it is not known of one of them.
    """
    with pool.connect(replica, limits) as connection:
        found = connection.rows(
            "reading etl_extract_scope",
            "SELECT status.scope, scope.rows_changed FROM etl_extract_status AS status"
            " LEFT JOIN etl_extract_scope AS scope ON scope.extract_id = status.id"
            " WHERE status.table_name = %s AND status.state = 'complete' AND status.id > %s"
            " AND status.scope <> %s",
            (table, extract_id, UNCHANGED),
        )
    if not all(changed == SOME and rows is not None for changed, rows in found):
        return EVERYTHING
    try:
        return scopes.read(rows for _, rows in found)
    except (ValueError, TypeError, AttributeError):  # somebody has edited it
        return EVERYTHING

"""The exact copy in the local MySQL: how a table gets there without ever being half there, and what is read of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, localcontext
from time import monotonic, sleep

import pyarrow as pa

from transfer.errors import DatabaseFault, TableError
from transfer.mysql import buckets, hashing, load_data, paging, ranges
from transfer.mysql import connection as mysql
from transfer.mysql.buckets import NO_ROWS, Difference
from transfer.mysql.definition import ENGINES, REFUSED, UNKNOWN, as_replica, structure
from transfer.mysql.literals import quote
from transfer.mysql.show_create import show_create
from transfer.replica import extracts
from transfer.replica.extracts import FROM_TABLES, Lock, Progress, Verdict, ask
from transfer.rules.casts import cast_of, numbered, summed, unmapped
from transfer.running.overlap import in_background
from transfer.server_codes import GONE, LOCKED_OUT, meaning
from transfer.settings import Limits, Replica
from transfer.values.scope import EVERYTHING, Range, Scope
from transfer.values.table import Column, Extracted, Hop, SourceTable, Table, Totals, digest

NEW, OLD = "_elt_new_", "_elt_old_"


@dataclass(frozen=True, slots=True)
class Shadow:
    """The table under construction beside the one that people read; `hashes` is the sum of its rows' at the source.

    It has the rows of a `scope`; those that were `kept`, as their hashes `since` a moment are equal, stand elsewhere.
    `negative_zeros` are the values, by column, that became 0 on a server that has no -0.
    """

    name: str
    source_table: SourceTable
    definition: str
    read_from: datetime
    last: tuple[str, ...] | None = None
    rows: int = 0
    bytes: int = 0
    hashes: int = 0
    kept: Difference = NO_ROWS
    since: datetime | None = None
    scope: Scope = EVERYTHING
    negative_zeros: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """The rows that the table is to have."""
        return self.rows + self.kept.rows


def shadow_name(prefix: str, table: str) -> str:
    """Return the name of a table's shadow; a digest replaces long names (64 characters at most) and those that are not
    plain, as each of their characters takes five bytes of the 255 that a file's name has.
    """
    plain = len(prefix) + len(table) <= 64 and re.fullmatch(r"\w+", table, re.ASCII)
    return f"{prefix}{table}" if plain else f"{prefix}{digest(table)}"


def as_both_hold(lock: Lock, source_table: SourceTable) -> SourceTable:
    """Return the source's table as the replica's server can hold it, too."""
    ((signed_zeros,),) = ask(
        lock.connection, "asking for its numbers", f"SELECT {hashing.SIGNED_ZEROS}"
    )
    table = replace(
        source_table.table, signed_zeros=source_table.table.signed_zeros and bool(signed_zeros)
    )
    return replace(source_table, table=table)


def recover(lock: Lock) -> None:
    """Complete a swap that a killed run had announced and made, call off one it had not made, remove what is left over."""
    newest = ask(
        lock.connection,
        "reading etl_extract_status",
        "SELECT id, state FROM etl_extract_status WHERE table_name = %s ORDER BY id DESC LIMIT 1",
        (lock.table,),
    )
    names = (lock.table, shadow_name(NEW, lock.table), shadow_name(OLD, lock.table))
    present = {
        row[0]
        for row in ask(
            lock.connection,
            "listing its tables",
            f"SELECT TABLE_NAME {FROM_TABLES}{extracts.among(names)}",
            names,
        )
    }
    if newest and newest[0][1] == "intent":
        if shadow_name(NEW, lock.table) not in present and lock.table in present:
            _complete_swap(lock, newest[0][0])
        else:
            _call_off_swap(lock, newest[0][0])
    if shadow_name(OLD, lock.table) in present:
        _drop(lock, shadow_name(OLD, lock.table))
    if shadow_name(NEW, lock.table) in present and not extracts.progress(lock):
        _drop(lock, shadow_name(NEW, lock.table))


def left_over(replica: Replica, limits: Limits) -> list[str]:
    """Return the tables beside which a run has, or has left, a table of its own or a note of how far it came."""
    doing = "looking for what runs have left"
    with mysql.connect(replica, limits) as connection:
        asked = f"SELECT TABLE_NAME {FROM_TABLES} AND TABLE_NAME LIKE %s"
        beside_others = {str(name) for (name,) in ask(connection, doing, asked, (r"\_elt\_%",))}
        noted = {
            str(name)
            for (name,) in ask(connection, doing, "SELECT table_name FROM etl_extract_progress")
        }
        # Who makes such a table has locked the one that it is for.
        known = (
            ask(connection, doing, "SELECT table_name FROM etl_extract_lock")
            if beside_others
            else []
        )
    return sorted(
        noted
        | {
            name
            for (name,) in known
            if {shadow_name(NEW, name), shadow_name(OLD, name)} & beside_others
        }
    )


def clear(lock: Lock) -> None:
    """Remove what a run has left beside a table that needs nothing of it."""
    recover(lock)
    _discard(lock)


def _drop(lock: Lock, name: str) -> None:
    if _engine(lock, name):  # to look takes a tenth of what a DROP IF EXISTS of nothing does
        mysql.run(
            lock.connection, "replica", f"dropping {name}", f"DROP TABLE IF EXISTS {quote(name)}"
        )


def shadow(
    lock: Lock, limits: Limits, source_table: SourceTable, definition: str, now: datetime
) -> Shadow:
    """Start a shadow table, or go on with the one of a killed run if the source has not changed since it began."""
    name = shadow_name(NEW, lock.table)
    watermark = digest(source_table.evidence.watermark, definition, limits.collations)
    progress = extracts.progress(lock)
    if progress and _can_resume(lock, name, source_table, progress, watermark):
        _, read_from, last, rows, hashes = progress
        return Shadow(name, source_table, definition, read_from, last, rows, hashes=hashes)
    _drop(lock, name)
    with extracts.transaction(lock):
        extracts.begin_progress(lock, watermark, now)
    _create(lock, limits, name, definition)
    return Shadow(name, source_table, definition, now)


def patch(
    lock: Lock,
    limits: Limits,
    source_table: SourceTable,
    definition: str,
    now: datetime,
    difference: Difference,
    since: datetime | None,
) -> Shadow:
    """Start a shadow, if one is needed, for the rows that differ; it cannot be gone on with by another run."""
    name = shadow_name(NEW, lock.table)
    _discard(lock)
    if not difference.whole.empty:
        _create(lock, limits, name, definition)
    return Shadow(
        name, source_table, definition, now, kept=difference, since=since, scope=difference.whole
    )


SEEDED = 50  # buckets whose rows are copied at once


def seed(
    lock: Lock, limits: Limits, source_table: SourceTable, definition: str, now: datetime
) -> Shadow | None:
    """Start a shadow with the rows that the standing table has, as far as they fit, None if they do not.

    What the server made of them under other columns is for their hashes to judge.
    """
    name, standing = shadow_name(NEW, lock.table), _columns(lock)
    if tuple(column for column, part in standing.items() if part) != source_table.table.key:
        return None
    _discard(lock)
    _create(lock, limits, name, definition)
    columns = ", ".join(
        quote(column.name) for column in source_table.table.stored if column.name in standing
    )
    copying = (
        f"INSERT INTO {quote(name)} ({columns}) SELECT {columns} FROM {quote(lock.table)} WHERE"
    )
    try:
        for within in buckets.joined(
            buckets.cut(lock.connection, limits, source_table.table, source_table.size), SEEDED
        ):
            with extracts.transaction(lock) as connection:
                condition = ranges.within(source_table.table, within)
                mysql.run(connection, "replica", f"copying {lock.table}", f"{copying} {condition}")
    except DatabaseFault as fault:
        if fault.code in GONE:
            raise
        _drop(lock, name)
        return None
    return Shadow(name, source_table, definition, now)


def _columns(lock: Lock) -> dict[str, int]:
    """Return the standing table's columns with their positions in the primary key, 0 for others, in that order."""
    found = ask(
        lock.connection,
        f"looking at {lock.table}",
        "SELECT held.COLUMN_NAME, COALESCE(part.SEQ_IN_INDEX, 0) FROM information_schema.COLUMNS AS held"
        " LEFT JOIN information_schema.STATISTICS AS part ON part.INDEX_NAME = 'PRIMARY'"
        " AND part.COLUMN_NAME = held.COLUMN_NAME AND part.TABLE_SCHEMA = DATABASE() AND part.TABLE_NAME = %s"
        " WHERE held.TABLE_SCHEMA = DATABASE() AND held.TABLE_NAME = %s ORDER BY part.SEQ_IN_INDEX",
        (lock.table, lock.table),
    )
    return {str(name): int(position) for name, position in found}


def keep(lock: Lock, limits: Limits, seed: Shadow, difference: Difference) -> Shadow:
    """Remove the rows that differ from the source's, which are to be read."""
    with extracts.transaction(lock) as connection:
        for condition in ranges.conditions(seed.source_table.table, difference.whole):
            removing = f"DELETE FROM {quote(seed.name)} WHERE {condition}"
            mysql.run(connection, "replica", f"removing rows of {seed.name}", removing)
    _follow_counter(
        lock, limits, seed.source_table, seed.name
    )  # which rows that are gone again may have moved
    return replace(seed, kept=difference)


def _create(lock: Lock, limits: Limits, name: str, definition: str) -> None:
    """Create a shadow of the first engine that takes the definition."""
    _first_that_takes_it(
        lock,
        f"creating {name}",
        (as_replica(definition, name, engine, limits.collations).create for engine in ENGINES),
    )


def _first_that_takes_it(lock: Lock, doing: str, statements: Iterable[str]) -> None:
    """Run the first of statements, one for each engine, that the server does not refuse for the engine's sake."""
    first = ""
    for statement in statements:
        try:
            mysql.run(lock.connection, "replica", doing, statement)
        except DatabaseFault as fault:
            if fault.code not in REFUSED | UNKNOWN:
                raise
            first = first or fault.code
            if fault.code in UNKNOWN:
                break
        else:
            return
    raise TableError(
        f"{lock.table}: no engine of the replica's server ({mysql.version(lock.connection)}) takes its definition"
        f" ({meaning(first)}, error {first}). Take a server of the source's product and version, or leave the table out:"
        f" ELT_EXCLUDE={lock.table}."
    )


def _engine(lock: Lock, name: str) -> str:
    """Return a table's engine, empty if it is not there."""
    found = ask(
        lock.connection,
        "listing its tables",
        f"SELECT ENGINE {FROM_TABLES} AND TABLE_NAME = %s",
        (name,),
    )
    return str(found[0][0]) if found else ""


def _can_resume(
    lock: Lock, name: str, source_table: SourceTable, progress: Progress, watermark: str
) -> bool:
    updated = source_table.evidence.updated
    # A write within 2 s before the read, or after it began, may stand on either side of the last page.
    quiet = updated is not None and (progress.read_from - updated).total_seconds() > 2
    if progress.watermark != watermark or not quiet or not progress.last:
        return False
    return (
        _engine(lock, name) != "" and extracts.count(lock.connection, [name])[name] == progress.rows
    )


def append(lock: Lock, shadow: Shadow, page: pa.Table, last: Sequence[str] = ()) -> Shadow:
    """Add a page, whose last column is each row's hash, to the shadow, together with the note of how far the read has come.

    Raises:
        TableError: the server warned of a row or skipped it, or the source could not make its hash.

    """
    hashes = hashing.sum_of_hashes(shadow.source_table.table, page.column(page.num_columns - 1))
    grown = replace(
        shadow,
        last=tuple(last),
        rows=shadow.rows + page.num_rows,
        bytes=shadow.bytes + page.nbytes,
        hashes=(shadow.hashes + hashes) % hashing.HASHES,
        negative_zeros=shadow.negative_zeros
        + (
            Counter()
            if shadow.source_table.table.signed_zeros
            else Counter(hashing.negative_zeros(page))
        ),
    )
    with extracts.transaction(lock) as connection:
        rows = page.select(range(page.num_columns - 1))
        load_data.load(connection, "replica", shadow.name, shadow.source_table.table.stored, rows)
        extracts.note_progress(lock, grown.last or (), grown.rows, grown.hashes)
    return grown


def hold(lock: Lock, shadow: Shadow, verdict: Verdict) -> None:
    """Give up a shadow for the time being, and note that it was there."""
    with extracts.transaction(lock):
        extracts.note(lock, verdict, Hop("extract", shadow.rows, bytes=shadow.bytes), "held")
    _discard(lock)


def finish(
    lock: Lock,
    limits: Limits,
    shadow: Shadow,
    recorded: Extracted | None,
    verdict: Verdict,
    early: Callable[[Shadow], object],
) -> Hop:
    """Make the replica's table equal to the shadow: row by row where it stands and has a key, by a swap otherwise.

    While the keys of a large one are built, what is to be done `early` with its rows is.

    Raises:
        TableError: the replica would not hold the rows that were read.

    """
    if shadow.scope.empty:
        return _confirm(lock, limits, shadow, verdict)
    try:
        alike = recorded is not None and _is_as_made(lock, limits, shadow.definition)
        if alike and _in_place(lock, shadow) and not _counter_falls(lock, shadow.source_table):
            return _merge(lock, limits, shadow, verdict)
        return _swap(lock, limits, shadow, verdict, early, alike=alike)
    except TableError:
        _discard(lock)  # going on with it would fail again
        raise


def _in_place(lock: Lock, shadow: Shadow) -> bool:
    """Tell whether single rows can be brought from the shadow into the standing table in a transaction."""
    return (
        bool(shadow.source_table.table.key)
        and _engine(lock, lock.table) == _engine(lock, shadow.name) == ENGINES[0]
    )


def _confirm(lock: Lock, limits: Limits, shadow: Shadow, verdict: Verdict) -> Hop:
    """Note that the table holds the source's rows already."""
    _follow_counter(lock, limits, shadow.source_table, lock.table)
    hop = Hop("extract", seconds=monotonic() - verdict.started)
    made = _structure(lock, limits, shadow.definition, lock.table)
    with extracts.transaction(lock):
        extracts.note(lock, verdict, hop, "complete", structure=made)
    return hop


def _prove(connection: mysql.Connection, name: str, shadow: Shadow) -> None:
    """Compare count and hashes of what is to stand with those of the rows at the source, of kept ones as they were compared."""
    table = shadow.source_table.table
    rows, hashes = _hashes(connection, table, name, shadow.since)
    wanted: int | None
    if shadow.since is None:
        wanted = (shadow.hashes + shadow.kept.hashes) % hashing.HASHES
    else:  # of those that were read all columns
        held, of_read = _hashes_of_read(connection, shadow)
        wanted = (of_read + shadow.kept.hashes) % hashing.HASHES if held == shadow.hashes else None
    if rows != shadow.total:
        raise TableError(
            f"{table.name}: {shadow.total} rows were read but the replica would hold {rows}."
        )
    if hashes != wanted:
        made = [column.name for column in shadow.source_table.table.columns if column.generated]
        hint = (
            f" Its generated columns ({', '.join(made)}) may depend on who wrote them: ELT_EXCLUDE={table.name} leaves it out."
            if made
            else ""
        )
        raise TableError(
            f"{table.name}: the replica would hold other values than were read; nothing was changed.{hint}"
        )


def _hashes_of_read(connection: mysql.Connection, shadow: Shadow) -> tuple[int, int]:
    """Return the sum of the hashes of those rows of the table that were read: over all columns, and as kept ones are hashed."""
    table = shadow.source_table.table
    on = " AND ".join(f"t.{quote(key)} = s.{quote(key)}" for key in table.key)
    ((whole, partly),) = ask(
        connection,
        f"proving {table.name}",
        f"SELECT COALESCE(SUM({hashing.row_hash(table, alias='t.')}), 0), COALESCE(SUM({hashing.row_hash(table, shadow.since, 't.')}), 0)"
        f" FROM {quote(shadow.name)} s JOIN {quote(table.name)} t ON {on}",
    )
    return int(whole) % hashing.HASHES, int(partly) % hashing.HASHES


def missed(lock: Lock, shadow: Shadow, since: datetime) -> int:
    """Count the rows to be changed that have the same key and stamps as before, so that a run that verifies nothing misses them."""
    if shadow.scope.empty:
        return 0
    table = shadow.source_table.table
    on = " AND ".join(f"t.{quote(key)} = s.{quote(key)}" for key in table.key)
    hashes = [
        (hashing.row_hash(table, moment, "s."), hashing.row_hash(table, moment, "t."))
        for moment in (since, None)
    ]
    ((count,),) = ask(
        lock.connection,
        f"comparing {table.name}",
        f"SELECT COUNT(*) FROM {quote(shadow.name)} s JOIN {quote(table.name)} t ON {on}"
        f" WHERE {' = '.join(hashes[0])} AND {' <> '.join(hashes[1])}",
    )
    return int(count)


def _discard(lock: Lock) -> None:
    """Remove the shadow, and the note of how far it had come."""
    with extracts.transaction(lock):
        extracts.forget_progress(lock)
    _drop(lock, shadow_name(NEW, lock.table))


def _is_as_made(lock: Lock, limits: Limits, definition: str) -> bool:
    """Tell whether the standing table is the one that this definition of the source's made here."""
    standing = _engine(lock, lock.table) != ""
    return standing and extracts.structure(lock) == _structure(lock, limits, definition, lock.table)


def _structure(lock: Lock, limits: Limits, definition: str, name: str) -> str:
    """Return a digest of the source's definition and of a table that it made here, of which another server has other words."""
    made = structure(show_create(lock.connection, "replica", name))
    return digest(structure(definition, limits.collations), made)


def mergeable(lock: Lock, limits: Limits, source_table: SourceTable, definition: str) -> bool:
    """Tell whether rows of the standing table can be changed one by one to those of a source table so defined."""
    alike = _engine(lock, lock.table) == ENGINES[0] and _is_as_made(lock, limits, definition)
    return alike and not _counter_falls(lock, source_table)


def _merge(lock: Lock, limits: Limits, shadow: Shadow, verdict: Verdict) -> Hop:
    _follow_counter(
        lock, limits, shadow.source_table, lock.table
    )  # as an ALTER it commits, so it comes before the rows
    made = _structure(lock, limits, shadow.definition, lock.table)
    target, new, stored = quote(lock.table), quote(shadow.name), shadow.source_table.table.stored
    on = " AND ".join(f"t.{quote(key)} = s.{quote(key)}" for key in shadow.source_table.table.key)
    differs = " OR ".join(
        f"NOT ({_bytes('t', column)} <=> {_bytes('s', column)})" for column in stored
    )
    columns = ", ".join(quote(column.name) for column in stored)
    # Not by LEFT JOIN ... IS NULL: for a date that is NOT NULL, the server takes 0000-00-00 for NULL.
    deleting = [
        f"DELETE t FROM {target} t FORCE INDEX (PRIMARY) WHERE {condition} AND NOT EXISTS (SELECT 1 FROM {new} s WHERE {on})"
        for condition in ranges.conditions(shadow.source_table.table, shadow.scope, "t.")
    ]
    setting = ", ".join(f"t.{quote(column.name)} = {_copied(column, 's.')}" for column in stored)
    apart = _has_unique_keys(
        lock
    )  # of which one row may have to give a value up before another takes it
    updating = (
        f"DELETE t FROM {target} t JOIN {new} s ON {on} WHERE {differs}"
        if apart
        else f"UPDATE {target} t JOIN {new} s ON {on} SET {setting} WHERE {differs}"
    )
    inserting = (
        f"INSERT INTO {target} ({columns}) SELECT {', '.join(map(_copied, stored))} FROM {new} s"
        f" WHERE NOT EXISTS (SELECT 1 FROM {target} t WHERE {on})"
    )
    with extracts.transaction(lock) as connection:
        doing = f"bringing {lock.table} up to date"
        deleted = sum(mysql.run(connection, "replica", doing, statement) for statement in deleting)
        updated, written = (
            mysql.run(connection, "replica", doing, statement)
            for statement in (updating, inserting)
        )
        _prove(connection, lock.table, shadow)
        seconds = monotonic() - verdict.started
        inserted = written - updated if apart else written
        hop = Hop("extract", shadow.rows, inserted, updated, deleted, seconds, bytes=shadow.bytes)
        scope = shadow.scope if numbered(shadow.source_table.table.key_columns) else EVERYTHING
        extracts.note(lock, verdict, hop, "complete", scope, structure=made)
        extracts.forget_progress(lock)
    extracts.forget_old_scopes(lock)
    _drop(lock, shadow.name)
    return hop


def _counter(lock: Lock, name: str) -> int:
    """Return a table's AUTO_INCREMENT, 0 without one."""
    asking = f"SELECT AUTO_INCREMENT {FROM_TABLES} AND TABLE_NAME = %s"
    found = ask(lock.connection, f"asking for the counter of {name}", asking, (name,))
    return int(found[0][0] or 0) if found else 0


def _counter_falls(lock: Lock, source_table: SourceTable) -> bool:
    """Tell whether AUTO_INCREMENT is to be lower than it is, as InnoDB allows only once the rows below it are gone."""
    return 0 < (source_table.evidence.auto_increment or 0) < _counter(lock, lock.table)


def _follow_counter(lock: Lock, limits: Limits, source_table: SourceTable, name: str) -> None:
    """Give the table the source's AUTO_INCREMENT, which rows that are gone again may have moved."""
    wanted = source_table.evidence.auto_increment
    if wanted and _counter(lock, name) != wanted:
        setting = f"ALTER TABLE {quote(name)} AUTO_INCREMENT = {wanted}"
        _in_turns(lock, limits, f"setting the counter of {name}", setting)


def _has_unique_keys(lock: Lock) -> bool:
    """Tell whether the standing table has unique keys besides its primary one."""
    asking = (
        "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s"
        " AND NON_UNIQUE = 0 AND INDEX_NAME <> 'PRIMARY'"
    )
    return bool(
        ask(lock.connection, f"listing the keys of {lock.table}", asking, (lock.table,))[0][0]
    )


def _copied(column: Column, alias: str = "") -> str:
    """Return what to select so that the server stores the same: a label is looked up again, and '' is found as no label."""
    name = alias + quote(column.name)
    return cast_of(column).for_replica.format(c=name) if column.kind in ("enum", "set") else name


def _bytes(side: str, column: Column) -> str:
    """Return the expression whose equality is that of the stored bytes, not of the column's collation."""
    if column.kind in ("float", "double"):  # of which -0 equals 0
        return f"HEX(POINT({side}.{quote(column.name)}, 0))"
    expression = cast_of(column).for_replica.format(c=f"{side}.{quote(column.name)}")
    # MySQL's JSON comes as a text in the session's collation, which takes A for a.
    return f"CAST({expression} AS BINARY)" if column.kind == "json" else expression


def _swap(
    lock: Lock,
    limits: Limits,
    shadow: Shadow,
    verdict: Verdict,
    early: Callable[[Shadow], object],
    *,
    alike: bool,
) -> Hop:
    if not alike and shadow.bytes > limits.page_bytes:
        _prove_while_keys_are_built(lock, limits, shadow, early)
        inserted, deleted = shadow.rows, 0
        unchanged = False
    else:
        _prove(lock.connection, shadow.name, shadow)
        inserted, deleted = _surplus(lock, shadow) if alike else (shadow.rows, 0)
        unchanged = alike and not inserted and not deleted
        if unchanged:
            _follow_counter(lock, limits, shadow.source_table, lock.table)
        else:
            _build_keys(lock, limits, shadow)
    seconds = monotonic() - verdict.started
    hop = Hop(
        "extract",
        shadow.rows,
        inserted,
        0,
        deleted,
        seconds,
        replaced=not alike,
        bytes=shadow.bytes,
    )
    made = _structure(lock, limits, shadow.definition, lock.table if unchanged else shadow.name)
    if unchanged:
        with extracts.transaction(lock):
            extracts.note(lock, verdict, hop, "complete", structure=made)
            extracts.forget_progress(lock)
        _drop(lock, shadow.name)
        return hop
    with extracts.transaction(lock):
        intent = extracts.note(lock, verdict, hop, "intent", structure=made)
    aside = _rename(lock, limits, shadow)
    _complete_swap(lock, intent)
    if aside:
        _drop(lock, shadow_name(OLD, lock.table))
    return hop


def _prove_while_keys_are_built(
    lock: Lock, limits: Limits, shadow: Shadow, early: Callable[[Shadow], object]
) -> None:
    def build() -> None:
        with mysql.waiting_for_readers(
            lock.connection, "replica"
        ):  # as others prove and read it meanwhile
            _build_keys(lock, limits, shadow)

    with in_background(build) as built, mysql.connect(lock.replica, limits) as other:
        sleep(BEGUN_SECONDS)
        _prove(other, shadow.name, shadow)
        early(shadow)
        built()


# An ALTER that has begun lets others read; one that is to begin waits for all who read already.
BEGUN_SECONDS = 0.05


def _surplus(lock: Lock, shadow: Shadow) -> tuple[int, int]:
    """Count the rows that only the shadow has, and those that only the standing table has, doubled ones as often."""
    row = hashing.row_hash(shadow.source_table.table)
    ((inserted, deleted),) = ask(
        lock.connection,
        f"comparing {lock.table}",
        "SELECT COALESCE(SUM(GREATEST(surplus, 0)), 0), COALESCE(SUM(GREATEST(-surplus, 0)), 0) FROM"
        " (SELECT SUM(side) AS surplus FROM"
        f" (SELECT {row} AS hash, 1 AS side FROM {quote(shadow.name)}"
        f" UNION ALL SELECT {row}, -1 FROM {quote(lock.table)}) AS both_tables GROUP BY hash) AS each_row",
    )
    return int(inserted), int(deleted)


def _build_keys(lock: Lock, limits: Limits, shadow: Shadow) -> None:
    keys = as_replica(shadow.definition, shadow.name, "InnoDB", limits.collations).keys
    standing = ask(
        lock.connection,
        f"listing the keys of {shadow.name}",
        "SELECT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
        (shadow.name,),
    )
    # One ALTER builds all of them, so a killed run has left all or none.
    if keys and not any(f"KEY {quote(row[0])} " in keys[0] for row in standing):
        adding = f"ALTER TABLE {quote(shadow.name)} " + ", ".join(f"ADD {key}" for key in keys)
        _first_that_takes_it(
            lock, f"building the keys of {lock.table}", _adding(lock, shadow.name, adding)
        )


def _adding(lock: Lock, name: str, adding: str) -> Iterator[str]:
    yield adding
    yield from (
        f"{adding}, ENGINE={engine}" for engine in ENGINES[ENGINES.index(_engine(lock, name)) + 1 :]
    )


def _rename(lock: Lock, limits: Limits, shadow: Shadow) -> bool:
    """Put the shadow in the table's place; return whether there was one, which stands aside now."""
    table, old = quote(lock.table), quote(shadow_name(OLD, lock.table))
    aside = f"{table} TO {old}, " if _engine(lock, lock.table) else ""
    _in_turns(
        lock,
        limits,
        f"swapping {lock.table}",
        f"RENAME TABLE {aside}{quote(shadow.name)} TO {table}",
    )
    return bool(aside)


def _in_turns(lock: Lock, limits: Limits, doing: str, statement: str) -> None:
    """Run a statement that waits for a table's readers, in short turns, since while it waits it blocks new ones."""
    until = monotonic() + limits.lock_seconds
    while True:
        try:
            mysql.run(lock.connection, "replica", doing, statement)
        except DatabaseFault as fault:
            if fault.code not in LOCKED_OUT or monotonic() > until:
                raise
            sleep(1)
        else:
            return


def forget(lock: Lock, limits: Limits) -> None:
    """Drop a table with what is written of its extracts; its fence stays, as an older writer may still wake up."""
    for name in (lock.table, shadow_name(NEW, lock.table), shadow_name(OLD, lock.table)):
        if _engine(lock, name):
            _in_turns(lock, limits, f"dropping {name}", f"DROP TABLE {quote(name)}")
    with extracts.transaction(lock):
        extracts.forget_progress(lock)
        mysql.run(
            lock.connection,
            "replica",
            "writing etl_extract_status",
            "DELETE status, scope FROM etl_extract_status AS status"
            " LEFT JOIN etl_extract_scope AS scope ON scope.extract_id = status.id WHERE status.table_name = %s",
            (lock.table,),
        )


def _complete_swap(lock: Lock, intent: int) -> None:
    with extracts.transaction(lock):
        extracts.conclude(lock, intent, "complete")
        extracts.forget_progress(lock)


def _call_off_swap(lock: Lock, intent: int) -> None:
    """Note that an announced swap was not made, before its shadow may go: a missing shadow means that it was."""
    with extracts.transaction(lock):
        extracts.conclude(lock, intent, "called off")


def pages(
    replica: Replica,
    limits: Limits,
    source_table: SourceTable,
    select: str,
    scope: Scope = EVERYTHING,
    columns: Sequence[Column] = (),
) -> Iterator[pa.Table]:
    """Read rows of the replica's table in pages; the caller holds its lock, so that all pages are of one version."""
    for within in scope.ranges:
        for page, _ in paging.pages(
            replica,
            limits,
            source_table.table,
            select,
            within,
            size=source_table.size,
            columns=columns,
        ):
            yield page
    yield from paging.rows_of(
        replica, limits, source_table.table, select, scope.keys, size=source_table.size
    )


def listed(
    replica: Replica,
    limits: Limits,
    source_table: SourceTable,
    within: Range,
    since: datetime | None,
) -> Iterator[pa.Table]:
    """Read each row's key and hash in a range of keys in pages."""
    return pages(
        replica, limits, source_table, hashing.listing(source_table.table, since), Scope((within,))
    )


def differs(replica: Replica, limits: Limits, table: Table, hashes: tuple[int, int]) -> bool:
    """Tell whether a table does not hold as many rows, with the same sum of hashes, as the source's."""
    with mysql.connect(replica, limits) as connection:
        return _hashes(connection, table, table.name) != hashes


def _hashes(
    connection: mysql.Connection, table: Table, name: str, since: datetime | None = None
) -> tuple[int, int]:
    statement = (
        f"SELECT COUNT(*), COALESCE(SUM({hashing.row_hash(table, since)}), 0) FROM {quote(name)}"
    )
    ((rows, total),) = ask(connection, f"proving {table.name}", statement)
    return int(rows), int(total) % hashing.HASHES


def totals(replica: Replica, limits: Limits, table: Table, scope: Scope = EVERYTHING) -> Totals:
    """Count the rows of a scope and each column's values, and sum its numbers, all by the server."""
    values = [
        f"COUNT({quote(column.name)})" if column.nullable else "COUNT(*)"
        for column in table.columns
    ]
    sums = [summed(column, quote(column.name)) for column in table.columns]
    lost = [unmapped(column, quote(column.name)) for column in table.columns]
    asked = ["COUNT(*)", *values, *(f"SUM({each})" if each else "NULL" for each in (*sums, *lost))]
    statement = f"SELECT {', '.join(asked)} FROM {quote(table.name)}{'' if scope.whole else ' FORCE INDEX (PRIMARY)'}"
    with mysql.connect(replica, limits) as connection:
        found = [
            ask(connection, f"counting {table.name}", f"{statement} WHERE {condition}")[0]
            for condition in ranges.conditions(table, scope)
        ]
    rows, *counted = (_sum(column) for column in zip(*found, strict=True))
    width = len(table.columns)
    return Totals(
        int(rows),
        tuple(map(int, counted[:width])),
        tuple(
            None if each is None else total
            for each, total in zip(sums, counted[width:], strict=False)
        ),
        tuple(map(int, counted[2 * width :])),
    )


def _sum(values: Sequence[object]) -> Decimal:
    """Sum exactly: a DECIMAL's sum has up to 65 digits, more than Python's own context keeps."""
    with localcontext(prec=100):
        return sum((Decimal(str(value or 0)) for value in values), Decimal(0))

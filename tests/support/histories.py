"""Random histories of tables: whatever is done to them, to their copies and to the runs, all places end up equal.

ELT_TEST_HISTORIES is their number; with more than the suite's few (`make histories`) they are other ones each time, and
the steps, runs and strikes are counted and printed. A failing history is made smaller and printed as the steps that lead
to it. Hypothesis keeps it under .hypothesis/examples, where the next `make histories` (NUMBER=7 is enough) finds it and
plays it first, until it passes. The blob that is printed with it replays it anywhere: put its line, @reproduce_failure(...),
above the function `history` below.

An edit that keeps a row's key and its automatic stamp is found by the next verification, not by the next run: from such an
edit on, and from one of a copy, a table is asserted equal only once it was verified.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import secrets
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import oracle
import pytest
from conftest import numbers
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from killing import STATEMENTS, SWAP, Blow, run_and_be_struck, short_of
from oracle import Places, ask
from runs import limited, plan, run, settle, wait_for

from deployments.processes import PrivateProcess
from deployments.servers import Servers
from transfer.settings import Settings

IN_THE_SUITE = 6
HISTORIES = int(os.environ.get("ELT_TEST_HISTORIES", IN_THE_SUITE))
FEW = HISTORIES <= IN_THE_SUITE
STEPS = 10 if FEW else 34
WHOLE = 30
BUCKET_ROWS = 7
ENOUGH = 50  # histories of which it can be asked how many contain a kill
MANY = 200  # of which kills have landed in every phase

KEYS = st.integers(0, 120)
RANGES = st.tuples(KEYS, st.integers(0, 40)).map(lambda drawn: (drawn[0], sum(drawn)))
SECOND = st.sampled_from([False, False, True])  # of the two tables, the one that comes and goes

# Each as it stands in a statement over {t}; {fee} is the column's name of the day, {keep} leaves the stamp as it is.
EDITS = {
    "insert": "INSERT IGNORE INTO {t} (Id, Name, Flag, {fee}) SELECT {first} - 1 + seq, CONCAT('n', seq), seq % 2, seq / 7"
    " FROM {many}",
    "rename": "UPDATE {t} SET Name = '{name}' WHERE Id BETWEEN {first} AND {last}",
    "negate two": "UPDATE {t} SET {fee} = -{fee} WHERE Id IN ({first}, {last})",
    "flip all": "UPDATE IGNORE {t} SET Flag = 1 - Flag",
    "delete": "DELETE FROM {t} WHERE Id BETWEEN {first} AND {last}",
    "spoil": "UPDATE {t} SET Name = CONCAT('a', CHAR(0)), Day = '2021-00-07' WHERE Id BETWEEN {first} AND {last}",
    "mend": "UPDATE {t} SET Day = '2021-07-07' WHERE Id BETWEEN {first} AND {last}",
    "merge": "UPDATE IGNORE {t} SET Id = {first} + 1000000007 * {last} WHERE Id = {first}",
    "purge": "TRUNCATE {t}",
}
BEHIND_THE_STAMP = {
    "raise": "UPDATE {t} SET {fee} = {fee} + 0.1{keep} WHERE Id BETWEEN {first} AND {last}",
    "flip all": "UPDATE IGNORE {t} SET Flag = 1 - Flag{keep}",
}
SPOILING = {
    "cells lost": ("replica", "DELETE FROM etl_extract_cell WHERE cell = {cell}"),
    "cells falsified": (
        "replica",
        "UPDATE etl_extract_cell SET whole_sum = whole_sum + 1, stamped_sum = 7 WHERE cell = {cell}",
    ),
    "grids lost": ("replica", "DELETE FROM etl_extract_grid"),
    "marks lost": ("warehouse", "DELETE FROM etl_mark"),
    "accounts lost": ("warehouse", "DELETE FROM etl_altered_value"),
    "counters reset": ("warehouse", "SELECT pg_stat_reset()"),
}
FEES = ("double", "decimal(14,4)", "bigint", "float")
NAMES = ("varchar(40)", "varchar(3)", "text", "char(60)")
KEYED_BY = ("", "Id", "Id, Flag", "Flag, Id")


def _blow(seed: int) -> Blow:
    chance = random.Random(seed)  # noqa: S311 - no secret
    phase = chance.choice(sorted(STATEMENTS))
    return Blow(
        phase=phase,
        statement=chance.choice(STATEMENTS[phase]),
        nth=chance.choice((1, 1, 1, 2, 3, 5)),
        moment=chance.choice(("before", "during", "after")),
        kind=chance.choice(("kill", "kill", "kill", "source", "replica", "warehouse")),
    )


# By a number, as drawn one by one they would often be those that were drawn before.
BLOWS = st.integers(0, 2**32).map(_blow)


@dataclass
class Played:
    """What all histories together did."""

    histories: int = 0
    shorter: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    with_kill: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    statements: Counter[str] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)
    missed: int = 0

    def told(self) -> str:
        """Return the counts as lines."""
        runs = sum(self.steps[each] for each in ("run", "run struck", "verify"))
        return "\n".join(
            (
                f"{self.histories} histories of at least {WHOLE} steps, {self.shorter} shorter ones",
                f"{self.steps.total()} steps, {runs} runs",
                f"histories with kill -9: {self.with_kill}",
                f"kills by phase: {_counted(self.kills)}",
                f"kills by moment of the statement: {_counted(self.moments)}",
                f"kills by statement: {_counted(self.statements)}",
                f"cuts of connections by phase and place: {_counted(self.cuts)}",
                f"runs that ended before they could be struck: {self.missed}",
                f"steps: {_counted(self.steps)}",
            )
        )


def _counted(counts: Counter[str]) -> str:
    named = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"{counts.total()} ({named})"


@dataclass
class Made:
    """A table of the source as the history has made it."""

    name: str
    engine: str
    stamped: bool
    key: str
    fee: str = "Fee"
    extra: int = 0
    present: bool = True
    unseen: bool = False  # changed so that only a verification sees it
    backup: Made | None = None


@dataclass(frozen=True)
class Stage:
    """Where histories are played: the databases, the folder of the source's tables if it is at hand, and the count of them."""

    places: Places
    settings: Settings
    folder: Path | None
    backups: Path
    children: Any
    played: Played


class History(RuleBasedStateMachine):
    """A table at the source, sometimes a second one, their copies, and the runs between them."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage, self.places, self.settings = stage, stage.places, stage.settings
        self.tables: dict[bool, Made] = {}
        self.name = f"h{secrets.token_hex(6)}"
        self.steps, self.kills, self.moment = Counter[str](), 0, 0

    # The source

    @initialize(
        engine=st.sampled_from(["MyISAM", "MyISAM", "InnoDB"]),
        stamped=st.booleans(),
        key=st.sampled_from(["Id", "Id", "Id", ""]),
        reload_rows=st.sampled_from([0, 0, 0, 50]),
    )
    def create(self, engine: str, stamped: bool, key: str, reload_rows: int) -> None:
        self.settings = limited(self.stage.settings, reload_rows=reload_rows)
        self._create(False, engine, stamped, key)

    def _create(self, second: bool, engine: str, stamped: bool, key: str) -> None:
        made = self.tables[second] = Made(
            f"{self.name}{'b' if second else ''}", engine, stamped, key
        )
        stamp = (
            ", Stamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
            if stamped
            else ""
        )
        primary = f", PRIMARY KEY ({key})" if key else ""
        columns = f"Id bigint, Name varchar(40) NOT NULL, Flag tinyint NOT NULL DEFAULT 0, Fee double, Day date{stamp}{primary}"
        self._source("SET sql_mode = ''")
        self._source(f"CREATE TABLE {made.name} ({columns}) ENGINE={engine}")
        self._do(made, EDITS["insert"], (1, 60))

    def _source(self, statement: str) -> None:
        ask(self.places.source, statement)

    def _do(self, made: Made, edit: str, keys: tuple[int, int], name: str = "") -> None:
        first, last = keys
        values = {
            "t": made.name,
            "fee": made.fee,
            "keep": ", Stamp = Stamp" if made.stamped else "",
            "first": first,
            "last": last,
            "many": numbers(last - first + 1),
            "name": name,
        }
        self._source(edit.format_map(values))

    def _table(self, second: bool) -> Made:
        """Return the second table if it is wanted and there, else the first."""
        return next(
            each for each in (self.tables.get(second), self.tables[False]) if each and each.present
        )

    def _step(self, name: str) -> None:
        self.steps[name] += 1

    @rule(
        second=SECOND,
        edit=st.sampled_from(sorted(EDITS)),
        keys=RANGES,
        name=st.sampled_from(["", "x", "N1", "n1 "]),
    )
    def edit(self, second: bool, edit: str, keys: tuple[int, int], name: str) -> None:
        self._step("edit")
        self._do(self._table(second), EDITS[edit], keys, name)

    @rule(second=SECOND, keys=RANGES)
    def insert(self, second: bool, keys: tuple[int, int]) -> None:
        self._step("edit")
        self._do(self._table(second), EDITS["insert"], keys)

    @rule(second=SECOND, key=KEYS, name=st.sampled_from(["", "x"]))
    def delete_and_insert_again(self, second: bool, key: int, name: str) -> None:
        self._step("edit")
        made = self._table(second)
        for edit in ("delete", "insert", "rename"):
            self._do(made, EDITS[edit], (key, key), name)

    @rule(second=SECOND, edit=st.sampled_from(sorted(BEHIND_THE_STAMP)), keys=RANGES)
    def edit_behind_the_stamp(self, second: bool, edit: str, keys: tuple[int, int]) -> None:
        self._step("edit behind the stamp")
        made = self._table(second)
        self._do(made, BEHIND_THE_STAMP[edit], keys)
        if made.stamped:
            made.unseen = True
            if (
                made.backup
            ):  # a restored row has the stamp of the one in the copies, and other values
                made.backup.unseen = True

    @rule(
        second=SECOND,
        edit=st.sampled_from(["insert", "rename", "flip all"]),
        keys=RANGES,
        year=st.sampled_from([1999, 2037]),
    )
    def edit_by_another_clock(
        self, second: bool, edit: str, keys: tuple[int, int], year: int
    ) -> None:
        """Write while the server's clock is wrong; no two moments are the same, as that would hide an edit."""
        self._step("edit by another clock")
        made, self.moment = self._table(second), self.moment + 1
        self._source(f"SET timestamp = UNIX_TIMESTAMP('{year}-01-01') + {self.moment}")
        try:
            self._do(made, EDITS[edit], keys, "clock")
        finally:
            self._source("SET timestamp = DEFAULT")

    @rule(
        second=SECOND,
        number=st.integers(0, 3),
        what=st.sampled_from(["add", "drop", "rename", "Fee", "Name"]),
    )
    def alter(self, second: bool, number: int, what: str) -> None:
        self._step("alter")
        made = self._table(second)
        if what == "drop" and made.extra:
            change = f"DROP COLUMN Extra{made.extra}"
            made.extra -= 1
        elif what == "rename":
            other = "Cost" if made.fee == "Fee" else "Fee"
            change = f"CHANGE {made.fee} {other} {FEES[number]}"
            made.fee = other
        elif what == "Fee":
            change = f"MODIFY {made.fee} {FEES[number]}"
        elif what == "Name":
            change = f"MODIFY Name {NAMES[number]} NOT NULL"
        else:
            made.extra += 1
            change = f"ADD COLUMN Extra{made.extra} varchar(9) NOT NULL DEFAULT 'é'" + " FIRST" * (
                number == 0
            )
        self._source(f"ALTER TABLE {made.name} {change}")

    @rule(second=SECOND, key=st.sampled_from(KEYED_BY))
    def change_the_key(self, second: bool, key: str) -> None:
        self._step("change the key")
        made = self._table(second)
        unique = f"SELECT COUNT(*) - COUNT(DISTINCT {key}) FROM {made.name}" if key else "SELECT 0"
        if key == made.key or ask(self.places.source, unique) != [(0,)]:
            return
        changes = [
            *(["DROP PRIMARY KEY"] if made.key else []),
            *([f"ADD PRIMARY KEY ({key})"] if key else []),
        ]
        self._source(f"ALTER TABLE {made.name} {', '.join(changes)}")
        made.key = key

    @rule(
        engine=st.sampled_from(["MyISAM", "InnoDB"]),
        stamped=st.booleans(),
        key=st.sampled_from(["Id", "Id", ""]),
    )
    def create_or_drop_the_second_table(self, engine: str, stamped: bool, key: str) -> None:
        self._step("create or drop the second table")
        made = self.tables.get(True)
        if made and made.present:
            made.present = False
            self._source(f"DROP TABLE {made.name}")
        else:
            self._create(True, engine, stamped, key)

    @rule(second=SECOND, keys=RANGES)
    def rename_away_and_recreate(self, second: bool, keys: tuple[int, int]) -> None:
        """As upgrades do with large tables."""
        self._step("rename away and recreate")
        made = self._table(second)
        self._source(f"RENAME TABLE {made.name} TO {made.name}_away")
        self._source(f"CREATE TABLE {made.name} LIKE {made.name}_away")
        self._source(
            f"INSERT INTO {made.name} SELECT * FROM {made.name}_away WHERE Id NOT BETWEEN {keys[0]} AND {keys[1]}"
        )
        self._source(f"DROP TABLE {made.name}_away")

    @rule(second=SECOND)
    def back_up(self, second: bool) -> None:
        self._step("back up")
        made = self._table(second)
        if self._has_files(made):
            self._source(f"FLUSH TABLES {made.name} WITH READ LOCK")
            for file in self._files(self.stage.folder, made):
                shutil.copy2(file, self.stage.backups)
            self._source("UNLOCK TABLES")
            # A later write in the second of the last one would have the same time, and the restored files then tell nothing.
            newest = f"SELECT MAX(UPDATE_TIME) < NOW() FROM information_schema.TABLES WHERE TABLE_NAME = '{made.name}'"
            wait_for(lambda: ask(self.places.source, newest) == [(1,)])
        else:
            self._source(f"DROP TABLE IF EXISTS {made.name}_backup")
            self._source(f"CREATE TABLE {made.name}_backup LIKE {made.name}")
            self._source(f"INSERT INTO {made.name}_backup SELECT * FROM {made.name}")
        made.backup = replace(made, backup=None, unseen=False)

    @precondition(lambda self: self._restorable(False))
    @rule(second=SECOND)
    def restore(self, second: bool) -> None:
        """Put the backup back, MyISAM's files with their times."""
        self._step("restore")
        made = self._restorable(second)
        assert made
        old = made.backup
        assert old
        if self._has_files(old):
            assert self.stage.folder
            self._source(f"FLUSH TABLES {made.name}")
            for file in self._files(self.stage.backups, made):
                shutil.copy2(file, self.stage.folder)
            self._source(f"FLUSH TABLES {made.name}")
        else:
            self._source(f"CREATE TABLE {made.name}_restored LIKE {made.name}_backup")
            self._source(f"INSERT INTO {made.name}_restored SELECT * FROM {made.name}_backup")
            self._source(
                f"RENAME TABLE {made.name} TO {made.name}_gone, {made.name}_restored TO {made.name}"
            )
            self._source(f"DROP TABLE {made.name}_gone")
        self.tables[made is self.tables.get(True)] = replace(
            old, backup=replace(old), unseen=made.unseen or old.unseen
        )

    def _restorable(self, second: bool) -> Made | None:
        """Return the second table if it is wanted and has a backup, else any that has."""
        candidates = (self.tables.get(second), *self.tables.values())
        return next((each for each in candidates if each and each.present and each.backup), None)

    def _has_files(self, made: Made) -> bool:
        return made.engine == "MyISAM" and self.stage.folder is not None

    def _files(self, folder: Path | None, made: Made) -> Iterator[Path]:
        assert folder
        return folder.glob(f"{made.name}.*")

    # The copies

    @rule(second=SECOND, keys=RANGES, place=st.sampled_from(["replica", "raw", "public"]))
    def tamper(self, second: bool, keys: tuple[int, int], place: str) -> None:
        self._step("tamper")
        made, (first, last) = self._table(second), keys
        if place == "replica":
            connection, table, key, name = self.places.replica, made.name, "Id", "Name"
            there = ask(connection, f"SHOW TABLES LIKE '{made.name}'") != []
        else:
            connection, table = self.places.warehouse, f'{place}."{made.name}"'
            key, name = ('"Id"', '"Name"') if place == "raw" else ("id", "name")
            there = ask(connection, "SELECT to_regclass(%s)", table) != [(None,)]
        if there:
            ask(
                connection,
                f"UPDATE {table} SET {name} = 'z' WHERE {key} BETWEEN {first} AND {last}",
            )
            ask(connection, f"DELETE FROM {table} WHERE {key} = {first}")
            made.unseen = True

    @rule(second=SECOND, place=st.sampled_from(["replica", "raw", "public"]))
    def lose(self, second: bool, place: str) -> None:
        self._step("lose")
        made = self._table(second)
        if place == "replica":
            ask(self.places.replica, f"DROP TABLE IF EXISTS {made.name}")
        else:
            ask(self.places.warehouse, f'DROP TABLE IF EXISTS {place}."{made.name}"')

    @rule(what=st.sampled_from(sorted(SPOILING)), key=KEYS)
    def spoil_what_is_recorded(self, what: str, key: int) -> None:
        """Lose or falsify what runs record of rows, or let a server forget what it knew of writes."""
        self._step("spoil what is recorded")
        place, statement = SPOILING[what]
        ask(getattr(self.places, place), statement.format(cell=key % 9))

    # The runs

    @rule(quiet=st.booleans())
    def become_quiet_or_not(self, quiet: bool) -> None:
        self._step("quiet" if quiet else "not quiet")
        hours = "00:00-23:59" if quiet else ""
        self.settings = limited(self.settings, quiet_hours=hours)

    @rule()
    def run(self) -> None:
        self._step("run")
        run(self.settings, *self._present())
        self._assert_equal()

    @rule(second=SECOND, edit=st.sampled_from(sorted(EDITS)), keys=RANGES)
    def edit_and_run(self, second: bool, edit: str, keys: tuple[int, int]) -> None:
        self._do(self._table(second), EDITS[edit], keys, "run")
        self.run()

    @rule(
        second=SECOND, edit=st.sampled_from(["", "restore", "raise", *sorted(EDITS)]), keys=RANGES
    )
    def edit_a_table_that_is_known(self, second: bool, edit: str, keys: tuple[int, int]) -> None:
        """Run when nobody writes, so that what stands in a MyISAM table is known, and an edit's evidence alone tells of it."""
        settle(self.places.source)
        self.verify()
        for made in self.tables.values():
            if made.present and made.engine == "MyISAM":
                assert plan(self.settings, made.name).method == "skip"
        if edit == "restore" and self._restorable(second):
            self.restore(second)
        elif edit == "raise":
            self.edit_behind_the_stamp(second, edit, keys)
        elif edit in EDITS:
            self.edit(second, edit, keys, "known")
        self.run()

    @rule(blow=BLOWS, verify=st.booleans())
    def run_struck(self, blow: Blow, verify: bool) -> None:
        """Run until it is killed, or loses its connections to a place, or reaches its end before."""
        self._step("run struck")
        self._strike(blow, verify=verify)

    @rule(blow=BLOWS, key=KEYS, verify=st.booleans())
    def edit_and_run_struck(self, blow: Blow, key: int, verify: bool) -> None:
        """The same with something to do in every phase: a run that swaps has another table before it."""
        self._step("run struck")
        self._do(self.tables[False], EDITS["delete"], (key, key))
        self._do(self.tables[False], EDITS["insert"], (key, key + 3))
        if blow.phase == SWAP:
            self.alter(False, 1, "add")
        self._strike(blow, verify=verify or blow.phase == "verification")

    def _strike(self, blow: Blow, *, verify: bool = False) -> None:
        played = self.stage.played
        ours, theirs = multiprocessing.Pipe()
        arguments = (self.settings, self._present(), BUCKET_ROWS, verify, blow, theirs)
        child = self.stage.children.Process(target=run_and_be_struck, args=arguments)
        child.start()
        theirs.close()
        struck = ""
        with suppress(EOFError), ours:
            struck = ours.recv()
            if struck != "kill":
                self._cut(struck)
                ours.send("cut")
            ours.recv()
        child.join()
        assert child.exitcode == (-signal.SIGKILL if struck == "kill" else 0)
        if struck == "kill":
            self.kills += 1
            played.kills[blow.phase] += 1
            played.moments[blow.moment] += 1
            played.statements[f"{blow.phase} {blow.statement}"] += 1
        elif struck:
            played.cuts[f"{blow.phase}, {struck}"] += 1
        else:
            played.missed += 1

    def _cut(self, place: str) -> None:
        """Kill the connections of the run to a place."""
        if place == "warehouse":
            ask(
                self.places.warehouse,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = %s",
                self.settings.warehouse.user,
            )
            return
        server, connection = getattr(self.settings, place), getattr(self.places, place)
        listing = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = %s AND USER = %s"
        for (number,) in ask(connection, listing, server.db, server.user):
            with suppress(Exception):  # it may have ended meanwhile
                ask(connection, f"KILL {number}")

    @rule()
    def verify(self) -> None:
        self._step("verify")
        run(self.settings, *self._present(), verify=True)
        for made in self.tables.values():
            made.unseen = made.unseen and not made.present
        self._assert_equal()

    def _present(self) -> list[str]:
        return [made.name for made in self.tables.values() if made.present]

    def _assert_equal(self) -> None:
        seen = [made.name for made in self.tables.values() if made.present and not made.unseen]
        assert oracle.unequal(self.places, seen) == {}
        for name in seen:
            assert oracle.counted(self.places.warehouse, name) == oracle.lost(self.places, name)

    def teardown(self) -> None:
        if not self.tables:
            return
        played = self.stage.played
        whole = self.steps.total() >= WHOLE
        played.histories += whole
        played.shorter += not whole
        played.with_kill += whole and self.kills > 0
        played.steps += self.steps
        run(self.settings, *self._present(), verify=True)
        assert oracle.unequal(self.places, self._present()) == {}
        self._forget()

    def _forget(self) -> None:
        """Drop the tables everywhere, as each run looks at all there are."""
        for connection, status in (
            (self.places.source, ""),
            (self.places.replica, "etl_extract_status"),
        ):
            for (name,) in ask(connection, f"SHOW TABLES LIKE '{self.name}%'"):
                ask(connection, f"DROP TABLE {name}")
            if status:
                ask(connection, f"DELETE FROM {status} WHERE table_name LIKE '{self.name}%'")
        for made in self.tables.values():
            for schema in ("raw", "public"):
                ask(self.places.warehouse, f'DROP TABLE IF EXISTS {schema}."{made.name}"')
            ask(
                self.places.warehouse,
                "DELETE FROM etl_transform_status WHERE table_name = %s",
                made.name,
            )


@contextmanager
def staged(
    servers: Servers, source: str, places: Places, settings: Settings, backups: Path, played: Played
) -> Iterator[Stage]:
    """A stage on these servers, with ranges of keys so short that a few rows fill several."""
    children = multiprocessing.get_context("forkserver")
    children.set_forkserver_preload(["transfer.journey.plan", "transfer.journey.sync", "killing"])
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in short_of(BUCKET_ROWS):
            patch.setattr(module, name, value)
        yield Stage(places, settings, _folder_of_tables(servers, source), backups, children, played)


def play(stage: Stage, number: int, steps: int = STEPS, *, repeated: bool = FEW) -> None:
    """Play so many histories, the same ones each time if they are to be repeated."""
    run_state_machine_as_test(
        lambda: History(stage),
        settings=hypothesis(
            max_examples=number,
            stateful_step_count=steps,
            deadline=None,
            derandomize=repeated,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def _folder_of_tables(servers: Servers, database: str) -> Path | None:
    """Return where MyISAM's files are, if a backup of them is one of the table: MySQL 8 keeps its definition elsewhere."""
    process = servers.source.process
    if isinstance(process, PrivateProcess) and servers.source.product == "MariaDB":
        return process.folder / "data" / database
    return None

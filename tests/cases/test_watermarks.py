"""Watermarks and state (W1 to W15): what is recorded of a table never hides what happened to it."""

from __future__ import annotations

import multiprocessing
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import oracle
import pytest
from conftest import numbers, settings_for
from killing import run_and_die
from oracle import Places, ask, connected
from practice import ENGINES, PROCEDURES, SIZES, STAMP, Practice, stopped_clock
from runs import plan, run, settle

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.errors import DatabaseFault, EltError
from transfer.journey.sync import sync

DATES_AS_KEYS = "ItemNum bigint NOT NULL, Note varchar(20) NOT NULL, PRIMARY KEY (ItemNum)"
TWO_STAMPS = f"ClaimNum bigint NOT NULL AUTO_INCREMENT, ClaimFee double NOT NULL, SecDateTEdit {STAMP.partition(' ')[2]}, {STAMP}, PRIMARY KEY (ClaimNum)"
SHAPES = {
    "stamped": (PROCEDURES, "seq, 1, '2026-01-01', 1, 1, '', '2025-01-01'"),
    "unstamped": (DATES_AS_KEYS, "seq, ''"),
    "keyless": ("Code varchar(9) NOT NULL, Amount double", "'x', 1"),
    "no_rows": (PROCEDURES, ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def long_unwritten(
    places: Places, module_databases: Databases
) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Tables that nobody has written for 2 s, so that their state is recorded as clean, for each engine and size."""
    found = {}
    for engine in ENGINES:
        writer = Practice(places, settings_for(module_databases), engine)
        for size in SIZES:
            found[engine, size] = {
                "procedures": [writer.procedures(200) for _ in range(8)],
                "dates": [_of_dates(writer)],
                "shapes": [_shaped(writer, *SHAPES[shape]) for shape in SHAPES],
            }
    settle(places.source)
    return found


@pytest.fixture
def quiet(
    engine: str, size: str, long_unwritten: dict[tuple[str, str], dict[str, list[str]]]
) -> dict[str, list[str]]:
    return long_unwritten[engine, size]


def _of_dates(writer: Practice) -> str:
    table = writer.fill(writer.create(DATES_AS_KEYS), "20261101013000 + seq, 'seconds'", 40)
    days = "(1, ''), (99, ''), (2026, 'year'), (20261122, 'day'), (20261231, 'day'), (99991231235959, 'last second')"
    writer.write(f"INSERT INTO {table} VALUES {days}")
    return table


def _shaped(writer: Practice, columns: str, row: str) -> str:
    table = writer.create(columns)
    return writer.fill(table, row, 20) if row else table


def test_w01_nearly_all_rows_are_missing_though_the_state_says_loaded_and_they_come_back(
    practice, quiet
):
    places = practice.places
    tables = in_replica, in_raw, everywhere = [quiet["procedures"].pop() for _ in range(3)]
    practice.bring(*tables)
    assert not practice.tells or practice.work(*tables) == {}
    for table in (in_replica, everywhere):
        ask(places.replica, f"DELETE FROM {table} WHERE ProcNum > 1")
    for table in (in_raw, everywhere):
        ask(places.warehouse, f'DELETE FROM raw.{table} WHERE "ProcNum" <> 77')
    for table in (in_raw, everywhere):
        ask(places.warehouse, f"DELETE FROM public.{table} WHERE proc_num < 200")
    practice.bring(*tables)


def test_w02_a_procedure_completed_after_it_was_copied_arrives_with_the_next_run(practice):
    table = practice.procedures()
    practice.bring(table)
    practice.write(
        f"UPDATE {table} SET ProcStatus = 2, ProcDate = '2026-11-20', ProcFee = ProcFee + 100 WHERE ProcNum IN (3, 4, 41)"
    )
    practice.bring(table)
    completed = f'SELECT count(*), sum("ProcFee") FROM raw.{table} WHERE "ProcStatus" = 2'
    assert ask(practice.places.warehouse, completed) == [(3, pytest.approx(300 + 48 / 7))]


def test_w03_keys_that_look_like_dates_are_numbers_and_nothing_is_read_again_for_them(
    practice, size, quiet
):
    (table,) = quiet["dates"]
    assert practice.bring(table)[table].rows == 46
    assert not practice.tells or practice.work(table) == {}
    practice.write(f"UPDATE {table} SET Note = 'changed' WHERE ItemNum = 20261122")
    extract = practice.bring(table)[table].hops[0]
    assert (extract.inserted, extract.updated, extract.deleted) == (0, 1, 0)
    assert size == "small" or extract.read < 20


def test_w04_rows_of_one_second_are_all_read_and_so_is_what_is_written_later_in_that_second(
    practice,
):
    table = practice.create(PROCEDURES)
    with stopped_clock(practice, "UNIX_TIMESTAMP()"):
        practice.fill(table, "seq, 1, 0", 1_000, columns="(ProcNum, PatNum, ProcFee)")
        practice.bring(table)
        practice.write(f"UPDATE {table} SET ProcFee = 9 WHERE ProcNum IN (1, 50, 51, 999, 1000)")
        practice.write(
            f"DELETE FROM {table} WHERE ProcNum = 500",
            f"INSERT INTO {table} (ProcNum, PatNum) VALUES (500, 2)",
        )
        practice.bring(table)
    assert practice.ask(f"SELECT COUNT(DISTINCT DateTStamp) FROM {table}") == [(1,)]


def test_w05_rows_with_stamps_older_than_what_was_read_before_they_were_committed_arrive(
    practice, servers
):
    table = practice.procedures()
    long_ago = "timestamp = UNIX_TIMESTAMP() - 5 * 3600"
    late = [
        f"INSERT INTO {table} (PatNum, ProcFee) VALUES (7, 70)",
        f"INSERT INTO {table} (ProcNum, PatNum) VALUES (-5, 7)",
        f"UPDATE {table} SET ProcFee = 71 WHERE ProcNum IN (2, 33)",
    ]
    with closing(servers.source.connect(practice.settings.source.db)) as writer:
        ask(writer, f"SET {long_ago}")
        if not practice.tells:  # a transaction that began before the run and ends after it
            ask(writer, "BEGIN")
            for statement in late:
                ask(writer, statement)
        practice.write(
            f"INSERT INTO {table} (PatNum) VALUES (8)",
            f"UPDATE {table} SET ProcFee = 8 WHERE ProcNum = 9",
        )
        practice.bring(table)
        for statement in late if practice.tells else ["COMMIT"]:
            ask(writer, statement)
    results = practice.bring(table)
    assert results[table].changed == 4


@pytest.fixture(scope="module")
def children() -> Any:
    """Forks children from a process that has imported the pipeline and opened nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["transfer.journey.plan", "transfer.journey.sync"])
    return context


def _watermark(practice: Practice, table: str) -> tuple[Any, ...]:
    (newest,) = ask(
        practice.places.replica,
        "SELECT id, source_identity, source_engine, source_fingerprint, source_created, source_updated, source_rows, clean,"
        " rows_total FROM etl_extract_status WHERE table_name = %s AND state = 'complete' ORDER BY id DESC LIMIT 1",
        table,
    )
    return newest


@pytest.mark.parametrize(
    "size", ["large"]
)  # tests/journey/test_kills.py has small ones, killed after each commit
def test_w06_a_run_that_is_killed_leaves_the_watermark_or_has_made_it_true(practice, children):
    table = practice.procedures()
    practice.bring(table)
    codes = []
    for commits in (5, 6, 7, 9):
        before = _watermark(practice, table)
        practice.write(
            f"UPDATE {table} SET ProcFee = {commits} WHERE ProcNum IN (1, 30)",
            f"DELETE FROM {table} WHERE ProcNum = {commits}",
        )
        child = children.Process(target=run_and_die, args=(practice.settings, table, commits))
        child.start()
        child.join(60)
        codes.append(child.exitcode)
        copied = oracle.mysql_rows(practice.places.replica, table) == oracle.mysql_rows(
            practice.places.source, table
        )
        assert (_watermark(practice, table) == before) != copied
        practice.bring(table)
    assert -signal.SIGKILL in codes
    assert set(codes) <= {0, -signal.SIGKILL}


WRONG = ({"port": 1}, {"password": "wrong"}, {"db": "nowhere"})


@pytest.mark.parametrize("size", ["small"])  # it never comes to a read
def test_w07_a_question_about_a_table_that_fails_is_an_error_and_changes_nothing(practice):
    table = practice.procedures()
    practice.bring(table)
    practice.write(f"UPDATE {table} SET ProcFee = 3 WHERE ProcNum = 1")
    rows, before = oracle.mysql_rows(practice.places.replica, table), _watermark(practice, table)
    planned, source = plan(practice.settings, table), practice.settings.source
    for wrong in WRONG:
        failing = type(source)(_env_file=None, **{**source.model_dump(), **wrong})
        with pytest.raises(DatabaseFault):
            sync(practice.settings.model_copy(update={"source": failing}), planned, "run")
    assert oracle.mysql_rows(practice.places.replica, table) == rows
    assert _watermark(practice, table) == before
    practice.bring(table)


@pytest.mark.parametrize(
    "engine", ["MyISAM"]
)  # what SQL alone can break is a table merged of its tables
def test_w07_a_table_that_the_source_cannot_open_is_red_and_keeps_its_last_version(practice):
    part = practice.procedures()
    merged = f"merged_{secrets.token_hex(6)}"
    practice.write(
        f"CREATE TABLE {merged} ({PROCEDURES}) ENGINE=MERGE UNION=({part}) DEFAULT CHARSET=utf8mb3"
    )
    practice.bring(merged)
    rows, before = oracle.mysql_rows(practice.places.replica, merged), _watermark(practice, merged)
    practice.write(f"RENAME TABLE {part} TO {part}_away")
    with pytest.raises(EltError):
        run(practice.settings, merged)
    assert oracle.mysql_rows(practice.places.replica, merged) == rows
    assert _watermark(practice, merged) == before
    practice.write(
        f"RENAME TABLE {part}_away TO {part}", f"UPDATE {part} SET ProcFee = 3 WHERE ProcNum = 1"
    )
    practice.bring(merged)
    practice.write(f"DROP TABLE {merged}")


@contextmanager
def _server_zone(practice: Practice, zone: str) -> Iterator[None]:
    """The source's server, as its clients find it, in a zone of its own."""
    ((before,),) = practice.ask("SELECT @@GLOBAL.time_zone")
    practice.write(f"SET GLOBAL time_zone = '{zone}'")
    try:
        yield
    finally:
        ask(practice.places.source, "SET GLOBAL time_zone = %s", before)


@pytest.fixture
def _program_far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pipeline runs in a zone that is neither UTC nor the server's."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_program_far_away")
@pytest.mark.parametrize("size", ["large"])
def test_w08_the_watermark_is_a_time_of_the_servers_clock_in_utc_whatever_the_zones(practice):
    local = "SET time_zone = '-06:00'"
    table = practice.create(PROCEDURES)
    with _server_zone(practice, "-06:00"):
        practice.write(local, f"INSERT INTO {table} (PatNum) SELECT seq FROM {numbers(40)}")
        practice.bring(table)
        for key in (3, 40):
            practice.write(local, f"UPDATE {table} SET ProcFee = 5 WHERE ProcNum = {key}")
            practice.bring(table)
        ((now,),) = practice.ask("SELECT UTC_TIMESTAMP()")
    columns = "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
    types = dict(ask(practice.places.replica, f"{columns} AND TABLE_NAME = 'etl_extract_status'"))
    assert {types[name] for name in ("source_created", "source_updated", "finished_at")} == {
        "datetime"
    }
    created, updated = _watermark(practice, table)[4:6]
    assert abs((now - created).total_seconds()) < 60
    assert abs((now - updated).total_seconds()) < 60 if practice.tells else updated is None


def test_w09_tables_that_were_dropped_or_made_anew_are_filled_though_their_state_survives(
    practice, quiet
):
    places = practice.places
    tables = dropped, recreated, raw_dropped, raw_emptied = [
        quiet["procedures"].pop() for _ in range(4)
    ]
    practice.bring(*tables)
    assert not practice.tells or practice.work(*tables) == {}
    ask(places.replica, f"DROP TABLE {dropped}")
    ask(places.replica, f"CREATE TABLE {recreated}_2 LIKE {recreated}")
    ask(places.replica, f"DROP TABLE {recreated}")
    ask(places.replica, f"RENAME TABLE {recreated}_2 TO {recreated}")
    ask(places.warehouse, f"DROP TABLE raw.{raw_dropped}")
    ask(places.warehouse, f"TRUNCATE raw.{raw_emptied}")
    practice.bring(*tables)
    assert not practice.tells or practice.work(*tables) == {}


def test_w10_every_table_has_a_watermark_and_none_is_brought_again_and_again(practice, quiet):
    tables = quiet["shapes"]
    first = practice.bring(*tables)
    assert set(first) == set(tables)
    if practice.tells:
        assert all(None not in _watermark(practice, table) for table in tables)
        assert practice.work(*tables) == {}
    else:
        again = practice.bring(*tables)
        assert [[hop.name for hop in result.hops if hop.changed] for result in again.values()] == [
            []
        ] * len(tables)
        assert {len(result.hops) for result in again.values()} == {1}


def test_w11_of_two_stamps_either_one_tells_of_a_change(practice):
    table = practice.create(TWO_STAMPS)
    practice.fill(
        table, "seq, 1, '2025-06-01' + INTERVAL seq DAY, '2025-01-01' - INTERVAL seq DAY", 60
    )
    practice.bring(table)
    practice.write(f"UPDATE {table} SET ClaimFee = 2 WHERE ClaimNum = 5")
    practice.bring(table)
    practice.write(
        f"UPDATE {table} SET ClaimFee = 3, DateTStamp = DateTStamp WHERE ClaimNum = 22",
        f"UPDATE {table} SET ClaimFee = 4, SecDateTEdit = SecDateTEdit WHERE ClaimNum = 44",
    )
    practice.bring(table)


def test_w12_rows_of_both_hours_that_are_called_alike_when_the_clock_goes_back_arrive(practice):
    table = practice.procedures()
    for zone, moment, key in (
        ("-05:00", 1793514600, 3),
        ("-06:00", 1793518200, 4),
    ):  # Chicago, 1 November 2026
        with _server_zone(practice, zone), stopped_clock(practice, str(moment)):
            practice.write(f"SET time_zone = '{zone}'")
            assert practice.ask("SELECT CAST(NOW() AS CHAR)") == [("2026-11-01 01:30:00",)]
            practice.write(
                f"INSERT INTO {table} (PatNum) VALUES (1)",
                f"UPDATE {table} SET ProcFee = 1 WHERE ProcNum = {key}",
            )
            practice.bring(table)
    stamps = f"""SELECT to_char("DateTStamp" AT TIME ZONE 'UTC', 'HH24:MI') FROM raw.{table} WHERE "ProcNum" IN (3, 4, 61, 62)"""
    assert sorted(ask(practice.places.warehouse, stamps)) == [
        ("06:30",),
        ("06:30",),
        ("07:30",),
        ("07:30",),
    ]


@pytest.fixture(scope="module")
def elsewhere(servers: Servers) -> Iterator[Databases]:
    """Databases of another clinic."""
    name = f"other{secrets.token_hex(5)}"
    databases = servers.create_databases(
        source=f"{name}_source", replica=f"{name}_replica", warehouse=name
    )
    yield databases
    servers.drop_databases(databases)


def test_w13_another_source_is_compared_in_full_though_its_keys_and_stamps_are_the_same(
    practice, elsewhere, servers
):
    table = practice.procedures()
    practice.bring(table)
    with connected(servers, elsewhere) as other_places:
        settings = practice.settings.model_copy(update={"source": settings_for(elsewhere).source})
        other = Practice(
            Places(other_places.source, practice.places.replica, practice.places.warehouse),
            settings,
            practice.engine,
        )
        other.write(
            f"CREATE TABLE {table} ({PROCEDURES}) ENGINE={practice.engine} DEFAULT CHARSET=utf8mb3"
        )
        other.fill(
            table,
            "seq, 1 + seq % 9, '2025-01-01' + INTERVAL seq DAY, -seq, 2, 'other', '2025-01-02 03:04:05' + INTERVAL seq MINUTE",
            60,
        )
        assert other.work(table) == {table: "another source server or database"}
        other.bring(table)
    assert practice.work(table) == {table: "another source server or database"}
    practice.bring(table)


def test_w14_keys_that_are_random_negative_or_the_largest_arrive_in_whatever_order(practice):
    table = practice.create(PROCEDURES)
    random = "CAST(CONV(LEFT(SHA2(seq + {start}, 256), 16), 16, 10) AS UNSIGNED) DIV 2, seq, 1"
    into = "(ProcNum, PatNum, ProcFee)"
    practice.fill(table, random.format(start=0), 70, columns=into)
    practice.write(
        f"INSERT INTO {table} {into} VALUES (-1, 1, 1), (-9223372036854775807, 1, 1), (10000, 1, 1)"
    )
    practice.bring(table)
    practice.fill(table, random.format(start=1000), 9, columns=into)
    practice.write(
        f"INSERT INTO {table} {into} VALUES (9223372036854775807, 2, 2), (-9223372036854775808, 2, 2), (-7, 2, 2)",
        f"DELETE FROM {table} WHERE ProcNum = -1",
        f"UPDATE {table} SET ProcFee = 3 WHERE PatNum % 20 = 5",
    )
    practice.bring(table)
    practice.write(
        f"DELETE FROM {table} WHERE ProcNum IN (9223372036854775807, -9223372036854775808)"
    )
    practice.bring(table)


def test_w15_an_update_that_changes_nothing_moves_nothing(practice):
    table = practice.procedures()
    practice.bring(table)
    practice.write(f"UPDATE {table} SET ProcFee = ProcFee, Note = CONCAT('n', ProcNum)")
    assert [hop.changed for hop in practice.bring(table)[table].hops] == [0]


def test_w15_a_change_behind_an_old_stamp_is_found_by_a_verification_at_the_latest(practice, size):
    table = practice.procedures()
    practice.bring(table)
    practice.write(
        f"UPDATE {table} SET ProcFee = 99, DateTStamp = DateTStamp WHERE ProcNum IN (2, 30, 31)"
    )
    run(practice.settings, table)
    missed = oracle.unequal(practice.places, [table])
    assert size == "large" or missed == {}
    found = practice.bring(table, verify=True)[table]
    assert found.state == "repaired" if missed else found.found == ()


@pytest.mark.parametrize("size", ["small"])  # after an ALTER a table is read as a whole
def test_w15_a_column_added_with_a_default_arrives_though_no_stamp_moves(practice):
    table = practice.procedures()
    practice.bring(table)
    practice.write(
        f"ALTER TABLE {table} ADD COLUMN IsLocked tinyint NOT NULL DEFAULT 3 AFTER PatNum"
    )
    assert practice.ask(f"SELECT COUNT(*) FROM {table} WHERE DateTStamp > '2026-01-01'") == [(0,)]
    practice.bring(table)
    assert ask(
        practice.places.warehouse, f"SELECT count(*) FROM public.{table} WHERE is_locked = 3"
    ) == [(60,)]

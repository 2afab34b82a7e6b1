"""The replica records its rows cell by cell, and the source is compared with the record alone."""

from __future__ import annotations

import secrets
from contextlib import closing
from datetime import datetime
from itertools import count
from threading import Timer

import oracle
import pytest
from asked import asked, forget, logged
from conftest import in_the_suite, numbers, settings_for
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from oracle import ask
from runs import limited, run, settle

from deployments.databases import Databases
from transfer.errors import SettingsError
from transfer.journey import into_replica
from transfer.journey.plan import look
from transfer.journey.sync import sync
from transfer.mysql import cells, grid, pool
from transfer.settings import Limits, Settings
from transfer.source import survey

ROWS = 3_000


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), reload_rows=100)


def _create(places, table: str, key: str = "seq", kind: str = "bigint") -> None:
    ask(
        places.source,
        f"CREATE TABLE {table} (Id {kind} PRIMARY KEY, Name varchar(20), Number int) ENGINE=MyISAM",
    )
    ask(
        places.source, f"INSERT INTO {table} SELECT {key}, CONCAT('n', seq), 7 FROM {numbers(ROWS)}"
    )
    settle(places.source)


def _laid(places, settings: Settings, table: str, rows: int = ROWS):
    """Lay a grid over a table of the source, in segments so short that there are several."""
    found = survey.look(settings.source, settings.limits, table)[1].table
    with pool.connect(settings.source, settings.limits) as connection:
        laid = grid.lay(connection, found, rows)
        return laid, cells.held(connection, found, table, laid)


KEYS = {
    "dense": ("seq", "int"),
    "sparse": ("seq * 1000003", "bigint"),
    "small": ("seq % 200 - 100 + (seq DIV 200) * 1000", "int"),
    "random": ("CONV(LEFT(SHA2(seq, 256), 16), 16, 10)", "bigint unsigned"),
    "old and random": ("IF(seq < 2000, seq, CONV(LEFT(SHA2(seq, 256), 15), 16, 10))", "bigint"),
    "to the end": ("18446744073709551615 - seq * 3", "bigint unsigned"),
    "extreme": ("IF(seq % 2, 9223372036854775807 - seq, -9223372036854775807 + seq)", "bigint"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_each_row_is_in_one_cell_and_within_its_range(kind, places, settings, monkeypatch):
    monkeypatch.setattr(grid, "FEWEST", 300)
    table = f"grid_{list(KEYS).index(kind)}"
    _create(places, table, *KEYS[kind])
    laid, held = _laid(places, settings, table)
    assert sum(tally.rows for tally in held.values()) == ROWS
    assert len(laid.segments) > 5
    for cell, tally in held.items():
        within = laid.range_of([cell])
        first, last = (int(side[0]) if side else None for side in (within.after, within.until))
        condition = " AND ".join(
            [*([f"Id > {first}"] if first is not None else []),
             *([f"Id <= {last}"] if last is not None else [])]
        )  # fmt: skip
        found = ask(
            places.source,
            f"SELECT {laid.part(within).cell} AS cell, COUNT(*) FROM {table}"
            f" WHERE {condition or 'TRUE'} GROUP BY cell",
        )
        assert found == [(cell, tally.rows)]
        assert laid.cells_of(within) == (cell, cell)
    assert grid.read(survey.look(settings.source, settings.limits, table)[1].table, laid.write()) == laid  # fmt: skip
    if kind != "extreme":  # all whose keys stand below 0 are in one cell
        assert max(tally.rows for tally in held.values()) < 1_100


def _recorded(places, table: str) -> dict[int, tuple[int, int | None]]:
    found = ask(
        places.replica,
        "SELECT cell, rows_held, whole_sum FROM etl_extract_cell WHERE table_name = %s",
        table,
    )
    return {cell: (rows, whole) for cell, rows, whole in found}


def _held(places, settings: Settings, table: str) -> dict[int, tuple[int, int | None]]:
    """Hash the replica's rows by the grid that it records."""
    ((text,),) = ask(
        places.replica, "SELECT grid FROM etl_extract_grid WHERE table_name = %s", table
    )
    found = survey.look(settings.source, settings.limits, table)[1].table
    with pool.connect(settings.replica, settings.limits) as connection:
        held = cells.held(connection, found, table, grid.read(found, text))
    return {cell: (tally.rows, tally.whole) for cell, tally in held.items()}


CHANGE = st.one_of(
    st.tuples(
        st.just("REPLACE INTO {t} VALUES ({k}, '{n}', 1)"), st.integers(-5, 4_000), st.integers(0, 9)
    ),
    st.tuples(
        st.just("DELETE FROM {t} WHERE Id BETWEEN {k} AND {k} + {n} * 100"),
        st.integers(0, 4_000), st.integers(0, 9),
    ),
    st.tuples(
        st.just("UPDATE {t} SET Number = {n} WHERE Id % 37 = {k} % 37"),
        st.integers(0, 40), st.integers(0, 9),
    ),
)  # fmt: skip


@pytest.mark.parametrize("quiet", [False, True])
@hypothesis(max_examples=in_the_suite(2, of=[4])[0], deadline=None)
@given(days=st.lists(st.lists(CHANGE, min_size=1, max_size=4), min_size=1, max_size=3))
def test_after_any_changes_the_record_is_that_of_the_rows(
    quiet, places, settings, monkeypatch_module, days
):
    monkeypatch_module.setattr("transfer.journey.into_replica.SCANNED_ROWS", 10**6 * quiet)
    table = f"any_{quiet}".lower()
    if not ask(places.source, f"SHOW TABLES LIKE '{table}'"):
        _create(places, table)
        run(settings, table)
    for day in days:
        for statement, key, number in day:
            ask(places.source, statement.format(t=table, k=key, n=number))
        settle(places.source)
        run(limited(settings, shrink_share=1), table)
        assert oracle.unequal(places, [table]) == {}
        assert _recorded(places, table) == _held(places, settings, table)


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


SPOILT = {
    "deleted": "DELETE FROM etl_extract_cell",
    "some deleted": "DELETE FROM etl_extract_cell WHERE cell = 2",
    "falsified": "UPDATE etl_extract_cell SET whole_sum = whole_sum + 1 WHERE cell = 3",
    "rows falsified": "UPDATE etl_extract_cell SET rows_held = rows_held + 1 WHERE cell = 3",
    "lost": "DROP TABLE etl_extract_cell, etl_extract_grid",
    "grid lost": "DELETE FROM etl_extract_grid",
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_record_that_somebody_spoilt_hides_no_change(kind, places, settings):
    table = f"spoilt_{list(SPOILT).index(kind)}"
    _create(places, table)
    run(settings, table)
    ask(places.replica, SPOILT[kind])
    ask(places.source, f"UPDATE {table} SET Number = 8 WHERE Id IN (300, 700, 2999)")
    settle(places.source)
    result = run(settings, table)[table]
    assert result.hops[0].read == 3
    assert oracle.unequal(places, [table]) == {}
    assert _recorded(places, table) == _held(places, settings, table)


def test_a_replica_that_was_edited_is_hashed_anew_by_the_next_verification(places, settings):
    table = "edited"
    _create(places, table)
    run(settings, table)
    ask(places.replica, f"UPDATE {table} SET Number = 9 WHERE Id = 44")
    found = run(settings, table, verify=True)[table].found
    assert [(each.place, each.count) for each in found][:1] == [("replica", 1)]
    assert oracle.unequal(places, [table]) == {}
    assert _recorded(places, table) == _held(places, settings, table)


def test_a_copy_of_an_earlier_release_is_brought_up_to_date_without_a_load(places, settings):
    table = "earlier"
    _create(places, table)
    run(settings, table)
    ask(places.replica, "DROP TABLE etl_extract_cell, etl_extract_grid")
    ask(places.warehouse, "DROP TABLE etl_altered_value")
    assert run(settings, table) == {}
    ask(places.source, f"DELETE FROM {table} WHERE Id = 5")
    settle(places.source)
    assert [hop.read for hop in run(settings, table)[table].hops] == [0, 0, 0]
    assert oracle.unequal(places, [table]) == {}


def test_a_replica_that_lost_rows_is_not_compared_by_its_record(places, settings):
    table = "lost_rows"
    _create(places, table)
    run(settings, table)
    ask(places.replica, f"DELETE FROM {table} WHERE Id IN (9, 10)")
    assert run(settings, table)[table].hops[0].read == 2
    assert oracle.unequal(places, [table]) == {}


QUIET = "21:00-05:30"


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2026-07-01T01:59", False),  # 20:59 in Chicago's summer
        ("2026-07-01T02:00", True),
        ("2026-07-01T10:29", True),
        ("2026-07-01T10:30", False),
        ("2026-12-01T02:30", False),  # 20:30 in its winter
        ("2026-12-01T11:29", True),
    ],
)
def test_quiet_hours_are_those_of_the_practices_clock(moment, quiet):
    limits = Limits(quiet_hours=QUIET, time_zone="America/Chicago")
    assert limits.is_quiet(datetime.fromisoformat(moment)) is quiet
    assert not Limits().is_quiet(datetime.fromisoformat(moment))


@pytest.mark.parametrize(
    ("hours", "zone", "words"),
    [
        ("21:00-05:30", "", "ELT_QUIET_HOURS needs ELT_TIME_ZONE"),
        ("21-5", "America/Chicago", "ELT_QUIET_HOURS is unusable"),
        ("25:00-05:30", "America/Chicago", "ELT_QUIET_HOURS is unusable"),
        ("21:00-21:00", "America/Chicago", "ELT_QUIET_HOURS is unusable"),
    ],
)
def test_quiet_hours_that_nobody_can_tell_are_refused(hours, zone, words, monkeypatch):
    monkeypatch.setenv("ELT_QUIET_HOURS", hours)
    monkeypatch.setenv("ELT_TIME_ZONE", zone)
    with pytest.raises(SettingsError, match=words):
        Limits.read()


@pytest.fixture
def written(places, settings, monkeypatch, servers):
    """A table too large for a scan by day; what a run asks the source after a change of a row."""
    table = f"scanned_{secrets.token_hex(4)}"
    _create(places, table)
    run(settings, table)
    monkeypatch.setattr(into_replica, "SCANNED_ROWS", 10)
    numbers_of_day = count(20)

    def changed_and_run(limits: Settings, *, quiet: bool = False) -> list[str]:
        ask(places.source, f"UPDATE {table} SET Number = {next(numbers_of_day)} WHERE Id = 3")
        settle(places.source)
        with closing(servers.source.connect("mysql")) as root, logged(root):
            forget(root)
            outlook = look(limits, [table])
            (planned,) = (outlook.in_quiet_hours() if quiet else outlook).plans
            assert sync(limits, planned, secrets.token_hex(4)).hops[0].changed == 1
            statements = asked(root, settings.source.user, "Query")
        assert oracle.unequal(places, [table]) == {}
        return [text for _, text in statements if "GROUP BY cell" in text and table in text]

    return changed_and_run


QUIET_ALL_DAY = {"quiet_hours": "00:00-23:59", "time_zone": "UTC"}


@pytest.mark.parametrize("told", ["by a setting", "by a parameter"])
def test_only_in_quiet_hours_a_large_table_that_blocks_writers_is_scanned(told, written, settings):
    by_day = written(settings)
    assert len(by_day) > 1
    assert all("FORCE INDEX (PRIMARY)" in text and "`Id` <=" in text for text in by_day)
    if told == "by a setting":
        quiet = written(limited(settings, **QUIET_ALL_DAY))
    else:
        quiet = written(settings, quiet=True)
    assert len(quiet) == 1
    assert "WHERE TRUE GROUP BY cell" in quiet[0]


def test_a_scan_that_takes_longer_than_a_statement_may_gives_way_to_turns(
    places, settings, servers, monkeypatch
):
    table = "slow"
    _create(places, table)
    run(settings, table)
    compare = cells.compare

    def while_it_is_locked(*given, **how):
        with closing(servers.source.connect(settings.source.db)) as holder:
            ask(holder, f"LOCK TABLES {table} WRITE")
            letting_go = Timer(1.5, lambda: ask(holder, "UNLOCK TABLES"))
            letting_go.start()
            found = compare(*given, **how)
            letting_go.join()
        return found

    monkeypatch.setattr(cells, "compare", while_it_is_locked)
    ask(places.source, f"UPDATE {table} SET Number = 77 WHERE Id = 3")
    settle(places.source)
    impatient = limited(settings, statement_seconds=1)
    assert run(impatient, table)[table].hops[0].changed == 1
    assert oracle.unequal(places, [table]) == {}

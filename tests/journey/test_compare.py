"""Of a large table only the rows that changed are read and carried on; which they are, hashes tell.

A table that its server stamps is hashed by key and stamp, any other by all columns.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import oracle
import pytest
from conftest import in_the_suite, numbers, settings_for
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from oracle import ask
from runs import limited, plan, run, wait_for

from deployments.databases import Databases
from transfer.errors import DatabaseFault, SettingsError
from transfer.mysql import buckets
from transfer.settings import Limits, Settings
from transfer.values import scope as scopes
from transfer.values.scope import Range, Scope

ROWS = 2_500
ENGINES = ["MyISAM", "InnoDB"]


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), reload_rows=100)


KEYS = {
    "dense": ("Id bigint AUTO_INCREMENT, PRIMARY KEY (Id)", "seq"),
    "sparse": ("Id bigint, PRIMARY KEY (Id)", "seq * seq * 1000003"),
    "random": ("Id bigint unsigned, PRIMARY KEY (Id)", "CONV(LEFT(SHA2(seq, 256), 16), 16, 10)"),
    "text": ("Id varchar(64), PRIMARY KEY (Id)", "SHA2(seq, 256)"),
    "binary": ("Id binary(8), PRIMARY KEY (Id)", "LEFT(UNHEX(SHA2(seq, 256)), 8)"),
    "composite": ("Id int, Part varchar(9), PRIMARY KEY (Id, Part)", "seq DIV 7, CONCAT('p', seq)"),
    "numbers": ("Id int, Part smallint, PRIMARY KEY (Id, Part)", "seq DIV 7 - 400, seq % 7"),
    "dates": ("Id datetime(6), PRIMARY KEY (Id)", "'2020-01-01' + INTERVAL seq MINUTE"),
    "negative": ("Id decimal(12,2), PRIMARY KEY (Id)", "1000 - seq / 4"),
}
CHANGES = {
    "updated": "UPDATE {t} SET Name = 'other' WHERE Number = 1234",
    "deleted": "DELETE FROM {t} WHERE Number = 1",
    "inserted": "INSERT INTO {t} SELECT {key}, 'new', seq{stamp} FROM (SELECT 9999 AS seq) AS one",
    "case only": "UPDATE {t} SET Name = UPPER(Name) WHERE Number = 2500",
}
# As far as a load can name the rows in PostgreSQL too.
NUMBERED = {"dense", "sparse", "random", "numbers"}
STAMP = "Stamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"


CASES = [
    *((kind, "MyISAM", False) for kind in KEYS),
    *((kind, "MyISAM", True) for kind in ("dense", "numbers", "text")),
    *(
        (kind, "InnoDB", stamped)
        for kind in ("dense", "random", "composite")
        for stamped in (False, True)
    ),
]
IN_THE_SUITE = [
    *(("dense", "MyISAM", False), ("dates", "MyISAM", False), ("numbers", "MyISAM", True)),
    ("random", "InnoDB", False),
]


@pytest.mark.parametrize(("kind", "engine", "stamped"), in_the_suite(*IN_THE_SUITE, of=CASES))
def test_only_rows_that_changed_are_moved(kind, engine, stamped, places, settings):
    table = f"{kind}_{engine}_{stamped}".lower()
    columns, key = KEYS[kind]
    others = f", Name varchar(20), Number int{f', {STAMP}' if stamped else ''}, PRIMARY"
    ask(
        places.source,
        f"CREATE TABLE {table} ({columns.replace(', PRIMARY', others)}) ENGINE={engine}",
    )
    old = ", '2001-01-01'" if stamped else ""
    ask(
        places.source,
        f"INSERT INTO {table} SELECT {key}, CONCAT('n', seq), seq{old} FROM {numbers(ROWS)}",
    )
    assert run(settings, table)[table].hops[0].read == ROWS
    for change in CHANGES.values():
        ask(places.source, change.format(t=table, key=key, stamp=", NOW()" if stamped else ""))
        assert plan(settings, table).method == ("incremental" if stamped else "compare")
        extract, load, standardize = run(settings, table)[table].hops
        assert extract.changed == 1
        assert extract.read <= (1_500 if kind == "dates" else 1)
        if kind in NUMBERED:
            assert load.changed == standardize.changed == 1
            assert load.read == standardize.read == extract.read
        assert oracle.unequal(places, [table]) == {}


@pytest.fixture(params=in_the_suite("MyISAM", of=ENGINES))
def stamped(request, places, settings) -> str:
    """A table of 3,000 rows stamped in 2001 that was read just now."""
    table = f"s{secrets.token_hex(6)}"
    ask(
        places.source,
        f"CREATE TABLE {table} (Id bigint PRIMARY KEY, Name varchar(20), {STAMP}) ENGINE={request.param}",
    )
    ask(
        places.source,
        f"INSERT INTO {table} SELECT seq, CONCAT('n', seq), '2001-01-01' FROM {numbers(3_000)}",
    )
    run(settings, table)
    return table


def _replace(places, table: str, key: int, stamp: str) -> None:
    ask(
        places.source, f"REPLACE INTO {table} (Id, Name, Stamp) VALUES ({key}, 'replaced', {stamp})"
    )


def test_a_row_that_keeps_its_recent_stamp_is_found_by_its_columns(stamped, places, settings):
    _replace(places, stamped, 7, "NOW()")
    run(settings, stamped)
    ask(places.source, f"UPDATE {stamped} SET Name = 'again', Stamp = Stamp WHERE Id = 7")
    (extract, *_) = run(settings, stamped)[stamped].hops
    assert (extract.read, extract.updated) == (1, 1)
    assert oracle.unequal(places, [stamped]) == {}


@pytest.mark.parametrize("stamp", ["'1999-01-01'", "'2037-01-01'", "'0000-00-00'"])
def test_a_stamp_of_any_time_tells_of_a_change_and_stops_no_other(stamp, stamped, places, settings):
    for key in (5, 2_995):
        _replace(places, stamped, key, stamp)
        assert run(settings, stamped)[stamped].hops[0].updated == 1
        assert oracle.unequal(places, [stamped]) == {}


def test_a_change_that_keeps_an_old_stamp_is_found_by_the_next_verification(
    stamped, places, settings
):
    ask(places.source, f"UPDATE {stamped} SET Name = 'silent', Stamp = Stamp WHERE Id = 7")
    run(settings, stamped)
    assert oracle.unequal(places, [stamped]) != {}
    run(settings, stamped, verify=True)
    assert oracle.unequal(places, [stamped]) == {}


def test_stamps_are_not_relied_upon_after_the_sources_clock_was_set_back(stamped, places, settings):
    later = datetime.now() + timedelta(hours=1)  # noqa: DTZ005 - the server's own, an hour from now
    ask(
        places.replica,
        f"UPDATE etl_extract_status SET read_from = '{later}' WHERE table_name = '{stamped}'",
    )
    ask(places.source, f"UPDATE {stamped} SET Name = 'silent', Stamp = Stamp WHERE Id = 7")
    run(settings, stamped)
    assert oracle.unequal(places, [stamped]) == {}


def test_stamps_are_not_relied_upon_when_the_replica_lost_rows(stamped, places, settings):
    ask(places.replica, f"UPDATE {stamped} SET Name = 'forged', Stamp = Stamp WHERE Id = 7")
    ask(places.replica, f"DELETE FROM {stamped} WHERE Id = 8")
    run(settings, stamped)
    assert oracle.unequal(places, [stamped]) == {}


def test_keys_that_change_into_ones_that_are_equal_to_the_server_are_read_once(places, settings):
    table = f"k{secrets.token_hex(6)}"
    text = "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    ask(places.source, f"CREATE TABLE {table} (Id {text} PRIMARY KEY, Number int) ENGINE=MyISAM")
    ask(
        places.source,
        f"INSERT INTO {table} SELECT CONCAT('a', LPAD(seq, 6, '0')), seq FROM {numbers(2_000)}",
    )
    run(settings, table)
    ask(places.source, f"UPDATE {table} SET Id = UPPER(Id) WHERE Number % 8 = 0")
    (extract, *_) = run(settings, table)[table].hops
    assert extract.read == extract.updated == 250
    assert oracle.unequal(places, [table]) == {}


@pytest.mark.parametrize(
    "damage",
    [
        'DELETE FROM raw.{t} WHERE "Id" = 8',
        'UPDATE raw.{t} SET "Id" = -8 WHERE "Id" = 8',
        "DELETE FROM {t} WHERE id = 8",
    ],
)
def test_rows_lost_in_the_warehouse_come_back_with_a_change_of_others(
    damage, stamped, places, settings
):
    ask(places.warehouse, damage.format(t=stamped))
    _replace(places, stamped, 9, "NOW()")
    run(settings, stamped)
    run(settings, stamped, verify="SET" in damage)
    assert oracle.unequal(places, [stamped]) == {}


def test_a_row_that_is_gone_at_the_source_and_lost_in_the_replica_goes_everywhere(
    stamped, places, settings
):
    for place in (places.source, places.replica):
        ask(place, f"DELETE FROM {stamped} WHERE Id = 9")
    run(settings, stamped)
    assert oracle.unequal(places, [stamped]) == {}


def test_extracts_whose_numbers_come_again_are_loaded(stamped, places, settings):
    ask(places.replica, f"DELETE FROM etl_extract_status WHERE table_name = '{stamped}'")
    _replace(places, stamped, 9, "NOW()")
    ((extract,),) = ask(
        places.warehouse,
        "SELECT extract_id FROM etl_transform_status WHERE table_name = %s",
        stamped,
    )
    ask(places.replica, f"UPDATE etl_extract_status SET id = -id WHERE id >= {extract - 1}")
    ask(
        places.replica, f"ALTER TABLE etl_extract_status AUTO_INCREMENT = {extract - 1}"
    )  # the first one announces a swap
    run(settings, stamped)
    newest = f"SELECT MAX(id) FROM etl_extract_status WHERE table_name = '{stamped}'"
    assert ask(places.replica, newest) == [(extract,)]
    assert oracle.unequal(places, [stamped]) == {}


def test_a_scope_that_somebody_has_spoilt_is_everything(stamped, places, settings):
    ask(places.source, f"UPDATE {stamped} SET Name = 'missed' WHERE Id = 3")
    _extract_only(places, settings, stamped)
    ask(places.replica, "UPDATE etl_extract_scope SET rows_changed = '{]'")
    run(settings, stamped)
    assert oracle.unequal(places, [stamped]) == {}


def test_a_replica_that_was_set_back_is_loaded_as_a_whole(stamped, places, settings):
    """A row is changed, loaded, and changed back after the replica was set back: it differs from the source in raw alone."""
    kept = {
        stamped: "",
        "etl_extract_status": f" WHERE table_name = '{stamped}'",
        "etl_extract_lock": f" WHERE table_name = '{stamped}'",
    }
    for table, rows in kept.items():
        ask(places.replica, f"CREATE TABLE kept_{table} AS SELECT * FROM {table}{rows}")
    _replace(places, stamped, 9, "NOW()")
    run(settings, stamped)
    for table, rows in kept.items():
        ask(places.replica, f"DELETE FROM {table}{rows}")
        ask(places.replica, f"INSERT INTO {table} SELECT * FROM kept_{table}")
        ask(places.replica, f"DROP TABLE kept_{table}")
    ask(places.source, f"UPDATE {stamped} SET Name = 'n9', Stamp = '2001-01-01' WHERE Id = 9")
    run(settings, stamped)
    assert oracle.unequal(places, [stamped]) == {}


def test_a_table_rebuilt_under_the_same_stamps_is_compared_by_all_columns(
    stamped, places, settings
):
    engine = ask(
        places.source,
        f"SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_NAME = '{stamped}'",
    )[0][0]
    wait_for(
        lambda: ask(
            places.source,
            f"SELECT CREATE_TIME < NOW() - INTERVAL 1 SECOND FROM information_schema.TABLES WHERE TABLE_NAME = '{stamped}'",
        )[0][0]
    )
    ask(places.source, f"ALTER TABLE {stamped} MODIFY Name varchar(3)")
    ask(places.source, f"ALTER TABLE {stamped} MODIFY Name varchar(20), ENGINE={engine}")
    run(settings, stamped)
    assert oracle.unequal(places, [stamped]) == {}


def test_a_text_key_that_the_replica_sorts_otherwise_is_not_compared_by_ranges(places, settings):
    mapped = limited(settings, collations=(("utf8mb4_unicode_ci", "utf8mb4_bin"),))
    table = f"k{secrets.token_hex(6)}"
    key = "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
    ask(places.source, f"CREATE TABLE {table} (Id {key} PRIMARY KEY, Number int) ENGINE=MyISAM")
    letter = "CHAR(IF(seq % 2, 97, 65) + seq % 26)"
    ask(
        places.source,
        f"INSERT INTO {table} SELECT CONCAT({letter}, LPAD(seq, 6, '0')), seq FROM {numbers(2_000)}",
    )
    run(mapped, table)
    ask(places.source, f"UPDATE {table} SET Number = 0 WHERE Number = 77")
    run(mapped, table)
    names = f"SELECT Id, Number FROM {table}"
    assert sorted(ask(places.source, names)) == sorted(ask(places.replica, names))


def test_many_changes_are_read_by_ranges(stamped, places, settings):
    ask(places.source, f"UPDATE {stamped} SET Name = 'flipped' WHERE Id > 900")
    ask(places.source, f"DELETE FROM {stamped} WHERE Id BETWEEN 950 AND 960")
    extract, load, standardize = run(settings, stamped)[stamped].hops
    assert (extract.updated, extract.deleted) == (2_089, 11)
    assert extract.read == load.read == standardize.read
    assert oracle.unequal(places, [stamped]) == {}


def test_loads_that_were_missed_are_made_up_for(stamped, places, settings):
    for key in (3, 1_500, 2_999):
        ask(places.source, f"UPDATE {stamped} SET Name = 'missed' WHERE Id = {key}")
        _extract_only(places, settings, stamped)
    ask(places.source, f"DELETE FROM {stamped} WHERE Id = 3")
    extract, load, _ = run(settings, stamped)[stamped].hops
    assert (extract.read, load.read) == (0, 2)
    assert (load.updated, load.deleted) == (2, 1)
    assert oracle.unequal(places, [stamped]) == {}


def test_tables_are_merged_at_once_without_deadlocks(places, settings):
    tables = [f"d{secrets.token_hex(6)}" for _ in range(6)]
    for table in tables:
        ask(
            places.source,
            f"CREATE TABLE {table} (Id bigint PRIMARY KEY, Name varchar(20)) ENGINE=MyISAM",
        )
        ask(places.source, f"INSERT INTO {table} SELECT seq, 'n' FROM {numbers(1_200)}")
    run(settings, *tables)
    for number in range(3):
        for table in tables:
            ask(places.source, f"UPDATE {table} SET Name = 'x{number}' WHERE Id % 100 = {number}")
        run(settings, *tables)
    assert oracle.unequal(places, tables) == {}


def test_scopes_are_kept_for_a_week(stamped, places, settings):
    ask(places.source, f"UPDATE {stamped} SET Name = 'old' WHERE Id = 3")
    run(settings, stamped)
    kept = f"SELECT COUNT(*) FROM etl_extract_scope JOIN etl_extract_status ON id = extract_id WHERE table_name = '{stamped}'"
    ((before,),) = ask(places.replica, kept)
    ask(
        places.replica,
        f"UPDATE etl_extract_status SET finished_at = finished_at - INTERVAL 8 DAY WHERE table_name = '{stamped}'",
    )
    ask(places.source, f"UPDATE {stamped} SET Name = 'new' WHERE Id = 3")
    run(settings, stamped)
    assert ask(places.replica, kept) == [(before,)]


ALTERS = {
    "added": "ADD COLUMN IsMirrored tinyint NOT NULL DEFAULT 3 AFTER Id",
    "dropped": "DROP COLUMN Other",
    "widened": "MODIFY Other bigint",
    "reordered": "MODIFY Other int AFTER Id",
    "key": "ADD KEY (Other)",
    "renamed": "CHANGE Name FullName varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
}


@pytest.mark.parametrize("alter", ALTERS)
def test_an_altered_table_keeps_its_rows(alter, places, settings):
    table = f"a{secrets.token_hex(6)}"
    ask(
        places.source,
        f"CREATE TABLE {table} (Id bigint PRIMARY KEY, Name varchar(20), Other int, {STAMP}) ENGINE=MyISAM",
    )
    ask(
        places.source,
        f"INSERT INTO {table} SELECT seq, 'n', seq, '2001-01-01' FROM {numbers(2_500)}",
    )
    run(settings, table)
    ask(places.source, f"ALTER TABLE {table} {ALTERS[alter]}")
    ask(places.source, f"UPDATE {table} SET Stamp = NOW() WHERE Id = 1234")
    (extract, *_) = run(settings, table)[table].hops
    assert extract.read == (2_500 if alter == "renamed" else 1)
    assert oracle.unequal(places, [table]) == {}


@pytest.mark.parametrize(
    "alter",
    ["DROP PRIMARY KEY", "DROP PRIMARY KEY, ADD PRIMARY KEY (Other)", "MODIFY Id varchar(20)"],
)
def test_a_table_with_another_key_is_read_anew(alter, places, settings):
    table = f"a{secrets.token_hex(6)}"
    ask(
        places.source,
        f"CREATE TABLE {table} (Id int PRIMARY KEY, Other int NOT NULL, {STAMP}) ENGINE=MyISAM",
    )
    ask(places.source, f"INSERT INTO {table} SELECT seq, -seq, '2001-01-01' FROM {numbers(2_500)}")
    run(settings, table)
    ask(places.source, f"ALTER TABLE {table} {alter}")
    run(settings, table)
    assert oracle.unequal(places, [table]) == {}


def _extract_only(places, settings, table):
    """A run whose load PostgreSQL refuses."""
    refuse = "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$"
    ask(places.warehouse, refuse)
    ask(
        places.warehouse,
        f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON raw.{table} EXECUTE FUNCTION refuse()",
    )
    with pytest.raises(DatabaseFault, match="P0001"):
        run(settings, table)
    ask(places.warehouse, f"DROP TRIGGER refuse ON raw.{table}")


def test_a_load_that_was_missed_for_long_takes_everything(stamped, places, settings):
    ask(places.source, f"UPDATE {stamped} SET Name = 'missed' WHERE Id = 3")
    _extract_only(places, settings, stamped)
    ask(places.replica, "DELETE FROM etl_extract_scope")
    assert run(settings, stamped)[stamped].hops[-2].read == 3_000
    assert oracle.unequal(places, [stamped]) == {}


def test_no_statement_goes_over_many_rows_that_the_replica_lacks(
    stamped, places, settings, monkeypatch
):
    monkeypatch.setattr(buckets, "ROWS", 10)
    ask(places.replica, f"DELETE FROM {stamped} WHERE Id BETWEEN 105 AND 2900")
    ask(
        places.source,
        f"INSERT INTO {stamped} (Id, Name) SELECT 3000 + seq, 'new' FROM {numbers(1_000)}",
    )
    (extract, *_) = run(settings, stamped)[stamped].hops
    assert extract.inserted == 3_796
    assert oracle.unequal(places, [stamped]) == {}


@pytest.mark.parametrize("method", ["reload", "compare", "incremental"])
def test_methods_can_be_chosen(method, stamped, places, settings):
    chosen = limited(settings, methods=((f"{stamped[:-3]}*", method),))
    ask(places.source, f"UPDATE {stamped} SET Name = 'chosen' WHERE Id = 3")
    assert plan(chosen, stamped).method == method
    assert run(chosen, stamped)[stamped].hops[0].read == (3_000 if method == "reload" else 1)


def test_an_unknown_method_is_named(monkeypatch):
    monkeypatch.setenv("ELT_METHODS", "fee=guess")
    with pytest.raises(SettingsError, match="ELT_METHODS is unusable: guess is no method for fee"):
        Limits.read()


NUMBERS = st.integers(-30, 30)
SIDES = st.none() | st.tuples(NUMBERS).map(lambda key: tuple(map(str, key)))
RANGES = st.builds(Range, SIDES, SIDES).filter(
    lambda each: each.after is None or each.until is None or int(each.after[0]) < int(each.until[0])
)


@hypothesis(deadline=None, max_examples=in_the_suite(100, of=[300])[0])
@given(
    st.lists(
        st.builds(
            Scope,
            st.lists(RANGES, max_size=4).map(tuple),
            st.lists(NUMBERS.map(lambda n: (str(n),))).map(tuple),
        )
    )
)
def test_scopes_are_united_and_no_row_comes_twice(several):
    united = scopes.read(part for each in several for part in scopes.parts(each))
    for number in range(-35, 36):
        wanted = any(_times(each, number) for each in several)
        assert _times(united, number) == wanted


def _times(scope: Scope, number: int) -> int:
    within = sum(
        (each.after is None or int(each.after[0]) < number)
        and (each.until is None or number <= int(each.until[0]))
        for each in scope.ranges
    )
    return within + scope.keys.count((str(number),))

"""Corruption of every kind, planted in the replica, `raw` and `public`, is found and repaired."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import oracle
import pytest
from conftest import in_the_suite, settings_for
from oracle import Places, ask, pg, snake
from runs import limited, run, settle

from deployments.databases import Databases
from transfer.errors import DatabaseFault
from transfer.journey.plan import look
from transfer.journey.sync import sync
from transfer.journey.work import Findings
from transfer.settings import Settings
from transfer.values.table import TableResult
from transfer.warehouse import public, raw

COLUMNS = (
    "T varchar(60) CHARACTER SET utf8mb4, N varchar(60), B blob, D decimal(20,5), X double, F float, I int, Big bigint,"
    " Day date, At datetime(6), Stamp timestamp NULL, Span time(6), E enum('no', 'yes', 'maybe'), Flag tinyint(1), G geometry"
)
# The same in each row but for what a planted corruption needs to differ.
ROW = (
    "CONCAT('Café zebra ', {n}), IF({n} % 5 = 0, NULL, IF({n} % 5 = 1, '', 'x')), CONCAT(x'00FF5C0A', {n}), {n} + 0.12345, 0.3, 0.1,"
    " IF({n} % 5 = 0, NULL, IF({n} % 5 = 1, 0, {n})), 9007199254740992, '2024-02-29', '2024-03-10 02:30:00.000001',"
    " '2026-11-01 05:30:00', '-01:00:00.5', 'yes', {n} % 2, POINT({n}, 1)"
)
ROWS = 25


@dataclass(frozen=True)
class Corruption:
    """What is done to the replica's table and to that of `raw`, and what is to be found: kinds, columns at fault."""

    replica: Sequence[str]
    raw: Sequence[str]
    columns: Sequence[str] = ()
    kinds: Sequence[str] = ("changed",)
    key: bool = True


def changed(column: str, replica: str, raw: str, where: int = 12) -> Corruption:
    """One value of one column becomes another."""
    return Corruption(
        (f"UPDATE {{t}} SET {column} = {replica} WHERE Id = {where}",),
        (f'UPDATE {{t}} SET "{column}" = {raw} WHERE "Id" = {where}',),
        (column,),
    )


def both(
    *statements: str,
    columns: Sequence[str] = (),
    kinds: Sequence[str] = ("changed",),
    key: bool = True,
) -> Corruption:
    """Statements that are the same for both but for their quotes."""
    return Corruption(
        tuple(statement.replace('"', "`") for statement in statements),
        statements,
        columns,
        kinds,
        key,
    )


CORRUPTIONS = {
    "changed text": changed("T", "'another'", "'another'"),
    "case only": changed("T", "UPPER(T)", 'upper("T")'),
    "case of one letter": changed("T", "REPLACE(T, 'z', 'Z')", "replace(\"T\", 'z', 'Z')"),
    "trailing space": changed("T", "CONCAT(T, ' ')", "\"T\" || ' '"),
    "leading space": changed("T", "CONCAT(' ', T)", "' ' || \"T\""),
    "accent": changed("T", "REPLACE(T, 'é', 'e')", "replace(\"T\", 'é', 'e')"),
    "accent written otherwise": changed("T", "REPLACE(T, 'é', 'e\u0301')", "replace(\"T\", 'é', 'e\u0301')"),
    "cut text": changed("T", "LEFT(T, 8)", 'left("T", 8)'),
    "one byte of a blob": changed("B", "INSERT(B, 2, 1, x'FE')", 'set_byte("B", 1, 254)'),
    "one byte more": changed("B", "CONCAT(B, x'00')", "\"B\" || '\\x00'::bytea"),
    "one bit of a geometry": changed("G", "POINT(12, 1.0000000000000002)", 'set_bit("G", 40, 1 - get_bit("G", 40))'),
    "last digit of a decimal": changed("D", "D + 0.00001", '"D" + 0.00001'),
    "last digit of a double": changed("X", "0.30000000000000004", "0.30000000000000004"),
    "last digit of a float": changed("F", "0.10000001", "0.10000001"),
    "a float's digits beyond those shown": changed("F", "0.100000024", "0.1000000238"),
    "sign": changed("I", "-I", '-"I"'),
    "sign of a time": changed("Span", "'01:00:00.5'", "interval '01:00:00.5'"),
    "an integer beyond a double's digits": changed("Big", "Big + 1", '"Big" + 1'),
    "date by a day": changed("Day", "'2024-03-01'", "'2024-03-01'"),
    "moment by a microsecond": changed("At", "'2024-03-10 02:30:00.000002'", "'2024-03-10 02:30:00.000002'"),
    "time by a microsecond": changed("Span", "'-01:00:00.500001'", "interval '-01:00:00.500001'"),
    "stamp by the hour that comes twice": changed("Stamp", "'2026-11-01 06:30:00'", "'2026-11-01 06:30:00+00'"),
    "NULL to empty text": changed("N", "''", "''", where=10),
    "empty text to NULL": changed("N", "NULL", "NULL", where=11),
    "NULL to zero": changed("I", "0", "0", where=10),
    "zero to NULL": changed("I", "NULL", "NULL", where=11),
    "date to NULL": changed("Day", "NULL", "NULL"),
    "enum label": changed("E", "'maybe'", "'maybe'"),
    "boolean": changed("Flag", "1 - Flag", '1 - "Flag"'),
    "boolean flips in pairs": both('UPDATE {t} SET "Flag" = 1 - "Flag" WHERE "Id" IN (12, 13)', columns=["Flag"]),
    "amounts moved between rows": both(
        'UPDATE {t} SET "D" = "D" + 1 WHERE "Id" = 7', 'UPDATE {t} SET "D" = "D" - 1 WHERE "Id" = 18', columns=["D"]
    ),
    "two rows' values swapped": Corruption(
        ("UPDATE {t} SET T = CONCAT('Café zebra ', 11 - Id) WHERE Id IN (5, 6)",),
        ("UPDATE {t} SET \"T\" = 'Café zebra ' || 11 - \"Id\" WHERE \"Id\" IN (5, 6)",),
        ("T",),
    ),
    "all values of two rows swapped": both(
        'UPDATE {t} SET "Id" = -5 WHERE "Id" = 5',
        'UPDATE {t} SET "Id" = 5 WHERE "Id" = 7',
        'UPDATE {t} SET "Id" = 7 WHERE "Id" = -5',
        columns=["T", "B", "D", "N", "I", "G"],
    ),
    "two columns' values swapped": Corruption(
        ("UPDATE {t} SET T = N, N = CONCAT('Café zebra ', Id) WHERE Id = 12",),
        ('UPDATE {t} SET "T" = "N", "N" = "T" WHERE "Id" = 12',),
        ("T", "N"),
    ),
    "shifted column": both('UPDATE {t} SET "Big" = "Big" + "Id"', columns=["Big"]),
    "column of nothing": both('UPDATE {t} SET "E" = NULL', columns=["E"]),
    "missing row": both('DELETE FROM {t} WHERE "Id" = 12', kinds=["missing"]),
    "missing first row": both('DELETE FROM {t} WHERE "Id" = 1', kinds=["missing"]),
    "missing last row": both(f'DELETE FROM {{t}} WHERE "Id" = {ROWS}', kinds=["missing"]),
    "missing page": both('DELETE FROM {t} WHERE "Id" BETWEEN 8 AND 17', kinds=["missing"]),
    "extra row": both('INSERT INTO {t} ("Id", "T") VALUES (13000, \'zebra\')', kinds=["extra"]),
    "shifted keys": both('UPDATE {t} SET "Id" = "Id" + 1000 WHERE "Id" > 12', kinds=["missing", "extra"]),
    "wrong key": both('UPDATE {t} SET "Id" = 1012 WHERE "Id" = 12', kinds=["missing", "extra"]),
    "row replaced by one of another key": both(
        'DELETE FROM {t} WHERE "Id" = 3', 'INSERT INTO {t} ("Id", "T") VALUES (0, \'zebra\')', kinds=["missing", "extra"]
    ),
    "doubled row without a key": both('INSERT INTO {t} SELECT * FROM {t} WHERE "Id" = 12', kinds=["extra"], key=False),
    "one row doubled and one missing without a key": both(
        'INSERT INTO {t} SELECT * FROM {t} WHERE "Id" = 12', 'DELETE FROM {t} WHERE "Id" = 13', kinds=["extra", "missing", "changed"], key=False
    ),
    "changed value without a key": both('UPDATE {t} SET "D" = "D" + 1 WHERE "Id" = 12', kinds=["extra", "missing", "changed"], key=False),
}  # fmt: skip

# In `public` texts have no blanks around them and columns other names.
IN_PUBLIC = (
    "changed text",
    "case only",
    "last digit of a decimal",
    "last digit of a double",
    "NULL to empty text",
    "boolean flips in pairs",
    "missing row",
    "extra row",
    "wrong key",
    "two columns' values swapped",
    "doubled row without a key",
)
EVERYWHERE = [
    *((place, kind) for kind in CORRUPTIONS for place in ("replica", "raw")),
    *(("public", kind) for kind in IN_PUBLIC),
]
# The suite plants each kind in the replica or in `raw`, in turns, and half of those in `public`.
IN_TURNS = [(("replica", "raw")[turn % 2], kind) for turn, kind in enumerate(CORRUPTIONS)]
PLANTED = in_the_suite(*IN_TURNS, *(("public", kind) for kind in IN_PUBLIC[::2]), of=EVERYWHERE)
SOUND = "sound"
LACKING = {
    "replica": "the replica's table was lost, replaced or lacks rows",
    "raw": "raw was lost, replaced or lacks rows",
    "public": "public was lost, replaced or lacks rows",
}

# What `raw` shows like the value that it had: the hop to the replica alone can find it.
UNSEEN_IN_RAW = {
    "an impossible date for another": ("date", "'2024-02-30'", "'2024-02-31'"),
    "a zero date for a partial one": ("datetime", "0", "'2024-00-00'"),
    "a U+0000 lost": ("text", r"'a\0b'", "'ab'"),
    "an empty label for the value of an error": ("enum('', 'x')", "1", "'nonsense'"),
}


def _name(place: str, kind: str) -> str:
    return re.sub(r"\W+", "_", f"{place} {kind}").lower()


@dataclass(frozen=True)
class Verified:
    """The results of two verifications, and what was still not exact after the first."""

    first: dict[str, TableResult]
    inexact: dict[str, str]
    second: dict[str, TableResult]


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), page_rows=15)


@pytest.fixture(scope="module")
def verified(places: Places, settings: Settings) -> Verified:
    """Everything is planted at once, as a table's verification looks at no other."""
    tables = [*(_name(place, kind) for place, kind in PLANTED), SOUND]
    for place, kind in [*PLANTED, ("", SOUND)]:
        _make(
            places,
            _name(place, kind) if place else SOUND,
            key=kind not in CORRUPTIONS or CORRUPTIONS[kind].key,
        )
    for kind, (column_type, value, _) in UNSEEN_IN_RAW.items():
        ask(places.source, f"CREATE TABLE `{kind}` (Id int PRIMARY KEY, V {column_type})")
        ask(places.source, f"INSERT INTO `{kind}` VALUES (1, {value}), (2, {value})")
    settle(places.source)
    run(settings)
    assert oracle.unequal(places, [SOUND]) == {}
    for place, kind in PLANTED:
        _plant(places, place, kind)
    for kind, (_, _, value) in UNSEEN_IN_RAW.items():
        ask(places.replica, "SET sql_mode = 'ALLOW_INVALID_DATES'")
        ask(places.replica, f"UPDATE `{kind}` SET V = {value} WHERE Id = 2")
    every = [*tables, *UNSEEN_IN_RAW]
    first = run(settings, verify=True)
    inexact = {table: oracle.inexact(places, table) for table in every}
    inexact |= {
        table: wrong
        for table, wrong in oracle.unequal(places, tables).items()
        if not inexact[table]
    }
    return Verified(first, inexact, run(settings, verify=True))


def _make(places: Places, table: str, *, key: bool) -> None:
    ask(
        places.source,
        f"CREATE TABLE `{table}` (Id bigint NOT NULL, {COLUMNS}{', PRIMARY KEY (Id)' if key else ''})",
    )
    rows = ", ".join(f"({number}, {ROW.format(n=number)})" for number in range(1, ROWS + 1))
    ask(places.source, f"INSERT INTO `{table}` VALUES {rows}")


def _plant(places: Places, place: str, kind: str) -> None:
    corruption, table = CORRUPTIONS[kind], _name(place, kind)
    if place == "replica":
        ask(places.replica, "SET time_zone = '+00:00', sql_mode = ''")
        for statement in corruption.replica:
            ask(places.replica, statement.replace("{t}", f"`{table}`"))
        return
    name = pg(table) if place == "raw" else pg(_public(places, table))
    for statement in corruption.raw:
        planted = statement.replace("{t}", f"{place}.{name}")
        if place == "public":
            for column, _ in oracle.mysql_columns(places.source, table):
                planted = planted.replace(f'"{column}"', f'"{snake(column)}"')
        ask(places.warehouse, planted)


def _public(places: Places, table: str) -> str:
    return str(
        ask(
            places.warehouse,
            "SELECT public_name FROM etl_transform_status WHERE table_name = %s",
            table,
        )[0][0]
    )


@pytest.mark.parametrize(("place", "kind"), PLANTED, ids=lambda each: each)
def test_what_was_planted_is_found_and_mended(place, kind, verified):
    table, corruption = _name(place, kind), CORRUPTIONS[kind]
    result = verified.first[table]
    assert verified.inexact.get(table, "") == ""
    if (
        result.state != "repaired"
    ):  # another number of rows is seen by any run, which loads the table anew
        assert (result.state, "changed" in corruption.kinds) == ("synced", False)
        assert result.reason == LACKING[place]
        return
    assert {finding.place for finding in result.found} == {place}
    assert {finding.kind for finding in result.found} <= set(corruption.kinds)
    assert all(finding.count > 0 for finding in result.found)
    columns = {finding.column for finding in result.found} - {""}
    if place == "raw" and corruption.key:
        assert columns == set(corruption.columns)
    elif corruption.key:  # elsewhere rows are compared as a whole
        assert columns <= {
            snake(column) if place == "public" else column for column in corruption.columns
        }


@pytest.mark.parametrize("kind", UNSEEN_IN_RAW)
def test_what_raw_cannot_show_is_found_in_the_replica(kind, verified):
    result = verified.first[kind]
    assert result.state == "repaired"
    assert {finding.place for finding in result.found} == {"replica"}
    assert verified.inexact[kind] == ""


def test_where_nothing_was_planted_nothing_is_found(verified):
    assert verified.first[SOUND].state == "verified"
    assert verified.first[SOUND].found == ()


def test_the_next_verification_finds_nothing(verified):
    assert set(verified.second) == set(verified.first)
    assert {table: result.found for table, result in verified.second.items() if result.found} == {}
    assert {result.state for result in verified.second.values()} == {"verified"}


def test_no_value_stands_in_what_was_found(verified):
    said = " ".join(f"{result.sentence} {result.found}" for result in verified.first.values())
    assert "zebra" not in said
    assert "9007199254740992" not in said


@pytest.mark.parametrize(
    "damage",
    [
        'ALTER TABLE {t} DROP COLUMN "D"',
        'ALTER TABLE {t} RENAME COLUMN "D" TO "Other"',
        'ALTER TABLE {t} ALTER COLUMN "D" TYPE text',
        "ALTER TABLE {t} ALTER COLUMN \"Day\" TYPE text USING 'no date'",
        'ALTER TABLE {t} ADD COLUMN "More" int',
        "ALTER TABLE {t} DROP CONSTRAINT {k}",
    ],
)
def test_raw_of_another_structure_is_found_and_mended(damage, places, settings):
    table = f"raw{zlib.crc32(damage.encode())}"
    _make(places, table, key=True)
    run(settings, table)
    key = ask(
        places.warehouse,
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass",
        f"raw.{pg(table)}",
    )
    ask(places.warehouse, damage.replace("{t}", f"raw.{pg(table)}").replace("{k}", pg(key[0][0])))
    result = run(settings, table, verify=True)[table]
    assert result.state == "repaired"
    assert {(finding.place, finding.kind) for finding in result.found} == {
        ("raw", "other structure")
    }
    assert oracle.unequal(places, [table]) == {}
    assert run(settings, table, verify=True)[table].found == ()


def test_a_value_that_no_mysql_column_has_is_found(places, settings):
    _make(places, "no_number", key=True)
    run(settings, "no_number")
    ask(places.warehouse, 'UPDATE raw.no_number SET "D" = \'NaN\' WHERE "Id" = 3')
    assert run(settings, "no_number", verify=True)["no_number"].state == "repaired"
    assert oracle.unequal(places, ["no_number"]) == {}


def test_what_the_clinic_wrote_meanwhile_is_no_damage(places, settings):
    for table in ("written", "written_and_indexed", "indexed", "cut"):
        _make(places, table, key=True)
    settle(places.source)
    run(settings)
    settle(places.replica)  # CREATE_TIME, which shows the ALTER, has whole seconds
    for table in ("written_and_indexed", "indexed"):
        ask(places.replica, f"ALTER TABLE `{table}` ADD KEY by_hand (I)")
    ask(places.replica, "DELETE FROM cut WHERE Id > 20")
    for table in ("written", "written_and_indexed", "cut"):
        ask(places.source, f"UPDATE `{table}` SET I = -1 WHERE Id < 4")
    found = {
        table: [(finding.kind, finding.count) for finding in result.found]
        for table, result in run(
            settings, "written", "written_and_indexed", "indexed", "cut", verify=True
        ).items()
    }
    assert found == {
        "written": [],
        "written_and_indexed": [],
        "indexed": [("other structure", 1)],
        "cut": [("missing", 5)],
    }
    assert oracle.unequal(places, list(found)) == {}


def test_a_key_of_beginnings_is_no_finding(places, settings):
    ask(
        places.source,
        "CREATE TABLE beginnings (V varbinary(50), A int, PRIMARY KEY (V(10), A)) ENGINE=MyISAM",
    )
    ask(
        places.source,
        "INSERT INTO beginnings VALUES ('aaaaaaaaaaZ', 1), ('aaaaaaaaaaB', 2), ('b', 0)",
    )
    run(settings, "beginnings")
    assert run(settings, "beginnings", verify=True)["beginnings"].found == ()


def test_what_was_found_is_told_though_a_later_hop_failed_at_first(places, settings, monkeypatch):
    _make(places, "tried", key=True)
    settle(places.source)
    run(settings, "tried")
    ask(places.replica, "UPDATE tried SET I = 7 WHERE Id = 3")
    ask(places.warehouse, 'UPDATE raw.tried SET "I" = 8 WHERE "Id" = 4')
    (planned,) = look(settings, ["tried"], verify=True).plans
    findings = Findings()
    for place in (raw, "take"), (public, "standardize"):
        with monkeypatch.context() as once:
            once.setattr(*place, _fails)
            with pytest.raises(DatabaseFault):
                sync(settings, planned, "one run", findings)
    result = sync(settings, planned, "one run", findings)
    assert result.state == "repaired"
    assert [(finding.place, finding.kind) for finding in result.found] == [("replica", "changed")]
    assert oracle.unequal(places, ["tried"]) == {}


def _fails(*_: object) -> None:
    raise DatabaseFault("warehouse", "loading", "08006")


def test_a_replica_that_is_gone_is_found_whole(places, settings):
    _make(places, "gone", key=True)
    settle(places.source)
    run(settings, "gone")
    ask(places.replica, "DROP TABLE gone")
    (finding,) = run(settings, "gone", verify=True)["gone"].found
    assert (finding.place, finding.kind, finding.count) == ("replica", "missing", ROWS)


def test_sql_of_the_users_own_that_depends_on_the_clock_is_no_finding(places, settings, tmp_path):
    _make(places, "aged", key=True)
    (tmp_path / "aged.sql").write_text('SELECT "Id" AS id, clock_timestamp() AS at FROM raw.aged')
    own = limited(settings, standardize_dir=tmp_path)
    settle(places.source)
    run(own, "aged")
    assert run(own, "aged", verify=True)["aged"].state == "synced"


@pytest.mark.parametrize(
    "damage", ['ADD COLUMN "more" int', "DROP CONSTRAINT {k}", 'DROP COLUMN "d"']
)
def test_public_of_another_structure_is_found_and_mended(damage, places, settings):
    table = f"public{zlib.crc32(damage.encode())}"
    _make(places, table, key=True)
    settle(places.source)
    run(settings, table)
    key = ask(
        places.warehouse,
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass",
        f"public.{table}",
    )
    ask(places.warehouse, f"ALTER TABLE public.{table} {damage.replace('{k}', pg(key[0][0]))}")
    result = run(settings, table, verify=True)[table]
    assert result.state == "repaired"
    assert [(finding.place, finding.kind) for finding in result.found] == [
        ("public", "other structure")
    ]
    assert oracle.unequal(places, [table]) == {}
    assert run(settings, table, verify=True)[table].state == "verified"


def test_a_forced_run_that_verifies_tells_what_it_repaired(places, settings):
    for table in ("forced_replica", "forced_raw", "forced_public"):
        _make(places, table, key=True)
    settle(places.source)
    run(settings)
    ask(places.replica, "UPDATE forced_replica SET I = 7 WHERE Id = 3")
    ask(places.warehouse, 'UPDATE raw.forced_raw SET "I" = 8 WHERE "Id" = 4')
    ask(places.warehouse, 'DELETE FROM public.forced_public WHERE "id" = 4')
    for table, place in (
        ("forced_replica", "replica"),
        ("forced_raw", "raw"),
        ("forced_public", "public"),
    ):
        result = run(settings, table, force_full=True, verify=True)[table]
        assert [finding.place for finding in result.found] == [place]

"""Normal runs verify every table in turn, within a budget; findings are repaired and reported."""

from __future__ import annotations

import oracle
import pytest
from conftest import settings_for
from oracle import Places, ask
from runs import limited, plan, run, settle

from deployments.databases import Databases
from transfer.changes import rotation
from transfer.errors import TableError
from transfer.journey.plan import look
from transfer.settings import Limits, Settings

DAYS = 7


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return settings_for(module_databases)


TABLES = [
    *(
        "once",
        "soon",
        "working",
        "red",
        "astray_in_replica",
        "astray_in_raw",
        "astray_in_public",
        "new",
        "unproven",
    ),
    *(
        "first",
        "second",
        "third",
        "fourth",
        "late",
        "later",
        "busy_in_raw",
        "busy_in_public",
        "ruled",
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _loaded(places: Places, settings: Settings) -> None:
    """Tables that are everywhere and clean, all just verified."""
    for table in TABLES:
        ask(
            places.source,
            f"CREATE TABLE {table} (Id int PRIMARY KEY, Note varchar(20)) ENGINE=MyISAM",
        )
        ask(places.source, f"INSERT INTO {table} VALUES (1, 'one'), (2, 'two'), (3, 'three')")
    settle(places.source)
    run(settings)


@pytest.fixture(autouse=True)
def _nothing_is_due(places: Places, _loaded: None) -> None:
    ask(places.warehouse, "UPDATE etl_transform_status SET verified_at = now(), verify_seconds = 1")


def verified_days_ago(
    places: Places, table: str, days: float | None, seconds: float | None = None
) -> None:
    statement = (
        "UPDATE etl_transform_status SET verified_at = now() - %s * interval '1 day', verify_seconds = %s"
        " WHERE table_name = %s"
    )
    ask(places.warehouse, statement, days, seconds, table)


def since_verified(places: Places, table: str) -> float:
    asked = "SELECT extract(epoch FROM now() - verified_at)::float8 FROM etl_transform_status WHERE table_name = %s"
    return float(ask(places.warehouse, asked, table)[0][0])


def test_a_table_is_verified_when_it_is_due_and_not_before(places, settings):
    verified_days_ago(places, "once", 6.1)
    verified_days_ago(places, "soon", 5.9)
    results = run(settings)
    assert [(each.table, each.state, each.method, each.reason) for each in results.values()] == [
        ("once", "verified", "verify", "not verified for 6 days")
    ]
    assert results["once"].verified
    assert results["once"].hops == ()
    assert since_verified(places, "once") < 60
    assert since_verified(places, "soon") > 5 * 86_400
    ((seconds,),) = ask(
        places.warehouse,
        "SELECT verify_seconds FROM etl_transform_status WHERE table_name = %s",
        "once",
    )
    assert 0 < seconds <= results["once"].seconds
    assert run(settings) == {}


@pytest.mark.parametrize("place", ["replica", "raw", "public"])
def test_what_a_normal_run_would_miss_is_found_repaired_and_red(place, places, settings):
    table = f"astray_in_{place}"
    statement = {
        "replica": f"UPDATE {table} SET Note = 'forged' WHERE Id = 2",
        "raw": f'UPDATE raw.{table} SET "Note" = \'forged\' WHERE "Id" = 2',
        "public": f"UPDATE public.{table} SET note = 'forged' WHERE id = 2",
    }[place]
    ask(places.replica if place == "replica" else places.warehouse, statement)
    assert run(settings) == {}
    verified_days_ago(places, table, 6.5)
    result = run(settings)[table]
    assert (result.state, result.good) == ("repaired", False)
    assert {(finding.place, finding.kind, finding.count) for finding in result.found} == {
        (place, "changed", 1)
    }
    assert oracle.unequal(places, [table]) == {}
    assert since_verified(places, table) < 60
    assert run(settings) == {}


def test_a_table_with_work_is_verified_too_when_it_is_due(places, settings):
    ask(places.source, "UPDATE working SET Note = 'other' WHERE Id = 1")
    verified_days_ago(places, "working", 8)
    planned = plan(settings, "working")
    assert (planned.method, planned.verify, planned.proof) == (
        "reload",
        "not verified for 8 days",
        None,
    )
    result = run(settings)["working"]
    assert (result.state, result.verified) == ("synced", True)
    assert since_verified(places, "working") < 60
    settle(places.source)
    run(settings)


@pytest.mark.parametrize("place", ["raw", "public"])
def test_what_is_astray_beside_the_rows_that_changed_is_found_too(place, places, settings):
    """Of a table that is written all the time only the changed rows are loaded, so others stay as somebody left them."""
    table, compared = f"busy_in_{place}", limited(settings, reload_rows=0)
    column, key = ('"Note"', '"Id"') if place == "raw" else ("note", "id")
    ask(places.warehouse, f"UPDATE {place}.{table} SET {column} = 'forged' WHERE {key} = 2")
    ask(places.source, f"UPDATE {table} SET Note = 'other' WHERE Id = 3")
    assert run(compared, table)[table].state == "synced"
    assert ask(
        places.warehouse, f"SELECT count(*) FROM {place}.{table} WHERE {column} = 'forged'"
    ) == [(1,)]
    ask(places.source, f"UPDATE {table} SET Note = 'another' WHERE Id = 1")
    verified_days_ago(places, table, 6.5)
    result = run(compared, table)[table]
    assert (result.method, result.state) == ("compare", "repaired")
    assert [(finding.place, finding.count) for finding in result.found] == [(place, 1)]
    assert oracle.unequal(places, [table]) == {}
    settle(places.source)
    run(settings)


def test_other_rules_hold_for_all_rows_though_few_changed(places, settings, tmp_path):
    own = limited(settings, standardize_dir=tmp_path, reload_rows=0)
    (tmp_path / "ruled.sql").write_text('SELECT "Id" AS id, upper("Note") AS note FROM raw.ruled')
    run(own, "ruled")
    assert ask(places.warehouse, "SELECT note FROM public.ruled ORDER BY id") == [
        ("ONE",),
        ("TWO",),
        ("THREE",),
    ]
    (tmp_path / "ruled.sql").unlink()
    ask(places.source, "UPDATE ruled SET Note = 'other' WHERE Id = 3")
    run(own, "ruled")
    assert oracle.unequal(places, ["ruled"]) == {}
    settle(places.source)
    run(settings)


def test_a_verification_that_failed_leaves_the_table_due(places, settings, tmp_path):
    (tmp_path / "red.sql").write_text("SELECT no_such_column FROM raw.red")
    verified_days_ago(places, "red", 6.5)
    with pytest.raises(TableError):
        run(limited(settings, standardize_dir=tmp_path))
    assert since_verified(places, "red") > 6 * 86_400
    assert run(settings)["red"].state == "verified"


def test_a_table_that_is_verified_has_no_proof_that_a_cache_could_take(places, settings):
    assert plan(settings, "unproven").proof is not None
    verified_days_ago(places, "unproven", 7)
    assert plan(settings, "unproven").proof is None


def test_tables_loaded_together_have_their_first_turns_on_different_days(places, settings):
    turns = [rotation.spread(Limits(_env_file=None), f"table{number}") for number in range(600)]
    assert min(turns) >= DAYS / 7
    assert max(turns) <= DAYS * 6 / 7
    assert all(80 < sum(day <= turn < day + 1 for turn in turns) < 160 for day in range(1, 6))
    turn = rotation.spread(settings.limits, "new")
    for days, due in ((turn - 0.01, False), (turn + 0.01, True)):
        verified_days_ago(places, "new", None)
        ask(
            places.warehouse,
            "UPDATE etl_transform_status SET first_loaded_at = now() - %s * interval '1 day' WHERE table_name = 'new'",
            days,
        )
        assert (plan(settings, "new").method == "verify") is due
    assert plan(settings, "new").reason.startswith("never verified in ")
    assert run(settings)["new"].state == "verified"
    assert run(settings) == {}


def test_a_run_verifies_the_longest_overdue_first_as_far_as_its_budget_goes(places, settings):
    small = limited(settings, verify_seconds=120)
    verified_days_ago(places, "first", 6.9, 100)
    verified_days_ago(places, "second", 6.8, 50)
    verified_days_ago(places, "third", 6.7, 20)
    verified_days_ago(places, "fourth", 6.6, 1)
    assert set(run(small)) == {"first", "third"}
    verified_days_ago(
        places, "fourth", 6.9, 500
    )  # more than any run may take, so it has one of its own
    assert set(run(small)) == {"fourth"}
    assert set(run(small)) == {"second"}
    assert run(small) == {}


def test_without_a_last_time_a_verification_is_estimated_by_the_tables_size(places, settings):
    verified_days_ago(places, "first", 6.9, None)
    planned = plan(settings, "first")
    assert 0 < planned.verify_seconds < 10
    large = limited(settings, verify_seconds=0)
    verified_days_ago(places, "second", 6.8, None)
    assert set(run(large)) == {"first"}  # one at least
    assert set(run(large)) == {"second"}


def test_overdue_tables_that_the_budget_leaves_out_are_named(places, settings):
    verified_days_ago(places, "late", 7.2, 200)
    verified_days_ago(places, "later", 7.1, 200)
    verified_days_ago(places, "soon", 6.9, 200)
    outlook = look(settings)
    assert [each.table for each in outlook.work] == ["late"]
    assert outlook.overdue == ("later",)
    assert look(settings, force_full=True).overdue == ("late", "later")
    assert look(settings, verify=True).overdue == ()


def test_no_days_switch_the_rotation_off(places, settings):
    verified_days_ago(places, "late", 100)
    off = limited(settings, verify_days=0)
    assert look(off).work == ()
    assert look(off).overdue == ()
    assert plan(limited(settings, verify_days=200), "late").method == "skip"


def test_a_verification_that_was_asked_for_starts_the_days_anew(places, settings):
    verified_days_ago(places, "late", 8)
    assert run(settings, "late", verify=True)["late"].reason == "asked for"
    assert run(settings) == {}

"""Models built from changed rows are those of a whole build, row by row and column by column, whatever the days bring.

`make days NUMBER=30` plays as many days in a row with every model, other ones every day; the suite plays a few, the same ones each time.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import base_tables
import pytest
from base_tables import ask
from conftest import settings_for
from leftovers import close_idle
from scripted_days import KEYS, Days

from deployments.databases import Databases
from deployments.servers import Servers
from tasks import build_models, run_dbt
from tasks.models import ModelsPlan
from transfer.postgres import merging, tables
from transfer.postgres.literals import Place
from transfer.postgres.pool import connect
from transfer.settings import Settings
from transfer.warehouse import bookkeeping, builds, changed_rows

pytestmark = pytest.mark.filterwarnings("default")  # those of dbt are not ours

NUMBER = int(os.environ.get("ELT_TEST_DAYS", "0"))
SEED = int(os.environ.get("ELT_TEST_SEED", datetime.now(UTC).toordinal() if NUMBER else 3))
HAPPENINGS = ("built", "built", "built", "killed", "no run")
# In the suite, which has no time for all: those whose rows hang together most.
FEW = (
    "fct_visits",
    "treatment_plan_procedures",
    "case_acceptance",
    "daily_production",
    "int_account_transactions_aggregated_to_days",
    "fct_appointments",
    "dim_patients",
)
# What these are made of.
MADE_OF = (
    "fct_procedures",
    "fct_adjustments",
    "fct_claim_procedures",
    "int_appointment_breaks_matched",
    "int_payment_plan_links_priced",
    "int_preferences_pivoted",
)
MARTS = sorted(path.stem for path in base_tables.PROJECT.glob("models/marts/*/*.sql"))
SIDE, NOTED = Place("", "_elt_side"), Place("", "_elt_noted")


@dataclass
class Side:
    """A warehouse, a connection to it and what the pipeline knows of it."""

    settings: Settings
    connection: Any


@pytest.fixture
def sides(servers: Servers, databases: Databases) -> Iterator[tuple[Side, Side]]:
    """A warehouse whose models are built from changed rows, and one whose models are built as a whole."""
    name = f"{databases.warehouse.name}_whole"
    other = servers.create_databases(databases.source.name, databases.replica.name, name)
    with (
        closing(base_tables.connect(databases.warehouse)) as one,
        closing(base_tables.connect(other.warehouse)) as two,
    ):
        for connection in (one, two):
            base_tables.create(connection)
        for settings in (settings_for(databases), settings_for(other)):
            bookkeeping.prepare(settings.warehouse)
        yield Side(settings_for(databases), one), Side(settings_for(other), two)
    close_idle()
    servers.drop_databases(other)


@pytest.fixture
def in_part(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The models that were made of touched rows alone.

    Random rows fail the tests of the data. Another time zone, by which a new day comes, is no other project here.
    """
    found: set[str] = set()

    def run(settings: Settings, planned: ModelsPlan, build: int) -> list[Any]:
        nodes = run_dbt.run_dbt(settings, planned, build)
        found.update(
            each.node.name
            for each in nodes
            if "elt_touched()" in getattr(each.node, "compiled_code", "")
        )
        return nodes

    monkeypatch.setattr(build_models, "run_dbt", run)
    options, selection = run_dbt._options, run_dbt._selection

    def of_few(planned: ModelsPlan) -> list[str]:
        names = (*FEW, *MADE_OF)
        return ["--select", *(f"+{name}" if planned.whole else name for name in names)]

    monkeypatch.setattr(run_dbt, "_selection", selection if NUMBER else of_few)
    monkeypatch.setattr(
        run_dbt, "_options", lambda: [*options(), "--exclude-resource-type", "test"]
    )
    monkeypatch.setattr(build_models, "project_hash", lambda _zone: "project")
    return found


def test_models_built_from_changed_rows_equal_those_of_a_whole_build(
    sides: tuple[Side, Side], in_part: set[str], monkeypatch: pytest.MonkeyPatch
):
    ours, whole = sides
    random, days = Random(SEED), Days(whole.connection, SEED)  # noqa: S311 - to be drawn again
    days.begin()
    bring(ours, whole, set(KEYS))
    build(ours, 0)
    zone = 0
    for day in range(NUMBER or 1):
        bring(ours, whole, days.play())
        said = f"seed {SEED}, day {day}"
        zone = random.randint(0, 1) if NUMBER else 0
        happens = random.choice(HAPPENINGS) if NUMBER else "built"
        if happens == "killed":
            with monkeypatch.context() as patched:
                kill_after_some(patched, random)
                with pytest.raises(KeyboardInterrupt):
                    build(ours, zone)
        elif happens == "built":
            build(ours, zone)
            anew(whole, zone)
            print(f"{said}: {sorted(in_part)}", file=sys.stderr)
            assert different(ours, whole) == {}, said
    if not NUMBER:  # random days may all be ones that make a model whole
        assert in_part >= set(FEW)


def bring(ours: Side, whole: Side, names: set[str]) -> None:
    """Make base tables equal to the other warehouse's, as `standardize` does."""
    limits = ours.settings.limits
    with connect(ours.settings.warehouse) as connection:
        for name in sorted(names):
            target = Place("public", name)
            first = not ask(
                ours.connection, f"SELECT 1 FROM etl_transform_status WHERE table_name = '{name}'"
            )
            if first:
                connection.run(
                    "",
                    f"INSERT INTO etl_transform_status (table_name, fence, public_name) VALUES ('{name}', 1, '{name}')",
                )
            connection.run("", f"CREATE TEMPORARY TABLE {SIDE} (LIKE {target}) ON COMMIT DROP")
            rows = ask(
                whole.connection,
                f"SELECT string_agg(format('(%s)', (SELECT string_agg(quote_nullable(value), ',') FROM json_each_text(row_to_json(r)))), ',') FROM {name} AS r",
            )[0][0]
            if rows:
                connection.run("", f"INSERT INTO {SIDE} VALUES {rows}")
            merging.create_noted(connection, NOTED)
            fields, key = tables.fields_of(connection, target), tables.key_of(connection, target)
            changes = merging.merge(
                connection, limits, merging.Sides(SIDE, target, fields, key, NOTED)
            )
            if first or changes.any:
                changed_rows.note(
                    connection, ours.settings.warehouse, name, name, None if first else NOTED
                )
                connection.run(
                    "",
                    f"UPDATE etl_transform_status SET public_id = public_id + 1 WHERE table_name = '{name}'",
                )
            connection.commit()


def build(side: Side, zone: int) -> None:
    """Build what is to be built, by the calendar of one of two time zones between which it is never the same day."""
    ask(side.connection, "UPDATE etl_dbt_status SET built_at = built_at - interval '1 day'")
    limits = side.settings.limits.model_copy(update={"time_zone": far_zones()[zone]})
    settings = side.settings.model_copy(update={"limits": limits})
    result = build_models.build(settings, "run")
    assert result.good, result.failed


def anew(side: Side, zone: int) -> None:
    """Build all models from nothing."""
    for layer in ("staging", "intermediate", "marts", "findings"):
        ask(side.connection, f"DROP SCHEMA IF EXISTS public_{layer} CASCADE")
    ask(side.connection, "DELETE FROM etl_dbt_status; DELETE FROM etl_transform_status")
    for name in KEYS:
        ask(
            side.connection,
            f"INSERT INTO etl_transform_status (table_name, fence, public_name, public_id) VALUES ('{name}', 1, '{name}', 1)",
        )
    build(side, zone)


def far_zones() -> list[str]:
    """Two time zones whose dates differ, neither of them around midnight."""
    now = datetime.now(UTC)
    return [
        f"Etc/GMT{-hours:+d}"
        for hours in (
            next(h for h in east if (now + timedelta(hours=h, minutes=30)).hour)
            for east in ((14, 13), (-11, -12))
        )
    ]


def kill_after_some(patched: pytest.MonkeyPatch, random: Random) -> None:
    """Let a build make some of its models, and be killed before it records anything."""
    selection = run_dbt._selection
    some = random.sample(MARTS, 8)

    def of_some(planned: Any) -> list[str]:
        chosen = selection(planned)
        return [*chosen, *([] if "--exclude" in chosen else ["--exclude"]), *some]

    def killed(*_given: object) -> None:
        raise KeyboardInterrupt

    patched.setattr(run_dbt, "_selection", of_some)
    patched.setattr(builds, "note_built", killed)


def different(ours: Side, whole: Side) -> dict[str, tuple[list[str], list[str]]]:
    """Return the rows that only one of them has, by relation."""
    found = {}
    for name in relations(whole):
        one, two = (
            Counter(row for (row,) in ask(side.connection, f"SELECT r::text FROM {name} AS r"))
            for side in (ours, whole)
        )
        if one != two:
            found[name] = sorted(one - two)[:3], sorted(two - one)[:3]
    assert relations(ours) == relations(whole)
    return found


def relations(side: Side) -> list[str]:
    return [
        name
        for (name,) in ask(
            side.connection,
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname LIKE 'public\\_%' ORDER BY 1",
        )
    ]

"""Whatever a practice's tables hold, the models are built: a test that data alone can make fail warns, and names the keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import base_tables
import pytest
from base_tables import SOURCE_TABLES, ask, fill
from conftest import settings_for

from deployments.databases import Databases

TODAY = datetime.now(UTC).date()
SEED = int(os.environ.get("ELT_TEST_SEED", TODAY.toordinal()))
ROWS = 100
# Where a table's numbers come from is not said: a few small ones are both keys and references, 0 and missing ones among them.
NUMBERS = (0, 0, *range(1, ROWS + 1), 999)
CODES = (*range(10), 29, 77, 255)
# None is OpenDental's 0001-01-01; the others are what somebody mistyped.
ODD_DAYS = (
    None,
    None,
    None,
    None,
    date(216, 5, 4),
    date(1899, 12, 31),
    date(2206, 2, 3),
    date(9999, 12, 31),
)
AMOUNTS = (0.0, -1.0, 10.0, 33.33, 100.0, -70.07, 29.999999999999996, 1e9)
WORDS = (
    "",
    "A",
    "P",
    "PreAuth",
    "R",
    "S",
    "X",
    "D9986",
    "D9987",
    "D1110",
    "//XX",
    "+",
    "-",
    "Other",
    "Cap",
    "2",
    "1,2",
)
PREFERENCES = {
    "AgingProcLifo": ("0", "1", "2", "x"),
    "PayPlansVersion": ("1", "2", "3", "4", "9"),
    "ReportsPPOwriteoffDefaultToProcDate": ("0", "1", "2", ""),
    "ReportPandIschedProdSubtractsWO": ("0", "1"),
    "BrokenApptProcedure": ("0", "1", "2", "3"),
    "BrokenAppointmentAdjustmentType": ("0", "5"),
    "RecallTypesShowingInList": ("", "1,2,3"),
    "RecallExcludeIfAnyFutureAppt": ("0", "1"),
    "DataBaseVersion": ("24.3.10.0", "24.1.1.0", "22.4.1.0", ""),
}


@pytest.fixture(scope="module")
def warehouse(module_databases: Databases) -> Iterator[Any]:
    with closing(base_tables.connect(module_databases.warehouse)) as connection:
        base_tables.create(connection)
        yield connection


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [SEED])
def test_models_are_built_from_any_data_and_what_is_odd_is_named(
    warehouse: Any, module_databases: Databases, seed: int
):
    random = Random(seed)  # noqa: S311 - to be drawn again
    for table in SOURCE_TABLES:
        fill(warehouse, table["name"], rows(random, table))
    settings = settings_for(module_databases)
    results = base_tables.dbt(settings, "build", "--exclude-resource-type", "unit_test")
    warned = [each for each in results if each.status == "warn"]
    assert warned
    for each in warned:
        if each.node.should_store_failures:
            ((stored,),) = ask(warehouse, f"SELECT count(*) FROM {each.node.relation_name}")
            assert stored == each.failures > 0, each.node.name


def rows(random: Random, table: dict[str, Any]) -> list[dict[str, object]]:
    if table["name"] == "preference":
        chosen = [(name, random.choice(values)) for name, values in PREFERENCES.items()]
        return [
            {"pref_num": place, "pref_name": name, "value_string": value}
            for place, (name, value) in enumerate(chosen)
        ]
    key, *others = table["columns"]
    return [
        {key["name"]: number} | {each["name"]: value(random, each["data_type"]) for each in others}
        for number in range(1, ROWS + 1)
    ]


def value(random: Random, kind: str) -> object:
    day = TODAY + timedelta(days=random.randint(-900, 90))
    if random.random() < 0.12:
        day = random.choice(ODD_DAYS)
    values: dict[str, object] = {
        "bigint": random.choice(NUMBERS),
        "text": random.choice(WORDS),
        "date": day,
        "interval": timedelta(minutes=random.randint(0, 1439)),
    }
    if kind in ("smallint", "integer"):
        return random.choice(CODES[:10] if random.random() < 0.9 else CODES)
    if kind in ("double precision", "real"):
        return random.choice(AMOUNTS)
    return values.get(
        kind, day and datetime(day.year, day.month, day.day, random.randint(0, 23), 30, tzinfo=UTC)
    )

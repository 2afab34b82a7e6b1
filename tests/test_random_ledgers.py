"""Random families' balances in the marts equal those of an aging in Python, for every combination of settings.

`make ledgers NUMBER=2000` compares as many families; the suite takes a few, of other combinations every day.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from random import Random
from typing import Any

import aging_oracle
import base_tables
import pytest
from aging_oracle import HIDDEN, VISIBLE, Rules, Tables
from base_tables import ask, fill
from ledgers import TABLES, Families

from deployments.databases import Databases

NUMBER = int(os.environ.get("ELT_TEST_LEDGERS", "0"))
SEED = int(os.environ.get("ELT_TEST_SEED", "0"))
FEW = 40
RELEASES = ((24, 3), (24, 1), (23, 1))
COMBINATIONS = list(product((1, 2, 3, 4), (True, False), RELEASES))
AMOUNTS = (*aging_oracle.BUCKETS, "balance_total", "insurance_estimate", "payment_plan_due")
# With the views that go with the table of links when that is replaced.
ACCOUNTS = (
    "int_payment_plan_links_priced",
    "int_account_transactions_unioned",
    "int_account_transactions_netted",
    "int_account_transactions_aggregated_to_days",
    "int_family_balances_aged",
    "ar_aging",
    "ar_aging_monthly",
    "ledger_findings",
    "reconciliation_balances",
    "reconciliation_receivables",
)
TESTS = ("assert_family_balances_equal_their_transactions", "assert_the_ledger_has_no_findings")


def chosen() -> list[tuple[int, bool, tuple[int, int]]]:
    """All combinations, or what there is time for in the suite: two that have dynamic plans, of another day every day."""
    if NUMBER:
        return COMBINATIONS
    today = Random(date.today().toordinal())
    return [
        (2, True, today.choice(RELEASES)),
        today.choice([each for each in COMBINATIONS if each[:2] != (2, True)]),
    ]


@pytest.fixture(scope="module")
def warehouse(module_databases: Databases) -> Iterator[Any]:
    with closing(base_tables.connect(module_databases.warehouse)) as connection:
        base_tables.create(connection)
        fill(
            connection,
            "definition",
            [
                {"def_num": VISIBLE, "category": 29, "item_value": ""},
                {"def_num": HIDDEN, "category": 29, "item_value": "X"},
            ],
        )
        yield connection


@pytest.fixture(scope="module")
def dbt(
    warehouse: Any, module_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    target = tmp_path_factory.mktemp("dbt")

    def run(*arguments: str) -> str:
        done = base_tables.dbt(module_databases, target, *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    kinds = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
    run("build", "--select", *(f"+{name}" for name in ACCOUNTS), *kinds)
    return run


@pytest.mark.parametrize(("plans", "lifo", "release"), chosen())
def test_balances_of_random_families_equal_the_oracles(
    warehouse: Any, dbt: Callable[..., str], plans: int, lifo: bool, release: tuple[int, int]
):
    place = COMBINATIONS.index((plans, lifo, release))
    random = Random(SEED * 1000 + place)
    rules = Rules(lifo, plans, release, days_ahead=random.choice((0, 10)))
    ((today,),) = ask(warehouse, "SELECT practice_date FROM (SELECT as_of_date AS practice_date FROM public_intermediate.int_as_of_date) AS days")
    last_aging = today - timedelta(days=random.randint(1, 40))
    snapshots = [today - timedelta(days=days) for days in random.sample(range(1, 200), 4)]
    days = [today, last_aging, *snapshots]
    families = Families(SEED * 1000 + place, days)
    tables = families.write(-(-NUMBER // len(COMBINATIONS)) if NUMBER else FEW)
    write(warehouse, tables, rules, last_aging, snapshots)
    told = dbt("build", "--select", *ACCOUNTS, *TESTS, "--exclude-resource-type", "unit_test")

    listed = ask(warehouse, "SELECT as_of_date, is_historic FROM public_intermediate.int_aging_dates_listed")
    assert {(today, False), (last_aging, False), *((day, True) for day in snapshots)} <= set(listed)
    compared = different = 0
    for as_of, historic in listed:
        wanted = aging_oracle.families(tables, rules, as_of, historic=historic)
        found = balances(warehouse, as_of, historic)
        wrong = {name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)}
        compared += len(wanted)
        different += len(wrong)
        for guarantor in sorted(wrong)[:3]:
            print(as_of, historic, guarantor, wanted.get(guarantor), found.get(guarantor))
    print(f"{families.family} families, {len(listed)} days, {compared} compared, {different} different")
    assert different == 0
    assert compared > families.family
    assert ask(warehouse, "SELECT record_id, check_name, ours, opendentals FROM public_marts.reconciliation_balances WHERE is_different") == []
    assert ask(warehouse, "SELECT * FROM public_marts.reconciliation_receivables WHERE is_different") == []
    assert reported(warehouse) == set(balances(warehouse, today, False)) & {row["pat_num"] for row in tables["patient"]}
    assert "WARN" in told


def write(warehouse: Any, tables: Tables, rules: Rules, last_aging: date, snapshots: list[date]) -> None:
    """The families, and what OpenDental would have stored of them."""
    stored = aging_oracle.families(tables, rules, last_aging, historic=False)
    own = aging_oracle.patients(tables, rules, last_aging)
    names = ("bal_0_30", "bal_31_60", "bal_61_90", "bal_over90", "bal_total", "ins_est", "pay_plan_due")
    patients = [
        row
        | {name: stored.get(row["pat_num"], {}).get(ours, 0) for name, ours in zip(names, AMOUNTS, strict=True)}
        | {"est_balance": own[row["pat_num"]]}
        for row in tables["patient"]
    ]
    for table in TABLES:
        fill(warehouse, table, patients if table == "patient" else tables[table])
    preferences = {
        "AgingProcLifo": "1" if rules.lifo else "2",
        "PayPlansVersion": str(rules.plans),
        "PayPlansBillInAdvanceDays": str(rules.days_ahead),
        "DataBaseVersion": f"{rules.release[0]}.{rules.release[1]}.7.0",
        "DateLastAging": str(last_aging),
    }
    fill(
        warehouse,
        "preference",
        [
            {"pref_num": place, "pref_name": name, "value_string": value}
            for place, (name, value) in enumerate(preferences.items(), 1)
        ],
    )
    months = []
    for place, day in enumerate(snapshots, 1):
        amounts = aging_oracle.families(tables, rules, day, historic=True).values()
        total = sum((sum(each[bucket] for bucket in aging_oracle.BUCKETS) for each in amounts), Decimal(0))
        estimate = sum((each["insurance_estimate"] for each in amounts), Decimal(0))
        months.append({"dashboard_ar_num": place, "date_calc": day, "bal_total": total, "ins_est": estimate})
    fill(warehouse, "dashboardar", months)


def balances(warehouse: Any, as_of: date, historic: bool) -> dict[int, dict[str, Decimal]]:
    rows = ask(
        warehouse,
        f"SELECT guarantor_id, {', '.join(AMOUNTS)} FROM public_intermediate.int_family_balances_aged"
        " WHERE as_of_date = %s AND is_historic = %s",
        as_of,
        historic,
    )
    return {guarantor: dict(zip(AMOUNTS, amounts, strict=True)) for guarantor, *amounts in rows}


def reported(warehouse: Any) -> set[int]:
    return {guarantor for (guarantor,) in ask(warehouse, "SELECT guarantor_id FROM public_marts.ar_aging")}

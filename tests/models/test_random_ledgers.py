"""Random families' balances in the marts equal those of an aging in Python, for every combination of settings.

`make ledgers NUMBER=2000` compares as many families, other ones every day; the suite takes a few, the same ones each time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from random import Random
from typing import Any

import aging_oracle
import base_tables
import pytest
from aging_oracle import HIDDEN, VISIBLE, Amounts, Rules, Tables
from base_tables import ask, fill
from conftest import in_the_suite, settings_for
from ledgers import TABLES, Families

from deployments.databases import Databases

NUMBER = int(os.environ.get("ELT_TEST_LEDGERS", "0"))
FEW = 40
RELEASES = ((24, 3), (24, 1), (23, 1))
COMBINATIONS = list(product((1, 2, 3, 4), (True, False), RELEASES))
AMOUNTS = (
    *aging_oracle.BUCKETS,
    "credit_balance",
    "balance_total",
    "insurance_estimate",
    "payment_plan_due",
)
STORED = {
    "bal_0_30": "balance_0_to_30",
    "bal_31_60": "balance_31_to_60",
    "bal_61_90": "balance_61_to_90",
    "bal_over90": "balance_over_90",
    "bal_total": "balance_total",
    "ins_est": "insurance_estimate",
    "pay_plan_due": "payment_plan_due",
}
# With the tables of settings and days that they read.
ACCOUNTS = (
    "int_preferences_pivoted",
    "int_aging_dates_listed",
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
    """All combinations, or those that there is time for: the usual settings, and the most unlike them."""
    few = in_the_suite((2, True, RELEASES[0]), of=[(2, True, RELEASES[0]), (3, False, RELEASES[1])])
    return COMBINATIONS if NUMBER else few


# In the suite the same families each time, as a stranger's first run is to be green whatever the day.
SEED = int(os.environ.get("ELT_TEST_SEED", datetime.now(UTC).toordinal() if NUMBER else 1))


@pytest.fixture(scope="module")
def warehouse(module_databases: Databases) -> Iterator[Any]:
    types = ((VISIBLE, ""), (HIDDEN, "X"))
    with closing(base_tables.connect(module_databases.warehouse)) as connection:
        base_tables.create(connection)
        fill(
            connection,
            "definition",
            [{"def_num": number, "category": 29, "item_value": value} for number, value in types],
        )
        yield connection


@pytest.fixture(scope="module")
def dbt(warehouse: Any, module_databases: Databases) -> Callable[[], list[Any]]:
    """Builds the accounts and tests them; what they read, views and the day, the first time only."""
    settings = settings_for(module_databases)
    options = (
        "--exclude-resource-type=unit_test",
        "--exclude=test_name:primary_key",
        "--indirect-selection=cautious",
    )

    def build() -> list[Any]:
        built = ask(warehouse, "SELECT to_regclass('public_marts.ar_aging')") != [(None,)]
        chosen = [*(name if built else f"+{name}" for name in ACCOUNTS), *TESTS]
        return base_tables.dbt(settings, "build", *options, "--select", *chosen)

    return build


@pytest.mark.parametrize(("plans", "lifo", "release"), chosen())
def test_balances_of_random_families_equal_the_oracles(
    warehouse: Any, dbt: Callable[[], list[Any]], plans: int, lifo: bool, release: tuple[int, int]
):
    seed = SEED * 100 + COMBINATIONS.index((plans, lifo, release))
    random = Random(seed)  # noqa: S311 - to be drawn again
    rules = Rules(lifo, plans, release, days_ahead=random.choice((0, 10)))
    today = _today(warehouse)
    last_aging, *snapshots = (
        today - timedelta(days=days) for days in random.sample(range(1, 200), 5)
    )
    families = Families(seed, [today, last_aging, *snapshots])
    tables = families.write(-(-NUMBER // len(COMBINATIONS)) or FEW)
    _write(warehouse, tables, rules, last_aging, snapshots)
    told = dbt()

    days = ask(
        warehouse, "SELECT as_of_date, is_historic FROM public_intermediate.int_aging_dates_listed"
    )
    assert {(today, False), (last_aging, False), *((day, True) for day in snapshots)} <= set(days)
    compared, different = 0, {}
    for as_of, historic in days:
        wanted = aging_oracle.families(tables, rules, as_of, historic=historic)
        found = _balances(warehouse, as_of, historic)
        compared += len(wanted)
        for guarantor in wanted.keys() | found.keys():
            if wanted.get(guarantor) != found.get(guarantor):
                different[as_of, historic, guarantor] = wanted.get(guarantor), found.get(guarantor)
    said = f"seed {seed}: {families.family} families, {len(days)} days, {compared} compared, {len(different)} different"
    print(said, file=sys.stderr)
    assert not different, f"{said}: {list(different.items())[:3]}"
    assert compared > families.family
    _assert_marts_agree(warehouse, tables, today)
    assert any(each.status == "warn" for each in told)


def _today(warehouse: Any) -> date:
    """The day that the models reckon by, which stays what it was at the first build."""
    if ask(warehouse, "SELECT to_regclass('public_intermediate.int_as_of_date')") == [(None,)]:
        return datetime.now(UTC).date()
    ((today,),) = ask(warehouse, "SELECT as_of_date FROM public_intermediate.int_as_of_date")
    return today


def _write(
    warehouse: Any, tables: Tables, rules: Rules, last_aging: date, snapshots: list[date]
) -> None:
    """Write the families, and what OpenDental would have stored of them."""
    stored = aging_oracle.families(tables, rules, last_aging, historic=False)
    own = aging_oracle.patients(tables, rules, last_aging)
    for table in TABLES:
        fill(warehouse, table, tables[table])
    for row in tables["patient"]:
        of_family = stored.get(row["pat_num"], dict.fromkeys(AMOUNTS, 0))
        amounts = {name: of_family[ours] for name, ours in STORED.items()}
        amounts["est_balance"] = own.get(row["pat_num"], 0)
        changes = ", ".join(f"{name} = %s" for name in amounts)
        ask(
            warehouse,
            f"UPDATE patient SET {changes} WHERE pat_num = %s",
            *amounts.values(),
            row["pat_num"],
        )
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
        amounts_of_day = aging_oracle.families(tables, rules, day, historic=True).values()
        receivables = sum((_owed(each) for each in amounts_of_day), Decimal(0))
        estimate = sum((each["insurance_estimate"] for each in amounts_of_day), Decimal(0))
        months.append(
            {
                "dashboard_ar_num": place,
                "date_calc": day,
                "bal_total": receivables,
                "ins_est": estimate,
            }
        )
    fill(warehouse, "dashboardar", months)


def _assert_marts_agree(warehouse: Any, tables: Tables, today: date) -> None:
    """What is reported is what was aged, of families with a guarantor, and differs from nothing that was stored."""
    for name in ("balances", "receivables"):
        assert (
            ask(warehouse, f"SELECT * FROM public_marts.reconciliation_{name} WHERE is_different")
            == []
        )
    people = {row["pat_num"] for row in tables["patient"]}
    aged = _balances(warehouse, today, historic=False)
    columns = f"guarantor_id, {', '.join(AMOUNTS)}"
    reported = _by_guarantor(ask(warehouse, f"SELECT {columns} FROM public_marts.ar_aging"))
    assert reported == {
        guarantor: amounts for guarantor, amounts in aged.items() if guarantor in people
    }
    unplaced = "SELECT record_id, amount FROM public_marts.ledger_findings WHERE finding = 'Family without a guarantor'"
    left_out = {
        guarantor: amounts["balance_total"]
        for guarantor, amounts in aged.items()
        if guarantor not in people
    }
    assert dict(ask(warehouse, unplaced)) == left_out
    months = ask(
        warehouse,
        "SELECT month_end_date, sum(ar_total) FROM public_marts.ar_aging_monthly GROUP BY 1",
    )
    for day, receivables in months:
        of_day = _balances(warehouse, day, historic=True)
        assert receivables == sum(
            _owed(amounts) for guarantor, amounts in of_day.items() if guarantor in people
        ), day


def _owed(amounts: Amounts) -> Decimal:
    return sum((amounts[bucket] for bucket in aging_oracle.BUCKETS), Decimal(0))


def _balances(warehouse: Any, as_of: date, historic: bool) -> dict[int, Amounts]:
    return _by_guarantor(
        ask(
            warehouse,
            f"SELECT guarantor_id, {', '.join(AMOUNTS)} FROM public_intermediate.int_family_balances_aged"
            " WHERE as_of_date = %s AND is_historic = %s",
            as_of,
            historic,
        )
    )


def _by_guarantor(rows: list[tuple[Any, ...]]) -> dict[int, Amounts]:
    return {guarantor: dict(zip(AMOUNTS, amounts, strict=True)) for guarantor, *amounts in rows}

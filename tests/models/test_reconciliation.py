"""The marts' balances, claims and payments equal what OpenDental stored, and an error planted there shows up."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from conftest import in_the_suite, settings_for
from oracle import Places, ask
from runs import run, settle

from deployments.clinic import connect, create, play_day
from deployments.databases import Databases
from deployments.servers import Servers
from tasks.build_models import build
from tasks.dbt_project import sources
from tasks.models import ModelsResult
from transfer.settings import Settings

pytestmark = pytest.mark.filterwarnings("default")  # those of dbt are not ours

GROUPS = {"balances", "receivables", "claims", "payments", "insurance payments"}
# A row of OpenDental's with an amount in it, and the group in which a change of it must show up.
PLANTED = (
    ("balances", "patient", "PatNum", "BalTotal", "BalTotal > 0 AND Guarantor = PatNum"),
    ("balances", "patient", "PatNum", "EstBalance", "EstBalance < 0 AND Guarantor <> PatNum"),
    ("balances", "patient", "PatNum", "PayPlanDue", "PayPlanDue > 0 AND Guarantor = PatNum"),
    ("receivables", "dashboardar", "DashboardARNum", "BalTotal", "BalTotal > 0"),
    ("claims", "claim", "ClaimNum", "WriteOff", "WriteOff > 0"),
    ("payments", "payment", "PayNum", "PayAmt", "PayAmt > 0"),
    ("insurance payments", "claimpayment", "ClaimPaymentNum", "CheckAmt", "CheckAmt > 0"),
)


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return settings_for(module_databases)


@pytest.fixture(scope="module")
def places(servers: Servers, module_databases: Databases) -> Iterator[Places]:
    names, source = module_databases, servers.source
    with (
        closing(
            connect(source.host, source.port, source.user, source.password, names.source.name)
        ) as clinic,
        closing(servers.replica.connect(names.replica.name)) as replica,
        closing(servers.postgres.connect(names.warehouse.name)) as warehouse,
    ):
        create(clinic, 150, seed=11, as_of=date(2026, 10, 22))
        yield Places(clinic, replica, warehouse)


def bring(places: Places, settings: Settings) -> ModelsResult:
    settle(places.source)
    run(settings, *sorted(sources()))
    return build(settings, "run")


def summary(places: Places) -> dict[str, tuple[int, int]]:
    rows = ask(
        places.warehouse,
        "SELECT check_group, sum(records)::int, sum(differing)::int FROM public_marts.reconciliation_summary GROUP BY 1",
    )
    return {group: (records, differing) for group, records, differing in rows}


@pytest.fixture(scope="module")
def reconciled(places: Places, settings: Settings) -> ModelsResult:
    return bring(places, settings)


def test_a_generated_clinic_reconciles_to_the_cent(places: Places, reconciled: ModelsResult):
    assert (reconciled.failed, reconciled.warned) == ((), ())
    found = summary(places)
    assert set(found) == GROUPS
    assert {group: differing for group, (_, differing) in found.items()} == dict.fromkeys(GROUPS, 0)
    assert min(records for records, _ in found.values()) > 0


def test_a_planted_error_shows_up_where_it_belongs(
    places: Places, settings: Settings, reconciled: ModelsResult
):
    changed: list[tuple[Any, ...]] = []
    for group, table, key, column, condition in PLANTED:
        ((number,),) = ask(
            places.source,
            f"SELECT {key} FROM {table} WHERE {condition} ORDER BY {key} DESC LIMIT 1",
        )
        ask(places.source, f"UPDATE {table} SET {column} = {column} + 0.25 WHERE {key} = {number}")
        changed.append((group, table, key, column, number))
    result = bring(places, settings)
    assert (result.failed, result.warned) == (
        (),
        ("test assert_numbers_reconcile_with_opendental: 7 rows fail",),
    )
    shown = {
        (group, number, difference)
        for group in GROUPS
        for number, difference in ask(
            places.warehouse,
            f"SELECT record_id, difference FROM public_marts.reconciliation_{group.replace(' ', '_')} WHERE is_different",
        )
    }
    assert shown == {(group, number, Decimal("-0.25")) for group, *_, number in changed}
    assert sum(differing for _, differing in summary(places).values()) == len(PLANTED)
    for _, table, key, column, number in changed:
        ask(places.source, f"UPDATE {table} SET {column} = {column} - 0.25 WHERE {key} = {number}")


@pytest.mark.thorough
def test_it_still_does_after_days_of_practice(
    places: Places, settings: Settings, reconciled: ModelsResult
):
    for _ in range(*in_the_suite(3, of=[12])):
        play_day(places.source)
    assert bring(places, settings).failed == ()
    found = {group: differing for group, (_, differing) in summary(places).items()}
    # OpenDental keeps its month ends as they once were: a merge, say, changes whose debts make up for whose credits.
    found.pop("receivables")
    assert found == dict.fromkeys(GROUPS - {"receivables"}, 0)
    latest = "SELECT differing FROM (SELECT DISTINCT ON (check_name) is_different::int AS differing"
    latest += " FROM public_marts.reconciliation_receivables ORDER BY check_name, record_date DESC) AS months"
    assert ask(places.warehouse, latest) == [(0,), (0,)]

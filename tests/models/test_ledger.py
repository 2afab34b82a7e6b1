"""The synthetic clinic's ledger: OpenDental's rules of aging, by cases with amounts in cents."""

from datetime import date, timedelta

import polars as pl
import pytest

from deployments.clinic import ledger

TODAY = date(2026, 11, 20)
MOTHER, CHILD, STRANGER = 1, 2, 3
PEOPLE = pl.DataFrame(
    {"PatNum": [MOTHER, CHILD, STRANGER], "Guarantor": [MOTHER, MOTHER, STRANGER]}
)
NOWHERE = {"ProcNum": 0, "proc_day": None}


def ago(days):
    return TODAY - timedelta(days=days)


def entry(days, dollars, patient=MOTHER, *, of=None, waits=False):
    """An entry so many days ago; `of` is the age of the procedure it belongs to."""
    belongs = {"ProcNum": of, "proc_day": ago(of)} if of else NOWHERE
    return {"PatNum": patient, "day": ago(days), "cents": dollars * 100, **belongs, "waits": waits}


def account(*entries, estimates=(), dues=()):
    return ledger.Account(
        pl.DataFrame(list(entries), schema=ledger.ENTRY),
        pl.DataFrame(list(estimates), schema=ledger.ESTIMATE, orient="row"),
        pl.DataFrame(list(dues), schema=ledger.DUE, orient="row"),
    )


def aged(*entries, lifo=True, patient=MOTHER, column=None, ahead=0, **more):
    found = ledger.balances(account(*entries, **more), PEOPLE, TODAY, lifo=lifo, due_ahead=ahead)
    row = found.row(by_predicate=pl.col("PatNum") == patient, named=True)
    if column:
        return row[column] / 100
    return [row[name] / 100 for name in ("Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90")]


GOLDEN = {
    "a credit a little later": (
        [entry(85, 100), entry(55, 10, of=85), entry(2, -8, of=85)],
        [0, 10, 92, 0],
        [0, 10, 92, 0],
    ),
    "a credit of the older procedure": (
        [entry(85, 100), entry(55, 150), entry(2, -100, of=85)],
        [0, 150, 0, 0],
        [0, 150, 0, 0],
    ),
    "a credit of the younger procedure": (
        [entry(85, 100), entry(55, 150), entry(2, -100, of=55)],
        [0, 50, 100, 0],
        [0, 150, 0, 0],
    ),
    "a credit that exceeds its bucket": (
        [entry(95, 1000), entry(85, 100), entry(40, 10, of=85), entry(2, -800, of=85)],
        [0, 10, 0, 300],
        [0, 10, 100, 200],
    ),
    "both signs on one day": (
        [entry(85, 100), entry(2, 30, of=85), entry(2, -50, of=85), entry(95, 40)],
        [0, 0, 80, 40],
        [30, 0, 90, 0],
    ),
    "a plan's credit of the younger procedure": (
        [
            entry(95, 70),
            entry(40, 500),
            entry(40, -500, of=40, waits=True),
            entry(10, 50, waits=True),
        ],
        [50, 0, 0, 70],
        [50, 70, 0, 0],
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_cases_with_and_without_netting_by_procedure(case):
    entries, netted, plain = GOLDEN[case]
    assert aged(*entries) == netted
    assert aged(*entries, lifo=False) == plain


def test_bounds_of_the_buckets():
    entries = [
        entry(days, 2**place) for place, days in enumerate([0, 30, 31, 60, 61, 90, 91, 4000])
    ]
    assert aged(*entries) == [1 + 2, 4 + 8, 16 + 32, 64 + 128]


def test_credits_are_used_up_from_the_oldest_bucket_on():
    charges = [entry(5, 100), entry(35, 100), entry(65, 100), entry(95, 100)]
    assert aged(*charges, entry(0, -250)) == [100, 50, 0, 0]
    assert aged(*charges, entry(200, -1000)) == [0, 0, 0, 0]
    assert aged(*charges, entry(200, -1000), column="BalTotal") == -600


def test_a_family_is_aged_together_and_on_its_guarantors_row_only():
    entries = [entry(95, 100, CHILD), entry(5, -30), entry(5, 40, STRANGER)]
    assert aged(*entries) == [0, 0, 0, 70]
    assert aged(*entries, patient=CHILD) == [0, 0, 0, 0]
    assert aged(*entries, patient=STRANGER) == [40, 0, 0, 0]
    assert [
        aged(*entries, patient=who, column="EstBalance") for who in (MOTHER, CHILD, STRANGER)
    ] == [-30, 100, 40]
    assert [
        aged(*entries, patient=who, column="BalTotal") for who in (MOTHER, CHILD, STRANGER)
    ] == [70, 0, 40]


def test_what_is_dated_ahead_is_in_the_total_only():
    entries = [entry(40, 100), entry(-3, -60), entry(-8, 5)]
    assert aged(*entries) == [0, 100, 0, 0]
    assert aged(*entries, column="BalTotal") == 45


def test_what_is_netted_with_a_procedure_counts_at_its_day_even_if_dated_ahead():
    entries = [entry(40, 100), entry(-10, -30, of=40)]
    assert aged(*entries) == [0, 70, 0, 0]
    assert aged(*entries, lifo=False) == [0, 100, 0, 0]
    assert aged(entry(2, 100), entry(60, -10, of=2)) == [90, 0, 0, 0]


def test_a_plans_charges_count_from_their_day_on():
    entries = [
        entry(0, 20, waits=True),
        entry(-1, 20, waits=True),
        entry(-1, -500, of=10, waits=True),
    ]
    assert aged(*entries) == [20, 0, 0, 0]
    assert aged(*entries, column="BalTotal") == 20


def test_what_insurance_is_to_cover_counts_until_it_answers():
    estimates = [
        (CHILD, ago(50), None, 8_000),
        (MOTHER, ago(50), ago(1), 500),
        (STRANGER, ago(2), None, 100),
    ]
    assert aged(estimates=estimates, column="InsEst") == 80
    assert aged(estimates=estimates, column="InsEst", patient=CHILD) == 0
    assert aged(estimates=estimates, column="InsEst", patient=STRANGER) == 1


def test_a_plans_debits_are_due_some_days_ahead_and_less_what_was_paid():
    dues = [
        (CHILD, ago(20), 4_000),
        (CHILD, ago(-10), 4_000),
        (CHILD, ago(-11), 4_000),
        (CHILD, ledger.LONG_AGO, -1_500),
    ]
    assert aged(dues=dues, column="PayPlanDue", ahead=10) == 65
    assert aged(dues=dues, column="PayPlanDue") == 25


def test_month_ends():
    assert ledger.month_ends(date(2026, 3, 1), 3) == [
        date(2025, 12, 31),
        date(2026, 1, 31),
        date(2026, 2, 28),
    ]
    assert ledger.month_ends(date(2026, 3, 31), 1) == [date(2026, 2, 28)]


def test_receivables_of_a_past_day_know_of_later_entries_what_was_netted_with_a_procedure():
    entries = [
        entry(95, 100),
        entry(40, 50, STRANGER),
        entry(20, -30),
        entry(20, -100, STRANGER),
        entry(10, -70, of=95),
    ]
    estimates = [
        (MOTHER, ago(50), ago(15), 700),
        (MOTHER, ago(50), None, 50),
        (MOTHER, ago(10), None, 9),
    ]
    days = [ago(35), ago(16), TODAY]
    found = ledger.receivables(account(*entries, estimates=estimates), PEOPLE, days, lifo=True)
    assert found.rows() == [(days[0], 8_000, 750), (days[1], 0, 750), (days[2], 0, 59)]

"""The oracle of the random ledgers says what OpenDental's own public tests expect."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import aging_oracle
import pytest
from aging_oracle import Rules, Tables
from ledgers import TABLES

TODAY = date(2026, 11, 20)
SOMEBODY = 1
NEW, OLD = (24, 3), (24, 1)


@dataclass
class Ledger:
    """One patient's rows; ages are days before today, a number is what a row is called by others."""

    tables: Tables = field(default_factory=lambda: {name: [] for name in TABLES})

    def __post_init__(self) -> None:
        self._add("patient", pat_num=SOMEBODY, guarantor=SOMEBODY)

    def _add(self, table: str, **row: Any) -> int:
        self.tables[table].append(row)
        return len(self.tables[table])

    def procedure(self, age: int, fee: int, *, status: int = 2) -> int:
        where = {"proc_num": len(self.tables["procedurelog"]) + 1, "prov_num": 1, "clinic_num": 0}
        discounts = {"discount": 5, "discount_plan_amt": 0}
        return self._add(
            "procedurelog",
            pat_num=SOMEBODY,
            proc_status=status,
            proc_fee=fee,
            unit_qty=1,
            base_units=0,
            proc_date=ago(age),
            **where,
            **discounts,
        )

    def adjustment(self, age: int, amount: float, of: int = 0) -> int:
        its_day = self.tables["procedurelog"][of - 1]["proc_date"] if of else None
        where = {"adj_num": len(self.tables["adjustment"]) + 1, "prov_num": 1, "clinic_num": 0}
        return self._add(
            "adjustment",
            pat_num=SOMEBODY,
            proc_num=of,
            adj_amt=amount,
            adj_date=ago(age),
            proc_date=its_day,
            **where,
        )

    def plan(self, *, option: int = 0) -> int:
        number = len(self.tables["payplan"]) + 1
        return self._add(
            "payplan",
            pay_plan_num=number,
            pat_num=SOMEBODY,
            plan_num=0,
            is_closed=0,
            is_dynamic=1,
            dynamic_pay_plan_tp_option=option,
            completed_amt=0,
            pay_plan_date=TODAY,
        )

    def charge(self, age: int, principal: float, *, credit: bool = False, of: int = 0) -> None:
        self._add(
            "payplancharge",
            pay_plan_num=1,
            pat_num=SOMEBODY,
            guarantor=SOMEBODY,
            proc_num=of,
            charge_type=int(credit),
            principal=principal,
            interest=0,
            charge_date=ago(age),
        )

    def link(self, age: int, *, procedure: int = 0, adjustment: int = 0) -> None:
        self._add(
            "payplanlink",
            pay_plan_num=1,
            link_type=2 if procedure else 1,
            f_key=procedure or adjustment,
            amount_override=0,
            sec_date_t_entry=ago(age),
        )

    def aged(
        self, *, lifo: bool = True, plans: int = 2, release: tuple[int, int] = NEW, age: int = 0
    ) -> list[float]:
        """The buckets and what is due of plans, as of so many days ago."""
        found = aging_oracle.families(
            self.tables, Rules(lifo, plans, release), ago(age), historic=age > 0
        )
        amounts = found.get(SOMEBODY, {})
        return [float(amounts.get(name, 0)) for name in (*aging_oracle.BUCKETS, "payment_plan_due")]


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def ledger(
    *procedures: tuple[int, int], adjustments: tuple[tuple[int, float, int], ...] = ()
) -> Ledger:
    """Procedures by age and fee; adjustments by age, amount and the place of their procedure, or 0."""
    made = Ledger()
    for age, fee in procedures:
        made.procedure(age, fee)
    for age, amount, of in adjustments:
        made.adjustment(age, amount, of)
    return made


ATTACHED = {
    "case 1": (
        ledger((85, 100), adjustments=((55, 10, 1), (2, -8, 1))),
        [0, 10, 92, 0],
        [0, 10, 92, 0],
    ),
    "case 2": (
        ledger((85, 100), (55, 150), adjustments=((2, -100, 1),)),
        [0, 150, 0, 0],
        [0, 150, 0, 0],
    ),
    "case 3": (
        ledger((85, 100), (55, 150), adjustments=((2, -100, 0),)),
        [0, 150, 0, 0],
        [0, 150, 0, 0],
    ),
    "case 4": (
        ledger((85, 100), (55, 150), adjustments=((2, -100, 2),)),
        [0, 50, 100, 0],
        [0, 150, 0, 0],
    ),
    "case 5": (
        ledger((95, 1000), (85, 100), adjustments=((40, 10, 2), (2, -800, 2))),
        [0, 10, 0, 300],
        [0, 10, 100, 200],
    ),
    "case 5B": (
        ledger(
            (95, 1000),
            (85, 100),
            adjustments=((40, 4, 2), (40, 6, 2), (2, -200, 2), (2, -250, 2), (2, -350, 2)),
        ),
        [0, 10, 0, 300],
        [0, 10, 100, 200],
    ),
    "case 5C": (
        ledger((95, 1000), (85, 100), adjustments=((40, -800, 2), (2, 10, 2))),
        [10, 0, 0, 300],
        [10, 0, 100, 200],
    ),
    "case 6": (
        ledger((95, 1000), (85, 100), adjustments=((2, 10, 2), (2, -30, 2))),
        [0, 0, 80, 1000],
        [10, 0, 100, 970],
    ),
    "custom aging": (
        ledger((70, 100), (100, 100), adjustments=((60, -50, 1),)),
        [0, 0, 50, 100],
        [0, 0, 100, 50],
    ),
    "an adjustment in ten days": (
        ledger((40, 100), adjustments=((-10, -30, 1),)),
        [0, 70, 0, 0],
        [0, 100, 0, 0],
    ),
    "a procedure after its adjustment": (
        ledger((2, 100), adjustments=((60, -10, 1),)),
        [90, 0, 0, 0],
        [90, 0, 0, 0],
    ),
}


@pytest.mark.parametrize("case", ATTACHED)
def test_what_is_attached_to_a_procedure(case: str):
    rows, netted, plain = ATTACHED[case]
    assert rows.aged() == [*netted, 0]
    assert rows.aged(lifo=False) == [*plain, 0]


def test_a_past_day_knows_what_was_netted_later():
    rows = ledger((85, 100), (55, 150), adjustments=((2, -100, 1),))
    assert rows.aged(age=31) == [150, 0, 0, 0, 0]
    assert rows.aged(age=31, lifo=False) == [150, 100, 0, 0, 0]


def test_more_credit_than_the_procedure():
    rows = ledger((95, 200), (35, 100), adjustments=((5, -5.5, 2),))
    rows.plan()
    rows.charge(5, 100, credit=True, of=2)
    rows.charge(35, 50)
    rows.charge(5, 50)
    assert rows.aged() == [50, 44.5, 0, 200, 100]
    assert rows.aged(lifo=False) == [50, 150, 0, 94.5, 100]


@pytest.mark.parametrize("release", [NEW, OLD])
def test_dynamic_plans(release: tuple[int, int]):
    one = ledger((91, 35), adjustments=((61, 45, 0),))
    one.plan()
    one.link(0, adjustment=1)
    one.charge(1, 40)
    assert one.aged(release=release) == one.aged(release=release, lifo=False) == [40, 0, 35, 0, 40]
    many = ledger(
        (61, 45), (32, 55), (15, 65), (91, 35), adjustments=((32, 10, 2), (15, 20, 3), (5, 30, 0))
    )
    many.plan()
    for procedure in (1, 2, 3):
        many.link(0, procedure=procedure)
    many.link(0, adjustment=3)
    many.charge(1, 40)
    assert many.aged(release=release) == [70, 0, 0, 5, 40]
    assert many.aged(release=release, lifo=False) == [75, 0, 0, 0, 40]


def test_what_a_dynamic_plan_takes_over_counts_at_its_own_day_from_24_2_on():
    rows = ledger((31, 50), adjustments=((31, 10, 0),))
    rows.plan()
    rows.link(0, procedure=1)
    rows.link(0, adjustment=1)
    assert rows.aged(plans=1, age=31) == [60, 0, 0, 0, 0]
    assert rows.aged(lifo=False, age=31) == [0, 0, 0, 0, 0]
    assert rows.aged(lifo=False, age=31, release=OLD) == [60, 0, 0, 0, 0]


def test_planned_procedures_are_taken_over_up_to_24_1():
    rows = ledger((61, 100))
    rows.procedure(2, 40, status=1)
    rows.plan(option=2)
    rows.link(1, procedure=2)
    assert rows.aged() == [0, 0, 100, 0, 0]
    # its discount of 5 comes back, from 23.2 on
    assert rows.aged(release=OLD, lifo=False) == [5, 0, 60, 0, 0]
    assert rows.aged(release=(23, 1)) == [0, 0, 60, 0, 0]
    rows.tables["payplan"][0]["dynamic_pay_plan_tp_option"] = 1
    assert rows.aged(release=OLD) == [0, 0, 100, 0, 0]

"""OpenDental's aging, computed row by row in plain Python: the models' balances must equal it.

It shares nothing with dbt's models or with the synthetic clinic's ledger. Rows are dictionaries
with the base tables' columns. A day of None is OpenDental's 0001-01-01, which is before all
others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Amounts = dict[str, Decimal]
ZERO = Decimal(0)
BUCKETS = ("balance_0_to_30", "balance_31_to_60", "balance_61_to_90", "balance_over_90")
HIDDEN, VISIBLE = 602, 601


@dataclass(frozen=True, slots=True)
class Rules:
    """The practice's settings, and the two digits of its version: (24, 3)."""

    lifo: bool
    plans: int
    release: tuple[int, int]
    days_ahead: int = 0

    @property
    def links_by_production(self) -> bool:
        return self.release >= (24, 2)

    @property
    def discounts_come_back(self) -> bool:
        return (23, 2) <= self.release < (24, 2)


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction; `procedure` (0 is none) and `procedure_day` say what it is netted with."""

    patient: int
    day: date
    amount: Decimal
    procedure: int = 0
    procedure_day: date | None = date.min


@dataclass
class Family:
    """What OpenDental computes for one family."""

    charges: list[Decimal] = field(default_factory=lambda: [ZERO] * 4)
    credits: Decimal = ZERO
    balance_total: Decimal = ZERO
    insurance_estimate: Decimal = ZERO
    payment_plan_due: Decimal = ZERO

    def stored(self) -> Amounts:
        """Return the stored amounts, after credits have paid the oldest buckets first."""
        pool = self.credits - sum((min(charge, ZERO) for charge in self.charges), ZERO)
        left = []
        for charge in reversed([max(charge, ZERO) for charge in self.charges]):
            used = min(max(pool, ZERO), charge)
            pool -= used
            left.append(charge - used)
        return dict(zip(BUCKETS, reversed(left), strict=True)) | {
            "credit_balance": -pool,
            "balance_total": self.balance_total,
            "insurance_estimate": self.insurance_estimate,
            "payment_plan_due": self.payment_plan_due,
        }


def money(value: float) -> Decimal:
    return Decimal(repr(value))


def day_of(value: date | None) -> date:
    if isinstance(value, datetime):
        return value.date()
    return value or date.min


def families(tables: Tables, rules: Rules, as_of: date, *, historic: bool) -> dict[int, Amounts]:
    """Return each family with a balance, by its guarantor; patients without one are family 0."""
    guarantors = {row["pat_num"]: row["guarantor"] for row in tables["patient"]}
    found: dict[int, Family] = defaultdict(Family)
    for patient, day, amount, is_netted in netted(entries(tables, rules, as_of), rules.lifo):
        if patient not in guarantors:
            continue
        family = found[guarantors[patient]]
        if not historic or (day is not None and day <= as_of):
            family.balance_total += amount
        if day is None or day > as_of:
            continue
        if amount > 0 or is_netted:
            family.charges[_bucket((as_of - day).days)] += amount
        else:
            family.credits -= amount
    for patient, amount in estimates(tables, as_of, historic=historic):
        if patient in guarantors:
            found[guarantors[patient]].insurance_estimate += amount
    for patient, amount in dues(tables, rules, as_of, historic=historic):
        if patient in guarantors:
            found[guarantors[patient]].payment_plan_due += amount
    stored = {guarantor: family.stored() for guarantor, family in found.items()}
    return {guarantor: amounts for guarantor, amounts in stored.items() if any(amounts.values())}


def patients(tables: Tables, rules: Rules, as_of: date) -> dict[int, Decimal]:
    """Return each patient's own balance, future entries included."""
    sums: dict[int, Decimal] = defaultdict(Decimal)
    for entry in entries(tables, rules, as_of):
        sums[entry.patient] += entry.amount
    return sums


def _bucket(age: int) -> int:
    return 0 if age <= 30 else 1 if age <= 60 else 2 if age <= 90 else 3


def netted(found: Iterable[Entry], lifo: bool) -> Iterator[tuple[int, date | None, Decimal, bool]]:
    """Yield patient, day (None is in no bucket), amount, and whether it lowers its bucket."""
    groups: dict[tuple[int, int, date], list[Entry]] = defaultdict(list)
    for entry in found:
        if lifo and entry.procedure:
            groups[entry.patient, entry.procedure, entry.day].append(entry)
        else:
            yield entry.patient, entry.day, entry.amount, False
    for (patient, _, day), group in groups.items():
        amount = sum((entry.amount for entry in group), ZERO)
        # OpenDental takes the procedure's day from any row of the group; we take the earliest known.
        days = {entry.procedure_day for entry in group}
        known = [day for day in days if day and day != date.min]
        unknown = None if days == {None} else date.min
        if not known and len(days) > 1:
            unknown = None
        yield patient, (min(known, default=unknown) if amount < 0 else day), amount, True


def entries(tables: Tables, rules: Rules, as_of: date) -> Iterator[Entry]:
    """Yield all transactions that exist on that day, future ones included."""
    yield from treatments(tables)
    for row in tables["paysplit"]:
        if row["unearned_type"] != HIDDEN and not (rules.plans in (1, 3) and row["pay_plan_num"]):
            yield Entry(row["pat_num"], day_of(row["date_pay"]), -money(row["split_amt"]))
    if rules.plans in (2, 3):
        yield from plan_charges(tables, rules, as_of)
        yield from links(tables, rules)
        return
    for row in tables["payplan"]:
        if rules.plans == 1 or row["plan_num"]:
            yield Entry(row["pat_num"], day_of(row["pay_plan_date"]), -money(row["completed_amt"]))


def treatments(tables: Tables) -> Iterator[Entry]:
    """Yield completed procedures, what insurance paid and wrote off, and adjustments."""
    procedures = by("proc_num", tables["procedurelog"])
    for row in procedures.values():
        if row["proc_status"] == 2:
            yield Entry(row["pat_num"], day_of(row["proc_date"]), fee(row))
    for row in tables["claimproc"]:
        if row["status"] in (1, 4, 5, 7) and _counts(row, procedures):
            paid = ZERO if row["pay_plan_num"] else money(row["ins_pay_amt"])
            yield Entry(row["pat_num"], day_of(row["date_cp"]), -paid - money(row["write_off"]))
    for row in tables["adjustment"]:
        amount = money(row["adj_amt"])
        yield Entry(
            row["pat_num"],
            day_of(row["adj_date"]),
            amount,
            row["proc_num"],
            day_of(row["proc_date"]),
        )


def plan_charges(tables: Tables, rules: Rules, as_of: date) -> Iterator[Entry]:
    """Yield credits, and in version 2 debits; before their day they do not count at all."""
    procedures, plans = (
        by("proc_num", tables["procedurelog"]),
        by("pay_plan_num", tables["payplan"]),
    )
    for row in tables["payplancharge"]:
        day, plan = day_of(row["charge_date"]), plans.get(row["pay_plan_num"])
        if day > as_of:
            continue
        if row["charge_type"] == 1:
            patient = row["pat_num"] if rules.plans == 3 else plan["pat_num"] if plan else 0
            procedure = procedures.get(row["proc_num"])
            its_day = day_of(procedure["proc_date"]) if procedure else None
            yield Entry(patient, day, -money(row["principal"]), row["proc_num"], its_day)
        elif rules.plans == 2 and plan and not plan["plan_num"]:
            yield Entry(row["guarantor"], day, money(row["principal"]) + money(row["interest"]))


def links(tables: Tables, rules: Rules) -> Iterator[Entry]:
    """Yield what dynamic plans take over."""
    adjustments = by("adj_num", tables["adjustment"])
    procedures, plans = (
        by("proc_num", tables["procedurelog"]),
        by("pay_plan_num", tables["payplan"]),
    )
    for row in tables["payplanlink"]:
        override, linked = money(row["amount_override"]), day_of(row["sec_date_t_entry"])
        if row["link_type"] == 1 and row["f_key"] in adjustments:
            adjustment = adjustments[row["f_key"]]
            day = day_of(adjustment["adj_date"]) if rules.links_by_production else linked
            paid = _sum(
                tables["paysplit"], "split_amt", adj_num=adjustment["adj_num"], pay_plan_num=0
            )
            yield Entry(
                adjustment["pat_num"], day, -(override or money(adjustment["adj_amt"]) - paid)
            )
        if (
            row["link_type"] != 2
            or row["f_key"] not in procedures
            or row["pay_plan_num"] not in plans
        ):
            continue
        procedure, plan = procedures[row["f_key"]], plans[row["pay_plan_num"]]
        number, its_day = procedure["proc_num"], day_of(procedure["proc_date"])
        waits = rules.links_by_production or plan["dynamic_pay_plan_tp_option"] == 1
        if procedure["proc_status"] == 2 or not waits:
            amount = override or remainder(tables, procedure)
            day = its_day if rules.links_by_production else linked
            yield Entry(procedure["pat_num"], day, -amount, number, its_day)
        treated = (
            plan["is_dynamic"]
            and plan["dynamic_pay_plan_tp_option"] == 2
            and procedure["proc_status"] == 1
        )
        if rules.discounts_come_back and treated:
            discount = money(procedure["discount"]) + money(procedure["discount_plan_amt"])
            yield Entry(plan["pat_num"], its_day, discount, number, its_day)


def remainder(tables: Tables, procedure: Row) -> Decimal:
    """Return what is left of a procedure after adjustments, insurance and payments.

    Payments of plans do not count.
    """
    number = procedure["proc_num"]
    same = {name: procedure[name] for name in ("proc_num", "pat_num", "prov_num", "clinic_num")}
    left = fee(procedure) + _sum(tables["adjustment"], "adj_amt", **same)
    for row in tables["claimproc"]:
        if row["proc_num"] != number or row["status"] == 2:
            continue
        if row["status"] in (1, 4, 7):
            left -= money(row["ins_pay_amt"]) + money(row["write_off"])
        else:
            left -= _unless(-1, row["ins_est_total_override"], row["ins_pay_est"])
            left -= _unless(-1, row["write_off_est_override"], row["write_off_est"], 0)
    return left - _sum(tables["paysplit"], "split_amt", proc_num=number, pay_plan_num=0)


def estimates(tables: Tables, as_of: date, *, historic: bool) -> Iterator[tuple[int, Decimal]]:
    """Return what insurance is expected to pay and write off, by patient."""
    procedures = by("proc_num", tables["procedurelog"])
    for row in tables["claimproc"]:
        expected = row["status"] == 0
        if historic:
            later = row["status"] == 1 and day_of(row["date_cp"]) > as_of
            expected = (expected or later) and day_of(row["proc_date"]) <= as_of
        if expected and _counts(row, procedures):
            yield row["pat_num"], money(row["ins_pay_est"]) + money(row["write_off"])


def dues(
    tables: Tables, rules: Rules, as_of: date, *, historic: bool
) -> Iterator[tuple[int, Decimal]]:
    """Return what is due on payment plans and paid on them, by the payer.

    OpenDental has none for past days; here each day has its own.
    """
    plans = by("pay_plan_num", tables["payplan"])
    open_ = {number for number, row in plans.items() if rules.plans != 2 or not row["is_closed"]}
    for row in tables["payplancharge"]:
        due = day_of(row["charge_date"]) <= as_of + timedelta(days=rules.days_ahead)
        number = row["pay_plan_num"]
        if row["charge_type"] == 0 and due and number in open_ and not plans[number]["plan_num"]:
            yield row["guarantor"], money(row["principal"]) + money(row["interest"])
    for row in tables["paysplit"]:
        number = row["pay_plan_num"]
        seen = not historic or day_of(row["date_pay"]) <= as_of
        if (
            number
            and seen
            and row["unearned_type"] != HIDDEN
            and (number in open_ or number not in plans)
        ):
            yield row["pat_num"], -money(row["split_amt"])


def by(key: str, rows: list[Row]) -> dict[int, Row]:
    return {row[key]: row for row in rows}


def fee(row: Row) -> Decimal:
    units: int = row["unit_qty"] + row["base_units"]
    return money(row["proc_fee"]) * units


def _counts(claim_procedure: Row, procedures: dict[int, Row]) -> bool:
    number = claim_procedure["proc_num"]
    return number == 0 or (number in procedures and procedures[number]["proc_status"] == 2)


def _sum(rows: list[Row], column: str, **where: Any) -> Decimal:
    chosen = (row for row in rows if all(row[name] == value for name, value in where.items()))
    return sum((money(row[column]) for row in chosen), ZERO)


def _unless(unset: int, *values: float) -> Decimal:
    return money(next(value for value in values if value != unset))

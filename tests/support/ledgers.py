"""Random families with everything that a ledger can hold, in the shape of the base tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from aging_oracle import HIDDEN, VISIBLE, Row, Tables

# Ids are unique by family; those that end so exist nowhere.
ROOM, MISSING = 1000, 999
TABLES = (
    "patient",
    "procedurelog",
    "claimproc",
    "adjustment",
    "paysplit",
    "payplan",
    "payplancharge",
    "payplanlink",
)
AMOUNTS = (10, 30, 33.33, 50, 70.07, 100, 100, 150, 0.1)


class Families:
    """Writes one family after another; `days` are the days as of which balances are computed."""

    mine: Callable[[str], list[Row]]
    some_day: Callable[[], date | None]

    def __init__(self, seed: int, days: list[date]) -> None:
        self.random = Random(seed)  # noqa: S311 - to be drawn again
        self.days = days
        self.tables: Tables = {name: [] for name in TABLES}
        self.used: dict[str, int] = defaultdict(int)
        self.family = 0

    def write(self, number: int) -> Tables:
        for _ in range(number):
            self._family()
        return self.tables

    def _family(self) -> None:
        self.family += 1
        self.used.clear()
        # A few days for all, so that many things are on one day and netted with each other.
        pool = [self._day() for _ in range(self.random.randint(2, 6))]
        self.some_day = lambda: self.random.choice(pool)
        for _ in range(self.random.randint(1, 3)):
            self._patient()
        mine = {name: len(self.tables[name]) for name in TABLES}
        self.mine = lambda name: self.tables[name][mine[name] :]
        for kind, most in (
            ("procedure", 5),
            ("plan", 2),
            ("adjustment", 5),
            ("claim_procedure", 4),
            ("split", 4),
        ):
            for _ in range(self.random.randint(0, most)):
                getattr(self, f"_{kind}")()
        for _ in range(
            self.random.randint(0, 6) if self.mine("payplan") or self._chance(0.1) else 0
        ):
            self._charge()
        for _ in range(
            self.random.randint(0, 3) if self.mine("payplan") or self._chance(0.1) else 0
        ):
            self._link()

    def _day(self) -> date | None:
        """Return a day near the border of a bucket of some day, any day, or none."""
        if self._chance(0.04):
            return None
        if self._chance(0.2):
            return self.days[0] + timedelta(days=self.random.randint(-400, 60))
        age = self.random.choice((-20, -1, 0, 1, 29, 30, 31, 60, 61, 89, 90, 91, 120))
        return self.random.choice(self.days) - timedelta(days=age)

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _amount(self, negative: float = 0.0) -> float:
        amount = self.random.choice(AMOUNTS)
        return 0.0 if self._chance(0.05) else -amount if self._chance(negative) else amount

    def _id(self, table: str) -> int:
        self.used[table] += 1
        return self.family * ROOM + self.used[table]

    def _missing(self) -> int:
        return self.family * ROOM + MISSING

    def _any(self, table: str, key: str, none: float = 0.0) -> int:
        """Return a row of this family, rarely one that does not exist, or none."""
        rows = self.mine(table)
        if self._chance(none) or not rows:
            return 0
        return self._missing() if self._chance(0.06) else int(self.random.choice(rows)[key])

    def _person(self) -> int:
        """Return a member of the family, rarely of another, or nobody."""
        if self._chance(0.05):
            return int(self.random.choice(self.tables["patient"])["pat_num"])
        if self._chance(0.03):
            return self.random.choice((0, self._missing()))
        return self.family * ROOM + self.random.randint(1, self.used["patient"])

    def _add(self, table: str, **row: Any) -> Row:
        self.tables[table].append(row)
        return row

    def _patient(self) -> None:
        number = self._id("patient")
        guarantor = self.family * ROOM + 1
        if self._chance(0.05):
            guarantor = self.random.choice((0, self._missing(), max(ROOM, guarantor - ROOM)))
        self._add("patient", pat_num=number, guarantor=guarantor)

    def _place(self) -> dict[str, int]:
        return {
            "prov_num": self.random.choice((1, 1, 1, 2)),
            "clinic_num": self.random.choice((0, 0, 0, 1)),
        }

    def _procedure(self) -> None:
        self._add(
            "procedurelog",
            proc_num=self._id("procedurelog"),
            pat_num=self._person(),
            **self._place(),
            proc_status=self.random.choice((2, 2, 2, 2, 1, 1, 6, 3, 8)),
            proc_fee=self._amount(0.03),
            unit_qty=self.random.choice((1, 1, 1, 2)),
            base_units=self.random.choice((0, 0, 0, 1)),
            discount=self.random.choice((0, 0, 5)),
            discount_plan_amt=self.random.choice((0, 0, 2.5)),
            proc_date=self.some_day(),
        )

    def _plan(self) -> None:
        self._add(
            "payplan",
            pay_plan_num=self._id("payplan"),
            pat_num=self._person(),
            guarantor=self._person(),
            plan_num=9 if self._chance(0.2) else 0,
            is_closed=int(self._chance(0.2)),
            is_dynamic=int(self._chance(0.7)),
            dynamic_pay_plan_tp_option=self.random.choice((0, 1, 2, 2)),
            completed_amt=self._amount(),
            pay_plan_date=self.some_day(),
        )

    def _adjustment(self) -> None:
        number = self._any("procedurelog", "proc_num", none=0.25)
        of = [row for row in self.mine("procedurelog") if row["proc_num"] == number]
        place = {name: of[0][name] for name in ("prov_num", "clinic_num")} if of else self._place()
        self._add(
            "adjustment",
            adj_num=self._id("adjustment"),
            proc_num=number,
            pat_num=of[0]["pat_num"] if of and self._chance(0.9) else self._person(),
            **(place if self._chance(0.9) else self._place()),
            adj_amt=self._amount(0.6),
            adj_date=self.some_day(),
            proc_date=of[0]["proc_date"] if of and self._chance(0.93) else self.some_day(),
        )

    def _claim_procedure(self) -> None:
        self._add(
            "claimproc",
            claim_proc_num=self._id("claimproc"),
            proc_num=self._any("procedurelog", "proc_num", none=0.2),
            pat_num=self._person(),
            status=self.random.choice((0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9)),
            claim_payment_num=self._missing() if self._chance(0.1) else 0,
            pay_plan_num=self._any("payplan", "pay_plan_num", none=0.8),
            ins_pay_amt=self._amount(0.1),
            ins_pay_est=self._amount(),
            ins_est_total_override=-1 if self._chance(0.8) else self._amount(),
            write_off=self._amount(0.1),
            write_off_est=self.random.choice((-1, 0, 7.5)),
            write_off_est_override=self.random.choice((-1, -1, 0, 4.25)),
            proc_date=self.some_day(),
            date_cp=self.some_day(),
        )

    def _split(self) -> None:
        self._add(
            "paysplit",
            split_num=self._id("paysplit"),
            pat_num=self._person(),
            proc_num=self._any("procedurelog", "proc_num", none=0.4),
            adj_num=self._any("adjustment", "adj_num", none=0.7),
            pay_plan_num=self._any("payplan", "pay_plan_num", none=0.5),
            unearned_type=self.random.choice((0, 0, 0, VISIBLE, HIDDEN, 990)),
            split_amt=self._amount(0.15),
            date_pay=self.some_day(),
        )

    def _charge(self) -> None:
        credit = self._chance(0.5)
        self._add(
            "payplancharge",
            pay_plan_charge_num=self._id("payplancharge"),
            pay_plan_num=self._any("payplan", "pay_plan_num"),
            pat_num=self._person(),
            guarantor=self._person(),
            proc_num=self._any("procedurelog", "proc_num", none=0.3)
            if credit or self._chance(0.2)
            else 0,
            charge_type=int(credit),
            principal=self._amount(0.1),
            interest=0 if credit else self.random.choice((0, 0, 1.5)),
            charge_date=self.some_day(),
        )

    def _link(self) -> None:
        of = self.random.choice((1, 2, 2, 2, 3))
        linked = self.some_day()
        self._add(
            "payplanlink",
            pay_plan_link_num=self._id("payplanlink"),
            pay_plan_num=self._any("payplan", "pay_plan_num"),
            link_type=of,
            f_key=self._any("adjustment", "adj_num")
            if of == 1
            else self._any("procedurelog", "proc_num"),
            amount_override=self.random.choice((0, 0, 0, 40, -5)),
            sec_date_t_entry=linked
            and datetime.combine(linked, datetime.min.time()).replace(hour=23, minute=30),
        )

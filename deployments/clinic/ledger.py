"""Balances and aging as OpenDental computes them.

Charges age by their day. Attached credits count with their procedure; the others pay the
oldest charges first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

BALANCES = (
    "EstBalance",
    "Bal_0_30",
    "Bal_31_60",
    "Bal_61_90",
    "BalOver90",
    "InsEst",
    "BalTotal",
    "PayPlanDue",
)
_BUCKETS = ("Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90")
_BUCKET_DAYS = ((0, 30), (31, 60), (61, 90), (91, None))
# A day before all others, for what counts as of any day.
LONG_AGO = date(1, 1, 1)

ENTRY = {
    "PatNum": pl.Int64,
    "day": pl.Date,
    "cents": pl.Int64,
    "ProcNum": pl.Int64,
    "proc_day": pl.Date,
    "waits": pl.Boolean,
}
ESTIMATE = {"PatNum": pl.Int64, "day": pl.Date, "answered": pl.Date, "cents": pl.Int64}
DUE = {"PatNum": pl.Int64, "day": pl.Date, "cents": pl.Int64}


@dataclass(frozen=True, slots=True)
class Account:
    """What aging looks at, in whole cents.

    `entries` are signed. AgingProcLifo adds some of them up by procedure and day: those have the
    procedure's number and day, others 0 and null. An entry that `waits`, as a pay plan's charge
    does, counts nowhere before its day.
    `estimates` are what insurance is expected to cover of a procedure of that day, until the claim
    is `answered`.
    `dues` are the debits of open pay plans and, negative and of LONG_AGO, what was paid on them.
    """

    entries: pl.DataFrame
    estimates: pl.DataFrame
    dues: pl.DataFrame


def entries(frame: pl.DataFrame, *, waits: bool = False) -> pl.DataFrame:
    """Return a part of `Account.entries`.

    In a frame without `proc_day`, no entry belongs to a procedure.
    """
    if "proc_day" not in frame.columns:
        frame = frame.with_columns(ProcNum=pl.lit(0), proc_day=pl.lit(None, dtype=pl.Date))
    return frame.with_columns(waits=pl.lit(waits)).select(
        pl.col(name).cast(kind) for name, kind in ENTRY.items()
    )


def balances(
    account: Account, people: pl.DataFrame, as_of: date, *, lifo: bool, due_ahead: int
) -> pl.DataFrame:
    """Return the columns of `patient` that aging writes, in cents; a family's are the guarantor's.

    `due_ahead`: how many days before its date a pay plan's debit is due
    (PayPlansBillInAdvanceDays).
    """
    begun = account.entries.filter(~pl.col("waits") | (pl.col("day") <= as_of))
    own = begun.group_by("PatNum").agg(EstBalance=pl.col("cents").sum())
    family = _aged(_dated(begun, lifo).join(_families(people), on="PatNum"), as_of)
    family = family.join(
        begun.join(_families(people), on="PatNum")
        .group_by("Guarantor")
        .agg(BalTotal=pl.col("cents").sum()),
        on="Guarantor",
    )
    expected = _of_families(
        account.estimates.filter(pl.col("answered").is_null()), people, "InsEst"
    )
    due = account.dues.filter(pl.col("day") <= as_of + timedelta(days=due_ahead))
    return (
        people.select("PatNum")
        .join(own, on="PatNum", how="left", maintain_order="left")
        .join(family, left_on="PatNum", right_on="Guarantor", how="left", maintain_order="left")
        .join(expected, left_on="PatNum", right_on="Guarantor", how="left", maintain_order="left")
        .join(
            _of_families(due, people, "PayPlanDue"),
            left_on="PatNum",
            right_on="Guarantor",
            how="left",
        )
        .sort("PatNum")
        .select("PatNum", *(pl.col(name).fill_null(0) for name in BALANCES))
    )


def receivables(
    account: Account, people: pl.DataFrame, days: Sequence[date], *, lifo: bool
) -> pl.DataFrame:
    """Return what `dashboardar` keeps for each of these days, in cents.

    Entries of later days do not count, and claims answered after the day are still estimates.
    Families are those of now. What is netted with a procedure later is netted at the procedure's
    day already: OpenDental computes a month when somebody first asks for it.
    """
    families = _families(people)
    answered, day = pl.col("answered"), pl.col("day")
    rows = []
    for as_of in days:
        begun = account.entries.filter(~pl.col("waits") | (pl.col("day") <= as_of))
        aged = _aged(_dated(begun, lifo).join(families, on="PatNum"), as_of)
        open_ = account.estimates.filter((day <= as_of) & (answered.is_null() | (answered > as_of)))
        rows.append((as_of, sum(aged[bucket].sum() for bucket in _BUCKETS), open_["cents"].sum()))
    kinds = {"DateCalc": pl.Date, "BalTotal": pl.Int64, "InsEst": pl.Int64}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def dashboard_rows(found: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of `dashboardar`."""
    return found.select("DateCalc", (pl.col("BalTotal", "InsEst") / 100).round(2))


def month_ends(as_of: date, count: int) -> list[date]:
    """Return the ends of the last months before the day; `dashboardar` has no other days."""
    found: list[date] = []
    first = as_of.replace(day=1)
    while len(found) < count:
        last = first - timedelta(days=1)
        found.append(last)
        first = last.replace(day=1)
    return found[::-1]


def _families(people: pl.DataFrame) -> pl.DataFrame:
    return people.select("PatNum", "Guarantor")


def _of_families(frame: pl.DataFrame, people: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return sums of cents by guarantor, under this name."""
    return (
        frame.join(_families(people), on="PatNum")
        .group_by("Guarantor")
        .agg(pl.col("cents").sum().alias(name))
    )


def _dated(found: pl.DataFrame, lifo: bool) -> pl.DataFrame:
    """Return entries with the day by which they age.

    `lowers` marks the sums that lower their bucket instead of being credits.
    """
    of_procedure = (pl.col("ProcNum") > 0) & lifo
    free = found.filter(~of_procedure).select(
        "PatNum", "cents", day="day", lowers=pl.lit(value=False, dtype=pl.Boolean)
    )
    sums = (
        found.filter(of_procedure)
        .group_by("PatNum", "ProcNum", "day")
        .agg(pl.col("cents").sum(), pl.col("proc_day").first())
    )
    negative = pl.col("cents") < 0
    sums = sums.select(
        "PatNum",
        "cents",
        day=pl.when(negative).then("proc_day").otherwise("day"),
        lowers=negative,
    )
    return pl.concat([free, sums])


def _aged(dated: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return each family's charges by age, after credits have paid the oldest ones."""
    cents, age = pl.col("cents"), pl.col("age")
    charge = (cents > 0) | pl.col("lowers")
    sums = (
        dated.with_columns(age=(pl.lit(as_of) - pl.col("day")).dt.total_days())
        .group_by("Guarantor")
        .agg(
            pool=-cents.filter((age >= 0) & ~charge).sum(),
            **{
                bucket: cents.filter(charge & (age >= first) & (age <= (last or age))).sum()
                for bucket, (first, last) in zip(_BUCKETS, _BUCKET_DAYS, strict=True)
            },
        )
    )
    overdrawn = pl.sum_horizontal(pl.col(bucket).clip(upper_bound=0) for bucket in _BUCKETS)
    sums = sums.with_columns(
        pl.col("pool") - overdrawn, *(pl.col(bucket).clip(lower_bound=0) for bucket in _BUCKETS)
    )
    for bucket in reversed(_BUCKETS):
        used = pl.min_horizontal("pool", bucket).clip(lower_bound=0)
        sums = sums.with_columns((pl.col(bucket) - used).alias(bucket), pool=pl.col("pool") - used)
    return sums.drop("pool")

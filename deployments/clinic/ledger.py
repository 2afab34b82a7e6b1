"""Balances and aging as OpenDental reckons them: charges by age, attached credits with their procedure, the rest oldest first."""

from __future__ import annotations

from datetime import date

import polars as pl

_BUCKETS = ("Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90")


def balances(entries: pl.DataFrame, expected: pl.DataFrame, people: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Per patient, in cents; a family's columns are kept on the guarantor's row.

    `entries` has PatNum, day, signed cents, and `attached` for credits that lower their procedure's bucket;
    `expected` has PatNum and the cents that insurance is thought to pay.
    """
    own = entries.group_by("PatNum").agg(EstBalance=pl.col("cents").sum())
    family_of = people.select("PatNum", "Guarantor")
    age = (pl.lit(as_of) - pl.col("day")).dt.total_days()
    family = _aged(entries.join(family_of, on="PatNum").with_columns(age=age))
    estimates = expected.join(family_of, on="PatNum").group_by("Guarantor").agg(InsEst=pl.col("cents").sum())
    on_guarantor = family.join(estimates, on="Guarantor", how="full", coalesce=True).rename({"Guarantor": "PatNum"})
    return (
        people.select("PatNum")
        .join(own, on="PatNum", how="left")
        .join(on_guarantor, on="PatNum", how="left")
        .with_columns(PayPlanDue=pl.lit(0))
        .fill_null(0)
    )


def net_attached(adjusted: pl.DataFrame) -> pl.DataFrame:
    """Adjustments of a procedure are netted per day; a negative net takes the procedure's date and bucket."""
    attached = pl.col("ProcNum") > 0
    netted = (
        adjusted.filter(attached)
        .group_by("ProcNum", "day")
        .agg(pl.col("PatNum", "ProcDate").first(), cents=pl.col("cents").sum())
    )
    credit = pl.col("cents") < 0
    return pl.concat(
        [
            adjusted.filter(~attached).select("PatNum", "day", "cents", attached=pl.lit(False)),
            netted.select(
                "PatNum", day=pl.when(credit).then("ProcDate").otherwise("day"), cents="cents", attached=credit
            ),
        ]
    )


def _aged(entries: pl.DataFrame) -> pl.DataFrame:
    """Sums of charges by age, after the credits are used up from the oldest bucket on."""
    cents, age = pl.col("cents"), pl.col("age")
    past, charge = age >= 0, (pl.col("cents") > 0) | pl.col("attached")
    sums = entries.group_by("Guarantor").agg(
        BalTotal=cents.sum(),
        pool=-cents.filter(past & ~charge).sum(),
        Bal_0_30=cents.filter(charge & past & (age <= 30)).sum(),
        Bal_31_60=cents.filter(charge & age.is_between(31, 60)).sum(),
        Bal_61_90=cents.filter(charge & age.is_between(61, 90)).sum(),
        BalOver90=cents.filter(charge & (age > 90)).sum(),
    )
    overdrawn = pl.sum_horizontal(pl.col(bucket).clip(upper_bound=0) for bucket in _BUCKETS)
    sums = sums.with_columns(pl.col("pool") - overdrawn, *(pl.col(bucket).clip(lower_bound=0) for bucket in _BUCKETS))
    for bucket in reversed(_BUCKETS):
        used = pl.min_horizontal("pool", bucket)
        sums = sums.with_columns((pl.col(bucket) - used).alias(bucket), pool=pl.col("pool") - used)
    return sums.drop("pool")

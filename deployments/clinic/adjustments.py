"""Adjustments: discounts, charges and bad debts. Whole cents until written."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from deployments.clinic import definitions
from deployments.clinic.money import comes_late
from deployments.clinic.people import note
from deployments.clinic.practice import Practice
from deployments.clinic.treatment import DONE, break_codes


def adjustments(practice: Practice, procs: pl.DataFrame) -> pl.DataFrame:
    """Return discounts and charges on completed procedures; `cents` is signed."""
    chance, key = practice.chance, pl.col("key")
    discounts = [
        definitions.number(definitions.ADJ_TYPE, n)
        for n in ("Cash Discount", "Professional Courtesy", "Insurance write-off", "Senior 5%")
    ]
    charges = [
        definitions.number(definitions.ADJ_TYPE, n) for n in ("Late Charge", "Finance Charge")
    ]
    done = procs.filter(pl.col("ProcStatus") == DONE)
    is_break = pl.col("CodeNum").is_in(break_codes())
    adjusted = done.filter(~is_break & chance.chosen("adjusted", 480, key))
    charge = chance.chosen("charge", 100, key)
    day = pl.min_horizontal(
        pl.col("day") + pl.duration(days=chance.weighted("adjlag", {0: 7, 10: 2, 45: 1}, key)),
        pl.lit(practice.as_of - timedelta(days=1)),
    )
    usual = adjusted.select(
        "PatNum",
        "ClinicNum",
        "ProvNum",
        "key",
        ProcNum=pl.when(chance.chosen("attached", 700, key)).then("ProcNum").otherwise(0),
        of="ProcNum",
        ProcDate="day",
        day=day,
        cents=pl.when(charge)
        .then(500 * chance.between("chargeamt", 1, 9, key))
        .otherwise(-(pl.col("amount") * chance.between("discount", 2, 12, key) // 100)),
        AdjType=pl.when(charge)
        .then(chance.pick("chargetype", charges, key))
        .otherwise(chance.pick("disctype", discounts, key)),
    ).filter(pl.col("cents") != 0)
    return pl.concat(
        [usual, _broken_charges(practice, done.filter(is_break))], how="vertical_relaxed"
    )


def _broken_charges(practice: Practice, breaks: pl.DataFrame) -> pl.DataFrame:
    """Return what some are charged for a broken appointment on top of the code's fee."""
    chance, key = practice.chance, pl.col("key")
    return breaks.filter(chance.chosen("breakcharge", 300, key)).select(
        "PatNum",
        "ClinicNum",
        "ProvNum",
        "key",
        ProcNum=pl.lit(0),
        of="ProcNum",
        ProcDate="day",
        day="day",
        cents=2_500 * chance.between("breakamount", 1, 2, key),
        AdjType=pl.lit(definitions.number(definitions.ADJ_TYPE, "Broken Appointment")),
    )


def all_adjustments(*parts: pl.DataFrame) -> pl.DataFrame:
    """Return the adjustments in order of their day."""
    return pl.concat(parts, how="vertical_relaxed").sort("day", "key", "cents")


def adjustment_rows(practice: Practice, found: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `adjustment`."""
    return found.select(
        "AdjNum",
        "PatNum",
        "ClinicNum",
        "ProvNum",
        "ProcNum",
        "ProcDate",
        "AdjType",
        AdjDate="day",
        DateEntry="day",
        AdjAmt=pl.col("cents") / 100,
        AdjNote=note(practice, "adjnote", 100, "AdjNum"),
        SecUserNumEntry=practice.chance.below("adjuser", practice.users, pl.col("AdjNum")) + 1,
    )


def bad_debts(practice: Practice, due: pl.DataFrame) -> pl.DataFrame:
    """Return what most of those who did not pay are forgiven, after half a year or years."""
    chance, visit, key = practice.chance, pl.col("visit_key"), pl.col("key")
    late = chance.chosen("baddebt.late", 500, visit)
    given_up = ~late | chance.chosen("baddebt.ever", 600, visit)
    lost = due.filter((pl.col("parts") == 0) & ~comes_late(practice) & given_up).with_columns(
        written=pl.col("day")
        + pl.duration(
            days=chance.between("baddebt", 140, 200, visit) + pl.when(late).then(760).otherwise(0)
        )
    )
    return lost.filter(pl.col("written") < practice.as_of).select(
        "PatNum",
        "ClinicNum",
        "ProvNum",
        "key",
        ProcNum=pl.when(chance.chosen("baddebt.attached", 700, key)).then("ProcNum").otherwise(0),
        of="ProcNum",
        ProcDate="day",
        day="written",
        cents=-pl.col("due"),
        AdjType=pl.lit(definitions.number(definitions.ADJ_TYPE, "Bad Debt")),
    )

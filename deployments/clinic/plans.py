"""Payment plans.

Those of patients have credits and monthly debits, dynamic ones have links, and some track what
insurance will pay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from deployments.clinic import ledger
from deployments.clinic.claims import RECEIVED
from deployments.clinic.load import BLANK_DATE, Loader
from deployments.clinic.people import note, other_family
from deployments.clinic.practice import Practice

DEBIT, CREDIT = 0, 1
LINKS_PROCEDURE = 2
_RECENT_DAYS = 900
_LEAST_CENTS = 40_000
_INSURANCE_PLANS = 2
_CLOSED_AFTER_DAYS = 60
_MOST_MONTHS = 18


@dataclass(frozen=True, slots=True)
class Plans:
    """Plans, their charges and links, and which visits they took over; money in cents."""

    plans: pl.DataFrame
    charges: pl.DataFrame
    links: pl.DataFrame


def plans(
    loader: Loader,
    practice: Practice,
    people: pl.DataFrame,
    owed: pl.DataFrame,
    lines: pl.DataFrame,
) -> Plans:
    """Return plans for some big bills of the last years, and two a cohort for insurance."""
    found = pl.concat(
        [_of_patients(practice, people, owed, lines), _of_insurance(practice, lines)],
        how="diagonal_relaxed",
    )
    found = loader.numbered("payplan", found.sort("day", "visit_key"))
    numbers = found.select("visit_key", "PayPlanNum", "insurance", "dynamic", "payer")
    covered = owed.join(numbers.filter(~pl.col("insurance")), on="visit_key")
    awaited = lines.filter(_brought_money()).join(numbers.filter("insurance"), on="visit_key")
    charges = pl.concat(
        [
            _credits(covered.filter(~pl.col("dynamic")).with_columns(cents="due")),
            _credits(awaited.with_columns(cents="paid")),
            _debits(practice, found),
        ],
        how="vertical_relaxed",
    )
    charges = loader.numbered(
        "payplancharge", charges.sort("PayPlanNum", "day", "ChargeType", "ProcNum")
    )
    links = covered.filter("dynamic").select(
        "PayPlanNum", "ProcNum", "PatNum", "day", cents=pl.col("amount") + pl.col("attached")
    )
    return Plans(found, charges, links.sort("PayPlanNum", "ProcNum"))


def _of_patients(
    practice: Practice, people: pl.DataFrame, owed: pl.DataFrame, lines: pl.DataFrame
) -> pl.DataFrame:
    """Return patients' plans; some have a guarantor from another family, some are dynamic.

    Dynamic ones have no insurance involved.
    """
    chance, visit = practice.chance, pl.col("visit_key")
    insured = lines.select("visit_key").unique().with_columns(insured=pl.lit(value=True))
    bills = (
        owed.filter(pl.col("day") > practice.as_of - timedelta(days=_RECENT_DAYS))
        .group_by("visit_key")
        .agg(
            pl.col("PatNum", "ClinicNum", "ProvNum", "Guarantor", "day").first(),
            due=pl.col("due").sum(),
            remainder=(pl.col("amount") + pl.col("attached")).sum(),
        )
        .filter((pl.col("due") >= _LEAST_CENTS) & chance.chosen("plan", 60, visit))
        .join(insured, on="visit_key", how="left")
        .with_columns(
            dynamic=pl.col("insured").is_null() & chance.chosen("plan.dynamic", 300, visit),
            months=chance.pick("plan.months", [6, 12, _MOST_MONTHS], visit),
            apr=chance.pick("plan.apr", [0, 12], visit),
        )
    )
    last = pl.col("day").dt.offset_by(pl.format("{}mo", pl.col("months")))
    return bills.select(
        *("visit_key", "PatNum", "ClinicNum", "ProvNum", "day", "dynamic", "months", "apr"),
        total=pl.when("dynamic").then("remainder").otherwise("due"),
        payer=pl.when(chance.chosen("plan.elsewhere", 250, visit))
        .then(other_family(practice, "plan.payer", people, visit))
        .otherwise("Guarantor"),
        insurance=pl.lit(value=False),
        closed=(last < practice.as_of - timedelta(days=_CLOSED_AFTER_DAYS))
        & chance.chosen("plan.closed", 700, visit),
        PlanNum=pl.lit(0),
        InsSubNum=pl.lit(0),
    )


def _of_insurance(practice: Practice, lines: pl.DataFrame) -> pl.DataFrame:
    """Return plans for what the latest answered claims paid.

    These payments count for nothing on the account.
    """
    return (
        lines.filter(_brought_money() & (pl.col("received") < practice.as_of - timedelta(days=10)))
        .group_by("visit_key")
        .agg(
            pl.col("PatNum", "ClinicNum", "ProvNum", "day", "PlanNum", "InsSubNum").first(),
            payer=pl.col("Guarantor").first(),
            total=pl.col("paid").sum(),
        )
        .sort("day", "visit_key")
        .tail(_INSURANCE_PLANS)
        .with_columns(
            dynamic=pl.lit(value=False),
            months=pl.lit(1),
            apr=pl.lit(0),
            insurance=pl.lit(value=True),
            closed=pl.lit(value=False),
        )
    )


def _brought_money() -> pl.Expr:
    return (pl.col("Status") == RECEIVED) & (pl.col("paid") > 0) & (pl.col("kind") == "P")


_CHARGE = (
    "PayPlanNum",
    "PatNum",
    "payer",
    "ClinicNum",
    "ProvNum",
    "day",
    "cents",
    "interest",
    "ChargeType",
    "ProcNum",
)


def _credits(covered: pl.DataFrame) -> pl.DataFrame:
    return covered.with_columns(interest=pl.lit(0), ChargeType=pl.lit(CREDIT)).select(
        *_CHARGE, proc_day="day"
    )


def _debits(practice: Practice, found: pl.DataFrame) -> pl.DataFrame:
    """Return equal parts from the month after the bill on; dynamic plans have only past ones."""
    month, months, total = pl.col("month"), pl.col("months"), pl.col("total")
    frame = found.with_columns(month=pl.int_ranges(0, "months")).explode("month")
    day = pl.col("day").dt.offset_by(pl.format("{}mo", month + 1))
    share = total // months
    frame = frame.with_columns(
        day=day,
        cents=pl.when(month == months - 1).then(total - share * month).otherwise(share),
        interest=(total - share * month) * pl.col("apr") // 1200,
        ChargeType=pl.lit(DEBIT),
        ProcNum=pl.lit(0),
        proc_day=pl.lit(None, dtype=pl.Date),
    )
    issued = ~pl.col("dynamic") | (pl.col("day") < practice.as_of)
    return frame.filter(issued).select(*_CHARGE, "proc_day")


def attach(lines: pl.DataFrame, made: Plans) -> pl.DataFrame:
    """Return the claim procedures with the plan that expected them."""
    awaited = made.charges.filter(pl.col("ChargeType") == CREDIT).join(
        made.plans.filter("insurance").select("PayPlanNum"), on="PayPlanNum"
    )
    numbers = awaited.select(
        "PayPlanNum", "ProcNum", kind=pl.lit("P"), Status=pl.lit(RECEIVED, dtype=pl.Int64)
    )
    lines = lines.with_columns(pl.col("Status").cast(pl.Int64))
    joined = lines.join(
        numbers, on=["ProcNum", "kind", "Status"], how="left", maintain_order="left"
    )
    return joined.with_columns(pl.col("PayPlanNum").fill_null(0))


def payments(practice: Practice, made: Plans) -> pl.DataFrame:
    """Return what was paid on debits that fell due, by whoever owes them; closed plans are paid."""
    chance, number = practice.chance, pl.col("PayPlanChargeNum")
    plans_ = made.plans.filter(~pl.col("insurance")).select("PayPlanNum", "closed", "visit_key")
    due = made.charges.filter(pl.col("ChargeType") == DEBIT).join(plans_, on="PayPlanNum")
    return (
        due.filter(pl.col("closed") | chance.chosen("plan.paid", 920, number))
        .with_columns(
            paid_on=pl.col("day") + pl.duration(days=chance.below("plan.paylag", 20, number))
        )
        .filter(pl.col("paid_on") < practice.as_of)
        .select(
            "PayPlanNum",
            "PayPlanChargeNum",
            "ClinicNum",
            "ProvNum",
            "payer",
            PatNum="payer",
            ProcNum=pl.lit(0, dtype=pl.Int64),
            day="paid_on",
            cents=pl.col("cents") + pl.col("interest"),
            key=pl.col("visit_key"),
            pay_key=-number,
            proc_day=pl.lit(None, dtype=pl.Date),
            UnearnedType=pl.lit(0),
            kind=pl.lit(0),
        )
    )


def entries(made: Plans) -> pl.DataFrame:
    """Return the plans' entries in accounts, as PayPlansVersion 2 counts them.

    The plan's patient gets a credit and the charge's guarantor a debit, each from its day on.
    """
    counted = made.charges.join(made.plans.select("PayPlanNum", "insurance"), on="PayPlanNum")
    credit = pl.col("ChargeType") == CREDIT
    charges = counted.filter(credit | ~pl.col("insurance")).select(
        "day",
        PatNum=pl.when(credit).then("PatNum").otherwise("payer"),
        cents=pl.when(credit)
        .then(-pl.col("cents"))
        .otherwise(pl.col("cents") + pl.col("interest")),
        ProcNum="ProcNum",
        proc_day=pl.when(credit).then("proc_day"),
    )
    links = made.links.select("PatNum", "day", "ProcNum", cents=-pl.col("cents"), proc_day="day")
    return pl.concat([ledger.entries(charges, waits=True), ledger.entries(links)])


def dues(made: Plans, paid: pl.DataFrame) -> pl.DataFrame:
    """Return what is due on open plans of patients, and what was paid on them."""
    open_ = made.plans.filter(~pl.col("closed") & ~pl.col("insurance")).select("PayPlanNum")
    debits = made.charges.filter(pl.col("ChargeType") == DEBIT).join(open_, on="PayPlanNum")
    splits = paid.filter(pl.col("PayPlanNum") > 0).join(open_, on="PayPlanNum")
    return pl.concat(
        [
            debits.select("day", PatNum="payer", cents=pl.col("cents") + pl.col("interest")),
            splits.select("PatNum", day=pl.lit(ledger.LONG_AGO), cents=-pl.col("cents")),
        ],
        how="diagonal_relaxed",
    ).select(pl.col(name).cast(kind) for name, kind in ledger.DUE.items())


def plan_rows(practice: Practice, made: Plans) -> pl.DataFrame:
    """Return the rows of `payplan`."""
    principal = pl.col("cents").filter(pl.col("ChargeType") == CREDIT).sum()
    completed = made.charges.group_by("PayPlanNum").agg(completed=principal)
    return made.plans.join(completed, on="PayPlanNum", how="left", maintain_order="left").select(
        "PayPlanNum",
        "PatNum",
        "PlanNum",
        "InsSubNum",
        Guarantor="payer",
        PayPlanDate="day",
        APR=pl.col("apr").cast(pl.Float64),
        Note=note(practice, "payplannote", 300, "PayPlanNum"),
        CompletedAmt=pl.col("completed").fill_null(0) / 100,
        PaySchedule=pl.lit(0),
        NumberOfPayments="months",
        PayAmt=pl.col("total") // pl.col("months") / 100,
        IsClosed=pl.col("closed").cast(pl.Int8),
        IsDynamic=pl.col("dynamic").cast(pl.Int8),
        DatePayPlanStart=pl.col("day").dt.offset_by("1mo"),
        DateInterestStart=pl.lit(BLANK_DATE),
    )


def charge_rows(made: Plans) -> pl.DataFrame:
    """Return the rows of `payplancharge`."""
    return made.charges.select(
        "PayPlanChargeNum",
        "PayPlanNum",
        "PatNum",
        "ClinicNum",
        "ProvNum",
        "ProcNum",
        "ChargeType",
        Guarantor="payer",
        ChargeDate="day",
        Principal=pl.col("cents") / 100,
        Interest=pl.col("interest") / 100,
        Note=pl.lit(""),
        SecDateTEntry=pl.col("day").cast(pl.Datetime("us")),
    )


def link_rows(made: Plans) -> pl.DataFrame:
    """Return the rows of `payplanlink`; plans are made up to weeks before the treatment."""
    return made.links.select(
        "PayPlanNum",
        FKey="ProcNum",
        LinkType=pl.lit(LINKS_PROCEDURE),
        AmountOverride=pl.lit(0.0),
        SecDateTEntry=pl.col("day").cast(pl.Datetime("us"))
        + pl.duration(days=-(pl.col("PayPlanNum") % 40), hours=15),
    )

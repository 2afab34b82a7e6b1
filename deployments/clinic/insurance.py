"""Insurance: plans, their benefits, who subscribes to them and whom they cover."""

from __future__ import annotations

import polars as pl

from deployments.clinic.chance import look_up
from deployments.clinic.load import BLANK_DATE
from deployments.clinic.people import insured, note
from deployments.clinic.practice import Practice

_BENEFITS = 18


def plan_rows(practice: Practice) -> pl.DataFrame:
    """Return the rows of `insplan`."""
    chance, number = practice.chance, pl.col("PlanNum")
    return pl.select(PlanNum=pl.int_range(1, practice.plans + 1, dtype=pl.Int64)).select(
        "PlanNum",
        PlanType=_plan_type(practice),
        CarrierNum=_carrier(practice),
        GroupName=pl.lit("Group ") + number.cast(pl.String),
        GroupNum=(number * 7919 % 99991).cast(pl.String),
        PlanNote=note(practice, "plannote", 200, "PlanNum").fill_null(""),
        FeeSched=chance.below("planfee", 4, number),
        EmployerNum=chance.below("planemp", max(5, practice.rows("employer")), number) + 1,
        IsHidden=chance.chosen("planhidden", 80, number).cast(pl.Int8),
        SecDateEntry=pl.lit(practice.opened),
        OrthoAutoProcFreq=pl.lit(0),
        ClaimFormNum=pl.lit(1),
    )


def _plan_type(practice: Practice) -> pl.Expr:
    return practice.chance.weighted(
        "plantype", {"": 30, "p": 62, "c": 6, "f": 2}, pl.col("PlanNum")
    )


def _carrier(practice: Practice) -> pl.Expr:
    return practice.chance.below("plancarrier", practice.carriers, pl.col("PlanNum")) + 1


def benefits(practice: Practice) -> pl.DataFrame:
    """Return the rows of `benefit`: each plan's percentages, maximum and deductible."""
    categories = pl.DataFrame({"CovCatNum": range(1, _BENEFITS + 1)})
    cover = pl.col("CovCatNum")
    return (
        pl.select(PlanNum=pl.int_range(1, practice.plans + 1, dtype=pl.Int64))
        .join(categories, how="cross")
        .select(
            "PlanNum",
            CovCatNum=pl.when(cover <= 15).then(cover).otherwise(0),
            BenefitType=pl.when(cover <= 15).then(1).when(cover == 16).then(5).otherwise(2),
            Percent=pl.when(cover <= 15).then(look_up([100, 80, 50], cover % 3)).otherwise(-1),
            MonetaryAmt=pl.when(cover == 16)
            .then(1500.0)
            .when(cover == 17)
            .then(50.0)
            .otherwise(-1.0),
            TimePeriod=pl.lit(2),
            SecDateTEntry=pl.lit(practice.opened).cast(pl.Datetime("us")),
        )
    )


def subscribers(practice: Practice, people: pl.DataFrame) -> pl.DataFrame:
    """Return one subscription for each insured family, and a second one for some.

    Ended ones have the ordinal 0.
    """
    chance, number = practice.chance, pl.col("PatNum")
    ordinals = pl.DataFrame({"Ordinal": [0, 1, 2]})
    ordinal = pl.col("Ordinal")
    key = number * 4 + ordinal
    return (
        people.filter(
            (number == pl.col("Guarantor")) & chance.chosen("insured", 560, pl.col("Guarantor"))
        )
        .join(ordinals, how="cross")
        .sort("PatNum", "Ordinal")
        .filter(
            (ordinal == 1)
            | ((ordinal == 2) & chance.chosen("secondary", 150, number))
            | ((ordinal == 0) & chance.chosen("ended", 500, number))
        )
        .select(
            "start",
            "Ordinal",
            Subscriber=number,
            PlanNum=chance.below("plan", practice.plans, key) + 1,
        )
    )


def subscriber_rows(practice: Practice, subs: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `inssub`."""
    number = pl.col("InsSubNum")
    return subs.select(
        "InsSubNum",
        "PlanNum",
        "Subscriber",
        DateEffective="start",
        SecDateEntry="start",
        DateTerm=pl.when(pl.col("Ordinal") == 0).then("start").otherwise(pl.lit(BLANK_DATE)),
        SubscriberID=(number * 104_729 % 999_983).cast(pl.String),
        ReleaseInfo=pl.lit(1),
        AssignBen=pl.lit(1),
        SubscNote=note(practice, "subnote", 60, "InsSubNum").fill_null(""),
        BenefitNotes=note(practice, "bennote", 100, "InsSubNum").fill_null(""),
    )


def coverage(practice: Practice, people: pl.DataFrame, subs: pl.DataFrame) -> pl.DataFrame:
    """Return which subscriptions cover whom, first and second (`patplan`)."""
    return (
        people.filter(insured(practice))
        .join(
            subs.filter(pl.col("Ordinal") > 0).drop("start"),
            left_on="Guarantor",
            right_on="Subscriber",
        )
        .sort("PatNum", "Ordinal")
        .select(
            "PatNum",
            "InsSubNum",
            "Ordinal",
            "PlanNum",
            Relationship=pl.when(pl.col("PatNum") == pl.col("Guarantor")).then(0).otherwise(2),
            SecDateTEntry=pl.col("start").cast(pl.Datetime("us")),
            PatID=pl.lit(""),
            OrthoAutoNextClaimDate=pl.lit(BLANK_DATE),
            OrthoAutoFeeBilledOverride=pl.lit(-1.0),
        )
        .with_columns(PlanType=_plan_type(practice), CarrierNum=_carrier(practice))
    )

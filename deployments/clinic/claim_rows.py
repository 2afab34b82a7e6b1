"""The rows of claims' tables, made from claims, their procedures and the carriers' checks."""

from __future__ import annotations

import polars as pl

from deployments.clinic import definitions
from deployments.clinic.claims import (
    ADJUSTMENT,
    RECEIVED,
    SUPPLEMENTAL,
    Claims,
    entry_day,
)
from deployments.clinic.load import BLANK_DATE
from deployments.clinic.people import note
from deployments.clinic.practice import Practice

_UNSENT = ["U", "H", "W"]


def check_rows(practice: Practice, grouped: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `claimpayment`."""
    chance, number = practice.chance, pl.col("ClaimPaymentNum")
    return grouped.select(
        "ClaimPaymentNum",
        "ClinicNum",
        CheckDate="received",
        DateIssued="received",
        SecDateEntry="received",
        CheckAmt=pl.col("cents") / 100,
        CheckNum=(number * 31 % 99_991).cast(pl.String),
        BankBranch=pl.lit(""),
        Note=note(practice, "checknote", 30, "ClaimPaymentNum"),
        CarrierName=pl.lit("Carrier ") + pl.col("CarrierNum").cast(pl.String),
        PayType=chance.pick(
            "checktype", definitions.numbers(definitions.INSURANCE_PAYMENT), number
        ),
    )


def line_rows(practice: Practice, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `claimproc`; −1 is OpenDental's "not set"."""
    status = pl.col("Status")
    received = status.is_in([RECEIVED, SUPPLEMENTAL])
    estimated = ~status.is_in([SUPPLEMENTAL, ADJUSTMENT])
    money = {
        name: pl.col(column) / 100
        for name, column in (
            ("InsPayAmt", "paid"),
            ("WriteOff", "written_off"),
            ("DedApplied", "ded_applied"),
        )
    }
    lines = lines.with_columns(ded_applied=pl.when(status == RECEIVED).then("ded").otherwise(0))
    tracking = practice.chance.pick(
        "tracking", definitions.numbers(definitions.PAYMENT_TRACKING), pl.col("ClaimProcNum")
    )
    return lines.select(
        "ClaimProcNum",
        "ProcNum",
        "ClaimNum",
        "PatNum",
        "ProvNum",
        "ClinicNum",
        "PlanNum",
        "InsSubNum",
        "ClaimPaymentNum",
        "PayPlanNum",
        Status=status,
        **money,
        FeeBilled=pl.when(pl.col("ClaimNum") > 0).then("amount").otherwise(0) / 100,
        InsPayEst=pl.when(pl.col("ClaimNum") > 0).then("estimate").otherwise(0) / 100,
        BaseEst=pl.when(estimated).then("estimate").otherwise(0) / 100,
        InsEstTotal=pl.when(estimated).then("estimate").otherwise(0) / 100,
        WriteOffEst=pl.when(estimated & (pl.col("off") > 0))
        .then(pl.col("off") / 100)
        .otherwise(-1.0),
        Percentage=pl.when(estimated).then("percent").otherwise(-1),
        PercentOverride=pl.lit(-1),
        AllowedOverride=pl.when(
            received & practice.chance.chosen("allowedover", 300, pl.col("ClaimProcNum"))
        )
        .then(pl.col("allowed") / 100)
        .otherwise(-1.0),
        **{
            name: pl.lit(-1.0)
            for name in (
                "CopayAmt",
                "PaidOtherIns",
                "CopayOverride",
                "DedEst",
                "DedEstOverride",
                "InsEstTotalOverride",
                "PaidOtherInsOverride",
                "WriteOffEstOverride",
            )
        },
        DateCP=entry_day(),
        ProcDate="day",
        DateEntry="day",
        SecDateEntry="day",
        DateSuppReceived=pl.when(status == SUPPLEMENTAL)
        .then("received")
        .otherwise(pl.lit(BLANK_DATE)),
        DateInsFinalized=pl.when(pl.col("ClaimPaymentNum") > 0)
        .then("received")
        .otherwise(pl.lit(BLANK_DATE)),
        CodeSent=pl.lit(""),
        Remarks=note(practice, "remarks", 40, "ClaimProcNum"),
        EstimateNote=pl.lit(""),
        ClaimPaymentTracking=pl.when(pl.col("denied") & received).then(tracking).otherwise(0),
    )


def claim_rows(practice: Practice, found: Claims) -> pl.DataFrame:
    """Return the rows of `claim`, with totals from their lines."""
    totals = (
        found.procs.filter(pl.col("ClaimNum") > 0)
        .group_by("ClaimNum")
        .agg(
            fee=pl.col("amount").sum(),
            est=pl.col("estimate").sum(),
            paid=pl.col("paid").sum(),
            off=pl.col("written_off").sum(),
            ded=pl.col("ded").filter(pl.col("Status") == RECEIVED).sum(),
        )
    )
    status, number, chance = pl.col("ClaimStatus"), pl.col("ClaimNum"), practice.chance
    unsent = status.is_in(_UNSENT)
    blank = pl.lit(BLANK_DATE)
    again = pl.col("sent") + pl.duration(days=20)
    resent = chance.chosen("resent", 80, number) & (
        again < pl.min_horizontal("received", pl.lit(practice.as_of))
    )
    return found.claims.join(totals, on="ClaimNum", how="left", maintain_order="left").select(
        "ClaimNum",
        "PatNum",
        "ClinicNum",
        "PlanNum",
        "InsSubNum",
        "ClaimType",
        ClaimStatus=status,
        ProvTreat="ProvNum",
        ProvBill=pl.lit(1),
        SecDateEntry="service",
        DateService=pl.when(pl.col("preauth") | chance.chosen("noservice", 4, number))
        .then(blank)
        .otherwise("service"),
        DateSent=pl.when(unsent).then(blank).when(resent).then(again).otherwise("sent"),
        DateSentOrig=pl.when(unsent).then(blank).otherwise("sent"),
        DateReceived=pl.when(status == "R").then("received").otherwise(blank),
        ClaimFee=pl.col("fee").fill_null(0) / 100,
        InsPayEst=pl.col("est").fill_null(0) / 100,
        InsPayAmt=pl.col("paid").fill_null(0) / 100,
        WriteOff=pl.col("off").fill_null(0) / 100,
        DedApplied=pl.col("ded").fill_null(0) / 100,
        IsProsthesis=chance.weighted("prosth", {"N": 96, "I": 3, "": 1}, number),
        ClaimNote=note(practice, "claim.note", 60, "ClaimNum"),
        ReasonUnderPaid=note(practice, "underpaid", 20, "ClaimNum"),
        Narrative=note(practice, "narrative", 80, "ClaimNum").fill_null(""),
        ClaimForm=pl.lit(1),
        PatRelat=pl.lit(0),
        AttachedFlags=pl.lit("Mail"),
        EmployRelated=pl.lit(0),
        PlaceService=pl.lit(0),
        AccidentRelated=pl.lit(""),
        SecUserNumEntry=chance.below("claimuser", practice.users, number) + 1,
        MedType=pl.lit(0),
        ClaimIdentifier=pl.col("PatNum").cast(pl.String) + "/" + number.cast(pl.String),
    )


def tracking_rows(practice: Practice, found: Claims) -> pl.DataFrame:
    """Return what was noted about claims under way, and why some were denied."""
    chance, number = practice.chance, pl.col("ClaimNum")
    known = found.claims.filter(pl.col("ClaimStatus") != "U").select(
        "ClaimNum", "ClaimStatus", "denied"
    )
    refused = known.filter((pl.col("ClaimStatus") == "R") & pl.col("denied")).with_columns(
        kind=pl.lit("ClaimProcReceived")
    )
    followed = known.with_columns(kind=pl.lit("StatusHistory"))
    error = definitions.numbers(definitions.CLAIM_ERROR)
    is_refusal = pl.col("kind") == "ClaimProcReceived"
    asked = known.filter(chance.chosen("asked.again", 170, number)).with_columns(
        kind=pl.lit("ClaimUser")
    )
    return (
        pl.concat([followed, asked, refused])
        .sort("ClaimNum", "kind")
        .select(
            "ClaimNum",
            TrackingType="kind",
            UserNum=chance.below("track.user", practice.users, number) + 1,
            Note=note(practice, "track.note", 400, "ClaimNum").fill_null(""),
            TrackingDefNum=pl.when(is_refusal)
            .then(0)
            .otherwise(
                chance.pick("track.def", definitions.numbers(definitions.CLAIM_TRACKING), number)
            ),
            TrackingErrorDefNum=pl.when(is_refusal)
            .then(chance.pick("track.error", error, number))
            .otherwise(0),
        )
    )


def snapshots(found: Claims) -> pl.DataFrame:
    """Return what each claim procedure looked like when the claim was made."""
    lines = found.procs.filter((pl.col("ClaimNum") > 0) & pl.col("Status").is_in([0, RECEIVED]))
    return lines.select(
        "ProcNum",
        "ClaimProcNum",
        ClaimType="kind",
        Fee=pl.col("amount") / 100,
        InsPayEst=pl.col("estimate") / 100,
        Writeoff=pl.when(pl.col("off") > 0).then(pl.col("off") / 100).otherwise(-1.0),
        DateTEntry=pl.col("day").cast(pl.Datetime("us")) + pl.duration(hours=23),
        SnapshotTrigger=pl.lit(0),
    )


def blue_book(lines: pl.DataFrame) -> pl.DataFrame:
    """Return what carriers have paid, as `insbluebook` keeps it."""
    return lines.filter((pl.col("Status") == RECEIVED) & (pl.col("paid") > 0)).select(
        "ProcNum",
        "PlanNum",
        "CarrierNum",
        "ClaimNum",
        ProcCodeNum="CodeNum",
        InsPayAmt=pl.col("paid") / 100,
        AllowedOverride=pl.lit(-1.0),
        ProcDate="day",
        DateTEntry=pl.col("received").cast(pl.Datetime("us")),
        ClaimType="kind",
        GroupNum=pl.lit(""),
    )

"""Claims: what is claimed for visits, what carriers allow and pay, and their checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from deployments.clinic.chance import look_up
from deployments.clinic.practice import Practice
from deployments.clinic.treatment import DONE, TP, break_codes

RECEIVED, PREAUTH, ADJUSTMENT, SUPPLEMENTAL = 1, 2, 3, 4
CAP_CLAIM, ESTIMATE, CAP_COMPLETE, CAP_ESTIMATE = 5, 6, 7, 8
_CLAIMS_DAYS = 1_460
_WAITING = ["W", "U", "S", "H", "S", "W", "S", "S", "I", "S", "S", "U", "S", "S"]


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims and the procedures on them; money in cents."""

    claims: pl.DataFrame
    procs: pl.DataFrame


def claims(
    practice: Practice, procs: pl.DataFrame, cover: pl.DataFrame, first_claim: int
) -> Claims:
    """Return claims for some covered visits, and estimates for the rest.

    A second carrier gets a claim too where there is one.
    """
    billed = _priced(practice, _billable(procs).join(_cover(cover, 1), on="PatNum"))
    billed = billed.with_columns(on_claim=_claimed(practice) & (pl.col("amount") > 0))
    heads = _heads(practice, billed.filter("on_claim"))
    lines = _lines(practice, billed, heads)
    second_heads, second_lines = _second_claims(practice, heads, lines, _cover(cover, 2))
    heads = pl.concat([heads, second_heads], how="diagonal_relaxed").sort(
        "service", "visit_key", "kind"
    )
    heads = heads.with_columns(
        ClaimNum=pl.int_range(first_claim, first_claim + pl.len(), dtype=pl.Int64)
    )
    lines = pl.concat([lines, second_lines, _supplements(practice, lines)], how="diagonal_relaxed")
    on_claim = pl.col("ClaimStatus").is_not_null() & (pl.col("Status") != ADJUSTMENT)
    lines = (
        lines.join(
            heads.select("visit_key", "kind", "ClaimNum"), on=["visit_key", "kind"], how="left"
        )
        .with_columns(ClaimNum=pl.when(on_claim).then("ClaimNum").otherwise(0).fill_null(0))
        .sort("day", "key", "kind", "Status")
    )
    return Claims(heads, lines)


def _billable(procs: pl.DataFrame) -> pl.DataFrame:
    return procs.filter(
        pl.col("ProcStatus").is_in([TP, DONE]) & ~pl.col("CodeNum").is_in(break_codes())
    )


def _cover(cover: pl.DataFrame, ordinal: int) -> pl.DataFrame:
    return cover.filter(pl.col("Ordinal") == ordinal).select(
        "PatNum", "InsSubNum", "PlanNum", "PlanType", "CarrierNum"
    )


def _claimed(practice: Practice) -> pl.Expr:
    """Tell whether a procedure is claimed: those of half of the visits of the last years are.

    Older claims stayed behind when the practice came to this software.
    """
    chance, visit, day = practice.chance, pl.col("visit_key"), pl.col("day")
    recent = day >= practice.as_of - timedelta(days=_CLAIMS_DAYS)
    share = pl.when(recent).then(560).otherwise(20)
    done = (pl.col("ProcStatus") == DONE) & (chance.below("claimed", 1000, visit) < share)
    asked = (
        (pl.col("ProcStatus") == TP)
        & (pl.col("PlanType") != "c")
        & chance.chosen("preauth", 350, visit)
    )
    return (visit > 0) & (done | asked)


def _priced(practice: Practice, procs: pl.DataFrame) -> pl.DataFrame:
    """Add what the carrier allows, pays and writes off for each procedure."""
    chance, key, fee = practice.chance, pl.col("key"), pl.col("amount")
    percent = chance.pick("percent", [100, 80, 80, 50], key)
    allowed = (
        pl.when(pl.col("PlanType") == "p")
        .then(fee * chance.between("allowed", 62, 95, key) // 100)
        .otherwise(fee)
    )
    return procs.with_columns(percent=percent, allowed=allowed).with_columns(
        estimate=pl.col("allowed") * pl.col("percent") // 100,
        off=fee - pl.col("allowed"),
        denied=chance.chosen("denied", 60, pl.col("visit_key")),
        zeroed=chance.chosen("zeroed", 25, pl.col("visit_key")),
        ded=chance.weighted("ded", {0: 95, 5000: 5}, key),
    )


def _heads(practice: Practice, billed: pl.DataFrame) -> pl.DataFrame:
    """Return one claim for each visit with billed procedures; its age decides its status."""
    chance, number = practice.chance, pl.col("visit_key")
    heads = (
        billed.group_by("visit_key")
        .agg(
            pl.col("PatNum", "ClinicNum", "InsSubNum", "PlanNum").first(),
            pl.col("PlanType", "CarrierNum", "ProvNum", "day").first(),
            preauth=(pl.col("ProcStatus") == TP).all(),
            denied=pl.col("denied").first(),
        )
        .sort("day", "visit_key")
    )
    asked = pl.lit(practice.as_of) - pl.duration(
        days=chance.between("preauth.asked", 4, 90, number)
    )
    service = pl.when("preauth").then(asked.cast(pl.Date)).otherwise("day")
    heads = heads.with_columns(
        service=pl.min_horizontal(service, pl.lit(practice.as_of - timedelta(days=1)))
    )
    sent = pl.col("service") + pl.duration(days=chance.below("sent", 4, number))
    heads = heads.with_columns(
        sent=sent,
        received=sent + pl.duration(days=chance.between("turnaround", 7, 55, number)),
        kind=pl.lit("P"),
    )
    return heads.with_columns(
        ClaimStatus=_claim_status(practice),
        ClaimType=pl.when("preauth")
        .then(pl.lit("PreAuth"))
        .when(pl.col("PlanType") == "c")
        .then(pl.lit("Cap"))
        .otherwise(pl.lit("P")),
    )


def _claim_status(practice: Practice) -> pl.Expr:
    """Return R for received, or one of the states of waiting, in turn.

    Some claims are slow for months, and the last ones of the cohort wait.
    """
    today, number = pl.lit(practice.as_of), pl.col("visit_key")
    slow = (pl.col("service") > today - timedelta(days=150)) & practice.chance.chosen(
        "slow", 110, number
    )
    from_last = pl.len() - 1 - pl.int_range(pl.len(), dtype=pl.Int64)
    late = (pl.col("received") >= today) | (from_last < len(_WAITING) // 2)
    return (
        pl.when(~late & ~slow)
        .then(pl.lit("R"))
        .when(late)
        .then(look_up(_WAITING, from_last % len(_WAITING)))
        .otherwise(pl.lit("S"))
    )


def _lines(practice: Practice, billed: pl.DataFrame, heads: pl.DataFrame) -> pl.DataFrame:
    """Return the claim procedures of the first carrier, estimates included."""
    heads = heads.select("visit_key", "ClaimStatus", "received", "preauth")
    done, capitation = pl.col("ProcStatus") == DONE, pl.col("PlanType") == "c"
    got = pl.col("ClaimStatus") == "R"
    nothing = pl.col("preauth") | capitation | (got & (pl.col("denied") | pl.col("zeroed")))
    on_claim = billed.filter("on_claim").join(heads, on="visit_key", how="left")
    claimed = on_claim.filter(pl.col("preauth") | (pl.col("ProcStatus") == DONE)).with_columns(
        Status=pl.when("preauth")
        .then(PREAUTH)
        .when(got & capitation)
        .then(CAP_CLAIM)
        .when(got)
        .then(RECEIVED)
        .otherwise(0),
        paid=pl.when(got & ~nothing)
        .then(pl.max_horizontal(pl.col("estimate") - pl.col("ded"), 0))
        .otherwise(0),
        written_off=pl.when(nothing).then(0).otherwise("off"),
    )
    rest = (
        billed.filter(~pl.col("on_claim"))
        .with_columns(
            Status=pl.when(capitation & done)
            .then(CAP_COMPLETE)
            .when(capitation)
            .then(CAP_ESTIMATE)
            .otherwise(ESTIMATE),
            paid=pl.lit(0),
            written_off=pl.when(capitation & done).then(pl.col("amount") * 3 // 10).otherwise(0),
        )
        .filter(capitation | ~done | practice.chance.chosen("estimated", 650, pl.col("key")))
    )
    return pl.concat([claimed, rest], how="diagonal_relaxed").with_columns(kind=pl.lit("P"))


def _second_claims(
    practice: Practice, heads: pl.DataFrame, lines: pl.DataFrame, cover: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return claims for half of the rest, which wait until the first carrier has answered."""
    chance, number = practice.chance, pl.col("visit_key")
    own = ["InsSubNum", "PlanNum", "PlanType", "CarrierNum"]
    first = (
        heads.filter(pl.col("ClaimType") == "P")
        .drop(own)
        .join(cover.filter(pl.col("PlanType") != "c"), on="PatNum")
    )
    answered = pl.col("ClaimStatus") == "R"
    received = pl.col("received") + pl.duration(
        days=chance.between("turnaround.second", 8, 30, number)
    )
    second = first.with_columns(
        kind=pl.lit("S"),
        ClaimType=pl.lit("S"),
        sent=pl.col("received"),
        received=received,
        denied=pl.lit(value=False),
        ClaimStatus=pl.when(answered & (received < practice.as_of))
        .then(pl.lit("R"))
        .otherwise(pl.when(answered).then(pl.lit("S")).otherwise(pl.lit("H"))),
    )
    status = pl.col("Status")
    covered = pl.when(status == RECEIVED).then("paid").otherwise("estimate") + pl.col("written_off")
    rest = (pl.col("amount") - covered).clip(0, None) // 2
    again = lines.filter(
        pl.col("ClaimStatus").is_not_null() & status.is_in([0, RECEIVED])
    ).with_columns(estimate=rest)
    again = again.drop([*own, "ClaimStatus", "received", "denied", "kind"]).join(
        second.select("visit_key", *own, "ClaimStatus", "received", "denied", "kind"),
        on="visit_key",
    )
    got = pl.col("ClaimStatus") == "R"
    again = again.filter(pl.col("estimate") > 0).with_columns(
        Status=got.cast(pl.Int32),
        paid=pl.when(got).then("estimate").otherwise(0),
        written_off=pl.lit(0),
        off=pl.lit(0),
        ded=pl.lit(0),
    )
    return second.join(again.select("visit_key").unique(), on="visit_key", how="semi"), again


def _supplements(practice: Practice, lines: pl.DataFrame) -> pl.DataFrame:
    """Return second payments on received procedures, some of them after a denial.

    Yearly benefit adjustments, which move no money, are among them.
    """
    chance, key = practice.chance, pl.col("key")
    received = lines.filter(pl.col("Status") == RECEIVED)
    zero = {name: pl.lit(0) for name in ("amount", "written_off", "ded", "off")}
    denied = pl.col("denied")
    appealed = denied & chance.chosen("appealed", 250, pl.col("visit_key"))
    lag = chance.between("supplement.lag", 15, 60, pl.col("visit_key"))
    more = (
        received.filter(
            appealed | (~denied & (pl.col("paid") > 0) & chance.chosen("supplement", 40, key))
        )
        .with_columns(
            Status=pl.lit(SUPPLEMENTAL),
            paid=pl.when(denied).then("estimate").otherwise(1234),
            received=pl.col("received") + pl.duration(days=lag),
            **zero,
        )
        .filter(pl.col("received") < practice.as_of)
        .with_columns(estimate=pl.lit(0))
    )
    used = lines.filter(
        (pl.col("Status") == ESTIMATE) & chance.chosen("benefit", 6, key)
    ).with_columns(
        Status=pl.lit(ADJUSTMENT),
        paid=pl.lit(20000),
        ProcNum=pl.lit(0, dtype=pl.Int64),
        estimate=pl.lit(0),
        **zero,
    )
    return pl.concat([more, used], how="diagonal_relaxed")


def checks(
    practice: Practice, lines: pl.DataFrame, first: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the carriers' payments, and the lines with the payment that they belong to."""
    paid = pl.col("Status").is_in([RECEIVED, SUPPLEMENTAL])
    settled = paid & (pl.col("received") < practice.as_of - timedelta(days=3))
    grouped = (
        lines.filter(settled)
        .group_by("CarrierNum", "received")
        .agg(cents=pl.col("paid").sum(), ClinicNum=pl.col("ClinicNum").first())
        .sort("received", "CarrierNum")
    )
    grouped = grouped.with_columns(
        ClaimPaymentNum=pl.int_range(first, first + pl.len(), dtype=pl.Int64)
    )
    numbers = grouped.select("CarrierNum", "received", "ClaimPaymentNum")
    lines = lines.join(numbers, on=["CarrierNum", "received"], how="left", maintain_order="left")
    lines = lines.with_columns(
        ClaimPaymentNum=pl.when(settled).then("ClaimPaymentNum").otherwise(0).fill_null(0)
    )
    return grouped, lines


def entry_day() -> pl.Expr:
    """Return the day of a claim procedure in the account (DateCP)."""
    return (
        pl.when(pl.col("Status").is_in([RECEIVED, SUPPLEMENTAL])).then("received").otherwise("day")
    )

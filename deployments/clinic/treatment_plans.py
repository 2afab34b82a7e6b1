"""Treatment plans: what is planned now, and the proposals that were presented and saved."""

from __future__ import annotations

import polars as pl

from deployments.clinic import codes, definitions, words
from deployments.clinic.chance import look_up
from deployments.clinic.load import BLANK_DATE
from deployments.clinic.people import text
from deployments.clinic.practice import Practice, days_before
from deployments.clinic.treatment import CLEANING, DELETED, DONE, TP, TP_INACTIVE, break_codes


def treatment_plans(practice: Practice, procs: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """Return active and inactive plans for some patients, and the saved ones that were shown."""
    chance, number = practice.chance, pl.col("PatNum")
    planned = (
        procs.filter(pl.col("ProcStatus").is_in([TP, TP_INACTIVE]))
        .group_by("PatNum")
        .agg(
            active=(pl.col("ProcStatus") == TP).any(),
            inactive=(pl.col("ProcStatus") == TP_INACTIVE).any(),
            first=pl.col("day").min(),
        )
    )
    kind = pl.col("TPStatus")
    wanted = (
        pl.when(kind == _ACTIVE)
        .then(pl.col("active") & chance.chosen("activeplan", 380, number))
        .otherwise(pl.col("inactive") & chance.chosen("inactiveplan", 300, number))
    )
    current = (
        planned.join(pl.DataFrame({"TPStatus": [_ACTIVE, _INACTIVE]}), how="cross")
        .filter(wanted)
        .select("PatNum", "TPStatus", day="first", show=pl.lit(0))
    )
    saved = shown.select(
        "PatNum", pl.lit(_SAVED).alias("TPStatus"), pl.col("presented_on").alias("day"), "show"
    ).unique()
    return pl.concat([current, saved], how="vertical_relaxed").sort("PatNum", "TPStatus", "show")


_SAVED, _ACTIVE, _INACTIVE = 0, 1, 2
_SHOWN_DAYS = 740
_SHOWN_AT_ONCE = 6


def shown(practice: Practice, procs: pl.DataFrame) -> pl.DataFrame:
    """Return which procedures were presented on which day of the last two years, some twice.

    Since then they were completed within months or scheduled, or they are still planned, inactive
    or deleted.
    """
    chance, number, day = practice.chance, pl.col("PatNum"), pl.col("day")
    share = max(20, min(400, 400_000 // practice.patients))
    hygiene = [codes.number(code) for code in CLEANING]
    first = pl.lit(practice.as_of) - pl.duration(
        days=chance.between("shown", 15, _SHOWN_DAYS, number)
    )
    usual = ~pl.col("CodeNum").is_in([*hygiene, *break_codes()])
    frame = (
        procs.filter(chance.chosen("savedplan", share, number) & usual)
        .with_columns(first=first.cast(pl.Date))
        .filter(pl.col("first") >= pl.col("start"))
    )
    done = (pl.col("ProcStatus") == DONE) & (pl.col("visit_key") > 0)
    scheduled = (pl.col("ProcStatus") == TP) & (pl.col("AptNum") > 0)
    found = (pl.col("visit_key") == 0) & pl.col("ProcStatus").is_in([TP, TP_INACTIVE, DELETED])
    since = (day - pl.col("first")).dt.total_days()
    frame = frame.filter(
        (done & since.is_between(1, 110))
        | (scheduled & (since > 0))
        | (found & since.is_between(-500, 0))
    )
    frame = frame.sort("PatNum", "key").filter(
        pl.int_range(pl.len()).over("PatNum") < _SHOWN_AT_ONCE
    )
    once = frame.with_columns(presented_on="first", show=pl.lit(0))
    later = pl.col("first") + pl.duration(days=chance.between("shown.again", 7, 45, number))
    twice = frame.with_columns(presented_on=later.cast(pl.Date), show=pl.lit(1)).filter(
        chance.chosen("shown.twice", 250, number)
        & (pl.col("presented_on") < practice.as_of)
        & (~done | (day > pl.col("presented_on")))
    )
    return pl.concat([once, twice]).select("PatNum", "ProcNum", "show", "presented_on")


def first_shown(procs: pl.DataFrame, presented: pl.DataFrame) -> pl.DataFrame:
    """Return the procedures with the day when they were first presented."""
    first = presented.group_by("ProcNum").agg(pl.col("presented_on").min())
    return procs.join(first, on="ProcNum", how="left", maintain_order="left")


def treatment_plan_rows(practice: Practice, plans: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `treatplan`."""
    chance, number = practice.chance, pl.col("TreatPlanNum")
    day = pl.min_horizontal("day", days_before(practice.as_of, pl.lit(1)).cast(pl.Date))
    saved = pl.col("TPStatus") == _SAVED
    return plans.select(
        "TreatPlanNum",
        "PatNum",
        "TPStatus",
        DateTP=pl.when(saved).then(day).otherwise(pl.lit(BLANK_DATE)),
        Heading=look_up(
            ['Proposal "A"', "Active Treatment Plan", "Inactive Treatment Plan"], pl.col("TPStatus")
        ),
        Note=text(practice, "tpnote", words.SENTENCES, "TreatPlanNum"),
        Signature=pl.lit(""),
        SecUserNumEntry=chance.below("tpuser", practice.users, number) + 1,
        SecDateEntry=day,
        UserNumPresenter=pl.when(saved)
        .then(chance.below("presenter", min(practice.users, 6), number) + 1)
        .otherwise(0),
    )


def plan_attachments(practice: Practice, plans: pl.DataFrame, procs: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `treatplanattach`."""
    planned = procs.filter(pl.col("ProcStatus").is_in([TP, TP_INACTIVE])).select(
        "PatNum", "ProcNum", kind=pl.when(pl.col("ProcStatus") == TP).then(1).otherwise(2)
    )
    current = plans.filter(pl.col("TPStatus") != _SAVED).select(
        "TreatPlanNum", "PatNum", kind="TPStatus"
    )
    priorities = [0, *definitions.numbers(definitions.TX_PRIORITY)]
    return (
        current.join(planned, on=["PatNum", "kind"])
        .sort("TreatPlanNum", "ProcNum")
        .select(
            "TreatPlanNum",
            "ProcNum",
            Priority=practice.chance.pick("attach.priority", priorities, pl.col("ProcNum")),
        )
    )


def presented_procedures(
    practice: Practice, plans: pl.DataFrame, procs: pl.DataFrame, presented: pl.DataFrame
) -> pl.DataFrame:
    """Return the frozen copies in saved plans (`proctp`)."""
    known = codes.all_codes(practice.procedure_codes)
    index = pl.col("CodeNum") - 1
    saved = plans.filter(pl.col("TPStatus") == _SAVED).select("TreatPlanNum", "PatNum", "show")
    return (
        saved.join(presented.with_columns(pl.col("show").cast(pl.Int64)), on=["PatNum", "show"])
        .join(procs.drop("PatNum", "presented_on"), on="ProcNum")
        .sort("TreatPlanNum", "ProcNum")
        .select(
            "TreatPlanNum",
            "PatNum",
            "ClinicNum",
            "ProvNum",
            ProcNumOrig="ProcNum",
            ItemOrder=pl.int_range(pl.len()).over("TreatPlanNum"),
            DateTP="presented_on",
            SecDateEntry="presented_on",
            ProcCode=look_up([c.code for c in known], index),
            Descript=look_up([c.words for c in known], index),
            FeeAmt=pl.col("amount") / 100,
            PatAmt=pl.col("amount") / 100,
            FeeAllowed=pl.lit(-1.0),
            ToothNumTP=pl.lit(""),
            Surf=pl.lit(""),
        )
    )
